"""What benchmarks share: the backends, and when one of them is skipped.

Names of backends, sizes and grids are written down here and do not come from the
installed version, so that results of different versions stay comparable.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

# What is timed is computed.
os.environ.pop("ARMILLARY_CACHE", None)

Track = TypeVar("Track", bound=Callable[..., Any])

#: Operation -> every backend there is, of core and of the plugins of this repository.
BACKENDS = {
    "search.bls": ("cpu", "reference", "astropy", "gerbls", "cupy", "mlx"),
    "search.template_score": ("cpu", "reference", "cupy", "mlx"),
    "crossmatch.nearest": ("cpu", "reference", "astropy", "pykdtree", "scipy", "sklearn", "cupy"),
    "crossmatch.within": ("cpu", "reference", "astropy", "pykdtree", "scipy", "sklearn", "cupy"),
    "fit.isophotes": ("cpu", "reference", "photutils"),
    "fit.forced_isophotes": ("cpu", "reference", "photutils", "cupy"),
    "fit.ellipse_model": ("cpu", "reference", "photutils"),
    "convert.visibilities": ("cpu", "reference", "pyuvdata"),
}
THREADS = (1, 2)

#: Backends that use more than one thread; the others are timed with one.
THREADED = frozenset({"cpu"})
#: The reference is plain NumPy: larger problems take it minutes.
MOST_OF_REFERENCE = 5_000_000


def why_not(backend: str, operation: str = "search.bls") -> str:
    """Why a backend cannot be benchmarked here; an empty string if it can."""
    for row in arm.list_backends(operation):
        if row.name == backend:
            return "" if row.state in ("active", "available") else row.reason
    return f"no plugin that works here registers {backend!r}; `armillary status` tells more"


def unit(name: str) -> Callable[[Track], Track]:
    """Label what a ``track_`` benchmark returns."""

    def labelled(function: Track) -> Track:
        function.unit = name  # type: ignore[attr-defined]
        return function

    return labelled


class Bench:
    """Base of the benchmarks; what cannot run here is skipped, not failed."""

    rounds = 4
    timeout = 300
    operation = "search.bls"

    def require(self, backend: str, threads: int = 1, work: int = 0) -> None:
        """Skip unless the backend can do this; ``work`` is points times periods."""
        reason = why_not(backend, self.operation)
        if not reason and threads > 1 and backend not in THREADED:
            reason = f"{backend} runs on one thread"
        if not reason and backend == "reference" and work > MOST_OF_REFERENCE:
            reason = f"{work:.3g} points times periods are too many for the reference"
        if reason:
            raise SkipNotImplemented(reason)
