"""The kit must fail backends that are wrong, each by the check that is meant for it."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from armillary.plugins import ContractError, UnknownBackend
from armillary.search.box.cpu import bls as right
from armillary.testing import CheckFailed, checks, conformance, run_checks
from armillary.testing.kit import run_check

from .planted_faults import (
    Arrays,
    Fault,
    calling,
    returning,
    that_miscounts,
    with_memory_used_again,
)


def moved(found: Arrays, arguments: dict[str, Any], days: np.ndarray | float) -> Arrays:
    t0 = found["t0"] + days
    return found | {"t0": t0 - arguments["period"] * np.floor(t0 / arguments["period"])}


def scaled(result: Arrays, where: np.ndarray, factor: float) -> Arrays:
    """Depths, and what follows from them, times a factor at some periods."""
    depth = np.where(where, factor * result["depth"], result["depth"])
    return result | {"depth": depth, "delta_chi2": (depth / result["depth_err"]) ** 2}


#: Each call of what is restless has a number of its own.
_calls = itertools.count(1)

#: What is wrong, beside what planted_faults.py has -> the fault, and a check that must notice.
WRONG: dict[str, tuple[Fault, str]] = {
    "brightenings instead of dimmings": (
        calling(lambda a: a | {"flux": -a["flux"]}),
        "best_of_injected_signals",
    ),
    "negative depths": (
        returning(lambda r, a: r | {"depth": -r["depth"]}),
        "brightenings_do_not_count",
    ),
    "no weights": (
        calling(lambda a: a | {"flux_err": np.full_like(a["flux_err"], a["flux_err"].mean())}),
        "very_uneven_errors",
    ),
    "no weights, to numbers": (
        calling(lambda a: a | {"flux_err": np.full_like(a["flux_err"], a["flux_err"].mean())}),
        "boxes_hold_what_they_say",
    ),
    "t0 at the start of the transit": (
        returning(lambda r, a: moved(r, a, -0.5 * r["duration"])),
        "t0_is_the_middle_of_the_first_transit",
    ),
    "t0 beyond the first period": (
        returning(lambda r, a: r | {"t0": r["t0"] + a["period"]}),
        "t0_is_the_middle_of_the_first_transit",
    ),
    "the longest duration ignored": (
        calling(
            lambda a: (
                a | {"duration_stop": np.maximum(a["duration_start"] + 1, a["duration_stop"] - 1)}
            )
        ),
        "every_duration",
    ),
    "durations of its own": (
        returning(lambda r, a: r | {"duration": 1.01 * r["duration"]}),
        "duration_is_one_of_the_tested",
    ),
    "another answer each time": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-12 * next(_calls))}),
        "repeated_call",
    ),
    "one array for all answers": (with_memory_used_again, "repeated_call"),
    "progress of something else": (that_miscounts, "progress_ends_with_the_whole"),
    "an answer that depends on the grid": (
        returning(lambda r, a: r | {"depth": r["depth"] * (1 + 1e-6 * len(a["period"]))}),
        "one_period_at_a_time",
    ),
    "a likelihood instead of delta_chi2": (
        returning(lambda r, a: r | {"delta_chi2": 0.5 * r["delta_chi2"]}),
        "identities_of_the_statistic",
    ),
    "zero for unknown": (
        returning(lambda r, a: r | {"depth": np.nan_to_num(r["depth"])}),
        "brightenings_do_not_count",
    ),
    "single precision": (
        returning(lambda r, a: {name: array.astype(np.float32) for name, array in r.items()}),
        "results_are_float64",
    ),
    "a spectrum too high at long periods": (
        returning(lambda r, a: scaled(r, a["period"] > 5.0, 1.5)),
        "whole_spectrum",
    ),
    "nothing found at long periods": (
        returning(lambda r, a: scaled(r, a["period"] > a["time"][-1] / 3, 0.0)),
        "whole_spectrum",
    ),
    "only the first 8,192 periods": (
        returning(lambda r, a: scaled(r, np.arange(len(a["period"])) >= 8192, 0.0)),
        "large_grid",
    ),
    "only the first 65,536 points": (
        calling(lambda a: a | {n: a[n][:65_536] for n in ("time", "flux", "flux_err")}),
        "large_light_curve",
    ),
    "times without their first": (
        calling(lambda a: a | {"time": a["time"][1:], **_without_first(a)}),
        "duplicate_times",
    ),
    "chatter": (
        returning(lambda r, a: print("searching") or r),  # type: ignore[func-returns-value]
        "nothing_is_printed",
    ),
}


def _without_first(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: arguments[name][1:] for name in ("flux", "flux_err")}


def check_named(name: str) -> Any:
    return next(check for check in checks("search.bls") if check.name == name)


@pytest.mark.parametrize(("fault", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_backend_fails_the_check_that_is_meant_for_it(
    register: Callable[..., str], fault: Fault, name: str
) -> None:
    outcome = run_check(check_named(name), register(fault(right)))
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed | ContractError)


Calls = Sequence[dict[str, Any]]


def batch(calls: Calls, oversample: int = 10, threads: int = 1, progress: Any = None) -> Any:
    """The right answer to many calls."""
    return [right(**call, oversample=oversample) for call in calls]


def without_oversample(calls: Calls, threads: int = 1, progress: Any = None) -> Any:
    return batch(calls)


def always_ten_bins(
    calls: Calls, oversample: int = 10, threads: int = 1, progress: Any = None
) -> Any:
    return batch(calls)


def first_block_for_all(
    calls: Calls, oversample: int = 10, threads: int = 1, progress: Any = None
) -> Any:
    return batch([calls[i % 32] for i in range(len(calls))], oversample)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (without_oversample, "options_of_the_batch_function"),
        (always_ten_bins, "options_of_the_batch_function"),
        (first_block_for_all, "more_light_curves_than_a_block"),
    ],
)
def test_a_wrong_batch_function_fails_the_check_that_is_meant_for_it(
    register: Callable[..., str], wrong: Callable[..., object], name: str
) -> None:
    assert run_check(check_named(name), register(right, batch=batch)).outcome == "passed"
    outcome = run_check(check_named(name), register(right, batch=wrong))
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed)


def test_a_target_that_does_not_name_oversample_need_not_honour_it(
    register: Callable[..., str],
) -> None:
    def target(time, flux, flux_err, period, duration, duration_start, duration_stop):  # type: ignore[no-untyped-def]
        return right(time, flux, flux_err, period, duration, duration_start, duration_stop)

    assert run_check(check_named("finer_bins"), register(target)).outcome == "passed"


def test_a_target_without_a_canonical_argument_fails(register: Callable[..., str]) -> None:
    backend = register(lambda time, flux, period, **others: {})
    outcome = run_check(check_named("arguments_of_the_target"), backend)
    assert outcome.outcome == "failed"
    assert "flux_err" in outcome.message


def test_an_exception_of_the_backend_is_a_failure_with_its_words(
    register: Callable[..., str],
) -> None:
    def broken(arguments: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("no weights")

    outcome = run_check(check_named("provenance"), register(calling(broken)(right)))
    assert outcome.outcome == "failed"
    assert outcome.message == "ZeroDivisionError: no weights"


class Panic(BaseException):
    """What the panic of a compiled extension is in Python."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(0), "RuntimeError: .* tried to end the process"),
        (Panic("index out of bounds"), "it raised Panic: index out of bounds"),
        (pytest.skip.Exception("I had rather not"), "it raised Skipped: I had rather not"),
    ],
)
def test_a_backend_cannot_end_or_skip_its_checks(
    register: Callable[..., str], error: BaseException, words: str
) -> None:
    def leaving(arguments: dict[str, Any]) -> dict[str, Any]:
        raise error

    backend = register(calling(leaving)(right))
    outcome = run_check(check_named("provenance"), backend)
    assert outcome.outcome == "failed"
    assert re.search(words, outcome.message)
    with pytest.raises((CheckFailed, RuntimeError), match=r"raised|tried"):
        parametrised(conformance("search.bls", backend))["provenance"]()


def test_an_interrupt_ends_the_checks(register: Callable[..., str]) -> None:
    def interrupted(arguments: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_check(check_named("provenance"), register(calling(interrupted)(right)))


# ------------------------------------------------------------------ checks


def test_checks_have_names_and_summaries() -> None:
    every = checks("search.bls")
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)


def test_an_operation_without_checks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no conformance checks for 'fit\.nothing'"):
        checks("fit.nothing")


def test_the_kit_needs_no_pytest() -> None:
    program = (
        "import sys; import armillary.testing as testing; testing.checks('search.bls'); "
        "sys.exit('pytest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# ------------------------------------------------------------------ waivers


def parametrised(test: Callable[..., None]) -> dict[str, Callable[[], None]]:
    """The tests that pytest would make of a conformance function, by name."""
    (mark,) = (m for m in test.pytestmark if m.name == "parametrize")  # type: ignore[attr-defined]
    return {check.name: lambda check=check: test(check) for check in mark.args[1]}


def test_conformance_makes_one_test_for_each_check() -> None:
    assert list(parametrised(conformance("search.bls", "cpu"))) == [
        check.name for check in checks("search.bls")
    ]


def test_a_waived_check_that_fails_is_an_expected_failure(register: Callable[..., str]) -> None:
    backend = register(returning(lambda r, a: {"duration": 2 * r["duration"]})(right))
    waivers = {"duration_is_one_of_the_tested": "it counts both sides"}
    test = parametrised(conformance("search.bls", backend, expected_failures=waivers))
    with pytest.raises(pytest.xfail.Exception, match="it counts both sides"):
        test["duration_is_one_of_the_tested"]()


def test_a_waived_check_that_passes_is_a_failure() -> None:
    waivers = {"provenance": "it is shy"}
    test = parametrised(conformance("search.bls", "cpu", expected_failures=waivers))
    with pytest.raises(pytest.fail.Exception, match=r"take back its waiver \(it is shy\)"):
        test["provenance"]()
    outcome = run_check(check_named("provenance"), "cpu", "it is shy")
    assert (outcome.outcome, outcome.good) == ("unexpectedly passed", False)


def test_an_unwaived_failure_raises_what_the_check_raised(register: Callable[..., str]) -> None:
    backend = register(returning(lambda r, a: {"duration": 2 * r["duration"]})(right))
    test = parametrised(conformance("search.bls", backend))
    with pytest.raises(CheckFailed, match="is none of"):
        test["duration_is_one_of_the_tested"]()


@pytest.mark.parametrize(
    ("waivers", "message"),
    [
        ({"speed": "slow"}, "names 'speed', which is no check"),
        ({"provenance": " "}, "a reason for 'provenance'"),
    ],
)
def test_a_waiver_needs_a_check_and_a_reason(waivers: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conformance("search.bls", "cpu", expected_failures=waivers)
    with pytest.raises(ValueError, match=message):
        run_checks("search.bls", "cpu", waivers)


# ------------------------------------------------------------------ backends that are not there


def test_a_backend_that_cannot_run_is_skipped_with_its_own_sentence(
    register: Callable[..., str],
) -> None:
    backend = register(right, can_run=lambda request: "there is no such device")
    outcomes = run_checks("search.bls", backend)
    assert {(o.outcome, o.message) for o in outcomes} == {("skipped", "there is no such device")}
    test = parametrised(conformance("search.bls", backend))
    with pytest.raises(pytest.skip.Exception, match="there is no such device"):
        test["provenance"]()


def broken_can_run(request: object) -> bool:
    raise OSError("bus error")


@pytest.mark.parametrize(
    ("can_run", "words"),
    [
        (broken_can_run, "can_run raised OSError: bus error"),
        (lambda request: False, "can_run returned False"),
        (lambda request: "", "can_run returned ''"),
        (lambda: True, "can_run raised TypeError"),
    ],
)
def test_a_can_run_that_gives_no_answer_fails_every_check(
    register: Callable[..., str], can_run: Callable[..., object], words: str
) -> None:
    backend = register(right, can_run=can_run)
    waivers = {"provenance": "it is shy"}
    outcomes = run_checks("search.bls", backend, waivers)
    assert {outcome.outcome for outcome in outcomes} == {"failed"}
    assert all(words in outcome.message for outcome in outcomes)
    test = parametrised(conformance("search.bls", backend, expected_failures=waivers))
    with pytest.raises(CheckFailed, match=re.escape(words)):
        test["provenance"]()


def test_a_backend_that_takes_no_numpy_arrays_fails(register: Callable[..., str]) -> None:
    backend = register(right, arrays=("moon",))
    (outcome, *_) = run_checks("search.bls", backend)
    assert (outcome.outcome, outcome.message) == ("failed", "it takes 'moon' arrays, not numpy")


def test_a_backend_that_nobody_registers_is_an_error() -> None:
    with pytest.raises(UnknownBackend, match="no backend 'typo' is registered for"):
        run_checks("search.bls", "typo")
    waived = conformance("search.bls", "typo", expected_failures={"provenance": "it is shy"})
    with pytest.raises(UnknownBackend, match="no backend 'typo' is registered for"):
        parametrised(waived)["provenance"]()
