"""Calls of photutils without its messages: it warns and logs of what the result says anyway."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from astropy import log

from armillary.io.quiet import quiet


@contextmanager
def silence() -> Iterator[None]:
    """No warnings, no log and no floating-point errors of this thread within a block.

    One thread at a time, which costs nothing: photutils holds Python's lock anyway.
    """
    mine = _OfThisThread()
    with quiet(), np.errstate(all="ignore"):
        log.addFilter(mine)
        try:
            yield
        finally:
            log.removeFilter(mine)


class _OfThisThread(logging.Filter):
    """Stops what is logged by the thread that made it."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self.thread
