"""What every backend of ``fit.ellipse_model`` must do.

Backends are called through the front door and judged by simulated galaxies and, where ellipses
change with radius, by :func:`painted`, which shares no code with any backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..fit.isophote.result import COLUMNS, HARMONIC_COLUMNS, Isophotes
from ..fit.model_image.api import ellipse_model
from ..plugins.errors import UnsupportedOption
from ..plugins.records import Provenance, Request
from ..plugins.select import choose
from ..runtime.progress import Progress
from .galaxies import SimulatedGalaxy, simulated_galaxy
from .kit import CheckFailed, Suite, require
from .manners import PlainCall, add_manners, parameters_of_the_target
from .progress import WatchedCall, add_progress

OPERATION = "fit.ellipse_model"
SUITE = Suite()

#: Promised: what half of the pixels, and 19 of 20, may be off, relative to the truth.
MEDIAN, MOST = 0.01, 0.05

#: Where a model is held against the truth: in effective radii, or from the centre to a little
#: inside the last isophote (pixels), whose rim backends may draw differently.
INNER, OUTER = 0.5, 4.0
CORE, RIM = 5.0, 3.0

#: Agreement, relative to the brightest pixel, where only a sum or product is rounded otherwise.
ROUNDING = 1e-6

ARGUMENTS = (
    "shape",
    "sma",
    "intensity",
    "x0",
    "y0",
    "ellipticity",
    "position_angle",
    "fill",
)

#: Semi-major axes of isophotes in steps of ten per cent.
SMA = 1.0 * 1.1 ** np.arange(37)
#: Effective radius, and shape of images that hold four of them.
RADIUS, SHAPE = 7.0, (64, 66)


# ------------------------------------------------------------------ tools


def isophotes_by_hand(
    sma: Any,
    intensity: Any,
    *,
    x0: Any = 32.3,
    y0: Any = 30.8,
    ellipticity: Any = 0.3,
    position_angle: Any = 0.5,
    harmonics: tuple[int, ...] = (3, 4),
    **more: Any,
) -> Isophotes:
    """Isophotes from columns; those that are not given are NaN, or 0 where they count.

    Parameters
    ----------
    sma, intensity, x0, y0, ellipticity, position_angle : array_like, shape (n,) or ()
        As in :class:`Isophotes`.
    harmonics : tuple of int
        Orders of ``a`` and ``b``.
    **more
        Other columns; ``a`` and ``b`` of shape (n, number of harmonics).
    """
    given = {
        "sma": sma,
        "intensity": intensity,
        "x0": x0,
        "y0": y0,
        "ellipticity": ellipticity,
        "position_angle": position_angle,
        **more,
    }
    n = len(np.atleast_1d(sma))
    columns: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        unknown = np.nan if kind is float else 0
        columns[name] = np.array(np.broadcast_to(given.get(name, unknown), n), kind)
    for name in HARMONIC_COLUMNS:
        shape = (n, len(harmonics))
        columns[name] = np.array(np.broadcast_to(given.get(name, np.nan), shape), float)
    return Isophotes(
        **columns,
        harmonics=harmonics,
        image_shape=SHAPE,
        sampling="polar_angle",
        n_unusable=0,
        reason="",
        provenance=Provenance("fit.isophotes", "hand", "armillary", "", "float64", "nobody", 1),
    )


def exact_isophotes(galaxy: SimulatedGalaxy, sma: Any) -> Isophotes:
    """What a fit without errors would find for a galaxy."""
    sma = np.asarray(sma)
    return isophotes_by_hand(
        sma,
        galaxy.intensity_at(sma),
        x0=galaxy.x0,
        y0=galaxy.y0,
        ellipticity=galaxy.ellipticity,
        position_angle=galaxy.position_angle % np.pi,
        gradient=galaxy.gradient_at(sma),
    )


def exponential(sma: Any) -> Any:
    """A profile for galaxies whose ellipses change with radius."""
    return 100.0 * np.exp(-np.asarray(sma) / RADIUS)


#: Centre, ellipticity and position angle at some semi-major axes.
Geometry = Callable[[Any], tuple[Any, Any, Any, Any]]


def painted(
    shape: tuple[int, int], geometry: Geometry, last: float
) -> tuple[np.ndarray, np.ndarray]:
    """The semi-major axis of the ellipse at each pixel, and the angle from its major axis.

    Ellipses are drawn from the largest to the smallest, each over those before, in steps of a
    hundredth of a pixel. Where none is drawn both are NaN.
    """
    y, x = np.indices(shape, dtype=float)
    sma, phi = np.full(shape, np.nan), np.full(shape, np.nan)
    for s in np.arange(last, 0.0, -0.01):
        x0, y0, ellipticity, position_angle = geometry(s)
        cosine, sine = np.cos(position_angle), np.sin(position_angle)
        along = (x - x0) * cosine + (y - y0) * sine
        across = (y - y0) * cosine - (x - x0) * sine
        inside = np.hypot(along, across / (1.0 - ellipticity)) <= s
        if not inside.any():
            break
        sma[inside], phi[inside] = s, np.arctan2(across, along)[inside]
    return sma, phi


def changing_isophotes(geometry: Geometry, **more: Any) -> Isophotes:
    """Isophotes whose geometry changes with radius, of the exponential profile."""
    x0, y0, ellipticity, position_angle = geometry(SMA)
    return isophotes_by_hand(
        SMA,
        exponential(SMA),
        x0=x0,
        y0=y0,
        ellipticity=ellipticity,
        position_angle=np.mod(position_angle, np.pi),
        gradient=-exponential(SMA) / RADIUS,
        **more,
    )


def require_residuals(what: str, model: np.ndarray, truth: np.ndarray, where: np.ndarray) -> None:
    """The promised accuracy, in some pixels."""
    off = np.abs(model[where] / truth[where] - 1.0)
    median, most = np.median(off), np.quantile(off, 0.95)
    require(
        median <= MEDIAN and most <= MOST,
        f"{what}: half of {len(off):,} pixels are off by more than {100 * median:.2g} %, one of 20 "
        f"by more than {100 * most:.2g} %; {100 * MEDIAN:g} and {100 * MOST:g} % are allowed",
    )


def require_changing(what: str, backend: str, geometry: Geometry) -> None:
    """The promised accuracy for ellipses that change with radius."""
    sma, _ = painted(SHAPE, geometry, SMA[-1])
    model = ellipse_model(SHAPE, changing_isophotes(geometry), backend=backend)
    where = (sma > CORE) & (sma < SMA[-1] - RIM)
    require_residuals(what, model, exponential(sma), where)


def require_same(
    what: str, one: np.ndarray, other: np.ndarray, tolerance: float = ROUNDING
) -> None:
    """Two models equal within a part of the brightest pixel."""
    unlike = np.isnan(one) != np.isnan(other)
    apart = np.where(unlike, np.inf, np.abs(np.nan_to_num(one) - np.nan_to_num(other)))
    limit = tolerance * np.nanmax(np.abs(one), initial=0.0)
    worst = np.unravel_index(int(np.argmax(apart)), apart.shape)
    require(
        apart[worst] <= limit,
        f"{what} changes the pixel at row {worst[0]}, column {worst[1]} from {one[worst]!r} to "
        f"{other[worst]!r}",
    )


def require_bits(what: str, one: np.ndarray, other: np.ndarray) -> None:
    """Two models equal to the bit."""
    require_same(what, one, other, tolerance=0.0)


def plain_isophotes() -> Isophotes:
    """Isophotes of a galaxy off the middle of an image of ``SHAPE``, bright at its edge."""
    return exact_isophotes(
        simulated_galaxy(
            (1, 1), x0=32.3, y0=30.8, effective_radius=RADIUS, sersic_index=1.0, ellipticity=0.4
        ),
        SMA,
    )


def draws_harmonics(backend: str) -> bool:
    """Whether the target names ``orders``; if not, asking for harmonics must be refused."""
    if {"orders", "sine", "cosine"} <= parameters_of_the_target(OPERATION, backend):
        return True
    isophotes = changing_isophotes(_straight, a=0.02, b=0.02)
    try:
        ellipse_model(SHAPE, isophotes, backend=backend)
    except UnsupportedOption:
        return False
    raise CheckFailed("the target does not name orders, sine and cosine, but harmonics pass")


# ------------------------------------------------------------------ galaxies


@SUITE.check
def simulated_galaxies(backend: str) -> None:
    """From half to four effective radii, half of the pixels are within 1 % of the truth."""
    for index in (1.0, 2.5, 4.0):
        for ellipticity in (0.0, 0.1, 0.6):
            galaxy = simulated_galaxy(
                SHAPE,
                x0=32.3,
                y0=30.8,
                effective_radius=RADIUS,
                sersic_index=index,
                ellipticity=ellipticity,
            )
            model = ellipse_model(galaxy.image, exact_isophotes(galaxy, SMA), backend=backend)
            what = f"a Sersic galaxy of index {index} and ellipticity {ellipticity}"
            require_residuals(what, model, galaxy.image, _light(galaxy))


def _light(galaxy: SimulatedGalaxy) -> np.ndarray:
    """Which pixels count, by their distance in effective radii."""
    y, x = np.indices(galaxy.image.shape)
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    along = (x - galaxy.x0) * cosine + (y - galaxy.y0) * sine
    across = (y - galaxy.y0) * cosine - (x - galaxy.x0) * sine
    radius = np.hypot(along, across / (1.0 - galaxy.ellipticity)) / galaxy.effective_radius
    return (radius >= INNER) & (radius <= OUTER)


@SUITE.check
def every_direction(backend: str) -> None:
    """So they are at any position angle."""
    for angle in np.linspace(0.0, np.pi, 9):
        galaxy = simulated_galaxy(
            SHAPE,
            effective_radius=RADIUS,
            sersic_index=1.0,
            ellipticity=0.5,
            position_angle=float(angle),
        )
        model = ellipse_model(SHAPE, exact_isophotes(galaxy, SMA), backend=backend)
        require_residuals(
            f"an axis at {np.degrees(angle):.0f} degrees", model, galaxy.image, _light(galaxy)
        )


@SUITE.check
def center_of_the_galaxy(backend: str) -> None:
    """The pixel at the centre has the intensity of the row at sma 0."""
    sma = np.append(0.0, SMA)
    isophotes = isophotes_by_hand(
        sma,
        exponential(sma / 3.0),
        x0=np.where(sma > 0.0, 31.0, np.nan),
        y0=30.0,
        ellipticity=np.where(sma > 0.0, 0.2, np.nan),
        position_angle=np.where(sma > 0.0, 0.7, np.nan),
    )
    value = ellipse_model(SHAPE, isophotes, backend=backend)[30, 31]
    require(
        abs(value / exponential(0.0) - 1.0) <= MOST,
        f"the pixel at the centre is {value!r}; the intensity there is {exponential(0.0)!r}",
    )


@SUITE.check
def position_angle_through_zero(backend: str) -> None:
    """An axis that turns through 180 degrees, and so through 0, does not swing through 90."""

    def turning(sma: Any) -> tuple[Any, Any, Any, Any]:
        return 32.3, 30.8, 0.5, np.radians(160.0) + np.radians(50.0) * sma / SMA[-1]

    require_changing("an axis that turns through 180 degrees", backend, turning)


@SUITE.check
def changing_ellipticity(backend: str) -> None:
    """Each pixel has the ellipticity of its own radius."""

    def flattening(sma: Any) -> tuple[Any, Any, Any, Any]:
        return 32.3, 30.8, 0.1 + 0.4 * sma / SMA[-1], 2.0

    require_changing("an ellipticity that grows with radius", backend, flattening)


@SUITE.check
def drifting_center(backend: str) -> None:
    """Each pixel has the centre of its own radius."""

    def drifting(sma: Any) -> tuple[Any, Any, Any, Any]:
        return 34.0 - 0.15 * sma, 29.0 + 0.1 * sma, 0.2, 1.0

    require_changing("a centre that drifts with radius", backend, drifting)


def _straight(sma: Any) -> tuple[Any, Any, Any, Any]:
    return 32.3, 30.8, 0.4, 2.2


@SUITE.check
def deviations_from_ellipses(backend: str) -> None:
    """Where the target names orders, a and b of each order do what they say; if not, it refuses."""
    if not draws_harmonics(backend):
        return
    sma, phi = painted(SHAPE, _straight, SMA[-1])
    where = (sma > CORE) & (sma < SMA[-1] - RIM)
    size = 0.3 * RADIUS / SMA
    for order, name in ((3, "a"), (3, "b"), (4, "a"), (4, "b")):
        column = np.zeros((len(SMA), 2))
        column[:, order - 3] = size
        isophotes = changing_isophotes(_straight, **({"a": 0.0, "b": 0.0} | {name: column}))
        wave = np.sin(order * phi) if name == "a" else np.cos(order * phi)
        truth = exponential(sma) * (1.0 + 0.3 * wave)
        model = ellipse_model(SHAPE, isophotes, backend=backend)
        require_residuals(f"{name}{order} of 30 % in intensity", model, truth, where)
        plain = ellipse_model(SHAPE, isophotes, harmonics=False, backend=backend)
        require_residuals(f"{name}{order} with harmonics=False", plain, exponential(sma), where)


@SUITE.check
def angles_of_deviations(backend: str) -> None:
    """Where the target names sampling, deviations go with its angles; if not, it refuses others."""
    isophotes = replace(
        changing_isophotes(_straight, a=0.0, b=np.stack([0.0 * SMA, 0.3 * RADIUS / SMA], axis=1)),
        sampling="eccentric_anomaly",
    )
    named = draws_harmonics(backend) and "sampling" in parameters_of_the_target(OPERATION, backend)
    try:
        model = ellipse_model(SHAPE, isophotes, backend=backend)
    except UnsupportedOption as error:
        require(not named, f"the target names orders and sampling, but: {error}")
        return
    require(named, "the target does not name sampling, but angles that are not polar pass")
    sma, phi = painted(SHAPE, _straight, SMA[-1])
    where = (sma > CORE) & (sma < SMA[-1] - RIM)
    ellipticity = _straight(sma)[2]
    anomaly = np.arctan2(np.sin(phi) / (1.0 - ellipticity), np.cos(phi))
    truth = exponential(sma) * (1.0 + 0.3 * np.cos(4 * anomaly))
    require_residuals("b4 of 30 % by eccentric anomaly", model, truth, where)


@SUITE.check
def unknown_deviations(backend: str) -> None:
    """a and b that are NaN count as 0."""
    zero = ellipse_model(SHAPE, changing_isophotes(_straight, a=0.0, b=0.0), backend=backend)
    unknown = ellipse_model(SHAPE, changing_isophotes(_straight), backend=backend)
    require_bits("NaN instead of 0 in a and b", zero, unknown)


@SUITE.check
def crossing_isophotes(backend: str) -> None:
    """Where isophotes cross, every pixel is still one of their intensities."""
    rng = np.random.default_rng(3)
    n = len(SMA)
    isophotes = isophotes_by_hand(
        SMA,
        exponential(SMA),
        x0=32.3 + rng.normal(0.0, 1.0, n),
        y0=30.8 + rng.normal(0.0, 1.0, n),
        ellipticity=rng.uniform(0.1, 0.6, n),
        position_angle=rng.uniform(0.0, np.pi, n),
    )
    model = ellipse_model(SHAPE, isophotes, fill=np.nan, backend=backend)
    drawn = model[np.isfinite(model)]
    low, high = exponential(SMA[-1]), exponential(SMA[0])
    require(len(drawn) > 500, f"only {len(drawn)} pixels are drawn")
    require(
        drawn.min() >= (1.0 - MEDIAN) * low and drawn.max() <= (1.0 + MEDIAN) * high,
        f"pixels are from {drawn.min():.4g} to {drawn.max():.4g}; the isophotes from {low:.4g} to "
        f"{high:.4g}",
    )


# ------------------------------------------------------------------ what is outside


@SUITE.check
def fill_outside_the_last_isophote(backend: str) -> None:
    """Pixels outside the last isophote are fill, whatever it is, and those inside are not."""
    isophotes = plain_isophotes()
    keep = isophotes.sma < 16.0
    inner = exact_isophotes(
        simulated_galaxy((1, 1), x0=32.3, y0=30.8, effective_radius=RADIUS, ellipticity=0.4),
        isophotes.sma[keep],
    )
    last = float(inner.sma[-1])
    sma, _ = painted(SHAPE, lambda s: (32.3, 30.8, 0.4, 0.5), last + RIM)
    for fill in (0.0, -7.5, 1e6, np.nan):
        model = ellipse_model(SHAPE, inner, fill=fill, backend=backend)
        is_fill = np.isnan(model) if np.isnan(fill) else model == fill
        require(
            is_fill[np.isnan(sma)].all(),
            f"with fill={fill} a pixel outside the last isophote is something else",
        )
        require(
            not is_fill[sma < last - RIM].any(),
            f"with fill={fill} a pixel inside the last isophote is filled",
        )


@SUITE.check
def shapes_of_images(backend: str) -> None:
    """Pixels are the same in any image that holds them, however small or narrow."""
    isophotes = plain_isophotes()
    whole = ellipse_model(SHAPE, isophotes, backend=backend)
    for row, column, shape in (
        (0, 0, (64, 40)),
        (0, 0, (40, 66)),
        (0, 30, (64, 1)),
        (28, 0, (1, 66)),
        (30, 33, (1, 1)),
    ):
        part = ellipse_model(shape, _moved(isophotes, -column, -row), backend=backend)
        require(part.shape == shape, f"the model for {shape} is of shape {part.shape}")
        window = whole[row : row + shape[0], column : column + shape[1]]
        require_same(f"a shape of {shape}", window, part)


@SUITE.check
def center_outside_the_image(backend: str) -> None:
    """A galaxy whose centre is not on the image is drawn like the same part of a larger one."""
    isophotes = plain_isophotes()
    whole = ellipse_model(SHAPE, isophotes, backend=backend)
    for dx, dy in ((40, 0), (0, 38), (36, 35)):
        moved = _moved(isophotes, -dx, -dy)
        part = ellipse_model((64 - dy, 66 - dx), moved, backend=backend)
        require_same(f"a centre {dx} columns and {dy} rows farther left", whole[dy:, dx:], part)


def _moved(isophotes: Isophotes, dx: float, dy: float) -> Isophotes:
    return isophotes_by_hand(
        isophotes.sma,
        isophotes.intensity,
        x0=isophotes.x0 + dx,
        y0=isophotes.y0 + dy,
        ellipticity=isophotes.ellipticity,
        position_angle=isophotes.position_angle,
    )


# ------------------------------------------------------------------ what must not matter


@SUITE.check
def whole_pixels(backend: str) -> None:
    """A galaxy moved by whole pixels is the same, moved."""
    isophotes = plain_isophotes()
    here = ellipse_model((80, 80), isophotes, backend=backend)
    there = ellipse_model((80, 80), _moved(isophotes, 3, 11), backend=backend)
    require_same("a shift by whole pixels", here[:-11, :-3], there[11:, 3:])


@SUITE.check
def transposition(backend: str) -> None:
    """With x and y exchanged the model is transposed, to the promised accuracy."""
    ny, nx = SHAPE
    isophotes = plain_isophotes()
    turned = isophotes_by_hand(
        isophotes.sma,
        isophotes.intensity,
        x0=isophotes.y0,
        y0=isophotes.x0,
        ellipticity=isophotes.ellipticity,
        position_angle=np.mod(0.5 * np.pi - isophotes.position_angle, np.pi),
    )
    model = ellipse_model(SHAPE, isophotes, backend=backend)
    other = ellipse_model((nx, ny), turned, backend=backend).T
    drawn = (model != 0.0) & (other != 0.0)
    require(drawn.sum() > 1000, f"only {drawn.sum()} pixels are drawn")
    require_residuals("x and y exchanged", other, model, drawn)


@SUITE.check
def scale_of_the_intensity(backend: str) -> None:
    """The unit of the intensity is that of the model; nothing is large or small in itself."""
    isophotes = plain_isophotes()
    model = ellipse_model(SHAPE, isophotes, backend=backend)
    for factor in (2.0**-40, 2.0**40, -1.0):
        scaled = isophotes_by_hand(
            isophotes.sma,
            factor * isophotes.intensity,
            x0=isophotes.x0,
            y0=isophotes.y0,
            ellipticity=isophotes.ellipticity,
            position_angle=isophotes.position_angle,
        )
        other = ellipse_model(SHAPE, scaled, backend=backend)
        require_same(f"a factor of {factor:.3g}", model, other / factor)


@SUITE.check
def unusable_rows(backend: str) -> None:
    """Rows with anything but their errors unknown are left out."""
    isophotes = plain_isophotes()
    good = ellipse_model(SHAPE, isophotes, backend=backend)
    names = ("sma", "intensity", "x0", "y0", "ellipticity", "position_angle")
    columns: dict[str, Any] = {name: np.repeat(getattr(isophotes, name), 2) for name in names}
    for i in range(1, 2 * len(isophotes), 2):
        columns["sma"][i] *= 1.05
        columns[names[i // 2 % len(names)]][i] = (np.nan, np.inf)[i // 2 % 2]
    other = ellipse_model(SHAPE, isophotes_by_hand(**columns), backend=backend)
    require_bits("rows that are partly NaN or infinite, beside good ones,", good, other)


@SUITE.check
def one_isophote(backend: str) -> None:
    """A single isophote has its intensity inside and fill outside."""
    isophotes = isophotes_by_hand([12.0], [3.5], x0=32.3, y0=30.8, ellipticity=0.4)
    model = ellipse_model(SHAPE, isophotes, fill=-1.0, backend=backend)
    sma, _ = painted(SHAPE, lambda s: (32.3, 30.8, 0.4, 0.5), 12.0 + RIM)
    inside, outside = model[sma < 12.0 - RIM], model[np.isnan(sma)]
    require(
        np.allclose(inside, 3.5, rtol=ROUNDING, atol=0.0),
        f"inside a single isophote of 3.5 there is {inside.min()!r} to {inside.max()!r}",
    )
    require(np.all(outside == -1.0), "outside a single isophote there is something but fill")


@SUITE.check
def number_of_threads(backend: str) -> None:
    """Any number of threads gives the same, to the bit."""
    # Enough pixels that a compiled backend has reason to use its threads.
    shape = (400, 400)
    sma = np.array([50.0, 55.0, 180.0])
    isophotes = isophotes_by_hand(sma, exponential(sma), x0=200.0, y0=200.0)
    one = ellipse_model(shape, isophotes, threads=1, backend=backend)
    for threads in (2, 3):
        other = ellipse_model(shape, isophotes, threads=threads, backend=backend)
        require_bits(f"threads={threads} instead of 1", one, other)


@SUITE.check
def repeated_call(backend: str) -> None:
    """The same call again gives the same, to the bit, in an array of its own."""
    isophotes = plain_isophotes()
    first = ellipse_model(SHAPE, isophotes, backend=backend)
    before = first.copy()
    first[:] = 7.0
    second = ellipse_model(SHAPE, isophotes, backend=backend)
    require_bits("a second call", before, second)
    ellipse_model(SHAPE, _moved(isophotes, 5, 5), backend=backend)
    require_bits("a call with other isophotes", before, second)


@SUITE.check
def image_for_its_shape(backend: str) -> None:
    """An image of any kind stands for its shape, and is left alone."""
    isophotes = plain_isophotes()
    model = ellipse_model(SHAPE, isophotes, backend=backend)
    for dtype in ("float64", ">f4", "int16", "bool"):
        image = np.zeros(SHAPE, dtype)
        image.flags.writeable = False
        require_bits(f"a {dtype} image", model, ellipse_model(image, isophotes, backend=backend))
    require_bits("a list", model, ellipse_model(list(SHAPE), isophotes, backend=backend))


@SUITE.check
def inputs_are_left_alone(backend: str) -> None:
    """The isophotes are not changed."""
    isophotes = changing_isophotes(_straight, a=0.01, b=0.02)
    names = (*COLUMNS, *HARMONIC_COLUMNS)
    before = {name: getattr(isophotes, name).copy() for name in names}
    ellipse_model(SHAPE, isophotes, harmonics=draws_harmonics(backend), backend=backend)
    for name, old in before.items():
        same = np.array_equal(old, getattr(isophotes, name), equal_nan=True)
        require(same, f"the backend changes {name} of the isophotes")


# ------------------------------------------------------------------ outcomes of odd input


@SUITE.check
def bad_input(backend: str) -> None:
    """Input that breaks a documented rule is an error that names the argument."""
    good = plain_isophotes()
    nothing = isophotes_by_hand(np.append(0.0, SMA), np.append(1.0, np.full(len(SMA), np.nan)))
    falling = isophotes_by_hand(SMA[::-1], exponential(SMA))
    flat = isophotes_by_hand(SMA, exponential(SMA), ellipticity=1.0)
    bad: tuple[tuple[type[Exception], str, Any, Any, dict[str, Any]], ...] = (
        (ValueError, "shape_or_image", (5,), good, {}),
        (ValueError, "shape_or_image", (5, 5, 5), good, {}),
        (ValueError, "shape_or_image", (0, 5), good, {}),
        (ValueError, "shape_or_image", (-5, 5), good, {}),
        (ValueError, "shape_or_image", (5.0, 5), good, {}),
        (ValueError, "shape_or_image", np.zeros((3, 4, 5)), good, {}),
        (ValueError, "shape_or_image", np.zeros((0, 4)), good, {}),
        (ValueError, "shape_or_image", None, good, {}),
        (TypeError, "isophotes", SHAPE, {"sma": SMA}, {}),
        (ValueError, "isophotes", SHAPE, nothing, {}),
        (ValueError, "sma", SHAPE, falling, {}),
        (ValueError, "ellipticity", SHAPE, flat, {}),
        (TypeError, "fill", SHAPE, good, {"fill": "nothing"}),
        (TypeError, "fill", SHAPE, good, {"fill": None}),
        (ValueError, "threads", SHAPE, good, {"threads": 0}),
        (TypeError, "progress", SHAPE, good, {"progress": 3}),
    )
    for kind, word, shape, isophotes, options in bad:
        what = f"{word} as {shape!r:.40}, {type(isophotes).__name__}, {options}"
        try:
            ellipse_model(shape, isophotes, backend=backend, **options)
        except kind as error:
            require(word in str(error), f"the error about {what} does not say {word!r}: {error}")
        else:
            raise CheckFailed(f"{what} passes")


# ------------------------------------------------------------------ manners


def _plain_model(backend: str) -> Provenance:
    """A model is a plain array: who draws it is what the choice says."""
    model = ellipse_model(SHAPE, plain_isophotes(), backend=backend)
    require(
        type(model) is np.ndarray and model.dtype == np.float64,
        f"the model is {type(model).__name__} of {model.dtype}",
    )
    return choose(Request(OPERATION), backend).provenance(1)


TABLES = [name for name in ARGUMENTS if name not in ("shape", "fill")]
PLAIN = Request(
    OPERATION,
    dict.fromkeys(TABLES, (700,)),
    dict.fromkeys(TABLES, "float64"),
    {"shape": SHAPE, "fill": 0.0, "orders": ()},
)
add_manners(SUITE, PlainCall(PLAIN, ARGUMENTS, _plain_model))


def _watched_model(backend: str, report: Progress) -> int:
    return len(ellipse_model(SHAPE, plain_isophotes(), backend=backend, progress=report))


add_progress(SUITE, WatchedCall(OPERATION, _watched_model))
