"""What both backends need of a light curve, and what both hand back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

NAMES = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")


def runs_of_durations(
    duration_start: np.ndarray, duration_stop: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Each run of durations, with the indices of the periods that try it."""
    pairs = np.column_stack([duration_start, duration_stop])
    kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
    for i, (start, stop) in enumerate(kinds):
        yield slice(int(start), int(stop)), np.flatnonzero(kind.ravel() == i)


def results(
    period: np.ndarray,
    depth: np.ndarray,
    depth_err: np.ndarray,
    middle: np.ndarray,
    duration: np.ndarray,
    level: np.ndarray,
) -> dict[str, np.ndarray]:
    """The arrays of the operation; a period without a dimming has 0 and NaN.

    ``middle`` is any mid-transit (days after the first point).
    """
    dimming = np.isfinite(depth) & np.isfinite(depth_err) & (depth > 0) & (depth_err > 0)
    delta_chi2 = np.zeros(len(period))
    delta_chi2[dimming] = (depth[dimming] / depth_err[dimming]) ** 2
    t0 = middle - period * np.floor(middle / period)
    columns = (delta_chi2, depth, depth_err, t0, duration, level)
    found = dict(zip(NAMES, columns, strict=True))
    for name in NAMES[1:]:
        found[name] = np.where(dimming, found[name], np.nan)
    return found
