"""The picture of a search shows what was found, and where."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import armillary as arm
from armillary.plot.files import save_figure
from armillary.plot.periodogram import plot_periodogram
from armillary.testing import simulated_light_curve

pytest.importorskip("matplotlib", reason="plots need matplotlib")


def searched(**options):
    star = simulated_light_curve(
        4, **{"period": 3.4, "t0": 1.3, "snr": 40.0, "cadence": 1 / 48, **options}
    )
    return arm.search.bls(star.time, star.flux, star.flux_err, min_period=1.5, max_period=12)


def marks(figure):
    """Times below which a transit is marked, over all panels."""
    lines = [line for axes in figure.get_axes() for line in axes.lines]
    return np.concatenate([line.get_xdata() for line in lines if line.get_gid() == "transits"])


@pytest.fixture(scope="module")
def periodogram():
    return searched()


def test_title_says_target_period_depth_and_strength(periodogram):
    best = periodogram.best
    title = plot_periodogram(periodogram, target="WASP-0", note="simulated data").get_suptitle()
    assert title.startswith("WASP-0 (simulated data):")
    assert f"P = {best.period:.5g} d" in title
    assert f"{1e6 * best.relative_depth:,.0f} ppm" in title
    assert f"S/N {best.snr:.1f}" in title


def test_every_transit_with_points_is_marked_and_no_other():
    found = searched(gaps=[(4.0, 6.0)])
    figure = plot_periodogram(found)
    times = marks(figure)
    assert len(times) == found.best.n_transits
    assert np.all(np.abs(found.best.offset(times)) < 1e-6)
    assert not np.any((times > 4) & (times < 6))


def test_gaps_of_hundreds_of_days_are_cut_out_and_no_transit_is_lost():
    found = searched(span=400.0, gaps=[(25.0, 370.0)], cadence=1 / 24)
    figure = plot_periodogram(found)
    assert len(figure.get_axes()) == 4
    assert len(marks(figure)) == found.best.n_transits
    panels = figure.get_axes()[:2]
    assert panels[0].get_xlim()[1] < 30
    assert panels[1].get_xlim()[0] > 365


def test_the_box_has_the_depth_and_duration_of_the_peak(periodogram):
    best = periodogram.best
    fold = plot_periodogram(periodogram).get_axes()[-1]
    (box,) = [line for line in fold.lines if line.get_label() == "box"]
    assert box.get_ydata().min() == pytest.approx(-1e6 * best.relative_depth)
    inside = box.get_xdata()[box.get_ydata() < 0]
    assert inside.max() - inside.min() == pytest.approx(24 * best.duration)


def test_the_spectrum_is_the_one_asked_for(periodogram):
    for statistic in ("snr", "delta_chi2"):
        spectrum = plot_periodogram(periodogram, statistic=statistic).get_axes()[-2]
        np.testing.assert_array_equal(
            spectrum.lines[0].get_ydata(), getattr(periodogram, statistic)
        )
        assert spectrum.get_xscale() == "log"
    with pytest.raises(ValueError, match="statistic must be 'snr' or 'delta_chi2'"):
        plot_periodogram(periodogram, statistic="power")


def test_periods_in_any_order_draw_the_same(periodogram):
    backwards = replace(
        periodogram,
        **{
            name: getattr(periodogram, name)[::-1]
            for name in ("period", "delta_chi2", "depth", "depth_err", "t0", "duration", "level")
        },
    )
    lines = [
        plot_periodogram(one, periodogram.best).get_axes()[-2].lines[0].get_xydata()
        for one in (periodogram, backwards)
    ]
    np.testing.assert_array_equal(*lines)


def test_another_peak_can_be_shown(periodogram):
    second = periodogram.peaks(2)[1]
    assert f"P = {second.period:.5g} d" in periodogram.plot(second).get_suptitle()


def test_one_period_and_few_points_can_be_drawn(tmp_path):
    flux = np.array([1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0, 0.9, 1.0, 1.0])
    found = arm.search.bls(np.arange(10.0), flux, 0.01, period=[5.0], duration=[0.5])
    save_figure(plot_periodogram(found), tmp_path / "few.png")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_files_are_whole_and_replace_older_ones(periodogram, tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    path.write_text("older")
    save_figure(plot_periodogram(periodogram), path)
    assert path.stat().st_size > 5_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_older_file(periodogram, tmp_path, monkeypatch):
    figure = plot_periodogram(periodogram)
    path = tmp_path / "picture.png"
    path.write_text("older")
    monkeypatch.setattr(figure, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_figure(figure, path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_needs_no_screen_and_leaves_matplotlib_as_it_was():
    code = (
        "import matplotlib, sys; before = matplotlib.rcParams.copy()\n"
        "import numpy as np, armillary as arm\n"
        "time = np.arange(0, 20, 0.02)\n"
        "flux = np.where(time % 3 < 0.1, 0.99, 1.0) + 1e-3 * np.sin(37 * time)\n"
        "arm.search.bls(time, flux, min_period=2).plot()\n"
        "print(matplotlib.rcParams.copy() == before, 'matplotlib.pyplot' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "False"]
