"""``crossmatch`` by ``sklearn.neighbors.BallTree`` with the haversine metric, on one thread.

A query for the nearest has no bound: it looks for them however far away they are.
"""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import BallTree

from .sky_pairs import DIAMETER, Pairs, Sky, every_pair, in_order, nothing, pairs_of
from .sky_trees import Query, matches

#: Left rows whose pairs are asked for at once.
BLOCK_ROWS = 4096


def nearest(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    k: int = 1,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
) -> dict[str, np.ndarray]:
    """The k nearest right rows of each left row."""
    sky = Sky(left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius)
    return matches(sky, plant, k)


def within(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
) -> dict[str, np.ndarray]:
    """Every pair within the radius."""
    limits = radius, right_radius, min_radius, with_itself
    sky = Sky(left_ra, left_dec, right_ra, right_dec, *limits)
    if len(left_ra) == 0 or len(right_ra) == 0:
        return nothing()
    points, tree = _points(left_ra, left_dec), _tree(sky)
    blocks = np.split(np.arange(len(left_ra)), range(BLOCK_ROWS, len(left_ra), BLOCK_ROWS))
    return in_order([_pairs(sky, tree, points, rows) for rows in blocks])


def _pairs(sky: Sky, tree: BallTree, points: np.ndarray, rows: np.ndarray) -> Pairs:
    """All pairs of some left rows."""
    chords = sky.chords(rows)
    # Rounding takes the tree's haversine beyond 1 near antipodes, which no angle reaches.
    everywhere = chords >= DIAMETER
    left, right = every_pair(rows[everywhere], len(sky.right_ra))
    rows, chords = rows[~everywhere], chords[~everywhere]
    if len(rows):
        found = tree.query_radius(points[rows], 2.0 * np.arcsin(0.5 * chords))
        left = np.concatenate([left, np.repeat(rows, [len(part) for part in found])])
        right = np.concatenate([right, *found])
    return pairs_of(sky, left, right)


def plant(sky: Sky) -> Query:
    """Build a tree; how it finds the n nearest points."""
    points, tree = _points(sky.left_ra, sky.left_dec), _tree(sky)

    def query(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore"):
            angle, index = tree.query(points[rows], n)
        # The angle of an antipode is NaN where rounding took its haversine beyond 1.
        return np.nan_to_num(DIAMETER * np.sin(0.5 * angle), nan=DIAMETER), index

    return query


def _tree(sky: Sky) -> BallTree:
    return BallTree(_points(sky.right_ra, sky.right_dec), metric="haversine")


def _points(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Latitude and longitude in radians, shape (n, 2)."""
    return np.radians(np.stack([dec, np.where(ra > 180.0, ra - 360.0, ra)], axis=1))
