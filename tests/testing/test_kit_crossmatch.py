"""The suites of crossmatch must fail backends that are wrong, each by the check meant for it."""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.crossmatch.sky import cpu
from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import CheckFailed, checks, run_checks
from armillary.testing.brute_force import separations
from armillary.testing.kit import run_check

from .planted_faults import (
    NEAREST,
    RIGHT,
    WITHIN,
    Arrays,
    Fault,
    Target,
    across_zero,
    calling,
    losing,
    positions,
    returning,
    that_goes_on,
    that_miscounts,
    to_the_higher_row,
    with_memory_used_again,
)

MODULE = "armillary_test_matches"

Register = Callable[[str, Callable[..., Arrays]], str]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """A function that registers a target as the backend ``fake`` of an operation."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(operation: str, target: Callable[..., Arrays]) -> str:
        module.target = target  # type: ignore[attr-defined]
        record = Implementation(operation=operation, name="fake", target=f"{MODULE}:target", api=1)
        registry = load_registry([])
        registry.implementations[operation]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


# ------------------------------------------------------------------ ways to be wrong


def over_a_pole(found: Arrays, arguments: dict[str, Any]) -> np.ndarray:
    ra1, dec1, ra2, _ = positions(found, arguments)
    turn = np.abs(np.remainder(ra1 - ra2 + 180.0, 360.0) - 180.0)
    return (turn > 90.0) & (np.abs(dec1) > 80.0)


def in_another_zone(found: Arrays, arguments: dict[str, Any]) -> np.ndarray:
    _, dec1, _, dec2 = positions(found, arguments)
    return np.floor(10.0 * dec1) != np.floor(10.0 * dec2)


def at_the_limit(found: Arrays, arguments: dict[str, Any]) -> np.ndarray:
    radius = np.broadcast_to(arguments["radius"], arguments["left_ra"].shape)
    return found["separation"] >= radius[found["left"]]


def measured(formula: Callable[..., np.ndarray]) -> Fault:
    """Separations by another formula, from coordinates in radians."""

    def change(found: Arrays, arguments: dict[str, Any]) -> Arrays:
        radians = [np.radians(column) for column in positions(found, arguments)]
        return found | {"separation": np.degrees(formula(*radians)) * 3600.0}

    return returning(change)


def chord(ra1: np.ndarray, dec1: np.ndarray, ra2: np.ndarray, dec2: np.ndarray) -> np.ndarray:
    return 2.0 * np.sin(0.5 * haversine(ra1, dec1, ra2, dec2))


def haversine(ra1: np.ndarray, dec1: np.ndarray, ra2: np.ndarray, dec2: np.ndarray) -> np.ndarray:
    """By the arcsine, and from radians, which lose digits of small differences."""
    h = np.sin(0.5 * (dec2 - dec1)) ** 2
    h += np.cos(dec1) * np.cos(dec2) * np.sin(0.5 * (ra2 - ra1)) ** 2
    return 2.0 * np.arcsin(np.sqrt(np.minimum(h, 1.0)))


def arccosine(ra1: np.ndarray, dec1: np.ndarray, ra2: np.ndarray, dec2: np.ndarray) -> np.ndarray:
    cosine = np.sin(dec1) * np.sin(dec2) + np.cos(dec1) * np.cos(dec2) * np.cos(ra2 - ra1)
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def min_radius_afterwards(right: Target) -> Target:
    """The nearest, and only then those of them that are far enough."""
    lost = losing(lambda found, arguments: found["separation"] < arguments["min_radius"])
    return lost(calling(lambda arguments: arguments | {"min_radius": 0.0})(right))


def radius_by_place_in_a_block(arguments: dict[str, Any]) -> dict[str, Any]:
    """Radii are counted from the beginning of each block of 4,096 rows."""
    radius, n_left = arguments["radius"], len(arguments["left_ra"])
    if len(radius) != n_left:
        return arguments
    return arguments | {"radius": radius[np.arange(n_left) % 4096]}


def alone(change: dict[str, Any]) -> Fault:
    """Other arguments where a catalogue is matched with itself."""
    return calling(lambda arguments: change if arguments["with_itself"] else {})


def with_both_orders(right: Target) -> Target:
    """A catalogue with itself as if it were any other."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        return right(**(arguments | {"with_itself": False}))

    return target


def touched(arguments: dict[str, Any]) -> dict[str, Any]:
    # The arrays are read-only; this backend takes the liberty.
    arguments["right_ra"].base.setflags(write=True)
    arguments["right_ra"].setflags(write=True)
    arguments["right_ra"][:] = np.remainder(arguments["right_ra"] + 1.0, 360.0)
    return arguments


def single(arguments: dict[str, Any]) -> dict[str, Any]:
    columns = ("left_ra", "left_dec", "right_ra", "right_dec")
    rounded = {n: arguments[n].astype(np.float32).astype(np.float64) for n in columns}
    return arguments | rounded


def shuffled(found: Arrays, arguments: dict[str, Any]) -> Arrays:
    return {name: array[::-1].copy() for name, array in found.items()}


def first_of_each(found: Arrays, n: int) -> np.ndarray:
    """All but the first n pairs of each left row."""
    first = np.searchsorted(found["left"], found["left"])
    return np.arange(len(first)) - first >= n


def all_pairs_at_once(found: Arrays, arguments: dict[str, Any]) -> Arrays:
    np.empty((3, len(arguments["left_ra"]), len(arguments["right_ra"])))
    return found


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)


def noisy(found: Arrays, size: float) -> Arrays:
    return found | {"separation": found["separation"] * (1.0 + size)}


#: What is wrong, beside what planted_faults.py has -> the operation, the fault, and a check that
#: must notice.
WRONG: dict[str, tuple[str, Fault, str]] = {
    "an exclusive radius": (NEAREST, losing(at_the_limit), "radius_is_inclusive"),
    "an exclusive radius, all pairs": (WITHIN, losing(at_the_limit), "radius_is_inclusive"),
    "nothing at radius 0": (
        WITHIN,
        losing(lambda r, a: r["separation"] == 0.0),
        "radius_of_zero",
    ),
    "copies to the higher row": (NEAREST, to_the_higher_row, "copies_go_to_the_lower_row"),
    "k of equals from the higher row": (NEAREST, to_the_higher_row, "k_nearest_among_equals"),
    "nothing across 0 h": (NEAREST, losing(across_zero), "right_ascension_zero"),
    "nothing over a pole": (NEAREST, losing(over_a_pole), "poles"),
    "nothing over a pole, all pairs": (WITHIN, losing(over_a_pole), "poles"),
    "no neighbouring zone": (NEAREST, losing(in_another_zone), "ordinary_catalogues"),
    "no neighbouring zone, all pairs": (WITHIN, losing(in_another_zone), "wide_radii"),
    "nothing beyond 90 degrees": (
        NEAREST,
        losing(lambda r, a: r["separation"] > 324_000.0),
        "no_limit",
    ),
    "nothing beyond 90 degrees, all pairs": (
        WITHIN,
        losing(lambda r, a: r["separation"] > 324_000.0),
        "every_pair_of_a_sphere",
    ),
    "no antipodes": (
        NEAREST,
        losing(lambda r, a: r["separation"] > 647_999.0),
        "antipodes",
    ),
    "chords for angles": (NEAREST, measured(chord), "ordinary_catalogues"),
    "chords for angles, to antipodes": (WITHIN, measured(chord), "antipodes"),
    "the arccosine": (WITHIN, measured(arccosine), "milliarcsecond_fields"),
    "radians before differences": (NEAREST, measured(haversine), "accuracy"),
    "the arcsine": (WITHIN, measured(haversine), "accuracy"),
    "single precision of positions": (NEAREST, calling(single), "ordinary_catalogues"),
    "separations off by 2e-9": (WITHIN, returning(lambda r, a: noisy(r, 2e-9)), "accuracy"),
    "along meridians too": (
        NEAREST,
        returning(lambda r, a: noisy(r, 2e-9)),
        "separations_along_meridians",
    ),
    "pairs in no order": (WITHIN, returning(shuffled), "ordinary_catalogues"),
    "the first 4,096 pairs of a row": (
        WITHIN,
        losing(lambda r, a: first_of_each(r, 4096)),
        "dense_clump",
    ),
    "the first 2**20 right rows": (
        NEAREST,
        losing(lambda r, a: r["right"] >= 2**20),
        "million_rows",
    ),
    "the first 4,096 left rows": (
        NEAREST,
        losing(lambda r, a: r["left"] >= 4096),
        "large_catalogues",
    ),
    "the first 65,536 right rows": (
        WITHIN,
        losing(lambda r, a: r["right"] >= 65_536),
        "unequal_sizes",
    ),
    "a right ascension of 360 degrees left out": (
        WITHIN,
        losing(lambda r, a: a["left_ra"][r["left"]] == 360.0),
        "one_place_many_names",
    ),
    "one of several copies": (
        WITHIN,
        losing(lambda r, a: np.append(False, np.diff(r["separation"]) == 0.0)),
        "copies_are_ordered_by_row",
    ),
    "only the first radius": (
        NEAREST,
        calling(lambda a: a | {"radius": a["radius"][:1]}),
        "radius_of_each_row",
    ),
    "a radius by the place in a block": (
        NEAREST,
        calling(radius_by_place_in_a_block),
        "radius_of_each_of_many_rows",
    ),
    "a radius by the place in a block, all pairs": (
        WITHIN,
        calling(radius_by_place_in_a_block),
        "radius_of_each_of_many_rows",
    ),
    "only the first radius, with itself": (
        WITHIN,
        calling(lambda a: {"radius": a["radius"][:1]} if a["with_itself"] else {}),
        "options_with_itself",
    ),
    "errors of the left side alone, with itself": (
        WITHIN,
        alone({"right_radius": None}),
        "options_with_itself",
    ),
    "min_radius forgotten where there are errors": (
        NEAREST,
        calling(lambda a: {"min_radius": 0.0} if a["right_radius"] is not None else {}),
        "options_together",
    ),
    "errors of the left side alone": (
        WITHIN,
        calling(lambda a: a | {"right_radius": None}),
        "radius_from_errors",
    ),
    "min_radius forgotten": (
        NEAREST,
        calling(lambda a: a | {"min_radius": 0.0}),
        "smallest_separation",
    ),
    "min_radius exclusive": (
        WITHIN,
        losing(lambda r, a: r["separation"] == a["min_radius"]),
        "smallest_separation",
    ),
    "min_radius after the nearest": (
        NEAREST,
        min_radius_afterwards,
        "smallest_separation",
    ),
    "k forgotten": (NEAREST, calling(lambda a: a | {"k": 1}), "k_nearest"),
    "one too many": (NEAREST, calling(lambda a: a | {"k": a["k"] + 1}), "ordinary_catalogues"),
    "both orders of a pair": (WITHIN, with_both_orders, "with_itself"),
    "a pair with itself": (WITHIN, with_both_orders, "few_rows_with_themselves"),
    "an argument overwritten": (NEAREST, calling(touched), "inputs_are_left_alone"),
    "an answer that depends on threads": (
        NEAREST,
        returning(lambda r, a: noisy(r, 1e-13 * a["threads"])),
        "number_of_threads",
    ),
    "another answer each time": (
        WITHIN,
        returning(lambda r, a: noisy(r, 1e-13 * next(_calls))),
        "repeated_call",
    ),
    "one array for all answers": (NEAREST, with_memory_used_again, "repeated_call"),
    "one array for all pairs": (WITHIN, with_memory_used_again, "repeated_call"),
    "progress that cannot be stopped": (NEAREST, that_goes_on, "progress_may_stop_it"),
    "progress of something else": (WITHIN, that_miscounts, "progress_ends_with_the_whole"),
    "an answer that depends on the other rows": (
        NEAREST,
        returning(lambda r, a: noisy(r, 1e-13 * len(a["left_ra"]))),
        "one_row_at_a_time",
    ),
    "sides that are not alike": (
        WITHIN,
        returning(lambda r, a: noisy(r, 1e-13 * len(a["left_ra"]))),
        "sides_are_alike",
    ),
    "the memory of all pairs": (NEAREST, returning(all_pairs_at_once), "thousands_of_copies"),
    "chatter": (
        NEAREST,
        returning(lambda r, a: print("matching") or r),  # type: ignore[func-returns-value]
        "nothing_is_printed",
    ),
}


def check_named(operation: str, name: str) -> Any:
    return next(check for check in checks(operation) if check.name == name)


@pytest.mark.parametrize(("operation", "fault", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_backend_fails_the_check_that_is_meant_for_it(
    register: Register, operation: str, fault: Fault, name: str
) -> None:
    backend = register(operation, fault(RIGHT[operation]))
    outcome = run_check(check_named(operation, name), backend)
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed | ContractError)


@pytest.mark.parametrize("operation", [NEAREST, WITHIN])
def test_a_target_that_names_no_options_need_not_honour_them(
    register: Register, operation: str
) -> None:
    def plain(left_ra, left_dec, right_ra, right_dec, radius):  # type: ignore[no-untyped-def]
        return RIGHT[operation](left_ra, left_dec, right_ra, right_dec, radius)

    backend = register(operation, plain)
    assert [o.message for o in run_checks(operation, backend) if o.outcome != "passed"] == []


def test_a_target_that_swallows_options_fails(register: Register) -> None:
    def swallowing(left_ra, left_dec, right_ra, right_dec, radius, min_radius=0.0):  # type: ignore[no-untyped-def]
        return cpu.nearest(left_ra, left_dec, right_ra, right_dec, radius)

    backend = register(NEAREST, swallowing)
    outcome = run_check(check_named(NEAREST, "smallest_separation"), backend)
    assert outcome.outcome == "failed"


@pytest.mark.parametrize("operation", [NEAREST, WITHIN])
def test_checks_have_names_and_summaries(operation: str) -> None:
    every = checks(operation)
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)


# ------------------------------------------------------------------ the oracle


@pytest.mark.parametrize("arcsec", [1e-6, 1e-3, 1.0, 3600.0, 324_000.0, 647_996.4])
@pytest.mark.parametrize("dec", [-89.5, 0.0, 60.0])
def test_the_oracle_knows_separations_along_a_parallel(arcsec: float, dec: float) -> None:
    # On the equator the separation is the difference; elsewhere sin(s/2) = cos(dec) sin(turn/2).
    turn = min(arcsec / 3600.0, 180.0)
    (found,) = separations(([0.0], [dec]), ([turn], [dec]))[0].astype(float)
    half = np.sin(np.radians(turn) / 2.0) * np.cos(np.radians(dec))
    assert found == pytest.approx(np.degrees(2.0 * np.arcsin(half)) * 3600.0, rel=1e-9)


@pytest.mark.parametrize("dec", [-70.0, 0.0, 89.0])
def test_the_oracle_knows_separations_along_a_meridian(dec: float) -> None:
    steps = 2.0 ** np.arange(-30, 0)
    found = separations(([123.0], [dec]), (np.full(30, 123.0), dec + steps))[0].astype(float)
    assert found == pytest.approx(3600.0 * steps, rel=1e-13)


def test_the_oracle_goes_over_the_poles_and_across_zero() -> None:
    left = [10.0, 0.0, 359.75, -0.25], [89.0, -90.0, 0.0, 0.0]
    right = [190.0, 33.0, 0.25, 720.25], [89.5, -90.0, 0.0, 0.0]
    assert np.diag(separations(left, right)).astype(float) == pytest.approx(
        [1.5 * 3600.0, 0.0, 1800.0, 1800.0], rel=1e-15
    )
