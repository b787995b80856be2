"""Plugins are found and loaded one by one; what is broken is off alone, and kept as data."""

from __future__ import annotations

import re
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, EntryPoint

import pytest

from armillary.plugins import PluginError, PluginWarning, hookimpl
from armillary.plugins.registry import (
    find_plugins,
    get_registry,
    load_registry,
    set_registry,
)

CORE_NAMES = {"cpu", "reference"}


def assert_matches(pattern, text):
    assert re.search(pattern, text, re.DOTALL), text


def hook(name, function):
    return {name: hookimpl(specname=name)(function)}


def load(*entries):
    return load_registry(found=[point for points in entries for point in points])


def load_broken(*entries):
    with pytest.warns(PluginWarning) as caught:
        registry = load(*entries)
    assert len(caught) == len(registry.failures) + len(registry.conflicts)
    return registry


# ------------------------------------------------------------------ what is sound


def test_core_comes_in_through_the_same_hooks():
    registry = load_registry(found=[])
    assert set(registry.backends("search.bls")) == CORE_NAMES
    assert {r.distribution for r in registry.backends("search.bls").values()} == {"armillary"}
    assert not registry.failures


def test_a_plugin_adds_its_backends_with_its_distribution_and_version(plugin, record):
    registry = load(plugin("alpha", record("one"), record("two"), version="3.2"))
    assert set(registry.backends("search.bls")) == CORE_NAMES | {"one", "two"}
    assert registry.backends("search.bls")["one"].origin == "alpha 3.2"


def test_a_plugin_may_yield_nothing(plugin):
    registry = load(plugin("empty"))
    assert set(registry.backends("search.bls")) == CORE_NAMES
    assert not registry.failures


def test_the_order_of_installation_means_nothing(plugin, record):
    points = plugin("beta", record("two")) + plugin("alpha", record("one"))
    assert [p.name for p in find_plugins(points)] == ["alpha", "beta"]
    assert load(points).implementations == load(points[::-1]).implementations


def test_a_path_that_is_listed_twice_is_no_conflict(plugin, record):
    points = plugin("alpha", record("one"))
    registry = load(points, points)
    assert "one" in registry.backends("search.bls")
    assert not registry.conflicts


def test_of_two_versions_on_the_path_the_first_is_the_one_that_runs(plugin, distribution, record):
    registry = load(
        plugin("alpha", record("one"), version="2.0"),
        distribution("alpha", {"alpha": "alpha_plugin"}, version="1.0"),
    )
    assert registry.backends("search.bls")["one"].version == "2.0"


def test_discovery_imports_no_target(tmp_path, monkeypatch, distribution):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "heavy_target.py").write_text("raise RuntimeError('slow and broken')\n")
    (tmp_path / "light_plugin.py").write_text(
        "from armillary.plugins import Implementation, hookimpl\n"
        "@hookimpl\n"
        "def armillary_search():\n"
        "    yield Implementation(operation='search.bls', name='heavy', api=1,\n"
        "        target='heavy_target:bls', can_run='heavy_target:can_run')\n"
    )
    registry = load(distribution("light", {"light": "light_plugin"}))
    assert "heavy" in registry.backends("search.bls")
    assert "light_plugin" in sys.modules
    assert "heavy_target" not in sys.modules


def test_a_hundred_plugins_are_found(plugin, record):
    points = [p for n in range(100) for p in plugin(f"fake{n}", record(f"backend{n}"))]
    backends = load(points).backends("search.bls")
    assert set(backends) == CORE_NAMES | {f"backend{n}" for n in range(100)}


def test_an_entry_point_without_a_distribution_still_counts(module, record):
    module("lonely_plugin", **hook("armillary_search", lambda: [record("lonely")]))
    registry = load([EntryPoint("lonely", "lonely_plugin", "armillary")])
    assert registry.backends("search.bls")["lonely"].distribution == "unknown distribution"


@pytest.mark.filterwarnings("ignore:Implicit None:DeprecationWarning")
def test_a_distribution_without_metadata_still_counts(tmp_path, module, record):
    module("bare_plugin", **hook("armillary_search", lambda: [record("bare")]))
    folder = tmp_path / "bare-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[armillary]\nbare = bare_plugin\n")
    registry = load(list(Distribution.at(folder).entry_points))
    origin = registry.backends("search.bls")["bare"].distribution
    # Python 3.11 answers None for a missing name; later ones may raise.
    assert origin in ("unnamed distribution", "unreadable distribution")


# ------------------------------------------------------------------ what is broken


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


class Panic(BaseException):
    """What the panic of a compiled extension is in Python."""


class UnprintablePanic(Panic):
    def __str__(self):
        raise Panic


def raising(error):
    def function(*_):
        raise error

    return function


BROKEN_HOOKS = {
    "a misspelt hook": (
        hook("armillary_serach", lambda: iter(())),
        "hooks",
        "armillary_serach.*armillary_search, armillary_fit",
    ),
    "a hook with an argument": (
        {"armillary_search": hookimpl(lambda registry: [])},
        "hooks",
        "registry",
    ),
    "no hook": ({"armillary_search": lambda: iter(())}, "hooks", "implements no hook.*hookimpl"),
    "a hook that raises": (
        hook("armillary_search", raising(OSError("no device"))),
        "records",
        "armillary_search raised OSError: no device",
    ),
    "a hook that leaves": (
        hook("armillary_search", raising(SystemExit(3))),
        "records",
        "SystemExit: 3",
    ),
    "an error that cannot be printed": (
        hook("armillary_search", raising(Unprintable())),
        "records",
        "Unprintable",
    ),
    "a hook that panics": (
        hook("armillary_search", raising(Panic("index out of bounds"))),
        "records",
        "armillary_search raised Panic: index out of bounds",
    ),
    "an error whose message panics": (
        hook("armillary_search", raising(UnprintablePanic())),
        "records",
        "message cannot be printed",
    ),
    "a forgotten return": (
        hook("armillary_search", lambda: None),
        "records",
        "armillary_search returned None",
    ),
    "a dictionary for a record": (
        hook("armillary_search", lambda: [{"operation": "search.bls"}]),
        "records",
        "yielded dict, not Implementation",
    ),
}


@pytest.mark.parametrize(("contents", "stage", "message"), BROKEN_HOOKS.values(), ids=BROKEN_HOOKS)
def test_a_broken_plugin_is_off_alone(
    module, distribution, plugin, record, contents, stage, message
):
    module("broken_plugin", **contents)
    broken = distribution("broken-dist", {"broken": "broken_plugin"}, version="0.9")
    registry = load_broken(plugin("alpha", record("one")), broken, plugin("zeta", record("two")))

    assert set(registry.backends("search.bls")) == CORE_NAMES | {"one", "two"}
    (failure,) = registry.failures
    assert (failure.plugin, failure.distribution, failure.version, failure.stage) == (
        "broken",
        "broken-dist",
        "0.9",
        stage,
    )
    assert_matches(message, failure.message)
    assert "broken-dist 0.9" in str(failure)


BROKEN_IMPORTS = {
    "ModuleNotFoundError": "import a_module_that_nobody_has\n",
    "SystemExit": "import sys\nsys.exit('no licence')\n",
    "SyntaxError": "def (:\n",
    "ZeroDivisionError": "1 / 0\n",
    "Panic": "class Panic(BaseException):\n    pass\nraise Panic\n",
}


@pytest.mark.parametrize(("error", "source"), BROKEN_IMPORTS.items())
def test_a_plugin_that_cannot_be_imported_is_off_with_its_traceback(
    tmp_path, monkeypatch, distribution, plugin, record, error, source
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"cannot_import_{error.lower()}.py").write_text(source)
    broken = distribution("broken", {"broken": f"cannot_import_{error.lower()}"})
    registry = load_broken(broken, plugin("alpha", record("one")))
    assert "one" in registry.backends("search.bls")
    (failure,) = registry.failures
    assert failure.stage == "import"
    assert f"cannot_import_{error.lower()}" in failure.message
    assert error in failure.message
    assert error in failure.traceback


def test_an_interrupt_during_discovery_is_not_swallowed(module, distribution):
    module("stopped_plugin", **hook("armillary_search", raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        load(distribution("stopped", {"stopped": "stopped_plugin"}))


@pytest.mark.parametrize("field", ["name", "operation", "target", "arrays"])
def test_a_record_with_a_bad_field_names_the_field(module, distribution, record, field):
    def yields():
        yield record("fine")
        if field == "name":
            yield record("Not A Name")
        yield record("other", **{field: "?"})

    module("bad_plugin", **hook("armillary_search", yields))
    registry = load_broken(distribution("bad", {"bad": "bad_plugin"}))
    (failure,) = registry.failures
    assert failure.stage == "records"
    assert field in failure.message
    assert set(registry.backends("search.bls")) == CORE_NAMES


@pytest.mark.parametrize("api", [0, 2])
def test_a_record_of_another_plugin_api_is_refused_with_a_sentence(plugin, record, api):
    registry = load_broken(plugin("alpha", record("one", api=api)))
    (failure,) = registry.failures
    assert_matches(rf"'one' is written for plugin API {api}; armillary .* speaks 1", str(failure))


def test_a_record_of_an_operation_that_this_armillary_lacks_is_off_alone(plugin, record):
    dreams = record("one", operation="search.dreams")
    registry = load_broken(plugin("alpha", record("two"), dreams, record("three")))
    (failure,) = registry.failures
    assert (failure.plugin, failure.stage) == ("alpha", "records")
    assert_matches("'one' alone.*no operation 'search.dreams'", failure.message)
    assert set(registry.backends("search.bls")) == CORE_NAMES | {"two", "three"}
    assert "search.dreams" not in registry.operations


def test_a_record_of_another_family_is_refused(module, distribution, record):
    module("stray_plugin", **hook("armillary_fit", lambda: [record("stray")]))
    registry = load_broken(distribution("stray", {"stray": "stray_plugin"}))
    (failure,) = registry.failures
    assert_matches("armillary_fit yielded a record of search.bls", failure.message)


def test_two_records_of_one_name_in_a_plugin_put_it_off(plugin, record):
    registry = load_broken(plugin("alpha", record("one"), record("one")))
    assert set(registry.backends("search.bls")) == CORE_NAMES
    (failure,) = registry.failures
    assert_matches("two records", failure.message)


def test_a_plugin_that_uses_armillary_while_it_loads_is_told_so(module, distribution, monkeypatch):
    module("eager_plugin", **hook("armillary_search", lambda: get_registry()))
    entries = distribution("eager", {"eager": "eager_plugin"})
    monkeypatch.setattr("armillary.plugins.registry.entry_points", lambda group: entries)
    set_registry(None)
    with pytest.warns(PluginWarning, match="still loading its plugins"):
        registry = get_registry()
    assert set(registry.backends("search.bls")) == CORE_NAMES


def test_a_slow_import_happens_once_and_every_thread_waits_for_it(
    tmp_path, monkeypatch, module, distribution, record
):
    gate = module("gate", imports=[], opened=threading.Event(), record=record("slow"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_plugin.py").write_text(
        "import gate\n"
        "from armillary.plugins import hookimpl\n"
        "gate.imports.append(1)\n"
        "assert gate.opened.wait(30)\n"
        "@hookimpl\n"
        "def armillary_search():\n"
        "    yield gate.record\n"
    )
    entries = distribution("slow", {"slow": "slow_plugin"})
    monkeypatch.setattr("armillary.plugins.registry.entry_points", lambda group: entries)
    set_registry(None)
    with ThreadPoolExecutor(3) as pool:
        registries = [pool.submit(get_registry) for _ in range(3)]
        assert not any(registry.done() for registry in registries)
        gate.opened.set()
        found = [registry.result(timeout=30) for registry in registries]
    assert gate.imports == [1]
    assert all(registry is found[0] for registry in found)
    assert "slow" in found[0].backends("search.bls")


def test_discovery_happens_once_and_warns_once(module, distribution, monkeypatch):
    module("broken_plugin")
    entries = distribution("broken", {"broken": "broken_plugin"})
    asked = []
    monkeypatch.setattr(
        "armillary.plugins.registry.entry_points", lambda group: asked.append(group) or entries
    )
    set_registry(None)
    with pytest.warns(PluginWarning) as caught:
        registries = [get_registry(), get_registry()]
    assert registries[0] is registries[1]
    assert asked == ["armillary"]
    assert len(caught) == 1


def test_where_warnings_are_errors_the_registry_is_kept_and_the_next_call_has_it(
    module, distribution, monkeypatch
):
    module("broken_plugin")
    entries = distribution("broken", {"broken": "broken_plugin"})
    monkeypatch.setattr("armillary.plugins.registry.entry_points", lambda group: entries)
    set_registry(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PluginWarning, match="broken_plugin"):
            get_registry()
        assert set(get_registry().backends("search.bls")) == CORE_NAMES


# ------------------------------------------------------------------ what clashes


def test_a_name_that_two_plugins_claim_goes_to_neither(plugin, record):
    registry = load_broken(
        plugin("alpha", record("both"), record("one")), plugin("beta", record("both"))
    )
    assert set(registry.backends("search.bls")) == CORE_NAMES | {"one"}
    (conflict,) = registry.conflicts
    assert {claimant.distribution for claimant in conflict.claimants} == {"alpha", "beta"}
    assert_matches("alpha 1.0 and beta 1.0", str(conflict))


@pytest.mark.parametrize("name", sorted(CORE_NAMES))
def test_core_keeps_its_names(plugin, record, name):
    registry = load_broken(plugin("alpha", record(name, target="alpha:bls"), record("one")))
    assert registry.backends("search.bls")[name].distribution == "armillary"
    assert "one" in registry.backends("search.bls")
    (failure,) = registry.failures
    assert (failure.stage, failure.distribution) == ("conflict", "alpha")
    assert failure.plugin == "alpha", "what ARMILLARY_BLOCK can name"


def test_a_strict_process_raises_and_names_everything(monkeypatch, plugin, record):
    monkeypatch.setenv("ARMILLARY_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"(?s)alpha.*'both' is claimed by beta 1.0 and gamma"):
        load(
            plugin("alpha", record("one", api=9)),
            plugin("beta", record("both")),
            plugin("gamma", record("both")),
        )
