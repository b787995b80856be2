"""The compiled default of matching: cut the work, run the kernel, put pairs into order.

What is computed is defined in reference.py, how is told at the top of kernel.pyx.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...runtime.blocks import Progress, Rest, run_blocks
from ...runtime.memory import MemoryGuard
from . import kernel

#: Rows of a block that is copied into zones: about two milliseconds.
COPY_ROWS = 1 << 18
#: Left rows of a block that is searched.
SEARCH_ROWS = 4096
#: A pair in memory: two row numbers and a separation, in its chunk and in the result.
BYTES_PER_PAIR = 48
#: Left rows of a sample, and pairs that are enough, to tell how many pairs there will be; and how
#: many times too many they must be to be sure.
SAMPLE_ROWS, SAMPLE_PAIRS, CERTAINLY = 1000, 4_000_000, 2.0
#: Pairs after which the kernel hands over what it has: 24 MB.
CHUNK_PAIRS = 1 << 20
#: Below this many rows in all, a second thread costs more than it gains.
MIN_PARALLEL_ROWS = 20_000
#: Height of a zone in mean distances of neighbours: lower ones mean more zones to visit
#: for a row, higher ones more rows to pass over in each.
ZONE_HEIGHT = 3.0
MAX_ZONES = 1 << 16
#: Most rows that are looked at to see how large and dense a field is.
FIELD_ROWS = 50_000
#: Rows of a zone for each part of its lookup table.
ROWS_PER_PART = 2

Blocks = list[tuple[int, int]]
#: Left rows, right rows and separations.
Chunk = tuple[np.ndarray, ...]


def nearest(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    k: int = 1,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """The k nearest right rows of each left row; arguments as in reference.py."""
    match = _Match(left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius)
    return match.run(k, False, threads, progress)


def within(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Every pair within the radius; arguments as in reference.py."""
    match = _Match(left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius)
    return match.run(0, with_itself, threads, progress)


@dataclass(frozen=True, slots=True)
class _Grid:
    """How the sky is cut into zones."""

    lowest: float
    zones_per_degree: float
    n_zones: int

    @classmethod
    def of(cls, ra: np.ndarray, dec: np.ndarray) -> _Grid:
        """Zones for a catalogue, by the mean density of the field that it covers.

        Rows outside go to the first or last zone, so a sample is enough.
        """
        sample = slice(None, None, len(ra) // FIELD_ROWS + 1)
        low, high = float(dec[sample].min()), float(dec[sample].max())
        area = np.degrees(np.sin(np.radians(high)) - np.sin(np.radians(low)))
        area *= _width(ra[sample])
        distance = float(np.sqrt(max(area, 0.0) / len(ra)))
        height = max(ZONE_HEIGHT * distance, (high - low) / MAX_ZONES)
        if not height > 0.0:
            return cls(low, 0.0, 1)
        n_zones = min(int((high - low) / height) + 1, MAX_ZONES)
        return cls(low, 1.0 / height, n_zones)


def _width(ra: np.ndarray) -> float:
    """Degrees of right ascension that a field covers; a field across 0 is not the whole circle."""
    turned = np.where(ra > 180.0, ra - 360.0, ra)
    across = np.where(turned < 0.0, turned + 360.0, turned)
    return float(min(np.ptp(turned), np.ptp(across)))


class _Match:
    """One call: its input, and the steps from there to pairs in order."""

    def __init__(
        self,
        left_ra: np.ndarray,
        left_dec: np.ndarray,
        right_ra: np.ndarray,
        right_dec: np.ndarray,
        radius: np.ndarray,
        right_radius: np.ndarray | None,
        min_radius: float,
    ) -> None:
        self.left = left_ra, left_dec
        self.right = right_ra, right_dec
        self.radius = radius
        self.right_radius = np.empty(0) if right_radius is None else right_radius
        self.min_radius = min_radius

    def run(
        self, k: int, with_itself: bool, threads: int, progress: Progress | None
    ) -> dict[str, np.ndarray]:
        """Match; k = 0 means every pair."""
        n_left, n_right = len(self.left[0]), len(self.right[0])
        if n_left == 0 or n_right == 0:
            return _in_order([], n_left, 1)
        self.threads = threads if n_left + n_right >= MIN_PARALLEL_ROWS else 1
        grid = _Grid.of(*self.right)
        zones = self._zones(grid, k)
        left, _ = self._by_zone(*self.left, grid)
        chunks = self._search(zones, left, k, with_itself, progress)
        del zones, left
        return _in_order(chunks, n_left, self.threads)

    # -------------------------------------------------------------- zones

    def _zones(self, grid: _Grid, k: int) -> kernel.Zones:
        stars, start = self._by_zone(*self.right, grid)
        parts = np.diff(start) // ROWS_PER_PART + 2
        table_start = np.append(0, np.cumsum(parts))
        zones = kernel.Zones(
            stars, start, table_start, grid.lowest, grid.zones_per_degree, self.right_radius
        )
        cuts = np.searchsorted(start, np.arange(COPY_ROWS // 4, start[-1], COPY_ROWS // 4))
        edges = np.unique(np.concatenate([[0], cuts, [grid.n_zones]]))
        run_blocks(
            list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)),
            lambda block: zones.sort(*block, k),
            threads=self.threads,
        )
        return zones

    def _by_zone(
        self, ra: np.ndarray, dec: np.ndarray, grid: _Grid
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a catalogue copied zone by zone, and where each zone begins."""
        blocks = _blocks(len(ra), COPY_ROWS)
        counts = np.zeros((len(blocks), grid.n_zones), np.int64)
        numbered = list(enumerate(blocks))

        def count(block: tuple[int, tuple[int, int]]) -> None:
            i, rows = block
            kernel.count_zones(dec, *rows, grid.lowest, grid.zones_per_degree, counts[i])

        run_blocks(numbered, count, threads=self.threads)
        start = np.append(0, np.cumsum(counts.sum(axis=0)))
        slots = start[:-1] + np.cumsum(counts, axis=0) - counts
        stars = np.empty(len(ra), kernel.STAR)

        def fill(block: tuple[int, tuple[int, int]]) -> None:
            i, rows = block
            kernel.fill_zones(ra, dec, *rows, grid.lowest, grid.zones_per_degree, slots[i], stars)

        run_blocks(numbered, fill, threads=self.threads)
        return stars, start

    # -------------------------------------------------------------- pairs

    def _search(
        self,
        zones: kernel.Zones,
        left: np.ndarray,
        k: int,
        with_itself: bool,
        progress: Progress | None,
    ) -> list[Chunk]:
        """The pairs in chunks, those of one left row together, in no other order."""
        largest = float(self.right_radius.max()) if len(self.right_radius) else 0.0
        guard = MemoryGuard(len(left), BYTES_PER_PAIR)
        found = _Chunks()

        def search(first: int, last: int) -> tuple[int, Chunk]:
            done, *chunk = kernel.search(
                zones,
                left,
                first,
                last,
                self.radius,
                largest,
                self.min_radius,
                k,
                with_itself,
                CHUNK_PAIRS,
            )
            return done, tuple(chunk)

        def work(block: tuple[int, int]) -> Rest | None:
            first, last = block
            done, chunk = search(first, last)
            guard.add(done - first, len(chunk[0]))
            found.add(first, chunk)
            return Rest((done, last)) if done < last else None

        if not k and len(left) * len(self.right[0]) > guard.most:
            _refuse_what_cannot_fit(search, len(left), guard)
        run_blocks(
            _blocks(len(left), SEARCH_ROWS),
            work,
            threads=self.threads,
            size=lambda block: block[1] - block[0],
            progress=progress,
        )
        return found.in_order()


def _refuse_what_cannot_fit(
    search: Callable[[int, int], tuple[int, Chunk]], n_left: int, guard: MemoryGuard
) -> None:
    """Stop before the work if a sample of left rows says that there are far too many pairs."""
    n_rows = n_pairs = 0
    for row in range(0, n_left, n_left // SAMPLE_ROWS + 1):
        n_rows += 1
        n_pairs += len(search(row, row + 1)[1][0])
        if n_pairs > SAMPLE_PAIRS:
            break
    expected = n_pairs / n_rows * n_left
    if expected > CERTAINLY * guard.most:
        guard.refuse(expected)


class _Chunks:
    """Chunks of pairs from several threads."""

    def __init__(self) -> None:
        self._chunks: dict[int, Chunk] = {}
        self._lock = threading.Lock()

    def add(self, first: int, chunk: Chunk) -> None:
        if len(chunk[0]):
            with self._lock:
                self._chunks[first] = chunk

    def in_order(self) -> list[Chunk]:
        return [self._chunks[first] for first in sorted(self._chunks)]


def _in_order(chunks: list[Chunk], n_left: int, threads: int) -> dict[str, np.ndarray]:
    """All pairs by (left, separation, right); chunks have the last two, and whole left rows."""
    counts = np.zeros(n_left, np.int64)
    run_blocks(chunks, lambda chunk: kernel.count_matches(chunk[0], counts), threads=threads)
    slot = np.cumsum(counts)
    n_pairs = int(slot[-1]) if n_left else 0
    slot -= counts
    left, right = np.empty(n_pairs, np.int64), np.empty(n_pairs, np.int64)
    separation = np.empty(n_pairs)

    def place(chunk: Chunk) -> None:
        kernel.place_matches(chunk[0], chunk[1], chunk[2], slot, left, right, separation)

    run_blocks(chunks, place, threads=threads)
    return {"left": left, "right": right, "separation": separation}


def _blocks(n: int, size: int) -> Blocks:
    return [(first, min(first + size, n)) for first in range(0, n, size)]
