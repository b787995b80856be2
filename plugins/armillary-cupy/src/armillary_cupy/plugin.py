"""The records that armillary collects; importing this does not import cupy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from armillary.plugins import Implementation, hookimpl

#: What all records share. cupy goes by the name of its wheel.
_CUPY: dict[str, Any] = {
    "name": "cupy",
    "api": 1,
    "url": "https://docs.cupy.dev",
    "citation": "Okuta et al. (2017), CuPy, Workshop on Machine Learning Systems, NIPS",
    "arrays": ("numpy", "cupy"),
    "precision": "float64",
    "can_run": "armillary_cupy.device:can_run",
}


@hookimpl
def armillary_search() -> Iterator[Implementation]:
    yield Implementation(
        operation="search.bls",
        target="armillary_cupy.box:bls",
        summary="folds and boxes of many periods and light curves side by side on a CUDA device",
        batch="armillary_cupy.box:bls_batch",
        **_CUPY,
    )
    yield Implementation(
        operation="search.template_score",
        target="armillary_cupy.template:template_score",
        summary="a block of threads for each candidate on a CUDA device",
        **_CUPY,
    )


@hookimpl
def armillary_fit() -> Iterator[Implementation]:
    yield Implementation(
        operation="fit.forced_isophotes",
        target="armillary_cupy.isophotes:forced_isophotes",
        summary="samples, sectors and sums of many ellipses side by side on a CUDA device",
        **_CUPY,
    )


@hookimpl
def armillary_crossmatch() -> Iterator[Implementation]:
    for operation in ("nearest", "within"):
        yield Implementation(
            operation=f"crossmatch.{operation}",
            target=f"armillary_cupy.sky:{operation}",
            summary="a thread for each left row, over zones sorted on a CUDA device",
            **_CUPY,
        )
