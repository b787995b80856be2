"""Formats that plugins bring: who recognises a file, and how it is asked to read it.

A plugin that knows a file format yields a record of the operation that converts such files::

    @hookimpl
    def armillary_convert():
        yield Implementation(
            operation="convert.catalog", name="mine", target="my_package.mine:Mine", api=1
        )

Its target is a class (or any callable) that, called without arguments, gives a
:class:`Converter`. The module of the target is imported to look at a file, and so should import
nothing heavy; the libraries that read the format belong inside ``read`` and ``write``.

=====  ====================================  ===================================================
step   what decides                          a plugin's converter
=====  ====================================  ===================================================
1      a name: ``use_backend`` and the like  reads every file of the call, unasked
2      armillary's own readers               is not asked about what they read
3      the certainty with which it sniffs    the highest above 0 reads; a tie is an error
=====  ====================================  ===================================================

So installing a plugin changes no result: it can only read what could not be read before.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..plugins.errors import BackendUnavailable, BrokenCanRun, ContractError, PluginWarning
from ..plugins.isolation import Raised, isolated, shown
from ..plugins.records import Registered, Request
from ..plugins.registry import get_registry, resolve
from ..plugins.select import DEFAULT, choose, own_reason, wishes

#: Bytes that a converter is shown: every format says within them what it is.
FIRST_BYTES = 4096


class Converter(Protocol):
    """What every converter has; one that reads also has ``read``, one that writes ``write``."""

    def sniff(self, name: str, first_bytes: bytes) -> float:
        """Tell how certainly a file is of this format.

        Parameters
        ----------
        name : str
            The last part of its path.
        first_bytes : bytes
            Its first 4096 bytes, or all of a shorter one. Empty for a folder, and for a file that
            is yet to be written.

        Returns
        -------
        float
            From 0, it is not, to 1, it cannot be anything else. 0.5 is for a name that fits
            without bytes that tell.
        """


class CatalogConverter(Converter, Protocol):
    """A converter of ``convert.catalog``."""

    def read(self, path: Path) -> Any:
        """Open a catalogue to stream it.

        Parameters
        ----------
        path : Path
            The file. It may be opened more than once in a conversion.

        Returns
        -------
        iterable of pyarrow.Table or pyarrow.RecordBatch
            Its rows, in the order of the file, a part at a time, with an attribute ``schema``;
            such as a ``pyarrow.RecordBatchReader``. Units are in the metadata of the fields, under
            ``b"unit"``; a value that is missing is null.
        """


@dataclass(frozen=True, slots=True)
class Format:
    """A plugin's converter, and who brought it.

    Attributes
    ----------
    registered : Registered
        Its record.
    converter : Converter
        What its target gave.
    """

    registered: Registered
    converter: Any

    @property
    def name(self) -> str:
        """What the format is called, and where it comes from."""
        return f"{self.registered.record.name} ({self.registered.origin})"

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Note on what the converter raises that it was the converter.

        Raises
        ------
        RuntimeError
            If it tries to end the process, which is the user's.
        """
        note = f"raised by {self.registered}"
        try:
            yield
        except KeyboardInterrupt:
            raise
        except SystemExit as error:
            failure = RuntimeError(
                f"{self.registered} tried to end the process (SystemExit: {error})"
            )
            failure.add_note(note)
            raise failure from error
        except BaseException as error:
            error.add_note(note)
            raise


def asked_for(operation: str, backend: str | None = None) -> Format | str | None:
    """What was asked for by name, in the call or before it.

    Parameters
    ----------
    operation : str
        Such as "convert.catalog".
    backend : str, optional
        As in the call.

    Returns
    -------
    Format, str or None
        A plugin's converter; the name of a backend that is none, such as "cpu"; None if nobody
        asked for anything, so that files tell.

    Raises
    ------
    BackendUnavailable
        If what was asked for is not there or cannot run.
    """
    asked = [wish.name for wish in wishes(operation, backend)]
    if not asked:
        return None
    plan = choose(Request(operation), backend)
    if plan.backend.record.name not in asked:
        return None  # what was asked for is for other operations
    if plan.backend.record.name == DEFAULT:
        return DEFAULT
    try:
        with isolated():
            converter = _converter(plan.backend)
    except Raised as raised:
        raise BackendUnavailable(
            f"{plan.backend}, chosen by {plan.chosen_by}, cannot run: loading "
            f"{plan.backend.record.target} raised {raised}"
        ) from raised.error
    if converter is None:
        return plan.backend.record.name
    return Format(plan.backend, converter)


def recognised(operation: str, path: Path, verb: str = "read") -> Format | None:
    """The plugin's converter that knows a file, if there is one.

    Parameters
    ----------
    operation : str
        Such as "convert.catalog".
    path : Path
        The file; it need not exist to be written.
    verb : {"read", "write"}
        What is to be done with it. Converters that do not know how to are not asked.

    Raises
    ------
    ValueError
        If two converters are equally certain; the message tells how to choose.
    ContractError
        If a certainty is no number from 0 to 1.
    BackendUnavailable
        If the converter that knows the file cannot run here.

    Warns
    -----
    PluginWarning
        If a converter raised an error on looking at the file; the others are asked all the same.
    """
    first_bytes = _first_bytes(path)
    certainties = [
        (_certainty(format, path.name, first_bytes), format) for format in _formats(operation, verb)
    ]
    highest = max((certainty for certainty, _ in certainties), default=0.0)
    if highest == 0.0:
        return None
    best = [format for certainty, format in certainties if certainty == highest]
    if len(best) > 1:
        raise ValueError(_tie(operation, path, best))
    _refuse_unable(operation, path, best[0])
    return best[0]


def _formats(operation: str, verb: str) -> Iterator[Format]:
    """The converters of an operation, in the order of their names."""
    for name, registered in sorted(get_registry().implementations.get(operation, {}).items()):
        if name == DEFAULT:
            continue
        converter = None
        with _only_warned_of(registered, f"loading {registered.record.target}"):
            converter = _converter(registered)
        if converter is not None and hasattr(converter, verb):
            yield Format(registered, converter)


def _converter(registered: Registered) -> Any:
    """The converter of a record; None if its target is a backend, a function that does it all."""
    target = resolve(registered.record.target)
    return target() if hasattr(target, "sniff") else None


def _first_bytes(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with open(path, "rb") as file:
        return file.read(FIRST_BYTES)


def _certainty(format: Format, name: str, first_bytes: bytes) -> float:
    """How certainly a file is of a format; 0 where the converter fails on it."""
    answer: Any = 0.0
    with _only_warned_of(format.registered, f"looking at {name!r}"):
        answer = format.converter.sniff(name, first_bytes)
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not 0 <= answer <= 1:
        raise ContractError(
            f"sniff of {format.registered} returned {shown(answer)}, not a certainty from 0 to 1"
        )
    return float(answer)


def _tie(operation: str, path: Path, best: list[Format]) -> str:
    names = [format.registered.record.name for format in best]
    every = " and ".join(format.name for format in best)
    return (
        f"{str(path)!r} is of a format that {every} know equally well; choose one with "
        f"use_backend({names[0]!r}, {operation!r})"
    )


def _refuse_unable(operation: str, path: Path, format: Format) -> None:
    try:
        reason = own_reason(format.registered, Request(operation))
    except BrokenCanRun as error:
        reason = str(error)
    if reason:
        raise BackendUnavailable(
            f"{str(path)!r} is of a format that {format.name} knows, but it cannot run: {reason}"
        )


@contextlib.contextmanager
def _only_warned_of(registered: Registered, doing: str) -> Iterator[None]:
    """Go on with the others when a plugin fails, and say so."""
    try:
        with isolated():
            yield
    except Raised as raised:
        warnings.warn(f"{doing}, {registered} raised {raised}", PluginWarning, stacklevel=4)
