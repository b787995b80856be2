"""What is said of a cache that does not work as it should."""

from __future__ import annotations

import sys
import warnings


class CacheWarning(UserWarning):
    """A cache could not be read or written; results are computed as if there were none."""


def warn(message: str) -> None:
    """Warn of a cache, at the line that called armillary."""
    warnings.warn(message, CacheWarning, stacklevel=_levels_to_the_caller())


def _levels_to_the_caller() -> int:
    """How far up the code is that called armillary."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, levels = frame.f_back, levels + 1
    return levels


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "armillary" or module == "contextlib"
