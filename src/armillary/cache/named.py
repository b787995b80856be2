"""Stores and codecs by the names under which plugins, and armillary itself, register them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..plugins.errors import BackendUnavailable, UnknownBackend
from ..plugins.isolation import Raised, isolated
from ..plugins.records import Registered, Request
from ..plugins.registry import CORE, get_registry, resolve, summary_of_failures
from ..plugins.select import why_not


def made(operation: str, name: str, options: Mapping[str, Any]) -> Any:
    """What the target of a record gives when it is called with options.

    Parameters
    ----------
    operation : str
        "cache.open" or "cache.codec".
    name : str
        Under which it is registered.
    options : mapping
        Passed by name.

    Raises
    ------
    UnknownBackend
        If nothing registers the name; the message lists those there are.
    BackendUnavailable
        If it cannot run here, or cannot be imported.
    TypeError
        If it has no such option.
    """
    registered = _registered(operation, name)
    reason = why_not(registered, Request(operation))
    if reason:
        raise BackendUnavailable(f"{registered} cannot be used: {reason}")
    try:
        with isolated():
            target = resolve(registered.record.target)
    except Raised as raised:
        raise BackendUnavailable(
            f"{registered} cannot be used: loading {registered.record.target} raised {raised}"
        ) from raised.error
    _require_options(registered, target, options)
    if registered.distribution == CORE:
        return target(**options)
    try:
        return target(**options)
    except Exception as error:
        error.add_note(f"raised by {registered}")
        raise


def _require_options(registered: Registered, target: Any, options: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # what is compiled may not tell
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    unknown = [name for name in options if name not in parameters]
    if unknown:
        raise TypeError(
            f"{registered} has no option {unknown[0]!r}; its options are {', '.join(parameters)}"
        )


def _registered(operation: str, name: str) -> Registered:
    registry = get_registry()
    there = registry.backends(operation)
    if name in there:
        return there[name]
    conflict = registry.conflict(operation, name)
    if conflict is not None:
        raise BackendUnavailable(str(conflict))
    known = ", ".join(map(repr, sorted(there))) or "none"
    sentence = f"nothing registers {name!r} for {operation}; there is {known}"
    off = summary_of_failures(registry)
    raise UnknownBackend(
        f"{sentence}. It may be in one that is off: {'; '.join(off)}" if off else sentence
    )
