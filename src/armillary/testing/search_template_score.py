"""What every backend of ``search.template_score`` must do.

Backends are called through the front doors and judged by ``template_oracle.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..plugins.records import Provenance, Request
from ..plugins.registry import get_registry
from ..runtime.progress import Progress
from ..search.template.api import attribute, template_score
from ..search.template.candidates import read_candidate
from ..search.template.reference import DEFAULT_SHARPNESS, MIN_WEIGHT_FRACTION
from ..search.template.result import TemplateScores
from ..search.template.scoring import scoring
from . import template_oracle as oracle
from .kit import CheckFailed, Suite, require
from .manners import PlainCall, add_manners, parameters_of_the_target
from .oracle import distance, fit_levels
from .progress import WatchedCall, add_progress
from .signals import SimulatedLightCurve, simulated_light_curve

OPERATION = "search.template_score"
SUITE = Suite()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from the truth: a part of it, and a part of one sigma."""

    relative: float
    sigma: float


#: Sums over some thousand points carried in another order, and times rounded once, at the
#: subtraction of the epoch: 1e-11 at the steepest edges here, with room.
OF_FLOAT64 = Tolerance(1e-9, 1e-9)
#: A thousandth of a sigma decides nothing, and no candidate passes for another. Times as
#: float32 are 1e-7 of the span off, 3e-6 d here, which is 0.005 of the steepest edge: of the
#: score, 1e-4. A BJD as float32 is a quarter of a day off: no score survives it.
OF_FLOAT32 = Tolerance(1e-3, 1e-3)

#: Candidates whose norm is this near to the limit of the unknown (by a factor) may go either way.
MARGIN = 10.0
#: Below this part of the weight, what float32 keeps of it is not what is judged here.
LEAST_JUDGED = 1e-4

#: A sharpness at which no point lies on an edge.
BOX = 1e9

#: A shift and a scale that change no bit of a mantissa.
BJD = 2457000.0
SCALE = 2.0**20

RESULTS = ("score", "depth", "depth_err", "level")
ARGUMENTS = ("time", "flux", "flux_err", "period", "t0", "duration")

Candidates = Mapping[str, np.ndarray]


# ------------------------------------------------------------------ tools


def scores(
    backend: str, light_curve: SimulatedLightCurve, candidates: Candidates, **options: Any
) -> TemplateScores:
    """The front door, with this backend."""
    options |= candidates
    return template_score(*points_of(light_curve), backend=backend, **options)


def contributions(
    backend: str, light_curve: SimulatedLightCurve, candidates: Candidates, i: int, **options: Any
) -> np.ndarray:
    """The attribution of the score of candidate i."""
    options |= {name: array[i] for name, array in candidates.items()}
    return attribute(*points_of(light_curve), backend=backend, **options).contribution


def tolerance_of(backend: str) -> Tolerance:
    """What the record of a backend promises."""
    record = get_registry().backends(OPERATION)[backend].record
    return OF_FLOAT64 if record.precision == "float64" else OF_FLOAT32


def names_option(backend: str, option: str) -> bool:
    """Whether the target of a backend names an option; one that it does not is not supported."""
    return option in parameters_of_the_target(OPERATION, backend)


def exact(light_curve: SimulatedLightCurve) -> SimulatedLightCurve:
    """The light curve with times on a lattice of 2**-20 d, which a shift to BJD leaves exact."""
    return replace(light_curve, time=on_lattice(light_curve.time))


def on_lattice(days: np.ndarray) -> np.ndarray:
    """Days rounded to 2**-20 d."""
    return np.rint(days * SCALE) / SCALE


def light_curves(n: int, seed: int, **fixed: Any) -> Iterator[SimulatedLightCurve]:
    """Light curves of many kinds with transits of S/N 8 to 50."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        span = rng.uniform(15.0, 60.0)
        drawn: dict[str, Any] = {
            "span": span,
            "cadence": rng.uniform(0.008, 0.03),
            "regular": bool(i % 2),
            "gaps": [(0.4 * span, rng.uniform(0.42, 0.6) * span)] if i % 3 == 0 else [],
            "error_ratio": rng.uniform(1.0, 5.0),
            "level": rng.choice([1.0, 0.0, 30.0]),
            "duration": rng.uniform(0.08, 0.3),
            "period": rng.uniform(2.4, 7.0),
            "snr": rng.uniform(8.0, 50.0),
        }
        drawn |= fixed
        drawn.setdefault("t0", rng.uniform(0.0, drawn["period"]))
        yield simulated_light_curve(seed + i, **drawn)


def candidates_for(light_curve: SimulatedLightCurve, n: int, seed: int) -> dict[str, np.ndarray]:
    """The injected transits, candidates close to them, and others of any kind."""
    rng = np.random.default_rng(seed)
    near = np.arange(n) < n // 2
    slack = np.where(near, 0.01 * rng.standard_normal(n), 0.0)
    slack[0] = 0.0
    period = np.where(near, light_curve.period * (1.0 + 0.1 * slack), rng.uniform(0.7, 12.0, n))
    t0 = np.where(near, light_curve.t0 + slack, rng.uniform(-20.0, 80.0, n))
    ratio = np.where(near, 1.0, rng.uniform(0.01, 0.3, n) * period / light_curve.duration)
    return {"period": period, "t0": t0, "duration": light_curve.duration * ratio}


def candidate(candidates: Candidates, i: int) -> tuple[float, float, float]:
    """Period, t0 and duration of one of them."""
    period, t0, duration = (float(candidates[name][i]) for name in ("period", "t0", "duration"))
    return period, t0, duration


def points_of(light_curve: SimulatedLightCurve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, flux and errors."""
    return light_curve.time, light_curve.flux, light_curve.flux_err


def require_fits(
    backend: str,
    light_curve: SimulatedLightCurve,
    candidates: Candidates,
    sharpness: float = DEFAULT_SHARPNESS,
) -> None:
    """Score, depth, error and level of every candidate, held against a least-squares fit."""
    tolerance = tolerance_of(backend)
    options = {} if sharpness == DEFAULT_SHARPNESS else {"sharpness": sharpness}
    found = scores(backend, light_curve, candidates, **options)
    for i in range(len(found.period)):
        one = candidate(candidates, i)
        fit = oracle.fit_template(*points_of(light_curve), *one, sharpness)
        if fit.known < LEAST_JUDGED:
            _require_unknown(found, i, fit)
            continue
        # In units of their own error: what is one sigma of the score is one of the depth.
        units = {"score": 1.0, "depth": fit.depth_err, "level": fit.depth_err}
        for name, unit in units.items():
            allowed = unit * (tolerance.sigma + tolerance.relative * abs(fit.score))
            _require_number(found, name, i, getattr(fit, name), allowed)
        allowed = tolerance.relative * fit.depth_err
        _require_number(found, "depth_err", i, fit.depth_err, allowed)


def _require_unknown(found: TemplateScores, i: int, fit: oracle.TemplateFit) -> None:
    """NaN, or a number, as the norm of a candidate has it."""
    unknown = [bool(np.isnan(getattr(found, name)[i])) for name in RESULTS]
    if fit.known < MIN_WEIGHT_FRACTION / MARGIN:
        require(all(unknown), f"{_words(found, i)} has no weight in, or out of, transit, but a fit")
    elif fit.known > MIN_WEIGHT_FRACTION * MARGIN:
        require(not any(unknown), f"{_words(found, i)} can be fitted, but has NaN")


def _require_number(
    found: TemplateScores, name: str, i: int, expected: float, allowed: float
) -> None:
    value = getattr(found, name)[i]
    require(
        abs(value - expected) <= allowed,
        f"{name} of {_words(found, i)} is {value!r}; the least-squares fit has {expected!r}, and "
        f"{allowed:.2g} is allowed",
    )


def _words(found: TemplateScores, i: int) -> str:
    return (
        f"period {found.period[i]:.6g} d, t0 {found.t0[i]:.6g}, duration {found.duration[i]:.4g} d"
    )


def require_same(
    backend: str,
    what: str,
    one: TemplateScores,
    other: Mapping[str, np.ndarray],
    *,
    exactly: bool = False,
) -> None:
    """The same results within the tolerance of the backend, NaN in the same places."""
    tolerance = tolerance_of(backend)
    slack = 0.0 if exactly else tolerance.sigma + tolerance.relative * np.abs(one.score)
    units: dict[str, Any] = {"score": 1.0, "depth": one.depth_err, "level": one.depth_err}
    units["depth_err"] = one.depth_err
    for name, value in other.items():
        expected = getattr(one, name)
        apart = np.abs(value - expected)
        same = (np.isnan(value) & np.isnan(expected)) | (apart <= slack * units[name])
        if not same.all():
            i = int(np.flatnonzero(~same)[0])
            raise CheckFailed(
                f"{what} changes {name} of {np.count_nonzero(~same)} of {len(same)} candidates, "
                f"first from {expected[i]!r} to {value[i]!r}"
            )


def arrays(found: TemplateScores, names: Iterable[str] = RESULTS) -> dict[str, np.ndarray]:
    """Results by name."""
    return {name: getattr(found, name) for name in names}


def plain_case() -> tuple[SimulatedLightCurve, dict[str, np.ndarray]]:
    """A light curve with transits, and some candidates."""
    light_curve = exact(
        simulated_light_curve(
            11, span=20.0, error_ratio=3.0, period=2.7, t0=1.1, duration=0.15, snr=20.0
        )
    )
    candidates = candidates_for(light_curve, 24, seed=12)
    return light_curve, candidates | {"t0": on_lattice(candidates["t0"])}


# ------------------------------------------------------------------ the fit


@SUITE.check
def least_squares_fit(backend: str) -> None:
    """Score, depth, depth_err and level are those of a weighted least-squares fit."""
    for i, light_curve in enumerate(light_curves(10, seed=100)):
        require_fits(backend, light_curve, candidates_for(light_curve, 20, seed=i))


@SUITE.check
def sharpness_of_the_edges(backend: str) -> None:
    """Where the target names sharpness, blunt and steep edges alike."""
    if not names_option(backend, "sharpness"):
        return
    for i, light_curve in enumerate(light_curves(6, seed=200)):
        for sharpness in (2.0, 20.0, 400.0):
            require_fits(backend, light_curve, candidates_for(light_curve, 10, seed=i), sharpness)


@SUITE.check
def limit_of_a_box(backend: str) -> None:
    """With edges as steep as steps, the square of the score is delta_chi2 of the box."""
    if not names_option(backend, "sharpness"):
        return
    tolerance = tolerance_of(backend)
    for light_curve in light_curves(8, seed=300):
        time, flux, flux_err = points_of(light_curve)
        period, t0, duration = light_curve.period, light_curve.t0, light_curve.duration
        away = distance(time, period, t0)
        # Halfway between two points, where nobody's rounding decides what is in transit.
        near = np.sort(away)
        k = int(np.searchsorted(near, 0.5 * duration))
        duration = near[k - 1] + near[k]
        one = {"period": period, "t0": t0, "duration": duration}
        found = scores(
            backend, light_curve, {k: np.array([v]) for k, v in one.items()}, sharpness=BOX
        )
        box = fit_levels(flux, flux_err, away < 0.5 * duration)
        allowed = 2.0 * (tolerance.sigma + tolerance.relative * abs(found.score[0]))
        require(
            abs(found.score[0] ** 2 - box.delta_chi2) <= allowed * abs(found.score[0]),
            f"the square of the score is {found.score[0] ** 2!r}, delta_chi2 of the box is "
            f"{box.delta_chi2!r}",
        )


@SUITE.check
def many_candidates(backend: str) -> None:
    """Thousands of candidates at once, each of them right."""
    light_curve = simulated_light_curve(41, span=15.0, cadence=0.05, period=3.1, t0=0.8, snr=15.0)
    require_fits(backend, light_curve, candidates_for(light_curve, 3001, seed=42))


@SUITE.check
def more_candidates_than_a_block(backend: str) -> None:
    """Candidates that come after thousands of others have what they have alone."""
    light_curve = simulated_light_curve(43, span=2.0, cadence=0.1, period=1.1, t0=0.4, snr=15.0)
    last = candidates_for(light_curve, 8, seed=44)
    first = {name: np.full(8_200, array[0]) for name, array in last.items()}
    many = {name: np.append(first[name], last[name]) for name in last}
    found = scores(backend, light_curve, many)
    alone = scores(backend, light_curve, last)
    end = {name: array[-8:] for name, array in arrays(found).items()}
    require_same(backend, "coming last", alone, end)


@SUITE.check
def any_number_of_points(backend: str) -> None:
    """Three points, 70,000, or a power of two and its neighbours: none is lost at the end."""
    rng = np.random.default_rng(51)
    # The last number is more than 16 bits count.
    few = (3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1025)
    for n in (*few, 70_000):
        time = np.sort(rng.uniform(0.0, 9.0, n))
        flux_err = np.full(n, 1e-3)
        flux = 1.0 + 1e-3 * rng.standard_normal(n)
        light_curve = SimulatedLightCurve(time, flux, flux_err, *(4 * [np.nan]))
        # In two of them: the last point in transit, and the first one.
        candidates = {
            "period": np.array([4.1, 20.0, 20.0]),
            "t0": np.array([1.7, time[-1] + 0.01, time[0] - 0.01]),
            "duration": np.array([1.3, 0.5, 0.5]),
        }
        require_fits(backend, light_curve, candidates)


@SUITE.check
def one_point_in_transit(backend: str) -> None:
    """Each point counts: a transit over any one of them has its depth."""
    light_curve = simulated_light_curve(61, span=6.0, cadence=0.05)
    candidates = {
        "period": np.full(len(light_curve.time), 30.0),
        "t0": light_curve.time + 0.003,
        "duration": np.full(len(light_curve.time), 0.04),
    }
    require_fits(backend, light_curve, candidates)


@SUITE.check
def long_gaps(backend: str) -> None:
    """Gaps of hundreds of days, with many transits in them."""
    gaps = [(14.0, 380.0), (394.0, 700.0)]
    for i, light_curve in enumerate(light_curves(4, seed=700, span=714.0, gaps=gaps)):
        require_fits(backend, light_curve, candidates_for(light_curve, 12, seed=i))


@SUITE.check
def very_uneven_errors(backend: str) -> None:
    """Errors that differ by a factor of 1000 from point to point."""
    for i, light_curve in enumerate(light_curves(5, seed=800, error_ratio=1000.0)):
        require_fits(backend, light_curve, candidates_for(light_curve, 12, seed=i))


@SUITE.check
def odd_ephemerides(backend: str) -> None:
    """Periods below the cadence or beyond the time span, and transits as long as a period."""
    light_curve = simulated_light_curve(71, span=12.0, regular=False, period=2.3, t0=0.9, snr=20.0)
    candidates = {
        "period": np.array([0.011, 0.0071, 40.0, 15.0, 1.3, 2.3, 0.3]),
        "t0": np.array([0.5, -3.3, 6.0, -9.3, 0.4, 0.9 + 2.3 * 40, 0.01]),
        "duration": np.array([0.004, 0.0065, 6.0, 0.2, 1.28, 1.1, 0.22]),
    }
    require_fits(backend, light_curve, candidates)


@SUITE.check
def brightenings(backend: str) -> None:
    """A brightening has a negative depth and a negative score."""
    up = simulated_light_curve(31, span=12.0, period=2.3, t0=0.9, duration=0.2, depth=-0.01)
    one = {"period": np.array([2.3]), "t0": np.array([0.9]), "duration": np.array([0.2])}
    found = scores(backend, up, one)
    require(
        found.score[0] < -10 and found.depth[0] < 0,
        f"a brightening has a score of {found.score[0]} and a depth of {found.depth[0]}",
    )
    require_fits(backend, up, one)


@SUITE.check
def unknown_candidates(backend: str) -> None:
    """A candidate without weight in transit, or out of it, is NaN; those beside it are not."""
    light_curve = simulated_light_curve(
        81, span=10.0, gaps=[(2.0, 6.0)], period=3.3, t0=1.0, duration=0.2, snr=20.0
    )
    candidates = {
        # In a gap; over every point; as it should be; before the first and after the last.
        "period": np.array([50.0, 50.0, 3.3, 50.0, 50.0]),
        "t0": np.array([4.0, 5.0, 1.0, -9.0, 19.0]),
        "duration": np.array([1.0, 30.0, 0.2, 0.3, 0.3]),
    }
    gradient = {"gradient": True} if names_option(backend, "gradient") else {}
    found = scores(backend, light_curve, candidates, **gradient)
    for name in (*RESULTS, *gradient):
        unknown = np.isnan(np.reshape(getattr(found, name), (5, -1)))
        right = unknown.all(axis=1) == [True, True, False, True, True]
        require(
            right.all() and not unknown[2].any(),
            f"{name} is {getattr(found, name)}; only the third candidate has points both in and "
            f"out of transit",
        )


@SUITE.check
def unknown_candidate_alone(backend: str) -> None:
    """So is one alone; where the target names attribution, what its points contribute, too."""
    light_curve = simulated_light_curve(82, span=10.0, gaps=[(2.0, 6.0)])
    named = names_option(backend, "attribution")
    # In a gap; over every point.
    for t0, duration in ((4.0, 1.0), (5.0, 30.0)):
        # The front door of attributions refuses a candidate whose score is NaN.
        asked = scoring(*points_of(light_curve), DEFAULT_SHARPNESS, backend, None, None, None)
        found, _ = asked.scores(read_candidate(50.0, t0, duration), attribution=named)
        for name, array in found.items():
            known = np.count_nonzero(~np.isnan(array))
            require(
                known == 0,
                f"t0 {t0} and duration {duration} d have no points both in and out of transit, "
                f"but {known} known values in {name}",
            )


# ------------------------------------------------------------------ gradient and attribution


@SUITE.check
def gradient_of_the_score(backend: str) -> None:
    """Where the target names gradient: the derivatives by period, t0 and duration."""
    if not names_option(backend, "gradient"):
        return
    for i, light_curve in enumerate(light_curves(8, seed=900)):
        _require_gradients(backend, light_curve, candidates_for(light_curve, 12, seed=i))


@SUITE.check
def gradient_of_blunt_edges(backend: str) -> None:
    """Where the target names gradient and sharpness: the same with any sharpness."""
    if not (names_option(backend, "gradient") and names_option(backend, "sharpness")):
        return
    for i, light_curve in enumerate(light_curves(4, seed=950)):
        for sharpness in (40.0, 400.0):
            candidates = candidates_for(light_curve, 8, seed=i)
            _require_gradients(backend, light_curve, candidates, sharpness=sharpness)


def _require_gradients(
    backend: str, light_curve: SimulatedLightCurve, candidates: Candidates, **options: Any
) -> None:
    tolerance = tolerance_of(backend)
    sharpness = options.get("sharpness", DEFAULT_SHARPNESS)
    found = scores(backend, light_curve, candidates, gradient=True, **options)
    assert found.gradient is not None
    for i in range(len(found.period)):
        one = candidate(candidates, i)
        if oracle.fit_template(*points_of(light_curve), *one, sharpness).known < LEAST_JUDGED:
            continue
        expected = oracle.gradient(*points_of(light_curve), *one, sharpness)
        # An edge that moves by its own width, d / sharpness, changes the score by about one sigma
        # and a part of itself; the edge of cycle c moves by c when the period does.
        cycles = np.max(np.abs((light_curve.time - one[1]) / one[0])) + 1.0
        edge = sharpness / one[2] * np.array([cycles, 1.0, 1.0])
        allowed = edge * (tolerance.sigma + tolerance.relative * abs(found.score[i]))
        apart = np.abs(found.gradient[i] - expected)
        require(
            np.all(apart <= allowed),
            f"the gradient of {_words(found, i)} is {found.gradient[i]}, not {expected}; "
            f"{allowed} is allowed",
        )


@SUITE.check
def attribution_of_each_point(backend: str) -> None:
    """Where the target names attribution: contributions are integrated gradients."""
    if not names_option(backend, "attribution"):
        return
    for light_curve in light_curves(4, seed=1000, span=15.0):
        candidates = candidates_for(light_curve, 4, seed=3)
        for i in range(4):
            _require_contributions(backend, light_curve, candidates, i)


@SUITE.check
def attribution_with_blunt_edges(backend: str) -> None:
    """Where the target names attribution and sharpness: the same with any sharpness."""
    if not (names_option(backend, "attribution") and names_option(backend, "sharpness")):
        return
    for light_curve in light_curves(2, seed=1050, span=15.0):
        candidates = candidates_for(light_curve, 2, seed=5)
        for i in range(2):
            _require_contributions(backend, light_curve, candidates, i, sharpness=10.0)


def _require_contributions(
    backend: str, light_curve: SimulatedLightCurve, candidates: Candidates, i: int, **options: Any
) -> None:
    tolerance = tolerance_of(backend)
    one, sharpness = candidate(candidates, i), options.get("sharpness", DEFAULT_SHARPNESS)
    expected = oracle.attribution(*points_of(light_curve), *one, sharpness)
    found = contributions(backend, light_curve, candidates, i, **options)
    allowed = tolerance.sigma + tolerance.relative * np.abs(expected).max()
    worst = int(np.argmax(np.abs(found - expected)))
    require(
        abs(found[worst] - expected[worst]) <= allowed,
        f"the point at {light_curve.time[worst]:.5f} contributes {found[worst]!r}, not "
        f"{expected[worst]!r}; {allowed:.2g} is allowed",
    )


@SUITE.check
def attributions_add_up(backend: str) -> None:
    """Where the target names attribution: contributions add up to the score."""
    if not names_option(backend, "attribution"):
        return
    tolerance = tolerance_of(backend)
    for light_curve in light_curves(6, seed=1100, level=30.0):
        candidates = candidates_for(light_curve, 6, seed=4)
        found = scores(backend, light_curve, candidates)
        for i in np.flatnonzero(~np.isnan(found.score)):
            total = contributions(backend, light_curve, candidates, i).sum()
            allowed = tolerance.sigma + tolerance.relative * abs(found.score[i])
            require(
                abs(total - found.score[i]) <= allowed,
                f"contributions add up to {total!r}, the score is {found.score[i]!r}",
            )


# ------------------------------------------------------------------ what must not matter


@SUITE.check
def results_are_float64(backend: str) -> None:
    """Every array of the result is float64 with one entry for each candidate."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    for name in RESULTS:
        array = getattr(found, name)
        require(
            array.dtype == np.float64 and array.shape == candidates["period"].shape,
            f"{name} is {array.dtype} of shape {array.shape}",
        )


@SUITE.check
def time_offset(backend: str) -> None:
    """Times as BJD give the same as times from zero."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    shifted = scores(
        backend,
        replace(light_curve, time=light_curve.time + BJD),
        candidates | {"t0": candidates["t0"] + BJD},
    )
    require_same(backend, "a shift of time to BJD", found, arrays(shifted))


@SUITE.check
def t0_of_another_transit(backend: str) -> None:
    """Which of the transits t0 is makes no difference, but to the gradient by period."""
    light_curve, candidates = plain_case()
    # Periods on a coarse lattice: t0 of any of these transits is then exact.
    period = np.rint(candidates["period"] * 4096.0) / 4096.0
    candidates = candidates | {"period": period}
    gradient = {"gradient": True} if names_option(backend, "gradient") else {}
    found = scores(backend, light_curve, candidates, **gradient)
    # The last is as far away as Julian dates are: in float32 it is off by half a transit.
    for k in (-3, 1, 25, 300_000):
        moved = candidates | {"t0": candidates["t0"] + k * period}
        other = scores(backend, light_curve, moved, **gradient)
        require_same(backend, f"t0 + {k} periods", found, arrays(other))
        if found.gradient is not None and other.gradient is not None:
            _require_moved_gradient(backend, k, found, other)


def _require_moved_gradient(
    backend: str, k: int, found: TemplateScores, other: TemplateScores
) -> None:
    assert found.gradient is not None and other.gradient is not None
    tolerance = tolerance_of(backend)
    expected = found.gradient.copy()
    expected[:, 0] -= k * found.gradient[:, 1]
    cycles = 80.0 / found.period + abs(k)
    edges = (DEFAULT_SHARPNESS / found.duration)[:, None] * np.stack(
        [cycles, np.ones_like(cycles), np.ones_like(cycles)], axis=1
    )
    allowed = edges * (tolerance.sigma + tolerance.relative * np.abs(found.score))[:, None]
    apart = np.abs(other.gradient - expected)
    require(
        np.all((apart <= allowed) | np.isnan(found.gradient)),
        f"t0 + {k} periods changes the gradient by more than {-k} times its t0 column in the "
        f"period column",
    )


@SUITE.check
def flux_scale(backend: str) -> None:
    """The unit of the flux changes depth, depth_err and level by its factor, and nothing else."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    for factor in (SCALE, 1.0 / SCALE):
        scaled = scores(
            backend,
            replace(
                light_curve, flux=factor * light_curve.flux, flux_err=factor * light_curve.flux_err
            ),
            candidates,
        )
        back = {name: getattr(scaled, name) / factor for name in ("depth", "depth_err", "level")}
        require_same(backend, f"flux times {factor:.3g}", found, back | {"score": scaled.score})


@SUITE.check
def flux_offset(backend: str) -> None:
    """A constant added to the flux moves the level and nothing else."""
    light_curve, candidates = plain_case()
    # Flux on a lattice, which the shifts leave exact.
    light_curve = replace(light_curve, flux=on_lattice(light_curve.flux))
    found = scores(backend, light_curve, candidates)
    for offset in (-1.0, 64.0):
        moved = scores(backend, replace(light_curve, flux=light_curve.flux + offset), candidates)
        back = arrays(moved) | {"level": moved.level - offset}
        require_same(backend, f"flux plus {offset:g}", found, back)


@SUITE.check
def order_of_points(backend: str) -> None:
    """Points in any order give the same."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    order = np.random.default_rng(5).permutation(len(light_curve.time))
    shuffled = replace(
        light_curve,
        time=light_curve.time[order],
        flux=light_curve.flux[order],
        flux_err=light_curve.flux_err[order],
    )
    other = scores(backend, shuffled, candidates)
    require_same(backend, "another order of points", found, arrays(other), exactly=True)


@SUITE.check
def order_of_candidates(backend: str) -> None:
    """Candidates in any order give the same, in that order."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    order = np.random.default_rng(6).permutation(len(found.period))
    other = scores(backend, light_curve, {name: array[order] for name, array in candidates.items()})
    back = {name: array[np.argsort(order)] for name, array in arrays(other).items()}
    require_same(backend, "another order of candidates", found, back)


@SUITE.check
def one_candidate_at_a_time(backend: str) -> None:
    """A candidate gives the same alone as in company."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    alone = [
        scores(backend, light_curve, {name: array[[i]] for name, array in candidates.items()})
        for i in range(len(found.period))
    ]
    joined = {name: np.array([getattr(one, name)[0] for one in alone]) for name in RESULTS}
    require_same(backend, "being alone", found, joined)


@SUITE.check
def numbers_that_go_with_all(backend: str) -> None:
    """One number for all candidates is the same as that number for each."""
    light_curve, candidates = plain_case()
    each = candidates | {name: np.full(24, candidates[name][0]) for name in ("t0", "duration")}
    one: dict[str, Any] = each | {name: candidates[name][0] for name in ("t0", "duration")}
    found, other = (scores(backend, light_curve, given) for given in (each, one))
    require_same(backend, "one number for all", found, arrays(other), exactly=True)


@SUITE.check
def options_together(backend: str) -> None:
    """Asking for the gradient changes nothing else."""
    if not names_option(backend, "gradient"):
        return
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    other = scores(backend, light_curve, candidates, gradient=True)
    require_same(backend, "gradient=True", found, arrays(other))


@SUITE.check
def number_of_threads(backend: str) -> None:
    """Any number of threads gives the same, to the bit."""
    light_curve = simulated_light_curve(12, span=30.0, period=3.1, duration=0.04, snr=20.0)
    # Enough work that a compiled backend has reason to use its threads.
    candidates = candidates_for(light_curve, 4000, seed=7)
    one = scores(backend, light_curve, candidates, threads=1)
    for threads in (2, 3):
        other = scores(backend, light_curve, candidates, threads=threads)
        what = f"threads={threads} instead of 1"
        require_same(backend, what, one, arrays(other), exactly=True)


@SUITE.check
def repeated_call(backend: str) -> None:
    """The same call again gives the same, to the bit, in arrays of its own."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    copies: dict[str, Any] = {name: array.copy() for name, array in arrays(found).items()}
    kept = replace(found, **copies)
    again = scores(backend, light_curve, candidates)
    require_same(backend, "a second call", found, arrays(again), exactly=True)
    scores(backend, replace(light_curve, flux=light_curve.flux[::-1]), candidates)
    what = "a call with another light curve"
    require_same(backend, what, kept, arrays(found), exactly=True)


@SUITE.check
def duplicate_times(backend: str) -> None:
    """Points at the same time all count: each of them four times doubles the score."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    four = replace(
        light_curve,
        time=np.repeat(light_curve.time, 4),
        flux=np.repeat(light_curve.flux, 4),
        flux_err=np.repeat(light_curve.flux_err, 4),
    )
    other = scores(backend, four, candidates)
    back = {"score": 0.5 * other.score, "depth_err": 2.0 * other.depth_err, "depth": other.depth}
    require_same(backend, "every point four times", found, back)


@SUITE.check
def kinds_of_arrays(backend: str) -> None:
    """Big-endian, strided, masked, listed and partly NaN input equals clean input."""
    light_curve, candidates = plain_case()
    found = scores(backend, light_curve, candidates)
    given: dict[str, Any] = dict(candidates)
    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "big-endian": lambda a: a.astype(">f8"),
        "strided": lambda a: np.repeat(a, 3)[::3],
        "reversed": lambda a: a[::-1],
        "listed": lambda a: a.tolist(),
        "masked": _with_masked_point,
        "NaN beside numbers": lambda a: np.append(a, np.nan),
    }
    for what, kind in kinds.items():
        time, flux, flux_err = map(kind, points_of(light_curve))
        other = template_score(time, flux, flux_err, **given, backend=backend)
        require_same(backend, f"{what} input", found, arrays(other), exactly=True)
    for what in ("big-endian", "strided", "listed"):
        other_candidates = {name: kinds[what](array) for name, array in candidates.items()}
        other = scores(backend, light_curve, other_candidates)
        require_same(backend, f"{what} candidates", found, arrays(other), exactly=True)


def _with_masked_point(array: np.ndarray) -> np.ma.MaskedArray:
    mask = np.zeros(len(array) + 1, dtype=bool)
    mask[-1] = True
    return np.ma.masked_array(np.append(array, 1e30), mask)


@SUITE.check
def inputs_are_left_alone(backend: str) -> None:
    """Neither the caller's arrays, which may be read-only, nor those of the result are changed."""
    light_curve, candidates = plain_case()
    given = [*points_of(light_curve), *candidates.values()]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    found = scores(backend, light_curve, candidates)
    kept = found.light_curve
    after = [kept.time + kept.epoch, kept.flux, kept.flux_err]
    after += [found.period, found.t0, found.duration]
    for name, old, new in zip(ARGUMENTS, before, after, strict=True):
        require(np.array_equal(old, new), f"the backend changes {name}, which is not its own")


# ------------------------------------------------------------------ outcomes of odd input


@SUITE.check
def bad_input(backend: str) -> None:
    """Input that breaks a documented rule is a ValueError that names the argument."""
    light_curve, candidates = plain_case()
    good: dict[str, Any] = {
        "time": light_curve.time,
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        **candidates,
    }
    bad: tuple[tuple[str, dict[str, Any]], ...] = (
        ("points", {"time": [], "flux": [], "flux_err": []}),
        ("flux_err", {"flux_err": 0.0}),
        ("length", {"flux": light_curve.flux[1:]}),
        ("period", {"period": -1.0}),
        ("period", {"period": np.nan}),
        ("t0", {"t0": np.inf}),
        ("t0", {"t0": []}),
        ("duration", {"duration": 0.0}),
        ("duration", {"duration": 100.0}),
        ("length", {"duration": [0.1, 0.2]}),
        ("sharpness", {"sharpness": 0.0}),
        ("sharpness", {"sharpness": np.nan}),
        ("threads", {"threads": 0}),
    )
    for word, change in bad:
        try:
            template_score(**(good | change), backend=backend)
        except ValueError as error:
            require(word in str(error), f"the error about {change} does not say {word!r}: {error}")
        else:
            raise CheckFailed(f"{', '.join(change)} may not be {list(change.values())}, but passes")


# ------------------------------------------------------------------ manners


def _plain_scores(backend: str) -> Provenance:
    light_curve, candidates = plain_case()
    return scores(backend, light_curve, candidates).provenance


PLAIN = Request(
    OPERATION,
    dict.fromkeys(ARGUMENTS, (100,)),
    dict.fromkeys(ARGUMENTS, "float64"),
    {"sharpness": DEFAULT_SHARPNESS, "gradient": False, "attribution": False},
)
add_manners(SUITE, PlainCall(PLAIN, ARGUMENTS, _plain_scores))


def _watched_scores(backend: str, report: Progress) -> int:
    light_curve, candidates = plain_case()
    return len(scores(backend, light_curve, candidates, progress=report).score)


add_progress(SUITE, WatchedCall(OPERATION, _watched_scores))
