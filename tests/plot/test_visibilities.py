"""The picture of visibilities: what is drawn is what there is."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures are drawn with matplotlib")

from armillary.plot.files import save_figure
from armillary.plot.visibilities import Spectra, plot_spectra

FREQUENCY = 1e6 * np.linspace(1300.0, 1500.0, 40)


@pytest.fixture
def spectra():
    delays = np.array([[2e-9], [-7e-9], [20e-9]])
    return Spectra(FREQUENCY, 2.0 * np.exp(2j * np.pi * FREQUENCY * delays), edges=[1.4e9])


def lines(axes):
    """What is drawn with as many points as there are channels."""
    return [line for line in axes.get_lines() if len(line.get_xdata()) == len(FREQUENCY)]


def test_amplitudes_are_above_phases_in_a_column_for_each(spectra):
    flat = Spectra(FREQUENCY[::-1], np.ones((3, 40)))
    figure = plot_spectra({"before": spectra, "after": flat}, title="a source")
    amplitude, after, phase, flat_phase = figure.axes
    assert [axes.get_title(loc="left") for axes in (amplitude, after)] == ["before", "after"]
    for line, values in zip(lines(amplitude), spectra.visibilities, strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.abs(values))
        np.testing.assert_allclose(line.get_xdata(), FREQUENCY / 1e6)
    for line, values in zip(lines(phase), spectra.visibilities, strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.degrees(np.angle(values)))
    assert all(not line.get_ydata().any() for line in lines(flat_phase))
    assert figure.get_suptitle() == "a source"


def test_every_value_is_within_the_axes(spectra):
    amplitude, phase = plot_spectra({"": spectra}).axes
    assert amplitude.get_ylim()[0] == 0.0 and amplitude.get_ylim()[1] > 2.0
    assert phase.get_ylim()[0] < -180.0 and phase.get_ylim()[1] > 180.0


def test_each_baseline_has_a_colour_and_a_name(spectra):
    figure = plot_spectra({"": spectra}, ["1-2", "1-3", "2-3"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1-2", "1-3", "2-3"]
    drawn = [line.get_color() for line in lines(figure.axes[0])]
    assert len(set(drawn)) == 3
    assert [handle.get_color() for handle in legend.legend_handles] == drawn


def test_edges_are_lines_in_both_rows(spectra):
    for axes in plot_spectra({"": spectra}).axes:
        (edge,) = [line for line in axes.get_lines() if len(line.get_xdata()) == 2]
        assert edge.get_xdata()[0] == 1400.0


def test_what_is_not_there_is_not_drawn(tmp_path):
    nothing = Spectra(FREQUENCY, np.full((1, 40), np.nan + 0j))
    save_figure(plot_spectra({"flagged": nothing}), tmp_path / "nothing.png")
    assert (tmp_path / "nothing.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("columns", "names", "says"),
    [
        ({}, (), "must not be an empty mapping"),
        ({"a": Spectra(FREQUENCY, np.ones((2, 39)))}, (), r"'a' must be of shape .*40"),
        ({"a": Spectra(FREQUENCY, np.ones(40))}, (), r"'a' must be of shape"),
        ({"a": Spectra(FREQUENCY, np.ones((2, 40)))}, ["1-2"], "2 baselines, and 1 are named"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(columns, names, says):
    with pytest.raises(ValueError, match=says):
        plot_spectra(columns, names)
