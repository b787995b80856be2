"""Which process is meant: numbers of processes are used again, so its beginning goes with it."""

from __future__ import annotations

#: Seconds by which the beginning of a process may seem to move when clocks are set.
CLOCK_SLACK = 5.0


def process_began(process: int) -> float:
    """When a process of this machine began (s since 1970); 0 if there is none."""
    import psutil

    try:
        return float(psutil.Process(process).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def still_runs(process: int, began: float) -> bool:
    """Whether the process of this machine that began then is there."""
    now = process_began(process)
    return now > 0.0 and abs(now - began) <= CLOCK_SLACK
