"""``armillary cache``: what a store on disk holds, what it saved, and whether it is whole."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .amounts import duration, short_duration, size

if TYPE_CHECKING:
    from rich.table import Table

    from ..cache import DiskStore, EntryInfo, Stats

STATS_EXAMPLES = """
**Examples**

    # what the store of `--cache disk` holds, and the seconds that it saved
    armillary cache stats

    # the hit rate of another one, for a program
    armillary cache stats --path /data/cache --json | jq .hit_rate
"""
LIST_EXAMPLES = """
**Examples**

    # the entries that are worth most
    armillary cache list --limit 10

    # all of them, for a program
    armillary cache list --limit 0 --json
"""
CLEAR_EXAMPLES = """
**Examples**

    # after a question
    armillary cache clear

    # in a script
    armillary cache clear --path /data/cache --yes
"""
VERIFY_EXAMPLES = """
**Examples**

    # read every entry; exit status 1 if one was damaged
    armillary cache verify --path /data/cache
"""

#: Entries that are listed unless more are asked for.
LIMIT = 50
#: Digits of a key that tell entries apart on a page; --json has all.
KEY_DIGITS = 12

cache = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look after the results that are kept on disk.",
)

Place = Annotated[
    Path | None,
    typer.Option(
        "--path",
        metavar="DIR",
        help="Folder of the store. Default: ARMILLARY_CACHE_PATH, or where the system keeps "
        "caches.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")]


@cache.callback()
def _group() -> None:
    """Look after the results that are kept on disk."""


@cache.command(epilog=STATS_EXAMPLES)
def stats(path: Place = None, as_json: AsJson = False) -> None:
    """Show how much is kept, how often it was of use, and what went."""
    with existing_store(path) as store:
        found, journal = store.stats(), store.journal
    if as_json:
        _print_json({"path": str(store.path), "journal": journal, **found.to_dict()})
        return
    facts = _facts(store.path, journal, found)
    longest = max(map(len, facts))
    for name, fact in facts.items():
        typer.echo(f"{name:<{longest}}  {fact}")


@cache.command("list", epilog=LIST_EXAMPLES)
def list_entries(
    path: Place = None,
    limit: Annotated[
        int,
        typer.Option("--limit", "-n", metavar="N", min=0, help="Most entries; 0 means all."),
    ] = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List the entries, that which goes last first, when room is needed."""
    with existing_store(path) as store:
        entries = store.entries()
        shown = list(itertools.islice(entries, limit or None))
        n_more = sum(1 for _ in entries)
    if as_json:
        told = [entry._asdict() for entry in shown]
        _print_json({"path": str(store.path), "entries": told, "more": n_more})
        return
    if not shown:
        typer.echo(f"{store.path}: no entries")
        return
    from ..report import page

    page().print(_entries_table(shown, n_more))


@cache.command(epilog=CLEAR_EXAMPLES)
def clear(
    path: Place = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove every entry. The folder and its counts stay."""
    with existing_store(path) as store:
        before = store.stats()
        what = f"{_entries(before.entries)}, {size(before.stored_bytes)}"
        if not yes and not _agreed(f"remove {what}, from {store.path}?"):
            typer.echo("nothing was removed")
            raise typer.Exit(1)
        store.clear()
    if as_json:
        gone = {"entries": before.entries, "stored_bytes": before.stored_bytes}
        _print_json({"path": str(store.path), "removed": gone})
    else:
        typer.echo(f"removed {what}, from {store.path}")


@cache.command(epilog=VERIFY_EXAMPLES)
def verify(path: Place = None, as_json: AsJson = False) -> None:
    """Read every entry and compare it with its checksum; remove those that are damaged.

    The exit code is 1 if there were any. Nothing is lost with them but the time to compute them
    again.
    """
    with contextlib.ExitStack() as opened:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            store = opened.enter_context(existing_store(path))
        for warning in said:
            warnings.warn(warning.message, stacklevel=1)
        n_entries, damaged = len(store), store.verify(progress=True)
    if as_json:
        keys = [key.hex() for key in damaged]
        _print_json({"path": str(store.path), "entries": n_entries, "damaged": keys})
    else:
        found = f"{len(damaged):,} damaged and removed" if damaged else "none damaged"
        typer.echo(f"{store.path}: {_entries(n_entries)} read, {found}")
    # What is said on opening is that the index was damaged and thrown away, with all it knew of.
    if damaged or said:
        raise typer.Exit(1)


# ------------------------------------------------------------------ the store


@contextlib.contextmanager
def existing_store(path: Path | None) -> Iterator[DiskStore]:
    """The store in a folder, which looking does not make.

    Parameters
    ----------
    path : Path or None
        The folder; None means the library's default.

    Raises
    ------
    FileNotFoundError
        If there is no store.
    OSError
        If it cannot be opened.
    """
    from ..cache import DiskStore
    from ..cache.disk.folder import MARKER, chosen_path, is_store

    place = chosen_path(path)
    if not is_store(place):
        there = f"it has no {MARKER} in it" if place.exists() else "there is no such folder"
        raise FileNotFoundError(
            f"{str(place)!r} is no cache of armillary: {there}; results are kept once a call has "
            f'cache="disk" or a command has --cache disk'
        )
    with DiskStore(path=place) as store:
        yield store


def is_interactive() -> bool:
    """Whether there is somebody to answer a question."""
    return sys.stdin.isatty()


def _agreed(question: str) -> bool:
    if not is_interactive():
        raise ValueError(f"there is nobody to ask ({question}); --yes does it without asking")
    return typer.confirm(question, err=True)


# ------------------------------------------------------------------ telling


def _facts(path: Path, journal: str, found: Stats) -> dict[str, str]:
    asked = found.hits + found.misses
    went = {reason: n for reason, n in found.evictions.items() if n}
    most = "" if found.max_entries is None else f" of {found.max_entries:,}"
    stored = size(found.stored_bytes)
    if found.raw_bytes > found.stored_bytes:
        stored += f", {size(found.raw_bytes)} before the codec"
    return {
        "path": str(path),
        "entries": f"{found.entries:,}{most}",
        "stored": stored,
        "budget": f"{size(found.max_bytes)}, {found.stored_bytes / found.max_bytes:.1%} in use",
        "hits": f"{found.hits:,} of {asked:,}" + (f", {found.hit_rate:.1%}" if asked else ""),
        "misses": f"{found.misses:,}",
        "computing saved": short_duration(found.seconds_saved),
        "put": f"{found.stored:,}, and {found.refused:,} refused",
        "went": ", ".join(f"{n:,} {reason}" for reason, n in went.items()) or "none",
        "failures": f"{found.failures:,}",
        "journal": journal,
    }


def _entries_table(entries: list[EntryInfo], n_more: int) -> Table:
    from rich import box
    from rich.table import Table

    now = time.time()
    caption = f"{_entries(n_more)} more; --limit 0 shows them" if n_more else None
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        caption=caption,
        caption_justify="left",
    )
    table.add_column("key", no_wrap=True)
    table.add_column("what", overflow="fold")
    for name in ("stored", "raw", "took", "uses", "age", "used", "expires in"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        expires = "" if entry.expires is None else duration(max(0.0, entry.expires - now))
        table.add_row(
            entry.key[:KEY_DIGITS],
            _text(entry.label),
            size(entry.stored_bytes),
            size(entry.raw_bytes) if entry.raw_bytes != entry.stored_bytes else "",
            "" if entry.cost is None else short_duration(entry.cost),
            f"{entry.uses:,}",
            duration(max(0.0, now - entry.created)),
            f"{duration(max(0.0, now - entry.used))} ago",
            expires,
        )
    return table


def _text(text: str) -> Any:
    """Text as it is: what labels and folders are called is no markup."""
    from rich.text import Text

    return Text(text)


def _entries(n: int) -> str:
    return f"{n:,} {'entry' if n == 1 else 'entries'}"


def _print_json(told: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(told, indent=2))
