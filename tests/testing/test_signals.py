"""Simulated light curves carry what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from armillary.testing import simulated_light_curve
from armillary.testing.oracle import distance, fit_levels


def test_a_seed_gives_the_same_light_curve_again() -> None:
    one, other, third = (simulated_light_curve(seed, regular=False) for seed in (3, 3, 4))
    assert np.array_equal(one.time, other.time)
    assert np.array_equal(one.flux, other.flux)
    assert not np.array_equal(one.flux, third.flux)


def test_noise_has_the_errors_that_are_given() -> None:
    curve = simulated_light_curve(1, span=300.0, noise=2e-3, error_ratio=100.0, level=5.0)
    pull = (curve.flux - 5.0) / curve.flux_err
    assert np.std(pull) == pytest.approx(1.0, abs=0.03)
    assert curve.flux_err.max() / curve.flux_err.min() == pytest.approx(100.0, rel=0.05)
    assert np.median(curve.flux_err) == pytest.approx(2e-3, rel=0.1)
    assert np.isnan(curve.period)


def test_no_point_lies_in_a_gap() -> None:
    curve = simulated_light_curve(1, gaps=[(5.0, 9.0)], start=100.0)
    assert not np.any((curve.time > 105.0) & (curve.time < 109.0))
    assert np.all(np.diff(curve.time) > 0)


def test_the_signal_to_noise_ratio_is_that_of_all_transits() -> None:
    curve = simulated_light_curve(
        1, noise=1e-4, period=3.0, t0=1.0, duration=0.2, snr=25.0, start=7
    )
    inside = distance(curve.time, 3.0, curve.t0) < 0.1
    assert curve.t0 == 8.0
    assert curve.depth / fit_levels(curve.flux, curve.flux_err, inside).depth_err == pytest.approx(
        25
    )


@pytest.mark.parametrize("options", [{}, {"snr": 9.0, "depth": 0.1}])
def test_transits_need_one_measure_of_their_strength(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either snr or depth"):
        simulated_light_curve(1, period=3.0, **options)


def test_a_transit_that_nothing_observes_is_refused() -> None:
    with pytest.raises(ValueError, match="no observation lies in transit"):
        simulated_light_curve(1, span=1.0, period=3.0, t0=2.0, snr=9.0)
