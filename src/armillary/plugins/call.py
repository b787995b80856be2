"""Run a chosen backend, and hold it to the operation's contract."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from .._words import counted
from ..runtime.progress import Callback
from .arrays import HOST, array_kind
from .errors import BackendUnavailable, ContractError, UnsupportedOption
from .isolation import Raised, isolated, shown
from .registry import CORE, get_registry, resolve
from .select import Plan


def call(
    plan: Plan,
    arguments: Mapping[str, Any],
    options: Mapping[str, tuple[Any, Any]],
    conveniences: Mapping[str, Any],
) -> Any:
    """Call the target of a plan.

    Parameters
    ----------
    plan : Plan
        The choice.
    arguments : mapping
        The operation's canonical arguments, which every target takes.
    options : mapping of name to (value, default)
        Options that can change a result. A target that does not name one does
        not support it, and a value other than the default is then an error.
    conveniences : mapping
        Options that cannot change a result (threads, progress): passed where the
        target names them and dropped where not.

    Raises
    ------
    UnsupportedOption
        If an option is set that the target does not name.
    BackendUnavailable
        If the target cannot be imported or is no function.
    RuntimeError
        If the target of a plugin tries to end the process.
    """
    target, accepted = _function(plan, plan.backend.record.target)
    return _run(plan, target, **arguments, **_passed(plan, accepted, options, conveniences))


def call_batch(
    plan: Plan,
    calls: Sequence[Mapping[str, Any]],
    options: Mapping[str, tuple[Any, Any]],
    conveniences: Mapping[str, Any],
) -> list[Any]:
    """Call the batch function of a plan's backend, which must have one.

    Parameters
    ----------
    plan : Plan
        The choice.
    calls : sequence of mapping
        The canonical arguments of each call.
    options, conveniences : mapping
        As for :func:`call`, and the same for every call.

    Returns
    -------
    list
        What the target would give for each call, in their order.

    Raises
    ------
    ContractError
        If the function gives anything else than a list of this length.
    UnsupportedOption, BackendUnavailable, RuntimeError
        As for :func:`call`.
    """
    reference = plan.backend.record.batch
    if reference is None:
        raise ValueError(f"{plan.backend} has no batch function")
    function, accepted = _function(plan, reference)
    results = _run(plan, function, calls, **_passed(plan, accepted, options, conveniences))
    if not isinstance(results, list) or len(results) != len(calls):
        found = type(results).__name__
        found = f"a list of {len(results)}" if isinstance(results, list) else found
        raise ContractError(
            f"{plan.backend} returned {found} for a batch of {len(calls)} calls, not a list of "
            f"{len(calls)}"
        )
    return results


def _passed(
    plan: Plan,
    accepted: frozenset[str],
    options: Mapping[str, tuple[Any, Any]],
    conveniences: Mapping[str, Any],
) -> dict[str, Any]:
    """What a function is given of the options and conveniences: those that it names."""
    passed = {name: value for name, value in conveniences.items() if name in accepted}
    for name, (value, default) in options.items():
        if name in accepted:
            passed[name] = value
        elif value is not default and not _equal(value, default):
            raise UnsupportedOption(_unsupported(plan, name, value))
    return passed


def _equal(value: Any, default: Any) -> bool:
    """Whether an option has its default; an array never equals one that is None."""
    return default is not None and bool(np.all(value == default))


def _run(plan: Plan, function: Any, /, *arguments: Any, **passed: Any) -> Any:
    """Call a function of a backend; what a plugin raises gets a note of who raised and chose it.

    What the user's callback raises passes untouched.
    """
    if plan.backend.distribution == CORE:
        return function(*arguments, **passed)
    note = f"raised by {plan.backend}, chosen by {plan.chosen_by}; no other backend was tried"
    callback = None
    if passed.get("progress") is not None:
        callback = passed["progress"] = Callback(passed["progress"])
    try:
        return function(*arguments, **passed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if callback is not None and error is callback.raised:
            raise
        if isinstance(error, SystemExit):
            # The process is the user's: a search must not end it, least of all with status 0.
            failure = RuntimeError(f"{plan.backend} tried to end the process (SystemExit: {error})")
            failure.add_note(note)
            raise failure from error
        error.add_note(note)
        raise


def _function(plan: Plan, reference: str) -> tuple[Any, frozenset[str]]:
    """A function of a plan's backend, and the names of its parameters."""
    try:
        with isolated():
            return _load(reference)
    except Raised as raised:
        raise BackendUnavailable(
            f"{plan.backend}, chosen by {plan.chosen_by}, cannot run: "
            f"loading {reference} raised {raised}"
        ) from raised.error


_loaded: dict[str, tuple[Any, frozenset[str]]] = {}


def _load(reference: str) -> tuple[Any, frozenset[str]]:
    """The function that a record points to, and the names of its parameters."""
    target = resolve(reference)
    loaded = _loaded.get(reference)
    if loaded is None or loaded[0] is not target:
        loaded = _loaded[reference] = (target, _named_parameters(target))
    return loaded


def _named_parameters(target: Any) -> frozenset[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(target).parameters.values()
    return frozenset(p.name for p in parameters if p.kind in kinds)


def _unsupported(plan: Plan, option: str, value: Any) -> str:
    record = plan.backend.record
    able = []
    for name, registered in sorted(get_registry().backends(record.operation).items()):
        try:
            with isolated():
                accepted = _load(registered.record.target)[1]
        except Raised:
            continue  # one that cannot be loaded is no help to name
        if option in accepted:
            able.append(repr(name))
    return (
        f"{record.operation}: the backend {record.name!r} ({plan.backend.origin}), chosen by "
        f"{plan.chosen_by}, does not support {option}={_in_brief(value)}; "
        f"it is supported by {', '.join(able) or 'no backend here'}"
    )


def _in_brief(value: Any) -> str:
    """A value as it stands in a sentence: of an array its shape, of anything else not too much."""
    shape = getattr(value, "shape", ())
    return f"an array of shape {shape}" if shape else shown(value)


def checked_arrays(
    plan: Plan,
    result: Any,
    shapes: Mapping[str, tuple[int | None, ...]],
    dtypes: Mapping[str, Any] = MappingProxyType({}),
    arrays_are: str = HOST,
) -> dict[str, Any]:
    """The arrays of a result, each of its documented shape, dtype and kind.

    Parameters
    ----------
    plan : Plan
        Who computed it.
    result : mapping
        What a target returned.
    shapes : mapping of name to tuple
        The fields; a length of None is the backend's to choose.
    dtypes : mapping of name to dtype
        float64 where a field is not named.
    arrays_are : str
        The kind of every field: that of the input.

    Raises
    ------
    ContractError
        If the result is no mapping, lacks a field, or a field is no plain array of this kind or
        has another dtype or shape; the message names the field and the backend.
    """
    if not isinstance(result, Mapping):
        raise ContractError(f"{plan.backend} returned {type(result).__name__}, not a mapping")
    arrays = {}
    for name, shape in shapes.items():
        if name not in result:
            raise ContractError(f"{plan.backend} returned no {name!r}")
        value = result[name]
        dtype = np.dtype(dtypes.get(name, np.float64))
        if not _is_plain(value, arrays_are):
            found = type(value).__name__
        elif value.dtype != dtype or not _fits(value.shape, shape):
            found = f"{value.dtype} of shape {value.shape}"
        else:
            arrays[name] = value
            continue
        wanted = (
            f"of shape {shape}" if None not in shape else f"of {counted(len(shape), 'dimension')}"
        )
        array = "array" if arrays_are == HOST else f"{arrays_are} array"
        raise ContractError(
            f"{plan.backend} returned {name!r} as {found}, not a {dtype} {array} {wanted}"
        )
    return arrays


def _is_plain(value: Any, kind: str) -> bool:
    """Whether it is an array of this kind; no subclass of NumPy's.

    A subclass would carry its unit or mask into the arithmetic of the front door.
    """
    return type(value) is np.ndarray if kind == HOST else array_kind(value) == kind


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(found) == len(shape) and all(
        n is None or n == m for m, n in zip(found, shape, strict=True)
    )
