"""One computation of a key at a time: who comes second waits for the first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
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


def _after_fork() -> None:
    # Threads that computed are not on this side of the fork.
    global _lock
    _lock = threading.Lock()
    _flights.clear()


with contextlib.suppress(AttributeError):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
