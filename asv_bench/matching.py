"""What the quick benchmark measures of crossmatching: ratios to peers, and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from benchmarks.crossmatch import RADIUS, pair
from benchmarks.processes import match_memory
from benchmarks.skies import Positions
from benchmarks.sky_peers import PEERS
from comparison import Figure, interleaved

#: armillary and those peers that have threads use two.
MATCH_THREADS = 2
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Question:
    """Two catalogues and a peer that is asked the same.

    Attributes
    ----------
    sky : str
        "uniform" or "galactic".
    left, right : int
        Rows; the right catalogue is a jittered copy of the left one, of which ``left`` rows
        are taken.
    peer : str
        Who else is asked.
    target : float or None
        Least ratio of peer time to our time that is asked for.
    """

    sky: str
    left: int
    right: int
    peer: str
    target: float | None = None


QUESTIONS = (
    Question("uniform", 1_000_000, 1_000_000, "astropy", 25.0),
    Question("uniform", 1_000_000, 1_000_000, "pykdtree"),
    Question("uniform", 1_000_000, 1_000_000, "scipy"),
    Question("galactic", 1_000_000, 1_000_000, "astropy"),
    Question("galactic", 1_000_000, 1_000_000, "pykdtree"),
    Question("uniform", 1_000, 10_000_000, "scipy", 10.0),
    Question("uniform", 10_000_000, 10_000_000, "pykdtree", 6.0),
    Question("galactic", 10_000_000, 10_000_000, "pykdtree"),
)


@dataclass(frozen=True, slots=True)
class MatchComparison:
    """One question and its answer.

    Attributes
    ----------
    question : Question
        What was asked.
    ratio : float
        Peer time over our time, everything from degrees to pairs included.
    pairs : int
        Matches found.
    other_pairs : int
        Pairs of ours that the peer does not have, and the other way round.
    """

    question: Question
    ratio: float
    pairs: int
    other_pairs: int

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.question.target is None else self.ratio >= self.question.target


def match_comparisons(peers: set[str]) -> Iterator[MatchComparison]:
    """Ask each of these peers; the two take turns."""
    drawn: dict[tuple[str, int], tuple[Positions, Positions]] = {}
    for question in QUESTIONS:
        if question.peer not in peers:
            continue
        key = question.sky, question.right
        if key not in drawn:
            drawn = {key: pair(*key)}  # one at a time: large ones are a gigabyte
        left, right = drawn[key]
        left = left[0][: question.left].copy(), left[1][: question.left].copy()
        yield _compared(question, left, right)


def _compared(question: Question, left: Positions, right: Positions) -> MatchComparison:
    runs = {name: _run(name, left, right) for name in ("armillary", question.peer)}
    found = [set_of(run()) for run in runs.values()]
    medians = interleaved(runs, ROUNDS)
    return MatchComparison(
        question,
        medians[question.peer] / medians["armillary"],
        len(found[0]),
        len(np.setxor1d(*found)),
    )


def _run(name: str, left: Positions, right: Positions) -> Callable[[], tuple]:
    return partial(PEERS[name], left, right, RADIUS, MATCH_THREADS)


def set_of(pairs: tuple) -> np.ndarray:
    """Pairs of row numbers as one number each."""
    return pairs[0] * (1 << 32) + pairs[1]


def match_figures() -> Iterator[Figure]:
    """Memory of a match."""
    yield Figure(
        "memory of a match, 5,000,000 x 5,000,000", match_memory(5_000_000), "bytes a row", 100.0
    )
