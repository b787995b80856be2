"""Who gets room in a store on disk, and who goes for it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

from ...runtime.processes import process_began, still_runs
from .files import Files
from .index import Index, Room

#: Seconds after which whoever writes a file, maybe on another machine, is taken for dead. If he
#: is not, his entry is not kept.
LONGEST_WRITE = 3600.0


class Space:
    """The room of one store; every method is called within a transaction of its index.

    Parameters
    ----------
    files : Files
        Of the store. A file goes before the index forgets it.
    clock : callable
        Gives the seconds by which entries expire.
    """

    def __init__(self, files: Files, clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock

    def beside_others(self, index: Index, n_bytes: int) -> Room | None:
        """What room there is; None if an entry does not fit beside those being written."""
        room = index.room()
        if room.reserved_bytes and n_bytes + room.reserved_bytes > room.max_bytes:
            self.clear_away(index)
            room = index.room()
        if n_bytes + room.reserved_bytes <= room.max_bytes:
            return room
        index.count(refused=1)
        return None

    def make(self, index: Index, room: Room, n_bytes: int) -> Room:
        """Remove entries until there is room for one of so many bytes; for 0, for none."""
        if _too_little(room, n_bytes) is None:
            return room
        self.clear_away(index)
        room = index.room()
        while (reason := _too_little(room, n_bytes)) is not None:
            first = index.first_to_go()
            if first is None:
                break
            number, file, priority = first
            if room.policy == "cost":
                index.raise_level(priority)
            self.remove(index, number, file)
            index.evicted(reason)
            room = index.room()
        return room

    def clear_away(self, index: Index) -> None:
        """Remove what has expired, and what those who died have left."""
        for number, file in index.expired(self._clock()):
            self.remove(index, number, file)
            index.evicted("expired")
        for file, host, process, began, since in index.reservations():
            dead = host == platform.node() and not still_runs(process, began)
            if dead or not 0.0 <= self._clock() - since < LONGEST_WRITE:
                self._files.remove(file)
                index.release(file)

    def reserve(self, index: Index, file: str, n_bytes: int) -> None:
        """Keep room for a file that this process is about to write."""
        process = os.getpid()
        holder = platform.node(), process, _began(process)
        index.reserve(file, n_bytes, holder, self._clock())

    def remove(self, index: Index, number: int, file: str | None) -> None:
        """Remove an entry."""
        if file is not None:
            self._files.remove(file)
        index.remove(number)

    def remove_old(self, index: Index, key: bytes) -> bool:
        """Remove the entry of a key; False if there was none."""
        old = index.old(key)
        if old is not None:
            self.remove(index, *old)
        return old is not None


_began_at: dict[int, float] = {}


def _began(process: int) -> float:
    if process not in _began_at:
        _began_at[process] = process_began(process)
    return _began_at[process]


def _too_little(room: Room, n_bytes: int) -> str | None:
    """Why there is no room for one more entry of so many bytes (for 0: for those there are)."""
    if room.stored_bytes + room.reserved_bytes + n_bytes > room.max_bytes:
        return "budget"
    if room.max_entries is not None and room.entries + (n_bytes > 0) > room.max_entries:
        return "entries"
    return None
