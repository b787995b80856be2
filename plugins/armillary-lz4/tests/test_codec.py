"""The codec: round trips of arrays of any kind, what stays raw, and options."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary_lz4.codec import BLOCK, SMALLEST, Codec
from armillary_lz4.kernel import TILE_ELEMENTS

ITEMSIZES = [1, 2, 3, 4, 8, 16]


def as_bytes(array: np.ndarray) -> memoryview:
    return memoryview(np.ascontiguousarray(array).view(np.uint8).reshape(-1))


def decoded(codec: Codec, stored: bytes, size: int) -> bytes:
    into = bytearray(b"\xa5" * size)
    codec.decode(memoryview(stored), memoryview(into))
    return bytes(into)


def walk(n: int, itemsize: int, seed: int = 1) -> bytes:
    """Bytes of elements that are near their neighbours."""
    steps = np.random.default_rng(seed).integers(-3, 4, -(-n // itemsize))
    values = np.cumsum(steps).astype("<i8") + 10_000
    wide = np.zeros((len(values), max(itemsize, 8)), np.uint8)
    wide[:, :8] = values.view(np.uint8).reshape(-1, 8)
    return wide[:, :itemsize].tobytes()[:n]


@settings(max_examples=150)
@given(
    itemsize=st.sampled_from([*ITEMSIZES, 5, 32, 33, 100]),
    edge=st.sampled_from([0, 1, SMALLEST, BLOCK]),
    tiles=st.integers(0, 3),
    more=st.integers(-40, 40),
    kind=st.sampled_from(["walk", "zeros", "noise", "half noise", "repeated"]),
    level=st.sampled_from([-5, 0, 3]),
)
def test_what_is_encoded_comes_back(
    itemsize: int, edge: int, tiles: int, more: int, kind: str, level: int
) -> None:
    n = max(edge + tiles * TILE_ELEMENTS * itemsize + more, 0)
    rng = np.random.default_rng(n)
    noise = rng.integers(0, 256, n, dtype=np.uint8).tobytes()
    data = {
        "walk": walk(n, itemsize),
        "zeros": bytes(n),
        "noise": noise,
        "half noise": noise[: n // 2] + bytes(n - n // 2),
        "repeated": (noise[:1000] * (n // 1000 + 1))[:n],
    }[kind]
    codec = Codec(level=level, threads=1)
    stored = codec.encode(memoryview(data), itemsize)
    if stored is None:
        assert n < SMALLEST or kind in ("noise", "half noise", "walk", "repeated")
    else:
        assert 1.25 * len(stored) <= n
        assert decoded(codec, stored, n) == data


@pytest.mark.parametrize("itemsize", ITEMSIZES)
def test_lengths_around_the_edges_of_blocks_and_tiles(itemsize: int) -> None:
    codec = Codec(threads=1)
    tile = TILE_ELEMENTS * itemsize
    block = BLOCK // tile * tile
    for edge in (SMALLEST, 10 * tile, block, 2 * block):
        for more in {-itemsize, -1, 0, 1, itemsize, tile - 1, tile, tile + 1}:
            data = walk(edge + more, itemsize)
            stored = codec.encode(memoryview(data), itemsize)
            if stored is not None:
                assert decoded(codec, stored, len(data)) == data
    assert stored is not None


def test_nothing_and_little_stay_raw() -> None:
    codec = Codec()
    assert codec.encode(memoryview(b""), 8) is None
    assert codec.encode(memoryview(bytes(SMALLEST - 1)), 1) is None
    assert codec.encode(memoryview(bytes(SMALLEST)), 1) is not None


def test_payloads_of_nan_and_signs_of_zero_come_back() -> None:
    bits = np.full(5000, 0x7FF8000000000000, np.uint64)
    bits[::7] |= np.uint64(0xDEAD)
    bits[::11] = 0x8000000000000000
    bits[::13] = 0x7FF0000000000001  # signalling
    codec = Codec()
    stored = codec.encode(as_bytes(bits.view(np.float64)), 8)
    assert stored is not None
    assert decoded(codec, stored, bits.nbytes) == bits.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_gaussian_noise_stays_raw(dtype: str) -> None:
    values = np.random.default_rng(3).standard_normal(400_000).astype("f8")
    real = "f4" if dtype in ("f4", "c8") else "f8"
    array = values.astype(real).view(dtype)
    assert Codec().encode(as_bytes(array), array.itemsize) is None


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8"])
def test_noise_in_all_bits_stays_raw(dtype: str) -> None:
    array = np.random.default_rng(4).integers(0, 256, 400_000, dtype=np.uint8).view(dtype)
    assert Codec().encode(as_bytes(array), array.itemsize) is None


def test_bits_of_noise_go_past_lz4() -> None:
    """A constant exponent and nine noisy bits: what is stored is what they hold."""
    noise = np.random.default_rng(5).integers(0, 512, 200_000)
    array = (noise + 2**20).astype(np.float32)
    stored = Codec().encode(as_bytes(array), 4)
    assert stored is not None
    assert array.nbytes / len(stored) > 0.98 * 32 / 9


def test_rows_of_an_image_are_found() -> None:
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:300, :400]
    sky = 200 + 60 * np.sin(x / 5.0) * np.cos(y / 9.0)
    image = (sky + rng.normal(0, 1, sky.shape)).astype(np.int16)
    stored = Codec().encode(as_bytes(image), 2)
    flat = image[:, rng.permutation(400)].copy()
    shuffled = Codec().encode(as_bytes(flat), 2)
    assert stored is not None and shuffled is not None
    assert len(stored) < len(shuffled)
    assert decoded(Codec(), stored, image.nbytes) == image.tobytes()


def test_levels_trade_bytes_for_time() -> None:
    data = walk(400_000, 4)
    sizes = {}
    for level in (-20, 0, 3, 9):
        codec = Codec(level=level)
        stored = codec.encode(memoryview(data), 4)
        assert stored is not None
        assert decoded(codec, stored, len(data)) == data
        sizes[level] = len(stored)
    assert sizes[-20] >= sizes[0] >= sizes[3] >= sizes[9]


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    data = walk(3_000_000, 8)
    one = Codec(threads=1).encode(memoryview(data), 8)
    assert one is not None
    for threads in (2, 5):
        assert Codec(threads=threads).encode(memoryview(data), 8) == one
        assert decoded(Codec(threads=threads), one, len(data)) == data


def test_readonly_and_unaligned_memory() -> None:
    data = walk(100_001, 4)
    stored = Codec().encode(memoryview(b"x" + data)[1:], 4)
    assert stored is not None
    into = bytearray(len(data) + 1)
    Codec().decode(memoryview(b"x" + stored)[1:], memoryview(into)[1:])
    assert bytes(into[1:]) == data


@pytest.mark.parametrize("level", [13, -65, 1.5, "3", True, None])
def test_levels_out_of_range_are_refused(level: object) -> None:
    with pytest.raises(ValueError, match="level must be a whole number from -64 to 12, not"):
        Codec(level=level)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_out_of_range_are_refused(threads: object) -> None:
    with pytest.raises(ValueError, match="threads must be a whole number of at least 1"):
        Codec(threads=threads)  # type: ignore[arg-type]


def test_arguments_of_another_kind_are_refused() -> None:
    codec = Codec()
    with pytest.raises(ValueError, match="data must be a contiguous memoryview of unsigned bytes"):
        codec.encode(memoryview(np.zeros(3)), 8)
    with pytest.raises(ValueError, match="data must be"):
        codec.encode(memoryview(bytes(10_000))[::2], 1)
    with pytest.raises(ValueError, match="itemsize must be at least 1, not 0"):
        codec.encode(memoryview(bytes(10_000)), 0)
    with pytest.raises(ValueError, match="into must be writable"):
        codec.decode(memoryview(bytes(100)), memoryview(bytes(100)))
