"""``armillary crossmatch``: from two catalogues on disk to one of their matches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .overwriting import refuse_inputs

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from ..crossmatch.catalog.radius import NSigma
    from ..crossmatch.disk.report import CatalogsReport
    from ..crossmatch.statistics import PairStatistics

EXAMPLES = """
**Examples**

    # how many sources two catalogues share within 2 arcsec
    armillary crossmatch mine.csv gaia.parquet -r 2

    # both moved to 2016, with a picture in which a wrong epoch is seen
    armillary crossmatch hipparcos.fits gaia.parquet -r 1 --epoch 2016 \\
        --left-columns epoch=1991.25 -o matches.parquet --plot matches.png

    # columns with other names, and an error that is not in the file
    armillary crossmatch list.csv survey.vot --sigma 3 \\
        --left-columns ra=alpha,dec=delta,error=0.3 --right-columns error=e_pos

    # everything near each source, a few columns only, within 4 GB of memory
    armillary crossmatch folder/ hats/ -r 10 --all --memory 4GB \\
        --keep-left id --keep-right mag -o all.parquet
"""

_MATCHING = "Matching"
_READING = "Reading"
_OUTPUT = "Output"
_RUNNING = "Running"

#: Lines of the histogram, and the widest page that the summary is made for.
LINES = 20
WIDEST_PAGE = 80
#: From an eighth of a character to a whole one.
EIGHTHS = "\u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


def crossmatch(
    left: Annotated[
        Path,
        typer.Argument(
            metavar="LEFT",
            help="A catalogue: FITS, CSV, Parquet, VOTable, a folder of Parquet files, or HATS.",
            show_default=False,
        ),
    ],
    right: Annotated[
        Path,
        typer.Argument(metavar="RIGHT", help="Another, of any of these.", show_default=False),
    ],
    radius: Annotated[
        float | None,
        _option(
            "--radius",
            "-r",
            help="Largest separation, inclusive.",
            panel=_MATCHING,
            metavar="ARCSEC",
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        _option(
            "--sigma",
            help="Instead of --radius: so many times sqrt(error_left^2 + error_right^2). "
            "Both sides need an error, a column or a number.",
            panel=_MATCHING,
            metavar="N",
        ),
    ] = None,
    epoch: Annotated[
        float | None,
        _option(
            "--epoch",
            help="Move both to this Julian year first, as far as they have proper motions.",
            panel=_MATCHING,
            metavar="YEAR",
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        _option(
            "-k",
            help="Most matches of a left row, the nearest. Default: 1.",
            panel=_MATCHING,
            metavar="N",
        ),
    ] = None,
    every: Annotated[
        bool, _option("--all", help="Every pair within the radius.", panel=_MATCHING)
    ] = False,
    mutual: Annotated[
        bool,
        _option("--mutual", help="Only pairs that are each other's nearest.", panel=_MATCHING),
    ] = False,
    min_radius: Annotated[
        float,
        _option(
            "--min-radius",
            help="Smallest separation, inclusive.",
            panel=_MATCHING,
            metavar="ARCSEC",
        ),
    ] = 0.0,
    left_columns: Annotated[
        str | None,
        _option(
            "--left-columns",
            help="What the columns are called: ra, dec, pm_ra_cosdec, pm_dec, epoch, error. "
            "epoch and error may be numbers; nothing after = means there is none. "
            "Default: common names are recognised.",
            panel=_READING,
            metavar="ROLE=NAME,...",
        ),
    ] = None,
    right_columns: Annotated[
        str | None,
        _option("--right-columns", help="The same.", panel=_READING, metavar="ROLE=NAME,..."),
    ] = None,
    output: Annotated[
        Path | None,
        _option(
            "--output",
            "-o",
            help="Write the matched rows: a .parquet file, or a name without a suffix for a HATS "
            "catalogue. Without it they are only counted.",
            panel=_OUTPUT,
            metavar="PATH",
        ),
    ] = None,
    join: Annotated[
        str,
        _option(
            "--join",
            help="inner: pairs. left: also left rows without a match. outer: also right rows "
            "without one. anti: left rows without a match, alone.",
            panel=_OUTPUT,
            metavar="WHICH",
        ),
    ] = "inner",
    keep_left: Annotated[
        str | None,
        _option(
            "--keep-left",
            help="Left columns to write. Default: all.",
            panel=_OUTPUT,
            metavar="NAME,...",
        ),
    ] = None,
    keep_right: Annotated[
        str | None,
        _option("--keep-right", help="Right columns: the same.", panel=_OUTPUT, metavar="NAME,..."),
    ] = None,
    overwrite: Annotated[
        bool, _option("--overwrite", help="Replace --output if it exists.", panel=_OUTPUT)
    ] = False,
    plot: Annotated[
        Path | None,
        _option(
            "--plot",
            help="Draw separations and offsets: .png, .pdf or .svg. Replaced if it exists.",
            panel=_OUTPUT,
            metavar="FILE",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        _option(
            "--memory",
            help="Most memory to use, such as 4GB or 500MiB. Default: a quarter of the machine's.",
            panel=_RUNNING,
            metavar="SIZE",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        _option("--threads", help="Default: every processor.", panel=_RUNNING, metavar="N"),
    ] = None,
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="No progress and no summary.", panel=_RUNNING)
    ] = False,
) -> None:
    """Match two catalogues on the sky, of any size.

    Each left row gets the nearest right row within the radius, unless -k or --all. The
    catalogues may be larger than memory. The output appears whole or not at all.
    """
    from ..crossmatch import catalogs
    from ..plot.files import check_picture_path
    from ..report import page

    limit = _limit(radius, sigma)
    if output is None:
        _refuse_without_output(join != "inner", keep_left, keep_right, overwrite)
    elif output.name and output.exists() and not overwrite:
        raise FileExistsError(f"{str(output)!r} exists; --overwrite replaces it")
    if plot is not None:
        check_picture_path(plot)
    refuse_inputs([("--output", output), ("--plot", plot)], [left, right])
    report = catalogs(
        left,
        right,
        limit,
        output,
        columns=_kept(keep_left, keep_right),
        join=join,
        k=_most_matches(neighbours, every, mutual),
        mutual=mutual,
        min_radius=min_radius,
        epoch=epoch,
        left_columns=_roles("--left-columns", left_columns),
        right_columns=_roles("--right-columns", right_columns),
        memory=memory,
        threads=threads,
        progress=not quiet,
        overwrite=overwrite,
    )
    if not quiet:
        _tell(page(), report, left, right)
    if plot is not None:
        _draw(report, plot, f"{left.name} and {right.name}")
        if not quiet:
            typer.echo(f"picture: {plot}")


# ------------------------------------------------------------------ what was asked for


def _limit(radius: float | None, sigma: float | None) -> float | NSigma:
    from ..crossmatch import n_sigma

    if radius is not None and sigma is None:
        return radius
    if sigma is not None and radius is None:
        return n_sigma(sigma)
    raise ValueError("how near is near enough must be given by --radius or --sigma, by one of them")


def _most_matches(neighbours: int | None, every: bool, mutual: bool) -> int | None:
    """The matches that a left row may have; None for all within the radius."""
    if every and (mutual or neighbours is not None):
        other = "--mutual" if mutual else f"-k {neighbours}"
        raise ValueError(f"{other} and --all exclude each other")
    if every:
        return None
    return 1 if neighbours is None else neighbours


def _roles(option: str, text: str | None) -> dict[str, str | float | None] | None:
    """What ``ra=RA,dec=DEC,epoch=2016`` says, by role."""
    from ..crossmatch.catalog.columns import NUMBERS, ROLES

    if text is None:
        return None
    roles: dict[str, str | float | None] = {}
    for part in text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or role not in ROLES:
            raise ValueError(
                f"{option} must be ROLE=NAME,... with a role of {', '.join(ROLES)}, not {part!r}"
            )
        if role in roles:
            raise ValueError(f"{option} names {role} twice")
        roles[role] = _number(name) if role in NUMBERS else name or None
    return roles


def _number(name: str) -> str | float | None:
    """A number, if it is one; otherwise the name of a column."""
    try:
        return float(name)
    except ValueError:
        return name or None


def _kept(left: str | None, right: str | None) -> dict[str, list[str]] | None:
    kept = {
        side: [name.strip() for name in names.split(",") if name.strip()]
        for side, names in (("left", left), ("right", right))
        if names is not None
    }
    return kept or None


def _refuse_without_output(
    join: bool, keep_left: str | None, keep_right: str | None, overwrite: bool
) -> None:
    given = {
        "--join": join,
        "--keep-left": keep_left is not None,
        "--keep-right": keep_right is not None,
        "--overwrite": overwrite,
    }
    for option, is_given in given.items():
        if is_given:
            raise ValueError(f"{option} is about the file that is written; give it with --output")


# ------------------------------------------------------------------ the picture


def _draw(report: CatalogsReport, path: Path, title: str) -> None:
    from ..plot.files import save_figure
    from ..plot.matches import plot_matches

    save_figure(plot_matches(report, title=f"{title}: {report.n_pairs:,} pairs"), path)


# ------------------------------------------------------------------ telling


def _tell(console: Console, report: CatalogsReport, left: Path, right: Path) -> None:
    console.width = min(console.width, WIDEST_PAGE)
    for part in summary(console, report, left, right):
        console.print(part)
    if report.out is None:
        typer.echo("not written; --output PATH writes the matched rows")
    else:
        typer.echo(f"written: {report.out} ({report.n_written:,} rows)")


def summary(
    console: Console, report: CatalogsReport, left: Path, right: Path
) -> Iterator[RenderableType]:
    """What was read and matched: a table, medians, and a histogram of separations.

    Parameters
    ----------
    console : rich.console.Console
        The page; tells its width and whether it can show more than ASCII.
    report : CatalogsReport
        Result of :func:`armillary.crossmatch.catalogs`.
    left, right : Path
        The catalogues, as the caller names them.

    Yields
    ------
    renderable
        To be printed one after the other.
    """
    yield _counts(report, left, right)
    yield ""
    yield _medians(report.statistics)
    if report.statistics.n_pairs:
        yield ""
        ascii_only = console.options.ascii_only
        yield _text(*histogram(report.statistics, console.width, ascii_only=ascii_only))
    yield ""


def _counts(report: CatalogsReport, left: Path, right: Path) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for name in ("left", "right"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_row("catalogue", _text(str(left)), _text(str(right)))
    for name, of_left, of_right in (
        ("rows read", report.n_left, report.n_right),
        ("matched", report.n_matched_left, report.n_matched_right),
        ("without a match", report.n_unmatched_left, report.n_unmatched_right),
        ("  for want of a position", report.n_dropped_left, report.n_dropped_right),
    ):
        table.add_row(name, f"{of_left:,}", f"{of_right:,}")
    return table


def _medians(statistics: PairStatistics) -> str:
    """How many pairs, and where they lie in the middle."""
    told = counted(statistics.n_pairs, "pair")
    if statistics.median is None:
        return told
    return (
        f"{told}, median separation {statistics.describe_median()} arcsec\n"
        f"median offset, right minus left: {statistics.describe_offset()} (arcsec)"
    )


def histogram(statistics: PairStatistics, width: int, *, ascii_only: bool = False) -> list[str]:
    """The separations as lines of bars.

    Parameters
    ----------
    statistics : PairStatistics
        Of at least one pair.
    width : int
        Most characters of a line.
    ascii_only : bool
        Draw with ``#`` instead of blocks.

    Returns
    -------
    list of str
        A heading, then one line for each range of separations.
    """
    counts = statistics.separation_counts.reshape(LINES, -1).sum(axis=1)
    edges = statistics.separation_edges[:: len(statistics.separation_counts) // LINES]
    names = _ranges(edges)
    numbers = [f"{count:,}" for count in counts]
    label, number = len(names[0]), max(len("pairs"), *map(len, numbers))
    room = width - label - number - 4
    bars = [_bar(count / counts.max(), room, ascii_only) for count in counts]
    heading = f"{'arcsec':>{label}}  {'pairs':>{number}}"
    lines = zip(names, numbers, bars, strict=True)
    return [heading, *(f"{name}  {n:>{number}}  {bar}".rstrip() for name, n, bar in lines)]


def _ranges(edges: Any) -> list[str]:
    """The ranges between edges, with as many places as tell them apart, all of one length."""
    places = max(0, 1 - math.floor(math.log10(edges[1])))
    told = [f"{edge:.{places}f}" for edge in edges]
    long = len(told[-1])
    return [f"{low:>{long}} - {high:>{long}}" for low, high in pairwise(told)]


def _bar(fraction: float, room: int, ascii_only: bool) -> str:
    """A bar of this fraction of the room; what is not nothing is seen."""
    if fraction == 0.0:
        return ""
    if ascii_only:
        return "#" * max(1, round(room * fraction))
    whole, part = divmod(max(1, round(8 * room * fraction)), 8)
    return EIGHTHS[-1] * whole + (EIGHTHS[part - 1] if part else "")


def _text(*lines: str) -> Any:
    """Text as it is: what files are called is no markup."""
    from rich.text import Text

    return Text("\n".join(lines))
