"""The records that armillary collects; importing this imports no peer."""

from __future__ import annotations

from collections.abc import Iterator

from armillary.plugins import Implementation, hookimpl

#: Peers of ``crossmatch``: how they find the nearest, where that is documented, whom to cite.
_SKY = {
    "astropy": (
        "match_coordinates_sky and search_around_sky",
        "https://docs.astropy.org/en/stable/coordinates/matchsep.html",
        "Astropy Collaboration (2022), ApJ 935, 167",
    ),
    "scipy": (
        "cKDTree on unit vectors",
        "https://docs.scipy.org/doc/scipy/reference/generated/scipy.spatial.cKDTree.html",
        "Virtanen et al. (2020), Nature Methods 17, 261",
    ),
    "pykdtree": (
        "KDTree on unit vectors, as many threads as OMP_NUM_THREADS says",
        "https://github.com/storpipfugl/pykdtree",
        "pykdtree (Nielsen et al.), https://github.com/storpipfugl/pykdtree",
    ),
    "sklearn": (
        "BallTree with the haversine metric, one thread",
        "https://scikit-learn.org/stable/modules/generated/sklearn.neighbors.BallTree.html",
        "Pedregosa et al. (2011), JMLR 12, 2825",
    ),
}

#: Operations of ``fit`` that photutils can do: the module, and what is called there.
_FIT = {
    "isophotes": ("isophotes", "Ellipse.fit_image"),
    "forced_isophotes": ("isophotes", "EllipseSample, an ellipse at a time"),
    "ellipse_model": ("model", "build_ellipse_model"),
}


@hookimpl
def armillary_search() -> Iterator[Implementation]:
    yield Implementation(
        operation="search.bls",
        name="astropy",
        target="armillary_peers.astropy_box:bls",
        api=1,
        summary="BoxLeastSquares, objective likelihood, one thread",
        url="https://docs.astropy.org/en/stable/timeseries/bls.html",
        citation="Astropy Collaboration (2022), ApJ 935, 167",
        depends=("astropy",),
        can_run="armillary_peers.installed:astropy",
    )
    yield Implementation(
        operation="search.bls",
        name="gerbls",
        target="armillary_peers.gerbls_box:bls",
        api=1,
        summary="fast-folding BLS on its own trial periods, the nearest for each asked for",
        url="https://gerbls.readthedocs.io",
        citation="GERBLS (Ment), https://github.com/kment/GERBLS",
        depends=("gerbls",),
        can_run="armillary_peers.installed:gerbls",
    )


@hookimpl
def armillary_fit() -> Iterator[Implementation]:
    for operation, (module, summary) in _FIT.items():
        yield Implementation(
            operation=f"fit.{operation}",
            name="photutils",
            target=f"armillary_peers.photutils_{module}:{operation}",
            api=1,
            summary=f"{summary}, one thread",
            url="https://photutils.readthedocs.io/en/stable/user_guide/isophote.html",
            citation="photutils (Bradley et al.), https://doi.org/10.5281/zenodo.596036",
            depends=("photutils",),
            can_run="armillary_peers.installed:photutils",
        )


@hookimpl
def armillary_crossmatch() -> Iterator[Implementation]:
    for name, (summary, url, citation) in _SKY.items():
        for operation in ("nearest", "within"):
            yield Implementation(
                operation=f"crossmatch.{operation}",
                name=name,
                target=f"armillary_peers.{name}_sky:{operation}",
                api=1,
                summary=summary,
                url=url,
                citation=citation,
                depends=("scikit-learn" if name == "sklearn" else name,),
                can_run=f"armillary_peers.installed:{name}",
            )


@hookimpl
def armillary_convert() -> Iterator[Implementation]:
    yield Implementation(
        operation="convert.visibilities",
        name="pyuvdata",
        target="armillary_peers.pyuvdata_visibilities:visibilities",
        api=1,
        summary="UVData: read, fast_concat, phase, write_ms or write_uvh5; all in memory",
        url="https://pyuvdata.readthedocs.io",
        citation="Keating et al. (2025), JOSS 10, 7482; Hazelton et al. (2017), JOSS 2, 140",
        depends=("pyuvdata",),
        can_run="armillary_peers.installed:pyuvdata",
    )
