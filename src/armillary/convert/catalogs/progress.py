"""How far a conversion is, in bytes of its inputs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ...runtime.progress import Progress
from .sources import Source

#: Bytes of a text from which the length of its lines is estimated.
SAMPLE_BYTES = 1 << 20


class Meter:
    """Counts the bytes of the inputs that are done, and reports them.

    Readers tell rows. How many there are of text is estimated, and put right at its end.

    Parameters
    ----------
    report : callable or None
        Is told (bytes done, bytes in all).
    sources : sequence of Source
        The inputs.
    """

    def __init__(self, report: Progress | None, sources: Sequence[Source]) -> None:
        self._report = report
        self._total = sum(source.n_bytes for source in sources)
        self._before = 0
        self._rows = 0
        self._rows_expected: float | None = None

    def add(self, source: Source, n_rows: int) -> None:
        """Rows of an input are done."""
        if self._report is None:
            return
        if self._rows_expected is None:
            self._rows_expected = _expected_rows(source)
        self._rows += n_rows
        part = min(1.0, self._rows / max(self._rows_expected, 1.0))
        self._report(self._before + part * source.n_bytes, self._total)

    def finish(self, source: Source) -> None:
        """All rows of an input are done."""
        self._before += source.n_bytes
        self._rows, self._rows_expected = 0, None
        if self._report is not None:
            self._report(self._before, self._total)


def _expected_rows(source: Source) -> float:
    """Rows of an input, estimated from the lines at its beginning where nobody knows."""
    if source.n_rows is not None:
        return source.n_rows
    with open(source.path, "rb") as file:
        sample = file.read(SAMPLE_BYTES)
    text = _unpacked(sample) if sample.startswith(b"\x1f\x8b") else sample
    return max(text.count(b"\n"), 1) / max(len(sample), 1) * source.n_bytes


def _unpacked(sample: bytes) -> bytes:
    """What the beginning of a gzipped file holds."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(sample)
    except zlib.error:
        return b""
