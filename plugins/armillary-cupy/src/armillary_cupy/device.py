"""Whether there is a CUDA device, and the few things that targets ask of one.

Targets reach the device through :func:`current` alone. Tests put a device there that runs the
same kernels on the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np

from armillary.plugins import Request

Kernel = Callable[..., None]

#: Options of the compiler. No contraction to FMA, as in everything that armillary compiles: the
#: same source then gives the same bits on the host, where tests run it, and on every device. The
#: kernels wait for memory, not for the multiplications that this leaves separate.
COMPILE_OPTIONS = ("-std=c++17", "-fmad=false")

#: Part of the free memory that is planned with. The rest is for the allocator, which rounds sizes
#: up and leaves holes, and for others who use the device.
USABLE_MEMORY = 0.8

#: Before it, a sort that ran out of memory was wrong and said nothing.
OLDEST_CUPY = (14, 2)

#: The CUDA driver, as the loader of each system knows it.
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class Device(Protocol):
    """What targets need of a device.

    Attributes
    ----------
    xp : module
        The array functions: cupy, or NumPy where the device is the host.
    OutOfMemory : exception class
        What an allocation raises for which there is no memory.
    """

    xp: Any
    OutOfMemory: type[Exception]

    def to_device(self, array: Any, dtype: Any = None) -> Any:
        """The array, contiguous, in the memory of the device; it is not copied if it is there."""

    def copy(self, array: Any, into: Any) -> None:
        """Copy an array, on the host or the device, into one of the device."""

    def to_host(self, array: Any) -> np.ndarray:
        """The array in the memory of the host."""

    def like(self, array: Any, given: Any) -> Any:
        """A result, where the argument is: on the host for an array of NumPy's."""

    def empty_like(self, given: Any, shape: tuple[int, ...]) -> Any:
        """A new float64 array, where the argument is."""

    def kernel(self, source: str, name: str) -> Kernel:
        """A kernel: call it with grid, block and arguments, and the bytes of shared memory."""

    def synchronize(self) -> None:
        """Wait for what was launched, so that an interrupt and progress mean what they say."""

    def free_memory(self) -> int:
        """Bytes that one may plan with."""

    def release(self) -> None:
        """Give back memory that is kept for reuse, so that larger pieces may be had."""


# ------------------------------------------------------------------ is there one


def can_run(request: Request) -> Literal[True] | str:
    """True, or why there is no CUDA device to compute on."""
    if find_spec("cupy") is None:
        return 'cupy is not installed; pip install "armillary-cupy[cuda12]" (or [cuda13])'
    if not _has_driver():
        return "no CUDA driver"
    return _device_is_there()


@functools.cache
def _has_driver() -> bool:
    """Asked of the loader, for it is far quicker than to import cupy and ask that."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


def _device_is_there() -> Literal[True] | str:
    # Each reason is for people, whatever it is that is wrong with the installation.
    try:
        import cupy
    except Exception as error:
        return f"cupy cannot be imported: {error.__cause__ or error}"
    if tuple(map(int, cupy.__version__.split(".")[:2])) < OLDEST_CUPY:
        return f"cupy {cupy.__version__} is too old: {'.'.join(map(str, OLDEST_CUPY))} or later"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        if "NoDevice" in str(error):
            return "no CUDA device"
        return f"cupy finds no CUDA device that it can use: {error}"
    if not count:
        return "no CUDA device"
    try:
        _compile_nothing()
    except Exception as error:
        return f"cupy cannot compile kernels: {error}"
    return True


@functools.cache
def _compile_nothing() -> None:
    """See whether the compiler is there, and the headers without which cupy does not call it."""
    import cupy

    cupy.RawModule(
        code='extern "C" __global__ void nothing() {}', options=COMPILE_OPTIONS
    ).compile()


# ------------------------------------------------------------------ the one in use


_chosen: ContextVar[Device | None] = ContextVar("armillary_cupy_device", default=None)


def current() -> Device:
    """The device of this context: the current one of cupy, if no other was put here."""
    return _chosen.get() or CudaDevice()


@contextlib.contextmanager
def use(device: Device) -> Iterator[Device]:
    """Compute on this device inside a ``with`` block."""
    token = _chosen.set(device)
    try:
        yield device
    finally:
        _chosen.reset(token)


@functools.cache
def source_code(source: str) -> str:
    """The text of a kernel source as it is compiled, the prelude before it."""
    folder = files(__package__) / "kernels"
    return "\n".join((folder / name).read_text() for name in ("prelude.cuh", source))


class CudaDevice:
    """The current device of cupy, on its current stream."""

    def __init__(self) -> None:
        import cupy

        self.xp: Any = cupy
        self.OutOfMemory = cupy.cuda.memory.OutOfMemoryError

    def to_device(self, array: Any, dtype: Any = None) -> Any:
        """The array, contiguous, in the memory of the device."""
        return self.xp.ascontiguousarray(self.xp.asarray(array, dtype=dtype))

    def copy(self, array: Any, into: Any) -> None:
        """Copy an array, on the host or the device, into one of the device."""
        if isinstance(array, self.xp.ndarray):
            into[...] = array
        else:
            into.set(array)

    def to_host(self, array: Any) -> np.ndarray:
        """The array in the memory of the host."""
        return self.xp.asnumpy(array)

    def like(self, array: Any, given: Any) -> Any:
        """A result, where the argument is."""
        return array if isinstance(given, self.xp.ndarray) else self.to_host(array)

    def empty_like(self, given: Any, shape: tuple[int, ...]) -> Any:
        """A new float64 array, where the argument is."""
        return self.xp.empty(shape) if isinstance(given, self.xp.ndarray) else np.empty(shape)

    def kernel(self, source: str, name: str) -> Kernel:
        """A kernel, compiled at its first call on each device and kept by cupy on disk."""
        compiled = _module(source).get_function(name)

        def launch(
            grid: tuple[int, ...], block: tuple[int, ...], args: tuple, shared_bytes: int = 0
        ) -> None:
            compiled(grid, block, args, shared_mem=shared_bytes)

        return launch

    def synchronize(self) -> None:
        """Wait for what was launched on the current stream."""
        self.xp.cuda.get_current_stream().synchronize()

    def free_memory(self) -> int:
        """Bytes that one may plan with: free on the device, or kept by the pool for reuse.

        A limit that was set for the pool counts as the end of the memory.
        """
        pool = self.xp.get_default_memory_pool()
        free, _ = self.xp.cuda.Device().mem_info
        available = free + pool.free_bytes()
        if pool.get_limit():
            available = min(available, pool.get_limit() - pool.used_bytes())
        return max(int(USABLE_MEMORY * available), 0)

    def release(self) -> None:
        """Give the device what the pool keeps for reuse."""
        self.xp.get_default_memory_pool().free_all_blocks()


@functools.cache
def _module(source: str) -> Any:
    """A compiled source; cupy loads it once on each device that it is called on."""
    import cupy

    return cupy.RawModule(code=source_code(source), options=COMPILE_OPTIONS)
