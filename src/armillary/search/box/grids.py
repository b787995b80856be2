"""The trial periods and durations of a box search, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from ...plugins.arrays import read_only
from ..grid.api import durations_by_period, period_grid
from ..grid.star import Star
from ..inputs import days, days_vector

#: Bins of a fold beyond which its memory (40 bytes each) is more than anybody meant.
MAX_BINS = 5_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Trial periods (days), and the run of durations that each tries; all read-only.

    Attributes
    ----------
    period, duration, start, stop : ndarray
        Period ``i`` tries ``duration[start[i]:stop[i]]``, which may be empty.
    n_skipped : int
        Pairs left out because the duration is not shorter than the period.
    tried : ndarray of bool
        False for a period that no duration is shorter than.
    arguments : mapping
        What a backend is given: the periods that are tried, and their durations.
    """

    period: np.ndarray
    duration: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    n_skipped: int
    tried: np.ndarray
    arguments: Mapping[str, np.ndarray]


class Grids:
    """The grids of a call: one for each time span, or one for all where the periods are given.

    Parameters
    ----------
    period, min_period, max_period, duration, star, min_transits
        As for :func:`armillary.search.bls`.
    oversample : int
        Bins in the shortest duration of a period.

    Raises
    ------
    ValueError
        If what is given breaks a rule, whatever the light curve.
    """

    def __init__(
        self,
        period: Any,
        min_period: Any,
        max_period: Any,
        duration: Any,
        star: Star | None,
        min_transits: int,
        oversample: int,
    ) -> None:
        self._limits = {"min_period": min_period, "max_period": max_period}
        self._star = star
        self._min_transits = min_transits
        self._oversample = oversample
        self._durations = (
            None
            if duration is None
            else np.unique(days_vector("duration", duration, positive=True))
        )
        self._given: Grid | None = None
        self._of_span: dict[float, Grid] = {}
        if period is not None:
            if min_period is not None or max_period is not None:
                raise ValueError(
                    "period is a whole grid; min_period and max_period do not go with it"
                )
            self._given = self._grid(days_vector("period", period, positive=True))

    def of(self, span: float) -> Grid:
        """The grid of a light curve over a time span (days); the same for the same span.

        Raises
        ------
        ValueError
            If a period is beyond the span, or there is no grid between the limits.
        """
        if self._given is not None:
            longest = self._given.period.max()
            if longest > span:
                raise ValueError(
                    f"period = {longest:.6g} d is beyond the time span of {span:.6g} d"
                )
            return self._given
        if span not in self._of_span:
            periods = period_grid(span, self._star, min_transits=self._min_transits, **self._limits)
            self._of_span[span] = self._grid(periods)
        return self._of_span[span]

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the grids that were not given are made of, besides the time span."""
        made_of: dict[str, Any] = {}
        if self._given is None:
            limits = [
                None if limit is None else days("period", limit) for limit in self._limits.values()
            ]
            made_of["period"] = ["period_grid", self._star, *limits, int(self._min_transits)]
        if self._durations is None:
            made_of |= dict.fromkeys(("duration", "duration_start", "duration_stop"))
            made_of["duration"] = ["durations_by_period", self._star]
        return made_of

    def _grid(self, periods: np.ndarray) -> Grid:
        durations, start, stop = self._runs(periods)
        wanted = int(stop.sum() - start.sum())
        np.minimum(stop, np.searchsorted(durations, periods, side="left"), out=stop)
        np.maximum(stop, start, out=stop)
        n_tried = int(stop.sum() - start.sum())
        if not n_tried:
            raise ValueError(
                f"no duration (shortest {durations[0]:.6g} d) is shorter than a period "
                f"(longest {periods.max():.6g} d)"
            )
        tried = stop > start
        every = bool(tried.all())
        arguments = {
            "period": periods if every else periods[tried],
            "duration": durations,
            "duration_start": start if every else start[tried],
            "duration_stop": stop if every else stop[tried],
        }
        _check_bins(arguments["period"], durations[arguments["duration_start"]], self._oversample)
        # A backend computes with them and the result keeps them: nobody may write to them.
        read_only(periods, durations, start, stop, *arguments.values())
        n_skipped = wanted - n_tried
        return Grid(periods, durations, start, stop, n_skipped, tried, MappingProxyType(arguments))

    def _runs(self, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All durations, and the run of them that is meant for each period."""
        if self._durations is None:
            return durations_by_period(periods, self._star)
        start = np.zeros(len(periods), np.intp)
        stop = np.full(len(periods), len(self._durations), np.intp)
        return self._durations, start, stop


def _check_bins(periods: np.ndarray, shortest: np.ndarray, oversample: int) -> None:
    bins = (periods / shortest).max() * oversample
    if bins > MAX_BINS:
        raise ValueError(
            f"a period would be folded into {bins:.3g} bins, more than {MAX_BINS:,}; raise the "
            f"shortest duration, lower oversample or the longest period"
        )
