"""Catalogues of positions on a device, which are checked and kept there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins.arrays import (
    array_kind,
    namespace,
    on_host,
    one_kind,
    require_current_device,
)

if TYPE_CHECKING:
    from .catalog import Catalog

#: Kinds of numbers that are degrees as they are.
_NUMBERS = "biuf"


@dataclass(frozen=True, eq=False, repr=False)
class DeviceCatalog:
    """Positions of sources in the memory of a device, and nothing else about them.

    It is made by a match of ``(ra, dec)``, two arrays of a device. Rows in which either is NaN or
    infinite match nothing.

    Attributes
    ----------
    ra, dec : array of float64, shape (n,)
        Degrees, on the device; right ascension is between -180 and 360. They are the arrays that
        were passed, where these could be used as they are: leave them alone.
    known : array of bool, shape (n,), or None
        Rows whose position is known, on the device; None if all are.
    """

    ra: Any
    dec: Any
    known: Any

    #: What a catalogue on the host may have besides.
    pm_ra_cosdec = pm_dec = epoch = error = None
    moves = False

    def __len__(self) -> int:
        return len(self.ra)

    def on_host(self) -> Catalog:
        """A copy of the positions, as a catalogue on the host."""
        from .catalog import Catalog

        return Catalog(on_host(self.ra), on_host(self.dec))

    def __repr__(self) -> str:
        return f"Catalog of {len(self):,} {array_kind(self.ra)} positions"


def device_catalog(ra: Any, dec: Any) -> DeviceCatalog:
    """A catalogue of two arrays of one device.

    Raises
    ------
    TypeError
        If one of them is elsewhere.
    ValueError
        If they differ in length, are not one-dimensional or hold no numbers, or if a declination
        is outside -90 to 90.
    """
    xp = namespace(one_kind(ra=ra, dec=dec))
    ra, dec = vector_of_device(xp, "ra", ra, "deg"), vector_of_device(xp, "dec", dec, "deg")
    if len(ra) != len(dec):
        raise ValueError(f"ra has {len(ra)} rows and dec {len(dec)}")
    known = xp.isfinite(ra) & xp.isfinite(dec)
    impossible = known & (abs(dec) > 90.0)
    if bool(impossible.any()):
        row = int(xp.argmax(impossible))
        raise ValueError(f"dec must be within -90 to 90 degrees; row {row} is {float(dec[row])}")
    return DeviceCatalog(_wrapped(xp, ra, known), dec, None if bool(known.all()) else known)


def vector_of_device(xp: Any, name: str, array: Any, unit: str) -> Any:
    """A contiguous one-dimensional float64 array; the one that is given, where it is that.

    Raises
    ------
    ValueError
        If it has another number of dimensions, holds no numbers, or is on another device than the
        current one.
    """
    require_current_device(name, array)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if array.dtype.kind not in _NUMBERS:
        raise ValueError(f"{name} must be numbers ({unit}), not {array.dtype}")
    return xp.ascontiguousarray(array, dtype=np.float64)


def _wrapped(xp: Any, ra: Any, known: Any) -> Any:
    """Right ascensions in -180 to 360; the array that is given, where all of them are."""
    far = known & ((ra < -180.0) | (ra > 360.0))
    if not bool(far.any()):
        return ra
    # Both operations are exact.
    turned = xp.fmod(xp.where(far, ra, 0.0), 360.0)
    turned = xp.where(turned < -180.0, turned + 360.0, turned)
    return xp.where(far, turned, ra)
