"""Images on a device are measured there: nothing is copied to the host that nobody asks for."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.fit.isophote import cpu
from armillary.fit.isophote.result import COLUMNS, HARMONIC_COLUMNS
from armillary.plugins import BackendUnavailable
from armillary.testing import simulated_galaxy

from ..fake_device import land

FORCED = "fit.forced_isophotes"
ARRAYS = (*COLUMNS, *HARMONIC_COLUMNS)
SHAPE = (60, 64)
SMA = np.array([0.0, 3.0, 6.0, 10.0, 15.0, 45.0])
ELLIPSES = {
    "sma": SMA,
    "x0": 31.3 + 0.0 * SMA,
    "y0": 29.6 + 0.0 * SMA,
    "ellipticity": 0.3 + 0.0 * SMA,
    "position_angle": 0.5 + 0.0 * SMA,
}


@pytest.fixture
def moon(monkeypatch: pytest.MonkeyPatch) -> Any:
    there = land(monkeypatch)
    there.own(FORCED, cpu.forced_isophotes)
    return there


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    found = simulated_galaxy(
        SHAPE, effective_radius=9.0, ellipticity=0.3, position_angle=0.5, snr=80.0, x0=31.3, y0=29.6
    )
    return found.image


@pytest.fixture(scope="module")
def variance() -> np.ndarray:
    return np.random.default_rng(4).uniform(0.5, 2.0, SHAPE)


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[20:26, 30:40] = True
    return mask


def require_same(moon: Any, found: arm.fit.Isophotes, expected: arm.fit.Isophotes) -> None:
    """All arrays are on the device, and what they are on the host, to the bit."""
    assert moon.fetched == []
    for name in ARRAYS:
        array = getattr(found, name)
        assert isinstance(array, moon.Array), name
        np.testing.assert_array_equal(array.get(), getattr(expected, name), err_msg=name)


# ------------------------------------------------------------------ there


def test_the_result_of_an_image_on_a_device_is_there(moon: Any, image: np.ndarray) -> None:
    found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES)
    assert found.provenance.backend == "moon"
    assert len(found) == len(SMA)
    assert found.image_shape == SHAPE
    require_same(moon, found, arm.fit.forced_isophotes(image, ELLIPSES))


def test_a_mask_and_variances_are_looked_at_there(
    moon: Any, image: np.ndarray, variance: np.ndarray, hole: np.ndarray
) -> None:
    worthless = np.where(hole, -1.0, variance)
    for given in ({"mask": hole}, {"variance": variance}, {"mask": hole, "variance": worthless}):
        there = {name: moon.asarray(array) for name, array in given.items()}
        found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES, **there)
        expected = arm.fit.forced_isophotes(image, ELLIPSES, **given)
        assert found.n_unusable == expected.n_unusable
        require_same(moon, found, expected)
        moon.fetched.clear()


def test_one_variance_for_all_pixels_may_be_a_number(moon: Any, image: np.ndarray) -> None:
    found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES, variance=4.0)
    require_same(moon, found, arm.fit.forced_isophotes(image, ELLIPSES, variance=4.0))


@pytest.mark.parametrize(
    "kind",
    [
        lambda image: image.astype(np.float32),
        lambda image: np.rint(10.0 * image).astype(np.int16),
        lambda image: np.where(image > 60.0, np.inf, image),
        lambda image: np.full_like(image, np.nan),
    ],
    ids=["single precision", "whole numbers", "infinite", "nothing"],
)
def test_images_of_any_kind_are_prepared_as_on_the_host(
    moon: Any, image: np.ndarray, kind: Any
) -> None:
    given = kind(image)
    there = moon.asarray(given)
    require_same(
        moon,
        arm.fit.forced_isophotes(there, ELLIPSES),
        arm.fit.forced_isophotes(given, ELLIPSES),
    )
    np.testing.assert_array_equal(there.get(), given)


def test_what_is_wrong_with_an_image_is_said_as_on_the_host(moon: Any, image: np.ndarray) -> None:
    there = moon.asarray(image)
    wrong = (
        ("image must be two-dimensional", moon.asarray(image[0]), {}),
        ("image must hold real numbers", moon.asarray(image.astype(complex)), {}),
        ("mask must be of the image's shape", there, {"mask": moon.asarray(image[:3] > 0.0)}),
        ("mask must hold True or False", there, {"mask": there}),
        ("variance must be a number or of", there, {"variance": moon.asarray(image[:3])}),
    )
    for sentence, given, others in wrong:
        with pytest.raises(ValueError, match=sentence):
            arm.fit.forced_isophotes(given, ELLIPSES, **others)
    assert moon.fetched == []


def test_many_images_may_be_there(moon: Any, image: np.ndarray, hole: np.ndarray) -> None:
    found = arm.fit.forced_isophotes(
        [moon.asarray(image), (moon.asarray(image), moon.asarray(hole))], ELLIPSES
    )
    expected = arm.fit.forced_isophotes([image, (image, hole)], ELLIPSES)
    assert moon.fetched == []
    for one, other in zip(found, expected, strict=True):
        require_same(moon, one, other)
        moon.fetched.clear()


# ------------------------------------------------------------------ here and there


@pytest.mark.parametrize("there", ["image", "mask", "variance"])
def test_a_mixture_of_host_and_device_is_refused(
    moon: Any, image: np.ndarray, variance: np.ndarray, hole: np.ndarray, there: str
) -> None:
    given: dict[str, Any] = {"image": image, "mask": hole, "variance": variance}
    given[there] = moon.asarray(given[there])
    with pytest.raises(TypeError, match=rf"{there} is a moon array and \w+ is on the host"):
        arm.fit.forced_isophotes(**given, template=ELLIPSES)
    assert moon.fetched == []


@pytest.mark.parametrize("elsewhere", ["image", "mask", "variance"])
def test_arrays_on_another_device_than_the_current_one_are_refused(
    moon: Any, image: np.ndarray, variance: np.ndarray, hole: np.ndarray, elsewhere: str
) -> None:
    given = {"image": image, "mask": hole, "variance": variance}
    there = {name: moon.asarray(array) for name, array in given.items()}
    there[elsewhere] = moon.elsewhere(given[elsewhere])
    with pytest.raises(ValueError, match=f"{elsewhere} is on device 1 of moon, where 0 is"):
        arm.fit.forced_isophotes(**there, template=ELLIPSES)


def test_ellipses_are_given_on_the_host(moon: Any, image: np.ndarray) -> None:
    template = ELLIPSES | {"sma": moon.asarray(SMA)}
    with pytest.raises(TypeError, match="template: sma must be on the host, not a moon array"):
        arm.fit.forced_isophotes(moon.asarray(image), template)


def test_a_result_there_is_a_template(moon: Any, image: np.ndarray) -> None:
    profile = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES)
    found = arm.fit.forced_isophotes(moon.asarray(2.0 * image), profile, n_clip=1)
    # Its geometry alone is read.
    assert len(moon.fetched) == 5
    moon.fetched.clear()
    expected = arm.fit.forced_isophotes(2.0 * image, ELLIPSES, n_clip=1)
    require_same(moon, found, expected)


def test_a_backend_of_the_host_refuses_an_image_that_is_elsewhere(
    moon: Any, image: np.ndarray
) -> None:
    there = moon.asarray(image)
    with pytest.raises(BackendUnavailable, match="it takes 'numpy' arrays, not moon"):
        arm.fit.forced_isophotes(there, ELLIPSES, backend="cpu")
    with pytest.raises(TypeError, match="no installed backend takes moon arrays"):
        arm.fit.isophotes(there)
    assert moon.fetched == []


def test_a_geometry_is_found_on_the_host_alone(moon: Any, image: np.ndarray) -> None:
    moon.own("fit.isophotes", cpu.isophotes)
    start = {"x0": 31.0, "y0": 30.0, "sma": 8.0, "ellipticity": 0.2, "position_angle": 0.4}
    there = moon.asarray(image)
    require_same(moon, arm.fit.isophotes(there, start), arm.fit.isophotes(image, start))
    moon.fetched.clear()
    with pytest.raises(TypeError, match="image without a complete geometry must be on the host"):
        arm.fit.isophotes(there, {"x0": 31.0, "y0": 30.0})
    assert moon.fetched == []


def test_results_that_are_there_are_not_cached(moon: Any, image: np.ndarray) -> None:
    there, store = moon.asarray(image), arm.cache.open("memory")
    with pytest.raises(TypeError, match="cache keeps results of arrays on the host"):
        arm.fit.forced_isophotes(there, ELLIPSES, cache=store)
    with arm.use_cache(store):
        arm.fit.forced_isophotes(there, ELLIPSES)
    assert len(store) == 0
    assert moon.fetched == []


# ------------------------------------------------------------------ what is asked for


def test_what_is_derived_stays_there(moon: Any, image: np.ndarray) -> None:
    found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES)
    expected = arm.fit.forced_isophotes(image, ELLIPSES)
    derived = {
        name: getattr(found, name)
        for name in ("converged", "known", "gradient_rel_err", "pixel_stddev")
    }
    assert moon.fetched == []
    for name, array in derived.items():
        np.testing.assert_array_equal(array.get(), getattr(expected, name), err_msg=name)


def test_tables_files_and_texts_take_one_copy(moon: Any, image: np.ndarray, tmp_path: Any) -> None:
    found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES)
    expected = arm.fit.forced_isophotes(image, ELLIPSES)
    table = found.to_table()
    assert len(moon.fetched) == len(ARRAYS)
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], expected.to_table()[name], err_msg=name)
    found.save(tmp_path / "profile.ecsv")
    loaded = arm.fit.Isophotes.load(tmp_path / "profile.ecsv")
    np.testing.assert_array_equal(loaded.intensity, expected.intensity)
    assert "sma 0 to 45 pixels" in repr(found)
    assert found.on_host() is found.on_host()
    assert len(moon.fetched) == len(ARRAYS)
    assert expected.on_host() is expected


def test_pictures_are_drawn_of_a_copy(moon: Any, image: np.ndarray) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    there = moon.asarray(image)
    found = arm.fit.forced_isophotes(there, ELLIPSES)
    assert found.plot(there) is not None
    assert len(moon.fetched) == len(ARRAYS) + 1


def test_a_pickle_holds_what_is_there_once(moon: Any, image: np.ndarray) -> None:
    found = arm.fit.forced_isophotes(moon.asarray(image), ELLIPSES)
    before = len(pickle.dumps(found))
    host = found.on_host()
    assert len(pickle.dumps(found)) == before
    again = pickle.loads(pickle.dumps(found))
    moon.fetched.clear()
    require_same(moon, again, host)
