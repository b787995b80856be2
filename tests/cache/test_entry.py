"""The stored form: what is said in entry.py, byte for byte, and no change goes unnoticed."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import armillary as arm
from armillary.cache.codec import CodecUnavailable
from armillary.cache.digests import digest
from armillary.cache.encoding import Damaged, as_json, encode_value
from armillary.cache.entry import (
    Packed,
    _known,
    _layout,
    open_entry,
    pack,
    parts,
    value_builder,
)
from armillary.testing.cache_values import difference, plain_values, result

KEY = bytes(range(16))
HEAD, PLACE = 56, 24


def entry_of(value, codec=None, key=KEY):
    return b"".join(bytes(part) for part in parts(key, pack(value, codec)))


def value_of(data, codec=None, key=KEY):
    return value_builder(open_entry(key, memoryview(data)), codec)()


#: What is said of a small entry -> its value.
SMALL = {
    "nothing": None,
    "text": "an entry without a buffer",
    "a short array": np.arange(5.0),
    "several buffers and gaps": {"a": np.arange(3, dtype="u1"), "b": b"x", "c": np.zeros((2, 0)),
                                 "d": np.arange(7, dtype=">i2")},
    "a page": np.arange(4096, dtype="u1"),
}  # fmt: skip


def plain_reading(data):
    """Key, description and buffers, by nothing but the table in entry.py."""
    magic, version, checksum = struct.unpack("<4sI16s", data[:24])
    key, n_description, n_buffers, length = struct.unpack("<16sIIQ", data[24:56])
    assert (magic, version, length) == (b"ARMC", 1, len(data))
    assert checksum == digest(memoryview(data)[24:])
    places = [struct.unpack_from("<QQQ", data, HEAD + PLACE * i) for i in range(n_buffers)]
    position = HEAD + PLACE * n_buffers + n_description
    description = json.loads(data[position - n_description : position])
    buffers = []
    for begin, stored, _ in places:
        assert data[position:begin] == bytes(begin - position)
        position = begin + stored
        buffers.append(data[begin:position])
    assert position == len(data)
    return key, description, places, buffers


# ------------------------------------------------------------------ what is written


@pytest.mark.parametrize("value", [*SMALL.values(), *plain_values().values()], ids=str)
def test_an_entry_is_what_the_table_says(value):
    key, (codec, tree), places, buffers = plain_reading(entry_of(value))
    assert key == KEY and codec is None
    assert [stored for _, stored, _ in places] == [raw for _, _, raw in places]
    packed = pack(value)
    assert json.loads(json.dumps(packed.tree)) == tree
    assert buffers == [bytes(buffer) for buffer in packed.buffers]


@pytest.mark.parametrize("value", [*SMALL.values(), *plain_values().values()], ids=str)
def test_the_length_of_an_entry_is_known_before_it_is_written(value):
    packed = pack(value)
    assert packed.stored_bytes == packed.raw_bytes == len(entry_of(value))


@given(
    st.lists(
        hnp.arrays(np.uint8, st.sampled_from([0, 1, 15, 16, 17, 4095, 4096, 4097])), max_size=5
    )
)
def test_buffers_of_a_page_begin_on_one_and_others_where_any_dtype_may(arrays):
    _, _, places, buffers = plain_reading(entry_of(arrays))
    assert [len(buffer) for buffer in buffers] == [array.nbytes for array in arrays]
    for begin, stored, _ in places:
        assert begin % (4096 if stored >= 4096 else 16) == 0


@pytest.mark.parametrize("value", [*SMALL.values(), result()], ids=[*SMALL, "a result"])
def test_what_was_packed_comes_back(value):
    assert difference(value, value_of(entry_of(value))) == ""


# ------------------------------------------------------------------ what is noticed


def damages_of(data):
    """A way to change it, and the changed bytes, one after the other."""
    for i in range(len(data)):
        for mask in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF):
            yield f"byte {i} by {mask:x}", data[:i] + bytes([data[i] ^ mask]) + data[i + 1 :]


def require_damaged(data, what, codec=None):
    try:
        value_of(data, codec)
    except Damaged:
        return
    pytest.fail(f"{what} goes unnoticed")


@pytest.mark.parametrize("name", [name for name in SMALL if name != "a page"])
def test_every_bit_that_is_flipped_is_noticed(name):
    for what, changed in damages_of(entry_of(SMALL[name])):
        require_damaged(changed, what)


def test_every_byte_that_is_flipped_in_a_long_entry_is_noticed():
    data = entry_of([SMALL["a page"], SMALL["a short array"]])
    changed = bytearray(data)
    for i in range(len(data)):
        for mask in (0x01, 0xFF):
            changed[i] ^= mask
            require_damaged(changed, f"byte {i} by {mask:x}")
            changed[i] ^= mask
    assert changed == data


def test_every_byte_that_is_flipped_in_a_coded_entry_is_noticed(zlib_codec):
    value = {"zeros": np.zeros(200), "text": b"again and again " * 20, "short": np.arange(3)}
    data = entry_of(value, zlib_codec.codec)
    for what, changed in damages_of(data):
        require_damaged(changed, what, zlib_codec.codec)


@pytest.mark.parametrize("value", SMALL.values(), ids=SMALL)
def test_every_truncation_is_noticed(value):
    data = entry_of(value)
    for n in range(len(data)):
        require_damaged(data[:n], f"an end after {n} bytes")


@pytest.mark.parametrize("value", SMALL.values(), ids=SMALL)
def test_bytes_that_were_added_are_noticed(value):
    data = entry_of(value)
    for more in (b"\0", b"x", bytes(16), bytes(4096), data):
        require_damaged(data + more, f"{len(more)} bytes more")
    require_damaged(b"\0" + data, "a byte before")


def test_bytes_that_changed_places_are_noticed():
    data = entry_of(np.arange(100, dtype="u1"))
    for i in range(len(data) - 1):
        if data[i] != data[i + 1]:
            swapped = data[:i] + data[i + 1 : i + 2] + data[i : i + 1] + data[i + 2 :]
            require_damaged(swapped, f"bytes {i} and {i + 1} swapped")


@pytest.mark.parametrize("other", [bytes(16), KEY[::-1], KEY[:15] + b"\x10"])
def test_the_entry_of_another_key_is_noticed(other):
    with pytest.raises(Damaged):
        open_entry(other, memoryview(entry_of(1.5)))


@pytest.mark.parametrize("version", [0, 2, 256, 2**31])
def test_the_entry_of_another_version_is_not_read(version):
    data = entry_of(1.5)
    with pytest.raises(Damaged, match="version"):
        value_of(data[:4] + struct.pack("<I", version) + data[8:])


@pytest.mark.parametrize("data", [b"", b"ARMC", bytes(23), bytes(56), bytes(5000), b"ARMC" * 100])
def test_something_else_is_noticed(data):
    require_damaged(data, f"{data[:8]!r}")


def sealed(data):
    """With a digest that fits: what somebody would write who knows how."""
    return data[:8] + digest(memoryview(data)[24:]) + data[24:]


def crafted(description, n_description=None, n_buffers=0, places=b"", more=b""):
    length = HEAD + len(places) + len(description) + len(more)
    n_description = len(description) if n_description is None else n_description
    sizes = struct.pack("<16sIIQ", KEY, n_description, n_buffers, length)
    return sealed(b"ARMC" + struct.pack("<I", 1) + bytes(16) + sizes + places + description + more)


def test_a_crafted_entry_that_is_right_is_read():
    assert value_of(crafted(b'[null,"x"]')) == "x"


@pytest.mark.parametrize(
    "data",
    [
        crafted(b"no JSON"),
        crafted(b"\xff\xfe"),
        crafted(b"[null]"),
        crafted(b"5"),
        crafted(b'{"a":1,"b":2,"c":3}'),
        crafted(b'[null,["o","os:system",{}]]'),
        crafted(b'[null,"x"]', n_buffers=1_000_000),
        crafted(b'[null,"x"]', n_buffers=2**32 - 1),
        crafted(b'[null,["b",0,8]]', n_buffers=1, places=struct.pack("<QQQ", 2**63, 8, 8)),
        crafted(b'[null,["b",0,8]]', n_buffers=1, places=struct.pack("<QQQ", 0, 2**64 - 1, 8)),
        crafted(b"[" * 100_000),
    ],
    ids=range(11),
)
def test_a_crafted_entry_that_makes_no_sense_is_damaged(data):
    with pytest.raises((Damaged, CodecUnavailable)):
        value_of(data)


# ------------------------------------------------------------------ codecs


def test_a_codec_makes_an_entry_smaller_and_its_name_stands_in_it(zlib_codec):
    value = {"zeros": np.zeros(1000), "noise": np.random.default_rng(1).bytes(100), "n": 3}
    data = entry_of(value, zlib_codec.codec)
    _, (name, _), places, _ = plain_reading(data)
    assert name == "zlib"
    (zeros, noise) = places
    assert zeros[1] < zeros[2] == 8000
    # What a codec does not make smaller is kept as it is.
    assert noise[1] == noise[2] == 100
    assert difference(value, value_of(data, zlib_codec.codec)) == ""
    packed = pack(value, zlib_codec.codec)
    assert packed.stored_bytes == len(data) < 500 and packed.raw_bytes > 8100


def test_a_codec_that_declines_leaves_buffers_as_they_are():
    class Declines:
        name = "declines"

        def encode(self, data, itemsize):
            return None

    data = entry_of(np.zeros(1000), Declines())
    assert difference(np.zeros(1000), value_of(data)) == ""


def test_a_codec_is_told_the_size_of_elements(zlib_codec):
    seen = []

    class Looks:
        name = "looks"

        def encode(self, data, itemsize):
            seen.append((type(data), data.format, data.nbytes, itemsize))

    pack([np.zeros(5, "<f4"), b"abc", np.zeros((2, 3), "V6")], Looks())
    assert seen == [(memoryview, "B", 20, 4), (memoryview, "B", 3, 1), (memoryview, "B", 36, 6)]


def test_an_entry_names_the_codec_that_reads_it_wherever_it_is_read(zlib_codec):
    data = entry_of(np.zeros(1000), zlib_codec.codec)
    assert difference(np.zeros(1000), value_of(data, None)) == ""


def test_an_entry_whose_codec_is_not_there_is_not_taken_for_a_damaged_one(zlib_codec):
    data = entry_of(np.zeros(1000), zlib_codec.codec)
    zlib_codec.uninstall()
    with pytest.raises(CodecUnavailable, match="zlib"):
        value_of(data, None)


def test_a_codec_that_cannot_decode_is_damage():
    class Fails:
        name = "fails"

        def encode(self, data, itemsize):
            return b"x"

        def decode(self, stored, into):
            raise ValueError("not mine")

    data = entry_of(np.zeros(1000), Fails())
    with pytest.raises(Damaged, match="not mine"):
        value_of(data, Fails())


# ------------------------------------------------------------------ what a reader found


def entry_with(tree, *buffers, raw=None):
    """An entry with a right checksum, whatever is in it."""
    description = as_json([None if raw is None else "lz4", tree])
    lengths = [len(buffer) for buffer in buffers]
    places, total = _layout(description, lengths, raw or lengths)
    return b"".join(parts(KEY, Packed(description, tree, list(buffers), places, total, total)))


@pytest.mark.parametrize(
    "entry",
    [
        entry_with(["d", [[["l", []], 1]]]),
        entry_with(["a", "|V0", [1 << 33], 0], b""),
        entry_with(["b", 0, 1 << 50], b"few", raw=[1 << 50]),
    ],
    ids=["a list for a key", "elements of nothing", "a petabyte"],
)
def test_a_hostile_entry_is_damaged(entry):
    with pytest.raises((Damaged, CodecUnavailable)):
        value_builder(open_entry(KEY, memoryview(entry)), None)()


def test_a_table_whose_offsets_lead_nowhere_is_damaged():
    import pyarrow

    tree, (buffer,) = encode_value(pyarrow.table({"a": ["abc", "def"]}))
    offsets = np.array([0, 3, 6], np.int32).tobytes()
    stream = bytes(buffer.data)
    assert stream.count(offsets) == 1
    hostile = stream.replace(offsets, np.array([0, 3, 1 << 30], np.int32).tobytes())
    assert value_of(entry_with(tree, stream))["a"].to_pylist() == ["abc", "def"]
    with pytest.raises(Damaged):
        value_of(entry_with(tree, hostile))


def test_long_descriptions_are_not_kept_as_trees():
    before = _known.cache_info().currsize
    arm.cache.decode(arm.cache.encode([float(n) for n in range(1000)]))
    assert _known.cache_info().currsize == before
