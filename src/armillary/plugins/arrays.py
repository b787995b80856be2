"""Which package owns an array, and the array where the host can read it."""

from __future__ import annotations

from typing import Any

import numpy as np


def array_kind(*arrays: Any) -> str:
    """The package that owns the memory of the first array that is not on the host.

    "numpy" covers everything that NumPy can read where it lies.
    """
    for array in arrays:
        if hasattr(array, "__cuda_array_interface__"):
            return type(array).__module__.partition(".")[0]
        device = getattr(array, "__dlpack_device__", None)
        if device is not None and not isinstance(array, np.ndarray) and device()[0] != 1:
            return type(array).__module__.partition(".")[0]
    return "numpy"


def on_host(array: Any) -> Any:
    """A device array as a NumPy array; anything else as it is."""
    if array is None or array_kind(array) == "numpy":
        return array
    return array.get() if hasattr(array, "get") else np.asarray(array)
