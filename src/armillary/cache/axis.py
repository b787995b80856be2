"""The axis that every operation has: look the result up, or compute it once and keep it."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._version import __version__
from ..plugins.contracts import CONTRACTS
from ..plugins.installed import version_of
from ..plugins.records import Provenance
from ..plugins.select import Plan
from .encoding import encode_value, private
from .errors import CacheWarning
from .flight import once
from .keys import key_of
from .store import MISSING, Store

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """A value, and whether it had to be computed.

    Attributes
    ----------
    value : object
        What the computation gives, or gave.
    plan : Plan
        The choice of the backend.
    cache_hit : bool
        Whether it was read from a store, or computed by another thread that was asked before.
    """

    value: Value
    plan: Plan
    cache_hit: bool

    def provenance(self, threads: int) -> Provenance:
        """As it is written into a result."""
        return self.plan.provenance(threads, cache_hit=self.cache_hit)


def answered(
    plan: Plan,
    identity: Mapping[str, Any],
    compute: Callable[[], Value],
    store: Store | None,
) -> Answer[Value]:
    """The answer of a backend, from the store if it is there.

    Parameters
    ----------
    plan : Plan
        The choice of the backend.
    identity : mapping
        Everything that the answer depends on: arrays, options, and for a grid its parameters.
        Options that cannot change it (threads, progress) are not in it.
    compute : callable
        Gives the answer: something that encoding.py has a form for.
    store : Store or None
        None: nothing is looked up or kept.
    """
    if store is None:
        return Answer(compute(), plan, False)
    backend, record = plan.backend, plan.backend.record
    key = key_of(
        {
            "armillary": __version__,
            "operation": record.operation,
            "contract": CONTRACTS[record.operation],
            "backend": [record.name, backend.distribution, backend.version, record.precision],
            "depends": [version_of(distribution) for distribution in record.depends],
            "identity": dict(identity),
        }
    )
    label = f"{record.operation} by {record.name}"
    value, hit = kept_or_computed(store, key, compute, label)
    return Answer(value, plan, hit)


def kept_or_computed(
    store: Store, key: bytes, compute: Callable[[], Value], label: str
) -> tuple[Value, bool]:
    """A value from a store, or computed once, however many ask, and kept.

    Parameters
    ----------
    store : Store
        What it raises is warned of, and the value is computed.
    key : bytes
        Of the value.
    compute : callable
        Gives it.
    label : str
        For lists of entries.

    Returns
    -------
    value : object
    hit : bool
        Whether it was not this call that computed it.
    """
    guarded = _Guarded(store)
    value = guarded.get(key)
    if value is not MISSING:
        return value, True
    hit = False

    def fly() -> Value:
        nonlocal hit
        with guarded.computing(key):
            # Somebody else may have been faster: a thread before, or another process.
            found = guarded.look(key)
            if found is not MISSING:
                hit = True
                return found
            begin = time.perf_counter()
            made = compute()
            guarded.put(key, made, time.perf_counter() - begin, label)
            return made

    value, own = once(id(store), key, fly)
    if own:
        return value, hit
    # What was computed is its thread's, to write to if it likes: this one gets its own.
    found = guarded.look(key)
    return (private(value) if found is MISSING else found), True


class _Guarded:
    """A store for one call; what it raises is warned of, once, and it is not asked again.

    To put a value is tried all the same: it may take the place of the one that cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._works = True

    def get(self, key: bytes) -> Any:
        """The value of a key, or MISSING."""
        return self._try("read", MISSING, lambda: self._store.get(key, MISSING))

    def look(self, key: bytes) -> Any:
        """The same, but no miss is counted where there is none."""
        is_there = self._try("read", False, lambda: key in self._store)
        return self.get(key) if is_there else MISSING

    def put(self, key: bytes, value: Any, cost: float, label: str) -> None:
        """Keep a value."""
        put = self._store.put
        self._try("written", None, lambda: put(key, value, cost=cost, label=label), anyway=True)

    @contextlib.contextmanager
    def computing(self, key: bytes) -> Iterator[None]:
        """Keep other processes from computing the same, where the store knows how to."""
        computing = getattr(self._store, "computing", None)
        if computing is None:
            yield
            return
        held = contextlib.ExitStack()
        self._try("locked", None, lambda: held.enter_context(computing(key)))
        try:
            yield
        finally:
            self._try("unlocked", None, held.close, anyway=True)

    def _try(
        self, what: str, otherwise: Value, call: Callable[[], Value], *, anyway: bool = False
    ) -> Value:
        if not self._works and not anyway:
            return otherwise
        try:
            return call()
        except Exception as error:
            if not self._works:
                return otherwise
            self._works = False
            warnings.warn(
                f"{type(self._store).__name__} could not be {what}: {type(error).__name__}: "
                f"{error}; the result is computed as if there were no cache",
                CacheWarning,
                stacklevel=_levels_to_the_caller(),
            )
            return otherwise


def _levels_to_the_caller() -> int:
    """How far up the code is that called armillary, for a warning that points there."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, levels = frame.f_back, levels + 1
    return levels


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "armillary" or module == "contextlib"


def require_encoding(value: Any, what: str) -> None:
    """Make sure that a value can be kept.

    Raises
    ------
    TypeError
        If it cannot; the message says what in it.
    """
    encode_value(value, what)
