"""A device whose arrays no host can read, and whose kernels run on the host all the same.

The arrays are those of ``tests/fake_device.py`` of armillary, which counts what is copied to
the host.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armillary_cupy import device

from .host import HostDevice

FAKE_DEVICE = Path(__file__).parents[3] / "tests" / "fake_device.py"


def land(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package ``moon``, importable for the length of a test."""
    if not FAKE_DEVICE.is_file():
        pytest.skip(f"there is no {FAKE_DEVICE}, which is a part of armillary's own tests")
    spec = importlib.util.spec_from_file_location("fake_device", FAKE_DEVICE)
    assert spec is not None and spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    return fake.land(monkeypatch)


class MoonDevice(HostDevice):
    """The host, with arrays that only kernels and their own package can read."""

    def __init__(self, moon: Any) -> None:
        super().__init__()
        self.xp = moon

    def to_device(self, array: Any, dtype: Any = None) -> Any:
        return self.xp.ascontiguousarray(self.xp.asarray(array), dtype=dtype)

    def copy(self, array: Any, into: Any) -> None:
        into[...] = self.xp.asarray(array)

    def to_host(self, array: Any) -> np.ndarray:
        return array.get()

    def like(self, array: Any, given: Any) -> Any:
        return array if isinstance(given, self.xp.Array) else array.get()

    def empty_like(self, given: Any, shape: tuple[int, ...]) -> Any:
        return self.xp.empty(shape) if isinstance(given, self.xp.Array) else np.empty(shape)

    def kernel(self, source: str, name: str) -> Callable[..., None]:
        launch = super().kernel(source, name)

        def with_values(
            grid: tuple[int, ...], block: tuple[int, ...], args: tuple, shared_bytes: int = 0
        ) -> None:
            assert not any(isinstance(argument, np.ndarray) for argument in args)
            inside = [getattr(argument, "_values", argument) for argument in args]
            launch(grid, block, tuple(inside), shared_bytes)

        return with_values


def on_moon(moon: Any, target: Callable[..., Any]) -> Callable[..., Any]:
    """The target, computing there."""

    @functools.wraps(target)
    def run(*args: Any, **kwargs: Any) -> Any:
        with device.use(MoonDevice(moon)):
            return target(*args, **kwargs)

    return run
