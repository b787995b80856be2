"""What searches found: a table for people, and one row per target for programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .._files import check_destination, written_whole
from .._version import __version__
from .jobs import SearchOutcome

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: type, unit and meaning."""

    kind: type
    unit: str
    meaning: str


#: The columns of the file of candidates, in order. The best peak of each target; where there
#: is none, numbers are NaN and counts are missing.
COLUMNS = {
    "target": Column(str, "", "name that the files state, or the name of the first file"),
    "files": Column(str, "", "files that were searched together, separated by |"),
    "status": Column(str, "", "found, no dimming, or failed"),
    "period": Column(float, "d", "period"),
    "t0": Column(float, "d", "first mid-transit at or after the first time, in time_system"),
    "duration": Column(float, "d", "duration of the box"),
    "depth": Column(float, "", "level out of transit minus level in transit, in flux_unit"),
    "depth_err": Column(float, "", "error of depth, in flux_unit"),
    "relative_depth": Column(float, "", "depth over level out of transit"),
    "snr": Column(float, "", "signal-to-noise ratio of the depth"),
    "sde": Column(float, "", "signal detection efficiency"),
    "delta_chi2": Column(float, "", "improvement in chi2 over a constant flux"),
    "n_transits": Column(int, "", "transits with points inside"),
    "n_points": Column(int, "", "points in transit"),
    "time_system": Column(str, "", "time system that the files state"),
    "flux_unit": Column(str, "", "unit of depth and depth_err"),
    "flux_err_source": Column(str, "", "given, or how the errors were estimated"),
    "backend": Column(str, "", "what computed the spectrum"),
    "n_periods": Column(int, "", "trial periods"),
    "n_used": Column(int, "", "points that were searched"),
    "n_dropped": Column(int, "", "points dropped as flagged, not finite or without a trend"),
    "error": Column(str, "", "why it failed"),
}

#: Columns of a page on which the table of peaks has room between its own.
COMFORTABLE_WIDTH = 110

SUFFIXES = (".ecsv", ".csv", ".parquet")


# ------------------------------------------------------------------ for people


def peak_table(outcomes: Sequence[SearchOutcome], width: int) -> Table:
    """The peaks of every target that has some, best first, for a page of this many columns.

    On a narrow page the gaps shrink and names of targets are broken; numbers never are.
    """
    from rich import box
    from rich.table import Table

    padding = (0, 1) if width >= COMFORTABLE_WIDTH else (0, 0)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding)
    table.add_column("target", overflow="fold")
    headings = ("", "period [d]", "t0 [d]", "duration [h]", "depth [ppm]", "S/N", "SDE")
    for heading in (*headings, "transits"):
        table.add_column(_plain(heading), justify="right", no_wrap=True)
    for outcome in outcomes:
        for rank, peak in enumerate(outcome.peaks, 1):
            table.add_row(
                _plain(outcome.target if rank == 1 else ""),
                str(rank),
                f"{peak.period:.5f}",
                f"{peak.t0:.4f}",
                f"{24 * peak.duration:.2f}",
                f"{1e6 * peak.relative_depth:,.0f}",
                f"{peak.snr:.1f}",
                f"{peak.sde:.1f}",
                str(peak.n_transits),
                style="bold" if rank == 1 else "dim",
            )
        if outcome.status == "no dimming":
            table.add_row(_plain(outcome.target), "", "no dimming")
        if outcome.status != "failed":
            table.add_section()
    return table


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


# ------------------------------------------------------------------ for programs


def check_table_path(path: Path) -> None:
    """Make sure, before any work, that candidates can be written to this path.

    Raises
    ------
    ValueError
        If the suffix is none of ``.ecsv``, ``.csv``, ``.parquet``.
    OSError
        If a file cannot be written there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"candidates cannot be written as {path.name!r}; "
            f"the suffix must be one of {', '.join(SUFFIXES)}"
        )
    check_destination(path)


def write_candidates(path: Path, rows: Sequence[Mapping[str, Any]], how: str) -> None:
    """Write one row per target, whole or not at all, in the format that the suffix names.

    Parameters
    ----------
    path : Path
        ``.ecsv``, ``.csv`` or ``.parquet``; an older file is replaced.
    rows : sequence of mapping
        From :func:`row`.
    how : str
        How the rows were made, for the head of the file.

    Raises
    ------
    ValueError, OSError
        As :func:`check_table_path`.
    """
    check_table_path(path)
    writers: dict[str, Callable[[BinaryIO, Sequence[Mapping[str, Any]], str], None]] = {
        ".ecsv": _write_ecsv,
        ".csv": _write_csv,
        ".parquet": _write_parquet,
    }
    with written_whole(path) as file:
        writers[path.suffix.lower()](file, rows, how)


def row(outcome: SearchOutcome) -> dict[str, Any]:
    """The best peak of a target, by column; None where there is nothing to say."""
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    values |= {
        "target": outcome.target,
        "files": "|".join(map(str, outcome.job.files)),
        "status": outcome.status,
        "error": outcome.error,
    }
    if outcome.periodogram is not None:
        found = outcome.periodogram
        values |= {
            "time_system": found.light_curve.time_system,
            "flux_unit": found.light_curve.flux_unit,
            "flux_err_source": found.flux_err_source,
            "backend": found.provenance.backend,
            "n_periods": len(found.period),
            "n_used": found.n_used,
            "n_dropped": outcome.n_read - found.n_used,
        }
    if outcome.peaks:
        peak = outcome.peaks[0].to_dict()
        values |= {name: value for name, value in peak.items() if name in COLUMNS}
    return values


def _write_ecsv(file: BinaryIO, rows: Sequence[Mapping[str, Any]], how: str) -> None:
    text = io.StringIO()
    _table(rows, how).write(text, format="ascii.ecsv")
    file.write(text.getvalue().encode())


def _write_csv(file: BinaryIO, rows: Sequence[Mapping[str, Any]], how: str) -> None:
    text = io.StringIO()
    _table(rows, how).write(text, format="ascii.csv")
    file.write(text.getvalue().encode())


def _table(rows: Sequence[Mapping[str, Any]], how: str) -> Any:
    import numpy as np
    from astropy.table import MaskedColumn, Table

    table = Table(meta={"made_by": f"armillary {__version__}", "how": how})
    for name, column in COLUMNS.items():
        values = [row[name] for row in rows]
        missing = {str: "", float: np.nan, int: 0}[column.kind]
        filled = [missing if value is None else value for value in values]
        # NaN and "" say "unknown" themselves; a count needs a mask.
        masked = [value is None and column.kind is int for value in values]
        table[name] = MaskedColumn(
            np.array(filled, dtype=column.kind),
            mask=masked,
            unit=column.unit or None,
            description=column.meaning,
        )
    return table


def _write_parquet(file: BinaryIO, rows: Sequence[Mapping[str, Any]], how: str) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64()}
    schema = pyarrow.schema(
        [
            pyarrow.field(
                name, types[column.kind], metadata={"unit": column.unit, "meaning": column.meaning}
            )
            for name, column in COLUMNS.items()
        ],
        metadata={"made_by": f"armillary {__version__}", "how": how},
    )
    parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows], schema), file)
