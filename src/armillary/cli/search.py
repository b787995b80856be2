"""``armillary search bls``: from files to candidates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .jobs import Job, Recipe, SearchOutcome, sentence_of
from .kept import Cache, kept_in, tell_hits
from .messages import say
from .overwriting import refuse_inputs

if TYPE_CHECKING:
    from ..runtime.pool import Pool
    from .pictures import PicturePaths

logger = logging.getLogger(__name__)

search = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Search light curves for transits."
)

EXAMPLES = """
**Examples**

    # one sector, with its slow variation removed
    armillary search bls s0002_lc.fits --detrend 1 -o wasp4.ecsv --plot wasp4.png

    # four sectors of one star, searched jointly
    armillary search bls sector*.csv --join --detrend 1 --min-period 5

    # many stars, two at a time, with a picture of each
    armillary search bls *.fits --detrend 1 --threads 2 -o all.parquet --plot plots

    # an M dwarf, with two durations and another backend
    armillary search bls k2.csv --star-radius 0.56 --star-mass 0.6 \\
        --duration 0.08 --duration 0.12 --backend astropy

    # the same stars again tomorrow: what was searched before is read, not searched
    armillary search bls *.fits --detrend 1 --cache disk -o all.parquet
"""

_TIMES = "Times"
_READING = "Reading"
_RUNNING = "Running"
_OUTPUT = "Output"

#: A transit longer than this part of the detrending window loses some of its depth.
WINDOW_IN_DURATIONS = 3.0


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


# ------------------------------------------------------------------ options of all commands

Detrend = Annotated[
    float | None,
    _option(
        "--detrend",
        help="Divide by a running biweight of this full width, in days. "
        "Three times the longest transit or more.",
        panel=_READING,
        metavar="WINDOW",
    ),
]
TimeColumn = Annotated[
    str | None,
    _option(
        "--time-column",
        help="Column of times: a name, or a position counted from 0.",
        panel=_READING,
        metavar="NAME",
    ),
]
FluxColumn = Annotated[
    str | None,
    _option("--flux-column", help="Column of fluxes: the same.", panel=_READING, metavar="NAME"),
]
Quality = Annotated[
    str,
    _option(
        "--quality",
        help="Flagged points to drop: default, hard, none, or a bit mask.",
        panel=_READING,
        metavar="WHICH",
    ),
]
Backend = Annotated[
    str | None,
    _option(
        "--backend",
        help="What computes; `armillary status` lists the choices.",
        panel=_RUNNING,
        metavar="NAME",
    ),
]


@search.callback()
def _group() -> None:
    """Search light curves for transits."""


@search.command(epilog=EXAMPLES, no_args_is_help=True)
def bls(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Light curves: TESS, Kepler or K2 FITS, CSV, white-space text, ECSV, Parquet.",
            show_default=False,
        ),
    ],
    join: Annotated[
        bool,
        _option(
            "--join",
            help="The files are parts of one light curve: detrend each, join, search once.",
            panel=_READING,
        ),
    ] = False,
    detrend: Detrend = None,
    time_column: TimeColumn = None,
    flux_column: FluxColumn = None,
    quality: Quality = "default",
    min_period: Annotated[
        float | None,
        _option(
            "--min-period",
            help="Shortest period. Default: an orbit at three stellar radii.",
            panel=_TIMES,
            metavar="DAYS",
        ),
    ] = None,
    max_period: Annotated[
        float | None,
        _option(
            "--max-period",
            help="Longest period. Default: half the time span.",
            panel=_TIMES,
            metavar="DAYS",
        ),
    ] = None,
    duration: Annotated[
        list[float] | None,
        _option(
            "--duration",
            help="Duration to try; give it once for each. Default: what the star allows.",
            panel=_TIMES,
            metavar="DAYS",
        ),
    ] = None,
    star_radius: Annotated[
        float | None,
        _option("--star-radius", help="Default: 1.", panel=_TIMES, metavar="R_SUN"),
    ] = None,
    star_mass: Annotated[
        float | None,
        _option("--star-mass", help="Default: 1.", panel=_TIMES, metavar="M_SUN"),
    ] = None,
    backend: Backend = None,
    cache: Cache = None,
    threads: Annotated[
        int | None,
        _option(
            "--threads",
            help="Threads in all. Several targets are searched side by side. "
            "Default: every processor.",
            panel=_RUNNING,
            metavar="N",
        ),
    ] = None,
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="No progress and no table.", panel=_RUNNING)
    ] = False,
    peaks: Annotated[
        int,
        _option(
            "--peaks", help="Peaks of each target in the table.", panel=_OUTPUT, metavar="K", min=1
        ),
    ] = 3,
    output: Annotated[
        Path | None,
        _option(
            "--output",
            "-o",
            help="Write the best peak of each target, one row per target: .ecsv, .csv or "
            ".parquet. Replaced if it exists.",
            panel=_OUTPUT,
            metavar="FILE",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        _option(
            "--plot",
            help="Draw each target: a file (.png, .pdf, .svg); for several targets a folder, "
            "or a name with {target} in it.",
            panel=_OUTPUT,
            metavar="PATH",
        ),
    ] = None,
) -> None:
    """Find periodic box-shaped dimmings (box least squares).

    Several files are several targets, unless --join. A file that cannot be searched does not
    stop the others: it is named at the end, and the exit code is then 1; the same goes for a
    picture that cannot be written. Depths are relative to the level out of transit; nothing is
    normalised unless --detrend or --join.
    """
    from ..runtime.pool import Pool
    from ..runtime.threads import thread_count
    from .candidates import check_table_path, row, write_candidates
    from .pictures import PicturePaths

    jobs = [Job(tuple(files))] if join else [Job((file,)) for file in files]
    threads = thread_count(threads)
    _check_backend(backend)
    if output is not None:
        check_table_path(output)
    refuse_inputs([("--output", output), ("--plot", plot)], files)
    pictures = None if plot is None else PicturePaths(plot, len(jobs))
    pool = Pool(min(threads, len(jobs)))
    recipe = Recipe(
        reading=reading(time_column, flux_column, quality),
        window=detrend,
        searching={
            "min_period": min_period,
            "max_period": max_period,
            "duration": duration or None,
            "star": _star(star_radius, star_mass),
            "backend": backend,
            "threads": max(1, threads // pool.workers),
        },
        n_peaks=peaks,
    )
    rows, outcomes = [], []
    with kept_in(cache), closing(_outcomes(pool, recipe, jobs, show=not quiet)) as found:
        for outcome in found:
            rows.append(row(outcome))
            if pictures is not None:
                outcome = _drawn(outcome, pictures, files)
            outcomes.append(outcome.without_periodogram())
    if output is not None:
        write_candidates(output, rows, _how(join, recipe))
    _tell(outcomes, detrend, quiet)
    if any(outcome.error or outcome.picture_error for outcome in outcomes):
        raise typer.Exit(1)


def _check_backend(backend: str | None) -> None:
    """Refuse a backend that cannot run before any file is read."""
    from ..plugins.records import Request
    from ..plugins.select import choose

    choose(Request("search.bls"), backend)


def reading(time_column: str | None, flux_column: str | None, quality: str) -> dict[str, Any]:
    """How a light curve is read; what looks like a number is one."""
    return {
        "time_column": _column(time_column),
        "flux_column": _column(flux_column),
        "quality": int(quality) if quality.isdecimal() else quality,
    }


def _column(name: str | None) -> str | int | None:
    return int(name) if name is not None and name.isdecimal() else name


def _star(radius: float | None, mass: float | None) -> Any:
    from ..search.grid.star import Star

    if radius is None and mass is None:
        return None
    return Star(1.0 if radius is None else radius, 1.0 if mass is None else mass)


def _how(join: bool, recipe: Recipe) -> str:
    options = {**recipe.reading, "detrend": recipe.window, "join": join, **recipe.searching}
    given = (f"{name}={value}" for name, value in options.items() if value not in (None, False))
    return f"search bls, {', '.join(given)}"


# ------------------------------------------------------------------ running


def _outcomes(
    pool: Pool, recipe: Recipe, jobs: Sequence[Job], show: bool
) -> Generator[SearchOutcome, None, None]:
    with _progress(jobs, show) as report:

        def work(job: Job) -> SearchOutcome:
            def progress(done: int, total: int) -> None:
                pool.check()
                report(job, done / total)

            pool.check()
            return recipe.search(job, progress)

        for outcome in pool.run(work, jobs):
            report(outcome.job, 1.0)
            yield outcome


@contextmanager
def _progress(jobs: Sequence[Job], show: bool) -> Iterator[Callable[[Job, float], None]]:
    """A bar for all jobs on standard error, if that is a terminal."""
    from ..runtime.progress import reporting

    many = f"{len(jobs)} targets" if len(jobs) > 1 else jobs[0].name
    done = dict.fromkeys(map(id, jobs), 0.0)
    with reporting(show, f"box search of {many}") as update:

        def report(job: Job, fraction: float) -> None:
            done[id(job)] = fraction
            if update is not None:
                update(sum(done.values()), len(jobs))

        yield report


# ------------------------------------------------------------------ telling


def _drawn(outcome: SearchOutcome, pictures: PicturePaths, inputs: Sequence[Path]) -> SearchOutcome:
    """The outcome after its picture is made; why it could not be is part of it."""
    from ..plot.files import save_figure
    from ..plot.periodogram import plot_periodogram

    if outcome.periodogram is None or not outcome.peaks:
        return outcome
    path = pictures.path(outcome.target)
    try:
        refuse_inputs([("--plot", path)], inputs)  # of a target, whose name is known only now
        save_figure(
            plot_periodogram(outcome.periodogram, outcome.peaks[0], target=outcome.target), path
        )
    except Exception as error:
        logger.debug("%s could not be drawn", outcome.target, exc_info=True)
        why = f"{outcome.job.where}: the picture {str(path)!r} was not written: "
        return replace(outcome, picture_error=why + sentence_of(error))
    return outcome


def _tell(outcomes: Sequence[SearchOutcome], window: float | None, quiet: bool) -> None:
    from ..report import page
    from .candidates import peak_table

    if not quiet and any(not outcome.error for outcome in outcomes):
        console = page()
        console.print(peak_table(outcomes, console.width))
        tell_hits(sum(outcome.cache_hit for outcome in outcomes), len(outcomes), "target")
    for outcome in outcomes:
        best = outcome.peaks[0] if outcome.peaks else None
        if best and window and window < WINDOW_IN_DURATIONS * best.duration:
            say(
                "warning",
                f"{outcome.target}: the detrending window of {window:g} d is shorter than three "
                f"durations ({best.duration:.3g} d each) and takes some of the depth",
            )
    for outcome in outcomes:
        for error in filter(None, (outcome.error, outcome.picture_error)):
            say("error", error)
