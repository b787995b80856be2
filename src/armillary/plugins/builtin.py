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
