"""The command as a whole: help, version, verbosity, errors."""

from __future__ import annotations

import pytest

import armillary as arm


def test_version(armillary):
    result = armillary("--version")
    assert result.exit_code == 0
    assert result.stdout == f"armillary {arm.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("status",),
        ("check",),
        ("search",),
        ("search", "bls"),
        ("search", "attribute"),
        ("demo",),
        ("demo", "search"),
    ],
)
def test_everything_has_help(armillary, arguments):
    result = armillary(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_imports_no_library_of_astronomy_or_plotting(shell):
    look = (
        "import sys; from armillary.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('astropy', 'scipy', 'matplotlib', 'pyarrow') if m in sys.modules])"
    )
    result = shell("-c", look)
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


@pytest.mark.parametrize("error", [ValueError, OSError, ImportError, RuntimeError, TypeError])
def test_a_foreseeable_error_is_one_sentence(armillary, monkeypatch, error):
    monkeypatch.setattr("armillary.report.status_without_warnings", _raiser(error("[it] broke")))
    result = armillary("status")
    assert result.exit_code == 1
    assert result.stderr == "error: [it] broke\n"


def test_verbose_twice_shows_where_an_error_came_from(armillary, monkeypatch):
    monkeypatch.setattr("armillary.report.status_without_warnings", _raiser(ValueError("it broke")))
    assert isinstance(armillary("-vv", "status").exception, ValueError)


def test_ctrl_c_ends_with_its_own_exit_code(armillary, monkeypatch):
    monkeypatch.setattr("armillary.report.status_without_warnings", _raiser(KeyboardInterrupt()))
    result = armillary("status")
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_unknown_commands_are_refused(armillary):
    result = armillary("serach")
    assert result.exit_code == 2
    assert "serach" in result.stderr


def test_python_dash_m(shell):
    assert shell("-m", "armillary", "--version").stdout == f"armillary {arm.__version__}\n"


def _raiser(error):
    def raise_it():
        raise error

    return raise_it
