"""The backend ``cupy_on_host``: the targets of ``cupy``, their kernels run on the host."""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from armillary.plugins.records import Implementation, Registered
from armillary.plugins.registry import Registry, get_registry, resolve, set_registry
from armillary_cupy import device, plugin

from .host import COMPILER, NO_COMPILER, HostDevice
from .moon_device import land, on_moon

#: Hooks of the plugin.
_HOOKS = ("armillary_search", "armillary_crossmatch", "armillary_fit")
#: The module that the records of the backend point to.
_MODULE = "armillary_cupy_on_host"


@pytest.fixture(scope="session")
def host() -> HostDevice:
    """The host as a device; tests that need it are skipped where nothing compiles C++."""
    if COMPILER is None:
        pytest.skip(NO_COMPILER)
    return HostDevice()


@pytest.fixture
def on_host(host: HostDevice) -> Iterator[HostDevice]:
    """Inside of the test, targets of armillary_cupy compute on the host."""
    with device.use(host):
        yield host


@pytest.fixture
def moon(monkeypatch: pytest.MonkeyPatch, host: HostDevice) -> Any:
    """Arrays that no host can read; our targets are the backend that owns them."""
    landed = land(monkeypatch)
    for record in _records():
        fields = {"batch": on_moon(landed, resolve(record.batch))} if record.batch else {}
        target = on_moon(landed, resolve(record.target))
        landed.own(record.operation, target, raw=True, **fields)
    return landed


@pytest.fixture(scope="session")
def _registry_with_host() -> Registry:
    references = [r for record in _records() for r in (record.target, record.batch) if r]
    targets = {_target_name(reference): reference for reference in references}
    module = sys.modules[_MODULE] = types.ModuleType(_MODULE)

    @functools.cache
    def target(name: str) -> Callable[..., Any]:
        if name not in targets:
            raise AttributeError(name)
        return _on_host(targets[name])

    vars(module)["can_run"] = lambda request: True if COMPILER else NO_COMPILER
    # Asked when one is chosen, as the target of any record.
    vars(module)["__getattr__"] = target
    known = get_registry()
    backends = {operation: dict(known.backends(operation)) for operation in known.operations}
    for record in _records():
        registered = Registered(_host_record(record), "armillary-cupy", "tests")
        backends[record.operation]["cupy_on_host"] = registered
    return replace(known, implementations=backends)


@pytest.fixture(autouse=True)
def cupy_on_host(_registry_with_host: Registry) -> Iterator[None]:
    """The backend is registered while a test of this folder runs."""
    before = set_registry(_registry_with_host)
    yield
    set_registry(before)


def _records() -> list[Implementation]:
    return [record for name in _HOOKS for record in getattr(plugin, name)()]


def _host_record(record: Implementation) -> Implementation:
    return replace(
        record,
        name="cupy_on_host",
        target=f"{_MODULE}:{_target_name(record.target)}",
        arrays=("numpy",),
        can_run=f"{_MODULE}:can_run",
        batch=f"{_MODULE}:{_target_name(record.batch)}" if record.batch else None,
    )


def _target_name(reference: str) -> str:
    """The name in our module of what a record points to."""
    return re.sub(r"\W", "_", reference)


def _on_host(reference: str) -> Callable[..., Any]:
    """The target, computing on the host."""
    target = resolve(reference)

    @functools.wraps(target)
    def run(*args: Any, **kwargs: Any) -> Any:
        with device.use(HostDevice()):
            return target(*args, **kwargs)

    return run
