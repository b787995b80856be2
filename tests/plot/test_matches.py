"""The picture of a match shows how far apart and in which direction."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import armillary as arm
from armillary.crossmatch.statistics import PairStatistics
from armillary.plot.files import save_figure
from armillary.plot.matches import plot_matches

pytest.importorskip("matplotlib", reason="plots need matplotlib")


def matched(east=0.0, north=0.0, *, scatter=0.05, n=2_000, dec=60.0, radius=2.0):
    """A catalogue matched with a copy that is moved by so many arcseconds, and noisy."""
    random = np.random.default_rng(8)
    ra, dec = 360 * random.random(n), dec + random.uniform(-1, 1, n)
    step = scatter * random.standard_normal((2, n))
    there = (
        ra + (east + step[0]) / 3600 / np.cos(np.radians(dec)),
        dec + (north + step[1]) / 3600,
    )
    return arm.crossmatch.nearest((ra, dec), there, radius)


def statistics(found, largest=2.0):
    pairs = PairStatistics(largest)
    pairs.add(found.separation, *found.offsets)
    return pairs


def panels(figure):
    """Histogram and cloud of each row, without the colour bars."""
    axes = [each for each in figure.get_axes() if each.get_label() != "<colorbar>"]
    return list(zip(axes[::2], axes[1::2], strict=True))


def median_offset(cloud):
    (mark,) = [line for line in cloud.lines if line.get_gid() == "median offset"]
    return mark.get_xdata()[0], mark.get_ydata()[0]


def cloud_counts(cloud):
    return np.ma.filled(cloud.collections[0].get_array(), 0)


def circles(cloud):
    return [patch.get_radius() for patch in cloud.patches]


# ------------------------------------------------------------------ the cloud


def test_a_shift_of_the_frame_is_where_the_median_is():
    ((_, cloud),) = panels(plot_matches(matched(0.8, -0.4)))
    assert median_offset(cloud) == pytest.approx((0.8, -0.4), abs=0.01)
    assert "median +0." in cloud.get_title() and ", \N{MINUS SIGN}0.4" in cloud.get_title()


def test_east_is_to_the_left_and_a_circle_is_round():
    ((_, cloud),) = panels(plot_matches(matched()))
    west, east = cloud.get_xlim()[::-1]
    south, north = cloud.get_ylim()
    assert west < 0 < east
    assert cloud.transData.transform((1, 0))[0] < cloud.transData.transform((-1, 0))[0]
    assert (west, east) == pytest.approx((south, north))
    assert cloud.get_aspect() == 1.0
    assert "east to the left" in cloud.get_xlabel()


def test_every_pair_is_in_both_panels():
    found = matched(0.3, 0.3)
    ((histogram, cloud),) = panels(plot_matches(found))
    counts = histogram.patches[0].get_data().values
    assert counts.sum() == cloud_counts(cloud).sum() == len(found)
    row, column = np.unravel_index(cloud_counts(cloud).argmax(), (101, 101))
    assert row > 50 and column > 50
    assert histogram.lines[0].get_xdata()[0] == pytest.approx(
        np.median(found.separation), abs=found.separation.max() / 10_000
    )


def test_another_epoch_smears_the_cloud():
    random = np.random.default_rng(2)
    position = 360 * random.random(3_000), random.uniform(-80, 80, 3_000)
    motion = 60 * random.standard_normal((2, 3_000))
    then = arm.crossmatch.Catalog(
        *position, pm_ra_cosdec=motion[0], pm_dec=motion[1], epoch=1991.25
    )
    now = then.at(2016.0)
    now = arm.crossmatch.Catalog(now.ra, now.dec)
    rows = {
        "as they are": arm.crossmatch.nearest(position, now, 2.0),
        "moved": arm.crossmatch.nearest(then, now, 2.0, epoch=2016.0),
    }
    (_, smeared), (_, sharp) = panels(plot_matches(rows, radius=2.0))
    assert np.count_nonzero(cloud_counts(sharp)) <= 4
    assert np.count_nonzero(cloud_counts(smeared)) > 1_000


# ------------------------------------------------------------------ what can be drawn


def test_matches_statistics_and_a_report_draw_the_same():
    found = matched()
    pairs = statistics(found)
    drawn = [
        panels(plot_matches(found, radius=2.0)),
        panels(plot_matches(pairs)),
        panels(plot_matches(SimpleNamespace(statistics=pairs))),
    ]
    for ((histogram, cloud),) in drawn:
        np.testing.assert_array_equal(cloud_counts(cloud).reshape(101, 101), pairs.offset_counts)
        assert histogram.get_xlim() == (0.0, 2.0)
        assert circles(cloud) == [2.0]


def test_a_radius_that_is_not_known_is_not_drawn():
    found = matched()
    ((histogram, cloud),) = panels(plot_matches(found))
    assert circles(cloud) == []
    assert histogram.get_xlim()[1] == found.separation.max()


def test_rows_have_names_and_the_same_axes():
    rows = {"wide": statistics(matched(), 5.0), "narrow": statistics(matched(), 2.0)}
    first, second = panels(plot_matches(rows, title="both"))
    assert [first[0].get_title("left"), second[0].get_title("left")] == ["wide", "narrow"]
    for one, other in zip(first, second, strict=True):
        assert (one.get_xlim(), one.get_ylim()) == (other.get_xlim(), other.get_ylim())
    norms = [cloud.collections[0].norm for _, cloud in (first, second)]
    assert (norms[0].vmin, norms[0].vmax) == (norms[1].vmin, norms[1].vmax)


def test_the_title_counts_or_is_what_was_asked_for():
    found = matched()
    assert plot_matches(found).get_suptitle() == "2,000 pairs"
    assert plot_matches(found, title="mine").get_suptitle() == "mine"
    assert plot_matches({"a": found}).get_suptitle() == ""
    assert found.plot(title="theirs").get_suptitle() == "theirs"


@pytest.mark.parametrize(
    "catalogues",
    [
        (([1.0], [2.0]), ([200.0], [2.0])),  # no pair
        (([1.0], [2.0]), ([1.0], [2.0])),  # one, and not apart
        (([0.0, 0.0], [90.0, -90.0]), ([10.0, 180.0], [90.0, -89.9999])),
    ],
)
def test_few_pairs_can_be_drawn_in_every_format(catalogues, tmp_path):
    found = arm.crossmatch.nearest(*catalogues, 2.0)
    for suffix in ("png", "pdf", "svg"):
        save_figure(plot_matches(found), tmp_path / f"few.{suffix}")
        assert (tmp_path / f"few.{suffix}").stat().st_size > 1_000


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (({},), ValueError, "matches must not be an empty mapping"),
        (([1.0, 2.0],), TypeError, "a mapping of names to these, not list"),
        (({"a": 3},), TypeError, "not int"),
    ],
)
def test_what_holds_no_pairs_is_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        plot_matches(*arguments)


def test_a_radius_below_the_separations_is_refused():
    with pytest.raises(ValueError, match=r"separation must be within 0 to 0\.01 arcsec"):
        plot_matches(matched(), radius=0.01)
