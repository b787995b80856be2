"""The front door of catalogue files: look at the first bytes, and leave the rest to one reader."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from armillary.io.catalog_hats import dataset_folder, is_hats
from armillary.io.catalog_rows import Rows, refuse_repeated, regrouped
from armillary.io.columns import listed
from armillary.io.errors import CatalogFileError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CatalogFile", "is_hats", "open_catalog"]

#: Rows of a batch: large enough for compiled loops, small beside any memory.
BATCH_ROWS = 1 << 18

_GZIP = b"\x1f\x8b"
_FITS = b"SIMPLE  ="
_PARQUET = b"PAR1"
_ECSV = b"# %ECSV"
_LOOKED_AT = 4096  # bytes in which text has no NUL, and a VOTable says that it is one


@dataclass(frozen=True, eq=False, repr=False)
class CatalogFile:
    """A catalogue on disk, opened: what it holds is known, its rows are read when asked for.

    Attributes
    ----------
    path : Path
        Where it is.
    format : str
        What it is: "Parquet", "FITS", "CSV", "ECSV", "VOTable", "HATS", or "folder of Parquet
        files".
    schema : pyarrow.Schema
        All columns; what the file states of them is in the metadata of a field: the unit under
        ``b"unit"``, what it is under ``b"description"``.
    n_rows : int or None
        None where only reading tells, as with text.
    """

    path: Path
    format: str
    schema: pa.Schema
    n_rows: int | None
    _rows: Rows

    def batches(
        self, columns: Sequence[str] | None = None, *, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows, in the order of the file, a batch at a time.

        Parameters
        ----------
        columns : sequence of str, optional
            Which columns, in which order. Default: all of them. Only these are decoded.
        rows : int, optional
            A batch has at most so many rows, and at least one. Default: 262,144.

        Returns
        -------
        iterator of pyarrow.RecordBatch
            Few batches are in memory at any time. A catalogue without rows has none.

        Raises
        ------
        CatalogFileError
            (A ValueError.) If there is no such column or it is named twice; while reading, if the
            file is damaged or truncated.
        ValueError
            If `rows` is not positive.
        """
        if rows < 1:
            raise ValueError(f"rows must be positive, not {rows}")
        with _said_of(self.path):
            names = self._chosen(columns)
        return self._stream(names, rows)

    def _chosen(self, columns: Sequence[str] | None) -> list[str]:
        names = list(self.schema.names if columns is None else columns)
        if not names:
            raise CatalogFileError("no column is asked for")
        for name in names:
            if name not in self.schema.names:
                raise CatalogFileError(
                    f"there is no column {name!r} among {listed(self.schema.names)}"
                )
        if len(set(names)) < len(names):
            raise CatalogFileError(f"a column is asked for twice among {listed(names)}")
        return names

    def _stream(self, names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        with _said_of(self.path):
            for batch in regrouped(self._rows.read(names, rows), rows):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def __repr__(self) -> str:
        rows = "unknown number of rows" if self.n_rows is None else f"{self.n_rows:,} rows"
        return f"CatalogFile({str(self.path)!r}: {self.format}, {rows}, {len(self.schema)} columns)"


def open_catalog(path: str | os.PathLike[str]) -> CatalogFile:
    """Open a catalogue on disk, of any size, to stream its rows.

    Parameters
    ----------
    path : str or path-like
        A file: Parquet; FITS (its first binary table that has columns); text with a header, whose
        columns are separated by commas, semicolons, tabs or ``|`` (lines before the header that
        begin with ``#`` are comments); ECSV; VOTable (its first table). All but Parquet also
        gzipped. What a file is, its content tells, not its name. Or a folder: of Parquet files
        (``*.parquet`` and ``*.pq`` in it and below, in the order of their paths, without those
        whose path has a part that begins with ``.`` or ``_``), or a HATS catalogue or collection
        (its partitions along the sky).

    Returns
    -------
    CatalogFile
        Masked, empty and blank values are null (a NaN of a Parquet or FITS file stays NaN).
        Columns of arrays are fixed-size lists; a complex number is a list of two.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    CatalogFileError
        (A ValueError.) If it is of no known format, empty, damaged or truncated, or if two
        columns have the same name.

    Notes
    -----
    Memory is bounded for all formats but VOTable (and ECSV with columns of arrays or objects),
    which astropy reads whole.

    The types of the columns of text are those that fit all values in its first 8 MiB; a later
    value that does not fit is an error that names the column. A column that is empty there, or
    that holds integers too long for 64 bits, or times of day (as sexagesimal right ascensions
    are), is text. ECSV states its types.

    The files of a folder must have the same columns, in any order. Types may differ where one
    holds all values of the other.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "stars"
    >>> _ = path.write_text("# a list\\nname;ra;dec\\nVega;279.2347;38.7837\\nSirius;101.2872;\\n")
    >>> stars = open_catalog(path)
    >>> stars.format, stars.schema.names
    ('CSV', ['name', 'ra', 'dec'])
    >>> [batch.to_pydict() for batch in stars.batches(["dec", "name"])]
    [{'dec': [38.7837, None], 'name': ['Vega', 'Sirius']}]
    """
    if not os.fspath(path):
        raise CatalogFileError("the path of a catalogue is empty")
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no file or folder {str(place)!r}")
    with _said_of(place):
        rows = _open_folder(place) if place.is_dir() else _open_file(place)
        refuse_repeated(rows.schema.names)
    return CatalogFile(place, rows.format, rows.schema, rows.n_rows, rows)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """The readers say what is wrong; where it is wrong is known here."""
    try:
        yield
    except CatalogFileError as error:
        raise CatalogFileError(f"cannot read {str(path)!r} as a catalogue: {error}") from None


def _open_folder(path: Path) -> Rows:
    from armillary.io.catalog_parquet import open_hats, open_parquet_folder

    return open_hats(dataset_folder(path)) if is_hats(path) else open_parquet_folder(path)


def _open_file(path: Path) -> Rows:
    if not path.is_file():
        raise CatalogFileError("it is neither a file nor a folder")
    head, gzipped = _head(path)
    if not head:
        raise CatalogFileError("the file is empty")
    if head.startswith(_PARQUET):
        if gzipped:
            raise CatalogFileError("it is a gzipped Parquet file, which must be unpacked first")
        from armillary.io.catalog_parquet import open_parquet

        return open_parquet(path)
    if head.startswith(_FITS):
        from armillary.io.catalog_fits import open_fits

        return open_fits(path, gzipped)
    if b"\0" in head:
        raise CatalogFileError("it is a binary file, but neither Parquet nor FITS")
    if b"<VOTABLE" in head or b":VOTABLE" in head:
        from armillary.io.catalog_whole import open_votable

        return open_votable(path, gzipped)
    from armillary.io.catalog_text import open_ecsv, open_text

    return open_ecsv(path, gzipped) if head.startswith(_ECSV) else open_text(path, gzipped)


def _head(path: Path) -> tuple[bytes, bool]:
    """The beginning of the content, unpacked, and whether it had to be."""
    with open(path, "rb") as file:
        head = file.read(_LOOKED_AT)
    if not head.startswith(_GZIP):
        return head, False
    try:
        with gzip.open(path) as file:
            return file.read(_LOOKED_AT), True
    except (EOFError, OSError, zlib.error):
        raise CatalogFileError("the gzipped file is truncated or damaged") from None
