"""``armillary check``: hold the backends of a distribution to what they promise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..plugins.records import Registered
from ..plugins.registry import get_registry
from ..testing.kit import SUITES, Outcome, checked_waivers, iterate_checks

#: Version of the layout of ``--json``.
SCHEMA = 1

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


def check(
    distribution: Annotated[
        str, typer.Argument(help="A distribution, such as armillary-cupy, or a backend's name.")
    ],
    waive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[BACKEND:]CHECK=REASON",
            help="A check that is known to fail, and why; it must then fail. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run the conformance checks on every backend that a distribution registers.

    Ends with status 1 if a check fails, if a waived check passes, or if no check could run.
    """
    chosen = find_backends(distribution)
    if not chosen:
        raise _refusal(_nothing_found(distribution))
    try:
        waivers = parse_waivers(waive or [], chosen)
    except ValueError as error:
        raise _refusal(str(error)) from None

    console = Console(quiet=as_json)
    reports = []
    for registered in chosen:
        with console.status(f"checking {registered}"):
            record = registered.record
            outcomes = list(iterate_checks(record.operation, record.name, waivers[registered]))
        reports.append(Report(registered, outcomes))
        console.print(_table(reports[-1]), *_messages(reports[-1]), sep="\n")
    if as_json:
        typer.echo(json.dumps(to_dict(reports), indent=2))
    else:
        console.print(_verdict(reports))
    if not healthy(reports):
        raise typer.Exit(1)


def find_backends(name: str) -> list[Registered]:
    """The backends with checks that a distribution registers, or that are called ``name``."""
    registry = get_registry()
    return [
        registered
        for operation in registry.operations
        if operation in SUITES
        for _, registered in sorted(registry.backends(operation).items())
        if registered.record.name == name or _canonical(registered.distribution) == _canonical(name)
    ]


def _canonical(distribution: str) -> str:
    """The name of a distribution as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def parse_waivers(
    texts: Iterable[str], chosen: Iterable[Registered]
) -> dict[Registered, dict[str, str]]:
    """What ``--waive`` says, for each backend.

    Raises
    ------
    ValueError
        If a text is not ``[BACKEND:]CHECK=REASON``, or names no backend or check.
    """
    waivers: dict[Registered, dict[str, str]] = {registered: {} for registered in chosen}
    for text in texts:
        target, equals, reason = text.partition("=")
        backend, colon, name = target.strip().rpartition(":")
        if not (equals and name and reason.strip()):
            raise ValueError(f"--waive must be [BACKEND:]CHECK=REASON, not {text!r}")
        meant = [r for r in waivers if not colon or r.record.name == backend]
        if not meant:
            names = ", ".join(r.record.name for r in waivers)
            raise ValueError(f"--waive names the backend {backend!r}; checked are {names}")
        for registered in meant:
            waivers[registered][name] = reason.strip()
    for registered, waived in waivers.items():
        checked_waivers(registered.record.operation, waived)
    return waivers


def healthy(reports: Iterable[Report]) -> bool:
    """True if some check ran and none calls for action."""
    outcomes = [outcome for report in reports for outcome in report.outcomes]
    ran = any(outcome.outcome != "skipped" for outcome in outcomes)
    return ran and all(outcome.good for outcome in outcomes)


def to_dict(reports: Iterable[Report]) -> dict[str, object]:
    """The whole report as plain values, ready for JSON."""
    reports = list(reports)
    return {
        "schema": SCHEMA,
        "healthy": healthy(reports),
        "backends": [
            {
                "operation": report.registered.record.operation,
                "name": report.registered.record.name,
                "distribution": report.registered.distribution,
                "version": report.registered.version,
                "checks": [_outcome_dict(outcome) for outcome in report.outcomes],
            }
            for report in reports
        ],
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
        who = names[0] if len(names) == 1 else f"{len(names)} checks"
        lines.append(Text.assemble((f"{who} {kind}: ", _STYLES[kind]), message))
    return lines


def _verdict(reports: Iterable[Report]) -> Text:
    outcomes = [outcome.outcome for report in reports for outcome in report.outcomes]
    counts = [f"{outcomes.count(kind)} {kind}" for kind in _STYLES if kind in outcomes]
    if set(outcomes) == {"skipped"}:
        counts.append("nothing could run here")
    return Text(", ".join(counts), style="bold")


def _nothing_found(name: str) -> str:
    registry = get_registry()
    everything = {
        registered.distribution
        for operation in registry.operations
        for registered in registry.backends(operation).values()
    }
    sentence = (
        f"{name!r} is neither a distribution nor a backend with conformance checks; "
        f"backends come from {', '.join(sorted(everything))}"
    )
    failed = [str(f) for f in registry.failures if _canonical(f.distribution) == _canonical(name)]
    return "; ".join([sentence, *failed])


def _refusal(sentence: str) -> typer.Exit:
    Console(stderr=True).print(Text(sentence))
    return typer.Exit(1)
