"""``search.bls`` on the device: box least squares of one light curve, or of many at once.

The definition is that of :mod:`armillary.search.box.reference`. How it is computed is told
at the top of ``kernels/box.cu``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import box_layout as layout
from .blocks import in_blocks, room_for
from .device import Device, current

Call = Mapping[str, Any]
Progress = Callable[[int, int], None]

SOURCE = "box.cu"
RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")

#: Threads of the kernels that visit points.
POINT_THREADS = 256
#: Bytes that weigh_points needs for each of its threads.
PAIR_BYTES = 16
#: Most blocks of a launch in its second direction.
MOST_ROWS = 65535
#: Points or entries of tables that a launch visits: some 20 ms of a fast device, by estimate, so
#: that an interrupt is honoured soon.
LAUNCH_WORK = 2_000_000_000
#: Bytes for folds that shared memory cannot hold. More of them at a time than a device has room
#: to run would keep memory from others for nothing; fewer than the least would let it idle.
MOST_SCRATCH = 1 << 30
LEAST_LONG_FOLDS = 1024
#: Words of eight bytes for each point: three that are given, weight and signal in whole numbers,
#: and for a moment two to find the gaps.
WORDS_PER_POINT = 7
#: Words of an entry of a table, and of what weigh_points finds of a light curve.
WORDS_PER_ENTRY = 2
WORDS_PER_SCALE = 4


def bls(
    time: Any,
    flux: Any,
    flux_err: Any,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = 10,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Best box at each period; see the plugin author guide for the arguments.

    Raises
    ------
    MemoryError
        If the light curve, or one fold of it, is too large for the memory of the device.
    """
    call = {
        "time": time,
        "flux": flux,
        "flux_err": flux_err,
        "period": period,
        "duration": duration,
        "duration_start": duration_start,
        "duration_stop": duration_stop,
    }
    (found,) = bls_batch([call], oversample, progress)
    return found


def bls_batch(
    calls: Sequence[Call],
    oversample: int = 10,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """What :func:`bls` gives for each of many light curves, computed side by side.

    Parameters
    ----------
    calls : sequence of mappings
        The canonical arguments, one mapping for each light curve. What is the same object in
        several of them is moved to the device once.
    oversample : int
        Phase bins in the shortest duration of a period.
    progress : callable, optional
        Called with (periods done, periods in all), those of all light curves.

    Returns
    -------
    list of dict
        In the order of ``calls``.

    Raises
    ------
    MemoryError
        If a light curve, or one fold of it, is too large for the memory of the device.
    """
    device = current()
    grids = _grids(calls, oversample)
    spans = _last_times(device, calls)
    until = np.cumsum([0, *(len(grid.period) for grid in grids)])
    found: list[dict[str, Any]] = []

    def work(first: int, stop: int) -> None:
        def report(done: int) -> None:
            if progress is not None:
                progress(int(until[first]) + done, int(until[-1]))

        some = slice(first, stop)
        found[first:] = _search(device, calls[some], grids[some], spans[some], report)

    needed = [_bytes(*each) for each in zip(calls, grids, spans, strict=True)]
    in_blocks(device, needed, work, "one light curve of search.bls")
    return found


def _grids(calls: Sequence[Call], oversample: int) -> list[layout.Grid]:
    """The grid of each call; calls with the same arrays share one."""
    made: dict[tuple[int, ...], layout.Grid] = {}
    grids = []
    for call in calls:
        names = ("period", "duration", "duration_start", "duration_stop")
        key = tuple(id(call[name]) for name in names)
        if key not in made:
            made[key] = layout.grid_of(call, oversample)
        grids.append(made[key])
    return grids


def _last_times(device: Device, calls: Sequence[Call]) -> np.ndarray:
    times = [call["time"] for call in calls]
    if isinstance(times[0], np.ndarray):
        return np.array([time[-1] for time in times])
    return device.to_host(device.xp.stack([time[-1] for time in times]))


def _bytes(call: Call, grid: layout.Grid, span: float) -> int:
    """Memory on the device for one light curve, without its share of what all have."""
    n_points = len(call["time"])
    columns = np.minimum(
        layout.column_of(np.asarray(span), grid.cell_width) + 2, layout.POINT_COST * n_points
    ).sum()
    entries = layout.CELLS_PER_BIN * int(columns) + layout.scratch_bins_of(grid.class_size.max())
    words = WORDS_PER_POINT * n_points + WORDS_PER_ENTRY * entries + len(RESULTS) * len(grid.period)
    return 8 * words


@dataclass(frozen=True, slots=True)
class _LightCurves:
    """Some light curves in the memory of the device, one after the other."""

    n_points: np.ndarray
    curves: Any
    time: Any
    points: Any
    scales: Any


@dataclass(frozen=True, slots=True)
class _Binned:
    """Their binnings, and the tables of these on the device."""

    binnings: np.ndarray
    segments: Any
    tables: Any


def _search(
    device: Device,
    calls: Sequence[Call],
    of_curve: Sequence[layout.Grid],
    span: np.ndarray,
    report: Callable[[int], None],
) -> list[dict[str, Any]]:
    """The results of light curves that the device has room for at once."""
    grids = layout.join_grids(of_curve)
    light_curves = _upload(device, calls)
    binned = _bin(device, light_curves, layout.binnings_of(grids), span)
    columns = _launch(device, light_curves, binned, grids, report)
    columns = device.like(columns, calls[0]["time"])
    stops = np.cumsum([len(grid.period) for grid in of_curve])
    return [
        {name: columns[row, stop - len(grid.period) : stop] for row, name in enumerate(RESULTS)}
        for grid, stop in zip(of_curve, stops, strict=True)
    ]


# ------------------------------------------------------------------ light curves and their tables


def _upload(device: Device, calls: Sequence[Call]) -> _LightCurves:
    """The points of all light curves, weighed."""
    curves = np.zeros(len(calls), layout.CURVE)
    curves["n_points"] = [len(call["time"]) for call in calls]
    curves["first_point"] = np.cumsum(curves["n_points"]) - curves["n_points"]
    time, flux, flux_err = (
        _joined(device, [call[name] for call in calls]) for name in ("time", "flux", "flux_err")
    )
    light_curves = _LightCurves(
        curves["n_points"],
        _rows(device, curves),
        time,
        device.xp.empty(WORDS_PER_ENTRY * len(time), np.int64),
        device.xp.empty(WORDS_PER_SCALE * len(calls), np.int64),
    )
    device.kernel(SOURCE, "weigh_points")(
        (len(calls),),
        (POINT_THREADS,),
        (flux, flux_err, light_curves.curves, light_curves.points, light_curves.scales),
        shared_bytes=PAIR_BYTES * POINT_THREADS,
    )
    return light_curves


def _joined(device: Device, arrays: Sequence[Any]) -> Any:
    """Arrays one after the other on the device."""
    if len(arrays) == 1:
        return device.to_device(arrays[0])
    joined = device.xp.empty(sum(map(len, arrays)))
    stop = 0
    for array in arrays:
        start, stop = stop, stop + len(array)
        device.copy(array, joined[start:stop])
    return joined


def _rows(device: Device, rows: np.ndarray) -> Any:
    """Rows of structs as words of eight bytes; cupy knows no structs."""
    return device.to_device(rows.view(np.int64))


def _bin(
    device: Device, light_curves: _LightCurves, binnings: np.ndarray, span: np.ndarray
) -> _Binned:
    """The columns of the binnings, which are written to, and the sums in them."""
    gaps = _gaps(device, light_curves, layout.least_gap(binnings["cell_width"]).min())
    segments = layout.lay_out_columns(binnings, span, light_curves.n_points, gaps)
    n_entries = layout.CELLS_PER_BIN * int(binnings["n_columns"].sum())
    tables = device.xp.zeros(WORDS_PER_ENTRY * n_entries, np.int64)
    binned = _Binned(binnings, _rows(device, segments), tables)
    tabulated = binnings[binnings["n_columns"] > 0]
    for first in range(0, len(tabulated), MOST_ROWS):
        _fill_tables(device, light_curves, binned, tabulated[first : first + MOST_ROWS])
    return binned


def _gaps(device: Device, light_curves: _LightCurves, least: float) -> layout.Gaps:
    """Gaps that some binning may leave out, found on the device."""
    xp, time = device.xp, light_curves.time
    # Where the next light curve begins, time falls: that is no gap.
    after = xp.flatnonzero(xp.diff(time) > least) + 1
    before_and_after = device.to_host(xp.stack([time[after - 1], time[after]]))
    until = np.cumsum(light_curves.n_points)
    curve = np.searchsorted(until, device.to_host(after), side="right")
    return layout.Gaps(curve, before_and_after[0], before_and_after[1])


def _fill_tables(
    device: Device, light_curves: _LightCurves, binned: _Binned, tabulated: np.ndarray
) -> None:
    """Add the points of some binnings to their tables."""
    device.kernel(SOURCE, "fill_tables")(
        (-(-int(light_curves.n_points.max()) // POINT_THREADS), len(tabulated)),
        (POINT_THREADS,),
        (
            light_curves.time,
            light_curves.points,
            light_curves.curves,
            _rows(device, tabulated),
            binned.segments,
            binned.tables,
        ),
    )


# ------------------------------------------------------------------ the search


def _launch(
    device: Device,
    light_curves: _LightCurves,
    binned: _Binned,
    grids: layout.Grids,
    report: Callable[[int], None],
) -> Any:
    """Search the periods of all light curves, those of one size of fold after the other."""
    pieces, sizes = layout.pieces_of(grids)
    results = device.xp.empty((len(RESULTS), int(pieces["stop_item"][-1])))
    inputs = (
        light_curves.time,
        light_curves.points,
        light_curves.curves,
        light_curves.scales,
        _rows(device, binned.binnings),
        binned.segments,
        binned.tables,
        device.to_device(grids.period),
        device.to_device(grids.n_durations),
        device.to_device(grids.duration),
        device.to_device(grids.width),
        device.to_device(grids.order),
        _rows(device, pieces),
        np.int64(len(pieces)),
    )
    per_launch = max(LAUNCH_WORK // _cost_of_fold(light_curves, binned), 1)
    first = 0
    for size in np.unique(sizes):
        items = range(first, int(pieces["stop_item"][sizes == size][-1]))
        for first in _search_size(device, inputs, results, int(size), items, per_launch):
            report(first)
    return results


def _search_size(
    device: Device, inputs: tuple, results: Any, size: int, items: range, per_launch: int
) -> Iterator[int]:
    """Search the items of one size of fold; give the first that is left, after each launch."""
    search = device.kernel(SOURCE, "search_boxes")
    bins = layout.scratch_bins_of(size)
    n = min(per_launch, len(items))
    if bins:
        n = min(n, max(MOST_SCRATCH // (8 * WORDS_PER_ENTRY * bins), LEAST_LONG_FOLDS))
    scratch = room_for(device, n if bins else 1, (max(bins, 1) * WORDS_PER_ENTRY,), np.int64)
    if bins:
        n = len(scratch)
    for first in items[::n]:
        stop = min(first + n, items.stop)
        search(
            (stop - first,),
            (layout.threads_of(size),),
            (
                *inputs,
                np.int64(first),
                scratch,
                np.int64(bins),
                np.int64(results.shape[1]),
                results,
            ),
            shared_bytes=layout.shared_bytes_of(size),
        )
        # So that an interrupt waits for one launch, not for all.
        device.synchronize()
        yield stop


def _cost_of_fold(light_curves: _LightCurves, binned: _Binned) -> int:
    """Entries of tables that the most expensive period adds, or as much work."""
    binnings = binned.binnings
    by_points = layout.POINT_COST * light_curves.n_points[binnings["curve"]]
    tabulated = binnings["n_columns"] > 0
    return int(np.where(tabulated, binnings["n_columns"], by_points).max())
