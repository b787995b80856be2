"""The light curves and grids that searches are timed on.

Everything is drawn from fixed seeds, and written when it is drawn, so that no page of
an input is touched for the first time while a clock runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

import armillary as arm

N_PERIODS = 10_000
OVERSAMPLE = 10
MINUTE = 1.0 / 1440.0
DURATIONS = np.array([0.08, 0.12, 0.18, 0.27])
NOISE = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A light curve with transits (days), the grid that it is searched on, and the truth."""

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    period: np.ndarray
    duration: np.ndarray
    true_period: float

    @property
    def work(self) -> int:
        """Points times periods."""
        return len(self.time) * len(self.period)

    def search(
        self, backend: str = "cpu", threads: int = 1, oversample: int = OVERSAMPLE
    ) -> arm.search.Periodogram:
        """Search the grid, with ``oversample`` bins in the shortest duration."""
        return arm.search.bls(
            self.time,
            self.flux,
            self.flux_err,
            period=self.period,
            duration=self.duration,
            oversample=oversample,
            backend=backend,
            threads=threads,
        )


def periods(shortest: float, longest: float, n: int = N_PERIODS) -> np.ndarray:
    """Trial periods (days), spaced as in Ofir (2014): evenly in the cube root of frequency."""
    return np.linspace(longest ** (-1.0 / 3.0), shortest ** (-1.0 / 3.0), n)[::-1] ** -3.0


def with_transits(
    seed: int,
    time: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    true_period: float,
    snr: float = 25.0,
    error_ratio: float = 1.0,
) -> Case:
    """White noise at the given times, and box-shaped transits of the second duration."""
    rng = np.random.default_rng(seed)
    flux_err = NOISE * error_ratio ** rng.uniform(-0.5, 0.5, len(time))
    cycle = (time - rng.uniform(0.0, true_period)) / true_period
    inside = np.abs(cycle - np.rint(cycle)) * true_period < 0.5 * duration[1]
    weight = flux_err**-2.0
    depth = snr * np.sqrt(1.0 / weight[inside].sum() + 1.0 / weight[~inside].sum())
    flux = 1.0 + flux_err * rng.standard_normal(len(time)) - depth * inside
    return Case(time, flux, flux_err, period, duration, true_period)


# ------------------------------------------------------------------ what telescopes give


def random_times() -> Case:
    """20,000 points at random times in 100 days."""
    time = np.sort(np.random.default_rng(1).uniform(0.0, 100.0, 20_000))
    return with_transits(1, time, periods(0.6, 50.0), DURATIONS, 7.31)


def tess_sector() -> Case:
    """One TESS sector: 27.4 days, a point every two minutes without gaps."""
    time = 2.0 * MINUTE * np.arange(19_728)
    return with_transits(2, time, periods(0.6, 13.7), DURATIONS, 3.41)


def k2_campaign() -> Case:
    """One K2 campaign: 90 days, a point every half hour."""
    time = 30.0 * MINUTE * np.arange(4_320)
    return with_transits(3, time, periods(0.6, 45.0), DURATIONS, 10.05)


def kepler_four_years() -> Case:
    """Four years of Kepler, a point every half hour, and the first of the periods one would try.

    GERBLS as its users run it finds no period at all in a range that begins at 3 days.
    """
    time = 29.4 * MINUTE * np.arange(71_569)
    return with_transits(7, time, periods(1.0, 1.5), DURATIONS, 1.186)


def four_sectors() -> Case:
    """Four TESS sectors in two years, a point every ten minutes."""
    sector = 10.0 * MINUTE * np.arange(3_888)
    time = np.concatenate([first + sector for first in (0.0, 27.5, 352.0, 703.0)])
    return with_transits(4, time, periods(0.6, 30.0), DURATIONS, 14.24)


def ground_sparse() -> Case:
    """A survey from the ground: 150 points in three years, at night."""
    return with_transits(5, night_times(5, 150), periods(0.6, 20.0), DURATIONS, 1.47)


def ground_dense() -> Case:
    """A survey from the ground: 3,000 points in three years, at night."""
    return with_transits(6, night_times(6, 3_000), periods(0.6, 20.0), DURATIONS, 3.52)


def night_times(seed: int, n: int) -> np.ndarray:
    """Times (days) in eight hours of each of 1,100 nights."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.integers(0, 1_100, n) + rng.uniform(0.0, 1.0 / 3.0, n))


CASES: dict[str, Callable[[], Case]] = {
    "random times, 100 days": random_times,
    "TESS sector, 2 min": tess_sector,
    "K2 campaign, 30 min": k2_campaign,
    "Kepler, 4 years, 30 min": kepler_four_years,
    "four sectors in 2 years": four_sectors,
    "ground, 150 points": ground_sparse,
    "ground, 3,000 points": ground_dense,
}


# ------------------------------------------------------------------ accuracy


def injected_signals(n: int = 20) -> Iterable[Case]:
    """Light curves with a gap and uneven errors, S/N 8 to 50; the truth is in their grids."""
    for seed in range(n):
        rng = np.random.default_rng(1_000 + seed)
        time = np.sort(rng.uniform(0.0, 60.0, 3_000))
        time = time[(time < 22.0) | (time > 31.0)]
        truth = rng.uniform(2.0, 15.0)
        grid = np.sort(np.append(periods(1.0, 20.0, 399), truth))
        snr = rng.uniform(8.0, 50.0)
        yield with_transits(seed, time, grid, DURATIONS, truth, snr, error_ratio=4.0)
