"""Catalogues in Parquet: a file, a folder of files, or the partitions of a HATS catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from armillary.io.catalog_hats import along_the_sky
from armillary.io.catalog_rows import (
    DESCRIPTION,
    UNIT,
    Rows,
    field,
    reason,
    refuse_repeated,
)
from armillary.io.errors import CatalogFileError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_hats", "open_parquet", "open_parquet_folder"]

_SUFFIXES = (".parquet", ".pq")
# Files without rows that state the columns of a folder.
_SCHEMA_FILES = ("_common_metadata", "_metadata")
# By name: older versions of pyarrow do not know these types.
_VIEWS = {"string_view": "string", "binary_view": "binary"}
_ASTROPY_HEADER = b"table_meta_yaml"
# Bytes of a column that are read at once; whole chunks of columns would depend on who wrote them.
_READ_BYTES = 1 << 20
_FOOTER_THREADS = 8  # reading a footer is mostly waiting


class _Footer(NamedTuple):
    """What the end of a Parquet file says."""

    schema: pa.Schema
    n_rows: int


def open_parquet(path: Path) -> Rows:
    """Open one file."""
    footer = _footer(path)

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        with _damage_told():
            yield from _batches(path, footer.schema, names, rows)

    return Rows("Parquet", footer.schema, footer.n_rows, read)


def open_parquet_folder(folder: Path) -> Rows:
    """Open all files in and below a folder, in the order of their paths."""
    return _open_files("folder of Parquet files", folder, key=None)


def open_hats(folder: Path) -> Rows:
    """Open the partitions in the dataset folder of a HATS catalogue, along the sky."""
    return _open_files("HATS", folder, key=along_the_sky)


def _open_files(format: str, folder: Path, key: Callable[[Path], Any] | None) -> Rows:
    files = sorted(_files_below(folder), key=key)
    if not files:
        return Rows(format, _stated_schema(folder), 0, lambda names, rows: iter(()))

    def footer(file: Path) -> _Footer:
        with _about(file):
            return _footer(folder / file)

    with ThreadPoolExecutor(_FOOTER_THREADS) as pool:
        footers = list(pool.map(footer, files))
    schema = footers[0].schema
    for file, found in zip(files[1:], footers[1:], strict=True):
        with _about(file):
            schema = _unified(schema, found.schema)

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        for file in files:
            with _about(file), _damage_told():
                yield from _batches(folder / file, schema, names, rows)

    return Rows(format, schema, sum(footer.n_rows for footer in footers), read)


def _files_below(folder: Path) -> Iterator[Path]:
    """Paths below the folder, without what is hidden or about other files."""
    for path in folder.rglob("*"):
        file = path.relative_to(folder)
        left_out = any(part.startswith((".", "_")) for part in file.parts)
        if file.suffix.lower() in _SUFFIXES and not left_out and path.is_file():
            yield file


def _stated_schema(folder: Path) -> pa.Schema:
    """The columns of a folder without rows, where a file of metadata states them."""
    for name in _SCHEMA_FILES:
        if (folder / name).is_file():
            with _about(Path(name)):
                return _footer(folder / name).schema
    raise CatalogFileError("the folder holds no *.parquet or *.pq file")


def _footer(path: Path) -> _Footer:
    from pyarrow import parquet

    with _damage_told(), parquet.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
    refuse_repeated(schema.names)
    return _Footer(_plain(schema), n_rows)


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema as we hand it on: units and descriptions only, and plain types."""
    import pyarrow as pa

    header = _astropy_header(schema)
    units, descriptions = (
        {column.name: _told(column, header.get(column.name, {}), key) for column in schema}
        for key in (UNIT, DESCRIPTION)
    )
    return pa.schema(
        [field(f.name, _decoded(f.type), units[f.name], descriptions[f.name]) for f in schema]
    )


def _decoded(kind: pa.DataType) -> pa.DataType:
    """The plain type of the same values.

    The dictionaries of two row groups are not the same, and little can be done with views.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _decoded(kind.value_type)
    return pa.type_for_alias(_VIEWS[str(kind)]) if str(kind) in _VIEWS else kind


def _astropy_header(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """What the header that astropy writes says of each column."""
    header = (schema.metadata or {}).get(_ASTROPY_HEADER)
    if header is None:
        return {}
    from armillary.io.catalog_ecsv import described_columns

    columns = described_columns(header.decode(errors="replace").split("\n"))
    return {column["name"]: column for column in columns}


def _told(column: pa.Field, header: dict[str, Any], key: bytes) -> str | None:
    """What the field says, or else the header."""
    text = (column.metadata or {}).get(key)
    return header.get(key.decode()) if text is None else text.decode(errors="replace")


def _unit(column: pa.Field) -> str | None:
    return _told(column, {}, UNIT)


def _unified(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """The schema, widened to what one more file holds."""
    import pyarrow as pa

    if schema.equals(other, check_metadata=True):
        return schema
    for name in schema.names:
        if name not in other.names:
            raise CatalogFileError(f"it lacks column {name!r}, which the files before it have")
    for name in other.names:
        if name not in schema.names:
            raise CatalogFileError(f"it has a column {name!r}, which the files before it lack")
    return pa.schema([_wider(schema.field(name), other.field(name)) for name in schema.names])


def _wider(before: pa.Field, here: pa.Field) -> pa.Field:
    """A column that holds the values of both."""
    import pyarrow as pa

    units = {unit for one in (before, here) if (unit := _unit(one)) is not None}
    if len(units) > 1:
        raise CatalogFileError(
            f"its column {here.name!r} is in {_unit(here)}, and that of the files before it in "
            f"{_unit(before)}"
        )
    pair = [pa.schema([one.remove_metadata()]) for one in (before, here)]
    try:
        kind = pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except pa.ArrowException:
        raise CatalogFileError(
            f"its column {here.name!r} is {here.type}, and that of the files before it "
            f"{before.type}"
        ) from None
    descriptions = (_told(one, {}, DESCRIPTION) for one in (before, here))
    return field(here.name, kind, next(iter(units), None), next(filter(None, descriptions), None))


def _batches(
    path: Path, schema: pa.Schema, names: list[str], rows: int
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import parquet

    # No pre-buffering: it would hold all row groups, still packed, in memory.
    with parquet.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False) as file:
        for batch in file.iter_batches(rows, columns=names):
            arrays = [_as(schema.field(name).type, batch.column(name), name) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, names)


def _as(kind: pa.DataType, array: pa.Array, name: str) -> pa.Array:
    import pyarrow as pa

    if array.type == kind:
        return array
    try:
        return array.cast(kind)
    except pa.ArrowInvalid as error:
        raise CatalogFileError(
            f"its column {name!r} ({array.type}) does not fit into the {kind} of other files "
            f"({reason(error)})"
        ) from None


@contextmanager
def _about(file: Path) -> Iterator[None]:
    """Name the file of a folder of which something is said."""
    try:
        yield
    except CatalogFileError as error:
        raise CatalogFileError(f"file {file.as_posix()!r}: {error}") from None


@contextmanager
def _damage_told() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (CatalogFileError, FileNotFoundError, PermissionError):
        raise
    # ValueError: damaged text, such as the name of a column, that is no UTF-8
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogFileError(
            f"the Parquet file is truncated or damaged ({reason(error)})"
        ) from None
