"""Backends that exist for one test only."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator

import pytest

from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import Registry, load_registry, set_registry

MODULE = "armillary_test_backends"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A function that registers a target as the backend ``fake`` and gives its name."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(
        target: Callable[..., object],
        can_run: Callable[..., object] | None = None,
        arrays: tuple[str, ...] = ("numpy",),
        operation: str = "search.bls",
        batch: Callable[..., object] | None = None,
    ) -> str:
        vars(module).update(target=target, can_run=can_run, batch=batch)
        record = Implementation(
            operation=operation,
            name="fake",
            target=f"{MODULE}:target",
            api=1,
            arrays=arrays,
            can_run=f"{MODULE}:can_run" if can_run else None,
            batch=f"{MODULE}:batch" if batch else None,
        )
        registry: Registry = load_registry([])
        registry.implementations[operation]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)
