"""The stored form of an entry: one run of bytes that says what it holds and whether it is whole.

==========  ====================================================================================
bytes       what
==========  ====================================================================================
0 to 3      ``ARMC``
4 to 7      version of this form, 1 (little-endian, as all numbers here)
8 to 23     digest of all that follows (digests.py)
24 to 39    key
40 to 55    length of the description, number of buffers (32 bits each), length of the entry (64)
56 on       for each buffer where it begins, its length as stored, and its length as it was (64
            bits each); a codec made those that are shorter than they were
then        the description: JSON of the codec's name, or null, and the tree of encoding.py
then        zeros up to the first buffer, and after each up to the next
==========  ====================================================================================

A buffer of a page or more begins on a page, so that a mapped file gives aligned arrays. Every byte
is in the digest, or is the digest, or must be what stands here: a flipped one is noticed.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .codec import Codec, decoder
from .digests import SIZE, digest, digest_of_parts
from .encoding import Buffer, Builder, Damaged, Tree, as_json, builder, encode_value

MAGIC = b"ARMC"
VERSION = 1
#: Bytes of a page of memory on the machines that we know; a multiple of it is as good.
PAGE = 4096
#: Alignment of buffers shorter than a page, that of any NumPy type.
ALIGNMENT = 16

#: Bytes of a description that is worth keeping as a tree.
SHORT = 1024

_BEGIN = MAGIC + VERSION.to_bytes(4, "little")
#: Where the digest ends, and what it is of begins.
_DIGESTED = len(_BEGIN) + SIZE
_SIZES = struct.Struct("<16sIIQ")
_HEAD = _DIGESTED + _SIZES.size
_PLACE = struct.Struct("<QQQ")


class Place(NamedTuple):
    """Where a buffer is, and how long.

    Attributes
    ----------
    begin : int
        Its first byte in the entry.
    stored : int
        Bytes there.
    raw : int
        Bytes that it had; more than ``stored`` where a codec made it.
    """

    begin: int
    stored: int
    raw: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A value ready to be stored.

    Attributes
    ----------
    description : bytes
        JSON of the codec's name and the tree.
    tree : object
        The tree itself.
    buffers : list of buffer
        As they are stored.
    places : list of Place
        Where they are in the entry.
    stored_bytes, raw_bytes : int
        Length of the entry, and what it would be without a codec.
    """

    description: bytes
    tree: Tree
    buffers: list[Any]
    places: list[Place]
    stored_bytes: int
    raw_bytes: int

    @property
    def without_gaps(self) -> tuple[int, int]:
        """Both lengths where buffers need not begin on pages."""
        head = _HEAD + _PLACE.size * len(self.places) + len(self.description)
        stored = sum(place.stored for place in self.places)
        return head + stored, head + sum(place.raw for place in self.places)


def pack(value: Any, codec: Codec | None = None) -> Packed:
    """A value as what is stored of it.

    Parameters
    ----------
    value : object
        Anything that encoding.py has a form for.
    codec : Codec, optional
        Makes buffers smaller, where it can. None keeps them as they are.

    Raises
    ------
    TypeError
        If the value has no encoding.
    """
    tree, buffers = encode_value(value)
    name = codec.name if codec is not None else None
    description = as_json([name, tree])
    raw = [len(buffer.data) for buffer in buffers]
    if codec is None:
        places, total = _layout(description, raw, raw)
        return Packed(description, tree, [b.data for b in buffers], places, total, total)
    stored = [_smaller(buffer, codec) for buffer in buffers]
    places, total = _layout(description, [len(buffer) for buffer in stored], raw)
    return Packed(description, tree, stored, places, total, _layout(description, raw, raw)[1])


def _smaller(buffer: Buffer, codec: Codec) -> Any:
    """What a codec makes of a buffer; the buffer where that is no smaller."""
    made = codec.encode(buffer.data, buffer.itemsize)
    return buffer.data if made is None or len(made) >= len(buffer.data) else made


def parts(key: bytes, packed: Packed) -> list[Any]:
    """The bytes of an entry, in order, to be written one after the other."""
    places = packed.places
    sizes = _SIZES.pack(key, len(packed.description), len(places), packed.stored_bytes)
    following = [sizes, *(_PLACE.pack(*place) for place in places), packed.description]
    position = _HEAD + _PLACE.size * len(places) + len(packed.description)
    for place, buffer in zip(places, packed.buffers, strict=True):
        following += [bytes(place.begin - position), buffer]
        position = place.begin + place.stored
    return [_BEGIN, digest_of_parts(following), *following]


def _layout(
    description: bytes, stored: Sequence[int], raw: Sequence[int]
) -> tuple[list[Place], int]:
    """Where each buffer is, and the length of the entry."""
    position = _HEAD + _PLACE.size * len(stored) + len(description)
    places = []
    for n_stored, n_raw in zip(stored, raw, strict=True):
        step = PAGE if n_stored >= PAGE else ALIGNMENT
        begin = -(-position // step) * step
        places.append(Place(begin, n_stored, n_raw))
        position = begin + n_stored
    return places, position


class Entry(NamedTuple):
    """A stored entry that is whole, taken apart.

    Attributes
    ----------
    data : memoryview
        All of it.
    description : bytes
        JSON of the codec's name and the tree.
    buffers : list of memoryview
        As they are stored.
    raw_lengths : list of int
        Bytes that each had.
    """

    data: memoryview
    description: bytes
    buffers: list[memoryview]
    raw_lengths: list[int]


def open_entry(key: bytes, data: memoryview) -> Entry:
    """Take a stored entry apart, after every byte of it was compared with its digest.

    Parameters
    ----------
    key : bytes
        The key under which it should be stored.
    data : memoryview
        All of it, unsigned bytes.

    Raises
    ------
    Damaged
        If it is cut short, of another version, of another key, or any byte of it has changed.
    """
    verify(data)
    found, n_description, n_buffers, length = _SIZES.unpack_from(data, _DIGESTED)
    if found != key or length != len(data):
        raise Damaged("its key or length is another")
    end = _HEAD + _PLACE.size * n_buffers
    if end + n_description > length:
        raise Damaged("it has no room for all its buffers")
    buffers, raw_lengths = [], []
    for begin, stored, raw in _PLACE.iter_unpack(data[_HEAD:end]):
        buffers.append(data[begin : begin + stored])
        raw_lengths.append(raw)
    return Entry(data, bytes(data[end : end + n_description]), buffers, raw_lengths)


def verify(data: memoryview) -> None:
    """Make sure that not a byte of an entry has changed since it was written.

    Raises
    ------
    Damaged
        If one has.
    """
    if data[: len(_BEGIN)] != _BEGIN or len(data) < _HEAD:
        raise Damaged("it does not begin like an entry of this version")
    if digest(data[_DIGESTED:]) != data[len(_BEGIN) : _DIGESTED]:
        raise Damaged("its checksum is another")


def value_builder(entry: Entry, own: Codec | None) -> Builder:
    """A function that builds the value of an entry, see encoding.py.

    Parameters
    ----------
    entry : Entry
        The entry.
    own : Codec or None
        That of the store; an entry of another codec is decoded by that one.

    Raises
    ------
    Damaged
        If it cannot be built.
    CodecUnavailable
        If a codec made it that is not there.
    """
    name, tree = described(entry.description)
    if name is None or not is_coded(entry):
        return builder(tree, entry.buffers)
    return builder(tree, raw_buffers(entry.buffers, entry.raw_lengths, decoder(name, own)))


def is_coded(entry: Entry) -> bool:
    """Whether a codec made any of its buffers."""
    return entry.raw_lengths != [len(buffer) for buffer in entry.buffers]


def described(description: bytes) -> tuple[str | None, Tree]:
    """Codec and tree of a description.

    Raises
    ------
    Damaged
        If it is none.
    """
    try:
        return _known(description) if len(description) <= SHORT else _parsed(description)
    except (ValueError, TypeError, RecursionError) as error:
        raise Damaged("its description is none of this version") from error


def _parsed(description: bytes) -> tuple[str | None, Tree]:
    name, tree = json.loads(str(description, "utf-8"))
    if not isinstance(name, str | None):
        raise ValueError("a codec has a name")
    return name, tree


#: Entries of one kind have the same, and JSON takes a quarter of a small hit.
_known = functools.lru_cache(maxsize=1024)(_parsed)


def raw_buffers(stored: Sequence[Any], lengths: Sequence[int], codec: Codec) -> list[Any]:
    """Buffers as they were before a codec made some of them smaller.

    Parameters
    ----------
    stored : sequence of buffer
        As they are stored.
    lengths : sequence of int
        Bytes that they had.
    codec : Codec
        The one that made those that are smaller.

    Raises
    ------
    Damaged
        If the codec cannot decode one of them.
    """
    return [
        buffer if len(buffer) == length else _decoded(buffer, length, codec)
        for buffer, length in zip(stored, lengths, strict=True)
    ]


def _decoded(buffer: Any, length: int, codec: Codec) -> np.ndarray:
    try:
        into = np.empty(length, np.uint8)
    except (MemoryError, ValueError, OverflowError) as error:
        raise Damaged(f"there is no room for the {length} bytes that it claims to be") from error
    try:
        codec.decode(memoryview(buffer), into.data)
    except ValueError as error:
        raise Damaged(f"the codec {codec.name!r} cannot read it: {error}") from error
    return into
