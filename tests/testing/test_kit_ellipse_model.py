"""The suite of fit.ellipse_model must fail backends that are wrong, each by its own check."""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.fit.model_image import cpu
from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import CheckFailed, checks, conformance, run_checks
from armillary.testing.kit import run_check

from .planted_faults import that_goes_on, that_miscounts

OPERATION = "fit.ellipse_model"
MODULE = "armillary_test_models"

Arguments = dict[str, Any]
Target = Callable[..., dict[str, np.ndarray]]
Fault = Callable[[Target], Target]
Register = Callable[[Target], str]

test_cpu = conformance(OPERATION, "cpu")
test_reference = conformance(OPERATION, "reference")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """A function that registers a target as the backend ``fake``."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(target: Target) -> str:
        module.target = target  # type: ignore[attr-defined]
        record = Implementation(operation=OPERATION, name="fake", target=f"{MODULE}:target", api=1)
        registry = load_registry([])
        registry.implementations[OPERATION]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


# ------------------------------------------------------------------ ways to be wrong


def calling(change: Callable[[Arguments], Arguments]) -> Fault:
    """The compiled backend, with some arguments changed."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> dict[str, np.ndarray]:
            return right(**(arguments | change(arguments)))

        return target

    return fault


def returning(change: Callable[[np.ndarray, Arguments], Any]) -> Fault:
    """The compiled backend, with its model changed; ``change`` sees it and the arguments."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> dict[str, np.ndarray]:
            return {"model": change(right(**arguments)["model"], arguments)}

        return target

    return fault


def constant(name: str) -> Callable[[Arguments], Arguments]:
    """A column as it is half-way out, for all radii."""

    def change(arguments: Arguments) -> Arguments:
        column = arguments[name]
        return {name: np.full_like(column, np.interp(15.0, arguments["sma"], column))}

    return change


def swinging(arguments: Arguments) -> Arguments:
    """Position angles interpolated between isophotes as plain numbers from 0 to pi."""
    every = slice(None, None, 20)
    angle = np.mod(arguments["position_angle"], np.pi)
    return {"position_angle": np.interp(arguments["sma"], arguments["sma"][every], angle[every])}


def harmonics(change: Callable[[Arguments], Arguments]) -> Fault:
    """A change where there are harmonics."""
    return calling(lambda arguments: change(arguments) if arguments["orders"] else {})


def inside_out(right: Target) -> Target:
    """All ellipses but the last stop short of it: a ring is left out."""

    @functools.wraps(right)
    def target(**arguments: Any) -> dict[str, np.ndarray]:
        keep = arguments["sma"] < 0.7 * arguments["sma"][-1]
        tables = ("sma", "intensity", "x0", "y0", "ellipticity", "position_angle")
        return right(**(arguments | {name: arguments[name][keep] for name in tables}))

    return target


def without_harmonics(right: Target) -> Target:
    """A backend that names the harmonics and takes no notice."""
    return calling(lambda a: {"orders": (), "sine": None, "cosine": None})(right)


def padded(model: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Narrow images through a wider one, cut at the wrong end."""
    return model[:, ::-1].copy() if model.shape[1] == 1 or model.shape[0] == 1 else model


def hole(model: np.ndarray, arguments: Arguments) -> np.ndarray:
    """The pixel nearest to the centre is left out."""
    row, column = np.rint([arguments["y0"][0], arguments["x0"][0]]).astype(int)
    if 0 <= row < model.shape[0] and 0 <= column < model.shape[1]:
        model[row, column] = arguments["fill"]
    return model


def rough(size: Callable[[Arguments], float]) -> Fault:
    return returning(lambda model, arguments: model * (1.0 + size(arguments)))


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)
_own: dict[tuple[int, ...], np.ndarray] = {}


def one_array(model: np.ndarray, arguments: Arguments) -> np.ndarray:
    """The same memory in every call."""
    kept = _own.setdefault(model.shape, model)
    kept[:] = model
    return kept


#: What is wrong -> the fault, and a check that must notice.
WRONG: dict[str, tuple[Fault, str]] = {
    "clockwise angles": (
        calling(lambda a: {"position_angle": -a["position_angle"]}),
        "simulated_galaxies",
    ),
    "ratios of axes for ellipticities": (
        calling(lambda a: {"ellipticity": np.minimum(1.0 - a["ellipticity"], 0.95)}),
        "simulated_galaxies",
    ),
    "pixels counted from one": (
        calling(lambda a: {"x0": a["x0"] + 1.0, "y0": a["y0"] + 1.0}),
        "simulated_galaxies",
    ),
    "x for y": (calling(lambda a: {"x0": a["y0"], "y0": a["x0"]}), "simulated_galaxies"),
    "angles to the y axis": (
        calling(lambda a: {"position_angle": a["position_angle"] + 0.5 * np.pi}),
        "every_direction",
    ),
    "a hole in the middle": (returning(hole), "center_of_the_galaxy"),
    "angles that swing through 90 degrees": (calling(swinging), "position_angle_through_zero"),
    "one position angle": (calling(constant("position_angle")), "position_angle_through_zero"),
    "one ellipticity": (calling(constant("ellipticity")), "changing_ellipticity"),
    "one column of the centre": (calling(constant("x0")), "drifting_center"),
    "one row of the centre": (calling(constant("y0")), "drifting_center"),
    "no harmonics": (without_harmonics, "deviations_from_ellipses"),
    "sines for cosines": (
        harmonics(lambda a: {"sine": a["cosine"], "cosine": a["sine"]}),
        "deviations_from_ellipses",
    ),
    "harmonics inside out": (
        harmonics(lambda a: {"sine": -a["sine"], "cosine": -a["cosine"]}),
        "deviations_from_ellipses",
    ),
    "orders too high by one": (
        harmonics(lambda a: {"orders": tuple(n + 1 for n in a["orders"])}),
        "deviations_from_ellipses",
    ),
    "harmonics from the other end of the axis": (
        harmonics(lambda a: {"position_angle": a["position_angle"] + np.pi}),
        "deviations_from_ellipses",
    ),
    "polar angles for anomalies": (
        calling(lambda a: {"sampling": "polar_angle"}),
        "angles_of_deviations",
    ),
    "progress of something else": (that_miscounts, "progress_ends_with_the_whole"),
    "progress that cannot be stopped": (that_goes_on, "progress_may_stop_it"),
    "an overshoot where isophotes cross": (rough(lambda a: 0.2), "crossing_isophotes"),
    "its own fill": (calling(lambda a: {"fill": 0.0}), "fill_outside_the_last_isophote"),
    "light beyond the last isophote": (
        calling(lambda a: {"sma": 1.5 * a["sma"]}),
        "fill_outside_the_last_isophote",
    ),
    "nothing in the last ring": (inside_out, "fill_outside_the_last_isophote"),
    "narrow images turned": (returning(padded), "shapes_of_images"),
    "centres drawn into the image": (
        calling(lambda a: {"x0": np.maximum(a["x0"], 0.0), "y0": np.maximum(a["y0"], 0.0)}),
        "center_outside_the_image",
    ),
    "centres at whole tens": (
        calling(lambda a: {"y0": 10.0 * np.rint(0.1 * a["y0"])}),
        "whole_pixels",
    ),
    "an image transposed": (
        returning(lambda m, a: m.T.copy() if m.shape[0] == m.shape[1] else m),
        "whole_pixels",
    ),
    "wider than high": (
        calling(lambda a: {"x0": 1.2 * a["x0"] - 6.0}),
        "transposition",
    ),
    "a smallest intensity": (
        returning(lambda m, a: np.where(np.abs(m) < 1e-9, 0.0, m)),
        "scale_of_the_intensity",
    ),
    "no negative light": (
        returning(lambda m, a: np.maximum(m, 0.0)),
        "scale_of_the_intensity",
    ),
    "a single isophote that fades": (
        calling(lambda a: {"intensity": a["intensity"] * np.exp(-0.01 * a["sma"])}),
        "one_isophote",
    ),
    "an answer that depends on threads": (
        rough(lambda a: 1e-13 * a["threads"]),
        "number_of_threads",
    ),
    "another answer each time": (
        rough(lambda a: 1e-13 * next(_calls)),
        "repeated_call",
    ),
    "one array for all answers": (returning(one_array), "repeated_call"),
    "single precision": (returning(lambda m, a: m.astype(np.float32)), "simulated_galaxies"),
    "another shape": (returning(lambda m, a: m[1:]), "image_for_its_shape"),
    "chatter": (
        returning(lambda m, a: print("drawing") or m),  # type: ignore[func-returns-value]
        "nothing_is_printed",
    ),
}


def check_named(name: str) -> Any:
    return next(check for check in checks(OPERATION) if check.name == name)


@pytest.mark.parametrize(("fault", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_backend_fails_the_check_that_is_meant_for_it(
    register: Register, fault: Fault, name: str
) -> None:
    outcome = run_check(check_named(name), register(fault(cpu.ellipse_model)))
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed | ContractError)


def test_the_same_backend_unchanged_passes(register: Register) -> None:
    backend = register(calling(lambda arguments: {})(cpu.ellipse_model))
    assert [o.message for o in run_checks(OPERATION, backend) if o.outcome != "passed"] == []


def test_a_target_without_harmonics_passes_if_it_refuses_them(register: Register) -> None:
    def plain(shape, sma, intensity, x0, y0, ellipticity, position_angle, fill):  # type: ignore[no-untyped-def]
        return cpu.ellipse_model(shape, sma, intensity, x0, y0, ellipticity, position_angle, fill)

    backend = register(plain)
    assert [o.message for o in run_checks(OPERATION, backend) if o.outcome != "passed"] == []


def test_checks_have_names_and_summaries() -> None:
    every = checks(OPERATION)
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)
