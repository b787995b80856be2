"""Rows of two tables side by side, for each library that makes tables."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def joined(
    tables: tuple[Any, Any],
    rows: tuple[np.ndarray, np.ndarray],
    separation: np.ndarray,
    lengths: tuple[int, int],
    *,
    with_right: bool,
    suffixes: tuple[str, str],
) -> Any:
    """Take rows of two tables (-1: nothing) and put them side by side, with the separation.

    Raises
    ------
    ValueError
        If a table has another length, or names collide.
    TypeError
        If the tables are of different kinds or of none that is known.
    """
    take, length, combine = _library(tables)
    for side, table, n in zip(("left", "right"), tables, lengths, strict=True):
        if length(table) != n:
            raise ValueError(f"{side}_table has {length(table):,} rows; {n:,} were matched")
    if not with_right:
        return take(tables[0], rows[0])
    parts = [take(table, chosen) for table, chosen in zip(tables, rows, strict=True)]
    return combine(*parts, separation, suffixes)


def new_names(
    left: list[str], right: list[str], suffixes: tuple[str, str]
) -> tuple[list[str], list[str]]:
    """Names of the columns of a joined table: suffixes tell apart those that both have.

    Raises
    ------
    ValueError
        If two are the same in spite of it, or one is called like the separation.
    """
    shared = set(left) & set(right)
    names = [
        [name + suffix if name in shared else name for name in side]
        for side, suffix in zip((left, right), suffixes, strict=True)
    ]
    every = [*names[0], *names[1], "separation"]
    for name in every:
        if every.count(name) > 1:
            raise ValueError(
                f"the joined table would have two columns {name!r}; choose other suffixes than "
                f"{suffixes}, or rename it"
            )
    return names[0], names[1]


def _library(tables: tuple[Any, Any]) -> Any:
    """Functions that take rows, count them and combine two tables."""
    if all(_is(table, "astropy.table", "Table") for table in tables):
        return _take_astropy, len, _combine_astropy
    if all(_is(table, "pandas", "DataFrame") for table in tables):
        return _take_pandas, len, _combine_pandas
    if all(_is(table, "pyarrow", "Table") for table in tables):
        return _take_arrow, len, combine_arrow
    kinds = " and ".join(type(table).__name__ for table in tables)
    raise TypeError(f"left_table and right_table must be tables of one library, not {kinds}")


def _is(table: Any, module: str, name: str) -> bool:
    # A table of a library that is not imported cannot have been passed.
    found = sys.modules.get(module)
    return found is not None and isinstance(table, getattr(found, name))


# ------------------------------------------------------------------ astropy


def _take_astropy(table: Any, rows: np.ndarray) -> Any:
    from astropy.table import Table

    nothing = rows < 0
    if not nothing.any():
        return table[rows]
    if len(table) == 0:
        # Nothing to take: rows of zeros, all of which are masked below.
        table = Table({name: np.zeros(1, table[name].dtype) for name in table.colnames})
    taken = Table(table[np.where(nothing, 0, rows)], masked=True, copy=False)
    for name in taken.colnames:
        taken[name].mask = nothing | np.asarray(taken[name].mask)
    return taken


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


def _take_pandas(frame: Any, rows: np.ndarray) -> Any:
    frame = frame.reset_index(drop=True)
    if np.any(rows < 0):
        # Row -1 does not exist, and so its values are missing.
        return frame.reindex(rows).reset_index(drop=True)
    return frame.take(rows).reset_index(drop=True)


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

    names = new_names(left.column_names, right.column_names, suffixes)
    columns = [*left.columns, *right.columns, pa.array(separation, mask=np.isnan(separation))]
    return pa.table(columns, names=[*names[0], *names[1], "separation"])
