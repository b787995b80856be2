"""How many threads a call may use."""

from __future__ import annotations

import os

from ..plugins import settings


def default_threads() -> int:
    """``ARMILLARY_THREADS``, or the number of processors this process may use."""
    asked = settings.positive_integer("ARMILLARY_THREADS")
    if asked is not None:
        return asked
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity of this kind
        return os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """The ``threads`` argument of a call, checked; None means :func:`default_threads`.

    Raises
    ------
    ValueError
        If it is not a whole number of at least 1.
    """
    if threads is None:
        return default_threads()
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or int(threads) < 1:
        raise ValueError(f"threads must be a whole number of at least 1 or None, not {threads!r}")
    return int(threads)
