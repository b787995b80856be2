"""The front doors of isophotes: what they take, what they refuse, what they give."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.fit import EllipseGeometry, Isophotes, IsophoteWarning
from armillary.fit.isophote.result import COLUMNS, HARMONIC_COLUMNS
from armillary.fit.isophote.rules import Rules
from armillary.testing import simulated_galaxy

START = EllipseGeometry(50.0, 50.0, 8.0, 0.2, 0.5)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    galaxy = simulated_galaxy(
        (100, 110),
        effective_radius=10.0,
        sersic_index=1.0,
        ellipticity=0.3,
        position_angle=0.6,
        snr=100.0,
        x0=51.2,
        y0=48.7,
    )
    return galaxy.image


@pytest.fixture(scope="module")
def fitted(image: np.ndarray) -> Isophotes:
    return arm.fit.isophotes(image, START)


def require_same(one: Isophotes, other: Isophotes) -> None:
    for name in (*COLUMNS, *HARMONIC_COLUMNS):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# ------------------------------------------------------------------ images of all kinds


def test_images_of_all_kinds_are_understood(image: np.ndarray, fitted: Isophotes) -> None:
    from astropy import units

    kinds: dict[str, Any] = {
        "big-endian": image.astype(">f8"),
        "strided": np.repeat(np.repeat(image, 2, 0), 3, 1)[::2, ::3],
        "Fortran order": np.asfortranarray(image),
        "masked array": np.ma.masked_array(image, np.zeros(image.shape, bool)),
        "Quantity": image * units.adu,
        "tuple": (image,),
        "read-only": _read_only(image),
    }
    for name, kind in kinds.items():
        try:
            require_same(arm.fit.isophotes(kind, START), fitted)
        except AssertionError as error:
            raise AssertionError(name) from error


def _read_only(image: np.ndarray) -> np.ndarray:
    view = image.view()
    view.setflags(write=False)
    return view


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint16, np.int32, np.uint8])
def test_pixels_of_any_type_are_numbers(image: np.ndarray, dtype: type) -> None:
    pixels = np.clip(np.round(image), 0, 250).astype(dtype)
    one = arm.fit.isophotes(pixels, START)
    other = arm.fit.isophotes(pixels.astype(float), START)
    np.testing.assert_allclose(one.intensity, other.intensity, rtol=1e-6)


def test_masks_nans_and_masked_arrays_mean_the_same(image: np.ndarray) -> None:
    bad = np.zeros(image.shape, bool)
    bad[60:66, 55:63] = True
    holed = np.where(bad, np.nan, image)
    endless = np.where(bad, np.inf, image)
    expected = arm.fit.isophotes(image, START, mask=bad)
    assert expected.n_unusable == 48
    assert expected.n_flagged.max() > 0
    for one in (
        arm.fit.isophotes(holed, START),
        arm.fit.isophotes(endless, START),
        arm.fit.isophotes(np.ma.masked_array(image, bad), START),
        arm.fit.isophotes(image, START, mask=7 * bad.astype(int)),
        arm.fit.isophotes((image, bad), START),
    ):
        require_same(one, expected)


def test_masked_stars_do_no_harm(image: np.ndarray, fitted: Isophotes) -> None:
    rng = np.random.default_rng(4)
    starred, mask = image.copy(), np.zeros(image.shape, bool)
    for row, column in rng.integers(5, 95, (12, 2)):
        starred[row : row + 3, column : column + 3] += 1e4
        mask[row : row + 3, column : column + 3] = True
    found = arm.fit.isophotes(starred, START, mask=mask)
    rows = fitted.converged & (fitted.sma > 4.0) & (fitted.sma < 25.0)
    np.testing.assert_allclose(found.intensity[rows], fitted.intensity[rows], rtol=0.03)


def test_pixels_without_a_positive_variance_are_unusable(image: np.ndarray) -> None:
    variance = np.ones(image.shape)
    variance[10:12, 10:14] = [[0.0, -1.0, np.nan, np.inf], [0.0] * 4]
    assert arm.fit.isophotes(image, START, variance=variance).n_unusable == 8


def test_nothing_that_is_given_is_changed(image: np.ndarray) -> None:
    mask = np.zeros(image.shape, bool)
    mask[3:6, 3:6] = True
    given = {"image": image.copy(), "mask": mask, "variance": np.ones(image.shape)}
    before = {name: array.copy() for name, array in given.items()}
    arm.fit.isophotes(**given, geometry=START)
    for name, array in given.items():
        np.testing.assert_array_equal(array, before[name])
        assert array.flags.writeable


# ------------------------------------------------------------------ tiny and huge numbers


@pytest.mark.parametrize("exponent", [-40, 40, -300])
def test_a_power_of_two_changes_intensities_and_nothing_else(
    image: np.ndarray, fitted: Isophotes, exponent: int
) -> None:
    scaled = arm.fit.isophotes(np.ldexp(image, exponent), START)
    scales = {
        "intensity",
        "intensity_err",
        "gradient",
        "gradient_err",
        "rms",
        "flux_ellipse",
        "flux_circle",
    }
    for name in (*COLUMNS, *HARMONIC_COLUMNS):
        expected = getattr(fitted, name)
        if name in scales:
            expected = np.ldexp(expected, exponent)
        np.testing.assert_array_equal(getattr(scaled, name), expected, err_msg=name)


def test_images_of_values_near_1e_12_have_isophotes(image: np.ndarray, fitted: Isophotes) -> None:
    tiny = arm.fit.isophotes(1e-12 * image, START)
    rows = fitted.converged & (fitted.gradient_rel_err < 0.1)
    np.testing.assert_allclose(tiny.ellipticity[rows], fitted.ellipticity[rows], rtol=1e-6)


def test_where_the_intensity_does_not_fall_there_is_no_gradient_and_no_crash() -> None:
    flat = np.full((80, 80), 100.0)
    with pytest.warns(IsophoteWarning, match="no ellipse could be fitted at sma = 8"):
        found = arm.fit.isophotes(flat, START)
    assert len(found) == 1 and found.stop_code[0] == 5 and "no usable gradient" in found.reason
    assert found.intensity[0] == 100.0 and np.isnan(found.x0_err[0])
    forced = arm.fit.forced_isophotes(flat, [START])
    assert forced.intensity[0] == 100.0 and forced.gradient[0] == 0.0
    assert np.isnan(forced.a).all()


# ------------------------------------------------------------------ where to begin


def test_without_a_geometry_the_galaxy_is_found(image: np.ndarray) -> None:
    for around in ({}, {"x0": 51.2, "y0": 48.7}, {"ellipticity": 0.3}, {"sma": 9.0}):
        found = arm.fit.isophotes(image, around or None)
        middle = np.argmin(np.abs(found.sma - 10.0))
        assert found.x0[middle] == pytest.approx(51.2, abs=0.1)
        assert found.ellipticity[middle] == pytest.approx(0.3, abs=0.03)


def test_of_two_objects_the_one_at_the_given_centre_is_taken() -> None:
    parts = [
        simulated_galaxy(
            (120, 240), effective_radius=8.0, sersic_index=1.0, x0=x, y0=60.0, intensity=i
        )
        for x, i in ((60.0, 100.0), (180.0, 30.0))
    ]
    both = parts[0].image + parts[1].image + np.random.default_rng(1).normal(size=(120, 240))
    assert np.median(arm.fit.isophotes(both).x0) == pytest.approx(60.0, abs=1.0)
    other = arm.fit.isophotes(both, {"x0": 179.0, "y0": 61.0}, max_sma=25.0)
    assert np.median(other.x0) == pytest.approx(180.0, abs=1.0)


def test_an_image_of_noise_says_that_nothing_was_found() -> None:
    noise = np.random.default_rng(2).normal(size=(90, 90))
    with pytest.warns(IsophoteWarning, match="nothing stands out"):
        found = arm.fit.isophotes(noise)
    assert len(found) == 0
    assert "give a geometry" in found.reason
    assert "nothing stands out" in repr(found)


def test_sma0_begins_elsewhere(image: np.ndarray, fitted: Isophotes) -> None:
    found = arm.fit.isophotes(image, START, sma0=10.0)
    assert 10.0 in found.sma and 8.0 not in found.sma
    rows = (found.sma > 5.0) & (found.sma < 20.0)
    level = np.interp(found.sma[rows], fitted.sma, fitted.intensity)
    np.testing.assert_allclose(found.intensity[rows], level, rtol=0.02)


# ------------------------------------------------------------------ rows


def test_steps_are_as_asked(image: np.ndarray) -> None:
    ratio = arm.fit.isophotes(image, START, step=0.25, min_sma=2.0)
    np.testing.assert_allclose(ratio.sma[1:] / ratio.sma[:-1], 1.25)
    assert ratio.sma[0] > 2.0
    equal = arm.fit.isophotes(image, START, step=1.5, linear=True, min_sma=1.0, max_sma=30.0)
    np.testing.assert_allclose(np.diff(equal.sma), 1.5)
    assert equal.sma[-1] < 30.0


def test_growth_beyond_the_last_fit_goes_on_to_max_sma(image: np.ndarray) -> None:
    short = arm.fit.isophotes(image, START)
    long = arm.fit.isophotes(image, START, max_sma=60.0)
    assert long.sma[-1] * 1.1 >= 60.0 > short.sma[-1]
    beyond = long.stop_code == 4
    assert beyond.any()
    for name in ("x0", "y0", "ellipticity", "position_angle"):
        assert len(np.unique(getattr(long, name)[beyond])) == 1
        assert np.isnan(getattr(long, f"{name}_err")[beyond]).all()


def test_a_fixed_angle_stays_even_across_the_galaxy(image: np.ndarray) -> None:
    across = EllipseGeometry(51.2, 48.7, 8.0, 0.2, 0.6 + 0.5 * np.pi)
    found = arm.fit.isophotes(image, across, fix_position_angle=True)
    np.testing.assert_array_equal(found.position_angle[1:], across.position_angle)
    assert found.ellipticity[1:].min() >= 0.0


def test_growth_ends_where_the_image_does(image: np.ndarray) -> None:
    endless = arm.fit.isophotes(image, START, max_sma=1e9)
    assert endless.sma[-1] < 200.0


def test_what_is_fixed_stays(image: np.ndarray) -> None:
    names = {
        "fix_center": ("x0", "y0"),
        "fix_ellipticity": ("ellipticity",),
        "fix_position_angle": ("position_angle",),
    }
    for option, fixed in names.items():
        found = arm.fit.isophotes(image, START, **{option: True})
        rows = found.sma > 0.0
        for name in ("x0", "y0", "ellipticity", "position_angle"):
            values = getattr(found, name)[rows]
            if name in fixed:
                np.testing.assert_array_equal(values, getattr(START, name))
                assert np.isnan(getattr(found, f"{name}_err")).all()
            else:
                assert len(np.unique(values)) > 5
    whole = arm.fit.isophotes(image, START, **dict.fromkeys(names, True))
    assert set(whole.stop_code[whole.sma > 0.0]) <= {4, 5, 1}
    np.testing.assert_array_equal(whole.x0, START.x0)


def test_a_masked_ring_is_not_fitted(image: np.ndarray) -> None:
    y, x = np.indices(image.shape)
    radius = np.hypot(x - 51.2, y - 48.7)
    found = arm.fit.isophotes(image, START, mask=(radius > 14.0), max_sma=40.0)
    assert found.stop_code[found.sma > 25.0].max() >= 3
    assert np.isnan(found.intensity[found.sma > 30.0]).all()
    few = found.stop_code == 1
    assert few.any()
    share = found.n_data[few] / (found.n_data + found.n_flagged)[few]
    assert (share < 0.7).all()


def test_the_centre_is_a_pixel_and_has_no_shape(fitted: Isophotes, image: np.ndarray) -> None:
    assert fitted.sma[0] == 0.0
    assert fitted.stop_code[0] == 0 and not fitted.converged[0]
    column, row = int(fitted.x0[0]), int(fitted.y0[0])
    around = image[row : row + 2, column : column + 2]
    assert around.min() <= fitted.intensity[0] <= around.max()
    for name in ("ellipticity", "position_angle", "gradient", "x0_err", "intensity_err"):
        assert np.isnan(getattr(fitted, name)[0])
    assert np.isnan(fitted.a[0]).all()


# ------------------------------------------------------------------ many images


def test_many_images_give_what_each_gives(image: np.ndarray) -> None:
    rng = np.random.default_rng(8)
    images = [image + rng.normal(0.0, 0.5, image.shape) for _ in range(5)]
    expected = [arm.fit.isophotes(one, START) for one in images]
    for threads in (1, 2, 3):
        for given in (images, iter(images), (one for one in images)):
            found = arm.fit.isophotes(given, START, threads=threads)
            assert isinstance(found, list) and len(found) == 5
            for one, other in zip(found, expected, strict=True):
                require_same(one, other)


def test_each_of_many_images_may_have_its_mask_and_its_geometry(image: np.ndarray) -> None:
    mask = np.zeros(image.shape, bool)
    mask[:, :20] = True
    other = EllipseGeometry(51.0, 49.0, 6.0, 0.3, 0.6)
    found = arm.fit.isophotes([image, (image, mask)], [START, other])
    require_same(found[0], arm.fit.isophotes(image, START))
    require_same(found[1], arm.fit.isophotes(image, other, mask=mask))


def test_a_generator_of_images_is_read_as_it_is_needed(image: np.ndarray) -> None:
    alive = 0
    most = 0

    class Tracked(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def images() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for _ in range(30):
            alive += 1
            most = max(most, alive)
            yield image.copy().view(Tracked)

    arm.fit.isophotes(images(), START, threads=2)
    assert most < 15


def test_an_image_that_cannot_be_used_is_named(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two-dimensional") as caught:
        arm.fit.isophotes([image, image[0]], START, threads=1)
    assert any("image 1" in note for note in caught.value.__notes__)
    with pytest.warns(IsophoteWarning, match="image 1: nothing stands out"):
        found = arm.fit.isophotes([image, np.random.default_rng(0).normal(size=(50, 50))])
    assert len(found[0]) and not len(found[1])


def test_progress_counts_images(image: np.ndarray) -> None:
    seen: list[tuple[Any, Any]] = []
    arm.fit.isophotes([image] * 3, START, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# ------------------------------------------------------------------ forced


def test_forced_on_its_own_image_a_fit_comes_back(image: np.ndarray, fitted: Isophotes) -> None:
    forced = arm.fit.forced_isophotes(image, fitted)
    for name in ("sma", "intensity", "gradient", "rms", "flux_ellipse", "n_data"):
        np.testing.assert_allclose(
            getattr(forced, name), getattr(fitted, name), rtol=1e-9, atol=1e-9, err_msg=name
        )
    assert set(forced.stop_code[1:]) == {4}
    assert np.isnan(forced.x0_err).all()


def test_a_ring_without_usable_pixels_is_unknown(image: np.ndarray) -> None:
    forced = arm.fit.forced_isophotes(np.full(image.shape, np.nan), [START])
    assert forced.stop_code[0] == 3
    assert np.isnan(forced.intensity[0]) and np.isnan(forced.intensity_err[0])
    assert forced.n_data[0] == 0 and forced.n_unusable == image.size


def test_with_a_variance_the_mean_is_weighted_by_its_inverse(image: np.ndarray) -> None:
    variance = np.ones(image.shape)
    variance[:, 51:] = 1e12
    noisy = image.copy()
    noisy[:, 52:] += 1e3
    forced = arm.fit.forced_isophotes(noisy, [START], variance=variance)
    plain = arm.fit.forced_isophotes(noisy, [START])
    assert forced.intensity[0] < 200.0 < plain.intensity[0]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros(5)}, "image must be two-dimensional"),
        ({"image": np.zeros((3, 4, 5))}, "many images must be a list"),
        ({"image": np.array([["a", "b"], ["c", "d"]])}, "image must hold real numbers"),
        ({"image": np.zeros((4, 4), complex)}, "image must hold real numbers"),
        ({"mask": np.zeros((3, 3), bool)}, r"mask must be of the image's shape"),
        ({"mask": np.zeros((100, 110))}, "mask must hold True or False"),
        ({"variance": np.ones((3, 3))}, "variance must be a number or of the image's shape"),
        ({"geometry": {"x": 3.0}}, "geometry names 'x'"),
        ({"geometry": {"x0": 3.0}}, "both of x0 and y0"),
        ({"geometry": {"ellipticity": 1.0}}, "ellipticity must be from 0 to less than 1"),
        ({"geometry": {"sma": -1.0}}, "sma must be positive"),
        ({"geometry": EllipseGeometry(500.0, 5.0, 3.0, 0.1, 0.0)}, "centre must be on the image"),
        ({"sma0": 0.0}, "sma0 must be positive"),
        ({"sma0": np.nan}, "sma0 must be finite"),
        ({"sma0": 10.0, "min_sma": 12.0}, "must be between min_sma = 12"),
        ({"sma0": 10.0, "max_sma": 8.0}, "and max_sma = 8, not 10"),
        ({"min_sma": -1.0}, "min_sma must be at least 0"),
        ({"min_sma": 9.0, "max_sma": 9.0}, "max_sma must be above 9"),
        ({"step": 0.0}, "step must be at least 0.0001"),
        ({"step": "fine"}, "step must be a number"),
        ({"linear": 1}, "linear must be True or False"),
        ({"sigma_clip": -3.0}, "sigma_clip must be above 0"),
        ({"n_clip": -1}, "n_clip must be a whole number of at least 0"),
        ({"integrator": "mode"}, "integrator must be 'bilinear' or 'mean' or 'median'"),
        ({"sampling": "angle"}, "sampling must be"),
        ({"errors": "none"}, "errors must be"),
        ({"harmonics": (2, 3)}, "harmonics must be a whole number of at least 3"),
        ({"harmonics": (3, 3)}, "different orders"),
        ({"harmonics": 4}, "harmonics must be a sequence"),
        ({"max_iterations": 2**31}, "max_iterations must be at most 100,000"),
        ({"n_clip": 10**12}, "n_clip must be at most 1,000"),
        ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1"),
        ({"min_iterations": 1.5}, "min_iterations must be a whole number"),
        ({"convergence": 0.0}, "convergence must be above 0"),
        ({"max_gradient_error": np.inf}, "max_gradient_error must be"),
        ({"min_valid": 1.5}, "min_valid must be above 0 and at most 1"),
        ({"threads": 0}, "threads must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_named(image: np.ndarray, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arm.fit.isophotes(**({"image": image, "geometry": START} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"geometry": 7}, "geometry must be an EllipseGeometry, a mapping or None"),
        ({"geometry": {"x0": "a", "y0": 1.0}}, "x0 must be a number"),
        ({"image": (np.ones((5, 5)),) * 4}, "tuple must be"),
        ({"progress": 3}, "progress must be"),
    ],
)
def test_things_of_another_kind_are_named(
    image: np.ndarray, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        arm.fit.isophotes(**({"image": image, "geometry": START} | change))


def test_masks_of_many_images_come_with_them(image: np.ndarray) -> None:
    with pytest.raises(TypeError, match="must come with each"):
        arm.fit.isophotes([image], START, mask=np.zeros(image.shape, bool))
    with pytest.raises(ValueError, match="one for each"):
        arm.fit.isophotes([image, image], [START])


# ------------------------------------------------------------------ the result


def test_a_result_is_frozen_and_travels(fitted: Isophotes) -> None:
    for name in (*COLUMNS, *HARMONIC_COLUMNS):
        assert not getattr(fitted, name).flags.writeable
    with pytest.raises(AttributeError):
        fitted.sma = None  # type: ignore[misc]
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        require_same(other, fitted)
        assert not other.sma.flags.writeable
        assert other.provenance == fitted.provenance


def test_a_result_tells_what_it_is(fitted: Isophotes) -> None:
    text = repr(fitted)
    assert "110 x 100 pixels" in text and "converged" in text and "'cpu'" in text
    assert fitted.provenance.operation == "fit.isophotes"
    assert len(fitted.to_table()) == len(fitted)


def test_nothing_is_warned_about_without_cause(image: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = arm.fit.isophotes(image)
        found.to_table("iraf", zero_point=25.0)
        assert np.isfinite(found.gradient_rel_err[found.converged]).all()


# ------------------------------------------------------------------ what was once wrong


def test_an_ellipse_around_the_whole_image_has_no_samples(image: np.ndarray) -> None:
    for sma in (1e3, 1e7, 1e18, 1e300):
        forced = arm.fit.forced_isophotes(image, [replace(START, sma=sma)])
        assert forced.stop_code[0] == 3 and np.isnan(forced.intensity[0])
        assert forced.n_pixels_ellipse[0] == image.size
        with pytest.warns(IsophoteWarning, match="no samples"):
            fitted = arm.fit.isophotes(image, START, sma0=sma)
        assert list(fitted.stop_code) == [3]


def test_sums_of_pixels_do_not_depend_on_other_ellipses(image: np.ndarray) -> None:
    hot = image.copy()
    hot[48, 80] = 1e25
    ellipses = [replace(START, sma=sma) for sma in (40.0, 6.0, 0.4)]
    together = arm.fit.forced_isophotes(hot, ellipses)
    for i, ellipse in enumerate(reversed(ellipses)):
        alone = arm.fit.forced_isophotes(hot, [ellipse])
        assert alone.flux_ellipse[0] == together.flux_ellipse[i]
        assert alone.flux_circle[0] == together.flux_circle[i]
    assert together.flux_ellipse[0] == 0.0 or together.n_pixels_ellipse[0] > 0


def test_a_circle_has_no_position_angle_to_correct(image: np.ndarray) -> None:
    circle = replace(START, ellipticity=0.0)
    for backend in ("cpu", "reference"):
        found = arm.fit.isophotes(
            image, circle, fix_ellipticity=True, max_sma=20.0, backend=backend
        )
        assert found.converged.sum() > 10
        assert np.isnan(found.position_angle_err).all()
        np.testing.assert_array_equal(found.position_angle[1:], START.position_angle)


def test_a_geometry_that_was_copied_has_no_errors(image: np.ndarray) -> None:
    y, x = np.indices(image.shape)
    wedge = (np.abs(np.arctan2(y - 48.7, x - 51.2)) < 1.3) & (np.hypot(x - 51.2, y - 48.7) > 15.0)
    found = arm.fit.isophotes(image, START, mask=wedge)
    few = found.stop_code == 1
    assert few.any()
    for name in ("x0", "y0", "ellipticity", "position_angle"):
        assert np.isnan(getattr(found, f"{name}_err")[few]).all()


def test_tiny_variances_of_float32_images_are_not_lost(image: np.ndarray) -> None:
    scale = 1e-24
    tiny = (image * scale).astype(np.float32)
    found = arm.fit.isophotes(tiny, START, variance=(scale**2))
    whole = arm.fit.isophotes(tiny.astype(float), START, variance=(scale**2))
    require_same(found, whole)
    assert found.n_unusable == 0


def test_a_first_ellipse_that_fails_is_tried_in_other_ways(image: np.ndarray) -> None:
    bright = image.copy()
    y, x = np.indices(image.shape)
    ring = np.abs(np.hypot(x - 51.2, y - 48.7) - 15.0) < 1.5
    bright[ring] += 500.0
    found = arm.fit.isophotes(bright, EllipseGeometry(51.0, 49.0, 13.0, 0.1, 0.5))
    assert len(found) > 10 and not found.reason


def test_errors_in_the_work_name_the_image(image: np.ndarray) -> None:
    away = EllipseGeometry(500.0, 5.0, 3.0, 0.1, 0.0)
    for threads in (1, 2):
        with pytest.raises(ValueError, match="centre must be on the image") as caught:
            arm.fit.isophotes([image, image], [START, away], threads=threads)
        assert "image 1 of those given" in caught.value.__notes__


def test_all_lists_of_options_have_the_same_defaults() -> None:
    from armillary.fit.isophote import cpu, reference

    defaults = {f.name: f.default for f in fields(Rules)}
    for function in (
        arm.fit.isophotes,
        arm.fit.forced_isophotes,
        cpu.isophotes,
        cpu.forced_isophotes,
        reference.isophotes,
        reference.forced_isophotes,
    ):
        parameters = inspect.signature(function).parameters
        shared = defaults.keys() & parameters.keys()
        assert len(shared) >= 8
        for name in shared:
            assert parameters[name].default == defaults[name], (function, name)


def test_masks_and_uncertainties_of_astropy_count(image: np.ndarray) -> None:
    from astropy import units
    from astropy.nddata import CCDData, StdDevUncertainty
    from astropy.utils.masked import Masked

    mask = np.zeros(image.shape, bool)
    mask[60:66, 55:63] = True
    expected = arm.fit.isophotes(image, START, mask=mask)
    require_same(arm.fit.isophotes(CCDData(image, unit="adu", mask=mask), START), expected)
    require_same(arm.fit.isophotes(Masked(image, mask=mask), START), expected)
    weighted = arm.fit.isophotes(image, START, variance=4.0)
    sigma = StdDevUncertainty(np.full(image.shape, 2.0))
    require_same(arm.fit.isophotes(CCDData(image, unit="Jy", uncertainty=sigma), START), weighted)
    # Measured, not fitted: iterations multiply the rounding of a conversion.
    weighted = arm.fit.forced_isophotes(image, expected, variance=4.0)
    in_other_units = arm.fit.forced_isophotes(
        image * units.Jy, expected, variance=np.full(image.shape, 4e6) * units.mJy**2
    )
    np.testing.assert_allclose(in_other_units.intensity_err, weighted.intensity_err, rtol=1e-12)


def test_a_table_can_be_written_by_astropy(fitted: Isophotes, tmp_path: Path) -> None:
    for isophotes in (fitted, replace(fitted, harmonics=(), **_no_harmonics(len(fitted)))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            isophotes.to_table().write(tmp_path / "table.fits", overwrite=True)


def _no_harmonics(n: int) -> dict[str, np.ndarray]:
    return {name: np.empty((n, 0)) for name in HARMONIC_COLUMNS}


def test_blank_borders_hide_no_galaxy(image: np.ndarray) -> None:
    y, x = np.indices(image.shape)
    border = (x < 12) | (x > 98) | (y < 8) | (y > 90)
    for blank in (0.0, -32768.0, 1e30):
        found = arm.fit.isophotes(np.where(border, blank, image + 1000.0), max_sma=30.0)
        assert np.median(found.x0) == pytest.approx(51.2, abs=1.0)


def test_harmonics_of_an_arc_are_not_extrapolated(image: np.ndarray) -> None:
    mask = np.zeros(image.shape, bool)
    mask[:, 60:] = True
    found = arm.fit.isophotes(image, START, mask=mask, max_sma=60.0, min_valid=0.3)
    share = found.n_data / (found.n_data + found.n_flagged)
    assert np.isnan(found.b[share < 0.7]).all()
    model, plain = (
        arm.fit.ellipse_model(image, found, harmonics=harmonics) for harmonics in (True, False)
    )
    assert np.abs(model - plain).max() < 0.2 * np.abs(image).max()
