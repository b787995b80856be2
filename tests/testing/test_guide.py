"""The guide for authors of plugins is of every operation that has checks."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from armillary.plugins.registry import get_registry, resolve
from armillary.testing.kit import SUITES

GUIDE = (Path(__file__).parents[2] / "docs" / "plugins.rst").read_text()
#: Operations that have a definition in NumPy, whose signature is that of every target.
DEFINED = [name for name in SUITES if "reference" in get_registry().backends(name)]


@pytest.mark.parametrize("operation", SUITES)
def test_an_operation_is_named(operation: str) -> None:
    assert f"``{operation}``" in GUIDE


@pytest.mark.parametrize("operation", DEFINED)
def test_a_heading_is_of_the_target_of_an_operation(operation: str) -> None:
    headings = [line for line in GUIDE.splitlines() if line.startswith("The target")]
    assert [heading for heading in headings if f"``{operation}``" in heading]


@pytest.mark.parametrize("operation", DEFINED)
def test_every_argument_of_a_target_is_named(operation: str) -> None:
    target = resolve(get_registry().backends(operation)["reference"].record.target)
    unnamed = [name for name in inspect.signature(target).parameters if f"``{name}``" not in GUIDE]
    assert unnamed == []
