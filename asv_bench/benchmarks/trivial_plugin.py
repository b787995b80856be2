"""A backend of ``search.bls`` that does nothing, to time what surrounds it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armillary.plugins import Implementation, hookimpl

NAMES = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")
ANSWER = {name: np.ones(1) for name in NAMES}


@hookimpl
def armillary_search() -> Iterator[Implementation]:
    yield Implementation(operation="search.bls", name="trivial", target=f"{__name__}:bls", api=1)


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = 10,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """The same arrays whatever is asked."""
    return ANSWER
