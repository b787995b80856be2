"""The ellipses of a template, whatever it is: where forced photometry measures."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...io.columns import RawColumn, as_float64, listed, parse_unit, split_unit
from ...io.errors import LightCurveError
from ...io.memory_reader import read_table as read_table_in_memory
from ...plugins.arrays import on_host, require_host
from .geometry import NAMES, EllipseGeometry
from .result import Isophotes
from .table import read_table


class _Column(NamedTuple):
    """A column that holds a parameter: its name, and its unit where it states none."""

    name: str
    unit: str


class _Convention(NamedTuple):
    """How somebody writes down ellipses."""

    columns: dict[str, _Column]
    first_pixel: float = 0.0
    first_direction: float = 0.0


def _convention(ellipticity: str, angle: _Column) -> _Convention:
    plain = {name: _Column(name, "pix") for name in ("sma", "x0", "y0")}
    return _Convention({**plain, "ellipticity": _Column(ellipticity, ""), "position_angle": angle})


#: Ours, those of photutils (its tables, and its attributes), and IRAF's; the first that fits
#: counts.
_CONVENTIONS = (
    _convention("ellipticity", _Column("position_angle", "rad")),
    _convention("ellipticity", _Column("pa", "deg")),
    _convention("eps", _Column("position_angle", "rad")),
    _convention("eps", _Column("pa", "deg")),
    _Convention(
        {
            "sma": _Column("SMA", "pix"),
            "x0": _Column("X0", "pix"),
            "y0": _Column("Y0", "pix"),
            "ellipticity": _Column("ELLIP", ""),
            "position_angle": _Column("PA", "deg"),
        },
        first_pixel=1.0,
        first_direction=0.5 * math.pi,
    ),
)


def ellipses_of(template: Any) -> dict[str, np.ndarray]:
    """The ellipses of a template, by growing semi-major axis.

    Parameters
    ----------
    template : Isophotes, table, mapping, sequence or path
        A result in any band. Or a table (of astropy, pandas, Arrow, or a structured array) or
        mapping of columns ``sma``, ``x0``, ``y0``, ``ellipticity`` or ``eps``, and
        ``position_angle`` (radians) or ``pa`` (degrees, as in tables of photutils), unless
        these have a unit. Or one with IRAF's ``SMA``, ``X0``, ``Y0``, ``ELLIP`` and ``PA``:
        pixels from 1, degrees from +y. Or a sequence of
        :class:`~armillary.fit.EllipseGeometry` or of mappings. Or the path of such a table,
        ``.ecsv`` or ``.fits``.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``x0``, ``y0``, ``sma``, ``ellipticity`` and ``position_angle`` (radians, from 0 to less
        than pi); those at ``sma`` 0, where only the centre counts, have 0 for the last two.
        Ellipses of one ``sma`` stay in their order.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is empty, lacks a column, holds what is no number or is in another unit, or a row
        is not complete or out of range.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from armillary.fit.isophote.template import ellipses_of
    >>> row = {"SMA": 20.0, "X0": 256.0, "Y0": 129.0, "ELLIP": 0.25, "PA": -90.0}
    >>> {name: float(values[0]) for name, values in ellipses_of([row]).items()}
    {'x0': 255.0, 'y0': 128.0, 'sma': 20.0, 'ellipticity': 0.25, 'position_angle': 0.0}
    """
    ellipses = _in_our_convention(_columns(template))
    _complete_centre(ellipses)
    _check(ellipses)
    ellipses["position_angle"] = _half_turn(ellipses["position_angle"])
    order = np.argsort(ellipses["sma"], kind="stable")
    return {name: values[order] for name, values in ellipses.items()}


# ------------------------------------------------------------------ columns of anything


def _columns(template: Any) -> Mapping[str, RawColumn]:
    """All columns by name, with their units."""
    if isinstance(template, Isophotes):
        return {name: RawColumn(on_host(getattr(template, name))) for name in NAMES}
    if isinstance(template, (str, os.PathLike)):
        return _columns_of_table(read_table(Path(template)))
    if isinstance(template, Mapping):
        for name, values in template.items():
            require_host(f"template: {name}", values)
        return {str(name): _split(values) for name, values in template.items()}
    if isinstance(template, np.ndarray) and template.dtype.names:
        return {name: _split(template[name]) for name in template.dtype.names}
    if isinstance(template, (list, tuple)):
        return _columns_of_rows(template)
    return _columns_of_table(template)


def _split(values: Any) -> RawColumn:
    values, unit = split_unit(values)
    return RawColumn(np.atleast_1d(values), unit)


def _columns_of_table(table: Any) -> Mapping[str, RawColumn]:
    try:
        raw = read_table_in_memory(table)
    except TypeError:
        raise TypeError(
            f"template must be Isophotes, a table, a mapping of columns, a sequence of "
            f"EllipseGeometry or of mappings, or a path, not {type(table).__name__}"
        ) from None
    return {name: raw.column(position) for position, name in enumerate(raw.names)}


def _columns_of_rows(rows: Sequence[Any]) -> Mapping[str, RawColumn]:
    if not rows:
        raise ValueError("template must have at least one ellipse")
    plain = [asdict(row) if isinstance(row, EllipseGeometry) else row for row in rows]
    for number, row in enumerate(plain):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"template must hold EllipseGeometry or mappings; "
                f"row {number} is {type(row).__name__}"
            )
    shared = [name for name in plain[0] if all(name in row for row in plain)]
    return {str(name): _column_of_values(name, [row[name] for row in plain]) for name in shared}


def _column_of_values(name: Any, values: list[Any]) -> RawColumn:
    try:
        if any(hasattr(value, "unit") for value in values):
            from astropy import units

            return split_unit(units.Quantity(values))
        return RawColumn(np.array(values))
    except (TypeError, ValueError) as error:
        raise ValueError(f"template: {name!r} is no number of one kind in all rows") from error


# ------------------------------------------------------------------ columns that are known


def _in_our_convention(columns: Mapping[str, RawColumn]) -> dict[str, np.ndarray]:
    convention = _chosen(columns)
    ellipses = {
        parameter: _numbers(columns[column.name], column)
        for parameter, column in convention.columns.items()
    }
    lengths = {len(values) for values in ellipses.values()}
    if len(lengths) > 1:
        raise ValueError(f"template has columns of {' and '.join(map(str, sorted(lengths)))} rows")
    for name in ("x0", "y0"):
        ellipses[name] -= convention.first_pixel
    ellipses["position_angle"] += convention.first_direction
    return {name: ellipses[name] for name in NAMES}


def _chosen(columns: Mapping[str, RawColumn]) -> _Convention:
    missing: dict[int, list[str]] = {}
    for convention in _CONVENTIONS:
        lacking = [
            column.name for column in convention.columns.values() if column.name not in columns
        ]
        if not lacking:
            return convention
        missing[len(lacking)] = missing.get(len(lacking), lacking)
    raise ValueError(
        f"template has no {' and no '.join(missing[min(missing)])} among its columns "
        f"{listed(list(columns)) or '(there are none)'}"
    )


def _numbers(column: RawColumn, known: _Column) -> np.ndarray:
    """A column as numbers in our unit, radians for angles; NaN where masked."""
    try:
        values = as_float64(column.values, known.name)
    except LightCurveError as error:
        raise ValueError(f"template: {error}") from None
    return values * _factor(column.unit, known)


def _factor(unit: Any, known: _Column) -> float:
    given = parse_unit(unit)
    if given is None:
        return math.radians(1.0) if known.unit == "deg" else 1.0
    from astropy import units

    ours = units.rad if known.unit == "deg" else units.Unit(known.unit)
    if not given.is_equivalent(ours):
        raise ValueError(
            f"template: column {known.name!r} must be in {ours or 'no unit'}, not in {given}"
        )
    return float(given.to(ours))


# ------------------------------------------------------------------ rows


def _complete_centre(ellipses: dict[str, np.ndarray]) -> None:
    """A point has no shape, whatever stands there."""
    for name in ("ellipticity", "position_angle"):
        ellipses[name][ellipses["sma"] == 0.0] = 0.0


def _check(ellipses: dict[str, np.ndarray]) -> None:
    if not len(ellipses["sma"]):
        raise ValueError("template must have at least one ellipse")
    for name, values in ellipses.items():
        _refuse(~np.isfinite(values), f"has no {name}, or one that is not finite")
    _refuse(ellipses["sma"] < 0.0, "has a negative sma")
    ellipticity = ellipses["ellipticity"]
    _refuse((ellipticity < 0.0) | (ellipticity >= 1.0), "has an ellipticity outside 0 to 1")


def _refuse(wrong: np.ndarray, told: str) -> None:
    if np.any(wrong):
        raise ValueError(f"template: row {np.argmax(wrong)} {told}")


def _half_turn(angle: np.ndarray) -> np.ndarray:
    wrapped = np.mod(angle, math.pi)
    # What is hardly below 0 rounds to pi itself.
    wrapped[wrapped >= math.pi] = 0.0
    return wrapped
