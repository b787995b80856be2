"""Stars move in a straight line on the unit vector, from the epoch of a catalogue to another."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch import Catalog, EpochWarning
from armillary.crossmatch.sky.reference import separation

pytestmark = pytest.mark.kernel

#: Promised agreement with astropy over 30 years at 10 arcsec a year, in arcsec.
PROMISED = 10e-6
#: What a straight line computed in float64 allows, in arcsec.
ROUNDING = 1e-9

REGIONS = ["whole sky", "north pole", "south pole", "right ascension 0", "equator"]


def fast_stars(region, n=2000, *, speed=10_000.0, seed=1):
    """Stars of 10 arcsec a year in every direction, at 2000.0."""
    rng = np.random.default_rng(seed)
    ra = rng.uniform(0.0, 360.0, n)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    from_pole = 10.0 ** rng.uniform(-8.0, -1.0, n)  # 36 micro-arcsec to 6 arcmin
    if region == "north pole":
        dec = 90.0 - from_pole
    elif region == "south pole":
        dec = from_pole - 90.0
    elif region == "right ascension 0":
        ra = np.remainder(rng.normal(0.0, 0.03, n), 360.0)
    elif region == "equator":
        dec = rng.normal(0.0, 0.03, n)
    toward = rng.uniform(0.0, 2.0 * np.pi, n)
    motion = {"pm_ra_cosdec": speed * np.sin(toward), "pm_dec": speed * np.cos(toward)}
    return Catalog(ra, dec, **motion, epoch=2000.0)


def moved_by_astropy(catalog, year):
    """Positions by ``apply_space_motion``, and the rows that it moved.

    Within arcseconds of a pole it derives an angular speed in right ascension that no star can
    have, and leaves some such stars where they were.
    """
    rate = u.mas / u.yr
    # Barycentric years: in UTC, leap seconds would move a star of 10 arcsec a year too.
    start, end = (Time(y, format="jyear", scale="tdb") for y in (catalog.epoch, year))
    coordinates = SkyCoord(
        catalog.ra * u.deg,
        catalog.dec * u.deg,
        pm_ra_cosdec=catalog.pm_ra_cosdec * rate,
        pm_dec=catalog.pm_dec * rate,
        obstime=start,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of distances that are made up
        moved = coordinates.apply_space_motion(new_obstime=end)
    ra, dec = moved.ra.deg, moved.dec.deg
    return ra, dec, separation(catalog.ra, catalog.dec, ra, dec) > 1e-3


def distance_from_truth(catalog, row, years, ra, dec):
    """Arcseconds between a position and where the straight line leads, in 40 digits."""
    with mpmath.workdps(40):
        a, d = (mpmath.radians(mpmath.mpf(float(x[row]))) for x in (catalog.ra, catalog.dec))
        east, north = (
            mpmath.radians(mpmath.mpf(float(x[row])) * years / 3_600_000)
            for x in (catalog.pm_ra_cosdec, catalog.pm_dec)
        )
        sin, cos = mpmath.sin, mpmath.cos
        line = mpmath.matrix(
            [
                cos(d) * cos(a) - east * sin(a) - north * sin(d) * cos(a),
                cos(d) * sin(a) + east * cos(a) - north * sin(d) * sin(a),
                sin(d) + north * cos(d),
            ]
        )
        a, d = (mpmath.radians(mpmath.mpf(float(x))) for x in (ra, dec))
        found = mpmath.matrix([cos(d) * cos(a), cos(d) * sin(a), sin(d)])
        return float(mpmath.norm(line / mpmath.norm(line) - found) * 180 * 3600 / mpmath.pi)


# ------------------------------------------------------------------ where stars go


@pytest.mark.parametrize("year", [2030.0, 1970.0, 2000.5])
@pytest.mark.parametrize("region", REGIONS)
def test_stars_move_as_in_astropy(region, year):
    catalog = fast_stars(region)
    moved = catalog.at(year)
    ra, dec, by_astropy = moved_by_astropy(catalog, year)
    apart = separation(moved.ra, moved.dec, ra, dec)[by_astropy]
    assert apart.max() < PROMISED
    assert np.count_nonzero(by_astropy) > 0.97 * len(catalog)


@pytest.mark.parametrize("region", REGIONS)
def test_stars_follow_the_straight_line_where_astropy_gives_up_too(region):
    catalog = fast_stars(region, n=100)
    for years in (30.0, -30.0):
        moved = catalog.at(2000.0 + years)
        for row in range(len(catalog)):
            off = distance_from_truth(catalog, row, years, moved.ra[row], moved.dec[row])
            assert off < ROUNDING


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_a_star_passes_over_a_pole(pole):
    start = np.copysign(90.0 - 100.0 / 3600.0, pole)
    star = Catalog([30.0], [start], pm_ra_cosdec=0.0, pm_dec=np.copysign(1e4, pole), epoch=2000.0)
    moved = star.at(2030.0)
    assert moved.dec[0] == pytest.approx(np.copysign(90.0 - 200.0 / 3600.0, pole), abs=1e-6)
    assert np.remainder(moved.ra[0], 360.0) == pytest.approx(210.0, abs=1e-9)


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_a_star_on_a_pole_leaves_along_its_meridian(pole):
    star = Catalog([75.0], [pole], pm_ra_cosdec=0.0, pm_dec=-np.copysign(1e4, pole), epoch=2000.0)
    moved = star.at(2030.0)
    assert moved.ra[0] == pytest.approx(75.0, abs=1e-9)
    apart = separation(star.ra, star.dec, moved.ra, moved.dec)[0]
    assert apart == pytest.approx(300.0, rel=1e-6)


@pytest.mark.parametrize("start", [0.0, 360.0, 359.9999, 1e-4, -180.0])
@pytest.mark.parametrize("speed", [5000.0, -5000.0])
def test_right_ascensions_stay_on_the_circle(start, speed):
    star = Catalog([start], [0.0], pm_ra_cosdec=speed, pm_dec=0.0, epoch=2000.0)
    moved = star.at(2020.0)
    assert -180.0 <= moved.ra[0] <= 360.0
    way = np.remainder(moved.ra[0] - start + 180.0, 360.0) - 180.0
    # The tangent's, by less than a part in a million.
    assert way * 3600.0 == pytest.approx(20.0 * speed / 1000.0, rel=1e-6)


def test_the_straight_line_is_slower_than_the_circle_only_in_the_third_order():
    """Tan, not the angle itself: after 30 years at 10 arcsec a year 0.2 mas."""
    star = Catalog([0.0], [0.0], pm_ra_cosdec=1e4, pm_dec=0.0, epoch=2000.0)
    way = np.radians(star.at(2030.0).ra[0])
    assert np.tan(way) == pytest.approx(np.radians(300.0 / 3600.0), rel=1e-12)


# ------------------------------------------------------------------ there and back


@settings(max_examples=60)
@given(
    ra=st.floats(0.0, 360.0),
    dec=st.floats(-90.0, 90.0),
    east=st.floats(-1e4, 1e4),
    north=st.floats(-1e4, 1e4),
    years=st.floats(-50.0, 50.0),
)
def test_the_way_is_the_arctangent_of_the_motion_everywhere(ra, dec, east, north, years):
    star = Catalog([ra], [dec], pm_ra_cosdec=[east], pm_dec=[north], epoch=2000.0)
    moved = star.at(2000.0 + years)
    apart = separation(star.ra, star.dec, moved.ra, moved.dec)[0]
    # The years that the computer sees: 2000 plus a small number has fewer digits.
    length = np.radians(np.hypot(east, north) * abs((2000.0 + years) - 2000.0) / 3.6e6)
    assert np.radians(apart / 3600.0) == pytest.approx(np.arctan(length), rel=1e-9, abs=5e-15)


@pytest.mark.parametrize("dec", [0.0, 80.0, 89.9, 90.0 - 100.0 / 3600.0, -90.0 + 10.0 / 3600.0])
def test_there_and_back_again(dec):
    """What a straight line leaves is of third order: its radial velocity is not known."""
    rng = np.random.default_rng(5)
    n, years = 200, 30.0
    motion = rng.normal(0.0, 3000.0, (2, n))
    start = Catalog(
        rng.uniform(0.0, 360.0, n), np.full(n, dec), pm_ra_cosdec=motion[0], pm_dec=motion[1],
        epoch=2000.0,
    )  # fmt: skip
    back = start.at(2000.0 + years).at(2000.0)
    angle = np.radians(np.hypot(*motion) * years / 3.6e6)
    missed = separation(start.ra, start.dec, back.ra, back.dec)
    assert np.all(missed <= np.degrees(2.0 * angle**3) * 3600.0 + 1e-9)
    length = np.hypot(back.pm_ra_cosdec, back.pm_dec)
    assert np.allclose(length, np.hypot(*motion), rtol=4.0 * angle.max() ** 2)


def test_the_epoch_of_the_catalogue_itself_moves_nothing():
    catalog = fast_stars("whole sky")
    same = catalog.at(2000.0)
    np.testing.assert_array_equal(same.ra, catalog.ra)
    np.testing.assert_array_equal(same.dec, catalog.dec)


# ------------------------------------------------------------------ rows of their own


@pytest.mark.parametrize("unknown", [(np.nan, 5.0), (5.0, np.nan), (np.nan, np.nan), (np.inf, 5.0)])
def test_a_row_without_a_motion_stays(unknown):
    east, north = unknown
    catalog = Catalog([10.0, 10.0], [5.0, 5.0], pm_ra_cosdec=[east, 100.0], pm_dec=[north, 100.0],
                      epoch=2000.0)  # fmt: skip
    moved = catalog.at(2016.0)
    assert (moved.ra[0], moved.dec[0]) == (10.0, 5.0)
    assert moved.ra[1] > 10.0 and moved.dec[1] > 5.0


def test_a_row_without_a_position_gets_none():
    catalog = Catalog([10.0, np.nan], [np.nan, 5.0], pm_ra_cosdec=1.0, pm_dec=1.0, epoch=2000.0)
    np.testing.assert_array_equal(catalog.known, [False, False])
    np.testing.assert_array_equal(catalog.at(2016.0).known, [False, False])


def test_each_row_may_have_its_own_epoch():
    epochs = np.array([1991.25, 2000.0, 2015.5])
    motion = {"pm_ra_cosdec": np.full(3, 300.0), "pm_dec": np.full(3, -700.0)}
    catalog = Catalog([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], **motion, epoch=epochs)
    moved = catalog.at(2016.0)
    assert moved.epoch == 2016.0
    for row, epoch in enumerate(epochs):
        alone = Catalog(catalog.ra[row], catalog.dec[row], pm_ra_cosdec=300.0, pm_dec=-700.0,
                        epoch=epoch).at(2016.0)  # fmt: skip
        assert (moved.ra[row], moved.dec[row]) == (alone.ra[0], alone.dec[0])


@pytest.mark.parametrize("epoch", [2016, 2016.0, Time(2016.0, format="jyear"), np.float32(2016)])
def test_an_epoch_is_a_year_or_a_time(epoch):
    moved = fast_stars("equator", n=3).at(epoch)
    assert moved.epoch == pytest.approx(2016.0, abs=1e-9)


def test_what_is_not_moved_is_the_same_and_what_is_moved_is_new():
    still = Catalog([1.0], [2.0], epoch=2000.0)
    assert still.at(2016.0) is still
    catalog = fast_stars("equator", n=3)
    before = catalog.ra.copy(), catalog.dec.copy()
    catalog.at(2016.0)
    np.testing.assert_array_equal((catalog.ra, catalog.dec), before)


GAPS = {"ra": [1.0, np.nan, 3.0, 4.0], "dec": [5.0, 6.0, 7.0, 8.0]}
MOTIONS = {"pm_ra_cosdec": [300.0, 300.0, np.nan, 300.0], "pm_dec": [1.0, 2.0, 3.0, 4.0]}


def test_an_unknown_epoch_matters_only_where_something_moves():
    """Row 1 has no position and row 2 no motion."""
    gaps = Catalog(**GAPS, **MOTIONS, epoch=[2000.0, np.nan, np.nan, 2001.0])
    full = Catalog(**GAPS, **MOTIONS, epoch=[2000.0, 2000.0, 2000.0, 2001.0])
    for name in ("ra", "dec", "pm_ra_cosdec", "pm_dec"):
        found, wanted = (getattr(catalog.at(2016.0), name) for catalog in (gaps, full))
        np.testing.assert_array_equal(found[[0, 2, 3]], wanted[[0, 2, 3]])
    unknown = Catalog(**GAPS, **MOTIONS, epoch=[2000.0, np.nan, np.nan, np.nan])
    assert len(arm.crossmatch.nearest(unknown, unknown, 1.0)) == 3
    for match in (arm.crossmatch.nearest, arm.crossmatch.within):
        with pytest.raises(ValueError, match=r"^left: epoch must be known where .* row 3 has none"):
            match(unknown, gaps, 1.0, epoch=2016.0)


@pytest.mark.parametrize("library", [Table, QTable, pd.DataFrame, pa.table])
def test_a_joined_table_is_matched_again(library):
    gaia = {"ra": [10.0], "dec": [5.0], "pmra": [100.0], "pmdec": [0.0], "ref_epoch": [2016.0]}
    left = {"x": [10.0, 20.0], "y": [5.0, 6.0]}
    first = arm.crossmatch.nearest((left["x"], left["y"]), (gaia["ra"], gaia["dec"]), 1.0)
    joined = first.to_table(library(left), library(gaia), "left")
    later = source(2000.0)
    with pytest.warns(EpochWarning, match="left is of 2016 and right of 2000"):
        arm.crossmatch.nearest(joined, later, 1.0)
    again = arm.crossmatch.nearest(joined, later, 2.0, epoch=2000.0)
    assert again.separation[0] == pytest.approx(1.6, rel=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arm.crossmatch.nearest(joined, source(2016.0), 1.0)


def test_motions_of_unknown_epoch_cannot_be_applied():
    catalog = Catalog([1.0], [2.0], pm_ra_cosdec=[1.0], pm_dec=[1.0])
    with pytest.raises(ValueError, match="has proper motions and no epoch"):
        catalog.at(2016.0)
    with pytest.raises(ValueError, match="has proper motions and no epoch"):
        arm.crossmatch.nearest(catalog, ([1.0], [2.0]), 1.0, epoch=2016.0)


@pytest.mark.parametrize(
    "epoch", [np.nan, [np.nan], np.inf, "2016", [2016.0, 2017.0], 5 * u.m, True, 2457389.0, None]
)
def test_an_epoch_that_is_none_is_an_error_that_names_it(epoch):
    with pytest.raises(ValueError, match="epoch"):
        fast_stars("equator", n=3).at(epoch)


# ------------------------------------------------------------------ in a match


def pair_of_catalogues(years=16.0):
    """The same stars at 2000, and where they are after some years."""
    at_2000 = fast_stars("whole sky", n=500, speed=1000.0)
    return at_2000, at_2000.at(2000.0 + years)


@pytest.mark.parametrize("epoch", [2000.0, 2016.0, Time("J1991.25", scale="tdb")])
def test_matching_at_one_epoch_finds_the_stars_that_moved_away(epoch):
    first, second = pair_of_catalogues()
    # The axes turn a little on the way: the later catalogue knows its motions as they are then.
    matches = arm.crossmatch.nearest(first, second, 1.0, epoch=epoch)
    assert len(matches) > 0.98 * len(first)
    np.testing.assert_array_equal(matches.left, matches.right)
    year = epoch if isinstance(epoch, float) else epoch.jyear
    assert matches.left_catalog.epoch == matches.right_catalog.epoch == year
    with pytest.warns(EpochWarning):
        assert len(arm.crossmatch.nearest(first, second, 1.0)) < 10


def test_only_what_has_motions_is_moved():
    first, second = pair_of_catalogues()
    still = Catalog(second.ra, second.dec, epoch=2016.0)
    assert len(arm.crossmatch.nearest(first, still, 1e-6, epoch=2016.0)) == len(first)
    assert len(arm.crossmatch.nearest(still, first, 1e-6, epoch=2016.0)) == len(first)


def test_a_catalogue_matched_with_itself_is_moved_once():
    catalog = fast_stars("north pole", n=50)
    moved = arm.crossmatch.within(catalog, None, 60.0, epoch=2016.0)
    there = catalog.at(2016.0)
    wanted = arm.crossmatch.within((there.ra, there.dec), None, 60.0)
    np.testing.assert_array_equal(moved.separation, wanted.separation)
    assert moved.right_catalog is moved.left_catalog


# ------------------------------------------------------------------ the warning


def source(epoch=None, *, moving=False):
    """Two sources; ``moving`` may be their proper motions."""
    speed = [1.0, 1.0] if moving is True else moving
    motion = {"pm_ra_cosdec": speed, "pm_dec": speed} if moving else {}
    return Catalog([10.0, 11.0], [5.0, 6.0], **motion, epoch=epoch)


@pytest.mark.parametrize("match", [arm.crossmatch.nearest, arm.crossmatch.within])
@pytest.mark.parametrize(
    ("left", "right", "pass_"),
    [
        (source(2000.0), source(2016.0, moving=True), 2000),
        (source(2016.0, moving=True), source(2000.0), 2000),
        (source(1991.25, moving=True), source(2016.0, moving=True), 2016),
        (source([1999.0, 2001.0]), source(2016.0, moving=True), 2000),
        (source([1999.0, 2001.0], moving=True), source(2010.0), 2010),
    ],
    ids=["right moves", "left moves", "both move", "rows of a year each", "rows move"],
)
def test_different_epochs_bring_a_warning_that_says_what_to_pass(match, left, right, pass_):
    with pytest.warns(EpochWarning, match=rf"pass epoch={pass_} to move both there") as caught:
        match(left, right, 1.0)
    (warning,) = caught
    assert warning.filename == __file__
    for side, catalog in (("left is of", left), ("right of", right)):
        assert f"{side} {np.median(catalog.epoch):g}" in str(warning.message)


@pytest.mark.parametrize(
    ("left", "right", "epoch"),
    [
        (source(2016.0, moving=True), source(2016.0, moving=True), None),
        (source([2000.0, 2001.0], moving=True), source([2000.0, 2001.0]), None),
        (source(2000.0), source(2016.0), None),
        (source(), source(2016.0, moving=True), None),
        (source(2000.0, moving=True), source(), None),
        (source(2000.0), source(2016.0, moving=True), 2000.0),
        (source(2000.0), source(2016.0, moving=[0.0, np.nan]), None),
        (source([2016.0, np.nan], moving=True), source(2016.0), None),
        (source([np.nan, np.nan], moving=True), source(2016.0), None),
    ],
    ids=[
        "one epoch",
        "one epoch a row",
        "nothing moves",
        "left unknown",
        "right unknown",
        "asked",
        "at rest",
        "one known epoch",
        "rows unknown",
    ],
)
def test_there_is_no_warning_without_a_cure_or_a_need(left, right, epoch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arm.crossmatch.nearest(left, right, 1.0, epoch=epoch)
        arm.crossmatch.within(left, right, 1.0, epoch=epoch)


def test_a_catalogue_with_itself_brings_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arm.crossmatch.within(source([2000.0, 2001.0], moving=True), None, 1.0)
