"""One block to its stored bytes and back."""

from __future__ import annotations

from collections.abc import Callable

from lz4.block import LZ4BlockError, decompress

from armillary_lz4.kernel import join, predict, restore, split
from armillary_lz4.layout import Plan

Compress = Callable[[bytes | bytearray | memoryview], bytes]


def pack(content: memoryview, plan: Plan, compress: Compress) -> bytes | memoryview:
    """The stored bytes of a block: fewer than it has, or itself."""
    packed = _sections(content, plan, compress) if plan.lanes else compress(content)
    return packed if len(packed) < len(content) else content


def _sections(content: memoryview, plan: Plan, compress: Compress) -> bytes:
    body = plan.body(len(content))
    elements = differences(content[:body], plan)
    raw = bytearray(plan.raw(body))
    others = bytearray(body - len(raw))
    split(elements, plan.modes, plan.raw_masks, raw, others)
    return b"".join((raw, content[body:], compress(others) if others else b""))


def differences(elements: memoryview, plan: Plan) -> memoryview | bytearray:
    """Elements as the plan has them predicted."""
    if not plan.predicted:
        return elements
    out = bytearray(len(elements))
    predict(elements, plan.lanes, plan.width, out)
    return out


def unpack(stored: memoryview, plan: Plan, into: memoryview) -> None:
    """Fill a block from its stored bytes.

    Raises
    ------
    ValueError
        If they are not what the plan says. That they are does not make them right.
    """
    if len(stored) == len(into):
        into[:] = stored
    elif plan.lanes:
        _join_sections(stored, plan, into)
    else:
        into[:] = _decompressed(stored, len(into))


def _join_sections(stored: memoryview, plan: Plan, into: memoryview) -> None:
    body = plan.body(len(into))
    raw = plan.raw(body)
    others = raw + len(into) - body
    if len(stored) < others:
        raise ValueError("its sections are cut short")
    join(
        stored[:raw],
        _decompressed(stored[others:], body - raw),
        plan.modes,
        plan.raw_masks,
        into[:body],
    )
    into[body:] = stored[raw:others]
    if plan.predicted:
        restore(into[:body], plan.lanes, plan.width)


def _decompressed(stored: memoryview, size: int) -> bytes:
    if size == 0:
        return b""
    try:
        content = decompress(stored, uncompressed_size=size)
    except LZ4BlockError as error:
        raise ValueError(f"LZ4 cannot decompress it ({error})") from None
    if len(content) != size:
        raise ValueError(f"LZ4 decompressed {len(content)} bytes instead of {size}")
    return content
