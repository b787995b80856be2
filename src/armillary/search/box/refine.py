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
#: Folded times nearer than this (days) are the same: times of BJD size, 2.5 million days, are
#: rounded to half a billionth of a day, and so are periods and mid-transits made of them.
SAME_TIME = 4e-9
#: Scores this near are of the same points, summed in another order.
ROUNDING = 1e-12


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
        return self._best_run(self._whole_fold(period, float(durations.max())), durations)

    def refine(self, box: Box, durations: np.ndarray) -> Box:
        """Move period, t0 and duration to the best box near one, worse by rounding at most."""
        best = box
        for drifts in DRIFT_STEPS:
            best = self._best_of_drifts(best, drifts)
        fold = self._folds_near(best, float(durations.max()), 0.0)
        return _better(best, self._best_run(fold(best.period), durations))

    def _best_of_drifts(self, box: Box, drifts: np.ndarray) -> Box:
        cycles = np.rint((self.time[[0, -1]] - box.t0) / box.period)
        furthest = max(1.0, float(np.abs(cycles).max()))
        step = box.duration / furthest
        fold = self._folds_near(box, box.duration, float(np.abs(drifts).max()) * step)
        found = [
            self._best_run(fold(box.period + drift * step), np.array([box.duration]))
            for drift in drifts
        ]
        boxes = [other for other in found if other is not None]
        highest = max((other.score for other in boxes), default=0.0)
        if highest < box.score * (1.0 - ROUNDING):
            return box
        # The same points stay inside over a range of periods; its middle is the best guess.
        level = [other for other in boxes if other.score >= highest * (1.0 - ROUNDING)]
        return level[len(level) // 2]

    def _whole_fold(self, period: float, longest: float) -> _Fold:
        """Every point, the first ones once more, so that a box across phase zero is a run too."""
        # The cut lies just before phase zero, where evenly sampled points gather up to rounding.
        phase = self.time - period * np.floor((self.time + SAME_TIME) / period)
        order = np.argsort(phase, kind="stable")
        again = order[: np.searchsorted(phase[order], longest + SAME_TIME, side="right")]
        position = np.concatenate([phase[order], phase[again] + period])
        index = np.concatenate([order, again])
        return _Fold(period, position, index, -SAME_TIME, period + longest)

    def _folds_near(self, box: Box, longest: float, change: float) -> Callable[[float], _Fold]:
        """A function that folds the points near a box at a period that differs by up to `change`.

        Far from the box the fold is incomplete, which is said in it.
        """
        # Count cycles from the middle of the data: there t0 and period are independent.
        middle = float(self.time.mean())
        t0 = box.t0 + box.period * np.rint((middle - box.t0) / box.period)
        cycle = np.rint((self.time - t0) / box.period)
        offset = self.time - t0 - cycle * box.period
        reach = 1.5 * (longest + box.duration)
        drift = float(np.abs(cycle).max()) * change
        if reach + drift >= 0.5 * box.period:
            return lambda period: self._whole_fold(period, longest)
        index = np.flatnonzero(np.abs(offset) <= reach + drift + SAME_TIME)
        cycle, offset = cycle[index], offset[index]

        def fold(period: float) -> _Fold:
            shifted = offset + cycle * (box.period - period)
            order = np.argsort(shifted, kind="stable")
            return _Fold(period, t0 + shifted[order], index[order], t0 - reach, t0 + reach)

        return fold

    def _best_run(self, fold: _Fold, durations: np.ndarray) -> Box | None:
        """The best box among the runs of points that boxes of these durations can hold."""
        cum_weight = np.concatenate([[0.0], np.cumsum(self.weight[fold.index])])
        cum_signal = np.concatenate([[0.0], np.cumsum(self.signal[fold.index])])
        score, first, stop, i = best_run(
            fold.position,
            cum_weight,
            cum_signal,
            durations,
            fold.lowest,
            fold.highest,
            SAME_TIME,
            self.total,
            MIN_WEIGHT_FRACTION * self.total,
        )
        if score == 0.0:
            return None
        return Box(
            fold.period,
            fold.middle(first, stop, durations[i]),
            float(durations[i]),
            float(cum_weight[stop] - cum_weight[first]),
            float(cum_signal[stop] - cum_signal[first]),
            score,
        )


@dataclass(frozen=True, slots=True)
class _Fold:
    """Points by folded time; those between ``lowest`` and ``highest`` are all there."""

    period: float
    position: np.ndarray
    index: np.ndarray
    lowest: float
    highest: float

    def middle(self, first: int, stop: int, duration: float) -> float:
        """The middle of a box, itself in the middle of the places that hold the same points."""
        earliest = max(self.lowest, self.position[stop - 1] - duration)
        latest = min(self.highest - duration, self.position[first])
        if first > 0:
            earliest = max(earliest, self.position[first - 1])
        if stop < len(self.position):
            latest = min(latest, self.position[stop] - duration)
        return float(0.5 * (earliest + latest + duration))


def _better(one: Box, other: Box | None) -> Box:
    return other if other is not None and other.score > one.score else one
