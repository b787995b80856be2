"""The axis that every operation has: look the result up, or compute it once and keep it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._version import __version__
from ..plugins.contracts import CONTRACTS
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
    value = _get(store, key)
    if value is not MISSING:
        return value, True
    hit = False

    def fly() -> Value:
        nonlocal hit
        computing = getattr(store, "computing", None)
        with nullcontext() if computing is None else computing(key):
            # Somebody else may have been faster: a thread before, or another process.
            found = _get(store, key) if _contains(store, key) else MISSING
            if found is not MISSING:
                hit = True
                return found
            begin = time.perf_counter()
            made = compute()
            _put(store, key, made, time.perf_counter() - begin, label)
            return made

    value, own = once(id(store), key, fly)
    if own:
        return value, hit
    # What was computed is its thread's, to write to if it likes: this one gets its own.
    found = _get(store, key) if _contains(store, key) else MISSING
    return (private(value) if found is MISSING else found), True


def _get(store: Store, key: bytes) -> Any:
    try:
        return store.get(key, MISSING)
    except Exception as error:
        _warn(store, "read", error)
        return MISSING


def _contains(store: Store, key: bytes) -> bool:
    try:
        return key in store
    except Exception as error:
        _warn(store, "read", error)
        return False


def _put(store: Store, key: bytes, value: Any, cost: float, label: str) -> None:
    try:
        store.put(key, value, cost=cost, label=label)
    except Exception as error:
        _warn(store, "written", error)


def _warn(store: Store, what: str, error: Exception) -> None:
    warnings.warn(
        f"{type(store).__name__} could not be {what}: {type(error).__name__}: {error}; "
        f"the result is computed as if there were no cache",
        CacheWarning,
        stacklevel=6,
    )


def require_encoding(value: Any, what: str) -> None:
    """Make sure that a value can be kept.

    Raises
    ------
    TypeError
        If it cannot; the message says what in it.
    """
    encode_value(value, what)
