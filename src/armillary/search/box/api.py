"""The front door of the box search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from ...cache.axis import answered, store_for
from ...plugins.arrays import one_kind
from ...plugins.records import Request
from ...plugins.select import choose
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from ..grid.star import Star, star_or_sun
from ..inputs import search_input
from .grids import Grids
from .many import are_light_curves, search_all, tasks_of
from .reference import DEFAULT_OVERSAMPLE
from .result import Periodogram
from .task import OPERATION, Settings, task_of

if TYPE_CHECKING:
    from ...io import LightCurve, LightCurves


@overload
def bls(
    time: LightCurves | list[LightCurve] | tuple[LightCurve, ...],
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
) -> list[Periodogram]: ...
@overload
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
) -> Periodogram: ...
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
) -> Periodogram | list[Periodogram]:
    """Search light curves for periodic box-shaped dimmings (box least squares).

    At each period the light curve is folded, and a box of every duration is tried at
    every phase, with a free level out of transit and weights ``1 / flux_err**2``.

    Parameters
    ----------
    time : array_like, shape (n,), or light curve
        Times: plain numbers are days; a ``Quantity`` or astropy ``Time`` is converted.
        Or a light curve (ours, lightkurve's, an astropy ``TimeSeries`` or table), and
        then ``flux`` and ``flux_err`` stay None. Or many of them: a list or tuple of light
        curves, or :class:`~armillary.io.LightCurves`; every other argument holds for all.
    flux : array_like, shape (n,)
        Flux in any unit. Arrays on a device, such as CuPy's, stay there, and go to the
        backend for them.
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
        Of many light curves it is told of the periods of all of them.

    Returns
    -------
    Periodogram
        One entry per period, in the order of ``period``. Of many light curves: a list of
        them, in the order of the light curves; each is what a call of its own gives. Its
        arrays are on the device of the flux, if that is on one.

    Raises
    ------
    ValueError
        If an array is not one-dimensional, of another length, of no numbers, or in a
        unit of something else; if the flux is in magnitudes; if fewer than three points
        are usable (NaN, infinite and masked points are dropped and counted); if an error
        is not positive, or too small or large to compute with; if a period or duration is
        masked or not positive and finite, a period exceeds the time span, or no duration
        is shorter than any period; if a grid or a fold would be larger than anybody meant.
        What is wrong with one of many begins with which one, counted from 0; they are all
        looked at before the first is searched.
    TypeError
        If ``star`` is no :class:`Star`, or ``progress``, ``backend`` or ``cache`` of a wrong
        type; if no installed backend takes this kind of device array; if only some of
        ``time``, ``flux`` and ``flux_err`` are on a device, or a grid is; if ``cache`` is
        given for arrays on a device.
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
    # A first look, so that nothing is touched for a backend that cannot take it.
    arrays_are = one_kind(time=time, flux=flux, flux_err=flux_err)
    choose(Request(OPERATION, arrays=arrays_are), backend)
    oversample = _oversample(oversample)
    star = star_or_sun(star)
    grids = Grids(period, min_period, max_period, duration, star, min_transits, oversample)
    settings = Settings(grids, oversample, backend, thread_count(threads))
    if flux is None and flux_err is None and are_light_curves(time):
        tasks = tasks_of(settings, time)
        return search_all(settings, tasks, store_for(cache, arrays_are), progress)
    task = task_of(settings, search_input(time, flux, flux_err), arrays_are)
    store = store_for(cache, arrays_are)

    def compute() -> dict[str, Any]:
        with reporting(progress, "box search") as report:
            return task.computed(settings.threads, report)

    return task.periodogram(answered(task.plan, task.identity, compute, store))


def _oversample(oversample: Any) -> int:
    if isinstance(oversample, bool) or not hasattr(oversample, "__index__") or oversample < 1:
        raise ValueError(f"oversample must be a whole number of at least 1, not {oversample!r}")
    return int(oversample)
