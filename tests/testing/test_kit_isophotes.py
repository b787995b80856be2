"""The suites of isophotes must fail backends that are wrong, each by the check meant for it."""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.fit.isophote import cpu
from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import CheckFailed, checks, run_checks
from armillary.testing.fit_common import angle_between, bilinear, elliptical_radius
from armillary.testing.kit import run_check

from .planted_faults import Arguments, Arrays, Fault, Target, calling, returning

pytestmark = pytest.mark.kernel

FITTED, FORCED = "fit.isophotes", "fit.forced_isophotes"
MODULE = "armillary_test_isophotes"

Register = Callable[[str, Target], str]

GEOMETRY = ("x0", "y0", "ellipticity", "position_angle")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """A function that registers a target as the backend ``fake`` of an operation."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(operation: str, target: Target) -> str:
        module.target = target  # type: ignore[attr-defined]
        record = Implementation(operation=operation, name="fake", target=f"{MODULE}:target", api=1)
        registry = load_registry([])
        registry.implementations[operation]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


def right_target(operation: str) -> Target:
    return cpu.isophotes if operation == FITTED else cpu.forced_isophotes


# ------------------------------------------------------------------ ways to be wrong


def times(factor: float, *names: str) -> Fault:
    """Some columns times a number."""
    return returning(lambda found, _: {name: factor * found[name] for name in names})


def plus(amount: float, *names: str) -> Fault:
    """Some columns and a number."""
    return returning(lambda found, _: {name: found[name] + amount for name in names})


def measuring(change: Callable[[Arguments], Arguments]) -> Fault:
    """Other ellipses than those that were given, without saying so."""

    def fault(right: Target) -> Target:
        given = returning(lambda _, arguments: {name: arguments[name] for name in GEOMETRY})

        @functools.wraps(right)
        def target(**arguments: Any) -> Arrays:
            return given(lambda **same: right(**(same | change(same))))(**arguments)

        return target

    return fault


def rows(choice: Callable[[Arrays], Any]) -> Fault:
    """Some of the rows."""
    return returning(
        lambda found, _: {name: column[choice(found)].copy() for name, column in found.items()}
    )


def without(**options: Any) -> Fault:
    """Options that are named, and not honoured."""
    return calling(lambda _: options)


def unknown_as_zero(found: Arrays, _: Arguments) -> Arrays:
    return {
        name: np.nan_to_num(column) for name, column in found.items() if column.dtype == np.float64
    }


def nearest_pixel_at_the_centre(found: Arrays, arguments: Arguments) -> Arrays:
    intensity = found["intensity"].copy()
    if len(intensity) and found["sma"][0] == 0.0:
        row, column = np.rint([found["y0"][0], found["x0"][0]]).astype(int)
        intensity[0] = arguments["image"][row, column]
    return {"intensity": intensity}


def swapped(found: Arrays, first: str, second: str) -> Arrays:
    return {first: found[second], second: found[first]}


def floor_of_gradients(found: Arrays, _: Arguments) -> Arrays:
    """No isophotes where a gradient is below some number that suits the author's images."""
    keep = ~(np.abs(found["gradient"]) < 1e-6)
    return {name: column[keep] for name, column in found.items()}


def below_the_sky(arguments: Arguments) -> Arguments:
    image = arguments["image"]
    return {"image": image - np.nanmin(image)}


def half_precision(arguments: Arguments) -> Arguments:
    image = arguments["image"]
    single = image.dtype == np.float32
    return {"image": image.astype(np.float16).astype(np.float32) if single else image}


def mask_forgotten(arguments: Arguments) -> Arguments:
    return {"image": np.nan_to_num(arguments["image"])}


def touched(arguments: Arguments) -> Arguments:
    # The array is read-only; this backend takes the liberty.
    image = arguments["image"]
    image.base.setflags(write=True)
    image.setflags(write=True)
    image[0, 0] += 1.0
    return {"image": image}


def silent_failures(right: Target) -> Target:
    """What cannot be fitted gives nothing at all."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        found = right(**arguments)
        failed = len(found["sma"]) == 1 and found["stop_code"][0] in (1, 3, 5)
        return {name: array[:0] for name, array in found.items()} if failed else found

    return target


def medians_as_means(arguments: Arguments) -> Arguments:
    return {"integrator": "mean"} if arguments["integrator"] == "median" else {}


def begun_anew(found: Arrays, _: Arguments) -> Arrays:
    """Ellipses are numbered in 8 bits."""
    number = np.arange(len(found["sma"])) % 256
    return {"intensity": found["intensity"][number]}


def errors_of_fixed(found: Arrays, arguments: Arguments) -> Arrays:
    return {"x0_err": np.full_like(found["x0"], 0.1)} if arguments["fix_center"] else {}


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)
_own: dict[int, np.ndarray] = {}


def noisy(found: Arrays, size: float) -> Arrays:
    return {"intensity": found["intensity"] * (1.0 + size)}


def one_array(found: Arrays, _: Arguments) -> Arrays:
    """The same memory in every call."""
    kept = _own.setdefault(len(found["sma"]), found["intensity"].copy())
    kept.setflags(write=True)
    kept[:] = found["intensity"]
    return {"intensity": kept}


def lost_in_threads(right: Target) -> Target:
    """Images that share what should be each one's own: the last caller's is measured."""
    seen: list[Any] = []

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        seen.append(arguments["image"])
        return right(**(arguments | {"image": seen[len(seen) // 2]}))

    return target


def by_root_of_variance(arguments: Arguments) -> Arguments:
    variance = arguments["variance"]
    return {"variance": None if variance is None else np.sqrt(variance)}


def variance_up_to_a_factor(arguments: Arguments) -> Arguments:
    variance = arguments["variance"]
    return {"variance": None if variance is None else variance / np.nanmean(variance)}


def wrong_codes(found: Arrays, code: int) -> Arrays:
    return {"stop_code": np.where(found["sma"] > 0.0, code, found["stop_code"])}


def zeros_where_nothing_is(found: Arrays, _: Arguments) -> Arrays:
    return {
        name: np.where(found["n_data"] == 0, 0.0, found[name]) for name in ("intensity", "gradient")
    }


def with_background_in_sums(found: Arrays, arguments: Arguments) -> Arrays:
    """Fluxes over whole boxes instead of circles."""
    return {"flux_circle": found["flux_circle"] * 4.0 / np.pi}


def other_samples_brighter(found: Arrays, arguments: Arguments) -> Arrays:
    plain = arguments["integrator"] == "bilinear"
    return {} if plain else {"intensity": 1.05 * found["intensity"]}


#: What is wrong with a fit -> the fault, and a check that must notice.
WRONG_FITS: dict[str, tuple[Fault, str]] = {
    "clockwise angles": (
        returning(lambda r, _: {"position_angle": np.mod(-r["position_angle"], np.pi)}),
        "sersic_galaxies",
    ),
    "angles to the y axis": (
        returning(lambda r, _: {"position_angle": np.mod(r["position_angle"] + np.pi / 2, np.pi)}),
        "every_direction",
    ),
    "angles above a half turn": (plus(np.pi, "position_angle"), "rows_ascend"),
    "angles in degrees": (times(180.0 / np.pi, "position_angle"), "rows_ascend"),
    "x for y": (returning(lambda r, _: swapped(r, "x0", "y0")), "sersic_galaxies"),
    "x for y of the beginning": (
        calling(lambda a: {"x0": a["y0"] + 20.0, "y0": a["x0"] - 20.0}),
        "beginnings",
    ),
    "corners of pixels": (plus(0.5, "x0", "y0"), "sersic_galaxies"),
    "pixels counted from one": (plus(1.0, "x0", "y0"), "value_at_the_centre"),
    "pixels a little too wide": (times(1.001, "x0"), "whole_pixels"),
    "ratios of axes": (
        returning(lambda r, _: {"ellipticity": 1.0 - r["ellipticity"]}),
        "sersic_galaxies",
    ),
    "intensities 2 % off": (times(1.02, "intensity"), "sersic_galaxies"),
    "semi-minor for semi-major axes": (
        returning(lambda r, _: {"sma": r["sma"] * np.sqrt(1.0 - np.nan_to_num(r["ellipticity"]))}),
        "sersic_galaxies",
    ),
    "slopes of the wrong sign": (times(-1.0, "gradient"), "slope_of_a_cone"),
    "slopes of the logarithm": (
        returning(lambda r, _: {"gradient": r["gradient"] * r["sma"]}),
        "slope_of_a_profile",
    ),
    "boxes for discs": (times(-1.0, "b"), "boxes_and_discs"),
    "cosines for sines": (returning(lambda r, _: swapped(r, "a", "b")), "boxes_and_discs"),
    "the third order for the fourth": (
        returning(lambda r, _: {"b": r["b"][:, ::-1].copy()}),
        "boxes_and_discs",
    ),
    "deviations of the intensity": (
        returning(lambda r, _: {"b": r["b"] * (r["sma"] * -r["gradient"])[:, None]}),
        "boxes_and_discs",
    ),
    "always the third and fourth order": (
        calling(lambda a: {"harmonics": (3, 4)}),
        "orders_of_harmonics",
    ),
    "intensity errors half as large": (times(0.5, "intensity_err"), "widths_of_pulls"),
    "position angle errors in degrees": (
        times(180.0 / np.pi, "position_angle_err"),
        "widths_of_pulls",
    ),
    "errors of the centre half as large": (times(0.5, "x0_err", "y0_err"), "widths_of_pulls"),
    "errors of ellipticity twice as large": (times(2.0, "ellipticity_err"), "widths_of_pulls"),
    "unknown errors of 0": (times(0.0, "y0_err"), "errors_are_known_or_nan"),
    "no errors of deviations": (times(np.nan, "b_err"), "errors_are_known_or_nan"),
    "errors with a floor": (
        returning(lambda r, _: {"intensity_err": np.hypot(r["intensity_err"], 0.01)}),
        "errors_in_other_units",
    ),
    "errors of what is fixed": (returning(errors_of_fixed), "fixed_parameters"),
    "one kind of errors": (without(errors="correlated"), "errors_as_in_photutils"),
    "masked pixels as zeros": (calling(mask_forgotten), "unusable_pixels"),
    "no row at the centre": (rows(lambda r: r["sma"] > 0.0), "value_at_the_centre"),
    "the nearest pixel at the centre": (
        returning(nearest_pixel_at_the_centre),
        "value_at_the_centre",
    ),
    "zeros at the centre": (returning(unknown_as_zero), "value_at_the_centre"),
    "from the outside inwards": (rows(lambda r: np.argsort(-r["sma"])), "rows_ascend"),
    "numbers as floats": (
        returning(lambda r, _: {"n_data": r["n_data"].astype(float)}),
        "rows_ascend",
    ),
    "floats as numbers": (
        returning(lambda r, _: {"sma": r["sma"].astype(np.int64)}),
        "rows_ascend",
    ),
    "columns of unequal length": (returning(lambda r, _: {"sma": r["sma"][1:]}), "rows_ascend"),
    "squares for circles": (returning(with_background_in_sums), "sums_over_pixels"),
    "pixels that are not there": (plus(3, "n_pixels_ellipse"), "sums_over_pixels"),
    "no flagged samples": (
        returning(lambda r, _: {"n_flagged": np.zeros_like(r["n_flagged"])}),
        "counts_of_samples",
    ),
    "four samples in a pixel": (times(4, "n_data", "n_flagged"), "counts_of_samples"),
    "the area of a pixel": (times(0.5, "sector_area"), "counts_of_samples"),
    "a smallest gradient": (returning(floor_of_gradients), "scale_of_the_intensity"),
    "a sky of its own": (calling(below_the_sky), "level_of_the_sky"),
    "half precision": (calling(half_precision), "precision_of_the_image"),
    "variances without their unit": (calling(variance_up_to_a_factor), "variance_of_all_pixels"),
    "no weights": (without(variance=None), "variances_as_weights"),
    "no clipping": (without(n_clip=0), "clipped_samples"),
    "clipping at a limit of its own": (without(sigma_clip=3.0), "clipped_samples"),
    "no sectors": (without(integrator="bilinear"), "sectors_of_a_fit"),
    "means for medians": (calling(medians_as_means), "sectors_of_a_fit"),
    "polar angles for anomalies": (without(sampling="polar_angle"), "angles_of_samples"),
    "sectors 5 % brighter": (returning(other_samples_brighter), "other_samples"),
    "three iterations": (without(max_iterations=3), "beginnings"),
    "its own number of iterations": (without(max_iterations=50), "limits_of_iterations"),
    "no least number of iterations": (without(min_iterations=1), "limits_of_iterations"),
    "its own least number of iterations": (without(min_iterations=10), "limits_of_iterations"),
    "one ellipse too few": (rows(lambda r: slice(None, -1)), "list_of_semi_major_axes"),
    "steps of ratios alone": (without(linear=False), "list_of_semi_major_axes"),
    "its own step": (without(step=0.1), "list_of_semi_major_axes"),
    "all the way to the centre": (without(min_sma=0.0), "list_of_semi_major_axes"),
    "centres that move": (without(fix_center=False), "fixed_parameters"),
    "ellipticities that change": (without(fix_ellipticity=False), "fixed_parameters"),
    "angles that turn": (without(fix_position_angle=False), "fixed_parameters"),
    "one for all fixed": (
        calling(lambda a: {"fix_center": a["fix_ellipticity"] or a["fix_center"]}),
        "fixed_parameters",
    ),
    "fitted where all is fixed": (
        returning(lambda r, a: wrong_codes(r, 0) if a["fix_center"] else {}),
        "everything_fixed",
    ),
    "stop codes of its own": (returning(lambda r, _: wrong_codes(r, -1)), "stop_codes"),
    "everything converged": (returning(lambda r, _: wrong_codes(r, 0)), "stop_codes"),
    "zeros for unknown errors": (returning(unknown_as_zero), "stop_codes"),
    "any number of valid samples": (without(min_valid=0.01), "nothing_beyond_a_radius"),
    "its own number of valid samples": (without(min_valid=0.7), "nothing_beyond_a_radius"),
    "any error of the gradient": (without(max_gradient_error=1e9), "lost_in_the_noise"),
    "no end in the noise": (
        calling(lambda a: {"max_sma": a["max_sma"] or 70.0}),
        "lost_in_the_noise",
    ),
    "no row of what cannot be fitted": (silent_failures, "nothing_to_fit"),
    "an argument overwritten": (calling(touched), "inputs_are_left_alone"),
    "another answer each time": (
        returning(lambda r, _: noisy(r, 1e-13 * next(_calls))),
        "repeated_call",
    ),
    "one array for all answers": (returning(one_array), "repeated_call"),
    "images of others": (lost_in_threads, "several_images"),
    "chatter": (
        returning(lambda r, _: print("fitting") or {}),
        "nothing_is_printed",
    ),
}

#: What is wrong with forced photometry -> the fault, and a check that must notice.
WRONG_PHOTOMETRY: dict[str, tuple[Fault, str]] = {
    "angles off by rounding": (plus(1e-15, "position_angle"), "geometry_of_the_template"),
    "fitted": (returning(lambda r, _: wrong_codes(r, 0)), "geometry_of_the_template"),
    "errors of what is given": (
        returning(lambda r, _: {"x0_err": np.zeros_like(r["x0"])}),
        "geometry_of_the_template",
    ),
    "clockwise angles": (
        measuring(lambda a: {"position_angle": -a["position_angle"]}),
        "truth_of_a_galaxy",
    ),
    "ratios of axes": (
        measuring(lambda a: {"ellipticity": np.minimum(1.0 - a["ellipticity"], 0.95)}),
        "truth_of_a_galaxy",
    ),
    "x for y": (measuring(lambda a: {"x0": a["y0"], "y0": a["x0"]}), "its_own_image"),
    "pixels counted from one": (
        measuring(lambda a: {"x0": a["x0"] + 1.0, "y0": a["y0"] + 1.0}),
        "slope_of_a_plane",
    ),
    "slopes of the wrong sign": (times(-1.0, "gradient"), "slope_of_a_cone"),
    "a sky of its own": (calling(below_the_sky), "constant_image"),
    "its own step": (without(step=0.1), "sizes_of_sectors"),
    "steps of ratios alone": (without(linear=False), "sizes_of_sectors"),
    "no sectors": (without(integrator="bilinear"), "means_and_medians"),
    "no clipping": (without(n_clip=0), "clipped_samples"),
    "clipping at a limit of its own": (without(sigma_clip=3.0), "clipped_samples"),
    "one kind of errors": (without(errors="correlated"), "errors_as_in_photutils"),
    "ellipses that begin anew after 256": (returning(begun_anew), "many_ellipses"),
    "single precision": (
        returning(lambda r, _: {"intensity": r["intensity"].astype(np.float32).astype(float)}),
        "constant_image",
    ),
    "a zero point": (plus(1.0, "intensity"), "colour_of_two_bands"),
    "boxes for discs": (times(-1.0, "b"), "boxes_and_discs"),
    "scatter of pixels": (times(1.5, "rms"), "scatter_of_samples"),
    "intensity errors half as large": (times(0.5, "intensity_err"), "widths_of_pulls"),
    "variances without their unit": (calling(variance_up_to_a_factor), "widths_of_pulls"),
    "no weights": (without(variance=None), "means_weighted_by_variance"),
    "weights by standard deviation": (calling(by_root_of_variance), "means_weighted_by_variance"),
    "an answer that depends on the other rows": (
        returning(lambda r, _: noisy(r, 1e-13 * len(r["sma"]))),
        "one_row_at_a_time",
    ),
    "one row for equal ellipses": (
        rows(lambda r: np.unique(r["sma"], return_index=True)[1]),
        "repeated_ellipses",
    ),
    "equal ellipses in another order": (
        rows(lambda r: np.lexsort((r["x0"], r["sma"]))),
        "repeated_ellipses",
    ),
    "zeros where nothing is": (returning(zeros_where_nothing_is), "ring_without_pixels"),
    "measured where nothing is": (
        returning(lambda r, _: wrong_codes(r, 4)),
        "ellipses_beyond_the_image",
    ),
    "squares for circles": (returning(with_background_in_sums), "sums_over_pixels"),
    "a pixel too many": (plus(1, "n_pixels_circle"), "sums_over_pixels"),
    "no row at the centre": (rows(lambda r: r["sma"] > 0.0), "value_at_the_centre"),
    "zeros at the centre": (returning(unknown_as_zero), "value_at_the_centre"),
    "an argument overwritten": (calling(touched), "inputs_are_left_alone"),
    "numbers as floats": (
        returning(lambda r, _: {"stop_code": r["stop_code"].astype(float)}),
        "rows_ascend",
    ),
    "chatter": (
        returning(lambda r, _: print("measuring") or {}),
        "nothing_is_printed",
    ),
}

WRONG = {
    f"{operation}: {what}": (operation, fault, name)
    for operation, faults in ((FITTED, WRONG_FITS), (FORCED, WRONG_PHOTOMETRY))
    for what, (fault, name) in faults.items()
}


def check_named(operation: str, name: str) -> Any:
    return next(check for check in checks(operation) if check.name == name)


@pytest.mark.filterwarnings("ignore::armillary.fit.IsophoteWarning")
@pytest.mark.parametrize(("operation", "fault", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_backend_fails_the_check_that_is_meant_for_it(
    register: Register, operation: str, fault: Fault, name: str
) -> None:
    backend = register(operation, fault(right_target(operation)))
    outcome = run_check(check_named(operation, name), backend)
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed | ContractError)


@pytest.mark.parametrize("operation", [FITTED, FORCED])
def test_the_same_backend_unchanged_passes(register: Register, operation: str) -> None:
    backend = register(operation, calling(lambda arguments: {})(right_target(operation)))
    assert [o.message for o in run_checks(operation, backend) if o.outcome != "passed"] == []


@pytest.mark.parametrize("operation", [FITTED, FORCED])
def test_a_target_that_names_no_options_need_not_honour_them(
    register: Register, operation: str
) -> None:
    def plain(image, x0, y0, sma, ellipticity, position_angle):  # type: ignore[no-untyped-def]
        return right_target(operation)(image, x0, y0, sma, ellipticity, position_angle)

    backend = register(operation, plain)
    outcome = run_check(check_named(operation, "options_are_honoured_or_refused"), backend)
    assert outcome.outcome == "passed"
    for name in ("orders_of_harmonics", "variance_of_all_pixels", "widths_of_pulls"):
        assert run_check(check_named(operation, name), backend).outcome == "passed"


@pytest.mark.parametrize("operation", [FITTED, FORCED])
def test_checks_have_names_and_summaries(operation: str) -> None:
    every = checks(operation)
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)


# ------------------------------------------------------------------ what the suites judge by


def test_the_angle_between_axes_knows_no_direction() -> None:
    assert angle_between(0.1, np.pi - 0.1) == pytest.approx(0.2)
    assert angle_between(3.0, 3.0 + np.pi) == pytest.approx(0.0, abs=1e-12)
    assert angle_between(0.0, 0.5 * np.pi) == pytest.approx(0.5 * np.pi)


def test_elliptical_radii_are_semi_major_axes() -> None:
    radius = elliptical_radius((41, 51), 20.0, 10.0, 0.5, 0.0)
    assert radius[10, 25] == pytest.approx(5.0)
    assert radius[15, 20] == pytest.approx(10.0)
    turned = elliptical_radius((41, 51), 20.0, 10.0, 0.5, np.radians(90.0))
    assert turned[15, 20] == pytest.approx(5.0)
    tilted = elliptical_radius((41, 51), 20.0, 10.0, 0.5, np.radians(45.0))
    # Counter-clockwise from +x: the diagonal along which x and y grow together.
    assert tilted[15, 25] == pytest.approx(np.hypot(5.0, 5.0))
    assert tilted[15, 15] == pytest.approx(2.0 * np.hypot(5.0, 5.0))


def test_images_are_interpolated_with_x_as_the_column() -> None:
    y, x = np.indices((5, 7), dtype=float)
    assert bilinear(x + 10.0 * y, 2.25, 1.5) == pytest.approx([17.25])
