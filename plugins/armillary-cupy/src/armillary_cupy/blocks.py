"""Work cut to the memory of the device, and cut again where that runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .device import Device


def in_blocks(
    device: Device,
    needed: Sequence[int] | np.ndarray,
    work: Callable[[int, int], object],
    what: str,
    most: int | None = None,
) -> None:
    """Do the items of some work in blocks, each as large as the memory of the device allows.

    Parameters
    ----------
    device : Device
    needed : sequence of int, shape (n,)
        Bytes on the device for each item.
    work : callable
        Does the items ``first`` to ``stop - 1``, and does them again if it is called again.
    what : str
        An item, for people: ``"one light curve of search.bls"``.
    most : int, optional
        Items of a block; None means as many as there is memory for.

    Raises
    ------
    MemoryError
        If there is no memory for an item by itself.
    """
    until = np.concatenate([[0], np.cumsum(needed, dtype=np.int64)])
    most = len(needed) if most is None else most
    budget = device.free_memory()
    first = 0
    while first < len(needed):
        stop = int(np.searchsorted(until, until[first] + budget, side="right")) - 1
        stop = min(max(stop, first + 1), first + most, len(needed))
        if _done(device, work, first, stop):
            first = stop
            continue
        # What is planned is an estimate, and others may use the device: smaller blocks may do.
        if stop - first == 1:
            raise MemoryError(_sentence(device, int(needed[first]), what))
        budget = int(until[stop] - until[first]) // 2


def room_for(device: Device, n: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array of n rows, or of half as many and half again while there is no memory for them.

    Raises
    ------
    device.OutOfMemory
        If there is no memory for one row.
    """
    row = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    n = max(min(n, device.free_memory() // row), 1)
    while True:
        try:
            return device.xp.empty((n, *shape), dtype)
        except device.OutOfMemory:
            if n == 1:
                raise
            n //= 2


def _done(device: Device, work: Callable[[int, int], object], first: int, stop: int) -> bool:
    """Whether the memory was enough."""
    try:
        work(first, stop)
    except device.OutOfMemory:
        pass
    else:
        return True
    # Only now: the error kept the arrays of the work alive.
    device.release()
    return False


def _sentence(device: Device, needed: int, what: str) -> str:
    return (
        f"{what} needs about {_size(needed)} of memory on the device, where "
        f"{_size(device.free_memory())} can be had; free some of it, or use another backend"
    )


def _size(n: int) -> str:
    return f"{n / 1e9:.3g} GB" if n >= 1e9 else f"{n / 1e6:.3g} MB"
