"""Write a Measurement Set (version 2; Kemball & Wieringa, CASA memo 229) with python-casacore.

The main table is tiled so that a block of rows is a whole number of tiles: one pass over the disk.
A row is one baseline at one time in one spectral window; windows follow each other within a scan.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import numpy as np

from .layout import scans
from .ms_tables import write_subtables
from .phasing import Phased
from .space import give_back, require_space
from .writer import Output

#: Bytes of a tile of visibilities, about.
TILE_BYTES = 1 << 20
#: Fewest and most rows of a tile; the latter also of columns of a few numbers.
FEWEST_ROWS, MOST_ROWS = 8, 1024
#: Rows of the columns that are written whole at the end, at once.
COLUMN_BLOCK = 1 << 14
#: What CASA takes for "unknown" in SIGMA: the weight is not positive.
UNKNOWN_SIGMA = -1.0
#: Bytes of the other columns of a row, about.
ROW_BYTES = 160
#: Columns whose value seldom changes from row to row.
INCREMENTAL = (
    "ARRAY_ID",
    "EXPOSURE",
    "FEED1",
    "FEED2",
    "FIELD_ID",
    "INTERVAL",
    "OBSERVATION_ID",
    "PROCESSOR_ID",
    "SCAN_NUMBER",
    "STATE_ID",
    "TIME",
    "TIME_CENTROID",
)
SECONDS_PER_DAY = 86_400.0


def rows_per_tile(n_channels: int, n_polarizations: int) -> int:
    """Rows of a tile of visibilities."""
    rows = TILE_BYTES // (8 * n_channels * n_polarizations)
    return int(np.clip(rows, FEWEST_ROWS, MOST_ROWS))


def mjd_seconds(time: np.ndarray) -> np.ndarray:
    """Julian dates (UTC) as Measurement Sets have them: seconds of the modified Julian date."""
    from astropy.time import Time

    unique, index = np.unique(time, return_inverse=True)
    return (Time(unique, format="jd", scale="utc").mjd * SECONDS_PER_DAY)[index]


class MeasurementSet:
    """A Measurement Set that is being written; see :class:`~.writer.Writer`."""

    def __init__(self, output: Output) -> None:
        self.output = output
        n_windows, n_rows = len(output.windows), len(output.rows)
        n_polarizations = len(output.order.polarization)
        self.scan = scans(output.rows.field)
        self.row_of = _rows_of_windows(self.scan, n_windows)
        self.weight = np.zeros((n_windows * n_rows, n_polarizations), np.float32)
        n_visibilities = n_rows * n_polarizations * sum(w.n_channels for w in output.windows)
        require_space(
            output.path,
            n_visibilities * _bytes_per_visibility(output) + n_windows * n_rows * ROW_BYTES,
        )
        self.table = _main_table(output)
        self.table.addrows(n_windows * n_rows)

    def write(
        self,
        window: int,
        first_row: int,
        visibilities: np.ndarray,
        flags: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Add rows of one spectral window."""
        from .cpu import medians

        require_space(self.output.path, flags.size * _bytes_per_visibility(self.output))
        done = 0
        for start, n in self._runs(window, first_row, len(visibilities)):
            part = slice(done, done + n)
            for column in self.output.columns:
                values = visibilities[part]
                if column == "MODEL_DATA":
                    values = np.zeros_like(values)
                self.table.putcol(column, values, start, n)
            self.table.putcol("FLAG", flags[part], start, n)
            self.table.putcol("WEIGHT_SPECTRUM", weights[part], start, n)
            self.weight[start : start + n] = medians(weights[part])
            done += n

    def _runs(self, window: int, first_row: int, n_rows: int) -> Any:
        """Rows of the table, in runs of neighbours: (first, how many)."""
        rows = self.row_of[window, first_row : first_row + n_rows]
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        edges = [0, *breaks.tolist(), n_rows]
        for begin, end in itertools.pairwise(edges):
            yield int(rows[begin]), end - begin

    def close(self) -> None:
        """Write the columns of one number per row, and the subtables."""
        output = self.output
        time = mjd_seconds(output.rows.time)
        field = _field_rows(output.phased[0])
        source = np.argsort(self.row_of, axis=None)
        for start in range(0, len(source), COLUMN_BLOCK):
            part = source[start : start + COLUMN_BLOCK]
            for name, values in self._columns(start, part, time, field).items():
                self.table.putcol(name, values, start, len(part))
        self.table.putcolkeyword("DATA", "QuantumUnits", output.header.vis_units)
        # pyuvdata asks for it: whether visibilities are conjugated, as CASA has them.
        self.table.putkeyword("pyuvdata_flip_conj", output.order.conjugate)
        self.table.close()
        write_subtables(output, time)

    def _columns(
        self, start: int, source: np.ndarray, time: np.ndarray, field: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Some rows of the columns of one number per row; where in the windows they are from."""
        rows = self.output.rows
        window, row = np.unravel_index(source, self.row_of.shape)
        weight = self.weight[start : start + len(source)]
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.where(weight > 0.0, weight**-0.5, UNKNOWN_SIGMA)
        unknown = np.full(len(row), -1, np.int32)
        return {
            "WEIGHT": weight,
            "SIGMA": sigma.astype(np.float32),
            "ANTENNA1": rows.antenna1[row].astype(np.int32),
            "ANTENNA2": rows.antenna2[row].astype(np.int32),
            "INTERVAL": rows.integration_time[row],
            "EXPOSURE": rows.integration_time[row],
            "DATA_DESC_ID": window.astype(np.int32),
            "SCAN_NUMBER": self.scan[row].astype(np.int32),
            "TIME": time[row],
            "TIME_CENTROID": time[row],
            "UVW": rows.uvw[row],
            "FIELD_ID": field[rows.field[row]],
            "PROCESSOR_ID": unknown,
            "STATE_ID": unknown,
        }

    def abandon(self) -> None:
        """Close an output that nobody wants any more."""
        # On a full disk the flush would fail, in a destructor, and end the process.
        give_back(self.output.path)
        with contextlib.suppress(RuntimeError):
            self.table.close()


def _bytes_per_visibility(output: Output) -> int:
    """With its flag and its weight."""
    return 8 * len(output.columns) + 4 + 1


def _field_rows(phased: Phased) -> np.ndarray:
    """Number of a phase centre -> its row of FIELD."""
    numbers = [center.number for center in phased.phase_centers]
    rows = np.full(max(numbers) + 1, -1, np.int32)
    rows[numbers] = np.arange(len(numbers))
    return rows


def _rows_of_windows(scan: np.ndarray, n_windows: int) -> np.ndarray:
    """Which row of the table each window's row is, shape (n_windows, n_rows).

    Within a scan the first window comes first, as CASA prefers it.
    """
    n_rows = len(scan)
    first = np.searchsorted(scan, scan, side="left")
    length = np.searchsorted(scan, scan, side="right") - first
    within = np.arange(n_rows) - first
    window = np.arange(n_windows)[:, None]
    return n_windows * first + window * length + within


def _main_table(output: Output) -> Any:
    from casacore import tables

    description = tables.required_ms_desc("MAIN")
    for name in INCREMENTAL:
        description[name].update(dataManagerType="IncrementalStMan", dataManagerGroup=name)
    for name in ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FLAG_ROW"):
        description[name].update(dataManagerGroup=name)
    description["UVW"].update(dataManagerType="TiledColumnStMan", dataManagerGroup="TiledUVW")
    for name in ("FLAG", "WEIGHT", "SIGMA", "FLAG_CATEGORY"):
        description[name].update(dataManagerType="TiledShapeStMan", dataManagerGroup=f"Tiled{name}")
    description["FLAG_CATEGORY"]["keywords"] = {"CATEGORY": np.array("baddata")}
    for name in output.columns:
        description.update(_tiled_column(tables, name, 0j, "complex", "visibilities"))
    description.update(_tiled_column(tables, "WEIGHT_SPECTRUM", 0.0, "float", "weights"))
    return tables.default_ms(
        str(output.path), description, tables.makedminfo(description, _tiles(output))
    )


def _tiled_column(tables: Any, name: str, value: Any, kind: str, comment: str) -> Any:
    column = tables.makearrcoldesc(
        name,
        value,
        valuetype=kind,
        ndim=2,
        datamanagertype="TiledShapeStMan",
        datamanagergroup=f"Tiled{name}",
        comment=comment,
    )
    del column["desc"]["shape"]
    return tables.maketabdesc(column)


def _tiles(output: Output) -> dict[str, dict[str, np.ndarray]]:
    """Shapes of tiles: polarisations, channels, rows."""
    n_polarizations = len(output.order.polarization)
    n_channels = max(window.n_channels for window in output.windows)
    rows = rows_per_tile(n_channels, n_polarizations)
    cube = np.array([n_polarizations, n_channels, rows], np.int32)
    shapes = dict.fromkeys((*output.columns, "WEIGHT_SPECTRUM", "FLAG"), cube)
    shapes |= dict.fromkeys(("WEIGHT", "SIGMA"), np.array([n_polarizations, MOST_ROWS], np.int32))
    shapes["UVW"] = np.array([3, MOST_ROWS], np.int32)
    return {f"Tiled{name}": {"DEFAULTTILESHAPE": shape} for name, shape in shapes.items()}
