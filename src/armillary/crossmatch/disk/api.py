"""The front door of matching on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._files import check_destination, refuse_input
from ...cache.choice import use_cache
from ...io.catalog_files import is_hats, open_catalog
from ...plugins.records import Request
from ...plugins.select import choose
from ...runtime.memory import memory_limit
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from ..catalog.quantities import julian_year
from ..catalog.radius import NSigma, arcseconds
from .job import Job
from .output import refuse_existing
from .patch import Match
from .report import CatalogsReport
from .side import Side

JOINS = ("inner", "left", "outer", "anti")
PARQUET = (".parquet", ".pq")


def catalogs(
    left: str | os.PathLike,
    right: str | os.PathLike,
    radius: Any,
    out: str | os.PathLike | None,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    join: str = "inner",
    k: int | None = 1,
    mutual: bool = False,
    min_radius: Any = 0.0,
    epoch: Any = None,
    left_columns: Mapping[str, Any] | None = None,
    right_columns: Mapping[str, Any] | None = None,
    suffixes: tuple[str, str] = ("_left", "_right"),
    memory: int | str | None = None,
    threads: int | None = None,
    progress: Any = None,
    overwrite: bool = False,
) -> CatalogsReport:
    """Match two catalogues that are files, of any size, into a third.

    Rows are sorted by their place on the sky, in a temporary folder next to ``out`` as far as
    they do not fit into memory, and matched patch by patch, each with a margin wide enough that
    no pair is lost at a border. A HATS catalogue is sorted already and read tile by tile, with
    its margin cache where it has one that is wide enough.

    Parameters
    ----------
    left, right : path
        Parquet files or folders of them, FITS tables, CSV, VOTable, HATS catalogues.
    radius : float, Quantity or NSigma
        Largest separation (arcsec, inclusive), or :func:`n_sigma`.
    out : path or None
        A file that ends in ``.parquet``, or a folder without a suffix, which becomes a HATS
        catalogue. None counts and writes nothing.
    columns : mapping, optional
        Columns to keep, as ``{"left": [...], "right": [...]}``; default all.
    join : {"inner", "left", "outer", "anti"}
        "inner": pairs. "left": also left rows without a match. "outer": also right rows without
        one, at the end. "anti": left rows without a match, alone.
    k : int or None
        Most matches of a left row; None means all within the radius.
    mutual : bool
        Keep only pairs that are each other's nearest; ``k`` must then be 1.
    min_radius : float or Quantity
        Smallest separation (arcsec, inclusive).
    epoch : float or Time, optional
        Julian year to which both catalogues are moved first, as far as they have proper motions.
    left_columns, right_columns : mapping, optional
        Columns, by name, of ``ra``, ``dec``, ``pm_ra_cosdec``, ``pm_dec``, ``epoch`` and
        ``error``; numbers may stand for the last two. Default: recognised names (:class:`Catalog`).
    suffixes : tuple of str
        Added to the names of columns that both catalogues have.
    memory : int or str, optional
        Bytes to work in, also as ``"4GB"``; None means a quarter of the machine's.
    threads : int, optional
        Threads; None means ``ARMILLARY_THREADS`` or every processor.
    progress : callable or bool, optional
        Called with (rows done, rows in all); True shows a bar in a terminal.
    overwrite : bool
        Whether ``out`` may replace what is there.

    Returns
    -------
    CatalogsReport
        Rows read, dropped, matched and unmatched, and how far apart they are.

    Raises
    ------
    FileNotFoundError
        If a catalogue, or the folder of ``out``, does not exist.
    FileExistsError
        If ``out`` exists, and ``overwrite`` is false.
    ValueError
        If a catalogue cannot be read or used, or an argument is none of those allowed; if ``out``
        is one of the catalogues.
    OSError
        If the disk is full or cannot be written to; there is then no ``out``.

    Warns
    -----
    EpochWarning
        If the catalogues are of different epochs, have proper motions, and ``epoch`` is None.

    Notes
    -----
    The result is in the order of the sky: by HEALPix pixel of order 9 (nested) of the left row,
    then by left row, separation and right row; right rows without a match come last, by their
    own pixel and row. Neither memory nor threads change it. In a HATS catalogue, rows go by
    ``_healpix_29``, their pixel of order 29; of one that is read, rows are numbered along the
    sky, whatever the orders of its tiles. The column ``separation`` is in arcseconds. ``out``
    appears whole or not at all.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import armillary as arm
    >>> from astropy.table import Table
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name)
    >>> Table({"ra": [10.0, 20.0], "dec": [0.0, 0.0]}).write(path / "left.fits")
    >>> Table({"ra": [20.0001], "dec": [0.0], "flux": [3.5]}).write(path / "right.fits")
    >>> report = arm.crossmatch.catalogs(
    ...     path / "left.fits", path / "right.fits", 1.0, path / "matched.parquet")
    >>> report.n_pairs, report.n_unmatched_left
    (1, 1)
    >>> folder.cleanup()
    """
    if join not in JOINS:
        raise ValueError(f"join must be one of {', '.join(map(repr, JOINS))}, not {join!r}")
    if k is not None and (isinstance(k, bool) or not hasattr(k, "__index__") or k < 1):
        raise ValueError(f"k must be a whole number of at least 1 or None, not {k!r}")
    if mutual and k != 1:
        raise ValueError(f"mutual=True is about the one nearest; k must then be 1, not {k}")
    destination = None if out is None else _checked_out(Path(out), join, overwrite)
    limits = _radius(radius), _number("min_radius", min_radius)
    year = None if epoch is None else julian_year(epoch)
    match = Match(
        radius=limits[0],
        reach=0.0,
        k=None if k is None else int(k),
        mutual=mutual,
        min_radius=limits[1],
        join=join,
        suffixes=_suffixes(suffixes),
    )
    choose(Request(match.operation), None)
    sides = _sides(
        (left, right), (left_columns, right_columns), columns, year, isinstance(radius, NSigma)
    )
    if destination is not None:
        refuse_input(destination, (side.file.path for side in sides))
    job = Job(sides, destination, match, memory_limit(memory), thread_count(threads), overwrite)
    # The pairs of a patch are written down; to keep them, too, would drive out what is wanted.
    with reporting(progress, "crossmatch") as report, use_cache(None):
        return job.run(report)


# ------------------------------------------------------------------ arguments


def _radius(radius: Any) -> float | NSigma:
    return radius if isinstance(radius, NSigma) else _number("radius", radius)


def _number(name: str, value: Any) -> float:
    if value is None:
        raise ValueError(f"{name} must be a number (arcsec), not None")
    array = arcseconds(name, value)
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"{name} must be one finite number (arcsec), not {value!r:.60}")
    return float(array)


def _suffixes(suffixes: Any) -> tuple[str, str]:
    is_pair = isinstance(suffixes, (tuple, list)) and len(suffixes) == 2
    if not is_pair or not all(isinstance(suffix, str) for suffix in suffixes):
        raise ValueError(f"suffixes must be two texts, for left and right, not {suffixes!r:.60}")
    return tuple(suffixes)


def _checked_out(out: Path, join: str, overwrite: bool) -> Path:
    if not out.name or out.name.startswith("."):
        raise ValueError(
            f"out must have a name that does not begin with '.', which {str(out)!r} has not"
        )
    if out.suffix.lower() not in (*PARQUET, ""):
        raise ValueError(
            f"out must end in {' or '.join(PARQUET)}, or in no suffix for a HATS catalogue, "
            f"not in {out.suffix!r}"
        )
    if not out.suffix and join == "outer":
        raise ValueError(
            "an outer join can be written as Parquet only: in a HATS catalogue right rows without "
            "a match would have no position"
        )
    if not out.suffix and out.is_file():
        raise FileExistsError(f"{str(out)!r} is a file; a HATS catalogue does not replace one")
    if not overwrite:
        refuse_existing(out)
    if out.suffix or not out.is_dir():
        check_destination(out)
    elif not is_hats(out):
        raise FileExistsError(f"{str(out)!r} is a folder, but no HATS catalogue to be replaced")
    return out


def _sides(
    paths: tuple[Any, Any],
    roles: tuple[Mapping[str, Any] | None, ...],
    columns: Mapping[str, Sequence[str]] | None,
    epoch: float | None,
    with_error: bool,
) -> tuple[Side, Side]:
    unknown = sorted(set(columns or {}) - {"left", "right"})
    if unknown:
        raise ValueError(f"columns may have 'left' and 'right', not {unknown[0]!r}")
    for side, names in (columns or {}).items():
        if isinstance(names, str):
            raise ValueError(f"columns: {side!r} must be a list of names, not the text {names!r}")
    left, right = (
        Side.of(name, open_catalog(path), named or {}, (columns or {}).get(name), epoch, with_error)
        for name, path, named in zip(("left", "right"), paths, roles, strict=True)
    )
    return left, right
