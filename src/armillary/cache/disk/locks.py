"""Locks between processes that the system takes back from the dead.

Each key locks one byte of a file that is never written to, at a place that the key decides, with
an "open file description" lock: it belongs to the descriptor, so that threads and stores of one
process exclude each other, too, and ends when its process does.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Whether this system has such locks.
AVAILABLE = hasattr(fcntl, "F_OFD_SETLKW")
#: Of a lock on everything: no key locks this byte.
WHOLE = 0
_FLOCK = struct.Struct("@hhqqi")
#: What each thread holds.
_held = threading.local()
#: Descriptors that hold something, of all threads.
_descriptors: set[int] = set()


def place_of(key: bytes) -> int:
    """The byte that a key locks."""
    return 1 + (int.from_bytes(key[:8], "little") >> 2)


@contextlib.contextmanager
def locked(path: Path, place: int) -> Iterator[None]:
    """Hold a byte of the file for the length of the block, after whoever holds it now.

    Where the system or the file system has no such locks, nothing is held. A thread that holds it
    already, as in a function that calls itself, does not wait for itself.
    """
    held = _held.__dict__.setdefault("places", set())
    if not AVAILABLE or (path, place) in held:
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    process = os.getpid()
    _descriptors.add(descriptor)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, request)
        held.add((path, place))
        yield
    finally:
        _end(process, descriptor, held, (path, place))


def _end(
    process: int, descriptor: int, held: set[tuple[Path, int]], what: tuple[Path, int]
) -> None:
    if os.getpid() != process:
        return  # on the other side of a fork the descriptor is closed, or somebody else's by now
    held.discard(what)
    _descriptors.discard(descriptor)
    with contextlib.suppress(OSError):
        # A child that was forked meanwhile has the descriptor, too: to close it is not enough.
        request = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, what[1], 1, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
    os.close(descriptor)


def _after_fork() -> None:
    # So that what the parent holds ends with it, however long the child lives.
    for descriptor in _descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()
    _held.__dict__.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
