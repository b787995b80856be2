"""``armillary check``: hold the backends of a distribution to what they promise."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..plugins.records import Registered
from ..plugins.registry import Blocked, Conflict, Failure, Registry, get_registry
from ..plugins.settings import normalized
from ..testing.kit import SUITES, Outcome, checks, iterate_checks
from .messages import say

#: Version of the layout of ``--json``.
SCHEMA = 1
#: The form of a waiver.
WAIVER = "[BACKEND or OPERATION:]CHECK=REASON"
#: As many checks are named where one sentence is true of several.
MOST_NAMES = 3

_STYLES = {
    "passed": "green",
    "failed": "bold red",
    "waived": "yellow",
    "unexpectedly passed": "bold red",
    "skipped": "dim",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of one backend of one operation."""

    registered: Registered
    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True)
class Missing:
    """What a distribution should bring and does not."""

    failures: tuple[Failure, ...]
    conflicts: tuple[Conflict, ...]
    blocked: tuple[Blocked, ...]

    @property
    def broken(self) -> bool:
        """True unless it is only kept out on purpose."""
        return bool(self.failures or self.conflicts)

    @property
    def sentences(self) -> list[str]:
        """One for each thing that is not there."""
        kept_out = [
            f"plugin {b.plugin!r} of {b.distribution} is off: {b.reason}" for b in self.blocked
        ]
        return [*map(str, self.failures), *map(str, self.conflicts), *kept_out]


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that there is to say of a distribution.

    Attributes
    ----------
    reports : list of Report
        Of each backend that was held to its checks.
    unchecked : list of Registered
        Backends of operations that have no checks.
    missing : Missing
        What is not there.
    """

    reports: list[Report]
    unchecked: list[Registered]
    missing: Missing

    @property
    def healthy(self) -> bool:
        """True if some check ran, none calls for action, and nothing is broken."""
        outcomes = [outcome for report in self.reports for outcome in report.outcomes]
        ran = any(outcome.outcome != "skipped" for outcome in outcomes)
        return ran and all(outcome.good for outcome in outcomes) and not self.missing.broken


def check(
    distribution: Annotated[
        str, typer.Argument(help="A distribution, such as armillary-cupy, or a backend's name.")
    ],
    waive: Annotated[
        list[str] | None,
        typer.Option(
            metavar=WAIVER,
            help="A check that is known to fail, and why; it must then fail. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run the conformance checks on every backend that a distribution registers.

    Ends with status 1 if a check fails, if a waived check passes, if no check could run, or if
    a part of the distribution could not be loaded or clashes with another.
    """
    console = Console(file=sys.stdout, quiet=as_json)
    # What a plugin prints must not get into the report.
    with contextlib.redirect_stdout(sys.stderr):
        inspection = _run(console, distribution, waive or [])
    if as_json:
        typer.echo(json.dumps(to_dict(inspection), indent=2))
    else:
        console.print(_verdict(inspection.reports))
    if not inspection.healthy:
        raise typer.Exit(1)


def _run(console: Console, distribution: str, waive: Iterable[str]) -> Inspection:
    """Check one backend after the other, and show each report as soon as it is there."""
    registry = get_registry()
    found = find_backends(registry, distribution)
    missing = find_missing(registry, distribution)
    if not found:
        raise _refusal(_nothing_found(registry, distribution, missing))
    chosen = [registered for registered in found if registered.record.operation in SUITES]
    try:
        waivers = parse_waivers(waive, chosen)
    except ValueError as error:
        raise _refusal(str(error)) from None
    reports = []
    for registered in chosen:
        with console.status(f"checking {registered}"):
            record = registered.record
            outcomes = list(iterate_checks(record.operation, record.name, waivers[registered]))
        reports.append(Report(registered, outcomes))
        console.print(_table(reports[-1]), *_messages(reports[-1]), sep="\n")
    inspection = Inspection(reports, [r for r in found if r not in chosen], missing)
    for line in _remarks(inspection):
        console.print(line)
    return inspection


def find_backends(registry: Registry, name: str) -> list[Registered]:
    """The backends that a distribution registers, or that are called ``name``."""
    return [
        registered
        for operation in registry.operations
        for _, registered in sorted(registry.backends(operation).items())
        if registered.record.name == name or _is(registered, name)
    ]


def find_missing(registry: Registry, name: str) -> Missing:
    """What is off of the distribution ``name``, or of a backend ``name`` that nobody gets."""
    return Missing(
        tuple(failure for failure in registry.failures if _is(failure, name)),
        tuple(
            conflict
            for conflict in registry.conflicts
            if conflict.name == name or any(_is(claimant, name) for claimant in conflict.claimants)
        ),
        tuple(blocked for blocked in registry.blocked if _is(blocked, name)),
    )


def _is(part: Registered | Failure | Blocked, distribution: str) -> bool:
    """True if the distribution is the one that this belongs to."""
    return normalized(part.distribution) == normalized(distribution)


def parse_waivers(
    texts: Iterable[str], chosen: Iterable[Registered]
) -> dict[Registered, dict[str, str]]:
    """What ``--waive`` says, for each backend.

    A waiver is for those of the backends named, or of the operation named, or of all, whose
    operation has that check.

    Raises
    ------
    ValueError
        If a text is not of the form of a waiver, or names no backend, operation or check.
    """
    waivers: dict[Registered, dict[str, str]] = {registered: {} for registered in chosen}
    for text in texts:
        target, equals, reason = text.partition("=")
        scope, colon, name = target.strip().rpartition(":")
        if not (equals and name and reason.strip()):
            raise ValueError(f"--waive must be {WAIVER}, not {text!r}")
        named = _in_scope(scope, waivers) if colon else list(waivers)
        for registered in _with_check(name, named):
            waivers[registered][name] = reason.strip()
    return waivers


def _in_scope(scope: str, chosen: Iterable[Registered]) -> list[Registered]:
    """The backends of that name, or of that operation."""
    chosen = list(chosen)
    named = [r for r in chosen if scope in (r.record.name, r.record.operation)]
    if not named:
        there = [r.record.name for r in chosen] + [r.record.operation for r in chosen]
        raise ValueError(
            f"--waive names {scope!r}, which is neither a backend nor an operation that is "
            f"checked; checked are {', '.join(dict.fromkeys(there)) or 'none'}"
        )
    return named


def _with_check(name: str, named: Iterable[Registered]) -> list[Registered]:
    """The backends whose operation has a check of that name."""
    named = list(named)
    known = {r.record.operation: [c.name for c in checks(r.record.operation)] for r in named}
    having = [registered for registered in named if name in known[registered.record.operation]]
    if not having:
        raise ValueError(f"--waive names {name!r}, which is no check {_of_which(known)}")
    return having


def _of_which(known: Mapping[str, list[str]]) -> str:
    """Of which operations, and what would be one: too many to be told if it is not of one alone."""
    if not known:
        return "of what was asked for, which has none"
    if len(known) == 1:
        (operation, names), *_ = known.items()
        return f"of {operation}; they are {', '.join(names)}"
    operations = ", ".join(known)
    return f"of {operations}; name one of these before it, with a colon, to read its checks"


def to_dict(inspection: Inspection) -> dict[str, Any]:
    """The whole report as plain values, ready for JSON."""
    missing = inspection.missing
    return {
        "schema": SCHEMA,
        "healthy": inspection.healthy,
        "backends": [
            _backend_dict(report.registered)
            | {"checks": [_outcome_dict(outcome) for outcome in report.outcomes]}
            for report in inspection.reports
        ],
        "unchecked": [_backend_dict(registered) for registered in inspection.unchecked],
        "failures": [asdict(failure) for failure in missing.failures],
        "conflicts": [_conflict_dict(conflict) for conflict in missing.conflicts],
        "blocked": [asdict(blocked) for blocked in missing.blocked],
    }


def _backend_dict(registered: Registered) -> dict[str, Any]:
    return {
        "operation": registered.record.operation,
        "name": registered.record.name,
        "distribution": registered.distribution,
        "version": registered.version,
    }


def _conflict_dict(conflict: Conflict) -> dict[str, Any]:
    return {
        "operation": conflict.operation,
        "name": conflict.name,
        "claimants": [claimant.origin for claimant in conflict.claimants],
    }


def _outcome_dict(outcome: Outcome) -> dict[str, object]:
    return {key: value for key, value in asdict(outcome).items() if key != "error"}


def _table(report: Report) -> Table:
    table = Table(title=Text(str(report.registered)), title_justify="left", title_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("seconds", justify="right")
    for outcome in report.outcomes:
        table.add_row(
            outcome.name,
            Text(outcome.outcome, style=_STYLES[outcome.outcome]),
            f"{outcome.seconds:.2f}",
        )
    return table


def _messages(report: Report) -> list[Text]:
    """What there is to say of the outcomes, each sentence once."""
    checks: dict[tuple[str, str], list[str]] = {}
    for outcome in report.outcomes:
        if outcome.message:
            checks.setdefault((outcome.outcome, outcome.message), []).append(outcome.name)
    lines = []
    for (kind, message), names in checks.items():
        who = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} checks"
        lines.append(Text.assemble((f"{who} {kind}: ", _STYLES[kind]), message))
    return lines


def _remarks(inspection: Inspection) -> list[Text]:
    """What there is to say of what was not checked, and of what is not there."""
    unchecked = [
        Text.assemble(
            ("not checked: ", "yellow"),
            f"{registered.record.operation} {registered.record.name!r}: there are no checks for it",
        )
        for registered in inspection.unchecked
    ]
    missing = [
        Text.assemble(("missing: ", "bold red"), sentence)
        for sentence in inspection.missing.sentences
    ]
    return unchecked + missing


def _verdict(reports: Iterable[Report]) -> Text:
    outcomes = [outcome.outcome for report in reports for outcome in report.outcomes]
    counts = [f"{outcomes.count(kind)} {kind}" for kind in _STYLES if kind in outcomes]
    if not outcomes:
        counts.append("nothing was checked")
    elif set(outcomes) == {"skipped"}:
        counts.append("nothing could run here")
    return Text(", ".join(counts), style="bold")


def _nothing_found(registry: Registry, name: str, missing: Missing) -> str:
    if missing.sentences:
        return "; ".join([f"{name!r} has no backend here to be checked", *missing.sentences])
    everything = {
        registered.distribution
        for operation in registry.operations
        for registered in registry.backends(operation).values()
    }
    return (
        f"{name!r} is neither a distribution nor a backend; "
        f"backends come from {', '.join(sorted(everything))}"
    )


def _refusal(sentence: str) -> typer.Exit:
    say("error", sentence)
    return typer.Exit(1)
