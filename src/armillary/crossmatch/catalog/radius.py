"""How near is near enough: the ``radius`` of a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .quantities import is_number, vector


@dataclass(frozen=True, slots=True)
class NSigma:
    """A radius of ``n`` combined errors of position; see :func:`n_sigma`."""

    n: float

    def __str__(self) -> str:
        return f"{self.n:g} sigma"


def n_sigma(n: float) -> NSigma:
    """A radius of ``n * sqrt(error_left**2 + error_right**2)`` for each pair.

    Parameters
    ----------
    n : float
        How many combined errors; positive.

    Returns
    -------
    NSigma
        To be passed as ``radius``; both catalogues must have an ``error``.

    Raises
    ------
    ValueError
        If ``n`` is not positive and finite.

    Examples
    --------
    >>> import armillary as arm
    >>> left = arm.crossmatch.Catalog([10.0], [0.0], error=0.3)
    >>> right = arm.crossmatch.Catalog([10.0, 10.0], [0.0005, 0.0006], error=[0.6, 0.4])
    >>> len(arm.crossmatch.within(left, right, arm.crossmatch.n_sigma(3)))
    1
    """
    if not (isinstance(n, (int, float, np.number)) and 0 < n < np.inf):
        raise ValueError(f"n must be positive and finite, not {n!r}")
    return NSigma(float(n))


def arcseconds(name: str, value: Any) -> np.ndarray:
    """A number or array of arcseconds, not negative, from numbers or anything with a unit of angle.

    Raises
    ------
    ValueError
        If it is no angle, no number, negative or NaN.
    """
    from astropy import units

    array = vector(name, value, units.arcsec)
    if is_number(value):
        array = array.reshape(())
    bad = np.flatnonzero(~(array >= 0.0))
    if len(bad):
        where = f"; row {bad[0]} is {array.flat[bad[0]]}" if array.ndim else f", not {array}"
        raise ValueError(f"{name} must not be negative or NaN{where}")
    return array
