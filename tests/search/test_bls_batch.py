"""Many light curves in one search: what single searches of them give, in their order."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time as clock

import numpy as np
import pytest
from astropy.table import Table

import armillary as arm
from armillary.io import LightCurve, LightCurves
from armillary.plugins import ContractError, Implementation, UnknownBackend
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry
from armillary.search.box import cpu
from armillary.search.box.result import RESULTS
from armillary.testing import checks, simulated_light_curve
from armillary.testing.kit import run_check

pytestmark = pytest.mark.kernel

GRID = {"period": np.linspace(1.0, 6.0, 50), "duration": [0.1, 0.2]}


def star(seed, span=20.0, **options):
    made = simulated_light_curve(seed, span=span, period=2.7, t0=1.1, snr=20.0, **options)
    return LightCurve(made.time, made.flux, made.flux_err, meta={"target": f"star {seed}"})


@pytest.fixture(scope="module")
def light_curves():
    """Of different lengths and spans, the shortest with five points."""
    curves = [star(seed, span=12.0 + 3.0 * seed) for seed in range(5)]
    few = LightCurve([0.0, 1.0, 2.5, 4.0, 9.0], [1.0, 0.9, 1.1, 1.0, 1.0], meta={"target": "few"})
    return [*curves, few]


@pytest.fixture
def register(monkeypatch):
    """Register a backend of search.bls, made of these functions."""

    def make(name, **functions):
        fields = {}
        for field, function in functions.items():
            where = f"{name}_{field}_{id(function)}"
            monkeypatch.setattr(sys.modules[__name__], where, function, raising=False)
            fields[field] = f"{__name__}:{where}"
        record = Implementation(operation="search.bls", name=name, api=1, **fields)
        there = get_registry().implementations["search.bls"]
        monkeypatch.setitem(there, name, Registered(record, f"armillary-{name}", "1.0"))

    return make


def cpu_batch(calls, oversample=10, threads=1, progress=None):
    """What a backend with a batch function gives, by the compiled default."""
    return [cpu.bls(**call, oversample=oversample, threads=threads) for call in calls]


@pytest.fixture
def twin(register):
    """A backend that takes all light curves at once; the batches that it was given."""
    batches = []

    def batch(calls, oversample=10, threads=1, progress=None):
        batches.append(calls)
        return cpu_batch(calls, oversample, threads)

    register("twin", target=cpu.bls, batch=batch)
    return batches


def require_same(found, wanted):
    """The same to the bit, but for who computed it."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        for name in (*RESULTS, "period", "trial_durations", "duration_start", "duration_stop"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert (one.n_used, one.n_dropped, one.n_skipped) == (
            other.n_used,
            other.n_dropped,
            other.n_skipped,
        )
        assert one.light_curve.target == other.light_curve.target
        assert one.light_curve.epoch == other.light_curve.epoch


def singles(light_curves, **options):
    return [arm.search.bls(one, **options) for one in light_curves]


# ------------------------------------------------------------------ what is given


@pytest.mark.parametrize("backend", ["cpu", "twin"])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_many_are_what_each_is_alone_for_any_number_of_threads(
    twin, light_curves, backend, threads
):
    wanted = singles(light_curves, **GRID, backend=backend, threads=1)
    found = arm.search.bls(light_curves, **GRID, backend=backend, threads=threads)
    require_same(found, wanted)
    alone = arm.search.bls(light_curves[0], **GRID, backend=backend, threads=threads)
    assert {one.provenance for one in found} == {alone.provenance}


@pytest.mark.parametrize("backend", ["cpu", "twin"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_period": 1.0, "max_period": 4.0, "oversample": 7},
        {"duration": [0.1, 0.2], "star": arm.Star(0.5, 0.5)},
        {"period": [0.05, 2.7, 3.0], "duration": [0.1, 0.2]},
        {"period": np.linspace(2.0, 5.0, 10)},
    ],
    ids=["own grids", "limits", "star", "skipped pairs", "own durations"],
)
def test_every_argument_holds_for_all(twin, light_curves, backend, options):
    found = arm.search.bls(light_curves, **options, backend=backend)
    require_same(found, singles(light_curves, **options, backend=backend))


def test_any_sequence_of_light_curves_is_many(light_curves):
    wanted = singles(light_curves, **GRID)
    ragged = LightCurves.from_light_curves(light_curves)
    mixed = [light_curves[0], light_curves[1].to_table(), *light_curves[2:]]
    for given in (tuple(light_curves), ragged, mixed):
        require_same(arm.search.bls(given, **GRID), wanted)


def test_no_light_curves_give_no_periodograms():
    for nothing in ([], (), LightCurves.from_light_curves([])):
        assert arm.search.bls(nothing, **GRID) == []
        assert arm.search.bls(nothing) == []


def test_one_light_curve_in_a_list_gives_a_list(light_curves):
    (found,) = arm.search.bls(light_curves[:1], **GRID)
    require_same([found], singles(light_curves[:1], **GRID))


def test_lists_of_numbers_are_the_times_and_fluxes_of_one(light_curves):
    one = light_curves[0]
    found = arm.search.bls(list(one.time), list(one.flux), list(one.flux_err), **GRID)
    assert isinstance(found, arm.search.Periodogram)
    for times in ([1.0, 2.0, 3.0], (1, 2, 3), list(np.arange(3.0))):
        with pytest.raises(ValueError, match="flux is missing"):
            arm.search.bls(times, **GRID)


def test_light_curves_need_no_errors_and_units(light_curves):
    table = Table({"time": np.arange(0.0, 20.0, 0.1), "flux": 5 + np.sin(np.arange(200.0) ** 2)})
    table["flux"].unit = "electron / s"
    found = arm.search.bls([table, light_curves[0]], **GRID)
    assert [one.light_curve.flux_unit for one in found] == ["electron / s", ""]
    assert found[0].flux_err_source != "given" == found[1].flux_err_source


# ------------------------------------------------------------------ what is wrong with one


@pytest.mark.parametrize("backend", ["cpu", "twin"])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            LightCurve([0.0, 1.0], [1.0, 1.0], meta={"target": "TIC 1234"}),
            r"light curve 2 \(TIC 1234\): a search needs at least 3 points",
        ),
        (LightCurve([0.0, 1.0, 2.0], [1.0, 1.1, 1.0]), "light curve 2: period = 6 d is beyond"),
        (np.arange(3.0), "light curve 2: flux is missing"),
        (Table({"x": [1.0], "y": [2.0]}), "light curve 2: .*no time column is recognised"),
        ("no_such_file.fits", "light curve 2: .*no_such_file.fits"),
    ],
    ids=["few points", "short span", "array", "table", "file"],
)
def test_an_error_begins_with_which_one_before_any_is_searched(
    register, light_curves, backend, bad, words
):
    def never(**arguments):
        pytest.fail("a light curve was searched before all were looked at")

    register("twin", target=never, batch=never)
    register("lone", target=never)
    given = [*light_curves[:2], bad, *light_curves[2:4]]
    with pytest.raises(Exception, match=words) as caught:
        arm.search.bls(given, **GRID, backend={"cpu": "lone"}.get(backend, backend))
    assert isinstance(caught.value, (ValueError, OSError))
    with pytest.raises(type(caught.value)):
        arm.search.bls(bad, **GRID)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"period": [-1.0]}, ValueError, "period must be positive"),
        ({"period": [1.0, 2.0], "min_period": 1.0}, ValueError, "period is a whole grid"),
        ({"duration": [np.nan]}, ValueError, "duration must be positive"),
        ({"oversample": 0}, ValueError, "oversample"),
        ({"threads": 0}, ValueError, "threads"),
        ({"star": "sun"}, TypeError, "star"),
        ({"progress": 3}, TypeError, "progress"),
        ({"cache": 3}, TypeError, "cache"),
        ({"backend": "nobody"}, UnknownBackend, "nobody"),
    ],
)
def test_what_is_wrong_for_all_is_not_blamed_on_one(light_curves, options, error, words):
    with pytest.raises(error, match=words) as caught:
        arm.search.bls(light_curves, **options)
    assert "light curve 0" not in str(caught.value)


def test_flux_beside_many_light_curves_is_refused(light_curves):
    with pytest.raises(ValueError, match="time"):
        arm.search.bls(light_curves, light_curves[0].flux, **GRID)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_backend_raises_tells_the_light_curve_and_the_backend(
    register, light_curves, threads
):
    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        if len(time) == 5:
            raise ValueError("too few for me")
        return cpu.bls(time, flux, flux_err, period, duration, duration_start, duration_stop)

    register("picky", target=bls)
    with pytest.raises(ValueError, match=r"^light curve 5 \(few\): too few for me") as caught:
        arm.search.bls(light_curves, **GRID, backend="picky", threads=threads)
    assert "'picky'" in caught.value.__notes__[0]


def test_a_wrong_result_in_a_batch_is_that_of_a_light_curve(register, light_curves):
    def batch(calls):
        results = cpu_batch(calls)
        results[3]["depth"] = results[3]["depth"][1:]
        return results

    register("sloppy", target=cpu.bls, batch=batch)
    words = r"light curve 3 \(star 3\): .*'sloppy'.* returned 'depth' as float64 of shape \(49,\)"
    with pytest.raises(ContractError, match=words):
        arm.search.bls(light_curves, **GRID, backend="sloppy")


# ------------------------------------------------------------------ a batch


def test_a_batch_function_is_called_once_with_all_in_order(twin, light_curves):
    arm.search.bls(light_curves, **GRID, backend="twin")
    (calls,) = twin
    assert [len(call["time"]) for call in calls] == list(map(len, light_curves))
    for call in calls:
        assert call["time"][0] == 0.0
        assert not any(array.flags.writeable for array in call.values())


def test_light_curves_that_share_a_grid_share_its_arrays(twin, light_curves):
    same_span = [light_curves[0], light_curves[0], light_curves[1]]
    for options, n_grids in ((GRID, 1), ({}, 2), ({"duration": 0.1}, 2)):
        twin.clear()
        arm.search.bls(same_span, **options, backend="twin")
        (calls,) = twin
        for name in ("period", "duration_start", "duration_stop"):
            assert len({id(call[name]) for call in calls}) == n_grids, name


# ------------------------------------------------------------------ side by side


def test_light_curves_are_side_by_side_where_there_are_as_many_as_threads(register, light_curves):
    seen = []
    meeting = threading.Barrier(3, timeout=10)

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop, threads):
        seen.append(threads)
        meeting.wait()
        return cpu.bls(time, flux, flux_err, period, duration, duration_start, duration_stop)

    register("meeting", target=bls)
    arm.search.bls(light_curves[:3], **GRID, backend="meeting", threads=3)
    assert seen == [1, 1, 1]
    seen.clear()
    arm.search.bls(light_curves[:3], **GRID, backend="meeting", threads=7)
    assert seen == [2, 2, 2]


# ------------------------------------------------------------------ what the kit finds


def of_another_order(calls):
    return cpu_batch(calls)[::-1]


def on_the_grid_of_the_first(calls):
    names = ("period", "duration", "duration_start", "duration_stop")
    return cpu_batch([{**call, **{name: calls[0][name] for name in names}} for call in calls])


def without_the_last_point(calls):
    return cpu_batch([{**c, **{n: c[n][:-1] for n in ("time", "flux", "flux_err")}} for c in calls])


def by_the_number_of_threads(calls, threads):
    results = cpu_batch(calls)
    for result in results:
        result["depth"] *= 1.0 + 1e-12 * threads
    return results


@pytest.mark.parametrize(
    ("batch", "found_by"),
    [
        (cpu_batch, []),
        (of_another_order, ["many_light_curves"]),
        (on_the_grid_of_the_first, ["many_light_curves_on_grids_of_their_own"]),
        (without_the_last_point, ["many_light_curves"]),
        (by_the_number_of_threads, ["threads_of_many_light_curves"]),
        (of_another_order, ["options_of_the_batch_function"]),
    ],
)
def test_the_kit_finds_a_batch_function_that_is_wrong(register, batch, found_by):
    register("twin", target=cpu.bls, batch=batch)
    wrong = [check.name for check in checks("search.bls") if not run_check(check, "twin").good]
    assert set(found_by) <= set(wrong)
    assert found_by or not wrong


# ------------------------------------------------------------------ progress and Ctrl-C


@pytest.mark.parametrize("backend", ["cpu", "twin"])
@pytest.mark.parametrize("threads", [1, 2])
def test_progress_rises_to_the_periods_of_all(twin, light_curves, backend, threads):
    seen, told_in = [], set()

    def progress(done, total):
        seen.append((done, total))
        told_in.add(threading.get_ident())

    found = arm.search.bls(light_curves, backend=backend, threads=threads, progress=progress)
    total = sum(len(one.period) for one in found)
    assert seen[-1] == (total, total)
    assert {t for _, t in seen} == {total}
    done = [d for d, _ in seen]
    assert done == sorted(done) and len(set(done)) == len(done)
    assert told_in == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_callback_that_raises_cancels_the_rest(register, light_curves, threads):
    searched = []

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        searched.append(len(time))
        clock.sleep(0.15)  # longer than callbacks are apart
        return cpu.bls(time, flux, flux_err, period, duration, duration_start, duration_stop)

    def enough(done, total):
        raise ZeroDivisionError("enough")

    register("slow", target=bls)
    many = light_curves * 4
    with pytest.raises(ZeroDivisionError, match="enough"):
        arm.search.bls(many, **GRID, backend="slow", threads=threads, progress=enough)
    assert len(searched) < len(many)
    assert not any(t.name.startswith("armillary-pool") for t in threading.enumerate())


def test_what_a_callback_raises_is_no_fault_of_a_light_curve(light_curves):
    def enough(done, total):
        raise ValueError("enough")

    for threads in (1, 2):
        with pytest.raises(ValueError, match=r"^enough$"):
            arm.search.bls(light_curves, **GRID, threads=threads, progress=enough)


SCRIPT = """
import sys, numpy as np, armillary as arm
time = np.arange(0, 1400.0, 0.02)
flux = 1 + 1e-3 * np.sin(time**2)
many = [arm.io.LightCurve(time, flux + 1e-9 * i) for i in range(40)]
print("searching", flush=True)
try:
    arm.search.bls(many, threads=int(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_it(threads):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(threads)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "searching\n"
            clock.sleep(1.0)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (said, process.returncode) == ("interrupted\n", 0)
