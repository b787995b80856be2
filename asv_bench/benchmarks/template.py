"""``search.template_score``: many candidates, their gradients, and the attribution of one.

The reference is the plain NumPy formula, candidate by candidate over all points: what the
compiled default is compared with.
"""

from __future__ import annotations

import numpy as np

import armillary as arm

from .common import BACKENDS, THREADS, Bench
from .light_curves import CASES

LIGHT_CURVES = ("TESS sector, 2 min", "Kepler, 4 years, 30 min", "ground, 150 points")
N_CANDIDATES = 200


class Scores(Bench):
    """The same candidates around the true period for every backend."""

    operation = "search.template_score"
    params = (BACKENDS["search.template_score"], LIGHT_CURVES, THREADS)
    param_names = ("backend", "light_curve", "threads")

    def setup(self, backend: str, light_curve: str, threads: int) -> None:
        case = CASES[light_curve]()
        self.require(backend, threads)
        self.points = case.time, case.flux, case.flux_err
        period = case.true_period * np.linspace(0.99, 1.01, N_CANDIDATES)
        self.candidates = {"period": period, "t0": 0.4, "duration": float(case.duration[1])}
        self.options = {"backend": backend, "threads": threads}

    def time_scores(self, backend: str, light_curve: str, threads: int) -> None:
        arm.search.template_score(*self.points, **self.candidates, **self.options)

    def time_scores_and_gradients(self, backend: str, light_curve: str, threads: int) -> None:
        arm.search.template_score(*self.points, **self.candidates, gradient=True, **self.options)

    def peakmem_scores(self, backend: str, light_curve: str, threads: int) -> None:
        arm.search.template_score(*self.points, **self.candidates, **self.options)


class OneCandidate(Bench):
    """What is asked of a single candidate of a TESS sector."""

    operation = "search.template_score"
    params = (BACKENDS["search.template_score"],)
    param_names = ("backend",)

    def setup(self, backend: str) -> None:
        case = CASES["TESS sector, 2 min"]()
        self.require(backend)
        self.points = case.time, case.flux, case.flux_err
        self.options = {
            "period": case.true_period,
            "t0": 0.4,
            "duration": float(case.duration[1]),
            "backend": backend,
            "threads": 1,
        }

    def time_scan_t0(self, backend: str) -> None:
        arm.search.scan_t0(*self.points, **self.options)

    def time_attribute(self, backend: str) -> None:
        arm.search.attribute(*self.points, **self.options)
