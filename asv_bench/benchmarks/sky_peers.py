"""Peers called as their own users call them: from degrees to pairs within a radius.

As backends they also re-score every pair and settle ties, which is no part of a comparison.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .skies import Positions

#: Left rows, right rows and separations (arcsec).
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def armillary_nearest(left: Positions, right: Positions, radius: float, threads: int) -> Pairs:
    import armillary as arm

    matches = arm.crossmatch.nearest(left, right, radius, threads=threads)
    return matches.left, matches.right, matches.separation


def astropy_nearest(left: Positions, right: Positions, radius: float, threads: int) -> Pairs:
    """``match_coordinates_sky``, which has one thread."""
    from astropy.coordinates import SkyCoord, match_coordinates_sky

    first, second = (SkyCoord(*side, unit="deg") for side in (left, right))
    index, separation, _ = match_coordinates_sky(first, second)
    apart = separation.arcsec
    near = np.flatnonzero(apart <= radius)
    return near, index[near], apart[near]


def pykdtree_nearest(left: Positions, right: Positions, radius: float, threads: int) -> Pairs:
    """Unit vectors and ``distance_upper_bound``; its threads are those of OpenMP."""
    from pykdtree.kdtree import KDTree

    tree = KDTree(unit_vectors(*right))
    chord, index = tree.query(
        unit_vectors(*left), k=1, distance_upper_bound=chord_of(radius) * (1.0 + 1e-12)
    )
    return _pairs(chord, index, len(right[0]), radius)


def scipy_nearest(left: Positions, right: Positions, radius: float, threads: int) -> Pairs:
    """``cKDTree`` with the settings that suit the surface of a sphere."""
    from scipy.spatial import cKDTree

    tree = cKDTree(unit_vectors(*right), compact_nodes=False, balanced_tree=False)
    chord, index = tree.query(
        unit_vectors(*left),
        distance_upper_bound=chord_of(radius) * (1.0 + 1e-12),
        workers=threads,
    )
    return _pairs(chord, index, len(right[0]), radius)


def sklearn_nearest(left: Positions, right: Positions, radius: float, threads: int) -> Pairs:
    """``BallTree`` with the haversine metric."""
    from sklearn.neighbors import BallTree

    first, second = (np.radians(np.column_stack(side[::-1])) for side in (left, right))
    distance, index = BallTree(second, metric="haversine").query(first)
    apart = np.degrees(distance[:, 0]) * 3600.0
    near = np.flatnonzero(apart <= radius)
    return near, index[near, 0], apart[near]


PEERS: dict[str, Callable[[Positions, Positions, float, int], Pairs]] = {
    "armillary": armillary_nearest,
    "astropy": astropy_nearest,
    "pykdtree": pykdtree_nearest,
    "scipy": scipy_nearest,
    "sklearn": sklearn_nearest,
}


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Shape (n, 3)."""
    a, d = np.radians(ra), np.radians(dec)
    cosine = np.cos(d)
    return np.column_stack([cosine * np.cos(a), cosine * np.sin(a), np.sin(d)])


def chord_of(radius: float) -> float:
    """The straight distance of two unit vectors an angle (arcsec) apart."""
    return 2.0 * float(np.sin(np.radians(radius / 3600.0) / 2.0))


def _pairs(chord: np.ndarray, index: np.ndarray, n_right: int, radius: float) -> Pairs:
    near = np.flatnonzero(index < n_right)
    apart = np.degrees(2.0 * np.arcsin(chord[near] / 2.0)) * 3600.0
    inside = apart <= radius
    return near[inside], index[near[inside]], apart[inside]
