"""One observation, from its files to its output, in one pass.

Headers first, then blocks of rows: a block of every subband is read, merged by the kernel into the
arrays of all channels and handed to the writer. One thread reads ahead while the other writes;
there are never more than a few blocks in memory.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.progress import Progress
from .errors import VisibilityFileError
from .grouping import Observation, VisibilityFile
from .header import Header
from .layout import Order, Rows, Window
from .phasing import Phased
from .sources import Files
from .writer import Writer

#: Bytes of visibilities, flags and weights in a block of rows, about.
BLOCK_BYTES = 12 << 20
#: Bytes of chunks that HDF5 keeps, of all files together: those that are compressed.
CACHE_BYTES = 96 << 20
#: Blocks that are read before they are written.
AHEAD = 1
#: Bytes of one visibility with its flag and weight.
VISIBILITY_BYTES = 13
#: Channels may be this part of a channel off their even places before each turn is computed.
EVEN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One piece in time: a header of its rows, and how they are phased and ordered.

    Attributes
    ----------
    header : Header
    phased : Phased
    order : Order
    files : tuple of VisibilityFile or None
        By subband.
    first_row : int
        Among those of the output.
    """

    header: Header
    phased: Phased
    order: Order
    files: tuple[VisibilityFile | None, ...]
    first_row: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows of all channels of one spectral window, and where its arrays go afterwards."""

    window: int
    first_row: int
    visibilities: np.ndarray
    flags: np.ndarray
    weights: np.ndarray
    spare: deque[tuple[np.ndarray, np.ndarray, np.ndarray]]

    def used(self) -> None:
        """Let another block have the arrays: memory that is new costs as much as its copy."""
        self.spare.append((self.visibilities, self.flags, self.weights))


def block_rows(n_channels: int, n_polarizations: int, chunk_rows: int, memory: float) -> int:
    """Rows of a block: whole chunks, where they are not too large."""
    wanted = min(BLOCK_BYTES, memory) / (VISIBILITY_BYTES * n_channels * n_polarizations)
    rows = max(1, int(wanted))
    return rows // chunk_rows * chunk_rows if rows >= chunk_rows else rows


def blocks(
    files: Files,
    pieces: Sequence[Piece],
    windows: Sequence[Window],
    arithmetic: Any,
    memory: float,
) -> Iterator[Block]:
    """All blocks of an observation, in the order of its rows.

    Parameters
    ----------
    files : Files
        Who reads them.
    pieces, windows : sequence
    arithmetic : module
        With ``merge``.
    memory : float
        Bytes for a block.
    """
    for piece in pieces:
        cache = int(min(CACHE_BYTES, memory) / len(piece.files))
        with ExitStack() as stack:
            readers = [
                None if file is None else stack.enter_context(files.opened(file, cache))
                for file in piece.files
            ]
            yield from _blocks_of_piece(piece, windows, readers, arithmetic, memory)


def _blocks_of_piece(
    piece: Piece,
    windows: Sequence[Window],
    readers: Sequence[Any],
    arithmetic: Any,
    memory: float,
) -> Iterator[Block]:
    n_rows, n_polarizations = piece.header.n_rows, len(piece.order.polarization)
    n_channels = sum(window.n_channels for window in windows)
    chunk_rows = max(reader.chunk_rows for reader in readers if reader is not None)
    step = block_rows(n_channels, n_polarizations, chunk_rows, memory)
    fillers = [_Filler(piece, window, readers, arithmetic) for window in windows]
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        for number, filler in enumerate(fillers):
            yield filler.block(number, start, stop)


class _Filler:
    """Makes the blocks of one spectral window of a piece.

    Subbands whose bytes lie in their files as they are are read and merged in one call without the
    GIL; others are read by HDF5 or a plugin, one by one; those that are missing are flagged.
    """

    def __init__(
        self, piece: Piece, window: Window, readers: Sequence[Any], arithmetic: Any
    ) -> None:
        self.piece = piece
        self.shape = window.n_channels, len(piece.order.polarization)
        self.merge = arithmetic.merge
        self.spare: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque()
        self.missing: list[slice] = []
        self.others: list[tuple[Any, int]] = []
        self.raw_paths = []
        raw = []
        channel = 0
        for subband, n_channels in zip(window.subbands, window.sizes, strict=True):
            reader = readers[subband]
            datasets = getattr(reader, "raw_datasets", None)
            if reader is None:
                self.missing.append(slice(channel, channel + n_channels))
            elif datasets is None or not hasattr(arithmetic, "Subbands"):
                self.others.append((reader, channel))
            else:
                self.raw_paths.append(reader.path)
                raw.append((*datasets, reader.frequency, _is_even(reader.frequency), channel))
            channel += n_channels
        self.raw = arithmetic.Subbands(raw) if raw else None

    def block(self, number: int, start: int, stop: int) -> Block:
        """Rows of the piece."""
        block = self._empty(number, start, stop)
        out = (
            block.visibilities.view(np.float32).reshape(*block.flags.shape, 2),
            block.flags.view(np.uint8),
            block.weights,
        )
        visibilities, flags, weights = out
        for there in self.missing:
            visibilities[:, there], flags[:, there], weights[:, there] = 0.0, 1, 0.0
        rows = slice(start, stop)
        order, delta_w = self.piece.order, self.piece.phased.delta_w
        rule = (
            None if delta_w is None else delta_w[rows],
            order.exchanged[rows],
            order.conjugate,
            order.source,
        )
        for reader, channel in self.others:
            frequency = reader.frequency
            read = reader.read(start, stop)
            self.merge(*read, frequency, _is_even(frequency), *rule, channel, *out)
        if self.raw is not None:
            failed = self.raw.fill(start, stop, *rule, *out)
            if failed >= 0:
                raise VisibilityFileError(
                    self.raw_paths[failed],
                    f"cannot be read from row {start} to {stop - 1}: it ends too early",
                )
        return block

    def _empty(self, number: int, start: int, stop: int) -> Block:
        """A block whose arrays hold anything."""
        shape = (stop - start, *self.shape)
        try:
            arrays = self.spare.pop()
        except IndexError:
            arrays = (np.empty(0, np.complex64),) * 3
        if arrays[0].shape != shape:
            arrays = np.empty(shape, np.complex64), np.empty(shape, bool), np.empty(shape, "f4")
        return Block(number, self.piece.first_row + start, *arrays, self.spare)


def _is_even(frequency: np.ndarray) -> bool:
    """Whether channels are evenly spaced, but for the rounding of hertz."""
    if len(frequency) < 3:
        return True
    even = np.linspace(frequency[0], frequency[-1], len(frequency))
    return bool(np.all(np.abs(frequency - even) <= EVEN * abs(frequency[1] - frequency[0])))


# ------------------------------------------------------------------ reading ahead


class _Ahead:
    """An iterator whose next items are made in a thread of its own."""

    def __init__(self, items: Iterator[Block]) -> None:
        self._queue: queue.Queue[tuple[Block | None, BaseException | None]] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._fill, args=(items,), name="armillary-reader", daemon=True
        )

    def __enter__(self) -> _Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            with_room = not self._queue.empty()
            if with_room:
                self._queue.get()
            self._thread.join(0.01)

    def __iter__(self) -> Iterator[Block]:
        while True:
            item, error = self._queue.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item

    def _fill(self, items: Iterator[Block]) -> None:
        try:
            for item in items:
                if self._stopped.is_set():
                    return
                self._queue.put((item, None))
        except BaseException as error:
            self._queue.put((None, error))
        else:
            self._queue.put((None, None))


def run(
    items: Iterator[Block],
    writer: Writer,
    n_visibilities: int,
    threads: int,
    report: Progress | None,
) -> int:
    """Write all blocks, reading ahead if there are two threads; give how many are flagged."""
    if threads > 1:
        with _Ahead(items) as ahead:
            return _write_all(ahead, writer, n_visibilities, report)
    return _write_all(items, writer, n_visibilities, report)


def _write_all(
    items: Iterable[Block], writer: Writer, n_visibilities: int, report: Progress | None
) -> int:
    flagged = done = 0
    for block in items:
        writer.write(block.window, block.first_row, block.visibilities, block.flags, block.weights)
        flagged += int(np.count_nonzero(block.flags))
        done += block.flags.size
        block.used()
        if report is not None:
            report(done, n_visibilities)
    return flagged


def headers_of(files: Files, observation: Observation) -> list[Header]:
    """A header for each piece in time: that of its first file."""
    return [
        files.header(next(file.path for file in piece if file is not None))
        for piece in observation.pieces
    ]


def rows_of(pieces: Sequence[Piece]) -> list[Rows]:
    """The rows of each piece."""
    return [Rows.of(piece.header, piece.phased, piece.order) for piece in pieces]
