"""One schema for several catalogues, or a sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..._words import counted
from ...io.catalog_rows import DESCRIPTION, field, reason
from ...io.columns import listed
from ...io.errors import CatalogFileError
from . import units
from .kinds import common_kind, is_number, joins_late, may_be_empty_text
from .sources import Source

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows in which a column of text is looked at for a value.
_LOOKED_AT = 1 << 16


@dataclass(frozen=True)
class Unified:
    """What several catalogues have in common.

    Attributes
    ----------
    schema : pyarrow.Schema
        The columns of the result, with their units and descriptions.
    changes : tuple of str
        A sentence for each column of an input that is told in another unit.
    """

    schema: pa.Schema
    changes: tuple[str, ...]

    def conformed(self, batch: pa.RecordBatch, source: Source) -> pa.Table:
        """Rows of an input as rows of the result.

        Raises
        ------
        CatalogFileError
            (A ValueError.) If a value does not fit; the message names input and column.
        """
        import pyarrow as pa

        arrays = [
            _conformed(batch.column(field.name), source, source.schema.field(field.name), field)
            for field in self.schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)


def unified(sources: Sequence[Source], columns: Sequence[str] | None) -> Unified:
    """The columns that a result has of several inputs.

    Parameters
    ----------
    sources : sequence of Source
        The inputs. The first one with a column says in which unit it is.
    columns : sequence of str, optional
        Those to keep, in this order. Default: all, which are then the same of every input, in the
        order of the first.

    Raises
    ------
    CatalogFileError
        (A ValueError.) If an input lacks a column, or has it in another unit or of another kind.
    """
    import pyarrow as pa

    if columns is None:
        _refuse_different_names(sources)
        names = list(sources[0].schema.names)
    else:
        _refuse_missing(sources, columns)
        names = list(columns)
    found = [_Column.of(name, sources) for name in names]
    schema = pa.schema([column.field for column in found])
    return Unified(schema, tuple(change for column in found for change in column.changes))


# ------------------------------------------------------------ names


def _refuse_different_names(sources: Sequence[Source]) -> None:
    first = sources[0]
    for source in sources[1:]:
        for one, other in ((source, first), (first, source)):
            there = set(one.schema.names)
            lacking = [name for name in other.schema.names if name not in there]
            if lacking:
                raise CatalogFileError(
                    f"{str(one.path)!r} lacks {counted(len(lacking), 'column')} that "
                    f"{str(other.path)!r} has: {listed(lacking)}; {_what_all_have(sources)}"
                )


def _what_all_have(sources: Sequence[Source]) -> str:
    everywhere = set.intersection(*(set(source.schema.names) for source in sources))
    names = [name for name in sources[0].schema.names if name in everywhere]
    if not names:
        return "there is no column that all inputs have"
    return f"columns= may choose among those that all inputs have: {listed(names)}"


def _refuse_missing(sources: Sequence[Source], columns: Sequence[str]) -> None:
    for source in sources:
        there = set(source.schema.names)
        for name in columns:
            if name not in there:
                raise CatalogFileError(
                    f"columns: {str(source.path)!r} has no column {name!r} among "
                    f"{listed(source.schema.names)}"
                )


# ------------------------------------------------------------ one column


@dataclass(frozen=True)
class _Column:
    """A column of the result."""

    field: pa.Field
    changes: tuple[str, ...]

    @classmethod
    def of(cls, name: str, sources: Sequence[Source]) -> _Column:
        columns = [source.schema.field(name) for source in sources]
        unit = next((u for column in columns if (u := units.unit_of(column)) is not None), None)
        kind = _kind(name, sources)
        changes = [
            _change(column, source, unit, kind)
            for column, source in zip(columns, sources, strict=True)
            if unit is not None and not units.are_the_same(units.unit_of(column), unit)
        ]
        if changes:
            kind = _double()
        return cls(field(name, kind, unit, _description(columns)), tuple(changes))


def _double() -> pa.DataType:
    import pyarrow as pa

    return pa.float64()


def _description(columns: Sequence[pa.Field]) -> str | None:
    """What the first input says that describes the column."""
    described = ((column.metadata or {}).get(DESCRIPTION) for column in columns)
    return next((text.decode(errors="replace") for text in described if text), None)


def _change(column: pa.Field, source: Source, unit: str, kind: pa.DataType) -> str:
    """That the values of a column are told in another unit, where they can be.

    Raises
    ------
    CatalogFileError
        If they cannot.
    """
    own = str(units.unit_of(column))
    of_this = f"column {column.name!r} of {str(source.path)!r}"
    if not units.are_convertible(own, unit):
        raise CatalogFileError(
            f"{of_this} is in {own}, which cannot be converted to the {unit} of the inputs before"
        )
    if not is_number(kind):
        raise CatalogFileError(
            f"{of_this} is in {own} and that of the inputs before in {unit}, and {kind} is not "
            f"converted; only plain numbers are"
        )
    return f"{of_this} was converted from {own} to {unit}"


# ------------------------------------------------------------ types


def _kind(name: str, sources: Sequence[Source]) -> pa.DataType:
    """The type of a column for the values of all inputs.

    One of text counts for nothing beside one that is no text, if it holds no value: readers take
    a column for text of which they see none.
    """
    kinds = [source.schema.field(name).type for source in sources]
    of_others = [kind for kind in kinds if not may_be_empty_text(kind)]
    if of_others and len(of_others) < len(kinds):
        for source, kind in zip(sources, kinds, strict=True):
            if may_be_empty_text(kind):
                _refuse_text(name, source, sources[kinds.index(of_others[0])])
    wanted = [
        (source, kind)
        for source, kind in zip(sources, kinds, strict=True)
        if not of_others or not may_be_empty_text(kind)
    ]
    wanted.sort(key=lambda one: joins_late(one[1]))
    before, together = wanted[0]
    for source, kind in wanted[1:]:
        wider = common_kind(together, kind)
        if wider is None:
            raise CatalogFileError(
                f"column {name!r} of {str(source.path)!r} is {kind}, and that of "
                f"{str(before.path)!r} {before.schema.field(name).type}; no type holds both"
            )
        together = wider
    return together


def _refuse_text(name: str, source: Source, other: Source) -> None:
    """Make sure that a column of text, beside one that is none, begins without a value."""
    batch = next(source.batches([name], _LOOKED_AT), None)
    text = None if batch is None else _first_value(batch.column(0))
    if text is not None:
        kind = other.schema.field(name).type
        raise CatalogFileError(
            f"column {name!r} of {str(source.path)!r} is text, such as {text!r:.60}, and that of "
            f"{str(other.path)!r} {kind}"
        )


def _first_value(array: pa.Array) -> object:
    known = array.drop_null()
    return known[0].as_py() if len(known) else None


# ------------------------------------------------------------ values


def _conformed(array: pa.Array, source: Source, own: pa.Field, wanted: pa.Field) -> pa.Array:
    """Values of an input as those of the result."""
    import pyarrow as pa

    unit, wanted_unit = units.unit_of(own), units.unit_of(wanted)
    try:
        if unit and wanted_unit and not units.are_the_same(unit, wanted_unit):
            return units.converted(array, unit, wanted_unit)
        if array.type == wanted.type:
            return array
        if may_be_empty_text(own.type) and not may_be_empty_text(wanted.type):
            return _nulls(array, wanted.type)
        return array.cast(wanted.type)
    except (pa.ArrowException, ValueError) as error:
        raise CatalogFileError(
            f"column {own.name!r} of {str(source.path)!r} is {own.type}, and a value does not fit "
            f"into the {wanted.type} of the result ({reason(error)})"
        ) from None


def _nulls(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Unknown values of another type.

    Raises
    ------
    ValueError
        If one is known.
    """
    import pyarrow as pa

    text = _first_value(array)
    if text is not None:
        raise ValueError(f"it is text, {text!r:.60}")
    return pa.nulls(len(array), kind)
