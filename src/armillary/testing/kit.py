"""Run the checks of an operation against one backend, and honour its waivers.

A waiver names a check that a backend is known to fail, with the reason. Waivers are
strict: a waived check that passes is a failure, so that no waiver outlives its cause.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..cache.choice import use_cache
from ..plugins.errors import BrokenCanRun, UnknownBackend
from ..plugins.isolation import Raised, in_short, isolated
from ..plugins.records import Request
from ..plugins.registry import get_registry
from ..plugins.select import own_reason, why_not

#: Operation -> the module that holds its checks, in an attribute ``SUITE``.
SUITES = {
    "search.bls": "armillary.testing.search_bls",
    "search.template_score": "armillary.testing.search_template_score",
    "crossmatch.nearest": "armillary.testing.crossmatch_nearest",
    "crossmatch.within": "armillary.testing.crossmatch_within",
    "fit.isophotes": "armillary.testing.fit_isophotes",
    "fit.forced_isophotes": "armillary.testing.fit_forced_isophotes",
    "fit.ellipse_model": "armillary.testing.fit_ellipse_model",
    "convert.visibilities": "armillary.testing.convert_visibilities",
    "cache.open": "armillary.testing.cache_open",
    "cache.codec": "armillary.testing.cache_codec",
}

Verdict = Literal["passed", "failed", "waived", "unexpectedly passed", "skipped"]


class CheckFailed(AssertionError):
    """A backend does not do what its operation promises; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Check:
    """One property that every backend of an operation has.

    Attributes
    ----------
    name : str
        What waivers call it.
    summary : str
        One line for people.
    function : callable
        Takes a backend's name; raises if the backend lacks the property.
    """

    name: str
    summary: str
    function: Callable[[str], None]


class Suite:
    """The checks of one operation, in the order in which they are written down."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def check(self, function: Callable[[str], None]) -> Callable[[str], None]:
        """Add a function; its name names the check, the first line of its docstring sums it up."""
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        self.checks.append(Check(function.__name__, summary, function))
        return function


class Family:
    """Checks that several operations share: functions of a front door and a backend's name."""

    def __init__(self) -> None:
        self.functions: list[Callable[[Any, str], None]] = []

    def check(self, function: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        """Make a function a check of every operation of the family."""
        self.functions.append(function)
        return function

    def add_to(self, suite: Suite, door: Any) -> None:
        """Give a suite the checks of the family, for its own front door."""
        for function in self.functions:
            bound = functools.partial(function, door)
            suite.check(functools.update_wrapper(bound, function))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check.

    Attributes
    ----------
    name, outcome : str
        The check, and one of "passed", "failed", "waived", "unexpectedly passed",
        "skipped".
    seconds : float
        How long it ran.
    message : str
        Why it failed, was waived or was skipped.
    error : Exception or None
        What the check raised.
    """

    name: str
    outcome: Verdict
    seconds: float
    message: str
    error: Exception | None = field(default=None, repr=False)

    @property
    def good(self) -> bool:
        """False if somebody has to act."""
        return self.outcome not in ("failed", "unexpectedly passed")


def require(condition: Any, message: str) -> None:
    """Raise :class:`CheckFailed` unless the condition holds; unlike ``assert``, also under -O."""
    if not condition:
        raise CheckFailed(message)


def checks(operation: str) -> list[Check]:
    """The checks of an operation, in order.

    Parameters
    ----------
    operation : str
        Such as ``"search.bls"``.

    Returns
    -------
    list of Check

    Raises
    ------
    ValueError
        If the kit has no checks for this operation.

    Examples
    --------
    >>> from armillary.testing import checks
    >>> checks("search.bls")[0].name
    'best_of_injected_signals'
    """
    if operation not in SUITES:
        raise ValueError(
            f"there are no conformance checks for {operation!r}; there are for {', '.join(SUITES)}"
        )
    return list(importlib.import_module(SUITES[operation]).SUITE.checks)


def run_checks(
    operation: str, backend: str, expected_failures: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Run every check of an operation against a backend.

    Parameters
    ----------
    operation, backend : str
        Such as ``"search.bls"`` and ``"cpu"``.
    expected_failures : mapping of str to str, optional
        Waivers: the name of a check, and why this backend fails it.

    Returns
    -------
    list of Outcome
        In the order of :func:`checks`. If the backend says that it cannot run here,
        all are "skipped" with its sentence; if it cannot even say, all are "failed".

    Raises
    ------
    UnknownBackend
        If nothing registers the backend.
    ValueError
        If a waiver names no check or gives no reason, or the operation has no checks.

    Examples
    --------
    >>> from armillary.testing import run_checks
    >>> all(outcome.good for outcome in run_checks("search.bls", "cpu"))
    True
    """
    return list(iterate_checks(operation, backend, expected_failures))


def iterate_checks(
    operation: str, backend: str, expected_failures: Mapping[str, str] | None = None
) -> Iterator[Outcome]:
    """:func:`run_checks`, giving each outcome as soon as it is known."""
    every = checks(operation)
    waivers = checked_waivers(operation, expected_failures)
    try:
        reason = unavailable(operation, backend)
    except CheckFailed as error:
        for check in every:
            yield Outcome(check.name, "failed", 0.0, str(error), error)
        return
    for check in every:
        if reason:
            yield Outcome(check.name, "skipped", 0.0, reason)
        else:
            yield run_check(check, backend, waivers.get(check.name))


def run_check(check: Check, backend: str, waiver: str | None = None) -> Outcome:
    """Run one check; ``waiver`` is the reason why it is expected to fail, or None."""
    error: Exception | None = None
    begin = time.perf_counter()
    try:
        # What a cache kept from an earlier run says nothing of this backend.
        with isolated(), use_cache(None):
            check.function(backend)
    except Raised as raised:
        error = _as_exception(raised.error)
    seconds = time.perf_counter() - begin
    if error is None and waiver is None:
        return Outcome(check.name, "passed", seconds, "")
    if error is None:
        message = f"the check passes; take back its waiver ({waiver})"
        return Outcome(check.name, "unexpectedly passed", seconds, message)
    if waiver is None:
        return Outcome(check.name, "failed", seconds, _words(error), error)
    return Outcome(check.name, "waived", seconds, waiver, error)


def _as_exception(error: BaseException) -> Exception:
    """The error; for one that would end or skip a run of tests, a failure that says so."""
    if isinstance(error, Exception):
        return error
    failure = CheckFailed(f"it raised {in_short(error)}")
    failure.__cause__ = error
    return failure


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, CheckFailed) else in_short(error)


def checked_waivers(operation: str, expected_failures: Mapping[str, str] | None) -> dict[str, str]:
    """The waivers, each for a check that exists and with a reason."""
    waivers = dict(expected_failures or {})
    known = [check.name for check in checks(operation)]
    for name, reason in waivers.items():
        if name not in known:
            raise ValueError(
                f"expected_failures names {name!r}, which is no check of {operation}; "
                f"they are {', '.join(known)}"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"expected_failures must give a reason for {name!r}, not {reason!r}")
    return waivers


def unavailable(operation: str, backend: str) -> str:
    """Why the backend cannot run here, in its own words; an empty string if it can.

    Raises
    ------
    UnknownBackend
        If nothing registers it.
    CheckFailed
        If it cannot run for a reason that it does not give itself.
    """
    backends = get_registry().backends(operation)
    if backend not in backends:
        raise UnknownBackend(
            f"no backend {backend!r} is registered for {operation}; "
            f"there are {', '.join(map(repr, sorted(backends)))}"
        )
    request = Request(operation)
    try:
        declined = own_reason(backends[backend], request)
    except BrokenCanRun as error:
        raise CheckFailed(str(error)) from error
    unfit = "" if declined else why_not(backends[backend], request)
    if unfit:
        raise CheckFailed(unfit)
    return declined


def conformance(
    operation: str, backend: str, *, expected_failures: Mapping[str, str] | None = None
) -> Callable[..., None]:
    """A pytest function that holds a backend to everything its operation promises.

    Parameters
    ----------
    operation, backend : str
        Such as ``"search.bls"`` and the name under which the plugin registers.
    expected_failures : mapping of str to str, optional
        Waivers: the name of a check, and why this backend fails it. A waived check
        that fails is an expected failure with that reason; one that passes is a failure.

    Returns
    -------
    function
        One test for each check. Bind it to a name that begins with ``test``. It skips
        with the backend's own sentence where the backend cannot run, and fails if
        nothing registers the backend.

    Raises
    ------
    ValueError
        If a waiver names no check or gives no reason, or the operation has no checks.
    ImportError
        If pytest is not installed.

    Examples
    --------
    >>> from armillary.testing import conformance
    >>> test_bls = conformance("search.bls", "cpu")
    """
    import pytest

    waivers = checked_waivers(operation, expected_failures)

    @pytest.mark.parametrize("check", checks(operation), ids=lambda check: check.name)
    def test_conformance(check: Check) -> None:
        reason = unavailable(operation, backend)
        if reason:
            pytest.skip(reason)
        outcome = run_check(check, backend, waivers.get(check.name))
        if outcome.outcome == "waived":
            pytest.xfail(outcome.message)
        if outcome.error is not None:
            raise outcome.error
        if not outcome.good:
            pytest.fail(outcome.message)

    # Whoever collects tests can tell which backend is held to what.
    vars(test_conformance).update(operation=operation, backend=backend)
    return test_conformance
