"""HEALPix pixels, and patches of the sky made of them."""

import numpy as np
import pytest

from armillary.crossmatch.disk import healpix
from armillary.crossmatch.disk.pixels import (
    N_PIXELS,
    ORDER,
    Range,
    cover,
    inside,
    largest_radius,
)
from armillary.crossmatch.sky.reference import separation

pytestmark = pytest.mark.kernel


def positions(vectors):
    """Right ascension and declination (degrees) of unit vectors."""
    x, y, z = vectors.T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


@pytest.fixture
def sky():
    rng = np.random.default_rng(5)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 5000)))
    near_poles = rng.choice([-1, 1], 500) * (90.0 - 10.0 ** rng.uniform(-10, 0, 500))
    return rng.uniform(-180.0, 360.0, 5500), np.concatenate([dec, near_poles])


@pytest.mark.parametrize("order", range(12))
def test_the_centre_of_a_pixel_lies_in_it(order):
    pixel = np.unique(np.random.default_rng(order).integers(0, 12 << (2 * order), 3000))
    found = healpix.pixels(*positions(healpix.centres(pixel, order)), order)
    assert np.array_equal(found, pixel)


def test_pixels_have_equal_areas():
    rng = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 400_000)))
    counts = np.bincount(healpix.pixels(rng.uniform(0.0, 360.0, len(dec)), dec, 2), minlength=192)
    expected = len(dec) / 192
    assert np.abs(counts - expected).max() < 5.5 * np.sqrt(expected)


def test_a_pixel_holds_four_of_the_next_order(sky):
    fine = healpix.pixels(*sky, 29)
    for order in range(29):
        assert np.array_equal(healpix.pixels(*sky, order), fine >> (2 * (29 - order)))


def test_the_first_pixel_is_where_the_paper_has_it():
    # Gorski et al. (2005), figure 4: base pixel 4 on the equator around 0, 0 at 45 degrees north.
    ra, dec = np.array([0.0, 45.0, 45.0, 90.0]), np.array([0.0, 41.8, -41.8, 0.0])
    assert healpix.pixels(ra, dec, 0).tolist() == [4, 0, 8, 5]


@pytest.mark.parametrize("order", [0, 1, 4, 9])
def test_no_position_is_farther_from_its_centre_than_the_largest_radius(sky, order):
    ra, dec = positions(healpix.centres(healpix.pixels(*sky, order), order))
    apart = separation(*sky, ra, dec) / 3600.0
    assert apart.max() <= largest_radius(order) * (1 + 1e-9)
    if order < 2:
        assert apart.max() > 0.8 * largest_radius(order)


def test_right_ascensions_a_turn_apart_are_one_position(sky):
    ra, dec = sky
    turned = np.where(ra < 0.0, ra + 360.0, ra)
    rounded = np.abs(healpix.pixels(ra, dec, 12) - healpix.pixels(turned, dec, 12)) > 0
    assert rounded.mean() < 1e-3  # at the borders, where the addition rounds


def test_an_unknown_position_is_beyond_the_last_pixel():
    ra = np.array([np.nan, 1.0, np.inf, 1.0])
    dec = np.array([1.0, np.nan, 1.0, -np.inf])
    assert healpix.pixels(ra, dec, 9).tolist() == [N_PIXELS] * 4


def test_rows_by_key_is_a_stable_sort():
    key = np.random.default_rng(2).integers(0, 1 << 22, 20_000).astype(np.uint32)
    key[::3] = key[0]
    assert np.array_equal(healpix.rows_by_key(key), np.argsort(key, kind="stable"))
    assert len(healpix.rows_by_key(key[:0])) == 0


@pytest.mark.parametrize("radius", [1e-6, 0.01, 1.0, 30.0, 179.0])
@pytest.mark.parametrize("where", ["a spot", "the pole", "both sides of 0", "everywhere"])
def test_a_cover_holds_everything_within_the_radius(sky, radius, where):
    rng = np.random.default_rng(7)
    centre = {"a spot": (100.0, 20.0), "the pole": (0.0, 89.5), "both sides of 0": (0.0, -5.0)}
    if where == "everywhere":
        ra, dec = sky
    else:
        ra, dec = (np.array(c) + rng.normal(0.0, 0.3, 300) for c in centre[where])
        dec = dec.clip(-90.0, 90.0)
    pixels = healpix.pixels(ra, dec, ORDER)
    ranges = cover(pixels, radius)
    assert inside(pixels, ranges).all()
    ra, dec = ra[::10], dec[::10]
    far = np.concatenate([sky[0][::10], ra + rng.normal(0, radius, len(ra))])
    high = np.concatenate([sky[1][::10], (dec + rng.normal(0, radius, len(ra))).clip(-90.0, 90.0)])
    nearest = np.array([separation(a, d, ra, dec).min() for a, d in zip(far, high, strict=True)])
    needed = nearest <= radius * 3600.0
    covered = inside(healpix.pixels(np.remainder(far, 360.0), high, ORDER), ranges)
    assert covered[needed].all()


def test_a_cover_of_a_spot_is_small():
    pixels = healpix.pixels(np.array([100.0]), np.array([20.0]), ORDER)
    n_pixels = sum(last - first for first, last in cover(pixels, 1.0 / 3600.0))
    assert 1 <= n_pixels < 40


def test_inside_is_the_first_pixel_and_not_the_last():
    ranges = [Range(3, 5), Range(9, 10)]
    assert np.flatnonzero(inside(np.arange(12), ranges)).tolist() == [3, 4, 9]
