"""Stored bytes that are not what was stored: noticed, whatever has become of them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from armillary_lz4.codec import Codec
from armillary_lz4.layout import VERSION

CODEC = Codec(threads=1)


def image() -> np.ndarray:
    y, x = np.mgrid[:60, :80]
    rng = np.random.default_rng(1)
    noise = rng.integers(-2, 3, (60, 80))
    return (500 + 100 * np.sin(x / 5) * np.cos(y / 9) + noise).astype(np.int16)


ARRAYS = {
    "rows of an image": image(),
    "times": np.linspace(2457000.0, 2457001.0, 1000).round(4),
    "few values": np.random.default_rng(2).choice([1.5, 2.25, np.nan], 1500),
    "text": np.array([b"TIC %05d" % (i % 40) for i in range(800)]).view("u1"),
    "zeros": np.zeros(20_000, np.uint8),
}


def stored_form(array: np.ndarray) -> bytes:
    stored = CODEC.encode(memoryview(array.reshape(-1).view(np.uint8)), array.itemsize)
    assert stored is not None
    return stored


def refuses(stored: bytes | bytearray, size: int) -> bool:
    try:
        CODEC.decode(memoryview(stored), memoryview(bytearray(size)))
    except ValueError as error:
        return str(error).startswith("the stored bytes ")
    return False


@pytest.mark.parametrize("name", ARRAYS)
def test_each_changed_byte_is_noticed(name: str) -> None:
    array = ARRAYS[name]
    stored = bytearray(stored_form(array))
    assert not refuses(stored, array.nbytes)
    for i in range(len(stored)):
        for change in (1, 128, 255):
            stored[i] ^= change
            assert refuses(stored, array.nbytes), (i, change)
            stored[i] ^= change
    assert not refuses(stored, array.nbytes)


@pytest.mark.parametrize("name", ARRAYS)
def test_each_missing_or_added_byte_is_noticed(name: str) -> None:
    array = ARRAYS[name]
    stored = stored_form(array)
    for n in range(len(stored)):
        assert refuses(stored[:n], array.nbytes), n
    assert refuses(stored[1:], array.nbytes)
    assert refuses(stored + b"\0", array.nbytes)


def test_exchanged_blocks_are_noticed() -> None:
    blocks = np.zeros((2, 262144), np.uint8)
    blocks[0, ::1000] = 1
    blocks[1, ::1001] = 1
    stored = stored_form(blocks)
    other = stored_form(blocks[::-1].copy())
    assert len(stored) == len(other)
    # The blocks of one under the header of the other.
    header = 20 + 2 * 12 + 8
    assert refuses(stored[:header] + other[header:], blocks.nbytes)


def test_another_version_and_another_length_are_named() -> None:
    array = ARRAYS["zeros"]
    stored = bytearray(stored_form(array))
    with pytest.raises(ValueError, match=r"hold 20000 bytes, but into has 19999"):
        CODEC.decode(memoryview(stored), memoryview(bytearray(19_999)))
    stored[0] = VERSION + 1
    with pytest.raises(ValueError, match="are of version 2, but 1 can be read"):
        CODEC.decode(memoryview(stored), memoryview(bytearray(array.nbytes)))


@pytest.mark.parametrize("name", ARRAYS)
def test_headers_that_are_wrong_with_a_right_checksum_do_no_harm(name: str) -> None:
    """Nobody is kept from writing checksums: what is read must stay within the buffers."""
    array = ARRAYS[name]
    stored = bytearray(stored_form(array))
    end = 20 + 2 * stored[1] + 12
    for i in range(end):
        for change in (1, 2, 64, 255):
            changed = bytearray(stored)
            changed[i] ^= change
            struct.pack_into("<Q", changed, end, xxh3_64_intdigest(changed[:end]))
            into = bytearray(array.nbytes)
            try:
                CODEC.decode(memoryview(changed), memoryview(into))
            except ValueError:
                continue
            # Another way to say the same, such as a larger size of the only block.
            assert into == array.tobytes(), (i, change)


@pytest.mark.parametrize("block_size", [0, (1 << 26) + 1, (1 << 32) - 1])
def test_blocks_that_nobody_makes_are_refused(block_size: int) -> None:
    array = np.arange(100_000, dtype=np.uint32)
    stored = bytearray(stored_form(array))
    head, check = struct.calcsize("<BBBBIIQ"), struct.calcsize("<Q")
    struct.pack_into("<I", stored, head - 12, block_size)
    # With a checksum that is right, as somebody would write who knows how.
    end = head + 2 * stored[1] + 12 * -(-array.nbytes // 262144)
    struct.pack_into("<Q", stored, end, xxh3_64_intdigest(bytes(stored[:end])))
    assert check == 8 and refuses(stored, array.nbytes)
