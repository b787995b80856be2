"""The axis that every operation has: look the result up, or compute it once and keep it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._version import __version__
from ..plugins.arrays import HOST
from ..plugins.contracts import CONTRACTS
from ..plugins.installed import version_of
from ..plugins.records import Provenance
from ..plugins.select import Plan
from .choice import store_of_call
from .encoding import encode_value, private
from .errors import warn
from .flight import once, once_each
from .keys import key_of
from .store import MISSING, Store

Value = TypeVar("Value")

#: Most keys that are kept from other processes while they are computed together: each takes an
#: open file, of which a process may have a thousand. Others may be computed twice, which is waste
#: and no error.
MOST_HELD = 128


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


def store_for(cache: Any, arrays_are: str) -> Store | None:
    """The store of a call whose input is arrays of some kind.

    A key is made of the bytes of an array, which those on a device would have to be copied for.
    So a store that is in force around the call is left aside for them.

    Raises
    ------
    TypeError
        If it is named in the call, for arrays on a device; if it is no store, name or None.
    UnknownBackend, BackendUnavailable, OSError
        If there is no store of that name, or it cannot be opened.
    """
    if arrays_are == HOST:
        return store_of_call(cache)
    if cache is not None:
        raise TypeError(
            f"cache keeps results of arrays on the host, not of {arrays_are} arrays; leave it out, "
            f"or copy the arrays to the host first"
        )
    return None


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
    value, hit = kept_or_computed(store, _key(plan, identity), compute, _label(plan))
    return Answer(value, plan, hit)


def answered_together(
    plans: Sequence[Plan],
    identities: Iterable[Mapping[str, Any]],
    compute: Callable[[Sequence[int]], Sequence[Value]],
    store: Store | None,
) -> list[Answer[Value]]:
    """The answers to many calls; those that are not in the store are computed together.

    Parameters
    ----------
    plans : sequence of Plan
        One for each call, of which there is one at least; all of one backend.
    identities : iterable of mapping
        What each answer depends on, as for :func:`answered`; looked at if there is a store.
    compute : callable
        Gives the answers to the calls of some numbers, in that order.
    store : Store or None
        None: nothing is looked up or kept.

    Returns
    -------
    list of Answer
        In the order of the calls. Of calls that ask for the same, one is computed.
    """
    everyone = range(len(plans))
    if store is None:
        return [
            Answer(value, plan, False) for value, plan in zip(compute(everyone), plans, strict=True)
        ]
    keys = [_key(plan, identity) for plan, identity in zip(plans, identities, strict=True)]
    first: dict[bytes, int] = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    found, computed = kept_or_computed_together(
        store,
        first,
        lambda missing: compute([first[key] for key in missing]),
        _label(plans[0]),
    )
    return [
        Answer(
            # What was computed is the first one's, to write to if it likes.
            found[key] if first[key] == number else private(found[key]),
            plan,
            key not in computed or first[key] != number,
        )
        for number, (key, plan) in enumerate(zip(keys, plans, strict=True))
    ]


def _key(plan: Plan, identity: Mapping[str, Any]) -> bytes:
    backend, record = plan.backend, plan.backend.record
    return key_of(
        {
            "armillary": __version__,
            "operation": record.operation,
            "contract": CONTRACTS[record.operation],
            "backend": [record.name, backend.distribution, backend.version, record.precision],
            "depends": [version_of(distribution) for distribution in record.depends],
            "identity": dict(identity),
        }
    )


def _label(plan: Plan) -> str:
    record = plan.backend.record
    return f"{record.operation} by {record.name}"


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


def kept_or_computed_together(
    store: Store,
    keys: Iterable[bytes],
    compute: Callable[[Sequence[bytes]], Sequence[Value]],
    label: str,
) -> tuple[dict[bytes, Value], set[bytes]]:
    """Values from a store; those that are not there are computed together, and kept.

    Parameters
    ----------
    store : Store
        What it raises is warned of, and the values are computed.
    keys : iterable of bytes
        Each once.
    compute : callable
        Gives the values of some of the keys, in their order.
    label : str
        For lists of entries.

    Returns
    -------
    values : dict
        Of every key.
    computed : set of bytes
        The keys whose values this call computed.
    """
    guarded = _Guarded(store)
    values = {key: guarded.get(key) for key in keys}
    missing = [key for key, value in values.items() if value is MISSING]
    computed: set[bytes] = set()

    def fly(claimed: Sequence[bytes]) -> dict[bytes, Value]:
        with guarded.computing(*sorted(claimed)[:MOST_HELD]):
            # Somebody else may have been faster: a thread before, or another process.
            made = {key: guarded.look(key) for key in claimed}
            left = [key for key, value in made.items() if value is MISSING]
            if left:
                begin = time.perf_counter()
                made |= zip(left, compute(left), strict=True)
                cost = (time.perf_counter() - begin) / len(left)
                for key in left:
                    guarded.put(key, made[key], cost, label)
            computed.update(left)
            return made

    flown, own = once_each(id(store), missing, fly)
    # What another thread computed is its own: this one gets a copy.
    return values | {k: v if k in own else private(v) for k, v in flown.items()}, computed


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
    def computing(self, *keys: bytes) -> Iterator[None]:
        """Keep other processes from computing the same, where the store knows how to.

        Of several keys, every process has to name the lowest first: else two could each hold what
        the other one waits for.
        """
        computing = getattr(self._store, "computing", None)
        if computing is None:
            yield
            return
        held = contextlib.ExitStack()
        for key in keys:
            self._try("locked", None, lambda key=key: held.enter_context(computing(key)))  # type: ignore[misc]
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
            warn(
                f"{type(self._store).__name__} could not be {what}: {type(error).__name__}: "
                f"{error}; the result is computed as if there were no cache"
            )
            return otherwise


def require_encoding(value: Any, what: str) -> None:
    """Make sure that a value can be kept.

    Raises
    ------
    TypeError
        If it cannot; the message says what in it.
    """
    encode_value(value, what)
