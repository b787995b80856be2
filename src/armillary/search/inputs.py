"""Turn what astronomers hold into the arrays that searches compute with.

Every search takes a light curve the same way, so its rules stand here once:
what is dropped and counted, what is refused, and how units and times are read. Arrays on
a device are read, cleaned and kept there.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..io.columns import is_magnitude, mask_of, parse_unit, split_unit
from ..plugins.arrays import (
    HOST,
    array_kind,
    namespace,
    on_host,
    one_kind,
    read_only,
    require_current_device,
    require_host,
)
from .unchanging import Unchanging

if TYPE_CHECKING:
    from ..io import LightCurve

#: Fewest usable points: a level, a depth, and one point to tell them from noise.
MIN_POINTS = 3

#: Scatter of a Gaussian in units of its median absolute deviation.
MAD_TO_SIGMA = 1.4826

#: Total weights, the sum of 1 / flux_err**2, whose cubes a float64 can hold.
LEAST_WEIGHT, MOST_WEIGHT = 1e-100, 1e100

_DAY_FORMATS = ("jd", "mjd", "bkjd", "btjd")


@dataclass(frozen=True, slots=True, eq=False)
class SearchInput(Unchanging):
    """A light curve ready for a search: sorted, finite, float64, in days.

    ``time`` is relative to ``epoch``, the first time of the caller's. ``n_dropped`` counts
    the points dropped here and, of a light curve or table, those that its reader dropped as
    flagged or invalid. The arrays are where those of the caller are.
    """

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    epoch: float
    n_dropped: int
    flux_err_source: str
    time_system: str | None
    flux_unit: str
    target: str

    @property
    def span(self) -> float:
        """Time between the first and the last point (days)."""
        return float(self.time[-1])

    def on_host(self) -> SearchInput:
        """The same with its arrays on the host."""
        arrays = {name: on_host(getattr(self, name)) for name in ("time", "flux", "flux_err")}
        read_only(*arrays.values())
        return replace(self, **arrays)


def search_input(time: Any, flux: Any = None, flux_err: Any = None) -> SearchInput:
    """Read a light curve given as arrays or as one object.

    Points whose time, flux or error is masked, NaN or infinite are dropped and
    counted, on top of those that the reader of a light curve dropped; unsorted points
    are sorted; points at the same time all count.

    Raises
    ------
    ValueError
        Naming the argument and the rule that it breaks.
    TypeError
        If some of the arrays are on a device and others are not.
    """
    one_kind(time=time, flux=flux, flux_err=flux_err)
    time_system: str | None = None
    target = ""
    n_unread = 0
    if flux is None:
        if flux_err is not None:
            raise ValueError("flux_err was given without flux; pass time, flux and flux_err")
        light_curve = as_light_curve(time)
        time, flux, flux_err = light_curve.time, light_curve.flux, light_curve.flux_err
        time_system = light_curve.meta.get("time_system")
        target = str(light_curve.meta.get("target") or "")
        flux_unit = str(light_curve.meta.get("flux_unit") or "")
        n_unread = light_curve.meta["n_flagged"] + light_curve.meta["n_invalid"]
        times = _vector("time", time)
        fluxes = _vector("flux", flux)
    else:
        times, time_system = _times(time)
        fluxes, flux_unit = _with_unit("flux", flux)
    if is_magnitude(flux_unit):
        raise ValueError(f"flux must be a flux, not magnitudes ({flux_unit}); convert it first")
    errors = None if flux_err is None else _errors(flux_err, flux_unit, fluxes)
    _same_length(times, fluxes, errors)
    found = _usable(times, fluxes, errors, time_system, flux_unit, target)
    return replace(found, n_dropped=found.n_dropped + n_unread)


def days(name: str, value: Any) -> Any:
    """A number or array of days, from plain numbers or anything with a unit of time.

    Raises
    ------
    ValueError
        If it is no time, no numbers, or partly masked.
    TypeError
        If it is on a device: grids are made and checked on the host.
    """
    require_host(name, value)
    values, unit = split_unit(value)
    factor = _days_per(name, unit)
    mask = mask_of(values)
    if mask is not None and mask.any():
        raise ValueError(f"{name} must not be masked; {mask.sum()} of {mask.size} entries are")
    try:
        array = np.asarray(getattr(values, "unmasked", values))
        numbers = array.astype(np.float64) if array.dtype.kind in "biufO" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise ValueError(f"{name} must be numbers (days), not {value!r:.60}")
    numbers = numbers * factor
    return float(numbers) if numbers.ndim == 0 else np.ascontiguousarray(numbers)


def days_vector(name: str, value: Any, *, positive: bool) -> np.ndarray:
    """A new array of one or more days, finite and, if asked for, positive; one number is one.

    Raises
    ------
    ValueError, TypeError
        As :func:`days`; if it has no or several dimensions, no entries, or one that may not be.
    """
    array = np.array(days(name, value), ndmin=1)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold one or more numbers (days), not shape {array.shape}")
    allowed = np.isfinite(array) & (array > 0) if positive else np.isfinite(array)
    bad = np.flatnonzero(~allowed)
    if len(bad):
        rule = "positive and finite" if positive else "finite"
        raise ValueError(f"{name} must be {rule}; entry {bad[0]} is {array[bad[0]]}")
    return array


# ------------------------------------------------------------------ reading


def as_light_curve(value: Any) -> LightCurve:
    """The light curve that an object is, or that a reader makes of it.

    Raises
    ------
    ValueError
        If it is an array, so that its fluxes are missing, or many light curves; if no reader
        takes it.
    """
    from ..io import LightCurve, read_light_curve

    if isinstance(value, LightCurve):
        return value
    if _are_many(value):
        raise ValueError("these are many light curves, and this takes one; search.bls takes many")
    if isinstance(value, (np.ndarray, list, tuple, float, int)) or array_kind(value) != HOST:
        raise ValueError("flux is missing: pass time and flux, or a light curve")
    return read_light_curve(value)


def _are_many(value: Any) -> bool:
    """Whether something holds light curves, or paths of them."""
    from ..io import LightCurve, LightCurves

    if isinstance(value, LightCurves):
        return True
    one = (LightCurve, str, os.PathLike)
    return isinstance(value, (list, tuple)) and any(isinstance(each, one) for each in value)


def _times(time: Any) -> tuple[np.ndarray, str | None]:
    """Days and the name of their system, from numbers, a Quantity or an astropy Time."""
    if hasattr(time, "jd") and hasattr(time, "scale") and hasattr(time, "format"):
        name = time.format if time.format in _DAY_FORMATS else "jd"
        values = time.to_value(name) if name == "jd" else time.value
        return _vector("time", values), f"{name.upper()} ({time.scale})"
    values, unit = split_unit(time)
    times = _vector("time", values)
    times *= _days_per("time", unit)
    return times, None


def _days_per(name: str, unit: Any) -> float:
    """Days in a unit of time; no unit, or a text that is none ("BJD"), means days."""
    parsed = parse_unit(unit)
    if parsed is None:
        return 1.0
    from astropy import units

    if not parsed.is_equivalent(units.day):
        found = f"in {unit}" if str(unit) else "dimensionless"
        raise ValueError(f"{name} must be a time, not {found}")
    return float(parsed.to(units.day))


def _with_unit(name: str, value: Any) -> tuple[np.ndarray, str]:
    values, unit = split_unit(value)
    return _vector(name, values), "" if unit is None else str(unit)


def _errors(flux_err: Any, flux_unit: str, flux: np.ndarray) -> np.ndarray:
    values, unit = split_unit(flux_err)
    if np.ndim(values) == 0:
        values = namespace(array_kind(flux)).full(flux.shape, values)
    errors = _vector("flux_err", values)
    errors *= _flux_units_per(unit, flux_unit)
    return errors


def _flux_units_per(unit: Any, flux_unit: str) -> float:
    """What to multiply an error by, to have it in the unit of the flux."""
    if unit is None or str(unit) == flux_unit:
        return 1.0
    from astropy import units

    given = parse_unit(unit)
    wanted = parse_unit(flux_unit) if flux_unit else units.dimensionless_unscaled
    if given is None or wanted is None or not given.is_equivalent(wanted):
        raise ValueError(
            f"flux_err is in {unit}, which is no unit of flux ({flux_unit or 'dimensionless'})"
        )
    return float(given.to(wanted))


def _vector(name: str, value: Any) -> np.ndarray:
    """A new one-dimensional float64 array in native byte order; masked values become NaN."""
    kind = array_kind(value)
    if kind == HOST:
        array = _host_array(value)
    else:
        require_current_device(name, value)
        array = value
    if array.dtype.kind == "O":
        array = _numbers_of_objects(name, array)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of numbers, not of dtype {array.dtype}")
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    return namespace(kind).array(array, dtype=np.float64, order="C")


def _host_array(value: Any) -> np.ndarray:
    """NumPy's array of what is on the host, with the mask that it has."""
    mask = mask_of(value)
    if mask is not None:
        value = np.ma.masked_array(getattr(value, "unmasked", np.ma.getdata(value)), mask)
    return np.ma.asanyarray(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)


def _numbers_of_objects(name: str, array: np.ndarray) -> np.ndarray:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, not of Python objects") from None


def _same_length(time: np.ndarray, flux: np.ndarray, flux_err: np.ndarray | None) -> None:
    lengths = {"time": len(time), "flux": len(flux)}
    if flux_err is not None:
        lengths["flux_err"] = len(flux_err)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"time, flux and flux_err must be of equal length; {found}")


# ------------------------------------------------------------------ cleaning


def _usable(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray | None,
    time_system: str | None,
    flux_unit: str,
    target: str,
) -> SearchInput:
    xp = namespace(array_kind(time))
    finite = xp.isfinite(time) & xp.isfinite(flux)
    if flux_err is not None:
        finite &= xp.isfinite(flux_err)
    n_usable = int(xp.count_nonzero(finite))
    if n_usable < MIN_POINTS:
        raise ValueError(
            f"a search needs at least {MIN_POINTS} points with finite time, flux and flux_err; "
            f"{n_usable} of {len(time)} are"
        )
    n_dropped = len(time) - n_usable
    if n_dropped:
        time, flux = time[finite], flux[finite]
        flux_err = None if flux_err is None else flux_err[finite]
    if xp.any(time[1:] < time[:-1]):
        order = xp.argsort(time, kind="stable")
        time, flux = time[order], flux[order]
        flux_err = None if flux_err is None else flux_err[order]
    epoch = float(time[0])
    if float(time[-1]) == epoch:
        raise ValueError(f"all {len(time)} usable points are at the same time, {epoch}")
    if flux_err is None:
        flux_err = xp.full(len(flux), scatter(flux))
        source = "one error for all, 1.4826 MAD of first differences / sqrt(2)"
    else:
        _check_errors(flux_err)
        source = "given"
    _check_weights(flux_err)
    time -= epoch
    read_only(time, flux, flux_err)
    return SearchInput(
        time, flux, flux_err, epoch, n_dropped, source, time_system, flux_unit, target
    )


def _check_errors(flux_err: np.ndarray) -> None:
    bad = namespace(array_kind(flux_err)).flatnonzero(flux_err <= 0)
    if len(bad):
        raise ValueError(
            f"flux_err must be positive; {len(bad)} of {len(flux_err)} are not, the first is "
            f"{float(flux_err[int(bad[0])])}. Set unknown errors to NaN (those points are "
            f"dropped), or pass flux_err=None to have one error estimated"
        )


def _check_weights(flux_err: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        total = float((flux_err**-2.0).sum())
    if not LEAST_WEIGHT <= total <= MOST_WEIGHT:
        least, most = float(flux_err.min()), float(flux_err.max())
        raise ValueError(
            f"flux_err, from {least:.3g} to {most:.3g}, is too small or too large to compute with: "
            f"the sum of 1 / flux_err**2 is {total:.3g}, not between {LEAST_WEIGHT:g} and "
            f"{MOST_WEIGHT:g}; give flux and flux_err in another unit"
        )


def scatter(flux: np.ndarray) -> float:
    """Point-to-point scatter: 1.4826 MAD of the first differences over sqrt(2).

    Raises
    ------
    ValueError
        If it is zero, as for a constant flux: no error can be estimated.
    """
    xp = namespace(array_kind(flux))
    steps = xp.diff(flux)
    sigma = MAD_TO_SIGMA * float(xp.median(xp.abs(steps - xp.median(steps)))) / math.sqrt(2.0)
    if not sigma > 0:
        raise ValueError(
            "flux_err is None and the flux has no point-to-point scatter to estimate it from; "
            "pass flux_err"
        )
    return sigma
