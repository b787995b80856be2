"""The points near the transits of candidates, folded in float64 on the host.

Times are thousands of days, and what matters of them is seconds: float32 would lose it. So
distances from mid-transit are taken here, and how far that is inside the nearest edge, in
durations, goes to the device: where it matters, at the edges, it is small and keeps its digits.
Points ascend in time: those near a transit are found by bisection, and no other is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class NearPoints:
    """The points near the transits of some candidates, one entry for each such pair.

    Attributes
    ----------
    n_candidates : int
    candidate, point : ndarray of int
        Ascending by candidate, then by point.
    column : ndarray of int
        How many entries of the same candidate come before.
    cycle : ndarray
        Number of the nearest transit, from 0 at t0.
    inside : ndarray
        How far inside the nearest edge of the transit, in durations: 1/2 in its middle.
    side : ndarray
        1 after mid-transit, -1 before, 0 in it.
    """

    n_candidates: int
    candidate: np.ndarray
    point: np.ndarray
    column: np.ndarray
    cycle: np.ndarray
    inside: np.ndarray
    side: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of the values for each candidate."""
        # Of no values at all, bincount makes whole numbers.
        sums = np.bincount(self.candidate, values, minlength=self.n_candidates)
        return sums.astype(np.float64, copy=False)

    def rows(self, values: np.ndarray, last: np.ndarray | float) -> np.ndarray:
        """A row for each candidate: its values, zeros up to the longest row, and one value more."""
        length = int(self.column.max(initial=-1)) + 1
        rows = np.zeros((self.n_candidates, length + 1), dtype=np.float32)
        rows[self.candidate, self.column] = values
        rows[:, -1] = last
        return rows


def points_near(
    time: np.ndarray,
    period: np.ndarray,
    t0: np.ndarray,
    duration: np.ndarray,
    reach: float,
) -> NearPoints:
    """The points within ``reach`` durations of mid-transits.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Days, ascending.
    period, t0, duration : ndarray, shape (m,)
        Candidates (days).
    reach : float
        Infinite for all points.

    Returns
    -------
    NearPoints
        A point at most once for each candidate, with its nearest transit.
    """
    first = np.floor((time[0] - t0) / period) - 1.0
    cycle = first[:, None] + np.arange(most_cycles(time, period))
    middle = t0[:, None] + cycle * period[:, None]
    # Both cycles beside an edge compute it alike, so that no point falls between them.
    earliest = t0[:, None] + (cycle - 0.5) * period[:, None]
    latest = t0[:, None] + (cycle + 0.5) * period[:, None]
    within = reach * duration[:, None]
    begin = np.searchsorted(time, np.maximum(earliest, middle - within))
    stop = np.searchsorted(time, np.minimum(latest, middle + within))

    count = np.maximum(stop - begin, 0)
    candidate = np.repeat(np.arange(len(period)), count.sum(axis=1))
    column = _runs(np.zeros(len(period), dtype=int), count.sum(axis=1))
    cycle = np.repeat(cycle.ravel(), count.ravel())
    point = _runs(begin.ravel(), count.ravel())
    offset = (time[point] - t0[candidate]) - cycle * period[candidate]
    inside = 0.5 - np.abs(offset) / duration[candidate]
    return NearPoints(len(period), candidate, point, column, cycle, inside, np.sign(offset))


def most_cycles(time: np.ndarray, period: np.ndarray) -> int:
    """Cycles in which the points of any candidate can be, one more at either end for rounding."""
    return int((time[-1] - time[0]) / period.min()) + 4


def _runs(begin: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The whole numbers from each begin on, as many as its count, one run after the other."""
    before = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(begin - before, count)
