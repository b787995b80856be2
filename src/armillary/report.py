"""What ``armillary status`` and :func:`armillary.status` print."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .plugins.errors import PluginWarning
from .plugins.registry import Failure
from .plugins.settings import Setting
from .plugins.status import BackendStatus, Status, collect_status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Columns of a page that is written to a file or a pipe.
PIPE_WIDTH = 160

_STATE_STYLES = {
    "active": "bold green",
    "available": "",
    "unavailable": "yellow",
    "conflict": "red",
    "blocked": "dim",
    "failed": "red",
}


def status(*, verbose: bool = False) -> None:
    """Print what can run here, what cannot, and why.

    The same as ``armillary status`` at the shell: every backend of every operation, plugins
    that failed or are blocked, the settings in force and where they came from, and how
    armillary was built. For a program, :func:`armillary.list_backends` gives the same as data.

    Parameters
    ----------
    verbose : bool
        Add the tracebacks of plugins that failed, and the home page and citation of every
        backend.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.status()  # doctest: +ELLIPSIS
    <BLANKLINE>
    ...Backends...
    """
    print_status(status_without_warnings(), page(), verbose=verbose)


def status_without_warnings() -> Status:
    """Collect the status; what plugins would be warned of stands in it already.

    What they print meanwhile goes to standard error, and so not into the status.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore", PluginWarning)
        return collect_status()


def page() -> Console:
    """Standard output, wide enough not to cut tables where it is no terminal."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    if not (console.is_terminal or console.is_jupyter):
        console.width = PIPE_WIDTH
    return console


def print_status(status: Status, console: Console, *, verbose: bool = False) -> None:
    """Print a status as tables; see :func:`status`."""
    console.print()
    console.print(_backends(status.backends))
    if verbose:
        _print_references(status.backends, console)
    off = [(f, "failed", f"{f.stage}: {f.message}") for f in status.failures]
    off += [(b, "blocked", b.reason) for b in status.blocked]  # type: ignore[misc]
    if off:
        console.print(_plugins_off(off))
    if verbose:
        _print_tracebacks(status.failures, console)
    console.print(_settings(status.settings))
    console.print(_build(status.build))
    for problem in status.problems:
        console.print(f"problem: {problem}", style="red", markup=False)
    _print_verdict(status, console, verbose)


def _backends(backends: Iterable[BackendStatus]) -> Table:
    table = _table(
        "Backends", "operation", "backend", "state", "from", "arrays", "what, or why not"
    )
    operation = None
    for backend in backends:
        table.add_row(
            backend.operation if backend.operation != operation else "",
            _text(backend.name, "bold" if backend.state == "active" else ""),
            _state(backend.state),
            _text(f"{backend.distribution} {backend.version}".strip()),
            _text(", ".join(backend.arrays)),
            _text(backend.reason or backend.summary),
        )
        operation = backend.operation
    return table


def _plugins_off(off: Iterable[tuple[Any, str, str]]) -> Table:
    table = _table("Plugins that are off", "plugin", "state", "from", "why")
    for plugin, state, why in off:
        origin = f"{plugin.distribution} {plugin.version}".strip()
        table.add_row(_text(plugin.plugin), _state(state), _text(origin), _text(why))
    return table


def _settings(settings: Iterable[Setting]) -> Table:
    table = _table("Settings in force", "setting", "value", "from", "meaning")
    for setting in settings:
        table.add_row(
            _text(setting.name), _text(setting.value), _text(setting.source), _text(setting.meaning)
        )
    if not table.row_count:
        table.add_row("none", "", "", "every choice is the default")
    return table


def _build(build: Mapping[str, Any]) -> Table:
    table = _table("Build", "what", "value")
    for name, value in build.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(_text(name.replace("_", " ")), _text(shown))
    return table


def _print_references(backends: Iterable[BackendStatus], console: Console) -> None:
    for backend in backends:
        for what in (backend.citation, backend.url):
            if what:
                console.print(f"  {backend.operation} {backend.name}: {what}", markup=False)
    console.print()


def _print_tracebacks(failures: Iterable[Failure], console: Console) -> None:
    for failure in failures:
        if failure.traceback:
            console.print(str(failure), style="red", markup=False)
            console.print(failure.traceback, markup=False)


def _print_verdict(status: Status, console: Console, verbose: bool) -> None:
    if status.healthy:
        return
    more = "" if verbose or not status.failures else "; `armillary status --verbose` shows more"
    console.print(f"Something is off{more}.", style="yellow")


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _state(state: str) -> Any:
    return _text(state, _STATE_STYLES[state])


def _text(text: str, style: str = "") -> Any:
    """Text as it is: what plugins and variables say is no markup."""
    from rich.text import Text

    return Text(text, style)
