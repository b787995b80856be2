"""Run a chosen backend, and hold it to the operation's contract."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .errors import BackendUnavailable, ContractError, UnsupportedOption
from .isolation import Raised, isolated
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
    target, accepted = _target(plan)
    passed = dict(arguments)
    for name, (value, default) in options.items():
        if name in accepted:
            passed[name] = value
        elif value is not default and not _equal(value, default):
            raise UnsupportedOption(_unsupported(plan, name, value))
    for name, value in conveniences.items():
        if name in accepted:
            passed[name] = value
    if plan.backend.distribution == CORE:
        return target(**passed)
    return _call_of_plugin(plan, target, passed)


def _equal(value: Any, default: Any) -> bool:
    """Whether an option has its default; an array never equals one that is None."""
    return default is not None and bool(np.all(value == default))


def _call_of_plugin(plan: Plan, target: Any, passed: dict[str, Any]) -> Any:
    """Call the target of a plugin; what it raises gets a note of who raised it and who chose it."""
    note = f"raised by {plan.backend}, chosen by {plan.chosen_by}; no other backend was tried"
    try:
        return target(**passed)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        # The process is the user's: a search must not end it, least of all with status 0.
        failure = RuntimeError(f"{plan.backend} tried to end the process (SystemExit: {error})")
        failure.add_note(note)
        raise failure from error
    except BaseException as error:
        error.add_note(note)
        raise


def _target(plan: Plan) -> tuple[Any, frozenset[str]]:
    reference = plan.backend.record.target
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
        f"{plan.chosen_by}, does not support {option}={value!r}; "
        f"it is supported by {', '.join(able) or 'no backend here'}"
    )


def checked_arrays(
    plan: Plan,
    result: Any,
    shapes: Mapping[str, tuple[int | None, ...]],
    dtypes: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """The arrays of a result, each of its documented shape and dtype.

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

    Raises
    ------
    ContractError
        If the result is no mapping, lacks a field, or a field is no plain array or
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
        # A subclass would carry its unit or mask into the arithmetic of the front door.
        if type(value) is not np.ndarray:
            found = type(value).__name__
        elif value.dtype != dtype or not _fits(value.shape, shape):
            found = f"{value.dtype} of shape {value.shape}"
        else:
            arrays[name] = value
            continue
        wanted = f"of shape {shape}" if None not in shape else f"of {len(shape)} dimension"
        raise ContractError(
            f"{plan.backend} returned {name!r} as {found}, not a {dtype} array {wanted}"
        )
    return arrays


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(found) == len(shape) and all(
        n is None or n == m for m, n in zip(found, shape, strict=True)
    )
