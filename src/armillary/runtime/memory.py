"""How much memory there is, and a sentence before it is gone."""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

#: Where Linux tells of control groups, and which are those of this process.
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_CONTROL_GROUPS = Path("/proc/self/cgroup")
#: Part of the free memory that a result may take.
FRACTION = 0.8

_most: contextvars.ContextVar[int | None] = contextvars.ContextVar("most", default=None)


class ResultTooLarge(MemoryError):
    """A result would not fit into the memory that there is for it.

    Attributes
    ----------
    parts : int
        In about how many parts it would fit.
    """

    def __init__(self, message: str, parts: int) -> None:
        super().__init__(message)
        self.parts = parts


@contextlib.contextmanager
def memory_for_results(n_bytes: int) -> Iterator[None]:
    """Let results that grow in this block take no more than some bytes."""
    token = _most.set(n_bytes)
    try:
        yield
    finally:
        _most.reset(token)


def available_memory() -> int:
    """Bytes that can be had now without swapping, or without the control group's limit."""
    import psutil

    return min([int(psutil.virtual_memory().available), *(free for free, _ in _control_groups())])


def total_memory() -> int:
    """Bytes of the machine, or of the control group that this process is in."""
    import psutil

    return min([int(psutil.virtual_memory().total), *(total for _, total in _control_groups())])


def _control_groups() -> Iterator[tuple[int, int]]:
    """What is free and what is allowed in each control group (version 2) above this process."""
    try:
        lines = OWN_CONTROL_GROUPS.read_text().splitlines()
        (own,) = (line[3:] for line in lines if line.startswith("0::"))
    except (OSError, ValueError):
        return
    group = CONTROL_GROUPS / own.lstrip("/")
    for folder in (group, *group.parents):
        try:
            most = int((folder / "memory.max").read_text())
            used = int((folder / "memory.current").read_text())
            files = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text(), re.M)
        except (OSError, ValueError):
            continue  # no limit here, which is the word "max", or no such group
        # Pages of files count as used, but go when memory is wanted.
        yield most - used + int(files[1] if files else 0), most


class MemoryGuard:
    """Watch a result grow, and stop it while there is still memory.

    Parameters
    ----------
    n_rows : int
        Rows of the problem.
    bytes_per_item : int
        Memory of one item of the result.
    """

    def __init__(self, n_rows: int, bytes_per_item: int) -> None:
        self._n_rows = n_rows
        self._bytes_per_item = bytes_per_item
        most = _most.get()
        n_bytes = FRACTION * available_memory() if most is None else most
        self._most = int(n_bytes / bytes_per_item)
        self._rows = self._items = 0
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """Items that fit."""
        return self._most

    def add(self, rows: int, items: int) -> None:
        """Count rows that are done and what they brought.

        Raises
        ------
        ResultTooLarge
            (A MemoryError.) If the result no longer fits; the message tells how large it would be.
        """
        with self._lock:
            self._rows += rows
            self._items += items
            if self._items > self._most:
                # At least one row: the first may already be too much.
                self.refuse(self._items / max(self._rows, 1) * self._n_rows)

    def refuse(self, items: float) -> NoReturn:
        """Raise :class:`ResultTooLarge` for a result of so many items."""
        needed, free = (n * self._bytes_per_item for n in (items, self._most))
        raise ResultTooLarge(
            f"the result would hold about {items:.2g} pairs ({_size(needed)} with what making it "
            f"takes), and {_size(free)} of memory can be used; lower the radius, or match parts of "
            f"the left catalogue",
            parts=int(items / max(self._most, 1)) + 1,
        )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB"


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def memory_limit(memory: int | float | str | None) -> int:
    """The ``memory`` argument of a call in bytes; None means a quarter of what there is.

    Raises
    ------
    ValueError
        If it is no positive number of bytes, nor a text such as "4GB" or "512 MiB".

    Examples
    --------
    >>> from armillary.runtime.memory import memory_limit
    >>> memory_limit("4GB"), memory_limit("1.5 GiB")
    (4000000000, 1610612736)
    """
    if memory is None:
        return total_memory() // 4
    text = str(memory).strip().lower()
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*([kmgt]i?)?b?", text)
    try:
        n_bytes = float(match[1]) * _UNITS[match[2] or ""] if match else 0.0
    except ValueError:
        n_bytes = 0.0
    if isinstance(memory, bool) or not n_bytes >= 1.0:
        raise ValueError(
            f"memory must be a number of bytes or a text such as '4GB', not {memory!r}"
        )
    return int(n_bytes)
