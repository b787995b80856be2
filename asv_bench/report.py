"""The quick benchmark for people (a terminal), for documents (Markdown), for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.common import THREADS
from comparison import Comparison, Figure
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


@dataclass
class Findings:
    """Everything that was measured, and where."""

    about: dict[str, str]
    searches: list[Comparison] = field(default_factory=list)
    matches: list[MatchComparison] = field(default_factory=list)
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


# ------------------------------------------------------------------ documents and programs


def markdown(found: Findings) -> str:
    """The tables that the documentation quotes: ratios, versions, and no seconds."""
    parts = []
    if found.searches:
        parts += [_search_rows(found.searches), HOW]
    if found.matches:
        parts += [_match_rows(found.matches), HOW_MATCHES]
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
            "schema": 2,
            "machine": found.about,
            "comparisons": [
                {**asdict(one), "met": {n: one.met(n) for n in one.targets}}
                for one in found.searches
            ],
            "matches": [{**asdict(one), "met": one.met} for one in found.matches],
            "figures": [{**asdict(figure), "met": figure.met} for figure in found.figures],
        },
        indent=2,
    )
