"""``search.bls``: speed, memory, and what the speed costs in accuracy."""

from __future__ import annotations

import statistics
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

from .common import BACKENDS, THREADS, Bench, unit
from .light_curves import CASES, DURATIONS, NOISE, injected_signals, periods, tess_sector
from .peers import gerbls_spectrum, on_periods_of_gerbls
from .processes import extra_memory

#: Light curves of a survey, points of each, and trial periods.
SURVEYS = {
    "100 of 50 points": (100, 50, 20),
    "100 of 2,000 points": (100, 2_000, 1_000),
    "100 TESS sectors": (100, 19_700, 2_500),
}


class Search(Bench):
    """The same light curve and grid for every backend."""

    params = (BACKENDS["search.bls"], tuple(CASES), THREADS)
    param_names = ("backend", "light_curve", "threads")

    def setup(self, backend: str, light_curve: str, threads: int) -> None:
        self.case = CASES[light_curve]()
        self.require(backend, threads, self.case.work)

    def time_bls(self, backend: str, light_curve: str, threads: int) -> None:
        self.case.search(backend, threads)

    def peakmem_bls(self, backend: str, light_curve: str, threads: int) -> None:
        self.case.search(backend, threads)


class SmallSearch(Bench):
    """A problem that even the reference does in time: 500 points, 200 periods."""

    params = (BACKENDS["search.bls"],)
    param_names = ("backend",)

    def setup(self, backend: str) -> None:
        self.require(backend)
        case = tess_sector()
        thin = slice(None, None, 40)
        self.case = replace(
            case,
            time=case.time[thin],
            flux=case.flux[thin],
            flux_err=case.flux_err[thin],
            period=periods(0.6, 13.7, 200),
        )

    def time_bls(self, backend: str) -> None:
        self.case.search(backend)


class OwnPeriodsOfGerbls(Bench):
    """GERBLS as its users run it, and armillary on the periods that GERBLS chooses."""

    params = (("cpu", "gerbls"), ("bins of run_bls", "same bins"))
    param_names = ("package", "bins")

    def setup(self, package: str, bins: str) -> None:
        if find_spec("gerbls") is None:
            raise SkipNotImplemented("GERBLS is not installed")
        self.same_bins = bins == "same bins"
        self.case = on_periods_of_gerbls(tess_sector(), self.same_bins)

    def time_own_periods(self, package: str, bins: str) -> None:
        if package == "gerbls":
            gerbls_spectrum(self.case, self.same_bins)
        else:
            self.case.search()

    @unit("periods")
    def track_periods(self, package: str, bins: str) -> int:
        """Divide the time by this to have the time of a period."""
        return len(self.case.period)


class DefaultCall(Bench):
    """What an astronomer types: a light curve, and nothing else."""

    def setup(self) -> None:
        case = tess_sector()
        self.light_curve = case.time, case.flux, case.flux_err
        self.periodogram = arm.search.bls(*self.light_curve)

    def time_bls(self) -> None:
        arm.search.bls(*self.light_curve)

    def time_best(self) -> None:
        """The highest peak, refined; a copy has nothing in its cache."""
        _ = replace(self.periodogram).best

    def time_sde(self) -> None:
        _ = replace(self.periodogram).sde

    def time_five_peaks(self) -> None:
        replace(self.periodogram).peaks(5)

    @unit("periods")
    def track_evaluations(self) -> int:
        return len(self.periodogram.period)


class ManyLightCurves(Bench):
    """The same light curves with a call for each, and with one for all."""

    params = (BACKENDS["search.bls"], tuple(SURVEYS), ("a call for each", "one call"), THREADS)
    param_names = ("backend", "survey", "how", "threads")

    def setup(self, backend: str, survey: str, how: str, threads: int) -> None:
        n, points, n_periods = SURVEYS[survey]
        self.require(backend, threads, n * points * n_periods)
        self.light_curves = survey_of(n, points)
        self.options = {
            "period": periods(0.6, 13.0, n_periods),
            "duration": DURATIONS,
            "backend": backend,
            "threads": threads,
        }

    def time_bls(self, backend: str, survey: str, how: str, threads: int) -> None:
        if how == "one call":
            arm.search.bls(self.light_curves, **self.options)
        else:
            for light_curve in self.light_curves:
                arm.search.bls(light_curve, **self.options)


class LargestSearch(Bench):
    """100,000 points at 500,000 periods, in a season and in four years."""

    params = ((70.0, 1_460.0),)
    param_names = ("span",)
    timeout = 900
    number = 1

    def peakmem_bls(self, span: float) -> None:
        rng = np.random.default_rng(1)
        time = np.linspace(0.0, span, 100_000)
        flux = rng.normal(1.0, 5e-4, 100_000)
        arm.search.bls(time, flux, period=np.linspace(1.0, span / 2.0, 500_000))

    @unit("MB")
    def track_extra_memory(self, span: float) -> float:
        """Memory beyond inputs and outputs; the budget is 50 MB."""
        return extra_memory(span)


def survey_of(n: int, points: int) -> list[arm.io.LightCurve]:
    """White noise at random times of a sector."""
    rng = np.random.default_rng(points)
    return [
        arm.io.LightCurve(
            rng.uniform(0.0, 27.0, points),
            rng.normal(1.0, NOISE, points),
            np.full(points, NOISE),
        )
        for _ in range(n)
    ]


class Accuracy(Bench):
    """Mean fraction of delta_chi2 that is lost against an unbinned brute force."""

    params = (BACKENDS["search.bls"],)
    param_names = ("backend",)
    timeout = 600

    def setup(self, backend: str) -> None:
        self.require(backend)

    @unit("fraction of delta_chi2 lost")
    def track_loss_of_spectrum(self, backend: str) -> float:
        """At the true period; the budget is 0.08."""
        return mean_losses(backend)[0]

    @unit("fraction of delta_chi2 lost")
    def track_loss_of_best(self, backend: str) -> float:
        """After refinement; the budget is 0.001. A gain counts as no loss."""
        return mean_losses(backend)[1]


def mean_losses(backend: str) -> tuple[float, float]:
    """Losses of the spectrum at the true period, and of the refined best."""
    from armillary.testing.oracle import highest_delta_chi2

    spectrum, best = [], []
    for case in injected_signals():
        truth = highest_delta_chi2(
            case.time, case.flux, case.flux_err, case.true_period, case.duration
        )
        found = case.search(backend)
        at = int(np.searchsorted(case.period, case.true_period))
        spectrum.append(max(0.0, 1.0 - found.delta_chi2[at] / truth))
        best.append(max(0.0, 1.0 - found.best.delta_chi2 / truth))
    return statistics.fmean(spectrum), statistics.fmean(best)
