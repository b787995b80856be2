"""What a backend tells of its progress, and that it can be stopped by whom it tells."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..runtime.progress import Progress
from .kit import CheckFailed, Suite, require
from .manners import parameters_of_the_target


@dataclass(frozen=True, slots=True)
class WatchedCall:
    """A call that is told how to report.

    Attributes
    ----------
    operation : str
        Such as ``"search.bls"``.
    run : callable
        Takes a backend's name and the function to report to; calls the front door, and gives
        how many there are to report.
    """

    operation: str
    run: Callable[[str, Progress], int]


class Stop(Exception):
    """What somebody raises who has seen enough."""


def add_progress(suite: Suite, watched: WatchedCall) -> None:
    """Give a suite the checks of this file, for its own watched call."""
    for function in (progress_ends_with_the_whole, progress_may_stop_it):
        bound = functools.partial(function, watched)
        suite.check(functools.update_wrapper(bound, function))


def progress_ends_with_the_whole(watched: WatchedCall, backend: str) -> None:
    """Where the target names progress, reports to the caller's thread rise to the whole."""
    if "progress" not in parameters_of_the_target(watched.operation, backend):
        return
    told: list[tuple[float, float]] = []
    threads: set[int] = set()

    def report(done: float, total: float) -> None:
        told.append((done, total))
        threads.add(threading.get_ident())

    whole = watched.run(backend, report)
    require(bool(told), "there is no report, not even at the end")
    require(told[-1] == (whole, whole), f"the last report is {told[-1]}, not {(whole, whole)}")
    require(told == sorted(told), f"reports fall: {told}")
    require({total for _, total in told} == {whole}, f"reports are not of {whole}: {told}")
    require(threads == {threading.get_ident()}, "reports come from other threads than the caller's")


def progress_may_stop_it(watched: WatchedCall, backend: str) -> None:
    """Where the target names progress, an exception of the caller's function passes through."""
    if "progress" not in parameters_of_the_target(watched.operation, backend):
        return

    def report(done: float, total: float) -> None:
        raise Stop

    try:
        watched.run(backend, report)
    except Stop:
        return
    raise CheckFailed("an exception of the caller's progress function does not end the call")
