"""The test of the tests: of each planted fault the kit gives the name, and no wrong alarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.plugins import ContractError, UnsupportedOption
from armillary.testing import CheckFailed, checks, run_checks

from .planted_faults import BLS, PLANTED, RIGHT, Arrays, Planted, unchanged

pytestmark = pytest.mark.kernel

Register = Callable[..., str]


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_the_check_that_is_meant_for_a_fault_finds_it(register: Register, planted: Planted) -> None:
    backend = register(planted.target, operation=planted.operation)
    failed = {o.name: o.error for o in run_checks(planted.operation, backend) if not o.good}
    assert set(failed) == {planted.check} | planted.also
    assert all(isinstance(error, CheckFailed | ContractError) for error in failed.values())


@pytest.mark.parametrize("operation", RIGHT)
def test_a_backend_without_a_fault_passes_every_check(register: Register, operation: str) -> None:
    backend = register(unchanged(RIGHT[operation]), operation=operation)
    assert [o.message for o in run_checks(operation, backend) if o.outcome != "passed"] == []


def test_every_check_that_is_named_is_one_of_its_operation() -> None:
    for planted in PLANTED.values():
        names = {check.name for check in checks(planted.operation)}
        assert {planted.check} | planted.also <= names


# ------------------------------------------------------------------ options that are swallowed


def swallowing(  # type: ignore[no-untyped-def]
    time, flux, flux_err, period, duration, duration_start, duration_stop, **options: Any
) -> Arrays:
    """A target that takes whatever option there is, and uses none."""
    return RIGHT[BLS](time, flux, flux_err, period, duration, duration_start, duration_stop)


def test_an_option_that_would_be_swallowed_is_never_given(register: Register) -> None:
    backend = register(swallowing)
    time = np.linspace(0.0, 10.0, 50)
    with pytest.raises(UnsupportedOption, match="oversample"):
        arm.search.bls(time, np.cos(time), period=[2.0], oversample=20, backend=backend)


def test_so_a_target_that_would_swallow_options_is_right(register: Register) -> None:
    backend = register(swallowing)
    assert [o.message for o in run_checks(BLS, backend) if o.outcome != "passed"] == []


def test_an_argument_that_is_swallowed_is_one_that_is_not_named(register: Register) -> None:
    backend = register(lambda time, flux, flux_err, **arguments: RIGHT[BLS](**arguments))
    outcomes = {outcome.name: outcome for outcome in run_checks(BLS, backend)}
    named = outcomes["arguments_of_the_target"]
    assert named.outcome == "failed"
    assert "does not name period, duration, duration_start, duration_stop" in named.message
