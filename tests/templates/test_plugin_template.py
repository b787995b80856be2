"""What a stranger gets from the template: a plugin that builds, installs, and is right."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

import armillary

copier = pytest.importorskip("copier", reason="copier, which renders the template, is missing")

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "templates" / "plugin"
#: Those whose names a stranger cannot have.
DISTRIBUTIONS = sorted((REPOSITORY / "plugins").glob("armillary-*"))

BLS, NEAREST, WITHIN = OPERATIONS = ("search.bls", "crossmatch.nearest", "crossmatch.within")
ANSWERS = {"name": "mine", "author": "A. Stranger"}

#: What every plugin has.
COMMON = {
    ".github/workflows/tests.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "src/armillary_mine/__init__.py",
    "src/armillary_mine/plugin.py",
    "tests/test_conformance.py",
}
#: What an operation adds, and what a compiled plugin does.
OF_OPERATION = {
    BLS: {"src/armillary_mine/bls.py"},
    NEAREST: {"src/armillary_mine/nearest.py", "src/armillary_mine/strips.py"},
    WITHIN: {"src/armillary_mine/within.py", "src/armillary_mine/strips.py"},
}
COMPILED = {"setup.py", "src/armillary_mine/kernel.pyx"}

KINDS = [
    (operations, compiled)
    for operations in (OPERATIONS, (BLS,), (NEAREST,), (WITHIN,), (BLS, WITHIN))
    for compiled in (False, True)
]
kinds = pytest.mark.parametrize(("operations", "compiled"), KINDS)


def render(folder: Path, **answers: object) -> Path:
    """The plugin that the template makes of the answers, and of defaults for the others."""
    data = ANSWERS | answers
    copier.run_copy(str(TEMPLATE), folder, data=data, defaults=True, quiet=True)
    return folder


def run(*command: object, **environment: str) -> str:
    """The output of a command that must end well."""
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in paths}


# ------------------------------------------------------------------ what is rendered


@kinds
def test_the_files_are_those_of_the_answers_and_no_others(
    tmp_path: Path, operations: tuple[str, ...], compiled: bool
) -> None:
    plugin = render(tmp_path, operations=list(operations), compiled=compiled)
    wanted = COMMON.union(*(OF_OPERATION[operation] for operation in operations))
    assert files_of(plugin) == wanted | (COMPILED if compiled else set())


@kinds
def test_the_files_are_as_tidy_as_ours(
    tmp_path: Path, operations: tuple[str, ...], compiled: bool
) -> None:
    pytest.importorskip("ruff", reason="ruff is not installed")
    plugin = render(tmp_path, operations=list(operations), compiled=compiled)
    rules = "--config", REPOSITORY / "pyproject.toml", "--no-cache"
    run(sys.executable, "-m", "ruff", "check", *rules, plugin)
    run(sys.executable, "-m", "ruff", "format", "--check", *rules, plugin)
    texts = {path: (plugin / path).read_text() for path in files_of(plugin)}
    untidy = [
        path
        for path, text in texts.items()
        if not text.endswith("\n")
        or text.endswith("\n\n")
        or any(line != line.rstrip() for line in text.splitlines())
        or "{{" in text.replace("${{ matrix.python }}", "")
        or "{%" in text
    ]
    assert untidy == []


@kinds
def test_there_is_one_line_of_test_for_each_operation(
    tmp_path: Path, operations: tuple[str, ...], compiled: bool
) -> None:
    plugin = render(tmp_path, operations=list(operations), compiled=compiled)
    tests = (plugin / "tests" / "test_conformance.py").read_text().splitlines()[2:]
    assert tests == [
        f'test_{operation.partition(".")[2]} = conformance("{operation}", "mine")'
        for operation in operations
    ]


def test_nothing_of_the_machine_is_in_a_plugin(tmp_path: Path) -> None:
    plugin = render(tmp_path, operations=list(OPERATIONS), compiled=True)
    everything = "".join((plugin / path).read_text() for path in files_of(plugin))
    assert str(REPOSITORY) not in everything
    assert str(Path.home()) not in everything


@pytest.mark.parametrize("author", ["Zoë Ångström", "李雷", "O'Neil", "A <a@b.org>", "{{ 7 }}"])
def test_an_author_is_spelled_as_it_was_given(tmp_path: Path, author: str) -> None:
    plugin = render(tmp_path, author=author)
    project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["authors"] == [{"name": author}]
    assert f"Copyright (c) {author}\n" in (plugin / "LICENSE").read_text(encoding="utf-8")


def test_the_version_bound_admits_this_armillary(tmp_path: Path) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((render(tmp_path) / "pyproject.toml").read_text())["project"]
    (ours,) = (r for r in map(Requirement, project["dependencies"]) if r.name == "armillary")
    assert ours.specifier.contains(armillary.__version__, prereleases=True)


def test_a_name_of_two_words_is_spelled_as_its_places_want_it(tmp_path: Path) -> None:
    plugin = render(tmp_path, name="two_words")
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    assert project["name"] == "armillary-two-words"
    assert project["entry-points"]["armillary"] == {"two_words": "armillary_two_words.plugin"}
    assert 'name="two_words"' in (plugin / "src/armillary_two_words/plugin.py").read_text()


@pytest.mark.parametrize("licence", ["BSD-3-Clause", "MIT"])
def test_the_licence_is_the_one_that_was_chosen(tmp_path: Path, licence: str) -> None:
    plugin = render(tmp_path, licence=licence)
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    text = (plugin / "LICENSE").read_text()
    assert project["license"] == licence
    assert text.startswith({"BSD-3-Clause": "BSD 3-Clause License", "MIT": "MIT License"}[licence])
    assert "Copyright (c) A. Stranger" in text


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        *(({"name": name}, "lower-case") for name in ("Mine", "my-own", "9th", "a__b", "a_", "")),
        *(({"name": name}, "armillary's own") for name in ("cpu", "reference")),
        *(({"name": path.name.partition("-")[2]}, path.name) for path in DISTRIBUTIONS),
        ({"operations": []}, "at least one"),
        *(({"author": author}, "on one line") for author in (" ", 'A "B"', "A\\B", "A\nB")),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_its_rule(
    tmp_path: Path, answers: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        render(tmp_path / "plugin", **answers)


# ------------------------------------------------------------------ what it does


def fresh_environment(folder: Path) -> Path:
    """An environment without plugins but those of the running one; its interpreter.

    It sees the packages of the running environment behind its own, so that nothing is fetched.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (own,) = folder.glob("lib/python*/site-packages")
    borrowed = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (own / "borrowed.pth").write_text("\n".join([*borrowed, ""]))
    return folder / "bin" / "python"


def install(plugin: Path, python: Path) -> set[str]:
    """Build a wheel and install it, both without a network; the files of the package."""
    pip = sys.executable, "-m", "pip", "--disable-pip-version-check"
    offline = "--quiet", "--no-index", "--no-deps"
    wheels = plugin / "dist"
    run(*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, plugin)
    (wheel,) = wheels.glob("*.whl")
    run(*pip, "--python", python, "install", *offline, wheel)
    (package,) = (python.parents[1]).glob("lib/python*/site-packages/armillary_mine")
    return {path.partition(".")[0] for path in files_of(package) if not path.endswith(".pyc")}


@pytest.mark.parametrize(
    ("operations", "compiled"),
    # within.py is the same file for both, and all that it does is in strips.py.
    [((BLS, NEAREST), False), (OPERATIONS, True)],
    ids=["pure Python", "compiled"],
)
def test_it_builds_installs_is_found_and_passes_every_check(
    tmp_path: Path, operations: tuple[str, ...], compiled: bool
) -> None:
    plugin = render(tmp_path / "plugin", operations=list(operations), compiled=compiled)
    python = fresh_environment(tmp_path / "environment")
    modules = {Path(path).stem for path in files_of(plugin) if path.startswith("src/")}
    assert install(plugin, python) == modules

    # Where armillary is, if it is not installed; and a plugin that fails to load is an error.
    settings = {
        "PYTHONPATH": str(Path(armillary.__file__).parents[1]),
        "ARMILLARY_STRICT_PLUGINS": "1",
        "ARMILLARY_PLUGINS": "armillary-mine",
    }
    status = json.loads(run(python, "-m", "armillary", "status", "--json", **settings))
    rows = [row for row in status["backends"] if row["name"] == "mine"]
    assert {row["operation"] for row in rows} == set(operations)
    assert {(row["state"], row["distribution"]) for row in rows} == {
        ("available", "armillary-mine")
    }

    check = run(python, "-m", "armillary", "check", "armillary-mine", "--json", **settings)
    report = json.loads(check)
    assert report["healthy"]
    assert {backend["operation"] for backend in report["backends"]} == set(operations)
    outcomes = [check["outcome"] for backend in report["backends"] for check in backend["checks"]]
    assert set(outcomes) == {"passed"}
