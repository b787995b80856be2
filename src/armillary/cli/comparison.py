"""The demonstration's comparison: the same search by armillary and by astropy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..io import LightCurve
from ..runtime.threads import default_threads
from ..search import bls, period_grid
from ..search.grid.star import Star
from ..search.inputs import search_input

#: Durations (days) that all searches try at every period.
DURATIONS = (0.06, 0.09, 0.13, 0.18)
OVERSAMPLE = 10
#: Each search runs this often, in turns, so that a busy moment hits all alike.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to search, with what it took and what it found."""

    name: str
    threads: int
    seconds: float
    period: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The size of the problem and the contestants, astropy last."""

    n_points: int
    n_periods: int
    contestants: tuple[Contestant, ...]


def compare_with_astropy(light_curve: LightCurve, star: Star) -> Comparison:
    """Time both on one grid, the same durations and oversampling, one objective.

    Parameters
    ----------
    light_curve : LightCurve
        What is searched.
    star : Star
        Sets the grid of periods.

    Returns
    -------
    Comparison
        Medians over a few rounds in turns: armillary's own backend with all threads and with one,
        astropy's ``BoxLeastSquares`` (``method="fast"``, likelihood), which uses one.
    """
    import astropy
    from astropy.timeseries import BoxLeastSquares

    data = search_input(light_curve)
    periods = period_grid(data.span, star, min_period=1.0)
    model = BoxLeastSquares(data.time, data.flux, data.flux_err)

    def ours(threads: int) -> Callable[[], float]:
        def run() -> float:
            # A backend that the environment names would be compared with astropy instead.
            options: dict[str, Any] = {
                "oversample": OVERSAMPLE,
                "threads": threads,
                "backend": "cpu",
            }
            found = bls(
                data.time, data.flux, data.flux_err, period=periods, duration=DURATIONS, **options
            )
            return float(periods[np.argmax(found.delta_chi2)])

        return run

    def theirs() -> float:
        found = model.power(
            periods, DURATIONS, objective="likelihood", method="fast", oversample=OVERSAMPLE
        )
        return float(periods[np.argmax(found.power)])

    runs = {("armillary", threads): ours(threads) for threads in sorted({default_threads(), 1})}
    runs[f"astropy {astropy.__version__}", 1] = theirs
    return Comparison(len(data.time), len(periods), _in_turns(runs))


def _in_turns(runs: dict[tuple[str, int], Callable[[], float]]) -> tuple[Contestant, ...]:
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    period = {}
    for _ in range(ROUNDS):
        for key, run in runs.items():
            start = time.perf_counter()
            period[key] = run()
            seconds[key].append(time.perf_counter() - start)
    return tuple(
        Contestant(name, threads, statistics.median(seconds[name, threads]), period[name, threads])
        for name, threads in runs
    )


def lines(comparison: Comparison) -> list[str]:
    """The comparison in words, one line per contestant."""
    slowest = comparison.contestants[-1]
    told = [
        f"The same box search of {comparison.n_points:,} points, {comparison.n_periods:,} periods, "
        f"{len(DURATIONS)} durations, oversample {OVERSAMPLE} (medians of {ROUNDS} runs in turns, "
        f"NumPy {np.__version__}):"
    ]
    for one in comparison.contestants:
        ratio = slowest.seconds / one.seconds
        told.append(
            f"  {one.name:<14} {one.threads} thread{'s' if one.threads > 1 else ' '}  "
            f"{1e3 * one.seconds:8.1f} ms   best period {one.period:.4f} d   "
            + (f"{ratio:.1f} times as fast as astropy" if one is not slowest else "")
        )
    return told
