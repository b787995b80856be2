"""``fit.forced_isophotes``: the ellipses of a template, measured side by side.

The image goes to the device once. Kernels sample it and add up (kernels/isophotes.cu); what is left
to do for each row is arithmetic on columns. Names and constants are those of
``armillary.fit.isophote.reference``, which defines all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import in_blocks
from .device import Device, current

SOURCE = "isophotes.cu"

#: Threads that walk along rings, that share a ring, a sector, and the pixels inside an ellipse.
#: Sums are taken in as many parts.
WALKERS, RING_THREADS, SECTOR_THREADS, PIXEL_THREADS = 32, 128, 32, 512

#: Numbers that isophotes.cu has, too: integrators; arrays of samples, of summaries, and of sums
#: inside an ellipse; sectors of a ring; bytes of a ``Sector`` and of a ``Spread``.
INTEGRATORS = ("bilinear", "mean", "median")
N_SAMPLE_ARRAYS = 6
SUMMARY = (
    "n_total",
    "sector_area",
    "interpolated",
    "n_data",
    "sum_weight",
    "mean",
    "stddev",
    "squared_error",
)
INSIDE = ("flux_ellipse", "flux_circle", "n_pixels_ellipse", "n_pixels_circle")
MOST_SECTORS = 128
SECTOR_BYTES, SPREAD_BYTES, DIGITS = 168, 40, 16
FIRST_FIVE, CURVATURES = 5, 6

#: Relative distance of the second ellipse from which the gradient comes.
GRADIENT_STEP = 0.1
#: When a gradient counts; see reference/gradient.py.
NOT_FALLING, SHALLOWEST, GUESSED = 0.5, 1.0 / 3.0, 0.8
#: The ellipse itself, and those of its gradient, in semi-major axes of its own.
RINGS = (1.0, 1.0 + GRADIENT_STEP, 1.0 + 2.0 * GRADIENT_STEP)
#: Angle (radians) that a walk can cover, and samples to spare for its rounding or for few samples.
WALK, SPARE = 2.0 * math.pi + 0.05, 32
#: Semi-major axis (pixels) below which steps are limited by their angle.
SMALL = 2.0
#: More samples of one ring than any image can tell apart.
MOST_SAMPLES = 1e8
#: Variance of a bilinear sample over that of a pixel.
BILINEAR_VARIANCE = 4.0 / 9.0
#: Relative error of a gradient whose error is not known, in the errors of photutils.
UNKNOWN_GRADIENT = 0.8
#: Numbers for the columns of a row, and for what they are computed from.
NUMBERS_OF_A_ROW = 100
#: Why an ellipse ended: as a point, without samples, as it was given.
CONVERGED, NO_SAMPLES, SAMPLED = 0, 3, 4


def forced_isophotes(
    image: Any,
    x0: np.ndarray,
    y0: np.ndarray,
    sma: np.ndarray,
    ellipticity: np.ndarray,
    position_angle: np.ndarray,
    variance: Any = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
    harmonics: tuple[int, ...] = (3, 4),
    sampling: str = "polar_angle",
    errors: str = "correlated",
) -> dict[str, Any]:
    """Sample given ellipses of one image; see the plugin author guide for the arguments.

    Results are where the image is.

    Raises
    ------
    MemoryError
        If an ellipse has more samples than the device has memory for.
    """
    device = current()
    rules = _Rules(
        step,
        linear,
        sigma_clip,
        n_clip,
        INTEGRATORS.index(integrator),
        harmonics,
        sampling == "eccentric_anomaly",
        errors == "correlated",
    )
    picture = _picture(device, image, variance)
    ellipses = np.stack([x0, y0, sma, ellipticity, position_angle], axis=1)
    # What is not known is NaN, and ellipses may be of any size: NumPy need not warn of either.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        parts = _in_parts(device, picture, ellipses, rules)
    table = {name: device.xp.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: device.like(column, image) for name, column in table.items()}


@dataclass(frozen=True, slots=True)
class _Rules:
    """How ellipses are sampled and measured."""

    step: float
    linear: bool
    sigma_clip: float
    n_clip: int
    integrator: int
    harmonics: tuple[int, ...]
    eccentric_anomaly: bool
    correlated: bool

    @property
    def sectors(self) -> bool:
        return self.integrator > 0

    def n_functions(self, weighted: bool) -> int:
        """Functions of which sums are taken; where variances are given, none is found."""
        found = self.correlated and not weighted
        return FIRST_FIVE + 2 * len(self.harmonics) + (CURVATURES if found else 0)


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image on the device, NaN where it is unusable, and its variances, or None."""

    image: Any
    variance: Any

    @property
    def weighted(self) -> bool:
        return self.variance is not None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """As kernels take it."""
        ny, nx = self.image.shape
        # A pointer is needed in any case.
        variance = self.variance if self.weighted else self.image
        return self.image, variance, np.int64(self.weighted), np.int64(ny), np.int64(nx)


def _picture(device: Device, image: Any, variance: Any) -> _Picture:
    """An image in double precision on the device, where it is converted."""
    given = [pixels for pixels in (image, variance) if pixels is not None]
    found: list[Any] = []

    def move(first: int, stop: int) -> None:
        found[:] = [device.to_device(pixels).astype(np.float64, copy=False) for pixels in given]

    in_blocks(device, [8 * image.size * len(given)], move, "the image of fit.forced_isophotes")
    return _Picture(found[0], None if variance is None else found[1])


def _in_parts(
    device: Device, picture: _Picture, ellipses: np.ndarray, rules: _Rules
) -> list[dict[str, Any]]:
    """The columns of ellipses, some at a time, as the memory allows."""
    size = _sizes(ellipses, picture.image.shape, rules)
    parts: list[dict[str, Any]] = []

    def measure(first: int, stop: int) -> None:
        some = slice(first, stop)
        parts.append(_measured(device, picture, ellipses[some], size[:, some], rules))

    in_blocks(device, _bytes(size, rules, picture), measure, "an ellipse of fit.forced_isophotes")
    return parts


# ------------------------------------------------------------------ how much room they need


def _sizes(ellipses: np.ndarray, shape: tuple[int, int], rules: _Rules) -> np.ndarray:
    """Samples, at most, of each of the rings of each ellipse."""
    sma = np.multiply.outer(RINGS, ellipses[:, 2])
    size = np.ceil(WALK * np.maximum(sma, SMALL)) + SPARE
    if rules.sectors:
        size = np.maximum(size, MOST_SECTORS)
    size[_beyond(ellipses, sma, shape)] = 0
    size[0, sma[0] == 0.0] = 1
    size[1:, sma[0] == 0.0] = 0
    if np.any(size > MOST_SAMPLES):
        raise MemoryError("there is no memory for the samples of an isophote: sma is too large")
    return size.astype(np.int64)


def _beyond(ellipses: np.ndarray, sma: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Whether the whole image is inside an ellipse."""
    x0, y0, _, ellipticity, _ = ellipses.T
    ny, nx = shape
    farthest = np.hypot(np.maximum(x0, nx - 1 - x0), np.maximum(y0, ny - 1 - y0))
    return (1.0 - ellipticity) * sma > farthest


def _bytes(size: np.ndarray, rules: _Rules, picture: _Picture) -> np.ndarray:
    """Memory for the rings of each ellipse, and for the functions of its own."""
    width = rules.n_functions(picture.weighted) * (2 if rules.correlated else 1)
    fixed = NUMBERS_OF_A_ROW + len(RINGS) * MOST_SECTORS * rules.sectors
    return 8 * (N_SAMPLE_ARRAYS * size.sum(axis=0) + width * size[0] + fixed)


# ------------------------------------------------------------------ a block of ellipses


def _measured(
    device: Device, picture: _Picture, ellipses: np.ndarray, size: np.ndarray, rules: _Rules
) -> dict[str, Any]:
    """The columns of some ellipses, on the device."""
    rings = _Rings(device, ellipses, size)
    _sample(device, picture, rings, rules)
    gradient = _gradient(device.xp, rings)
    errors = _errors(device, picture, rings, rules)
    columns = _columns(device.xp, picture, rings, gradient, errors, rules)
    return columns | _inside(device, picture, rings)


class _Rings:
    """The rings of some ellipses on the device: first those of the ellipses themselves."""

    def __init__(self, device: Device, ellipses: np.ndarray, size: np.ndarray) -> None:
        xp = device.xp
        self.n_rows = len(ellipses)
        every = np.tile(ellipses, (len(RINGS), 1))
        every[:, 2] *= np.repeat(RINGS, self.n_rows)
        first = np.concatenate([[0], np.cumsum(size)])
        #: Of the ellipses themselves.
        self.n_own_samples = int(first[self.n_rows])
        self.n_samples = int(first[-1])
        self.ellipses = device.to_device(every)
        self.first = device.to_device(first)
        self.samples = xp.empty((N_SAMPLE_ARRAYS, self.n_samples))
        self.summaries = xp.zeros((len(every), len(SUMMARY)))

    def __len__(self) -> int:
        return len(RINGS) * self.n_rows

    @property
    def arguments(self) -> tuple[Any, ...]:
        """As kernels take them."""
        return self.ellipses, self.first, self.samples, np.int64(self.n_samples), self.summaries

    def summary(self, name: str, ring: int = 0) -> Any:
        """A column of what is known of the ellipses, or of one of the others."""
        rows = slice(ring * self.n_rows, (ring + 1) * self.n_rows)
        return self.summaries[rows, SUMMARY.index(name)]

    def geometry(self, column: int) -> Any:
        """A column of the ellipses."""
        return self.ellipses[: self.n_rows, column]


def _sample(device: Device, picture: _Picture, rings: _Rings, rules: _Rules) -> None:
    eccentric = np.int64(rules.eccentric_anomaly)
    width = np.float64(rules.step), np.int64(rules.linear)
    integrator = np.int64(rules.integrator)
    opening = device.xp.empty((len(rings), MOST_SECTORS if rules.sectors else 0))
    device.kernel(SOURCE, "lay_out")(
        (-(-len(rings) // WALKERS),),
        (WALKERS,),
        (*rings.arguments, np.int64(len(rings)), integrator, eccentric, *width, opening),
    )
    device.kernel(SOURCE, "draw")(
        (len(rings),), (RING_THREADS,), (*picture.arguments, *rings.arguments, eccentric)
    )
    if rules.sectors:
        device.kernel(SOURCE, "average_sectors")(
            (len(rings), MOST_SECTORS),
            (SECTOR_THREADS,),
            (*picture.arguments, *rings.arguments, integrator, eccentric, *width, opening),
            shared_bytes=SECTOR_BYTES + SECTOR_THREADS * (3 * 8 + 4 * DIGITS),
        )
    device.kernel(SOURCE, "summarize")(
        (len(rings),),
        (RING_THREADS,),
        (*rings.arguments, np.float64(rules.sigma_clip), np.int64(rules.n_clip)),
        shared_bytes=SPREAD_BYTES + 4 * 8 * RING_THREADS,
    )


# ------------------------------------------------------------------ the gradient


@dataclass(frozen=True, slots=True)
class _Gradient:
    """dI/da and its error, NaN where not known, and the samples drawn for it."""

    value: Any
    error: Any
    n_samples: Any


def _gradient(xp: Any, rings: _Rings) -> _Gradient:
    """From a second ellipse outside; where the intensity does not fall, from one farther out."""
    near, far = _difference(xp, rings, 1), _difference(xp, rings, 2)
    doubtful = near.value >= NOT_FALLING * near.error
    expected = near.value + near.error
    shallow = far.value >= SHALLOWEST * expected
    value = xp.where(shallow, GUESSED * expected, far.value)
    error = xp.where(shallow, xp.nan, far.error)
    return _Gradient(
        xp.where(doubtful, value, near.value),
        xp.where(doubtful, error, near.error),
        near.n_samples + xp.where(doubtful, far.n_samples, 0.0),
    )


def _difference(xp: Any, rings: _Rings, outer: int) -> _Gradient:
    distance = outer * GRADIENT_STEP * rings.geometry(2)
    squared = rings.summary("squared_error") + rings.summary("squared_error", outer)
    return _Gradient(
        (rings.summary("mean", outer) - rings.summary("mean")) / distance,
        xp.sqrt(squared) / distance,
        rings.summary("n_total", outer),
    )


# ------------------------------------------------------------------ errors


@dataclass(frozen=True, slots=True)
class _Errors:
    """Error of the intensity, and amplitudes of harmonics with theirs; NaN where not known."""

    intensity: Any
    amplitude: Any
    amplitude_err: Any


def _errors(device: Device, picture: _Picture, rings: _Rings, rules: _Rules) -> _Errors:
    xp, n_orders = device.xp, len(rules.harmonics)
    width = rules.n_functions(picture.weighted)
    intensity = xp.full(rings.n_rows, xp.nan)
    amplitude = xp.full((rings.n_rows, 2 * n_orders), xp.nan)
    amplitude_err = xp.full((rings.n_rows, 2 * n_orders), xp.nan)
    functions = (
        *rings.arguments,
        device.to_device(np.array(rules.harmonics, np.int64)),
        np.int64(n_orders),
        np.int64(width),
    )
    basis = xp.empty((rings.n_own_samples, width))
    shared_bytes = 8 * (RING_THREADS + 3 * width**2 + 2 * width + 4)
    if not rules.correlated:
        device.kernel(SOURCE, "independent_errors")(
            (rings.n_rows,),
            (RING_THREADS,),
            (*functions, basis, amplitude, amplitude_err),
            shared_bytes=shared_bytes,
        )
        intensity = rings.summary("stddev") / xp.sqrt(rings.summary("n_data"))
        return _Errors(intensity, amplitude, amplitude_err)
    eccentric, weighted = np.int64(rules.eccentric_anomaly), np.int64(picture.weighted)
    shared = xp.empty((rings.n_own_samples, width))
    device.kernel(SOURCE, "correlated_errors")(
        (rings.n_rows,),
        (RING_THREADS,),
        (*functions, eccentric, weighted, basis, shared, intensity, amplitude, amplitude_err),
        shared_bytes=shared_bytes,
    )
    return _Errors(intensity, amplitude, amplitude_err)


def _relative_error(xp: Any, gradient: _Gradient, rules: _Rules) -> Any:
    """Of the gradient, as it is in the errors of harmonics."""
    relative = gradient.error / xp.abs(gradient.value)
    if rules.correlated:
        return relative
    known = (gradient.value < 0.0) & ~xp.isnan(relative)
    return xp.where(known, relative, UNKNOWN_GRADIENT)


# ------------------------------------------------------------------ columns


def _columns(
    xp: Any, picture: _Picture, rings: _Rings, gradient: _Gradient, errors: _Errors, rules: _Rules
) -> dict[str, Any]:
    """All columns but the sums over pixels; at a point, what needs an ellipse is not known."""
    x0, y0, sma, ellipticity, position_angle = (rings.geometry(i) for i in range(5))
    n_total, n_data = rings.summary("n_total"), rings.summary("n_data")
    point, nothing, unknown = sma == 0.0, n_data == 0.0, xp.full(rings.n_rows, xp.nan)
    of_point = unknown
    if picture.weighted:
        variance = BILINEAR_VARIANCE / rings.summary("sum_weight")
        of_point = xp.where(nothing, xp.nan, xp.sqrt(variance))
    given = xp.where(point, CONVERGED, SAMPLED)
    columns = {
        "sma": sma.copy(),
        "x0": x0.copy(),
        "y0": y0.copy(),
        "ellipticity": xp.where(point, xp.nan, ellipticity),
        "position_angle": xp.where(point, xp.nan, position_angle),
        **{f"{name}_err": unknown.copy() for name in ("x0", "y0", "ellipticity", "position_angle")},
        "intensity": rings.summary("mean").copy(),
        "intensity_err": xp.where(point, of_point, errors.intensity),
        "gradient": gradient.value,
        "gradient_err": gradient.error,
        "rms": xp.where(point, xp.nan, rings.summary("stddev")),
        "sector_area": xp.where(point, xp.nan, rings.summary("sector_area")),
        "n_data": n_data,
        "n_flagged": n_total - n_data,
        "n_iterations": xp.zeros(rings.n_rows),
        "n_samples": n_total + gradient.n_samples,
        "stop_code": xp.where(nothing, NO_SAMPLES, given),
    }
    for name in ("n_data", "n_flagged", "n_iterations", "n_samples", "stop_code"):
        columns[name] = columns[name].astype(np.int64)
    return columns | _harmonics(xp, sma, gradient, errors, rules)


def _harmonics(
    xp: Any, sma: Any, gradient: _Gradient, errors: _Errors, rules: _Rules
) -> dict[str, Any]:
    """Amplitudes over sma times |gradient|; where that is zero, they are not known."""
    scale = sma * xp.abs(gradient.value)
    scale = xp.where(scale > 0.0, scale, xp.nan)[:, None]
    value, error = errors.amplitude / scale, errors.amplitude_err / scale
    error = xp.hypot(error, value * _relative_error(xp, gradient, rules)[:, None])
    return {
        "a": value[:, ::2].copy(),
        "b": value[:, 1::2].copy(),
        "a_err": error[:, ::2].copy(),
        "b_err": error[:, 1::2].copy(),
    }


def _inside(device: Device, picture: _Picture, rings: _Rings) -> dict[str, Any]:
    """Sums over the pixels in each ellipse, and in the circle around it."""
    xp = device.xp
    ny, nx = picture.image.shape
    sums = xp.empty((rings.n_rows, len(INSIDE)))
    device.kernel(SOURCE, "add_inside")(
        (rings.n_rows,),
        (PIXEL_THREADS,),
        (picture.image, np.int64(ny), np.int64(nx), rings.ellipses, sums),
        shared_bytes=8 * len(INSIDE) * PIXEL_THREADS,
    )
    point = rings.geometry(2) == 0.0
    columns = {}
    for number, name in enumerate(INSIDE):
        if name.startswith("n_"):
            columns[name] = xp.where(point, 0.0, sums[:, number]).astype(np.int64)
        else:
            columns[name] = xp.where(point, xp.nan, sums[:, number])
    return columns
