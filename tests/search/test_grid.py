"""Trial periods and durations: published counts, the physics, and clear refusals."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

import armillary as arm
from armillary.search.grid.api import (
    LONGEST,
    SHORTEST,
    central_transit_duration,
    durations_by_period,
)


class TestPeriodGrid:
    @pytest.mark.parametrize(
        ("star", "span", "published"),
        # The counts in the test-suite of transitleastsquares, from other constants of nature.
        [(arm.Star(1.0, 1.0), 20.0, 1716), (arm.Star(0.1, 1.0), 1000.0, 4_308_558)],
    )
    def test_has_the_published_number_of_periods(self, star, span, published):
        assert len(arm.search.period_grid(span, star)) == pytest.approx(published, rel=1e-3)

    def test_has_the_published_limits(self):
        grid = arm.search.period_grid(20.0)
        assert grid[0] == pytest.approx(0.60156, rel=1e-3)
        assert grid[-1] == pytest.approx(10.0)

    @given(
        span=st.floats(10.0, 500.0),
        radius=st.floats(0.2, 2.0),
        mass=st.floats(0.2, 2.0),
        oversample=st.floats(1.0, 5.0),
    )
    def test_neighbours_drift_by_a_part_of_a_transit(self, span, radius, mass, oversample):
        star = arm.Star(radius, mass)
        low = 1.5 if radius < 1.5 else 3.0
        grid = arm.search.period_grid(
            span, star, min_period=low, max_period=2.0 * low, frequency_oversample=oversample
        )
        assert np.all(np.diff(grid) > 0)
        drift = np.diff(1.0 / grid[::-1]) * span * grid[::-1][1:]
        duration = central_transit_duration(grid[::-1][1:], star)
        # Ofir's spacing is exact for R << a; the arcsine of wide stars adds a little.
        assert np.all(drift <= 1.05 * duration / oversample)

    def test_limits_are_kept_exactly(self):
        grid = arm.search.period_grid(27.4, min_period=1.25, max_period=9.75)
        assert grid[0] == 1.25
        assert grid[-1] == 9.75

    def test_an_explicit_limit_overrides_the_number_of_transits(self):
        assert arm.search.period_grid(27.4, max_period=27.0)[-1] == 27.0
        assert arm.search.period_grid(27.4, min_transits=3)[-1] == pytest.approx(27.4 / 3)

    def test_quantities_are_converted(self):
        plain = arm.search.period_grid(27.0, min_period=1.0)
        united = arm.search.period_grid(27.0 * 24 * u.h, min_period=86400 * u.s)
        np.testing.assert_allclose(united, plain, rtol=1e-12)

    def test_a_huge_grid_says_what_to_change(self):
        with pytest.raises(ValueError, match=r"5,000,000; raise min_period, lower max_period"):
            arm.search.period_grid(5000.0, arm.Star(0.1, 1.0))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_period": 28.0}, "max_period = 28 d is beyond the time span of 27 d"),
            ({"min_period": -1.0}, "min_period must be positive"),
            ({"max_period": 0.0}, "max_period must be positive"),
            ({"min_period": np.nan}, "min_period must be positive and finite"),
            ({"min_period": 14.0}, "no period is left between min_period = 14 d and"),
            ({"min_transits": 0}, "min_transits must be at least 1"),
            ({"min_transits": "2"}, "min_transits must be a whole number, not '2'"),
            ({"min_transits": 2.5}, "min_transits must be a whole number, not 2.5"),
            ({"span": [20.0, 30.0]}, "span must be one number, not array"),
            ({"max_period": [3.0]}, "max_period must be one number"),
            ({"frequency_oversample": "3"}, "frequency_oversample must be one number"),
            ({"frequency_oversample": 0}, "frequency_oversample must be positive"),
            ({"min_period": 3 * u.m}, "min_period must be a time, not in m"),
        ],
    )
    def test_bad_limits_are_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            arm.search.period_grid(**{"span": 27.0} | arguments)

    def test_a_star_must_be_a_star(self):
        with pytest.raises(TypeError, match=r"star must be a Star, .*, not 3\.0"):
            arm.search.period_grid(27.0, 3.0)
        with pytest.raises(TypeError, match=r"star must be a Star, .*, not 3\.0"):
            arm.search.duration_grid(3.0, 3.0)


class TestDurationGrid:
    def test_the_sun_seen_from_earth(self):
        # Winn (2010), section 2.3: 13 hours for the Earth in front of the Sun.
        assert 24 * central_transit_duration(np.array([365.25]), arm.Star())[0] == pytest.approx(
            13.0, abs=0.1
        )

    @given(period=st.floats(0.3, 1000.0), radius=st.floats(0.1, 3.0))
    def test_covers_the_physical_range_in_small_steps(self, period, radius):
        star = arm.Star(radius, 1.0)
        grid = arm.search.duration_grid(period, star)
        central = central_transit_duration(np.array([period]), star)[0]
        assert SHORTEST * central <= grid[0] <= 1.1 * SHORTEST * central
        assert LONGEST * central / 1.1 <= grid[-1] <= LONGEST * central
        np.testing.assert_allclose(grid[1:] / grid[:-1], 1.1, rtol=1e-9)

    @given(st.lists(st.floats(0.5, 300.0), min_size=2, max_size=20))
    def test_a_period_has_the_same_durations_in_any_company(self, periods):
        periods = np.array(periods)
        durations, start, stop = durations_by_period(periods)
        for period, i, j in zip(periods, start, stop, strict=True):
            alone, first, last = durations_by_period(np.array([period]))
            np.testing.assert_array_equal(durations[i:j], alone[first[0] : last[0]])

    @pytest.mark.parametrize("period", [0.0, -1.0, np.nan, np.inf, [1.0, -2.0]])
    def test_bad_periods_are_refused(self, period):
        with pytest.raises(ValueError, match="period must be positive and finite"):
            arm.search.duration_grid(period)

    def test_no_period_is_refused(self):
        with pytest.raises(ValueError, match="period must hold one or more numbers"):
            arm.search.duration_grid([])

    def test_a_step_must_grow(self):
        with pytest.raises(ValueError, match="log_step must be above 1"):
            arm.search.duration_grid(3.0, log_step=1.0)


class TestStar:
    def test_quantities_are_converted(self):
        star = arm.Star(radius=695_700 * u.km, mass=1 * u.M_sun)
        assert star.radius == pytest.approx(1.0)
        assert star.mass == pytest.approx(1.0)

    @pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
    def test_must_be_positive(self, bad):
        with pytest.raises(ValueError, match="radius must be positive and finite"):
            arm.Star(radius=bad)

    def test_wrong_dimension_is_named(self):
        with pytest.raises(ValueError, match="mass must be in M_sun or convertible, not in km"):
            arm.Star(mass=3 * u.km)
