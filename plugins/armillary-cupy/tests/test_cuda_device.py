"""What is asked of cupy, without cupy: a module that takes note of it, with NumPy's arrays."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from armillary_cupy import device


class FakeArray(np.ndarray):
    """An array on the device."""

    def set(self, array: np.ndarray) -> None:
        self[...] = array


class FakeCupy(types.ModuleType):
    """As much of cupy as :class:`CudaDevice` uses."""

    ndarray = FakeArray

    def __init__(self) -> None:
        super().__init__("cupy")
        self.compiled: list[tuple[str, tuple[str, ...]]] = []
        self.launched: list[tuple] = []
        self.released = self.waited = 0
        self.limit, self.used = 0, 300
        memory = types.SimpleNamespace(OutOfMemoryError=MemoryError)
        here = types.SimpleNamespace(mem_info=(1000, 5000))
        self.cuda = types.SimpleNamespace(
            memory=memory, Device=lambda: here, get_current_stream=lambda: self
        )

    def asarray(self, array: Any, dtype: Any = None) -> FakeArray:
        return np.asarray(array, dtype=dtype).view(FakeArray)

    ascontiguousarray = asarray

    def asnumpy(self, array: FakeArray) -> np.ndarray:
        return np.array(array)

    def empty(self, shape: tuple[int, ...]) -> FakeArray:
        return np.empty(shape).view(FakeArray)

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        self.compiled.append((code, options))
        return self

    def get_function(self, name: str) -> Any:
        return lambda *args, **kwargs: self.launched.append((name, args, kwargs))

    def synchronize(self) -> None:
        self.waited += 1

    def get_default_memory_pool(self) -> Any:
        return types.SimpleNamespace(
            free_bytes=lambda: 200,
            used_bytes=lambda: self.used,
            get_limit=lambda: self.limit,
            free_all_blocks=self.release,
        )

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    device._module.cache_clear()
    yield fake
    device._module.cache_clear()


@pytest.fixture
def there(cupy: FakeCupy) -> device.Device:
    return device.current()


def test_the_current_device_is_that_of_cupy_where_no_other_is_in_force(there, cupy):
    assert isinstance(there, device.CudaDevice)
    assert there.xp is cupy
    assert there.OutOfMemory is MemoryError


def test_a_source_is_compiled_once_without_contraction(there, cupy):
    there.kernel("box.cu", "weigh_points")
    there.kernel("box.cu", "search_boxes")
    assert cupy.compiled == [(device.source_code("box.cu"), ("-std=c++17", "-fmad=false"))]


def test_a_launch_hands_on_what_it_is_given(there, cupy):
    there.kernel("box.cu", "weigh_points")((3,), (4,), (np.int64(5),), shared_bytes=6)
    there.synchronize()
    launch = ("weigh_points", ((3,), (4,), (np.int64(5),)), {"shared_mem": 6})
    assert cupy.launched == [launch] and cupy.waited == 1


def test_what_the_pool_keeps_is_free_and_its_limit_is_the_end(there, cupy):
    assert there.free_memory() == int(0.8 * 1200)
    cupy.limit = 1000
    assert there.free_memory() == int(0.8 * 700)
    cupy.used = 2000
    assert there.free_memory() == 0
    there.release()
    assert cupy.released == 1


def test_results_are_where_the_arguments_are(there):
    on_device, on_host = there.to_device(np.arange(3.0)), np.arange(3.0)
    assert there.like(on_device, on_device) is on_device
    assert type(there.like(on_device, on_host)) is np.ndarray
    assert type(there.empty_like(on_device, (2, 3))) is FakeArray
    assert type(there.empty_like(on_host, (2, 3))) is np.ndarray


def test_arrays_of_the_host_and_the_device_are_copied_into_one_of_the_device(there):
    into = there.to_device(np.zeros(4))
    there.copy(np.array([1.0, 2.0]), into[:2])
    there.copy(there.to_device(np.array([3.0, 4.0])), into[2:])
    np.testing.assert_array_equal(into, [1.0, 2.0, 3.0, 4.0])
