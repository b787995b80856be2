"""The periods of a box search, cut into blocks that the device searches together.

How they are cut decides nothing but memory: the boxes of a period are the same in any block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from armillary.search.box.reference import CELLS_PER_BIN

from .cells import Cells, most_cycles

#: Boxes that start side by side, of which the device gives the highest score. The host scores those
#: of the best chunks again: more makes that costly, less makes the answer of the device large.
CHUNK = 8
#: Bins that a block of periods gathers from either table, and has a score in: 16 MB.
BLOCK_BINS = 2**22
#: Longest over shortest period of a block, whose rows are all as long as those of the longest.
BLOCK_RATIO = 1.25


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods that try boxes of the same numbers of bins, ascending."""

    index: np.ndarray
    period: np.ndarray
    cells_per_period: np.ndarray
    widths: np.ndarray

    def __getitem__(self, which: slice | np.ndarray) -> Periods:
        return Periods(
            self.index[which], self.period[which], self.cells_per_period[which], self.widths
        )

    @property
    def n_starts(self) -> np.ndarray:
        """Boxes of each width (8)."""
        return np.ceil(self.cells_per_period / CELLS_PER_BIN).astype(int)

    @property
    def n_bins(self) -> int:
        """Bins of a row, in which every box of every chunk has room."""
        return -(-int(self.n_starts[-1]) // CHUNK) * CHUNK + int(self.widths[-1])


def kinds_of(
    index: np.ndarray,
    period: np.ndarray,
    n_durations: np.ndarray,
    widths: np.ndarray,
    cell_width: float,
) -> list[Periods]:
    """The chosen periods, those together that try the same boxes."""
    index = index[np.argsort(period[index], kind="stable")]
    cells_per_period = period[index] / cell_width
    n_durations = n_durations[index]
    # No box is longer than a period.
    longest = np.minimum(cells_per_period.astype(int) // CELLS_PER_BIN, widths[n_durations - 1])
    boxes, kind = np.unique(np.column_stack([n_durations, longest]), axis=0, return_inverse=True)
    every = Periods(index, period[index], cells_per_period, widths)
    return [
        replace(every[kind.ravel() == i], widths=np.minimum(widths[:n], most))
        for i, (n, most) in enumerate(boxes)
    ]


def blocks_of(periods: Periods, cells: Cells) -> Iterator[Periods]:
    """Periods in blocks of bounded memory."""
    cells_per_period = periods.cells_per_period
    first = 0
    while first < len(cells_per_period):
        shortest = cells_per_period[first : first + 1]
        stop = int(np.searchsorted(cells_per_period, BLOCK_RATIO * shortest[0], side="right"))
        n_rows = most_cycles(cells.n, shortest) + len(periods.widths)
        n_cycles = most_cycles(cells.n_with_gaps, shortest)
        size = max(n_rows * periods[first:stop].n_bins, n_cycles)
        stop = min(stop, first + max(1, BLOCK_BINS // size))
        yield periods[first:stop]
        first = stop
