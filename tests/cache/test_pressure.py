"""Memory that the machine needs is given back."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

from armillary.cache import MemoryStore, key_of
from armillary.cache.memory import pressure
from armillary.cache.memory.pressure import RESERVE, Watcher, relieve

TOTAL = 1_000_000


def filled(n_entries=10, n_bytes=5000):
    store = MemoryStore()
    for i in range(n_entries):
        store.put(key_of(i), np.full(n_bytes, i, np.uint8), cost=i + 1.0)
    return store


def missing(n_bytes):
    """The memory of a machine of which so many bytes are missing to the reserve."""
    return (lambda: int(RESERVE * TOTAL) - n_bytes), (lambda: TOTAL)


def left(store):
    return [i for i in range(100) if key_of(i) in set(store.keys())]


def test_the_cheapest_go_first_and_no_more_than_needed():
    with filled() as store:
        one = store.stats().stored_bytes // 10
        freed = relieve([store], *missing(3 * one - 100))
        assert freed == 3 * one and left(store) == list(range(3, 10))
        assert store.stats().evictions["pressure"] == 3


def test_what_was_used_stays_longer():
    with MemoryStore(policy="lru") as store:
        for i in range(5):
            store.put(key_of(i), i)
        store.get(key_of(0))
        relieve([store], *missing(1))
        assert left(store) == [0, 2, 3, 4]


def test_what_has_expired_goes_before_anything_else():
    now = [0.0]
    with MemoryStore(ttl=10.0, clock=lambda: now[0]) as store:
        store.put(key_of(0), np.zeros(1000), cost=100.0)
        now[0] = 9.0
        store.put(key_of(1), np.zeros(1000), cost=1.0)
        now[0] = 11.0
        relieve([store], *missing(10))
        assert left(store) == [1]


@pytest.mark.parametrize("n_bytes", [0, -1, -50_000])
def test_nothing_goes_while_there_is_enough(n_bytes):
    with filled() as store:
        assert relieve([store], *missing(n_bytes)) == 0
        assert len(store) == 10


def test_the_next_store_is_asked_where_one_is_not_enough():
    with filled() as one, filled() as other, filled() as third:
        whole = one.stats().stored_bytes
        freed = relieve([one, other, third], *missing(whole + whole // 2))
        assert (len(one), len(other), len(third)) == (0, 5, 10)
        assert freed >= whole + whole // 2


def test_no_more_than_there_is_can_go():
    with filled() as store:
        assert relieve([store], *missing(10**9)) > 0
        assert len(store) == 0
        assert relieve([store], *missing(10**9)) == 0


# ------------------------------------------------------------------ the thread that watches


@pytest.fixture
def quick(monkeypatch):
    """A watcher of its own that looks every few milliseconds."""
    monkeypatch.setattr(pressure, "INTERVAL", 0.005)
    watcher = Watcher()
    monkeypatch.setattr("armillary.cache.memory.store.WATCHER", watcher)
    return watcher


def until(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_memory_is_given_back_by_itself(quick, monkeypatch):
    available, _ = missing(10**9)
    monkeypatch.setattr(relieve, "__defaults__", (available, lambda: TOTAL))
    with filled() as store:
        until(lambda: len(store) == 0)
        assert store.stats().evictions["pressure"] == 10


def test_the_watcher_stops_when_the_last_store_is_closed(quick):
    one, other = MemoryStore(), MemoryStore()
    thread = quick._thread
    assert thread.is_alive() and thread.daemon
    one.close()
    time.sleep(0.05)
    assert quick._thread is thread and thread.is_alive()
    other.close()
    until(lambda: not thread.is_alive())


def test_the_watcher_stops_when_nobody_has_a_store_any_more(quick):
    store = filled()
    thread = quick._thread
    del store
    gc.collect()
    until(lambda: not thread.is_alive())


def test_the_watcher_begins_again_with_the_next_store(quick):
    MemoryStore().close()
    until(lambda: quick._thread is None)
    with MemoryStore():
        assert quick._thread.is_alive()


def test_one_thread_watches_for_all_stores(quick):
    def watching():
        return [t for t in threading.enumerate() if t is quick._thread]

    stores = [MemoryStore() for _ in range(20)]
    assert len(watching()) == 1
    for store in stores:
        store.close()


def test_a_closed_store_is_not_asked(quick):
    store = filled()
    store.close()
    assert store not in quick._stores


def test_a_look_that_fails_is_not_the_last(monkeypatch):
    looks = []

    def failing(stores):
        looks.append(list(stores))
        raise OSError("the control group is gone")

    monkeypatch.setattr("armillary.cache.memory.pressure.relieve", failing)
    monkeypatch.setattr("armillary.cache.memory.pressure.INTERVAL", 0.01)
    watcher = Watcher()
    with MemoryStore() as store:
        watcher.watch(store)
        until(lambda: len(looks) > 1)
        watcher.leave(store)
