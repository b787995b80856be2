"""The picture of an attribution shows which points and transits carry a score."""

from __future__ import annotations

import numpy as np
import pytest

import armillary as arm
from armillary.plot.attribution import plot_attribution
from armillary.plot.files import save_figure
from armillary.testing import simulated_light_curve

pytest.importorskip("matplotlib", reason="plots need matplotlib")
pytestmark = pytest.mark.kernel


def attributed(**options):
    star = simulated_light_curve(
        4, **{"period": 3.4, "t0": 1.3, "snr": 40.0, "cadence": 1 / 48, **options}
    )
    return arm.search.attribute(
        star.time, star.flux, star.flux_err, period=3.4, t0=star.t0, duration=0.1
    )


def contributions(figure):
    """Position and contribution of each point that is drawn large, panel by panel."""
    clouds = [each for axes in figure.get_axes() for each in axes.collections]
    return [
        (np.asarray(each.get_offsets()), np.asarray(each.get_array()))
        for each in clouds
        if each.get_gid() == "contributions"
    ]


@pytest.fixture(scope="module")
def attribution():
    return attributed()


def test_title_says_target_score_and_transits(attribution):
    title = plot_attribution(attribution, target="WASP-0").get_suptitle()
    assert title.startswith("WASP-0:")
    assert f"score {attribution.score:.1f}" in title
    assert "8 transits" in title


def test_points_that_carry_the_score_stand_out_where_they_are(attribution):
    (place, shown), (fold, _) = contributions(plot_attribution(attribution))
    size = np.abs(attribution.contribution)
    strong = size >= 0.05 * size.max()
    np.testing.assert_array_equal(np.sort(shown), np.sort(attribution.contribution[strong]))
    np.testing.assert_allclose(np.sort(place[:, 0]), np.sort(attribution.time[strong]))
    assert np.all(np.abs(fold[:, 0]) <= 24 * 0.3)


def test_the_strongest_points_lie_on_top(attribution):
    for _, shown in contributions(plot_attribution(attribution)):
        assert np.all(np.diff(np.abs(shown)) >= 0)


def test_points_that_raise_and_lower_the_score_have_colours_of_their_own(attribution):
    figure = plot_attribution(attribution)
    (cloud, *_) = [c for axes in figure.get_axes() for c in axes.collections if c.get_gid()]
    low, high = cloud.get_clim()
    assert low == -high
    up, none, down = cloud.cmap([1.0, 0.5, 0.0])
    assert up[0] > up[2]
    assert down[2] > down[0]
    assert np.ptp(none[:3]) < 0.1


def test_the_sum_over_transits_ends_at_the_score(attribution):
    transits = [a for a in plot_attribution(attribution).get_axes() if "order" in a.get_xlabel()]
    (line,) = [line for line in transits[0].lines if line.get_gid() == "cumulative"]
    assert line.get_ydata()[-1] == pytest.approx(attribution.score)
    heights = [bar.get_height() for bar in transits[0].patches]
    assert len(heights) == attribution.n_transits
    seen = attribution.transit_points > 0
    np.testing.assert_allclose(heights, attribution.transit_contribution[seen])


def test_transits_have_the_numbers_of_the_table_and_those_that_nobody_saw_are_left_out():
    time = np.concatenate([np.arange(0.0, 4.5, 0.05), np.arange(6.0, 9.5, 0.05)])
    flux = 1.0 + 1e-3 * np.sin(40.0 * time) - 0.02 * (np.abs((time + 0.5) % 3 - 1.5) < 0.1)
    flux[time > 8.8] -= 0.02  # near a transit that nobody saw
    found = arm.search.attribute(time, flux, 1e-3, period=3.0, t0=16.0, duration=0.2)
    assert found.transits.tolist() == [-5, -4, -3, -2]
    assert found.transit_points[2:].tolist() == [4, 0]
    figure = found.plot()
    figure.draw_without_rendering()
    (axes,) = [a for a in figure.get_axes() if "order" in a.get_xlabel()]
    names = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert names == ["\u22125", "\u22124", "\u22123"]
    (line,) = [line for line in axes.lines if line.get_gid() == "cumulative"]
    expected = np.cumsum(found.transit_contribution)[[0, 1, 3]]
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_the_legend_of_the_transits_hides_no_bar():
    time = np.arange(0.0, 9.0, 0.05)
    flux = 1.0 + 1e-3 * np.sin(40.0 * time)
    flux[np.abs(time - 1.0) < 0.1] = 0.95  # the first is the tallest
    found = arm.search.attribute(time, flux, 1e-3, period=3.0, t0=1.0, duration=0.2)
    figure = found.plot()
    figure.draw_without_rendering()
    (axes,) = [a for a in figure.get_axes() if "order" in a.get_xlabel()]
    legend = axes.get_legend().get_window_extent()
    assert not any(legend.overlaps(bar.get_window_extent()) for bar in axes.patches)


def test_a_score_of_edges_alone_is_drawn_with_all_transits_near_points():
    time = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    flux = np.array([1.0, 0.99, 1.0, 0.98, 1.0])
    found = arm.search.attribute(time, flux, 0.01, period=2.0, t0=0.4, duration=0.7, sharpness=5.0)
    assert found.n_transits == 0
    (axes,) = [a for a in found.plot().get_axes() if "order" in a.get_xlabel()]
    assert len(axes.patches) == len(found.transits)


def test_the_bar_in_the_legend_has_the_colour_of_the_strongest():
    time = np.arange(0.0, 9.0, 0.05)
    flux = 1.0 + 1e-3 * np.sin(40.0 * time)
    flux[np.abs(time - 1.0) < 0.1] = 1.002  # the first transit is none
    flux[np.abs(time - 4.0) < 0.1] = 0.95
    found = arm.search.attribute(time, flux, 1e-3, period=3.0, t0=1.0, duration=0.2)
    assert found.transit_contribution[0] < 0 < found.score
    (axes,) = [a for a in found.plot().get_axes() if "order" in a.get_xlabel()]
    (bar,) = axes.get_legend().get_patches()
    assert bar.get_facecolor() == max(axes.patches, key=lambda b: b.get_height()).get_facecolor()


def test_one_point_in_transit_is_drawn_with_the_level_it_is_below():
    time = np.arange(0.0, 9.0, 0.05)
    flux = 1.0 + 1e-3 * np.sin(40.0 * time)
    flux[50] = 0.99
    found = arm.search.attribute(time, flux, 1e-3, period=100.0, t0=time[50], duration=1e-3)
    (fold,) = [a for a in found.plot().get_axes() if "mid" in a.get_xlabel()]
    low, high = fold.get_ylim()
    assert low < -1e6 * found.relative_depth < 0.0 < high


def test_a_constant_flux_can_be_drawn(tmp_path):
    time = np.arange(0.0, 9.0, 0.05)
    found = arm.search.attribute(time, np.ones(180), 1e-3, period=3.0, t0=1.0, duration=0.2)
    save_figure(found.plot(), tmp_path / "constant.png")


def test_the_template_is_the_fit(attribution):
    (fold,) = [a for a in plot_attribution(attribution).get_axes() if "mid" in a.get_xlabel()]
    (line,) = [line for line in fold.lines if line.get_label() == "template"]
    expected = -1e6 * attribution.depth / attribution.level
    assert line.get_ydata().min() == pytest.approx(expected, rel=1e-6)


def test_gaps_of_hundreds_of_days_are_cut_out():
    found = attributed(span=400.0, gaps=[(25.0, 370.0)], cadence=1 / 24)
    panels = plot_attribution(found).get_axes()[:2]
    assert panels[0].get_xlim()[1] < 30
    assert panels[1].get_xlim()[0] > 365


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_flux_without_a_positive_level_is_drawn_in_its_own_unit(tmp_path, level):
    figure = plot_attribution(attributed(level=level))
    assert figure.get_axes()[0].get_ylabel() == "flux change"
    save_figure(figure, tmp_path / "flat.png")


def test_few_points_and_a_brightening_can_be_drawn(tmp_path):
    time = np.arange(10.0)
    flux = np.array([1.0, 1.0, 1.1, 1.0, 1.0, 1.0, 1.0, 1.1, 1.0, 1.01])
    found = arm.search.attribute(time, flux, 0.01, period=5.0, t0=2.0, duration=0.5)
    assert found.score < 0
    save_figure(found.plot(), tmp_path / "few.pdf")


def test_many_transits_are_a_line_without_bars():
    star = simulated_light_curve(4, span=200.0, period=1.1, t0=0.3, duration=0.05, snr=40.0)
    found = arm.search.attribute(
        star.time, star.flux, star.flux_err, period=1.1, t0=0.3, duration=0.05
    )
    (axes,) = [a for a in found.plot().get_axes() if "order" in a.get_xlabel()]
    assert len(axes.patches) == 0
