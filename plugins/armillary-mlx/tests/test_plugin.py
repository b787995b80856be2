"""What armillary learns of the plugin, with MLX and without."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from armillary.plugins import Request
from armillary.plugins.registry import get_registry
from armillary_mlx import device

OPERATIONS = ("search.bls", "search.template_score")


def test_the_distribution_is_found_through_its_entry_point() -> None:
    (entry,) = (e for e in entry_points(group="armillary") if e.name == "mlx")
    assert entry.dist is not None
    assert entry.dist.name == "armillary-mlx"
    for operation in OPERATIONS:
        assert get_registry().backends(operation)["mlx"].distribution == "armillary-mlx"


def test_both_backends_say_that_they_compute_in_float32() -> None:
    for operation in OPERATIONS:
        record = get_registry().backends(operation)["mlx"].record
        assert (record.precision, record.depends) == ("float32", ("mlx",))


def test_collecting_the_records_does_not_import_mlx() -> None:
    lines = (
        "import sys",
        "from armillary.plugins.registry import get_registry",
        "assert 'mlx' in get_registry().backends('search.bls')",
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'mlx']",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=60)


def test_without_mlx_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "find_spec", lambda module: None)
    assert device.can_run(Request("search.bls")) == (
        "mlx is not installed; pip install mlx on a Mac with an Apple chip, "
        'pip install "armillary-mlx[cpu]" on Linux'
    )


def test_mlx_with_nothing_to_run_on_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a plain `pip install mlx` on Linux leaves: modules without the library under them.
    monkeypatch.setattr(device, "find_spec", lambda module: object())
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    reason = device.can_run(Request("search.bls"))
    assert isinstance(reason, str)
    assert reason.startswith("mlx cannot be loaded (")
    assert 'pip install "armillary-mlx[cpu]" on Linux' in reason
