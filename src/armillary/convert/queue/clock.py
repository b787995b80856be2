"""The time of day, time that only passes, and waiting: what tests replace."""

from __future__ import annotations

import time


class Clock:
    """The clocks of this machine."""

    def now(self) -> float:
        """Seconds since 1970, for what outlives the process; may jump when clocks are set."""
        return time.time()

    def passed(self) -> float:
        """Seconds since some moment, which never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; a signal ends it."""
        time.sleep(seconds)
