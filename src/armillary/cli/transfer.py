"""A bar for work that is measured in bytes: how much is done, how fast, and how long to go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..runtime.progress import Progress
from .messages import standard_error


@contextlib.contextmanager
def transfer_bar(description: str, *, quiet: bool = False) -> Iterator[Progress | None]:
    """A callback of (bytes done, bytes in all) that shows a bar with MB/s in a terminal.

    Parameters
    ----------
    description : str
        What is going on.
    quiet : bool
        Show nothing.
    """
    console = standard_error()
    if quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
