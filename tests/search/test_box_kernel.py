"""The compiled box search against its definition in NumPy (search/box/reference.py)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.runtime import cpu as variants
from armillary.search.box import cpu, kernel, reference
from armillary.search.grid.api import durations_by_period, period_grid

pytestmark = pytest.mark.kernel

#: What a chosen box may lack of the best one: prefix sums round.
TIGHT = 1e-9


def light_curve(seed, *, points=400, span=40.0, gap=None, uneven=True):
    """White noise with uneven sampling and errors, time relative to the first point."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.0, span, points))
    if gap is not None:
        time[points // 2 :] += gap
    flux_err = 10 ** rng.uniform(-4, -2, points) if uneven else np.full(points, 1e-3)
    flux = 1.0 + flux_err * rng.standard_normal(points)
    return time - time[0], flux, flux_err


def arguments(time, flux, flux_err, period, duration):
    """The canonical arguments, with every duration shorter than its period."""
    period, duration = np.atleast_1d(period), np.unique(duration)
    stop = np.searchsorted(duration, period, side="left")
    start = np.zeros(len(period), np.intp)
    return time, flux, flux_err, period, duration, start, stop


def assert_same_boxes(given_, oversample=10):
    """The kernel's boxes are the reference's, or others that are as good to rounding."""
    found = cpu.bls(*given_, oversample=oversample)
    wanted = reference.bls(*given_, oversample=oversample)
    np.testing.assert_allclose(found["delta_chi2"], wanted["delta_chi2"], rtol=TIGHT, atol=1e-12)
    assert np.array_equal(np.isnan(found["depth"]), np.isnan(wanted["depth"]))
    same_box = (found["t0"] == wanted["t0"]) & (found["duration"] == wanted["duration"])
    for name in ("depth", "depth_err", "level"):
        np.testing.assert_allclose(found[name][same_box], wanted[name][same_box], rtol=1e-7)
    # Boxes that hold the same points have the same score up to rounding: any will do.
    for i in np.flatnonzero(~same_box & np.isfinite(wanted["t0"])):
        score = reference_score(given_, i, found["t0"][i], found["duration"][i], oversample)
        assert score >= wanted["delta_chi2"][i] * (1 - TIGHT)


def reference_score(given_, i, t0, duration, oversample):
    """delta_chi2 that the definition gives to the box at t0."""
    time, flux, flux_err, periods, durations, start, _ = given_
    period, shortest = periods[i], durations[start[i]]
    weight = flux_err**-2.0
    total = weight.sum()
    signal = weight * (flux - (weight * flux).sum() / total)
    width = shortest / (oversample * reference.CELLS_PER_BIN)
    n = int(np.floor(duration * oversample / shortest + 0.5))
    n = min(n, int(period / width) // reference.CELLS_PER_BIN)
    weight_in, signal_in = reference.boxes(time, weight, signal, period, width, n)
    cells = (np.arange(len(weight_in)) + 0.5 * n) * reference.CELLS_PER_BIN - reference.OFFSET
    distance = (cells * width - t0) / period
    b = np.argmin(np.abs(distance - np.rint(distance)))
    return signal_in[b] ** 2 * total / (weight_in[b] * (total - weight_in[b]))


@pytest.fixture(params=["rows", "points"])
def fold(request, monkeypatch):
    """Both ways to fold, whatever the data would choose."""
    rows = request.param == "rows"
    monkeypatch.setattr(cpu, "POINT_COST", 10**9 if rows else 0)
    return request.param


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    points=st.integers(3, 300),
    span=st.floats(0.5, 200.0),
    shortest=st.floats(0.01, 0.5),
    oversample=st.sampled_from([1, 2, 5, 10]),
)
@pytest.mark.parametrize("by_rows", [True, False])
def test_picks_the_box_of_the_reference(by_rows, seed, points, span, shortest, oversample):
    time, flux, flux_err = light_curve(seed, points=points, span=span)
    period = np.geomspace(0.02 * span, span, 7)
    duration = shortest * 0.02 * span * np.array([1.0, 1.9, 4.3])
    given_ = arguments(time, flux, flux_err, period, duration)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "POINT_COST", 10**9 if by_rows else 0)
        assert_same_boxes(given_, oversample)


def test_gaps_of_hundreds_of_days(fold):
    time, flux, flux_err = light_curve(3, points=500, span=30.0, gap=400.0)
    period = np.array([0.7, 3.3, 11.0, 29.0, 130.0, 420.0])
    given_ = arguments(time, flux, flux_err, period, [0.05, 0.2])
    assert_same_boxes(given_)


def test_many_segments_and_a_row_that_spans_several(fold):
    rng = np.random.default_rng(8)
    time = np.sort(np.concatenate([start + rng.uniform(0, 0.3, 20) for start in range(0, 60, 2)]))
    flux_err = np.full(len(time), 1e-3)
    flux = 1 + flux_err * rng.standard_normal(len(time))
    given_ = arguments(time - time[0], flux, flux_err, [0.31, 1.7, 5.0, 17.3, 50.0], [0.03, 0.1])
    assert_same_boxes(given_)


def test_period_on_the_edge_of_a_cell(fold):
    # P / c is a half-integer: cycle starts fall exactly between two cells.
    time, flux, flux_err = light_curve(5, points=300, span=20.0)
    cell = 0.1 / 40
    given_ = arguments(time, flux, flux_err, cell * np.array([400.5, 401.0, 1000.5]), [0.1])
    assert_same_boxes(given_)


def test_physical_durations_by_period(fold):
    time, flux, flux_err = light_curve(6, points=600, span=50.0)
    period = np.ascontiguousarray(period_grid(50.0)[::40])
    duration, start, stop = durations_by_period(period)
    given_ = (time, flux, flux_err, period, duration, start, stop)
    assert_same_boxes(given_)


def test_durations_close_to_the_period(fold):
    time, flux, flux_err = light_curve(7, points=200, span=20.0)
    given_ = arguments(time, flux, flux_err, [1.0, 1.3], [0.3, 0.6, 0.99])
    assert_same_boxes(given_)


def test_a_brightening_is_no_transit(fold):
    time = np.linspace(0.0, 20.0, 2000)
    flux = np.where(np.abs((time - 1.0) % 4.0 - 2.0) > 1.9, 1.01, 1.0)
    given_ = arguments(time, flux, np.full(2000, 1e-3), [4.0], [0.2])
    found = cpu.bls(*given_)
    # Outside the bumps the flux lies below the mean: a shallow dimming, never a negative depth.
    assert found["depth"][0] > 0
    assert found["depth"][0] < 2e-3


def test_a_constant_flux_has_no_dimming(fold):
    time = np.linspace(0.0, 20.0, 512)
    given_ = arguments(time, np.ones(512), np.full(512, 2.0**-10), [4.0, 7.0], [0.2])
    found = cpu.bls(*given_)
    assert np.all(found["delta_chi2"] == 0)
    for name in ("depth", "depth_err", "t0", "duration", "level"):
        assert np.isnan(found[name]).all()


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_change_no_bit(threads, monkeypatch):
    monkeypatch.setattr(cpu, "MIN_PARALLEL_WORK", 0)
    monkeypatch.setattr(cpu, "BLOCK_WORK", 20_000)
    time, flux, flux_err = light_curve(9, points=1000)
    given_ = arguments(time, flux, flux_err, np.linspace(0.5, 20.0, 300), [0.05, 0.1])
    alone = cpu.bls(*given_, threads=1)
    together = cpu.bls(*given_, threads=threads)
    for name, array in alone.items():
        np.testing.assert_array_equal(array, together[name], err_msg=name)


def test_a_period_gives_the_same_bits_alone_and_in_any_order():
    time, flux, flux_err = light_curve(10, points=800, span=60.0)
    period = np.random.default_rng(1).permutation(period_grid(60.0)[::25])
    duration, start, stop = durations_by_period(period)
    together = cpu.bls(time, flux, flux_err, period, duration, start, stop)
    for i in range(0, len(period), 7):
        one = durations_by_period(period[i : i + 1])
        alone = cpu.bls(time, flux, flux_err, period[i : i + 1], *one)
        for name, array in together.items():
            np.testing.assert_array_equal(array[i], alone[name][0], err_msg=name)


@pytest.mark.parametrize("by_rows", [True, False])
def test_every_variant_gives_the_same_bits(by_rows, monkeypatch):
    monkeypatch.setattr(cpu, "POINT_COST", 10**9 if by_rows else 0)
    time, flux, flux_err = light_curve(11, points=3000, span=27.0)
    given_ = arguments(time, flux, flux_err, np.linspace(0.4, 13.0, 200), [0.04, 0.09, 0.2])
    results = {}
    for name in variants.VARIANTS:
        if name not in variants.built_variants() or not variants._runs_here(name):
            continue
        module = variants.kernel_module(cpu.__package__, name)
        monkeypatch.setattr(cpu, "load_kernel", lambda package, module=module: module)
        results[name] = cpu.bls(*given_)
    assert "baseline" in results
    for name, result in results.items():
        for field, array in result.items():
            np.testing.assert_array_equal(
                array, results["baseline"][field], err_msg=f"{name} {field}"
            )


def test_reference_and_kernel_agree_on_the_cells_of_a_bin():
    assert kernel.CELLS_PER_BIN == reference.CELLS_PER_BIN


def test_folding_reads_every_point_once():
    """A box as long as the period would hold the whole weight; nothing is lost at edges."""
    time, _, flux_err = light_curve(12, points=500, span=33.0, gap=50.0)
    weight = flux_err**-2.0
    for period in (0.9, 7.7, 31.0):
        width = 0.05 / 40
        starts = int(np.ceil(period / width / reference.CELLS_PER_BIN))
        # Non-overlapping boxes of one bin; the last start may reach past the period.
        weight_in, _ = reference.boxes(time, weight, weight, period, width, 1)
        assert len(weight_in) == starts
        assert weight_in[:-1].sum() <= weight.sum() * (1 + 1e-12)
        assert weight_in.sum() >= weight.sum() * (1 - 1e-12)


def test_more_cells_than_can_be_counted_are_refused():
    time = np.concatenate([np.linspace(0.0, 27.0, 50), np.linspace(5473.0, 5500.0, 50)])
    given_ = arguments(time, np.ones(100), np.ones(100), [0.05], [0.001])
    with pytest.raises(ValueError, match=r"cells, more than .*; raise the shortest duration"):
        cpu.bls(*given_, oversample=100)


def test_a_fold_beyond_memory_is_refused():
    with pytest.raises(ValueError, match=r"folded into 5e[+]08 bins, more than 5,000,000"):
        arm.search.bls(np.arange(100.0), np.arange(100) % 7, 1.0, period=50.0, duration=1e-6)


def test_float_denormals_survive_the_import():
    assert 5e-324 != 0.0
    assert np.float64(5e-324) * 1.0 != 0.0
