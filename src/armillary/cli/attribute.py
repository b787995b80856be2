"""``armillary search attribute``: from a light curve to the points that carry a candidate."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .jobs import Job, Recipe, TargetFailed
from .kept import Cache, kept_in, tell_hits
from .messages import say
from .overwriting import refuse_inputs
from .search import Backend, Detrend, FluxColumn, Quality, TimeColumn, reading

if TYPE_CHECKING:
    from rich.table import Table

    from ..io import LightCurve
    from ..search import Attribution

EXAMPLES = """
**Examples**

    # which points, and which transits, carry a candidate
    armillary search attribute s0002_lc.fits --detrend 1 \\
        --period 1.33823 --t0 1355.1846 --duration 0.09 --plot wasp4.png

    # four sectors of one star; t0 from a paper, so look around it first
    armillary search attribute sector*.csv --detrend 1 --period 14.2424 \\
        --t0 3540.263 --duration 0.25 --scan-t0 -o points.ecsv
"""

_CANDIDATE = "Candidate"
_RUNNING = "Running"
_OUTPUT = "Output"

SUFFIXES = (".ecsv", ".csv")
#: Days between t0 and a light curve beyond which they may be in different time systems: longer than
#: anybody propagates an ephemeris, shorter than from BTJD or BKJD to BJD.
FAR = 100_000.0


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


def attribute(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="A light curve: TESS, Kepler or K2 FITS, CSV, white-space text, ECSV, Parquet. "
            "Several are parts of one: each is detrended, then they are joined.",
            show_default=False,
        ),
    ],
    period: Annotated[float, _option("--period", help="Period.", panel=_CANDIDATE, metavar="DAYS")],
    t0: Annotated[
        float,
        _option(
            "--t0",
            help="A mid-transit, in the time system of the file.",
            panel=_CANDIDATE,
            metavar="DAYS",
        ),
    ],
    duration: Annotated[
        float, _option("--duration", help="Duration.", panel=_CANDIDATE, metavar="DAYS")
    ],
    scan_t0: Annotated[
        bool,
        _option(
            "--scan-t0",
            help="Look for the best t0 around the one that is given, and use that.",
            panel=_CANDIDATE,
        ),
    ] = False,
    half_span: Annotated[
        float | None,
        _option(
            "--half-span",
            help="How far --scan-t0 looks to either side. Default: half the duration, but between "
            "10 and 120 minutes.",
            panel=_CANDIDATE,
            metavar="DAYS",
        ),
    ] = None,
    sharpness: Annotated[
        float | None,
        _option(
            "--sharpness",
            help="How steep the edges of the template are. Default: 150.",
            panel=_CANDIDATE,
            metavar="K",
        ),
    ] = None,
    detrend: Detrend = None,
    time_column: TimeColumn = None,
    flux_column: FluxColumn = None,
    quality: Quality = "default",
    backend: Backend = None,
    cache: Cache = None,
    quiet: Annotated[bool, _option("--quiet", "-q", help="No table.", panel=_RUNNING)] = False,
    transits: Annotated[
        int,
        _option(
            "--transits",
            help="Transits in the table: those that contribute most.",
            panel=_OUTPUT,
            metavar="N",
            min=1,
        ),
    ] = 20,
    output: Annotated[
        Path | None,
        _option(
            "--output",
            "-o",
            help="Write the points and what each contributes: .ecsv or .csv. Replaced if it "
            "exists.",
            panel=_OUTPUT,
            metavar="FILE",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        _option(
            "--plot",
            help="Draw the light curve, coloured by contribution: .png, .pdf or .svg. Replaced "
            "if it exists.",
            panel=_OUTPUT,
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Tell which points and which transits carry the signal of a candidate.

    A smooth transit template is fitted to the light curve. Its score, the depth over its error,
    is the sum of what every point contributes: a planet has its score from all of its transits,
    an outlier from one.
    """
    if half_span is not None and not scan_t0:
        raise ValueError("--half-span is of the scan that --scan-t0 asks for; give both")
    _check(files, backend, output, plot)
    job = Job(tuple(files))
    light_curve = _read(job, Recipe(reading(time_column, flux_column, quality), detrend))
    target = light_curve.meta["target"] or job.name
    _warn_if_far(t0, light_curve)
    options = {"period": period, "duration": duration, "backend": backend}
    if sharpness is not None:
        options["sharpness"] = sharpness
    with kept_in(cache):
        if scan_t0:
            t0 = _scanned(light_curve, t0, half_span, options, quiet)
        found = _attributed(light_curve, t0, options)
    if output is not None:
        _write(found, output)
    if plot is not None:
        _draw(found, target, plot)
    if not quiet:
        _tell(found, target, transits)


def _check(files: list[Path], backend: str | None, output: Path | None, plot: Path | None) -> None:
    """Refuse what cannot be done before any file is read."""
    from .._files import check_destination
    from ..plot.files import check_picture_path
    from ..plugins.records import Request
    from ..plugins.select import choose

    choose(Request("search.template_score"), backend)
    if output is not None:
        if output.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"points cannot be written as {output.name!r}; the suffix must be one of "
                f"{', '.join(SUFFIXES)}"
            )
        check_destination(output)
    if plot is not None:
        check_picture_path(plot)
    refuse_inputs([("--output", output), ("--plot", plot)], files)


def _read(job: Job, recipe: Recipe) -> LightCurve:
    try:
        return recipe.light_curve(job.files)
    except TargetFailed as failure:
        raise ValueError(str(failure)) from failure


def _warn_if_far(t0: float, light_curve: LightCurve) -> None:
    import numpy as np

    if not (np.isfinite(t0) and len(light_curve)):
        return  # both are refused with a sentence of their own
    days = float(np.abs(light_curve.time - t0).min())
    if days > FAR:
        system = light_curve.meta.get("time_system") or "that of the file"
        say(
            "warning",
            f"t0 = {t0:.10g} is {days:,.0f} d from the light curve; is it in its time system "
            f"({system})?",
        )


# ------------------------------------------------------------------ running


def _scanned(
    light_curve: LightCurve,
    t0: float,
    half_span: float | None,
    options: dict[str, Any],
    quiet: bool,
) -> float:
    """The best t0 around the one that was given."""
    from ..search import scan_t0

    scan = scan_t0(light_curve, t0=t0, half_span=half_span, **options)
    if scan.at_end:
        say(
            "warning",
            "the score is highest where the scan ends; the true t0 may be beyond, and a larger "
            "--half-span reaches further",
        )
    if not quiet:
        typer.echo(
            f"t0 {scan.best_t0:.5f}, {1440 * (scan.best_t0 - t0):+.1f} min: score "
            f"{scan.given_score:.2f} -> {scan.best_score:.2f}"
        )
    return scan.best_t0


def _attributed(light_curve: LightCurve, t0: float, options: dict[str, Any]) -> Attribution:
    from ..search import attribute as attribute_score

    return attribute_score(light_curve, t0=t0, **options)


def _write(found: Attribution, path: Path) -> None:
    from .._files import written_whole

    text = io.StringIO()
    form = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}[path.suffix.lower()]
    found.to_table().write(text, format=form)
    with written_whole(path) as file:
        file.write(text.getvalue().encode())


def _draw(found: Attribution, target: str, path: Path) -> None:
    from ..plot.files import save_figure

    save_figure(found.plot(target=target), path)


# ------------------------------------------------------------------ telling


def _tell(found: Attribution, target: str, most: int) -> None:
    from rich.text import Text

    from ..report import page

    console = page()
    console.print(Text(f"{target}: {_in_words(found)}"))
    console.print(_transit_table(found, most))
    left = found.n_transits - most
    if left > 0:
        console.print(f"and {counted(left, 'transit')} that contribute less")
    tell_hits(int(found.provenance.cache_hit), 1, "attribution")


def _in_words(found: Attribution) -> str:
    if abs(found.relative_depth) <= 1:
        depth = f"{1e6 * found.relative_depth:,.0f} ppm"
    else:
        depth = f"{found.depth:.6g} {found.light_curve.flux_unit}".rstrip()
    return (
        f"score {found.score:.2f}, depth {depth}, {counted(found.n_transits, 'transit')}, "
        f"{counted(round(found.n_effective), 'effective point')} of {len(found.contribution):,}"
    )


def _transit_table(found: Attribution, most: int) -> Table:
    """Of the transits with points inside, those that contribute most, in the order of time."""
    import numpy as np
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = found.to_transit_table()
    rows = rows[rows["n_points"] > 0]
    strongest = np.argsort(-np.abs(rows["contribution"].value), kind="stable")[:most]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("transit", "t0 [d]", "points", "contribution", "share"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for row in rows[np.sort(strongest)]:
        table.add_row(
            str(row["transit"]),
            f"{row['t0'].to_value('d'):.4f}",
            f"{row['n_points']:,}",
            f"{float(row['contribution']):.2f}",
            _percent(float(row["contribution"]), found.score),
        )
    return table


def _percent(part: float, whole: float) -> str:
    return f"{round(100 * part / whole)} %" if whole else "-"
