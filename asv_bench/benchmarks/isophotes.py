"""``fit.isophotes``, ``fit.forced_isophotes``, ``fit.ellipse_model``: speed and accuracy."""

from __future__ import annotations

import warnings

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

from .common import BACKENDS, THREADS, Bench, unit
from .galaxies import Case, m51, sersic, survey

IMAGES = ("Sersic, 256 x 256", "Sersic, 512 x 512", "Sersic, 1024 x 1024", "M51, 512 x 512")
#: Sides (pixels) of images that the slow ones do in time.
LARGEST = {"reference": 256, "photutils": 512}
GALAXIES = 100
#: Where fits and models are held against the truth, in effective radii.
INNER, OUTER = 0.5, 4.0


class Isophotes(Bench):
    """One image, from a given ellipse."""

    operation = "fit.isophotes"
    params = (BACKENDS["fit.isophotes"], IMAGES)
    param_names = ("backend", "image")

    def setup(self, backend: str, image: str) -> None:
        self.require(backend)
        self.case = case_for(backend, image)
        warnings.simplefilter("ignore")

    def fit(self, backend: str) -> arm.fit.Isophotes:
        return arm.fit.isophotes(self.case.image, self.case.start, backend=backend, threads=1)

    def time_isophotes(self, backend: str, image: str) -> None:
        self.fit(backend)

    @unit("median relative difference from the truth")
    def track_intensity_off(self, backend: str, image: str) -> float:
        """Of isophotes that converged, from half to four effective radii."""
        galaxy = self.case.galaxy
        if galaxy is None:
            raise SkipNotImplemented(f"the truth of {image} is not known")
        found = self.fit(backend)
        radius = found.sma / galaxy.effective_radius
        good = found.converged & (radius >= INNER) & (radius <= OUTER)
        truth = galaxy.intensity_at(found.sma[good])
        return float(np.median(np.abs(found.intensity[good] / truth - 1.0)))

    @unit("samples")
    def track_samples(self, backend: str, image: str) -> int:
        """Divide the time by this to have the time of a sample."""
        if backend == "photutils":
            raise SkipNotImplemented("photutils does not tell how many samples it drew")
        return int(self.fit(backend).n_samples.sum())


class ForcedIsophotes(Bench):
    """One image, along the ellipses of a fit."""

    operation = "fit.forced_isophotes"
    params = (BACKENDS["fit.forced_isophotes"], IMAGES)
    param_names = ("backend", "image")

    def setup(self, backend: str, image: str) -> None:
        self.require(backend)
        self.case = case_for(backend, image)
        warnings.simplefilter("ignore")
        self.found = arm.fit.isophotes(self.case.image, self.case.start, threads=1)

    def time_forced_isophotes(self, backend: str, image: str) -> None:
        arm.fit.forced_isophotes(self.case.image, self.found, backend=backend, threads=1)


class EllipseModel(Bench):
    """The model image of a galaxy without noise."""

    operation = "fit.ellipse_model"
    params = (BACKENDS["fit.ellipse_model"], (256, 512), THREADS)
    param_names = ("backend", "size", "threads")

    def setup(self, backend: str, size: int, threads: int) -> None:
        self.require(backend, threads)
        if size > LARGEST.get(backend, np.inf):
            raise SkipNotImplemented(f"{size} x {size} pixels are too many for {backend}")
        self.case = sersic(size, snr=np.inf)
        self.found = arm.fit.isophotes(self.case.image, self.case.start)

    def draw(self, backend: str, threads: int) -> np.ndarray:
        shape = self.case.image.shape
        return arm.fit.ellipse_model(shape, self.found, backend=backend, threads=threads)

    def time_ellipse_model(self, backend: str, size: int, threads: int) -> None:
        self.draw(backend, threads)

    @unit("median relative difference from the truth")
    def track_residual(self, backend: str, size: int, threads: int) -> float:
        """From half to four effective radii."""
        return residual(self.draw(backend, threads), self.case)


class ManyGalaxies(Bench):
    """A hundred galaxies of 256 x 256 pixels, side by side."""

    operation = "fit.isophotes"
    params = ((1, 2),)
    param_names = ("threads",)

    def setup(self, threads: int) -> None:
        self.require("cpu")
        cases = survey(GALAXIES)
        self.images = [case.image for case in cases]
        self.starts = [case.start for case in cases]

    def time_many(self, threads: int) -> None:
        arm.fit.isophotes(self.images, self.starts, threads=threads)


def case_of(image: str) -> Case:
    """One of ``IMAGES``; an image that is not here is skipped."""
    name, _, shape = image.partition(", ")
    if name == "Sersic":
        return sersic(int(shape.partition(" ")[0]))
    try:
        return m51()
    except FileNotFoundError as error:
        raise SkipNotImplemented(str(error)) from error


def case_for(backend: str, image: str) -> Case:
    """One of ``IMAGES``; what a slow backend would not do in time is skipped."""
    case = case_of(image)
    if case.image.shape[0] > LARGEST.get(backend, np.inf):
        raise SkipNotImplemented(f"{image} pixels are too many for {backend}")
    return case


def residual(model: np.ndarray, case: Case) -> float:
    """Median relative difference from the truth, where it is as bright as at those radii."""
    galaxy = case.galaxy
    bright, faint = galaxy.intensity_at(np.array([INNER, OUTER]) * galaxy.effective_radius)
    where = (galaxy.image <= bright) & (galaxy.image >= faint)
    return float(np.median(np.abs(model[where] / galaxy.image[where] - 1.0)))
