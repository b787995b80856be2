"""Values as trees of plain things and flat buffers, and back, without pickle.

A value becomes a *tree*, which JSON can hold, and the *buffers* that it refers to by number:

====================  =========================================================================
tree                  value
====================  =========================================================================
``null true 12 "x"``  None, bool, int and str as they are
``["i", hex]``        an int of more than 62 bits
``["s", hex]``        str with lone surrogates, in UTF-8 as far as that goes
``["f", bits]``       float, by the bits of its IEEE 754 form (so -0.0 and every NaN survive)
``["c", bits]``       complex, two of these
``["b", i, n]``       bytes: buffer i, of n bytes
``["a", dtype, shape, i]``
                      array: buffer i, in C order
``["n", dtype, hex]`` a NumPy scalar
``["t", [...]]``      tuple; ``["l", [...]]`` a list
``["d", [[k, v]..]]`` dict, in its order; ``["m", ...]`` a read-only view of one
``["o", name, {..}]`` a dataclass of armillary, by the name in :data:`CLASSES`, and its fields
``["w", i, n]``       pyarrow Table: an IPC stream of n bytes
====================  =========================================================================

Only what stands in this table is ever built from a stored tree; a name that is not in
:data:`CLASSES` is refused. Arrays come back read-only, in C order and in their own byte order.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..plugins.registry import resolve

#: Name in a tree -> the dataclass of armillary that it stands for.
CLASSES = {
    "Attribution": "armillary.search.template.attribution:Attribution",
    "Catalog": "armillary.crossmatch.catalog.catalog:Catalog",
    "EllipseGeometry": "armillary.fit.isophote.geometry:EllipseGeometry",
    "Isophotes": "armillary.fit.isophote.result:Isophotes",
    "LightCurve": "armillary.io.light_curve:LightCurve",
    "Matches": "armillary.crossmatch.sky.result:Matches",
    "NSigma": "armillary.crossmatch.catalog.radius:NSigma",
    "Peak": "armillary.search.box.result:Peak",
    "Periodogram": "armillary.search.box.result:Periodogram",
    "Provenance": "armillary.plugins.records:Provenance",
    "SearchInput": "armillary.search.inputs:SearchInput",
    "Star": "armillary.search.grid.star:Star",
    "T0Scan": "armillary.search.template.scan:T0Scan",
    "TemplateScore": "armillary.search.template.result:TemplateScore",
    "TemplateScores": "armillary.search.template.result:TemplateScores",
}
_NAMES = {target: name for name, target in CLASSES.items()}

#: What has an encoding, for sentences.
ALLOWED = (
    "arrays, numbers, strings, bytes, None, tuples, lists and dicts of them, pyarrow Tables, and "
    "results of armillary"
)
#: Kinds of dtype whose bytes say everything: no objects, and so no pickle.
_PLAIN_KINDS = frozenset("biufcSUmMV")

Tree = Any
Builder = Callable[[], Any]


class Buffer(NamedTuple):
    """Bytes that a tree refers to.

    Attributes
    ----------
    data : memoryview
        Contiguous, of unsigned bytes.
    itemsize : int
        Bytes of one element.
    """

    data: memoryview
    itemsize: int


class Damaged(ValueError):
    """What is stored is not what was stored, or nothing that this version can read."""


# ------------------------------------------------------------------ value to tree


def encode_value(value: Any, what: str = "the value") -> tuple[Tree, list[Buffer]]:
    """A value as a tree and its buffers.

    Parameters
    ----------
    value : object
        Anything in the table above.
    what : str
        What to call it in an error.

    Returns
    -------
    tree : object
        For JSON.
    buffers : list of Buffer
        Views of the value's own memory where it is contiguous.

    Raises
    ------
    TypeError
        If the value, or something in it, has no encoding; the message says where.
    """
    buffers: list[Buffer] = []
    try:
        return _tree(value, buffers, what), buffers
    except RecursionError:
        raise TypeError(f"{what} contains itself, or too many levels of containers") from None


def as_json(tree: Tree) -> bytes:
    """A tree as JSON, without spaces."""
    return _JSON.encode(tree).encode()


#: Made once: json.dumps with options makes one at each call.
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def private(value: Any) -> Any:
    """A copy that shares nothing that can be written to."""
    tree, buffers = encode_value(value)
    return builder(tree, [bytes(buffer.data) for buffer in buffers])()


def _tree(value: Any, buffers: list[Buffer], what: str) -> Tree:
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value, buffers, what)
    if isinstance(value, np.generic):
        return _scalar(value, what)
    if isinstance(value, np.memmap):
        return _array(np.asarray(value), buffers, what)
    kind = type(value)
    name = _NAMES.get(f"{kind.__module__}:{kind.__qualname__}")
    if name is not None:
        fields = {
            field.name: _tree(getattr(value, field.name), buffers, f"{what}.{field.name}")
            for field in dataclasses.fields(value)
        }
        return ["o", name, fields]
    if kind.__module__.startswith("pyarrow") and kind.__name__ == "Table":
        return _arrow(value, buffers)
    raise TypeError(
        f"{what} is of type {kind.__module__}.{kind.__qualname__}, which cannot be cached; "
        f"what can be is {ALLOWED}"
    )


def _itself(value: Any, buffers: list[Buffer], what: str) -> Tree:
    return value


def _text(value: str, buffers: list[Buffer], what: str) -> Tree:
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON writes two lone surrogates like the one character that they would be together.
        return ["s", value.encode("utf-8", "surrogatepass").hex()]
    return value


def _integer(value: int, buffers: list[Buffer], what: str) -> Tree:
    # Beyond this, Python refuses to write a number in decimals.
    return value if abs(value) < 1 << 62 else ["i", hex(value)]


def _float(value: float, buffers: list[Buffer], what: str) -> Tree:
    return ["f", struct.pack(">d", value).hex()]


def _complex(value: complex, buffers: list[Buffer], what: str) -> Tree:
    return ["c", struct.pack(">dd", value.real, value.imag).hex()]


def _bytes(value: bytes, buffers: list[Buffer], what: str) -> Tree:
    buffers.append(Buffer(memoryview(value).cast("B"), 1))
    return ["b", len(buffers) - 1, len(value)]


def _array(value: np.ndarray, buffers: list[Buffer], what: str) -> Tree:
    dtype = _dtype_tree(value.dtype, what)
    if not value.dtype.itemsize:
        raise TypeError(f"{what} is an array of {value.dtype}, whose elements have no bytes")
    if value.dtype.names is not None:
        value = _without_holes(value)
    flat = np.ascontiguousarray(value).reshape(-1)
    data = flat.view(np.uint8).data if flat.nbytes else memoryview(b"")
    buffers.append(Buffer(data, value.dtype.itemsize))
    return ["a", dtype, list(value.shape), len(buffers) - 1]


def _without_holes(value: np.ndarray) -> np.ndarray:
    """A copy with zeros between fields, where what was in memory before may lie."""
    filled = np.zeros(value.shape, value.dtype)

    def copy(source: np.ndarray, into: np.ndarray) -> None:
        if source.dtype.names is None:
            into[...] = source
        else:
            for name in source.dtype.names:
                copy(source[name], into[name])

    copy(value, filled)
    return filled


def _scalar(value: np.generic, what: str) -> Tree:
    dtype = _dtype_tree(value.dtype, what)
    array = _without_holes(np.asarray(value)) if value.dtype.names else value
    return ["n", dtype, array.tobytes().hex()]


def _dtype_tree(dtype: np.dtype, what: str) -> Tree:
    if dtype.hasobject or dtype.kind not in _PLAIN_KINDS:
        raise TypeError(f"{what} is an array of {dtype}, which cannot be cached: use {ALLOWED}")
    if dtype.names is None and dtype.subdtype is None:
        return dtype.str
    try:
        described = _lists(dtype.descr)
        again = np.lib.format.descr_to_dtype(_tuples(described))
        same = (_lists(again.descr), again.itemsize) == (described, dtype.itemsize)
    except (ValueError, IndexError):
        same = False
    if not same:
        raise TypeError(f"{what} is an array of {dtype}, whose layout has no portable name")
    return described


def _lists(described: Any) -> Tree:
    """A description of a dtype as JSON would give it back, without notes attached to it."""
    if isinstance(described, tuple) and isinstance(described[-1], dict):
        return _lists(described[0])
    if isinstance(described, list | tuple):
        return [_lists(part) for part in described]
    return described


def _sequence(tag: str) -> Callable[..., Tree]:
    def encode(value: Sequence[Any], buffers: list[Buffer], what: str) -> Tree:
        return [tag, [_tree(item, buffers, f"{what}[{i}]") for i, item in enumerate(value)]]

    return encode


def _mapping(tag: str) -> Callable[..., Tree]:
    def encode(value: Mapping[Any, Any], buffers: list[Buffer], what: str) -> Tree:
        items = [
            [_tree(key, buffers, f"a key of {what}"), _tree(item, buffers, f"{what}[{key!r}]")]
            for key, item in value.items()
        ]
        return [tag, items]

    return encode


def _arrow(table: Any, buffers: list[Buffer]) -> Tree:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = memoryview(sink.getvalue()).cast("B")
    buffers.append(Buffer(data, 1))
    return ["w", len(buffers) - 1, len(data)]


_ENCODERS: dict[type, Callable[..., Tree]] = {
    type(None): _itself,
    bool: _itself,
    str: _text,
    int: _integer,
    float: _float,
    complex: _complex,
    bytes: _bytes,
    np.ndarray: _array,
    tuple: _sequence("t"),
    list: _sequence("l"),
    dict: _mapping("d"),
    MappingProxyType: _mapping("m"),
}


# ------------------------------------------------------------------ tree to value


def builder(tree: Tree, buffers: Sequence[Any]) -> Builder:
    """A function that builds the value anew at each call.

    What can be done once is done here: a call only makes new containers, and new views of the
    arrays, so that nobody who changes the shape of one changes what the next caller gets.

    Parameters
    ----------
    tree : object
        What :func:`encode_value` gave, maybe read back from a file.
    buffers : sequence of buffer
        As long as they were, and not to be written to from now on.

    Raises
    ------
    Damaged
        If the tree is none of ours, or a buffer is of another length.
    """
    try:
        return _builder(tree, buffers)
    except Damaged:
        raise
    except Exception as error:  # RecursionError, too: of lists in lists in lists
        raise Damaged(f"no value of this version of armillary: {error}") from error


def _builder(tree: Tree, buffers: Sequence[Any]) -> Builder:
    if type(tree) is not list:
        if tree is None or type(tree) in (bool, int, str):
            return lambda: tree
        raise Damaged(f"a {type(tree).__name__} stands where a value should")
    return _BUILDERS[tree[0]](*tree[1:], buffers)


def _constant(value: Any) -> Builder:
    return lambda: value


def _build_float(bits: str, buffers: Sequence[Any]) -> Builder:
    return _constant(struct.unpack(">d", bytes.fromhex(bits))[0])


def _build_complex(bits: str, buffers: Sequence[Any]) -> Builder:
    return _constant(complex(*struct.unpack(">dd", bytes.fromhex(bits))))


def _build_bytes(index: int, length: int, buffers: Sequence[Any]) -> Builder:
    value = bytes(buffers[index])
    if len(value) != length:
        raise Damaged(f"{len(value)} bytes are there, not {length}")
    return _constant(value)


def _build_array(dtype: Tree, shape: list[int], index: int, buffers: Sequence[Any]) -> Builder:
    kind = _dtype(dtype)
    if not kind.itemsize:
        raise Damaged("elements of an array have no bytes")
    n_bytes = math.prod(shape) * kind.itemsize
    buffer = buffers[index]
    if len(buffer) != n_bytes:
        raise Damaged(f"{len(buffer)} bytes are there for {kind} of shape {shape}")
    array = np.frombuffer(buffer, kind) if n_bytes else np.empty(shape, kind)
    if len(shape) != 1:
        array = array.reshape(shape)
    array.setflags(write=False)
    return array.view


def _build_scalar(dtype: Tree, bits: str, buffers: Sequence[Any]) -> Builder:
    kind, data = _dtype(dtype), bytes.fromhex(bits)
    if len(data) != kind.itemsize:
        raise Damaged(f"{len(data)} bytes are there for a {kind}")
    return _constant(np.frombuffer(data, kind)[0] if data else kind.type())


def _dtype(tree: Tree) -> np.dtype:
    if type(tree) is str:
        return _simple_dtype(tree)
    return _without_objects(np.lib.format.descr_to_dtype(_tuples(tree)))


@functools.cache
def _simple_dtype(name: str) -> np.dtype:
    return _without_objects(np.dtype(name))


def _without_objects(dtype: np.dtype) -> np.dtype:
    if dtype.hasobject:
        raise Damaged("arrays of objects are not read")
    return dtype


def _tuples(described: Tree) -> Tree:
    """A description of a dtype with the tuples that JSON made lists of."""
    if type(described) is not list:
        return described
    if described and type(described[0]) is list:
        return [tuple(_tuples(part) for part in field) for field in described]
    return tuple(_tuples(part) for part in described)


def _build_sequence(kind: type) -> Callable[..., Builder]:
    def build(items: list[Tree], buffers: Sequence[Any]) -> Builder:
        builders = [_builder(item, buffers) for item in items]
        return lambda: kind([each() for each in builders])

    return build


def _build_dict(items: list[list[Tree]], buffers: Sequence[Any]) -> Builder:
    # Keys cannot be changed, and so are built once; one that has no hash is none.
    pairs = [(_builder(key, buffers)(), _builder(item, buffers)) for key, item in items]
    dict.fromkeys(key for key, _ in pairs)
    return lambda: {key: item() for key, item in pairs}


def _build_proxy(items: list[list[Tree]], buffers: Sequence[Any]) -> Builder:
    build = _build_dict(items, buffers)
    return lambda: MappingProxyType(build())


def _build_dataclass(name: str, fields: dict[str, Tree], buffers: Sequence[Any]) -> Builder:
    if name not in CLASSES:
        raise Damaged(f"{name!r} is no class that is read from a cache")
    kind = resolve(CLASSES[name])
    wanted = {field.name for field in dataclasses.fields(kind)}
    if set(fields) != wanted:
        raise Damaged(f"a {name} of another version of armillary: its fields differ")
    builders = {field: _builder(tree, buffers) for field, tree in fields.items()}

    def build() -> Any:
        # What was checked when it was made is as it was: its checks need not run again.
        value = object.__new__(kind)
        for field, each in builders.items():
            object.__setattr__(value, field, each())
        return value

    return build


def _build_arrow(index: int, length: int, buffers: Sequence[Any]) -> Builder:
    import pyarrow

    if len(buffers[index]) != length:
        raise Damaged(f"{len(buffers[index])} bytes are there, not {length}")
    with pyarrow.ipc.open_stream(pyarrow.py_buffer(buffers[index])) as reader:
        table = reader.read_all()
    # Offsets that lead out of the buffers would be followed: pyarrow looks only when it is told.
    table.validate(full=True)
    return _constant(table)


_BUILDERS: dict[str, Callable[..., Builder]] = {
    "s": lambda text, buffers: _constant(bytes.fromhex(text).decode("utf-8", "surrogatepass")),
    "i": lambda text, buffers: _constant(int(text, 16)),
    "f": _build_float,
    "c": _build_complex,
    "b": _build_bytes,
    "a": _build_array,
    "n": _build_scalar,
    "t": _build_sequence(tuple),
    "l": _build_sequence(list),
    "d": _build_dict,
    "m": _build_proxy,
    "o": _build_dataclass,
    "w": _build_arrow,
}
