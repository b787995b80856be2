"""Convert one observation: what every target of ``convert.visibilities`` is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.progress import Progress
from ..formats import Format
from .grouping import Observation
from .job import Piece, blocks, headers_of, rows_of, run
from .layout import both_directions, casa_order, file_order, joined, windows
from .ms_tables import require_frame
from .phasing import Target, phase, renumbered
from .sources import Files
from .writer import Output, Writer


def convert(
    arithmetic: Any,
    files: Files,
    observation: Observation,
    out: Path,
    format: str | Format,
    phase_center: Target,
    merge: bool,
    columns: tuple[str, ...],
    history: Sequence[str],
    memory: float,
    threads: int,
    progress: Progress | None,
) -> int:
    """Write an observation; give the number of visibilities that are flagged.

    Parameters
    ----------
    arithmetic : module
        With ``merge``: the kernel or its definition.
    files : Files
        Who reads them.
    observation : Observation
    out : Path
        What does not exist yet.
    format : str or Format
        "ms" or "uvh5", or a plugin's converter.
    phase_center : Direction, "meridian" or None
    merge : bool
        Whether spectral windows without a gap become one.
    columns : tuple of str
    history : sequence of str
    memory : float
        Bytes for a block.
    threads : int
        With 2 or more one reads ahead.
    progress : callable or None
    """
    pieces = _pieces(files, observation, format, phase_center)
    output = Output(
        path=out,
        header=pieces[0].header,
        rows=joined(rows_of(pieces)),
        phased=[piece.phased for piece in pieces],
        windows=windows(observation, merge),
        order=pieces[0].order,
        columns=columns,
        history=history,
    )
    n_visibilities = (
        len(output.rows)
        * sum(window.n_channels for window in output.windows)
        * len(output.order.polarization)
    )
    writer = _writer(format, output)
    try:
        every = blocks(files, pieces, output.windows, arithmetic, memory)
        flagged = run(every, writer, n_visibilities, threads, progress)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return flagged


def _pieces(
    files: Files, observation: Observation, format: str | Format, phase_center: Target
) -> list[Piece]:
    headers = headers_of(files, observation)
    phased = renumbered([phase(header, phase_center) for header in headers])
    if format == "ms":
        require_frame(headers[0].path, phased[0].phase_centers)
    mixed = both_directions(headers)
    pieces, first_row = [], 0
    for header, rows, subbands in zip(headers, phased, observation.pieces, strict=True):
        order = casa_order(header, mixed) if format == "ms" else file_order(header)
        pieces.append(Piece(header, rows, order, subbands, first_row))
        first_row += header.n_rows
    return pieces


def _writer(format: str | Format, output: Output) -> Writer:
    if isinstance(format, Format):
        with format.blamed():
            return format.converter.write(output)
    if format == "ms":
        from .ms_writer import MeasurementSet

        return MeasurementSet(output)
    from .uvh5_writer import Uvh5Writer

    return Uvh5Writer(output)
