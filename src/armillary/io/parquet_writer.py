"""How all our Parquet files are written: compressed, in row groups, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "COMPRESSION",
    "COMPRESSION_LEVEL",
    "ROW_GROUP",
    "RowGroups",
    "parquet_writer",
    "refuse_existing",
    "synchronised",
    "take_name",
]

#: Rows of a row group.
ROW_GROUP = 1 << 20
#: Fast to write and read; coordinates hardly compress at all.
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1


class RowGroups:
    """Rows on their way into one Parquet file, held until they fill a row group.

    Parameters
    ----------
    where : Path
        The file.
    schema : Schema
        Its columns.
    most_bytes : int, optional
        Rows of so many bytes are a row group as well: wide ones would fill the memory before they
        are many. Default: only their number counts.
    """

    def __init__(self, where: Path, schema: pa.Schema, most_bytes: int | None = None) -> None:
        self.n_rows = 0
        self._schema = schema
        self._writer = parquet_writer(where, schema)
        self._most_bytes = most_bytes
        self._waiting: list[pa.Table] = []
        self._n_waiting = self._bytes_waiting = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; they are written when they fill a row group."""
        self.n_rows += table.num_rows
        self._waiting.append(table.cast(self._schema))
        self._n_waiting += table.num_rows
        if self._most_bytes is not None:
            self._bytes_waiting += table.nbytes
        if self._n_waiting >= ROW_GROUP:
            self._write_waiting(self._n_waiting - self._n_waiting % ROW_GROUP)
        elif self._most_bytes is not None and self._bytes_waiting >= self._most_bytes:
            self._write_waiting(self._n_waiting)

    def _write_waiting(self, n: int) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting)
        self._writer.write_table(table.slice(0, n), row_group_size=ROW_GROUP)
        rest = table.slice(n)
        self._waiting, self._n_waiting, self._bytes_waiting = [rest], rest.num_rows, rest.nbytes

    def finish(self) -> None:
        """Write what waits, and what a Parquet file ends with."""
        if self._n_waiting:
            self._write_waiting(self._n_waiting)
        self.close()

    def close(self) -> None:
        """Close the file, complete or not; closing it twice does nothing."""
        self._writer.close()


def parquet_writer(where: Path, schema: pa.Schema) -> Any:
    """A writer with the settings of all our files."""
    import pyarrow as pa
    from pyarrow import parquet

    # Coordinates and identifiers are hardly ever the same twice: a dictionary is lost time.
    numbers = pa.types.is_floating, pa.types.is_integer
    repeating = [f.name for f in schema if not any(kind(f.type) for kind in numbers)]
    return parquet.ParquetWriter(
        where,
        schema,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=repeating,
    )


def take_name(path: Path, out: Path, overwrite: bool) -> None:
    """Give a file that is complete the name of the result.

    Raises
    ------
    FileExistsError
        If something has that name by now, and is not to be replaced.
    """
    synchronised(path)
    if not overwrite:
        refuse_existing(out)
    os.replace(path, out)


def refuse_existing(out: Path) -> None:
    """Make sure that nothing is replaced.

    Raises
    ------
    FileExistsError
        If there is something already.
    """
    if out.exists():
        raise FileExistsError(f"{str(out)!r} exists; pass overwrite=True to replace it")


def synchronised(path: Path) -> None:
    """Make sure that a file is on the disk before its name says that it is complete."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
