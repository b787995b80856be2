"""Cut the sky into patches whose rows fit into memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from .patch import Patch
from .pixels import Range
from .rows import COUNT_SHIFT, N_COUNTS, Rows

#: What a row needs besides its own columns: in the matching kernel and in sorting, bytes.
OVERHEAD = 120.0


def patches(left: Rows, right: Rows, memory: float) -> list[Patch]:
    """Patches that hold left rows, each within a share of memory.

    A patch needs its rows once as they are read and once in the result. A pixel of order 9 is
    not cut, however many right rows it holds, but its left rows may come in parts.

    Parameters
    ----------
    left, right : Rows
        The catalogues.
    memory : float
        Bytes for one patch.

    Returns
    -------
    list of Patch
        In the order of the sky.
    """
    edges = np.unique(right.edges).astype(np.int64)
    return [piece for patch in _uncut(left, right, memory) for piece in _cut_within(patch, edges)]


def _uncut(left: Rows, right: Rows, memory: float) -> Iterator[Patch]:
    sizes = [2.0 * rows.bytes_per_row() + OVERHEAD for rows in (left, right)]
    cost = sizes[0] * left.counts[:N_COUNTS] + sizes[1] * right.counts[:N_COUNTS]
    forced = sorted({edge >> COUNT_SHIFT for edge in right.edges})
    for first, last in _groups(cost, memory, forced):
        if not left.counts[first:last].any():
            continue
        pixels = Range(first << COUNT_SHIFT, last << COUNT_SHIFT)
        if last - first == 1 and cost[first] > memory:
            yield from _finer(left, right, pixels, sizes, memory)
        else:
            yield Patch(pixels)


def _cut_within(patch: Patch, edges: np.ndarray) -> list[Patch]:
    """The patch in pieces that end where they should, so that each lies in one tile."""
    home = patch.home
    inner = edges[(edges > home.first) & (edges < home.last)].tolist()
    if not inner:
        return [patch]
    return [Patch(Range(*ends)) for ends in itertools.pairwise([home.first, *inner, home.last])]


def _finer(
    left: Rows, right: Rows, pixels: Range, sizes: list[float], memory: float
) -> Iterator[Patch]:
    counts = [rows.counts_within(*pixels) for rows in (left, right)]
    cost = sizes[0] * counts[0] + sizes[1] * counts[1]
    for first, last in _groups(cost, memory):
        n_left = int(counts[0][first:last].sum())
        if not n_left:
            continue
        patch = Patch(Range(pixels.first + first, pixels.first + last))
        # Right rows are read whole; left ones get what room is left, or a fair share.
        room = max(memory - sizes[1] * counts[1][first:last].sum(), memory / 4.0)
        n_parts = math.ceil(sizes[0] * n_left / room) if last - first == 1 else 1
        yield from patch.split(min(n_parts, n_left))


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
