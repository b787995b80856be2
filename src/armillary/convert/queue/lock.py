"""One watcher at a time for a state."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ...runtime.processes import process_began, still_runs
from .store import Store

#: Name under which the state remembers who watches.
WATCHER = "watcher"


class AlreadyWatched(RuntimeError):
    """Another process uses the state."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that watches.

    Attributes
    ----------
    host : str
        Name of its machine.
    process : int
        Number of the process.
    began : float
        When it began (s since 1970), since numbers of processes are used again.
    """

    host: str
    process: int
    began: float

    @classmethod
    def this_process(cls) -> Holder:
        """The one that asks."""
        process = os.getpid()
        return cls(platform.node(), process, process_began(process))

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine, where nobody here can see if it lives."""
        return self.host != platform.node()

    @property
    def is_alive(self) -> bool:
        """Whether it is known to run on this machine."""
        return not self.is_elsewhere and still_runs(self.process, self.began)


def holder_of(store: Store) -> Holder | None:
    """Who watches, or died while watching."""
    known: dict[str, Any] | None = store.recall(WATCHER)
    return None if known is None else Holder(**known)


@contextlib.contextmanager
def sole_watcher(store: Store, *, take_over: bool) -> Iterator[None]:
    """Hold the state for the length of the block; what a dead process held is taken over.

    Parameters
    ----------
    store : Store
        The state.
    take_over : bool
        Take it from another machine, too, where nobody can see if its watcher is dead.

    Raises
    ------
    AlreadyWatched
        If another process holds it.
    """
    _claim(store, take_over)
    try:
        yield
    finally:
        with store.transaction():
            if holder_of(store) == Holder.this_process():
                store.remember(WATCHER, None)


def _claim(store: Store, take_over: bool) -> None:
    with store.transaction():
        holder = holder_of(store)
        if holder is not None and holder.is_alive:
            raise AlreadyWatched(
                f"{str(store.path)!r} is in use by process {holder.process}; one watcher at a time"
            )
        if holder is not None and holder.is_elsewhere and not take_over:
            raise AlreadyWatched(
                f"{str(store.path)!r} is in use by process {holder.process} on {holder.host!r}, or "
                f"was when that died; if it is dead, take over (take_over=True, --take-over)"
            )
        store.remember(WATCHER, asdict(Holder.this_process()))
