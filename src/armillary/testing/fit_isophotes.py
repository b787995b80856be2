"""What every backend of ``fit.isophotes`` must do, beside what is common to the family."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ..fit.isophote.api import isophotes
from ..fit.isophote.images import IsophoteWarning
from ..fit.isophote.result import GEOMETRY, STOP_CODES, Isophotes
from .fit_common import (
    ELLIPTICITY,
    FAMILY,
    GEOMETRY_ERRORS,
    OTHER_VALUES,
    POSITION_ANGLE,
    RADIUS,
    SHAPE,
    X0,
    Y0,
    Door,
    angle_between,
    elliptical_radius,
    galaxy,
    noisy,
    plain_call,
    require_angles_of_samples,
    require_near,
    require_refusals,
)
from .galaxies import SimulatedGalaxy
from .kit import Suite, require
from .manners import add_manners

#: Where fits begin: near the galaxy, but not on it.
START: dict[str, float] = {
    "x0": X0 + 0.7,
    "y0": Y0 - 0.6,
    "sma": 10.0,
    "ellipticity": 0.2,
    "position_angle": 0.8,
}
#: Semi-major axes (pixels) within which most checks fit, and their steps.
WITHIN = {"min_sma": 4.0, "max_sma": 24.0, "step": 0.2}
#: Options of a fit that leaves nothing to fit.
EVERYTHING_FIXED = dict.fromkeys(("fix_center", "fix_ellipticity", "fix_position_angle"), True)

ISOPHOTES = Door(
    "fit.isophotes",
    isophotes,
    START,
    WITHIN,
    {
        **OTHER_VALUES,
        "min_sma": 6.0,
        "max_sma": 20.0,
        "fix_center": True,
        "fix_ellipticity": True,
        "fix_position_angle": True,
        "max_iterations": 30,
        "min_iterations": 5,
        "convergence": 0.1,
        "max_gradient_error": 0.3,
        "min_valid": 0.5,
    },
)
SUITE = Suite()
FAMILY.add_to(SUITE, ISOPHOTES)
add_manners(SUITE, plain_call(ISOPHOTES))

#: Promised: how far the median ellipse of a galaxy without noise may be from the truth (relative;
#: absolute; radians, of galaxies that are flat enough to have one; pixels).
INTENSITY, FLATNESS, ANGLE, CENTRE = 0.01, 0.01, np.radians(1.0), 0.1
#: How much of the ellipses must converge there.
MOST = 0.75
FLAT = 0.05

#: Pulls: how many images with noise, of what ratio of signal to noise, and allowed widths.
N_IMAGES, SNR, WIDTHS = 16, 20.0, (0.75, 1.3)
#: Ellipses (pixels) and step of these fits.
PULLED = {"min_sma": 5.0, "max_sma": 60.0, "step": 0.25}
#: Largest relative error of the gradient of those that count.
RELIABLE = 0.5


# ------------------------------------------------------------------ tools


def require_galaxy(
    what: str,
    found: Isophotes,
    truth: SimulatedGalaxy,
    inner: float = WITHIN["min_sma"],
    outer: float = WITHIN["max_sma"],
) -> None:
    """The promised accuracy between two semi-major axes."""
    within = (found.sma >= inner) & (found.sma <= outer)
    good = within & found.converged
    require(
        good.sum() > 3 and good.sum() >= MOST * within.sum(),
        f"{what}: {good.sum()} of {within.sum()} ellipses from sma {inner:g} to {outer:g} converge",
    )
    sma = found.sma[good]
    intensity = truth.intensity_at(sma)
    require_near(f"{what}: intensity", found.intensity[good], intensity, INTENSITY, relative=True)
    require_near(f"{what}: ellipticity", found.ellipticity[good], truth.ellipticity, FLATNESS)
    off = np.hypot(found.x0[good] - truth.x0, found.y0[good] - truth.y0)
    require_near(f"{what}: the centre", off, 0.0, CENTRE)
    if truth.ellipticity > FLAT:
        turned = angle_between(found.position_angle[good], truth.position_angle)
        require_near(f"{what}: position angle", turned, 0.0, float(ANGLE))


def fit_of(truth: SimulatedGalaxy, backend: str, **options: Any) -> Isophotes:
    """A fit that begins as far from the truth as ``START`` is from the usual galaxy."""
    start = {
        **START,
        "x0": truth.x0 + 0.7,
        "y0": truth.y0 - 0.6,
        "ellipticity": max(truth.ellipticity - 0.1, 0.1),
        "position_angle": truth.position_angle + 0.3,
    }
    found: Isophotes = ISOPHOTES(backend, truth.image, start, **options)
    return found


def expected_sma(
    first: float, min_sma: float, max_sma: float, step: float, linear: bool
) -> list[float]:
    """Semi-major axes that a fit has if nothing ends it before its limits."""
    sma = [first]
    while (larger := sma[-1] + step if linear else sma[-1] * (1.0 + step)) < max_sma:
        sma.append(larger)
    while True:
        smaller = sma[0] - step if linear else sma[0] / (1.0 + step)
        if smaller <= max(min_sma, 0.5):
            return sma if min_sma else [0.0, *sma]
        sma.insert(0, smaller)


# ------------------------------------------------------------------ the right ellipses


@SUITE.check
def sersic_galaxies(backend: str) -> None:
    """From half to four effective radii, half of the ellipses are as near to truth as promised."""
    for index in (1.0, 2.5, 4.0):
        for ellipticity in (0.1, 0.3, 0.6):
            truth = galaxy(sersic_index=index, ellipticity=ellipticity, position_angle=2.2)
            found = fit_of(truth, backend, min_sma=0.4 * RADIUS, max_sma=4.2 * RADIUS)
            what = f"a Sersic galaxy of index {index} and ellipticity {ellipticity}"
            require_galaxy(what, found, truth, 0.5 * RADIUS, 4.0 * RADIUS)


@SUITE.check
def every_direction(backend: str) -> None:
    """So they are at any position angle, also at and around 0, which is 180 degrees."""
    for angle in (0.0, 0.01, 0.7, 1.5, 0.5 * np.pi, 2.4, np.pi - 0.01):
        truth = galaxy(ellipticity=0.4, position_angle=float(angle))
        what = f"an axis at {np.degrees(angle):.1f} degrees"
        require_galaxy(what, fit_of(truth, backend), truth)


@SUITE.check
def beginnings(backend: str) -> None:
    """Any beginning that is not too far from the galaxy leads to it."""
    truth = galaxy()
    for change in (
        {"x0": X0 + 2.0, "y0": Y0 + 2.0},
        {"x0": X0 - 2.0, "y0": Y0 + 1.0},
        {"ellipticity": 0.05},
        {"ellipticity": 0.6, "position_angle": POSITION_ANGLE},
        {"position_angle": POSITION_ANGLE + 1.2},
        {"position_angle": POSITION_ANGLE + 3.0 * np.pi},
        {"position_angle": POSITION_ANGLE - 2.0 * np.pi},
        {"sma": 5.0},
        {"sma": 20.0},
    ):
        found = ISOPHOTES(backend, truth.image, {**START, **change})
        require_galaxy(f"a beginning with {change}", found, truth)


@SUITE.check
def slope_of_a_cone(backend: str) -> None:
    """Of an image that falls by 5 in every pixel of sma, intensities and gradients say so."""
    radius = elliptical_radius(SHAPE, X0, Y0, ELLIPTICITY, POSITION_ANGLE)
    found = ISOPHOTES(backend, 1000.0 - 5.0 * radius)
    require_near("the gradient of a cone", found.gradient, -5.0, 0.05)
    require_near("the intensity of a cone", found.intensity, 1000.0 - 5.0 * found.sma, 1.0)


@SUITE.check
def slope_of_a_profile(backend: str) -> None:
    """Elsewhere a gradient is one of those of the profile near its sma."""
    for index in (1.0, 4.0):
        truth = galaxy(sersic_index=index)
        found = fit_of(truth, backend)
        steep, flat = truth.gradient_at(0.8 * found.sma), truth.gradient_at(1.25 * found.sma)
        good = (found.gradient > steep) & (found.gradient < flat)
        require(
            bool(good.all()),
            f"gradients of a Sersic galaxy of index {index}, {found.gradient[~good]} at sma "
            f"{found.sma[~good]}, are not from {steep[~good]} to {flat[~good]}",
        )


@SUITE.check
def boxes_and_discs(backend: str) -> None:
    """a4 and b4 are the deviations of isophotes, in size and sign; a3 and b3 are not there."""
    for a4, b4 in ((0.0, 0.02), (0.0, -0.02), (0.02, 0.0), (-0.02, 0.0)):
        found = fit_of(galaxy(a4=a4, b4=b4), backend)
        good = found.converged
        truth = {("a", 0): 0.0, ("b", 0): 0.0, ("a", 1): a4, ("b", 1): b4}
        for (name, column), size in truth.items():
            what = f"{name}{3 + column} of a galaxy with a4 = {a4} and b4 = {b4}"
            require_near(what, getattr(found, name)[good, column], size, 0.004)


@SUITE.check
def unusable_pixels(backend: str) -> None:
    """Stars under a mask, and a wedge without light, do not change the ellipses."""
    truth = galaxy()
    image = np.array(truth.image)
    y, x = np.indices(SHAPE)
    for column, row, radius in ((58, 66, 3.0), (44, 50, 2.5), (70, 58, 4.0)):
        image[np.hypot(x - column, y - row) < radius] = np.nan
    require_galaxy("a galaxy with masked stars", ISOPHOTES(backend, image), truth)
    wedge = np.abs(np.arctan2(y - Y0, x - X0) - 2.0) < 0.4
    found = ISOPHOTES(backend, np.where(wedge, 0.0, truth.image), mask=wedge)
    require_galaxy("a galaxy with a masked wedge", found, truth)


@SUITE.check
def galaxy_at_the_edge(backend: str) -> None:
    """Of a galaxy that the edge of the image cuts, the ellipses that are whole are as good."""
    truth = galaxy(x0=14.0, y0=60.0)
    require_galaxy("a galaxy at the edge", fit_of(truth, backend), truth, outer=14.0)


@SUITE.check
def other_samples(backend: str) -> None:
    """Where the target names them, other integrators and samplings find the same galaxy."""
    truth = galaxy(ellipticity=0.5)
    for option, value in (
        ("integrator", "mean"),
        ("integrator", "median"),
        ("sampling", "eccentric_anomaly"),
    ):
        if ISOPHOTES.names(backend, option):
            found = fit_of(truth, backend, **{option: value})
            require_galaxy(f"{option}={value!r}", found, truth, inner=8.0)


@SUITE.check
def sectors_of_a_fit(backend: str) -> None:
    """Where the target names integrator, means and medians are those of sectors, and not alike."""
    if not ISOPHOTES.names(backend, "integrator"):
        return
    mean, median = (
        fit_of(galaxy(), backend, integrator=integrator, step=0.3, min_sma=9.0, max_sma=15.0)
        for integrator in ("mean", "median")
    )
    for name, found in (("mean", mean), ("median", median)):
        # Sectors have four pixels and more here; a bilinear sample counts as two.
        area = found.sector_area
        require(bool(np.all(area > 2.0)), f"sectors of integrator={name!r} have areas of {area}")
    require(
        not np.array_equal(mean.intensity, median.intensity),
        f"integrator='median' has the intensities of integrator='mean', {mean.intensity}",
    )


@SUITE.check
def angles_of_samples(backend: str) -> None:
    """Where the target names sampling, samples are denser where its angles are."""
    if not ISOPHOTES.names(backend, "sampling"):
        return
    require_angles_of_samples(
        lambda image, geometry, sampling: ISOPHOTES(
            backend, image, geometry, min_sma=12.0, sampling=sampling, **EVERYTHING_FIXED
        )
    )


@SUITE.check
def clipped_samples(backend: str) -> None:
    """Where the target names sigma_clip and n_clip, clipping leaves out hot pixels."""
    if not (ISOPHOTES.names(backend, "n_clip") and ISOPHOTES.names(backend, "sigma_clip")):
        return
    truth = galaxy()
    image = np.array(truth.image)
    rng = np.random.default_rng(5)
    image[rng.integers(30, 80, 12), rng.integers(30, 80, 12)] += 5000.0
    found = ISOPHOTES(backend, image, n_clip=5, sigma_clip=2.5)
    require_galaxy("a galaxy with hot pixels, clipped", found, truth)
    for sigma_clip, clips in ((2.0, True), (1e3, False)):
        flagged = ISOPHOTES(backend, noisy(), n_clip=1, sigma_clip=sigma_clip).n_flagged
        require(
            bool(flagged.any()) == clips,
            f"of a galaxy with noise, clipped at {sigma_clip:g} sigma, {flagged} samples are "
            f"left out",
        )


@SUITE.check
def variances_as_weights(backend: str) -> None:
    """Where the target names variance, what has a huge one has no weight."""
    if not ISOPHOTES.names(backend, "variance"):
        return
    truth = galaxy()
    y, x = np.indices(SHAPE)
    wedge = np.abs(np.arctan2(y - Y0, x - X0) - 2.0) < 0.4
    found = ISOPHOTES(
        backend, np.where(wedge, 300.0, truth.image), variance=np.where(wedge, 1e12, 1.0)
    )
    require_galaxy("a galaxy with a worthless wedge", found, truth)


# ------------------------------------------------------------------ what may not matter


@SUITE.check
def quarter_turns(backend: str) -> None:
    """A turned or mirrored image has the same galaxy, turned or mirrored."""
    truth = galaxy(ellipticity=0.4)
    ny, nx = SHAPE
    angle = POSITION_ANGLE
    for what, image, x0, y0, turned in (
        ("a quarter turn", np.rot90(truth.image), Y0, nx - 1 - X0, angle - 0.5 * np.pi),
        ("a half turn", truth.image[::-1, ::-1], nx - 1 - X0, ny - 1 - Y0, angle),
        ("a transposition", truth.image.T, Y0, X0, 0.5 * np.pi - angle),
        ("x mirrored", truth.image[:, ::-1], nx - 1 - X0, Y0, -angle),
    ):
        seen = replace(truth, image=image, x0=x0, y0=y0, position_angle=turned % np.pi)
        require_galaxy(what, fit_of(seen, backend), seen)


# ------------------------------------------------------------------ which ellipses there are


@SUITE.check
def list_of_semi_major_axes(backend: str) -> None:
    """They go from the first in steps to the limits: up to max_sma, down to min_sma or 0.5."""
    image = noisy()
    for first, min_sma, max_sma, step, linear in (
        (10.0, 0.0, 24.0, 0.1, False),
        (10.0, 3.0, 20.0, 0.3, False),
        (7.0, 0.0, 22.0, 1.5, True),
        (12.0, 4.5, 30.0, 3.0, True),
    ):
        found = ISOPHOTES(
            backend,
            image,
            {**START, "sma": first},
            min_sma=min_sma,
            max_sma=max_sma,
            step=step,
            linear=linear,
        )
        expected = expected_sma(first, min_sma, max_sma, step, linear)
        require(
            len(found) == len(expected) and np.allclose(found.sma, expected, rtol=1e-9),
            f"from {first} to {min_sma} and {max_sma} in steps of {step}, linear={linear}, sma is "
            f"{found.sma}, not {np.array(expected)}",
        )


@SUITE.check
def fixed_parameters(backend: str) -> None:
    """What is fixed stays as it was given, in every row, and has no error; the rest is fitted."""
    image = galaxy().image
    start = {**START, "x0": X0, "y0": Y0, "ellipticity": 0.3, "position_angle": POSITION_ANGLE}
    for names in (
        ("x0", "y0"),
        ("ellipticity",),
        ("position_angle",),
        ("x0", "y0", "ellipticity"),
        ("ellipticity", "position_angle"),
    ):
        fixed = {f"fix_{'center' if name in ('x0', 'y0') else name}": True for name in names}
        free = [name for name in GEOMETRY if name not in names]
        found = ISOPHOTES(backend, image, {**start, **{n: START[n] for n in names}}, **fixed)
        for name in names:
            _require_constant(found, name, START[name])
            errors = getattr(found, f"{name}_err")
            require(bool(np.isnan(errors).all()), f"{name} is fixed, but has errors {errors}")
        for name in free:
            values = getattr(found, name)
            require(len(np.unique(values)) > 1, f"with {fixed}, {name} is {values[0]} in all rows")


def _require_constant(found: Isophotes, name: str, value: float) -> None:
    values = getattr(found, name)
    require(
        len(found) > 5 and bool(np.all(values == value)),
        f"{name} is fixed at {value!r}, and is {values} in {len(found)} rows",
    )


@SUITE.check
def fixed_position_angle_across_the_galaxy(backend: str) -> None:
    """A fixed position angle stays, even where the galaxy is longest at right angles to it."""
    angle = POSITION_ANGLE + 0.5 * np.pi
    found = ISOPHOTES(
        backend, galaxy().image, {**START, "position_angle": angle}, fix_position_angle=True
    )
    _require_constant(found, "position_angle", angle)


@SUITE.check
def everything_fixed(backend: str) -> None:
    """With all fixed nothing is fitted: stop codes are 4, and geometry has no errors."""
    found = ISOPHOTES(backend, noisy(), START, **EVERYTHING_FIXED)
    for name in GEOMETRY:
        _require_constant(found, name, START[name])
    require(bool(np.all(found.stop_code == 4)), f"stop codes are {found.stop_code}, not 4")
    _require_no_geometry_errors(found, np.ones(len(found), bool))


def _require_no_geometry_errors(found: Isophotes, where: np.ndarray) -> None:
    for name in GEOMETRY_ERRORS:
        errors = getattr(found, name)[where]
        require(
            bool(np.isnan(errors).all()),
            f"ellipses of stop codes {found.stop_code[where]} have {name} {errors}, not NaN",
        )


# ------------------------------------------------------------------ why fits end


@SUITE.check
def stop_codes(backend: str) -> None:
    """Stop codes are those that are documented, and agree with the rows that have them."""
    y, x = np.indices(SHAPE)
    faint = noisy(snr=10.0)
    for what, image in (
        ("half an image", np.where(x < 40, np.nan, faint)),
        ("an image that ends at a radius", np.where(np.hypot(x - X0, y - Y0) > 25, np.nan, faint)),
    ):
        for max_sma in (None, 45.0):
            found = ISOPHOTES(backend, image, max_sma=max_sma)
            _require_codes(f"{what}, to sma {max_sma}", found)


def _require_codes(what: str, found: Isophotes) -> None:
    codes = found.stop_code
    unknown = np.setdiff1d(codes, list(STOP_CODES))
    require(not len(unknown), f"{what}: stop codes {unknown} are not documented")
    few = found.n_data < 0.7 * (found.n_data + found.n_flagged)
    bad = few & (codes == 0)
    require(not bad.any(), f"{what}: {bad.sum()} ellipses converge with too few valid samples")
    _require_no_geometry_errors(found, np.isin(codes, (4, 5)))
    empty = found.n_data == 0
    require(
        bool(np.all(codes[empty] == 3)),
        f"{what}: ellipses without any sample have the stop codes {codes[empty]}, not 3",
    )
    require(
        bool(np.isnan(found.intensity[empty]).all()),
        f"{what}: ellipses without any sample have the intensities {found.intensity[empty]}",
    )


@SUITE.check
def nothing_beyond_a_radius(backend: str) -> None:
    """Where too many samples are unusable, a fit ends with stop code 1, and growth with it."""
    truth = galaxy(ellipticity=0.4)
    y, x = np.indices(SHAPE)
    image = np.where(np.hypot(x - X0, y - Y0) < 18.0, truth.image, np.nan)
    found = fit_of(replace(truth, image=image), backend, max_sma=None)
    require(
        int(found.stop_code[-1]) == 1 and not np.any(found.stop_code[:-1] == 1),
        f"stop codes are {found.stop_code}",
    )
    require(
        18.0 < found.sma[-1] < 36.0,
        f"growth ends at sma {found.sma[-1]:.4g}; no pixel is usable beyond 18",
    )
    if ISOPHOTES.names(backend, "min_valid"):
        farther = fit_of(replace(truth, image=image), backend, max_sma=None, min_valid=0.4)
        require(
            farther.sma[-1] > found.sma[-1],
            f"growth ends at sma {found.sma[-1]:.4g} where 7 of 10 samples must be usable, and at "
            f"{farther.sma[-1]:.4g} where only 4 must be",
        )
    require_galaxy("a galaxy cut off at a radius", found, truth, outer=18.0)


@SUITE.check
def lost_in_the_noise(backend: str) -> None:
    """Where the gradient is lost, growth ends; with max_sma it goes on as the last ellipse was."""
    image = noisy(snr=10.0)
    found = ISOPHOTES(backend, image, max_sma=None)
    codes, last = found.stop_code, found.sma[-1]
    require(2.0 * RADIUS < last < 60.0, f"growth in noise goes to sma {last:.4g}")
    require(
        codes[-1] in (1, 3, 5) and not np.any(codes == 4),
        f"stop codes of a galaxy that is lost in the noise are {codes}",
    )
    sooner = ISOPHOTES(backend, image, max_sma=None, max_gradient_error=0.25)
    require(
        sooner.sma[-1] < last,
        f"growth goes to sma {last:.4g} with gradients that are good to a half, and to "
        f"{sooner.sma[-1]:.4g} with those that are good to a quarter",
    )
    _require_growth_to_the_limit(found, backend, image)


def _require_growth_to_the_limit(found: Isophotes, backend: str, image: np.ndarray) -> None:
    limit = 1.6 * found.sma[-1]
    longer = ISOPHOTES(backend, image, max_sma=limit)
    expected = expected_sma(START["sma"], WITHIN["min_sma"], limit, WITHIN["step"], False)
    require(
        len(longer) == len(expected) and np.allclose(longer.sma, expected, rtol=1e-9),
        f"with max_sma={limit:.4g}, sma is {longer.sma}, not {np.array(expected)}",
    )
    beyond = np.arange(len(found), len(longer))
    require(
        bool(np.all(np.isin(longer.stop_code[beyond], (3, 4)))),
        f"beyond the last fit, stop codes are {longer.stop_code[beyond]}, not 4",
    )
    for name in GEOMETRY:
        values = getattr(longer, name)
        require(
            bool(np.all(values[beyond] == values[len(found) - 1])),
            f"beyond the last fit, {name} is {values[beyond]}, not {values[len(found) - 1]}",
        )


@SUITE.check
def limits_of_iterations(backend: str) -> None:
    """Ellipses that may not iterate to the end have stop code 2; others iterate long enough."""
    image = noisy(snr=20.0)
    options = {"max_iterations": 4, "min_iterations": 1, "convergence": 1e-9}
    found = ISOPHOTES(backend, image, **options)
    fitted = np.isin(found.stop_code, (0, 2))
    require(
        fitted.any() and bool(np.all(found.stop_code[fitted] == 2)),
        f"stop codes of fits that cannot converge are {found.stop_code}",
    )
    require(
        bool(np.all(found.n_iterations[fitted] == 4)),
        f"with max_iterations=4, n_iterations is {found.n_iterations}",
    )
    usual = ISOPHOTES(backend, image)
    done = usual.n_iterations[usual.converged]
    require(
        bool(np.all((done >= 9) & (done <= 50))),
        f"between 10 and 50 iterations were asked for, and {done} are said to be done",
    )
    if ISOPHOTES.names(backend, "min_iterations"):
        longer = ISOPHOTES(backend, image, min_iterations=20)
        done = longer.n_iterations[longer.converged]
        require(
            len(done) > 0 and bool(np.all(done >= 19)),
            f"at least 20 iterations were asked for, and {done} are said to be done",
        )


@SUITE.check
def nothing_to_fit(backend: str) -> None:
    """Of a constant image, or one without a usable pixel, there is one row, and a reason."""
    for what, image, codes in (
        ("a constant image", np.full(SHAPE, 7.0), (5,)),
        ("zeros", np.zeros(SHAPE), (5,)),
        ("an image without a usable pixel", np.full(SHAPE, np.nan), (1, 3)),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = ISOPHOTES(backend, image)
        require(
            len(found) == 1 and bool(found.reason),
            f"{what} has {len(found)} rows, and the reason {found.reason!r}",
        )
        require(
            found.stop_code[0] in codes,
            f"the only row of {what} has the stop code {found.stop_code[0]}, not {codes}",
        )
        told = [warning for warning in caught if warning.category is IsophoteWarning]
        require(bool(told), f"{what} gives no warning")


# ------------------------------------------------------------------ errors


@SUITE.check
def errors_are_known_or_nan(backend: str) -> None:
    """Of fitted ellipses all errors are finite and positive; nothing unknown is 0."""
    found = ISOPHOTES(backend, noisy(snr=50.0))
    good = found.converged
    for name in ("intensity_err", "gradient_err", *GEOMETRY_ERRORS, "a_err", "b_err", "rms"):
        values = getattr(found, name)[good]
        require(
            bool(np.all(np.isfinite(values) & (values > 0.0))),
            f"{name} of ellipses that converged is {values}",
        )


@SUITE.check
def widths_of_pulls(backend: str) -> None:
    """Where the target names errors, they are the scatter of fits of many images with noise."""
    if not ISOPHOTES.names(backend, "errors"):
        return
    for index in (1.0, 4.0):
        clean = fit_of(galaxy(sersic_index=index, shape=(128, 128)), backend, **PULLED)
        pulls: dict[str, list[np.ndarray]] = {name: [] for name in ("intensity", *GEOMETRY)}
        for seed in range(N_IMAGES):
            truth = galaxy(sersic_index=index, shape=(128, 128), snr=SNR, seed=seed)
            found = fit_of(truth, backend, **PULLED)
            for name, each in pulls.items():
                each.append(_pulls(name, found, clean))
        for name, each in pulls.items():
            every = np.concatenate(each)
            width = float(every.std())
            require(
                len(every) > 5 * N_IMAGES and WIDTHS[0] <= width <= WIDTHS[1],
                f"{len(every)} pulls of {name} of a Sersic galaxy of index {index} have the width "
                f"{width:.3g}, not {WIDTHS[0]} to {WIDTHS[1]}",
            )


def _pulls(name: str, found: Isophotes, clean: Isophotes) -> np.ndarray:
    """How many errors a fit with noise is from the one without, which has its own small flaws."""
    n = min(len(found), len(clean))
    good = (found.converged & (found.gradient_rel_err < RELIABLE))[:n] & clean.converged[:n]
    off = (getattr(found, name)[:n] - getattr(clean, name)[:n])[good]
    if name == "position_angle":
        off = np.mod(off + 0.5 * np.pi, np.pi) - 0.5 * np.pi
    pulls: np.ndarray = off / getattr(found, f"{name}_err")[:n][good]
    return pulls


# ------------------------------------------------------------------ bad input


@SUITE.check
def bad_limits_and_beginnings(backend: str) -> None:
    """Limits out of their range, and a centre outside the image, are errors that name them."""
    kinds: dict[str, tuple[Any, ...]] = {
        "min_sma": (-1.0, np.nan),
        "max_sma": (0.0, 3.0),
        "sma0": (0.0, -1.0, np.inf),
        "max_iterations": (0, 1.5),
        "min_iterations": (0,),
        "convergence": (0.0, -1.0),
        "max_gradient_error": (0.0,),
        "min_valid": (0.0, 1.1),
        "fix_center": (1, "yes"),
        "fix_ellipticity": (None,),
        "fix_position_angle": (0,),
    }
    options = [
        (ValueError, name, {name: value}) for name, values in kinds.items() for value in values
    ]
    starts = [
        (ValueError, word, {"ellipses": {**START, **change}})
        for word, change in (
            ("geometry", {"x0": -1.0}),
            ("geometry", {"y0": 1000.0}),
            ("sma", {"sma": 0.0}),
            ("ellipticity", {"ellipticity": 1.0}),
            ("position_angle", {"position_angle": np.nan}),
            ("geometry", {"eps": 0.3}),
        )
    ]
    require_refusals(ISOPHOTES, backend, (*options, *starts))
