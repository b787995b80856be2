"""Matching by its definition: every pair is looked at.

The limit of a pair is ``hypot(radius of the left row, radius of the right row)``; it counts
if ``min_radius <= separation <= limit``. Pairs are ordered by left row, separation, right row.
"""

from __future__ import annotations

import numpy as np

from .angles import difference

#: Most separations that are held at once.
MAX_SEPARATIONS = 1 << 22


def separation(ra1: np.ndarray, dec1: np.ndarray, ra2: np.ndarray, dec2: np.ndarray) -> np.ndarray:
    """Angular separation of positions, accurate from micro-arcseconds to 179.999 degrees.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : array_like
        Coordinates (degrees) that broadcast against each other; right ascensions in -180
        to 360.

    Returns
    -------
    ndarray
        Arcseconds.

    References
    ----------
    Sinnott (1984), Sky & Telescope 68, 159 (the haversine formula).

    Examples
    --------
    >>> from armillary.crossmatch.sky.reference import separation
    >>> float(separation(359.9995, 0.0, 0.0005, 0.0).round(9))
    3.6
    """
    delta_ra = difference(ra1, ra2)
    u = np.sin(0.5 * np.radians(np.subtract(dec1, dec2)))
    v = np.sin(0.5 * np.radians(delta_ra))
    h = np.minimum(u * u + _cosine(dec1) * _cosine(dec2) * v * v, 1.0)
    # The arcsine loses digits beyond 90 degrees, the arctangent only near 180, as 1 - h does.
    return 2.0 * np.degrees(np.arctan2(np.sqrt(h), np.sqrt(1.0 - h))) * 3600.0


def _cosine(dec: np.ndarray) -> np.ndarray:
    """``cos(dec)``; the distance from the pole is exact where it is small."""
    return np.sin(np.radians(90.0 - np.abs(dec)))


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
    """The k nearest right rows of each left row.

    Parameters
    ----------
    left_ra, left_dec : ndarray, shape (n,)
        Degrees, finite; right ascension -180 to 360, declination -90 to 90.
    right_ra, right_dec : ndarray, shape (m,)
        The same for the other catalogue.
    radius : ndarray, shape (1,) or (n,)
        Largest separation (arcsec, inclusive), for all or for each left row; may be inf.
    k : int
        Most matches of a left row.
    right_radius : ndarray, shape (m,), optional
        Added in quadrature to ``radius``; None means 0.
    min_radius : float
        Smallest separation (arcsec, inclusive).

    Returns
    -------
    dict of str to ndarray
        ``left``, ``right`` (int64 rows) and ``separation`` (arcsec), by left row, separation,
        right row: equal separations go to the lower row.
    """
    arguments = left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius
    return _matches(*arguments, k=k)


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
    """Every pair within the radius: as :func:`nearest` for a k without end.

    With ``with_itself`` the right catalogue is the left one, and only pairs whose right row
    comes after the left row count.
    """
    arguments = left_ra, left_dec, right_ra, right_dec, radius, right_radius, min_radius
    return _matches(*arguments, k=len(right_ra), with_itself=with_itself)


def _matches(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    right_radius: np.ndarray | None,
    min_radius: float,
    k: int,
    with_itself: bool = False,
) -> dict[str, np.ndarray]:
    left_radius = np.broadcast_to(radius, left_ra.shape)
    other_radius = np.zeros(len(right_ra)) if right_radius is None else right_radius
    rows = max(1, MAX_SEPARATIONS // max(1, len(right_ra)))
    found: list[tuple[np.ndarray, ...]] = []
    for first in range(0, len(left_ra), rows):
        part = slice(first, first + rows)
        apart = separation(left_ra[part, None], left_dec[part, None], right_ra, right_dec)
        limit = np.hypot(left_radius[part, None], other_radius)
        counts = (apart <= limit) & (apart >= min_radius)
        if with_itself:
            left_rows = np.arange(first, first + len(apart))
            counts &= np.arange(len(right_ra)) > left_rows[:, None]
        # Stable: of equal separations the lower row comes first.
        order = np.argsort(np.where(counts, apart, np.inf), axis=1, kind="stable")[:, :k]
        chosen = np.take_along_axis(counts, order, axis=1)
        left, rank = np.nonzero(chosen)
        right = order[left, rank]
        found.append((left + first, right, apart[left, right]))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)] or [np.empty(0)] * 3
    return {
        "left": columns[0].astype(np.int64),
        "right": columns[1].astype(np.int64),
        "separation": columns[2].astype(np.float64),
    }
