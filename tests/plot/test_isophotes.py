"""The picture of a fit of isophotes shows the ellipses, what they leave, and the profiles."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from armillary.fit import Isophotes, ellipse_model
from armillary.fit.isophote.result import COLUMNS, HARMONIC_COLUMNS
from armillary.plot.files import save_figure
from armillary.plot.isophotes import plot_isophotes
from armillary.plugins.records import Provenance

pytest.importorskip("matplotlib", reason="plots need matplotlib")

SHAPE = (120, 160)
PROVENANCE = Provenance("fit.isophotes", "by hand", "tests", "1", "float64", "a test", 1)


def fitted(sma=None, **arrays):
    """Isophotes of an exponential disc, made by hand: the outermost three did not converge."""
    sma = np.concatenate([[0.0], 0.5 * 1.15 ** np.arange(34)]) if sma is None else np.array(sma)
    known = np.where(sma > 0.0, 1.0, np.nan)
    intensity = 1000.0 * np.exp(-sma / 12.0)
    columns = {name: np.zeros(len(sma), kind) for name, kind in COLUMNS.items()}
    columns |= {name: known[:, None] * [0.01, 0.02] for name in HARMONIC_COLUMNS}
    columns |= {
        "sma": sma,
        "intensity": intensity,
        "intensity_err": known * np.sqrt(intensity),
        "ellipticity": known * 0.4,
        "ellipticity_err": known * 0.01,
        "position_angle": known * 0.5,
        "position_angle_err": known * 0.02,
        "x0": np.full(len(sma), 80.0),
        "y0": np.full(len(sma), 60.0),
        "stop_code": np.where(np.arange(len(sma)) < len(sma) - 3, 0, 2),
    }
    for name, values in arrays.items():
        columns[name] = np.array(np.broadcast_to(values, columns[name].shape))
    return Isophotes(
        **columns,
        harmonics=(3, 4),
        image_shape=SHAPE,
        sampling="polar_angle",
        n_unusable=0,
        reason="" if len(sma) else "there is no galaxy",
        provenance=PROVENANCE,
    )


def disc():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    u = (x - 80.0) * np.cos(0.5) + (y - 60.0) * np.sin(0.5)
    v = (y - 60.0) * np.cos(0.5) - (x - 80.0) * np.sin(0.5)
    return 1000.0 * np.exp(-np.hypot(u, v / 0.6) / 12.0)


def profiles(figure):
    """Panels by the first word of their label."""
    return {
        axes.get_ylabel().split()[0]: axes
        for axes in figure.get_axes()
        if axes.get_ylabel() and not axes.images
    }


def pictures(figure):
    return [axes for axes in figure.get_axes() if axes.images]


def points(axes, label):
    """Where the points of one kind are, and the ends of their errors."""
    (bars,) = [bars for bars in axes.containers if bars.get_label() == label]
    line, _, (sticks,) = bars.lines
    return *line.get_data(), np.array(sticks.get_segments())


def every_value(axes):
    return np.concatenate([bars.lines[0].get_ydata() for bars in axes.containers])


@pytest.fixture
def isophotes():
    return fitted()


# ------------------------------------------------------------------ profiles


def test_every_isophote_but_the_centre_is_in_every_profile(isophotes):
    panels = profiles(plot_isophotes(isophotes))
    assert list(panels) == ["intensity", "ellipticity", "position", "harmonics"]
    for name in ("intensity", "ellipticity", "position"):
        sma, values, sticks = points(panels[name], "converged")
        np.testing.assert_array_equal(sma, isophotes.sma[1:-3])
        others, *_ = points(panels[name], "not converged, or not fitted")
        np.testing.assert_array_equal(others, isophotes.sma[-3:])
        assert len(sticks) == len(values)
    _, values, sticks = points(panels["intensity"], "converged")
    np.testing.assert_array_equal(values, isophotes.intensity[1:-3])
    np.testing.assert_allclose(
        sticks[:, 1, 1] - sticks[:, 0, 1], 2.0 * isophotes.intensity_err[1:-3]
    )
    _, values, _ = points(panels["position"], "converged")
    np.testing.assert_allclose(values, np.degrees(0.5))


def test_the_axis_is_shared_and_goes_with_the_fourth_root(isophotes):
    panels = list(profiles(plot_isophotes(isophotes)).values())
    assert len({axes.get_xlim() for axes in panels}) == 1
    low, high = panels[0].get_xlim()
    assert low < isophotes.sma[1] and isophotes.sma[-1] < high
    places = panels[0].transData.transform([(s, 1.0) for s in (1.0, 16.0, 81.0)])[:, 0]
    assert (places[2] - places[1]) / (places[1] - places[0]) == pytest.approx(1.0)
    assert panels[-1].get_xlabel() == "semi-major axis [pixel]"


def test_magnitudes_need_a_zero_point_and_arcseconds_a_scale(isophotes):
    figure = plot_isophotes(isophotes, zero_point=25.0, pixel_scale=0.2)
    axes = profiles(figure)["surface"]
    _, values, sticks = points(axes, "converged")
    np.testing.assert_allclose(values[0], 25.0 - 2.5 * np.log10(isophotes.intensity[1] / 0.04))
    assert np.all((sticks[:, 0, 1] < values) & (values < sticks[:, 1, 1]))
    assert axes.yaxis_inverted() and "arcsec" in axes.get_ylabel()
    assert {a.get_xlabel() for a in figure.get_axes()} >= {"semi-major axis [arcsec]"}
    (above,) = [a for a in figure.get_axes() if "[arcsec]" in a.get_xlabel()]
    np.testing.assert_allclose(above.get_xlim(), 0.2 * np.array(axes.get_xlim()))
    per_pixel = profiles(plot_isophotes(isophotes, zero_point=25.0))["surface"]
    assert "pixel" in per_pixel.get_ylabel()
    assert points(per_pixel, "converged")[1][0] == pytest.approx(values[0] - 5.0 * np.log10(0.2))


def test_intensities_that_are_not_positive_are_drawn(isophotes):
    intensity = isophotes.intensity - 100.0
    axes = profiles(plot_isophotes(replace(isophotes, intensity=intensity)))["intensity"]
    assert axes.get_yscale() == "asinh"
    np.testing.assert_array_equal(np.sort(every_value(axes)), np.sort(intensity[1:]))
    assert profiles(plot_isophotes(isophotes))["intensity"].get_yscale() == "log"


def test_magnitudes_of_what_is_not_positive_are_left_out(isophotes):
    faint = replace(isophotes, intensity=isophotes.intensity - 100.0)
    values = every_value(profiles(plot_isophotes(faint, zero_point=25.0))["surface"])
    assert np.count_nonzero(np.isnan(values)) == np.count_nonzero(faint.intensity <= 0.0)


def test_angles_of_179_and_1_degrees_are_neighbours():
    angles = np.radians([178.0, 179.0, 1.0, 2.0])
    axes = profiles(plot_isophotes(fitted([2, 3, 4, 5], position_angle=angles)))["position"]
    drawn = np.sort(every_value(axes))
    np.testing.assert_allclose(np.diff(drawn), [1.0, 2.0, 1.0])


@pytest.mark.parametrize("turn", np.radians([0.0, 30.0, 89.0, 91.0, 170.0]))
def test_angles_that_drift_are_drawn_without_a_jump(turn):
    angles = np.mod(turn + np.linspace(0.0, 1.2, 20), np.pi)
    axes = profiles(plot_isophotes(fitted(np.arange(1, 21), position_angle=angles)))["position"]
    drawn = np.sort(every_value(axes))
    np.testing.assert_allclose(np.diff(drawn), np.degrees(1.2 / 19))


def test_round_ellipses_have_no_say_in_where_angles_are_cut():
    angles = np.radians([90.0, 90.0, 2.0, 178.0])
    flat = fitted([2, 3, 4, 5], position_angle=angles, ellipticity=[0.01, 0.01, 0.5, 0.5])
    drawn = np.sort(np.mod(every_value(profiles(plot_isophotes(flat))["position"]) + 45, 180))
    assert drawn[1] - drawn[0] == pytest.approx(4.0)


def test_the_harmonics_of_order_four_are_those_that_are_drawn():
    a, b = np.random.default_rng(1).normal(0.0, 0.01, (2, 20, 2))
    axes = profiles(plot_isophotes(fitted(np.arange(1, 21), a=a, b=b)))["harmonics"]
    np.testing.assert_array_equal(points(axes, "$a_4$")[1], a[:, 1])
    np.testing.assert_array_equal(points(axes, "$b_4$ (disky > 0 > boxy)")[1], b[:, 1])
    low, high = axes.get_ylim()
    assert low == -high


def test_without_order_four_there_is_no_such_panel(isophotes):
    figure = plot_isophotes(replace(isophotes, harmonics=(3, 5)))
    assert "harmonics" not in profiles(figure)


# ------------------------------------------------------------------ pictures


def test_the_ellipses_are_where_the_isophotes_are(isophotes):
    image, _ = pictures(plot_isophotes(isophotes, disc(), model=disc()))
    drawn = {patch.width / 2.0: patch for patch in image.patches}
    assert set(drawn) <= set(isophotes.sma) and max(drawn) == isophotes.sma[-1]
    for sma, patch in drawn.items():
        assert patch.center == (80.0, 60.0)
        assert patch.height / 2.0 == pytest.approx(0.6 * sma)
        assert patch.angle == pytest.approx(np.degrees(0.5))
        assert (patch.get_gid() == "converged") == (sma < isophotes.sma[-3])


def test_not_all_of_many_ellipses_are_drawn():
    many = fitted(np.linspace(0.1, 50.0, 2_000))
    image, _ = pictures(plot_isophotes(many, disc(), model=disc()))
    radii = np.sort([patch.width for patch in image.patches])
    assert 10 < len(radii) < 30 and np.all(radii[1:] > 1.1 * radii[:-1])


def test_the_residual_is_the_image_minus_the_model_inside_the_outermost(isophotes):
    image, model = disc(), disc() - 3.0
    _, residual = pictures(plot_isophotes(isophotes, image, model=model))
    pixels = residual.images[0].get_array()
    left, right, bottom, top = residual.images[0].get_extent()
    assert pixels.shape == (top - bottom, right - left)
    np.testing.assert_allclose(pixels.compressed(), 3.0)
    assert pixels.count() == pytest.approx(0.6 * np.pi * isophotes.sma[-1] ** 2, rel=0.01)
    norm = residual.images[0].norm
    assert norm.vmin == -norm.vmax


def test_without_a_model_it_is_made_of_the_isophotes(isophotes):
    image = disc()
    _, drawn = pictures(isophotes.plot(image))
    _, given = pictures(isophotes.plot(image, model=ellipse_model(image, isophotes)))
    np.testing.assert_array_equal(drawn.images[0].get_array(), given.images[0].get_array())


def test_masked_pixels_are_blank(isophotes):
    image, mask = disc(), np.zeros(SHAPE, np.uint8)
    mask[60:65, 80:90] = 2
    image[50, 70] = np.nan
    hidden = np.ma.array(image, mask=mask != 0)
    for figure in (
        plot_isophotes(isophotes, image, mask=mask, model=disc()),
        plot_isophotes(isophotes, hidden, model=disc()),
    ):
        for axes in pictures(figure):
            pixels = axes.images[0].get_array()
            left, _, bottom, _ = axes.images[0].get_extent()
            blank = pixels.mask[
                int(60 - bottom) : int(65 - bottom), int(80 - left) : int(90 - left)
            ]
            assert blank.all() and pixels.mask[int(50 - bottom - 0.5), int(70 - left - 0.5)]
    assert np.count_nonzero(np.ma.getmaskarray(hidden)) == 50 and image[61, 81] > 0.0


def test_the_part_of_the_image_around_the_isophotes_is_shown():
    small = fitted([1.0, 5.0, 10.0])
    image, residual = pictures(plot_isophotes(small, disc(), model=disc()))
    left, right, bottom, top = image.images[0].get_extent()
    assert (left, bottom) < (70.0, 50.0) and (right, top) > (90.0, 70.0)
    assert right - left < 30 and top - bottom < 30
    rows, columns = (
        slice(int(bottom + 0.5), int(top + 0.5)),
        slice(int(left + 0.5), int(right + 0.5)),
    )
    np.testing.assert_array_equal(image.images[0].get_array(), disc()[rows, columns])
    assert residual.images[0].get_extent() == [left, right, bottom, top]


def test_a_picture_of_any_kind_of_numbers_is_drawn(isophotes):
    for kind in (">f4", "<i2", "u1"):
        image = np.clip(disc(), 0, 255).astype(kind)
        plot_isophotes(isophotes, image, model=np.zeros(SHAPE)).draw_without_rendering()


# ------------------------------------------------------------------ what there may be little of


@pytest.mark.parametrize(
    "few",
    [
        fitted([]),
        fitted([0.0]),
        fitted([3.0]),
        fitted([30.0, 31.0, 32.0]),
        fitted([1.0, 2.0], intensity=[-1.0, -2.0]),
        fitted([1.0, 2.0], intensity=np.nan, position_angle=np.nan),
        fitted([1e-3, 1e4]),
        fitted([3.0, 4.0], x0=-50.0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_whatever_there_is_can_be_drawn(few):
    image = np.full(SHAPE, np.nan)
    plot_isophotes(few, zero_point=20.0, pixel_scale=3.0).draw_without_rendering()
    plot_isophotes(few, image, model=image).draw_without_rendering()


@pytest.mark.parametrize("level", [0.0, 7.0, -1e-30, 1e30])
@pytest.mark.filterwarnings("error")
def test_an_image_without_contrast_can_be_drawn(isophotes, level):
    image = np.full(SHAPE, level)
    plot_isophotes(isophotes, image, model=image).draw_without_rendering()


def test_why_there_is_no_isophote_is_said():
    figure = plot_isophotes(fitted([]), disc())
    told = [text.get_text() for axes in figure.get_axes() for text in axes.texts]
    assert told == ["there is no galaxy"]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_every_format_can_be_written(isophotes, suffix, tmp_path):
    save_figure(isophotes.plot(disc()), tmp_path / f"picture.{suffix}")
    assert (tmp_path / f"picture.{suffix}").stat().st_size > 10_000


def test_the_title_counts_or_is_what_was_asked_for(isophotes):
    assert plot_isophotes(isophotes).get_suptitle() == "35 isophotes, 31 converged"
    assert isophotes.plot(title="mine").get_suptitle() == "mine"
    forced = replace(isophotes, stop_code=np.full(35, 4))
    assert plot_isophotes(forced).get_suptitle() == "35 isophotes"
    assert points(profiles(plot_isophotes(forced))["intensity"], "geometry given")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image": np.zeros((3, 4))}, r"image must be of shape \(120, 160\)"),
        ({"image": disc(), "mask": np.zeros((3, 4))}, "mask must be of shape"),
        ({"image": disc(), "model": np.zeros((3, 4))}, "model must be of shape"),
        ({"mask": np.zeros(SHAPE)}, "mask is drawn on the image, which is None"),
        ({"model": np.zeros(SHAPE)}, "model is drawn on the image, which is None"),
        ({"zero_point": np.nan}, "zero_point must be a finite number"),
        ({"zero_point": 25.0, "pixel_scale": 0.0}, "pixel_scale must be positive"),
        ({"pixel_scale": np.nan}, "pixel_scale must be positive"),
    ],
)
def test_what_cannot_be_drawn_is_refused(isophotes, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot_isophotes(isophotes, **options)


def test_without_matplotlib_it_is_said_how_to_get_it():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from armillary.plot.isophotes import plot_isophotes\n"
        "try: plot_isophotes(None)\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "armillary[plot]"' in told.stdout
