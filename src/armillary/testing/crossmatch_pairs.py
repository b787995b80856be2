"""Hold matches against brute force, and ask backends for what they may not support."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..crossmatch.sky.result import Matches
from ..plugins.errors import UnsupportedOption
from .brute_force import separations
from .kit import CheckFailed, require
from .manners import parameters_of_the_target
from .skies import Positions

#: How near a separation must be to the truth: of itself, from the smallest separation at which
#: that is promised (arcsec), and (arcsec) beyond the largest, where none is promised.
ACCURACY = 1e-9
SMALLEST, LARGEST = 1e-6, 179.999 * 3600.0
NEAR_ANTIPODES = 0.02

RESULTS = ("left", "right", "separation")


@dataclass(frozen=True, slots=True)
class Door:
    """A front door of the family.

    Attributes
    ----------
    operation : str
        Such as ``"crossmatch.nearest"``.
    function : callable
        Such as ``armillary.crossmatch.nearest``.
    most : int or None
        Most matches of a left row where nothing else is asked for; None means all.
    """

    operation: str
    function: Callable[..., Matches]
    most: int | None

    def __call__(self, backend: str, left: Any, right: Any, radius: Any, **options: Any) -> Matches:
        """Match with this backend."""
        return self.function(left, right, radius, backend=backend, **options)

    def supports(self, backend: str, option: str, refused: Callable[[], Matches]) -> bool:
        """Whether the target names an option; if not, asking for it must be refused.

        Parameters
        ----------
        backend, option : str
        refused : callable
            A call that asks for the option.

        Raises
        ------
        CheckFailed
            If the target does not name the option and the call goes through.
        """
        if option in parameters_of_the_target(self.operation, backend):
            return True
        try:
            refused()
        except UnsupportedOption:
            return False
        raise CheckFailed(f"the target does not name {option}, and asking for it is no error")


def tolerance(apart: np.ndarray) -> np.ndarray:
    """How far a separation may be from the truth (arcsec)."""
    beyond = np.where(apart > LARGEST, NEAR_ANTIPODES, 0.0)
    return ACCURACY * np.maximum(apart, SMALLEST) + beyond


def require_matches(
    what: str,
    found: Matches,
    left: Positions,
    right: Positions,
    radius: Any,
    *,
    most: int | None = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
) -> None:
    """Hold matches against all pairs.

    Parameters
    ----------
    what : str
        What was matched, for people.
    found : Matches
    left, right : tuple of ndarray
        Right ascensions and declinations (degrees).
    radius : float or ndarray
        Arcseconds; broadcasts against (left rows, right rows).
    most : int, optional
        Most matches of a left row; None means all.
    min_radius : float
        Arcseconds.
    with_itself : bool
        Whether only pairs whose right row comes after the left row count.

    Raises
    ------
    CheckFailed
        If the pairs are not in order, one is no match or twice there, a separation is not
        accurate, or a match is missing. Pairs within the accuracy of the limit may be there
        or not.
    """
    require_order(what, found)
    truth = separations(left, right)
    slack = tolerance(truth)
    possible = (truth <= radius + slack) & (truth >= min_radius - slack)
    certain = truth <= radius - slack
    if min_radius > 0.0:
        certain &= truth >= min_radius + slack
    if with_itself:
        later = np.triu(np.ones(truth.shape, bool), k=1)
        possible, certain = possible & later, certain & later
    _require_accuracy(what, found, truth, slack)
    for i in np.flatnonzero(~possible[found.left, found.right]):
        raise CheckFailed(f"{what}: {_pair(found, int(i))} is returned, but is no match")
    taken = np.zeros(truth.shape, bool)
    taken[found.left, found.right] = True
    require(taken.sum() == len(found), f"{what}: a pair is returned twice")
    _require_completeness(what, found, truth, certain & ~taken, taken.sum(axis=1), most)


def _require_accuracy(what: str, found: Matches, truth: np.ndarray, slack: np.ndarray) -> None:
    expected = truth[found.left, found.right]
    off = np.abs(found.separation - expected)
    for i in np.flatnonzero(~(off <= slack[found.left, found.right])):
        raise CheckFailed(
            f"{what}: {_pair(found, int(i))} is {found.separation[i]!r} arcsec apart, not "
            f"{float(expected[i])!r}"
        )


def _require_completeness(
    what: str,
    found: Matches,
    truth: np.ndarray,
    missing: np.ndarray,
    counts: np.ndarray,
    most: int | None,
) -> None:
    """No match is missing but those beyond the last one of a left row that may have no more."""
    farthest = np.zeros(len(truth))
    np.maximum.at(farthest, found.left, found.separation)
    if most is not None:
        require(
            not np.any(counts > most), f"{what}: a left row has more matches than the {most} wanted"
        )
        full = counts == most
        limit = farthest - tolerance(farthest)
        missing = missing & (~full[:, None] | (truth < limit[:, None]))
    for row, other in np.argwhere(missing):
        raise CheckFailed(
            f"{what}: left row {row} and right row {other} are {float(truth[row, other])!r} arcsec "
            f"apart and not returned ({np.count_nonzero(missing)} such pairs)"
        )


def require_order(what: str, found: Matches) -> None:
    """Pairs are by left row, separation, right row."""
    order = np.lexsort((found.right, found.separation, found.left))
    require(
        np.array_equal(order, np.arange(len(found))),
        f"{what}: the pairs are not ordered by left row, separation, right row",
    )


def require_same(what: str, one: Matches, other: Matches, tolerance: float = 0.0) -> None:
    """The same pairs, with separations equal within a relative tolerance."""
    require(
        len(one) == len(other),
        f"{what} changes the number of pairs from {len(one)} to {len(other)}",
    )
    for name in RESULTS:
        a, b = getattr(one, name), getattr(other, name)
        allowed = tolerance if name == "separation" else 0.0
        for i in np.flatnonzero(~np.isclose(a, b, rtol=allowed, atol=0.0)):
            raise CheckFailed(f"{what} changes {name} of pair {i} from {a[i]!r} to {b[i]!r}")


def require_pairs(what: str, found: Matches, left: Any, right: Any) -> None:
    """Exactly these rows, in this order."""
    require(
        np.array_equal(found.left, left) and np.array_equal(found.right, right),
        f"{what}: the pairs are {_listed(found.left, found.right)}, not {_listed(left, right)}",
    )


def _listed(left: Any, right: Any) -> str:
    pairs = [f"{i}-{j}" for i, j in zip(left, right, strict=True)]
    return (", ".join(pairs[:6]) + (", ..." if len(pairs) > 6 else "")) or "none"


def _pair(found: Matches, i: int) -> str:
    return f"left row {found.left[i]} with right row {found.right[i]}"
