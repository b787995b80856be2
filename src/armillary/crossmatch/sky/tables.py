"""Rows of two tables side by side, for each library that makes tables."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def joined(
    tables: tuple[Any, Any],
    rows: tuple[np.ndarray, np.ndarray],
    separation: np.ndarray,
    n_rows: tuple[int, int],
    suffixes: tuple[str, str],
) -> Any:
    """Take rows of two tables (-1: nothing) and put them side by side, with the separation.

    Raises
    ------
    ValueError
        If a table has another length, or names collide.
    TypeError
        If the tables are of different kinds or of none that is known, or if a column that
        cannot have missing values would have some.
    """
    take, combine = _library(*tables)
    for side, table, n in zip(("left", "right"), tables, n_rows, strict=True):
        _check_table(side, table, n)
    parts = [take(table, chosen) for table, chosen in zip(tables, rows, strict=True)]
    return combine(*parts, separation, suffixes)


def alone(table: Any, rows: np.ndarray, n_rows: int) -> Any:
    """Some rows of the left table; the same errors."""
    take, _ = _library(table)
    _check_table("left", table, n_rows)
    return take(table, rows)


def new_names(
    left: list[str], right: list[str], suffixes: tuple[str, str]
) -> tuple[list[str], list[str]]:
    """Names of the columns of a joined table: suffixes tell apart those that both have.

    A table that was matched before has a separation already; it gets a suffix, too.

    Raises
    ------
    ValueError
        If the suffixes are not two strings, or two names are the same in spite of them.
    """
    pair = isinstance(suffixes, (tuple, list)) and len(suffixes) == 2
    if not (pair and all(isinstance(suffix, str) for suffix in suffixes)):
        raise ValueError(f"suffixes must be two strings, not {suffixes!r}")
    shared = (set(left) & set(right)) | {"separation"}
    names = [
        [name + suffix if name in shared else name for name in side]
        for side, suffix in zip((left, right), suffixes, strict=True)
    ]
    every = [*names[0], *names[1], "separation"]
    for name in every:
        if every.count(name) > 1:
            raise ValueError(
                f"the joined table would have two columns {name!r}; choose other suffixes than "
                f"{tuple(suffixes)}, or rename it"
            )
    return names[0], names[1]


def _library(*tables: Any) -> Any:
    """Functions that take rows of a table and combine two."""
    if all(_is(table, "astropy.table", "Table") for table in tables):
        return _take_astropy, _combine_astropy
    if all(_is(table, "pandas", "DataFrame") for table in tables):
        return _take_pandas, _combine_pandas
    if all(_is(table, "pyarrow", "Table") for table in tables):
        return _take_arrow, combine_arrow
    kinds = " and ".join(type(table).__name__ for table in tables)
    raise TypeError(
        f"left_table and right_table must be tables of one library (astropy, pandas, pyarrow), "
        f"not {kinds}"
    )


def _is(table: Any, module: str, name: str) -> bool:
    # A table of a library that is not imported cannot have been passed.
    found = sys.modules.get(module)
    return found is not None and isinstance(table, getattr(found, name))


def _check_table(side: str, table: Any, n: int) -> None:
    if len(table) != n:
        raise ValueError(f"{side}_table has {len(table):,} rows; {n:,} were matched")
    twice = [name for name in _index_names(table) if name in table.columns]
    if twice:
        raise ValueError(
            f"{side}_table has an index named like its column {twice[0]!r}; rename one of the two"
        )


# ------------------------------------------------------------------ astropy


def _take_astropy(table: Any, rows: np.ndarray) -> Any:
    nothing = rows < 0
    if not nothing.any():
        return table[rows]
    taken = type(table)(meta=table.meta)
    for name in table.colnames:
        taken[name] = _with_missing(table[name], rows, nothing)
    return taken


def _with_missing(column: Any, rows: np.ndarray, nothing: np.ndarray) -> Any:
    """Rows of a column, masked where there is nothing to take."""
    from astropy.table import Column, MaskedColumn
    from astropy.units import Quantity
    from astropy.utils.masked import Masked

    if not isinstance(column, (Column, Quantity)):
        raise TypeError(
            f"column {column.info.name!r} ({type(column).__name__}) cannot have missing values; "
            f"take it out, or join only pairs"
        )
    shape = (len(rows), *column.shape[1:])
    there = np.flatnonzero(~nothing)
    mask = np.broadcast_to(nothing.reshape(-1, *[1] * (len(shape) - 1)), shape).copy()
    own = getattr(column, "mask", None)
    if own is not None:
        mask[there] = np.asarray(own)[rows[there]]
    values = np.zeros(shape, column.dtype)
    values[there] = np.asarray(getattr(column, "unmasked", np.ma.getdata(column)))[rows[there]]
    if isinstance(column, Quantity):
        return Masked(Quantity(values, column.unit, copy=False), mask=mask)
    about = {key: getattr(column, key) for key in ("unit", "format", "description", "meta")}
    return MaskedColumn(values, mask=mask, **about)


def _combine_astropy(
    left: Any, right: Any, separation: np.ndarray, suffixes: tuple[str, str]
) -> Any:
    from astropy import units
    from astropy.table import Column, MaskedColumn, hstack

    names = new_names(left.colnames, right.colnames, suffixes)
    for table, new in zip((left, right), names, strict=True):
        table.rename_columns(tuple(table.colnames), tuple(new))
    both = hstack([left, right], metadata_conflicts="silent")
    unknown = np.isnan(separation)
    kind = MaskedColumn if unknown.any() else Column
    both["separation"] = kind(separation, unit=units.arcsec)
    if unknown.any():
        both["separation"].mask = unknown
    return both


# ------------------------------------------------------------------ pandas


def _index_names(table: Any) -> list[Any]:
    """Names of the index of a frame, of as many levels as have one; no other table has any."""
    if not _is(table, "pandas", "DataFrame"):
        return []
    return [name for name in table.index.names if name is not None]


def _take_pandas(frame: Any, rows: np.ndarray) -> Any:
    # An index that has a name is a column like the others.
    names = _index_names(frame)
    frame = (frame.reset_index(names) if names else frame).reset_index(drop=True)
    if not np.any(rows < 0):
        return frame.take(rows).reset_index(drop=True)
    # Whole numbers stay whole: as floating-point ones long identifiers would lose digits.
    kinds = {
        name: "boolean" if dtype.kind == "b" else dtype.name.replace("i", "I").replace("u", "U")
        for name, dtype in frame.dtypes.items()
        if isinstance(dtype, np.dtype) and dtype.kind in "iub"
    }
    # Row -1 does not exist, and so its values are missing.
    return frame.astype(kinds).reindex(rows).reset_index(drop=True)


def _combine_pandas(
    left: Any, right: Any, separation: np.ndarray, suffixes: tuple[str, str]
) -> Any:
    import pandas as pd

    names = new_names([*map(str, left.columns)], [*map(str, right.columns)], suffixes)
    both = pd.concat([left.set_axis(names[0], axis=1), right.set_axis(names[1], axis=1)], axis=1)
    return both.assign(separation=separation)


# ------------------------------------------------------------------ Arrow


def _take_arrow(table: Any, rows: np.ndarray) -> Any:
    import pyarrow as pa

    # A null as a row number gives nulls.
    return table.take(pa.array(rows, mask=rows < 0))


def combine_arrow(left: Any, right: Any, separation: np.ndarray, suffixes: tuple[str, str]) -> Any:
    """Two Arrow tables of one length side by side, with the separation, null where it is NaN."""
    import pyarrow as pa

    fields = []
    for table, names in zip(
        (left, right), new_names(left.column_names, right.column_names, suffixes), strict=True
    ):
        fields += [f.with_name(name) for f, name in zip(table.schema, names, strict=True)]
    fields.append(pa.field("separation", pa.float64(), metadata={"unit": "arcsec"}))
    columns = [*left.columns, *right.columns, pa.array(separation, mask=np.isnan(separation))]
    return pa.table(columns, schema=pa.schema(fields))
