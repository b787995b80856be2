"""Catalogues in text: names in a header, columns between delimiters, streamed in blocks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armillary.io.catalog_ecsv import read_header
from armillary.io.catalog_rows import Rows, field, reason, refuse_repeated
from armillary.io.errors import CatalogFileError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_ecsv", "open_text"]

_DELIMITERS = (",", ";", "\t", "|")
_MISSING = ("", "--", "-", "null", "NULL", "None", "NA", "N/A", "n/a", "NaN", "nan", "NAN")
#: Bytes in which the header ends, and from which types are inferred.
_SAMPLE_BYTES = 8 << 20
#: Bytes that are parsed at once; pyarrow parses some thirty such blocks ahead.
_BLOCK_BYTES = 1 << 20
_INTEGER = r"^\s*-?\d+\s*$"
_LONG_INTEGER = rb"\d{19}"  # digits that 64 bits with a sign cannot always hold
# How pyarrow tells of a value that is not of the type of its column.
_MISFIT = re.compile(
    r"In CSV column #(?P<number>\d+): (?:Row #\d+: )?"
    r"CSV conversion error to (?P<type>[^:]+): (?P<why>.*)"
)
# Their numbers and text are as pyarrow spells them. Others, astropy reads.
_ECSV_TYPES = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "float32",
    "float32": "float32",
    "float64": "float64",
    "string": "string",
    "bool": "bool",
}


@dataclass(frozen=True)
class _Layout:
    """How the lines of the file are to be read."""

    delimiter: str
    names: tuple[str, ...]
    first: int  # byte of the first row
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Sample:
    """The beginning of the file."""

    comments: tuple[str, ...]  # before the header
    header: str
    first: int  # byte of the header
    data: bytes  # all of it, comments included, to the end of a line
    whole: bool  # there is no more in the file

    @property
    def end(self) -> int:
        """Byte after the header."""
        return self.data.find(b"\n", self.first) + 1 or len(self.data)


def open_text(path: Path, gzipped: bool) -> Rows:
    """Open text with a header; the types of its columns are those of its first rows."""
    sample = _sample(path, gzipped)
    layout = _layout(sample)
    types = _inferred_types(sample.data[layout.first :], layout)
    return _rows("CSV", path, gzipped, layout, types, {}, {}, _is_empty(sample, layout))


def open_ecsv(path: Path, gzipped: bool) -> Rows:
    """Open an ECSV file, which states its types and units."""
    import pyarrow as pa

    sample = _sample(path, gzipped)
    header = read_header(sample.comments)
    columns = header["datatype"]
    if any(c["datatype"] not in _ECSV_TYPES or "subtype" in c for c in columns):
        from armillary.io.catalog_whole import open_whole_ecsv

        return open_whole_ecsv(path, gzipped)
    names = tuple(c["name"] for c in columns)
    layout = _Layout(header.get("delimiter", " "), names, sample.end, missing=("",))
    if _split(sample.header, layout.delimiter) != layout.names:
        raise CatalogFileError("the names in its first row are not those of its ECSV header")
    types = {c["name"]: pa.type_for_alias(_ECSV_TYPES[c["datatype"]]) for c in columns}
    units, descriptions = (
        {c["name"]: c[key] for c in columns if key in c} for key in ("unit", "description")
    )
    return _rows(
        "ECSV", path, gzipped, layout, types, units, descriptions, _is_empty(sample, layout)
    )


def _rows(
    format: str,
    path: Path,
    gzipped: bool,
    layout: _Layout,
    types: dict[str, pa.DataType],
    units: dict[str, str],
    descriptions: dict[str, str],
    is_empty: bool,
) -> Rows:
    import pyarrow as pa

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        if not is_empty:
            yield from _batches(path, gzipped, layout, types, names)

    fields = [
        field(name, types[name], units.get(name), descriptions.get(name)) for name in layout.names
    ]
    schema = pa.schema(fields)
    return Rows(format, schema, 0 if is_empty else None, read)


def _is_empty(sample: _Sample, layout: _Layout) -> bool:
    return sample.whole and not sample.data[layout.first :].strip()


# ------------------------------------------------------------ the header


def _sample(path: Path, gzipped: bool) -> _Sample:
    with _damage_told(()), _content(path, gzipped) as file:
        data = file.read(_SAMPLE_BYTES)
    whole = len(data) < _SAMPLE_BYTES
    if not whole:
        data = data[: data.rfind(b"\n") + 1]
    comments: list[str] = []
    first = 0
    for line in io.BytesIO(data):
        # Names of stars in comments may be in any encoding.
        text = line.decode("utf-8-sig", errors="replace").strip("\r\n ")
        if text and not text.startswith("#"):
            return _Sample(tuple(comments), text, first, data, whole)
        if text:
            comments.append(text.removeprefix("#").removeprefix(" "))
        first += len(line)
    raise CatalogFileError("it has no header with the names of columns")


def _layout(sample: _Sample) -> _Layout:
    delimiter = max(_DELIMITERS, key=sample.header.count)
    if delimiter not in sample.header:
        raise CatalogFileError(
            "its first row, which should name the columns, has no comma, semicolon, tab or | "
            f"between them: {sample.header[:80]!r}"
        )
    names, first = _split(sample.header, delimiter), sample.end
    if any(_is_number(name) for name in names):
        names, first = _names_in_comments(sample, delimiter, names), sample.first
    refuse_repeated(names)
    return _Layout(delimiter, names, first, _MISSING)


def _names_in_comments(sample: _Sample, delimiter: str, row: tuple[str, ...]) -> tuple[str, ...]:
    """The names before a first row that holds numbers already, as NumPy writes them."""
    names = _split(sample.comments[-1], delimiter) if sample.comments else ()
    if len(names) != len(row):
        number = next(filter(_is_number, row))
        raise CatalogFileError(
            f"its first row, which should name the columns, holds the number {number}"
        )
    return names


def _split(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise CatalogFileError(f"its header is no row of names ({reason(error)})") from None
    return tuple(name.strip() for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------ types


def _inferred_types(body: bytes, layout: _Layout) -> dict[str, pa.DataType]:
    """The types that fit all values of the first rows."""
    import pyarrow as pa

    if not body.strip():
        return dict.fromkeys(layout.names, pa.string())
    found = _parsed(body, layout, list(layout.names), None).schema
    types = {one.name: _kept(one.type) for one in found}
    rounded = [name for name, kind in types.items() if pa.types.is_floating(kind)]
    if rounded and re.search(_LONG_INTEGER, body):
        text = _parsed(body, layout, rounded, dict.fromkeys(rounded, pa.string()))
        types |= {name: _unrounded(text.column(name)) for name in rounded}
    return types


def _kept(kind: pa.DataType) -> pa.DataType:
    """Text where nothing is known, and for sexagesimal angles, which look like times of day."""
    import pyarrow as pa

    return pa.string() if pa.types.is_null(kind) or pa.types.is_time(kind) else kind


def _unrounded(text: pa.ChunkedArray) -> pa.DataType:
    """A type that keeps all digits of a column that was taken for one of floats."""
    import pyarrow as pa
    from pyarrow import compute

    if not compute.all(compute.match_substring_regex(text, _INTEGER)).as_py():
        return pa.float64()
    try:
        text.cast(pa.uint64())
    except pa.ArrowInvalid:
        return pa.string()
    return pa.uint64()


def _parsed(body: bytes, layout: _Layout, names: list[str], types: Any) -> pa.Table:
    from pyarrow import csv as arrow_csv

    with _damage_told(layout.names):
        return arrow_csv.read_csv(
            io.BytesIO(body),
            read_options=arrow_csv.ReadOptions(column_names=layout.names),
            parse_options=_parse_options(layout),
            convert_options=_convert_options(layout, names, types),
        )


# ------------------------------------------------------------ rows


def _batches(
    path: Path, gzipped: bool, layout: _Layout, types: dict[str, pa.DataType], names: list[str]
) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv as arrow_csv

    read_options = arrow_csv.ReadOptions(column_names=layout.names, block_size=_BLOCK_BYTES)
    with _damage_told(layout.names), _content(path, gzipped) as file:
        file.read(layout.first)
        yield from arrow_csv.open_csv(
            file, read_options, _parse_options(layout), _convert_options(layout, names, types)
        )


def _parse_options(layout: _Layout) -> Any:
    from pyarrow import csv as arrow_csv

    return arrow_csv.ParseOptions(delimiter=layout.delimiter)


def _convert_options(layout: _Layout, names: list[str], types: Any) -> Any:
    from pyarrow import csv as arrow_csv

    return arrow_csv.ConvertOptions(
        include_columns=names,
        column_types=types,
        null_values=layout.missing,
        strings_can_be_null=True,
    )


def _content(path: Path, gzipped: bool) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="gzip" if gzipped else None)


@contextmanager
def _damage_told(names: tuple[str, ...]) -> Iterator[None]:
    """Say by name of which column pyarrow speaks; it tells its number."""
    import pyarrow as pa

    try:
        yield
    except (CatalogFileError, FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowException, OSError) as error:
        misfit = _MISFIT.match(str(error))
        if misfit is None:
            raise CatalogFileError(f"the text is no regular table ({reason(error)})") from None
        raise CatalogFileError(
            f"column {names[int(misfit['number'])]!r} is {misfit['type']} by its first rows or "
            f"by what the header states, and a later value is not ({misfit['why']}); the other "
            f"columns can be read without it"
        ) from None
