"""The pictures of scores show what was scored, and which is best."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

import armillary as arm
from armillary.plot.files import save_figure
from armillary.plot.scores import plot_t0_scan, plot_template_scores
from armillary.testing import simulated_light_curve

pytest.importorskip("matplotlib", reason="plots need matplotlib")
pytestmark = pytest.mark.kernel

STAR = simulated_light_curve(4, period=3.4, t0=1.3, snr=40.0)
POINTS = STAR.time, STAR.flux, STAR.flux_err


def scored(**other):
    candidate = {"period": 3.4, "t0": 1.3, "duration": 0.1} | other
    return arm.search.template_score(*POINTS, **candidate)


def drawn(figure):
    """Label of the horizontal axis, and the points of every line, by label."""
    (axes,) = figure.get_axes()
    return axes.get_xlabel(), {line.get_label(): line.get_xydata() for line in axes.lines}


@pytest.mark.parametrize(
    ("name", "values"),
    [("period", [3.41, 3.40, 3.39]), ("t0", [1.2, 1.3, 1.4]), ("duration", [0.3, 0.1, 0.2])],
)
def test_scores_are_drawn_against_what_differs_in_its_order(name, values):
    scores = scored(**{name: values})
    label, lines = drawn(scores.plot())
    assert label.startswith(name)
    order = np.argsort(values)
    (line,) = [xy for xy in lines.values() if len(xy) == 3]
    np.testing.assert_array_equal(line[:, 0], np.array(values)[order])
    np.testing.assert_array_equal(line[:, 1], scores.score[order])
    assert lines["best"].tolist() == [[getattr(scores.best, name), scores.best.score]]


@pytest.mark.parametrize("span", [0.002, 0.02, 0.4, 40.0])
@pytest.mark.parametrize("epoch", [1500.0, 2457000.0])
def test_numbers_along_t0_are_written_out_and_lie_beside_each_other(epoch, span):
    t0 = epoch + 1.3 + span * np.linspace(-0.5, 0.5, 21)
    scores = arm.search.template_score(
        epoch + STAR.time, *POINTS[1:], period=140.0, t0=t0, duration=0.1
    )
    figure = scores.plot()
    figure.draw_without_rendering()
    (axes,) = figure.get_axes()
    assert axes.xaxis.get_offset_text().get_text() == ""
    low, high = axes.get_xlim()
    labels = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    numbers = [float(re.search(r"[\d.]+", label.get_text()).group()) for label in labels]
    np.testing.assert_allclose(numbers, [label.get_position()[0] for label in labels], rtol=1e-13)
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) >= 2
    assert all(left.x1 + 5 < right.x0 for left, right in pairwise(boxes))


def test_another_axis_can_be_asked_for():
    scores = scored(period=[3.3, 3.4], duration=[0.1, 0.2])
    assert drawn(plot_template_scores(scores, against="duration"))[0] == "duration [d]"
    with pytest.raises(ValueError, match="against must be 'period' or 't0' or 'duration'"):
        plot_template_scores(scores, against="depth")


def test_one_candidate_and_unknown_ones_can_be_drawn(tmp_path):
    save_figure(scored().plot(), tmp_path / "one.png")
    save_figure(scored(period=[3.4, 1e6], t0=[1.3, 5e5]).plot(), tmp_path / "two.png")
    with pytest.raises(ValueError, match="no candidate has points in and out of transit"):
        scored(period=1e6, t0=5e5).plot()


def test_title_says_target_and_best_score():
    scores = scored()
    title = scores.plot(target="WASP-0").get_suptitle()
    assert title == f"WASP-0:  1 candidate, best score {scores.best.score:.2f}"


def test_a_scan_shows_both_mid_transits():
    scan = arm.search.scan_t0(*POINTS, period=3.4, t0=1.33, duration=0.1)
    figure = scan.plot(target="WASP-0")
    _, lines = drawn(figure)
    assert lines["given"][0, 0] == 0.0
    assert lines["best"][0, 0] == pytest.approx(1440 * (scan.best_t0 - 1.33))
    assert figure.get_suptitle().startswith(f"WASP-0:  score {scan.best_score:.2f}")
    assert plot_t0_scan(scan).get_suptitle().startswith("light curve:")
