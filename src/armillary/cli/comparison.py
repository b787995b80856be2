"""The demonstration's comparison: the same search by armillary and by astropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..io import LightCurve
from ..runtime.threads import default_threads
from ..search import bls, period_grid
from ..search.grid.star import Star
from ..search.inputs import search_input
from .race import ROUNDS, Contestant, in_turns, lines

#: Durations (days) that all searches try at every period.
DURATIONS = (0.06, 0.09, 0.13, 0.18)
OVERSAMPLE = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """The size of the problem and the contestants, astropy last."""

    n_points: int
    n_periods: int
    contestants: tuple[Contestant[float], ...]


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
    return Comparison(len(data.time), len(periods), in_turns(runs))


def told(comparison: Comparison) -> list[str]:
    """The comparison in words, one line per contestant."""
    return [
        f"The same box search of {comparison.n_points:,} points, {comparison.n_periods:,} periods, "
        f"{len(DURATIONS)} durations, oversample {OVERSAMPLE} (medians of {ROUNDS} runs in turns, "
        f"NumPy {np.__version__}):",
        *lines(comparison.contestants, lambda period: f"best period {period:.4f} d"),
    ]
