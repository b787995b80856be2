"""``armillary convert catalog``: catalogues of any kind into one Parquet file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .messages import say
from .transfer import transfer_bar

if TYPE_CHECKING:
    from ..convert.catalogs.report import CatalogReport

EXAMPLES = """
**Examples**

    # a FITS table as Parquet
    armillary convert catalog hipparcos.fits -o hipparcos.parquet

    # the catalogues of many nights, one after the other
    armillary convert catalog night*/*.csv -o all.parquet

    # a few columns that two releases share
    armillary convert catalog dr2.vot dr3.fits.gz -o both.parquet --columns source_id,ra,dec
"""

_OUTPUT = "Output"
_RUNNING = "Running"


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


def catalog(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Catalogues: CSV and other text, FITS, VOTable, ECSV, Parquet, HATS; folders of "
            "them; or patterns in quotes.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        _option(
            "--output",
            "-o",
            help="The result: a .parquet file. Appears whole or not at all.",
            panel=_OUTPUT,
            metavar="FILE",
            show_default=False,
        ),
    ],
    columns: Annotated[
        str | None,
        _option(
            "--columns",
            help="Columns to keep, which every input must have. Default: all, and then the inputs "
            "must have the same.",
            panel=_OUTPUT,
            metavar="NAME,...",
        ),
    ] = None,
    overwrite: Annotated[
        bool, _option("--overwrite", help="Replace --output if it exists.", panel=_OUTPUT)
    ] = False,
    memory: Annotated[
        str | None,
        _option(
            "--memory",
            help="Most memory to use, such as 4GB or 500MiB. Default: a quarter of the machine's.",
            panel=_RUNNING,
            metavar="SIZE",
        ),
    ] = None,
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="No progress and no summary.", panel=_RUNNING)
    ] = False,
) -> None:
    """Turn catalogues of any kind and size into one Parquet file.

    The rows of several inputs follow each other, in the order given; those of folders and
    patterns are sorted by path. Types are widened where no value is lost and units converted
    where they can be; anything else is an error, and then there is no output.
    """
    from ..convert.catalogs.api import catalog as convert

    if output.name and output.exists() and not output.is_dir() and not overwrite:
        raise FileExistsError(f"{str(output)!r} exists; --overwrite replaces it")
    with transfer_bar("convert", quiet=quiet) as progress:
        report = convert(
            inputs,
            output,
            columns=_names(columns),
            memory=memory,
            overwrite=overwrite,
            progress=progress,
        )
    if not quiet:
        _tell(report)


def _names(columns: str | None) -> list[str] | None:
    if columns is None:
        return None
    return [name.strip() for name in columns.split(",") if name.strip()]


# ------------------------------------------------------------------ telling


def _tell(report: CatalogReport) -> None:
    from ..convert.catalogs.report import MEGABYTE

    for change in report.changes:
        say("note", change)
    typer.echo(
        f"read: {_formats(report)}, {report.bytes_read / MEGABYTE:,.1f} MB in "
        f"{report.seconds:,.1f} s ({report.megabytes_per_second:,.0f} MB/s)"
    )
    typer.echo(
        f"written: {report.out} ({counted(report.n_rows, 'row')}, "
        f"{counted(report.n_columns, 'column')}, {report.bytes_written / MEGABYTE:,.1f} MB)"
    )


def _formats(report: CatalogReport) -> str:
    """``3 catalogues (2 CSV, 1 FITS)``."""
    counts = Counter(report.formats)
    kinds = ", ".join(f"{n:,} {format}" for format, n in sorted(counts.items()))
    return f"{counted(len(report.inputs), 'catalogue')} ({kinds})"
