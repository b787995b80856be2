"""Status tells what can run and why not, above all when nothing can."""

from __future__ import annotations

import json
import sys

import pytest

import armillary as arm
from armillary.plugins import PluginWarning, hookimpl, registry
from armillary.plugins.registry import get_registry, set_registry
from armillary.plugins.status import collect_status


def states(status):
    """The states of the backends of the box search."""
    return {row.name: row.state for row in status.backends if row.operation == "search.bls"}


@pytest.fixture
def installed(monkeypatch):
    """These entry points are what the environment has, still to be discovered."""

    def put(*entries):
        points = [point for some in entries for point in some]
        monkeypatch.setattr("armillary.plugins.registry.entry_points", lambda group: points)
        set_registry(None)

    return put


@pytest.fixture
def every_kind_of_broken(installed, module, distribution, plugin, record):
    """Plugins that fail at each stage, clash with one another and with core, or cannot run."""

    @hookimpl
    def armillary_search():
        raise OSError("no bus")

    module("raising_plugin", armillary_search=armillary_search)
    module("hollow_plugin")
    module("device", can_run=lambda request: "no device")
    installed(
        distribution("absent", {"absent": "module_of_nobody"}),
        distribution("raising", {"raising": "raising_plugin"}),
        distribution("hollow", {"hollow": "hollow_plugin"}),
        plugin("old", record("old", api=0)),
        plugin("thief", record("cpu")),
        plugin("left", record("both")),
        plugin("right", record("both")),
        plugin("tired", record("tired", can_run="device:can_run")),
    )


def test_a_sound_installation_is_healthy(install, plugin, record):
    install(plugin("alpha", record("twin", summary="like cpu")))
    status = collect_status()
    assert states(status) == {"cpu": "active", "reference": "available", "twin": "available"}
    assert status.healthy
    twin = next(row for row in status.backends if row.name == "twin")
    assert (twin.distribution, twin.version, twin.summary) == ("alpha", "1.0", "like cpu")


def test_stores_are_available_and_none_is_active(install):
    install()
    rows = [row for row in collect_status().backends if row.operation == "cache.open"]
    assert {row.name: row.state for row in rows} == {"disk": "available", "memory": "available"}


def test_status_shows_every_kind_of_broken_plugin(every_kind_of_broken):
    with pytest.warns(PluginWarning):
        status = collect_status()
    assert states(status) == {
        "both": "conflict",
        "cpu": "active",
        "reference": "available",
        "tired": "unavailable",
    }
    assert {(f.distribution, f.stage) for f in status.failures} == {
        ("absent", "import"),
        ("raising", "records"),
        ("hollow", "hooks"),
        ("old", "records"),
        ("thief", "conflict"),
    }
    assert not status.healthy
    reasons = {row.name: row.reason for row in status.backends}
    assert reasons["tired"] == "no device"
    assert "left 1.0 and right 1.0" in reasons["both"]


def test_status_looks_even_where_a_broken_plugin_is_an_error(every_kind_of_broken, monkeypatch):
    monkeypatch.setenv("ARMILLARY_STRICT_PLUGINS", "1")
    status = collect_status()
    assert {f.distribution for f in status.failures} >= {"absent", "raising", "hollow", "old"}
    assert "active" not in states(status).values(), "nothing runs in such a process"
    assert any("absent" in problem for problem in status.problems)
    assert not status.healthy


def test_a_broken_plugin_does_not_stop_a_search(every_kind_of_broken, light_curve, grid):
    with pytest.warns(PluginWarning):
        get_registry()
    assert arm.search.bls(*light_curve, **grid).provenance.backend == "cpu"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARMILLARY_NO_PLUGINS", "perhaps"),
        ("ARMILLARY_STRICT_PLUGINS", "2"),
        ("ARMILLARY_BACKEND", "nobody"),
        ("ARMILLARY_BACKEND_SEARCH", "nobody"),
        ("ARMILLARY_BACKEND_SEARCH_BLS", "nobody"),
    ],
)
def test_a_setting_that_makes_no_sense_is_shown_as_the_problem(installed, monkeypatch, name, value):
    installed()
    monkeypatch.setenv(name, value)
    status = collect_status()
    assert not status.healthy
    assert len(status.problems) == 1
    assert name in status.problems[0]
    assert "active" not in states(status).values()
    assert set(states(status)) == {"cpu", "reference"}
    (setting,) = [s for s in status.settings if s.name == name]
    assert (setting.value, setting.source) == (value, "environment")
    assert "misspelt" not in setting.meaning


@pytest.mark.parametrize("operation", ["OPEN", "CODEC"])
def test_a_backend_variable_of_a_store_does_not_stop_status(installed, monkeypatch, operation):
    installed()
    monkeypatch.setenv(f"ARMILLARY_BACKEND_CACHE_{operation}", "disk")
    status = collect_status()
    (setting,) = status.settings
    assert "misspelt" in setting.meaning or status.problems, "it does nothing, and nobody says so"


@pytest.mark.parametrize("name", ["ARMILLARY_CPU", "ARMILLARY_THREADS"])
def test_a_nonsense_build_setting_does_not_stop_status(monkeypatch, name):
    from armillary.runtime import cpu

    cpu.variant.cache_clear()
    monkeypatch.setenv(name, "nonsense")
    status = collect_status()
    cpu.variant.cache_clear()
    assert any("unknown" in str(v) and name in str(v) for v in status.build.values())
    assert any(name in problem for problem in status.problems)
    assert not status.healthy


def test_a_plugin_that_is_kept_out_is_shown_with_the_switch(installed, plugin, record, monkeypatch):
    monkeypatch.setenv("ARMILLARY_NO_PLUGINS", "yes")
    installed(plugin("alpha", record("twin")))
    status = collect_status()
    (blocked,) = status.blocked
    assert (blocked.distribution, blocked.reason) == ("alpha", "ARMILLARY_NO_PLUGINS is on")
    assert status.healthy, "being kept out on purpose is no illness"


def test_each_setting_in_force_is_shown_with_its_source(install, plugin, record, monkeypatch):
    install(plugin("alpha", record("twin")))
    monkeypatch.setenv("ARMILLARY_BACKEND", "reference")
    arm.set_backend("twin", "search")
    shown = {(s.source, s.value, s.meaning) for s in collect_status().settings}
    assert ("environment", "reference", "backend for everything") in shown
    assert ("set_backend", "twin", "backend for search") in shown
    assert states(collect_status())["twin"] == "active"


def test_status_inside_a_block_tells_what_would_run_there_and_why():
    with arm.use_backend("reference"), arm.use_backend("cpu", "search"):
        status = collect_status()
    assert states(status)["cpu"] == "active"
    shown = [(s.value, s.meaning) for s in status.settings if s.source == "use_backend"]
    assert shown == [("cpu", "backend for search"), ("reference", "backend for everything")]


def test_a_build_whose_own_target_does_not_load_is_ill(monkeypatch):
    monkeypatch.delitem(registry._resolved, "armillary.search.box.cpu:bls", raising=False)
    monkeypatch.setitem(sys.modules, "armillary.search.box.cpu", None)
    status = collect_status()
    assert states(status) == {"cpu": "unavailable", "reference": "available"}
    (problem,) = status.problems
    assert "armillary's own search.bls backend 'cpu' cannot run: loading" in problem
    assert not status.healthy


def test_status_loads_no_target_of_a_plugin(install, plugin, record):
    install(plugin("alpha", record("twin", target="module_of_nobody:bls")))
    assert states(collect_status())["twin"] == "available"
    assert collect_status().healthy


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ARMILLARY_BLOK", "alpha", "ARMILLARY_BLOK is not a setting"),
        ("ARMILLARY_BACKENDS", "cpu", "ARMILLARY_BACKENDS is not a setting"),
        ("ARMILLARY_BLOCK", "alpah", "ARMILLARY_BLOCK names 'alpah'"),
        ("ARMILLARY_PLUGINS", "Alpha,al_pah", "ARMILLARY_PLUGINS names 'al-pah'"),
        ("ARMILLARY_BACKEND_FIT", "nobody", "ARMILLARY_BACKEND_FIT=nobody: no backend 'nobody'"),
    ],
)
def test_a_setting_that_is_mistyped_is_a_problem(
    installed, plugin, record, monkeypatch, name, value, words
):
    installed(plugin("alpha", record("twin")))
    monkeypatch.setenv(name, value)
    status = collect_status()
    (problem,) = status.problems
    assert words in problem
    assert not status.healthy


def test_a_mistyped_variable_is_a_problem_even_where_it_is_overruled(installed, monkeypatch):
    installed()
    monkeypatch.setenv("ARMILLARY_BACKEND", "nobody")
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH_BLS", "cpu")
    status = collect_status()
    assert states(status)["cpu"] == "active"
    (problem,) = status.problems
    assert "ARMILLARY_BACKEND=nobody" in problem


@pytest.mark.parametrize("switch", ["ARMILLARY_PLUGINS", "ARMILLARY_BLOCK"])
@pytest.mark.parametrize("value", ["alpha", "point", "Al_Pha,", ""])
def test_a_switch_that_names_what_is_installed_is_no_problem(
    installed, module, distribution, monkeypatch, switch, value
):
    hook = hookimpl(specname="armillary_search")(lambda: iter(()))
    module("silent_plugin", armillary_search=hook)
    installed(
        distribution("alpha", {"point": "silent_plugin"}),
        distribution("al-pha", {"other": "silent_plugin"}),
    )
    monkeypatch.setenv(switch, value)
    assert collect_status().healthy


def test_an_answer_that_cannot_be_printed_does_not_stop_status(install, plugin, record, module):
    class Unprintable:
        def __repr__(self):
            raise RuntimeError("not even this")

    module("device", can_run=lambda request: Unprintable())
    install(plugin("alpha", record("twin", can_run="device:can_run")))
    assert states(collect_status())["twin"] == "unavailable"


def test_the_whole_status_is_plain_data(every_kind_of_broken):
    with pytest.warns(PluginWarning):
        status = collect_status()
    plain = json.loads(json.dumps(status.to_dict()))
    assert plain["schema"] == 1
    assert plain["healthy"] is False
    assert {row["state"] for row in plain["backends"]} >= {"active", "conflict", "unavailable"}
    assert all(failure["stage"] for failure in plain["failures"])
    assert {"armillary", "python", "numpy", "compiler", "cpu_variant", "threads"} <= set(
        plain["build"]
    )
