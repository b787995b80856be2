"""One computation of a key at a time: who comes second waits for the first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .store import MISSING


class _Flight:
    """A computation under way."""

    __slots__ = ("done", "owner", "value")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.owner = threading.get_ident()
        self.value: Any = MISSING


_flights: dict[tuple[int, bytes], _Flight] = {}
_lock = threading.Lock()


def once(place: int, key: bytes, compute: Callable[[], Any]) -> tuple[Any, bool]:
    """Compute a value, or wait for the thread that does.

    Parameters
    ----------
    place : int
        What keys are told apart by: the identity of a store.
    key : bytes
        Of the value.
    compute : callable
        Gives it.

    Returns
    -------
    value : object
        What this thread, or the other one, computed.
    own : bool
        Whether it was this thread.

    Raises
    ------
    Exception
        What ``compute`` raises. Those who waited then try themselves, one at a time.
    """
    while True:
        with _lock:
            flight = _flights.get((place, key))
            first = flight is None
            if flight is None:
                flight = _flights[place, key] = _Flight()
        if first:
            return _computed(place, key, flight, compute), True
        if flight.owner == threading.get_ident():
            # A function that calls itself with the same arguments would wait for itself.
            return compute(), True
        flight.done.wait()
        if flight.value is not MISSING:
            return flight.value, False


def _computed(place: int, key: bytes, flight: _Flight, compute: Callable[[], Any]) -> Any:
    try:
        value = flight.value = compute()
        return value
    finally:
        with _lock:
            _flights.pop((place, key), None)
        flight.done.set()


def once_each(
    place: int, keys: Iterable[bytes], compute: Callable[[Sequence[bytes]], Mapping[bytes, Any]]
) -> tuple[dict[bytes, Any], set[bytes]]:
    """Compute many values together, but wait for those that other threads compute.

    Parameters
    ----------
    place : int
        As for :func:`once`.
    keys : iterable of bytes
        Each once.
    compute : callable
        Gives the values of some of the keys; called with those that nobody computes.

    Returns
    -------
    values : dict
        Of every key.
    own : set of bytes
        The keys whose values this thread computed.

    Raises
    ------
    Exception
        What ``compute`` raises.
    """
    values: dict[bytes, Any] = {}
    own: set[bytes] = set()
    wanted = list(keys)
    while wanted:
        mine, others = _claimed(place, wanted)
        if mine:
            values |= _computed_each(place, mine, compute)
            own |= mine.keys()
        # Only now, when nobody waits for this thread: two that waited first would do so forever.
        for flight in others.values():
            flight.done.wait()
        values |= {key: flight.value for key, flight in others.items()}
        wanted = [key for key, flight in others.items() if flight.value is MISSING]
    return values, own


def _claimed(
    place: int, keys: Iterable[bytes]
) -> tuple[dict[bytes, _Flight | None], dict[bytes, _Flight]]:
    """The keys that are this thread's to compute, and those under way in other threads.

    A key that this thread computes already, further out, has no flight of its own here.
    """
    mine: dict[bytes, _Flight | None] = {}
    others: dict[bytes, _Flight] = {}
    with _lock:
        for key in keys:
            flight = _flights.get((place, key))
            if flight is None:
                mine[key] = _flights[place, key] = _Flight()
            elif flight.owner == threading.get_ident():
                mine[key] = None
            else:
                others[key] = flight
    return mine, others


def _computed_each(
    place: int,
    mine: Mapping[bytes, _Flight | None],
    compute: Callable[[Sequence[bytes]], Mapping[bytes, Any]],
) -> Mapping[bytes, Any]:
    flights = {key: flight for key, flight in mine.items() if flight is not None}
    try:
        values = compute(list(mine))
        for key, flight in flights.items():
            flight.value = values[key]
        return values
    finally:
        with _lock:
            for key in flights:
                _flights.pop((place, key), None)
        for flight in flights.values():
            flight.done.set()


def _after_fork() -> None:
    # Threads that computed are not on this side of the fork.
    global _lock
    _lock = threading.Lock()
    _flights.clear()


with contextlib.suppress(AttributeError):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
