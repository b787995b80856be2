"""armillary's own records; they come in through the same hooks as everyone's."""

from __future__ import annotations

from collections.abc import Iterator

from .hookspecs import hookimpl
from .records import API_VERSION, Implementation


@hookimpl
def armillary_search() -> Iterator[Implementation]:
    yield Implementation(
        operation="search.bls",
        name="cpu",
        target="armillary.search.box.cpu:bls",
        api=API_VERSION,
        summary="compiled row-folding box search, all cores",
        citation="Kovacs, Zucker & Mazeh (2002), A&A 391, 369",
    )
    yield Implementation(
        operation="search.bls",
        name="reference",
        target="armillary.search.box.reference:bls",
        api=API_VERSION,
        summary="plain NumPy, slow: the definition of the result",
        citation="Kovacs, Zucker & Mazeh (2002), A&A 391, 369",
    )
    yield Implementation(
        operation="search.template_score",
        name="cpu",
        target="armillary.search.template.cpu:template_score",
        api=API_VERSION,
        summary="compiled pass over the points near transits, all cores",
    )
    yield Implementation(
        operation="search.template_score",
        name="reference",
        target="armillary.search.template.reference:template_score",
        api=API_VERSION,
        summary="plain NumPy, slow: the definition of the result",
    )


@hookimpl
def armillary_fit() -> Iterator[Implementation]:
    for operation, what in (("isophotes", "fit"), ("forced_isophotes", "photometry")):
        yield Implementation(
            operation=f"fit.{operation}",
            name="cpu",
            target=f"armillary.fit.isophote.cpu:{operation}",
            api=API_VERSION,
            summary=f"compiled {what} of ellipses, an image per core",
            citation="Jedrzejewski (1987), MNRAS 226, 747",
        )
        yield Implementation(
            operation=f"fit.{operation}",
            name="reference",
            target=f"armillary.fit.isophote.reference:{operation}",
            api=API_VERSION,
            summary="plain NumPy, slow: the definition of the result",
            citation="Jedrzejewski (1987), MNRAS 226, 747",
        )
    yield Implementation(
        operation="fit.ellipse_model",
        name="cpu",
        target="armillary.fit.model_image.cpu:ellipse_model",
        api=API_VERSION,
        summary="compiled search for the ellipse through each pixel, all cores",
        citation="Jedrzejewski (1987), MNRAS 226, 747",
    )
    yield Implementation(
        operation="fit.ellipse_model",
        name="reference",
        target="armillary.fit.model_image.reference:ellipse_model",
        api=API_VERSION,
        summary="plain NumPy, every pixel against every ellipse: the definition of the result",
        citation="Jedrzejewski (1987), MNRAS 226, 747",
    )


@hookimpl
def armillary_crossmatch() -> Iterator[Implementation]:
    zones = "Gray, Nieto-Santisteban & Szalay (2006), MSR-TR-2006-52"
    for operation in ("nearest", "within"):
        yield Implementation(
            operation=f"crossmatch.{operation}",
            name="cpu",
            target=f"armillary.crossmatch.sky.cpu:{operation}",
            api=API_VERSION,
            summary="compiled sweep over zones sorted by right ascension, all cores",
            citation=zones,
        )
        yield Implementation(
            operation=f"crossmatch.{operation}",
            name="reference",
            target=f"armillary.crossmatch.sky.reference:{operation}",
            api=API_VERSION,
            summary="plain NumPy, every pair: the definition of the result",
            citation="Sinnott (1984), Sky & Telescope 68, 159",
        )


@hookimpl
def armillary_convert() -> Iterator[Implementation]:
    memo = "UVH5 memo; Kemball & Wieringa (2000), CASA memo 229"
    yield Implementation(
        operation="convert.catalog",
        name="cpu",
        target="armillary.convert.catalogs.api:catalog",
        api=API_VERSION,
        summary="streamed into Parquet, with types and units put together",
    )
    yield Implementation(
        operation="convert.visibilities",
        name="cpu",
        target="armillary.convert.visibility.cpu:visibilities",
        api=API_VERSION,
        summary="one pass over all files, read ahead and merged by a compiled kernel",
        citation=memo,
    )
    yield Implementation(
        operation="convert.visibilities",
        name="reference",
        target="armillary.convert.visibility.reference:visibilities",
        api=API_VERSION,
        summary="the same pass with arithmetic in plain NumPy: the definition of the result",
        citation=memo,
    )


#: Operations that only plugins implement.
OF_PLUGINS = ("cache.codec",)


@hookimpl
def armillary_cache() -> Iterator[Implementation]:
    yield Implementation(
        operation="cache.open",
        name="memory",
        target="armillary.cache.memory.store:MemoryStore",
        api=API_VERSION,
        summary="in the memory of this process; gives back what the machine needs",
        citation="Cherkasova (1998), HPL-98-69R1",
    )
    yield Implementation(
        operation="cache.open",
        name="disk",
        target="armillary.cache.disk.store:DiskStore",
        api=API_VERSION,
        summary="in a folder, for all processes; large arrays are mapped, not read",
        citation="Cherkasova (1998), HPL-98-69R1",
    )
