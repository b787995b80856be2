"""Arrow arrays from NumPy arrays of any byte order, shape and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_array"]

_PADDING = " \0"  # what follows text of fixed length


def arrow_array(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    """One column in Arrow.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Numbers, bytes, text or objects. Arrays in rows become fixed-size lists, complex numbers
        lists of two.
    mask : ndarray of bool, same shape, optional
        True where a value is unknown.

    Returns
    -------
    pyarrow.Array, length n
        Null where masked. Text loses what pads it at its end, and is null where nothing is left.

    Raises
    ------
    pyarrow.ArrowException
        If bytes are no UTF-8, or objects of a column are of several kinds.
    """
    import pyarrow as pa

    if 0 in values.shape[1:]:
        return pa.nulls(len(values))
    if values.dtype.kind == "c":
        values, mask = _real_and_imaginary(values, mask)
    flat = np.ascontiguousarray(values).reshape(-1)
    hidden = None if mask is None else np.ascontiguousarray(mask).reshape(-1)
    array = _flat(flat, hidden)
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _real_and_imaginary(
    values: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    pairs = np.stack([values.real, values.imag], axis=-1)
    return pairs, None if mask is None else np.stack([mask, mask], axis=-1)


def _flat(values: np.ndarray, mask: np.ndarray | None) -> pa.Array:
    import pyarrow as pa

    if values.dtype.kind == "S":
        return _text(pa.array(values, type=pa.binary(), mask=mask).cast(pa.string()))
    if values.dtype.kind == "U":
        return _text(pa.array(values, type=pa.string(), mask=mask))
    if values.dtype.kind == "O":
        return _objects(values, mask)
    return pa.array(values.astype(values.dtype.newbyteorder("="), copy=False), mask=mask)


def _text(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    from pyarrow import compute

    stripped = compute.ascii_rtrim(array, characters=_PADDING)
    blank = compute.equal(stripped, "")
    return compute.if_else(blank, pa.scalar(None, pa.string()), stripped)


def _objects(values: np.ndarray, mask: np.ndarray | None) -> pa.Array:
    """Text, or arrays of differing length."""
    import pyarrow as pa

    known = np.ones(len(values), dtype=bool) if mask is None else ~mask
    items = [_plain(value) if there else None for value, there in zip(values, known, strict=True)]
    array = pa.array(items)
    return _text(array) if pa.types.is_string(array.type) else array


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, np.ndarray) else value
