"""The suite of cache.open must fail stores that are wrong, each by the check meant for it."""

from __future__ import annotations

import dataclasses
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from armillary.cache import MISSING, MemoryStore
from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import CheckFailed, checks, run_checks
from armillary.testing.kit import run_check

OPERATION = "cache.open"
MODULE = "armillary_test_stores"

Register = Callable[..., str]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """A function that registers a target as the store ``fake``."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    previous = set_registry(load_registry([]))

    def add(target: Callable[..., Any], can_run: Callable[..., Any] | None = None) -> str:
        module.target, module.can_run = target, can_run  # type: ignore[attr-defined]
        record = Implementation(
            operation=OPERATION,
            name="fake",
            target=f"{MODULE}:target",
            api=1,
            can_run=f"{MODULE}:can_run" if can_run else None,
        )
        registry = load_registry([])
        registry.implementations[OPERATION]["fake"] = Registered(record, "armillary-fake", "1.0")
        set_registry(registry)
        return "fake"

    yield add
    set_registry(previous)


# ------------------------------------------------------------------ ways to be wrong


def putting(change: Callable[[Any], Any]) -> type[MemoryStore]:
    """A store that keeps something else than it is given."""

    class Putting(MemoryStore):
        def put(self, key, value, **options):
            return super().put(key, change(value), **options)

    return Putting


def getting(change: Callable[[Any], Any]) -> type[MemoryStore]:
    """A store that gives something else than it has."""

    class Getting(MemoryStore):
        def get(self, key, default=None):
            found = super().get(key, MISSING)
            return default if found is MISSING else change(found)

    return Getting


def opening(change: Callable[[dict[str, Any]], dict[str, Any]]) -> type[MemoryStore]:
    """A store that takes some of its options for others."""

    class Opening(MemoryStore):
        def __init__(
            self,
            *,
            max_bytes=None,
            max_entries=None,
            ttl=None,
            policy=None,
            clock=None,
            **others,
        ):
            given = {
                "max_bytes": max_bytes,
                "max_entries": max_entries,
                "ttl": ttl,
                "policy": policy,
                "clock": clock,
            }
            super().__init__(**(given | others | change(given | others)))

    return Opening


def saying(change: Callable[[Any], dict[str, Any]]) -> type[MemoryStore]:
    """A store that tells something else of itself than is so."""

    class Saying(MemoryStore):
        def stats(self):
            said = super().stats()
            return dataclasses.replace(said, **change(said))

    return Saying


def on_arrays(change: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
    """A change of arrays, and of nothing else."""
    return lambda value: change(value) if isinstance(value, np.ndarray) else value


class Kept(MemoryStore):
    """Keeps the values themselves beside their copies, and gives those."""

    def __init__(self, **options):
        super().__init__(**options)
        self.values = {}

    def put(self, key, value, **options):
        kept = super().put(key, value, **options)
        if kept:
            self.values[key] = self.chosen(value)
        return kept

    def get(self, key, default=None):
        found = super().get(key, MISSING)
        return default if found is MISSING else self.given(self.values[key], found)

    def chosen(self, value):
        return value

    def given(self, value, found):
        return value


def frozen(value):
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


class ArrayItself(Kept):
    def given(self, value, found):
        return frozen(value) if isinstance(value, np.ndarray) else found


class SharedDict(Kept):
    def chosen(self, value):
        return None

    def given(self, value, found):
        return found

    def get(self, key, default=None):
        if isinstance(self.values.get(key), dict):
            return self.values[key]
        found = super().get(key, MISSING)
        if isinstance(found, dict):
            self.values[key] = found
        return default if found is MISSING else found


class NoneIsNothing(MemoryStore):
    def get(self, key, default=None):
        found = super().get(key, None)
        return default if found is None else found


class HitsExtend(MemoryStore):
    def get(self, key, default=None):
        found = super().get(key, default)
        if key in self._entries:
            self._entries[key].created = self._clock()
        return found


class TrustsTheClock(MemoryStore):
    """As long as no more than ttl has passed, however little that is."""

    def _has_expired(self, key, entry):
        if self._ttl is None or self._clock() - entry.created < self._ttl:
            return False
        self._drop(key, "expired")
        return True

    def _drop_expired(self):
        pass


class KeepsFromTheFuture(MemoryStore):
    """Refuses what is from the future, and keeps it until its time has come."""

    def get(self, key, default=None):
        entry = self._entries.get(key)
        if entry is not None and entry.created > self._clock():
            return default
        return super().get(key, default)

    def _drop_expired(self):
        before, self._newest = self._newest, -np.inf
        super()._drop_expired()
        self._newest = before


class ExpiredLast(MemoryStore):
    def _make_room(self, n_bytes):
        ttl, self._ttl = self._ttl, None
        super()._make_room(n_bytes)
        self._ttl = ttl


class ExpiredAreListed(MemoryStore):
    def _drop_expired(self):
        pass


class EvictsBeforeRefusing(MemoryStore):
    def put(self, key, value, **options):
        kept = super().put(key, value, **options)
        if not kept:
            super().clear()
        return kept


class NeverRefuses(MemoryStore):
    def put(self, key, value, **options):
        super().put(key, value, **options)
        return True


class CountsEntries(MemoryStore):
    """A budget of as many entries as it should have bytes, and bytes that are entries."""

    def __init__(self, *, max_bytes=None, max_entries=None, **options):
        super().__init__(max_bytes="1 GB", max_entries=max_entries or max_bytes, **options)
        self.told = max_bytes

    def stats(self):
        said = super().stats()
        told = self.told or said.max_bytes
        return dataclasses.replace(said, stored_bytes=said.entries, max_bytes=told)


class OverTheBudget(MemoryStore):
    """Makes room afterwards, at the next put."""

    def _make_room(self, n_bytes):
        super()._make_room(0)


class FirstInFirstOut(MemoryStore):
    def _priority(self, entry):
        if self._by_cost:
            return super()._priority(entry)
        return float(entry.created)


class MostRecentFirst(MemoryStore):
    def _priority(self, entry):
        return super()._priority(entry) if self._by_cost else -float(entry.used)


class NoAgeing(MemoryStore):
    def _priority(self, entry):
        if not self._by_cost:
            return super()._priority(entry)
        return entry.uses * entry.worth / entry.stored_bytes


class NotPerByte(MemoryStore):
    def _priority(self, entry):
        return entry.level + entry.uses * entry.worth if self._by_cost else float(entry.used)


class UsesDoNotCount(MemoryStore):
    def _priority(self, entry):
        if not self._by_cost:
            return super()._priority(entry)
        return entry.level + entry.worth / entry.stored_bytes


class ShortKeys(MemoryStore):
    """Keys of which the first bytes decide."""

    def get(self, key, default=None):
        return super().get(key[:8] * 2 if type(key) is bytes and len(key) == 16 else key, default)

    def put(self, key, value, **options):
        return super().put(
            key[:8] * 2 if type(key) is bytes and len(key) == 16 else key, value, **options
        )


class AnyKey(MemoryStore):
    def get(self, key, default=None):
        return super().get(key, default) if type(key) is bytes and len(key) == 16 else default


class FirstStays(MemoryStore):
    def put(self, key, value, **options):
        return key in self._entries or super().put(key, value, **options)


class AnyOption(MemoryStore):
    def __init__(self, **options):
        known = ("max_bytes", "max_entries", "ttl", "policy", "clock")
        super().__init__(**{name: options[name] for name in known if name in options})


class AskingIsGetting(MemoryStore):
    def __contains__(self, key):
        return self.get(key, MISSING) is not MISSING


class EverythingIsIn(MemoryStore):
    def __contains__(self, key):
        super().__contains__(key)
        return True


class DeletesQuietly(MemoryStore):
    def delete(self, key):
        super().delete(key)
        return True


class DeletesNothing(MemoryStore):
    def delete(self, key):
        return key in self._entries


class ClearsCounts(MemoryStore):
    def clear(self):
        super().clear()
        self._counters = type(self._counters)()


class ClearsNotBytes(MemoryStore):
    def clear(self):
        stored = self._stored_bytes
        super().clear()
        self._stored_bytes = stored


class ClosesOnce(MemoryStore):
    def close(self):
        self._require_open()
        super().close()


class NeverCloses(MemoryStore):
    def close(self):
        pass


class AnotherStore(MemoryStore):
    def __enter__(self):
        return MemoryStore()


class SwallowsErrors(MemoryStore):
    def __exit__(self, *error):
        super().__exit__(*error)
        return True


class TextForTheRest(MemoryStore):
    """What it cannot keep, it keeps as text."""

    def put(self, key, value, **options):
        try:
            return super().put(key, value, **options)
        except TypeError:
            return super().put(key, repr(value), **options)


class AnyCost(MemoryStore):
    def put(self, key, value, *, cost=None, label=""):
        return super().put(key, value, cost=None if cost is None or not cost >= 0 else cost)


class ForgetsCost(MemoryStore):
    def put(self, key, value, *, cost=None, label=""):
        return super().put(key, value)


class OneSlot(MemoryStore):
    """Threads find each other's values."""

    last = None

    def get(self, key, default=None):
        self.last = key
        time.sleep(0)  # for others to be faster
        return super().get(self.last, default)


class Chatty(MemoryStore):
    def get(self, key, default=None):
        print("looking")
        return super().get(key, default)


class NoArrow(MemoryStore):
    def put(self, key, value, **options):
        if type(value).__module__.startswith("pyarrow"):
            raise TypeError("no tables")
        return super().put(key, value, **options)


class PublicBases(MemoryStore):
    """Arrays that end with the store."""

    def __init__(self, **options):
        super().__init__(**options)
        self.given = []

    def get(self, key, default=None):
        found = super().get(key, default)
        if isinstance(found, np.ndarray):
            found = found.copy()
            self.given.append(found)
            found = found.view()
            found.setflags(write=False)
        return found

    def clear(self):
        super().clear()
        for array in self.given:
            array.fill(0)


def native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="))


def rounded(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value


def plain_nan(value: Any) -> Any:
    return float("nan") if isinstance(value, float) and value != value else value


def short(array: np.ndarray) -> np.ndarray:
    return array[:-1] if array.ndim == 1 and array.nbytes == (1 << 16) + 1 else array


def as_dict(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return value


def _keys(value: Any) -> Any:
    return value if isinstance(value, dict) else ()


#: What is wrong -> the store, and a check that must notice.
WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "no sign of zero": (putting(rounded), "values_of_every_kind"),
    "one NaN": (putting(plain_nan), "values_of_every_kind"),
    "lists for tuples": (
        putting(lambda v: list(v) if type(v) is tuple else v),
        "values_of_every_kind",
    ),
    "sorted dicts": (
        putting(lambda v: dict(sorted(v.items(), key=repr)) if type(v) is dict else v),
        "values_of_every_kind",
    ),
    "truth for numbers": (putting(lambda v: int(v) if v is True else v), "values_of_every_kind"),
    "native byte order": (putting(on_arrays(native)), "arrays_of_every_kind"),
    "no arrays without dimensions": (putting(on_arrays(np.atleast_1d)), "arrays_of_every_kind"),
    "single precision": (
        putting(on_arrays(lambda a: a.astype(np.float32) if a.dtype == float else a)),
        "arrays_of_every_kind",
    ),
    "a byte too few": (getting(on_arrays(short)), "arrays_of_every_size"),
    "memory as it lies": (
        putting(on_arrays(lambda a: a.ravel(order="K").reshape(a.shape))),
        "layouts_in_memory",
    ),
    "results as dicts": (getting(as_dict), "results_of_armillary"),
    "no tables": (NoArrow, "arrow_tables"),
    "None is nothing": (NoneIsNothing, "none_is_a_value"),
    "writable arrays": (getting(on_arrays(np.copy)), "arrays_are_read_only"),
    "the array itself": (ArrayItself, "put_takes_a_copy"),
    "the value itself": (Kept, "put_takes_a_copy"),
    "one dict for all": (SharedDict, "get_gives_ones_own"),
    "arrays that end with their entry": (PublicBases, "values_outlive_the_store"),
    "text for the rest": (TextForTheRest, "what_cannot_be_kept"),
    "any key": (AnyKey, "bad_keys"),
    "any option": (AnyOption, "bad_limits"),
    "any cost": (AnyCost, "bad_costs"),
    "the first stays": (FirstStays, "overwriting"),
    "short keys": (ShortKeys, "every_byte_of_a_key"),
    "every delete is a success": (DeletesQuietly, "deleting"),
    "nothing is deleted": (DeletesNothing, "deleting"),
    "counts that are cleared": (ClearsCounts, "clearing"),
    "bytes that are not cleared": (ClearsNotBytes, "clearing"),
    "what was deleted is listed": (DeletesNothing, "keys_and_length"),
    "asking counts as getting": (AskingIsGetting, "asking_without_getting"),
    "everything is there": (EverythingIsIn, "asking_without_getting"),
    "a budget of entries": (CountsEntries, "budget_in_bytes"),
    "room is made afterwards": (OverTheBudget, "budget_in_bytes"),
    "twice the budget": (
        opening(lambda given: {"max_bytes": 2 * given["max_bytes"]} if given["max_bytes"] else {}),
        "budget_in_bytes",
    ),
    "evicts before it refuses": (EvictsBeforeRefusing, "too_large_for_the_budget"),
    "never refuses": (NeverRefuses, "too_large_for_the_budget"),
    "one entry too many": (
        opening(lambda given: {"max_entries": given["max_entries"] and given["max_entries"] + 1}),
        "number_of_entries",
    ),
    "hits extend the time": (HitsExtend, "ttl_counts_from_the_write"),
    "no time at all": (opening(lambda given: {"ttl": None}), "ttl_counts_from_the_write"),
    "what has expired is listed": (ExpiredAreListed, "ttl_counts_from_the_write"),
    "trust in the clock": (TrustsTheClock, "clock_set_back"),
    "the future is kept": (KeepsFromTheFuture, "clock_set_back"),
    "what has expired goes last": (ExpiredLast, "expired_go_first"),
    "first in, first out": (FirstInFirstOut, "least_recently_used"),
    "the most recent goes first": (MostRecentFirst, "least_recently_used"),
    "costs where uses should count": (
        opening(lambda given: {"policy": "cost"}),
        "least_recently_used",
    ),
    "uses where costs should count": (
        opening(lambda given: {"policy": "lru"}),
        "cheapest_go_first",
    ),
    "costs forgotten": (ForgetsCost, "cheapest_go_first"),
    "costs whatever the size": (NotPerByte, "cheapest_go_first"),
    "uses do not count": (UsesDoNotCount, "cheapest_go_first"),
    "nothing ages": (NoAgeing, "what_once_was_dear_ages"),
    "no seconds saved": (saying(lambda said: {"seconds_saved": 0.0}), "statistics"),
    "no misses": (saying(lambda said: {"misses": 0}), "statistics"),
    "evictions for one reason": (
        saying(lambda said: {"evictions": {**said.evictions, "entries": 1}}),
        "evictions_by_reason",
    ),
    "closed once": (ClosesOnce, "closing"),
    "never closed": (NeverCloses, "closing"),
    "another store in with": (AnotherStore, "context_manager"),
    "errors swallowed": (SwallowsErrors, "context_manager"),
    "threads that meet": (OneSlot, "many_threads"),
    "another depth": (
        putting(lambda v: v | {"depth": 2 * v["depth"]} if "depth" in _keys(v) else v),
        "cache_of_an_operation",
    ),
    "nothing is ever found": (
        type("Forgetful", (MemoryStore,), {"get": lambda self, key, default=None: default}),
        "cache_of_an_operation",
    ),
    "chatter": (Chatty, "nothing_is_printed"),
}


def check_named(name: str) -> Any:
    return next(check for check in checks(OPERATION) if check.name == name)


@pytest.mark.parametrize(("store", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_store_fails_the_check_that_is_meant_for_it(
    register: Register, store: Callable[..., Any], name: str
) -> None:
    outcome = run_check(check_named(name), register(store))
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, CheckFailed)


def test_the_same_store_unchanged_passes(register: Register) -> None:
    backend = register(putting(lambda value: value))
    assert [o.message for o in run_checks(OPERATION, backend) if o.outcome != "passed"] == []


def test_a_store_is_not_asked_for_limits_that_it_does_not_name(register: Register) -> None:
    def plain(*, max_bytes=None):
        return MemoryStore(max_bytes=max_bytes)

    backend = register(plain)
    assert [o.message for o in run_checks(OPERATION, backend) if o.outcome != "passed"] == []


def test_a_store_that_passes_on_all_options_is_asked_for_every_limit(register: Register) -> None:
    def passing(**options):
        return MemoryStore(**(options | {"ttl": None}))

    outcome = run_check(check_named("ttl_counts_from_the_write"), register(passing))
    assert outcome.outcome == "failed"


def test_a_store_that_names_a_path_gets_a_folder_of_its_own_each_time(register, tmp_path):
    seen = []

    def folder(*, path=None):
        seen.append(path)
        return MemoryStore()

    assert run_check(check_named("statistics"), register(folder)).outcome == "passed"
    assert run_check(check_named("closing"), "fake").outcome == "passed"
    assert len(set(seen)) == 2 and None not in seen
    assert not any(path.exists() or path.parent.exists() for path in seen)


def test_a_store_that_cannot_run_is_skipped_with_its_own_sentence(register: Register) -> None:
    backend = register(MemoryStore, can_run=lambda request: "there is no such device")
    outcomes = run_checks(OPERATION, backend)
    assert {(o.outcome, o.message) for o in outcomes} == {("skipped", "there is no such device")}


def test_a_store_that_cannot_be_opened_fails_every_check(register: Register) -> None:
    def broken(**options):
        raise OSError("no disk")

    # But for those that ask for the option that it would not have.
    outcomes = [o.outcome for o in run_checks(OPERATION, register(broken))]
    assert set(outcomes) == {"failed"}


def test_checks_have_names_and_summaries() -> None:
    every = checks(OPERATION)
    assert len({check.name for check in every}) == len(every)
    assert all(check.summary.endswith(".") for check in every)
