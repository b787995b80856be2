"""The front door of reading: look at the first bytes, and leave the rest to one reader."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import Any

from armillary.io.errors import LightCurveError
from armillary.io.light_curve import LightCurve
from armillary.io.quality import check_quality
from armillary.io.raw_table import Options, RawTable, to_light_curve

__all__ = ["read_light_curve"]

_GZIP = b"\x1f\x8b"
_FITS = b"SIMPLE  ="
_PARQUET = b"PAR1"
_ECSV = b"# %ECSV"
_BINARY_LOOKED_AT = 4096  # bytes in which text has no NUL


def read_light_curve(
    path_or_table: Any,
    *,
    flux_column: str | int | None = None,
    time_column: str | int | None = None,
    flux_err_column: str | int | None = None,
    quality_column: str | int | None = None,
    quality: str | int = "default",
    time_system: str | None = None,
) -> LightCurve:
    """Read a light curve from a file or a table in memory.

    Parameters
    ----------
    path_or_table : str, path-like, or table
        A file: FITS (TESS, Kepler, K2, K2SFF, or any binary table with such columns), CSV or
        white-space separated text with or without header, ECSV, Parquet; FITS and text also
        gzipped. What a file is, its content tells, not its name. Or a table: astropy's Table,
        QTable or TimeSeries (lightkurve's LightCurve is one), a pandas DataFrame, a pyarrow
        Table, or what else exports Arrow streams. A LightCurve is given back as it is.
    flux_column, time_column, flux_err_column, quality_column : str or int, optional
        Names (case does not matter) or positions counted from 0. Default: recognised names, as
        ``PDCSAP_FLUX`` in mission files. The error is by default that of the chosen flux.
    quality : {"default", "hard", "none"} or int, optional
        Which cadences to drop for their flags. "default": those that the mission's manual calls
        unusable; "hard": also those that may be useful; "none": none; a number: those with any
        of its bits. Flags of a mission that is not stated, or that is not TESS, Kepler or K2,
        count as bad if not 0. Default: "default".
    time_system : str, optional
        What the times count ("BTJD", "BJD", ...; "btjd" is the same), for input that does not
        say so. Default: what the input states, else None. It is never guessed from the numbers.

    Returns
    -------
    LightCurve
        Rows are dropped, and counted in the meta, where flagged (``n_flagged``) or else where
        time or flux is masked or not finite, or the error is not finite and positive
        (``n_invalid``). Times in units other than days are converted; the flux keeps its unit.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    LightCurveError
        (A ValueError.) If the file is empty, truncated, of no known format or a directory; if
        columns are missing or ambiguous (the message lists those found); if no row is usable;
        or if `time_system` contradicts the input.
    ValueError
        If `quality` is none of the choices.
    TypeError
        If the argument is neither path nor table.

    Examples
    --------
    >>> from astropy.table import Table
    >>> table = Table({"BTJD": [1.0, 2.0, 3.0], "flux": [1.0, float("nan"), 0.9]})
    >>> light_curve = read_light_curve(table)
    >>> light_curve.flux, light_curve.meta["time_system"], light_curve.meta["n_invalid"]
    (array([1. , 0.9]), 'BTJD', 1)
    """
    if isinstance(path_or_table, LightCurve):
        return path_or_table
    check_quality(quality)
    options = Options(
        flux_column, time_column, flux_err_column, quality_column, quality, time_system
    )
    is_path = isinstance(path_or_table, (str, os.PathLike))
    try:
        raw = _read_file(path_or_table, options) if is_path else _read_table(path_or_table)
        return to_light_curve(raw, options)
    except LightCurveError as error:
        # The readers say what is wrong; where it is wrong is known here.
        where = os.fspath(path_or_table) if is_path else type(path_or_table).__name__
        raise LightCurveError(f"cannot read {where!r} as a light curve: {error}") from None


def _read_table(table: Any) -> RawTable:
    from armillary.io.memory_reader import read_table

    try:
        return read_table(table)
    except TypeError:
        raise TypeError(
            "read_light_curve takes a path, a LightCurve, or a table of astropy, lightkurve, "
            f"pandas or Arrow, not {type(table).__name__}; LightCurve.from_arrays takes arrays"
        ) from None


def _read_file(path: str | os.PathLike, options: Options) -> RawTable:
    source = os.fspath(path)
    if not source:
        raise LightCurveError("the path is empty")
    if "\0" in source:
        raise LightCurveError("the path holds a NUL character")
    data = _content(Path(path))
    if data.startswith(_FITS):
        from armillary.io.fits_reader import read_fits

        return read_fits(data, source, options)
    if data.startswith(_PARQUET):
        from armillary.io.parquet_reader import read_parquet

        return read_parquet(data, source)
    if b"\0" in data[:_BINARY_LOOKED_AT]:
        raise LightCurveError("it is a binary file, but neither FITS nor Parquet")
    from armillary.io.text_reader import read_ecsv, read_text

    # Names of stars in comments may be in any encoding; the numbers are ASCII in all of them.
    text = data.decode("utf-8-sig", errors="replace")
    return read_ecsv(text, source) if data.startswith(_ECSV) else read_text(text, source)


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise LightCurveError("it is a directory")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}") from None
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error):
            raise LightCurveError("the gzipped file is truncated or damaged") from None
    if not data.strip():
        raise LightCurveError("the file is empty")
    return data
