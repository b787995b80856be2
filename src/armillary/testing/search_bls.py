"""What every backend of ``search.bls`` must do.

Backends are called through the front door and judged by ``oracle.py``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ..io import LightCurve
from ..plugins.arrays import array_kind
from ..plugins.errors import UnsupportedOption
from ..plugins.records import Provenance, Request
from ..plugins.registry import get_registry, resolve
from ..runtime.progress import Progress
from ..search.box.api import bls
from ..search.box.result import Periodogram
from .kit import CheckFailed, Suite, require
from .manners import PlainCall, add_manners, parameters_of_the_target
from .oracle import BoxFit, distance, highest_delta_chi2, possible_fits
from .progress import WatchedCall, add_progress
from .signals import SimulatedLightCurve, simulated_light_curve

OPERATION = "search.bls"
SUITE = Suite()

#: What the refined best peak may lose of the highest delta_chi2: unbinned, it loses nothing
#: but what a grid of trial periods leaves, and that is refined as well.
BEST_LOSS = 1e-3

#: What the spectrum may lose at the true period, on average over light curves: ends of boxes lie
#: on average a quarter of a bin off, and with ten bins in a box each end costs 2 to 3 per cent.
SPECTRUM_LOSS = 0.08

#: What may remain of the loss in the spectrum with four times as many bins: the loss falls in
#: proportion to their width, so a quarter and the scatter of a mean over light curves.
MAX_REMAINING_LOSS = 0.5

#: Agreement of numbers that follow from each other, or from inputs equal but for a power of
#: two, a shift without rounding, or an order: rounding of sums over some thousand points.
ROUNDING = 1e-9

#: Agreement after adding 100 to a flux with errors of 5e-4, which rounds each point by
#: up to 1e-14, 3e-11 of its error: well above what that does to a sum of points.
OFFSET_ROUNDING = 1e-6

#: Agreement of fits of the same points; leaves room for sums carried in another order.
SAME_POINTS = 1e-6

#: How far the ends of a box may lie from where the backend says, in bins.
END_SLACK = 0.5

#: At one period, noise may move delta_chi2 of binned boxes from the unbinned highest by this
#: factor; over many periods the gains and losses leave this much.
ANY_PERIOD = 1.6
ALL_PERIODS = 0.12

#: Bins in the shortest duration of a period, the default of the front door.
OVERSAMPLE = 10

#: A shift and a scale that change no bit of a mantissa.
BJD = 2457000.0
SCALE = 2.0**20

RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")
ARGUMENTS = (
    "time",
    "flux",
    "flux_err",
    "period",
    "duration",
    "duration_start",
    "duration_stop",
)


# ------------------------------------------------------------------ tools


def search(backend: str, light_curve: SimulatedLightCurve, **options: Any) -> Periodogram:
    """The front door, with this backend."""
    return bls(light_curve.time, light_curve.flux, light_curve.flux_err, backend=backend, **options)


def exact(light_curve: SimulatedLightCurve) -> SimulatedLightCurve:
    """The light curve with times on a lattice of 2**-20 d, which a shift to BJD leaves exact."""
    return replace(light_curve, time=np.rint(light_curve.time * SCALE) / SCALE)


def signals(n: int, seed: int, **fixed: Any) -> Iterable[SimulatedLightCurve]:
    """Light curves of many kinds with transits of S/N 8 to 50."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        span = rng.uniform(15.0, 60.0)
        duration = rng.uniform(0.08, 0.3)
        drawn: dict[str, Any] = {
            "span": span,
            "cadence": rng.uniform(0.008, 0.03),
            "regular": bool(i % 2),
            "gaps": [(0.4 * span, rng.uniform(0.42, 0.6) * span)] if i % 3 == 0 else [],
            "error_ratio": rng.uniform(1.0, 5.0),
            "duration": duration,
            "period": rng.uniform(8.0 * duration, min(10.0, span / 3.0)),
            "snr": rng.uniform(8.0, 50.0),
        }
        drawn |= fixed
        drawn.setdefault("t0", rng.uniform(0.0, drawn["period"]))
        yield simulated_light_curve(seed + i, **drawn)


def periods_near(light_curve: SimulatedLightCurve) -> np.ndarray:
    """Five trial periods; the true one stands in the middle."""
    span = light_curve.time[-1] - light_curve.time[0]
    step = light_curve.duration / span * light_curve.period / 2.0
    return light_curve.period + step * np.arange(-2.0, 3.0)


def losses(
    backend: str, light_curve: SimulatedLightCurve, durations: Iterable[float], **options: Any
) -> tuple[float, float]:
    """Fractions of the highest delta_chi2 that the spectrum and the refined best peak lose."""
    durations = np.atleast_1d(np.asarray(durations, dtype=float))
    period = periods_near(light_curve)
    found = search(backend, light_curve, period=period, duration=durations, **options)
    highest = highest_delta_chi2(
        light_curve.time, light_curve.flux, light_curve.flux_err, light_curve.period, durations
    )
    best = found.best.delta_chi2 if np.any(found.delta_chi2 > 0) else 0.0
    return 1.0 - found.delta_chi2[2] / highest, 1.0 - best / highest


def require_recovery(
    backend: str,
    light_curves: Iterable[SimulatedLightCurve],
    ratios: Iterable[float] = (0.8, 1.0, 1.25),
) -> None:
    """Both general tolerances, with durations around the true one."""
    each = [losses(backend, curve, curve.duration * np.array(ratios)) for curve in light_curves]
    spectrum, best = np.mean([loss[0] for loss in each]), max(loss[1] for loss in each)
    require(
        spectrum <= SPECTRUM_LOSS,
        f"the spectrum loses {100 * spectrum:.1f} % of delta_chi2 at the true period, averaged "
        f"over {len(each)} light curves (the worst loses {100 * max(each)[0]:.1f} %); "
        f"{100 * SPECTRUM_LOSS:.0f} % are allowed",
    )
    require(
        best <= BEST_LOSS,
        f"the refined best peak loses {100 * best:.2f} % of delta_chi2; "
        f"{100 * BEST_LOSS:.1f} % are allowed",
    )


def require_equal(
    what: str,
    one: Periodogram,
    other: Periodogram,
    *,
    names: Iterable[str] = RESULTS,
    tolerance: float = 0.0,
) -> None:
    """The same results, NaN in the same places."""
    for name in names:
        require_close(what, name, getattr(one, name), getattr(other, name), tolerance)


def require_close(
    what: str, name: str, one: np.ndarray, other: np.ndarray, tolerance: float
) -> None:
    """Two arrays equal within a relative tolerance, NaN in the same places."""
    same = np.isclose(one, other, rtol=tolerance, atol=0.0, equal_nan=True)
    if not same.all():
        i = int(np.flatnonzero(~same)[0])
        raise CheckFailed(
            f"{what} changes {name} at {np.count_nonzero(~same)} of {len(one)} periods, "
            f"first from {one[i]!r} to {other[i]!r}"
        )


def require_refusal(backend: str, **option: Any) -> None:
    """An option that the target does not name is an error where it is asked for."""
    light_curve, grid = plain_case()
    try:
        search(backend, light_curve, **grid, **option)
    except UnsupportedOption:
        return
    names = ", ".join(option)
    raise CheckFailed(f"the target does not name {names}, and asking for it is no error")


def plain_case() -> tuple[SimulatedLightCurve, dict[str, np.ndarray]]:
    """A light curve with a transit, and a small search of it."""
    light_curve = exact(
        simulated_light_curve(
            11, span=20.0, error_ratio=3.0, period=2.7, t0=1.1, duration=0.15, snr=20.0
        )
    )
    return light_curve, {"period": np.linspace(1.5, 4.0, 40), "duration": np.array([0.1, 0.2])}


def found_boxes(backend: str) -> tuple[SimulatedLightCurve, dict[str, np.ndarray], Periodogram]:
    """The plain case and its spectrum, which must hold dimmings."""
    light_curve, grid = plain_case()
    found = search(backend, light_curve, **grid)
    require(np.any(found.delta_chi2 > 0), "no dimming at any period, though one was injected")
    return light_curve, grid, found


# ------------------------------------------------------------------ how well signals are found


@SUITE.check
def best_of_injected_signals(backend: str) -> None:
    """The refined best peak loses at most 0.1 % of delta_chi2, each time."""
    for light_curve in signals(32, seed=100):
        _, loss = losses(backend, light_curve, light_curve.duration * np.array([0.8, 1.0, 1.25]))
        require(
            loss <= BEST_LOSS,
            f"the refined best peak loses {100 * loss:.2f} % of delta_chi2 for a transit of "
            f"{light_curve.duration:.3f} d every {light_curve.period:.3f} d; "
            f"{100 * BEST_LOSS:.1f} % are allowed",
        )


@SUITE.check
def spectrum_of_injected_signals(backend: str) -> None:
    """The spectrum at the true period loses at most 8 % on average."""
    require_recovery(backend, signals(40, seed=200), ratios=(1.0,))


@SUITE.check
def finer_bins(backend: str) -> None:
    """Where the target names oversample, four times as many bins at least halve the mean loss."""
    if "oversample" not in parameters_of_the_target(OPERATION, backend):
        require_refusal(backend, oversample=2 * OVERSAMPLE)
        return
    curves = list(signals(16, seed=1000, snr=30.0))
    coarse, fine = (
        np.mean([losses(backend, c, [c.duration], oversample=n)[0] for c in curves])
        for n in (OVERSAMPLE // 2, 2 * OVERSAMPLE)
    )
    require(
        fine <= MAX_REMAINING_LOSS * coarse + ROUNDING,
        f"oversample={2 * OVERSAMPLE} loses {100 * fine:.1f} % of delta_chi2 at the true period, "
        f"oversample={OVERSAMPLE // 2} {100 * coarse:.1f} %; the target names oversample and must "
        f"honour it",
    )


@SUITE.check
def every_duration(backend: str) -> None:
    """Each of the tested durations is searched, the longest as well as the shortest."""
    tested = np.array([0.08, 0.16, 0.4])
    for duration in tested:
        curves = list(signals(6, seed=300, duration=duration, period=4.3, snr=40.0))
        lost = np.mean([losses(backend, curve, tested)[0] for curve in curves])
        require(
            lost <= SPECTRUM_LOSS,
            f"the spectrum loses {100 * lost:.1f} % of delta_chi2 for transits of {duration} d "
            f"while {', '.join(map(str, tested))} d are tested; "
            f"{100 * SPECTRUM_LOSS:.0f} % are allowed on average",
        )


@SUITE.check
def transit_across_phase_zero(backend: str) -> None:
    """A transit in progress at the first time is found like any other."""
    curves = signals(16, seed=400, t0=0.0, gaps=[], snr=30.0)
    require_recovery(backend, curves)


@SUITE.check
def long_transit_across_phase_zero(backend: str) -> None:
    """So is one four times as long as the shortest tested duration."""
    curves = signals(8, seed=500, t0=0.0, gaps=[], snr=30.0, duration=0.4, period=5.2)
    require_recovery(backend, curves, ratios=(0.25, 1.0))


@SUITE.check
def long_durations(backend: str) -> None:
    """Durations longer than a tenth of the period."""
    require_recovery(backend, signals(16, seed=600, duration=0.45, period=3.0, snr=30.0))


@SUITE.check
def long_gaps(backend: str) -> None:
    """Gaps of hundreds of days."""
    gaps = [(14.0, 380.0), (394.0, 700.0)]
    require_recovery(
        backend,
        signals(6, seed=700, span=714.0, gaps=gaps, period=6.1, duration=0.3, snr=30.0),
    )


@SUITE.check
def very_uneven_errors(backend: str) -> None:
    """Errors that differ by a factor of 1000 from point to point."""
    require_recovery(backend, signals(8, seed=800, error_ratio=1000.0, snr=30.0))


@SUITE.check
def brightenings_do_not_count(backend: str) -> None:
    """Depths are positive; a period without a dimming has delta_chi2 0 and NaN elsewhere."""
    time = np.linspace(0.0, 12.0, 400)
    up = simulated_light_curve(31, span=12.0, period=2.3, t0=0.9, duration=0.2, depth=-0.01)
    flat = SimulatedLightCurve(time, np.ones(400), np.full(400, 1e-3), *(4 * [np.nan]))
    for light_curve in (up, flat):
        found = search(backend, light_curve, period=np.linspace(1.9, 2.7, 33), duration=0.2)
        dimming = found.delta_chi2 > 0
        require(
            np.all(found.delta_chi2 >= 0) and np.all(found.depth[dimming] > 0),
            "a brightening is reported: a negative depth or delta_chi2",
        )
        for name in ("depth", "depth_err", "t0", "duration", "level"):
            require(
                np.isnan(getattr(found, name)[~dimming]).all(),
                f"{name} is not NaN at a period without a dimming",
            )
    require(
        not np.any(found.delta_chi2 > ROUNDING), "a constant flux gives a delta_chi2 above zero"
    )


@SUITE.check
def dimming_beside_a_brightening(backend: str) -> None:
    """A brightening at another phase of the same period does not hide a dimming."""
    light_curve = simulated_light_curve(32, period=3.3, t0=1.0, duration=0.2, snr=20.0)
    bright = distance(light_curve.time, 3.3, 2.6) < 0.1
    light_curve.flux[bright] += 2.0 * light_curve.depth
    lost, _ = losses(backend, light_curve, [0.2])
    require(
        lost <= 2 * SPECTRUM_LOSS,
        f"beside a brightening of twice its depth, a dimming loses {100 * lost:.0f} % of "
        f"delta_chi2",
    )


@SUITE.check
def whole_spectrum(backend: str) -> None:
    """From less than a day to nearly the time span, delta_chi2 is about the highest there is."""
    light_curve = simulated_light_curve(
        13, span=20.0, error_ratio=3.0, period=9.7, t0=3.0, duration=0.3, snr=25.0
    )
    grid = {
        "period": np.concatenate([np.geomspace(0.7, 19.0, 60), [9.7]]),
        "duration": [0.15, 0.3],
    }
    found = search(backend, light_curve, **grid)
    require_near_the_highest(light_curve, found)


@SUITE.check
def large_light_curve(backend: str) -> None:
    """So it is for 70,000 points, with transits among all of them or one among the last."""
    # More points than 16 bits count; the only transit is beyond them.
    for period, t0 in ((4.4, 1.0), (1000.0, 59.0)):
        light_curve = simulated_light_curve(
            14, span=60.0, cadence=60.0 / 70_000, period=period, t0=t0, duration=0.2, snr=40.0
        )
        found = search(backend, light_curve, period=[3.1, 4.4, 7.3, 12.1, 25.0], duration=[0.2])
        require_near_the_highest(light_curve, found)


@SUITE.check
def every_point_counts(backend: str) -> None:
    """One low point is found wherever it stands, as the first and as the last one, too."""
    time = np.linspace(0.0, 10.0, 401)
    for low in (0, 1, 200, 399, 400):
        flux = np.ones(401)
        flux[low] -= 1e-2
        light_curve = SimulatedLightCurve(time, flux, np.full(401, 1e-3), *(4 * [np.nan]))
        found = search(backend, light_curve, period=[2.3, 4.1], duration=0.2)
        highest = [
            highest_delta_chi2(time, flux, light_curve.flux_err, p, [0.2]) for p in found.period
        ]
        require(
            np.all(found.delta_chi2 > np.array(highest) / ANY_PERIOD),
            f"point {low} of 401, the only one below the others, gives a delta_chi2 of "
            f"{found.delta_chi2[0]:.6g}, and the highest that any t0 gives is {highest[0]:.6g}",
        )


@SUITE.check
def large_grid(backend: str) -> None:
    """A grid of 10,000 periods gives what its pieces give; none is left out."""
    light_curve = simulated_light_curve(
        15, span=12.0, cadence=0.2, period=2.3, duration=0.3, snr=15.0
    )
    period = np.linspace(1.0, 11.0, 10_000)
    whole = search(backend, light_curve, period=period, duration=0.3)
    for first in (0, 4050, 9900):
        piece = slice(first, first + 100)
        part = search(backend, light_curve, period=period[piece], duration=0.3)
        for name in RESULTS:
            expected, returned = getattr(whole, name)[piece], getattr(part, name)
            require_close("being part of a larger grid", name, expected, returned, ROUNDING)


def require_near_the_highest(light_curve: SimulatedLightCurve, found: Periodogram) -> None:
    """delta_chi2 against the brute force, at each period and on average."""
    highest = np.array(
        [
            highest_delta_chi2(
                light_curve.time, light_curve.flux, light_curve.flux_err, p, found.trial_durations
            )
            for p in found.period
        ]
    )
    ratio = found.delta_chi2 / highest
    worst = int(np.argmax(np.abs(np.log(np.maximum(ratio, 1e-9)))))
    require(
        np.all((ratio > 1.0 / ANY_PERIOD) & (ratio < ANY_PERIOD)),
        f"delta_chi2 at {found.period[worst]:.4f} d is {found.delta_chi2[worst]:.6g}, and the "
        f"highest that any t0 gives is {highest[worst]:.6g}",
    )
    require(
        abs(ratio.mean() - 1.0) < ALL_PERIODS,
        f"delta_chi2 is {ratio.mean():.3f} of the highest that any t0 gives, averaged over "
        f"{len(ratio)} periods; it should be within {100 * ALL_PERIODS:.0f} % of it",
    )


# ------------------------------------------------------------------ what the numbers mean


@SUITE.check
def identities_of_the_statistic(backend: str) -> None:
    """delta_chi2 = (depth / depth_err)**2, snr its root, relative_depth = depth / level."""
    _, _, found = found_boxes(backend)
    for name, value, same in (
        ("delta_chi2", found.delta_chi2, (found.depth / found.depth_err) ** 2),
        ("snr", found.snr, found.depth / found.depth_err),
        ("relative_depth", found.relative_depth, found.depth / found.level),
    ):
        dimming = found.delta_chi2 > 0
        require_close("its definition", name, value[dimming], same[dimming], ROUNDING)


@SUITE.check
def boxes_hold_what_they_say(backend: str) -> None:
    """depth, depth_err, level and delta_chi2 are the fit to the points in the returned box."""
    for seed in range(12):
        require_true_box(backend, _clumped(seed, clump=0.05))


@SUITE.check
def resolution_of_time(backend: str) -> None:
    """So they are for boxes of seconds, four years after the first point: times are float64."""
    for seed in range(12):
        require_true_box(backend, _clumped(seed, clump=1e-4, gap=1461.0))


def require_true_box(backend: str, light_curve: SimulatedLightCurve) -> None:
    """The numbers of the best box at the true period are those of the points in it."""
    duration = light_curve.duration
    found = search(
        backend, light_curve, period=light_curve.period, duration=[duration, 2 * duration]
    )
    require(found.delta_chi2[0] > 0, "no dimming, though one was injected")
    fits = possible_fits(
        light_curve.time,
        light_curve.flux,
        light_curve.flux_err,
        light_curve.period,
        found.t0[0],
        found.duration[0],
        END_SLACK * duration / OVERSAMPLE,
    )
    returned = (found.depth[0], found.depth_err[0], found.level[0], found.delta_chi2[0])
    require(
        any(
            np.allclose(
                returned,
                (fit.depth, fit.depth_err, fit.level, fit.delta_chi2),
                rtol=SAME_POINTS,
            )
            for fit in fits
        ),
        f"at {found.period[0]:.6g} d, {_in_words(BoxFit(*returned))} is not the fit to the points "
        f"within half a duration ({found.duration[0]:.6g} d) of the returned t0, "
        f"{found.t0[0]:.6g}; it would be "
        f"{_in_words(fits[0]) if fits else 'none, for no point is there'}",
    )


def _in_words(fit: BoxFit) -> str:
    """The numbers of a fit, with their names."""
    return ", ".join(f"{name} = {value:.6g}" for name, value in asdict(fit).items())


def _clumped(seed: int, clump: float, gap: float = 0.0) -> SimulatedLightCurve:
    """Twelve cycles of points at a few phases, unevenly weighted, with a transit among them.

    Folded points stand in clumps, 2.2 bins apart, so that no point is near enough to an end of a
    box to be a matter of taste, but for at most one clump at each. After the first point there
    may be a gap (days).
    """
    rng = np.random.default_rng(seed)
    n_clumps = 45
    period = n_clumps * clump
    # 0.37: at ten bins in 4.5 clumps no clump then lies on the edge of a bin.
    cycles = period * np.rint(gap / period)
    time = np.append(0.0, cycles + clump * (np.arange(12 * n_clumps) + 0.37))
    flux_err = 5e-4 * 4.0 ** rng.uniform(-0.5, 0.5, len(time))
    flux = 1.0 + flux_err * rng.standard_normal(len(time))
    # The first point only says where phase zero is: it has next to no weight.
    flux[0], flux_err[0] = 1.0, 50.0
    t0 = rng.uniform(0.0, period)
    flux[distance(time, period, t0) < 2.25 * clump] -= 2e-3
    return SimulatedLightCurve(time, flux, flux_err, period, t0, 4.5 * clump, 2e-3)


@SUITE.check
def t0_is_the_middle_of_the_first_transit(backend: str) -> None:
    """t0 lies in the first period after the first time, in the middle of the injected transit."""
    for light_curve in signals(8, seed=900, start=100.0, snr=50.0, gaps=[]):
        found = search(
            backend, light_curve, period=light_curve.period, duration=light_curve.duration
        )
        since = found.t0[0] - light_curve.time[0]
        require(
            -ROUNDING <= since < light_curve.period + ROUNDING,
            f"t0 is {since:.6g} d after the first time, not within the first period of "
            f"{light_curve.period:.6g} d",
        )
        off = distance(found.t0, light_curve.period, light_curve.t0)[0]
        require(
            off <= 0.25 * light_curve.duration,
            f"t0 is {off / light_curve.duration:.2f} durations away from the middle of a transit "
            f"of S/N 50",
        )


@SUITE.check
def duration_is_one_of_the_tested(backend: str) -> None:
    """The returned duration is, to the bit, one of those tried at that period."""
    _, grid, found = found_boxes(backend)
    strange = ~np.isin(found.duration, grid["duration"]) & np.isfinite(found.duration)
    require(
        not strange.any(),
        f"duration {found.duration[strange][:1]} is none of {grid['duration']}",
    )


@SUITE.check
def durations_differ_by_period(backend: str) -> None:
    """Where durations depend on the period, each period gets those meant for it."""
    light_curve, _ = plain_case()
    found = search(backend, light_curve, period=[0.6, 1.2, 2.7, 6.0])
    _require_durations_of_each_period(found)
    # A transit too short for its period: durations of shorter periods would fit it better.
    short = simulated_light_curve(3, span=60.0, period=8.0, t0=1.0, duration=0.03, snr=40.0)
    _require_durations_of_each_period(search(backend, short, period=[0.5, 2.0, 8.0]))
    highest = highest_delta_chi2(
        light_curve.time,
        light_curve.flux,
        light_curve.flux_err,
        2.7,
        found.trial_durations[found.duration_start[2] : found.duration_stop[2]],
    )
    require(
        found.delta_chi2[2] >= (1 - 2 * SPECTRUM_LOSS) * highest,
        f"delta_chi2 is {found.delta_chi2[2]:.1f} at the true period, of {highest:.1f}",
    )


def _require_durations_of_each_period(found: Periodogram) -> None:
    for i, (first, stop) in enumerate(zip(found.duration_start, found.duration_stop, strict=True)):
        if found.delta_chi2[i] > 0:
            require(
                found.duration[i] in found.trial_durations[first:stop],
                f"at {found.period[i]} d no duration of {found.duration[i]:.4g} d is tried",
            )


@SUITE.check
def results_are_float64(backend: str) -> None:
    """Every array of the result is float64 with one entry for each period."""
    _, grid, found = found_boxes(backend)
    for name in RESULTS:
        array = getattr(found, name)
        require(
            array.dtype == np.float64 and array.shape == grid["period"].shape,
            f"{name} is {array.dtype} of shape {array.shape}",
        )


# ------------------------------------------------------------------ what must not matter


@SUITE.check
def time_offset(backend: str) -> None:
    """Times as BJD give the same as times from zero."""
    light_curve, grid, found = found_boxes(backend)
    shifted = search(backend, replace(light_curve, time=light_curve.time + BJD), **grid)
    names = [name for name in RESULTS if name != "t0"]
    require_equal("a shift of time to BJD", found, shifted, names=names, tolerance=ROUNDING)
    # Days, not a fraction: a BJD in float64 is good to 5e-10 d.
    apart = np.abs(shifted.t0 - BJD - found.t0)
    require(not np.any(apart > 2 * ROUNDING), "a shift of time to BJD moves t0 by something else")


@SUITE.check
def flux_scale(backend: str) -> None:
    """The unit of the flux changes depth, depth_err and level by its factor, and nothing else."""
    light_curve, grid, found = found_boxes(backend)
    for factor in (SCALE, 1.0 / SCALE):
        scaled = search(
            backend,
            replace(
                light_curve, flux=factor * light_curve.flux, flux_err=factor * light_curve.flux_err
            ),
            **grid,
        )
        same = ("delta_chi2", "t0", "duration")
        what = f"flux times {factor:.3g}"
        require_equal(what, found, scaled, names=same, tolerance=ROUNDING)
        for name in ("depth", "depth_err", "level"):
            back = getattr(scaled, name) / factor
            require_close(what, name, getattr(found, name), back, ROUNDING)


@SUITE.check
def flux_offset(backend: str) -> None:
    """A constant added to the flux moves the level and nothing else."""
    light_curve, grid, found = found_boxes(backend)
    for offset in (-1.0, 100.0):
        moved = search(backend, replace(light_curve, flux=light_curve.flux + offset), **grid)
        what = f"flux plus {offset:g}"
        require_equal(
            what,
            found,
            moved,
            names=("delta_chi2", "depth", "depth_err"),
            tolerance=OFFSET_ROUNDING,
        )
        apart = np.abs(moved.level - offset - found.level)
        require(not np.any(apart > ROUNDING), f"{what} moves the level by something else")


@SUITE.check
def order_of_points(backend: str) -> None:
    """Points in any order give the same."""
    light_curve, grid, found = found_boxes(backend)
    order = np.random.default_rng(5).permutation(len(light_curve.time))
    shuffled = replace(
        light_curve,
        time=light_curve.time[order],
        flux=light_curve.flux[order],
        flux_err=light_curve.flux_err[order],
    )
    require_equal("another order of points", found, search(backend, shuffled, **grid))


@SUITE.check
def order_of_periods(backend: str) -> None:
    """Periods in any order give the same, in that order."""
    light_curve, grid, found = found_boxes(backend)
    order = np.random.default_rng(6).permutation(len(grid["period"]))
    other = search(backend, light_curve, **(grid | {"period": grid["period"][order]}))
    for name in RESULTS:
        expected = getattr(found, name)[order]
        require_close("another order of periods", name, expected, getattr(other, name), ROUNDING)


@SUITE.check
def one_period_at_a_time(backend: str) -> None:
    """A period gives the same alone as in a grid."""
    light_curve, grid, found = found_boxes(backend)
    for i in range(0, len(grid["period"]), 3):
        alone = search(backend, light_curve, **(grid | {"period": grid["period"][i]}))
        for name in RESULTS:
            expected = getattr(found, name)[i : i + 1]
            require_close("being alone", name, expected, getattr(alone, name), ROUNDING)


@SUITE.check
def number_of_threads(backend: str) -> None:
    """Any number of threads gives the same, to the bit."""
    light_curve = simulated_light_curve(12, span=30.0, period=3.1, duration=0.04, snr=20.0)
    # Enough work that a compiled backend has reason to use its threads.
    grid = {"period": np.linspace(1.0, 9.0, 1000), "duration": 0.02}
    one = search(backend, light_curve, threads=1, **grid)
    for threads in (2, 3):
        other = search(backend, light_curve, threads=threads, **grid)
        require_equal(f"threads={threads} instead of 1", one, other)


@SUITE.check
def repeated_call(backend: str) -> None:
    """The same call again gives the same, to the bit, in arrays of its own."""
    light_curve, grid, found = found_boxes(backend)
    kept = replace(found, **{name: getattr(found, name).copy() for name in RESULTS})
    require_equal("a second call", found, search(backend, light_curve, **grid))
    search(backend, replace(light_curve, flux=light_curve.flux[::-1]), **grid)
    require_equal("a search of another light curve", kept, found)


@SUITE.check
def duplicate_times(backend: str) -> None:
    """Points at the same time all count: each of them twice doubles delta_chi2."""
    light_curve, grid, found = found_boxes(backend)
    twice = replace(
        light_curve,
        time=np.repeat(light_curve.time, 2),
        flux=np.repeat(light_curve.flux, 2),
        flux_err=np.repeat(light_curve.flux_err, 2),
    )
    doubled = search(backend, twice, **grid)
    require_close(
        "every point twice", "delta_chi2", 2 * found.delta_chi2, doubled.delta_chi2, ROUNDING
    )


@SUITE.check
def kinds_of_arrays(backend: str) -> None:
    """Big-endian, strided, masked, listed and partly NaN input equals clean input."""
    light_curve, grid, found = found_boxes(backend)
    options: dict[str, Any] = {**grid}
    columns = (light_curve.time, light_curve.flux, light_curve.flux_err)
    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "big-endian": lambda a: a.astype(">f8"),
        "strided": lambda a: np.repeat(a, 3)[::3],
        "reversed": lambda a: a[::-1],
        "listed": lambda a: a.tolist(),
        "masked": _with_masked_point,
        "NaN beside numbers": lambda a: np.append(a, np.nan),
    }
    for what, kind in kinds.items():
        time, flux, flux_err = map(kind, columns)
        other = bls(time, flux, flux_err, backend=backend, **options)
        require_equal(f"{what} input", found, other)


def _with_masked_point(array: np.ndarray) -> np.ma.MaskedArray:
    mask = np.zeros(len(array) + 1, dtype=bool)
    mask[-1] = True
    return np.ma.masked_array(np.append(array, 1e30), mask)


@SUITE.check
def inputs_are_left_alone(backend: str) -> None:
    """Neither the caller's arrays, which may be read-only, nor those of the result are changed."""
    light_curve, grid = plain_case()
    given = [light_curve.time, light_curve.flux, light_curve.flux_err, *grid.values()]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    found = search(backend, light_curve, **grid)
    kept = found.light_curve
    after = [kept.time + kept.epoch, kept.flux, kept.flux_err, found.period, found.trial_durations]
    names = ("time", "flux", "flux_err", "period", "duration")
    for name, old, new in zip(names, before, after, strict=True):
        require(np.array_equal(old, new), f"the backend changes {name}, which is not its own")


# ------------------------------------------------------------------ many light curves


def several() -> list[LightCurve]:
    """Light curves of different lengths and spans, the shortest in the middle."""
    made = [
        simulated_light_curve(
            41 + i, span=span, cadence=cadence, period=2.7, t0=1.1, duration=0.15, snr=20.0
        )
        for i, (span, cadence) in enumerate([(20.0, 0.02), (9.0, 0.1), (12.0, 0.05), (20.0, 0.03)])
    ]
    return [
        LightCurve(one.time, one.flux, one.flux_err, meta={"target": f"star {i}"})
        for i, one in enumerate(made)
    ]


def require_the_same_as_alone(backend: str, light_curves: list[LightCurve], **grid: Any) -> None:
    """A search of many light curves against searches of each."""
    together = bls(light_curves, backend=backend, **grid)
    require(
        len(together) == len(light_curves),
        f"{len(light_curves)} light curves give {len(together)} results",
    )
    for number, (light_curve, found) in enumerate(zip(light_curves, together, strict=True)):
        alone = bls(light_curve, backend=backend, **grid)
        what = f"being number {number} of {len(light_curves)} light curves"
        require_close(what, "period", alone.period, found.period, 0.0)
        require_equal(what, alone, found, tolerance=ROUNDING)


@SUITE.check
def many_light_curves(backend: str) -> None:
    """A list of light curves on one grid gives what each gives alone, in their order."""
    grid = {"period": np.linspace(1.5, 4.0, 20), "duration": [0.1, 0.2]}
    light_curves = several()
    require_the_same_as_alone(backend, light_curves, **grid)
    require_the_same_as_alone(backend, light_curves[::-1], **grid)
    require_the_same_as_alone(backend, light_curves[:1], **grid)


@SUITE.check
def more_light_curves_than_a_block(backend: str) -> None:
    """So do a hundred and more, of which a backend may take some at a time."""
    rng = np.random.default_rng(45)
    light_curves = []
    for number in range(150):
        n = 60 + number % 7
        flux = 1.0 + 1e-3 * rng.standard_normal(n)
        light_curves.append(LightCurve(0.1 * np.arange(n), flux, np.full(n, 1e-3)))
    require_the_same_as_alone(backend, light_curves, period=[1.7, 2.7], duration=0.3)


@SUITE.check
def many_light_curves_on_grids_of_their_own(backend: str) -> None:
    """So it does where the periods, their number and the durations depend on the light curve."""
    require_the_same_as_alone(backend, several(), min_period=2.5, max_period=2.8)


@SUITE.check
def threads_of_many_light_curves(backend: str) -> None:
    """Any number of threads gives the same for a list of light curves, to the bit."""
    light_curves = several()
    grid: dict[str, Any] = {"period": np.linspace(1.5, 4.0, 20), "duration": [0.1, 0.2]}
    one = bls(light_curves, backend=backend, threads=1, **grid)
    for threads in (2, 5):
        other = bls(light_curves, backend=backend, threads=threads, **grid)
        for found, expected in zip(other, one, strict=True):
            require_equal(f"threads={threads} instead of 1", expected, found)


@SUITE.check
def no_light_curves(backend: str) -> None:
    """An empty list of light curves gives an empty list."""
    found = bls([], backend=backend)
    require(found == [], f"no light curves give {found!r:.60}")


@SUITE.check
def one_of_many_is_wrong(backend: str) -> None:
    """What is wrong with one of many light curves begins with which one it is."""
    light_curves = several()
    light_curves[2] = LightCurve(np.arange(2.0), np.ones(2), meta={"target": "star 2"})
    try:
        bls(light_curves, backend=backend, period=[2.7], duration=0.15)
    except ValueError as error:
        begins = str(error).startswith("light curve 2 (star 2): ")
        require(begins, f"the error does not begin with the light curve: {error}")
    else:
        raise CheckFailed("a light curve of two points passes among others")


@SUITE.check
def options_of_the_batch_function(backend: str) -> None:
    """Where there is a batch function, it names and honours the options that the target names."""
    record = get_registry().backends(OPERATION)[backend].record
    if record.batch is None:
        return
    named = frozenset(inspect.signature(resolve(record.batch)).parameters)
    options = parameters_of_the_target(OPERATION, backend) - set(ARGUMENTS)
    missing = sorted(options - named)
    require(not missing, f"the batch function does not name {', '.join(missing)}")
    grid = {"period": np.linspace(1.5, 4.0, 20), "duration": [0.1, 0.2]}
    if "oversample" in options:
        require_the_same_as_alone(backend, several(), oversample=2 * OVERSAMPLE, **grid)


# ------------------------------------------------------------------ arrays on a device


@SUITE.check
def arrays_on_a_device(backend: str) -> None:
    """Arrays of each kind that the backend owns give results of that kind, as from the host."""
    light_curve, grid, found = found_boxes(backend)
    columns = (light_curve.time, light_curve.flux, light_curve.flux_err)
    options: dict[str, Any] = {**grid}
    for kind in get_registry().backends(OPERATION)[backend].record.arrays:
        try:
            xp = importlib.import_module(kind)
        except ImportError:
            continue  # nobody has arrays of a package that is not there
        time, flux, flux_err = map(xp.asarray, columns)
        there = bls(time, flux, flux_err, backend=backend, **options)
        for name in RESULTS:
            became = array_kind(getattr(there, name))
            require(became == kind, f"{name} is a {became} array, of a {kind} light curve")
        what = f"a light curve of {kind} arrays"
        require_equal(what, found, there.on_host(), tolerance=ROUNDING)


# ------------------------------------------------------------------ outcomes of odd input


@SUITE.check
def pairs_that_cannot_be(backend: str) -> None:
    """A duration not shorter than the period is skipped; without any the results are NaN."""
    light_curve, _ = plain_case()
    found = search(backend, light_curve, period=[0.15, 0.3, 2.7], duration=[0.2, 0.4])
    require(found.n_skipped == 3, f"n_skipped is {found.n_skipped}, not 3")
    require(np.isnan(found.delta_chi2[0]), "a period without a short enough duration has a result")
    require(
        found.duration[1] == 0.2 or found.delta_chi2[1] == 0,
        f"at a period of 0.3 d the duration is {found.duration[1]}",
    )
    alone = search(backend, light_curve, period=2.7, duration=[0.2, 0.4])
    require_close(
        "a period that cannot be", "delta_chi2", alone.delta_chi2, found.delta_chi2[2:], ROUNDING
    )


@SUITE.check
def bad_input(backend: str) -> None:
    """Input that breaks a documented rule is a ValueError that names the argument."""
    light_curve, grid = plain_case()
    good: dict[str, Any] = {
        "time": light_curve.time,
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        **grid,
    }
    nothing = np.full(len(light_curve.time), np.nan)
    bad: tuple[tuple[str, dict[str, Any]], ...] = (
        ("points", {"time": [], "flux": [], "flux_err": []}),
        ("points", {"flux": nothing}),
        ("flux_err", {"flux_err": 0.0}),
        ("flux_err", {"flux_err": -light_curve.flux_err}),
        ("length", {"flux": light_curve.flux[1:]}),
        ("one-dimensional", {"flux": np.ones((2, 2))}),
        ("period", {"period": [-1.0]}),
        ("period", {"period": [np.nan]}),
        ("period", {"period": 1e4}),
        ("duration", {"duration": 0.0}),
        ("duration", {"duration": 100.0}),
        ("oversample", {"oversample": 0}),
        ("threads", {"threads": 0}),
    )
    for word, change in bad:
        try:
            bls(**(good | change), backend=backend)
        except ValueError as error:
            require(word in str(error), f"the error about {change} does not say {word!r}: {error}")
        else:
            raise CheckFailed(f"{', '.join(change)} may not be {list(change.values())}, but passes")


# ------------------------------------------------------------------ manners


def _plain_search(backend: str) -> Provenance:
    light_curve, grid = plain_case()
    return search(backend, light_curve, **grid).provenance


PLAIN = Request(
    OPERATION,
    dict.fromkeys(ARGUMENTS, (100,)),
    {name: "int64" if "_st" in name else "float64" for name in ARGUMENTS},
    {"oversample": OVERSAMPLE},
)
add_manners(SUITE, PlainCall(PLAIN, ARGUMENTS, _plain_search))


def _watched_search(backend: str, report: Progress) -> int:
    light_curve, grid = plain_case()
    return len(search(backend, light_curve, **grid, progress=report).period)


add_progress(SUITE, WatchedCall(OPERATION, _watched_search))
