"""Patches of the sky as ranges of HEALPix pixels, and those within reach of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import healpix

#: Order of the pixels by which rows are sorted: 3,145,728 of 7 arcminutes.
ORDER = 9
N_PIXELS = 12 << (2 * ORDER)
#: The pixel of rows whose position is unknown.
NOWHERE = N_PIXELS
#: Most pixels of a patch whose surroundings are looked for; more are looked at from farther away.
MAX_PATCH = 6_000
#: Degrees that a pixel, in floating-point numbers, may be larger than it is.
SLACK = 1e-6


class Range(NamedTuple):
    """Pixels ``first .. last - 1`` of order :data:`ORDER`."""

    first: int
    last: int


def cover(pixels: np.ndarray, radius: float) -> list[Range]:
    """Where everything lies that is within a radius of anything in some pixels.

    Parameters
    ----------
    pixels : ndarray of int
        Pixels of order :data:`ORDER` that hold something, ascending; they may repeat.
    radius : float
        Degrees.

    Returns
    -------
    list of Range
        Ascending; they may hold more than asked for, never less.
    """
    from scipy.spatial import cKDTree

    if not len(pixels):
        return []
    order, patch = ORDER, distinct(pixels).astype(np.int64)
    while order and (len(patch) > MAX_PATCH or radius > 2.0 * largest_radius(order)):
        order, patch = order - 1, distinct(patch >> 2)
    tree = cKDTree(healpix.centres(patch, order))
    found = np.arange(12)
    for level in range(order + 1):
        reach = radius + largest_radius(level) + largest_radius(order) + SLACK
        chord = 2.0 * np.sin(np.radians(min(reach, 180.0)) / 2.0)
        distance, _ = tree.query(healpix.centres(found, level), distance_upper_bound=chord + 1e-12)
        found = found[np.isfinite(distance)]
        if level < order:
            found = (4 * found[:, None] + np.arange(4)).ravel()
    shift = 2 * (ORDER - order)
    breaks = np.flatnonzero(np.diff(found) != 1) + 1
    return [
        Range(int(run[0]) << shift, (int(run[-1]) + 1) << shift)
        for run in np.split(found, breaks)
        if len(run)
    ]


def distinct(ascending: np.ndarray) -> np.ndarray:
    """The different values of an ascending array."""
    if not len(ascending):
        return ascending
    return ascending[np.append(0, np.flatnonzero(np.diff(ascending)) + 1)]


def largest_radius(order: int) -> float:
    """Degrees from the centre of a pixel to its farthest corner, for the largest of an order.

    That is the pixel whose centre lies on the ring where the polar caps begin, and its corner
    towards the pole.
    """
    n_side = 1 << order
    z = 1.0 - (1.0 - 1.0 / n_side) ** 2 / 3.0
    longitude = np.pi / (4 * n_side)
    centre = np.array([np.cos(longitude), np.sin(longitude), 0.0]) * np.sqrt(5.0) / 3.0
    centre[2] = 2.0 / 3.0
    corner = np.array([np.sqrt((1.0 - z) * (1.0 + z)), 0.0, z])
    return float(np.degrees(2.0 * np.arcsin(np.linalg.norm(centre - corner) / 2.0)))


def inside(pixels: np.ndarray, ranges: list[Range]) -> np.ndarray:
    """Which pixels lie in any of some ascending ranges, as a mask."""
    edges = np.array([edge for pair in ranges for edge in pair], dtype=np.int64)
    return np.searchsorted(edges, pixels, side="right") % 2 == 1
