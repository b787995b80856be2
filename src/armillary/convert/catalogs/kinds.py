"""The type of a column that holds the values of several, and loses none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Bits of the integers that a float of so many bits holds, all of them.
_INTEGER_BITS = {32: 24, 64: 53}
_LONGEST = 64


def common_kind(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type for the values of both; None if there is none.

    ==========================  =============================================================
    types                       together
    ==========================  =============================================================
    integers                    the shortest that holds both; ``uint64`` with signed ones is
                                ``uint64``, and a negative value is an error when it is met
    floats                      the longer
    integers and floats         the shortest float that holds both; ``float64`` with integers
                                of 64 bits, and a value that it cannot hold is an error when it
                                is met
    text, binary                the larger kind
    times, dates, durations     the finer, within one time zone
    decimals                    the longer
    lists                       the same of what is in them, if as many
    unknown                     the other
    ==========================  =============================================================
    """
    from pyarrow import types

    if one == other or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    for are_of_one_family, together in (
        (is_text, _larger),
        (_is_binary, _permissive),
        (is_number, _number),
        (types.is_timestamp, _permissive),
        (types.is_date, _permissive),
        (types.is_duration, _permissive),
        (types.is_decimal, _permissive),
        (types.is_fixed_size_list, _list),
    ):
        if are_of_one_family(one) and are_of_one_family(other):
            return together(one, other)
    return None


def joins_late(kind: pa.DataType) -> bool:
    """Whether others are put together before this one, where there are more than two.

    Floats come first: two integers together may be longer than each, and want a longer float.
    """
    from pyarrow import types

    if types.is_fixed_size_list(kind):
        return joins_late(kind.value_type)
    return not types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text."""
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether values are integers or floats."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind)


def may_be_empty_text(kind: pa.DataType) -> bool:
    """Whether this is what readers take a column for of which they see no value."""
    from pyarrow import types

    return is_text(kind) or types.is_null(kind)


def bytes_per_value(kind: pa.DataType, of_text: int) -> int:
    """About how many bytes a value takes; ``of_text`` for what can be of any length."""
    from pyarrow import types

    if types.is_fixed_size_list(kind):
        return kind.list_size * bytes_per_value(kind.value_type, of_text)
    try:
        return max(kind.bit_width // 8, 1)
    except ValueError:
        return of_text


def _is_binary(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind)


def _larger(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.large_string()


def _number(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    if types.is_integer(one) and types.is_integer(other):
        return _integer(one, other)
    bits = 32
    for kind in (one, other):
        if types.is_floating(kind):
            bits = max(bits, kind.bit_width)
        elif kind.bit_width > _INTEGER_BITS[32]:
            bits = _LONGEST
    return pa.float32() if bits == 32 else pa.float64()


def _integer(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    longer = max(one, other, key=lambda kind: kind.bit_width)
    if types.is_signed_integer(one) == types.is_signed_integer(other):
        return longer
    unsigned = one if types.is_unsigned_integer(one) else other
    if unsigned.bit_width < longer.bit_width:
        return longer
    if unsigned.bit_width == _LONGEST:
        return unsigned
    return pa.type_for_alias(f"int{2 * unsigned.bit_width}")


def _list(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    within = common_kind(one.value_type, other.value_type)
    if one.list_size != other.list_size or within is None:
        return None
    return pa.list_(within, one.list_size)


def _permissive(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """What Arrow makes of both."""
    import pyarrow as pa

    pair = [pa.schema([pa.field("", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None
