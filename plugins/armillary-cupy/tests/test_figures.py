"""The benchmark that needs a GPU, as far as it can be tried without one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armillary.plugins import Request
from armillary_cupy.device import can_run

from .host import HostDevice

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "figures.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("armillary_cupy_figures", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_is_taken(script: Any, on_host: HostDevice, monkeypatch: Any) -> None:
    monkeypatch.setattr(script, "PERIODS", 5)
    lines = list(script.figures(on_host, 2, 300, 1, backend="cupy_on_host"))
    assert lines[0].startswith("the host, one thread, which says nothing of a GPU")
    assert [line.split("  ")[1] for line in lines if line.startswith("  ")] == [
        "on the device",
        "from the host",
        "front door",
        "on the device",
        "from the host",
        "front door",
    ]


def test_the_light_curves_are_as_long_as_is_said(script: Any) -> None:
    (call,) = script.box_calls(1)
    assert len(call["time"]) == script.POINTS
    assert len(call["period"]) == script.PERIODS
    assert len(call["duration"]) == script.DURATIONS


def test_every_row_of_the_catalogues_has_a_counterpart(script: Any, on_host: HostDevice) -> None:
    found = script.nearest(*script.catalogues(300), np.array([script.RADIUS]))
    np.testing.assert_array_equal(found["left"], np.arange(300))
    np.testing.assert_array_equal(found["right"], np.arange(300))


def test_without_a_device_it_says_why_and_ends() -> None:
    reason = can_run(Request("search.bls"))
    if reason is True:
        pytest.skip("there is a CUDA device, and so a report")
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == f"armillary_cupy: {reason}"
