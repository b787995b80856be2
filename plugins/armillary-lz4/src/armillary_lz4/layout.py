"""The stored form: what its bytes mean.

================  =======================================================================
1 byte            version
1 byte            lanes: bytes in an element; 0 where blocks go to LZ4 as they are
1 byte            1 where differences from predictions are stored, else 0
1 byte            not used, 0
4 bytes           elements in a row; 0 for prediction from the one before alone
4 bytes           bytes in a block, the last of which may be shorter
8 bytes           bytes in the array
lanes x 2 bytes   1 for bit planes or 0 for bytes, and which planes are raw
blocks x 12       bytes stored, and checksum
8 bytes           XXH3 of all bytes before
the rest          the blocks
================  =======================================================================

Numbers are little-endian. A block that is stored in as many bytes as it has is as it was. Else
come its raw sections, its tail (what fills no tile of the kernel), and an LZ4 block with its other
sections.

The checksum of a block is XXH3-64 of its content, with XXH3-64 of its stored bytes as the seed: it
notices both a change that leads to other content and one that does not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, pairwise

from xxhash import xxh3_64_intdigest

from armillary_lz4.kernel import MOST_LANES, TILE_ELEMENTS

#: Written into every stored form; one that changes what bytes mean gets another.
VERSION = 1

_HEAD = struct.Struct("<BBBBIIQ")
_BLOCK = struct.Struct("<IQ")
_CHECK = struct.Struct("<Q")
#: Sizes of elements that can be predicted.
WORDS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the blocks of one array are stored.

    Attributes
    ----------
    lanes : int
        Bytes in an element; 0 where blocks go to LZ4 as they are.
    predicted : bool
        Whether differences from predictions are stored.
    width : int
        Elements in a row; 0 for prediction from the element before alone.
    modes, raw_masks : bytes, length ``lanes``
        As the kernel takes them.
    """

    lanes: int = 0
    predicted: bool = False
    width: int = 0
    modes: bytes = b""
    raw_masks: bytes = b""

    def body(self, size: int) -> int:
        """How many of the bytes of a block fill tiles."""
        tile = self.lanes * TILE_ELEMENTS
        return size // tile * tile

    def raw(self, body: int) -> int:
        """How many bytes of a body are in raw sections."""
        eighths = sum(
            mask.bit_count() if mode else mask // 255 * 8
            for mode, mask in zip(self.modes, self.raw_masks, strict=True)
        )
        return body // max(self.lanes, 1) // 8 * eighths


@dataclass(frozen=True, slots=True)
class Block:
    """One block: where it is in the array and in the stored form, and its checksum."""

    start: int
    stop: int
    stored_start: int
    stored_stop: int
    check: int


def check_of(content: memoryview, stored: memoryview | bytes) -> int:
    """The checksum of a block."""
    return xxh3_64_intdigest(content, xxh3_64_intdigest(stored))


#: Bytes of a block, at most; no encoder makes them as large, and LZ4 counts in 31 bits.
LARGEST_BLOCK = 1 << 26


def header(plan: Plan, length: int, block_size: int, blocks: list[tuple[int, int]]) -> bytes:
    """All that comes before the blocks, of which bytes stored and checksum are given."""
    lanes = bytes(b for pair in zip(plan.modes, plan.raw_masks, strict=True) for b in pair)
    table = b"".join(_BLOCK.pack(*block) for block in blocks)
    head = _HEAD.pack(VERSION, plan.lanes, plan.predicted, 0, plan.width, block_size, length)
    text = head + lanes + table
    return text + _CHECK.pack(xxh3_64_intdigest(text))


def parse(stored: memoryview, length: int) -> tuple[Plan, list[Block]]:
    """The plan and the blocks of a stored form.

    Parameters
    ----------
    stored : memoryview of bytes
    length : int
        Bytes in the array that it has to give.

    Raises
    ------
    ValueError
        If it is damaged, cut short, of another version or of another length.
    """
    if len(stored) < _HEAD.size + _CHECK.size:
        raise ValueError(f"the stored bytes are cut short: there are {len(stored)}")
    version, lanes, predicted, unused, width, block_size, stored_length = _HEAD.unpack_from(stored)
    if version != VERSION:
        raise ValueError(f"the stored bytes are of version {version}, but {VERSION} can be read")
    if not 0 < block_size <= LARGEST_BLOCK:
        raise ValueError(f"the stored bytes are damaged: blocks have {block_size} bytes")
    n_blocks = -(-stored_length // block_size)
    table = _HEAD.size + 2 * lanes
    end = table + n_blocks * _BLOCK.size
    if end + _CHECK.size > len(stored):
        raise ValueError("the stored bytes are damaged or cut short within their header")
    if _CHECK.unpack_from(stored, end)[0] != xxh3_64_intdigest(stored[:end]):
        raise ValueError("the stored bytes are damaged: their header does not have its checksum")
    if stored_length != length:
        raise ValueError(f"the stored bytes hold {stored_length} bytes, but into has {length}")
    plan = Plan(
        lanes, bool(predicted), width, *(bytes(stored[_HEAD.size + i : table : 2]) for i in (0, 1))
    )
    if predicted > 1 or unused or not _is_possible(plan, block_size):
        raise ValueError("the stored bytes are damaged: their header describes no stored form")
    return plan, _blocks(stored, table, n_blocks, block_size, length)


def _is_possible(plan: Plan, block_size: int) -> bool:
    """Whether an encoder can have had this plan; anybody can write a checksum."""
    lanes = list(zip(plan.modes, plan.raw_masks, strict=True))
    return (
        plan.lanes <= MOST_LANES
        and block_size % (max(plan.lanes, 1) * TILE_ELEMENTS) == 0
        and (not plan.predicted or plan.lanes in WORDS)
        and (plan.width == 0 or (plan.predicted and plan.width > 1))
        and all(mode == 1 or (mode == 0 and mask in (0, 255)) for mode, mask in lanes)
    )


def _blocks(
    stored: memoryview, table: int, n_blocks: int, block_size: int, length: int
) -> list[Block]:
    entries = [_BLOCK.unpack_from(stored, table + i * _BLOCK.size) for i in range(n_blocks)]
    first = table + n_blocks * _BLOCK.size + _CHECK.size
    edges = list(accumulate((size for size, _ in entries), initial=first))
    if edges[-1] != len(stored):
        raise ValueError(
            f"the stored bytes are damaged or cut short: {len(stored)} instead of {edges[-1]}"
        )
    starts = [*range(0, length, block_size), length]
    return [
        Block(*places, *stored_places, check)
        for places, stored_places, (_, check) in zip(
            pairwise(starts), pairwise(edges), entries, strict=True
        )
    ]
