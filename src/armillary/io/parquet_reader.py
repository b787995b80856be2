"""Light curves in Parquet files; only the columns that are needed are read."""

from __future__ import annotations

import io
from typing import Any

from armillary.io.errors import LightCurveError
from armillary.io.memory_reader import read_arrow
from armillary.io.raw_table import RawTable

__all__ = ["read_parquet"]


def read_parquet(data: bytes, source: str) -> RawTable:
    """Read a Parquet file, given as bytes."""
    import pyarrow
    from pyarrow import parquet

    # ValueError: damaged text, such as a column's name, that is no UTF-8
    damage = (pyarrow.ArrowException, OSError, ValueError)
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        schema = file.schema_arrow
        names = schema.names
    except damage as error:
        raise _damaged(error) from None

    def column_at(position: int) -> Any:
        try:
            return file.read(columns=[names[position]]).column(0)
        except damage as error:
            raise _damaged(error) from None

    return read_arrow(schema, column_at, source)


def _damaged(error: Exception) -> LightCurveError:
    reason = str(error).strip().split("\n")[0].rstrip(".")
    return LightCurveError(f"the Parquet file is truncated or damaged ({reason})")
