"""The limits of a store, checked in one place for all of them."""

from __future__ import annotations

import math
from typing import Any

from ..runtime.memory import memory_limit

#: What a store can count in 64 bits.
MOST = 2**63 - 1


def checked_bytes(max_bytes: Any) -> int | None:
    """A budget in bytes, from a number or a text such as "4 GB"; None stays None.

    Raises
    ------
    ValueError
        If it is neither, or not positive.
    """
    if max_bytes is None:
        return None
    try:
        n_bytes = memory_limit(max_bytes)
    except (ValueError, OverflowError):
        n_bytes = MOST + 1
    if n_bytes > MOST:
        raise ValueError(
            f"max_bytes must be a positive number of bytes (below 2**63), a text such as '4GB' or "
            f"None, not {max_bytes!r}"
        )
    return n_bytes


def checked_entries(max_entries: Any) -> int | None:
    """The most entries; None stays None.

    Raises
    ------
    ValueError
        If it is no whole number of at least 1.
    """
    if max_entries is None:
        return None
    whole = hasattr(max_entries, "__index__") and not isinstance(max_entries, bool)
    if not whole or not 1 <= int(max_entries) <= MOST:
        raise ValueError(
            f"max_entries must be a whole number of at least 1 (and below 2**63) or None, not "
            f"{max_entries!r}"
        )
    return int(max_entries)


def checked_ttl(ttl: Any) -> float | None:
    """How long an entry is good (s); None stays None, for ever.

    Raises
    ------
    ValueError
        If it is not positive and finite.
    """
    if ttl is None:
        return None
    try:
        seconds = float(ttl)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"ttl must be positive seconds or None, not {ttl!r}")
    return seconds


def checked_clock(clock: Any) -> None:
    """Make sure that a clock is None or a function.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if clock is not None and not callable(clock):
        raise TypeError(f"clock must be a function that gives seconds, or None, not {clock!r}")
