"""How near is near enough: the ``radius`` of a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...plugins.arrays import HOST, array_kind, namespace
from .device import vector_of_device
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


def arcseconds(name: str, value: Any) -> Any:
    """A number or array of arcseconds, not negative, from numbers or anything with a unit of angle.

    A single number is on the host, an array where it was.

    Raises
    ------
    ValueError
        If it is no angle, no number, negative or NaN.
    """
    kind = array_kind(value)
    array = _on_host(name, value) if kind == HOST else _on_device(kind, name, value)
    bad = ~(array >= 0.0)
    if bool(bad.any()):
        row = int(bad.argmax())
        where = f"; row {row} is {float(array[row])}" if array.ndim else f", not {array}"
        raise ValueError(f"{name} must not be negative or NaN{where}")
    return array


def _on_host(name: str, value: Any) -> np.ndarray:
    from astropy import units

    array = vector(name, value, units.arcsec)
    return array.reshape(()) if is_number(value) else array


def _on_device(kind: str, name: str, value: Any) -> Any:
    if value.ndim == 0:
        return np.array(float(value))
    return vector_of_device(namespace(kind), name, value, "arcsec")
