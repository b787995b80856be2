"""Template scores as people ask for them: what is taken, refused, promised and given back."""

import pickle

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.io import LightCurve, LightCurves
from armillary.testing import simulated_light_curve

from ..fake_device import land

pytestmark = pytest.mark.kernel

BJD = 2457000.0
EPHEMERIS = {"period": 2.7, "t0": BJD + 1.1, "duration": 0.15}
#: A shift and a scale that change no bit of a mantissa.
LATTICE = 2.0**20


@pytest.fixture(scope="module")
def data():
    star = simulated_light_curve(
        11, start=BJD, span=20.0, error_ratio=3.0, period=2.7, t0=1.1, duration=0.15, snr=20.0
    )
    return np.rint(star.time * LATTICE) / LATTICE, star.flux, star.flux_err


@pytest.fixture
def moon(monkeypatch):
    return land(monkeypatch)


def many(n=40, seed=1):
    rng = np.random.default_rng(seed)
    period = rng.uniform(0.7, 9.0, n)
    return {
        "period": period,
        "t0": BJD + rng.uniform(0.0, 20.0, n),
        "duration": period * rng.uniform(0.02, 0.3, n),
    }


# ------------------------------------------------------------------ scores


class TestScores:
    def test_the_injected_transits_are_the_best_of_many(self, data):
        candidates = many()
        for name, value in EPHEMERIS.items():
            candidates[name][17] = value
        best = arm.search.template_score(*data, **candidates).best
        assert (best.period, best.t0, best.duration) == (2.7, BJD + 1.1, 0.15)
        assert best.score == pytest.approx(20.0, abs=4.0)

    def test_one_number_goes_with_all_candidates(self, data):
        found = arm.search.template_score(
            *data, period=[2.6, 2.7, 2.8], t0=BJD + 1.1, duration=[0.15]
        )
        assert found.score.shape == found.t0.shape == found.duration.shape == (3,)
        assert np.argmax(found.score) == 1

    def test_three_numbers_are_one_candidate(self, data):
        assert arm.search.template_score(*data, **EPHEMERIS).score.shape == (1,)

    def test_a_light_curve_and_its_columns_are_the_same(self, data):
        one = arm.search.template_score(LightCurve(*data), **many())
        np.testing.assert_array_equal(one.score, arm.search.template_score(*data, **many()).score)

    def test_units_are_read(self, data):
        time, flux, flux_err = data
        hours = {name: np.atleast_1d(value) * 24 * u.hour for name, value in EPHEMERIS.items()}
        found = arm.search.template_score(time * u.day, flux, flux_err, **hours)
        plain = arm.search.template_score(*data, **EPHEMERIS)
        np.testing.assert_allclose(found.score, plain.score, rtol=1e-6)

    def test_there_is_no_gradient_unless_asked_for(self, data):
        assert arm.search.template_score(*data, **EPHEMERIS).gradient is None
        found = arm.search.template_score(*data, **many(), gradient=True)
        assert found.gradient.shape == (40, 3)

    def test_points_that_are_not_finite_are_dropped_and_counted(self, data):
        time, flux, flux_err = (array.copy() for array in data)
        flux[::50] = np.nan
        found = arm.search.template_score(time, flux, flux_err, **EPHEMERIS)
        keep = np.isfinite(flux)
        clean = arm.search.template_score(*(array[keep] for array in data), **EPHEMERIS)
        assert found.light_curve.n_dropped == np.count_nonzero(~keep)
        np.testing.assert_array_equal(found.score, clean.score)

    def test_results_are_read_only_and_arguments_are_left_alone(self, data):
        candidates = many()
        before = {name: array.copy() for name, array in candidates.items()}
        found = arm.search.template_score(*data, **candidates)
        for array in (found.score, found.depth, found.period, found.t0):
            assert not array.flags.writeable
        for name, array in before.items():
            np.testing.assert_array_equal(array, candidates[name])

    def test_who_computed_it_is_written_down(self, data):
        provenance = arm.search.template_score(*data, **EPHEMERIS, threads=1).provenance
        assert provenance.operation == "search.template_score"
        assert (provenance.backend, provenance.threads) == ("cpu", 1)

    def test_the_cache_keeps_scores_and_knows_gradient_and_sharpness(self, data):
        with arm.cache.open("memory") as store:
            options = {**EPHEMERIS, "cache": store}
            first = arm.search.template_score(*data, **options)
            again = arm.search.template_score(*data, **options)
            steep = arm.search.template_score(*data, **options, sharpness=500.0)
            graded = arm.search.template_score(*data, **options, gradient=True)
        hits = [found.provenance.cache_hit for found in (first, again, steep, graded)]
        assert hits == [False, True, False, False]
        np.testing.assert_array_equal(first.score, again.score)
        assert graded.gradient is not None


# ------------------------------------------------------------------ what must not matter


class TestInvariants:
    def test_a_shift_of_time_to_bjd_changes_nothing(self, data):
        time, flux, flux_err = data
        candidates = many()
        candidates["t0"] = np.rint(candidates["t0"] * LATTICE) / LATTICE
        here = arm.search.template_score(time, flux, flux_err, **candidates, gradient=True)
        candidates["t0"] = candidates["t0"] - BJD
        zero = arm.search.template_score(time - BJD, flux, flux_err, **candidates, gradient=True)
        np.testing.assert_array_equal(here.score, zero.score)
        np.testing.assert_array_equal(here.gradient, zero.gradient)

    @settings(max_examples=40)
    @given(k=st.integers(-1000, 1000))
    def test_any_transit_will_do_as_t0(self, data, k):
        one = arm.search.template_score(*data, **EPHEMERIS, gradient=True)
        other = arm.search.template_score(
            *data, **EPHEMERIS | {"t0": BJD + 1.1 + 2.7 * k}, gradient=True
        )
        # Times of BJD are rounded to 2e-10 d, of an edge of 1e-3 d.
        assert other.score[0] == pytest.approx(one.score[0], rel=1e-4)
        np.testing.assert_allclose(other.gradient[:, 1:], one.gradient[:, 1:], rtol=1e-3, atol=0.1)

    @settings(max_examples=40)
    @given(factor=st.floats(1e-6, 1e6), offset=st.floats(-10.0, 10.0))
    def test_another_unit_of_flux_or_another_zero_changes_only_depths_and_levels(
        self, data, factor, offset
    ):
        time, flux, flux_err = data
        one = arm.search.template_score(time, flux, flux_err, **EPHEMERIS)
        other = arm.search.template_score(
            time, factor * (flux + offset), factor * flux_err, **EPHEMERIS
        )
        assert other.score[0] == pytest.approx(one.score[0], rel=1e-7)
        assert other.depth[0] == pytest.approx(factor * one.depth[0], rel=1e-7)
        assert other.depth_err[0] == pytest.approx(factor * one.depth_err[0], rel=1e-7)
        assert other.level[0] == pytest.approx(factor * (one.level[0] + offset), abs=1e-9 * factor)

    @settings(max_examples=30)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_the_order_of_candidates_is_theirs(self, data, seed):
        candidates = many()
        order = np.random.default_rng(seed).permutation(40)
        one = arm.search.template_score(*data, **candidates)
        other = arm.search.template_score(*data, **{k: v[order] for k, v in candidates.items()})
        np.testing.assert_array_equal(other.score, one.score[order])

    def test_the_smallest_light_curves_have_scores(self):
        found = arm.search.template_score(
            [0.0, 1.0, 2.0], [1.0, 0.9, 1.0], 0.01, period=5.0, t0=1.0, duration=0.5
        )
        # One point against the mean of two.
        assert found.depth[0] == pytest.approx(0.1)
        assert found.depth_err[0] == pytest.approx(0.01 * np.sqrt(1.5))


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"period": 0.0}, "period must be positive and finite; entry 0 is 0"),
        ({"period": np.nan}, "period must be positive and finite; entry 0 is nan"),
        ({"period": [2.7, -1.0]}, "period must be positive and finite; entry 1 is -1"),
        ({"t0": np.inf}, "t0 must be finite"),
        ({"t0": "soon"}, "t0 must be numbers"),
        ({"t0": [[1.0]]}, r"t0 must hold one or more numbers \(days\), not shape \(1, 1\)"),
        ({"period": []}, "period must hold one or more numbers"),
        ({"duration": -0.1}, "duration must be positive"),
        ({"duration": 2.7}, "duration must be shorter than the period; candidate 0"),
        ({"period": [1.0, 2.0], "t0": [1.0, 2.0, 3.0]}, "period has 2, t0 has 3, duration has 1"),
        ({"sharpness": 0}, "sharpness must be a positive finite number, not 0"),
        ({"sharpness": "high"}, "sharpness must be a positive finite number, not 'high'"),
        ({"t0": 3 * u.m}, "t0 must be a time"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_a_sentence(data, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        arm.search.template_score(*data, **EPHEMERIS | change)


@pytest.mark.parametrize("ask", ["template_score", "scan_t0", "attribute"])
@pytest.mark.parametrize(
    "many",
    [
        lambda one: [one, one],
        lambda one: LightCurves.from_light_curves([one]),
        lambda _: ["a.fits"],
    ],
    ids=["list", "LightCurves", "paths"],
)
def test_many_light_curves_are_one_too_many(data, ask, many):
    with pytest.raises(ValueError, match="these are many light curves, and this takes one"):
        getattr(arm.search, ask)(many(LightCurve(*data)), **EPHEMERIS)


# ------------------------------------------------------------------ the result


class TestResult:
    def test_weights_are_a_softmax_that_leaves_the_unknown_out(self, data):
        candidates = many(5)
        candidates["t0"][2], candidates["period"][2], candidates["duration"][2] = 0.0, 1e7, 0.1
        found = arm.search.template_score(*data, **candidates)
        weights = found.weights()
        known = np.array([True, True, False, True, True])
        assert np.isnan(weights[2])
        assert weights[known].sum() == pytest.approx(1.0)
        ratio = np.exp((found.score[0] - found.score[1]) / 0.5)
        assert weights[0] / weights[1] == pytest.approx(ratio)
        assert found.best.score == np.nanmax(found.score)

    def test_weights_of_high_scores_do_not_overflow_and_grow_even_with_temperature(self, data):
        time, flux, flux_err = data
        found = arm.search.template_score(time, flux, 1e-6 * flux_err, **many())
        assert found.weights().sum() == pytest.approx(1.0)
        hot = found.weights(temperature=1e12)
        np.testing.assert_allclose(hot, 1.0 / 40.0, rtol=1e-3)

    def test_near_temperature_zero_the_best_has_all_the_weight(self, data):
        found = arm.search.template_score(*data, **many())
        weights = found.weights(temperature=1e-320)
        assert weights[np.argmax(found.score)] == weights.sum() == 1.0

    @pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf, None, "hot", [1.0, 2.0]])
    def test_a_temperature_is_positive(self, data, temperature):
        found = arm.search.template_score(*data, **EPHEMERIS)
        with pytest.raises(ValueError, match="temperature must be a positive finite"):
            found.weights(temperature)

    def test_nothing_known_has_no_best(self, data):
        found = arm.search.template_score(*data, period=1e7, t0=0.0, duration=0.1)
        assert np.isnan(found.score).all()
        with pytest.raises(ValueError, match="no candidate has points in and out of transit"):
            _ = found.best
        assert np.isnan(found.weights()).all()
        assert "no candidate has points" in repr(found)

    def test_the_table_has_units_and_the_gradient(self, data):
        table = arm.search.template_score(*data, **many(), gradient=True).to_table()
        assert table["period"].unit == table["t0"].unit == u.day
        assert table["dscore_dt0"].unit == 1 / u.day
        assert table.meta["provenance"]["backend"] == "cpu"
        plain = arm.search.template_score(*data, **many()).to_table()
        assert not [name for name in plain.colnames if name.startswith("dscore")]

    @pytest.mark.parametrize("gradient", [False, True])
    def test_saved_pickled_and_read_it_is_the_same(self, data, tmp_path, gradient):
        found = arm.search.template_score(*data, **many(), gradient=gradient)
        found.save(tmp_path / "scores.npz")
        loaded = arm.search.TemplateScores.load(tmp_path / "scores.npz")
        for other in (loaded, pickle.loads(pickle.dumps(found))):
            for name in ("period", "t0", "duration", "score", "depth", "depth_err", "level"):
                np.testing.assert_array_equal(getattr(other, name), getattr(found, name))
            assert (other.gradient is None) == (not gradient)
            assert other.provenance == found.provenance
            assert other.best == found.best
            assert repr(other) == repr(found)

    def test_another_file_is_no_scores(self, data, tmp_path):
        arm.search.scan_t0(*data, **EPHEMERIS).save(tmp_path / "scan.npz")
        with pytest.raises(ValueError, match="holds no template scores written by armillary"):
            arm.search.TemplateScores.load(tmp_path / "scan.npz")

    def test_it_says_what_is_best(self, data):
        said = repr(arm.search.template_score(*data, **EPHEMERIS))
        assert "TemplateScores of 1 candidate" in said
        assert "period 2.700000 d" in said
        assert "search.template_score by 'cpu'" in said


# ------------------------------------------------------------------ a scan of t0


class TestScan:
    def test_it_finds_the_injected_mid_transit_again(self, data):
        # Half an hour off.
        scan = arm.search.scan_t0(*data, **EPHEMERIS | {"t0": BJD + 1.1 + 30 / 1440})
        assert scan.best_t0 == pytest.approx(BJD + 1.1, abs=0.01)
        assert scan.gain > 1.0
        assert scan.best_score >= np.nanmax(scan.score)

    def test_the_best_score_is_the_score_there(self, data):
        scan = arm.search.scan_t0(*data, **EPHEMERIS)
        there = arm.search.template_score(*data, **EPHEMERIS | {"t0": scan.best_t0})
        assert scan.best_score == there.score[0]

    def test_the_given_t0_is_in_the_middle(self, data):
        scan = arm.search.scan_t0(*data, **EPHEMERIS, n=21, half_span=0.05)
        here = arm.search.template_score(*data, **EPHEMERIS)
        assert len(scan.t0) == 21
        assert scan.given_t0 == EPHEMERIS["t0"]
        assert scan.given_score == here.score[0]
        assert scan.t0[[0, -1]] - BJD == pytest.approx([1.05, 1.15])

    @pytest.mark.parametrize(
        ("duration", "minutes"), [(0.001, 10.0), (0.1, 72.0), (0.5, 120.0)], ids=str
    )
    def test_it_goes_half_a_duration_to_either_side_within_limits(self, data, duration, minutes):
        scan = arm.search.scan_t0(*data, **EPHEMERIS | {"duration": duration})
        assert (scan.t0[-1] - scan.given_t0) * 1440 == pytest.approx(minutes, rel=1e-5)

    def test_a_highest_score_at_the_end_is_not_refined(self, data):
        scan = arm.search.scan_t0(*data, **EPHEMERIS | {"t0": BJD + 1.02}, n=21, half_span=0.01)
        assert scan.best_t0 == scan.t0[-1]
        assert scan.best_score == scan.score[-1]

    @pytest.mark.parametrize(("t0", "at_end"), [(1.02, True), (1.18, True), (1.1, False)])
    def test_it_says_whether_the_best_is_where_it_ends(self, data, t0, at_end):
        scan = arm.search.scan_t0(*data, **EPHEMERIS | {"t0": BJD + t0}, n=21, half_span=0.03)
        assert scan.at_end is at_end
        assert ("where the scan ends" in repr(scan)) == at_end

    @pytest.mark.parametrize("n", [20, 82, 19, 21.0, True, "many"])
    def test_n_is_odd_and_at_least_21(self, data, n):
        with pytest.raises(ValueError, match="n must be an odd whole number of at least 21"):
            arm.search.scan_t0(*data, **EPHEMERIS, n=n)

    @pytest.mark.parametrize("half_span", [0.0, -1.0, np.nan, [0.1, 0.2]])
    def test_half_span_is_positive(self, data, half_span):
        with pytest.raises(ValueError, match="half_span must be a positive number"):
            arm.search.scan_t0(*data, **EPHEMERIS, half_span=half_span)

    def test_progress_is_that_of_the_grid(self, data):
        told = []
        arm.search.scan_t0(*data, **EPHEMERIS, progress=lambda *now: told.append(now))
        assert told == [(81, 81)]

    def test_it_is_of_one_candidate(self, data):
        with pytest.raises(ValueError, match="one candidate at a time, not 2"):
            arm.search.scan_t0(*data, **EPHEMERIS | {"period": [2.7, 2.8]})

    def test_where_there_is_nothing_to_scan_it_says_so(self, data):
        with pytest.raises(ValueError, match="there is nothing to scan"):
            arm.search.scan_t0(*data, period=1e7, t0=0.0, duration=0.1)

    def test_saved_pickled_and_read_it_is_the_same(self, data, tmp_path):
        scan = arm.search.scan_t0(*data, **EPHEMERIS)
        scan.save(tmp_path / "scan.npz")
        for other in (
            arm.search.T0Scan.load(tmp_path / "scan.npz"),
            pickle.loads(pickle.dumps(scan)),
        ):
            np.testing.assert_array_equal(other.score, scan.score)
            assert other.best_t0 == scan.best_t0
            assert repr(other) == repr(scan)
        table = scan.to_table()
        assert table.colnames == ["t0", "score"]
        assert table.meta["best_t0"] == scan.best_t0


# ------------------------------------------------------------------ attribution


class TestAttribution:
    def test_contributions_add_up_point_by_point_and_transit_by_transit(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        here = arm.search.template_score(*data, **EPHEMERIS)
        assert found.score == here.score[0]
        assert found.contribution.sum() == pytest.approx(found.score)
        assert found.transit_contribution.sum() == pytest.approx(found.score)

    def test_a_planet_has_its_score_from_every_transit_and_an_outlier_from_one(self, data):
        time, _, flux_err = data
        planet = arm.search.attribute(*data, **EPHEMERIS)
        flat = np.random.default_rng(3).normal(1.0, flux_err)
        dip = flat - 0.02 * (np.abs(time - EPHEMERIS["t0"]) < 0.075)
        outlier = arm.search.attribute(time, dip, flux_err, **EPHEMERIS)
        shares = [found.transit_contribution / found.score for found in (planet, outlier)]
        assert shares[0].max() < 0.35
        assert shares[1].max() > 0.9
        assert outlier.n_effective < 0.2 * planet.n_effective

    def test_points_know_their_transit_and_how_far_it_is(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        np.testing.assert_allclose(
            EPHEMERIS["t0"] + found.transit * 2.7 + found.offset, found.time, rtol=0, atol=2e-9
        )
        assert np.all(np.abs(found.offset) <= 1.35 + 1e-9)
        assert found.n_transits == 8
        carrying = np.abs(found.offset) < 0.07
        assert found.contribution[carrying].sum() > 0.9 * found.score

    def test_the_effective_number_of_points_lies_between_one_and_all(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        assert 1.0 < found.n_effective < len(found.time)
        share = np.abs(found.contribution) / np.abs(found.contribution).sum()
        assert found.n_effective == pytest.approx(np.exp(-np.sum(share * np.log(share))))

    def test_a_constant_flux_has_nothing_to_attribute(self, data):
        time, _, flux_err = data
        found = arm.search.attribute(time, np.full(len(time), 3.0), flux_err, **EPHEMERIS)
        assert (found.score, found.depth, found.level) == (0.0, 0.0, 3.0)
        assert not found.contribution.any()
        assert found.n_effective == 0.0

    def test_the_model_is_the_level_less_the_depth_in_transit(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        flux = found.model(np.array([0.0, 0.075, 1.0]))
        expected = found.level - found.depth * np.array([1.0, 0.5, 0.0])
        np.testing.assert_allclose(flux, expected, rtol=1e-12)

    def test_tables_have_the_points_and_the_transits(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        points, transits = found.to_table(), found.to_transit_table()
        assert points.colnames == [
            "time", "flux", "flux_err", "transit", "offset", "contribution"
        ]  # fmt: skip
        assert transits["contribution"].sum() == pytest.approx(found.score)
        assert transits["n_points"].sum() == np.count_nonzero(np.abs(found.offset) <= 0.075)
        np.testing.assert_allclose(
            transits["t0"].to_value(u.day), EPHEMERIS["t0"] + 2.7 * transits["transit"]
        )
        assert points.meta["score"] == found.score

    def test_transits_that_nobody_saw_have_no_points(self, data):
        found = arm.search.attribute(*data, **EPHEMERIS)
        assert found.transit_points.tolist() == found.to_transit_table()["n_points"].tolist()
        assert found.transit_points.shape == found.transits.shape
        assert found.n_transits == np.count_nonzero(found.transit_points)

    def test_one_effective_point_is_one_point(self):
        found = arm.search.attribute(
            [1.0, 2.0, 3.0], [1.0, 0.5, 1.0], 0.1, period=5.0, t0=2.0, duration=0.5
        )
        assert "; 1 effective point\n" in repr(found)

    def test_without_weight_in_transit_there_is_nothing_to_attribute(self, data):
        with pytest.raises(ValueError, match="there is no score to attribute"):
            arm.search.attribute(*data, period=1e7, t0=0.0, duration=0.1)

    def test_saved_pickled_and_read_it_is_the_same(self, data, tmp_path):
        found = arm.search.attribute(*data, **EPHEMERIS)
        assert found.n_effective > 1  # what is derived does not get in the way
        found.save(tmp_path / "attribution.npz")
        for other in (
            arm.search.Attribution.load(tmp_path / "attribution.npz"),
            pickle.loads(pickle.dumps(found)),
        ):
            np.testing.assert_array_equal(other.contribution, found.contribution)
            np.testing.assert_array_equal(other.transit, found.transit)
            assert repr(other) == repr(found)
            assert other.provenance == found.provenance


# ------------------------------------------------------------------ arrays on a device


class TestDevice:
    def test_scores_stay_where_the_light_curve_is(self, data, moon):
        moon.own("search.template_score", _on_host)
        found = arm.search.template_score(*map(moon.asarray, data), **many(), gradient=True)
        assert all(isinstance(array, moon.Array) for array in (found.score, found.gradient))
        assert isinstance(found.period, np.ndarray)
        assert moon.fetched == []
        assert found.provenance.backend == "moon"
        here = arm.search.template_score(*data, **many())
        assert found.best == here.best
        np.testing.assert_array_equal(found.weights(), here.weights())
        assert len(found.to_table()) == 40

    def test_contributions_stay_there_too_until_they_are_shown(self, data, moon):
        moon.own("search.template_score", _on_host)
        found = arm.search.attribute(*map(moon.asarray, data), **EPHEMERIS)
        assert isinstance(found.contribution, moon.Array)
        assert moon.fetched == []
        here = arm.search.attribute(*data, **EPHEMERIS)
        np.testing.assert_array_equal(found.transit_contribution, here.transit_contribution)
        assert found.n_effective == here.n_effective
        assert len(found.to_table()) == len(here.to_table())

    def test_a_scan_gives_its_few_numbers_on_the_host(self, data, moon):
        moon.own("search.template_score", _on_host)
        scan = arm.search.scan_t0(*map(moon.asarray, data), **EPHEMERIS)
        here = arm.search.scan_t0(*data, **EPHEMERIS)
        assert scan.best_t0 == here.best_t0
        np.testing.assert_array_equal(scan.score, here.score)
        assert moon.fetched == [(81,)]

    def test_without_a_backend_that_owns_it_an_array_is_refused(self, data, moon):
        with pytest.raises(TypeError, match="moon"):
            arm.search.template_score(*map(moon.asarray, data), **EPHEMERIS)
        assert moon.fetched == []


def _on_host(time, flux, flux_err, period, t0, duration, sharpness=150.0, gradient=False,
             attribution=False):  # fmt: skip
    from armillary.search.template.cpu import template_score

    return template_score(
        time, flux, flux_err, period, t0, duration, sharpness, gradient, attribution
    )


# ------------------------------------------------------------------ a real planet


def test_the_t0_of_a_known_planet_is_found_again(transit_data):
    """WASP-4 b: an hour beside where its published transit times put it, a scan comes back."""
    pytest.importorskip("wotan", reason="detrending needs wotan")
    published = np.genfromtxt(transit_data / "wasp_4b_transit_times.csv", names=True)
    period, first = np.polyfit(published["epoch"], published["time"], 1, w=1.0 / published["error"])
    flat = arm.search.detrend(
        transit_data / "tess2018234235059-s0002-0000000402026209-0121-s_lc.fits", window=1.0
    )
    t0 = first - BJD  # the light curve is in BTJD, some 900 d later
    scan = arm.search.scan_t0(
        flat, period=period, t0=t0 + 1 / 24, duration=0.08, half_span=0.1, n=201
    )
    # TESS saw its transits some 81 s early (Bouma et al. 2019, AJ 157, 217).
    assert (scan.best_t0 - t0) * 86400 == pytest.approx(-81.0, abs=60.0)
    assert scan.gain > 50
