"""The front door of converting visibilities."""

from __future__ import annotations

import contextlib
import numbers
import os
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...plugins.call import call
from ...plugins.errors import ContractError
from ...plugins.records import Request
from ...plugins.select import DEFAULT, Plan, choose
from ...runtime.memory import memory_limit
from ...runtime.progress import Progress, reporting
from ...runtime.temporary import temporary_folder
from ...runtime.threads import thread_count
from ..formats import Format, asked_for
from .destination import check_output, format_of, outputs, put_in_place, size_of
from .errors import VisibilityFileError
from .grouping import Observation, VisibilityFile, observations
from .inputs import files_of
from .phasing import Direction, Target, direction
from .report import ConversionReport, ObservationReport, Skipped
from .sources import OPERATION, Files

SPECTRAL_WINDOWS = ("merge", "keep")
ON_INCOMPLETE = ("error", "skip", "fill")
COLUMNS = ("DATA", "MODEL_DATA", "CORRECTED_DATA")
#: Julian date of MJD 0.
MJD = 2_400_000.5
#: Blocks that are in memory at a time, read, merged and written, at most.
BLOCKS_AT_ONCE = 6


def visibilities(
    inputs: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    format: str | None = None,
    phase: Any = None,
    spectral_windows: str = "merge",
    on_incomplete: str = "error",
    expected_subbands: int | None = None,
    time_tolerance: float = 60.0,
    columns: Sequence[str] = ("DATA",),
    threads: int | None = None,
    memory: int | str | None = None,
    overwrite: bool = False,
    backend: str | None = None,
    progress: Any = None,
) -> ConversionReport:
    """Convert files of visibilities, such as the subbands of a correlator, in one pass.

    Files that begin within ``time_tolerance`` of the first of them are one observation: those of
    the same frequencies follow each other in time, others are its subbands. Each observation
    becomes one output, with ascending frequencies whatever those of the files are.

    Parameters
    ----------
    inputs : path, or sequence of paths
        UVH5 files of any version, folders of them, patterns such as ``"data/*.hdf5"``.
    out : path
        A Measurement Set (``.ms``) or a UVH5 file (``.uvh5``); where there are several
        observations, ``{time}`` in its name becomes the time of each.
    format : {"ms", "uvh5"}, optional
        None takes it from the suffix of ``out``.
    phase : None, "meridian" or SkyCoord
        None keeps the phase centres of the files. "meridian" gives each integration one at hour
        angle 0 and the recorded declination, and leaves the visibilities as they are: for
        correlators that track the meridian. A SkyCoord is one for all, to which they are turned.
    spectral_windows : {"merge", "keep"}
        "merge": subbands without a gap become one spectral window. "keep": one for each.
    on_incomplete : {"error", "skip", "fill"}
        What to do with an observation without all of its subbands. "fill": missing channels are
        there, flagged, at their own frequencies.
    expected_subbands : int, optional
        Subbands of a complete observation; None takes those that are there.
    time_tolerance : float
        Seconds.
    columns : sequence of str
        Columns of a Measurement Set: "DATA", and if wanted "MODEL_DATA" (zeros) and
        "CORRECTED_DATA" (equal to DATA).
    threads : int, optional
        With 1 nothing is read ahead; None means ``ARMILLARY_THREADS`` or every processor.
    memory : int or str, optional
        Bytes for blocks and for chunks that are compressed, about, also as ``"1GB"``; None means
        some blocks of 12 MB, and up to 96 MB of chunks.
    overwrite : bool
        Whether ``out`` may replace what is there, if that may be an earlier output.
    backend : str, optional
        Who converts; None means the default, ``"cpu"``.
    progress : callable or bool, optional
        Called with (visibilities done, visibilities in all); True shows a bar in a terminal.

    Returns
    -------
    ConversionReport
        What was converted, and what was skipped.

    Raises
    ------
    FileNotFoundError
        If there is no such input.
    FileExistsError
        If ``out`` exists, and ``overwrite`` is false or it is no output of a conversion.
    VisibilityFileError
        (A ValueError.) If a file cannot be read or does not fit the others; it is named.
    ValueError
        If an observation is incomplete, visibilities without a phase centre are to become a
        Measurement Set, or an argument is none of those allowed.
    ImportError
        If a Measurement Set is wanted, and python-casacore is not installed.
    OSError
        If the disk is full or cannot be written to; there is then no output.

    Notes
    -----
    Visibilities, flags and numbers of samples are carried as they are, however strange: flagged
    ones too, and those of 1e37. A Measurement Set has CASA's conventions: polarisations XX, XY,
    YX, YY, visibilities conjugated and baselines turned around, as ``UVData.write_ms`` has them.
    The output appears whole or not at all. Sources: the UVH5 memo; CASA memo 229.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import armillary as arm
    >>> from armillary.testing import simulated_observation
    >>> folder = tempfile.TemporaryDirectory()
    >>> observation = simulated_observation(pathlib.Path(folder.name))
    >>> report = arm.convert.visibilities(
    ...     observation.paths, pathlib.Path(folder.name) / "all.uvh5", phase="meridian")
    >>> report.observations[0].n_channels
    24
    >>> folder.cleanup()
    """
    _require_choice("spectral_windows", spectral_windows, SPECTRAL_WINDOWS)
    _require_choice("on_incomplete", on_incomplete, ON_INCOMPLETE)
    _require_expected(expected_subbands)
    target = _target(phase)
    destination = Path(out)
    kind = format_of(destination, format)
    reader = asked_for(OPERATION, backend)
    files = Files(reader if isinstance(reader, Format) else None)
    options = _Options(
        overwrite,
        kind,
        target,
        spectral_windows == "merge",
        _columns(columns, kind),
        on_incomplete,
        expected_subbands,
        _tolerance(time_tolerance),
    )
    # A converter that was asked for reads; the default does the rest.
    plan = choose(Request(OPERATION), DEFAULT if isinstance(reader, Format) else backend)
    _require_casacore(kind)
    paths = files_of(inputs)
    every = observations(
        [VisibilityFile.of(files.header(path)) for path in paths],
        options.time_tolerance,
        expected_subbands,
    )
    wanted, skipped = _complete(every, on_incomplete)
    if kind == "ms" and target is None:
        _require_phase_centers(wanted)
    named = outputs(destination, [observation.first_time for observation in wanted])
    for path in named:
        check_output(path, kind, overwrite, paths)
    conveniences = {
        "files": files,
        "threads": thread_count(threads),
        "memory": _block_memory(memory),
    }
    total = sum(map(_size, wanted))
    done = 0
    reports = []
    with reporting(progress, "convert") as report:
        for observation, path in zip(wanted, named, strict=True):
            told = None if report is None else _shifted(report, done, total)
            reports.append(_convert(plan, observation, path, options, conveniences, told))
            done += _size(observation)
    return ConversionReport(tuple(reports), tuple(skipped))


@dataclass(frozen=True, slots=True)
class _Options:
    """What every observation of a call is asked for."""

    overwrite: bool
    format: str | Format
    target: Target
    merge: bool
    columns: tuple[str, ...]
    on_incomplete: str
    expected_subbands: int | None
    time_tolerance: float

    def in_words(self) -> str:
        """For the history."""
        place = self.target
        where = (
            f"ICRS {place.ra!r} {place.dec!r} rad" if isinstance(place, Direction) else str(place)
        )
        said = {
            "format": self.format.name if isinstance(self.format, Format) else self.format,
            "phase": where,
            "spectral_windows": "merge" if self.merge else "keep",
            "columns": ",".join(self.columns),
            "on_incomplete": self.on_incomplete,
            "expected_subbands": self.expected_subbands,
            "time_tolerance": self.time_tolerance,
        }
        return "; ".join(f"{name}={value}" for name, value in said.items())


def _convert(
    plan: Plan,
    observation: Observation,
    out: Path,
    options: _Options,
    conveniences: dict[str, Any],
    progress: Progress | None,
) -> ObservationReport:
    """One observation, whole or not at all."""
    begin = clock.perf_counter()
    history = [
        f"Converted by armillary {__version__} from {len(observation.files)} files; "
        f"{options.in_words()}",
        *(f"Input: {file.path}" for file in observation.files),
        *(f"Missing, filled with flagged zeros: {band}" for band in observation.missing),
    ]
    with temporary_folder(out) as room:
        new = room / out.name
        flagged = call(
            plan,
            {"observation": observation, "out": new, "format": options.format},
            {
                "phase_center": (options.target, None),
                "merge": (options.merge, True),
                "columns": (options.columns, ("DATA",)),
            },
            {"history": history, "progress": progress, **conveniences},
        )
        if not hasattr(flagged, "__index__") or not new.exists():
            raise ContractError(
                f"{plan.backend} must write {new.name!r} and return the number of flagged "
                f"visibilities, not {flagged!r:.60}"
            )
        bytes_written = size_of(new)
        put_in_place(new, out, room, options.overwrite)
    pieces = [next(file for file in piece if file is not None) for piece in observation.pieces]
    return ObservationReport(
        out=out,
        inputs=tuple(file.path for file in observation.files),
        first_time=observation.first_time - MJD,
        n_times=sum(file.n_times for file in pieces),
        n_baselines=max(file.n_baselines for file in pieces),
        n_rows=sum(file.n_rows for file in pieces),
        n_channels=sum(len(frequency) for frequency, _ in observation.bands),
        n_polarizations=pieces[0].n_polarizations,
        missing=observation.missing,
        flagged_fraction=int(flagged) / _size(observation),
        bytes_read=sum(size_of(file.path) for file in observation.files),
        bytes_written=bytes_written,
        seconds=clock.perf_counter() - begin,
        provenance=plan.provenance(conveniences["threads"]),
    )


def _size(observation: Observation) -> int:
    """Visibilities of the output."""
    n_channels = sum(len(frequency) for frequency, _ in observation.bands)
    return n_channels * sum(
        file.n_rows * file.n_polarizations
        for piece in observation.pieces
        for file in [next(file for file in piece if file is not None)]
    )


def _shifted(report: Progress, before: int, total: int) -> Progress:
    """Progress of one observation among several."""
    return lambda done, _: report(before + done, total)


def _complete(
    every: Sequence[Observation], on_incomplete: str
) -> tuple[list[Observation], list[Skipped]]:
    """Observations to convert, and those to skip."""
    wanted, skipped = [], []
    for observation in every:
        missing = observation.missing
        if not missing or on_incomplete == "fill":
            wanted.append(observation)
            continue
        first = observation.files[0].path
        reason = (
            f"the observation that begins with {str(first)!r} lacks {len(missing)} of its files: "
            f"{', '.join(missing)}"
        )
        if on_incomplete == "error":
            raise ValueError(f"{reason} (on_incomplete='skip' or 'fill' would go on)")
        skipped.append(Skipped(tuple(file.path for file in observation.files), reason))
    return wanted, skipped


def _require_phase_centers(every: Sequence[Observation]) -> None:
    """A Measurement Set has no place for data that are phased to nothing."""
    for observation in every:
        for file in observation.files:
            if not file.is_projected:
                raise VisibilityFileError(
                    file.path,
                    "has no phase centre among the stars, which a Measurement Set must have: "
                    "phase='meridian' gives each integration one on the meridian, a SkyCoord "
                    "one for all",
                )


# ------------------------------------------------------------------ arguments


def _require_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def _require_expected(value: Any) -> None:
    whole = value is None or (hasattr(value, "__index__") and not isinstance(value, bool))
    if not whole or (value is not None and value < 1):
        raise ValueError(
            f"expected_subbands must be a whole number of at least 1 or None, not {value!r}"
        )


def _tolerance(value: Any) -> float:
    with contextlib.suppress(ValueError, TypeError):
        value = value.to_value("s") if hasattr(value, "to_value") else value
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0.0 <= value < 1e300:
        raise ValueError(f"time_tolerance must be a number of seconds, not {value!r:.60}")
    return float(value)


def _target(phase: Any) -> Target:
    if phase is None:
        return None
    if isinstance(phase, str) and phase == "meridian":
        return "meridian"
    if isinstance(phase, str):
        raise ValueError(f"phase must be None, 'meridian' or a SkyCoord, not {phase!r}")
    return direction("phase", phase)


def _columns(columns: Any, kind: str | Format) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    strange = [name for name in names if name not in COLUMNS]
    if strange or "DATA" not in names or len(set(names)) < len(names):
        raise ValueError(
            f"columns must be 'DATA' and, if wanted, {' and '.join(map(repr, COLUMNS[1:]))}, "
            f"each once, not {names!r}"
        )
    if kind != "ms" and names != ("DATA",):
        raise ValueError("columns are those of a Measurement Set; other formats have only 'DATA'")
    return names


def _require_casacore(kind: str | Format) -> None:
    if kind != "ms":
        return
    try:
        import casacore.tables  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "a Measurement Set needs python-casacore, which is not installed: "
            "pip install 'armillary[ms]'"
        ) from error


def _block_memory(memory: Any) -> float:
    return float("inf") if memory is None else memory_limit(memory) / BLOCKS_AT_ONCE
