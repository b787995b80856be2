"""Planes and predictions: what goes in comes out, and sizes are checked."""

from __future__ import annotations

import numpy as np
import pytest

from armillary_lz4.kernel import MOST_LANES, TILE_ELEMENTS, join, predict, restore, split


def random_bytes(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5, 8, 16, MOST_LANES])
@pytest.mark.parametrize("mode", [0, 1])
def test_sections_give_the_elements_back(lanes: int, mode: int) -> None:
    elements = random_bytes(3 * TILE_ELEMENTS * lanes)
    mask = 0b00100110 if mode else 255
    masks = bytes([mask, 0] * lanes)[:lanes]
    n_raw = sum(m.bit_count() for m in masks) * 3 * TILE_ELEMENTS // 8
    raw, packed = bytearray(n_raw), bytearray(elements.size - n_raw)
    split(elements, bytes([mode]) * lanes, masks, raw, packed)
    again = np.zeros_like(elements)
    join(raw, packed, bytes([mode]) * lanes, masks, again)
    np.testing.assert_array_equal(again, elements)


def test_planes_hold_the_bits_that_the_stored_form_says() -> None:
    elements = random_bytes(2 * TILE_ELEMENTS).view(np.uint16)
    packed = bytearray(elements.nbytes)
    split(elements.view(np.uint8), bytes([0, 1]), bytes(2), bytearray(), packed)
    low, planes = np.split(np.frombuffer(packed, np.uint8), 2)
    np.testing.assert_array_equal(low, elements & 255)
    bits = (elements[:, None] >> np.arange(8, 16)) & 1
    expected = np.packbits(bits.astype(bool), axis=0, bitorder="little").T
    np.testing.assert_array_equal(planes.reshape(8, -1), expected)


@pytest.mark.parametrize("itemsize", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [0, 2, 3, 31, 100, 1000, 10**9])
def test_predictions_are_undone(itemsize: int, width: int) -> None:
    for n in (0, 1, 2, 3, 99, 100, 101, 997):
        elements = random_bytes(n * itemsize)
        out = np.empty_like(elements)
        predict(elements, itemsize, width, out)
        restore(out, itemsize, width)
        np.testing.assert_array_equal(out, elements)


@pytest.mark.parametrize("width", [0, 7])
def test_predictions_are_those_that_the_kernel_describes(width: int) -> None:
    values = np.random.default_rng(1).integers(-300, 300, 50).astype(np.int16)
    out = np.empty_like(values)
    predict(values.view(np.uint8), 2, width, out.view(np.uint8))
    guesses = np.concatenate([[0], values[:-1]]).astype(np.int64)
    if width:
        v = values.astype(np.int64)
        guesses[width:] = (v[width - 1 : -1] >> 1) + (v[:-width] >> 2) + (v[1 : 1 - width] >> 2) + 1
    differences = values - guesses
    signed = np.where(differences < 0, -2 * differences - 1, 2 * differences)
    np.testing.assert_array_equal(out.view(np.uint16), signed)


def test_elements_may_lie_anywhere_in_memory() -> None:
    memory = random_bytes(8 * 64 + 1)
    out = bytearray(8 * 64)
    predict(memory[1:], 8, 10, out)
    moved = np.frombuffer(b"x" + out, np.uint8).copy()
    restore(moved[1:], 8, 10)
    np.testing.assert_array_equal(moved[1:], memory[1:])


def test_sizes_that_do_not_fit_are_refused() -> None:
    tile = random_bytes(TILE_ELEMENTS)
    with pytest.raises(ValueError, match="do not fit each other"):
        split(tile[1:], b"\0", b"\0", bytearray(), bytearray(tile.size - 1))
    with pytest.raises(ValueError, match="do not have the sizes"):
        join(b"", tile[1:], b"\0", b"\0", bytearray(tile.size))
    with pytest.raises(ValueError, match="do not fit each other"):
        join(b"", b"", bytes(MOST_LANES + 1), bytes(MOST_LANES + 1), bytearray())
    with pytest.raises(ValueError, match="element size"):
        restore(bytearray(9), 3, 0)
    with pytest.raises(ValueError, match="rows of this length"):
        restore(bytearray(8), 4, 1)
