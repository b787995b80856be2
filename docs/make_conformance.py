"""Write docs/conformance.rst: what became of every check of every backend.

::

    python docs/make_conformance.py
    python docs/make_conformance.py --save gpu.json --machine "NVIDIA H100, CUDA 12.8"
    python docs/make_conformance.py --elsewhere gpu.json

The first runs the conformance tests of core and of every plugin of this repository, as ``make
test`` does, waivers included, and takes a few minutes. A backend that cannot run here is skipped
with its own sentence; the second, on a machine where it can, keeps what came out in a file, and
the third puts that in the place of what is skipped here. A failure is not written down: it ends the
script.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import armillary
from armillary.plugins.registry import get_registry
from armillary.testing import checks
from armillary.testing.kit import SUITES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.rst"

#: Where conformance tests are.
TESTS = (ROOT / "tests" / "testing" / "test_conformance.py", *sorted(ROOT.glob("plugins/*/tests")))
#: Columns that come first; the others follow by name.
FIRST = ("cpu", "reference", "memory", "disk")

INTRODUCTION = """\
Conformance
===========

Every backend of an operation is held to the same checks (:doc:`plugins`). This is what became of
them: how many in brief, and then each of them, operation by operation. It is written by
``docs/make_conformance.py`` from the conformance tests of armillary and of the plugins in its
repository.

* **passed**: the backend does this;
* **waived**: it is known not to, for the reason below the table, and that is tested;
* **skipped**: it cannot run on the machine where the page was written, as it says itself.

``cupy_on_host`` is ``cupy`` with its kernels compiled for the CPU, which is how they are tested
where there is no GPU.
"""
#: What every backend computes with.
ALWAYS = ("numpy", "scipy", "astropy")
#: What can become of a check; the words of the page.
OUTCOMES = ("passed", "waived", "skipped")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check of one backend.

    ``reason`` is why it was waived or skipped, ``machine`` where it ran, if not with the others.
    """

    operation: str
    backend: str
    check: str
    outcome: str
    reason: str = ""
    machine: str = ""


# ------------------------------------------------------------------ run


class Recorder:
    """A plugin of pytest that runs conformance tests alone, and keeps what became of them."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.failures: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if hasattr(item, "callspec") and _backend_of(item)]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = (yield).get_result()
        if report.when == "call" or (report.when == "setup" and not report.passed):
            outcome, reason = _outcome(report)
            operation, backend = _backend_of(item)
            check = item.callspec.params["check"].name  # type: ignore[attr-defined]
            self.results.append(Result(operation, backend, check, outcome, reason))
        if report.failed:
            self.failures.append(report.nodeid)


def _backend_of(item: Any) -> tuple[str, str] | None:
    """The operation and the backend that a conformance test is of; None for other tests."""
    function = item.function
    return (function.operation, function.backend) if hasattr(function, "backend") else None


def _outcome(report: Any) -> tuple[str, str]:
    if hasattr(report, "wasxfail"):
        return "waived", report.wasxfail.removeprefix("reason: ")
    if report.skipped:
        return "skipped", report.longrepr[2].removeprefix("Skipped: ")
    return report.outcome, ""


def run() -> list[Result]:
    """Run the conformance tests; ends the script if one fails."""
    recorder = Recorder()
    arguments = ["-q", "--rootdir", str(ROOT), "-p", "no:cacheprovider", *map(str, TESTS)]
    status = pytest.main(arguments, plugins=[recorder])
    if recorder.failures or status != pytest.ExitCode.OK:
        sys.exit("no page is written: " + (", ".join(recorder.failures) or "the tests did not run"))
    return recorder.results


def completed(results: Iterable[Result], elsewhere: Iterable[Result]) -> list[Result]:
    """The results, with those from elsewhere in the place of what was skipped here."""
    known = {(r.operation, r.backend, r.check): r for r in elsewhere if r.outcome != "skipped"}
    return [
        known.get((r.operation, r.backend, r.check), r) if r.outcome == "skipped" else r
        for r in results
    ]


# ------------------------------------------------------------------ write


def page(results: Iterable[Result], machine: str) -> str:
    """The whole page."""
    results = list(results)
    parts = [INTRODUCTION, f"Written on {machine}, with {versions(results)}.\n", unchecked()]
    parts.append(summary(results))
    parts += [section(operation, results) for operation in SUITES]
    return "\n".join(parts)


def summary(results: Iterable[Result]) -> str:
    """The table of how many checks of each backend came out how."""
    results = list(results)
    lines = ["In brief", "--------", "", *_header("operation", ["backend", *OUTCOMES])]
    for operation in SUITES:
        own = [result for result in results if result.operation == operation]
        first = f"`{operation}`_"
        for backend in _backends(own):
            became = [result.outcome for result in own if result.backend == backend]
            counts = (str(became.count(outcome) or "") for outcome in OUTCOMES)
            lines += _row(first, [f"``{backend}``", *counts])
            first = ""
    return "\n".join([*lines, ""])


def section(operation: str, results: Iterable[Result]) -> str:
    """The table of an operation, and what there is to say of its backends."""
    own = [result for result in results if result.operation == operation]
    backends = _backends(own)
    outcomes = {(result.check, result.backend): result.outcome for result in own}
    lines = [operation, "-" * len(operation), ""]
    lines += _header("check", (f"``{backend}``" for backend in backends))
    for check in checks(operation):
        what = f"``{check.name}``: {check.summary}"
        lines += _row(what, (outcomes.get((check.name, b), "not run") for b in backends))
    lines.append("")
    for backend in backends:
        lines += _remarks(backend, [result for result in own if result.backend == backend])
    return "\n".join(lines)


def _backends(results: Iterable[Result]) -> list[str]:
    """Those that there are results of, our own first."""
    return sorted({result.backend for result in results}, key=_place)


def _place(backend: str) -> tuple[int, str]:
    return (FIRST.index(backend) if backend in FIRST else len(FIRST)), backend


def _header(first: str, others: Iterable[str]) -> list[str]:
    """The beginning of a table."""
    return [".. list-table::", "   :header-rows: 1", "", *_row(first, others)]


def _row(first: str, others: Iterable[str]) -> list[str]:
    # An empty cell has no blank behind its mark.
    return [f"   * - {first}".rstrip(), *(f"     - {other}".rstrip() for other in others)]


def _remarks(backend: str, results: Iterable[Result]) -> list[str]:
    """A paragraph for each reason, and one for a machine that is not that of the page."""
    results = list(results)
    said: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.reason:
            said.setdefault((result.outcome, result.reason), []).append(f"``{result.check}``")
    lines = []
    for (outcome, reason), names in said.items():
        which = "everything" if len(names) == len(results) else ", ".join(names)
        lines += [f"``{backend}``, {outcome}: {which}. {_literal(reason)}", ""]
    machines = sorted({result.machine for result in results if result.machine})
    lines += [f"``{backend}`` ran on {machine}.\n" for machine in machines]
    return lines


def _literal(text: str) -> str:
    """A sentence of a backend as text: nothing in it is markup."""
    for mark in "\\*`_|":
        text = text.replace(mark, "\\" + mark)
    return text if text.endswith(".") else f"{text}."


def unchecked() -> str:
    """The paragraph that says which operations have no checks."""
    names = [f"``{name}``" for name in get_registry().operations if name not in SUITES]
    return f"There are no checks of {', '.join(names)}.\n" if names else ""


def versions(results: Iterable[Result]) -> str:
    """Of what computed here: armillary, what it is made of, and what backends here depend on."""
    names = [*ALWAYS, *sorted(_dependencies(results) - set(ALWAYS))]
    others = (f"{name} {version(name)}" for name in names)
    return ", ".join([f"armillary {armillary.__version__}", *others])


def _dependencies(results: Iterable[Result]) -> set[str]:
    """What the backends that ran here say that their results depend on."""
    ran = {(r.operation, r.backend) for r in results if r.outcome != "skipped" and not r.machine}
    records = [
        registered.record
        for operation, backend in ran
        if (registered := get_registry().backends(operation).get(backend)) is not None
    ]
    return {name for record in records for name in record.depends}


def here() -> str:
    """This machine, as far as it matters to results."""
    return f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    options = parsed_options()
    results = run()
    if options.save:
        kept = [asdict(result) | {"machine": options.machine} for result in results]
        options.save.write_text(json.dumps(kept, indent=1) + "\n")
        return
    if options.elsewhere:
        kept = json.loads(options.elsewhere.read_text())
        results = completed(results, [Result(**values) for values in kept])
    PAGE.write_text(page(results, options.machine))


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write the page of conformance.")
    parser.add_argument("--save", type=Path, metavar="JSON", help="keep the results in a file")
    parser.add_argument("--elsewhere", type=Path, metavar="JSON", help="such a file")
    parser.add_argument("--machine", default=here(), help="what to call this machine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
