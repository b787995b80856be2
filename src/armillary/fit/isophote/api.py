"""The front doors of isophotes: fitted to an image, or forced on it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import count, repeat
from typing import Any, Literal, TypeVar

import numpy as np

from ..._words import counted
from ...cache.axis import answered, store_for
from ...cache.choice import store_of_call
from ...cache.store import Store
from ...plugins.arrays import HOST, require_host
from ...plugins.call import call, checked_arrays
from ...plugins.errors import ContractError
from ...plugins.records import Request
from ...plugins.select import Plan, choose
from ...runtime.pool import Pool
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from .beginnings import begun_well, failed
from .finding import NothingFound, found_geometry
from .geometry import NAMES, EllipseGeometry, checked, known_parameters
from .images import Input, IsophoteWarning, Prepared, input_of, inputs_of, is_many, prepared
from .result import COLUMNS, HARMONIC_COLUMNS, NO_GRADIENT, STOP_CODES, Isophotes
from .rules import FORCED_OPTIONS, Rules
from .template import ellipses_of

FITTED, FORCED = "fit.isophotes", "fit.forced_isophotes"

Integrator = Literal["bilinear", "mean", "median"]
Sampling = Literal["polar_angle", "eccentric_anomaly"]
Errors = Literal["correlated", "photutils"]


def isophotes(
    image: Any,
    geometry: Any = None,
    *,
    mask: Any = None,
    variance: Any = None,
    sma0: float | None = None,
    min_sma: float = 0.0,
    max_sma: float | None = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: Integrator = "bilinear",
    fix_center: bool = False,
    fix_ellipticity: bool = False,
    fix_position_angle: bool = False,
    harmonics: Any = (3, 4),
    sampling: Sampling = "polar_angle",
    max_iterations: int = 50,
    min_iterations: int = 10,
    convergence: float = 0.05,
    max_gradient_error: float = 0.5,
    min_valid: float = 0.7,
    errors: Errors = "correlated",
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Any:
    """Fit ellipses to the isophotes of a galaxy, as IRAF's ``ellipse`` does.

    The first ellipse is fitted where ``geometry`` says; others follow outwards, until the
    radial gradient is lost in the noise, and inwards to the centre.

    Parameters
    ----------
    image : array_like, shape (ny, nx), or list, or iterator
        Any real numbers; masked arrays, ``Quantity``, ``CCDData`` (and other ``NDData``) and
        :class:`armillary.io.Image` are understood. Pixels that are not finite are unusable. A
        list or generator of images, or of tuples (image, mask) or (image, mask, variance), gives a
        list; they are fitted side by side.
    geometry : EllipseGeometry or mapping, optional
        Where to begin: centre, semi-major axis (pixels), ellipticity, and position angle
        (radians, counter-clockwise from +x). What a mapping leaves out is found from the image,
        and all of it for None: the most prominent bright region, or the one at the given centre,
        and its moments. Where the first ellipse cannot be fitted, others near it are tried, and
        if ``sma`` was left out also where isophotes do not reach twice as far. For many images also
        a list of these.
    mask : array_like, shape (ny, nx), optional
        True, or not zero, where a pixel is unusable. A sample that needs one is left out.
    variance : float or array_like, shape (ny, nx), optional
        Of each pixel. Samples are then weighted by its inverse, and errors follow from it; pixels
        where it is not positive are unusable. None means equal weights, and errors from the
        scatter along the ellipse.
    sma0 : float, optional
        First semi-major axis (pixels); None means that of the geometry. It should be well inside
        the galaxy, and larger than what the telescope blurs.
    min_sma : float
        Smallest semi-major axis (pixels); 0 adds the value at the centre.
    max_sma : float, optional
        Where growth ends (pixels). Beyond the last fit it goes on with fixed geometry. None ends
        it with the last fit.
    step : float
        From one semi-major axis to the next: relative, or pixels if ``linear``.
    linear : bool
        Steps of equal length instead of equal ratio.
    sigma_clip, n_clip : float, int
        Samples farther from the mean than so many standard deviations are left out, so many
        times.
    integrator : {"bilinear", "mean", "median"}
        A sample is interpolated between four pixels, or the mean or median over a sector of the
        ring from half a step inside to half a step outside.
    fix_center, fix_ellipticity, fix_position_angle : bool
        Keep what the geometry says. All three: nothing is fitted.
    harmonics : sequence of int
        Orders, 3 or more, of the deviations from an ellipse that are measured.
    sampling : {"polar_angle", "eccentric_anomaly"}
        Samples a pixel apart, with harmonics of the angle seen from the centre, as in IRAF; or at
        equal steps of the eccentric anomaly, and harmonics of it (Ciambur 2015), which is exact
        for flat ellipses.
    max_iterations, min_iterations : int
        Limits for one ellipse; the first has twice the minimum.
    convergence : float
        A fit has converged when its largest harmonic is below this times the scatter times the
        area of a sample.
    max_gradient_error : float
        Two ellipses in turn whose gradient has a larger relative error end growth.
    min_valid : float
        Least part of the samples of an ellipse that must be usable.
    errors : {"correlated", "photutils"}
        How errors are computed: with what neighbouring samples share and with the error of the
        geometry, or as photutils does, which makes those of the intensity half as large.
    backend : str, optional
        Backend to use; None lets the selection decide (``arm.explain("fit.isophotes")``).
    cache : Store or str, optional
        Where results are looked up and kept, each by itself: a store, or the name of one
        ("memory", "disk"). None means that of :func:`armillary.use_cache` or
        ``ARMILLARY_CACHE``, else none.
    threads : int, optional
        Images fitted at a time; None means ``ARMILLARY_THREADS`` or every processor. One image
        is fitted by one thread.
    progress : callable or bool, optional
        Called with (images done, images in all or None); True shows a bar in a terminal.

    Returns
    -------
    Isophotes, or list of Isophotes
        With a ``reason`` and an :class:`IsophoteWarning` where nothing was found on the image (no
        rows), or the first ellipse could not be fitted (one row, with its stop code).

    Raises
    ------
    ValueError
        If an argument is outside its range, shapes differ, or the centre is not on the image.
    TypeError
        If ``geometry`` is of another kind.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.

    References
    ----------
    Jedrzejewski (1987), MNRAS 226, 747; Busko (1996), ASPC 101, 139.

    Examples
    --------
    >>> import armillary as arm
    >>> from armillary.testing import simulated_galaxy
    >>> galaxy = simulated_galaxy((200, 200), effective_radius=20.0, ellipticity=0.3, snr=100.0)
    >>> isophotes = arm.fit.isophotes(galaxy.image)
    >>> middle = abs(isophotes.sma - 20.0).argmin()
    >>> round(float(isophotes.ellipticity[middle]), 1)
    0.3
    """
    rules = Rules(
        min_sma=min_sma,
        max_sma=max_sma,
        step=step,
        linear=linear,
        sigma_clip=sigma_clip,
        n_clip=n_clip,
        integrator=integrator,
        fix_center=fix_center,
        fix_ellipticity=fix_ellipticity,
        fix_position_angle=fix_position_angle,
        harmonics=harmonics,
        sampling=sampling,
        max_iterations=max_iterations,
        min_iterations=min_iterations,
        convergence=convergence,
        max_gradient_error=max_gradient_error,
        min_valid=min_valid,
        errors=errors,
    )
    many = is_many(image)
    starts = _starts(geometry, sma0, many)
    job = _Job(FITTED, rules.options(), backend, cache, store_of_call(cache))
    return _run(job, _fit, image, mask, variance, starts, threads, progress)


def forced_isophotes(
    image: Any,
    template: Any,
    *,
    mask: Any = None,
    variance: Any = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: Integrator = "bilinear",
    harmonics: Any = (3, 4),
    sampling: Sampling = "polar_angle",
    errors: Errors = "correlated",
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Any:
    """Measure an image along given ellipses, each sampled once.

    For another band of a galaxy, on the same pixels, or a profile along a geometry of your own.

    Parameters
    ----------
    image : array_like, shape (ny, nx), or list, or iterator
        As in :func:`isophotes`. One on a device, such as an array of CuPy, stays there, and so do
        the arrays of the result; its mask and variance must be there, too.
    template : Isophotes, table, mapping, list or path
        The ellipses: a result of :func:`isophotes` on any image; a table or mapping of columns
        ``sma``, ``x0``, ``y0``, ``ellipticity`` (or ``eps``) and ``position_angle`` (radians) or
        ``pa`` (degrees unless it has a unit), or with the names and conventions of IRAF; a list
        of :class:`EllipseGeometry` or mappings; or the path of such a table.
    mask, variance : array_like, shape (ny, nx), optional
        As in :func:`isophotes`. With a variance the intensity is the mean weighted by its inverse.
    step, linear : float, bool
        Width of the ring over which "mean" and "median" go: relative, or pixels.
    sigma_clip, n_clip, integrator, harmonics, sampling, errors
        As in :func:`isophotes`.
    backend, cache, threads, progress
        As in :func:`isophotes`.

    Returns
    -------
    Isophotes, or list of Isophotes
        One row per ellipse of the template, by growing ``sma``, with its geometry. Stop codes are
        4, or 3 where no sample is usable; errors of the geometry are NaN.

    Raises
    ------
    ValueError, TypeError
        As :func:`isophotes`, and if the template is incomplete, or if some arrays are on a device
        and others are not.

    Examples
    --------
    >>> import armillary as arm
    >>> from armillary.testing import simulated_galaxy
    >>> red = simulated_galaxy((200, 200), effective_radius=20.0, snr=100.0, seed=1)
    >>> blue = simulated_galaxy((200, 200), effective_radius=20.0, intensity=50.0, snr=50.0, seed=2)
    >>> profile = arm.fit.isophotes(red.image)
    >>> other = arm.fit.forced_isophotes(blue.image, profile)
    >>> middle = abs(profile.sma - 20.0).argmin()
    >>> round(float(other.intensity[middle] / profile.intensity[middle]), 2)
    0.5
    """
    rules = Rules(
        step=step,
        linear=linear,
        sigma_clip=sigma_clip,
        n_clip=n_clip,
        integrator=integrator,
        harmonics=harmonics,
        sampling=sampling,
        errors=errors,
    )
    options = {name: pair for name, pair in rules.options().items() if name in FORCED_OPTIONS}
    ellipses = ellipses_of(template)
    for array in ellipses.values():
        array.setflags(write=False)
    job = _Job(FORCED, options, backend, cache, store_of_call(cache))
    return _run(job, _measure, image, mask, variance, repeat(ellipses), threads, progress)


# ------------------------------------------------------------------ one image or many


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done with every image."""

    operation: str
    options: Mapping[str, tuple[Any, Any]]
    backend: str | None
    cache: Any
    store: Store | None
    threads: int = 1

    def plan(self, image: Prepared, arrays_are: str) -> Plan:
        arrays = {"image": image.image}
        if image.variance is not None:
            arrays["variance"] = image.variance
        options = {name: value for name, (value, _) in self.options.items()}
        return choose(Request.of(self.operation, arrays, options, arrays_are), self.backend)


@dataclass(frozen=True, slots=True)
class _Task:
    """One image, what its ellipses are or begin with, who does it, and where it is kept."""

    number: int | None
    image: Prepared
    arrays_are: str
    ellipses: Any
    plan: Plan
    store: Store | None


_Work = Callable[[_Job, _Task], Isophotes]
_Given = TypeVar("_Given")


def _run(
    job: _Job,
    work: _Work,
    image: Any,
    mask: Any,
    variance: Any,
    ellipses: Iterator[Any],
    threads: int | None,
    progress: Any,
) -> Any:
    n_threads = thread_count(threads)
    if not is_many(image):
        # The ellipses of a fit follow from each other; given ones do not.
        job = replace(job, threads=n_threads if job.operation == FORCED else 1)
        with reporting(progress, "isophotes") as report:
            task = _task(job, None, input_of(image, mask, variance), next(ellipses))
            result = _kept(work, job, task)
            if report is not None:
                report(1, 1)
        _warn(result, "")
        return result
    if mask is not None or variance is not None:
        raise TypeError(
            "mask and variance of many images must come with each: (image, mask, variance)"
        )
    return _run_many(job, work, image, ellipses, n_threads, progress)


def _run_many(
    job: _Job, work: _Work, images: Any, ellipses: Iterator[Any], threads: int, progress: Any
) -> list[Isophotes]:
    total = len(images) if isinstance(images, list) else None
    # A pool that is larger than its work would only start threads in vain.
    pool = Pool(threads if total is None else max(1, min(threads, total)))
    results: list[Isophotes] = []
    with reporting(progress, "isophotes") as report:
        for result in pool.run(
            lambda task: _noted(task.number, _kept, work, job, task),
            _tasks(job, images, ellipses),
        ):
            _warn(result, f"image {len(results)}: ")
            results.append(result)
            if report is not None:
                report(len(results), total)  # type: ignore[arg-type]
    return results


def _tasks(job: _Job, images: Any, ellipses: Iterator[Any]) -> Iterator[_Task]:
    """One task after the other, as they are asked for; errors tell which image is meant."""
    for number, given in zip(count(), inputs_of(images)):
        try:
            own = next(ellipses)
        except StopIteration:
            raise ValueError(
                f"geometry must be one for all images or one for each; there are {number} "
                f"and more images"
            ) from None
        yield _noted(number, _task, job, number, given, own)


def _noted(number: int | None, function: Callable[..., _Given], *arguments: Any) -> _Given:
    """Call a function; its error tells which image was meant."""
    try:
        return function(*arguments)
    except Exception as error:
        error.add_note(f"image {number} of those given")
        raise


def _task(job: _Job, number: int | None, given: Input, ellipses: Any) -> _Task:
    arrays_are = given.arrays_are()
    # A first look, so that nothing is done for a backend that cannot take it.
    choose(Request(job.operation, arrays=arrays_are), job.backend)
    store = job.store if arrays_are == HOST else store_for(job.cache, arrays_are)
    image = prepared(given)
    return _Task(number, image, arrays_are, ellipses, job.plan(image, arrays_are), store)


def _kept(work: _Work, job: _Job, task: _Task) -> Isophotes:
    """The result for one image, from the store of the call if it is there."""
    identity = {
        "image": task.image.image,
        "variance": task.image.variance,
        "ellipses": task.ellipses,
        "options": {name: value for name, (value, _) in job.options.items()},
    }
    answer = answered(task.plan, identity, lambda: work(job, task), task.store)
    return replace(
        answer.value,
        n_unusable=task.image.n_unusable,
        provenance=answer.provenance(job.threads),
    )


def _warn(result: Isophotes, which: str) -> None:
    if result.reason:
        warnings.warn(f"{which}{result.reason}", IsophoteWarning, stacklevel=4)


# ------------------------------------------------------------------ fitted


def _starts(geometry: Any, sma0: Any, many: bool) -> Iterator[dict[str, float]]:
    """What is known of where to begin, for each image."""
    first = {} if sma0 is None else {"sma": checked("sma0", sma0)}
    if first and first["sma"] <= 0.0:
        raise ValueError(f"sma0 must be positive (pixels), not {first['sma']:g}")
    if many and isinstance(geometry, list | tuple):
        return iter([known_parameters(each) | first for each in geometry])
    return repeat(known_parameters(geometry) | first)


def _fit(job: _Job, task: _Task) -> Isophotes:
    _check_centre(task.ellipses, task.image.image.shape)
    limits = job.options["min_sma"][0], job.options["max_sma"][0] or math.inf
    _check_sma(task.ellipses, *limits)
    if len(task.ellipses) < len(NAMES):
        require_host("image without a complete geometry", task.image.image)
    try:
        start = found_geometry(task.image.image, task.ellipses)
    except NothingFound as nothing:
        return _without_rows(job, task, f"{nothing}; give a geometry to begin with")
    start = replace(start, sma=min(max(start.sma, limits[0]), limits[1]))
    rules = Rules(**{name: value for name, (value, _) in job.options.items()})
    found = begun_well(
        lambda begin: _fit_from(job, task, begin),
        start,
        rules,
        sma_is_given="sma" in task.ellipses,
    )
    if not failed(found):
        return found
    return replace(
        found,
        reason=f"no ellipse could be fitted at sma = {start.sma:.4g} around ({start.x0:.4g}, "
        f"{start.y0:.4g}), nor at others near it: {_why(found)}; another geometry or sma0 may do",
    )


def _why(found: Isophotes) -> str:
    """The stop code of a first ellipse in words."""
    code = int(found.stop_code[0]) if len(found) else NO_GRADIENT
    return STOP_CODES[code].partition(";")[0]


def _fit_from(job: _Job, task: _Task, start: EllipseGeometry) -> Isophotes:
    result = call(
        task.plan,
        {"image": task.image.image, **asdict(start)},
        {**job.options, "variance": (task.image.variance, None)},
        {"threads": job.threads},
    )
    return _result(job, task, result)


def _check_sma(known: Mapping[str, float], least: float, most: float) -> None:
    if "sma" in known and not least <= known["sma"] <= most:
        raise ValueError(
            f"the first semi-major axis, sma0 or that of the geometry, must be between min_sma = "
            f"{least:g} and max_sma = {most:g}, not {known['sma']:g}"
        )


def _check_centre(known: Mapping[str, float], shape: tuple[int, ...]) -> None:
    ny, nx = shape
    x0, y0 = known.get("x0", 0.0), known.get("y0", 0.0)
    if not (0.0 <= x0 <= nx - 1 and 0.0 <= y0 <= ny - 1):
        raise ValueError(
            f"geometry: the centre must be on the image of {nx} x {ny} pixels, "
            f"not at ({x0:g}, {y0:g})"
        )


def _without_rows(job: _Job, task: _Task, reason: str) -> Isophotes:
    n_orders = len(job.options["harmonics"][0])
    arrays: dict[str, np.ndarray] = {name: np.empty(0, kind) for name, kind in COLUMNS.items()}
    arrays |= {name: np.empty((0, n_orders)) for name in HARMONIC_COLUMNS}
    return _isophotes(job, task, arrays, reason)


# ------------------------------------------------------------------ forced


def _measure(job: _Job, task: _Task) -> Isophotes:
    result = call(
        task.plan,
        {"image": task.image.image, **task.ellipses},
        {**job.options, "variance": (task.image.variance, None)},
        {"threads": job.threads},
    )
    found = _result(job, task, result)
    if len(found) != len(task.ellipses["sma"]):
        raise ContractError(
            f"{task.plan.backend} returned {counted(len(found), 'row')} for "
            f"{counted(len(task.ellipses['sma']), 'ellipse')}"
        )
    return found


# ------------------------------------------------------------------ results


def _result(job: _Job, task: _Task, result: Any) -> Isophotes:
    """The arrays of a backend, checked."""
    n_orders = len(job.options["harmonics"][0])
    shapes: dict[str, tuple[int | None, ...]] = dict.fromkeys(COLUMNS, (None,))
    shapes |= dict.fromkeys(HARMONIC_COLUMNS, (None, n_orders))
    dtypes = {name: np.int64 for name, kind in COLUMNS.items() if kind is int}
    arrays = checked_arrays(task.plan, result, shapes, dtypes, task.arrays_are)
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) != 1:
        raise ContractError(f"{task.plan.backend} returned arrays of different lengths: {lengths}")
    return _isophotes(job, task, arrays, "")


def _isophotes(job: _Job, task: _Task, arrays: Mapping[str, np.ndarray], reason: str) -> Isophotes:
    return Isophotes(
        **{name: arrays[name] for name in _ARRAYS},
        harmonics=job.options["harmonics"][0],
        sampling=job.options["sampling"][0],
        image_shape=(int(task.image.image.shape[0]), int(task.image.image.shape[1])),
        n_unusable=task.image.n_unusable,
        reason=reason,
        provenance=task.plan.provenance(job.threads),
    )


_ARRAYS = tuple(f.name for f in fields(Isophotes) if f.name in {*COLUMNS, *HARMONIC_COLUMNS})
