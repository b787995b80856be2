"""``search.bls``: the device proposes boxes, the host scores them.

Each period goes through four steps.

1. The host finds in float64 in which cell each of its cycles begins. No time goes to the device.
2. The device gives, in float32, the highest score in each chunk of boxes (box_scores.py).
3. The host scores in float64 all boxes of the chunks that come near the highest (cells.py).
4. The best of these is the best of all, if float32 was off by less than half of what "near" means.
   Where it was not, as the chunks that were scored show, the host scores all chunks of the period.

So the result is that of the definition, in float64: the same for a period alone as in any grid, on
any device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from armillary.search.box.reference import (
    CELLS_PER_BIN,
    DEFAULT_OVERSAMPLE,
    MIN_WEIGHT_FRACTION,
    OFFSET,
)

from .box_blocks import BLOCK_BINS, CHUNK, Periods, blocks_of, kinds_of
from .box_scores import highest_scores
from .cells import Cells
from .device import on_device
from .points import Points

#: How far below the highest score in float32 a chunk may be and yet hold the best box. Scores of a
#: light curve of a million points are off by 1e-5 of the highest.
MARGIN = 1e-3


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Boxes and what they hold; the period is one of a block, the duration one of its widths."""

    period: np.ndarray
    duration: np.ndarray
    start: np.ndarray
    weight: np.ndarray
    signal: np.ndarray
    delta_chi2: np.ndarray

    def __getitem__(self, which: np.ndarray) -> _Boxes:
        return _Boxes(
            self.period[which],
            self.duration[which],
            self.start[which],
            self.weight[which],
            self.signal[which],
            self.delta_chi2[which],
        )


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = DEFAULT_OVERSAMPLE,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Best box at each period; see armillary's plugin author guide for the arguments.

    Raises
    ------
    ValueError
        If the light curve would be cut into too many cells.
    """
    points = Points.of(time, flux, flux_err)
    names = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")
    found = {name: np.full(len(period), np.nan) for name in names}
    found["delta_chi2"][:] = 0.0
    done = 0
    for first in np.unique(duration_start):
        index = np.flatnonzero(duration_start == first)
        cell_width = duration[first] / (oversample * CELLS_PER_BIN)
        widths = np.floor(duration[first:] * oversample / duration[first] + 0.5).astype(int)  # (9)
        kinds = kinds_of(index, period, duration_stop - first, widths, cell_width)
        cells = Cells(points, cell_width, max(kind.n_bins for kind in kinds))
        tables = on_device(mx.array, cells.tables())
        for block in (block for kind in kinds for block in blocks_of(kind, cells)):
            boxes = _best_boxes(cells, tables, block)
            _write(found, block, boxes, cells, duration[first:])
            done += len(block.index)
            if progress is not None:
                progress(done, len(period))
    return found


def _best_boxes(cells: Cells, tables: mx.array, block: Periods) -> _Boxes:
    """The best box of each period that has a dimming, by ascending period of the block."""
    rows = cells.rows(block.cells_per_period, block.n_bins)
    highest = on_device(
        highest_scores, tables, cells.offsets(rows), block.n_starts, tuple(block.widths.tolist())
    )
    top = np.where(np.isfinite(highest), highest, 0.0).max(axis=(1, 2), keepdims=True)
    near = (highest > 0.0) & (highest >= (1.0 - MARGIN) * top)
    boxes = _best_of_chunks(cells, block, rows, near)
    wrong = _misjudged(boxes, highest[near], top.ravel(), cells.points.chi2)
    if len(wrong):
        near[wrong] = True
        boxes = _best_of_chunks(cells, block, rows, near)
    return _best_of_periods(boxes[boxes.delta_chi2 > 0.0])


def _best_of_chunks(cells: Cells, block: Periods, rows: np.ndarray, chosen: np.ndarray) -> _Boxes:
    """The best box of each chosen chunk, in float64."""
    chunks = np.nonzero(chosen)
    n_pieces = -(-len(chunks[0]) * rows.shape[1] * CHUNK // BLOCK_BINS)
    pieces = [np.array_split(axis, max(1, n_pieces)) for axis in chunks]
    found = [_best_of_piece(cells, block, rows, *piece) for piece in zip(*pieces, strict=True)]
    return _Boxes(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _best_of_piece(
    cells: Cells,
    block: Periods,
    rows: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    chunk: np.ndarray,
) -> tuple[np.ndarray, ...]:
    start = chunk[:, None] * CHUNK + np.arange(CHUNK)
    first = rows[period][:, :, None] + CELLS_PER_BIN * start[:, None, :]
    stop = first + CELLS_PER_BIN * block.widths[duration][:, None, None]
    weight, signal = cells.box_sums(first, stop)
    delta_chi2 = _delta_chi2(weight, signal, cells.points.total)
    delta_chi2[start >= block.n_starts[period][:, None]] = 0.0
    best = np.arange(len(chunk)), np.argmax(delta_chi2, axis=1)
    return period, duration, start[best], weight[best], signal[best], delta_chi2[best]


def _delta_chi2(weight: np.ndarray, signal: np.ndarray, total: float) -> np.ndarray:
    outside = total - weight  # (1)
    least = MIN_WEIGHT_FRACTION * total
    usable = (signal < 0.0) & (weight > least) & (outside > least)
    product = np.where(usable, weight * outside, 1.0)
    return np.where(usable, signal**2 * total / product, 0.0)  # (5)


def _misjudged(boxes: _Boxes, highest: np.ndarray, top: np.ndarray, chi2: float) -> np.ndarray:
    """The periods at which float32 was off by so much that the best box may be elsewhere."""
    off = np.abs(boxes.delta_chi2 - chi2 * highest) > 0.5 * MARGIN * chi2 * top[boxes.period]
    return np.unique(boxes.period[off & np.isfinite(highest)])


def _best_of_periods(boxes: _Boxes) -> _Boxes:
    """Ties go to the shortest duration, then to the earliest start."""
    order = np.lexsort((boxes.start, boxes.duration, -boxes.delta_chi2, boxes.period))
    _, first = np.unique(boxes.period[order], return_index=True)
    return boxes[order[first]]


def _write(
    found: dict[str, np.ndarray],
    block: Periods,
    boxes: _Boxes,
    cells: Cells,
    duration: np.ndarray,
) -> None:
    """What the boxes mean, for the periods that have one."""
    weight, signal = boxes.weight, boxes.signal
    outside = cells.points.total - weight
    period = block.period[boxes.period]
    n_bins = block.widths[boxes.duration]
    middle = ((boxes.start + 0.5 * n_bins) * CELLS_PER_BIN - OFFSET) * cells.width
    results = {
        "delta_chi2": boxes.delta_chi2,
        "depth": -signal / weight - signal / outside,  # (3)
        "depth_err": np.sqrt(1.0 / weight + 1.0 / outside),  # (4)
        "t0": middle - period * np.floor(middle / period),
        "duration": duration[boxes.duration],
        "level": cells.points.mean - signal / outside,  # (2)
    }
    for name, values in results.items():
        found[name][block.index[boxes.period]] = values
