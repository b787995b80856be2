"""``search.bls``: the kernels of box.cu, and how work is cut for them."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.search.box import reference
from armillary.testing import simulated_light_curve
from armillary_cupy import blocks, box, box_layout, device

from .host import HostDevice
from .moon_device import MoonDevice

RESULTS = box.RESULTS
#: Agreement with the reference, whose sums round where those of the kernel are exact.
ROUNDING = 1e-9


def call_of(light_curve: Any, period: Any, duration: Any) -> dict[str, np.ndarray]:
    """The canonical arguments; every period tries every duration shorter than it."""
    period, duration = np.asarray(period, dtype=float), np.asarray(duration, dtype=float)
    return {
        "time": light_curve.time - light_curve.time[0],
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        "period": period,
        "duration": duration,
        "duration_start": np.zeros(len(period), np.intp),
        "duration_stop": np.searchsorted(duration, period, side="left"),
    }


def search(call: dict[str, np.ndarray], there: HostDevice | None = None, **options: Any) -> Any:
    with device.use(there or HostDevice()):
        return box.bls(**call, **options)


def search_batch(calls: list, there: HostDevice | None = None, **options: Any) -> Any:
    with device.use(there or HostDevice()):
        return box.bls_batch(calls, **options)


def require_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """To the bit."""
    for name in RESULTS:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def require_reference(call: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    """But for rounding, which in the reference decides between boxes that hold the same points."""
    expected = reference.bls(**call)
    same = np.isclose(found["t0"], expected["t0"], rtol=ROUNDING)
    assert np.all(found["t0"][~same] < expected["t0"][~same])
    assert same.mean() > 0.9
    for name in RESULTS:
        if name != "t0":
            np.testing.assert_allclose(found[name], expected[name], rtol=ROUNDING, err_msg=name)


def columns_of(periodogram: Any) -> dict[str, np.ndarray]:
    return {name: getattr(periodogram, name) for name in RESULTS}


@pytest.fixture(autouse=True)
def _host(host: HostDevice) -> None:
    """All of these run kernels on the host."""


@pytest.fixture
def call() -> dict[str, np.ndarray]:
    """Forty periods of one light curve, half of whose folds are larger than shared memory."""
    light_curve = simulated_light_curve(
        1, span=60.0, cadence=0.05, period=3.3, t0=1.0, duration=0.3, snr=20.0, error_ratio=3.0
    )
    return call_of(light_curve, np.geomspace(0.5, 55.0, 40), [0.1, 0.2, 0.3])


def sparse_curve() -> Any:
    """Points that are few beside the bins of the time that they span."""
    return simulated_light_curve(
        2, span=3000.0, cadence=3.1, period=6.7, t0=1.0, duration=0.5, snr=20.0
    )


# ------------------------------------------------------------------ what is computed


def test_boxes_are_those_of_the_reference(call):
    require_reference(call, search(call))


def test_sparse_points_are_folded_one_by_one_into_the_boxes_of_the_reference():
    call = call_of(sparse_curve(), np.geomspace(1.0, 900.0, 20), [0.4, 0.6])
    there = HostDevice()
    require_reference(call, search(call, there))
    assert "fill_tables" not in there.launches


def test_rows_and_points_fold_into_the_same_bits(call, monkeypatch):
    by_rows = search(call)
    monkeypatch.setattr(box_layout, "POINT_COST", 1e-3)
    there = HostDevice()
    require_same(by_rows, search(call, there))
    assert "fill_tables" not in there.launches


@pytest.mark.parametrize("min_gap", [1, 3, 20, 100])
def test_gaps_that_are_left_out_of_the_tables_change_nothing(min_gap, monkeypatch):
    gaps = [(7.0, 7.6), (12.0, 19.0), (30.0, 31.0), (33.0, 50.0)]
    light_curve = simulated_light_curve(
        3, span=60.0, cadence=0.05, gaps=gaps, period=3.3, t0=1.0, duration=0.3, snr=20.0
    )
    call = call_of(light_curve, np.geomspace(0.5, 55.0, 40), [0.1, 0.2, 0.3])
    whole = search(call)
    monkeypatch.setattr(box_layout, "MIN_GAP", min_gap)
    require_same(whole, search(call))


def test_the_order_of_threads_and_of_blocks_does_not_matter(call):
    require_same(search(call), search(call, HostDevice(backwards=True)))


def test_folds_in_scratch_memory_are_those_in_shared_memory(call, monkeypatch):
    in_shared_memory = search(call)
    monkeypatch.setattr(box_layout, "MOST_THREADS", box_layout.LEAST_THREADS)
    require_same(in_shared_memory, search(call))


def test_folds_in_scratch_memory_are_few_at_a_time(call, monkeypatch):
    whole = search(call)
    monkeypatch.setattr(box_layout, "MOST_THREADS", box_layout.LEAST_THREADS)
    monkeypatch.setattr(box, "MOST_SCRATCH", 1)
    monkeypatch.setattr(box, "LEAST_LONG_FOLDS", 5)
    there = HostDevice()
    require_same(whole, search(call, there))
    assert there.launches.count("search_boxes") >= len(call["period"]) / 5


def test_periods_with_other_shortest_durations_have_binnings_of_their_own():
    light_curve = simulated_light_curve(
        4, span=30.0, cadence=0.02, period=3.3, t0=1.0, duration=0.2, snr=20.0
    )
    call = call_of(light_curve, np.linspace(0.5, 25.0, 30), np.geomspace(0.05, 0.4, 9))
    call["duration_start"] = np.arange(30) % 5
    call["duration_stop"] = call["duration_start"] + 1 + np.arange(30) % 4
    require_reference(call, search(call))


def test_equal_boxes_go_to_the_shortest_duration_and_the_earliest_start():
    time = np.arange(0.0, 40.0, 0.25)
    flux = np.where(time % 5.0 == 1.0, 0.99, 1.0)
    flux[np.isin(time % 5.0, [3.0])] = 0.99
    curve = type("Curve", (), {"time": time, "flux": flux, "flux_err": np.full(len(time), 1e-3)})
    call = call_of(curve, [5.0], [0.5, 0.6, 0.7])
    found = search(call)
    assert found["duration"][0] == 0.5
    require_reference(call, found)


# ------------------------------------------------------------------ many light curves


@pytest.fixture
def calls() -> list[dict[str, np.ndarray]]:
    """Light curves of many lengths; some share a grid, some are sparse, some have gaps."""
    curves = [
        simulated_light_curve(
            i,
            span=20.0 + 3.0 * i,
            cadence=0.02 + 0.01 * i,
            gaps=[(5.0, 9.0)] if i % 2 else [],
            period=3.3,
            t0=1.0,
            duration=0.3,
            snr=20.0,
        )
        for i in range(5)
    ]
    calls = [call_of(curve, np.geomspace(0.5, 18.0, 21), [0.1, 0.2, 0.4]) for curve in curves]
    for call in calls[1:4]:
        call |= {n: calls[0][n] for n in ("period", "duration", "duration_start", "duration_stop")}
    return [*calls, call_of(sparse_curve(), np.geomspace(1.0, 900.0, 13), [0.4, 0.6])]


def test_a_batch_gives_what_each_light_curve_gives_alone(calls):
    for call, found in zip(calls, search_batch(calls), strict=True):
        require_same(found, search(call))


def test_a_batch_takes_as_many_launches_as_one_of_its_light_curves(calls):
    alone, together = HostDevice(), HostDevice()
    search(calls[0], alone)
    search_batch(calls[:4], together)
    assert together.launches == alone.launches


def test_progress_counts_the_periods_of_all_light_curves(calls, monkeypatch):
    monkeypatch.setattr(box, "LAUNCH_WORK", 10_000)
    told: list[tuple[int, int]] = []
    search_batch(calls, progress=lambda done, total: told.append((done, total)))
    done = [entry[0] for entry in told]
    n_periods = sum(len(call["period"]) for call in calls)
    assert done == sorted(set(done)) and len(done) > 10
    assert told[-1] == (n_periods, n_periods)


def test_an_error_of_progress_ends_the_search(calls):
    def stop(done: int, total: int) -> None:
        raise InterruptedError("by the caller")

    with pytest.raises(InterruptedError, match="by the caller"):
        search_batch(calls, progress=stop)


def test_the_front_door_of_many_light_curves_uploads_them_together(monkeypatch):
    together = []
    upload = box._upload

    def counted(there: HostDevice, calls: list) -> Any:
        together.append(len(calls))
        return upload(there, calls)

    monkeypatch.setattr(box, "_upload", counted)
    curves = [simulated_light_curve(i, span=20.0, period=3.3, snr=20.0) for i in range(3)]
    curves = [arm.io.LightCurve(c.time, c.flux, c.flux_err) for c in curves]
    options = {"period": np.linspace(1.0, 9.0, 50), "duration": [0.2], "backend": "cupy_on_host"}
    found = arm.search.bls(curves, **options)
    assert together == [3]
    for one, curve in zip(found, curves, strict=True):
        require_same(columns_of(one), columns_of(arm.search.bls(curve, **options)))


# ------------------------------------------------------------------ memory


def test_light_curves_are_cut_into_blocks_that_the_memory_holds(calls):
    whole = search_batch(calls)
    there = HostDevice(memory=1_000_000)
    for one, other in zip(whole, search_batch(calls, there), strict=True):
        require_same(one, other)
    assert there.launches.count("weigh_points") > 1


def test_where_memory_runs_out_blocks_become_smaller(calls):
    whole = search_batch(calls)
    there = HostDevice(memory=1_000_000)
    there.free_memory = lambda: 10**9
    told: list[tuple[int, int]] = []
    found = search_batch(calls, there, progress=lambda *pair: told.append(pair))
    for one, other in zip(whole, found, strict=True):
        require_same(one, other)
    assert there.launches.count("weigh_points") > 1
    assert told[-1][0] == told[-1][1]


def test_large_folds_share_what_memory_there_is(call):
    whole = search(call)
    there = HostDevice(memory=600_000)
    require_same(whole, search(call, there))
    assert len(there.launches) > len(np.unique(box_layout.grid_of(call, 10).class_size)) + 2


def test_a_light_curve_too_large_for_the_device_is_an_error_that_says_so(call):
    with pytest.raises(
        MemoryError,
        match=r"one light curve of search\.bls needs about [\d.]+ MB of memory on the device, "
        r"where 0\.01 MB can be had; free some of it, or use another backend",
    ):
        search(call, HostDevice(memory=10_000))


def test_memory_is_given_back_before_the_next_try():
    there = HostDevice(memory=100)
    sizes = []

    def work(first: int, stop: int) -> None:
        sizes.append(stop - first)
        there.xp.zeros(10 * (stop - first))

    there.free_memory = lambda: 1000
    blocks.in_blocks(there, [80] * 4, work, "a row")
    assert sizes == [4, 2, 1, 1, 1, 1]
    assert there.xp.used == 0


# ------------------------------------------------------------------ arrays on the device


def test_light_curves_on_the_device_stay_there_and_so_do_the_results(moon, call):
    columns = [moon.asarray(call[name]) for name in ("time", "flux", "flux_err")]
    grid = {"period": call["period"], "duration": call["duration"]}
    there = arm.search.bls(*columns, **grid)
    assert all(isinstance(getattr(there, name), moon.Array) for name in RESULTS)
    # The last time, and the times and places of long gaps.
    assert all(np.prod(shape) <= 1 for shape in moon.fetched)
    here = arm.search.bls(call["time"], call["flux"], call["flux_err"], backend="moon", **grid)
    assert all(type(getattr(here, name)) is np.ndarray for name in RESULTS)
    require_same(columns_of(here), {name: getattr(there, name)._values for name in RESULTS})


def test_many_light_curves_on_the_device_stay_there(moon, calls):
    names = ("time", "flux", "flux_err")
    there = [call | {name: moon.asarray(call[name]) for name in names} for call in calls]
    found = search_batch(there, MoonDevice(moon))
    # All last times at once; the times of long gaps, and their places.
    assert len(moon.fetched) <= 3
    for one, other in zip(found, search_batch(calls), strict=True):
        require_same({name: one[name]._values for name in RESULTS}, other)


# ------------------------------------------------------------------ two languages


def test_structs_of_the_kernel_are_the_rows_that_the_layout_writes():
    source = (files("armillary_cupy") / "kernels" / "box.cu").read_text()
    c_types = {"double": np.dtype(np.float64), "long long": np.dtype(np.int64)}
    for name in ("Curve", "Binning", "Segment", "Piece"):
        body = re.search(rf"struct {name} {{(.*?)}};", source, re.DOTALL)[1]
        lines = re.findall(r"^\s*(double|long long) ([^;]+);", body, re.MULTILINE)
        fields = [(n, c_types[kind]) for kind, names in lines for n in names.split(", ")]
        rows = getattr(box_layout, name.upper())
        assert fields == [(n, rows[n]) for n in rows.names]


def test_constants_are_those_of_the_reference():
    source = (files("armillary_cupy") / "kernels" / "box.cu").read_text()
    found = dict(re.findall(r"constexpr \w+(?: \w+)? (\w+) = ([^;]+);", source))
    assert int(found["S"]) == box_layout.CELLS_PER_BIN == reference.CELLS_PER_BIN
    assert float(found["OFFSET"]) == box_layout.OFFSET == reference.OFFSET
    assert float(found["MIN_WEIGHT_FRACTION"]) == reference.MIN_WEIGHT_FRACTION
