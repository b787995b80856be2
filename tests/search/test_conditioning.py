"""Stitching keeps segments apart and on one level; detrending removes trends, not transits."""

import logging
import sys
import threading
import types

import numpy as np
import pytest
from astropy import units as u

from armillary.io import LightCurve, read_light_curve
from armillary.search.conditioning import detrend, stitch

LOGGER = "armillary.search.conditioning.api"


def segment(start, level=1.0, n=50, flux_err=True, seed=0, **meta):
    time = start + np.arange(n) * 0.02
    flux = level * np.random.default_rng(seed).normal(1.0, 1e-3, n)
    return LightCurve(time, flux, np.full(n, level * 1e-3) if flux_err else None, meta=meta)


class TestStitch:
    def test_every_segment_has_median_1_and_relative_errors_stay(self):
        joined = stitch([segment(0, 10.0), segment(100, 2e4), segment(200, 3e-15)])
        for number in range(3):
            assert np.median(joined.flux[joined.segment == number]) == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(joined.flux_err / joined.flux, 1e-3, rtol=0.01)
        assert joined.meta["relative"] is True and joined.meta["flux_unit"] is None

    def test_times_are_kept_sorted_and_segments_numbered_in_time(self):
        parts = [segment(100, sector=2), segment(0, sector=1), segment(300, sector=None)]
        joined = stitch(parts)
        assert np.array_equal(joined.time, np.sort(np.concatenate([p.time for p in parts])))
        assert np.array_equal(joined.segment, np.repeat([0, 1, 2], 50))
        assert joined.meta["sectors"] == (1, 2, None) and joined.meta["sector"] is None

    def test_the_order_of_input_does_not_matter(self):
        a, b, c = segment(0, 5.0, seed=1), segment(50, 7.0, seed=2), segment(90, 2.0, seed=3)
        first, second = stitch([a, b, c]), stitch([c, a, b])
        for name in ("time", "flux", "flux_err", "segment"):
            assert np.array_equal(getattr(first, name), getattr(second, name))

    def test_in_two_steps_or_one_is_the_same(self):
        a, b, c = (segment(s, sector=s // 100, source=f"f{s}") for s in (0, 100, 200))
        once, twice = stitch([a, b, c]), stitch([c, stitch([b, a])])
        np.testing.assert_allclose(once.flux, twice.flux, rtol=1e-15)
        assert np.array_equal(once.segment, twice.segment)
        for key in ("sectors", "sources", "n_read"):
            assert once.meta[key] == twice.meta[key]

    def test_meta_is_merged_and_counts_are_summed(self):
        a = segment(0, target="TIC 1", mission="TESS", n_read=60, n_flagged=10)
        b = segment(9, target="TIC 1", mission="Kepler", n_read=55, n_invalid=5)
        meta = stitch([a, b]).meta
        assert (meta["target"], meta["mission"]) == ("TIC 1", None)
        assert (meta["n_read"], meta["n_flagged"], meta["n_invalid"]) == (115, 10, 5)

    def test_one_light_curve_is_normalised(self):
        assert np.median(stitch([segment(0, 7.0)]).flux) == pytest.approx(1)

    @pytest.mark.parametrize("key", ["time_system", "time_scale"])
    def test_different_times_are_refused_and_unknown_ones_logged(self, key, caplog):
        with pytest.raises(ValueError, match=f"different {key} .*0: a, light curve 1: b"):
            stitch([segment(0, **{key: "a"}), segment(9, **{key: "b"})])
        with caplog.at_level(logging.WARNING, LOGGER):
            assert stitch([segment(0, **{key: "a"}), segment(9)]).meta[key] == "a"
        assert f"light curve 1 {key} not stated" in caplog.text

    def test_some_with_errors_and_some_without_are_refused(self):
        parts = [segment(0), segment(9, flux_err=False, source="b.csv")]
        with pytest.raises(ValueError, match=r"have errors, but not light curve 1 \(b.csv\)"):
            stitch(parts)
        assert stitch([segment(0, flux_err=False)] * 2).flux_err is None

    @pytest.mark.parametrize("level", [0.0, -1.0])
    def test_a_median_that_is_not_positive_names_the_segment(self, level):
        with pytest.raises(ValueError, match=r"light curve 1 \(x\) .* not positive"):
            stitch(
                [
                    segment(0, flux_err=False),
                    segment(9, level, flux_err=False, source="x"),
                ]
            )

    def test_different_targets_are_warned_of(self):
        with pytest.warns(UserWarning, match="different targets are joined: a, b"):
            joined = stitch([segment(0, target="a"), segment(9, target="b")])
        assert joined.meta["target"] is None

    def test_overlaps_are_allowed_and_logged(self, caplog):
        with caplog.at_level(logging.WARNING, LOGGER):
            joined = stitch([segment(0), segment(0.5)])
        assert "light curve 1 overlaps in time with light curve 0" in caplog.text
        assert np.all(np.diff(joined.time) >= 0) and np.bincount(joined.segment).tolist() == [
            50,
            50,
        ]

    @pytest.mark.parametrize(
        ("thing", "error", "sentence"),
        [
            ([], ValueError, "at least one"),
            ([LightCurve([], [])], ValueError, "has no points"),
            (segment(0), TypeError, "takes a list"),
            ("star.fits", TypeError, "takes a list"),
            (3, TypeError, "takes a list"),
        ],
    )
    def test_what_is_no_list_of_light_curves(self, thing, error, sentence):
        with pytest.raises(error, match=sentence):
            stitch(thing)


# A duration that puts no edge of a transit or mask on a point of the time grid below.
PERIOD, T0, DURATION, DEPTH = 3.0, 1.0, 0.205, 0.01
TRANSITS = (PERIOD, T0, DURATION)


def star(level=1.0, noise=1e-4, depth=DEPTH, seed=1):
    """Twenty days of a slowly varying star with a planet."""
    time = np.arange(0, 20, 0.01)
    trend = level * (1 + 0.02 * np.sin(time / 5))
    in_transit = np.abs((time - T0 + PERIOD / 2) % PERIOD - PERIOD / 2) < DURATION / 2
    flux = trend * (1 - depth * in_transit)
    flux += level * np.random.default_rng(seed).normal(0, noise, time.size)
    return LightCurve(time, flux, np.full(time.size, level * noise)), trend, in_transit


@pytest.fixture(scope="module")
def _wotan():
    pytest.importorskip("wotan")


@pytest.mark.usefixtures("_wotan")
class TestDetrend:
    @pytest.mark.parametrize("level", [1.0, 2e4, 3e-15])
    def test_the_trend_is_found_at_any_flux_scale(self, level):
        lc, truth, _ = star(level)
        flat, trend = detrend(lc, window=1.0, mask=TRANSITS, return_trend=True)
        inner = (lc.time > 0.5) & (lc.time < 19.5)
        np.testing.assert_allclose(trend.flux[inner], truth[inner], rtol=2e-3)
        np.testing.assert_allclose(flat.flux * trend.flux, lc.flux, rtol=1e-12)
        np.testing.assert_allclose(flat.flux_err * trend.flux, lc.flux_err, rtol=1e-12)

    def test_the_input_is_not_changed(self):
        lc, _, _ = star()
        before = lc.flux.copy()
        flat = detrend(lc, window=1.0)
        assert np.array_equal(lc.flux, before) and "detrend" not in lc.meta
        assert flat.meta["relative"] is True
        assert flat.meta["detrend"]["method"] == "biweight"
        assert flat.meta["detrend"]["window"] == 1.0 and flat.meta["detrend"]["n_dropped"] == 0

    def test_masked_points_do_not_shape_the_trend(self):
        lc, _, _ = star()
        cycles = (lc.time - T0) / PERIOD
        masked = np.abs(cycles - np.round(cycles)) * PERIOD <= DURATION
        rng = np.random.default_rng(5)
        other = LightCurve(lc.time, np.where(masked, rng.uniform(0.5, 2, len(lc)), lc.flux))
        trends = [
            detrend(x, window=0.8, mask=TRANSITS, return_trend=True)[1].flux for x in (lc, other)
        ]
        np.testing.assert_allclose(trends[0], trends[1], rtol=1e-9)
        unmasked = detrend(other, window=0.8, return_trend=True)[1].flux
        assert np.max(np.abs(unmasked - trends[1])) > 1e-3

    def test_a_mask_keeps_the_depth_that_a_short_window_takes(self):
        lc, _, in_transit = star()
        with pytest.warns(UserWarning, match="shorter than three durations"):
            kept = detrend(lc, window=0.45, mask=TRANSITS)
        taken = detrend(lc, window=0.3)
        depths = [1 - np.median(x.flux[in_transit]) for x in (kept, taken)]
        assert depths[0] == pytest.approx(DEPTH, rel=0.05) and depths[1] < 0.8 * DEPTH

    def test_a_masked_stretch_wider_than_the_window_is_bridged(self):
        lc, truth, in_transit = star()
        with pytest.warns(UserWarning, match="shorter"):
            flat, trend = detrend(lc, window=0.2, mask=TRANSITS, return_trend=True)
        assert len(flat) == len(lc)
        np.testing.assert_allclose(trend.flux[in_transit], truth[in_transit], rtol=2e-3)

    def test_points_without_trend_are_dropped_counted_and_logged(self, caplog):
        lc, _, _ = star()
        first = (1000.0, 0.0, 0.5)  # masks the beginning, with nothing before it
        with caplog.at_level(logging.WARNING, LOGGER), pytest.warns(UserWarning, match="shorter"):
            flat = detrend(lc, window=0.2, mask=first)
        dropped = flat.meta["detrend"]["n_dropped"]
        assert dropped == len(lc) - len(flat) > 30 and flat.time[0] > 0.3
        assert f"{dropped} of {len(lc)} points dropped" in caplog.text

    def test_a_mask_over_everything_is_an_error(self):
        lc, _, _ = star()
        with (
            pytest.raises(ValueError, match="the mask leaves no point"),
            pytest.warns(UserWarning, match="shorter"),
        ):
            detrend(lc, window=1.0, mask=(10.0, 0.0, 9.0))

    @pytest.mark.parametrize("gap", [0.2, 0.02])
    def test_segments_never_share_a_trend(self, gap):
        a = segment(0, n=200, seed=1)
        b = segment(a.time[-1] + gap, n=200, seed=2)
        steps = np.concatenate([a.flux, 1.5 * b.flux])
        times = np.concatenate([a.time, b.time])
        both = LightCurve(times, steps, segment=np.repeat([4, 7], 200))
        flat = detrend(both, window=1.0)
        alone = [detrend(LightCurve(x.time, x.flux), window=1.0).flux for x in (a, b)]
        np.testing.assert_allclose(flat.flux, np.concatenate(alone), rtol=1e-9)
        assert flat.segment.tolist() == both.segment.tolist()

    def test_gaps_end_a_trend_unless_tolerated(self):
        a, b = segment(0, n=200, seed=1), segment(4.3, n=200, seed=2)
        both = LightCurve(
            np.concatenate([a.time, b.time]), np.concatenate([a.flux, 1.003 * b.flux])
        )
        apart = np.concatenate([detrend(x, window=1.0).flux for x in (a, b)])
        with_break = detrend(both, window=1.0, break_tolerance=0.2)
        np.testing.assert_allclose(with_break.flux, apart, rtol=1e-9)
        for tolerance in (0.5, 0):
            shared = detrend(both, window=1.0, break_tolerance=tolerance)
            assert np.max(np.abs(shared.flux - apart)) > 3e-4

    def test_every_form_of_ephemeris_means_the_same(self):
        lc, _, _ = star()
        names = dict(zip(("period", "t0", "duration"), TRANSITS, strict=True))
        forms = [
            TRANSITS,
            np.array(TRANSITS),
            [TRANSITS],
            names,
            types.SimpleNamespace(**names),
            (PERIOD * u.day, T0, DURATION * 24 * u.hour),
            # three ephemerides, two of them again
            [TRANSITS, names, (PERIOD, T0 + 7 * PERIOD, DURATION)],
        ]
        fluxes = [detrend(lc, window=1 * u.day, mask=form).flux for form in forms]
        for flux in fluxes[1:]:
            np.testing.assert_allclose(flux, fluxes[0], rtol=1e-12)
        assert detrend(lc, window=1.0, mask=[]).meta["detrend"]["n_masked"] == 0

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"window": 0}, "window must be positive"),
            ({"window": -1.0}, "window must be positive"),
            ({"window": np.nan}, "window must be finite"),
            ({"window": "1 d"}, "window must be one number of days"),
            ({"window": 1 * u.m}, "window must be one number of days"),
            ({"window": [1.0, 2.0]}, "window must be one number of days"),
            ({"window": 1, "break_tolerance": -1}, "break_tolerance must not be negative"),
            ({"window": 1, "mask": 5.0}, "mask takes ephemerides"),
            ({"window": 1, "mask": "b"}, "mask takes ephemerides"),
            ({"window": 1, "mask": [(1.0, 2.0)]}, "mask takes ephemerides"),
            ({"window": 1, "mask": {"period": 1}}, "lacks one of period, t0, duration"),
            ({"window": 1, "mask": (0.0, 1, 0.1)}, "period and duration in mask must be positive"),
            ({"window": 1, "mask": (1.0, np.nan, 0.1)}, "t0 in mask must be finite"),
        ],
    )
    def test_bad_arguments_are_named(self, options, sentence):
        with pytest.raises(ValueError, match=sentence):
            detrend(segment(0), **options)

    @pytest.mark.filterwarnings("error")
    def test_fluxes_about_zero_are_refused_but_single_negative_ones_are_not(self):
        time = np.arange(0, 10, 0.01)
        noise = np.random.default_rng(0).normal(0, 1, time.size)
        with pytest.raises(ValueError, match="trend of segment 0 is not positive at"):
            detrend(LightCurve(time, noise), window=1.0)
        deep = LightCurve(time, np.where(np.arange(time.size) % 100 == 50, -1.0, 1.0))
        assert detrend(deep, window=1.0).flux.min() == pytest.approx(-1)

    def test_no_points_are_refused(self):
        with pytest.raises(ValueError, match="has no points"):
            detrend(LightCurve([], []), window=1.0)

    def test_a_missing_wotan_says_how_to_get_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "wotan", None)
        with pytest.raises(ImportError, match=r'pip install "armillary\[detrend\]"'):
            detrend(segment(0), window=1.0)

    def test_threads_get_the_same_result(self):
        lc, _, _ = star()
        expected, found = detrend(lc, window=1.0).flux, []
        threads = [
            threading.Thread(target=lambda: found.append(detrend(lc, window=1.0).flux))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8 and all(np.array_equal(flux, expected) for flux in found)


@pytest.mark.usefixtures("_wotan")
class TestRealData:
    def test_toi_5807_over_four_sectors(self, transit_data):
        paths = sorted(transit_data.glob("tic188646744_sector*.csv"))
        joined = stitch([read_light_curve(path) for path in reversed(paths)])
        assert joined.meta["sectors"] == (55, 75, 82, 83)
        assert joined.meta["target"] == "TIC 188646744" and joined.meta["time_system"] == "BTJD"
        period, t0, duration = 14.2423724, 2460540.26317 - 2457000, 4.05 / 24
        flat = detrend(joined, window=1.0, mask=(period, t0, duration))
        assert len(flat) == len(joined) == joined.meta["n_read"]
        # The published depth is 225 ppm; a plain fold of the four sectors gives 177 to 258.
        away = np.abs((flat.time - t0 + period / 2) % period - period / 2)
        inside, outside = away < 0.4 * duration, (away > duration) & (away < 1)
        depth = np.mean(flat.flux[outside]) - np.mean(flat.flux[inside])
        assert 180e-6 < depth < 280e-6

    def test_kepler_90_quarters(self, transit_data):
        paths = sorted(transit_data.glob("kplr011442793*.fits"))
        joined = stitch(paths)
        assert joined.meta["sectors"] == (3, 4, 5) and joined.meta["target"] == "KIC 11442793"
        # Single transits of h and g, at times of the catalogue (BKJD).
        masks = [(1e4, 472.10, 14.7 / 24), (1e4, 357.66, 12.6 / 24)]
        flat = detrend(joined, window=3.0, mask=masks)
        for (_, t0, duration), depth in zip(masks, (0.0089, 0.0051), strict=True):
            inside = np.abs(flat.time - t0) < 0.3 * duration
            assert 1 - np.median(flat.flux[inside]) == pytest.approx(depth, rel=0.25)
