"""Convert one observation: what every target of ``convert.visibilities`` is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.progress import Progress
from .grouping import Observation
from .job import Piece, blocks, pieces_of, rows_of, run
from .layout import casa_order, file_order, joined, windows
from .phasing import Target, phase, renumbered
from .writer import Output, Writer


def convert(
    arithmetic: Any,
    observation: Observation,
    out: Path,
    format: str,
    phase_center: Target,
    merge: bool,
    columns: tuple[str, ...],
    history: Sequence[str],
    memory: float,
    progress: Progress | None,
) -> int:
    """Write an observation; give the number of visibilities that are flagged.

    Parameters
    ----------
    arithmetic : module
        With ``merge``: the kernel or its definition.
    observation : Observation
    out : Path
        What does not exist yet.
    format : str
        "ms" or "uvh5".
    phase_center : Direction, "meridian" or None
    merge : bool
        Whether spectral windows without a gap become one.
    columns : tuple of str
    history : sequence of str
    memory : float
        Bytes for a block.
    progress : callable or None
    """
    pieces = _pieces(observation, format, phase_center)
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
        every = blocks(pieces, output.windows, arithmetic, memory)
        flagged = run(every, writer, n_visibilities, progress)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return flagged


def _pieces(observation: Observation, format: str, phase_center: Target) -> list[Piece]:
    headers = pieces_of(observation)
    phased = renumbered([phase(header, phase_center) for header in headers])
    order = casa_order if format == "ms" else file_order
    pieces, first_row = [], 0
    for header, rows, files in zip(headers, phased, observation.pieces, strict=True):
        pieces.append(Piece(header, rows, order(header), files, first_row))
        first_row += header.n_rows
    return pieces


def _writer(format: str, output: Output) -> Writer:
    if format == "ms":
        from .ms_writer import MeasurementSet

        return MeasurementSet(output)
    from .uvh5_writer import Uvh5Writer

    return Uvh5Writer(output)
