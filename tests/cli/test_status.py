"""``armillary status`` tells the truth, above all when plugins are broken."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

import armillary
from armillary.plugins import registry
from armillary.plugins.status import collect_status


@pytest.fixture
def plugins(monkeypatch):
    """Put these entry points, and no others, in front of a new registry."""
    before = registry.set_registry(None)

    def install(**values):
        entries = [EntryPoint(name, value, "armillary") for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries)
        registry.set_registry(None)

    install()
    yield install
    registry.set_registry(before)


@pytest.fixture
def broken_distribution(tmp_path):
    """An installed distribution whose plugin cannot be imported."""
    site = tmp_path / "site"
    info = site / "broken_rings-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-rings\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[armillary]\nrings = broken_rings\n")
    (site / "broken_rings.py").write_text("raise OSError('libring.so [7] is missing')\n")
    return site


def test_every_backend_is_listed_with_state_and_what_it_is(armillary, plugins):
    result = armillary("status")
    assert result.exit_code == 0
    for backend in collect_status().backends:
        assert backend.name in result.stdout
        assert backend.state in result.stdout
        assert backend.summary in result.stdout


def test_json_is_the_whole_status(armillary, plugins):
    told = json.loads(armillary("status", "--json").stdout)
    assert told == json.loads(json.dumps(collect_status().to_dict()))


def test_a_healthy_house_is_healthy_when_strict(armillary, plugins):
    assert armillary("status", "--strict").exit_code == 0


def test_broken_plugins_are_shown_and_the_rest_stands(armillary, plugins):
    plugins(missing="no_such_module_anywhere", hookless="json")
    result = armillary("status")
    assert result.exit_code == 0
    assert "import: importing no_such_module_anywhere raised" in result.stdout
    assert "hooks: json implements no hook" in result.stdout
    assert "compiled row-folding box search" in result.stdout


def test_what_is_in_the_status_is_not_warned_of_too(armillary, plugins):
    plugins(missing="no_such_module_anywhere")
    assert armillary("status").stderr == ""


def test_strict_fails_where_a_plugin_fails(armillary, plugins):
    plugins(missing="no_such_module_anywhere")
    assert armillary("status", "--strict").exit_code == 1


def test_verbose_adds_the_traceback(armillary, plugins):
    plugins(missing="no_such_module_anywhere")
    assert "Traceback" not in armillary("status").stdout
    told = armillary("status", "--verbose").stdout
    assert "Traceback (most recent call last)" in told
    assert "ModuleNotFoundError" in told


def test_a_blocked_plugin_is_named_with_what_blocked_it(armillary, plugins, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BLOCK", "missing")
    plugins(missing="no_such_module_anywhere")
    result = armillary("status", "--strict")
    assert "named in ARMILLARY_BLOCK" in result.stdout
    assert result.exit_code == 0


def test_settings_are_shown_with_their_source_and_unknown_names_flagged(
    armillary, plugins, monkeypatch
):
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH", "reference")
    monkeypatch.setenv("ARMILLARY_BACKENDS_SEARCH", "reference")
    lines = armillary("status").stdout.splitlines()
    known = next(line for line in lines if "ARMILLARY_BACKEND_SEARCH " in line)
    assert "environment" in known
    assert "backend for search" in known
    unknown = next(line for line in lines if "ARMILLARY_BACKENDS_SEARCH" in line)
    assert "not a setting of armillary" in unknown


def test_a_broken_distribution_on_the_path(shell, broken_distribution):
    result = shell("-m", "armillary", "status", "--strict", path=[broken_distribution])
    assert result.returncode == 1
    assert result.stderr == ""
    assert "broken-rings 0.3" in result.stdout
    assert "libring.so [7] is missing" in result.stdout
    assert "compiled row-folding box search" in result.stdout


def test_json_stays_json_when_plugins_print(shell, distribution):
    site = distribution(
        "chatty",
        """
        from armillary.plugins import Implementation, hookimpl

        print("at import")

        @hookimpl
        def armillary_search():
            print("in a hook")
            yield Implementation(
                operation="search.bls",
                name="chatty",
                target="chatty:bls",
                api=1,
                can_run="chatty:can",
            )

        def can(request):
            print("in can_run")
            return True
        """,
    )
    result = shell("-m", "armillary", "status", "--json", path=[site])
    assert "chatty" in [backend["name"] for backend in json.loads(result.stdout)["backends"]]
    assert {"at import", "in a hook", "in can_run"} <= set(result.stderr.splitlines())


def test_the_function_prints_what_the_command_prints(shell):
    command = shell("-m", "armillary", "status")
    function = shell("-c", "import armillary as arm; assert arm.status() is None")
    assert function.stdout == command.stdout
    assert "Backends" in function.stdout


def test_the_public_name(capsys, plugins):
    armillary.status(verbose=True)
    assert "Kovacs, Zucker & Mazeh (2002)" in capsys.readouterr().out
