"""Columns in one unit, from columns in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...io.catalog_rows import UNIT
from ...io.columns import parse_unit

if TYPE_CHECKING:
    import pyarrow as pa


def unit_of(field: pa.Field) -> str | None:
    """The unit of a column, as it is written; None if there is none."""
    unit = (field.metadata or {}).get(UNIT)
    return None if unit is None else unit.decode(errors="replace")


def are_the_same(one: str | None, other: str | None) -> bool:
    """Whether values in one unit are values in the other; one that is not stated may be any."""
    if one is None or other is None or one == other:
        return True
    parsed = parse_unit(one), parse_unit(other)
    return None not in parsed and bool(parsed[0] == parsed[1])


def are_convertible(one: str, other: str) -> bool:
    """Whether values in one unit can be told in the other by a factor.

    Magnitudes of a system, which are no multiples of a flux, are not converted to one: a flux that
    is not positive would be lost.
    """
    from astropy.units.function import FunctionUnitBase

    parsed = parse_unit(one), parse_unit(other)
    if any(unit is None or isinstance(unit, FunctionUnitBase) for unit in parsed):
        return False
    return bool(parsed[0].is_equivalent(parsed[1]))


def converted(array: pa.Array, unit: str, wanted: str) -> pa.Array:
    """Numbers in another unit, in double precision; null stays null.

    Raises
    ------
    pyarrow.ArrowInvalid
        If an integer is longer than a float64 holds.
    """
    import pyarrow as pa

    exact = array.cast(pa.float64())
    values = exact.to_numpy(zero_copy_only=False)
    told: Any = parse_unit(unit).to(parse_unit(wanted), values)
    return pa.array(
        np.asarray(told, np.float64), mask=exact.is_null().to_numpy(zero_copy_only=False)
    )
