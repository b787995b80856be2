"""A curve of growth is the integral of the intensity over the area."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gamma, gammainc, gammaincinv

from armillary.fit import CurveOfGrowth, curve_of_growth

#: Steps of a tenth from half a pixel to 145 pixels.
STEPS = 0.5 * 1.1 ** np.arange(60)


class Sersic:
    """Sersic (1963) profile of intensity 1 at the effective radius, and its flux in closed form."""

    def __init__(self, n, effective_radius):
        self.n, self.effective_radius = n, effective_radius
        self.b = gammaincinv(2 * n, 0.5)

    def intensity(self, sma):
        return np.exp(-self.b * ((sma / self.effective_radius) ** (1 / self.n) - 1))

    def flux(self, sma, flattening):
        whole = np.exp(self.b) * self.b ** (-2 * self.n) * self.n * gamma(2 * self.n)
        inside = gammainc(2 * self.n, self.b * (sma / self.effective_radius) ** (1 / self.n))
        return 2 * np.pi * flattening * self.effective_radius**2 * whole * inside


@pytest.fixture(scope="session")
def concentric(by_hand):
    """A function that makes ellipses of one shape and centre."""

    def make(sma, intensity, ellipticity=0.0, **others):
        sma = np.asarray(sma, float)
        shape = {"ellipticity": ellipticity, "position_angle": 0.7, "x0": 9.0, "y0": 8.0}
        return by_hand(sma, intensity=intensity, **(shape | others))

    return make


# ------------------------------------------------------------------ known integrals


@pytest.mark.parametrize("ellipticity", [0.0, 0.6])
@pytest.mark.parametrize("centre", [False, True])
def test_a_constant_fills_the_area(concentric, ellipticity, centre):
    sma = np.concatenate([[0.0], STEPS]) if centre else STEPS
    growth = curve_of_growth(concentric(sma, 3.0, ellipticity))
    np.testing.assert_allclose(growth.area, np.pi * sma**2 * (1 - ellipticity))
    np.testing.assert_allclose(growth.flux, 3.0 * growth.area, rtol=1e-12)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("ellipticity", [0.0, 0.5])
def test_an_exponential_is_right(concentric, ellipticity, centre):
    disc = Sersic(1.0, 20.0)
    sma = np.concatenate([[0.0], STEPS]) if centre else STEPS
    growth = curve_of_growth(concentric(sma, disc.intensity(sma), ellipticity))
    seen = sma > 2.0
    truth = disc.flux(sma, 1 - ellipticity)
    np.testing.assert_allclose(growth.flux[seen], truth[seen], rtol=1e-3)
    assert growth.flux[-1] == pytest.approx(truth[-1], rel=1e-4)


@pytest.mark.parametrize("n", [1.0, 2.5, 4.0])
def test_the_growth_between_isophotes_is_right(concentric, n):
    bulge = Sersic(n, 20.0)
    growth = curve_of_growth(concentric(STEPS, bulge.intensity(STEPS), 0.3))
    truth = bulge.flux(STEPS, 0.7)
    total_of_truth = truth[-1] - truth[0]
    difference = (growth.flux - growth.flux[0]) - (truth - truth[0])
    assert np.abs(difference).max() < 5e-4 * total_of_truth
    bright = STEPS < 60.0
    rings = np.diff(growth.flux[bright]) / np.diff(truth[bright])
    np.testing.assert_allclose(rings, 1.0, rtol=3e-3)


def test_only_the_centre_of_a_steep_profile_is_missed(concentric):
    bulge = Sersic(4.0, 20.0)
    growth = curve_of_growth(concentric(STEPS, bulge.intensity(STEPS)))
    truth = bulge.flux(STEPS, 1.0)
    lost = truth - growth.flux
    # A third of what is inside the first isophote, which is half a per cent of all.
    assert lost[0] == pytest.approx(truth[0] / 3, rel=0.05)
    np.testing.assert_allclose(lost, lost[0], rtol=0.02)
    assert lost[-1] == pytest.approx(0.005 * truth[-1], rel=0.1)


def test_ellipses_that_drift_apart_add_up(concentric):
    """Isophotes of one intensity hold their area, whatever their shapes."""
    ellipticity = np.linspace(0.1, 0.5, len(STEPS))
    growth = curve_of_growth(concentric(STEPS, 2.0, ellipticity, x0=np.linspace(9, 10, 60)))
    np.testing.assert_allclose(growth.flux, 2.0 * np.pi * STEPS**2 * (1 - ellipticity), rtol=1e-12)


def test_an_ellipse_of_less_area_has_less_flux(concentric):
    growth = curve_of_growth(concentric([10.0, 11.0], 1.0, [0.0, 0.5]))
    assert growth.flux[1] < growth.flux[0]
    assert growth.crossing.tolist() == [True, False]


@given(st.floats(1e-40, 1e40), st.floats(-1e3, 1e3))
def test_the_flux_is_linear_in_the_intensity(concentric, scale, level):
    disc = Sersic(1.0, 20.0).intensity(STEPS)
    one = curve_of_growth(concentric(STEPS, disc)).flux
    other = curve_of_growth(concentric(STEPS, scale * disc)).flux
    np.testing.assert_allclose(other, scale * one, rtol=1e-9)
    raised = curve_of_growth(concentric(STEPS, disc + level))
    np.testing.assert_allclose(raised.flux, one + level * raised.area, rtol=1e-6, atol=1e-6)


# ------------------------------------------------------------------ rows that are not known


@pytest.mark.parametrize("name", ["intensity", "x0", "y0", "ellipticity", "position_angle"])
def test_unknown_rows_are_skipped_and_poison_nothing(concentric, name):
    disc = Sersic(1.0, 20.0).intensity(STEPS)
    arrays = {"intensity": disc, "x0": 9.0, "y0": 8.0, "ellipticity": 0.2, "position_angle": 1.0}
    whole = curve_of_growth(concentric(STEPS, **arrays))
    holes = np.broadcast_to(arrays[name], STEPS.shape).copy()
    holes[[0, 30, 31, 59]] = np.nan
    growth = curve_of_growth(concentric(STEPS, **(arrays | {name: holes})))
    kept = np.isfinite(holes)
    assert growth.n_skipped == 4 and len(growth) == 56
    np.testing.assert_array_equal(growth.sma, STEPS[kept])
    np.testing.assert_allclose(growth.flux, whole.flux[kept], rtol=5e-3)


def test_the_centre_needs_no_shape(concentric):
    growth = curve_of_growth(
        concentric([0.0, 1.0], [5.0, 5.0], [np.nan, 0.1], position_angle=[np.nan, 0.0])
    )
    assert growth.n_skipped == 0 and growth.flux[0] == 0.0 and not growth.crossing.any()


def test_one_isophote_or_none(concentric):
    one = curve_of_growth(concentric([2.0], [3.0]))
    np.testing.assert_allclose(one.flux, [12.0 * np.pi])
    assert one.effective_radius(1.0) == 2.0 and np.isnan(one.effective_radius())
    none = curve_of_growth(concentric([], []))
    assert len(none) == 0 and np.isnan(none.effective_radius())
    assert repr(none) == "CurveOfGrowth of 0 isophotes"


# ------------------------------------------------------------------ crossings


@pytest.mark.parametrize(
    ("second", "crosses"),
    [
        ({}, False),
        ({"x0": 0.99}, False),
        ({"x0": 1.01}, True),
        ({"y0": -1.01}, True),
        ({"ellipticity": 0.08}, False),
        ({"ellipticity": 0.1}, True),
    ],
)
def test_a_circle_inside_another_crosses_where_geometry_says(by_hand, second, crosses):
    shape = {"x0": 0.0, "y0": 0.0, "ellipticity": 0.0, "position_angle": 0.0}
    pairs = {name: [value, second.get(name, value)] for name, value in shape.items()}
    growth = curve_of_growth(by_hand([10.0, 11.0], intensity=1.0, **pairs))
    assert growth.crossing.tolist() == [crosses, False]


def test_a_turn_makes_flat_ellipses_cross(concentric):
    angle = np.array([0.3, 0.3, 0.9])
    growth = curve_of_growth(concentric([10.0, 11.0, 12.0], 1.0, 0.7, position_angle=angle))
    assert growth.crossing.tolist() == [False, True, False]
    turned = curve_of_growth(concentric([10.0, 11.0, 12.0], 1.0, 0.7, position_angle=angle + np.pi))
    assert turned.crossing.tolist() == [False, True, False]


# ------------------------------------------------------------------ effective radii


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_the_effective_radius_holds_the_fraction(concentric, fraction):
    disc = Sersic(1.0, 20.0)
    growth = curve_of_growth(concentric(STEPS, disc.intensity(STEPS), 0.3))
    radius = growth.effective_radius(fraction)
    within = disc.flux(radius, 0.7) / disc.flux(STEPS[-1], 0.7)
    assert within == pytest.approx(fraction, rel=1e-3)


def test_half_the_light_is_within_the_effective_radius(concentric):
    sma = 0.5 * 1.1 ** np.arange(90)
    growth = curve_of_growth(concentric(sma, Sersic(1.0, 20.0).intensity(sma)))
    assert growth.effective_radius() == pytest.approx(20.0, rel=1e-3)
    assert "half of it within 20" in repr(growth)


def test_the_whole_flux_is_at_the_last_isophote(concentric):
    growth = curve_of_growth(concentric(STEPS, Sersic(1.0, 20.0).intensity(STEPS)))
    assert growth.effective_radius(1.0) == STEPS[-1]


def test_a_total_that_is_not_positive_has_no_effective_radius(concentric):
    growth = curve_of_growth(concentric([1.0, 2.0, 30.0], [5.0, 1.0, -3.0]))
    assert growth.flux[-1] < 0.0 and np.isnan(growth.effective_radius())


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, np.nan])
def test_a_fraction_is_above_0_and_at_most_1(concentric, fraction):
    with pytest.raises(ValueError, match="fraction must be above 0 and at most 1"):
        curve_of_growth(concentric(STEPS, 1.0)).effective_radius(fraction)


# ------------------------------------------------------------------ as a result


def test_it_is_a_table_and_can_be_pickled(drifting):
    isophotes = drifting()
    growth = curve_of_growth(isophotes)
    table = growth.to_table()
    assert table.colnames == ["sma", "area", "flux", "crossing"]
    assert table.meta["provenance"] == isophotes.provenance.to_dict()
    again = pickle.loads(pickle.dumps(growth))
    assert isinstance(again, CurveOfGrowth) and again.provenance == isophotes.provenance
    for one, other in ((growth, again), (growth, table)):
        for name in ("sma", "area", "flux", "crossing"):
            column = other[name] if other is table else getattr(other, name)
            np.testing.assert_array_equal(getattr(one, name), column)
    for array in (again.sma, again.flux, growth.area, growth.crossing):
        assert not array.flags.writeable


def test_what_is_no_isophotes_is_refused(concentric):
    with pytest.raises(TypeError, match="isophotes must be Isophotes, not list"):
        curve_of_growth([1.0])
    with pytest.raises(ValueError, match="one row for each sma; 2 is there twice"):
        curve_of_growth(concentric([1.0, 2.0, 2.0], 1.0))
