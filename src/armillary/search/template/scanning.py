"""Scan the mid-transit of a candidate: the grid, the scores along it, and the top between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...plugins.arrays import on_host, read_only
from ...plugins.records import Provenance
from ..inputs import days
from .candidates import Candidates
from .scoring import Scoring

#: Fewest and usual number of t0 in a scan.
MIN_SCAN, DEFAULT_SCAN = 21, 81
#: Where a scan ends by default is half a duration from its middle, between these limits (days).
LEAST_HALF_SPAN, MOST_HALF_SPAN = 10.0 / 1440.0, 120.0 / 1440.0


def t0_grid(candidate: Candidates, n: Any, half_span: Any) -> np.ndarray:
    """An even grid of n mid-transits (days) around that of the candidate.

    Raises
    ------
    ValueError
        If ``n`` is even, too small or no whole number, or ``half_span`` is no positive number.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < MIN_SCAN or n % 2 == 0:
        raise ValueError(f"n must be an odd whole number of at least {MIN_SCAN}, not {n!r}")
    middle = int(n) // 2
    steps = np.arange(-middle, middle + 1) / middle
    grid = candidate.t0[0] + _half_span(half_span, float(candidate.duration[0])) * steps
    read_only(grid)
    return grid


def scores_along(
    asked: Scoring, candidate: Candidates, grid: np.ndarray
) -> tuple[np.ndarray, Provenance]:
    """The score at every mid-transit of a grid, on the host, and who computed it.

    Raises
    ------
    ValueError
        If none of them has a score.
    """
    arrays, provenance = asked.scores(_moved(candidate, grid))
    score = on_host(arrays["score"])
    read_only(score)
    if np.isnan(score).all():
        raise ValueError(
            f"no t0 within {grid[-1] - candidate.t0[0]:.3g} d of {candidate.t0[0]:.6f} has points "
            f"in and out of transit; there is nothing to scan"
        )
    return score, provenance


def highest(
    asked: Scoring, candidate: Candidates, grid: np.ndarray, score: np.ndarray
) -> tuple[float, float]:
    """The mid-transit with the highest score, and that score: of the grid, or between its points.

    What lies between them is where a parabola has its top, and counts if its own score is higher.
    """
    best_t0, best_score = float(grid[np.nanargmax(score)]), float(np.nanmax(score))
    refined_t0 = _top_of_parabola(grid, score)
    if refined_t0 is None:
        return best_t0, best_score
    # One score more; the progress is that of the grid.
    quiet = replace(asked, progress=None)
    refined, _ = quiet.scores(_moved(candidate, np.array([refined_t0])))
    refined_score = float(refined["score"][0])
    return (refined_t0, refined_score) if refined_score > best_score else (best_t0, best_score)


def _half_span(half_span: Any, duration: float) -> float:
    if half_span is None:
        return float(np.clip(0.5 * duration, LEAST_HALF_SPAN, MOST_HALF_SPAN))
    value = days("half_span", half_span)
    if np.ndim(value) or not (np.isfinite(value) and value > 0):
        raise ValueError(f"half_span must be a positive number (days), not {half_span!r}")
    return float(value)


def _moved(candidate: Candidates, t0: np.ndarray) -> Candidates:
    """The candidate at other mid-transits."""
    period, duration = (
        np.full(len(t0), array[0]) for array in (candidate.period, candidate.duration)
    )
    read_only(period, t0, duration)
    return Candidates(period, t0, duration)


def _top_of_parabola(grid: np.ndarray, score: np.ndarray) -> float | None:
    """Where the parabola through the highest score and its neighbours is highest."""
    i = int(np.nanargmax(score))
    if not 0 < i < len(score) - 1:
        return None
    before, top, after = score[i - 1 : i + 2]
    curvature = before - 2.0 * top + after
    if not curvature < 0:  # a plateau, or an unknown neighbour
        return None
    return float(grid[i] + 0.5 * (before - after) / curvature * (grid[i + 1] - grid[i]))
