"""The inputs of a conversion, opened: by armillary's readers, or by a plugin's converter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...io.catalog_files import CatalogFile, open_catalog
from ...io.catalog_rows import Rows, refuse_repeated
from ...io.errors import CatalogFileError
from ...plugins.errors import BackendUnavailable, ContractError
from ..formats import Format, asked_for, recognised

if TYPE_CHECKING:
    import pyarrow as pa

OPERATION = "convert.catalog"
#: Formats that are in memory, all of them, as long as the catalogue is open.
_WHOLE = ("VOTable", "ECSV")


@dataclass(frozen=True)
class Source:
    """An input: what it holds is known, and its rows can be streamed, more than once.

    Attributes
    ----------
    path : Path
        Where it is.
    format : str
        What it is.
    schema : pyarrow.Schema
        All its columns.
    n_rows : int or None
        None where only reading tells.
    n_bytes : int
        Its size on disk.
    """

    path: Path
    format: str
    schema: pa.Schema
    n_rows: int | None
    n_bytes: int
    _opener: Opener
    _file: CatalogFile | None

    def batches(self, names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, at most so many rows at a time.

        Raises
        ------
        CatalogFileError
            (A ValueError.) If it cannot be read, or has become another since it was opened.
        """
        file = self._file if self._file is not None else self._opener.open(self.path)
        if not file.schema.equals(self.schema, check_metadata=True):
            raise CatalogFileError(f"the columns of {str(self.path)!r} changed during the call")
        yield from file.batches(names, rows=rows)


class Opener:
    """Opens catalogues of every format that is known here, or of the one that is asked for.

    Raises
    ------
    BackendUnavailable
        If what is asked for is not there, or cannot run.
    """

    def __init__(self) -> None:
        self._asked = asked_for(OPERATION)
        if isinstance(self._asked, Format) and not hasattr(self._asked.converter, "read"):
            raise BackendUnavailable(f"{self._asked.name}, which was asked for, reads no catalogue")

    def source(self, path: Path) -> Source:
        """Open an input, to know its columns.

        Raises
        ------
        CatalogFileError
            (A ValueError.) If it is of no known format, or damaged.
        """
        file = self.open(path)
        # Hundreds of catalogues would be in memory at once, if those that are read whole stayed.
        kept = None if file.format in _WHOLE and file.n_rows is not None else file
        return Source(path, file.format, file.schema, file.n_rows, _size(path), self, kept)

    def open(self, path: Path) -> CatalogFile:
        """Open a catalogue."""
        if isinstance(self._asked, Format):
            return _opened_by(self._asked, path)
        try:
            return open_catalog(path)
        except CatalogFileError:
            format = recognised(OPERATION, path) if self._asked is None else None
            if format is None:
                raise
        return _opened_by(format, path)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return os.stat(path).st_size


# ------------------------------------------------------------ converters of plugins


def _opened_by(format: Format, path: Path) -> CatalogFile:
    with format.blamed():
        schema = _schema(format, format.converter.read(path))

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        with format.blamed():
            stream = format.converter.read(path)
        if not _schema(format, stream).equals(schema):
            raise ContractError(
                f"{format.name} read other columns from {str(path)!r} the next time"
            )
        for part in _parts(format, stream):
            yield from _batches(format, part, schema, names)

    return CatalogFile(path, format.name, schema, None, Rows(format.name, schema, None, read))


def _schema(format: Format, stream: Any) -> pa.Schema:
    """The columns of what a converter reads, of plain types.

    The dictionaries of two parts are not the same, and little can be done with views.
    """
    import pyarrow as pa

    schema = getattr(stream, "schema", None)
    if not isinstance(schema, pa.Schema):
        raise ContractError(
            f"read of {format.registered} returned {type(stream).__name__} without a schema"
        )
    refuse_repeated(schema.names)
    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _parts(format: Format, stream: Any) -> Iterator[Any]:
    """The parts of a stream, one after the other."""
    with format.blamed():
        parts = iter(stream.to_batches() if hasattr(stream, "to_batches") else stream)
    while True:
        with format.blamed():
            part = next(parts, None)
        if part is None:
            return
        yield part


def _batches(
    format: Format, part: Any, schema: pa.Schema, names: list[str]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if not isinstance(part, pa.Table | pa.RecordBatch):
        raise ContractError(
            f"read of {format.registered} gave {type(part).__name__}, not pyarrow.Table"
        )
    missing = [name for name in names if name not in part.schema.names]
    if missing:
        raise ContractError(f"read of {format.registered} gave rows without {missing[0]!r}")
    table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
    wanted = pa.schema([schema.field(name) for name in names])
    try:
        yield from table.select(names).cast(wanted).combine_chunks().to_batches()
    except pa.ArrowException as error:
        raise ContractError(
            f"read of {format.registered} gave rows that are not of its schema ({error})"
        ) from None
