"""Matches from a tree: certain whatever the tree makes of near-equal distances."""

from __future__ import annotations

import numpy as np
import pytest

from armillary.crossmatch.sky import reference
from armillary_peers.sky_pairs import Sky
from armillary_peers.sky_trees import ROUNDING, first_of_each_position, matches, unit_vectors


def careless(sky: Sky):
    """A tree whose distances are off by as much as is allowed for, in another way each time."""
    left, right = unit_vectors(sky.left_ra, sky.left_dec), unit_vectors(sky.right_ra, sky.right_dec)
    rng = np.random.default_rng(1)

    def query(rows, n):
        chords = np.linalg.norm(left[rows, None] - right, axis=2)
        chords = np.maximum(chords + rng.uniform(-0.4, 0.4, chords.shape) * ROUNDING, 0.0)
        order = np.argsort(chords, axis=1)[:, :n]
        return np.take_along_axis(chords, order, axis=1), order

    return query


def mirrored_places(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions equally far to the east and west of right ascension 0, many of them twice."""
    ra, dec = rng.integers(-4, 5, 90) * 0.25, rng.integers(-3, 4, 90) * 0.25
    return np.remainder(ra, 360.0), dec.astype(np.float64)


@pytest.mark.parametrize("k", [1, 2, 5, 40, None])
@pytest.mark.parametrize("radius", [0.0, 900.0, 3000.0, np.inf])
def test_equal_distances_are_told_apart_by_row_number(k: int | None, radius: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        catalogs = *mirrored_places(rng), *mirrored_places(rng), np.array([radius])
        found = matches(Sky(*catalogs, None, 0.0), careless, k)
        wanted = reference.within(*catalogs) if k is None else reference.nearest(*catalogs, k=k)
        for name in ("left", "right", "separation"):
            assert np.array_equal(found[name], wanted[name])


@pytest.mark.parametrize("min_radius", [0.0, 900.0])
def test_limits_of_both_sides_count(min_radius: float) -> None:
    rng = np.random.default_rng(7)
    catalogs = *mirrored_places(rng), *mirrored_places(rng), rng.uniform(0.0, 2000.0, 90)
    limits = rng.uniform(0.0, 2000.0, 90), min_radius
    for k in (1, 3):
        found = matches(Sky(*catalogs, *limits), careless, k)
        wanted = reference.nearest(*catalogs, k, *limits)
        for name in ("left", "right", "separation"):
            assert np.array_equal(found[name], wanted[name])


def test_the_lowest_rows_of_each_position_are_kept() -> None:
    ra, dec = np.array([5.0, 1.0, 5.0, 5.0, 1.0, 5.0]), np.array([0.0, 0.0, 0.0, 9.0, 0.0, 0.0])
    assert first_of_each_position(ra, dec, 1).tolist() == [0, 1, 3]
    assert first_of_each_position(ra, dec, 2).tolist() == [0, 1, 2, 3, 4]
