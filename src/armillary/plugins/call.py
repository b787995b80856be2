"""Run a chosen backend, and hold it to the operation's contract."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import BackendUnavailable, ContractError, UnsupportedOption
from .records import Registered
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
        If the target cannot be imported.
    """
    target, accepted = _target(plan.backend)
    passed = dict(arguments)
    for name, (value, default) in options.items():
        if name in accepted:
            passed[name] = value
        elif value != default:
            raise UnsupportedOption(_unsupported(plan, name, value))
    for name, value in conveniences.items():
        if name in accepted:
            passed[name] = value
    try:
        return target(**passed)
    except Exception as error:
        if plan.backend.distribution != CORE:
            error.add_note(
                f"raised by {plan.backend}, chosen by {plan.chosen_by}; "
                f"no other backend was tried"
            )
        raise


_signatures: dict[Any, frozenset[str]] = {}


def _target(registered: Registered) -> tuple[Any, frozenset[str]]:
    try:
        target = resolve(registered.record.target)
    except Exception as error:
        raise BackendUnavailable(
            f"{registered} cannot run: importing {registered.record.target} raised "
            f"{type(error).__name__}: {error}"
        ) from error
    accepted = _signatures.get(target)
    if accepted is None:
        accepted = _signatures[target] = _named_parameters(target)
    return target, accepted


def _named_parameters(target: Any) -> frozenset[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(target).parameters.values()
    return frozenset(p.name for p in parameters if p.kind in kinds)


def _unsupported(plan: Plan, option: str, value: Any) -> str:
    record = plan.backend.record
    able = []
    for name, registered in sorted(get_registry().backends(record.operation).items()):
        try:
            if option in _target(registered)[1]:
                able.append(repr(name))
        except BackendUnavailable:
            continue
    return (
        f"{record.operation}: the backend {record.name!r} ({plan.backend.origin}), chosen by "
        f"{plan.chosen_by}, does not support {option}={value!r}; "
        f"{', '.join(able) or 'no backend here'} does"
    )


def checked_arrays(
    plan: Plan, result: Any, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The arrays of a result, each float64 and of its documented shape.

    Raises
    ------
    ContractError
        If the result is no mapping, lacks a field, or a field has another dtype
        or shape; the message names the field and the backend.
    """
    if not isinstance(result, Mapping):
        raise ContractError(f"{plan.backend} returned {type(result).__name__}, not a mapping")
    arrays = {}
    for name, shape in shapes.items():
        if name not in result:
            raise ContractError(f"{plan.backend} returned no {name!r}")
        value = result[name]
        if not isinstance(value, np.ndarray):
            found = type(value).__name__
        elif value.dtype != np.float64 or value.shape != shape:
            found = f"{value.dtype} of shape {value.shape}"
        else:
            arrays[name] = value
            continue
        raise ContractError(
            f"{plan.backend} returned {name!r} as {found}, not a float64 array of shape {shape}"
        )
    return arrays
