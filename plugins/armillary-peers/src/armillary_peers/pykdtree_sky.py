"""``crossmatch`` by ``pykdtree.kdtree.KDTree`` on unit vectors.

pykdtree decides itself how many threads it runs on (``OMP_NUM_THREADS``).
"""

from __future__ import annotations

import numpy as np
from pykdtree.kdtree import KDTree

from .sky_pairs import Sky
from .sky_trees import Query, matches, unit_vectors


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
    """Every pair within the radius, by queries for more and more neighbours."""
    limits = radius, right_radius, min_radius, with_itself
    return matches(Sky(left_ra, left_dec, right_ra, right_dec, *limits), plant, None)


def plant(sky: Sky) -> Query:
    """Build a tree; how it finds the n nearest points."""
    points = unit_vectors(sky.left_ra, sky.left_dec)
    tree = KDTree(unit_vectors(sky.right_ra, sky.right_dec))
    bound = sky.longest_chord()

    def query(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        found = tree.query(points[rows], n, distance_upper_bound=bound)
        return found[0].reshape(-1, n), found[1].reshape(-1, n)

    return query
