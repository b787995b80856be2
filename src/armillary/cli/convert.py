"""``armillary convert``: from files to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .convert_catalog import EXAMPLES as CATALOG_EXAMPLES
from .convert_catalog import catalog
from .convert_queue import STATUS_EXAMPLES, WATCH_EXAMPLES, status, watch
from .messages import say
from .phase_center import phase_center
from .transfer import transfer_bar

if TYPE_CHECKING:
    from ..convert.visibility.report import ConversionReport, ObservationReport
    from ..runtime.progress import Progress

convert = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Convert visibilities of radio interferometers, and catalogues.",
)

VISIBILITIES_EXAMPLES = """
**Examples**

    # the subbands of one observation into a Measurement Set, phased to a source
    armillary convert visibilities 2025-10-03T05:12:30_sb*.hdf5 -o 3c286.ms \\
        --phase 13h31m08.3s,+30d30m33s

    # a night of a correlator that tracks the meridian: an output for each observation
    armillary convert visibilities night/ -o 'ms/{time}.ms' --phase meridian \\
        --expected-subbands 16 --on-incomplete skip

    # old files into one UVH5 file, whatever their version
    armillary convert visibilities old/*.uvh5 -o all.uvh5
"""

VALIDATE_EXAMPLES = """
**Examples**

    # which files of a night were cut short
    armillary convert validate night/*.hdf5
"""

_OBSERVATIONS = "Observations"
_OUTPUT = "Output"
_RUNNING = "Running"

BYTES_PER_MEGABYTE = 1e6


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


@convert.command(epilog=VISIBILITIES_EXAMPLES, no_args_is_help=True)
def visibilities(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="UVH5 files of any version, folders of them, or patterns in quotes.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        _option(
            "--output",
            "-o",
            help="The result, which appears whole or not at all: a Measurement Set, .ms, or .uvh5. "
            "For several observations a name with {time} in it.",
            panel=_OUTPUT,
            metavar="PATH",
            show_default=False,
        ),
    ],
    format: Annotated[
        str | None,
        _option(
            "--format",
            help="ms or uvh5. Default: what the suffix of --output says.",
            panel=_OUTPUT,
            metavar="NAME",
        ),
    ] = None,
    phase: Annotated[
        str | None,
        _option(
            "--phase",
            help="meridian: one phase centre for each integration, visibilities as they are. "
            "RA,DEC (ICRS, degrees or 13h31m08s,+30d30m33s): one for all, visibilities turned. "
            "Default: those of the files.",
            panel=_OUTPUT,
            metavar="WHERE",
        ),
    ] = None,
    keep_spectral_windows: Annotated[
        bool,
        _option(
            "--keep-spectral-windows", help="One spectral window for each subband.", panel=_OUTPUT
        ),
    ] = False,
    column: Annotated[
        list[str] | None,
        _option(
            "--column",
            help="A column beside DATA: MODEL_DATA (zeros) or CORRECTED_DATA (as DATA); may be "
            "given several times.",
            panel=_OUTPUT,
            metavar="NAME",
        ),
    ] = None,
    overwrite: Annotated[
        bool, _option("--overwrite", help="Replace --output if it exists.", panel=_OUTPUT)
    ] = False,
    expected_subbands: Annotated[
        int | None,
        _option(
            "--expected-subbands",
            help="Subbands of a complete observation. Default: those that are there.",
            panel=_OBSERVATIONS,
            metavar="N",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        _option(
            "--tolerance",
            help="By how much the first times of the files of an observation may differ.",
            panel=_OBSERVATIONS,
            metavar="SECONDS",
        ),
    ] = 60.0,
    on_incomplete: Annotated[
        str,
        _option(
            "--on-incomplete",
            help="Where subbands are missing: error; skip the observation; or fill their channels, "
            "flagged.",
            panel=_OBSERVATIONS,
            metavar="WHAT",
        ),
    ] = "error",
    memory: Annotated[
        str | None,
        _option(
            "--memory",
            help="Most memory for blocks of rows, such as 1GB. Default: some blocks of 12 MB.",
            panel=_RUNNING,
            metavar="SIZE",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        _option("--threads", help="Default: every processor.", panel=_RUNNING, metavar="N"),
    ] = None,
    backend: Annotated[
        str | None,
        _option(
            "--backend",
            help="Who converts; `armillary status` lists the choices.",
            panel=_RUNNING,
            metavar="NAME",
        ),
    ] = None,
    as_json: Annotated[
        bool, _option("--json", help="Print the summary as JSON, for programs.", panel=_RUNNING)
    ] = False,
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="No progress and no summary.", panel=_RUNNING)
    ] = False,
) -> None:
    """Convert the files of a correlator, such as the subbands of an observation, in one pass.

    Files that begin at the same time are one observation, whatever they are called: those of
    other frequencies are its subbands, those of the same follow each other in time. The exit
    status is 1 if an observation was skipped.
    """
    from ..convert.visibility.api import visibilities as convert_visibilities

    if output.name and output.exists() and not overwrite:
        raise FileExistsError(f"{str(output)!r} exists; --overwrite replaces it")
    with transfer_bar("convert", quiet=quiet) as progress:
        report = convert_visibilities(
            inputs,
            output,
            format=format,
            phase=phase_center(phase),
            spectral_windows="keep" if keep_spectral_windows else "merge",
            on_incomplete=on_incomplete,
            expected_subbands=expected_subbands,
            time_tolerance=tolerance,
            columns=_columns(column or []),
            threads=threads,
            memory=memory,
            overwrite=overwrite,
            backend=backend,
            progress=None if progress is None else _in_bytes(progress),
        )
    for skipped in report.skipped:
        say("warning", f"skipped: {skipped.reason}")
    if as_json:
        typer.echo(json.dumps(_as_dict(report), indent=2))
    elif not quiet:
        _tell(report)
    if report.skipped:
        raise typer.Exit(1)


@convert.command(epilog=VALIDATE_EXAMPLES, no_args_is_help=True)
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="UVH5 files of any version.", show_default=False),
    ],
) -> None:
    """Tell whether files of visibilities are whole, from their headers, in milliseconds each.

    A line for each file says what is wrong with it; the exit status is 1 if anything is.
    Visibilities are not read, so that damage within them is not found.
    """
    wrong = 0
    for path in files:
        problems = _problems(path)
        wrong += bool(problems)
        typer.echo(f"{path}: {'; '.join(problems) or 'ok'}")
    if wrong:
        raise typer.Exit(1)


convert.command(epilog=CATALOG_EXAMPLES, no_args_is_help=True)(catalog)
convert.command(epilog=WATCH_EXAMPLES, no_args_is_help=True)(watch)
convert.command(epilog=STATUS_EXAMPLES)(status)


# ------------------------------------------------------------------ what was asked for


def _columns(more: list[str]) -> tuple[str, ...]:
    return ("DATA", *dict.fromkeys(name for name in more if name != "DATA"))


def _in_bytes(progress: Progress) -> Progress:
    """Progress in visibilities as progress in the bytes of them, their flags and weights."""
    from ..convert.visibility.job import VISIBILITY_BYTES

    return lambda done, total: progress(VISIBILITY_BYTES * done, VISIBILITY_BYTES * total)


def _problems(path: Path) -> tuple[str, ...]:
    """What is wrong with a file, or why it cannot be looked at."""
    from ..convert.visibility.validation import validate as validate_file

    try:
        return validate_file(path).problems
    except OSError as error:
        return (f"cannot be read: {error.strerror or error}",)


# ------------------------------------------------------------------ telling


def _as_dict(report: ConversionReport) -> dict[str, Any]:
    return {
        "observations": [each.to_dict() for each in report.observations],
        "skipped": [
            {"inputs": [str(path) for path in each.inputs], "reason": each.reason}
            for each in report.skipped
        ],
    }


def _tell(report: ConversionReport) -> None:
    """A line for each observation, then what was read and written in all."""
    for each in report.observations:
        typer.echo(f"{each.out}: {_contents(each)}")
        if each.missing:
            say("note", f"flagged in {str(each.out)!r}, for want of files: {_missing(each)}")
    n_skipped = len(report.skipped)
    skipped = f", {n_skipped:,} skipped" if n_skipped else ""
    typer.echo(f"{counted(len(report.observations), 'observation')} converted{skipped}")
    if report.observations:
        typer.echo(_amounts(report))


def _contents(each: ObservationReport) -> str:
    return ", ".join(
        (
            counted(each.n_rows, "row"),
            counted(each.n_times, "integration"),
            counted(each.n_baselines, "baseline"),
            counted(each.n_channels, "channel"),
            counted(each.n_polarizations, "polarization"),
            f"{each.flagged_fraction:.1%} flagged",
        )
    )


def _missing(each: ObservationReport) -> str:
    return ", ".join(each.missing)


def _amounts(report: ConversionReport) -> str:
    """``16 files, 1,040.5 MB read and 1,039.2 MB written in 3.1 s (336 MB/s)``."""
    n_files = sum(len(each.inputs) for each in report.observations)
    read, written = (
        sum(sizes) / BYTES_PER_MEGABYTE
        for sizes in zip(
            *((each.bytes_read, each.bytes_written) for each in report.observations), strict=True
        )
    )
    seconds = sum(each.seconds for each in report.observations)
    return (
        f"{counted(n_files, 'file')}, {read:,.1f} MB read and {written:,.1f} MB written in "
        f"{seconds:,.1f} s ({read / max(seconds, 1e-3):,.0f} MB/s)"
    )
