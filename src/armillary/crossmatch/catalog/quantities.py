"""Turn columns of any kind into plain float64 arrays in the unit of a catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...io.columns import RawColumn, mask_of, parse_unit, split_unit

#: What stands for no value in columns of text.
_MISSING = ("", "--", "null", "None", "nan", "NaN", "N/A")


def angle(name: str, value: Any) -> np.ndarray:
    """Degrees from numbers, from anything with a unit of angle, or from sexagesimal text.

    Right ascensions in sexagesimal text, or in a column whose unit is hours, are hours.

    Raises
    ------
    ValueError
        If it holds no angles.
    """
    from astropy import units

    values, unit = _split(value)
    data = _data(values)
    if _is_text(data):
        return _from_text(name, np.atleast_1d(data), mask_of(values), unit)
    parsed = parse_unit(unit)
    if parsed is not None and name == "ra" and parsed.is_equivalent(units.hour):
        unit = units.hourangle * parsed.to(units.hour)
    return vector(name, RawColumn(values, unit), units.deg)


def milliarcseconds_per_year(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Proper motions in mas/yr."""
    from astropy import units

    return vector(name, value, units.mas / units.yr, shape)


def julian_years(epoch: Any, shape: tuple[int, ...]) -> float | np.ndarray:
    """A Julian year, or one for each row, from numbers, a column of years or a ``Time``.

    Raises
    ------
    ValueError
        If it is no time or not finite, or has another length.
    """
    if hasattr(epoch, "jyear"):
        epoch = epoch.jyear
    from astropy import units

    values = _split(epoch).values
    array = vector("epoch", epoch, units.yr, shape)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"epoch must be finite; row {np.flatnonzero(~np.isfinite(array))[0]} is not")
    return float(array[0]) if np.ndim(values) == 0 or np.ptp(array) == 0 else array


def vector(name: str, value: Any, unit: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A contiguous one-dimensional float64 array in a unit, NaN where masked.

    It may share the memory of ``value``. Plain numbers have the unit already; where a shape is
    given, one number is spread over it.

    Raises
    ------
    ValueError
        If it holds no numbers, is in a unit of something else, or has another shape.
    """
    values, given = _split(value)
    factor = _factor(name, given, unit)
    mask = mask_of(values)
    data = _data(values)
    if data.dtype.kind not in "biufO":
        raise ValueError(f"{name} must be numbers ({unit}), not {data.dtype}")
    try:
        array = np.ascontiguousarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers ({unit}), not {value!r:.60}") from None
    if np.ndim(data) == 0:
        array = np.full(shape or (1,), float(data))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has {len(array)} rows, not {shape[0]}")
    if factor != 1.0:
        array = array * factor
    if mask is not None and np.any(mask):
        array = np.where(mask, np.nan, array)
    return array


def _split(value: Any) -> RawColumn:
    return value if isinstance(value, RawColumn) else split_unit(value)


def _data(values: Any) -> np.ndarray:
    """The array behind a masked one, or behind a column of a library."""
    return np.ma.getdata(np.asarray(getattr(values, "unmasked", values)))


def _factor(name: str, given: Any, unit: Any) -> float:
    parsed = parse_unit(given)
    if parsed is None:
        return 1.0
    if not parsed.is_equivalent(unit):
        raise ValueError(f"{name} must be in {unit} or the like, not in {given}")
    return float(parsed.to(unit))


def _is_text(data: np.ndarray) -> bool:
    if data.dtype.kind in "UST":
        return True
    return data.dtype.kind == "O" and any(isinstance(v, (str, bytes)) for v in data.flat)


def _from_text(name: str, data: np.ndarray, mask: Any, unit: Any) -> np.ndarray:
    """Degrees from sexagesimal or decimal text; NaN where a row is masked or empty."""
    from astropy import units
    from astropy.coordinates import Angle

    text = np.array([v.decode() if isinstance(v, bytes) else str(v) for v in data])
    text = np.char.strip(text)
    missing = np.isin(text, _MISSING)
    if mask is not None:
        missing |= mask
    found = np.full(len(text), np.nan)
    filled = text[~missing]
    try:
        decimal = filled.astype(np.float64)
    except ValueError:
        hours = name == "ra" and "d" not in "".join(filled[:1])
        try:
            found[~missing] = Angle(filled, units.hourangle if hours else units.deg).degree
        except ValueError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ValueError(f"{name} holds text that is no angle ({reason})") from None
    else:
        found[~missing] = decimal * _factor(name, unit, units.deg)
    return found
