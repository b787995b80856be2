"""What makes buffers smaller: the codecs that plugins bring, by name.

A plugin yields a record of the operation ``cache.codec``; its target is a class (or any callable)
that, called with the options of the codec, gives a :class:`Codec`. Armillary has none of its own:
an entry without a codec is kept as it is, so that it can be mapped and need not be decoded.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol, cast

from ..plugins.errors import BackendUnavailable
from .named import made

OPERATION = "cache.codec"


class Codec(Protocol):
    """What every codec has.

    Attributes
    ----------
    name : str
        Stands in every entry that it made.
    """

    name: str

    def encode(self, data: memoryview, itemsize: int) -> bytes | bytearray | None:
        """Make a buffer smaller.

        Parameters
        ----------
        data : memoryview
            Unsigned bytes of one array, contiguous.
        itemsize : int
            Bytes of its elements.

        Returns
        -------
        bytes, bytearray or None
            What is to be stored; None if the buffer is better kept as it is.
        """

    def decode(self, stored: memoryview, into: memoryview) -> None:
        """Undo :meth:`encode`.

        Parameters
        ----------
        stored : memoryview
            What it gave.
        into : memoryview
            Of the length of the buffer; every byte is written.

        Raises
        ------
        ValueError
            If a byte of ``stored`` has changed or is missing.
        """


def codec_named(name: str, options: dict[str, Any] | None = None) -> Codec:
    """The codec that a plugin registers under a name.

    Raises
    ------
    UnknownBackend
        If no plugin does.
    BackendUnavailable
        If it cannot run here.
    """
    return cast(Codec, made(OPERATION, name, options or {}))


class CodecUnavailable(LookupError):
    """An entry was made by a codec that is not there; it may be again."""


def decoder(name: str, own: Codec | None) -> Codec:
    """The codec that decodes what one of its name made, whatever its options were.

    Parameters
    ----------
    name : str
        As it stands in the entry.
    own : Codec or None
        That of the store, which serves if it has that name.

    Raises
    ------
    CodecUnavailable
        If there is none.
    """
    if own is not None and own.name == name:
        return own
    try:
        return _with_defaults(name)
    except BackendUnavailable as error:  # nothing of that name, or it cannot run
        raise CodecUnavailable(str(error)) from error


@functools.cache
def _with_defaults(name: str) -> Codec:
    return codec_named(name)
