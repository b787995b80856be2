"""Searches for transits and periods, and what prepares a light curve for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .box.api import bls
    from .box.result import Peak, Periodogram
    from .conditioning.api import detrend, stitch
    from .grid.api import duration_grid, period_grid
    from .template.api import attribute, scan_t0, template_score
    from .template.attribution import Attribution
    from .template.result import TemplateScore, TemplateScores
    from .template.scan import T0Scan

__all__ = [
    "Attribution",
    "Peak",
    "Periodogram",
    "T0Scan",
    "TemplateScore",
    "TemplateScores",
    "attribute",
    "bls",
    "detrend",
    "duration_grid",
    "period_grid",
    "scan_t0",
    "stitch",
    "template_score",
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
        "template_score": ".template.api",
        "scan_t0": ".template.api",
        "attribute": ".template.api",
        "TemplateScore": ".template.result",
        "TemplateScores": ".template.result",
        "T0Scan": ".template.scan",
        "Attribution": ".template.attribution",
    },
)
