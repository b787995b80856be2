"""Benchmarks are of every backend, those that cannot run on this machine included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from armillary.plugins.registry import get_registry
from armillary.plugins.select import BY_NAME
from armillary.testing.kit import SUITES

REPOSITORY = Path(__file__).parents[1]
#: Those whose backends are in this repository, examples of guides left out.
DISTRIBUTIONS = {"armillary", *(path.name for path in (REPOSITORY / "plugins").iterdir())}


def backends_of_benchmarks() -> dict[str, tuple[str, ...]]:
    """The table ``BACKENDS`` of the suite, which only asv can import."""
    source = (REPOSITORY / "asv_bench" / "benchmarks" / "common.py").read_text()
    (value,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BACKENDS"
    )
    return ast.literal_eval(value)


@pytest.mark.parametrize("operation", [name for name in SUITES if name not in BY_NAME])
def test_every_backend_of_an_operation_is_a_parameter(operation: str) -> None:
    registered = {
        name
        for name, backend in get_registry().backends(operation).items()
        if backend.distribution in DISTRIBUTIONS
    }
    assert registered <= set(backends_of_benchmarks()[operation])


def test_a_backend_is_a_parameter_once() -> None:
    assert all(len(set(names)) == len(names) for names in backends_of_benchmarks().values())
