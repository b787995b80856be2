"""Cut the sky into patches whose rows fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .pixels import Range
from .rows import COUNT_SHIFT, N_COUNTS, Rows

#: What a row needs besides its own columns: in the matching kernel and in sorting, bytes.
OVERHEAD = 120.0


def patches(left: Rows, right: Rows, memory: float) -> list[Range]:
    """Ranges of pixels that hold left rows, each within a share of memory.

    A patch needs its rows once as they are read and once in the result. A pixel of order 9 is
    not cut, however many rows it holds.

    Parameters
    ----------
    left, right : Rows
        The catalogues.
    memory : float
        Bytes for one patch.

    Returns
    -------
    list of Range
        In the order of the sky.
    """
    sizes = [2.0 * rows.bytes_per_row() + OVERHEAD for rows in (left, right)]
    cost = sizes[0] * left.counts[:N_COUNTS] + sizes[1] * right.counts[:N_COUNTS]
    forced = sorted({edge >> COUNT_SHIFT for edge in right.edges})
    found: list[Range] = []
    for first, last in _groups(cost, memory, forced):
        if not left.counts[first:last].any():
            continue
        pixels = Range(first << COUNT_SHIFT, last << COUNT_SHIFT)
        if last - first == 1 and cost[first] > memory:
            found += _finer(left, right, pixels, sizes, memory)
        else:
            found.append(pixels)
    return found


def _finer(
    left: Rows, right: Rows, pixels: Range, sizes: list[float], memory: float
) -> Iterator[Range]:
    counts = [rows.counts_within(*pixels) for rows in (left, right)]
    cost = sizes[0] * counts[0] + sizes[1] * counts[1]
    for first, last in _groups(cost, memory):
        if counts[0][first:last].any():
            yield Range(pixels.first + first, pixels.first + last)


def _groups(cost: np.ndarray, most: float, forced: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
    """Neighbours together as long as their cost is at most ``most``, cut where it is forced."""
    total = np.append(0.0, np.cumsum(cost))
    cuts = np.array([*forced, len(cost)])
    first = 0
    while first < len(cost):
        last = int(np.searchsorted(total, total[first] + most, side="right")) - 1
        last = min(max(last, first + 1), int(cuts[np.searchsorted(cuts, first, side="right")]))
        yield first, last
        first = last
