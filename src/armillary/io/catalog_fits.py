"""Catalogues in FITS binary tables, read in sections of rows."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from armillary.io.catalog_arrays import arrow_array
from armillary.io.catalog_ecsv import described_columns
from armillary.io.catalog_rows import Rows, field, reason, refuse_repeated
from armillary.io.errors import CatalogFileError
from armillary.io.quiet import quiet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_fits"]

#: Bytes of a section, all columns of its rows together. Rows of a wide table can be long.
_SECTION_BYTES = 32 << 20
_ASTROPY_BEGINS = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--"
_ASTROPY_ENDS = "--END-ASTROPY-SERIALIZED-COLUMNS--"
_INTEGERS = "BIJK"
_VARIABLE_LENGTH = "PQ"


class _Column(NamedTuple):
    """A column as its header describes it (FITS standard 4.0, section 7.3.2)."""

    name: str
    unit: str | None
    description: str | None
    format: (
        Any  # astropy's: .format is the letter, .repeat the number, .p_format of what arrays are
    )
    null: int | None
    scale: float
    zero: float


@dataclass(frozen=True)
class _Table:
    """Where the rows are and how they are laid out."""

    path: Path
    gzipped: bool
    offset: int  # of the first row, in unpacked bytes
    n_rows: int
    row: np.dtype
    columns: dict[str, _Column]


def open_fits(path: Path, gzipped: bool) -> Rows:
    """Open the first binary table that has columns."""
    import pyarrow as pa

    with _damage_told(), _content(path, gzipped) as file:
        table = _find_table(path, gzipped, file)
    _refuse_truncated(table)
    fields = [field(c.name, _type(table, c), c.unit, c.description) for c in table.columns.values()]

    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        columns = [table.columns[name] for name in names]
        for column in columns:
            _refuse_variable_length(column)
        for section in _sections(table, rows):
            arrays = [_decoded(section[column.name], column) for column in columns]
            yield pa.RecordBatch.from_arrays(arrays, names)

    return Rows("FITS", pa.schema(fields), table.n_rows, read)


# ------------------------------------------------------------ the header


def _content(path: Path, gzipped: bool) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if gzipped else open(path, "rb")


def _find_table(path: Path, gzipped: bool, file: Any) -> _Table:
    from astropy.io import fits

    # astropy tells of damage in warnings first; here every damage ends in one exception. Headers
    # are read one by one, no data are.
    with quiet(), fits.open(file, memmap=False, lazy_load_hdus=True) as hdus:
        for hdu in hdus:
            _refuse_damaged(hdu)
            if _is_table(hdu):
                return _described(path, gzipped, hdu)
    raise CatalogFileError("the FITS file holds no binary table that has columns, or is truncated")


def _refuse_damaged(hdu: Any) -> None:
    """Stop at a damaged header: astropy could find no end of units after it."""
    place = hdu.fileinfo() if hasattr(hdu, "fileinfo") else None
    if place is None or place["datSpan"] < 0:
        raise CatalogFileError("the FITS file is damaged: a header in it cannot be read")


def _is_table(hdu: Any) -> bool:
    from astropy.io import fits

    if not isinstance(hdu, fits.BinTableHDU) or isinstance(hdu, fits.CompImageHDU):
        return False
    if hdu.header.get("ZTABLE"):
        raise CatalogFileError(
            "its table is compressed in tiles (ZTABLE), and must be unpacked with funpack first"
        )
    return hdu.header["TFIELDS"] > 0


def _described(path: Path, gzipped: bool, hdu: Any) -> _Table:
    refuse_repeated(hdu.columns.names)
    # The dtype of astropy has the byte order of this machine, the file its own.
    row = hdu.columns.dtype.newbyteorder(">")
    if row.itemsize != hdu.header["NAXIS1"]:
        raise CatalogFileError(
            f"the rows of its table have {hdu.header['NAXIS1']} bytes, "
            f"and its columns together {row.itemsize}"
        )
    described = _descriptions(hdu)
    columns = {c.name: _column(c, described.get(c.name)) for c in hdu.columns}
    offset, n_rows = hdu.fileinfo()["datLoc"], hdu.header["NAXIS2"]
    return _Table(path, gzipped, offset, n_rows, row, columns)


def _descriptions(hdu: Any) -> dict[str, str]:
    """What the header says of columns: as TOPCAT and others write it, or as astropy does.

    Neither is in the FITS standard.
    """
    keywords = {
        column.name: hdu.header.get(f"TCOMM{number}")
        for number, column in enumerate(hdu.columns, start=1)
    }
    return _described_in_comments(hdu) | {name: text for name, text in keywords.items() if text}


def _described_in_comments(hdu: Any) -> dict[str, str]:
    """Descriptions from the ECSV header that astropy puts between two comments."""
    comments = [str(comment) for comment in hdu.header.get("COMMENT", ())]
    if not {_ASTROPY_BEGINS, _ASTROPY_ENDS} <= set(comments):
        return {}
    lines = comments[comments.index(_ASTROPY_BEGINS) + 1 : comments.index(_ASTROPY_ENDS)]
    # What is too long for a comment goes on in the next one, after a backslash.
    text = "\n".join(lines).replace("\\\n", "")
    columns = described_columns(text.split("\n"))
    return {c["name"]: c["description"] for c in columns if "description" in c}


def _column(described: Any, description: str | None) -> _Column:
    null = described.null if described.null not in (None, "") else None
    scale = described.bscale if described.bscale not in (None, "") else 1
    zero = described.bzero if described.bzero not in (None, "") else 0
    return _Column(described.name, described.unit, description, described.format, null, scale, zero)


def _refuse_truncated(table: _Table) -> None:
    # The length of a gzipped file is known only after reading it.
    if table.gzipped:
        return
    size, least = table.path.stat().st_size, table.offset + table.n_rows * table.row.itemsize
    if size < least:
        raise CatalogFileError(
            f"the FITS file is truncated: it has {size} bytes, of at least {least}"
        )


def _type(table: _Table, column: _Column) -> pa.DataType:
    import pyarrow as pa
    from astropy.io.fits.column import FITS2NUMPY

    if column.format.format in _VARIABLE_LENGTH:
        return pa.list_(arrow_array(np.empty(0, FITS2NUMPY[column.format.p_format])).type)
    return _decoded(np.empty(0, table.row)[column.name], column).type


def _refuse_variable_length(column: _Column) -> None:
    if column.format.format in _VARIABLE_LENGTH:
        raise CatalogFileError(
            f"column {column.name!r} holds arrays of variable length, which cannot be streamed; "
            f"name the columns to read without it"
        )


# ------------------------------------------------------------ the rows


def _sections(table: _Table, rows: int) -> Iterator[np.ndarray]:
    """The rows as they are in the file, a section at a time."""
    size = table.row.itemsize
    longest = max(1, min(rows, _SECTION_BYTES // size))
    with _damage_told(), _content(table.path, table.gzipped) as file:
        file.seek(table.offset)
        for first in range(0, table.n_rows, longest):
            n = min(longest, table.n_rows - first)
            data = file.read(n * size)
            if len(data) < n * size:
                raise CatalogFileError(
                    f"the FITS file is truncated: it ends in row {first + len(data) // size:,} of "
                    f"{table.n_rows:,}"
                )
            yield np.frombuffer(data, table.row)


def _decoded(raw: np.ndarray, column: _Column) -> pa.Array:
    """The values of a column, from those in the file."""
    import pyarrow as pa

    letter = column.format.format
    if letter == "A":
        try:
            return arrow_array(raw)
        except pa.ArrowInvalid:
            raise CatalogFileError(f"column {column.name!r} holds text that is no UTF-8") from None
    if letter == "L":
        return arrow_array(raw == ord("T"), raw == 0)
    if letter == "X":
        return arrow_array(np.unpackbits(raw, axis=-1)[..., : column.format.repeat].astype(bool))
    mask = None
    if letter in _INTEGERS and column.null is not None:
        mask = raw == column.null
    return arrow_array(_scaled(raw, column), mask)


def _scaled(raw: np.ndarray, column: _Column) -> np.ndarray:
    if column.scale == 1 and column.zero == 0:
        return raw
    if column.format.format in _INTEGERS and column.scale == 1:
        half = 1 << (8 * raw.dtype.itemsize - 1)
        if column.zero == (half if raw.dtype.kind == "i" else -half):
            return _other_sign(raw, half)
    return raw * np.float64(column.scale) + column.zero


def _other_sign(raw: np.ndarray, half: int) -> np.ndarray:
    """Unsigned integers kept as signed ones less half their range, or the reverse.

    The shift is a flip of the highest bit, so that no integer is rounded.
    """
    size = raw.dtype.itemsize
    kind = "u" if raw.dtype.kind == "i" else "i"
    bits = np.ascontiguousarray(raw.astype(f"{raw.dtype.kind}{size}")).view(f"u{size}")
    return (bits ^ bits.dtype.type(half)).view(f"{kind}{size}")


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (CatalogFileError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # damaged files raise nearly anything
        raise CatalogFileError(f"the FITS file is truncated or damaged ({reason(error)})") from None
