"""Differences of right ascensions."""

from __future__ import annotations

import numpy as np


def difference(ra1: np.ndarray, ra2: np.ndarray) -> np.ndarray:
    """``ra1 - ra2`` in -180 to 180 degrees, without cancellation where it is small."""
    a, b = _wrapped(ra1), _wrapped(ra2)
    plain = a - b
    west = (a - 180.0) - (b + 180.0)
    east = (a + 180.0) - (b - 180.0)
    return np.where(plain > 180.0, west, np.where(plain < -180.0, east, plain))


def _wrapped(ra: np.ndarray) -> np.ndarray:
    """In -180 to 180; the subtraction is exact."""
    ra = np.asarray(ra, dtype=np.float64)
    return np.where(ra > 180.0, ra - 360.0, ra)
