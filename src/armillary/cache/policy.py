"""Which entry goes first when room is needed.

``"cost"`` is GreedyDual-Size-Frequency (Cherkasova 1998, HPL-98-69R1): the priority of an entry is

    level at its last use + uses * cost / bytes,

the seconds that it saves per byte, and the lowest goes first. The level is the priority of the
last one that went: it rises, and what is not used any more falls behind, whatever it once cost.
``"lru"`` is the number of its last use: the least recently used goes first.
"""

from __future__ import annotations

from typing import Any

POLICIES = ("cost", "lru")
DEFAULT = "cost"
#: Seconds per byte of an entry whose cost nobody told: all such entries are worth the same per
#: byte, and as much as one that was computed at 100 MB/s. A guess.
UNKNOWN_COST_PER_BYTE = 1e-8


def checked_policy(policy: Any) -> str:
    """The name of a policy; None is the default.

    Raises
    ------
    ValueError
        If there is no such policy.
    """
    if policy is None:
        return DEFAULT
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)} or None, not {policy!r}")
    return str(policy)


def checked_cost(cost: Any) -> float | None:
    """Seconds that a value took to compute; None stays None, unknown.

    Raises
    ------
    ValueError
        If it is negative or no finite number.
    """
    if cost is None:
        return None
    seconds = float(cost)
    if not 0.0 <= seconds < float("inf"):
        raise ValueError(f"cost must be seconds, 0 or more, or None, not {cost!r}")
    return seconds


def worth(cost: float | None, n_bytes: int) -> float:
    """Seconds that an entry is taken to save: its cost, or where that is unknown a guess."""
    return UNKNOWN_COST_PER_BYTE * n_bytes if cost is None else cost
