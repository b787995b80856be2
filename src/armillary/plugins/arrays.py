"""Where an array is, which package owns it, and the few things that front doors do on any device.

An array on a device stays there: front doors check it with the functions of the package that owns
it, which follow NumPy's as CuPy's do, and only a backend that owns its kind is given it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

#: The kind of everything that NumPy can read where it lies.
HOST = "numpy"


def array_kind(*arrays: Any) -> str:
    """The package that owns the memory of the first array that is not on the host.

    "numpy" covers everything that NumPy can read where it lies.
    """
    for array in arrays:
        if isinstance(array, np.ndarray):
            continue
        if hasattr(array, "__cuda_array_interface__"):
            return _package(array)
        if _says_it_is_on_a_device(array):
            return _package(array)
    return HOST


def _says_it_is_on_a_device(array: Any) -> bool:
    """By the protocol of DLPack, in which 1 is the host."""
    device = getattr(array, "__dlpack_device__", None)
    if device is None:
        return False
    try:
        return device()[0] != 1
    except (TypeError, ValueError, BufferError):
        # What the protocol cannot express, such as gaps in an array of Arrow, is on no device.
        return False


def _package(array: Any) -> str:
    return type(array).__module__.partition(".")[0]


def one_kind(**arrays: Any) -> str:
    """The package that owns all arrays of a call, by the names of its arguments.

    Arguments that are None or a single number have no kind.

    Raises
    ------
    TypeError
        If some are on a device and others are not, or on that of another package.
    """
    kind = array_kind(*arrays.values())
    if kind == HOST:
        return HOST
    there = next(name for name, array in arrays.items() if array_kind(array) == kind)
    for name, array in arrays.items():
        found = array_kind(array)
        if found == kind or array is None or (found == HOST and np.ndim(array) == 0):
            continue
        where = "on the host" if found == HOST else f"a {found} array"
        *names, last = arrays
        raise TypeError(
            f"{there} is a {kind} array and {name} is {where}; pass {', '.join(names)} and {last} "
            f"as {kind} arrays, or all on the host"
        )
    return kind


def require_host(name: str, value: Any) -> None:
    """Refuse an array on a device for an argument that is always on the host.

    Raises
    ------
    TypeError
        If it is one.
    """
    kind = array_kind(value)
    if kind != HOST:
        raise TypeError(f"{name} must be on the host, not a {kind} array; copy it there first")


def require_current_device(name: str, array: Any) -> None:
    """Refuse a device array that is not on the device on which its package computes now.

    The functions of the package would copy it there without a word.

    Raises
    ------
    ValueError
        If it is on another one.
    """
    kind = array_kind(array)
    _, there = array.__dlpack_device__()
    _, here = namespace(kind).empty(0).__dlpack_device__()
    if there != here:
        raise ValueError(
            f"{name} is on device {there} of {kind}, where {here} is the current one; make "
            f"{there} current for this call, or copy {name}"
        )


def namespace(kind: str) -> Any:
    """The module with the functions for arrays of a kind: NumPy, or one that follows it."""
    return np if kind == HOST else sys.modules[kind]


def read_only(*arrays: Any) -> None:
    """Keep arrays on the host from being written to; those on a device know no such thing."""
    for array in arrays:
        if isinstance(array, np.ndarray):
            array.setflags(write=False)


def on_host(array: Any) -> Any:
    """A device array as a NumPy array; anything else as it is."""
    if array is None or array_kind(array) == HOST:
        return array
    return array.get() if hasattr(array, "get") else np.asarray(array)
