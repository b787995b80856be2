"""The records that armillary collects; importing this imports no peer."""

from __future__ import annotations

from collections.abc import Iterator

from armillary.plugins import Implementation, hookimpl


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
        can_run="armillary_peers.installed:gerbls",
    )
