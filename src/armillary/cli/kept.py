"""``--cache`` of the commands that run operations: where results are looked up and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

Cache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Keep results here, and take those that are there: disk, or the store of a plugin. "
        "`armillary cache` looks after them. Default: ARMILLARY_CACHE, else none.",
        rich_help_panel="Running",
        metavar="NAME",
        show_default=False,
    ),
]


@contextlib.contextmanager
def kept_in(name: str | None) -> Iterator[None]:
    """Have every call in the block use the store of a name; None leaves that to the environment.

    Raises
    ------
    BackendUnavailable, OSError
        If there is no store of that name, or it cannot be opened: before any work is done.
    """
    from ..cache import use_cache

    with contextlib.nullcontext() if name is None else use_cache(name):
        yield


def tell_hits(n_hits: int, n: int, noun: str) -> None:
    """Say how many of the results were not computed, if any."""
    if n_hits:
        typer.echo(f"from the cache: {n_hits:,} of {n:,} {noun}{'s' * (n != 1)}")
