"""Light curves in text: CSV, white space between columns, with or without a header, and ECSV."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from armillary.io.columns import RawColumn, choose_columns
from armillary.io.errors import LightCurveError
from armillary.io.memory_reader import read_astropy
from armillary.io.metadata import describe
from armillary.io.raw_table import RawTable

__all__ = ["read_ecsv", "read_text"]

# By number of columns, in files that name none.
_NAMES_WITHOUT_HEADER = {2: ("time", "flux"), 3: ("time", "flux", "flux_err")}
_MISSING = ("", "--", "-", "null", "NULL", "None", "NA", "N/A", "n/a", "NaN", "NAN")
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class _Layout:
    """How the lines of a text file are to be read."""

    delimiter: str
    names: tuple[str, ...]
    comments: tuple[str, ...]
    body: str  # without comments and header


def read_text(text: str, source: str) -> RawTable:
    """Read delimited text.

    Lines that start with ``#`` are comments. Names come from the first line, if it is not made
    of numbers only, or else from the last comment before the numbers; without either, two
    columns are time and flux, and a third one the error. ``# key: value`` comments may tell
    target, sector, mission, time system and unit.
    """
    from astropy.io import ascii as ascii_tables

    try:
        layout = _layout(text)
    except csv.Error as error:
        raise LightCurveError(f"the text is no regular table ({error})") from None
    if not layout.body.isascii():
        raise LightCurveError(
            "it is neither FITS nor Parquet, nor a text table of numbers: its rows hold characters "
            "that are not ASCII"
        )
    # By position, since names may be empty or repeated.
    labels = [f"c{i}" for i in range(len(layout.names))]
    try:
        table = ascii_tables.read(
            layout.body,
            format="fast_no_header",
            delimiter=layout.delimiter,
            names=labels,
            comment="#",
            guess=False,
            fill_values=[(missing, "0") for missing in _MISSING],
        )
    except Exception as error:  # InconsistentTableError and plain ValueErrors
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise LightCurveError(f"the text is no regular table ({reason})") from None

    def column(position: int) -> RawColumn:
        return RawColumn(table[labels[position]].data)

    return RawTable(layout.names, column, source, describe(_stated(layout.comments)))


def read_ecsv(text: str, source: str) -> RawTable:
    """Read an ECSV file, with its units and metadata."""
    from astropy.table import QTable

    try:
        table = QTable.read(text, format="ascii.ecsv")
    except Exception as error:  # yaml and table errors have no common base
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise LightCurveError(f"the ECSV file is truncated or damaged ({reason})") from None
    return read_astropy(table, source)


def _layout(text: str) -> _Layout:
    lines = [line.strip() for line in text.splitlines()]
    comments = tuple(line.lstrip("#").strip() for line in lines if line.startswith("#"))
    rows = [line for line in lines if line and not line.startswith("#")]
    if not rows:
        raise LightCurveError("it has no rows")
    delimiter = next((mark for mark in _DELIMITERS if mark in rows[0]), " ")
    names = _split(rows[0], delimiter)
    if all(_is_number(token) for token in names):
        names = _names_in_comments(comments, delimiter, len(names))
    else:
        rows = rows[1:]
    if not rows:
        raise LightCurveError("it has a header and no rows")
    return _Layout(delimiter, names, comments, "\n".join(rows) + "\n")


def _names_in_comments(comments: tuple[str, ...], delimiter: str, count: int) -> tuple[str, ...]:
    """Names for the columns of a file whose first line holds numbers already."""
    # Spaces, as in "# time flux", or the delimiter of the data, as in "#time,flux".
    for line in reversed(comments):
        for mark in (delimiter, " "):
            names = _split(line, mark)
            if len(names) == count and _has_light_curve(names):
                return names
    return _NAMES_WITHOUT_HEADER.get(count) or tuple(f"column {i}" for i in range(count))


def _has_light_curve(names: tuple[str, ...]) -> bool:
    try:
        choose_columns(names)
    except LightCurveError:
        return False
    return True


def _split(line: str, delimiter: str) -> tuple[str, ...]:
    if delimiter == " ":
        return tuple(line.split())
    return tuple(token.strip() for token in next(csv.reader([line], delimiter=delimiter)))


def _is_number(token: str) -> bool:
    if token in _MISSING:
        return True
    try:
        float(token)
    except ValueError:
        return False
    return True


def _stated(comments: tuple[str, ...]) -> dict[str, str]:
    """The comments of the form ``key: value`` or ``key = value``."""
    matches = (re.fullmatch(r"([A-Za-z][\w-]*)\s*[:=]\s*(\S.*)", line) for line in comments)
    return {match[1]: match[2] for match in matches if match}
