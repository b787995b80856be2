"""How much memory there is, and a sentence before it is gone."""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
from collections.abc import Iterator

#: Part of the free memory that a result may take.
FRACTION = 0.8

_most: contextvars.ContextVar[int | None] = contextvars.ContextVar("most", default=None)


class ResultTooLarge(MemoryError):
    """A result would not fit into the memory that there is for it."""


@contextlib.contextmanager
def memory_for_results(n_bytes: int) -> Iterator[None]:
    """Let results that grow in this block take no more than some bytes."""
    token = _most.set(n_bytes)
    try:
        yield
    finally:
        _most.reset(token)


def available_memory() -> int:
    """Bytes that can be had now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


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
            if self._items <= self._most:
                return
            # At least one row: the first may already be too much.
            whole = self._items / max(self._rows, 1) * self._n_rows
        raise ResultTooLarge(
            f"the result would hold about {whole:.2g} pairs ({_size(whole * self._bytes_per_item)} "
            f"with what making it takes), and {_size(self._most * self._bytes_per_item)} of memory "
            f"can be used; lower the radius, or match parts of the left catalogue"
        )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB"


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def memory_limit(memory: int | float | str | None) -> int:
    """The ``memory`` argument of a call in bytes; None means a quarter of the machine's.

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
        import psutil

        return int(psutil.virtual_memory().total // 4)
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
