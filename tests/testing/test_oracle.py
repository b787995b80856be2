"""The oracle against definitions that are slower still."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.testing import simulated_light_curve
from armillary.testing.oracle import distance, fit_levels, highest_delta_chi2, possible_fits


def chi2(flux: np.ndarray, flux_err: np.ndarray, model: np.ndarray) -> float:
    return float((((flux - model) / flux_err) ** 2).sum())


@given(seed=st.integers(0, 10_000), n=st.integers(4, 40))
def test_two_levels_fit_better_than_any_other_two(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    flux, flux_err = rng.standard_normal(n), rng.uniform(0.5, 2.0, n)
    inside = np.arange(n) < rng.integers(1, n)
    fit = fit_levels(flux, flux_err, inside)
    model = np.where(inside, fit.level - fit.depth, fit.level)
    lowest = chi2(flux, flux_err, model)
    for step in (-1e-3, 1e-3):
        assert lowest <= chi2(flux, flux_err, model + step * inside)
        assert lowest <= chi2(flux, flux_err, model + step * ~inside)
    constant = np.full(n, np.average(flux, weights=flux_err**-2.0))
    assert fit.delta_chi2 == pytest.approx(chi2(flux, flux_err, constant) - lowest, abs=1e-9)
    assert fit.delta_chi2 == pytest.approx((fit.depth / fit.depth_err) ** 2, abs=1e-9)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_highest_is_that_of_all_boxes_on_a_lattice_that_misses_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Everything is exact in binary: folded times are multiples of 1/128 and ends of boxes never
    # are, so each set of points belongs to a range of t0 at least 1/256 wide.
    time = np.sort(rng.integers(0, 1152, 60)) / 128
    flux, flux_err = rng.standard_normal(60), rng.uniform(0.5, 2.0, 60)
    period, duration = 2.5, 77 / 256
    scores = [0.0]
    for t0 in time[0] + np.arange(1 / 1024, period, 1 / 512):
        inside = distance(time, period, t0) <= 0.5 * duration
        if inside.any():
            fit = fit_levels(flux, flux_err, inside)
            scores.append(fit.delta_chi2 if fit.depth > 0 else 0.0)
    highest = highest_delta_chi2(time, flux, flux_err, period, [duration])
    assert max(scores) == pytest.approx(highest, rel=1e-9)


def test_an_injected_box_is_the_highest_without_noise() -> None:
    curve = simulated_light_curve(1, noise=1e-9, period=3.1, t0=0.05, duration=0.2, depth=1e-3)
    inside = distance(curve.time, curve.period, curve.t0) < 0.5 * curve.duration
    expected = fit_levels(curve.flux, curve.flux_err, inside).delta_chi2
    found = highest_delta_chi2(curve.time, curve.flux, curve.flux_err, 3.1, [0.2])
    assert found == pytest.approx(expected, rel=1e-9)


def test_points_near_the_ends_of_a_box_may_lie_in_or_out() -> None:
    time = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    flux = np.array([9.0, 8.0, 1.0, 2.0, 7.0, 9.0])
    fits = possible_fits(time, flux, np.ones(6), 10.0, 2.5, 3.0, 0.1)
    possible = [[2, 3], [1, 2, 3], [2, 3, 4], [1, 2, 3, 4]]
    expected = [np.delete(flux, inside).mean() - flux[inside].mean() for inside in possible]
    assert sorted({fit.depth for fit in fits}) == pytest.approx(sorted(expected))
    # The first is the box itself, which holds the points at its ends.
    assert fits[0].depth == pytest.approx(expected[3])
