"""The result of a box search: its derived quantities, peaks, files and pictures."""

import pickle
import signal
import subprocess
import sys
import threading
import time as clock

import numpy as np
import pytest
from astropy import units as u
from hypothesis import example, given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.io import LightCurve
from armillary.plugins.errors import BackendUnavailable
from armillary.search.box.refine import UnbinnedSearch
from armillary.search.box.result import EDGE
from armillary.search.box.statistics import TREND_WINDOW, signal_detection_efficiency
from armillary.testing import simulated_light_curve
from armillary.testing.oracle import highest_delta_chi2

pytestmark = pytest.mark.kernel


def transits(*, period=3.2, t0=1.0, duration=0.16, depth=4e-3, points=3000, span=40.0, seed=0,
             epoch=2457000.0):  # fmt: skip
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.0, span, points))
    time -= time[0]
    flux_err = rng.uniform(0.5, 2.0, points) * 1e-3
    flux = 2.0 + flux_err * rng.standard_normal(points)
    flux[np.abs((time - t0 + period / 2) % period - period / 2) < duration / 2] -= 2.0 * depth
    return time + epoch, flux, flux_err


@pytest.fixture(scope="module")
def periodogram():
    return arm.search.bls(*transits(), min_period=1.0)


def brute_force(time, flux, flux_err, period, durations, steps=4000):
    """The best delta_chi2 over a dense scan of t0."""
    weight = flux_err**-2.0
    best = 0.0
    for duration in durations:
        for t0 in np.linspace(0.0, period, steps, endpoint=False):
            inside = np.abs((time - t0 + period / 2) % period - period / 2) <= duration / 2
            if not inside.any() or inside.all():
                continue
            depth = np.average(flux[~inside], weights=weight[~inside])
            depth -= np.average(flux[inside], weights=weight[inside])
            if depth > 0:
                weight_in, weight_out = weight[inside].sum(), weight[~inside].sum()
                best = max(best, depth**2 * weight_in * weight_out / (weight_in + weight_out))
    return best


class TestBest:
    def test_recovers_the_injected_transit(self, periodogram):
        best = periodogram.best
        assert best.period == pytest.approx(3.2, rel=1e-3)
        cycles = (best.t0 - 2457001.0) / 3.2
        assert abs(cycles - round(cycles)) * 3.2 < 0.02
        assert best.duration == pytest.approx(0.16, rel=0.12)
        assert best.relative_depth == pytest.approx(4e-3, rel=0.05)
        assert best.level == pytest.approx(2.0, rel=1e-3)
        assert best.depth == pytest.approx(best.relative_depth * best.level)
        assert best.n_transits == 13
        assert best.sde > 10

    def test_t0_is_the_first_mid_transit_at_or_after_the_first_time(self, periodogram):
        first = periodogram.light_curve.epoch
        assert first <= periodogram.best.t0 < first + periodogram.best.period
        assert np.all((periodogram.t0 >= first) & (periodogram.t0 < first + periodogram.period))

    def test_refinement_finds_the_brute_force_maximum(self):
        time, flux, flux_err = transits(points=150, span=12.0, epoch=0.0)
        durations = np.array([0.1, 0.16, 0.25])
        box = UnbinnedSearch(time, flux, flux_err).best_box(3.2, durations)
        assert box.score >= brute_force(time, flux, flux_err, 3.2, durations) * (1 - 1e-9)
        # What it says of the box is what the box holds.
        inside = np.abs((time - box.t0 + 1.6) % 3.2 - 1.6) <= box.duration / 2 * (1 + 1e-9)
        assert box.weight_in == pytest.approx((flux_err[inside] ** -2.0).sum())

    @settings(max_examples=40)
    @given(
        seed=st.integers(0, 2**32 - 1),
        points=st.integers(5, 150),
        cadence=st.sampled_from([None, 0.02, 1.0 / 48.0]),
        longest=st.floats(0.2, 0.9),
    )
    @example(seed=715, points=12, cadence=0.02, longest=0.875).via("a point on phase zero")
    def test_a_refined_peak_is_the_box_it_says_it_is(self, seed, points, cadence, longest):
        """Neither more nor less than the fit to the points in transit, even sampling included."""
        rng = np.random.default_rng(seed)
        even = np.arange(points) * (cadence or 1.0)
        time = even if cadence else np.sort(rng.uniform(0.0, 12.0, points))
        time = time - time[0]
        flux_err = rng.uniform(0.5, 2.0, points)
        flux = 10.0 + flux_err * rng.standard_normal(points)
        period = time[-1] * np.linspace(0.3, 0.95, 7)
        duration = longest * period[0] * np.array([0.3, 1.0])
        found = arm.search.bls(time, flux, flux_err, period=period, duration=duration)
        for peak in found.peaks(3):
            inside = peak.in_transit(time)
            assert np.count_nonzero(inside) == peak.n_points
            weight = flux_err**-2.0
            fitted = np.average(flux[~inside], weights=weight[~inside])
            fitted -= np.average(flux[inside], weights=weight[inside])
            assert fitted == pytest.approx(peak.depth, rel=1e-9)
            tried = [*duration, *(duration + 2 * EDGE)]  # closed up to rounding at both ends
            highest = highest_delta_chi2(time, flux, flux_err, peak.period, tried)
            assert peak.delta_chi2 <= highest * (1 + 1e-9)

    def test_points_on_one_phase_are_not_parted(self):
        # Points 1 and 3 share a phase of period 2, and no box holds one without the other.
        found = arm.search.bls([0, 1, 3], [10, 10, 5], [1, 1, 1], period=2.0, duration=1.0)
        assert found.best.n_points == 2
        assert found.best.depth == pytest.approx(2.5)
        assert found.best.delta_chi2 == pytest.approx(found.delta_chi2[0])

    def test_refinement_never_loses(self, periodogram):
        for peak in periodogram.peaks(5):
            nearest = np.argmin(np.abs(periodogram.period - peak.period))
            assert peak.delta_chi2 >= periodogram.delta_chi2[nearest] * (1 - 1e-9)

    def test_peaks_are_separate_and_sorted(self, periodogram):
        peaks = periodogram.peaks(6)
        heights = [peak.delta_chi2 for peak in peaks]
        assert heights == sorted(heights, reverse=True)
        assert peaks[0] == periodogram.best
        frequency = np.sort([1 / peak.period for peak in peaks])
        assert np.all(np.diff(frequency) * periodogram.light_curve.span > 0.9)
        assert any(peak.period == pytest.approx(6.4, rel=5e-3) for peak in peaks)

    @pytest.mark.parametrize("seed", [3, 163, 169])
    def test_refinement_does_not_make_one_peak_of_two_maxima_twice(self, seed):
        star = simulated_light_curve(
            seed, span=20, cadence=0.02, period=3.3, t0=1.0, duration=0.2, snr=12
        )
        grid = arm.search.period_grid(20.0, min_period=1.5, max_period=9, frequency_oversample=2)
        found = arm.search.bls(
            star.time, star.flux, star.flux_err, period=grid, duration=[0.16, 0.2, 0.25]
        )
        frequency = np.sort([1 / peak.period for peak in found.peaks(5)])
        assert len(frequency) == 5
        assert np.all(np.diff(frequency) * found.light_curve.span >= 1.0)

    @pytest.mark.parametrize("oversample", [1, 3, 10])
    def test_best_is_the_first_of_any_number_of_peaks(self, oversample):
        found = arm.search.bls(*transits(depth=5e-4), min_period=1.0, oversample=oversample)
        assert found.best == found.peaks(5)[0]
        assert found.best == found.peaks(2)[0]

    def test_a_flux_about_zero_has_no_relative_depth(self):
        flux = [0, 0, 0, -1] * 4
        found = arm.search.bls(np.arange(16.0), flux, 1.0, period=4.0, duration=1.0)
        assert found.best.depth == pytest.approx(1.0)
        assert np.isnan(found.best.relative_depth)
        assert np.isnan(found.relative_depth[0])
        assert "depth 1, " in repr(found)

    def test_marks_the_points_in_transit(self, periodogram):
        time = transits()[0]
        inside = periodogram.best.in_transit(time)
        assert np.count_nonzero(inside) == periodogram.best.n_points
        offset = periodogram.best.offset(time)
        assert np.all(np.abs(offset) <= periodogram.best.period / 2)
        half = periodogram.best.duration / 2
        np.testing.assert_array_equal(inside, np.abs(offset) <= half + EDGE)

    def test_k_must_be_positive(self, periodogram):
        with pytest.raises(ValueError, match="k must be at least 1, not 0"):
            periodogram.peaks(0)

    def test_nothing_to_find_is_said(self):
        time = np.linspace(0.0, 30.0, 512)
        flat = arm.search.bls(time, np.ones(512), np.full(512, 2.0**-10), period=[3.0, 5.0])
        assert np.all(flat.delta_chi2 == 0)
        assert np.isnan(flat.depth).all()
        assert flat.peaks(3) == []
        assert "no dimming at any period" in repr(flat)
        with pytest.raises(ValueError, match="no period of the grid has a dimming"):
            _ = flat.best


class TestStatistics:
    def test_identities(self, periodogram):
        np.testing.assert_allclose(
            periodogram.delta_chi2, (periodogram.depth / periodogram.depth_err) ** 2, rtol=1e-9
        )
        np.testing.assert_array_equal(periodogram.snr, np.sqrt(periodogram.delta_chi2))
        np.testing.assert_array_equal(
            periodogram.relative_depth, periodogram.depth / periodogram.level
        )

    def test_sde_of_a_short_grid_is_the_raw_definition(self):
        rng = np.random.default_rng(1)
        delta_chi2 = rng.chisquare(3, 100)
        residue = (1000 - delta_chi2.max()) / (1000 - delta_chi2)
        found = signal_detection_efficiency(np.linspace(1, 2, 100), delta_chi2, 1000.0)
        np.testing.assert_allclose(found, (residue - residue.mean()) / residue.std())

    def test_sde_of_a_long_grid_forgets_a_slow_trend(self):
        rng = np.random.default_rng(2)
        n = 20 * TREND_WINDOW
        period = np.linspace(1.0, 10.0, n)
        noise = rng.chisquare(3, n)
        noise[700] += 60.0
        level = signal_detection_efficiency(period, noise, 5000.0)
        sloped = signal_detection_efficiency(period, noise + 40 * period, 5000.0)
        assert np.argmax(level) == np.argmax(sloped) == 700
        assert sloped[700] == pytest.approx(level[700], rel=0.05)

    def test_sde_does_not_depend_on_the_order_of_periods(self, periodogram):
        order = np.random.default_rng(3).permutation(len(periodogram.period))
        shuffled = signal_detection_efficiency(
            periodogram.period[order],
            periodogram.delta_chi2[order],
            periodogram._unbinned.chi2_constant,
        )
        np.testing.assert_allclose(shuffled, periodogram.sde[order])


class TestTableAndFiles:
    def test_table_has_units_and_provenance(self, periodogram):
        table = periodogram.to_table()
        assert table["period"].unit == table["duration"].unit == u.day
        np.testing.assert_array_equal(table["snr"], periodogram.snr)
        assert table.meta["provenance"]["backend"] == "cpu"
        assert table.meta["n_used"] == 3000

    def test_a_unit_that_astropy_does_not_know_is_kept_in_words(self):
        time, flux, flux_err = transits(points=300)
        light_curve = LightCurve.from_arrays(time, flux, flux_err, flux_unit="normalized")
        table = arm.search.bls(light_curve, period=[3.2], duration=0.16).to_table()
        assert table["depth"].unit == u.dimensionless_unscaled
        assert table.meta["flux_unit"] == "normalized"

    def test_round_trip_through_a_file(self, periodogram, tmp_path):
        path = tmp_path / "star.npz"
        periodogram.save(path)
        assert_equal_results(arm.search.Periodogram.load(path), periodogram)
        assert [p.name for p in tmp_path.iterdir()] == ["star.npz"]

    def test_round_trip_through_pickle(self, periodogram):
        _ = periodogram.best, periodogram.sde
        assert_equal_results(pickle.loads(pickle.dumps(periodogram)), periodogram)

    def test_a_failed_save_leaves_the_old_file(self, periodogram, tmp_path, monkeypatch):
        path = tmp_path / "star.npz"
        path.write_bytes(b"precious")

        def fail(*args, **kwargs):
            raise OSError("the disk is full")

        monkeypatch.setattr(np, "savez", fail)
        with pytest.raises(OSError, match="the disk is full"):
            periodogram.save(path)
        assert path.read_bytes() == b"precious"
        assert [p.name for p in tmp_path.iterdir()] == ["star.npz"]

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 truncated"])
    def test_a_foreign_file_is_refused(self, tmp_path, content):
        path = tmp_path / "foreign.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"foreign\.npz holds no periodogram"):
            arm.search.Periodogram.load(path)

    def test_another_archive_is_refused(self, tmp_path):
        np.savez(tmp_path / "other.npz", x=np.ones(3))
        with pytest.raises(ValueError, match=r"other\.npz holds no periodogram"):
            arm.search.Periodogram.load(tmp_path / "other.npz")

    def test_repr_tells_what_matters(self, periodogram):
        text = repr(periodogram)
        for part in ("3,000 points", "period 3.", "S/N", "SDE", "13 transits", "by 'cpu'"):
            assert part in text

    def test_is_frozen(self, periodogram):
        with pytest.raises(AttributeError):
            periodogram.period = np.ones(3)


def assert_equal_results(one, other):
    for name in ("period", "delta_chi2", "depth", "depth_err", "t0", "duration", "level"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.provenance == other.provenance
    assert one.n_skipped == other.n_skipped
    assert one.best == other.best


class TestRunning:
    def test_provenance_tells_who_and_why(self, periodogram):
        provenance = periodogram.provenance
        assert (provenance.operation, provenance.backend) == ("search.bls", "cpu")
        assert provenance.chosen_by == "default"
        assert provenance.version == arm.__version__

    def test_the_choice_holds_in_worker_threads(self):
        data = transits(points=300)
        with arm.use_backend("reference", "search.bls"):
            found = arm.search.bls(*data, period=[3.1, 3.2], duration=0.16, threads=2)
        assert found.provenance.backend == "reference"
        seen = []
        worker = threading.Thread(
            target=lambda: seen.append(arm.search.bls(*data, period=[3.2], duration=0.16))
        )
        with arm.use_backend("reference"):
            worker.start()
            worker.join()
        # A new thread starts without the block of the thread that made it.
        assert seen[0].provenance.backend == "cpu"

    def test_an_unknown_backend_is_named(self):
        with pytest.raises(BackendUnavailable, match="no backend 'cup' is registered"):
            arm.search.bls(*transits(points=100), backend="cup")

    def test_progress_grows_to_the_end(self):
        calls = []
        found = arm.search.bls(
            *transits(), min_period=1.0, progress=lambda done, total: calls.append((done, total))
        )
        done = [d for d, _ in calls]
        assert done == sorted(done)
        assert calls[-1] == (len(found.period), len(found.period))

    @pytest.mark.parametrize("threads", [1, 2])
    def test_an_error_in_the_callback_stops_the_search(self, threads):
        def refuse(done, total):
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            arm.search.bls(*transits(), min_period=1.0, progress=refuse, threads=threads)

    @pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
    def test_an_interrupt_ends_a_long_search(self):
        code = (
            "import numpy as np, armillary as arm\n"
            "t = np.sort(np.random.default_rng(1).uniform(0, 1000, 60000))\n"
            "y = 1 + 1e-3 * np.random.default_rng(2).standard_normal(60000)\n"
            "seen = []\n"
            "def report(done, total):\n"
            "    if not seen: print('started', flush=True); seen.append(1)\n"
            "try:\n"
            "    arm.search.bls(t, y, 1e-3, min_period=0.5, threads=2, progress=report)\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted', flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout.readline() == "started\n"
            clock.sleep(0.2)
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=30)
        assert out == "interrupted\n"
