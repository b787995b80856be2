"""The page of conformance in the documentation is of what there is, and says what came out."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry
from armillary.testing import checks, conformance
from armillary.testing.kit import SUITES

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "docs" / "make_conformance.py"
#: Those whose backends are in this repository, examples of guides left out.
DISTRIBUTIONS = {"armillary", *(path.name for path in (REPOSITORY / "plugins").iterdir())}


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("make_conformance", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up the module that they are in.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Operation -> the rows of its table, the header included."""
    sections = re.split(r"^([a-z]+\.[a-z_]+)\n-+\n", text, flags=re.MULTILINE)[1:]
    rows = {
        operation: re.findall(r"^   \* - (.*(?:\n     - .*)*)", section, flags=re.MULTILINE)
        for operation, section in zip(sections[::2], sections[1::2], strict=True)
    }
    return {
        operation: [row.split("\n     - ") for row in found] for operation, found in rows.items()
    }


def literals(cells: list[str]) -> list[str]:
    """The names that cells begin with."""
    return [cell.partition("``")[2].partition("``")[0] for cell in cells]


# ------------------------------------------------------------------ the page there is


@pytest.fixture(scope="module")
def committed(script: ModuleType) -> dict[str, list[list[str]]]:
    return tables(script.PAGE.read_text())


def test_the_page_has_every_operation_with_checks(committed: dict[str, list[list[str]]]) -> None:
    assert list(committed) == list(SUITES)


@pytest.mark.parametrize("operation", SUITES)
def test_a_table_has_every_backend_and_every_check(
    committed: dict[str, list[list[str]]], operation: str
) -> None:
    header, *rows = committed[operation]
    registered = {
        name
        for name, backend in get_registry().backends(operation).items()
        if backend.distribution in DISTRIBUTIONS
    }
    assert registered <= set(literals(header[1:]))
    assert literals([row[0] for row in rows]) == [check.name for check in checks(operation)]


@pytest.mark.parametrize("operation", SUITES)
def test_what_became_of_a_check_is_one_of_three_things(
    script: ModuleType, committed: dict[str, list[list[str]]], operation: str
) -> None:
    header, *rows = committed[operation]
    assert {len(row) for row in rows} == {len(header)}
    assert {cell for row in rows for cell in row[1:]} <= set(script.OUTCOMES)


# ------------------------------------------------------------------ how it is written


def test_a_conformance_test_says_what_it_is_of() -> None:
    test = conformance("search.bls", "cpu")
    assert (test.operation, test.backend) == ("search.bls", "cpu")  # type: ignore[attr-defined]


def test_reasons_stand_below_the_table_each_once(script: ModuleType) -> None:
    first, second, *others = [check.name for check in checks("crossmatch.within")]

    def result(backend: str, check: str, outcome: str, reason: str = "") -> object:
        return script.Result("crossmatch.within", backend, check, outcome, reason)

    results = [
        result("mine", first, "waived", "it is *shy*"),
        result("mine", second, "waived", "it is *shy*"),
        *(result("mine", check, "passed") for check in others),
        *(result("far", check, "skipped", "no driver") for check in (first, second, *others)),
        *(result("cpu", check, "passed") for check in (first, second, *others)),
    ]
    text = script.section("crossmatch.within", results)
    header, *rows = tables(text)["crossmatch.within"]
    assert literals(header[1:]) == ["cpu", "far", "mine"]
    assert [row[1:] for row in rows[:3]] == [
        ["passed", "skipped", "waived"],
        ["passed", "skipped", "waived"],
        ["passed", "skipped", "passed"],
    ]
    assert f"``mine``, waived: ``{first}``, ``{second}``. it is \\*shy\\*." in text
    assert "``far``, skipped: everything. no driver." in text


def test_how_many_there_are_stands_before_the_tables(script: ModuleType) -> None:
    def results(backend: str, *outcomes: str) -> list[object]:
        return [
            script.Result("search.bls", backend, f"check_{i}", outcome)
            for i, outcome in enumerate(outcomes)
        ]

    mine = results("mine", "passed", "waived", "passed")
    text = script.summary([*mine, *results("cpu", "passed", "passed", "passed")])
    _, *rows = re.findall(r"^   \* - ?(.*(?:\n     -.*)*)", text, flags=re.MULTILINE)
    assert [re.split(r"\n     - ?", row) for row in rows] == [
        ["`search.bls`_", "``cpu``", "3", "", ""],
        ["", "``mine``", "2", "1", ""],
    ]


def test_the_versions_are_of_what_the_backends_that_ran_depend_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(name: str, *depends: str) -> Registered:
        record = Implementation(
            operation="search.bls", name=name, target="nobody:no", api=1, depends=depends
        )
        return Registered(record, "armillary-fake", "1.0")

    there = get_registry().implementations["search.bls"]
    for name, package in (("mine", "pytest"), ("away", "pip"), ("far", "pip")):
        monkeypatch.setitem(there, name, backend(name, package, "numpy"))
    text = script.versions(
        [
            script.Result("search.bls", "mine", "one", "passed"),
            script.Result("search.bls", "away", "one", "skipped"),
            script.Result("search.bls", "far", "one", "passed", machine="another"),
            script.Result("search.bls", "nobody_on_host", "one", "passed"),
        ]
    )
    names = [part.partition(" ")[0] for part in text.split(", ")]
    assert names == ["armillary", "numpy", "scipy", "astropy", "pytest"]
    assert text.endswith(f"pytest {pytest.__version__}")


def test_operations_without_checks_are_named(script: ModuleType) -> None:
    assert script.unchecked() == "There are no checks of ``convert.catalog``.\n"
    assert script.unchecked() in script.page([], "a machine")


def test_what_ran_elsewhere_takes_the_place_of_what_is_skipped_here(script: ModuleType) -> None:
    def result(check: str, outcome: str, machine: str = "") -> object:
        return script.Result("search.bls", "far", check, outcome, "", machine)

    here = [result("one", "skipped"), result("two", "passed"), result("three", "skipped")]
    there = [result("one", "passed", "a"), result("two", "passed", "a"), result("three", "skipped")]
    assert script.completed(here, there) == [
        result("one", "passed", "a"),
        result("two", "passed"),
        result("three", "skipped"),
    ]
