"""What is said on standard error: errors, warnings, notes, and the log."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

#: How often -v was given -> what the log shows.
LOG_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def standard_error() -> Console:
    """The console for everything that is not a result."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def with_notes(error: BaseException) -> str:
    """What an error says and, in brackets, its notes: which plugin raised it, and who chose it."""
    notes = (f"({note})" for note in getattr(error, "__notes__", ()))
    return " ".join([str(error), *notes])


def say(kind: str, sentence: object) -> None:
    """Print one sentence, after what it is: "error", "warning" or "note"."""
    from rich.text import Text

    standard_error().print(Text.assemble((f"{kind}: ", _STYLES[kind]), str(sentence)))


@contextlib.contextmanager
def everything_on_standard_error(verbosity: int) -> Iterator[None]:
    """Show Python's warnings as sentences and armillary's log, for the length of a command."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        handler = _LogHandler(LOG_LEVELS[min(verbosity, len(LOG_LEVELS) - 1)])
        logger = logging.getLogger("armillary")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(handler.level)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say("warning", message)


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say("warning" if record.levelno >= logging.WARNING else "note", self.format(record))
