"""The front door of the box search."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...cache.axis import answered
from ...cache.choice import store_of_call
from ...plugins.arrays import array_kind, on_host
from ...plugins.call import call, checked_arrays
from ...plugins.records import Request
from ...plugins.select import choose
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from ..grid.api import durations_by_period, period_grid
from ..grid.star import Star, star_or_sun
from ..inputs import SearchInput, days, search_input
from .reference import DEFAULT_OVERSAMPLE
from .result import Periodogram

OPERATION = "search.bls"
#: Bins of a fold beyond which its memory (40 bytes each) is more than anybody meant.
MAX_BINS = 5_000_000
#: NumPy takes microseconds to spell a dtype, which is much of a call's dispatch.
_dtype_name = functools.cache(str)
RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")


def bls(
    time: Any,
    flux: Any = None,
    flux_err: Any = None,
    *,
    period: Any = None,
    min_period: Any = None,
    max_period: Any = None,
    duration: Any = None,
    star: Star | None = None,
    min_transits: int = 2,
    oversample: int = DEFAULT_OVERSAMPLE,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Periodogram:
    """Search a light curve for periodic box-shaped dimmings (box least squares).

    At each period the light curve is folded, and a box of every duration is tried at
    every phase, with a free level out of transit and weights ``1 / flux_err**2``.

    Parameters
    ----------
    time : array_like, shape (n,), or light curve
        Times: plain numbers are days; a ``Quantity`` or astropy ``Time`` is converted.
        Or a light curve (ours, lightkurve's, an astropy ``TimeSeries`` or table), and
        then ``flux`` and ``flux_err`` stay None.
    flux : array_like, shape (n,)
        Flux in any unit.
    flux_err : array_like, shape (n,), or float, optional
        One-sigma error in the unit of the flux; None means one error for all, from
        the scatter (1.4826 MAD of the first differences over sqrt(2)).
    period : array_like, optional
        Trial periods (days) in any order; None means :func:`period_grid` for the time
        span and the star.
    min_period, max_period : float, optional
        Limits (days) of that grid; None means an orbit at three stellar radii, and
        the time span over ``min_transits``.
    duration : float or array_like, optional
        Trial durations (days); None means, for each period, those of
        :func:`duration_grid`. Pairs in which the duration is not shorter than the
        period are skipped and counted.
    star : Star, optional
        Sets the grids that are not given; default the Sun.
    min_transits : int
        Transits that must fit into the time span, where ``max_period`` is None.
    oversample : int
        Phase bins in the shortest duration of a period.
    backend : str, optional
        Backend to use; None lets the selection decide (``arm.explain("search.bls")``).
    cache : Store or str, optional
        Where the result is looked up and kept: a store, or the name of one ("memory", "disk").
        None means that of :func:`armillary.use_cache` or ``ARMILLARY_CACHE``, else none.
    threads : int, optional
        Threads; None means ``ARMILLARY_THREADS`` or every processor. The result does
        not depend on it.
    progress : callable or bool, optional
        Called with (periods done, periods in all); True shows a bar in a terminal.

    Returns
    -------
    Periodogram
        One entry per period, in the order of ``period``.

    Raises
    ------
    ValueError
        If an array is not one-dimensional, of another length, of no numbers, or in a
        unit of something else; if the flux is in magnitudes; if fewer than three points
        are usable (NaN, infinite and masked points are dropped and counted); if an error
        is not positive, or too small or large to compute with; if a period or duration is
        masked or not positive and finite, a period exceeds the time span, or no duration
        is shorter than any period; if a grid or a fold would be larger than anybody meant.
    TypeError
        If ``star`` is no :class:`Star`, or ``progress``, ``backend`` or ``cache`` of a wrong
        type; if no installed backend takes this kind of device array.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.

    References
    ----------
    Kovacs, Zucker & Mazeh (2002), A&A 391, 369.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> rng = np.random.default_rng(1)
    >>> time = 2457000 + np.arange(0, 27, 1 / 72)
    >>> flux = 1 + 5e-4 * rng.standard_normal(len(time))
    >>> flux[np.abs((time - 2457001.3 + 1.7) % 3.4 - 1.7) < 0.06] -= 2e-3
    >>> periodogram = arm.search.bls(time, flux)
    >>> round(periodogram.best.period, 2)
    3.4
    """
    arrays_are = array_kind(time, flux, flux_err)
    # A first look, so that no device array is copied for a backend that cannot take it.
    choose(Request(OPERATION, arrays=arrays_are), backend)
    light_curve = search_input(on_host(time), on_host(flux), on_host(flux_err))
    oversample = _oversample(oversample)
    star = star_or_sun(star)
    periods = _periods(period, min_period, max_period, light_curve, star, min_transits)
    durations, start, stop, n_skipped = _durations(duration, periods, star)
    tried = stop > start
    _check_bins(periods[tried], durations[start[tried]], oversample)
    threads = thread_count(threads)
    store = store_of_call(cache)

    # A backend computes with them and the result keeps them: nobody may write to them.
    for array in (periods, durations, start, stop):
        array.setflags(write=False)
    arguments = {
        "time": light_curve.time,
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        "period": periods if tried.all() else periods[tried],
        "duration": durations,
        "duration_start": start if tried.all() else start[tried],
        "duration_stop": stop if tried.all() else stop[tried],
    }
    plan = choose(_request(arguments, oversample, arrays_are), backend)

    def compute() -> dict[str, np.ndarray]:
        with reporting(progress, "box search") as report:
            result = call(
                plan,
                arguments,
                {"oversample": (oversample, DEFAULT_OVERSAMPLE)},
                {"threads": threads, "progress": report},
            )
        return checked_arrays(plan, result, dict.fromkeys(RESULTS, arguments["period"].shape))

    made_of = _parameters(period, duration, min_period, max_period, min_transits, star)
    identity = arguments | {"oversample": oversample} | made_of
    answer = answered(plan, identity, compute, store)
    arrays = dict(answer.value)
    arrays["t0"] = arrays["t0"] + light_curve.epoch
    if not tried.all():
        arrays = {name: _spread(array, tried) for name, array in arrays.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Periodogram(
        period=periods,
        light_curve=light_curve,
        trial_durations=durations,
        duration_start=start,
        duration_stop=stop,
        n_skipped=n_skipped,
        oversample=oversample,
        provenance=answer.provenance(threads),
        **arrays,
    )


def _request(arguments: dict[str, np.ndarray], oversample: int, arrays_are: str) -> Request:
    return Request(
        OPERATION,
        shapes={name: array.shape for name, array in arguments.items()},
        dtypes={name: _dtype_name(array.dtype) for name, array in arguments.items()},
        options={"oversample": oversample},
        arrays=arrays_are,
    )


def _parameters(
    period: Any,
    duration: Any,
    min_period: Any,
    max_period: Any,
    min_transits: int,
    star: Star | None,
) -> dict[str, Any]:
    """What the grids that were not given are made of, besides the time span of the light curve."""
    grids: dict[str, Any] = {}
    if period is None:
        limits = [
            None if limit is None else days("period", limit) for limit in (min_period, max_period)
        ]
        grids["period"] = ["period_grid", star, *limits, int(min_transits)]
    if duration is None:
        grids |= dict.fromkeys(("duration", "duration_start", "duration_stop"))
        grids["duration"] = ["durations_by_period", star]
    return grids


def _oversample(oversample: Any) -> int:
    if isinstance(oversample, bool) or not hasattr(oversample, "__index__") or oversample < 1:
        raise ValueError(f"oversample must be a whole number of at least 1, not {oversample!r}")
    return int(oversample)


def _periods(
    period: Any,
    min_period: Any,
    max_period: Any,
    light_curve: SearchInput,
    star: Star | None,
    min_transits: int,
) -> np.ndarray:
    if period is None:
        return period_grid(
            light_curve.span,
            star,
            min_period=min_period,
            max_period=max_period,
            min_transits=min_transits,
        )
    if min_period is not None or max_period is not None:
        raise ValueError("period is a whole grid; min_period and max_period do not go with it")
    periods = _positive_vector("period", period)
    if periods.max() > light_curve.span:
        raise ValueError(
            f"period = {periods.max():.6g} d is beyond the time span of {light_curve.span:.6g} d"
        )
    return periods


def _durations(
    duration: Any, periods: np.ndarray, star: Star | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """All durations, the run of them that each period tries, and how many pairs are skipped."""
    if duration is None:
        durations, start, stop = durations_by_period(periods, star)
    else:
        durations = np.unique(_positive_vector("duration", duration))
        start = np.zeros(len(periods), np.intp)
        stop = np.full(len(periods), len(durations), np.intp)
    wanted = int(stop.sum() - start.sum())
    np.minimum(stop, np.searchsorted(durations, periods, side="left"), out=stop)
    np.maximum(stop, start, out=stop)
    n_tried = int(stop.sum() - start.sum())
    if not n_tried:
        raise ValueError(
            f"no duration (shortest {durations[0]:.6g} d) is shorter than a period "
            f"(longest {periods.max():.6g} d)"
        )
    return durations, start, stop, wanted - n_tried


def _check_bins(periods: np.ndarray, shortest: np.ndarray, oversample: int) -> None:
    bins = (periods / shortest).max() * oversample
    if bins > MAX_BINS:
        raise ValueError(
            f"a period would be folded into {bins:.3g} bins, more than {MAX_BINS:,}; raise the "
            f"shortest duration, lower oversample or the longest period"
        )


def _positive_vector(name: str, value: Any) -> np.ndarray:
    array = np.array(days(name, value), ndmin=1)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold one or more numbers (days), not shape {array.shape}")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if len(bad):
        raise ValueError(f"{name} must be positive and finite; entry {bad[0]} is {array[bad[0]]}")
    return array


def _spread(array: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """The results of the periods that were tried, NaN for the others."""
    whole = np.full(tried.shape, np.nan)
    whole[tried] = array
    return whole
