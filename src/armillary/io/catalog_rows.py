"""What every reader of catalogue files gives, and how its rows become batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from armillary.io.errors import CatalogFileError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DESCRIPTION", "UNIT", "Rows", "field", "reason", "refuse_repeated", "regrouped"]

#: Keys of the metadata of a field under which its unit and what describes it stand.
UNIT, DESCRIPTION = b"unit", b"description"

_LONGEST_REASON = 200  # characters


class Rows(NamedTuple):
    """The rows of a catalogue in one format.

    Attributes
    ----------
    format : str
        Its name, for people.
    schema : pyarrow.Schema
        All columns; no metadata but units and descriptions of the fields.
    n_rows : int or None
        None where only reading tells.
    read : callable
        Takes names of columns and a number of rows; gives pieces of any length, of these
        columns in this order, that together are the rows in the order of the file. A piece is not
        much larger than the number of rows asks for.
    """

    format: str
    schema: pa.Schema
    n_rows: int | None
    read: Callable[[list[str], int], Iterator[pa.RecordBatch]]


def field(
    name: str, kind: pa.DataType, unit: object = None, description: object = None
) -> pa.Field:
    """A column of a schema, with its unit and what describes it, where there are any.

    A description is one line; formats break long ones.
    """
    import pyarrow as pa

    told = {UNIT: unit, DESCRIPTION: description}
    texts = {key: " ".join(str(text).split()) for key, text in told.items() if text is not None}
    return pa.field(name, kind, metadata={k: text for k, text in texts.items() if text} or None)


def regrouped(pieces: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most ``rows`` rows: long pieces are cut, short ones joined.

    Only joining copies. No batch is empty.
    """
    held: list[pa.RecordBatch] = []
    n_held = 0
    for piece in pieces:
        for first in range(0, piece.num_rows, rows):
            part = piece.slice(first, rows)
            if n_held + part.num_rows > rows:
                yield from _joined(held)
                held, n_held = [], 0
            held.append(part)
            n_held += part.num_rows
    if held:
        yield from _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """One batch; more only where text would be longer than an array of text can be."""
    import pyarrow as pa

    if len(batches) == 1:
        return batches
    return pa.Table.from_batches(batches).combine_chunks().to_batches()


def refuse_repeated(names: Sequence[str]) -> None:
    """Make sure that a name tells which column is meant.

    Raises
    ------
    CatalogFileError
        If a name occurs twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CatalogFileError(f"it has more than one column named {name!r}")
        seen.add(name)


def reason(error: Exception) -> str:
    """The first line of what a library says, for the end of a sentence."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
