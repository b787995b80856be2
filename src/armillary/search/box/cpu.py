"""The compiled default of search.bls: prepare the tables, cut the work, run the kernel.

What is computed is defined in reference.py, how is told at the top of kernel.pyx.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ...runtime.blocks import Progress, run_blocks
from ...runtime.cpu import load_kernel
from .reference import CELLS_PER_BIN, DEFAULT_OVERSAMPLE, MIN_WEIGHT_FRACTION, OFFSET

#: Work of a block, in bins added or tried: about a millisecond.
BLOCK_WORK = 1_500_000
#: Below this much work of one binning, a second thread costs more than it gains.
MIN_PARALLEL_WORK = 2_000_000
#: Adding a point to a fold costs as much as adding this many bins of a row.
POINT_COST = 6
#: A row costs as much as this many of its bins, whatever its length.
ROW_COST = 40
#: A gap of more bins than this is left out of the tables.
MIN_GAP = 64
#: A longer stretch without gaps is cut: four alignments of two float64 tables of this
#: many bins make 256 kB, which stays in the cache of a core while several periods read it.
MAX_SEGMENT = 4096
#: Cells are counted in 32 bits where points are folded one by one.
MAX_CELLS = 2**31 - 2
#: Most bins that are tabulated; four alignments of two float64 tables make 16 MB.
MAX_TABLE_BINS = 250_000


@dataclass(frozen=True, slots=True)
class _Tables:
    """What the kernel reads of the light curve, binned for one shortest duration."""

    weight: np.ndarray
    signal: np.ndarray
    segments: _Segments
    cell: np.ndarray
    cell_width: float
    work_of_fold: int  # bins added to fold one period


@dataclass(frozen=True, slots=True)
class _Segments:
    """The stretches of time that hold points, as columns of bins.

    A bin of any alignment that holds a point of segment j is one of the columns
    ``begin[j] .. end[j]`` of time, and column m is column ``m - shift[j]`` of the tables.
    """

    begin: np.ndarray
    end: np.ndarray
    shift: np.ndarray
    last_point: np.ndarray

    @property
    def n_columns(self) -> int:
        """Columns of the tables."""
        return int((self.end - self.begin).sum())


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = DEFAULT_OVERSAMPLE,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Best box at each period; see the plugin author guide for the arguments."""
    kernel = load_kernel(__package__)
    weight = flux_err**-2.0
    total = float(weight.sum())
    mean = float((weight * flux).sum() / total)
    signal = weight * (flux - mean)
    results = {
        name: np.empty(len(period))
        for name in ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")
    }
    done = 0
    for first, chosen in _groups(duration_start):
        tables = _tables(kernel, time, weight, signal, duration[first], oversample)
        width = np.floor(duration[first:] * oversample / duration[first] + 0.5).astype(np.intp)

        def work(block: np.ndarray, tables=tables, width=width, first=first) -> None:  # type: ignore[no-untyped-def]
            kernel.spectrum(
                tables.weight,
                tables.signal,
                tables.segments.begin,
                tables.segments.end,
                tables.segments.shift,
                tables.cell,
                weight,
                signal,
                int(tables.cell[-1]) + 1,
                tables.cell_width,
                OFFSET,
                total,
                MIN_WEIGHT_FRACTION * total,
                mean,
                duration,
                width,
                first,
                period,
                duration_stop,
                block,
                *results.values(),
            )

        blocks, cost = _cut(chosen, period, duration_stop, first, tables)
        run_blocks(
            blocks,
            work,
            threads=threads if cost > MIN_PARALLEL_WORK else 1,
            size=len,
            progress=_shifted(progress, done, len(period)),
        )
        done += len(chosen)
    return results


def _groups(duration_start: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The periods that share a shortest duration, and so a binning of the light curve."""
    order = np.argsort(duration_start, kind="stable")
    firsts, begins = np.unique(duration_start[order], return_index=True)
    for first, chosen in zip(firsts, np.split(order, begins[1:]), strict=True):
        yield int(first), chosen


def _tables(
    kernel: ModuleType,
    time: np.ndarray,
    weight: np.ndarray,
    signal: np.ndarray,
    shortest: float,
    oversample: int,
) -> _Tables:
    cell_width = shortest / (oversample * CELLS_PER_BIN)
    cell = np.floor(time / cell_width + OFFSET)
    if cell[-1] >= MAX_CELLS:
        raise ValueError(
            f"duration = {shortest:.3g} d and oversample = {oversample} cut the time span of "
            f"{time[-1]:.6g} d into {cell[-1]:.3g} cells, more than {MAX_CELLS:,}; raise the "
            f"shortest duration or lower oversample"
        )
    segments = _segments(cell)
    by_rows = segments.n_columns + ROW_COST * len(segments.begin)
    by_points = POINT_COST * len(time)
    # The data decide, never the number of threads.
    rows = by_rows <= by_points and segments.n_columns <= MAX_TABLE_BINS
    shape = (CELLS_PER_BIN, segments.n_columns if rows else 0)
    table_weight, table_signal = np.zeros(shape), np.zeros(shape)
    if rows:
        kernel.polyphase_sums(
            cell, weight, signal, segments.last_point, segments.shift, table_weight, table_signal
        )
    return _Tables(
        table_weight, table_signal, segments, cell, cell_width, by_rows if rows else by_points
    )


def _segments(cell: np.ndarray) -> _Segments:
    column = cell.astype(np.intp) // CELLS_PER_BIN
    breaks = _cuts(column)
    last_point = np.append(breaks, len(cell))
    # A bin that begins up to S - 1 cells into a column may start in the one before.
    begin = column[np.append(0, breaks)] - 1
    end = column[last_point - 1] + 1
    length = end - begin
    shift = begin - (np.cumsum(length) - length)
    return _Segments(begin, end, shift, last_point)


def _cuts(column: np.ndarray) -> np.ndarray:
    """Indices of the points that begin a segment: after a gap, or after MAX_SEGMENT bins."""
    gaps = np.append(0, np.flatnonzero(np.diff(column) > MIN_GAP) + 1)
    stops = np.append(gaps[1:], len(column))
    # Most stretches of a sparse light curve are a point or a night: they are not looked at singly.
    long = np.flatnonzero(column[stops - 1] - column[gaps] >= MAX_SEGMENT)
    cuts = [gaps]
    for first, stop in zip(gaps[long], stops[long], strict=True):
        edges = np.arange(column[first] + MAX_SEGMENT, column[stop - 1] + 1, MAX_SEGMENT)
        cuts.append(first + np.searchsorted(column[first:stop], edges))
    return np.unique(np.concatenate(cuts))[1:]


def _cut(
    chosen: np.ndarray, period: np.ndarray, duration_stop: np.ndarray, first: int, tables: _Tables
) -> tuple[list[np.ndarray], int]:
    """Blocks of about BLOCK_WORK each, and the work of all of them."""
    # In place: a grid may have as many periods as memory has room for.
    work = period[chosen]
    work /= tables.cell_width * CELLS_PER_BIN
    n_sweeps = duration_stop[chosen]
    n_sweeps += 2 - first  # one to clear the bins, one to sum them up
    work *= n_sweeps
    work += tables.work_of_fold
    np.cumsum(work, out=work)
    cuts = np.searchsorted(work, np.arange(BLOCK_WORK, work[-1], BLOCK_WORK))
    blocks = [block for block in np.split(chosen, np.unique(cuts)) if len(block)]
    return blocks, int(work[-1])


def _shifted(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Progress of one group as progress of the whole."""
    if progress is None:
        return None
    return lambda part, _: progress(done + part, total)
