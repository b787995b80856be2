"""Tables that are in memory already: those of astropy, lightkurve, pandas and Arrow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from armillary.io.columns import RawColumn, split_unit
from armillary.io.light_curve import thawed
from armillary.io.metadata import describe
from armillary.io.raw_table import RawTable

__all__ = ["read_arrow", "read_astropy", "read_table"]


def read_table(table: Any) -> RawTable:
    """Read a table in memory, whatever library made it.

    Raises
    ------
    TypeError
        If it is no table of a library that is known here.
    """
    source = f"{type(table).__module__.split('.')[0]} {type(table).__name__}"
    # A table of a library that is not imported cannot have been passed.
    pandas, astropy_tables = sys.modules.get("pandas"), sys.modules.get("astropy.table")
    if astropy_tables is not None and isinstance(table, astropy_tables.Table):
        return read_astropy(table, source)
    if pandas is not None and isinstance(table, pandas.DataFrame):
        return _read_pandas(table, source)
    if hasattr(table, "__arrow_c_stream__"):  # pyarrow, polars and others
        import pyarrow

        arrow = pyarrow.table(table)
        return read_arrow(arrow.schema, arrow.column, source)
    raise TypeError(f"{type(table).__name__} is no table of astropy, lightkurve, pandas or Arrow")


def read_astropy(table: Any, source: str) -> RawTable:
    """Read an astropy Table, QTable or TimeSeries (which lightkurve's LightCurve is)."""
    names = tuple(table.colnames)

    def column(position: int) -> RawColumn:
        return split_unit(table[names[position]])

    return RawTable(names, column, source, _meta_of_table(table.meta))


def read_arrow(schema: Any, column_at: Any, source: str) -> RawTable:
    """Read a pyarrow table, or a file of which single columns can be read.

    Parameters
    ----------
    schema : pyarrow.Schema
    column_at : callable
        Gives the column at a position as a pyarrow (chunked) array.
    source : str
    """
    stated = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (schema.metadata or {}).items()
    }

    def column(position: int) -> RawColumn:
        return RawColumn(column_at(position).to_numpy())

    return RawTable(tuple(schema.names), column, source, describe(stated))


def _read_pandas(frame: Any, source: str) -> RawTable:
    if frame.index.name is not None and frame.index.name not in frame.columns:
        frame = frame.reset_index()
    names = tuple(str(name) for name in frame.columns)

    def column(position: int) -> RawColumn:
        series = frame.iloc[:, position]
        if series.dtype.kind in "biuf":  # nullable types too, whose gaps become NaN
            return RawColumn(series.to_numpy(dtype=np.float64, na_value=np.nan))
        return RawColumn(series.to_numpy())

    return RawTable(names, column, source, describe(frame.attrs))


def _meta_of_table(meta: Any) -> dict[str, Any]:
    if meta.get("format") == "armillary light curve":
        # Saved by us: everything but the counts, which are those of this reading.
        return {key: value for key, value in thawed(meta).items() if not key.startswith("n_")}
    found = describe(meta)
    if meta.get("NORMALIZED") is True:  # lightkurve
        found["relative"] = True
    return found
