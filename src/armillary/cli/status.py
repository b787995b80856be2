"""``armillary status``: what can run here, what cannot, and why."""

from __future__ import annotations

from typing import Annotated

import typer


def status(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, for programs.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Add tracebacks, citations and home pages.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 if a plugin failed or a setting is not valid."),
    ] = False,
) -> None:
    """Show every backend, plugins that are off, the settings in force, and the build.

    It works when every plugin is broken.
    """
    import json

    from .. import report

    found = report.status_without_warnings()
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        report.print_status(found, report.page(), verbose=verbose)
    if strict and not found.healthy:
        raise typer.Exit(1)
