"""What ``search.bls`` asks for, laid out for ``kernels/box.cu``, on the host.

A *grid* is the periods and durations of a light curve, which many light curves may share. Its
periods fall into *groups* that share a shortest duration, and so a binning of time; a group into
*classes* of folds of about one size. A *binning* is a group for one light curve, and a *piece*
a class for one light curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: The constants of the reference, and of the kernel.
CELLS_PER_BIN = 4
OFFSET = 0.3819660112501051

#: Bins that each thread owns in shared memory: see design note 6 of the kernel.
BINS_PER_THREAD = 5
#: Threads of the smallest class: two warps. Each class has folds of up to twice the size.
LEAST_THREADS = 64
#: Threads of the largest fold in shared memory: 96 bytes each make 48 kB, which all devices have.
MOST_THREADS = 512
#: More classes than there can be: sizes that are powers of two.
MOST_SIZES = 64
#: Bytes that a thread needs besides its bins: one entry of the scan.
BYTES_PER_ENTRY = 16

#: Adding a point to a fold costs as much as adding this many entries of a table: two atomic
#: additions of 64 bits, and often two more for the overhang. An estimate.
POINT_COST = 16
#: A longer gap, in bins, is left out of the tables. A segment costs each period up to two
#: rows of mostly nothing, so a gap has to be longer than most folds.
MIN_GAP = 4096

# Rows of numbers of eight bytes; the structs of the kernel have the same fields in this order.
CURVE = np.dtype([("first_point", np.int64), ("n_points", np.int64)])
BINNING = np.dtype(
    [
        ("cell_width", np.float64),
        ("curve", np.int64),
        ("first_column", np.int64),
        ("n_columns", np.int64),
        ("first_segment", np.int64),
        ("n_segments", np.int64),
        ("first_duration", np.int64),
        ("result_shift", np.int64),
    ]
)
SEGMENT = np.dtype([("begin", np.int64), ("end", np.int64), ("shift", np.int64)])
PIECE = np.dtype([("stop_item", np.int64), ("binning", np.int64), ("order_shift", np.int64)])


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods and durations of a light curve, by groups and classes.

    Attributes
    ----------
    period : ndarray, shape (n,)
    n_durations : ndarray of int64, shape (n,)
        That each period tries, of those of its group.
    order : ndarray of int64, shape (n,)
        Indices of periods, by group and class.
    duration, width : ndarray, shape (d,)
        Durations of all groups, ascending in each, and their numbers of bins.
    cell_width, first_duration : ndarray, shape (g,)
        Of each group.
    class_group, class_size, class_count : ndarray of int64, shape (c,)
        The group of each class, the power of two that its size is, and its periods.
    """

    period: np.ndarray
    n_durations: np.ndarray
    order: np.ndarray
    duration: np.ndarray
    width: np.ndarray
    cell_width: np.ndarray
    first_duration: np.ndarray
    class_group: np.ndarray
    class_size: np.ndarray
    class_count: np.ndarray


def grid_of(call: Mapping[str, np.ndarray], oversample: int) -> Grid:
    """The grid of a light curve, from the canonical arguments of ``search.bls``."""
    period, start, stop = call["period"], call["duration_start"], call["duration_stop"]
    first, group = np.unique(start, return_inverse=True)
    tested = _tested(call["duration"], first, group, stop)
    width = np.concatenate([np.floor(d * oversample / d[0] + 0.5) for d in tested])
    width = width.astype(np.int64)
    first_duration = _firsts([len(durations) for durations in tested])
    cell_width = call["duration"][first] / (oversample * CELLS_PER_BIN)
    n_durations = (stop - start).astype(np.int64)

    longest = width[first_duration[group] + n_durations - 1]
    key = group * MOST_SIZES + _size_class(_bins(period / cell_width[group], longest))
    classes, class_count = np.unique(key, return_counts=True)
    class_group, class_size = np.divmod(classes, MOST_SIZES)
    return Grid(
        period,
        n_durations,
        np.argsort(key, kind="stable"),
        np.concatenate(tested),
        width,
        cell_width,
        first_duration,
        class_group,
        class_size,
        class_count,
    )


def _tested(
    duration: np.ndarray, first: np.ndarray, group: np.ndarray, stop: np.ndarray
) -> list[np.ndarray]:
    """The durations of each group, from its shortest to the longest that a period of it tries."""
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, group, stop)
    return [duration[a:b] for a, b in zip(first, last, strict=True)]


def _bins(cells_per_period: np.ndarray, longest_width: np.ndarray) -> np.ndarray:
    """Bins of a fold, its overhang included, as plan_fold of the kernel counts them."""
    longest = np.floor(cells_per_period).astype(np.int64) // CELLS_PER_BIN
    starts = longest + (longest * CELLS_PER_BIN < cells_per_period)
    return starts + np.minimum(longest_width, longest)


def _size_class(n_bins: np.ndarray) -> np.ndarray:
    """The least k for which LEAST_THREADS * 2**k threads have BINS_PER_THREAD bins each."""
    # One entry more than bins: prefix sums begin with 0.
    filled = (n_bins + 1) / (BINS_PER_THREAD * LEAST_THREADS)
    return np.maximum(np.ceil(np.log2(filled)), 0).astype(np.int64)


def threads_of(size: int) -> int:
    """Threads of a block that folds a period of this class."""
    return min(LEAST_THREADS << size, MOST_THREADS)


def shared_bytes_of(size: int) -> int:
    """Shared memory of that block."""
    threads = threads_of(size)
    entries = threads if scratch_bins_of(size) else threads * (1 + BINS_PER_THREAD)
    return entries * BYTES_PER_ENTRY


def scratch_bins_of(size: int) -> int:
    """Entries in global memory that each fold of this class needs; 0 if it is in shared memory."""
    entries = BINS_PER_THREAD * (LEAST_THREADS << size)
    return 0 if LEAST_THREADS << size <= MOST_THREADS else entries


# ------------------------------------------------------------------ many light curves


@dataclass(frozen=True, slots=True)
class Grids:
    """The grids of some light curves, one after the other.

    Attributes
    ----------
    of_curve : ndarray of int64, shape (curves,)
        The grid of each light curve.
    period, n_durations, order, duration, width : ndarray
        Those of all grids; ``order`` holds indices into ``period``.
    """

    grids: Sequence[Grid]
    of_curve: np.ndarray
    period: np.ndarray
    n_durations: np.ndarray
    order: np.ndarray
    duration: np.ndarray
    width: np.ndarray


def join_grids(of_curve: Sequence[Grid]) -> Grids:
    """The grids of light curves, each that is shared once."""
    grids = list({id(grid): grid for grid in of_curve}.values())
    place = {id(grid): i for i, grid in enumerate(grids)}
    first_period = _firsts([len(grid.period) for grid in grids])
    return Grids(
        grids,
        np.array([place[id(grid)] for grid in of_curve]),
        np.concatenate([grid.period for grid in grids]),
        np.concatenate([grid.n_durations for grid in grids]),
        np.concatenate([g.order + first for g, first in zip(grids, first_period, strict=True)]),
        np.concatenate([grid.duration for grid in grids]),
        np.concatenate([grid.width for grid in grids]),
    )


def _firsts(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each run begins."""
    lengths = np.asarray(lengths, dtype=np.int64)
    return np.cumsum(lengths) - lengths


def binnings_of(grids: Grids) -> np.ndarray:
    """A row of each group of each light curve; columns and segments are still to be found."""
    first_period = _firsts([len(grid.period) for grid in grids.grids])
    first_duration = _firsts([len(grid.duration) for grid in grids.grids])
    n_groups = np.array([len(grid.cell_width) for grid in grids.grids])
    n_periods = np.array([len(grid.period) for grid in grids.grids])
    curve = np.repeat(np.arange(len(grids.of_curve)), n_groups[grids.of_curve])
    rows = np.zeros(len(curve), BINNING)
    rows["curve"] = curve
    rows["cell_width"] = np.concatenate([grids.grids[g].cell_width for g in grids.of_curve])
    rows["first_duration"] = np.concatenate(
        [grids.grids[g].first_duration + first_duration[g] for g in grids.of_curve]
    )
    shift = _firsts(n_periods[grids.of_curve]) - first_period[grids.of_curve]
    rows["result_shift"] = shift[curve]
    return rows


def pieces_of(grids: Grids) -> tuple[np.ndarray, np.ndarray]:
    """The classes of all light curves, by size, and these sizes."""
    first_order = _firsts([len(grid.order) for grid in grids.grids])
    n_groups = np.array([len(grid.cell_width) for grid in grids.grids])
    first_binning = _firsts(n_groups[grids.of_curve])
    chosen = [grids.grids[g] for g in grids.of_curve]
    size = np.concatenate([grid.class_size for grid in chosen])
    count = np.concatenate([grid.class_count for grid in chosen])
    first = np.concatenate(
        [
            _firsts(grid.class_count) + first_order[g]
            for grid, g in zip(chosen, grids.of_curve, strict=True)
        ]
    )
    binning = np.concatenate(
        [grid.class_group + b for grid, b in zip(chosen, first_binning, strict=True)]
    )
    by_size = np.argsort(size, kind="stable")
    rows = np.zeros(len(size), PIECE)
    rows["stop_item"] = np.cumsum(count[by_size])
    rows["binning"] = binning[by_size]
    rows["order_shift"] = first[by_size] - _firsts(count[by_size])
    return rows, size[by_size]


# ------------------------------------------------------------------ segments


@dataclass(frozen=True, slots=True)
class Gaps:
    """The longest gaps between neighbouring points of light curves, in order.

    Attributes
    ----------
    curve : ndarray of int64, shape (n,)
    before, after : ndarray, shape (n,)
        Times (days) of the points on either side.
    """

    curve: np.ndarray
    before: np.ndarray
    after: np.ndarray


def least_gap(cell_width: np.ndarray) -> np.ndarray:
    """The shortest gap (days) that a binning may leave out."""
    return MIN_GAP * CELLS_PER_BIN * cell_width


def lay_out_columns(
    binnings: np.ndarray, span: np.ndarray, n_points: np.ndarray, gaps: Gaps
) -> np.ndarray:
    """Give binnings their segments and columns; return the segments.

    Parameters
    ----------
    binnings : ndarray of BINNING
        Is written to. What is cheaper to fold point by point gets no columns.
    span : ndarray, shape (curves,)
        The last time (days) of each light curve; the first is 0.
    n_points : ndarray, shape (curves,)
    gaps : Gaps
        All that are longer than :func:`least_gap` of any binning.
    """
    binning, gap = _long_gaps(binnings, gaps)
    cell_width, curve = binnings["cell_width"], binnings["curve"]
    # A segment begins with a binning, or after a gap; it ends before the next of these.
    owner = np.concatenate([np.arange(len(binnings)), binning])
    begins = np.concatenate([np.zeros(len(binnings)), gaps.after[gap]])
    by_time = np.lexsort((begins, owner))
    owner = owner[by_time]
    ends = np.concatenate([gaps.before[gap], span[curve]])
    ends = ends[np.lexsort((ends, np.concatenate([binning, np.arange(len(binnings))])))]

    segments = np.zeros(len(owner), SEGMENT)
    # A bin that begins up to S - 1 cells into a column may start in the one before.
    segments["begin"] = column_of(begins[by_time], cell_width[owner]) - 1
    segments["end"] = column_of(ends, cell_width[owner]) + 1
    length = segments["end"] - segments["begin"]
    n_segments = np.bincount(owner, minlength=len(binnings))
    first_segment = _firsts(n_segments)
    n_columns = np.add.reduceat(length, first_segment)
    segments["shift"] = segments["begin"] - (_firsts(length) - _firsts(n_columns)[owner])

    binnings["first_segment"], binnings["n_segments"] = first_segment, n_segments
    tabulated = n_columns <= POINT_COST * n_points[curve]
    binnings["n_columns"] = np.where(tabulated, n_columns, 0)
    binnings["first_column"] = _firsts(binnings["n_columns"])
    return segments


def column_of(time: np.ndarray, cell_width: np.ndarray) -> np.ndarray:
    """The column of times, as the kernel computes it."""
    return np.floor(time / cell_width + OFFSET).astype(np.int64) // CELLS_PER_BIN


def _long_gaps(binnings: np.ndarray, gaps: Gaps) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a binning and a gap that it leaves out."""
    first = np.searchsorted(gaps.curve, binnings["curve"], side="left")
    count = np.searchsorted(gaps.curve, binnings["curve"], side="right") - first
    binning = np.repeat(np.arange(len(binnings)), count)
    gap = np.arange(len(binning)) - np.repeat(_firsts(count), count) + np.repeat(first, count)
    long = gaps.after[gap] - gaps.before[gap] > least_gap(binnings["cell_width"][binning])
    return binning[long], gap[long]
