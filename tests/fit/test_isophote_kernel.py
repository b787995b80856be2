"""The compiled fit against its definition in plain NumPy.

Where the gradient is lost in noise, a fit multiplies rounding errors at every iteration: there the
two may end in different places. Rows are compared where the gradient is known, and given ellipses
everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.fit.isophote import cpu, reference
from armillary.fit.isophote.cpu import load_kernel
from armillary.fit.isophote.result import HARMONIC_COLUMNS
from armillary.runtime.cpu import built_variants, kernel_module
from armillary.testing import simulated_galaxy

pytestmark = pytest.mark.kernel

START = {"x0": 60.0, "y0": 60.0, "sma": 9.0, "ellipticity": 0.2, "position_angle": 0.5}
#: Relative error of the gradient from which on a fit is at the mercy of rounding.
KNOWN_GRADIENT = 0.15
#: Part of an ellipse from which its harmonics can be told.
MOST_OF_IT = 0.7


@pytest.fixture(scope="module")
def galaxy() -> np.ndarray:
    return simulated_galaxy(
        (120, 128),
        effective_radius=12.0,
        sersic_index=1.5,
        ellipticity=0.35,
        position_angle=0.7,
        snr=200.0,
        x0=61.3,
        y0=59.2,
        b4=0.01,
    ).image


@pytest.fixture(scope="module")
def holed(galaxy: np.ndarray) -> np.ndarray:
    image = galaxy.copy()
    rng = np.random.default_rng(5)
    for row, column in rng.integers(0, 115, (9, 2)):
        image[row : row + 4, column : column + 5] = np.nan
    return image


def require_equal(found: dict[str, Any], expected: dict[str, Any], rtol: float, rows: Any) -> None:
    rounding = 1e-12 * np.nanmax(np.abs(expected["intensity"]), initial=0.0)
    for name, array in expected.items():
        one, other = found[name][rows], array[rows]
        if name == "position_angle":
            apart = np.abs(np.remainder(one - other + 0.5 * np.pi, np.pi) - 0.5 * np.pi)
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other), err_msg=name)
            np.testing.assert_array_less(np.nan_to_num(apart), rtol, err_msg=name)
            continue
        scale = np.nanmax(np.abs(other), initial=0.0)
        atol: Any
        # Gradients and harmonics are differences of much larger numbers.
        atol = rtol * scale if name in ("gradient", "a", "b", "flux_ellipse") else 1e-12 * scale
        if name in ("a", "b", "a_err", "b_err"):
            # They are amplitudes, with the rounding of intensities, over sma times gradient.
            steepness = np.abs(expected["sma"] * expected["gradient"])[rows, None]
            atol += 1e-9 + rounding / np.where(steepness > 0.0, steepness, np.inf)
        if name.endswith("_err") or name == "rms":
            # Where harmonics describe all samples, what is left is rounding.
            atol += rounding
        if name == "gradient":
            # Where two ellipses have the same mean, so is their difference.
            atol += rounding / np.nanmin(expected["sma"][expected["sma"] > 0.0], initial=np.inf)
        require_close(one, other, rtol, atol, name)


def require_close(found: Any, expected: Any, rtol: float, atol: Any, name: str) -> None:
    """Each number within its own tolerance."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=name)
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(found - expected) / (atol + rtol * np.abs(expected)))
    np.testing.assert_array_less(apart, 1.0, err_msg=f"{name}, in units of its tolerance")


FITS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "errors of photutils": {"errors": "photutils"},
    "eccentric anomaly": {"sampling": "eccentric_anomaly"},
    "means of sectors": {"integrator": "mean"},
    "medians of sectors": {"integrator": "median", "step": 0.15},
    "clipped": {"n_clip": 3, "sigma_clip": 2.5},
    "fixed centre": {"fix_center": True},
    "fixed shape": {"fix_ellipticity": True, "fix_position_angle": True},
    "nothing free": {"fix_center": True, "fix_ellipticity": True, "fix_position_angle": True},
    "linear steps": {"linear": True, "step": 2.5},
    "between limits": {"min_sma": 3.0, "max_sma": 40.0},
    "beyond the image": {"max_sma": 300.0},
    "many harmonics": {"harmonics": (3, 4, 5, 6, 9)},
    "no harmonics": {"harmonics": ()},
    "one iteration": {"max_iterations": 1},
}


@pytest.mark.parametrize("options", FITS.values(), ids=FITS.keys())
@pytest.mark.parametrize("image", ["galaxy", "holed"])
def test_a_fit_is_that_of_the_reference(
    image: str, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    pixels = request.getfixturevalue(image)
    expected = reference.isophotes(pixels, **START, **options)
    found = cpu.isophotes(pixels, **START, **options)
    with np.errstate(invalid="ignore"):
        known = expected["gradient_err"] < KNOWN_GRADIENT * np.abs(expected["gradient"])
    rows = np.flatnonzero(known | (expected["sma"] == 0.0))
    assert len(rows) > 10
    np.testing.assert_array_equal(found["sma"][: rows[-1] + 1], expected["sma"][: rows[-1] + 1])
    require_equal(found, expected, 1e-6, rows)


@pytest.mark.parametrize("integrator", ["bilinear", "mean", "median"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_of_one_kind_weigh_as_their_variances_say(
    holed: np.ndarray, dtype: type, integrator: str
) -> None:
    image = holed.astype(dtype)
    variance = np.random.default_rng(6).uniform(0.5, 2.0, image.shape).astype(dtype)
    expected = reference.isophotes(image, **START, variance=variance, integrator=integrator)
    found = cpu.isophotes(image, **START, variance=variance, integrator=integrator)
    with np.errstate(invalid="ignore"):
        known = expected["gradient_err"] < KNOWN_GRADIENT * np.abs(expected["gradient"])
    require_equal(found, expected, 1e-5, np.flatnonzero(known))


def coordinates(n: int) -> st.SearchStrategy[float]:
    """Not the middle or the corner of a pixel, from where many others are on edges of sectors."""
    return st.builds(lambda half, rest: 0.5 * half + rest, st.integers(0, n), st.floats(0.01, 0.49))


@settings(max_examples=150)
@given(
    sma=st.floats(0.3, 90.0),
    ellipticity=st.floats(0.0, 0.94),
    position_angle=st.floats(0.0, 3.1415),
    x0=coordinates(119),
    y0=coordinates(99),
    options=st.fixed_dictionaries(
        {
            "integrator": st.sampled_from(["bilinear", "mean", "median"]),
            "sampling": st.sampled_from(["polar_angle", "eccentric_anomaly"]),
            "errors": st.sampled_from(["correlated", "photutils"]),
            "n_clip": st.integers(0, 2),
            "harmonics": st.sampled_from([(3, 4), (), (3, 4, 7)]),
        }
    ),
    holes=st.integers(0, 6),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_ellipse_is_measured_as_the_reference_does(
    sma: float,
    ellipticity: float,
    position_angle: float,
    x0: float,
    y0: float,
    options: dict[str, Any],
    holes: int,
    weighted: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(100.0, 5.0, (51, 61))
    for row, column in rng.integers(0, 45, (holes, 2)):
        image[row : row + 6, column : column + 6] = np.nan
    variance = rng.uniform(1.0, 9.0, image.shape) if weighted else None
    ellipse = {
        "x0": np.array([x0]),
        "y0": np.array([y0]),
        "sma": np.array([sma]),
        "ellipticity": np.array([ellipticity]),
        "position_angle": np.array([position_angle]),
    }
    expected = reference.forced_isophotes(image, **ellipse, variance=variance, **options)
    found = cpu.forced_isophotes(image, **ellipse, variance=variance, **options)
    if expected["n_data"][0] < MOST_OF_IT * (expected["n_data"] + expected["n_flagged"])[0]:
        # A short arc hardly tells one harmonic from another: rounding decides.
        for name in (*HARMONIC_COLUMNS, "intensity_err"):
            del expected[name]
    elif abs(expected["gradient"][0]) * sma < 1e-9 * expected["intensity"][0]:
        # Relative to a gradient that is nothing but rounding, so are harmonics.
        for name in HARMONIC_COLUMNS:
            del expected[name]
    require_equal(found, expected, 1e-5, slice(None))


def test_ellipses_are_measured_in_any_order(galaxy: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    ellipses = {
        "x0": rng.uniform(40.0, 80.0, 30),
        "y0": rng.uniform(40.0, 80.0, 30),
        "sma": rng.uniform(1.0, 80.0, 30),
        "ellipticity": rng.uniform(0.0, 0.9, 30),
        "position_angle": rng.uniform(0.0, np.pi, 30),
    }
    together = cpu.forced_isophotes(galaxy, **ellipses)
    for i in range(30):
        alone = cpu.forced_isophotes(galaxy, **{n: a[i : i + 1] for n, a in ellipses.items()})
        for name, array in alone.items():
            np.testing.assert_array_equal(together[name][i : i + 1], array, err_msg=name)


def test_variants_give_the_same_bits(holed: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "armillary.fit.isophote"
    found = []
    for variant in built_variants():
        monkeypatch.setattr(cpu, "load_kernel", lambda _, v=variant: kernel_module(package, v))
        found.append(cpu.isophotes(holed, **START, harmonics=(3, 4, 5)))
    for other in found[1:]:
        for name, array in found[0].items():
            np.testing.assert_array_equal(other[name], array, err_msg=name)


def test_a_fit_stops_when_its_budget_is_spent_and_goes_on(galaxy: np.ndarray) -> None:
    whole = cpu.isophotes(galaxy, **START)
    fit = load_kernel("armillary.fit.isophote").Fitter(
        galaxy,
        None,
        step=0.1,
        linear=False,
        sigma_clip=3.0,
        n_clip=0,
        integrator="bilinear",
        sampling="polar_angle",
        harmonics=(3, 4),
        errors="correlated",
    )
    fit.begin(
        *START.values(),
        min_sma=0.0,
        max_sma=None,
        max_iterations=50,
        min_iterations=10,
        convergence=0.05,
        max_gradient_error=0.5,
        min_valid=0.7,
    )
    pieces = 1
    while not fit.advance(1):
        pieces += 1
    assert pieces >= len(whole["sma"])
    np.testing.assert_array_equal(np.sort(fit.table()["sma"]), whole["sma"])


def test_work_is_counted(galaxy: np.ndarray) -> None:
    found = cpu.isophotes(galaxy, **START)
    fitted = (found["stop_code"] == 0) & (found["sma"] > 3.0)
    around = found["n_data"] + found["n_flagged"]
    # Every iteration samples the ellipse, and one or two larger ones for the gradient.
    drawn = found["n_samples"][fitted] / (found["n_iterations"] * around)[fitted]
    assert np.all((drawn > 1.8) & (drawn < 3.6))
