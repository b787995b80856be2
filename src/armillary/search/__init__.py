"""Searches for transits and periods, and what prepares a light curve for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .box.api import bls
    from .box.result import Peak, Periodogram
    from .conditioning.api import detrend, stitch
    from .grid.api import duration_grid, period_grid

__all__ = [
    "Peak",
    "Periodogram",
    "bls",
    "detrend",
    "duration_grid",
    "period_grid",
    "stitch",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "bls": ".box.api",
        "Peak": ".box.result",
        "Periodogram": ".box.result",
        "period_grid": ".grid.api",
        "duration_grid": ".grid.api",
        "stitch": ".conditioning.api",
        "detrend": ".conditioning.api",
    },
)
