"""``armillary convert watch`` and ``status``: a folder that is being filled, and how far it is."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .amounts import DAY, duration
from .messages import say
from .phase_center import phase_center

if TYPE_CHECKING:
    from rich.table import Table

    from ..convert.queue.records import GroupRecord
    from ..convert.queue.status import FileStatus, GroupStatus, QueueStatus, Throughput

WATCH_EXAMPLES = """
**Examples**

    # Measurement Sets of 16 subbands, each as soon as all of them are there
    armillary convert watch /data/incoming --out /data/ms --phase meridian

    # single-subband files of another telescope, those that are there now
    armillary convert watch raw --out ms --expected-subbands 1 --once

    # after an hour, groups with missing subbands as well, those flagged
    armillary convert watch raw --out ms --timeout 3600 --on-incomplete fill
"""
STATUS_EXAMPLES = """
**Examples**

    # what waits for what, and the last few that are done
    armillary convert status /data/ms

    # everything, for programs; exit status 1 if a group failed
    armillary convert status /data/ms --json --strict
"""

_GROUPS = "Groups"
_OUTPUT = "Output"
_ARRIVALS = "Arrivals"
_RUNNING = "Running"

#: Completed groups that status shows unless all are wanted.
RECENT = 5
BYTES_PER_MEGABYTE = 1e6
_STYLES = {
    "collecting": "",
    "pending": "cyan",
    "in_progress": "bold cyan",
    "completed": "green",
    "failed": "red",
}


def _option(*names: str, help: str, panel: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **more)


def watch(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Where files arrive; not the folders within it.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        _option(
            "--out",
            "-o",
            help="Folder of the outputs, each named by the time of its group. Made if needed.",
            panel=_OUTPUT,
            metavar="DIR",
            show_default=False,
        ),
    ],
    format: Annotated[
        str, _option("--format", help="ms or uvh5.", panel=_OUTPUT, metavar="SUFFIX")
    ] = "ms",
    phase: Annotated[
        str | None,
        _option(
            "--phase",
            help="meridian: one phase centre for each integration, visibilities as they are. "
            "RA,DEC (ICRS, degrees or 13h31m08s,+30d30m33s): one for all, visibilities turned. "
            "Default: those of the files.",
            panel=_OUTPUT,
            metavar="WHERE",
        ),
    ] = None,
    keep_spectral_windows: Annotated[
        bool,
        _option(
            "--keep-spectral-windows", help="One spectral window for each subband.", panel=_OUTPUT
        ),
    ] = False,
    expected_subbands: Annotated[
        int,
        _option(
            "--expected-subbands", help="Subbands of a complete group.", panel=_GROUPS, metavar="N"
        ),
    ] = 16,
    tolerance: Annotated[
        float,
        _option(
            "--tolerance",
            help="By how much the first times of the subbands of a group may differ.",
            panel=_GROUPS,
            metavar="SECONDS",
        ),
    ] = 60.0,
    timeout: Annotated[
        float,
        _option(
            "--timeout",
            help="How long a group may be incomplete.",
            panel=_GROUPS,
            metavar="SECONDS",
        ),
    ] = DAY,
    on_incomplete: Annotated[
        str,
        _option(
            "--on-incomplete",
            help="After that: error, the group fails; fill, missing channels are flagged.",
            panel=_GROUPS,
            metavar="WHAT",
        ),
    ] = "error",
    retries: Annotated[
        int,
        _option(
            "--retries",
            help="New tries after an error of input or output.",
            panel=_GROUPS,
            metavar="N",
        ),
    ] = 3,
    retry_failed: Annotated[
        bool,
        _option("--retry-failed", help="Try groups again that failed before.", panel=_GROUPS),
    ] = False,
    pattern: Annotated[
        list[str] | None,
        _option(
            "--pattern",
            help="Names of the files; may be given several times. Default: *.hdf5, *.h5, *.uvh5.",
            panel=_ARRIVALS,
            metavar="NAME",
        ),
    ] = None,
    settle: Annotated[
        float,
        _option(
            "--settle",
            help="How long a file must not change before it is read.",
            panel=_ARRIVALS,
            metavar="SECONDS",
        ),
    ] = 10.0,
    poll: Annotated[
        float,
        _option(
            "--poll",
            help="How often to look at the folder.",
            panel=_ARRIVALS,
            metavar="SECONDS",
        ),
    ] = 5.0,
    once: Annotated[
        bool,
        _option(
            "--once",
            help="End when there is nothing left to wait for; exit status 1 if a group failed.",
            panel=_RUNNING,
        ),
    ] = False,
    state: Annotated[
        Path | None,
        _option(
            "--state",
            help="SQLite file of what is done. Default: armillary-queue.sqlite in --out.",
            panel=_RUNNING,
            metavar="FILE",
        ),
    ] = None,
    take_over: Annotated[
        bool,
        _option(
            "--take-over",
            help="Take over from a watcher on another machine, which must be dead.",
            panel=_RUNNING,
        ),
    ] = False,
    memory: Annotated[
        str | None,
        _option(
            "--memory",
            help="Most memory to use, such as 4GB or 500MiB.",
            panel=_RUNNING,
            metavar="SIZE",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        _option("--threads", help="Default: every processor.", panel=_RUNNING, metavar="N"),
    ] = None,
    backend: Annotated[
        str | None, _option("--backend", help="Who converts.", panel=_RUNNING, metavar="NAME")
    ] = None,
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="Only errors and warnings.", panel=_RUNNING)
    ] = False,
) -> None:
    """Convert groups of subbands as they become complete in a folder.

    It may be ended at any moment, by Ctrl-C or harder, and begun again: each complete group
    becomes one whole output. `armillary convert status` tells how far it is.
    """
    from ..convert.queue.watch import watch as watch_folder

    if not quiet and not once:
        say("note", f"watching {folder}; Ctrl-C ends it and releases the group in hand")
    report = watch_folder(
        folder,
        out,
        format=format,
        pattern=pattern or None,
        expected_subbands=expected_subbands,
        time_tolerance=tolerance,
        settle=settle,
        timeout=timeout,
        retries=retries,
        poll=poll,
        on_incomplete=on_incomplete,
        once=once,
        state=state,
        retry_failed=retry_failed,
        take_over=take_over,
        phase=phase_center(phase),
        spectral_windows="keep" if keep_spectral_windows else "merge",
        threads=threads,
        memory=memory,
        backend=backend,
        on_change=None if quiet else _tell,
    )
    if not quiet:
        failed = f", {len(report.failed)} failed" if report.failed else ""
        typer.echo(f"{counted(len(report.completed), 'group')} completed{failed}")
    if report.failed:
        raise typer.Exit(1)


def status(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder of the outputs, or the SQLite file of the state."
        ),
    ] = Path(),
    every: Annotated[
        bool, typer.Option("--all", help=f"Show more than the last {RECENT} completed groups.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, for programs.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a group failed.")
    ] = False,
) -> None:
    """Show the groups of a watched folder: what they wait for, for how long, and how fast it is."""
    import json

    from ..convert.queue.status import queue_status
    from ..report import page

    found = queue_status(place)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        console = page()
        for line in _headlines(found):
            console.print(line, soft_wrap=True)
        if found.groups:
            console.print(_groups(found, every))
        if found.files:
            console.print(_files(found.files))
    if strict and found.counts["failed"]:
        raise typer.Exit(1)


# ------------------------------------------------------------------ watching


def _tell(group: GroupRecord) -> None:
    """A line for each group that is completed; the log tells of those that fail."""
    if group.state != "completed":
        return
    facts = [counted(group.n_subbands, "subband")] if group.n_subbands else []
    if group.n_rows is not None and group.n_channels is not None:
        facts += [counted(group.n_rows, "row"), counted(group.n_channels, "channel")]
    if group.flagged_fraction is not None:
        facts.append(f"{group.flagged_fraction:.1%} flagged")
    if group.seconds is not None and group.bytes_read is not None:
        speed = group.bytes_read / BYTES_PER_MEGABYTE / max(group.seconds, 1e-3)
        facts.append(f"{group.seconds:.1f} s, {speed:.0f} MB/s")
    if group.reason:
        facts.append(group.reason)
    typer.echo(f"{group.out}: {', '.join(facts)}")


# ------------------------------------------------------------------ status


def _headlines(found: QueueStatus) -> list[str]:
    counts = ", ".join(f"{n:,} {state}" for state, n in found.counts.items())
    journal = found.journal
    if found.shared_filesystem:
        journal += f", since {found.shared_filesystem} is a network file system"
    return [
        f"{found.folder} -> {found.out}",
        f"watcher: {_watcher(found.watcher)}",
        f"state: {found.state} (journal: {journal})",
        f"groups: {counts}",
        f"throughput: {_throughput(found.throughput)}",
    ]


def _watcher(watcher: dict[str, Any] | None) -> str:
    if watcher is None:
        return "none"
    began = datetime.datetime.fromtimestamp(watcher["began"], datetime.UTC)
    who = f"process {watcher['process']} on {watcher['host']}, begun {began:%Y-%m-%d %H:%M:%S} UTC"
    if watcher["lives"] is None:
        return f"{who}; another machine, so it cannot be seen whether it lives"
    return who if watcher["lives"] else f"none; {who} died"


def _throughput(throughput: Throughput) -> str:
    done = (
        f"{counted(throughput.last_hour, 'group')} in the last hour, "
        f"{throughput.last_day:,} in the last day"
    )
    if throughput.median_seconds is None:
        return done
    speed = throughput.megabytes_per_second
    rate = f", {speed:.0f} MB/s" if speed is not None else ""
    return f"{done}; {duration(throughput.median_seconds)} each (median){rate}"


def _groups(found: QueueStatus, every: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    completed = [group for group in found.groups if group.state == "completed"]
    hidden = 0 if every else max(len(completed) - RECENT, 0)
    left_out = {group.id for group in completed[:hidden]}
    caption = f"{counted(hidden, 'more completed group')}; --all shows them" if hidden else None
    table = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    for name in ("group", "state", "subbands", "age", "for", "what"):
        table.add_column(name, overflow="fold", no_wrap=name != "what")
    for group in found.groups:
        if group.id not in left_out:
            table.add_row(
                group.id,
                Text(group.state, style=_STYLES[group.state]),
                f"{group.n_subbands}/{group.expected_subbands}",
                duration(group.age),
                duration(group.in_state),
                Text(_what(group)),
            )
    return table


def _what(group: GroupStatus) -> str:
    """What a group waits for, what became of it, or what is wrong with it."""
    parts = [group.reason] if group.reason else []
    if group.state == "collecting" and group.missing:
        parts.append(f"missing {', '.join(group.missing)}")
    if group.retry_in:
        parts.append(f"again in {duration(group.retry_in)}")
    if group.interruptions and group.state != "completed":
        parts.append(f"interrupted {counted(group.interruptions, 'time')}")
    if group.state == "completed" and group.seconds is not None:
        parts.append(f"converted in {duration(group.seconds)}")
    return "; ".join(parts)


def _files(files: tuple[FileStatus, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title="Files that are not used", title_justify="left")
    for name in ("file", "state", "why"):
        table.add_column(name, overflow="fold")
    for file in files:
        table.add_row(Text(file.name), file.state, Text(file.reason))
    return table
