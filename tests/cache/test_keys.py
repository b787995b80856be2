"""Keys: equal for equal values, and for no others."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xxhash import xxh3_128_digest

from armillary.cache import digests
from armillary.cache.digests import PIECE, digest
from armillary.cache.keys import checked_key, key_of
from armillary.testing.cache_values import (
    ALIGNED,
    DTYPES,
    ODD_NANS,
    SHAPES,
    UNKEEPABLE,
    difference,
    filled,
    float_of,
    plain_values,
)


def all_differ(values):
    """No two of them have the same key."""
    return len({key_of(value) for value in values}) == len(values)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
)
values = st.recursive(
    scalars | hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_side=3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


# ------------------------------------------------------------------ different values


def test_a_key_is_sixteen_bytes():
    assert all(type(key_of(v)) is bytes and len(key_of(v)) == 16 for v in plain_values().values())


def test_values_of_every_kind_have_keys_of_their_own():
    assert all_differ(list(plain_values().values()))


@given(values, values)
def test_two_values_have_the_same_key_exactly_if_they_are_the_same_to_the_bit(one, other):
    assert (key_of(one) == key_of(other)) == (difference(one, other) == "")


@given(hnp.arrays(np.float64, st.integers(1, 9)), st.data())
def test_one_bit_of_an_array_makes_another_key(array, data):
    changed = array.copy()
    bits = changed.view(np.uint64)
    bits[data.draw(st.integers(0, len(bits) - 1))] ^= np.uint64(1 << data.draw(st.integers(0, 63)))
    assert key_of(array) != key_of(changed)


def test_fluxes_of_any_unit_have_keys_of_their_own():
    # Rounded to twelve decimals, all of these would be zeros.
    tiny = [np.array([10.0**-n, 3 * 10.0**-n]) for n in range(12, 24)]
    assert all_differ(tiny + [array[::-1] for array in tiny])


def test_the_last_bit_of_one_element_of_many_counts():
    array = np.linspace(0.0, 1.0, 1_000_000)
    for i in (0, 499_999, 999_999):
        changed = array.copy()
        changed[i] = np.nextafter(changed[i], 2.0)
        assert key_of(changed) != key_of(array)


def test_the_order_of_elements_counts():
    assert all_differ([np.array(order) for order in itertools.permutations((1.0, 2.0, 3.0))])


@pytest.mark.parametrize("bits", ODD_NANS)
def test_nan_counts_by_its_bits(bits):
    plain, odd = float("nan"), float_of(bits)
    assert key_of(odd) != key_of(plain)
    assert key_of(odd) == key_of(float_of(bits))
    assert key_of(np.array([odd])) != key_of(np.array([plain]))


def test_minus_zero_is_another_than_zero():
    zeros = [0.0, -0.0, 0, False, None, complex(0.0, -0.0), complex(-0.0, 0.0), 0j]
    arrays = [np.zeros(2), -np.zeros(2), np.zeros(2, int), np.zeros(2, bool), np.zeros(2, complex)]
    assert all_differ([*zeros, *arrays, np.float64(0.0), np.float64(-0.0), np.float32(0.0)])


def test_numbers_of_other_types_have_other_keys():
    ones = [1, 1.0, True, 1 + 0j, "1", b"1", np.int64(1), np.int32(1), np.float64(1), np.bool_(1)]
    assert all_differ([*ones, np.array(1), np.array(1.0), np.array([1]), [1], (1,), {1: 1}])


def test_the_same_bytes_as_another_dtype_have_another_key():
    data = bytes(range(48))
    kinds = ("u1", "i1", "S1", "V2", "<u2", ">u2", "<i4", "<f4", ">f4", "<f8", ">f8", "<c8", "<c16",
             "<M8[s]", "<M8[ns]", "<m8[s]", "S6", "V6")  # fmt: skip
    assert all_differ([data, *[np.frombuffer(data, kind) for kind in kinds]])


def test_equal_numbers_in_another_byte_order_have_another_key():
    assert key_of(np.arange(3, dtype="<f8")) != key_of(np.arange(3, dtype=">f8"))


def test_names_of_fields_and_their_places_count():
    zeros = [
        np.zeros(2, [("a", "f4"), ("b", "f4")]),
        np.zeros(2, [("b", "f4"), ("a", "f4")]),
        np.zeros(2, [("a", "f4"), ("c", "f4")]),
        np.zeros(2, [("a", "f4", (2,))]),
        np.zeros(2, [("a", [("b", "f4"), ("c", "f4")])]),
        np.zeros(2, [("a", "f8")]),
    ]
    assert all_differ(zeros)


def test_the_same_elements_in_another_shape_have_another_key():
    shapes = [(12,), (3, 4), (4, 3), (12, 1), (1, 12), (2, 6), (2, 3, 2), (1, 1, 12)]
    assert all_differ([np.arange(12).reshape(shape) for shape in shapes])


def test_empty_arrays_of_another_shape_or_dtype_have_another_key():
    shapes = [(0,), (0, 1), (1, 0), (0, 0), (3, 0, 2)]
    assert all_differ([np.zeros(shape, kind) for shape in shapes for kind in ("f4", "f8", "U3")])


@pytest.mark.parametrize(
    "ambiguous",
    [
        [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")],
        [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), (b"", b"abc")],
        [[1, [2]], [[1], 2], [1, 2], [[1, 2]], [[1], [2]], [[[1], 2]]],
        [(1, 2), [1, 2], {1: 2}, ((1, 2),), {(1, 2): None}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, [["a", 1], ["b", 2]]],
        [[np.zeros(2), np.zeros(3)], [np.zeros(3), np.zeros(2)], [np.zeros(5)], np.zeros(5)],
        [["f", "3ff0000000000000"], 1.0, ("f", "3ff0000000000000")],
        [["b", 0, 1], b"x"],
        [None, "null", "None", [], {}, (), ""],
        ["\ud83d\ude00", "\U0001f600"],
        [(1 << 62) - 1, 1 << 62, hex(1 << 62), ["i", hex(1 << 62)]],
    ],
)
def test_no_two_values_are_taken_for_each_other(ambiguous):
    assert all_differ(ambiguous)


# ------------------------------------------------------------------ equal values


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=3)))
def test_how_an_array_lies_in_memory_makes_no_difference(array):
    spread = np.repeat(array, 2, axis=0)[::2]
    turned = np.ascontiguousarray(array[::-1])[::-1]
    swapped = np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)
    read_only = array.copy()
    read_only.setflags(write=False)
    alike = [np.asfortranarray(array), spread, turned, swapped, read_only]
    assert {key_of(other) for other in alike} == {key_of(array)}


def test_a_broadcast_array_has_the_key_of_its_copy():
    wide = np.broadcast_to(np.arange(3.0), (4, 3))
    assert key_of(wide) == key_of(wide.copy())


def test_a_mapped_array_has_the_key_of_its_copy(tmp_path):
    np.arange(10.0).tofile(tmp_path / "data")
    assert key_of(np.memmap(tmp_path / "data", float)) == key_of(np.arange(10.0))


@pytest.mark.parametrize("dtype", DTYPES[:-1], ids=str)
def test_equal_arrays_of_every_dtype_have_equal_keys(dtype):
    for shape in SHAPES:
        array = filled(dtype, shape)
        assert key_of(array) == key_of(array.copy(order="F"))


def test_holes_between_fields_do_not_count():
    plain, other = filled(ALIGNED, (4,)), filled(ALIGNED, (4,))
    other.view(np.uint8).reshape(4, -1)[:, 1:8] = 0xAB  # between the flag and the flux
    assert np.array_equal(plain, other)
    assert key_of(plain) == key_of(other) == key_of(np.repeat(other, 2)[::2])


def test_a_value_is_left_alone():
    value = {"a": np.arange(6.0).reshape(2, 3).T, "b": [1, (2, "x")]}
    before = {"a": value["a"].copy(), "b": [1, (2, "x")]}
    key_of(value)
    assert difference(before, value) == "" and value["a"].flags.writeable


def test_keys_do_not_depend_on_the_process():
    # Python's own hash is salted anew in every process.
    program = (
        "import numpy; from armillary.cache import key_of;"
        "print(key_of({'a': ('x', 1.5, b'y'), 'b': numpy.arange(5)}).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    }
    assert found == {key_of({"a": ("x", 1.5, b"y"), "b": np.arange(5)}).hex()}


# ------------------------------------------------------------------ digests


def plain_digest(data):
    """The definition in a few lines."""
    pieces = [bytes(data[i : i + PIECE]) for i in range(0, len(data), PIECE)]
    if len(pieces) <= 1:
        return xxh3_128_digest(bytes(data))
    return xxh3_128_digest(b"".join(xxh3_128_digest(piece) for piece in pieces))


@pytest.mark.parametrize(
    "n_bytes", [0, 1, 15, 16, 17, 4096, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 7]
)
def test_a_digest_is_as_defined_for_any_number_of_threads(n_bytes):
    data = memoryview(np.random.default_rng(n_bytes).bytes(n_bytes))
    found = {digest(data, threads=threads) for threads in (None, 1, 2, 3, 16)}
    assert found == {plain_digest(data)}


def test_threads_that_nobody_asked_for_change_no_digest(monkeypatch):
    monkeypatch.setattr(digests, "MIN_PARALLEL", 1)
    data = memoryview(np.random.default_rng(1).bytes(3 * PIECE + 1))
    assert digest(data) == plain_digest(data)


def test_every_byte_of_a_long_buffer_is_in_its_digest():
    data = bytearray(2 * PIECE + 100)
    whole = digest(memoryview(data))
    for i in (0, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE, len(data) - 1):
        data[i] ^= 1
        assert digest(memoryview(data)) != whole
        data[i] ^= 1
    assert digest(memoryview(data)) == whole
    assert digest(memoryview(data[:-1])) != whole


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("make", UNKEEPABLE.values(), ids=UNKEEPABLE)
def test_what_has_no_encoding_has_no_key(make):
    with pytest.raises(TypeError):
        key_of(make())


def test_the_error_says_where_in_the_value_it_is():
    with pytest.raises(TypeError, match=r"^the value\['a'\]\[1\] is of type builtins\.set"):
        key_of({"a": [1, {2}]})
    with pytest.raises(TypeError, match=r"^a star is an array of object"):
        key_of(np.array([None]), "a star")


def test_a_value_that_contains_itself_has_no_key():
    endless = []
    endless.append(endless)
    with pytest.raises(TypeError):
        key_of(endless)


def test_a_key_may_be_any_buffer_of_sixteen_bytes():
    assert checked_key(bytearray(16)) == bytes(16) == checked_key(memoryview(bytes(16)))


@pytest.mark.parametrize(
    ("key", "kind"),
    [("x" * 16, TypeError), (7, TypeError), (None, TypeError), (b"", ValueError),
     (bytes(15), ValueError), (bytearray(17), ValueError)],
)  # fmt: skip
def test_a_key_of_another_type_or_length_is_refused(key, kind):
    with pytest.raises(kind, match="16 bytes"):
        checked_key(key)


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=0, max_size=3), min_size=2, max_size=4))
def test_where_one_buffer_ends_and_the_next_begins_counts(parts):
    arrays = [np.frombuffer(part, "u1") for part in parts]
    together = np.frombuffer(b"".join(parts), "u1")
    assert key_of(arrays) != key_of([together])
    moved = [together[:1], together[1:], *[np.zeros(0, "u1")] * (len(parts) - 2)]
    assert (key_of(arrays) == key_of(moved)) == (difference(arrays, moved) == "")
