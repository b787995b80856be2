"""What every backend of ``fit.isophotes`` and of ``fit.forced_isophotes`` must do.

Backends are called through the front doors and judged by simulated galaxies, whose truth is known,
and by sums over all pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from ..fit.isophote.result import COLUMNS, GEOMETRY, HARMONIC_COLUMNS, Isophotes
from ..fit.isophote.rules import Rules
from ..plugins.errors import UnsupportedOption
from ..plugins.records import Request
from .galaxies import SimulatedGalaxy, simulated_galaxy
from .kit import CheckFailed, Family, require
from .manners import PlainCall, parameters_of_the_target

#: The checks of this file.
FAMILY = Family()

ARGUMENTS = ("image", "x0", "y0", "sma", "ellipticity", "position_angle")

#: Columns that are in the unit of the image, or its sums, and those of the ellipse itself.
IN_IMAGE_UNITS = (
    "intensity",
    "intensity_err",
    "gradient",
    "gradient_err",
    "rms",
    "flux_ellipse",
    "flux_circle",
)
GEOMETRY_ERRORS = tuple(f"{name}_err" for name in GEOMETRY)
#: All columns that are errors, and all others.
ERRORS = tuple(name for name in (*COLUMNS, *HARMONIC_COLUMNS) if name.endswith("_err"))
VALUES = tuple(name for name in (*COLUMNS, *HARMONIC_COLUMNS) if name not in ERRORS)
#: What an ellipse is and has beside its intensity.
PROFILES = ("sma", *GEOMETRY, "gradient", "rms", "stop_code", "a", "b")
#: Columns that are not known at a point.
OF_AN_ELLIPSE = (
    "ellipticity",
    "position_angle",
    "gradient",
    "gradient_err",
    *GEOMETRY_ERRORS,
    *HARMONIC_COLUMNS,
)

#: Agreement, relative to the largest value of a column and at least to 1 where it is no
#: intensity, where only a sum or product is rounded otherwise.
ROUNDING = 1e-5
#: The same of errors, which need not be as good as what they are errors of.
ROUNDING_OF_ERRORS = 0.01
#: Agreement where pixels are in single precision.
SINGLE = 1e-4

#: Galaxies of the suites, unless something else is said: pixels, and where they are on the image.
RADIUS, SHAPE, X0, Y0 = 12.0, (110, 112), 55.3, 54.6
ELLIPTICITY, POSITION_ANGLE = 0.3, 0.5

#: An ellipse along x that is half as wide, for samples whose density tells their angle.
ALONG_X = {"x0": 55.0, "y0": 54.0, "sma": 20.0, "ellipticity": 0.5, "position_angle": 0.0}

#: For each option of both doors another value than the default.
OTHER_VALUES: dict[str, Any] = {
    "step": 0.15,
    "linear": True,
    "sigma_clip": 2.5,
    "n_clip": 1,
    "integrator": "mean",
    "harmonics": (5,),
    "sampling": "eccentric_anomaly",
    "errors": "photutils",
    "variance": np.ones(SHAPE),
}


@dataclass(frozen=True, slots=True)
class Door:
    """A front door of the family.

    Attributes
    ----------
    operation : str
        Such as ``"fit.isophotes"``.
    function : callable
        Such as ``armillary.fit.isophotes``.
    ellipses : Any
        Where to begin, or what to measure, unless something else is said.
    options : mapping
        The same for options.
    other_values : mapping
        For each option of the operation a value that is not the default.
    """

    operation: str
    function: Callable[..., Any]
    ellipses: Any
    options: Mapping[str, Any]
    other_values: Mapping[str, Any]

    def __call__(self, backend: str, image: Any, ellipses: Any = None, **options: Any) -> Any:
        """Fit or measure with this backend."""
        about = self.ellipses if ellipses is None else ellipses
        return self.function(image, about, backend=backend, **{**self.options, **options})

    def names(self, backend: str, option: str) -> bool:
        """Whether the target of a backend names an option, and so supports it."""
        return option in parameters_of_the_target(self.operation, backend)


def plain_call(door: Door) -> PlainCall:
    """What manners are judged by."""
    defaults = {name: default for name, (_, default) in Rules().options().items()}
    options = {name: defaults[name] for name in door.other_values if name in defaults}
    return PlainCall(
        Request(door.operation, {"image": SHAPE}, {"image": "float32"}, options),
        ARGUMENTS,
        lambda backend: door(backend, noisy()).provenance,
    )


# ------------------------------------------------------------------ images


@functools.cache
def galaxy(**options: Any) -> SimulatedGalaxy:
    """An exponential galaxy without noise, unless something else is said."""
    usual: dict[str, Any] = {
        "shape": SHAPE,
        "x0": X0,
        "y0": Y0,
        "effective_radius": RADIUS,
        "sersic_index": 1.0,
        "ellipticity": ELLIPTICITY,
        "position_angle": POSITION_ANGLE,
    }
    simulated = simulated_galaxy(**{**usual, **options})
    simulated.image.setflags(write=False)
    return simulated


def noisy(snr: float = 100.0, seed: int = 0) -> np.ndarray:
    """The usual galaxy with noise."""
    return galaxy(snr=snr, seed=seed).image


def elliptical_radius(
    shape: tuple[int, int], x0: float, y0: float, ellipticity: float, position_angle: float
) -> np.ndarray:
    """Semi-major axis of the ellipse through each pixel."""
    y, x = np.indices(shape, dtype=float)
    turn = np.exp(-1j * position_angle)
    seen = ((x - x0) + 1j * (y - y0)) * turn
    return np.hypot(seen.real, seen.imag / (1.0 - ellipticity))


def bilinear(image: np.ndarray, x: Any, y: Any) -> Any:
    """An image between the centres of its pixels."""
    places = [np.atleast_1d(y), np.atleast_1d(x)]
    return map_coordinates(np.asarray(image, float), places, order=1)


# ------------------------------------------------------------------ results against each other


def angle_between(one: Any, other: Any) -> Any:
    """Angle (radians) between two axes, which have no direction."""
    return np.abs(np.mod(np.subtract(one, other) + 0.5 * np.pi, np.pi) - 0.5 * np.pi)


def require_same(what: str, one: Isophotes, other: Isophotes, tolerance: float = 0.0) -> None:
    """All columns equal, within a part of their largest value; ``what`` changed between the two.

    Raises
    ------
    CheckFailed
        If the number of rows or any value differs; without tolerance, in any bit.
    """
    require(
        len(one) == len(other),
        f"{what} changes the number of rows from {len(one)} to {len(other)}",
    )
    require_same_columns(what, (*COLUMNS, *HARMONIC_COLUMNS), one, other, tolerance)


def require_same_columns(
    what: str, names: Iterable[str], one: Isophotes, other: Isophotes, tolerance: float = 0.0
) -> None:
    """Some columns of :func:`require_same`."""
    for name in names:
        require_same_column(what, name, getattr(one, name), getattr(other, name), tolerance)


def require_same_column(
    what: str, name: str, one: np.ndarray, other: np.ndarray, tolerance: float = 0.0
) -> None:
    """One column of :func:`require_same`."""
    apart = angle_between(one, other) if name == "position_angle" and tolerance else one - other
    allowed = 0.0
    if tolerance and COLUMNS.get(name) is not int:
        least = 0.0 if name in IN_IMAGE_UNITS or name in ERRORS else 1.0
        allowed = tolerance * max(least, float(np.nanmax(np.abs(one), initial=0.0)))
    unlike = ~(np.abs(apart) <= allowed) & ~(np.isnan(one) & np.isnan(other))
    for row in np.unique(np.nonzero(unlike)[0]):
        raise CheckFailed(f"{what} changes {name} of row {row} from {one[row]} to {other[row]}")


def require_near(
    what: str, found: Any, truth: Any, allowed: float, *, relative: bool = False
) -> None:
    """The median of what is found is off by no more than is allowed."""
    off = np.abs(np.subtract(found, truth))
    if relative:
        off = off / np.abs(truth)
    median = float(np.median(off))
    unit = " of it" if relative else ""
    require(
        median <= allowed, f"{what} is off by {median:.3g}{unit} at the median, not {allowed:g}"
    )


def require_angles_of_samples(
    measured: Callable[[np.ndarray, Mapping[str, float], str], Isophotes],
) -> None:
    """The mean square of x along an ellipse is that of samples at the angles of each kind.

    Parameters
    ----------
    measured : callable
        Takes an image, a geometry and a ``sampling``; gives isophotes of that geometry.

    Raises
    ------
    CheckFailed
        If a mean is off by more than 2 %; those of the two kinds differ by a fifth.
    """
    _, x = np.indices(SHAPE, dtype=float)
    # Less the square of the semi-major axis, one number along an ellipse, so that the image falls
    # to all sides and can be fitted.
    place = {name: value for name, value in ALONG_X.items() if name != "sma"}
    image = -((x - ALONG_X["x0"]) ** 2) - elliptical_radius(SHAPE, **place) ** 2
    angle = np.linspace(0.0, 2.0 * np.pi, 20_001)[:-1]
    # Equal steps of the eccentric anomaly; equal steps along a circle through a polar angle.
    q = 1.0 - ALONG_X["ellipticity"]
    radius = q / np.hypot(q * np.cos(angle), np.sin(angle))
    by_angle = np.average((radius * np.cos(angle)) ** 2, weights=radius)
    for sampling, mean in (("eccentric_anomaly", 0.5), ("polar_angle", by_angle)):
        found = measured(image, ALONG_X, sampling)
        require_near(
            f"with sampling={sampling!r} the mean square of x over that of the semi-major axis",
            -found.intensity / found.sma**2 - 1.0,
            mean,
            0.02,
            relative=True,
        )


def scaled(found: Isophotes, factor: float) -> Isophotes:
    """What would be found on the image times a number."""
    return replace(found, **{name: factor * getattr(found, name) for name in IN_IMAGE_UNITS})


# ------------------------------------------------------------------ what a row says


@FAMILY.check
def rows_ascend(door: Door, backend: str) -> None:
    """Rows are by growing semi-major axis, and position angles from 0 to less than pi."""
    found = door(backend, noisy())
    require(len(found) > 5, f"there are only {len(found)} rows")
    require(bool(np.all(np.diff(found.sma) > 0.0)), f"sma does not ascend: {found.sma}")
    angle = found.position_angle[found.sma > 0.0]
    require(
        bool(np.all((angle >= 0.0) & (angle < np.pi))),
        f"position angles are from {angle.min()} to {angle.max()}",
    )


@FAMILY.check
def value_at_the_centre(door: Door, backend: str) -> None:
    """The row at sma 0 is the image at the centre; what needs an ellipse is NaN there."""
    image = noisy()
    found = door(backend, image, **({"min_sma": 0.0} if "min_sma" in door.options else {}))
    require(found.sma[0] == 0.0, f"the first row is at sma {found.sma[0]}, not 0")
    x0, y0 = found.x0[0], found.y0[0]
    (value,) = bilinear(image, x0, y0)
    require(
        abs(found.intensity[0] - value) <= ROUNDING * value,
        f"the image at ({x0}, {y0}) is {value!r}; the row at sma 0 says {found.intensity[0]!r}",
    )
    for name in OF_AN_ELLIPSE:
        known = getattr(found, name)[0]
        require(bool(np.all(np.isnan(known))), f"at sma 0 {name} is {known}, not NaN")


@FAMILY.check
def sums_over_pixels(door: Door, backend: str) -> None:
    """Fluxes are the sums of usable pixels whose centres are in the ellipse, or in the circle."""
    image = np.array(noisy())
    image[40:44, 60:70] = np.nan
    found = door(backend, image)
    for row in np.flatnonzero(found.sma > 0.0):
        for kind, ellipticity in (("ellipse", found.ellipticity[row]), ("circle", 0.0)):
            radius = elliptical_radius(
                SHAPE, found.x0[row], found.y0[row], ellipticity, found.position_angle[row]
            )
            _require_sums(kind, found, int(row), image, radius)


def _require_sums(
    kind: str, found: Isophotes, row: int, image: np.ndarray, radius: np.ndarray
) -> None:
    """Pixels whose centres are on the rim may be inside or not."""
    sma = found.sma[row]
    usable = np.isfinite(image)
    inside = usable & (radius <= sma * (1.0 + 1e-9))
    rim = usable & (np.abs(radius / sma - 1.0) <= 1e-9)
    count = getattr(found, f"n_pixels_{kind}")[row]
    most = int(inside.sum())
    require(
        most - rim.sum() <= count <= most,
        f"{most} pixels are in the {kind} of sma {sma:.4g}; n_pixels_{kind} is {count}",
    )
    flux, total = getattr(found, f"flux_{kind}")[row], image[inside].sum()
    allowed = ROUNDING * np.abs(image[inside]).sum() + np.abs(image[rim]).sum()
    require(
        abs(flux - total) <= allowed,
        f"the pixels in the {kind} of sma {sma:.4g} sum to {total!r}; flux_{kind} is {flux!r}",
    )


@FAMILY.check
def counts_of_samples(door: Door, backend: str) -> None:
    """Bilinear samples are about a pixel apart, and those on unusable pixels are counted."""
    image = np.array(noisy())
    image[54:, 70:90] = np.nan
    found = door(backend, image)
    ellipses = found.sma > 4.0
    q = 1.0 - found.ellipticity[ellipses]
    # Samples are a pixel apart at right angles to the radius, so they number the turn of that.
    around = 2.0 * np.pi * found.sma[ellipses] * np.sqrt(q)
    total = (found.n_data + found.n_flagged)[ellipses]
    require(
        bool(np.all((total > 0.7 * around) & (total < 1.6 * around))),
        f"ellipses of about {around.astype(int)} pixels have {total} samples",
    )
    # The hole begins 15 pixels from the centre.
    flagged = found.n_flagged[found.sma > 18.0], found.n_flagged[ellipses & (found.sma < 12.0)]
    require(
        bool(np.all(flagged[0] > 0) and not np.any(flagged[1])),
        f"a hole beyond 15 pixels leads to n_flagged of {found.n_flagged} at sma {found.sma}",
    )
    require(
        bool(np.all(found.n_samples >= found.n_data)),
        f"n_samples, {found.n_samples}, is less than n_data, {found.n_data}",
    )
    area = found.sector_area[ellipses]
    require(bool(np.all(area == 2.0)), f"sector_area of bilinear samples is {area}, not 2")


# ------------------------------------------------------------------ what may not matter


#: What was done to an image; what is then expected; what is found.
Comparison = tuple[str, Isophotes, Isophotes]


def in_other_units(door: Door, backend: str) -> Iterator[Comparison]:
    """The usual galaxy in other units of intensity."""
    found = door(backend, noisy())
    for factor in (2.0**-40, 2.0**40):
        yield f"a factor of {factor:.3g}", scaled(found, factor), door(backend, noisy() * factor)


def on_other_skies(door: Door, backend: str) -> Iterator[Comparison]:
    """The usual galaxy on another sky, of which a pixel has as much as an ellipse."""
    found = door(backend, noisy())
    for sky in (1000.0, -3000.0):
        expected = replace(
            found,
            intensity=found.intensity + sky,
            flux_ellipse=found.flux_ellipse + sky * found.n_pixels_ellipse,
            flux_circle=found.flux_circle + sky * found.n_pixels_circle,
        )
        yield f"adding {sky:g}", expected, door(backend, noisy() + sky)


def elsewhere(door: Door, backend: str) -> Iterator[Comparison]:
    """The usual galaxy, moved by whole pixels."""
    found = door(backend, noisy())
    for across, up in ((5, 0), (0, -7), (-6, 4)):
        # Light that leaves on one side comes back on the other, beyond all ellipses.
        moved = np.roll(noisy(), (up, across), axis=(0, 1))
        place = {"x0": door.ellipses["x0"] + across, "y0": door.ellipses["y0"] + up}
        other = door(backend, moved, {**door.ellipses, **place})
        expected = replace(found, x0=found.x0 + across, y0=found.y0 + up)
        yield f"a move by {across} and {up} pixels", expected, other


@FAMILY.check
def scale_of_the_intensity(door: Door, backend: str) -> None:
    """An image times 2^-40 or 2^40 has the same ellipses and scaled intensities."""
    for comparison in in_other_units(door, backend):
        _require_values(*comparison)


@FAMILY.check
def level_of_the_sky(door: Door, backend: str) -> None:
    """A constant added to an image is added to intensities and fluxes; all else stays."""
    for comparison in on_other_skies(door, backend):
        _require_values(*comparison)


@FAMILY.check
def whole_pixels(door: Door, backend: str) -> None:
    """A galaxy that is moved by whole pixels has another centre; all else stays."""
    for comparison in elsewhere(door, backend):
        _require_values(*comparison)


def _require_values(what: str, expected: Isophotes, found: Isophotes) -> None:
    require(
        len(expected) == len(found),
        f"{what} changes the number of rows from {len(expected)} to {len(found)}",
    )
    require_same_columns(what, VALUES, expected, found, ROUNDING)


@FAMILY.check
def errors_in_other_units(door: Door, backend: str) -> None:
    """Errors scale with the intensity, and stay on another sky or elsewhere."""
    for frames in (in_other_units, on_other_skies, elsewhere):
        for what, expected, found in frames(door, backend):
            require_same_columns(what, ERRORS, expected, found, ROUNDING_OF_ERRORS)


@FAMILY.check
def kinds_of_arrays(door: Door, backend: str) -> None:
    """Big-endian, strided, Fortran-ordered and read-only images equal clean ones, to the bit."""
    image = noisy()
    found = door(backend, image.copy())
    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "big-endian": lambda a: a.astype(">f8"),
        "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
        "turned": lambda a: a[::-1].copy()[::-1],
        "Fortran-ordered": np.asfortranarray,
        "read-only": lambda a: a,
    }
    for what, kind in kinds.items():
        require_same(f"a {what} image", found, door(backend, kind(image)))


@FAMILY.check
def precision_of_the_image(door: Door, backend: str) -> None:
    """Single precision and whole numbers change little."""
    image = noisy()
    whole = np.rint(10.0 * image)
    for kinds, given in ((("<f4", ">f4"), image), (("<i2", ">i2", "<i4"), whole)):
        found = door(backend, given)
        for kind in kinds:
            _require_profile(f"an image of {kind}", found, door(backend, given.astype(kind)))


def _require_profile(what: str, one: Isophotes, other: Isophotes) -> None:
    require(len(one) == len(other), f"{what} has {len(other)} rows, not {len(one)}")
    require_same_columns(what, ("sma", "intensity", *GEOMETRY), one, other, SINGLE)


@FAMILY.check
def kinds_of_unusable_pixels(door: Door, backend: str) -> None:
    """NaN, infinite, masked and, where there is a variance, worthless pixels are one to the bit."""
    image = noisy()
    hole = np.zeros(SHAPE, bool)
    hole[60:70, 52:60] = True
    found = door(backend, np.where(hole, np.nan, image))
    require(found.n_unusable == 80, f"of 80 unusable pixels {found.n_unusable} are counted")
    kinds: dict[str, dict[str, Any]] = {
        "infinite pixels": {"image": np.where(hole, np.inf, image)},
        "a mask": {"image": image, "mask": hole},
        "a mask of whole numbers": {"image": image, "mask": hole.astype(np.uint8) * 4},
        "a masked array": {"image": np.ma.masked_array(image, hole)},
        "a mask over 1e30": {"image": np.where(hole, 1e30, image), "mask": hole},
        "a mask over NaN": {"image": np.where(hole, np.nan, image), "mask": hole},
    }
    for what, given in kinds.items():
        require_same(f"{what} instead of NaN", found, door(backend, **given))
    if not door.names(backend, "variance"):
        return
    found = door(backend, np.where(hole, np.nan, image), variance=np.ones(SHAPE))
    for worthless in (0.0, -1.0, np.nan, np.inf):
        other = door(backend, image, variance=np.where(hole, worthless, 1.0))
        require_same(f"a variance of {worthless} instead of NaN in the image", found, other)


@FAMILY.check
def variance_of_all_pixels(door: Door, backend: str) -> None:
    """Where the target names variance: one for all changes no intensity; errors scale with it."""
    if not door.names(backend, "variance"):
        return
    image = noisy()
    found = door(backend, image)
    one = door(backend, image, variance=np.ones(SHAPE))
    what = "a variance of 1 for all pixels"
    require_same_columns(what, ("intensity", *PROFILES), found, one, ROUNDING)
    four = door(backend, image, variance=4.0)
    what = "4 instead of 1 for all variances"
    require_same_column(what, "intensity", one.intensity, four.intensity, ROUNDING)
    require_same_column(what, "intensity_err", 2.0 * one.intensity_err, four.intensity_err, 0.05)


@FAMILY.check
def errors_as_in_photutils(door: Door, backend: str) -> None:
    """Where the target names errors, "photutils" gives rms over the root of n_data."""
    if not door.names(backend, "errors"):
        return
    usual = door(backend, noisy(snr=50.0))
    found = door(backend, noisy(snr=50.0), errors="photutils")
    what = "errors='photutils'"
    expected = found.rms / np.sqrt(found.n_data)
    require_same_column(what, "intensity_err", expected, found.intensity_err, ROUNDING)
    names = ("sma", "intensity", *GEOMETRY, "gradient", "rms", "stop_code")
    require_same_columns(what, names, usual, found)


@FAMILY.check
def several_images(door: Door, backend: str) -> None:
    """Each image of a list gives what it gives alone, to the bit, for any number of threads."""
    images = [noisy(seed=seed) for seed in range(2)]
    hole = np.zeros(SHAPE, bool)
    hole[60:70, 52:60] = True
    every: list[Any] = [*images, (images[0], hole)]
    alone = [door(backend, image) for image in images]
    alone.append(door(backend, images[0], mask=hole))
    for threads in (1, 2):
        found = door(backend, every, threads=threads)
        require(
            isinstance(found, list) and len(found) == len(every),
            f"{len(every)} images give {type(found).__name__} of {len(found)}",
        )
        for number, (one, other) in enumerate(zip(alone, found, strict=True)):
            require_same(f"image {number} among others, threads={threads},", one, other)
    require_same("a generator", alone[0], door(backend, iter(every))[0])


@FAMILY.check
def repeated_call(door: Door, backend: str) -> None:
    """The same call again gives the same, to the bit, in arrays of its own."""
    found = door(backend, noisy())
    kept = replace(found, **{name: getattr(found, name).copy() for name in COLUMNS})
    other = door(backend, noisy())
    require_same("a second call", found, other)
    door(backend, noisy(seed=1))
    require_same("a call with another image", kept, found)


@FAMILY.check
def inputs_are_left_alone(door: Door, backend: str) -> None:
    """The caller's image, mask and variance are not changed."""
    given: dict[str, np.ndarray] = {"image": noisy().copy(), "mask": np.zeros(SHAPE, bool)}
    if door.names(backend, "variance"):
        given["variance"] = np.ones(SHAPE)
    before = {name: array.copy() for name, array in given.items()}
    door(backend, **given)
    for name, array in given.items():
        require(np.array_equal(array, before[name]), f"the backend changes the {name}, not its own")


# ------------------------------------------------------------------ options and bad input


@FAMILY.check
def options_are_honoured_or_refused(door: Door, backend: str) -> None:
    """An option that the target does not name is refused; one that it names is taken."""
    for name, value in door.other_values.items():
        try:
            door(backend, noisy(), **{name: value})
        except UnsupportedOption as error:
            require(not door.names(backend, name), f"the target names {name}, but: {error}")
        else:
            require(
                door.names(backend, name),
                f"the target does not name {name}, and asking for {value!r:.40} is no error",
            )


@FAMILY.check
def orders_of_harmonics(door: Door, backend: str) -> None:
    """Where the target names harmonics, a and b have a column for each order, as they are asked."""
    if not door.names(backend, "harmonics"):
        return
    image = galaxy(a4=0.01, b4=0.02).image
    usual = door(backend, image)
    turned = door(backend, image, harmonics=(4, 3))
    for name in HARMONIC_COLUMNS:
        one, other = getattr(usual, name), getattr(turned, name)[:, ::-1]
        require_same_column("harmonics=(4, 3) for (3, 4)", name, one, other, ROUNDING)
    for orders in ((), (6,), (3, 4, 5, 6, 7, 8)):
        found = door(backend, image, harmonics=orders)
        shapes = {getattr(found, name).shape for name in HARMONIC_COLUMNS}
        require(
            shapes == {(len(found), len(orders))},
            f"harmonics={orders} of {len(found)} rows have arrays of shapes {shapes}",
        )
        what = f"harmonics={orders}"
        require_same_column(what, "intensity", usual.intensity, found.intensity, ROUNDING)


@FAMILY.check
def bad_input(door: Door, backend: str) -> None:
    """Input that breaks a documented rule is an error that names the argument."""
    image = noisy()
    bad: tuple[tuple[type[Exception], str, dict[str, Any]], ...] = (
        (ValueError, "image", {"image": image[0]}),
        (ValueError, "image", {"image": image[None]}),
        (ValueError, "image", {"image": image[:1]}),
        (ValueError, "image", {"image": image.astype(complex)}),
        (ValueError, "image", {"image": image.astype(str)}),
        (ValueError, "mask", {"mask": np.zeros((3, 3), bool)}),
        (ValueError, "mask", {"mask": np.zeros(SHAPE)}),
        (ValueError, "variance", {"variance": np.ones((3, 3))}),
        (TypeError, "mask", {"image": [image], "mask": np.zeros(SHAPE, bool)}),
        (ValueError, "step", {"step": 0.0}),
        (ValueError, "step", {"step": np.nan}),
        (ValueError, "linear", {"linear": 1}),
        (ValueError, "sigma_clip", {"sigma_clip": 0.0}),
        (ValueError, "n_clip", {"n_clip": -1}),
        (ValueError, "n_clip", {"n_clip": 1.5}),
        (ValueError, "integrator", {"integrator": "nearest"}),
        (ValueError, "harmonics", {"harmonics": (2,)}),
        (ValueError, "harmonics", {"harmonics": (3, 3)}),
        (ValueError, "harmonics", {"harmonics": 4}),
        (ValueError, "sampling", {"sampling": "angle"}),
        (ValueError, "errors", {"errors": "none"}),
        (ValueError, "threads", {"threads": 0}),
        (TypeError, "progress", {"progress": 3}),
    )
    require_refusals(door, backend, bad)


def require_refusals(
    door: Door, backend: str, bad: tuple[tuple[type[Exception], str, dict[str, Any]], ...]
) -> None:
    """Each change to a good call raises its kind of error, with a word in it."""
    for kind, word, change in bad:
        try:
            door(backend, **({"image": noisy()} | change))
        except kind as error:
            require(word in str(error), f"the error about {change} does not say {word!r}: {error}")
        else:
            raise CheckFailed(f"{word} may not be {list(change.values())!r:.60}, but passes")
