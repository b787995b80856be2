"""``crossmatch.nearest`` and ``crossmatch.within`` on a CUDA device.

What is computed is defined in armillary/crossmatch/sky/reference.py, how is told at the top of
kernels/sky.cu. Both catalogues are cut into blocks that fit into the memory of the device, each
block of left rows meets every block of right rows, and the pairs do not depend on the cuts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from armillary.runtime.memory import MemoryGuard

from .blocks import in_blocks
from .device import current
from .zones import SOURCE, THREADS, Grid, Sorter, ZoneBlocks, Zones, blocks_of

#: Bytes of the device for a left row, and for each of its k nearest as they are found and in order.
BYTES_PER_ROW = 96
BYTES_PER_NEAREST = 40
#: Bytes of a pair on the host, in its block and in the result.
BYTES_PER_PAIR = 48
#: Parts of the left catalogue of which blocks consist; to plan with single rows would take longer
#: than to match them.
MAX_PARTS = 1 << 16
#: Right rows that a launch looks at: some 20 ms of a fast device, by estimate, so that an interrupt
#: is honoured soon. And left rows that it has at least, for the device to be busy.
LAUNCH_VISITS = 2e9
MIN_LAUNCH_ROWS = 1 << 14
#: How many times the distance of the k-th nearest one may have to go to find it.
FARTHER = 3.0
ARCSEC_PER_DEGREE = 3600.0

Progress = Callable[[float, float], None]
#: Left rows, right rows and separations.
Pairs = tuple[Any, Any, Any]


def nearest(
    left_ra: Any,
    left_dec: Any,
    right_ra: Any,
    right_dec: Any,
    radius: Any,
    k: int = 1,
    right_radius: Any = None,
    min_radius: float = 0.0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The k nearest right rows of each left row; arguments as in armillary's reference.py.

    The pairs are on the device if the catalogues are.
    """
    left, right = (left_ra, left_dec), (right_ra, right_dec)
    return _Match(left, right, radius, right_radius, min_radius, k, False).run(progress)


def within(
    left_ra: Any,
    left_dec: Any,
    right_ra: Any,
    right_dec: Any,
    radius: Any,
    right_radius: Any = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Every pair within the radius; arguments as in armillary's reference.py.

    The pairs are on the device if the catalogues are.
    """
    left, right = (left_ra, left_dec), (right_ra, right_dec)
    return _Match(left, right, radius, right_radius, min_radius, 0, with_itself).run(progress)


@dataclass(frozen=True, slots=True)
class _LeftRows:
    """A block of left rows, neighbours on the sky side by side."""

    ra: Any
    dec: Any
    row: Any  # numbers in the block
    radius: Any
    first: int  # row of the catalogue that is number 0 here

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class _Right:
    """The right catalogue, and how it is searched."""

    sorter: Sorter
    zones: ZoneBlocks
    launch_rows: int  # left rows of a launch


@dataclass(frozen=True, slots=True)
class _Room:
    """Where the pairs of left rows go, those of a row together.

    Those of row i begin at ``slot[i]``, or at ``i * k`` as long as there is room for k of each.
    """

    slot: Any
    separation: Any
    right: Any


class _Match:
    """One call: its input, and the steps from there to pairs in order.

    Catalogues are (ra, dec) on the host or the device; k = 0 means every pair.
    """

    def __init__(
        self,
        left: tuple[Any, Any],
        right: tuple[Any, Any],
        radius: Any,
        right_radius: Any,
        min_radius: float,
        k: int,
        with_itself: bool,
    ) -> None:
        self.device = current()
        self.xp = self.device.xp
        self.left = left
        self.right = right
        self.on_host = isinstance(left[0], np.ndarray)
        self.radius = radius
        self.right_radius = right[0][:0] if right_radius is None else right_radius
        self.largest_right_radius = 0.0 if right_radius is None else _largest(right_radius)
        self.min_radius = min_radius
        self.k = k
        self.with_itself = with_itself

    def run(self, progress: Progress | None) -> dict[str, Any]:
        """Match, one block of left rows after the other."""
        n_left, n_right = len(self.left[0]), len(self.right[0])
        blocks: list[Pairs] = []
        if n_left and n_right:
            self._match_blocks(self._right(), blocks, progress)
        return self._joined(blocks)

    def _right(self) -> _Right:
        grid = Grid.of(np if self.on_host else self.xp, *self.right)
        sorter = Sorter(self.device, grid)
        zones = ZoneBlocks(self.device, sorter, *self.right, self.right_radius, self.k)
        return _Right(sorter, zones, self._launch_rows(grid))

    def _launch_rows(self, grid: Grid) -> int:
        reach = np.hypot(_largest(self.radius), self.largest_right_radius) / ARCSEC_PER_DEGREE
        if self.k:
            least = self.min_radius / ARCSEC_PER_DEGREE
            reach = min(reach, least + FARTHER * grid.distance(self.k))
        return max(int(LAUNCH_VISITS / max(grid.visits(reach), 1.0)), MIN_LAUNCH_ROWS)

    def _match_blocks(self, right: _Right, blocks: list[Pairs], progress: Progress | None) -> None:
        n_left = len(self.left[0])
        rows_of_part = -(-n_left // MAX_PARTS)
        guard = MemoryGuard(n_left, BYTES_PER_PAIR)

        def match(first_part: int, last_part: int) -> None:
            first, last = first_part * rows_of_part, min(last_part * rows_of_part, n_left)
            left = self._left_rows(right.sorter, first, last)
            pairs = self._pairs(left, right, last_part - first_part)
            if self.on_host:
                guard.add(last - first, len(pairs[0]))
                pairs = tuple(map(self.device.to_host, pairs))
            blocks.append(pairs)
            if progress is not None:
                self.device.synchronize()
                progress(last, n_left)

        n_parts = -(-n_left // rows_of_part)
        bytes_of_part = rows_of_part * (BYTES_PER_ROW + BYTES_PER_NEAREST * self.k)
        what = f"one of {n_parts:,} parts of the left catalogue"
        in_blocks(self.device, np.full(n_parts, bytes_of_part), match, what)

    def _joined(self, blocks: list[Pairs]) -> dict[str, Any]:
        xp = np if self.on_host else self.xp
        if not blocks:
            blocks = [(xp.empty(0, np.int64), xp.empty(0, np.int64), xp.empty(0))]
        columns = blocks[0] if len(blocks) == 1 else map(xp.concatenate, zip(*blocks, strict=True))
        return dict(zip(("left", "right", "separation"), columns, strict=True))

    # -------------------------------------------------------------- a block of left rows

    def _left_rows(self, sorter: Sorter, first: int, last: int) -> _LeftRows:
        ra, dec = (self.device.to_device(array[first:last]) for array in self.left)
        row = sorter.order(sorter.keys(ra, dec))
        radius = self.radius if len(self.radius) == 1 else self.radius[first:last]
        positions = sorter.taken(ra, dec, row)
        return _LeftRows(*positions, row, self.device.to_device(radius), first)

    def _pairs(self, left: _LeftRows, right: _Right, n_parts: int) -> Pairs:
        """The pairs of a block of left rows, which is so many parts, in order."""
        if self.k:
            found = self._room(len(left) * self.k)
            size = self._find(left, right, found)
            slot, n_pairs = self._slots(size)
            return self._in_order(left, size, found, self._room(n_pairs, slot))
        slot, n_pairs = self._slots(self._find(left, right, self._room(0), only_count=True))
        try:
            room = self._room(n_pairs, slot)
        except self.device.OutOfMemory as error:
            if n_parts > 1:
                raise
            raise MemoryError(_too_many(left, n_pairs)) from error
        size = self._find(left, right, room)
        return self._in_order(left, size, room, room)

    def _room(self, n_pairs: int, slot: Any = None) -> _Room:
        xp = self.xp
        slot = xp.empty(0, np.int64) if slot is None else slot
        return _Room(slot, xp.empty(n_pairs), xp.empty(n_pairs, np.int64))

    def _slots(self, size: Any) -> tuple[Any, int]:
        """Where the pairs of each row begin, and how many there are in all."""
        slot = self.xp.cumsum(size)
        n_pairs = int(slot[-1])
        slot -= size
        return slot, n_pairs

    # -------------------------------------------------------------- kernels

    def _find(
        self, left: _LeftRows, right: _Right, room: _Room, *, only_count: bool = False
    ) -> Any:
        """Pairs with the whole right catalogue, and how many each left row has."""
        size = self.xp.zeros(len(left), np.int64)
        for zones in right.zones:
            for first in range(0, len(left), right.launch_rows):
                rows = slice(first, first + right.launch_rows)
                self._find_in(zones, left, rows, size, room, only_count)
        return size

    def _find_in(
        self,
        zones: Zones,
        left: _LeftRows,
        rows: slice,
        size: Any,
        room: _Room,
        only_count: bool,
    ) -> None:
        """Pairs of some of the left rows with a block of right rows, added to those before."""
        n_rows = len(left.row[rows])
        arguments = (
            *zones.arguments(),
            left.ra[rows],
            left.dec[rows],
            left.row[rows],
            np.int64(n_rows),
            np.int64(left.first),
            left.radius,
            np.int64(len(left.radius)),
            np.float64(self.largest_right_radius),
            np.float64(self.min_radius),
            np.bool_(self.with_itself),
            np.int64(self.k),
            np.bool_(only_count),
            room.slot,
            size,
            room.separation,
            room.right,
        )
        self.device.kernel(SOURCE, "find_pairs")(blocks_of(n_rows), (THREADS,), arguments)
        if n_rows < len(left):
            # What is queued cannot be interrupted.
            self.device.synchronize()

    def _in_order(self, left: _LeftRows, size: Any, found: _Room, pairs: _Room) -> Pairs:
        """What was found by left row, separation and right row, in the room for pairs."""
        left_rows = self.xp.empty(len(pairs.right), np.int64)
        arguments = (
            np.int64(len(left)),
            np.int64(left.first),
            np.int64(self.k),
            pairs.slot,
            size,
            found.separation,
            found.right,
            left_rows,
            pairs.right,
            pairs.separation,
        )
        self.device.kernel(SOURCE, "finish_rows")(blocks_of(len(left)), (THREADS,), arguments)
        return left_rows, pairs.right, pairs.separation


def _largest(radius: Any) -> float:
    return float(radius.max()) if len(radius) else 0.0


def _too_many(left: _LeftRows, n_pairs: int) -> str:
    rows = f"{left.first} to {left.first + len(left) - 1}"
    return (
        f"the pairs of left rows {rows}, {n_pairs:,} of them, do not fit into the memory of the "
        f"device; lower the radius, or use another backend"
    )
