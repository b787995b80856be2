"""Progress of long work: a callback for programs, a bar for people."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

#: Told how much is done, of how much.
Progress = Callable[[float, float], None]

_SENTENCE = "progress must be None, True, False or a callable of (done, total), not {!r}"


class Callback:
    """A callback of the user that knows what it raised, which is the fault of nobody else.

    Parameters
    ----------
    report : callable
        Takes what is done, of how much.

    Attributes
    ----------
    raised : BaseException or None
        What it raised last.
    """

    def __init__(self, report: Progress) -> None:
        self.raised: BaseException | None = None
        self._report = report

    def __call__(self, done: float, total: float) -> None:
        try:
            self._report(done, total)
        except BaseException as error:
            self.raised = error
            raise


@contextlib.contextmanager
def reporting(progress: Any, description: str) -> Iterator[Progress | None]:
    """The callback for a call's ``progress`` argument.

    None and False are silent; True shows a ``rich`` bar on standard error in a
    terminal or a notebook and is silent elsewhere; a callable is used as it is.

    Raises
    ------
    TypeError
        If ``progress`` is none of these.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _bar(description) as update:
            yield update
    elif callable(progress):
        yield progress
    else:
        raise TypeError(_SENTENCE.format(progress))


@contextlib.contextmanager
def _bar(description: str) -> Iterator[Progress | None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    if not (console.is_terminal or console.is_jupyter):
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
