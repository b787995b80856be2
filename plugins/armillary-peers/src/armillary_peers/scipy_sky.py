"""``crossmatch`` by ``scipy.spatial.cKDTree`` on unit vectors."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.spatial import cKDTree

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
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """The k nearest right rows of each left row."""
    sky = Sky(left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius)
    return matches(sky, partial(plant, threads=threads), k)


def within(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """Every pair within the radius, by queries for more and more neighbours."""
    limits = radius, right_radius, min_radius, with_itself
    sky = Sky(left_ra, left_dec, right_ra, right_dec, *limits)
    return matches(sky, partial(plant, threads=threads), None)


def plant(sky: Sky, threads: int) -> Query:
    """Build a tree; how it finds the n nearest points."""
    points = unit_vectors(sky.left_ra, sky.left_dec)
    # These two make the tree quicker to build, and hardly slower to search.
    tree = cKDTree(
        unit_vectors(sky.right_ra, sky.right_dec), compact_nodes=False, balanced_tree=False
    )
    bound = sky.longest_chord()

    def query(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        found = tree.query(points[rows], n, distance_upper_bound=bound, workers=threads)
        return found[0].reshape(-1, n), found[1].reshape(-1, n)

    return query
