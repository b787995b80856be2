"""Rows of a catalogue by pixel, in files where they do not fit into memory.

Rows are sorted run by run, some hundred thousand at a time; reading a patch of the sky takes a
slice of every run.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import healpix
from .pixels import NOWHERE, Range
from .rows import COUNT_SHIFT, N_COUNTS, Rows
from .side import PIXEL, Side

if TYPE_CHECKING:
    import pyarrow as pa


#: Bytes and most rows of a piece of a run in a file, which is read as a whole; and fewest rows.
PIECE_BYTES = 1 << 17
PIECE_ROWS, LEAST_PIECE = 1 << 13, 64
#: More slices of a run than this are copied together, row by row.
MOST_SLICES = 256


class _RunInMemory:
    """Sorted rows."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def around(self, edges: np.ndarray) -> pa.Table:
        """Sorted rows that hold all of some ranges, and maybe others."""
        return self.table


class _RunInFile:
    """Sorted rows in a file of pieces, of which those that are wanted are read."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        import pyarrow as pa

        table = table.combine_chunks()
        self._path = path
        #: The first pixel of each piece.
        rows = _piece_rows(table)
        self._firsts = table.column(PIXEL).to_numpy()[::rows].copy()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)

    def around(self, edges: np.ndarray) -> pa.Table:
        """Sorted rows that hold all of some ranges, and maybe others."""
        import pyarrow as pa

        places = np.searchsorted(self._firsts, edges)
        # The piece before the first that begins in a range may end in it.
        begins, n = np.maximum(places[::2] - 1, 0), len(self._firsts) + 1
        changes = np.bincount(begins, minlength=n) - np.bincount(places[1::2], minlength=n)
        wanted = np.cumsum(changes[:-1]) > 0
        with pa.OSFile(str(self._path)) as source:
            reader = pa.ipc.open_file(source)
            pieces = [reader.get_batch(int(i)) for i in np.flatnonzero(wanted)]
            return pa.Table.from_batches(pieces, reader.schema).combine_chunks()


def _piece_rows(table: pa.Table) -> int:
    in_bytes = PIECE_BYTES * table.num_rows // max(table.nbytes, 1)
    return min(max(in_bytes, LEAST_PIECE), PIECE_ROWS)


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
        self._runs: dict[int, _RunInMemory | _RunInFile] = {}
        self._row_bytes = 0.0
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
            if not self._row_bytes and table.num_rows:
                self._row_bytes = table.nbytes / table.num_rows
        path = self._folder / f"{self.side.name}-{number}.arrow"
        self._runs[number] = _RunInMemory(table) if fits else _RunInFile(table, path)

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
            table = self._runs[number].around(edges)
            parts += _in_ranges(table, np.searchsorted(table.column(PIXEL).to_numpy(), edges))
        return pa.concat_tables(parts).combine_chunks()

    def unknown(self) -> pa.Table:
        """The rows without a position."""
        return self.read([Range(NOWHERE, NOWHERE + 1)])

    def counts_within(self, first: int, last: int) -> np.ndarray:
        """Rows in each pixel of a range."""
        pixels = self._slices([Range(first, last)]).column(PIXEL).to_numpy()
        return np.bincount(pixels - first, minlength=last - first)

    def bytes_per_row(self) -> float:
        """Memory of a row, on average."""
        return self._row_bytes

    def _empty(self) -> pa.Table:
        import pyarrow as pa

        nothing = pa.RecordBatch.from_pylist([], schema=self.side.file.schema)
        return self.side.prepared(nothing.select(self.side.read), 0)[0]


def _in_ranges(table: pa.Table, places: np.ndarray) -> list[pa.Table]:
    """The rows between each two places, in few pieces."""
    firsts, n_rows = places[::2], places[1::2] - places[::2]
    filled = np.flatnonzero(n_rows > 0)
    firsts, n_rows = firsts[filled], n_rows[filled]
    if len(filled) <= MOST_SLICES:
        return [table.slice(first, n) for first, n in zip(firsts, n_rows, strict=True)]
    # How far each slice lies from where it would be if there were no gaps before it.
    gaps = np.repeat(firsts - (np.cumsum(n_rows) - n_rows), n_rows)
    return [table.take(gaps + np.arange(len(gaps)))]
