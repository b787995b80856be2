"""The comparisons of the demonstrations: the same work done in several ways, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..cache import use_cache

Found = TypeVar("Found")

#: Each way runs this often, in turns, so that a busy moment hits all alike.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Contestant(Generic[Found]):
    """One way to do it, with what it took and what it found.

    Attributes
    ----------
    name : str
        Whose it is.
    threads : int
        Threads that it uses.
    seconds : float
        Median over the rounds.
    found : object
        What it gave.
    """

    name: str
    threads: int
    seconds: float
    found: Found


def in_turns(runs: Mapping[tuple[str, int], Callable[[], Found]]) -> tuple[Contestant[Found], ...]:
    """Run each way a few times in turns.

    Parameters
    ----------
    runs : mapping of (name, threads) to callable
        The ways, in the order in which they are told.
    """
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    found: dict[tuple[str, int], Found] = {}
    with use_cache(None):  # what is compared is computed
        for _ in range(ROUNDS):
            for key, run in runs.items():
                start = time.perf_counter()
                found[key] = run()
                seconds[key].append(time.perf_counter() - start)
    return tuple(Contestant(*key, statistics.median(seconds[key]), found[key]) for key in runs)


def lines(contestants: Sequence[Contestant[Found]], in_words: Callable[[Found], str]) -> list[str]:
    """One line for each, with how many times as fast as the last, which is the peer, it is."""
    last = contestants[-1]
    peer = last.name.partition(" ")[0]
    width = max(len(one.name) for one in contestants)
    return [
        f"  {one.name:<{width}} {one.threads} thread{'s' if one.threads > 1 else ' '}  "
        f"{1e3 * one.seconds:8.1f} ms   {in_words(one.found)}"
        + (f"   {_times(last.seconds / one.seconds)} as fast as {peer}" if one is not last else "")
        for one in contestants
    ]


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 100.0 else f"{ratio:.1f} times"
