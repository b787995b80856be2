"""The best box on the unbinned points: what turns a peak of the spectrum into an answer.

Binning is for finding peaks. At a peak every placement of a box is tried exactly
(unbinned.pyx), and then period, t0 and duration move together to the best box near it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .reference import MIN_WEIGHT_FRACTION
from .unbinned import best_run

#: Drift of the last transit, in durations, over which the period is refined, and steps.
DRIFT_STEPS = (np.linspace(-1.0, 1.0, 41), np.linspace(-0.05, 0.05, 21))


@dataclass(frozen=True, slots=True)
class Box:
    """The best box at one period; times are relative to the first point."""

    period: float
    t0: float
    duration: float
    weight_in: float
    signal_in: float
    score: float


class UnbinnedSearch:
    """Exact box fits to one light curve.

    Parameters
    ----------
    time, flux, flux_err : ndarray, shape (n,)
        Time (days) relative to the first point, ascending; flux and its error.
    """

    def __init__(self, time: np.ndarray, flux: np.ndarray, flux_err: np.ndarray) -> None:
        self.time = time
        self.weight = flux_err**-2.0
        self.total = float(self.weight.sum())
        self.mean = float((self.weight * flux).sum() / self.total)
        self.signal = self.weight * (flux - self.mean)
        self.chi2_constant = float((self.weight * (flux - self.mean) ** 2).sum())

    def best_box(self, period: float, durations: np.ndarray) -> Box | None:
        """The best box over every t0 and all durations; None without a dimming."""
        phase = self.time - period * np.floor(self.time / period)
        order = np.argsort(phase, kind="stable")
        # The first points once more, so that a box across phase zero is a run of points too.
        n_again = np.searchsorted(phase[order], durations.max(), side="right")
        again = order[:n_again]
        position = np.concatenate([phase[order], phase[again] + period])
        return self._best_run(position, np.concatenate([order, again]), period, durations)

    def refine(self, box: Box, durations: np.ndarray) -> Box:
        """Move period, t0 and duration to the best box near one; never to a worse one."""
        best = box
        for drifts in DRIFT_STEPS:
            best = self._best_of_drifts(best, drifts)
        near = self._near(best, durations.max())
        position, index = near(best.period)
        again = self._best_run(position, index, best.period, durations)
        return _better(best, again)

    def _best_of_drifts(self, box: Box, drifts: np.ndarray) -> Box:
        near = self._near(box, box.duration)
        furthest = max(
            1.0, float(np.abs(np.rint((self.time[[0, -1]] - box.t0) / box.period)).max())
        )
        best = box
        for drift in drifts:
            period = box.period + drift * box.duration / furthest
            position, index = near(period)
            found = self._best_run(position, index, period, np.array([box.duration]))
            best = _better(best, found)
        return best

    def _near(self, box: Box, duration: float) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
        """A function that folds the points near the transits of a box at another period."""
        # Count cycles from the middle of the data: there t0 and period are independent.
        middle = float(self.time.mean())
        t0 = box.t0 + box.period * np.rint((middle - box.t0) / box.period)
        cycle = np.rint((self.time - t0) / box.period)
        offset = self.time - t0 - cycle * box.period
        reach = min(1.5 * duration + 1.5 * box.duration, 0.5 * box.period)
        index = np.flatnonzero(np.abs(offset) <= reach)
        cycle, offset = cycle[index], offset[index]

        def fold(period: float) -> tuple[np.ndarray, np.ndarray]:
            shifted = offset + cycle * (box.period - period)
            order = np.argsort(shifted, kind="stable")
            return t0 + shifted[order], index[order]

        return fold

    def _best_run(
        self, position: np.ndarray, index: np.ndarray, period: float, durations: np.ndarray
    ) -> Box | None:
        """The best box among the runs of points that boxes of these durations can hold."""
        cum_weight = np.concatenate([[0.0], np.cumsum(self.weight[index])])
        cum_signal = np.concatenate([[0.0], np.cumsum(self.signal[index])])
        least = MIN_WEIGHT_FRACTION * self.total
        score, first, stop, i = best_run(
            position, cum_weight, cum_signal, durations, period, self.total, least
        )
        if score == 0.0:
            return None
        return Box(
            period,
            _middle(position, first, stop, durations[i]),
            float(durations[i]),
            float(cum_weight[stop] - cum_weight[first]),
            float(cum_signal[stop] - cum_signal[first]),
            score,
        )


def _middle(position: np.ndarray, first: int, stop: int, duration: float) -> float:
    """The middle of the box, itself in the middle of the places that hold the same points."""
    earliest = position[stop - 1] - duration
    latest = position[first]
    if first > 0:
        earliest = max(earliest, position[first - 1])
    if stop < len(position):
        latest = min(latest, position[stop] - duration)
    return float(0.5 * (earliest + latest) + 0.5 * duration)


def _better(one: Box, other: Box | None) -> Box:
    return other if other is not None and other.score > one.score else one
