"""Find the columns of a light curve by name, and turn them into plain float64 arrays.

Nothing here knows where a table came from. Libraries are imported only for units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from armillary.io.errors import LightCurveError
from armillary.io.quiet import quiet

__all__ = ["RawColumn", "Selection", "as_days", "as_flux", "as_flux_err", "choose_columns"]

# Names in order of preference: a later group is looked at only if no earlier one matches, and
# two matches within one group are ambiguous. All lower case.
_TIME_NAMES = (
    ("time",),
    (
        *("time_btjd", "time_bkjd", "time_bjd", "time_mjd", "time_jd", "time_tdb"),
        *("t", "btjd", "tbjd", "bkjd", "bjd", "bjd_tdb", "bjd_utc", "hjd", "jd", "mjd"),
    ),
)
_FLUX_NAMES = (
    ("flux",),
    ("pdcsap_flux",),
    # K2SFF; QLP (old and new); eleanor; common spellings of a corrected flux
    (
        *("fcor", "kspsap_flux", "det_flux", "corr_flux", "flux_corr", "corrected_flux"),
        *("detrended_flux", "flux_detrended", "norm_flux", "flux_norm", "normalized_flux"),
        *("rel_flux", "relative_flux", "rel_flux_t1"),
    ),
    ("sap_flux", "fraw", "raw_flux", "flux_raw"),
)
# "moving" is K2SFF's flag for cadences during thruster firings (Vanderburg & Johnson 2014).
_QUALITY_NAMES = (("quality",), ("sap_quality",), ("quality_flag", "moving"))
_ERR_PATTERNS = ("{}_err", "{}_error", "{}err", "{}_unc", "{}_uncertainty", "e_{}", "d{}")
_ANY_FLUX_ERR = ("error", "err", "e_flux", "sigma", "uncertainty", "unc")

# A column whose name itself states the zero point of its times. Not "bjd" or "jd": such columns
# often hold a Julian date less some other number.
_SYSTEM_OF_NAME = {
    "time_btjd": "BTJD",
    "btjd": "BTJD",
    "tbjd": "BTJD",
    "time_bkjd": "BKJD",
    "bkjd": "BKJD",
    "time_mjd": "MJD",
    "mjd": "MJD",
}
TIME_SYSTEMS = frozenset({"BTJD", "BKJD", "BJD", "HJD", "JD", "MJD"})
# Formats of astropy's Time that count days (the first two come with lightkurve).
_SYSTEM_OF_FORMAT = {"btjd": "BTJD", "bkjd": "BKJD", "jd": "JD", "mjd": "MJD"}

_MOST_NAMES_TOLD = 20


class RawColumn(NamedTuple):
    """A column as the file or table holds it: values (any kind of array) and unit or None."""

    values: Any
    unit: Any = None


class Days(NamedTuple):
    """Times in days, with what the column itself says about them."""

    values: np.ndarray
    time_system: str | None
    time_scale: str | None


@dataclass(frozen=True)
class Selection:
    """Positions of the chosen columns; None where there is no such column."""

    time: int
    flux: int
    flux_err: int | None
    quality: int | None


def choose_columns(
    names: Sequence[str],
    *,
    time_column: str | int | None = None,
    flux_column: str | int | None = None,
    flux_err_column: str | int | None = None,
    quality_column: str | int | None = None,
) -> Selection:
    """Choose the columns of a light curve by name, ignoring case.

    Parameters
    ----------
    names : sequence of str
        The names of all columns, in order.
    time_column, flux_column, flux_err_column, quality_column : str or int, optional
        A name, or a position counted from 0. Default: a recognised name.

    Returns
    -------
    Selection

    Raises
    ------
    LightCurveError
        If a column is missing or more than one fits; the message lists the columns.
    """
    lowered = [name.lower() for name in names]
    time = _required(names, lowered, "time", time_column, _TIME_NAMES)
    flux = _required(names, lowered, "flux", flux_column, _FLUX_NAMES)
    error = _given(names, lowered, "flux_err", flux_err_column)
    if error is None:
        error = _preferred(names, lowered, "flux_err", _error_names(lowered, flux))
    quality = _given(names, lowered, "quality", quality_column)
    if quality is None:
        quality = _preferred(names, lowered, "quality", _QUALITY_NAMES)
    return Selection(time, flux, error, quality)


def system_of_name(name: str) -> str | None:
    """Give the time system that the name of a time column states, if it does."""
    return _SYSTEM_OF_NAME.get(name.lower())


def as_days(column: RawColumn, name: str) -> Days:
    """Convert a column of times to days.

    A column without unit, or with one that is no unit ("BJD - 2457000, days"), is in days.
    """
    values, unit = column
    if hasattr(values, "jd") and hasattr(values, "scale"):
        return _days_of_time(values)
    array = as_float64(values, name)
    recognised = parse_unit(unit)
    if recognised is not None:
        from astropy import units

        if not recognised.is_equivalent(units.day):
            raise LightCurveError(
                f"column {name!r} should hold times, but its unit is {unit!s:.40}"
            )
        array *= recognised.to(units.day)
    return Days(array, None, None)


def as_flux(column: RawColumn, name: str) -> tuple[np.ndarray, str | None]:
    """Convert a column of fluxes to an array and the name of its unit (None if not stated)."""
    array = as_float64(column.values, name)
    if column.unit is None:
        return array, None
    text = str(column.unit).strip()
    if is_magnitude(text):
        raise LightCurveError(f"column {name!r} holds magnitudes, not fluxes")
    recognised = parse_unit(column.unit)
    # to_string, since the many spellings of electrons per second are the same unit
    return array, text if recognised is None else recognised.to_string()


def as_flux_err(column: RawColumn, name: str, flux_unit: str | None) -> np.ndarray:
    """Convert a column of errors to the unit of the fluxes."""
    array = as_float64(column.values, name)
    unit, wanted = parse_unit(column.unit), parse_unit(flux_unit)
    if unit is None or wanted is None or unit == wanted:
        return array
    if not unit.is_equivalent(wanted):
        raise LightCurveError(
            f"column {name!r} is in {unit}, which is no unit for a flux in {wanted}"
        )
    return array * unit.to(wanted)


def as_float64(values: Any, name: str) -> np.ndarray:
    """Copy values to a contiguous one-dimensional float64 array, NaN where masked."""
    mask = mask_of(values)
    data = np.ma.getdata(getattr(values, "unmasked", values))
    kind = getattr(data, "dtype", np.dtype(float)).kind
    if kind not in "biufO":
        raise LightCurveError(
            f"column {name!r} holds {_KINDS.get(kind, 'no numbers')}, not numbers"
        )
    try:
        array = np.array(data, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise LightCurveError(f"column {name!r} holds something that is not a number") from None
    if array.ndim != 1:
        raise LightCurveError(
            f"column {name!r} must be one-dimensional, not of shape {array.shape}"
        )
    if mask is not None and np.any(mask):
        array[np.asarray(mask)] = np.nan
    return array


_KINDS = {"U": "text", "S": "text", "T": "text", "M": "dates", "m": "time spans", "c": "complex"}


def split_unit(values: Any) -> RawColumn:
    """Separate an astropy Quantity, Time or Column into values and unit."""
    if hasattr(values, "jd"):
        return RawColumn(values)
    # .value of a Quantity and of a Masked Quantity; a Column holds its values itself
    return RawColumn(getattr(values, "value", values), getattr(values, "unit", None))


def mask_of(values: Any) -> np.ndarray | None:
    """Give the mask of a masked array, whoever made it; None for anything else."""
    # A pandas Series has a method of that name.
    return np.asarray(values.mask) if hasattr(values, "filled") else None


def is_partly_masked(values: Any) -> bool:
    """Tell whether some entries of a masked array are masked; plain arrays have none."""
    mask = mask_of(values)
    return mask is not None and bool(mask.any())


def is_magnitude(unit: str) -> bool:
    """Tell whether the name of a unit ("mag", "mmag", "mag(ct / s)") is one of magnitudes."""
    return unit.lower().endswith("mag") or "mag(" in unit.lower()


def listed(names: Sequence[str]) -> str:
    """List column names for a message, cutting a long list short."""
    told = ", ".join(names[:_MOST_NAMES_TOLD])
    more = len(names) - _MOST_NAMES_TOLD
    return f"{told} and {more} more" if more > 0 else told


def _required(
    names: Sequence[str],
    lowered: list[str],
    role: str,
    wanted: str | int | None,
    groups: Sequence[Sequence[str]],
) -> int:
    found = _given(names, lowered, role, wanted)
    if found is None:
        found = _preferred(names, lowered, role, groups)
    if found is None:
        raise LightCurveError(
            f"no {role} column is recognised among {listed(names)}; name it with {role}_column="
        )
    return found


def _given(
    names: Sequence[str], lowered: list[str], role: str, wanted: str | int | None
) -> int | None:
    if wanted is None:
        return None
    if isinstance(wanted, (int, np.integer)):
        if 0 <= wanted < len(names):
            return int(wanted)
        raise LightCurveError(f"{role}_column={wanted} is outside the {len(names)} columns")
    # An exact match decides between names that differ only in case.
    for candidates in (names, lowered):
        key = wanted if candidates is names else wanted.lower()
        matches = [i for i, name in enumerate(candidates) if name == key]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous(names, matches, role)
    raise LightCurveError(f"there is no column {wanted!r} among {listed(names)}")


def _preferred(
    names: Sequence[str], lowered: list[str], role: str, groups: Sequence[Sequence[str]]
) -> int | None:
    for group in groups:
        matches = [i for i, name in enumerate(lowered) if name in group]
        if len(matches) > 1:
            raise _ambiguous(names, matches, role)
        if matches:
            return matches[0]
    return None


def _ambiguous(names: Sequence[str], matches: list[int], role: str) -> LightCurveError:
    fitting = " and ".join(names[i] for i in matches)
    return LightCurveError(
        f"the {role} column is ambiguous: {fitting} fit, among {listed(names)}; "
        f"choose one with {role}_column= (a name, or a position counted from 0)"
    )


def _error_names(lowered: list[str], flux: int) -> list[list[str]]:
    """Names of the errors of the chosen flux, never those of another flux in the table."""
    own = [[pattern.format(lowered[flux])] for pattern in _ERR_PATTERNS]
    anyone = [] if "flux" in lowered else [[pattern.format("flux")] for pattern in _ERR_PATTERNS]
    return own + anyone + [[name] for name in _ANY_FLUX_ERR]


def _days_of_time(time: Any) -> Days:
    system = _SYSTEM_OF_FORMAT.get(time.format)
    values = time.value if system else time.jd  # calendar dates and the like become JD
    return Days(as_float64(values, "time"), system or "JD", time.scale)


def parse_unit(unit: Any) -> Any:
    """The astropy unit meant, or None where there is none or it is not recognised."""
    if unit is None or (isinstance(unit, str) and not unit.strip()):
        return None
    from astropy import units

    # Parsing a unit changes the filters of warnings for a moment, too.
    with quiet():
        parsed = units.Unit(_UNIT_SPELLINGS.get(str(unit), unit), parse_strict="silent")
    return None if isinstance(parsed, units.UnrecognizedUnit) else parsed


# As written in the headers of Kepler and TESS light curves.
_UNIT_SPELLINGS = {"e-/s": "electron / s", "days": "d", "D": "d"}
