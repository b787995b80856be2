"""The suite of search.template_score must fail wrong backends, each by the check for it."""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.search.template.cpu import template_score as right
from armillary.search.template.reference import template_score as definition
from armillary.testing import checks, run_checks
from armillary.testing.kit import run_check

from .planted_faults import that_goes_on, that_miscounts, with_memory_used_again

pytestmark = pytest.mark.kernel

OPERATION = "search.template_score"
MODULE = "armillary_test_templates"

Arrays = dict[str, np.ndarray]
Target = Callable[..., Arrays]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A function that registers a target as the backend ``fake``, of some precision."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(target: Target, precision: str = "float64") -> str:
        module.target = target  # type: ignore[attr-defined]
        record = Implementation(
            operation=OPERATION, name="fake", target=f"{MODULE}:target", api=1, precision=precision
        )
        registry = load_registry([])
        registry.implementations[OPERATION]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


# ------------------------------------------------------------------ ways to be wrong


def calling(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Target:
    """The compiled backend, with other arguments than it was given."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        return right(**change(arguments))

    return target


def returning(change: Callable[[Arrays, dict[str, Any]], Arrays]) -> Target:
    """The compiled backend, with its results changed; ``change`` sees them and the arguments."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        return change(right(**arguments), arguments)

    return target


def without(lost: Callable[[dict[str, Any]], np.ndarray]) -> Target:
    """The compiled backend on some of the points only; those lost contribute nothing."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        keep = ~lost(arguments)
        points = {name: arguments[name][keep] for name in ("time", "flux", "flux_err")}
        found = right(**arguments | points)
        if "attribution" in found:
            whole = np.zeros((len(arguments["period"]), len(keep)))
            whole[:, keep] = found["attribution"]
            found["attribution"] = whole
        return found

    return target


def on_one(name: str, factor: float, which: Callable[[dict[str, Any]], np.ndarray]) -> Target:
    """One result times a factor, at some candidates."""

    def change(found: Arrays, arguments: dict[str, Any]) -> Arrays:
        chosen = which(arguments)
        return found | {name: np.where(chosen, factor * found[name], found[name])}

    return returning(change)


def parity(arguments: dict[str, Any]) -> np.ndarray:
    return np.arange(len(arguments["period"])) % 2 == 1


def touched(arguments: dict[str, Any]) -> dict[str, Any]:
    # The arrays are read-only; this backend takes the liberty.
    arguments["flux"].setflags(write=True)
    arguments["flux"] -= arguments["flux"].mean()
    return arguments


def in_float32(arguments: dict[str, Any]) -> dict[str, Any]:
    """Times as float32, from an epoch of their own."""
    return arguments | {
        name: (arguments[name] + 2457000.0).astype(np.float32).astype(np.float64) - 2457000.0
        for name in ("time", "t0")
    }


def begun_anew(found: Arrays, arguments: dict[str, Any]) -> Arrays:
    """Candidates are numbered in 12 bits."""
    number = np.arange(len(arguments["period"])) % 4096
    return found | {name: found[name][number] for name in ("score", "depth")}


def single_t0(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments | {"t0": arguments["t0"].astype(np.float32).astype(np.float64)}


def slopes(gradient: np.ndarray, *factors: float) -> np.ndarray:
    return gradient * np.array(factors)


def graded(change: Callable[[np.ndarray, dict[str, Any]], np.ndarray]) -> Target:
    """The compiled backend with another gradient."""

    def changed(found: Arrays, arguments: dict[str, Any]) -> Arrays:
        if "gradient" in found:
            found["gradient"] = change(found["gradient"], arguments)
        return found

    return returning(changed)


def attributed(change: Callable[[np.ndarray, dict[str, Any]], np.ndarray]) -> Target:
    """The compiled backend with another attribution."""

    def changed(found: Arrays, arguments: dict[str, Any]) -> Arrays:
        if "attribution" in found:
            found["attribution"] = change(found["attribution"], arguments)
        return found

    return returning(changed)


def without_point(edge: int) -> Target:
    """The first (0) or the last (-1) point is not read."""
    return without(lambda arguments: arguments["time"] == arguments["time"][edge])


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)

#: What is wrong -> the backend, and a check that must notice.
WRONG = {
    "no weights": (
        calling(lambda a: a | {"flux_err": np.full_like(a["flux_err"], a["flux_err"].mean())}),
        "least_squares_fit",
    ),
    "no weights, where it matters most": (
        calling(lambda a: a | {"flux_err": np.full_like(a["flux_err"], a["flux_err"].mean())}),
        "very_uneven_errors",
    ),
    "a box instead of the template": (
        calling(lambda a: a | {"sharpness": 1e9}),
        "least_squares_fit",
    ),
    "edges that are always the same": (
        calling(lambda a: a | {"sharpness": 150.0}),
        "sharpness_of_the_edges",
    ),
    "edges that are never steps": (
        calling(lambda a: a | {"sharpness": min(a["sharpness"], 200.0)}),
        "limit_of_a_box",
    ),
    "half of the transit": (
        calling(lambda a: a | {"duration": 0.5 * a["duration"]}),
        "limit_of_a_box",
    ),
    "the last point dropped": (
        without_point(-1),
        "any_number_of_points",
    ),
    "the first point dropped": (
        without_point(0),
        "any_number_of_points",
    ),
    "only the first 65,536 points": (
        without(lambda a: np.arange(len(a["time"])) >= 65_536),
        "any_number_of_points",
    ),
    "every hundredth point dropped": (
        without(lambda a: np.arange(len(a["time"])) % 100 == 99),
        "one_point_in_transit",
    ),
    "times as float32": (calling(in_float32), "least_squares_fit"),
    "periods as float32": (
        calling(lambda a: a | {"period": a["period"].astype(np.float32).astype(np.float64)}),
        "long_gaps",
    ),
    "candidates after the first thousand wrong": (
        on_one("score", 1.01, lambda a: np.arange(len(a["period"])) >= 1000),
        "many_candidates",
    ),
    "candidates that begin anew after 4,096": (
        returning(begun_anew),
        "more_candidates_than_a_block",
    ),
    "short periods refused": (
        on_one("score", np.nan, lambda a: a["period"] < 0.1),
        "odd_ephemerides",
    ),
    "long periods refused": (
        on_one("depth", np.nan, lambda a: a["period"] > a["time"][-1]),
        "odd_ephemerides",
    ),
    "dimmings only": (
        returning(lambda r, a: r | {"score": np.abs(r["score"])}),
        "brightenings",
    ),
    "zero for unknown": (
        returning(lambda r, a: {name: np.nan_to_num(array) for name, array in r.items()}),
        "unknown_candidates",
    ),
    "a depth for the unknown": (
        returning(lambda r, a: r | {"depth_err": np.nan_to_num(r["depth_err"])}),
        "unknown_candidates",
    ),
    "a gradient of the other sign": (graded(lambda g, a: -g), "gradient_of_the_score"),
    "a gradient of log period": (
        graded(lambda g, a: g * np.stack([a["period"], 1 + 0 * a["t0"], 1 + 0 * a["t0"]], axis=1)),
        "gradient_of_the_score",
    ),
    "a gradient at fixed width of the edges": (
        graded(lambda g, a: slopes(g, 1.0, 1.0, 1.001)),
        "gradient_of_the_score",
    ),
    "a gradient of steep edges only": (
        graded(lambda g, a: g if a["sharpness"] == 150.0 else 1.01 * g),
        "gradient_of_blunt_edges",
    ),
    "a gradient by period that does not know t0": (
        graded(lambda g, a: np.where([True, False, False], np.abs(g), g)),
        "t0_of_another_transit",
    ),
    "attribution by the rectangle rule": (
        attributed(lambda c, a: c * 50.0 / 49.0),
        "attributions_add_up",
    ),
    "contributions that add up, but to other points": (
        attributed(lambda c, a: c + 1e-3 * (np.arange(c.shape[1]) - 0.5 * (c.shape[1] - 1))),
        "attribution_of_each_point",
    ),
    "attribution of steep edges only": (
        calling(lambda a: a | {"sharpness": 150.0} if a["attribution"] else a),
        "attribution_with_blunt_edges",
    ),
    "contributions to an unknown score": (
        attributed(lambda c, a: np.nan_to_num(c)),
        "unknown_candidate_alone",
    ),
    "attribution in another order": (
        attributed(lambda c, a: c[:, ::-1].copy()),
        "attribution_of_each_point",
    ),
    "single precision": (
        returning(lambda r, a: {name: array.astype(np.float32) for name, array in r.items()}),
        "results_are_float64",
    ),
    "a score that knows the unit of the flux": (
        returning(lambda r, a: r | {"score": r["score"] * np.sqrt(a["flux_err"].mean())}),
        "flux_scale",
    ),
    "a score that knows the level of the flux": (
        returning(lambda r, a: r | {"score": r["score"] * (1 + 1e-3 * abs(a["flux"].mean()))}),
        "flux_offset",
    ),
    "a level out of the other side": (
        returning(lambda r, a: r | {"level": r["level"] - r["depth"]}),
        "least_squares_fit",
    ),
    "an answer that depends on the order": (
        returning(lambda r, a: r | {"score": np.sort(r["score"])}),
        "order_of_candidates",
    ),
    "an answer that depends on its place": (
        on_one("score", 1 + 1e-6, parity),
        "one_candidate_at_a_time",
    ),
    "the first duration for all": (
        calling(lambda a: a | {"duration": np.full_like(a["duration"], a["duration"][0])}),
        "one_candidate_at_a_time",
    ),
    "a score that changes with the gradient": (
        returning(lambda r, a: r | {"score": r["score"] * (1 + 1e-6 * a["gradient"])}),
        "options_together",
    ),
    "an answer that depends on threads": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * a["threads"])}),
        "number_of_threads",
    ),
    "another answer each time": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * next(_calls))}),
        "repeated_call",
    ),
    "one array for all answers": (with_memory_used_again(right), "repeated_call"),
    "progress of something else": (that_miscounts(right), "progress_ends_with_the_whole"),
    "progress that cannot be stopped": (that_goes_on(right), "progress_may_stop_it"),
    "another answer for the same points": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * next(_calls))}),
        "order_of_points",
    ),
    "another answer for the same numbers": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * next(_calls))}),
        "numbers_that_go_with_all",
    ),
    "another answer for the same arrays": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * next(_calls))}),
        "kinds_of_arrays",
    ),
    "points at one time merged": (
        without(lambda a: np.diff(a["time"], prepend=-1.0) == 0.0),
        "duplicate_times",
    ),
    "an argument overwritten": (calling(touched), "inputs_are_left_alone"),
}

#: Checks of the front door and of the record: no target that computes can fail them.
OF_THE_FRONT_DOOR = {"bad_input", "provenance", "arguments_of_the_target", "can_run_sees_no_data",
                     "nothing_is_printed", "time_offset"}  # fmt: skip


def outcome_of(check: str, backend: str) -> Any:
    (found,) = [one for one in checks(OPERATION) if one.name == check]
    return run_check(found, backend)


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_backend_fails_the_check_for_it(register: Callable[..., str], fault: str) -> None:
    target, check = WRONG[fault]
    outcome = outcome_of(check, register(target))
    assert outcome.outcome == "failed", fault
    assert not isinstance(outcome.error, TypeError | AttributeError)


def test_every_check_of_numbers_has_a_backend_that_fails_it() -> None:
    named = {check for _, check in WRONG.values()} | OF_THE_FRONT_DOOR
    assert named == {check.name for check in checks(OPERATION)}


def test_wrong_types_break_the_contract(register: Callable[..., str]) -> None:
    backend = register(returning(lambda r, a: {n: x.astype(np.float32) for n, x in r.items()}))
    assert isinstance(outcome_of("results_are_float64", backend).error, ContractError)


# ------------------------------------------------------------------ single precision


def honest_float32(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    t0: np.ndarray,
    duration: np.ndarray,
    sharpness: float = 150.0,
) -> Arrays:
    """Phases wrapped and the mean taken off in float64; everything else is in float32."""
    weight = flux_err**-2.0
    mean = (weight * flux).sum() / weight.sum()
    scale = np.median(flux_err)
    weight32 = ((flux_err / scale) ** -2.0).astype(np.float32)
    residual = ((flux - mean) / scale).astype(np.float32)
    columns: Arrays = {name: np.empty(len(period)) for name in ("score", "depth", "depth_err")}
    columns["level"] = np.empty(len(period))
    for i in range(len(period)):
        cycle = np.floor((time - t0[i]) / period[i] + 0.5)
        offset = ((time - t0[i]) - cycle * period[i]).astype(np.float32)
        exponent = np.float32(sharpness) * (
            np.float32(0.5) - np.abs(offset) / np.float32(duration[i])
        )
        template = 1 / (1 + np.exp(-np.clip(exponent, -80, 80)))
        part = (weight32 * template).sum() / weight32.sum()
        norm = (weight32 * (template - part) ** 2).sum()
        signal = (weight32 * template * residual).sum()
        known = norm > 1e-9 * weight32.sum()
        depth = -signal / norm if known else np.nan
        columns["depth"][i] = depth * scale
        columns["depth_err"][i] = scale / np.sqrt(norm) if known else np.nan
        columns["score"][i] = depth * np.sqrt(norm) if known else np.nan
        columns["level"][i] = mean + depth * part * scale
    return columns


def test_single_precision_that_says_so_conforms(register: Callable[..., str]) -> None:
    outcomes = run_checks(OPERATION, register(honest_float32, "float32"))
    assert [(one.name, one.message) for one in outcomes if not one.good] == []


def test_single_precision_that_claims_to_be_double_does_not(register: Callable[..., str]) -> None:
    assert outcome_of("least_squares_fit", register(honest_float32)).outcome == "failed"


def test_a_precision_of_float32_is_no_licence_to_round_times(
    register: Callable[..., str],
) -> None:
    backend = register(calling(in_float32), "float32")
    assert outcome_of("least_squares_fit", backend).outcome == "failed"


def test_nor_is_it_one_to_round_the_time_of_a_transit(register: Callable[..., str]) -> None:
    backend = register(calling(single_t0), "float32")
    assert outcome_of("t0_of_another_transit", backend).outcome == "failed"


# ------------------------------------------------------------------ options left out


def test_a_target_without_options_conforms(register: Callable[..., str]) -> None:
    def plain(
        time: np.ndarray,
        flux: np.ndarray,
        flux_err: np.ndarray,
        period: np.ndarray,
        t0: np.ndarray,
        duration: np.ndarray,
    ) -> Arrays:
        return definition(time, flux, flux_err, period, t0, duration)

    outcomes = run_checks(OPERATION, register(plain))
    assert [(one.name, one.message) for one in outcomes if not one.good] == []
