"""Separations of all pairs of two catalogues, by a formula that no backend uses.

The formula is that of Vincenty (1975), Survey Review 23, 88, for a sphere, with its differences
written so that nothing cancels, in extended precision where the machine has it.
"""

from __future__ import annotations

import numpy as np

from .skies import Positions

ARCSEC_PER_DEGREE = 3600


def separations(left: Positions, right: Positions) -> np.ndarray:
    """Angles between each left and each right position.

    Parameters
    ----------
    left, right : tuple of ndarray
        Right ascensions and declinations (degrees).

    Returns
    -------
    ndarray of longdouble, shape (left rows, right rows)
        Arcseconds; good to 1e-10 of itself from 1e-6 arcsec to 179.999 degrees, and
        to 1e-6 arcsec beyond.

    Examples
    --------
    >>> from armillary.testing.brute_force import separations
    >>> print(separations(([359.75, 10.0], [0.0, 90.0]), ([0.25], [0.0])).astype(float))
    [[  1800.]
     [324000.]]
    """
    ra1, dec1, ra2, dec2 = (np.asarray(a, dtype=np.longdouble) for a in (*left, *right))
    ra1, dec1 = ra1[:, None], dec1[:, None]
    half_turn = np.radians(_turn(ra1, ra2)) / 2
    sin_half, cos_half = np.sin(half_turn), np.cos(half_turn)
    sin1, cos1, cos2 = np.sin(np.radians(dec1)), _cosine(dec1), _cosine(dec2)
    east = 2 * cos2 * sin_half * cos_half
    # cos(dec1) sin(dec2) - sin(dec1) cos(dec2) cos(turn)
    north = np.sin(np.radians(dec2 - dec1)) + 2 * sin1 * cos2 * sin_half**2
    # sin(dec1) sin(dec2) + cos(dec1) cos(dec2) cos(turn)
    along = np.cos(np.radians(dec2 - dec1)) - 2 * cos1 * cos2 * sin_half**2
    return np.degrees(np.arctan2(np.hypot(east, north), along)) * ARCSEC_PER_DEGREE


def _turn(ra1: np.ndarray, ra2: np.ndarray) -> np.ndarray:
    """From the first to the second, -180 to 180; a small difference keeps all its digits."""
    # Those just below 360 come next to those just above 0 before they are subtracted.
    ra1, ra2 = (ra - 360 * np.rint(ra / 360) for ra in (ra1, ra2))
    turn = ra2 - ra1
    return turn - 360 * np.rint(turn / 360)


def _cosine(dec: np.ndarray) -> np.ndarray:
    """From the distance to the pole, which is exact where it is small."""
    return np.sin(np.radians(90 - np.abs(dec)))
