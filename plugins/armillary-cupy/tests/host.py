"""A device that runs the kernels on the host, so that their numbers are tested without a GPU.

The sources are those that a CUDA device gets. ``host_shim.hpp`` makes them C++, the compiler of
the system a shared library, and ctypes a function of each kernel.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armillary_cupy.device import Kernel, source_code

HERE = Path(__file__).parent
#: Libraries, by the digest of what they were made of; ``build`` is ignored by git.
LIBRARIES = HERE.parent / "build" / "host"
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
NO_COMPILER = "no C++ compiler to build the kernels for the host; set CXX to one"
FLAGS = ("-std=c++17", "-O2", "-ffp-contract=off", "-fPIC", "-shared")
#: Those of threads that run at once, which take the place of the ones above.
AT_ONCE_FLAGS = ("-std=c++20", "-pthread", "-DAT_ONCE")
#: More of them, such as those of a sanitizer.
EXTRA_FLAGS = tuple(os.environ.get("ARMILLARY_CUPY_HOST_FLAGS", "").split())

#: What every CUDA device of compute capability 7.5 to 9.0 has.
MAX_SHARED_BYTES = 48 * 1024
MAX_THREADS = 1024
MAX_GRID = (2**31 - 1, 65535, 65535)

_KERNEL = re.compile(r'extern "C" __global__ void\s+(?:__launch_bounds__\(.*?\)\s+)?(\w+)\s*\(')


class HostMemoryError(Exception):
    """There is no memory left on the device that the host plays."""


class HostDevice:
    """The host, as a device of armillary_cupy.

    Parameters
    ----------
    memory : int or None
        Bytes of the arrays that it can hold at a time; None means as many as the host.
    backwards : bool
        Run blocks and threads in reverse order.
    at_once : bool
        Run the threads of a block side by side, not one after the other.
    edit : callable, optional
        Changes sources before they are compiled, to see what a fault in them does.

    Attributes
    ----------
    launches : list of str
        The kernels that were called, in order.
    """

    OutOfMemory = HostMemoryError

    def __init__(
        self,
        memory: int | None = None,
        backwards: bool = False,
        at_once: bool = False,
        edit: Callable[[str], str] = lambda code: code,
    ) -> None:
        self.memory = memory
        self.backwards = backwards
        self.at_once = at_once
        self.edit = edit
        self.launches: list[str] = []
        self.xp: Any = np if memory is None else _CountingNumPy(memory)

    def to_device(self, array: Any, dtype: Any = None) -> np.ndarray:
        return np.ascontiguousarray(array, dtype=dtype)

    def copy(self, array: Any, into: Any) -> None:
        into[...] = array

    def to_host(self, array: Any) -> np.ndarray:
        # A copy does not count against the memory.
        return np.asarray(array) if self.memory is None else np.array(array)

    def like(self, array: Any, given: Any) -> Any:
        return self.to_host(array)

    def empty_like(self, given: Any, shape: tuple[int, ...]) -> np.ndarray:
        return np.empty(shape)

    def synchronize(self) -> None:
        """A launch returns when it is done."""

    def free_memory(self) -> int:
        return 2**30 if self.memory is None else self.memory - self.xp.used

    def release(self) -> None:
        """Nothing is kept for reuse."""

    def kernel(self, source: str, name: str) -> Kernel:
        function = _function(self.edit(source_code(source)), name, self.at_once)

        def launch(
            grid: tuple[int, ...], block: tuple[int, ...], args: tuple, shared_bytes: int = 0
        ) -> None:
            self.launches.append(name)
            grid, block = _three(grid), _three(block)
            _require_possible(name, grid, block, shared_bytes)
            types, pointers, _kept = _arguments(args)
            status = function(
                (ctypes.c_uint * 3)(*grid),
                (ctypes.c_uint * 3)(*block),
                ctypes.c_size_t(shared_bytes),
                int(self.backwards),
                types.encode(),
                pointers,
            )
            if status == 1:
                raise TypeError(f"{name} does not take arguments of the types {types}")
            if status:
                raise MemoryError(f"no memory for {shared_bytes} bytes shared by a block")

        return launch


def _three(extent: tuple[int, ...]) -> tuple[int, ...]:
    return (*map(int, extent), 1, 1)[:3]


def _require_possible(
    name: str, grid: tuple[int, ...], block: tuple[int, ...], shared_bytes: int
) -> None:
    """What a CUDA device would refuse."""
    possible = (
        all(0 < n <= most for n, most in zip(grid, MAX_GRID, strict=True))
        and min(block) > 0
        and np.prod(block) <= MAX_THREADS
        and 0 <= shared_bytes <= MAX_SHARED_BYTES
    )
    if not possible:
        raise ValueError(f"no device can run {name} with {grid=}, {block=}, {shared_bytes=}")


def _arguments(args: tuple) -> tuple[str, Any, list[Any]]:
    """Letters of their types, pointers to them, and what has to live as long as these."""
    letters, kept = [], []
    for argument in args:
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, "a kernel needs contiguous arrays"
            letters.append("P" + _letter(argument.dtype))
            kept.append(ctypes.c_void_p(argument.ctypes.data))
        else:
            assert isinstance(argument, np.generic), f"give a NumPy scalar, not {argument!r}"
            letters.append(_letter(argument.dtype))
            kept.append(ctypes.create_string_buffer(argument.tobytes(), argument.itemsize))
    pointers = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(value) for value in kept))
    return "".join(letters), pointers, kept


def _letter(dtype: np.dtype) -> str:
    """The letter of a C type; int64 is long for NumPy and long long for CUDA."""
    return {"l": "q", "L": "Q"}.get(dtype.char, dtype.char)


# ------------------------------------------------------------------ compiling


@functools.cache
def _function(code: str, name: str, at_once: bool) -> Callable[..., int]:
    # With the GIL held, for the index of a block is one variable of the library.
    function = getattr(ctypes.PyDLL(str(_library(code, at_once))), f"launch_{name}")
    function.restype = ctypes.c_int
    return function


@functools.cache
def _library(code: str, at_once: bool) -> Path:
    """The shared library of a kernel source, made if there is none of just these bytes."""
    kernels = _KERNEL.findall(code)
    launchers = "".join(f"LAUNCHER({name})\n" for name in kernels)
    text = "\n".join(((HERE / "host_shim.hpp").read_text(), code, launchers))
    flags = (*FLAGS, *(AT_ONCE_FLAGS if at_once else ()), *EXTRA_FLAGS)
    digest = hashlib.sha256("\0".join((text, *flags, str(COMPILER))).encode()).hexdigest()[:16]
    library = LIBRARIES / f"{kernels[0]}-{digest}.so"
    if not library.exists():
        LIBRARIES.mkdir(parents=True, exist_ok=True)
        _compile(text, flags, library)
    return library


def _compile(text: str, flags: tuple[str, ...], library: Path) -> None:
    # Under a name of its own: other processes may be at the same.
    part = library.with_suffix(f".{os.getpid()}.part")
    if COMPILER is None:
        pytest.skip(NO_COMPILER)
    done = subprocess.run(
        [COMPILER, *flags, "-x", "c++", "-", "-o", str(part)],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{COMPILER} refuses {library.stem}:\n{done.stderr}")
    part.replace(library)


# ------------------------------------------------------------------ memory


class _CountingNumPy:
    """NumPy, whose new arrays count against a budget for as long as they live."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self._counted(np.empty(*args, **kwargs))

    def zeros(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self._counted(np.zeros(*args, **kwargs))

    def full(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self._counted(np.full(*args, **kwargs))

    def _counted(self, array: np.ndarray) -> np.ndarray:
        if self.used + array.nbytes > self.budget:
            raise HostMemoryError(f"{array.nbytes} bytes are more than are left")
        self.used += array.nbytes
        weakref.finalize(array, self._freed, array.nbytes)
        return array

    def _freed(self, n: int) -> None:
        self.used -= n
