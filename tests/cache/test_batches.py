"""Many light curves and a cache: each has the key of its single call, and is computed once."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest

import armillary as arm
from armillary.cache import CacheWarning, MemoryStore
from armillary.cache.axis import MOST_HELD, kept_or_computed, kept_or_computed_together
from armillary.cache.flight import once, once_each
from armillary.io import LightCurve
from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry
from armillary.search.box import cpu

GRID = {"period": [0.9, 1.7, 2.2], "duration": 0.1}
RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")

#: How many light curves each call of the batch function was given.
batches = []


def batch(calls, oversample=10):
    batches.append(len(calls))
    return [cpu.bls(**call, oversample=oversample) for call in calls]


@pytest.fixture(params=["cpu", "twin"])
def backend(request, monkeypatch):
    """A backend that is called for each light curve, and one that is called for all."""
    batches.clear()
    record = Implementation(
        operation="search.bls",
        name="twin",
        target="armillary.search.box.cpu:bls",
        batch=f"{__name__}:batch",
        api=1,
    )
    there = get_registry().implementations["search.bls"]
    monkeypatch.setitem(there, "twin", Registered(record, "armillary-twin", "1.0"))
    return request.param


@pytest.fixture
def light_curves():
    time = np.arange(0.0, 8.0, 0.05)
    return [LightCurve(time, 1.0 + 1e-3 * np.sin(time**2 + n)) for n in range(6)]


def hits(found):
    return [one.provenance.cache_hit for one in found]


def require_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        for name in RESULTS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# ------------------------------------------------------------------ hits and misses


@pytest.mark.parametrize("threads", [1, 3])
def test_only_what_is_not_kept_is_computed(backend, memory, light_curves, threads):
    store = memory()
    options = {**GRID, "backend": backend, "cache": store, "threads": threads}
    for n in (1, 4):
        arm.search.bls(light_curves[n], **options)
    found = arm.search.bls(light_curves, **options)
    assert hits(found) == [False, True, False, False, True, False]
    assert batches == ([] if backend == "cpu" else [4])
    require_same(found, arm.search.bls(light_curves, **GRID))
    assert store.stats().entries == 6


@pytest.mark.parametrize("threads", [1, 3])
def test_a_single_call_finds_what_a_batch_kept(backend, disk, light_curves, threads):
    options = {**GRID, "backend": backend, "cache": disk(), "threads": threads}
    found = arm.search.bls(light_curves, **options)
    assert not any(hits(found))
    again = [arm.search.bls(one, **options) for one in light_curves]
    assert all(hits(again))
    assert all(hits(arm.search.bls(light_curves, **options)))
    require_same(again, found)


def test_grids_that_are_not_given_count_by_what_they_are_made_of(backend, memory, light_curves):
    options = {"max_period": 3.0, "backend": backend, "cache": memory()}
    arm.search.bls(light_curves, **options)
    assert arm.search.bls(light_curves[2], **options).provenance.cache_hit
    other = options | {"max_period": 2.9}
    assert not arm.search.bls(light_curves[2], **other).provenance.cache_hit


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_given_twice_is_computed_once(backend, memory, light_curves, threads):
    one, other = light_curves[:2]
    given = [one, other, one, one]
    options = {**GRID, "backend": backend, "cache": memory(), "threads": threads}
    found = arm.search.bls(given, **options)
    assert sum(hits(found)) == 2
    assert batches == ([] if backend == "cpu" else [2])
    require_same(found, arm.search.bls(given, **GRID))
    assert not any(a.depth is found[0].depth for a in found[1:])


def test_the_store_of_the_block_is_asked(backend, memory, light_curves):
    with arm.use_cache(memory()):
        assert not any(hits(arm.search.bls(light_curves, **GRID, backend=backend)))
        assert all(hits(arm.search.bls(light_curves, **GRID, backend=backend)))


def test_no_light_curves_ask_for_nothing(backend, memory):
    store = memory()
    assert arm.search.bls([], backend=backend, cache=store) == []
    assert store.stats().misses == 0


def test_a_store_that_fails_is_warned_of_and_everything_is_computed(backend, memory, light_curves):
    store = memory()
    store.close()
    with pytest.warns(CacheWarning):
        found = arm.search.bls(light_curves, **GRID, backend=backend, cache=store, threads=1)
    require_same(found, arm.search.bls(light_curves, **GRID))


def test_progress_counts_what_was_kept(backend, memory, light_curves):
    options = {**GRID, "backend": backend, "cache": memory()}
    arm.search.bls(light_curves[:3], **options)
    seen = []
    arm.search.bls(light_curves, **options, progress=lambda *told: seen.append(told))
    assert seen[-1] == (18, 18)
    assert seen == sorted(set(seen))


# ------------------------------------------------------------------ one at a time


def test_a_batch_and_a_single_call_in_two_threads_compute_a_key_once(memory, key):
    """The batch waits for the one that the other thread computes, after it has done its own."""
    store, names = memory(), ("a", "b", "c")
    inside, go_on = threading.Event(), threading.Event()

    def slow():
        inside.set()
        assert go_on.wait(10)
        return "b of the other"

    other = threading.Thread(target=once, args=(id(store), key("b"), slow))
    other.start()
    assert inside.wait(10)
    asked = []

    def compute(keys):
        asked.append(keys)
        go_on.set()
        return [f"own {k.hex()}" for k in keys]

    keys = [key(name) for name in names]
    values, computed = kept_or_computed_together(store, keys, compute, "a test")
    other.join(10)
    assert asked == [[keys[0], keys[2]]] and computed == {keys[0], keys[2]}
    assert values[keys[1]] == "b of the other"


def test_a_single_call_waits_for_a_batch_that_has_its_key(memory, key):
    store = memory()
    inside, go_on = threading.Event(), threading.Event()
    answers = []

    def compute(keys):
        inside.set()
        assert go_on.wait(10)
        return ["of the batch"] * len(keys)

    keys = [key(name) for name in "ab"]
    several = threading.Thread(
        target=kept_or_computed_together, args=(store, keys, compute, "a test")
    )
    single = threading.Thread(
        target=lambda: answers.append(kept_or_computed(store, keys[1], pytest.fail, "a test"))
    )
    several.start()
    assert inside.wait(10)
    single.start()
    go_on.set()
    for thread in (several, single):
        thread.join(10)
    assert answers == [("of the batch", True)]


def test_batches_that_overlap_crosswise_do_not_wait_for_each_other(key):
    keys = [key(name) for name in range(8)]
    meeting = threading.Barrier(2, timeout=10)
    computed, results = [], []

    def compute(mine):
        meeting.wait()
        computed.extend(mine)
        return {k: k for k in mine}

    def call(own):
        results.append(once_each(0, own, compute))

    threads = [threading.Thread(target=call, args=(own,)) for own in (keys[:5], keys[:2:-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(computed) == sorted(keys)
    assert [len(values) for values, _ in results] == [5, 5]
    assert not set.intersection(*(own for _, own in results))


def test_who_waited_for_a_batch_that_failed_computes_by_itself(key):
    inside, go_on = threading.Event(), threading.Event()
    failed, values = [], []

    def fail(keys):
        inside.set()
        assert go_on.wait(10)
        raise ZeroDivisionError

    def first():
        with pytest.raises(ZeroDivisionError):
            once_each(0, [key("a"), key("b")], fail)
        failed.append(True)

    def second():
        values.append(once_each(0, [key("b")], lambda keys: dict.fromkeys(keys, "own")))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert failed and values == [({key("b"): "own"}, {key("b")})]


def test_a_batch_that_calls_itself_does_not_wait_for_itself(key):
    def outer(keys):
        values, _ = once_each(0, [key("b"), key("c")], lambda inner: dict.fromkeys(inner, "inner"))
        return dict.fromkeys(keys, values[key("b")])

    values, own = once_each(0, [key("a"), key("b")], outer)
    assert values == {key("a"): "inner", key("b"): "inner"} and own == set(values)


class Counted(MemoryStore):
    """A store that knows which keys are held, and in which order they were."""

    def __init__(self, **options):
        super().__init__(**options)
        self.held, self.most, self.order = set(), 0, []

    def computing(self, key):
        @contextlib.contextmanager
        def hold():
            self.held.add(key)
            self.order.append(key)
            self.most = max(self.most, len(self.held))
            yield
            self.held.discard(key)

        return hold()


@pytest.mark.parametrize("n", [3, MOST_HELD + 50])
def test_keys_are_held_in_one_order_and_not_more_than_files_can_be_open(key, n):
    store = Counted()
    keys = [key(number) for number in range(n)]

    def compute(missing):
        assert len(store.held) == min(n, MOST_HELD)
        return [0.0] * len(missing)

    _, computed = kept_or_computed_together(store, keys, compute, "a test")
    assert store.order == sorted(store.order) and store.held == set()
    assert computed == set(keys) and store.most == min(n, MOST_HELD)


def test_what_another_process_kept_meanwhile_is_not_computed(key):
    class Overtaken(Counted):
        def computing(self, key):
            self.put(key, "of another process")
            return super().computing(key)

    store = Overtaken()
    keys = [key(name) for name in "ab"]
    values, computed = kept_or_computed_together(store, keys, pytest.fail, "a test")
    assert values == dict.fromkeys(keys, "of another process") and computed == set()
