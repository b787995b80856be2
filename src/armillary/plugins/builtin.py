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
