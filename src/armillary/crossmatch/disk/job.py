"""One match on disk, from open files to the report."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import errno
import os
import queue
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...io.catalog_hats import HEALPIX_COLUMN, is_hats
from ...plugins.records import Provenance, Request
from ...plugins.select import choose
from ...runtime.memory import memory_for_results
from ...runtime.progress import Progress
from ...runtime.temporary import temporary_folder
from ..catalog.catalog import EpochWarning, different_epochs
from ..catalog.radius import NSigma
from ..sky.cpu import BYTES_PER_PAIR
from ..sky.tables import new_names
from ..statistics import PairStatistics
from .flags import RowFlags
from .hats import HatsFolder, HatsRows
from .output import HatsOutput, NoOutput, Output, ParquetOutput
from .patch import Found, Match, Patch, match_patch, rows_alone
from .plan import patches
from .report import CatalogsReport
from .rows import Rows
from .side import PIXEL, ROW, Side
from .spill import SpilledRows

if TYPE_CHECKING:
    import pyarrow as pa

#: Most and fewest rows of a run that is sorted at once.
RUN_ROWS, LEAST_RUN = 1 << 20, 1000
#: How often a run is in memory while it is sorted: as it is read, as it is kept, and in order.
COPIES_OF_RUN = 3
#: Parts of the memory for runs that are not spilled, and for the patches that are worked on.
MEMORY_FOR_RUNS, MEMORY_FOR_PATCHES = 0.45, 0.4
#: Bytes for the pairs of a patch that there always are.
LEAST_FOR_PAIRS = 1 << 20

#: Matches a patch with so many threads, or gives its parts.
Work = Callable[[Patch, int], Found | list[Patch]]


class Job:
    """One match on disk, from open files to the report."""

    def __init__(
        self,
        sides: tuple[Side, Side],
        out: Path | None,
        match: Match,
        memory: int,
        threads: int,
        overwrite: bool,
    ) -> None:
        self.sides = sides
        self.out = out
        self.match = match
        self.memory = memory
        self.threads = threads
        self.overwrite = overwrite
        self.stopped = threading.Event()
        self.schema = self._schema()
        self.position = self._position_columns() if out is not None and not out.suffix else None

    def _schema(self) -> pa.Schema:
        """The columns of the result; raises if there are none, or two would have one name."""
        left, right = (side.kept_schema() for side in self.sides)
        if self.match.join == "anti" and not left.names:
            raise ValueError(
                "columns: join='anti' writes left columns only, and none of them is to be kept"
            )
        new_names(left.names, right.names, self.match.suffixes)
        return rows_alone(*self.sides, left.empty_table(), "left", self.match).schema

    def run(self, report: Progress | None) -> CatalogsReport:
        beside = self.out if self.out is not None else Path.cwd() / "armillary-crossmatch"
        if self.out is None and not os.access(beside.parent, os.W_OK):
            beside = Path(tempfile.gettempdir()) / beside.name
        self.progress = _Progress(report, [side.file.n_rows for side in self.sides])
        try:
            with temporary_folder(beside) as folder, contextlib.ExitStack() as stack:
                left, right = (self._rows_of(side, folder) for side in self.sides)
                self._warn_of_epochs()
                self._set_reach(left, right)
                output = self._output(folder)
                stack.callback(output.close)
                return self._matched(left, right, output, folder)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            lost = "temporary files" if self.out is None else repr(self.out.name)
            raise OSError(
                errno.ENOSPC,
                f"the disk of {str(beside.parent)!r} is full; {lost} could not be written",
            ) from error

    # -------------------------------------------------------------- rows by pixel

    def _rows_of(self, side: Side, folder: Path) -> Rows:
        # Errors and positions of another epoch are known only when all rows were read.
        if is_hats(side.file.path) and not side.moves and not side.with_error:
            radius = self.match.radius
            rows = HatsRows(side, HatsFolder.open(side.file.path, float(radius)))  # type: ignore[arg-type]
            self.progress.add(rows.n_rows)
            return rows
        spilled = SpilledRows(side, folder, int(self.memory * MEMORY_FOR_RUNS / 2))

        def add(numbered: tuple[int, int, pa.RecordBatch]) -> int:
            number, first_row, batch = numbered
            spilled.add(number, batch, first_row)
            return batch.num_rows

        with contextlib.closing(self._in_order(add, self._numbered(side))) as sorted_rows:
            for n_rows in sorted_rows:
                self.progress.add(n_rows)
        return spilled

    def _numbered(self, side: Side) -> Iterator[tuple[int, int, pa.RecordBatch]]:
        first_row = 0
        batches = side.file.batches(side.read, rows=self._run_rows(side))
        for number, batch in enumerate(batches):
            yield number, first_row, batch
            first_row += batch.num_rows

    def _run_rows(self, side: Side) -> int:
        """Rows of a run, of which each thread sorts one, with one that is read ahead."""
        few = next(side.file.batches(side.read, rows=LEAST_RUN), None)
        if few is None:
            return RUN_ROWS
        n_bytes = self.memory * (1.0 - MEMORY_FOR_RUNS) / (self.threads + 1) / COPIES_OF_RUN
        fitting = int(n_bytes * few.num_rows / max(few.nbytes, 1))
        return min(max(fitting, LEAST_RUN), RUN_ROWS)

    def _warn_of_epochs(self) -> None:
        if self.sides[0].epoch is not None:
            return
        moving = [("pm_dec" in side.roles) for side in self.sides]
        epochs = [side.first_epoch() for side in self.sides]
        sentence = different_epochs(epochs, moving)
        if sentence:
            warnings.warn(sentence, EpochWarning, stacklevel=4)

    def _set_reach(self, left: Rows, right: Rows) -> None:
        radius = self.match.radius
        reach = (
            radius.n * float(np.hypot(left.largest_error, right.largest_error))
            if isinstance(radius, NSigma)
            else radius
        )
        self.match = dataclasses.replace(self.match, reach=reach)

    def _output(self, folder: Path) -> Output:
        if self.out is None:
            return NoOutput()
        if self.position is None:
            return ParquetOutput(self.out, folder, self.schema, self.overwrite)
        return HatsOutput(self.out, folder, self.schema, self.position, self.overwrite)

    def _position_columns(self) -> tuple[str, str]:
        """What the columns of the left positions are called in the result.

        Raises
        ------
        ValueError
            If a HATS catalogue cannot be made of it.
        """
        left, right = (side.kept_schema().names for side in self.sides)
        shown = (
            left if self.match.join == "anti" else new_names(left, right, self.match.suffixes)[0]
        )
        names = dict(zip(left, shown, strict=True))
        found = [names.get(str(self.sides[0].roles[role])) for role in ("ra", "dec")]
        if None in found:
            raise ValueError("columns: a HATS catalogue needs the positions of the left catalogue")
        if self.sides[0].moves:
            raise ValueError(
                "a match at another epoch can be written as Parquet only: a HATS catalogue is "
                "sorted by the positions that it holds"
            )
        for role in ("ra", "dec"):
            if not self.sides[0].is_plain_degrees(role):
                raise ValueError(
                    f"a HATS catalogue needs positions in degrees, as 64-bit numbers, which column "
                    f"{self.sides[0].roles[role]!r} of the left catalogue is not; write Parquet"
                )
        if HEALPIX_COLUMN in self.schema.names:
            raise ValueError(
                f"a HATS catalogue has a column {HEALPIX_COLUMN!r} of its own; leave out, by "
                f"columns, the one that would be kept"
            )
        return str(found[0]), str(found[1])

    # -------------------------------------------------------------- patches

    def _matched(self, left: Rows, right: Rows, output: Output, folder: Path) -> CatalogsReport:
        share = self.memory * MEMORY_FOR_PATCHES / (self.threads + 1)
        plan = patches(left, right, share)
        # A pair takes memory as two row numbers and as a row of the result.
        row = BYTES_PER_PAIR + left.bytes_per_row() + right.bytes_per_row()
        for_pairs = max(LEAST_FOR_PAIRS, int(share * BYTES_PER_PAIR / row))
        matched_right = RowFlags(right.n_rows, folder)
        statistics = PairStatistics(max(self.match.reach, 1e-9))
        n_pairs = n_matched_left = 0
        provenance: Provenance | None = None

        def work(patch: Patch, threads: int) -> Found | list[Patch]:
            with memory_for_results(for_pairs):
                return match_patch(
                    left,
                    right,
                    patch,
                    self.match,
                    wanted=self.out is not None,
                    threads=threads,
                    check=self._check,
                )

        with contextlib.closing(self._found(work, plan)) as every:
            for found in every:
                if found.table is not None:
                    output.write(found.table, found.pixels)
                statistics.add(found.separation, *found.offsets)
                matched_right.set(found.right_rows)
                n_pairs += len(found.separation)
                n_matched_left += found.n_matched_left
                provenance = provenance or found.provenance
                self.progress.add(found.n_left)
        self._write_alone(left, right, output, matched_right)
        n_matched_right = matched_right.count()
        matched_right.close()
        if self.out is not None:
            output.finish()
        self.progress.finish()
        return CatalogsReport(
            out=self.out,
            n_left=left.n_rows,
            n_right=right.n_rows,
            n_dropped_left=left.n_dropped,
            n_dropped_right=right.n_dropped,
            n_pairs=n_pairs,
            n_matched_left=n_matched_left,
            n_matched_right=n_matched_right,
            n_written=output.n_rows,
            statistics=statistics,
            provenance=provenance or self._provenance(),
        )

    def _found(self, work: Work, plan: list[Patch]) -> Generator[Found, None, None]:
        """What came of each patch, or of its parts where there are too many rows or pairs."""
        threads = self.threads if len(plan) < self.threads else 1

        def ahead(patch: Patch) -> Found | list[Patch]:
            return work(patch, threads) if patch.parts == 1 else [patch]

        with contextlib.closing(self._in_order(ahead, plan)) as results:
            for result in results:
                yield from self._found_in_parts(work, result)

    def _found_in_parts(self, work: Work, result: Found | list[Patch]) -> Iterator[Found]:
        """Parts one after the other, in this thread, each by all threads: they are large."""
        if isinstance(result, Found):
            yield result
            return
        for part in result:
            yield from self._found_in_parts(work, work(part, self.threads))

    def _write_alone(
        self, left: Rows, right: Rows, output: Output, matched_right: RowFlags
    ) -> None:
        """Left rows without a position, then right rows without a match, where they are wanted."""
        if self.out is None or self.match.join == "inner":
            return
        unknown = left.unknown()
        table = rows_alone(*self.sides, unknown, "left", self.match)
        output.write(table, unknown.column(PIXEL).to_numpy())
        if self.match.join != "outer":
            return
        share = self.memory * MEMORY_FOR_PATCHES
        for patch in patches(right, left, share):
            self._check()
            self._write_right(patch.own(right), output, matched_right)
        self._write_right(right.unknown(), output, matched_right)

    def _write_right(self, rows: pa.Table, output: Output, matched_right: RowFlags) -> None:
        rows = rows.filter(~matched_right.of(rows.column(ROW).to_numpy()))
        table = rows_alone(*self.sides, rows, "right", self.match)
        output.write(table, rows.column(PIXEL).to_numpy())

    def _provenance(self) -> Provenance:
        return choose(Request(self.match.operation), None).provenance(self.threads)

    def _check(self, *_: Any) -> None:
        if self.stopped.is_set():
            raise Stopped

    def _in_order(
        self, work: Callable[[Any], Any], items: Iterable[Any]
    ) -> Generator[Any, None, None]:
        """Results of the work on each item, in order, from a few threads that stay just ahead."""
        with ThreadPoolExecutor(self.threads, thread_name_prefix="armillary") as pool:
            waiting: queue.SimpleQueue[Future] = queue.SimpleQueue()
            try:
                for item in items:
                    context = contextvars.copy_context()
                    waiting.put(pool.submit(context.run, work, item))
                    if waiting.qsize() > self.threads:
                        yield _result(waiting.get())
                while not waiting.empty():
                    yield _result(waiting.get())
            except BaseException:
                self.stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise


class Stopped(Exception):
    """Work is given up since other work failed."""


def _result(future: Future) -> Any:
    # A wait without end cannot be interrupted on every platform.
    while not wait([future], timeout=0.1).done:
        pass
    return future.result()


class _Progress:
    """Rows read and then rows matched, as one count."""

    def __init__(self, report: Progress | None, n_rows: list[int | None]) -> None:
        self._report = report
        known = [n or 0 for n in n_rows]
        #: Reading and sorting a row takes about as long as matching it.
        self._total = sum(known) + known[0]
        self._done = 0

    def add(self, n: int) -> None:
        self._done += n
        self._total = max(self._total, self._done)
        self._tell()

    def finish(self) -> None:
        self._done = self._total = max(self._total, self._done)
        self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self._done, max(self._total, 1))
