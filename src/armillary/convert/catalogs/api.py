"""The front door of the conversion of catalogues."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..._files import check_destination, refuse_input
from ...io.parquet_writer import refuse_existing
from ...runtime.memory import memory_limit
from ...runtime.progress import reporting
from .inputs import catalog_paths
from .job import Job
from .report import CatalogReport

PARQUET = (".parquet", ".pq")


def catalog(
    inputs: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    columns: Sequence[str] | None = None,
    memory: int | str | None = None,
    overwrite: bool = False,
    progress: Any = None,
) -> CatalogReport:
    """Turn catalogues of any kind and size into one Parquet file.

    Rows are streamed, and those of several inputs follow each other. Units, descriptions and
    missing values are kept.

    Parameters
    ----------
    inputs : path or sequence of paths
        CSV and other text with a header, FITS tables, VOTable, ECSV, Parquet, HATS catalogues, and
        formats of plugins. Each path is a file, a HATS catalogue, a folder (with all catalogues in
        and below it, by their suffixes) or a pattern such as ``"night*/*.csv"``; what a folder
        holds and a pattern matches is sorted by path.
    out : path
        A file that ends in ``.parquet`` or ``.pq``.
    columns : sequence of str, optional
        Names of the columns to keep, in this order. Every input must have them. Default: all, and
        then the inputs must have the same, in any order; that of the first is kept.
    memory : int or str, optional
        Bytes to work in, also as ``"4GB"``; None means a quarter of the machine's. More than some
        hundred megabytes make no difference.
    overwrite : bool
        Whether ``out`` may replace a file.
    progress : callable or bool, optional
        Called with (bytes done, bytes in all) of the inputs; True shows a bar in a terminal.

    Returns
    -------
    CatalogReport
        Rows, columns, what was converted to another unit, sizes and time.

    Raises
    ------
    FileNotFoundError
        If there is no such input, or no folder for ``out``.
    FileExistsError
        If ``out`` exists, and ``overwrite`` is false.
    ValueError
        If an input cannot be read, the columns of two cannot be put together, or an argument is
        none of those allowed; the message names the input and the column.
    OSError
        If the disk is full or cannot be written to.

    Notes
    -----
    ``out`` appears whole or not at all, compressed by zstd. The unit of a column is in the metadata
    of its field under ``unit``, what describes it under ``description``.

    The columns of several inputs become one as follows, by name:

    * *Types* are widened as far as no value is lost: ``int16`` and ``int32`` to ``int32``,
      ``float32`` and ``float64`` to ``float64``, ``int32`` and ``float32`` to ``float64``. 64-bit
      integers beside floats become ``float64``, and signed ones beside ``uint64`` become
      ``uint64``; an integer beyond 2**53, or a negative one, is then an error that names the
      column. Text and numbers are an error, unless the column of text has no value in it.
    * *Units* are those of the first input that states one. A column in another unit is converted,
      in double precision, or it is an error. One without a unit is taken to have that of the rest.
    * *Descriptions* are those of the first input that has one.

    Memory is bounded, except that VOTables, and ECSV files with columns of arrays, are read whole,
    one after the other. How rows are grouped in ``out`` depends on the memory and on nothing else.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import armillary as arm
    >>> from astropy.table import Table
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name)
    >>> _ = (path / "north.csv").write_text("id,ra,dec\\n1,10.5,41.2\\n2,23.4,30.6\\n")
    >>> Table({"dec": [-72.8], "ra": [13.1], "id": [3]}).write(path / "south.fits")
    >>> halves = [path / "north.csv", path / "south.fits"]
    >>> report = arm.convert.catalog(halves, path / "sky.parquet")
    >>> report.n_rows, report.n_columns, report.formats
    (3, 3, ('CSV', 'FITS'))
    >>> folder.cleanup()
    """
    names = _column_names(columns)
    limit = memory_limit(memory)
    destination = _checked_out(out, overwrite)
    paths = catalog_paths(inputs)
    refuse_input(destination, paths)
    job = Job(paths, destination, names, limit, overwrite)
    with reporting(progress, "convert") as report:
        return job.run(report)


# ------------------------------------------------------------ arguments


def _column_names(columns: Any) -> list[str] | None:
    if columns is None:
        return None
    if isinstance(columns, str | bytes):
        raise ValueError(f"columns must be a list of names, not the text {columns!r:.60}")
    names = list(columns)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"columns must be a list of names, and {name!r:.60} is none")
    if not names:
        raise ValueError("columns names no column to keep")
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"columns names {again!r} twice")
    return names


def _checked_out(out: Any, overwrite: bool) -> Path:
    path = Path(out)
    if not path.name or path.name.startswith("."):
        raise ValueError(
            f"out must have a name that does not begin with '.', which {str(path)!r} has not"
        )
    if path.suffix.lower() not in PARQUET:
        raise ValueError(
            f"out must end in {' or '.join(PARQUET)}, not in {path.suffix!r}: catalogues are "
            f"converted to Parquet"
        )
    check_destination(path)
    if not overwrite:
        refuse_existing(path)
    return path
