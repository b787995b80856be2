"""Stores and codecs by name: armillary's own, those of plugins, and those that cannot be."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest

import armillary as arm
from armillary.cache import DiskStore, MemoryStore, Store, key_of
from armillary.plugins import BackendUnavailable, Implementation, UnknownBackend
from armillary.plugins.records import Registered
from armillary.plugins.registry import Conflict, get_registry


@pytest.fixture
def register(monkeypatch):
    """A function that registers a target as a store of a plugin."""
    module = types.ModuleType("armillary_test_stores")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def add(target, name="plugged", can_run=None):
        module.target, module.can_run = target, can_run
        given = {"target": target if isinstance(target, str) else f"{module.__name__}:target"}
        if can_run is not None:
            given["can_run"] = f"{module.__name__}:can_run"
        record = Implementation(operation="cache.open", name=name, api=1, **given)
        registered = Registered(record, "armillary-plugged", "1.0")
        get_registry().implementations["cache.open"][name] = registered
        return registered

    return add


def test_armillary_brings_a_store_in_memory_and_one_on_disk(folder):
    with arm.cache.open("memory") as memory, arm.cache.open("disk", path=folder) as disk:
        assert (type(memory), type(disk)) == (MemoryStore, DiskStore)
        assert isinstance(memory, Store) and isinstance(disk, Store)


def test_a_store_of_a_plugin_is_opened_with_what_it_is_given(register):
    seen = []

    def target(**options):
        seen.append(options)
        return MemoryStore()

    register(target)
    arm.cache.open("plugged").close()
    arm.cache.open("plugged", max_bytes="1 MB", ttl=5, own=3, policy="lru").close()
    assert seen == [{}, {"max_bytes": 10**6, "ttl": 5.0, "own": 3, "policy": "lru"}]


def test_a_store_of_a_plugin_may_be_the_cache_of_a_call(register, periodic):
    store = MemoryStore()
    register(lambda: store)
    arm.search.bls(**periodic, cache="plugged")
    assert arm.search.bls(**periodic, cache="plugged").provenance.cache_hit


def test_a_name_that_nobody_registers_lists_those_there_are():
    with pytest.raises(UnknownBackend, match=r"'redis' for cache\.open; there is 'disk', 'memory'"):
        arm.cache.open("redis")


@pytest.mark.parametrize("name", [None, 3, MemoryStore, b"memory"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(TypeError, match="name"):
        arm.cache.open(name)


def test_a_store_that_cannot_run_says_why(register):
    register(MemoryStore, can_run=lambda request: "there is no server")
    with pytest.raises(BackendUnavailable, match="there is no server"):
        arm.cache.open("plugged")


def test_a_store_whose_module_does_not_load_says_so(register):
    register("a_module_that_is_not_there:Store")
    with pytest.raises(BackendUnavailable, match="a_module_that_is_not_there"):
        arm.cache.open("plugged")


def test_a_name_that_two_plugins_claim_is_nobodys(register):
    claimants = (register(MemoryStore), register(MemoryStore))
    registry = get_registry()
    registry.implementations["cache.open"].pop("plugged")
    registry.conflicts.append(Conflict("cache.open", "plugged", claimants))
    with pytest.raises(BackendUnavailable, match="armillary-plugged"):
        arm.cache.open("plugged")


def test_an_option_that_a_store_has_not_is_an_error(register, folder):
    register(lambda *, max_bytes=None: MemoryStore())
    for name, option in (("memory", "path"), ("disk", "level_of_detail"), ("plugged", "ttl")):
        with pytest.raises(TypeError, match=option):
            arm.cache.open(name, **{option: 1})
    assert not folder.exists()


def test_an_error_of_a_plugin_says_whose_it_is(register):
    def target():
        raise ConnectionError("no route")

    register(target)
    with pytest.raises(ConnectionError) as raised:
        arm.cache.open("plugged")
    assert any("armillary-plugged" in note for note in raised.value.__notes__)


def test_what_a_plugin_gives_must_be_a_store(register):
    register(lambda: {"a": "dict"})
    with pytest.raises(TypeError, match="'plugged' must be a store"):
        arm.cache.open("plugged")


def test_stores_are_not_selected_like_backends():
    for choose in (
        lambda: arm.set_backend("disk", "cache.open"),
        lambda: arm.use_backend("disk", "cache.open").__enter__(),
    ):
        with pytest.raises(ValueError, match=r"cache\.open"):
            choose()
    with pytest.raises(ValueError, match="asked for by name"):
        arm.explain("cache.open")
    with pytest.raises(UnknownBackend):
        arm.set_backend("memory")


def test_stores_are_listed_with_everything_else():
    listed = {b.name for b in arm.list_backends("cache.open")}
    assert listed == {"disk", "memory"}


def test_armillary_costs_no_more_to_import_than_before():
    """What a cache needs is imported by who uses one."""
    program = (
        "import sys, armillary; armillary.search.bls;"
        "assert not {'sqlite3', 'platformdirs', 'armillary.cache.disk.store',"
        " 'armillary.cache.memory.store'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there():
    for name in arm.cache.__all__:
        assert getattr(arm.cache, name).__doc__ or name == "MISSING"
    assert set(arm.cache.__all__) <= set(dir(arm.cache))
    assert repr(arm.cache.MISSING) == "MISSING"


def test_named_stores_are_closed_with_the_process(tmp_path):
    """What was counted is written, though nobody closed anything."""
    program = (
        "import os, sys, numpy, armillary as arm; os.environ['ARMILLARY_CACHE_PATH'] = sys.argv[1];"
        "time = numpy.arange(0, 8, 0.05); flux = 1 + 1e-3 * numpy.sin(time**2);"
        "[arm.search.bls(time, flux, period=[1.0, 2.0], duration=0.1, cache='disk')"
        " for _ in range(4)]"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=True)
    with arm.cache.open("disk", path=tmp_path / "store") as store:
        said = store.stats()
        assert (said.hits, said.misses, said.stored) == (3, 1, 1)


def test_a_missing_value_is_told_from_every_value():
    with MemoryStore() as store:
        for value in (None, False, 0, "", np.zeros(0)):
            store.put(key_of("x"), value)
            assert store.get(key_of("x"), arm.cache.MISSING) is not arm.cache.MISSING
        assert store.get(key_of("y"), arm.cache.MISSING) is arm.cache.MISSING


def test_an_option_that_a_store_lacks_is_named_with_those_it_has():
    with pytest.raises(
        TypeError, match=r"'memory'.* has no option 'path'; its options are max_bytes"
    ):
        arm.cache.open("memory", path="somewhere")


def test_an_argument_of_memoize_is_called_by_its_own_name():
    @arm.cache.memoize(store=3)
    def f(x):
        return x

    with pytest.raises(TypeError, match=r"^store must be a store"):
        f(1)
