"""Values of every kind that a cache keeps, and what it means that one has come back."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .signals import simulated_light_curve

#: NaNs with other bits than the one that Python makes: another sign, other payloads, and a
#: signalling one.
ODD_NANS = (0xFFF8000000000000, 0x7FF8000000000001, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000001)

#: Every kind of number that NumPy has, in both byte orders where that means something.
NUMBERS = (
    "?", "b", "B", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8",
    ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16",
)  # fmt: skip
#: The other kinds: text, bytes, dates and differences of them, raw bytes, records.
OTHERS: tuple[Any, ...] = (
    "S5", "<U4", ">U4", "<M8[ns]", ">M8[s]", "<M8[D]", "<m8[us]", ">m8[25s]", "V3",
    [("ra", "<f8"), ("dec", ">f8"), ("id", "<i4"), ("name", "<U5")],
    [("spectrum", "<f4", (2, 3)), ("seen", "?"), ("place", [("x", ">i2"), ("y", "<i2")])],
)  # fmt: skip
#: With holes between the fields, as C lays them out.
ALIGNED = np.dtype([("flag", "u1"), ("flux", "<f8")], align=True)
DTYPES = tuple(np.dtype(kind) for kind in (*NUMBERS, *OTHERS, ALIGNED))

SHAPES = ((), (0,), (1,), (7,), (2, 3), (3, 0, 2), (2, 1, 3, 2))


def float_of(bits: int) -> float:
    """The float that has these bits."""
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    return float(number)


def filled(dtype: np.dtype, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """An array of any bits that its dtype can have; holes between fields are zeros."""
    rng = np.random.default_rng(seed)
    array = np.zeros(shape, dtype)
    if dtype.names is not None:
        for name in dtype.names:
            part = dtype[name]
            array[name] = filled(part.base, (*shape, *part.shape), seed + 1)
        return array
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "U":
        letters = rng.integers(32, 0x2FF, array.size * dtype.itemsize // 4).astype("<u4")
        order = dtype.newbyteorder("<")
        return letters.view(order).astype(dtype).reshape(shape) if array.size else array
    if array.size:
        data = rng.bytes(array.nbytes)
        return np.frombuffer(data, dtype).reshape(shape).copy()
    return array


def plain_values() -> dict[str, Any]:
    """Values of every kind that a tree of plain things can hold, by what is said of them."""
    return {
        "None": None,
        "True": True,
        "False": False,
        "zero": 0,
        "one": 1,
        "a negative number": -12345,
        "a number of 62 bits": (1 << 62) - 1,
        "a number of 63 bits": 1 << 62,
        "a number of 200 bits": -(1 << 200) + 7,
        "a float": 0.1,
        "minus zero": -0.0,
        "the smallest float": 5e-324,
        "infinity": float("inf"),
        "NaN": float("nan"),
        "a complex": complex(-0.0, float("inf")),
        "no text": "",
        "text": "h & \u03c7 Persei, \U0001f52d, \x00 and \\",
        "no bytes": b"",
        "bytes": bytes(range(256)),
        "a NumPy float32": np.float32(0.1),
        "a NumPy float64": np.float64(-0.0),
        "a NumPy int8": np.int8(-3),
        "a NumPy bool": np.bool_(True),
        "a NumPy complex64": np.complex64(1 - 2j),
        "a NumPy date": np.datetime64("2025-03-01T12:00:00.123456789"),
        "no date": np.datetime64("NaT", "s"),
        "a NumPy difference": np.timedelta64(-7, "ms"),
        "a NumPy text": np.str_("alpha"),
        "a NumPy record": filled(DTYPES[-2], (1,))[0],
        "an empty tuple": (),
        "an empty list": [],
        "an empty dict": {},
        "nested": (1, [2.5, {"a": (None, b"x"), "b": []}, "three"], (((),),)),
        "a dict in its order": {"z": 1, "a": 2, 5: 3, (1, "x"): 4, None: 5, 2.5: 6, b"y": 7},
        "a read-only view of a dict": MappingProxyType({"b": 1, "a": np.arange(3)}),
        "arrays in a dict": {"time": np.arange(5.0), "flux": [np.ones((2, 2)), np.zeros(0)]},
        **{f"NaN {bits:x}": float_of(bits) for bits in ODD_NANS},
    }


def result() -> Any:
    """A periodogram of a short light curve."""
    from ..search.box.api import bls

    return bls(*small_light_curve(), period=[0.9, 1.7, 2.2], duration=[0.1, 0.2], threads=1)


def small_light_curve() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, flux and flux_err of some hundred points."""
    made = simulated_light_curve(
        1, span=8.0, cadence=0.03, period=1.7, t0=0.4, duration=0.15, snr=30.0
    )
    return made.time, made.flux, made.flux_err


def table() -> Any:
    """A pyarrow Table with all that its schema can say."""
    import pyarrow

    columns = {
        "id": pyarrow.array([1, None, 3], pyarrow.int32()),
        "name": pyarrow.array(["a", "b", None]).dictionary_encode(),
        "spectrum": pyarrow.array([[1.0, 2.0], [], None], pyarrow.list_(pyarrow.float32())),
        "seen": pyarrow.array([0, 1, 2], pyarrow.timestamp("us", "UTC")),
    }
    return pyarrow.table(columns).replace_schema_metadata({"survey": "made up"})


def difference(one: Any, other: Any, where: str = "it") -> str:
    """How two values differ, in a sentence; an empty string if not in a single bit."""
    if type(one) is not type(other):
        return f"{where} is a {type(other).__name__}, not a {type(one).__name__}"
    if isinstance(one, np.ndarray | np.generic):
        return _arrays_differ(one, other, where)
    if isinstance(one, tuple | list):
        if len(one) != len(other):
            return f"{where} has {len(other)} items, not {len(one)}"
        pairs = enumerate(zip(one, other, strict=True))
        return _first(difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)
    if isinstance(one, Mapping):
        return difference(list(one.items()), list(other.items()), f"the items of {where}")
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return _first(
            difference(getattr(one, name), getattr(other, name), f"{where}.{name}")
            for name in names
        )
    if type(one).__name__ == "Table":
        same = one.schema.equals(other.schema, check_metadata=True) and one.equals(other)
        return "" if same else f"{where} is another table"
    bits = _bits(one), _bits(other)
    return "" if bits[0] == bits[1] else f"{where} is {other!r:.60}, not {one!r:.60}"


def _arrays_differ(one: Any, other: Any, where: str) -> str:
    if one.dtype != other.dtype:
        return f"{where} is of dtype {other.dtype.descr}, not {one.dtype.descr}"
    if one.shape != other.shape:
        return f"{where} has the shape {other.shape}, not {one.shape}"
    if one.tobytes() == other.tobytes():
        return ""
    return f"{where} is {str(other)[:60]}, not {str(one)[:60]}"


def _bits(value: Any) -> Any:
    if isinstance(value, complex):
        return struct.pack(">dd", value.real, value.imag)
    return struct.pack(">d", value) if isinstance(value, float) else value


def _first(sentences: Any) -> str:
    return next((sentence for sentence in sentences if sentence), "")


def arrays_in(value: Any) -> list[np.ndarray]:
    """Every array in a value."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple | list):
        return [array for item in value for array in arrays_in(item)]
    if isinstance(value, Mapping):
        return [array for item in value.values() for array in arrays_in(item)]
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return [array for field in fields for array in arrays_in(getattr(value, field.name))]
    return []


#: What no cache can keep -> a function that makes it.
UNKEEPABLE: dict[str, Callable[[], Any]] = {
    "an object": object,
    "a function": lambda: difference,
    "a class": lambda: Mapping,
    "a set": lambda: {1, 2},
    "a bytearray": lambda: bytearray(b"x"),
    "an array of objects": lambda: np.array([object(), None], dtype=object),
    "an array of records with objects": lambda: np.zeros(2, [("a", "f8"), ("b", "O")]),
    "a masked array": lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
    "an object in a tuple": lambda: (1, [object()]),
    "an object in a dict": lambda: {"a": {"b": object()}},
    "a generator": lambda: (i for i in range(3)),
    "an exception": lambda: ValueError("no"),
}
