"""The modules under test, which import MLX; where it cannot run, tests of them say why."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from armillary.plugins import Request
from armillary_mlx.device import can_run


def _module(name: str) -> ModuleType:
    reason = can_run(Request("search.bls"))
    if reason is not True:
        pytest.skip(reason)
    return importlib.import_module(f"armillary_mlx.{name}")


@pytest.fixture
def box() -> ModuleType:
    """``search.bls``."""
    return _module("box")


@pytest.fixture
def template() -> ModuleType:
    """``search.template_score``."""
    return _module("template")


@pytest.fixture
def device() -> ModuleType:
    """The thread that uses MLX."""
    return _module("device")
