"""The store in memory, against a plain model of it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import weakref

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import armillary as arm
from armillary.cache import MISSING, MemoryStore, key_of
from armillary.cache.entry import pack
from armillary.testing.cache_values import difference


def size_of(value):
    """Bytes that a store counts for a value."""
    with MemoryStore() as store:
        store.put(bytes(16), value)
        return store.stats().stored_bytes


# ------------------------------------------------------------------ a model


class Model(RuleBasedStateMachine):
    """Any sequence of calls; who may go is asked of the store, what may be there of a dict."""

    @initialize(
        policy=st.sampled_from(["lru", "cost"]),
        max_entries=st.none() | st.integers(1, 6),
        ttl=st.none() | st.just(10.0),
    )
    def open(self, policy, max_entries, ttl):
        self.now = 1000.0
        self.max_entries, self.ttl = max_entries, ttl
        self.store = MemoryStore(
            max_bytes=20_000,
            max_entries=max_entries,
            ttl=ttl,
            policy=policy,
            clock=lambda: self.now,
        )
        self.put_last = {}
        self.counts = {"hits": 0, "misses": 0, "stored": 0, "refused": 0}

    @rule(
        name=st.integers(0, 9),
        n_bytes=st.integers(0, 6000) | st.integers(15_000, 30_000),
        cost=st.none() | st.floats(0.0, 1e3),
    )
    def put(self, name, n_bytes, cost):
        before = dict(self.store.stats().evictions)
        present = set(self.store.keys())
        value = np.full(n_bytes, name, np.uint8)
        kept = self.store.put(key_of(name), value, cost=cost)
        assert kept == (size_of(value) <= 20_000)
        if kept:
            self.put_last[key_of(name)] = (value, self.now)
            self.counts["stored"] += 1
            assert difference(value, self.store.get(key_of(name))) == ""
            self.counts["hits"] += 1
        else:
            self.counts["refused"] += 1
            assert set(self.store.keys()) == present - {key_of(name)}
            self.put_last.pop(key_of(name), None)
            assert dict(self.store.stats().evictions) == before

    @rule(name=st.integers(0, 9))
    def get(self, name):
        key = key_of(name)
        found = self.store.get(key, MISSING)
        self.counts["misses" if found is MISSING else "hits"] += 1
        if found is not MISSING:
            value, written = self.put_last[key]
            assert difference(value, found) == ""
            assert self.ttl is None or 0 <= self.now - written < self.ttl

    @rule(name=st.integers(0, 9))
    def delete(self, name):
        assert self.store.delete(key_of(name)) in (True, False)
        assert key_of(name) not in set(self.store.keys())

    @rule(seconds=st.floats(0.0, 15.0))
    def wait(self, seconds):
        self.now += seconds

    @rule(seconds=st.floats(0.0, 100.0))
    def set_back(self, seconds):
        self.now -= seconds
        # The age of what is later than now is not known any more, whatever the clock says next.
        self.put_last = {k: v for k, v in self.put_last.items() if v[1] <= self.now or not self.ttl}

    @rule()
    def clear(self):
        self.store.clear()

    @rule(n_bytes=st.integers(0, 10_000))
    def give_back(self, n_bytes):
        before = self.store.stats().stored_bytes
        given = self.store.give_back(n_bytes)
        assert given == before - self.store.stats().stored_bytes
        assert given >= min(n_bytes, before)

    @invariant()
    def limits_hold_and_counts_agree(self):
        if not hasattr(self, "store"):
            return
        keys = list(self.store.keys())
        said = self.store.stats()
        assert said.stored_bytes <= said.max_bytes
        assert self.max_entries is None or len(keys) <= self.max_entries
        assert len(keys) == len(self.store) == said.entries == len(set(keys))
        assert said.stored_bytes == sum(size_of(self.put_last[key][0]) for key in keys)
        assert {name: getattr(said, name) for name in self.counts} == self.counts
        # Records of the heaps do not pile up.
        assert len(self.store._heap) <= 10 * len(keys) + 200

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=40)


# ------------------------------------------------------------------ limits


def test_without_a_limit_it_takes_a_tenth_of_the_memory(memory, monkeypatch):
    monkeypatch.setattr("armillary.cache.memory.store.total_memory", lambda: 5_000_000)
    assert memory().stats().max_bytes == 500_000


@pytest.mark.parametrize(("text", "n_bytes"), [("1 MB", 10**6), ("2kB", 2000), (12345, 12345)])
def test_a_budget_may_be_a_text(memory, text, n_bytes):
    assert memory(max_bytes=text).stats().max_bytes == n_bytes


@pytest.mark.parametrize(
    "limits",
    [
        {"max_bytes": 0},
        {"max_bytes": -5},
        {"max_bytes": "lots"},
        {"max_entries": 0},
        {"max_entries": 2.5},
        {"max_entries": True},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": float("nan")},
        {"ttl": float("inf")},
        {"ttl": "long"},
        {"policy": "LRU"},
        {"policy": 1},
    ],
    ids=str,
)
def test_limits_that_make_no_sense_are_refused(limits):
    (name,) = limits
    with pytest.raises(ValueError, match=name):
        arm.cache.open("memory", **limits)
    with pytest.raises(ValueError, match=name):
        MemoryStore(**limits)


def test_a_clock_that_is_none_is_refused():
    with pytest.raises(TypeError, match="clock"):
        MemoryStore(clock=5.0)


def test_the_budget_counts_all_that_an_entry_takes(memory):
    store = memory(max_bytes=100_000)
    store.put(key_of(1), {"a": np.zeros(1000), "label": "x" * 500})
    said = store.stats()
    assert said.stored_bytes == said.raw_bytes >= 8500
    store.put(key_of(2), None)
    assert store.stats().stored_bytes > said.stored_bytes


def test_a_value_that_just_fits_is_kept_and_one_byte_more_is_not(memory):
    value = np.zeros(5000, np.uint8)
    assert memory(max_bytes=size_of(value)).put(key_of(1), value)
    assert not memory(max_bytes=size_of(value) - 1).put(key_of(1), value)


def test_the_value_before_one_that_is_refused_is_forgotten(memory):
    store = memory(max_bytes=10_000)
    store.put(key_of(1), "before")
    store.put(key_of(2), "another")
    assert not store.put(key_of(1), np.zeros(20_000))
    assert store.get(key_of(1)) is None
    assert store.get(key_of(2)) == "another"


# ------------------------------------------------------------------ priorities


def test_the_cheapest_per_byte_goes_first_whatever_its_size(memory):
    store = memory(max_bytes=1_000_000)
    rng = np.random.default_rng(3)
    gains = {}
    for i in range(60):
        value = np.zeros(int(rng.integers(100, 5000)), np.uint8)
        cost = float(rng.uniform(0.1, 9.0))
        store.put(key_of(i), value, cost=cost)
        gains[i] = cost / size_of(value)
    gone = []
    while len(store):
        before = set(store.keys())
        store.give_back(1)
        (key,) = before - set(store.keys())
        gone.append(next(i for i in gains if key_of(i) == key))
    assert gone == sorted(gains, key=gains.get)


def test_the_least_recently_used_goes_first(memory):
    store = memory(policy="lru")
    rng = np.random.default_rng(4)
    for i in range(30):
        store.put(key_of(i), i, cost=float(rng.uniform(0, 9)))
    order = list(range(30))
    for i in rng.integers(0, 30, 200).tolist():
        store.get(key_of(i))
        order.remove(i)
        order.append(i)
    gone = []
    while len(store):
        before = set(store.keys())
        store.give_back(1)
        (key,) = before - set(store.keys())
        gone.append(next(i for i in range(30) if key_of(i) == key))
    assert gone == order


def test_a_key_that_was_deleted_and_put_again_begins_anew(memory):
    store = memory(max_bytes=3 * size_of(np.zeros(100)))
    store.put(key_of("a"), np.zeros(100), cost=1000.0)
    store.delete(key_of("a"))
    store.put(key_of("a"), np.zeros(100), cost=0.001)
    for name in "bcd":
        store.put(key_of(name), np.zeros(100), cost=1.0)
    assert key_of("a") not in set(store.keys())


def test_entries_whose_cost_is_unknown_go_by_their_use(memory):
    store = memory(max_bytes=3 * size_of(np.zeros(100)))
    for name in "abc":
        store.put(key_of(name), np.zeros(100))
    store.get(key_of("a"))
    store.put(key_of("d"), np.zeros(100))
    assert key_of("a") in set(store.keys())


def test_an_entry_without_cost_can_go(memory):
    store = memory(max_bytes=2 * size_of(np.zeros(100)))
    for i in range(10):
        assert store.put(key_of(i), np.zeros(100), cost=0.0)
    assert len(store) == 2


def test_many_uses_leave_no_trace_in_the_heaps(memory, clock):
    store = memory(ttl=10.0, clock=clock)
    for i in range(30_000):
        store.put(key_of(i % 7), i)
        store.get(key_of(i % 5))
    assert len(store._heap) < 500 and len(store._oldest) < 500


# ------------------------------------------------------------------ values


def test_a_hit_makes_views_and_copies_nothing(memory):
    store = memory()
    store.put(key_of(1), np.zeros(100_000))
    one, other = store.get(key_of(1)), store.get(key_of(1))
    assert one is not other and np.shares_memory(one, other)


def test_an_array_that_was_given_out_stays_after_its_entry(memory):
    store = memory()
    store.put(key_of(1), np.arange(1000))
    found = store.get(key_of(1))
    store.close()
    del store
    gc.collect()
    assert np.array_equal(found, np.arange(1000))


def test_a_store_lets_go_of_what_is_evicted(memory):
    store = memory(max_bytes=3_000_000)
    for i in range(20):
        store.put(key_of(i), np.zeros(1_000_000, np.uint8))
    held = sum(len(b) for entry in store._entries.values() for b in entry.buffers)
    assert held <= 3_000_000 and held == 2_000_000


def test_values_are_kept_without_the_gaps_that_a_file_has(memory):
    store = memory()
    store.put(key_of(1), [np.zeros(5000, np.uint8) for _ in range(10)])
    assert store.stats().stored_bytes < 51_500 < pack([np.zeros(5000, "u1")] * 10).stored_bytes


def test_any_bytes_of_sixteen_are_a_key(memory):
    store = memory()
    for kind in (bytes, bytearray, memoryview):
        assert store.put(kind(bytes(range(16))), kind.__name__)
        for other in (bytes, bytearray, memoryview):
            assert store.get(other(bytes(range(16)))) == kind.__name__
            assert other(bytes(range(16))) in store
        assert store.delete(kind(bytes(range(16))))


def test_contains_counts_neither_as_hit_nor_as_use(memory):
    store = memory(policy="lru", max_bytes=2 * size_of(np.zeros(100)))
    for name in "ab":
        store.put(key_of(name), np.zeros(100))
    assert key_of("a") in store and key_of("c") not in store
    assert (store.stats().hits, store.stats().misses) == (0, 0)
    store.put(key_of("c"), np.zeros(100))
    assert key_of("a") not in store


# ------------------------------------------------------------------ codecs


def test_with_a_codec_entries_are_smaller_and_the_same(memory, zlib_codec):
    store = MemoryStore(codec=zlib_codec.codec)
    value = {"zeros": np.zeros(10_000), "n": 1, "noise": np.random.default_rng(1).bytes(1000)}
    store.put(key_of(1), value)
    said = store.stats()
    assert said.stored_bytes < 2000 < 80_000 < said.raw_bytes
    for _ in range(2):
        found = store.get(key_of(1))
        assert difference(value, found) == "" and not found["zeros"].flags.writeable
    store.close()


def test_the_budget_is_of_bytes_as_they_are_stored(zlib_codec):
    with MemoryStore(codec=zlib_codec.codec, max_bytes=20_000) as store:
        for i in range(20):
            assert store.put(key_of(i), np.zeros(10_000))
        assert len(store) == 20 and store.stats().raw_bytes > 1_600_000


def test_what_a_codec_cannot_decode_is_a_miss_and_goes(zlib_codec, monkeypatch):
    with MemoryStore(codec=zlib_codec.codec) as store:
        store.put(key_of(1), np.zeros(1000), cost=5.0)

        def fails(stored, into):
            raise ValueError("flipped")

        monkeypatch.setattr(zlib_codec.codec, "decode", fails)
        assert store.get(key_of(1), MISSING) is MISSING
        said = store.stats()
        assert (said.hits, said.misses, said.seconds_saved, said.entries) == (0, 1, 0.0, 0)
        assert said.evictions["corrupt"] == 1


# ------------------------------------------------------------------ threads and processes


def test_two_puts_at_once_never_take_more_than_the_budget(memory, monkeypatch):
    """Room is made before a copy is: while one thread copies, another has only what is left."""
    value = np.zeros(6000, np.uint8)
    store = memory(max_bytes=10_000)
    copying, go_on = threading.Event(), threading.Event()
    from armillary.cache.memory import store as module

    original = module._new_entry

    def slowly(*arguments):
        copying.set()
        go_on.wait(10)
        return original(*arguments)

    monkeypatch.setattr(module, "_new_entry", slowly)
    thread = threading.Thread(target=store.put, args=(key_of(1), value))
    thread.start()
    copying.wait(10)
    assert store.put(key_of(2), value) is False
    go_on.set()
    thread.join()
    assert store.get(key_of(1)) is not None
    assert store.stats().stored_bytes <= 10_000 and store._reserved == 0


def test_a_put_that_fails_gives_its_room_back(memory, monkeypatch):
    store = memory(max_bytes=10_000)

    def fails(*arguments):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("armillary.cache.memory.store._new_entry", fails)
        with pytest.raises(MemoryError):
            store.put(key_of(1), np.zeros(1000, np.uint8))
    assert store.put(key_of(1), np.zeros(9000, np.uint8)) and len(store) == 1


def test_what_ends_while_the_store_is_closed_is_not_kept(memory, monkeypatch):
    store = memory()
    from armillary.cache.memory import store as module

    original = module._new_entry

    def closing(*arguments):
        store.close()
        return original(*arguments)

    monkeypatch.setattr(module, "_new_entry", closing)
    store.put(key_of(1), 1)
    assert not store._entries


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_can_use_it_even_if_another_thread_had_it_locked():
    store = MemoryStore()
    store.put(key_of(1), 7)
    locked, done = threading.Event(), threading.Event()

    def hold():
        with store._lock:
            locked.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(10)
    child = multiprocessing.get_context("fork").Process(target=_use_in_child, args=(store,))
    child.start()
    child.join(20)
    done.set()
    thread.join()
    assert child.exitcode == 0
    store.close()


def _use_in_child(store):
    assert store.get(key_of(1)) == 7 and store.put(key_of(2), 8) and store.get(key_of(2)) == 8


def test_a_store_that_nobody_has_any_more_is_gone():
    store = MemoryStore()
    store.put(key_of(1), np.zeros(1000))
    seen = weakref.ref(store)
    del store
    gc.collect()
    assert seen() is None


# ------------------------------------------------------------------ for people


def test_repr_says_how_it_goes(memory):
    store = memory(max_bytes="1 MB")
    store.put(key_of(1), np.zeros(100), cost=2.0)
    store.get(key_of(1))
    store.get(key_of(2))
    assert "1 entries" in repr(store) and "50.0 % hits" in repr(store) and "2 s" in repr(store)
    store.close()
    assert "closed" in repr(store)


def test_stats_are_plain_values_for_json(memory):
    import json

    store = memory()
    plain = json.loads(json.dumps(store.stats().to_dict()))
    assert plain["hits"] == 0 and plain["hit_rate"] is None and plain["evictions"]["budget"] == 0


def test_what_a_fork_interrupts_is_put_in_order(memory):
    store = memory(max_bytes=10_000)
    for number in range(3):
        store.put(key_of(number), np.zeros(50))
    stored = store.stats().stored_bytes
    store._reserved, store._heap, store._stored_bytes = 9_000, [], 1
    store._after_fork()
    assert store.stats().stored_bytes == stored
    assert store.put(key_of("large"), np.zeros(1100))


def test_long_lists_are_kept_as_their_description(memory):
    store = memory()
    value = [float(n) for n in range(1000)]
    store.put(key_of("list"), value)
    assert store.get(key_of("list")) == value == store.get(key_of("list"))
    assert store._entries[key_of("list")].build is None
