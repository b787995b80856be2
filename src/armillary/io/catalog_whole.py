"""Catalogues in formats that astropy reads whole: VOTable, and ECSV with arrays or objects."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from armillary.io.catalog_arrays import arrow_array
from armillary.io.catalog_rows import Rows, field, reason, refuse_repeated
from armillary.io.columns import mask_of
from armillary.io.errors import CatalogFileError
from armillary.io.quiet import quiet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_votable", "open_whole_ecsv"]


def open_votable(path: Path, gzipped: bool) -> Rows:
    """Read the first table of a VOTable."""
    from astropy.io import votable

    try:
        with quiet(), gzip.open(path) if gzipped else open(path, "rb") as file:
            tables = list(votable.parse(file, verify="ignore").iter_tables())
            table = tables[0].to_table(use_names_over_ids=True) if tables else None
    except Exception as error:  # damaged files raise nearly anything
        raise CatalogFileError(f"the VOTable is truncated or damaged ({reason(error)})") from None
    if table is None:
        raise CatalogFileError("the VOTable holds no table")
    return _rows("VOTable", table)


def open_whole_ecsv(path: Path, gzipped: bool) -> Rows:
    """Read an ECSV file of any kind."""
    from astropy.table import Table

    try:
        with quiet(), gzip.open(path) if gzipped else open(path, "rb") as file:
            table = Table.read(file.read().decode(), format="ascii.ecsv")
    except Exception as error:  # yaml and table errors have no common base
        raise CatalogFileError(f"the ECSV file is truncated or damaged ({reason(error)})") from None
    return _rows("ECSV", table)


def _rows(format: str, table: Any) -> Rows:
    import pyarrow as pa

    refuse_repeated(table.colnames)
    arrays = [_array(table[name]) for name in table.colnames]
    fields = [
        field(name, array.type, table[name].unit, table[name].description)
        for name, array in zip(table.colnames, arrays, strict=True)
    ]
    schema = pa.schema(fields)
    content = pa.table(arrays, schema=schema)

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        yield from content.select(names).to_batches(max_chunksize=rows)

    return Rows(format, schema, len(table), read)


def _array(column: Any) -> pa.Array:
    import pyarrow as pa

    mask = mask_of(column)
    try:
        return arrow_array(np.ma.getdata(column.data), mask)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise CatalogFileError(
            f"column {column.name!r} holds values of no one type ({reason(error)})"
        ) from None
