"""A light curve folded and binned around mid-transit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Bins(NamedTuple):
    """Means of the points in equal bins; bins without points are left out."""

    centre: np.ndarray
    mean: np.ndarray
    error: np.ndarray


def binned(
    position: np.ndarray, value: np.ndarray, error: np.ndarray, width: float, reach: float
) -> Bins:
    """Weighted means in bins of one width, one of them centred on zero.

    Parameters
    ----------
    position, value, error : ndarray, shape (n,)
        Where each point is, what it says, and its one-sigma error.
    width : float
        Width of a bin.
    reach : float
        Bins that are not wholly within this distance of zero are left out.

    Returns
    -------
    Bins
        Ascending. The error is that of a weighted mean.

    Examples
    --------
    >>> import numpy as np
    >>> binned(np.array([-1.0, 0.1, 0.2]), np.array([5.0, 1.0, 3.0]), np.ones(3), 1.0, 2.0).mean
    array([5., 2.])
    """
    index = np.rint(position / width)
    inside = (np.abs(index) + 0.5) * width <= reach
    numbers, which = np.unique(index[inside], return_inverse=True)
    weight = error[inside] ** -2.0
    total = np.bincount(which, weight)
    mean = np.bincount(which, weight * value[inside]) / total
    return Bins(numbers * width, mean, total**-0.5)
