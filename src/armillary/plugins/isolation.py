"""Run the code of strangers so that nothing it raises gets past, but for Ctrl-C."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator

#: Characters of a stranger's error message that fit into a sentence of ours.
MESSAGE_LENGTH = 300


class Raised(Exception):
    """What a stranger's code raised, of whatever class."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(in_short(error))
        self.error = error


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Turn everything that the block raises into :class:`Raised`, except KeyboardInterrupt.

    ``except Exception`` is not enough: SystemExit and the panics of compiled extensions
    derive from BaseException.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Raised(error) from error


def in_short(error: BaseException) -> str:
    """Type and message of an error on one line, even of one that cannot be printed."""
    kind = type(error).__name__
    try:
        with isolated():
            text = textwrap.shorten(str(error), MESSAGE_LENGTH, placeholder=" ...")
    except Raised:
        text = "(its message cannot be printed)"
    return f"{kind}: {text}" if text else kind


def shown(value: object) -> str:
    """``repr(value)``, or what can be said of a value that has none."""
    try:
        with isolated():
            return textwrap.shorten(repr(value), MESSAGE_LENGTH, placeholder=" ...")
    except Raised:
        return f"a {type(value).__name__} that cannot be printed"
