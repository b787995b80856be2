"""Values as trees and buffers: every kind comes back, nothing else is ever built."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import armillary as arm
from armillary.cache import decode, encode
from armillary.cache.encoding import CLASSES, Damaged, builder, encode_value, private
from armillary.plugins.registry import resolve
from armillary.testing import simulated_galaxy
from armillary.testing.cache_values import (
    DTYPES,
    ODD_NANS,
    SHAPES,
    UNKEEPABLE,
    arrays_in,
    difference,
    filled,
    float_of,
    plain_values,
    result,
    small_light_curve,
    table,
)

SOURCE = Path(arm.__file__).parent / "cache"


def through_memory(value):
    """As a store in memory has it."""
    tree, buffers = encode_value(value)
    return builder(tree, [bytes(buffer.data) for buffer in buffers])()


def through_bytes(value):
    """As a store on disk has it."""
    return decode(encode(value))


def require_comes_back(value):
    for way in (through_memory, through_bytes, private):
        assert difference(value, way(value)) == "", way.__name__


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("value", plain_values().values(), ids=plain_values())
def test_values_of_every_kind_come_back(value):
    require_comes_back(value)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arrays_of_every_dtype_and_shape_come_back(dtype):
    for shape in SHAPES:
        require_comes_back(filled(dtype, shape))
        require_comes_back([filled(dtype, shape), filled(dtype, shape)])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_scalars_of_every_dtype_come_back(dtype):
    require_comes_back(filled(dtype, (3,))[1])


any_dtype = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(),
    hnp.unicode_string_dtypes(),
    hnp.nested_dtypes(max_itemsize=200),
    hnp.array_dtypes(max_size=4),
)


@given(st.data())
def test_arrays_of_any_dtype_that_numpy_can_make_come_back(data):
    array = data.draw(
        any_dtype.flatmap(
            lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=4, max_side=3))
        )
    )
    require_comes_back(array)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_like)
def test_containers_of_plain_values_come_back(value):
    require_comes_back(value)


@given(st.text(st.characters(), max_size=8))
def test_any_text_comes_back_even_if_it_is_no_unicode(text):
    require_comes_back(text)


def test_two_lone_surrogates_do_not_become_one_character():
    for text in ("\ud83d\ude00", "\U0001f600", "\udcff", "\ud800x"):
        require_comes_back(text)
        require_comes_back({text: text})


@given(st.integers(0, 2**64 - 1))
def test_a_float_of_any_bits_comes_back(bits):
    number = float_of(bits)
    require_comes_back([number, np.float64(number), np.array([number]), complex(1.0, number)])


@pytest.mark.parametrize("bits", ODD_NANS)
def test_the_payload_of_a_nan_survives(bits):
    array = np.array([bits], np.uint64).view(np.float64)
    assert through_bytes(array).view(np.uint64)[0] == bits


@given(st.integers(-(1 << 2000), 1 << 2000))
def test_whole_numbers_of_any_size_come_back(number):
    require_comes_back(number)


def test_a_number_that_python_would_not_write_in_decimals_comes_back():
    require_comes_back(1 << 100_000)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        np.transpose,
        lambda a: a[::2, :, 1:],
        lambda a: a[:, ::-1],
        lambda a: np.broadcast_to(a[0], (5, *a.shape[1:])),
    ],
)
def test_arrays_of_any_layout_come_back_in_c_order(change):
    array = change(np.arange(60.0).reshape(3, 4, 5))
    for way in (through_memory, through_bytes):
        found = way(array)
        assert difference(array, found) == "" and found.flags.c_contiguous


def test_a_mapped_array_comes_back_as_an_ordinary_one(tmp_path):
    np.arange(10.0).tofile(tmp_path / "data")
    found = through_bytes(np.memmap(tmp_path / "data", float, mode="r"))
    assert type(found) is np.ndarray and difference(np.arange(10.0), found) == ""


def test_arrow_tables_come_back():
    for each in (table(), table().slice(1), table().slice(0, 0), table().select([])):
        require_comes_back(each)
    require_comes_back({"found": table(), "n": 3})


def test_an_arrow_table_of_several_chunks_comes_back():
    import pyarrow

    require_comes_back(pyarrow.concat_tables([table(), table().slice(1)]))


# ------------------------------------------------------------------ results of armillary


def galaxy():
    made = simulated_galaxy((60, 60), effective_radius=8.0, snr=200.0)
    return arm.fit.isophotes(made.image, max_sma=15.0)


def matches():
    left = arm.crossmatch.Catalog([10.0, 20.0], [0.0, 5.0], error=[0.1, 0.2], epoch=2016.0)
    return arm.crossmatch.within(left, left, 5.0)


#: Transits of which some points lie inside.
EPHEMERIS = {"period": 2.0, "t0": 1.0, "duration": 0.2}
#: Name in CLASSES -> a function that gives a real one.
REAL = {
    "Attribution": lambda: arm.search.attribute(*small_light_curve(), **EPHEMERIS),
    "Catalog": lambda: arm.crossmatch.Catalog([10.0], [0.0], error=0.3),
    "EllipseGeometry": lambda: arm.fit.EllipseGeometry(30.0, 31.0, 5.0, 0.3, 0.5),
    "Isophotes": galaxy,
    "LightCurve": lambda: arm.io.LightCurve(*small_light_curve()),
    "Matches": matches,
    "NSigma": lambda: arm.crossmatch.n_sigma(3),
    "Peak": lambda: result().best,
    "Periodogram": result,
    "Provenance": lambda: result().provenance,
    "SearchInput": lambda: result().light_curve,
    "Star": lambda: arm.Star(radius=0.8, mass=0.9),
    "T0Scan": lambda: arm.search.scan_t0(*small_light_curve(), **EPHEMERIS),
    "TemplateScore": lambda: REAL["TemplateScores"]().best,
    "TemplateScores": lambda: arm.search.template_score(
        *small_light_curve(), **EPHEMERIS, gradient=True
    ),
}


def test_every_class_has_a_real_one_here():
    assert REAL.keys() == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_results_of_every_class_come_back(name):
    value = REAL[name]()
    assert type(value) is resolve(CLASSES[name])
    require_comes_back(value)
    require_comes_back([value, {"again": value}])


def test_a_result_that_came_back_can_be_used_like_the_first():
    first, again = result(), through_bytes(result())
    assert difference(first.best, again.best) == ""
    assert repr(first) == repr(again)
    assert (
        difference(np.asarray(first.to_table()["depth"]), np.asarray(again.to_table()["depth"]))
        == ""
    )


def test_a_subclass_of_a_result_is_not_taken_for_it():
    class Better(type(REAL["Star"]())):
        pass

    with pytest.raises(TypeError, match="Better"):
        encode(Better(radius=1.0, mass=1.0))


# ------------------------------------------------------------------ what comes back


def test_arrays_are_read_only_wherever_they_stand():
    value = {
        "a": [np.arange(3)],
        "b": (result(), np.zeros((2, 2))),
        "c": MappingProxyType({1: np.ones(1)}),
    }
    for way in (through_memory, through_bytes):
        found = way(value)
        assert len(arrays_in(found)) > 5
        assert not any(array.flags.writeable for array in arrays_in(found))
        for array in arrays_in(found):
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.setflags(write=True)


def test_each_call_of_a_builder_gives_containers_of_its_own():
    tree, buffers = encode_value({"a": [1, [2]], "b": np.arange(4)})
    build = builder(tree, [bytes(buffer.data) for buffer in buffers])
    first = build()
    first["a"][1].append(3)
    first["c"] = 1
    first["b"].resize((2, 2), refcheck=False) if first["b"].flags.owndata else None
    assert difference({"a": [1, [2]], "b": np.arange(4)}, build()) == ""


def test_records_that_come_back_cannot_be_changed_for_others():
    record = filled(DTYPES[-3], (1,))[0]
    tree, buffers = encode_value(record)
    build = builder(tree, [bytes(buffer.data) for buffer in buffers])
    with pytest.raises(ValueError, match="read-only"):
        build()["ra"] = 7.0


def test_arrays_of_decoded_bytes_are_views_of_them():
    data = encode(np.arange(1000))
    assert np.shares_memory(decode(data), np.frombuffer(data, np.uint8))


def test_buffers_are_views_of_the_value_where_it_is_contiguous():
    array = np.arange(1000.0)
    _, buffers = encode_value(array)
    assert np.shares_memory(np.frombuffer(buffers[0].data, np.uint8), array)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("make", UNKEEPABLE.values(), ids=UNKEEPABLE)
def test_what_has_no_encoding_is_refused(make):
    with pytest.raises(TypeError, match=r"cached|pyarrow|layout|contains"):
        encode(make())


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]}),
        np.dtype({"names": ["b", "a"], "formats": ["i4", "i4"], "offsets": [4, 0]}),
    ],
    ids=["fields that overlap", "fields out of order"],
)
def test_layouts_that_have_no_name_are_refused(dtype):
    with pytest.raises(TypeError, match="layout"):
        encode(np.zeros(3, dtype))


def test_records_without_fields_come_back_or_are_refused():
    try:
        data = encode(np.zeros(3, np.dtype([])))
    except TypeError:
        return
    assert decode(data).shape == (3,)


@pytest.mark.filterwarnings("error")
def test_notes_on_a_dtype_are_left_out_without_a_word():
    noted = np.dtype([("a", np.dtype("f8", metadata={"unit": "mJy"}))], metadata={"x": 1})
    for dtype in (noted, np.dtype("f8", metadata={"unit": "mJy"})):
        assert difference(np.zeros(3, dtype), through_bytes(np.zeros(3, dtype))) == ""


def test_what_contains_itself_is_refused():
    endless = {}
    endless["again"] = [endless]
    with pytest.raises(TypeError):
        encode(endless)


def test_too_many_levels_are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeError):
        encode(deep)


def test_levels_that_can_be_encoded_can_be_decoded():
    deep = []
    for _ in range(150):
        deep = [deep]
    require_comes_back(deep)


class Impostor:
    """Says that it is almost a Star."""


Impostor.__qualname__, Impostor.__module__ = "Stars", "armillary.search.grid.star"


@pytest.mark.parametrize(
    "value",
    [
        Impostor(),
        Path("x"),
        slice(3),
        range(3),
        frozenset([1]),
        memoryview(b"x"),
        json.JSONDecoder(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_of_other_classes_are_refused(value):
    with pytest.raises(TypeError, match=type(value).__qualname__):
        encode(value)


def crafted(tree, buffers=()):
    return builder(tree, [memoryview(data) for data in buffers])()


STAR = {"radius": ["f", "3ff0000000000000"]}


@pytest.mark.parametrize(
    "tree",
    [
        1.5,
        {},
        {"a": 1},
        [],
        ["x"],
        ["zz", 1],
        [["a"], 1],
        [None],
        ["f"],
        ["f", "xyz"],
        ["f", "00"],
        ["f", 1.0],
        ["c", "3ff0000000000000"],
        ["i", "no number"],
        ["b", 0, 3],
        ["b", 7, 1],
        ["b", "0", 1],
        ["a", "<f8", [1], 7],
        ["a", "<f8", [2], 0],
        ["a", "<f8", [-1], 0],
        ["a", "<f8", [-1, -1], 0],
        ["a", "<f8", "1", 0],
        ["a", "|O", [1], 0],
        ["a", "O", [0], 1],
        ["a", [["a", "|O"]], [1], 0],
        ["a", [["a", [["b", "O"]]]], [0], 1],
        ["a", "no dtype", [1], 0],
        ["a", {"names": ["a"], "formats": ["O"]}, [1], 0],
        ["n", "|O", "0000000000000000"],
        ["n", "<f8", "00"],
        ["t", 5],
        ["t"],
        ["d", [[1]]],
        ["d", [1]],
        ["o", "os:system", {}],
        ["o", "builtins:eval", {"x": "1"}],
        ["o", "armillary.search.grid.star:Star", STAR],
        ["o", "Store", {}],
        ["o", "Star", {}],
        ["o", "Star", STAR | {"__class__": 1}],
        ["o", "Star", 5],
        ["o", ["Star"], STAR],
        ["w", 0, 8],
        ["w", 0, 9],
        ["p", "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjA1lY2hvIGhhY2tlZCA+lIWUUpQu"],
    ],
    ids=str,
)
def test_only_what_stands_in_the_table_is_built(tree):
    with pytest.raises(Damaged):
        crafted(tree, [b"12345678", b""])


def test_a_list_that_is_a_key_of_a_dict_is_no_value():
    with pytest.raises((Damaged, TypeError)):
        crafted(["d", [[["l", []], 1]]])


def test_a_result_of_another_version_of_armillary_is_damaged():
    tree, buffers = encode_value(REAL["Star"]())
    fields = dict(tree[2])
    for change in ({"age": 1}, {"radius": None}):
        changed = {k: v for k, v in (fields | change).items() if v is not None}
        if change == {"radius": None}:
            changed.pop("radius", None)
        with pytest.raises(Damaged, match="another version"):
            crafted(["o", "Star", changed])
    assert buffers == []


# ------------------------------------------------------------------ no pickle


def test_the_cache_knows_nothing_of_pickle():
    forbidden = ("import pickle", "import marshal", "import shelve", "import dill", "cloudpickle",
                 "eval(", "exec(", "allow_pickle", "__import__")  # fmt: skip
    for path in SOURCE.rglob("*.py"):
        text = path.read_text().replace("memoize.py", "")
        assert not [word for word in forbidden if word in text], path


def test_nothing_is_pickled_or_unpickled(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("pickle is used")

    for name in ("loads", "load", "dumps", "dump", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    for value in (*plain_values().values(), result(), table(), np.zeros(0, "U0")):
        require_comes_back(value)


def test_bytes_of_a_pickle_are_bytes():
    data = pickle.dumps({"a": 1})
    assert through_bytes(data) == data


def test_pickle_is_not_even_imported():
    program = (
        "import sys, numpy; before = 'pickle' in sys.modules;"
        "import armillary.cache.encoding as encoding, armillary.cache.entry, armillary.cache.keys;"
        "names = [n for n, m in list(sys.modules.items()) if n.startswith('armillary')"
        " and any(hasattr(m, name) for name in ('pickle', 'marshal', 'dill'))];"
        "assert not names, names"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ------------------------------------------------------------------ the front doors


def test_encode_gives_bytes_and_decode_takes_any_buffer_of_them():
    data = encode({"a": np.arange(3)})
    assert type(data) is bytes
    for given_data in (data, bytearray(data), memoryview(data), np.frombuffer(data, "u1")):
        assert difference({"a": np.arange(3)}, decode(given_data)) == ""


def test_the_same_value_gives_the_same_bytes():
    for value in plain_values().values():
        assert encode(value) == encode(through_bytes(value))


def test_equal_arrays_of_another_layout_give_the_same_bytes():
    array = np.arange(12.0).reshape(3, 4)
    assert encode(array) == encode(np.asfortranarray(array))


@pytest.mark.parametrize("data", [b"", b"ARMC", bytes(100), b"x" * 5000, pickle.dumps([1])])
def test_decode_of_something_else_is_a_value_error(data):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        decode(data)


def test_a_value_is_left_alone_by_its_encoding():
    array = np.arange(5.0)
    value = {"a": array, "b": [1]}
    encode(value)
    assert array.flags.writeable and difference({"a": np.arange(5.0), "b": [1]}, value) == ""
