"""The environment decides which plugins are loaded; text that says nothing is an error."""

from __future__ import annotations

import sys

import pytest

from armillary.plugins import PluginError, SettingError, settings
from armillary.plugins.registry import load_registry

BOOLEANS = ("ARMILLARY_NO_PLUGINS", "ARMILLARY_STRICT_PLUGINS")


@pytest.fixture
def three(plugin, record):
    """Three distributions, each with a plugin that is called like it."""
    return [
        *plugin("alpha", record("one")),
        *plugin("beta_kit", record("two")),
        *plugin("gamma", record("three")),
    ]


def loaded(entries):
    """The names that came from plugins, after a load."""
    backends = load_registry(found=entries).backends("search.bls").values()
    return {r.record.name for r in backends if r.distribution != "armillary"}


@pytest.mark.parametrize(
    ("switch", "value", "left"),
    [
        ("ARMILLARY_PLUGINS", "alpha, gamma", {"one", "three"}),
        ("ARMILLARY_PLUGINS", "Beta-Kit", {"two"}),
        ("ARMILLARY_PLUGINS", "", {"one", "two", "three"}),
        ("ARMILLARY_PLUGINS", " , ", {"one", "two", "three"}),
        ("ARMILLARY_PLUGINS", "delta", set()),
        ("ARMILLARY_BLOCK", "alpha", {"two", "three"}),
        ("ARMILLARY_BLOCK", "beta.kit,gamma,", {"one"}),
        ("ARMILLARY_BLOCK", "", {"one", "two", "three"}),
        ("ARMILLARY_NO_PLUGINS", "1", set()),
        ("ARMILLARY_NO_PLUGINS", "YES", set()),
        ("ARMILLARY_NO_PLUGINS", "0", {"one", "two", "three"}),
        ("ARMILLARY_NO_PLUGINS", "false", {"one", "two", "three"}),
        ("ARMILLARY_NO_PLUGINS", "", {"one", "two", "three"}),
    ],
)
def test_a_switch_lets_in_what_it_says(monkeypatch, three, switch, value, left):
    monkeypatch.setenv(switch, value)
    assert loaded(three) == left


def test_a_block_outweighs_a_wish(monkeypatch, three):
    monkeypatch.setenv("ARMILLARY_PLUGINS", "alpha,gamma")
    monkeypatch.setenv("ARMILLARY_BLOCK", "alpha")
    assert loaded(three) == {"three"}


def test_an_entry_point_can_be_named_as_well_as_its_distribution(
    monkeypatch, module, distribution, three
):
    entries = distribution("kit", {"first": "alpha_plugin", "second": "gamma_plugin"})
    monkeypatch.setenv("ARMILLARY_BLOCK", "second")
    assert loaded(entries) == {"one"}
    monkeypatch.setenv("ARMILLARY_BLOCK", "kit")
    assert loaded(entries) == set()


def test_a_blocked_plugin_is_never_imported_and_the_reason_is_kept(
    monkeypatch, tmp_path, distribution
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "blocked_plugin.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.setenv("ARMILLARY_BLOCK", "nuisance")
    registry = load_registry(found=distribution("nuisance", {"it": "blocked_plugin"}, "0.3"))
    assert "blocked_plugin" not in sys.modules
    assert not registry.failures
    (blocked,) = registry.blocked
    assert (blocked.plugin, blocked.distribution, blocked.version) == ("it", "nuisance", "0.3")
    assert "ARMILLARY_BLOCK" in blocked.reason


@pytest.mark.parametrize("value", ["0", "off", "No", ""])
def test_strictness_that_is_off_is_off(monkeypatch, module, distribution, value):
    module("hollow_plugin")
    monkeypatch.setenv("ARMILLARY_STRICT_PLUGINS", value)
    with pytest.warns(UserWarning, match="hollow"):
        load_registry(found=distribution("hollow", {"hollow": "hollow_plugin"}))


def test_strictness_that_is_on_raises(monkeypatch, module, distribution):
    module("hollow_plugin")
    monkeypatch.setenv("ARMILLARY_STRICT_PLUGINS", "on")
    with pytest.raises(PluginError, match="hollow"):
        load_registry(found=distribution("hollow", {"hollow": "hollow_plugin"}))


@pytest.mark.parametrize("switch", BOOLEANS)
def test_text_that_is_neither_on_nor_off_is_an_error_even_with_no_plugin(monkeypatch, switch):
    monkeypatch.setenv(switch, "maybe")
    with pytest.raises(SettingError, match=f"{switch}='maybe' is neither on .* nor off"):
        load_registry(found=[])


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "many", "²"])
def test_a_number_of_threads_is_a_positive_whole_number(monkeypatch, value):
    monkeypatch.setenv("ARMILLARY_THREADS", value)
    with pytest.raises(SettingError, match="ARMILLARY_THREADS"):
        settings.positive_integer("ARMILLARY_THREADS")


def test_every_variable_that_is_set_is_told_and_a_misspelt_one_is_called_so(monkeypatch):
    monkeypatch.setenv("ARMILLARY_BLOCK", "x")
    monkeypatch.setenv("ARMILLARY_BACKEND_SEARCH", "y")
    monkeypatch.setenv("ARMILLARY_BLOK", "z")
    told = {s.name: s for s in settings.in_force({"ARMILLARY_BACKEND_SEARCH": "search"})}
    assert [told[n].value for n in sorted(told)] == ["y", "x", "z"]
    assert told["ARMILLARY_BACKEND_SEARCH"].meaning == "backend for search"
    assert "misspelt" in told["ARMILLARY_BLOK"].meaning
