"""What every backend of ``fit.forced_isophotes`` must do, beside what is common to the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..fit.isophote.api import forced_isophotes, isophotes
from ..fit.isophote.result import COLUMNS, GEOMETRY, HARMONIC_COLUMNS, Isophotes
from .fit_common import (
    ELLIPTICITY,
    FAMILY,
    GEOMETRY_ERRORS,
    OTHER_VALUES,
    POSITION_ANGLE,
    SHAPE,
    X0,
    Y0,
    Door,
    bilinear,
    elliptical_radius,
    galaxy,
    noisy,
    plain_call,
    require_angles_of_samples,
    require_near,
    require_refusals,
    require_same,
    require_same_columns,
)
from .kit import Suite, require
from .manners import add_manners

Ellipses = Mapping[str, np.ndarray]


def ellipses(sma: Any, **geometry: Any) -> dict[str, np.ndarray]:
    """Ellipses of the usual galaxy, unless something else is said."""
    sma = np.atleast_1d(np.asarray(sma, float))
    usual = {"x0": X0, "y0": Y0, "ellipticity": ELLIPTICITY, "position_angle": POSITION_ANGLE}
    columns = {**usual, **geometry}
    return {"sma": sma} | {
        name: np.broadcast_to(np.asarray(value, float), sma.shape).copy()
        for name, value in columns.items()
    }


#: The ellipses that most checks measure: the centre, and some that differ in all parameters.
SMA = np.array([0.0, 2.5, 5.0, 8.0, 12.0, 17.0, 23.0, 30.0])
CHANGING = ellipses(
    SMA,
    x0=X0 + 0.01 * SMA,
    y0=Y0 - 0.02 * SMA,
    ellipticity=0.2 + 0.01 * SMA,
    position_angle=0.5 + 0.02 * SMA,
)

FORCED = Door("fit.forced_isophotes", forced_isophotes, CHANGING, {}, OTHER_VALUES)
SUITE = Suite()
FAMILY.add_to(SUITE, FORCED)
add_manners(SUITE, plain_call(FORCED))

#: Intensities of a galaxy without noise, which hardly depend on where an ellipse is sampled.
ALONG = 1e-3

#: Agreement of sums that are taken in another order.
SUMMATION = 1e-12

#: Pulls: how many images with noise, of which standard deviation, and allowed widths.
N_IMAGES, SIGMA, WIDTHS = 24, 2.0, (0.75, 1.3)
#: Standard deviation of a bilinear sample over that of a pixel, on average over their places.
SAMPLE = 2.0 / 3.0

#: A circle around the middle of a pixel, and a pixel on it, 19.85 pixels away.
COLUMN, ROW, CIRCLE = 55, 54, 20.0
ACROSS, UP = 15, 13
#: What is everywhere on it, and what is in that pixel.
LEVEL, HOT = 100.0, 10_000.0

#: More ellipses than anybody is likely to measure at a time.
N_MANY = 300


# ------------------------------------------------------------------ the right intensities


@SUITE.check
def its_own_image(backend: str) -> None:
    """Along the ellipses of a fit, an image has the intensities and gradients of the fit."""
    image = galaxy().image
    start = {"x0": X0, "y0": Y0, "sma": 10.0, "ellipticity": 0.25, "position_angle": 0.6}
    fit = isophotes(image, start, max_sma=40.0, step=0.2)
    found = FORCED(backend, image, fit)
    require_same_columns("forced photometry", ("sma", "x0", "y0"), fit, found)
    require_near(
        "the intensity along the ellipses of a fit",
        found.intensity,
        fit.intensity,
        ALONG,
        relative=True,
    )
    require_near(
        "the gradient of the ellipses of a fit",
        found.gradient[1:],
        fit.gradient[1:],
        0.02,
        relative=True,
    )


@SUITE.check
def truth_of_a_galaxy(backend: str) -> None:
    """Along the true ellipses of a galaxy, the true intensities are measured."""
    for index in (1.0, 4.0):
        for ellipticity in (0.0, 0.3, 0.5):
            truth = galaxy(sersic_index=index, ellipticity=ellipticity, position_angle=2.5)
            sma = np.arange(8.0, 40.0, 4.0)
            found = FORCED(
                backend, truth.image, ellipses(sma, ellipticity=ellipticity, position_angle=2.5)
            )
            what = f"of a Sersic galaxy of index {index} and ellipticity {ellipticity}"
            intensity = truth.intensity_at(sma)
            require_near(f"intensity {what}", found.intensity, intensity, 0.01, relative=True)


@SUITE.check
def slope_of_a_cone(backend: str) -> None:
    """Of an image that falls by 5 in every pixel of sma, intensities and gradients say so."""
    radius = elliptical_radius(SHAPE, X0, Y0, ELLIPTICITY, POSITION_ANGLE)
    sma = np.arange(5.0, 35.0, 3.0)
    found = FORCED(backend, 1000.0 - 5.0 * radius, ellipses(sma))
    require_near("the gradient of a cone", found.gradient, -5.0, 0.05)
    require_near("the intensity of a cone", found.intensity, 1000.0 - 5.0 * sma, 1.0)


@SUITE.check
def slope_of_a_plane(backend: str) -> None:
    """An ellipse on a plane has the intensity of its centre."""
    y, x = np.indices(SHAPE, dtype=float)
    image = 500.0 + x - 2.0 * y
    found = FORCED(backend, image)
    centre = 500.0 + found.x0 - 2.0 * found.y0
    off = np.abs(found.intensity - centre)
    require(
        bool(np.all(off <= 0.5)),
        f"the intensities on a plane are {found.intensity}; the centres have {centre}",
    )


@SUITE.check
def constant_image(backend: str) -> None:
    """A constant image has that intensity, no gradient and no scatter."""
    for value in (7.0, -1e-9, 3e20):
        found = FORCED(backend, np.full(SHAPE, value))
        inside = found.sma > 0.0
        require(
            bool(np.all(np.abs(found.intensity / value - 1.0) <= 1e-12)),
            f"intensities of an image of {value} are {found.intensity}",
        )
        for name in ("gradient", "rms", "intensity_err"):
            size = np.abs(getattr(found, name)[inside])
            require(
                bool(np.all(size <= 1e-9 * abs(value))),
                f"{name} of an image of {value} is {size}",
            )


@SUITE.check
def colour_of_two_bands(backend: str) -> None:
    """The ratio of two bands is that of their intensities, and of their errors."""
    red = noisy()
    one, other = FORCED(backend, red), FORCED(backend, 0.8 * red)
    ratio = other.intensity / one.intensity
    require(
        bool(np.all(np.abs(ratio - 0.8) <= 1e-9)),
        f"a band 0.8 times as bright has intensities {ratio} times as bright",
    )
    clean = FORCED(backend, 0.8 * galaxy().image)
    require_near(
        "the ratio of two bands, one with noise", clean.intensity / one.intensity, 0.8, 0.02
    )


@SUITE.check
def boxes_and_discs(backend: str) -> None:
    """a4 and b4 are the deviations of isophotes, in size and sign; a3 and b3 are not there."""
    sma = np.arange(8.0, 30.0, 3.0)
    for a4, b4 in ((0.0, 0.02), (0.0, -0.02), (0.02, 0.0), (-0.02, 0.0)):
        found = FORCED(backend, galaxy(a4=a4, b4=b4).image, ellipses(sma))
        truth = {("a", 0): 0.0, ("b", 0): 0.0, ("a", 1): a4, ("b", 1): b4}
        for (name, column), size in truth.items():
            what = f"{name}{3 + column} of a galaxy with a4 = {a4} and b4 = {b4}"
            require_near(what, getattr(found, name)[:, column], size, 0.004)


# ------------------------------------------------------------------ rows are those of the template


@SUITE.check
def geometry_of_the_template(backend: str) -> None:
    """Geometry is that of the template to the bit, without errors; stop codes are 4."""
    found = FORCED(backend, noisy())
    require(
        np.array_equal(found.sma, CHANGING["sma"]),
        f"sma is {found.sma}, and in the template {CHANGING['sma']}",
    )
    on_ellipse = found.sma > 0.0
    for name in GEOMETRY:
        given, copied = CHANGING[name][on_ellipse], getattr(found, name)[on_ellipse]
        require(np.array_equal(given, copied), f"{name} is {copied}, and in the template {given}")
    for name in GEOMETRY_ERRORS:
        errors = getattr(found, name)
        require(bool(np.isnan(errors).all()), f"{name} of given ellipses is {errors}, not NaN")
    codes = found.stop_code[on_ellipse]
    require(bool(np.all(codes == 4)), f"stop codes of given ellipses are {codes}, not 4")


@SUITE.check
def one_row_at_a_time(backend: str) -> None:
    """An ellipse has the same values alone as among others, to the bit; sums over pixels nearly."""
    image = noisy()
    found = FORCED(backend, image)
    sums = ("flux_ellipse", "flux_circle")
    others = [name for name in (*COLUMNS, *HARMONIC_COLUMNS) if name not in sums]
    for row in range(len(SMA)):
        alone = FORCED(backend, image, {name: values[[row]] for name, values in CHANGING.items()})
        among = rows_of(found, [row])
        require_same_columns(f"row {row} alone", others, among, alone)
        # Pixels may be added up from one ellipse to the next.
        require_same_columns(f"row {row} alone", sums, among, alone, SUMMATION)


@SUITE.check
def repeated_ellipses(backend: str) -> None:
    """The same ellipse twice gives two rows, which are the same; of one sma they stay in order."""
    rows = [0, 0, 3, 3, 3, 5]
    template = {name: values[rows] for name, values in CHANGING.items()}
    image = noisy()
    found = FORCED(backend, image, template)
    once = FORCED(backend, image, {name: values[[0, 3, 5]] for name, values in CHANGING.items()})
    require_same("ellipses that are repeated", rows_of(once, [0, 0, 1, 1, 1, 2]), found)
    centres = ellipses([9.0, 9.0, 9.0], x0=[50.0, 60.0, 55.0])
    found = FORCED(backend, image, centres)
    require(
        np.array_equal(found.x0, centres["x0"]),
        f"three ellipses of one sma come in the order {found.x0}, not {centres['x0']}",
    )


@SUITE.check
def many_ellipses(backend: str) -> None:
    """Hundreds of ellipses at once have the values of a few at once; none is left out."""
    image = noisy()
    many = ellipses(np.linspace(3.0, 15.0, N_MANY), ellipticity=np.linspace(0.1, 0.4, N_MANY))
    whole = FORCED(backend, image, many)
    require(len(whole) == N_MANY, f"{N_MANY} ellipses have {len(whole)} rows")
    for first in (0, N_MANY // 2, N_MANY - 5):
        piece = slice(first, first + 5)
        part = FORCED(backend, image, {name: column[piece] for name, column in many.items()})
        what = f"being row {first} and the next of {N_MANY}"
        require_same(what, part, rows_of(whole, piece), SUMMATION)


def rows_of(found: Isophotes, rows: Any) -> Isophotes:
    """Some rows of a result."""
    names = (*COLUMNS, *HARMONIC_COLUMNS)
    return replace(found, **{name: getattr(found, name)[rows] for name in names})


# ------------------------------------------------------------------ where there is nothing


@SUITE.check
def ring_without_pixels(backend: str) -> None:
    """An ellipse on unusable pixels has stop code 3 and no values; others are as without them."""
    image = noisy()
    radius = elliptical_radius(SHAPE, X0, Y0, 0.0, 0.0)
    ring = (radius > 14.0) & (radius < 22.0)
    template = ellipses([5.0, 10.0, 18.0, 30.0], ellipticity=0.0)
    clean = FORCED(backend, image, template)
    found = FORCED(backend, image, template, mask=ring)
    _require_nothing("an ellipse on a masked ring", found, 2)
    # Sums over pixels lose the ring, and the gradient at 10 pixels reaches to 11.
    names = [name for name in COLUMNS if not name.startswith(("flux", "n_pixels"))]
    others = [0, 1, 3]
    require_same_columns(
        "a ring without pixels",
        (*names, *HARMONIC_COLUMNS),
        rows_of(clean, others),
        rows_of(found, others),
    )


@SUITE.check
def ellipses_beyond_the_image(backend: str) -> None:
    """An ellipse of which nothing is on the image has stop code 3; one partly on it is measured."""
    image = noisy()
    template = ellipses([10.0, 300.0, 2000.0])
    found = FORCED(backend, image, template)
    for row in (1, 2):
        _require_nothing(f"an ellipse of sma {found.sma[row]:g}", found, row)
    outside = ellipses([3.0, 20.0], x0=-10.0, y0=40.0, ellipticity=0.1)
    found = FORCED(backend, image, outside)
    _require_nothing("an ellipse beside the image", found, 0)
    require(
        found.stop_code[1] == 4 and found.n_data[1] > 20 and bool(np.isfinite(found.intensity[1])),
        f"an ellipse partly on the image has {found.n_data[1]} samples, intensity "
        f"{found.intensity[1]} and stop code {found.stop_code[1]}",
    )
    none = FORCED(backend, np.full(SHAPE, np.nan))
    for row in range(len(none)):
        _require_nothing("an ellipse on an image without usable pixels", none, row)


def _require_nothing(what: str, found: Isophotes, row: int) -> None:
    code, n_data = found.stop_code[row], found.n_data[row]
    require(
        code == 3 and n_data == 0, f"{what} has {n_data} samples and stop code {code}, not 0 and 3"
    )
    for name in ("intensity", "intensity_err", "gradient", "rms"):
        value = getattr(found, name)[row]
        require(bool(np.isnan(value)), f"{what} has {name} {value}, not NaN")


# ------------------------------------------------------------------ errors and weights


@SUITE.check
def scatter_of_samples(backend: str) -> None:
    """On noise, rms is that of bilinear samples: two thirds of the noise of a pixel."""
    rng = np.random.default_rng(11)
    template = ellipses(np.arange(15.0, 45.0, 2.0))
    found = FORCED(backend, 100.0 + SIGMA * rng.standard_normal(SHAPE), template)
    require_near("rms of noise", found.rms, SAMPLE * SIGMA, 0.1, relative=True)
    pixel = found.pixel_stddev
    require_near("pixel_stddev of noise", pixel, np.sqrt(2.0) * SAMPLE * SIGMA, 0.1, relative=True)


@SUITE.check
def widths_of_pulls(backend: str) -> None:
    """Where the target names errors, they are the scatter of many images with noise."""
    if not FORCED.names(backend, "errors"):
        return
    _, x = np.indices(SHAPE)
    same, growing = np.full(SHAPE, SIGMA), SIGMA * (0.5 + x / 50.0)
    _require_widths("noise that is not known", backend, same, None)
    if FORCED.names(backend, "variance"):
        _require_widths("noise that is known", backend, same, same**2)
        _require_widths("noise that grows, and is known", backend, growing, growing**2)


def _require_widths(what: str, backend: str, sigma: np.ndarray, variance: Any) -> None:
    clean = galaxy().image
    template = ellipses(np.arange(5.0, 45.0, 4.0))
    truth = FORCED(backend, clean, template, variance=variance)
    pulls = []
    for seed in range(N_IMAGES):
        noise = sigma * np.random.default_rng(seed).standard_normal(SHAPE)
        found = FORCED(backend, clean + noise, template, variance=variance)
        pulls.append((found.intensity - truth.intensity) / found.intensity_err)
    width = float(np.std(pulls))
    require(
        WIDTHS[0] <= width <= WIDTHS[1],
        f"pulls of intensity in {what} have the width {width:.3g}, not {WIDTHS[0]} to {WIDTHS[1]}",
    )


@SUITE.check
def means_weighted_by_variance(backend: str) -> None:
    """Where the target names variance, intensity is the mean weighted by its inverse."""
    if not FORCED.names(backend, "variance"):
        return
    y, x = np.indices(SHAPE, dtype=float)
    image = 500.0 + 3.0 * x - 2.0 * y
    variance = (1.0 + 0.05 * x) ** 2 + 0.001 * y**2
    template = ellipses(np.arange(6.0, 40.0, 4.0), ellipticity=0.4, position_angle=0.3)
    found = FORCED(backend, image, template, variance=variance)
    expected = np.array([_weighted_mean(image, variance, row) for row in _rows(template)])
    plain = np.array([_weighted_mean(image, np.ones(SHAPE), row) for row in _rows(template)])
    # Where an ellipse is sampled is the backend's; means then differ by a part of a pixel.
    off = np.abs(found.intensity - expected)
    require(
        bool(np.all(off <= 1.5)),
        f"means weighted by the inverse of the variance are {expected}, without weights {plain}; "
        f"the intensities are {found.intensity}",
    )


def _rows(template: Ellipses) -> list[dict[str, float]]:
    n = len(template["sma"])
    return [{name: float(values[i]) for name, values in template.items()} for i in range(n)]


def _weighted_mean(image: np.ndarray, variance: np.ndarray, row: Mapping[str, float]) -> float:
    """Over bilinear samples, many in a pixel."""
    angle = np.linspace(0.0, 2.0 * np.pi, 20_001)[:-1]
    q = 1.0 - row["ellipticity"]
    radius = row["sma"] * q / np.hypot(q * np.cos(angle), np.sin(angle))
    place = row["x0"] + 1j * row["y0"] + radius * np.exp(1j * (angle + row["position_angle"]))
    # Equal steps of the angle have a length that goes with the radius.
    weight = radius / bilinear(variance, place.real, place.imag)
    value = bilinear(image, place.real, place.imag)
    return float((weight * value).sum() / weight.sum())


# ------------------------------------------------------------------ what options do


def hot_pixel() -> np.ndarray:
    """A constant image, but for a pixel on the circle."""
    image = np.full(SHAPE, LEVEL)
    image[ROW + UP, COLUMN + ACROSS] = HOT
    return image


def of_the_circle(backend: str, image: np.ndarray, **options: Any) -> Isophotes:
    """The circle around the middle of a pixel."""
    circle = ellipses(CIRCLE, x0=COLUMN, y0=ROW, ellipticity=0.0)
    found: Isophotes = FORCED(backend, image, circle, **options)
    return found


@SUITE.check
def means_and_medians(backend: str) -> None:
    """Where the target names integrator, a hot pixel raises means of sectors, and no median."""
    if not FORCED.names(backend, "integrator"):
        return
    # Sectors so large that they hold the pixel, and many others.
    wide = {"step": 0.4} if FORCED.names(backend, "step") else {}
    mean, median = (
        of_the_circle(backend, hot_pixel(), integrator=integrator, **wide).intensity[0]
        for integrator in ("mean", "median")
    )
    require(
        median == LEVEL and mean > LEVEL + 1.0,
        f"on a circle of {LEVEL:g} with one pixel of {HOT:g} the median of sectors is {median!r} "
        f"and their mean {mean!r}",
    )


@SUITE.check
def sizes_of_sectors(backend: str) -> None:
    """Where the target names step and linear, sectors are as wide as the step from ring to ring."""
    if not all(FORCED.names(backend, name) for name in ("integrator", "step", "linear")):
        return
    # From a circle of 20 pixels to the next: 2 pixels, 8, and less than one.
    usual, wide, narrow = (
        of_the_circle(
            backend, hot_pixel(), integrator="mean", step=step, linear=linear
        ).sector_area[0]
        for step, linear in ((0.1, False), (0.4, False), (0.4, True))
    )
    require(
        2.0 * narrow < 2.0 * usual < wide,
        f"sectors with step=0.1 have an area of {usual} pixels, with step=0.4 {wide}, with "
        f"step=0.4 and linear=True {narrow}",
    )


@SUITE.check
def clipped_samples(backend: str) -> None:
    """Where the target names n_clip and sigma_clip, clipping leaves out what is so far off."""
    if not (FORCED.names(backend, "n_clip") and FORCED.names(backend, "sigma_clip")):
        return
    image = hot_pixel() + np.random.default_rng(12).standard_normal(SHAPE)
    usual = of_the_circle(backend, image)
    clipped = of_the_circle(backend, image, n_clip=2)
    require(
        clipped.n_flagged[0] > usual.n_flagged[0] and abs(clipped.intensity[0] - LEVEL) < 1.0,
        f"with n_clip=2 an intensity of {LEVEL:g} with one hot pixel is {clipped.intensity[0]:.6g}"
        f", and {clipped.n_flagged[0]} samples are left out",
    )
    what = "n_clip=2 with a sigma_clip that nothing reaches"
    require_same(what, usual, of_the_circle(backend, image, n_clip=2, sigma_clip=1e3))


@SUITE.check
def angles_of_samples(backend: str) -> None:
    """Where the target names sampling, samples are denser where its angles are."""
    if FORCED.names(backend, "sampling"):
        require_angles_of_samples(
            lambda image, geometry, sampling: FORCED(
                backend, image, ellipses(**geometry), sampling=sampling
            )
        )


# ------------------------------------------------------------------ bad input


@SUITE.check
def bad_templates(backend: str) -> None:
    """A template that is not complete, or out of range, is an error that says so."""
    good = ellipses([5.0, 10.0])
    templates: tuple[Any, ...] = (
        [],
        {name: values for name, values in good.items() if name != "x0"},
        good | {"sma": np.array([5.0, -1.0])},
        good | {"sma": np.array([5.0, np.nan])},
        good | {"ellipticity": np.array([0.1, 1.0])},
        good | {"y0": np.array([np.inf, 1.0])},
        good | {"position_angle": np.array([0.1, 0.2, 0.3])},
    )
    bad = tuple((ValueError, "template", {"ellipses": template}) for template in templates)
    require_refusals(FORCED, backend, (*bad, (TypeError, "template", {"ellipses": 3.0})))
