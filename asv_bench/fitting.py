"""What the quick benchmark measures of isophotes: ratios to photutils, and threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from benchmarks.common import THREADS
from benchmarks.galaxies import Case, m51, sersic, survey
from benchmarks.isophote_peers import FORCED, photutils_fit, photutils_model
from benchmarks.isophotes import residual
from comparison import interleaved
from scipy import special

import armillary as arm

ROUNDS = 3
#: Calls of ours for each of the peer, which takes hundreds of times longer.
REPEATS = 5

#: What is fitted: the name, and how it is made.
IMAGES: tuple[tuple[str, Callable[[], Case]], ...] = (
    ("Sersic, 512 x 512", partial(sersic, 512)),
    ("Sersic, 1024 x 1024", partial(sersic, 1024)),
    ("M51, 512 x 512", m51),
)
FIT_TARGET = FORCED_TARGET = 300.0
MODEL_TARGET = 1.0

#: Galaxies that are fitted side by side, and how often.
GALAXIES, SCALING_ROUNDS = 100, 15
SCALING_TARGET = 0.9
#: Pieces of the calibration, about as many as take as long as the galaxies, and numbers in each:
#: some milliseconds without Python's lock, and not more than a cache holds.
PIECES, NUMBERS = 128, 4_096


@dataclass(frozen=True, slots=True)
class FitComparison:
    """One image, fitted by both from the same ellipse with the same steps and stop rule.

    Attributes
    ----------
    what : str
        The image.
    ratio : float
        Peer time over our time, one thread each.
    isophotes, iterations : tuple of int
        Ours and the peer's.
    apart : float
        Median relative difference of the intensity, of isophotes that converged in both.
    """

    what: str
    ratio: float
    isophotes: tuple[int, int]
    iterations: tuple[int, int]
    apart: float
    target: float = FIT_TARGET

    @property
    def met(self) -> bool:
        """Whether the ratio is what is asked for."""
        return self.ratio >= self.target


@dataclass(frozen=True, slots=True)
class ForcedComparison:
    """One image, measured by both along the same ellipses.

    Attributes
    ----------
    what : str
        The image.
    peer : str
        What of photutils ran for each ellipse.
    ellipses : int
        How many.
    ratio : float
        Peer time over our time, one thread each.
    apart : float
        Median relative difference of the intensity.
    """

    what: str
    peer: str
    ellipses: int
    ratio: float
    apart: float
    target: float = FORCED_TARGET

    @property
    def met(self) -> bool:
        """Whether the ratio is what is asked for."""
        return self.ratio >= self.target


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The model image of a galaxy without noise, by both from their own isophotes.

    Attributes
    ----------
    what : str
        The image.
    harmonics : bool
        Whether deviations from ellipses were drawn.
    ratios : dict of int to float
        Threads of ours -> peer time over our time; the peer has one thread.
    residuals : tuple of float
        Median relative difference from the galaxy, ours and the peer's.
    """

    what: str
    harmonics: bool
    ratios: dict[int, float]
    residuals: tuple[float, float]
    target: float = MODEL_TARGET

    @property
    def met(self) -> bool:
        """Whether it is as fast, on one thread, and nearer to the truth."""
        return self.ratios[1] >= self.target and self.residuals[0] <= self.residuals[1]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Many galaxies on two threads.

    Attributes
    ----------
    what : str
        The galaxies.
    speed_up : float
        Time on one thread over time on two.
    possible : float
        The same of arithmetic without Python's lock, in the same rounds.
    """

    what: str
    speed_up: float
    possible: float
    target: float = SCALING_TARGET

    @property
    def quotient(self) -> float:
        """How much of what is possible is reached."""
        return self.speed_up / self.possible

    @property
    def met(self) -> bool:
        """Whether that is what is asked for."""
        return self.quotient >= self.target


# ------------------------------------------------------------------ what is there


def missing_images() -> str:
    """A sentence about the images that are not here; empty if all are."""
    try:
        m51()
    except FileNotFoundError as error:
        return str(error)
    return ""


def _cases() -> Iterator[tuple[str, Case]]:
    for name, build in IMAGES:
        if build is not m51 or not missing_images():
            yield name, build()


# ------------------------------------------------------------------ ratios


def fit_comparisons() -> Iterator[FitComparison]:
    """Fit every image; the two take turns."""
    for name, case in _cases():
        ours = partial(_fit, case)
        with without_warnings():
            found, of_peer = ours(), photutils_fit(case)
            ratio = _ratio(ours, partial(photutils_fit, case))
        yield FitComparison(
            name,
            ratio,
            (len(found), len(of_peer)),
            (int(found.n_iterations.sum()), int(of_peer.n_iter.sum())),
            _apart(found, of_peer),
        )


def forced_comparisons() -> Iterator[ForcedComparison]:
    """Measure every image along the isophotes that were fitted to it."""
    for name, case in _cases():
        template = _fit(case)
        names = ("x0", "y0", "sma", "ellipticity", "position_angle")
        columns = {name: getattr(template, name)[template.sma > 0.0].tolist() for name in names}
        ellipses = [
            dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        ours = partial(arm.fit.forced_isophotes, case.image, columns, threads=1)
        for peer, measure in FORCED.items():
            theirs = partial(measure, case.image, ellipses)
            with without_warnings():
                found, of_peer = ours(), theirs()
                ratio = _ratio(ours, theirs)
            means = [getattr(one, "mean", None) or one.intens for one in of_peer]
            apart = float(np.nanmedian(np.abs(found.intensity / means - 1.0)))
            yield ForcedComparison(name, peer, len(ellipses), ratio, apart)


def model_comparisons() -> Iterator[ModelComparison]:
    """Draw a galaxy that is known without noise."""
    case = sersic(512, snr=np.inf)
    shape = case.image.shape
    with without_warnings():
        found, of_peer = _fit(case), photutils_fit(case)
    for harmonics in (False, True):
        theirs = partial(photutils_model, shape, of_peer, harmonics)
        ours = {
            threads: partial(
                arm.fit.ellipse_model, shape, found, harmonics=harmonics, threads=threads
            )
            for threads in THREADS
        }
        residuals = tuple(residual(draw(), case) for draw in (ours[1], theirs))
        ratios = {threads: _ratio(draw, theirs) for threads, draw in ours.items()}
        yield ModelComparison("Sersic, 512 x 512", harmonics, ratios, residuals)


@contextmanager
def without_warnings() -> Iterator[None]:
    """photutils warns of ellipses that leave the image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Peer time over our time, medians of runs that take turns."""

    def repeated() -> None:
        for _ in range(REPEATS):
            ours()

    medians = interleaved({"ours": repeated, "theirs": theirs}, ROUNDS)
    return REPEATS * medians["theirs"] / medians["ours"]


def _fit(case: Case) -> arm.fit.Isophotes:
    return arm.fit.isophotes(case.image, case.start, threads=1)


def _apart(found: arm.fit.Isophotes, of_peer: object) -> float:
    """Median relative difference of the intensity, of isophotes that converged in both."""
    converged = found.sma[found.converged]
    good = (of_peer.stop_code == 0) & (of_peer.sma > 0.0)
    at = np.argmin(np.abs(converged[:, None] - of_peer.sma[good]), axis=1)
    same = np.isclose(converged, of_peer.sma[good][at], rtol=1e-6)
    ratio = found.intensity[found.converged][same] / of_peer.intens[good][at][same]
    return float(np.median(np.abs(ratio - 1.0)))


# ------------------------------------------------------------------ threads


def scaling() -> Scaling | None:
    """Two threads against one, for galaxies and for arithmetic; None on a single processor."""
    if (os.cpu_count() or 1) < max(THREADS):
        return None
    cases = survey(GALAXIES)
    images, starts = [case.image for case in cases], [case.start for case in cases]
    runs: dict[tuple[str, int], Callable[[], object]] = {}
    for threads in THREADS:
        runs["galaxies", threads] = partial(arm.fit.isophotes, images, starts, threads=threads)
        runs["arithmetic", threads] = partial(arithmetic, threads)
    with without_warnings():
        for run in runs.values():
            run()
        medians = interleaved(runs, SCALING_ROUNDS)
    gains = {
        what: medians[what, 1] / medians[what, max(THREADS)] for what in ("galaxies", "arithmetic")
    }
    return Scaling(f"{GALAXIES} galaxies, 256 x 256", gains["galaxies"], gains["arithmetic"])


def arithmetic(threads: int) -> None:
    """What processors can do without Python's lock: Bessel functions of numbers in their caches."""
    numbers = np.linspace(1.0, 20.0, NUMBERS)
    results = [np.empty(NUMBERS) for _ in range(threads)]

    def work(piece: int) -> None:
        special.jv(2.5, numbers, out=results[piece % threads])

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, range(PIECES)):
            pass
