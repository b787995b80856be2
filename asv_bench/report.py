"""The quick benchmark for people (a terminal), for documents (Markdown), for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.common import THREADS
from comparison import Beside, Comparison, Figure
from fitting import FitComparison, ForcedComparison, ModelComparison, Scaling
from matching import MATCH_THREADS, MatchComparison
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

VERDICTS = {
    True: Text("met", style="green"),
    False: Text("not met", style="bold red"),
    None: Text(""),
}

#: Of what machine() tells, what is no version.
CONDITIONS = ("date", "processor", "processors", "CPU variant")

#: Columns of numbers.
COUNTS = ("points", "periods", "left", "right")

#: Columns of a page that is written to a file or a pipe.
PIPE_WIDTH = 130

#: Said under every table of ratios, wherever it is printed.
HOW = (
    "Ratios are peer time / armillary time, medians of runs that take turns; peers run on one "
    "thread. astropy has the same periods, durations, bins and statistic. GERBLS folds fast, in "
    "float32, on periods that it chooses itself; armillary is given the same ones. Bins are those "
    "in the shortest duration, armillary / peer; unless they are the same, GERBLS runs as run_bls "
    "does, which widens them with period. Height is the highest delta_chi2 of armillary over that "
    "of the peer, before refinement."
)


#: The same under the table of matches.
HOW_MATCHES = (
    "Ratios are peer time / armillary time, medians of runs that take turns, from degrees to pairs "
    f"within 2 arcsec, trees and unit vectors included; armillary and, of the peers, pykdtree and "
    f"scipy use {MATCH_THREADS} threads. The right catalogue is a jittered copy of the left with "
    "70 % in common. A galactic sky has a disc, a centre and clusters. Other pairs are those that "
    "only one of the two found: ties, and separations within rounding of the radius."
)

#: The same under the tables of isophotes.
HOW_FITS = (
    "Ratios are photutils time / armillary time, medians of runs that take turns, with the same "
    "image, first ellipse, steps and stop rule; one thread each, unless two are named. Isophotes "
    "and iterations are those of armillary / photutils. Apart is the median relative difference of "
    "the intensity, in fits of isophotes that converged in both. EllipseSample alone has the "
    "intensity and the gradient; with Isophote it has what armillary always gives: errors, "
    "harmonics and fluxes. A residual is the median relative difference of a model from a galaxy "
    "without noise, from half to four effective radii, armillary / photutils, each from its own "
    "isophotes."
)


#: The same under that of conversions.
HOW_CONVERSIONS = (
    "16 subbands of 48 channels, 64 antennas with autocorrelations, 24 times, 2 polarizations in "
    "the layout of DSA-110, phased to one centre, into one Measurement Set; medians of runs that "
    "take turns. Beside pyuvdata (read, fast_concat, phase, write_ms; checks off) the ratio is its "
    "time / armillary time. Beside the floors it is armillary time / theirs: h5py reading "
    "visibilities, flags and samples, and casacore writing DATA, FLAG, WEIGHT_SPECTRUM and UVW "
    "from memory."
)


#: The same under that of caches.
HOW_CACHES = (
    "A hit is to get an array of float64 and to sum it, checksum verification included; medians of "
    "hits that take turns. Beside diskcache and joblib.hash the ratio is the peer's time / "
    "armillary time; beside joblib.Memory, in the faster of its settings, armillary time / its "
    "time. Smaller is length / stored length; decoding is in gigabytes of array per second, one "
    "thread. The trace is asv_bench/survey_trace.py; its ratio is of seconds of computing saved, "
    "with the same budget."
)


@dataclass
class Findings:
    """Everything that was measured, and where."""

    about: dict[str, str]
    searches: list[Comparison] = field(default_factory=list)
    matches: list[MatchComparison] = field(default_factory=list)
    fits: list[FitComparison] = field(default_factory=list)
    forced: list[ForcedComparison] = field(default_factory=list)
    models: list[ModelComparison] = field(default_factory=list)
    scaling: Scaling | None = None
    conversions: list[Beside] = field(default_factory=list)
    caches: list[Beside] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


# ------------------------------------------------------------------ a terminal


def show(console: Console, found: Findings) -> None:
    """Print everything."""
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    if found.searches:
        console.print(_ratios(found.searches))
        console.print(HOW, style="dim")
    if found.matches:
        console.print(_matches(found.matches))
        console.print(HOW_MATCHES, style="dim")
    if found.fits:
        for rows in (fit_rows(found.fits), forced_rows(found.forced), model_rows(found.models)):
            console.print(_with_verdicts(rows))
        console.print(HOW_FITS, style="dim")
    if found.scaling is not None:
        console.print(scaling_sentence(found.scaling), VERDICTS[found.scaling.met])
    if found.conversions:
        console.print(_with_verdicts(beside_rows("conversion", found.conversions), "Conversions"))
        console.print(HOW_CONVERSIONS, style="dim")
    if found.caches:
        console.print(_with_verdicts(beside_rows("cache", found.caches), "Caches"))
        console.print(HOW_CACHES, style="dim")
    if found.figures:
        console.print(_figures(found.figures))
    console.print(f"Measured on {_conditions(found.about)}.")


def _matches(found: Sequence[MatchComparison]) -> Table:
    table = _table("Peer time / armillary time", "sky", "left", "right", "peer")
    table.add_column("ratio", justify="right")
    table.add_column("target")
    table.add_column("pairs", justify="right")
    table.add_column("other pairs", justify="right")
    for one in found:
        asked = one.question
        target = Text("")
        if asked.target is not None:
            target = Text.assemble(f"{asked.target:g} ", VERDICTS[one.met])
        size = f"{asked.left:,}", f"{asked.right:,}"
        cells = _ratio(one.ratio), target, f"{one.pairs:,}", f"{one.other_pairs:,}"
        table.add_row(asked.sky, *size, asked.peer, *cells)
    return table


def _ratios(found: Sequence[Comparison]) -> Table:
    table = _table("Peer time / armillary time", "light curve", "points", "periods", "peer", "bins")
    for threads in THREADS:
        table.add_column(f"{threads} thread{'s' * (threads > 1)}", justify="right")
        table.add_column("target")
    table.add_column("height", justify="right")
    for one in found:
        cells: list[str | Text] = []
        for threads in THREADS:
            cells += [_ratio(one.ratios[threads]), _target(one, threads)]
        size = f"{one.points:,}", f"{one.periods:,}"
        table.add_row(one.light_curve, *size, one.peer, _bins(one), *cells, f"{one.height:.3f}")
    return table


def _bins(one: Comparison) -> str:
    return f"{one.bins:.0f} / {one.peer_bins:.0f}"


def _ratio(value: float) -> str:
    """Two digits that count, also where a peer is far ahead."""
    return f"{value:.1f}" if value >= 1.0 else f"{value:.2g}"


def _target(one: Comparison, threads: int) -> Text:
    if threads not in one.targets:
        return Text("")
    return Text.assemble(f"{one.targets[threads]:g} ", VERDICTS[one.met(threads)])


def _figures(figures: Sequence[Figure]) -> Table:
    table = _table("Figures with a budget", "what", "value", "unit", "at most", "")
    for figure in figures:
        values = f"{figure.value:.3g}", figure.unit, f"{figure.budget:g}"
        table.add_row(figure.what, *values, VERDICTS[figure.met])
    return table


def _conditions(machine: dict[str, str]) -> str:
    """When, where and with what."""
    rest = dict(machine)
    day, name, count, variant = (rest.pop(key) for key in CONDITIONS)
    where = f"{name} ({count} processors, CPU variant {variant})"
    return f"{day}, {where}, {', '.join(f'{name} {value}' for name, value in rest.items())}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right" if column in COUNTS else "left")
    return table


# ------------------------------------------------------------------ isophotes


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of text: its head, its cells, how many columns of words it begins with."""

    head: list[str]
    cells: list[list[str]]
    words: int
    targets: list[float]
    met: list[bool]


def fit_rows(found: Sequence[FitComparison]) -> Rows:
    """Fits of a galaxy."""
    cells = [
        [one.what, _ratio(one.ratio), _pair(one.isophotes), _pair(one.iterations), _part(one.apart)]
        for one in found
    ]
    head = ["fit of", "ratio", "isophotes", "iterations", "apart"]
    return Rows(head, cells, 1, [one.target for one in found], [one.met for one in found])


def forced_rows(found: Sequence[ForcedComparison]) -> Rows:
    """Given ellipses."""
    cells = [
        [one.what, one.peer, _ratio(one.ratio), str(one.ellipses), _part(one.apart)]
        for one in found
    ]
    head = ["given ellipses on", "photutils runs", "ratio", "ellipses", "apart"]
    return Rows(head, cells, 2, [one.target for one in found], [one.met for one in found])


def model_rows(found: Sequence[ModelComparison]) -> Rows:
    """Model images."""
    cells = [
        [
            one.what,
            "yes" if one.harmonics else "no",
            *(_ratio(one.ratios[threads]) for threads in THREADS),
            " / ".join(map(_part, one.residuals)),
        ]
        for one in found
    ]
    threads = [f"{n} thread{'s' * (n > 1)}" for n in THREADS]
    head = ["model of", "harmonics", *threads, "residual"]
    return Rows(head, cells, 2, [one.target for one in found], [one.met for one in found])


def scaling_sentence(found: Scaling) -> str:
    """Two threads against one."""
    return (
        f"{found.what}: two threads are {found.speed_up:.2f} times as fast as one, arithmetic in "
        f"the same run {found.possible:.2f} times; that is {found.quotient:.2f} of what is "
        f"possible (target {found.target:g})."
    )


def beside_rows(what: str, found: Sequence[Beside]) -> Rows:
    """Tasks, against a peer or a floor."""
    cells = [[one.what, one.beside, _ratio(one.ratio)] for one in found]
    head = [what, "beside", "ratio"]
    return Rows(head, cells, 2, [one.target for one in found], [one.met for one in found])


def _with_verdicts(rows: Rows, title: str = "photutils time / armillary time") -> Table:
    table = _table(title, *rows.head[: rows.words])
    for name in rows.head[rows.words :]:
        table.add_column(name, justify="right")
    table.add_column("target")
    for cells, target, met in zip(rows.cells, rows.targets, rows.met, strict=True):
        table.add_row(*cells, Text.assemble(f"{target:g} ", VERDICTS[met]))
    return table


def _as_markdown(rows: Rows) -> str:
    rule = ["---"] * rows.words + ["---:"] * (len(rows.head) - rows.words)
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows.head, rule, *rows.cells])


def _pair(counts: tuple[int, int]) -> str:
    return " / ".join(map(str, counts))


def _part(value: float) -> str:
    """A small part of one, in per cent."""
    return f"{100.0 * value:.2g} %"


# ------------------------------------------------------------------ documents and programs


def markdown(found: Findings) -> str:
    """The tables that the documentation quotes: ratios, versions, and no seconds."""
    parts = []
    if found.searches:
        parts += [_search_rows(found.searches), HOW]
    if found.matches:
        parts += [_match_rows(found.matches), HOW_MATCHES]
    if found.fits:
        parts += map(
            _as_markdown,
            (fit_rows(found.fits), forced_rows(found.forced), model_rows(found.models)),
        )
        parts.append(HOW_FITS)
    if found.scaling is not None:
        parts.append(scaling_sentence(found.scaling))
    if found.conversions:
        parts += [_as_markdown(beside_rows("conversion", found.conversions)), HOW_CONVERSIONS]
    if found.caches:
        parts += [_as_markdown(beside_rows("cache", found.caches)), HOW_CACHES]
    return "\n\n".join([*parts, f"Measured on {_conditions(found.about)}."])


def _search_rows(found: Sequence[Comparison]) -> str:
    threads = [f"{n} thread{'s' * (n > 1)}" for n in THREADS]
    head = ["light curve", "points x periods", "peer", "bins", *threads, "height"]
    rows = [head, ["---", "---", "---", "---", *["---:" for _ in threads], "---:"]]
    for one in found:
        ratios = [_ratio(one.ratios[n]) for n in THREADS]
        size = f"{one.points:,} x {one.periods:,}"
        rows.append([one.light_curve, size, one.peer, _bins(one), *ratios, f"{one.height:.3f}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _match_rows(found: Sequence[MatchComparison]) -> str:
    rows = [["sky", "rows", "peer", "ratio", "pairs"], ["---", "---", "---", "---:", "---:"]]
    for one in found:
        asked = one.question
        size = f"{asked.left:,} x {asked.right:,}"
        rows.append([asked.sky, size, asked.peer, _ratio(one.ratio), f"{one.pairs:,}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_json(found: Findings) -> str:
    """Everything, verdicts included."""
    return json.dumps(
        {
            "schema": 3,
            "machine": found.about,
            "comparisons": [
                {**asdict(one), "met": {n: one.met(n) for n in one.targets}}
                for one in found.searches
            ],
            "matches": [{**asdict(one), "met": one.met} for one in found.matches],
            "fits": [{**asdict(one), "met": one.met} for one in found.fits],
            "forced": [{**asdict(one), "met": one.met} for one in found.forced],
            "models": [{**asdict(one), "met": one.met} for one in found.models],
            "scaling": found.scaling
            and {
                **asdict(found.scaling),
                "quotient": found.scaling.quotient,
                "met": found.scaling.met,
            },
            "conversions": [{**asdict(one), "met": one.met} for one in found.conversions],
            "caches": [{**asdict(one), "met": one.met} for one in found.caches],
            "figures": [{**asdict(figure), "met": figure.met} for figure in found.figures],
        },
        indent=2,
    )
