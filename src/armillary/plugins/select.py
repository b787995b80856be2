"""Choose the backend of a call, and be able to say why.

The rules, most binding first; the first line that gives a usable name decides:

=====  ==========================================  ====================================
level  asked by                                    a name that cannot run here
=====  ==========================================  ====================================
call   ``backend="x"`` in the call                 error
block  ``with use_backend("x", scope)``            operation: error; wider: see below
set    ``set_backend("x", scope)``                 operation: error; wider: see below
env    ``ARMILLARY_BACKEND_SEARCH_BLS``            error
env    ``ARMILLARY_BACKEND_SEARCH``                see below
env    ``ARMILLARY_BACKEND``                       see below
auto   the kind of the arrays                      numpy: ``cpu``; else the owner's plugin
=====  ==========================================  ====================================

* A scope is an operation (``"search.bls"``), a family (``"search"``) or None for
  everything. Inside *set* and *env* the narrowest scope that applies wins; of
  nested blocks the innermost that applies wins.
* A name for a family or for everything applies to the operations that this
  backend registers, and there it is just as strict; other operations go on to
  the next line. A name that nothing in its scope registers is always an error.
* Nothing falls back. Installing a plugin adds names; it changes no choice.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from . import settings
from .errors import BackendUnavailable, BrokenCanRun, UnknownBackend
from .hookspecs import FAMILY_HOOKS
from .isolation import Raised, isolated, shown
from .records import Provenance, Registered, Request
from .registry import Registry, get_registry, resolve, summary_of_failures

#: What runs when nobody asks for anything and the arrays are NumPy's.
DEFAULT = "cpu"
#: Operations whose implementations are asked for by name where they are used (``cache="disk"``):
#: there is nothing to select.
BY_NAME = ("cache.codec", "cache.open")

_blocks: ContextVar[tuple[tuple[str | None, str], ...]] = ContextVar(
    "armillary_backends", default=()
)
_process: dict[str | None, str] = {}
_process_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Wish:
    """A backend's name, who asked for it, and for what."""

    name: str
    asker: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The choice for one call, made before any work starts."""

    backend: Registered
    chosen_by: str

    def provenance(self, threads: int, *, cache_hit: bool = False) -> Provenance:
        """The plan as it is written into a result."""
        record = self.backend.record
        return Provenance(
            operation=record.operation,
            backend=record.name,
            distribution=self.backend.distribution,
            version=self.backend.version,
            precision=record.precision,
            chosen_by=self.chosen_by,
            threads=threads,
            cache_hit=cache_hit,
        )


# ------------------------------------------------------------------ asking


@contextlib.contextmanager
def use_backend(name: str, scope: str | None = None) -> Iterator[None]:
    """Use a backend inside a ``with`` block, in this thread or task.

    Parameters
    ----------
    name : str
        The backend.
    scope : str, optional
        An operation (``"search.bls"``) or a family (``"search"``); None means
        every operation that this backend registers.

    Raises
    ------
    UnknownBackend
        If no installed plugin registers ``name`` in this scope.
    ValueError
        If there is no such operation or family.

    Examples
    --------
    >>> import armillary as arm
    >>> with arm.use_backend("reference", "search.bls"):
    ...     print(arm.explain("search.bls").backend)
    reference
    """
    _check_wish("use_backend", name, scope)
    token = _blocks.set(((scope, name), *_blocks.get()))
    try:
        yield
    finally:
        _blocks.reset(token)


def set_backend(name: str | None, scope: str | None = None) -> None:
    """Use a backend in the whole process from now on.

    Parameters
    ----------
    name : str or None
        The backend; None takes back what was set for this scope.
    scope : str, optional
        An operation, a family, or None for every operation that this backend
        registers.

    Raises
    ------
    UnknownBackend
        If no installed plugin registers ``name`` in this scope.
    ValueError
        If there is no such operation or family.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.set_backend("reference", "search.bls")
    >>> arm.explain("search.bls").chosen_by
    "set_backend('reference', 'search.bls')"
    >>> arm.set_backend(None, "search.bls")
    """
    if name is None:
        _operations(get_registry(), scope)
    else:
        _check_wish("set_backend", name, scope)
    with _process_lock:
        if name is None:
            _process.pop(scope, None)
        else:
            _process[scope] = name


def process_backends() -> dict[str | None, str]:
    """What :func:`set_backend` has set: scope -> name."""
    return dict(_process)


def block_backends() -> tuple[tuple[str | None, str], ...]:
    """What :func:`use_backend` asks for here: (scope, name), the innermost block first."""
    return _blocks.get()


def _check_wish(function: str, name: Any, scope: str | None) -> None:
    registry = get_registry()
    operations = _operations(registry, scope)
    _require_text("name", name, or_none=function == "set_backend")
    wish = Wish(name, _spelling(function, name, scope), scope)
    _require_registered(registry, wish, operations)


def _require_text(argument: str, name: Any, *, or_none: bool) -> None:
    if not isinstance(name, str):
        allowed = "the name of a backend or None" if or_none else "the name of a backend"
        raise TypeError(f"{argument} must be {allowed}, not {name!r}")


def _operations(registry: Registry, scope: str | None) -> tuple[str, ...]:
    """The operations that a scope covers, of those for which there is something to select."""
    selectable = tuple(o for o in registry.operations if o not in BY_NAME)
    if scope is None:
        return selectable
    if scope in selectable:
        return (scope,)
    # A tuple, because a scope that is a list has no hash.
    if scope in tuple(FAMILY_HOOKS):
        return tuple(o for o in selectable if o.startswith(f"{scope}."))
    raise ValueError(
        f"scope {scope!r} is neither an operation ({', '.join(selectable)}) "
        f"nor a family ({', '.join(FAMILY_HOOKS)})"
    )


# ------------------------------------------------------------------ choosing


def wishes(operation: str, backend: str | None) -> Iterator[Wish]:
    """Everything that asks for a backend of this operation, most binding first."""
    if backend is not None:
        _require_text("backend", backend, or_none=True)
        yield Wish(backend, f"backend={backend!r} in the call", operation)
    family = operation.partition(".")[0]
    scopes = (operation, family, None)
    for scope, name in _blocks.get():
        if scope in scopes:
            yield Wish(name, _spelling("use_backend", name, scope), scope)
    if _process:
        for scope in scopes:
            if scope in _process:
                name = _process[scope]
                yield Wish(name, _spelling("set_backend", name, scope), scope)
    for scope, variable in zip(scopes, _variables(operation, family), strict=True):
        name = os.environ.get(variable, "").strip()
        if name:
            yield Wish(name, _assignment(variable, name), scope)


def unanswered_variable(registry: Registry, scope: str | None) -> str:
    """What is wrong with the variable that chooses for a scope; an empty string if nothing is.

    A variable that a more binding line overrules is looked at, too.
    """
    variable = settings.backend_variable(scope)
    name = os.environ.get(variable, "").strip()
    if not name:
        return ""
    try:
        wish = Wish(name, _assignment(variable, name), scope)
        _require_registered(registry, wish, _operations(registry, scope))
    except BackendUnavailable as error:
        return str(error)
    return ""


def _assignment(variable: str, name: str) -> str:
    return f"environment {variable}={name}"


def _variables(operation: str, family: str) -> tuple[str, str, str]:
    try:
        return _variable_cache[operation]
    except KeyError:
        variables = tuple(settings.backend_variable(scope) for scope in (operation, family, None))
        return _variable_cache.setdefault(operation, variables)  # type: ignore[arg-type]


_variable_cache: dict[str, tuple[str, str, str]] = {}


def _spelling(function: str, name: str, scope: str | None) -> str:
    return f"{function}({name!r})" if scope is None else f"{function}({name!r}, {scope!r})"


def choose(request: Request, backend: str | None = None) -> Plan:
    """The backend of a call.

    Raises
    ------
    UnknownBackend
        If a name was asked for that nothing registers.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.
    TypeError
        If no backend takes this kind of array and none was asked for.
    ValueError
        If there is no such operation, or its implementations are not selected.
    """
    registry = get_registry()
    backends = registry.backends(request.operation)
    if request.operation in BY_NAME:
        raise ValueError(f"{request.operation} has no backends: it is asked for by name")
    for wish in wishes(request.operation, backend):
        if wish.name in backends:
            registered = backends[wish.name]
            reason = why_not(registered, request)
            if reason:
                raise BackendUnavailable(
                    f"{request.operation}: {wish.name!r} ({registered.origin}), asked for by "
                    f"{wish.asker}, cannot run: {reason}"
                )
            return Plan(registered, wish.asker)
        _require_meant_for_others(registry, request.operation, wish)
    return _automatic(registry, request)


def _automatic(registry: Registry, request: Request) -> Plan:
    backends = registry.backends(request.operation)
    if request.arrays == "numpy":
        return Plan(backends[DEFAULT], "default")
    owners = [r for r in backends.values() if request.arrays in r.record.arrays]
    if len(owners) > 1:
        raise BackendUnavailable(
            f"{request.operation}: {_list(r.record.name for r in owners)} all take "
            f"{request.arrays} arrays; choose one with backend="
        )
    if not owners:
        raise TypeError(
            f"{request.operation}: no installed backend takes {request.arrays} arrays; "
            f"install a plugin for them or convert to NumPy"
        )
    reason = why_not(owners[0], request)
    if reason:
        raise BackendUnavailable(
            f"{request.operation}: {owners[0].record.name!r} ({owners[0].origin}), the owner of "
            f"{request.arrays} arrays, cannot run: {reason}"
        )
    return Plan(owners[0], f"the input, which is a {request.arrays} array")


def why_not(registered: Registered, request: Request) -> str:
    """Why this backend cannot carry out the request; an empty string if it can."""
    if request.arrays not in registered.record.arrays:
        return f"it takes {_list(registered.record.arrays)} arrays, not {request.arrays}"
    try:
        return own_reason(registered, request)
    except BrokenCanRun as error:
        return str(error)


def own_reason(registered: Registered, request: Request) -> str:
    """The sentence with which the backend itself declines; an empty string if it does not.

    Raises
    ------
    BrokenCanRun
        If its ``can_run`` raises, or answers neither True nor a sentence.
    """
    reference = registered.record.can_run
    if reference is None:
        return ""
    try:
        with isolated():
            answer: Any = resolve(reference)(request)
    except Raised as raised:
        raise BrokenCanRun(f"can_run raised {raised}") from raised.error
    if answer is True:
        return ""
    if isinstance(answer, str) and answer:
        return answer
    raise BrokenCanRun(f"can_run returned {shown(answer)}, which is neither True nor a sentence")


# ------------------------------------------------------------------ names that are not there


def _require_meant_for_others(registry: Registry, operation: str, wish: Wish) -> None:
    """Raise unless the wish is a wide one whose backend has nothing to do with this operation."""
    claimed = registry.conflict(operation, wish.name) is not None
    operations = (operation,) if claimed else _operations(registry, wish.scope)
    _require_registered(registry, wish, operations)


def _require_registered(registry: Registry, wish: Wish, operations: tuple[str, ...]) -> None:
    """Raise unless one of the operations has a backend of the name that is wished for."""
    if any(wish.name in registry.backends(operation) for operation in operations):
        return
    for conflict in registry.conflicts:
        if conflict.name == wish.name and conflict.operation in operations:
            raise BackendUnavailable(f"asked for by {wish.asker}: {conflict}")
    there = sorted({name for operation in operations for name in registry.backends(operation)})
    sentence = (
        f"asked for by {wish.asker}: no backend {wish.name!r} is registered for "
        f"{wish.scope or 'any operation'}; there are {_list(there) or 'none'}"
    )
    off = summary_of_failures(registry)
    raise UnknownBackend(
        f"{sentence}. It may be in one that is off: {'; '.join(off)}" if off else sentence
    )


def _list(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


# ------------------------------------------------------------------ telling


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which backend would run, and everything that had a say in it."""

    operation: str
    backend: str | None
    chosen_by: str | None
    problem: str | None
    considered: tuple[str, ...]

    def __repr__(self) -> str:
        if self.problem is None:
            head = f"{self.operation}: {self.backend!r} would run, chosen by {self.chosen_by}"
        else:
            head = f"{self.operation}: nothing would run: {self.problem}"
        return "\n".join([head, *(f"  - {line}" for line in self.considered)])


def explain(operation: str, *, backend: str | None = None, arrays: str = "numpy") -> Explanation:
    """Tell which backend a call would use and why, without running it.

    Parameters
    ----------
    operation : str
        Such as ``"search.bls"``.
    backend : str, optional
        As in the call.
    arrays : str
        Kind of the input: the top-level module of its type.

    Raises
    ------
    ValueError
        If armillary has no such operation.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.explain("search.bls")
    search.bls: 'cpu' would run, chosen by default
    """
    registry = get_registry()
    registry.backends(operation)
    considered = []
    decided = False
    for wish in wishes(operation, backend):
        bearing = "is overruled" if decided else _bearing(registry, operation, wish)
        considered.append(f"{wish.asker}: {wish.name!r} {bearing}")
        decided = decided or wish.name in registry.backends(operation)
    try:
        plan = choose(Request(operation, arrays=arrays), backend)
    except (BackendUnavailable, TypeError) as error:
        return Explanation(operation, None, None, str(error), tuple(considered))
    return Explanation(operation, plan.backend.record.name, plan.chosen_by, None, tuple(considered))


def _bearing(registry: Registry, operation: str, wish: Wish) -> str:
    if wish.name in registry.backends(operation):
        return "applies"
    if registry.conflict(operation, wish.name):
        return "is claimed by several plugins"
    return "registers nothing for this operation"
