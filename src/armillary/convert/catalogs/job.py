"""One conversion of catalogues, from paths to the report."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...io.parquet_writer import RowGroups, take_name
from ...runtime.progress import Progress
from ...runtime.temporary import temporary_folder
from .kinds import bytes_per_value
from .progress import Meter
from .report import CatalogReport
from .schema import Unified, unified
from .sources import Opener, Source

#: Bytes of a row group before it is packed, and rows of a batch, as long as memory allows.
GROUP_BYTES, BATCH_BYTES, BATCH_ROWS = 256 << 20, 32 << 20, 1 << 16
#: Parts of the memory for a row group and a batch; packing and reading ahead take the rest.
GROUP_SHARE, BATCH_SHARE = 1 / 4, 1 / 16
#: What is reckoned for a value of text.
TEXT_BYTES = 64


class Job:
    """One conversion.

    Parameters
    ----------
    paths : sequence of Path
        The inputs, in the order of their rows.
    out : Path
        The Parquet file.
    columns : sequence of str or None
        The columns to keep; None for all.
    memory : int
        Bytes to work in.
    overwrite : bool
        Whether it may replace a file.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        out: Path,
        columns: Sequence[str] | None,
        memory: int,
        overwrite: bool,
    ) -> None:
        self._paths = paths
        self._out = out
        self._columns = columns
        self._group_bytes = max(1, min(GROUP_BYTES, int(memory * GROUP_SHARE)))
        self._batch_bytes = max(1, min(BATCH_BYTES, int(memory * BATCH_SHARE)))
        self._overwrite = overwrite

    def run(self, report: Progress | None) -> CatalogReport:
        """Convert, and tell how far it is."""
        began = time.monotonic()
        opener = Opener()
        sources = [opener.source(path) for path in self._paths]
        together = unified(sources, self._columns)
        with self._full_disk_told(), temporary_folder(self._out) as folder:
            path = folder / "result.parquet"
            n_rows = self._write(path, sources, together, Meter(report, sources))
            take_name(path, self._out, self._overwrite)
        return CatalogReport(
            out=self._out,
            inputs=tuple(source.path for source in sources),
            formats=tuple(source.format for source in sources),
            n_rows=n_rows,
            n_columns=len(together.schema),
            changes=together.changes,
            bytes_read=sum(source.n_bytes for source in sources),
            bytes_written=self._out.stat().st_size,
            seconds=time.monotonic() - began,
        )

    def _write(self, path: Path, sources: Sequence[Source], together: Unified, meter: Meter) -> int:
        row_groups = RowGroups(path, together.schema, self._group_bytes)
        with contextlib.closing(row_groups):
            for source in sources:
                for batch in source.batches(together.schema.names, self._batch_rows(source)):
                    row_groups.write(together.conformed(batch, source))
                    meter.add(source, batch.num_rows)
                meter.finish(source)
            row_groups.finish()
        return row_groups.n_rows

    def _batch_rows(self, source: Source) -> int:
        """Rows to read at once: few of a wide catalogue."""
        names = self._columns or source.schema.names
        kinds = (source.schema.field(name).type for name in names)
        row = sum(bytes_per_value(kind, TEXT_BYTES) for kind in kinds)
        return max(1, min(BATCH_ROWS, self._batch_bytes // max(row, 1)))

    @contextlib.contextmanager
    def _full_disk_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                f"the disk of {str(self._out.parent)!r} is full; {self._out.name!r} could not be "
                f"written",
            ) from error
