"""Catalogues on a CUDA device, sorted by zone of declination and right ascension.

The zones are those of armillary/crossmatch/sky/cpu.py; kernels/sky.cu tells how they are searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .device import Device

SOURCE = "sky.cu"
#: Threads of a block; a zone is described by one block, which needs a power of two.
THREADS = 128
#: Height of a zone in mean distances of neighbours: lower ones mean more zones to visit for a
#: row, higher ones more rows to pass over in each.
ZONE_HEIGHT = 3.0
#: Right ascensions in a key: CIRCLE in kernels/sky.cu.
CIRCLE = 1 << 47
#: The end of the last zone is a key, too.
MAX_ZONES = (1 << 63) // CIRCLE - 1
#: Most rows that are looked at to see how large and dense a field is.
FIELD_ROWS = 50_000
#: Numbers that a thread keeps of a zone: lowest and highest declination, and largest radius.
SPAN = 3

#: Bytes of the device for a row while its block is sorted: position, keys and orders, and what
#: sorting takes.
BYTES_PER_ROW = 112
#: Of these, what a sort takes: keys and orders, twice each, and counts.
BYTES_TO_SORT_ROW = 40
#: Part of the memory that a block may take, so that rows of the left catalogue find a place, too.
SHARE = 0.5


def blocks_of(n: int) -> tuple[int]:
    """The grid of a kernel with a thread for each of n rows."""
    return (-(-n // THREADS),)


@dataclass(frozen=True, slots=True)
class Grid:
    """How the sky is cut into zones."""

    lowest: float
    zones_per_degree: float
    n_zones: int
    n_rows: int
    area: float  # square degrees

    @classmethod
    def of(cls, xp: Any, ra: Any, dec: Any) -> Grid:
        """Zones for a catalogue, by the mean density of the field that it covers.

        Rows outside go to the first or last zone, so a sample is enough.
        """
        sample = slice(None, None, len(ra) // FIELD_ROWS + 1)
        low, high = float(dec[sample].min()), float(dec[sample].max())
        area = np.degrees(np.sin(np.radians(high)) - np.sin(np.radians(low)))
        area = max(float(area) * _width(xp, ra[sample]), 0.0)
        height = max(ZONE_HEIGHT * np.sqrt(area / len(ra)), (high - low) / MAX_ZONES)
        if not height > 0.0:
            return cls(low, 0.0, 1, len(ra), area)
        n_zones = min(int((high - low) / height) + 1, MAX_ZONES)
        return cls(low, 1.0 / height, n_zones, len(ra), area)

    def distance(self, k: int) -> float:
        """About how far away the k-th nearest row is (degrees)."""
        return float(np.sqrt(k * self.area / self.n_rows))

    def visits(self, reach: float) -> float:
        """About how many rows are looked at from a position that reaches so many degrees."""
        if not self.area > 0.0:
            return float(self.n_rows)
        strip = 2.0 * reach * (2.0 * reach + 1.0 / self.zones_per_degree)
        return self.n_rows * min(strip / self.area, 1.0)


def _width(xp: Any, ra: Any) -> float:
    """Degrees of right ascension that a field covers; a field across 0 is not the whole circle."""
    turned = xp.where(ra > 180.0, ra - 360.0, ra)
    across = xp.where(turned < 0.0, turned + 360.0, turned)
    return min(float(a.max() - a.min()) for a in (turned, across))


# ------------------------------------------------------------------ rows in order


class Sorter:
    """Puts positions on the device into the order of a grid."""

    def __init__(self, device: Device, grid: Grid) -> None:
        self._device = device
        self._grid = grid

    def keys(self, ra: Any, dec: Any) -> Any:
        """Zone and right ascension of each row, as one number."""
        grid, n = self._grid, len(ra)
        keys = self._device.xp.empty(n, np.int64)
        placed = np.float64(grid.lowest), np.float64(grid.zones_per_degree), np.int64(grid.n_zones)
        place = self._device.kernel(SOURCE, "place_rows")
        place(blocks_of(n), (THREADS,), (ra, dec, np.int64(n), *placed, keys))
        return keys

    def order(self, keys: Any, dec: Any = None) -> Any:
        """Rows by key, by declination among equal keys where it is given, and by number."""
        if dec is None:
            return self._argsort(keys)
        by_dec = self._argsort(dec)
        return by_dec[self._argsort(keys[by_dec])]

    def _argsort(self, keys: Any) -> Any:
        xp = self._device.xp
        # Memory that runs out inside of a sort of cupy's was no exception at all before it was
        # mended (cupy issue 9894), and is none of OutOfMemory since. This way it runs out here, or
        # the sort gets what the pool has just got back.
        xp.empty(len(keys) * BYTES_TO_SORT_ROW, np.uint8)
        return xp.argsort(keys, kind="stable")

    def taken(self, ra: Any, dec: Any, rows: Any) -> tuple[Any, Any]:
        """The positions of these rows, in the form that separations are computed from."""
        n, xp = len(rows), self._device.xp
        positions = xp.empty(n), xp.empty(n)
        take = self._device.kernel(SOURCE, "take_rows")
        take(blocks_of(n), (THREADS,), (ra, dec, rows, np.int64(n), *positions))
        return positions

    def starts(self, keys: Any) -> Any:
        """Where in sorted keys each zone that has any begins, and where the last one ends."""
        xp = self._device.xp
        borders = xp.arange(self._grid.n_zones + 1, dtype=np.int64) * CIRCLE
        first = xp.searchsorted(keys, borders)
        # Empty zones begin where the next one does. No need of unique, which would sort.
        return first[xp.flatnonzero(xp.diff(first, prepend=-1))]


# ------------------------------------------------------------------ the right catalogue


@dataclass(frozen=True, slots=True)
class Zones:
    """A block of right rows by zone and right ascension, and what its zones span."""

    key: Any
    ra: Any
    dec: Any
    row: Any  # numbers in the block
    first: int  # row of the catalogue that is number 0 here
    radius: Any  # of each row of the block by number; empty if they have none of their own
    start: Any
    low: Any
    high: Any
    cosine: Any
    largest: Any

    def arguments(self) -> tuple[Any, ...]:
        """As find_pairs takes them."""
        return (
            self.key,
            self.ra,
            self.dec,
            self.row,
            np.int64(self.first),
            self.radius,
            np.int64(len(self.radius)),
            self.start,
            self.low,
            self.high,
            self.cosine,
            self.largest,
            np.int64(len(self.low)),
        )


class ZoneBlocks:
    """The right catalogue in blocks that fit into the memory of the device.

    Iterating over it sorts one block after the other; a catalogue that is one block is sorted
    once, and kept.

    Parameters
    ----------
    device : Device
    sorter : Sorter
    ra, dec : array, shape (n,)
        Degrees, on the host or the device.
    radius : array, shape (n,) or (0,)
        Arcseconds; the same.
    k : int
        Rows of a position that are kept, and those that reach farther; 0 keeps all.
    """

    def __init__(
        self, device: Device, sorter: Sorter, ra: Any, dec: Any, radius: Any, k: int
    ) -> None:
        self._device = device
        self._sorter = sorter
        self._arrays = ra, dec, radius
        self._k = k
        self._n = len(ra)
        fit = int(SHARE * device.free_memory()) // BYTES_PER_ROW
        self._rows = max(1, min(fit, self._n))
        self._whole = self._if_whole()

    def __iter__(self) -> Iterator[Zones]:
        if self._whole is not None:
            yield self._whole
            return
        first = 0
        while first < self._n:
            zones, first = self._block(first)
            yield zones

    def _if_whole(self) -> Zones | None:
        """The catalogue, where it is one block."""
        if self._rows < self._n:
            return None
        zones, last = self._block(0)
        # Otherwise the memory ran out, and what there is should not lie in the way of all blocks.
        return zones if last == self._n else None

    def _block(self, first: int) -> tuple[Zones, int]:
        """The block that begins with a row, and where the next one does."""
        while True:
            last = min(first + self._rows, self._n)
            try:
                return self._zones(first, last), last
            except self._device.OutOfMemory:
                if last - first == 1:
                    raise
                self._rows = (last - first) // 2
            self._device.release()

    def _zones(self, first: int, last: int) -> Zones:
        ra, dec, radius = (self._device.to_device(array[first:last]) for array in self._arrays)
        keys = self._sorter.keys(ra, dec)
        row = self._sorter.order(keys, dec if self._k else None)
        keys = keys[row]
        ra, dec = self._sorter.taken(ra, dec, row)
        if self._k:
            keys, ra, dec, row = self._wanted(keys, ra, dec, row, radius)
        start = self._sorter.starts(keys)
        spans = self._spans(start, dec, row, radius)
        return Zones(keys, ra, dec, row, first, radius, start, *spans)

    def _wanted(self, keys: Any, ra: Any, dec: Any, row: Any, radius: Any) -> tuple[Any, ...]:
        """The rows that can be among the k nearest."""
        n, xp = len(row), self._device.xp
        wanted = xp.empty(n, bool)
        mark = self._device.kernel(SOURCE, "mark_wanted")
        radii = radius, np.int64(len(radius))
        arguments = (ra, dec, row, np.int64(n), np.int64(self._k), *radii, wanted)
        mark(blocks_of(n), (THREADS,), arguments)
        if bool(wanted.all()):
            return keys, ra, dec, row
        rows = xp.flatnonzero(wanted)
        return keys[rows], ra[rows], dec[rows], row[rows]

    def _spans(self, start: Any, dec: Any, row: Any, radius: Any) -> tuple[Any, ...]:
        """Lowest and highest declination, least cosine and largest radius of each zone."""
        n_zones = len(start) - 1
        spans = tuple(self._device.xp.empty(n_zones) for _ in range(4))
        describe = self._device.kernel(SOURCE, "describe_zones")
        describe(
            (n_zones,),
            (THREADS,),
            (start, dec, row, radius, np.int64(len(radius)), *spans),
            shared_bytes=SPAN * THREADS * np.dtype(np.float64).itemsize,
        )
        return spans
