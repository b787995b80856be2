"""Silence for libraries that warn of what we say ourselves, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

# warnings.catch_warnings swaps filters of the whole process: two threads whose blocks overlap
# could leave the filters of one in force for good.
_lock = threading.RLock()


@contextmanager
def quiet(*messages: str) -> Iterator[None]:
    """Ignore warnings within a block, one thread at a time.

    Parameters
    ----------
    *messages : str
        Regular expressions for the beginnings of the messages to ignore. Default: all messages.
    """
    with _lock, warnings.catch_warnings():
        for message in messages or ("",):
            warnings.filterwarnings("ignore", message=message)
        yield
