"""``fit.forced_isophotes`` on a device: what armillary promises, and its definition in NumPy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.fit.isophote import cpu, reference
from armillary.fit.isophote.result import HARMONIC_COLUMNS
from armillary.plugins import Request
from armillary.testing import conformance, simulated_galaxy
from armillary.testing.fit_common import require_same
from armillary_cupy import device
from armillary_cupy.isophotes import forced_isophotes

from .host import COMPILER, HostDevice

FORCED = "fit.forced_isophotes"
DATA = Path(os.environ.get("ARMILLARY_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))

test_conformance = pytest.mark.gpu(conformance(FORCED, "cupy"))
test_conformance_on_host = conformance(FORCED, "cupy_on_host")

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler to build the kernels for the host; set CXX to one"
)

SHAPE = (120, 128)
SMA = np.concatenate([[0.0], np.geomspace(0.5, 75.0, 15), [300.0]])
#: The centre, a point off the grid, ellipses of all kinds, some partly and one wholly outside.
ELLIPSES = {
    "x0": 61.31 + 0.01 * SMA,
    "y0": 59.23 - 0.01 * SMA,
    "sma": SMA,
    "ellipticity": np.linspace(0.0, 0.6, len(SMA)),
    "position_angle": np.linspace(0.1, 3.0, len(SMA)),
}
#: Memory (bytes) that holds some of these ellipses at a time.
LITTLE_MEMORY = 240_000


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A galaxy with noise and holes."""
    found = np.array(
        simulated_galaxy(
            SHAPE,
            effective_radius=12.0,
            sersic_index=1.5,
            ellipticity=0.35,
            position_angle=0.7,
            snr=200.0,
            x0=61.3,
            y0=59.2,
            b4=0.01,
        ).image
    )
    for row, column in np.random.default_rng(5).integers(0, 115, (9, 2)):
        found[row : row + 4, column : column + 5] = np.nan
    return found


@pytest.fixture(scope="module")
def variance() -> np.ndarray:
    return np.random.default_rng(6).uniform(0.5, 2.0, SHAPE)


def measured(host: HostDevice, image: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    with device.use(host):
        return forced_isophotes(image, **(ELLIPSES | options))


def require_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def require_near(found: dict[str, Any], expected: dict[str, Any], rtol: float) -> None:
    """Equal but for the rounding of intensities, where columns are differences of these."""
    assert found.keys() >= expected.keys()
    rounding = 1e-11 * np.nanmax(np.abs(expected["intensity"]), initial=0.0)
    per_pixel = rounding / np.where(expected["sma"] > 0.0, expected["sma"], np.inf)
    for name, array in expected.items():
        atol: Any = rounding
        if name.startswith("gradient"):
            atol = per_pixel
        elif name in HARMONIC_COLUMNS:
            atol = (per_pixel / np.abs(expected["gradient"]))[:, None]
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(array), err_msg=name)
        with np.errstate(invalid="ignore"):
            away = np.abs(found[name] - array) / (np.nan_to_num(atol) + rtol * np.abs(array))
        np.testing.assert_array_less(
            np.nan_to_num(away), 1.0, err_msg=f"{name}, in units of its tolerance"
        )


OPTIONS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "errors of photutils": {"errors": "photutils"},
    "eccentric anomaly": {"sampling": "eccentric_anomaly"},
    "means of sectors": {"integrator": "mean"},
    "medians of sectors": {"integrator": "median", "step": 0.15},
    "sectors, eccentric anomaly": {"integrator": "mean", "sampling": "eccentric_anomaly"},
    "wide sectors": {"integrator": "median", "linear": True, "step": 6.5},
    "clipped": {"n_clip": 3, "sigma_clip": 2.5},
    "clipped to the end": {"n_clip": 1000, "sigma_clip": 1.5, "integrator": "mean"},
    "as many harmonics as may be": {"harmonics": tuple(range(3, 15))},
    "no harmonics": {"harmonics": ()},
}


# ------------------------------------------------------------------ what is measured


@needs_compiler
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_ellipses_are_measured_as_the_reference_does(
    image: np.ndarray, variance: np.ndarray, weighted: bool, options: dict[str, Any]
) -> None:
    options = options | {"variance": variance if weighted else None}
    found = measured(HostDevice(), image, **options)
    require_near(found, reference.forced_isophotes(image, **ELLIPSES, **options), 1e-7)


@needs_compiler
def test_an_image_of_single_precision_is_measured_in_double(image: np.ndarray) -> None:
    single = image.astype(np.float32)
    require_bits(measured(HostDevice(), single), measured(HostDevice(), single.astype(float)))


@needs_compiler
@pytest.mark.filterwarnings("error")
def test_an_ellipse_around_everything_has_no_samples_and_all_pixels(image: np.ndarray) -> None:
    largest = {name: values[:1] for name, values in ELLIPSES.items()} | {"sma": np.array([1e308])}
    found = measured(HostDevice(), image, **largest)
    assert found["stop_code"] == 3
    assert found["n_samples"] == 0
    assert found["n_pixels_circle"] == np.isfinite(image).sum()


@needs_compiler
def test_medians_of_equal_and_negative_values_are_found() -> None:
    image = np.random.default_rng(8).integers(-3, 4, SHAPE) * 2.0**-30
    options = {"integrator": "median", "step": 0.2}
    found = measured(HostDevice(), image, **options)
    require_near(found, reference.forced_isophotes(image, **ELLIPSES, **options), 1e-7)


def coordinates(n: int) -> st.SearchStrategy[float]:
    """Not the middle or the corner of a pixel, from where many others are on edges of sectors."""
    return st.builds(lambda half, rest: 0.5 * half + rest, st.integers(0, n), st.floats(0.01, 0.49))


@needs_compiler
@settings(max_examples=100)
@given(
    ellipse=st.fixed_dictionaries(
        {
            "x0": coordinates(119),
            "y0": coordinates(99),
            "sma": st.floats(0.3, 90.0),
            "ellipticity": st.floats(0.0, 0.94),
            "position_angle": st.floats(0.0, 3.1415),
        }
    ),
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
    ellipse: dict[str, float], options: dict[str, Any], holes: int, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(100.0, 5.0, (51, 61))
    for row, column in rng.integers(0, 45, (holes, 2)):
        image[row : row + 6, column : column + 6] = np.nan
    variance = rng.uniform(1.0, 9.0, image.shape) if weighted else None
    every = {name: np.array([value]) for name, value in ellipse.items()} | options
    expected = reference.forced_isophotes(image, **every, variance=variance)
    found = measured(HostDevice(), image, **every, variance=variance)
    n_total = expected["n_data"] + expected["n_flagged"]
    steep = np.abs(expected["gradient"]) * ellipse["sma"] > 1e-9 * expected["intensity"]
    if expected["n_data"][0] < 0.7 * n_total[0]:
        # A short arc hardly tells one harmonic from another: rounding decides.
        for name in (*HARMONIC_COLUMNS, "intensity_err"):
            del expected[name]
    elif not steep[0]:
        # Relative to a gradient that is nothing but rounding, so are harmonics.
        for name in HARMONIC_COLUMNS:
            del expected[name]
    require_near(found, expected, 1e-5)


@needs_compiler
@pytest.mark.parametrize("name", ["M51.fits", "pgc57129_g.fits"])
def test_a_real_galaxy_is_measured_as_by_the_default(name: str) -> None:
    path = DATA / "images" / name
    if not path.exists():
        pytest.skip(f"no real image {path}; set ARMILLARY_TEST_DATA to where they are")
    image = arm.io.read_image(path)
    profile = arm.fit.isophotes(image)
    for options in ({}, {"integrator": "median", "n_clip": 2}):
        expected = arm.fit.forced_isophotes(image, profile, **options)
        found = arm.fit.forced_isophotes(image, profile, backend="cupy_on_host", **options)
        assert len(found) > 25
        require_same(f"the device, instead of the host, with {options},", expected, found, 1e-9)


# ------------------------------------------------------------------ what may not matter


@needs_compiler
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_the_order_of_threads_does_not_matter(image: np.ndarray, options: dict[str, Any]) -> None:
    found = measured(HostDevice(backwards=True), image, **options)
    require_bits(found, measured(HostDevice(), image, **options))


@needs_compiler
@pytest.mark.parametrize("options", [{}, {"integrator": "median"}, {"errors": "photutils"}])
def test_the_size_of_blocks_does_not_matter(image: np.ndarray, options: dict[str, Any]) -> None:
    expected = measured(HostDevice(), image, **options)
    blocks = set()
    for memory in (LITTLE_MEMORY, 2 * LITTLE_MEMORY, 100 * LITTLE_MEMORY):
        host = HostDevice(memory=memory)
        require_bits(measured(host, image, **options), expected)
        blocks.add(host.launches.count("draw"))
    assert min(blocks) == 1
    assert max(blocks) > 1


class Traffic(HostDevice):
    """A device that notes what is brought to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.brought: list[tuple[int, ...]] = []

    def to_device(self, array: Any, dtype: Any = None) -> np.ndarray:
        self.brought.append(array.shape)
        return super().to_device(array, dtype)


@needs_compiler
def test_an_image_goes_to_the_device_once(image: np.ndarray, variance: np.ndarray) -> None:
    host = Traffic(memory=LITTLE_MEMORY)
    measured(host, image, variance=variance)
    assert host.launches.count("draw") > 1
    assert host.brought.count(SHAPE) == 2


@needs_compiler
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_an_image_that_is_there_never_comes_to_the_host(
    moon: Any, image: np.ndarray, variance: np.ndarray, options: dict[str, Any]
) -> None:
    there = moon.asarray(image.astype(np.float32))
    given = moon.asarray(variance), moon.asarray(np.isnan(image))
    found = arm.fit.forced_isophotes(there, ELLIPSES, variance=given[0], mask=given[1], **options)
    assert moon.fetched == []
    expected = arm.fit.forced_isophotes(
        image.astype(np.float32), ELLIPSES, variance=variance, backend="cupy_on_host", **options
    )
    require_same("an image on the device", expected, found.on_host())


# ------------------------------------------------------------------ memory


class Boaster(HostDevice):
    """A device that says there is more memory than it can give."""

    def free_memory(self) -> int:
        return 2**40


@needs_compiler
def test_work_that_runs_out_of_memory_is_done_in_smaller_blocks(image: np.ndarray) -> None:
    host = Boaster(memory=2 * LITTLE_MEMORY)
    require_bits(measured(host, image), measured(HostDevice(), image))


@needs_compiler
def test_an_ellipse_without_memory_is_an_error_that_says_so(image: np.ndarray) -> None:
    with pytest.raises(MemoryError, match=r"an ellipse of fit\.forced_isophotes needs about"):
        measured(HostDevice(memory=10_000), image)


@needs_compiler
def test_an_ellipse_that_no_memory_could_hold_is_refused(image: np.ndarray) -> None:
    # So flat that the image is not inside it.
    flat = {name: values[-1:] for name, values in ELLIPSES.items()}
    flat |= {"sma": np.array([1e9]), "ellipticity": np.array([1.0 - 1e-9])}
    with pytest.raises(MemoryError, match="sma is too large"):
        measured(HostDevice(), image, **flat)


# ------------------------------------------------------------------ on a device


@pytest.fixture
def cupy() -> Any:
    reason = device.can_run(Request(FORCED))
    if reason is not True:
        pytest.skip(reason)
    import cupy

    return cupy


@pytest.mark.gpu
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_a_device_measures_as_the_host_does(
    cupy: Any, image: np.ndarray, variance: np.ndarray, options: dict[str, Any]
) -> None:
    for given_variance in (None, variance):
        expected = cpu.forced_isophotes(image, **ELLIPSES, variance=given_variance, **options)
        found = forced_isophotes(image, **ELLIPSES, variance=given_variance, **options)
        assert all(isinstance(array, np.ndarray) for array in found.values())
        require_near(found, expected, 1e-7)


@pytest.mark.gpu
def test_arrays_of_a_device_stay_there(cupy: Any, image: np.ndarray, variance: np.ndarray) -> None:
    expected = arm.fit.forced_isophotes(image, ELLIPSES, variance=variance, backend="cupy")
    found = arm.fit.forced_isophotes(
        cupy.asarray(image), ELLIPSES, mask=cupy.isnan(cupy.asarray(image)),
        variance=cupy.asarray(variance),
    )  # fmt: skip
    assert found.provenance.backend == "cupy"
    assert isinstance(found.intensity, cupy.ndarray)
    assert isinstance(found.gradient_rel_err, cupy.ndarray)
    assert found.n_unusable == expected.n_unusable
    require_same("an image on the device", expected, found.on_host())
    assert len(found.to_table()) == len(SMA)


@pytest.mark.gpu
def test_a_device_that_is_nearly_full_is_enough(cupy: Any, image: np.ndarray) -> None:
    expected = forced_isophotes(image, **ELLIPSES)
    pool = cupy.get_default_memory_pool()
    before = pool.get_limit()
    pool.free_all_blocks()
    try:
        pool.set_limit(size=pool.used_bytes() + 4 * LITTLE_MEMORY)
        require_bits(forced_isophotes(image, **ELLIPSES), expected)
    finally:
        pool.set_limit(size=before)
