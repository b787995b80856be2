"""Rows of a catalogue by pixel, in files where they do not fit into memory.

Rows are sorted run by run, some hundred thousand at a time; reading a patch of the sky takes a
slice of every run.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import healpix
from .pixels import NOWHERE, Range
from .rows import COUNT_SHIFT, N_COUNTS, Rows
from .side import PIXEL, Side

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class _Run:
    """Sorted rows: a table, or the file that holds it."""

    table: pa.Table | None
    path: Path | None

    def open(self) -> pa.Table:
        """The table; one in a file is mapped, not read."""
        import pyarrow as pa

        if self.table is not None:
            return self.table
        return pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()


class SpilledRows(Rows):
    """The rows of one side, sorted by pixel.

    Parameters
    ----------
    side : Side
        The catalogue.
    folder : Path
        Where runs go that do not fit into memory.
    memory : int
        Bytes of runs that are kept in memory.
    """

    def __init__(self, side: Side, folder: Path, memory: int) -> None:
        self.side = side
        self.n_rows = self.n_dropped = 0
        self.largest_error = 0.0
        self.counts = np.zeros(N_COUNTS + 1, np.int64)
        self._folder = folder
        self._memory = memory
        self._runs: dict[int, _Run] = {}
        self._lock = threading.Lock()

    def add(self, number: int, batch: pa.RecordBatch, first_row: int) -> None:
        """Sort some rows and keep them; runs may come from several threads."""
        table, catalog = self.side.prepared(batch, first_row)
        pixels = table.column(PIXEL).to_numpy()
        table = table.take(healpix.rows_by_key(pixels))
        known = catalog.known
        n_dropped = 0 if known is None else len(catalog) - int(known.sum())
        largest = 0.0
        if self.side.with_error and catalog.error is not None and len(catalog):
            usable = np.isfinite(catalog.error)
            largest = float(np.max(catalog.error, where=usable, initial=0.0))
            n_dropped = len(catalog) - int((usable if known is None else usable & known).sum())
        counts = np.bincount(pixels >> COUNT_SHIFT, minlength=len(self.counts))
        with self._lock:
            self.n_rows += len(catalog)
            self.n_dropped += n_dropped
            self.largest_error = max(self.largest_error, largest)
            self.counts += counts
            self._memory -= table.nbytes
            fits = self._memory >= 0
        self._runs[number] = _Run(table, None) if fits else _Run(None, self._written(number, table))

    def _written(self, number: int, table: pa.Table) -> Path:
        import pyarrow as pa

        path = self._folder / f"{self.side.name}-{number}.arrow"
        table = table.combine_chunks()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return path

    def read(self, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges of pixels, along the sky: by pixel, then by row number."""
        # Runs follow each other by row number, which the sort by pixel keeps.
        rows = self._slices(ranges)
        return rows.take(healpix.rows_by_key(rows.column(PIXEL).to_numpy()))

    def read_near(self, home: Range, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges around a patch, in no order."""
        return self._slices(ranges)

    def _slices(self, ranges: Sequence[Range]) -> pa.Table:
        """What lies in some ranges, run after run."""
        import pyarrow as pa

        edges = np.array(list(itertools.chain.from_iterable(ranges)), np.uint32)
        parts = [self._empty()]
        for number in sorted(self._runs):
            table = self._runs[number].open()
            places = np.searchsorted(table.column(PIXEL).to_numpy(), edges)
            parts += [
                table.slice(first, last - first)
                for first, last in zip(places[::2], places[1::2], strict=True)
                if last > first
            ]
        return pa.concat_tables(parts).combine_chunks()

    def unknown(self) -> pa.Table:
        """The rows without a position."""
        return self.read([Range(NOWHERE, NOWHERE + 1)])

    def counts_within(self, first: int, last: int) -> np.ndarray:
        """Rows in each pixel of a range."""
        counts = np.zeros(last - first, np.int64)
        for run in self._runs.values():
            pixels = run.open().column(PIXEL).to_numpy()
            part = pixels[slice(*np.searchsorted(pixels, np.array([first, last], np.uint32)))]
            counts += np.bincount(part - first, minlength=last - first)
        return counts

    def bytes_per_row(self) -> float:
        """Memory of a row, on average."""
        for run in self._runs.values():
            table = run.open()
            if table.num_rows:
                return table.nbytes / table.num_rows
        return 8.0 * (len(self.side.kept) + 4)

    def _empty(self) -> pa.Table:
        import pyarrow as pa

        nothing = pa.RecordBatch.from_pylist([], schema=self.side.file.schema)
        return self.side.prepared(nothing.select(self.side.read), 0)[0]
