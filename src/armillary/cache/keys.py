"""What a result is stored under: a digest of everything that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xxhash import xxh3_128_digest

from .digests import SIZE, digest
from .encoding import Buffer, Tree, as_json, encode_value

#: Begins everything that is hashed; another form of keys would have another.
FORM = b"armillary key 1\n"


def key_of(value: Any, what: str = "the value") -> bytes:
    """The key of a value: XXH3-128 of its type, shape, dtype and exact bytes.

    Nothing is rounded, and -0.0 and NaN count by their bits. Arrays that are equal but lie in
    memory in another order (views, Fortran order) have the same key; those of another shape,
    dtype or byte order have another.

    Parameters
    ----------
    value : object
        Anything that encoding.py has a form for.
    what : str
        What to call it in an error.

    Returns
    -------
    bytes
        16 of them.

    Raises
    ------
    TypeError
        If the value, or something in it, has no encoding.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> arm.cache.key_of(np.zeros(3)) == arm.cache.key_of(np.zeros(6)[::2])
    True
    >>> arm.cache.key_of(0.0) == arm.cache.key_of(-0.0)
    False
    """
    return _key(FORM, *encode_value(value, what))


def key_of_call(function: bytes, values: Iterable[Any], labels: Iterable[str]) -> bytes:
    """The key of a call of a function.

    Parameters
    ----------
    function : bytes
        The key of the function.
    values : iterable
        Its arguments, and whatever else decides what it returns, in a fixed order.
    labels : iterable of str
        What to call each in an error.

    Raises
    ------
    TypeError
        If one of them has no encoding.
    """
    trees, buffers = [], []
    for value, label in zip(values, labels, strict=True):
        tree, own = encode_value(value, label)
        trees.append(tree)
        buffers += own
    return _key(FORM + function, trees, buffers)


def _key(form: bytes, tree: Tree, buffers: Iterable[Buffer]) -> bytes:
    # The tree says how many buffers there are and how long they are: nothing is ambiguous.
    return xxh3_128_digest(b"".join([form, as_json(tree), *[digest(b.data) for b in buffers]]))


def checked_key(key: Any) -> bytes:
    """A key as every store takes it.

    Raises
    ------
    TypeError, ValueError
        If it is no bytes, or not 16 of them.
    """
    if type(key) is bytes and len(key) == SIZE:
        return key
    if not isinstance(key, bytes | bytearray | memoryview):
        raise TypeError(f"key must be {SIZE} bytes, not {type(key).__name__}")
    if len(bytes(key)) != SIZE:
        raise ValueError(f"key must be {SIZE} bytes, not {len(bytes(key))}")
    return bytes(key)
