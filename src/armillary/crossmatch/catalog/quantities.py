"""Turn columns of any kind into plain float64 arrays in the unit of a catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...io.columns import RawColumn, mask_of, parse_unit, split_unit
from ...io.quiet import quiet

#: Years that an epoch can be in; what is beyond is a Julian date, or days of some other count.
FIRST_YEAR, LAST_YEAR = 1000.0, 3000.0

#: What stands for no value in columns of text, in lower case.
_MISSING = ("", "-", "--", "---", "...", "null", "none", "nan", "n/a", "na", "<na>")


def angle(name: str, value: Any) -> np.ndarray:
    """Degrees from numbers, from anything with a unit of angle, or from sexagesimal text.

    Right ascensions in sexagesimal text, or in a column whose unit is hours, are hours.

    Raises
    ------
    ValueError
        If it holds no angles.
    """
    from astropy import units

    values, unit = _split(name, value)
    parsed = parse_unit(unit)
    if parsed is not None and name == "ra" and parsed.is_equivalent(units.hour):
        unit = units.hourangle * parsed.to(units.hour)
    data = _data(name, values)
    if _is_text(data):
        return _from_text(name, np.atleast_1d(data), mask_of(values), unit)
    return vector(name, RawColumn(values, unit), units.deg)


def milliarcseconds_per_year(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Proper motions in mas/yr."""
    from astropy import units

    return vector(name, value, units.mas / units.yr, shape)


def julian_years(epoch: Any, shape: tuple[int, ...]) -> float | np.ndarray:
    """A Julian year, or one for each row, from numbers, a column of years or a ``Time``.

    One for all is a float. Of years for each row some may be unknown (NaN or masked).

    Raises
    ------
    ValueError
        If it is no time, has another length, or is no year within 1000 to 3000.
    """
    from astropy import units

    if hasattr(epoch, "jyear"):
        epoch = epoch.jyear
    one = is_number(epoch)
    if _data("epoch", _split("epoch", epoch).values).dtype.kind == "b":
        raise ValueError(f"epoch must be a Julian year, not {epoch!r:.60}")
    array = vector("epoch", epoch, units.yr, None if one else shape)
    fits = (array >= FIRST_YEAR) & (array <= LAST_YEAR)
    wrong = np.flatnonzero(~fits if one else ~(fits | np.isnan(array)))
    if len(wrong):
        found = f", not {array[0]}" if one else f"; row {wrong[0]} is {array[wrong[0]]}"
        raise ValueError(
            f"epoch must be a Julian year within {FIRST_YEAR:g} to {LAST_YEAR:g}{found}; pass a "
            f"Julian date as an astropy Time"
        )
    return float(array[0]) if one or _all_equal(array) else owned(array, epoch)


def julian_year(epoch: Any) -> float:
    """One known Julian year; the same errors."""
    year = julian_years(epoch, (1,))
    if not isinstance(year, float):
        raise ValueError(f"epoch must be a known Julian year, not {epoch!r:.60}")
    return year


def _all_equal(array: np.ndarray) -> bool:
    return len(array) > 0 and bool(np.all(array == array[0]))


def vector(name: str, value: Any, unit: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A contiguous one-dimensional float64 array in a unit, NaN where masked.

    It may share the memory of ``value``. Plain numbers have the unit already; where a shape is
    given, one number is spread over it.

    Raises
    ------
    ValueError
        If it holds no numbers, is in a unit of something else, or has another shape.
    """
    values, given = _split(name, value)
    factor = _factor(name, given, unit)
    mask = mask_of(values)
    data = _data(name, values)
    if values is None or data.dtype.kind not in "biufO":
        raise ValueError(
            f"{name} must be numbers ({unit}), not {None if values is None else data.dtype}"
        )
    try:
        array = np.ascontiguousarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers ({unit}), not {values!r:.60}") from None
    if np.ndim(data) == 0:
        array = np.full(shape or (1,), array[0])
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has {len(array)} rows, not {shape[0]}")
    if factor != 1.0:
        array = array * factor
    if mask is not None and np.any(mask):
        array = np.where(mask, np.nan, array)
    return array


def is_number(value: Any) -> bool:
    """Whether it is one number and no array of them, with a unit or without."""
    values = value.values if isinstance(value, RawColumn) else split_unit(value).values
    return not isinstance(values, (list, tuple)) and np.ndim(values) == 0


# ------------------------------------------------------------------ whose memory it is


def read_only_view(array: Any) -> Any:
    """A view that nobody can write through; arrays on a device know no such thing."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.setflags(write=False)
    return view


def owned(array: np.ndarray, value: Any) -> np.ndarray:
    """An array made from ``value``, read-only, and copied if its memory can still be written to.

    A conversion has copied already. What is read-only all the way down needs no copy: arrays of
    another catalogue, files mapped for reading, columns of Arrow.
    """
    if _can_be_written_to(array) and _shares_memory(array, value):
        array = array.copy()
    array.setflags(write=False)
    return array


def _can_be_written_to(array: Any) -> bool:
    # A read-only view of an array that is not: the one beneath counts.
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return False


def _shares_memory(array: np.ndarray, value: Any) -> bool:
    values = value.values if isinstance(value, RawColumn) else split_unit(value).values
    if isinstance(values, (list, tuple)):
        return False
    return np.may_share_memory(array, np.asarray(getattr(values, "unmasked", values)))


# ------------------------------------------------------------------ numbers and units


def _split(name: str, value: Any) -> RawColumn:
    if isinstance(value, RawColumn):
        return value
    if isinstance(value, (list, tuple)) and any(hasattr(item, "unit") for item in value):
        value = _combined(name, value)
    return split_unit(value)


def _combined(name: str, quantities: Any) -> Any:
    """One quantity from a list of them."""
    from astropy import units

    try:
        return units.Quantity(quantities)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} holds quantities that are not of one kind: {error}") from error


def _data(name: str, values: Any) -> np.ndarray:
    """The array behind a masked one, or behind a column of a library."""
    try:
        return np.ma.getdata(np.asarray(getattr(values, "unmasked", values)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be made an array of numbers: {error}") from error


def _factor(name: str, given: Any, unit: Any) -> float:
    parsed = parse_unit(given)
    if parsed is None:
        return 1.0
    if not parsed.is_equivalent(unit):
        raise ValueError(f"{name} must be in {unit} or the like, not in {str(given) or 'no unit'}")
    return float(parsed.to(unit))


def _is_text(data: np.ndarray) -> bool:
    if data.dtype.kind in "UST":
        return True
    return data.dtype.kind == "O" and any(isinstance(v, (str, bytes)) for v in data.flat)


def _from_text(name: str, data: np.ndarray, mask: Any, unit: Any) -> np.ndarray:
    """Degrees from sexagesimal or decimal text; NaN where a row is masked or empty."""
    from astropy import units

    text = np.array([v.decode() if isinstance(v, bytes) else str(v) for v in data], dtype=np.str_)
    text = np.char.strip(text)
    filled = ~np.isin(np.char.lower(text), _MISSING)
    if mask is not None:
        filled &= ~mask
    found = np.full(len(text), np.nan)
    try:
        decimal = text[filled].astype(np.float64)
    except ValueError:
        found[filled] = _from_sexagesimal(name, text[filled], np.flatnonzero(filled))
    else:
        found[filled] = decimal * _factor(name, unit, units.deg)
    return found


#: Sign, degrees or hours, minutes and seconds, as nearly all catalogues write them.
_SEXAGESIMAL = (
    r"^(?P<sign>[+-]?)(?P<whole>\d{1,3})(?:[:\s]\s*|(?P<mark>[hd])\s*)"
    r"(?P<minutes>[0-5]?\d)[:m\s]\s*(?P<seconds>[0-5]?\d(?:\.\d*)?)s?$"
)


def _from_sexagesimal(name: str, text: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Degrees; a right ascension is in hours unless the text itself says degrees."""
    import pyarrow as pa
    from pyarrow import compute

    # What this does not know astropy does, a hundred times slower.
    parts = compute.extract_regex(pa.array(text.tolist()), _SEXAGESIMAL)
    usual = np.asarray(compute.is_valid(parts))
    if name == "ra":
        _refuse_decimals(text[~usual], rows[~usual])
    found = np.empty(len(text))
    for i in np.flatnonzero(~usual):
        found[i] = _angle_of(name, str(text[i]), int(rows[i]))

    def number(part: str) -> np.ndarray:
        column = compute.struct_field(parts, part).filter(pa.array(usual))
        return compute.cast(column, pa.float64()).to_numpy()

    sign, mark = (
        np.array(compute.struct_field(parts, part).filter(pa.array(usual)).to_pylist(), dtype=str)
        for part in ("sign", "mark")
    )
    size = number("whole") + number("minutes") / 60.0 + number("seconds") / 3600.0
    hours = (mark == "h") | ((mark == "") & (name == "ra"))
    found[usual] = np.where(sign == "-", -size, size) * np.where(hours, 15.0, 1.0)
    return found


def _refuse_decimals(text: np.ndarray, rows: np.ndarray) -> None:
    """Beside right ascensions in hours a number could be hours or degrees."""
    for value, row in zip(text, rows, strict=True):
        try:
            float(value)
        except ValueError:
            continue
        raise ValueError(
            f"ra mixes sexagesimal text with decimal numbers, which may be hours or degrees: row "
            f"{row} is {str(value)!r}"
        )


def _angle_of(name: str, value: str, row: int) -> float:
    from astropy import units
    from astropy.coordinates import Angle

    try:
        # astropy warns of 60 seconds, which are a minute.
        with quiet():
            return float(Angle(value, units.hourangle if name == "ra" else units.deg).degree)
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".").replace("np.str_(", "").rstrip(")")
        raise ValueError(
            f"{name} holds text that is no angle: row {row} is {value!r} ({reason})"
        ) from None
