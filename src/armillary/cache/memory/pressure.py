"""Give memory back before the machine begins to swap."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from ...runtime.memory import available_memory, total_memory

#: Part of the machine's memory that stores leave free for others.
RESERVE = 0.1
#: Seconds between two looks.
INTERVAL = 0.5


class GivesBack(Protocol):
    """A store that can be made smaller."""

    def give_back(self, n_bytes: int) -> int:
        """Drop the least worthy entries of about so many bytes; give how many those were."""


def relieve(
    stores: Any,
    available: Callable[[], int] = available_memory,
    total: Callable[[], int] = total_memory,
) -> int:
    """Take from stores what is missing to the reserve; give the bytes that were freed.

    Parameters
    ----------
    stores : iterable of GivesBack
        Asked in turn until it is enough.
    available, total : callable
        Bytes of memory that can be had, and that there are.
    """
    missing = int(RESERVE * total()) - available()
    freed = 0
    for store in stores:
        if freed >= missing:
            break
        freed += store.give_back(missing - freed)
    return freed


class Watcher:
    """One thread that watches memory for all stores of a process, while there are any."""

    def __init__(self) -> None:
        self._stores: weakref.WeakSet[GivesBack] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, store: GivesBack) -> None:
        """Watch for a store until it is gone or :meth:`leave` is called."""
        with self._lock:
            self._stores.add(store)
            self._begin()

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="armillary-memory", daemon=True)
            self._thread.start()

    def after_fork(self) -> None:
        """Watch on this side of a fork, too, where there is no thread, for the stores there are."""
        self._lock = threading.Lock()
        self._thread = None
        if len(self._stores):
            self._begin()

    def leave(self, store: GivesBack) -> None:
        """Watch for a store no more."""
        with self._lock:
            self._stores.discard(store)

    def _look(self) -> None:
        while True:
            time.sleep(INTERVAL)
            with self._lock:
                stores = list(self._stores)
                if not stores:
                    self._thread = None
                    return
            # A look that fails, as one at a control group that goes, is not the last.
            with contextlib.suppress(Exception):
                relieve(stores)
            del stores  # or a store that nobody has any more would live on here


WATCHER = Watcher()

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=WATCHER.after_fork)
