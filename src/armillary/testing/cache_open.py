"""What every store of ``cache.open`` must do.

Stores are opened through the front door. A limit that the target of a store does not name is one
that the store does not have, and is not asked of it.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..cache.api import open as open_store
from ..cache.keys import key_of
from ..cache.store import MISSING, Store
from ..plugins.registry import get_registry, resolve
from ..search.box.api import bls
from .cache_values import (
    DTYPES,
    SHAPES,
    UNKEEPABLE,
    arrays_in,
    difference,
    filled,
    plain_values,
    result,
    small_light_curve,
    table,
)
from .kit import CheckFailed, Suite, require
from .side_by_side import require_in_threads

OPERATION = "cache.open"
SUITE = Suite()

#: Bytes of values that are all alike; noise, so that no codec makes them smaller.
SIZE = 3000
#: Threads that use a store at the same time, and how often each of them does something.
THREADS, TURNS = 16, 60


# ------------------------------------------------------------------ tools


def parameters(backend: str) -> dict[str, inspect.Parameter]:
    """What the target of a store names."""
    target = resolve(get_registry().backends(OPERATION)[backend].record.target)
    return dict(inspect.signature(target).parameters)


def has(backend: str, *options: str) -> bool:
    """Whether a store has these options, by name or because it passes on all that it is given."""
    named = parameters(backend)
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in named.values())
    return every or all(option in named for option in options)


@contextlib.contextmanager
def opened(backend: str, **options: Any) -> Iterator[Store]:
    """A new store; one that names ``path`` gets an empty folder."""
    with tempfile.TemporaryDirectory(prefix="armillary-cache-", ignore_cleanup_errors=True) as name:
        if "path" in parameters(backend):
            options = {"path": Path(name) / "store", **options}
        store = open_store(backend, **options)
        try:
            yield store
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong first is what is told
                store.close()
            raise
        store.close()


class Clock:
    """Seconds that pass when a check says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def noise(seed: int, n_bytes: int = SIZE) -> np.ndarray:
    """Bytes that no codec makes smaller; the same for the same seed."""
    return np.frombuffer(np.random.default_rng(seed).bytes(n_bytes), np.uint8)


def stored_size(backend: str, value: Any, **options: Any) -> int:
    """Bytes that a store counts for a value."""
    with opened(backend, **options) as store:
        require(store.put(key_of("size"), value) is True, "put of a small value does not give True")
        return int(store.stats().stored_bytes)


def require_kept(store: Store, key: bytes, value: Any, what: str) -> None:
    """Make sure that a store gives a value back."""
    found = store.get(key, MISSING)
    require(found is not MISSING, f"{what} is not there")
    differs = difference(value, found)
    require(not differs, f"{what} comes back changed: {differs}")


def require_comes_back(store: Store, value: Any, what: str) -> None:
    """Put a value, and make sure that it comes back."""
    key = key_of(["comes back", what])
    try:
        kept = store.put(key, value)
    except Exception as error:
        raise CheckFailed(f"{what} cannot be put: {type(error).__name__}: {error}") from error
    require(kept is True, f"put of {what} gives {kept!r}, not True")
    require_kept(store, key, value, what)


def is_there(store: Store, name: Any) -> bool:
    """Whether a get of the key of a name is a hit."""
    return store.get(key_of(name), MISSING) is not MISSING


def put(store: Store, name: Any, value: Any = None, **options: Any) -> bool:
    """Put noise, or a value, under the key of a name."""
    given = noise(int.from_bytes(key_of(name)[:4], "little")) if value is None else value
    return store.put(key_of(name), given, **options)


def require_raises(
    kinds: type[Exception], what: str, action: Callable[..., Any], *arguments: Any, **options: Any
) -> Exception:
    """Make sure that something is refused, and how."""
    try:
        action(*arguments, **options)
    except kinds as error:
        return error
    except Exception as error:
        raise CheckFailed(f"{what} raises {type(error).__name__}: {error}") from error
    raise CheckFailed(f"{what} passes")


# ------------------------------------------------------------------ values come back


@SUITE.check
def values_of_every_kind(backend: str) -> None:
    """Numbers, text, bytes, None and containers of them come back equal, to the last bit."""
    with opened(backend) as store:
        for what, value in plain_values().items():
            require_comes_back(store, value, what)


@SUITE.check
def arrays_of_every_kind(backend: str) -> None:
    """Arrays of every dtype and shape come back with the same dtype, byte order, shape and bits."""
    with opened(backend) as store:
        for dtype in DTYPES:
            for shape in SHAPES:
                array = filled(dtype, shape)
                require_comes_back(store, array, f"an array of {dtype.descr} and shape {shape}")


@SUITE.check
def arrays_of_every_size(backend: str) -> None:
    """Arrays from no bytes to a megabyte come back."""
    sizes = [n + more for n in (0, 16, 1 << 12, 1 << 13, 1 << 16, 1 << 20) for more in (-1, 0, 1)]
    with opened(backend) as store:
        for n_bytes in filter(lambda n: n >= 0, sizes):
            require_comes_back(store, noise(n_bytes, n_bytes), f"an array of {n_bytes} bytes")
            even = np.zeros(n_bytes, np.uint8)
            require_comes_back(store, even, f"an array of {n_bytes} zeros")


@SUITE.check
def layouts_in_memory(backend: str) -> None:
    """Fortran order, strides, reversed and repeated axes change nothing of the values."""
    plain = np.arange(60.0).reshape(3, 4, 5)
    read_only = plain.copy()
    read_only.flags.writeable = False
    layouts = {
        "an array in Fortran order": np.asfortranarray(plain),
        "a transposed array": plain.T,
        "every other element": plain[:, ::2, 1::3],
        "a reversed array": plain[::-1, :, ::-1],
        "a broadcast array": np.broadcast_to(plain[0], (3, 4, 5)),
        "a read-only array": read_only,
        "a column of records": filled(DTYPES[-3], (9,))["dec"],
    }
    with opened(backend) as store:
        for what, array in layouts.items():
            require_comes_back(store, array, what)


@SUITE.check
def results_of_armillary(backend: str) -> None:
    """A periodogram comes back as one, every field of it."""
    with opened(backend) as store:
        require_comes_back(store, result(), "a Periodogram")


@SUITE.check
def arrow_tables(backend: str) -> None:
    """A pyarrow Table comes back with its nulls, dictionaries, lists and metadata."""
    with opened(backend) as store:
        require_comes_back(store, table(), "a Table")
        require_comes_back(store, table().slice(1, 1), "a slice of a Table")
        require_comes_back(store, table().slice(0, 0), "a Table without rows")


@SUITE.check
def none_is_a_value(backend: str) -> None:
    """None that was put is a hit; a key that is not there gives the default, at first None."""
    with opened(backend) as store:
        require(store.get(key_of("nothing")) is None, "get of no value does not give None")
        require(store.get(key_of("nothing"), 7) == 7, "get of no value does not give the default")
        put_none = store.put(key_of("none"), None)
        require(put_none is True, f"put of None gives {put_none!r}, not True")
        found = store.get(key_of("none"), MISSING)
        require(found is None, f"None comes back as {found!r}")
        require(store.stats().hits == 1, "a None that is there is not counted as a hit")


# ------------------------------------------------------------------ whose values they are


@SUITE.check
def arrays_are_read_only(backend: str) -> None:
    """Arrays that come back, wherever they stand in the value, cannot be written to."""
    values = {
        "an array": np.arange(10.0),
        "a large array": noise(1, 1 << 17),
        "an array in a dict": {"a": [np.arange(3)], "b": (np.ones(2),)},
        "a result": result(),
    }
    with opened(backend) as store:
        for what, value in values.items():
            store.put(key_of(what), value)
            for array in arrays_in(store.get(key_of(what))):
                require(not array.flags.writeable, f"{what} comes back writable")


@SUITE.check
def put_takes_a_copy(backend: str) -> None:
    """Whoever changes what was put does not change what is kept."""
    with opened(backend) as store:
        for n_bytes in (16, 1 << 17):
            array = noise(n_bytes, n_bytes).copy()
            items = [1, 2]
            holder: dict[str, Any] = {"array": array, "list": items}
            before = {"array": array.copy(), "list": [1, 2]}
            put(store, "array", array)
            put(store, "dict", holder)
            for name in ("array", "dict"):
                store.get(key_of(name))
            require(array.flags.writeable, "an array that was put cannot be written to any more")
            array += 1
            items.append(3)
            holder["more"] = 4
            for name, value in (("array", before["array"]), ("dict", before)):
                what = f"the {name} that was changed after its put"
                require_kept(store, key_of(name), value, what)


@SUITE.check
def get_gives_ones_own(backend: str) -> None:
    """Whoever changes what came back does not change what the next one gets."""
    value = {"array": np.arange(6.0), "list": [1, [2]], "dict": {"a": 1}}
    expected = {"array": np.arange(6.0), "list": [1, [2]], "dict": {"a": 1}}
    with opened(backend) as store:
        put(store, "value", value)
        first = store.get(key_of("value"))
        with warnings.catch_warnings():
            # New versions of NumPy would rather not have the shape of an array set.
            warnings.simplefilter("ignore", DeprecationWarning)
            first["array"].shape = (2, 3)
        first["list"][1].append(3)
        first["dict"]["b"] = 2
        first["more"] = None
        require_kept(store, key_of("value"), expected, "a value that another one changed")
        put(store, "record", filled(DTYPES[-3], (1,))[0])
        record = store.get(key_of("record"))
        with contextlib.suppress(ValueError):  # it may also refuse
            record["ra"] = 99.0
        require_kept(store, key_of("record"), filled(DTYPES[-3], (1,))[0], "a record")


@SUITE.check
def values_outlive_the_store(backend: str) -> None:
    """What came back stays as it is when its entry is replaced or deleted, and after close."""
    for n_bytes in (100, 1 << 17):
        with opened(backend) as store:
            found = []
            changes: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
                (put, (store, "a", noise(99, n_bytes))),
                (store.delete, (key_of("a"),)),
                (store.clear, ()),
                (store.close, ()),
            )
            for change, arguments in changes:
                put(store, "a", noise(1, n_bytes))
                found.append(store.get(key_of("a")))
                change(*arguments)
        for array in found:
            differs = difference(noise(1, n_bytes), array)
            require(not differs, f"an array of {n_bytes} bytes does not outlive its entry")


# ------------------------------------------------------------------ what is refused


@SUITE.check
def what_cannot_be_kept(backend: str) -> None:
    """A value without an encoding is a TypeError, and nothing of it is kept."""
    with opened(backend) as store:
        for what, make in UNKEEPABLE.items():
            value = make()
            require_raises(TypeError, f"put of {what}", put, store, what, value)
            require(not is_there(store, what), f"{what} was refused, and is there")
        require(len(store) == 0, f"{len(store)} entries are there, though every put was refused")


@SUITE.check
def bad_keys(backend: str) -> None:
    """A key that is not 16 bytes is a TypeError or ValueError that says so."""
    with opened(backend) as store:
        for key in ("text of 16 chars", 7, None, b"", b"short", bytes(15), bytes(17)):
            kind = ValueError if isinstance(key, bytes) else TypeError
            for what, action, more in (
                ("get", store.get, ()),
                ("put", store.put, (1,)),
                ("delete", store.delete, ()),
            ):
                error = require_raises(kind, f"{what} of key {key!r}", action, key, *more)
                require("key" in str(error), f"the error about a key does not say so: {error}")
        require(len(store) == 0, "a value is there under a bad key")


@SUITE.check
def bad_limits(backend: str) -> None:
    """A limit that is not positive is a ValueError, an option that there is not a TypeError."""
    bad: dict[str, tuple[Any, ...]] = {
        "max_bytes": (0, -1, "many"),
        "max_entries": (0, -1, 1.5),
        "ttl": (0, -1.0, float("nan"), float("inf")),
        "policy": ("best",),
    }
    for option, values in bad.items():
        for value in values if has(backend, option) else ():
            what = f"{option}={value!r}"
            error = require_raises(ValueError, what, _just_open, backend, **{option: value})
            require(option in str(error), f"the error about {option} does not name it: {error}")
    if has(backend, "clock"):
        require_raises(TypeError, "a clock that is none", _just_open, backend, clock=3.0)
    require_raises(TypeError, "an option that there is not", _just_open, backend, no_such_option=1)


def _just_open(backend: str, **options: Any) -> None:
    with opened(backend, **options):
        pass


@SUITE.check
def bad_costs(backend: str) -> None:
    """A cost that is negative or no number is a ValueError; none at all is allowed."""
    with opened(backend) as store:
        for cost in (-1.0, float("nan"), float("inf")):
            require_raises(ValueError, f"cost={cost}", put, store, "a", cost=cost)
        require(put(store, "b", cost=None), "put with cost=None is not True")
        require(put(store, "c", cost=0.0, label="a label"), "put with cost=0 is not True")


# ------------------------------------------------------------------ keys


@SUITE.check
def overwriting(backend: str) -> None:
    """The last value that was put under a key is the one that is there, once."""
    sizes = (100, 20_000, 10, 1 << 17, 1 << 17, 50)
    with opened(backend) as store:
        for i, n_bytes in enumerate(sizes):
            put(store, "a", noise(i, n_bytes))
            require_kept(store, key_of("a"), noise(i, n_bytes), f"value {i} of a key")
            require(len(store) == 1, f"after {i + 1} puts of one key there are {len(store)}")
        alone = store.stats().stored_bytes
        store.delete(key_of("a"))
        put(store, "a", noise(5, 50))
        fresh = store.stats().stored_bytes
        require(alone == fresh, f"a value that replaced others takes {alone} bytes, not {fresh}")


@SUITE.check
def every_byte_of_a_key(backend: str) -> None:
    """Keys that differ in one byte, whichever, are two."""
    base = bytes(range(1, 17))
    keys = [base] + [base[:i] + bytes([base[i] ^ 0x80]) + base[i + 1 :] for i in range(16)]
    with opened(backend) as store:
        for i, key in enumerate(keys):
            store.put(key, i)
        found = [store.get(key, MISSING) for key in keys]
        require(found == list(range(len(keys))), f"keys that differ in one byte give {found}")


@SUITE.check
def deleting(backend: str) -> None:
    """delete takes away one key, and says whether it was there."""
    with opened(backend) as store:
        for name, n_bytes in (("small", 10), ("large", 1 << 17), ("other", 10)):
            put(store, name, noise(1, n_bytes))
        for name in ("small", "large"):
            require(store.delete(key_of(name)) is True, "delete of a key does not give True")
            require(not is_there(store, name), "a key that was deleted is there")
            require(store.delete(key_of(name)) is False, "a second delete does not give False")
        require(is_there(store, "other"), "delete took another key along")
        require(len(store) == 1, f"one of three keys is left, and len gives {len(store)}")
        require(sum(store.stats().evictions.values()) == 0, "delete is counted as an eviction")


@SUITE.check
def clearing(backend: str) -> None:
    """clear takes away everything, and the store can be used afterwards."""
    with opened(backend) as store:
        for i in range(20):
            put(store, i, noise(i, 10 if i % 2 else 1 << 15))
        is_there(store, 3)
        store.clear()
        said = store.stats()
        require((len(store), list(store.keys())) == (0, []), "keys are left after clear")
        require((said.entries, said.stored_bytes) == (0, 0), f"after clear it says {said}")
        require(said.hits == 1 and said.stored == 20, "clear takes the counts along")
        require(not any(is_there(store, i) for i in range(20)), "values are left after clear")
        require_comes_back(store, noise(1, 1 << 15), "a value after clear")


@SUITE.check
def keys_and_length(backend: str) -> None:
    """keys, len and stats().entries tell of the same keys, which are those that get finds."""
    with opened(backend) as store:
        names = [("n", i) for i in range(30)]
        for i, name in enumerate(names):
            put(store, name, noise(i, 10 if i % 3 else 20_000))
        for name in names[::4]:
            store.delete(key_of(name))
        left = {key_of(name) for i, name in enumerate(names) if i % 4}
        listed = list(store.keys())
        require(set(listed) == left, "keys are not those that were put and not deleted")
        require(len(listed) == len(left), "keys gives one twice")
        require(all(type(key) is bytes for key in listed), "keys gives something else than bytes")
        counts = (len(store), store.stats().entries)
        require(
            counts == (len(left),) * 2, f"{len(left)} keys are there, len and stats say {counts}"
        )
        there = {key_of(name) for name in names if is_there(store, name)}
        require(there == left, "get finds other keys than keys gives")


@SUITE.check
def asking_without_getting(backend: str) -> None:
    """``in`` tells whether a key is there, and counts neither as a hit nor as a miss."""
    with opened(backend) as store:
        for name, n_bytes in (("small", 10), ("large", 1 << 15)):
            require(key_of(name) not in store, "a key is in the store before it was put")
            put(store, name, noise(1, n_bytes))
            require(key_of(name) in store, "a key that was put is not in the store")
        said = store.stats()
        require((said.hits, said.misses) == (0, 0), f"in counts: {said.hits}, {said.misses}")
        store.delete(key_of("small"))
        require(key_of("small") not in store, "a key that was deleted is in the store")


# ------------------------------------------------------------------ limits


def _require_within(store: Store, max_bytes: int, sizes: dict[bytes, int]) -> None:
    said = store.stats()
    present = list(store.keys())
    require(said.max_bytes == max_bytes, f"max_bytes is {said.max_bytes}, not {max_bytes}")
    require(
        said.stored_bytes <= max_bytes,
        f"{said.stored_bytes} bytes are stored, of a budget of {max_bytes}",
    )
    least = sum(sizes[key] for key in present)
    require(
        said.stored_bytes >= least,
        f"it counts {said.stored_bytes} bytes, for values that have {least} and cannot be smaller",
    )
    require(len(present) == said.entries, f"{len(present)} keys, but entries is {said.entries}")


@SUITE.check
def budget_in_bytes(backend: str) -> None:
    """Whatever is put, in any order and size, the bytes that are stored never exceed the budget."""
    if not has(backend, "max_bytes"):
        return
    for seed, policy in enumerate(("lru", "cost") if has(backend, "policy") else (None,)):
        _budget_in_bytes(backend, seed, {} if policy is None else {"policy": policy})


def _budget_in_bytes(backend: str, seed: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    max_bytes = 100_000
    sizes: dict[bytes, int] = {}
    with opened(backend, max_bytes=max_bytes, **options) as store:
        for step in range(150):
            key = key_of(int(rng.integers(25)))
            action = rng.choice(("put", "put", "put", "get", "delete"))
            if action == "put":
                n_bytes = int(10 ** rng.uniform(0.0, 5.2))
                value = noise(step, n_bytes)
                kept = store.put(key, value, cost=float(10 ** rng.uniform(-6.0, 2.0)))
                if n_bytes >= max_bytes:
                    require(kept is False, f"{n_bytes} bytes are taken into {max_bytes}")
                elif kept:
                    sizes[key] = n_bytes
                    require_kept(store, key, value, "a value that was put a moment ago")
                else:
                    require(2 * n_bytes > max_bytes, f"{n_bytes} bytes are refused")
            elif action == "get":
                store.get(key)
            else:
                store.delete(key)
            _require_within(store, max_bytes, sizes)


@SUITE.check
def too_large_for_the_budget(backend: str) -> None:
    """A value larger than the budget is refused, counted, and takes nothing from the others."""
    if not has(backend, "max_bytes"):
        return
    with opened(backend, max_bytes=100_000) as store:
        names = list(range(5))
        for name in names:
            put(store, name, noise(name, 9000))
        require(put(store, "large", noise(9, 100_001)) is False, "too large a value is not refused")
        require(
            all(is_there(store, name) for name in names), "a value that is refused evicts others"
        )
        require(not is_there(store, "large"), "a value that was refused is there")
        said = store.stats()
        require(said.refused == 1, f"refused is {said.refused}, not 1")
        require(sum(said.evictions.values()) == 0, f"evictions are {dict(said.evictions)}")
    with opened(backend, max_bytes=10_000) as store:
        put(store, "replaced", 1)
        put(store, "replaced", noise(1, 20_000))
        require(not is_there(store, "replaced"), "what was there before is given for what is not")


@SUITE.check
def budget_as_text(backend: str) -> None:
    """max_bytes may be a text such as "2 MB"."""
    if has(backend, "max_bytes"):
        with opened(backend, max_bytes="2 MB") as store:
            require(store.stats().max_bytes in (2 * 10**6, 2 << 20), "'2 MB' is something else")


@SUITE.check
def number_of_entries(backend: str) -> None:
    """There are never more entries than max_entries; what is put last is there."""
    if not has(backend, "max_entries"):
        return
    with opened(backend, max_entries=5) as store:
        for i in range(12):
            put(store, i, noise(i, 10 if i % 2 else 20_000))
            require(len(store) == min(i + 1, 5), f"after {i + 1} puts there are {len(store)}")
            require(is_there(store, i), "what was put last is not there")
        put(store, 11, noise(11, 10))
        require(len(store) == 5, "to put a key again takes another one away")
        said = store.stats()
        require(said.max_entries == 5, f"max_entries is {said.max_entries}")
        require(said.evictions["entries"] == 7, f"evictions are {dict(said.evictions)}")


# ------------------------------------------------------------------ time


@SUITE.check
def ttl_counts_from_the_write(backend: str) -> None:
    """An entry is given until ttl seconds after it was written, however often it was asked for."""
    if not has(backend, "ttl", "clock"):
        return
    clock = Clock()
    with opened(backend, ttl=10.0, clock=clock) as store:
        for name, n_bytes in (("small", 10), ("large", 1 << 15)):
            put(store, name, noise(1, n_bytes))
        begin = clock.now
        for passed in (0.0, 3.0, 6.0, 9.0, 9.99):
            clock.now = begin + passed
            for name in ("small", "large"):
                require(is_there(store, name), f"it goes after {passed} of 10 s")
        for passed in (10.0, 10.01, 12.0, 15.0, 1e6):
            clock.now = begin + passed
            listed = len(store), list(store.keys())
            require(listed == (0, []), f"what has expired is listed: {listed}")
            require(key_of("small") not in store, "what has expired is in the store")
            for name in ("small", "large"):
                require(not is_there(store, name), f"it is given after {passed} of 10 s")


@SUITE.check
def another_put_is_another_write(backend: str) -> None:
    """To put a key again begins its time anew."""
    if not has(backend, "ttl", "clock"):
        return
    clock = Clock()
    with opened(backend, ttl=10.0, clock=clock) as store:
        put(store, "a")
        clock.now += 8.0
        put(store, "a")
        clock.now += 8.0
        require(is_there(store, "a"), "a value that was put 8 s ago is gone, with a ttl of 10 s")
        clock.now += 2.0
        require(not is_there(store, "a"), "a value is given 10 s after it was put again")


@SUITE.check
def clock_set_back(backend: str) -> None:
    """What was written in the future of the clock is not given, then or later."""
    if not has(backend, "ttl", "clock"):
        return
    clock = Clock()
    with opened(backend, ttl=10.0, clock=clock) as store:
        for name, n_bytes in (("small", 10), ("large", 1 << 15)):
            put(store, name, noise(1, n_bytes))
        written = clock.now
        clock.now = written - 1000.0
        # It may have been 5 s ago, or a year.
        for name in ("small", "large"):
            require(not is_there(store, name), "what was written in the future is given")
        put(store, "new")
        clock.now += 5.0
        require(is_there(store, "new"), "what was put after the clock was set back is gone")
        clock.now = written + 5.0
        for name in ("small", "large", "new"):
            require(
                not is_there(store, name),
                "what was written before the clock was set back is given once it has caught up",
            )


@SUITE.check
def expired_go_first(backend: str) -> None:
    """Where room is needed, what has expired goes before anything else."""
    if not has(backend, "ttl", "clock", "max_bytes"):
        return
    size = stored_size(backend, noise(0), ttl=10.0)
    clock = Clock()
    with opened(backend, ttl=10.0, clock=clock, max_bytes=3 * size) as store:
        put(store, "old", cost=1000.0)
        clock.now += 6.0
        put(store, "b", cost=1.0)
        put(store, "c", cost=1.0)
        for _ in range(5):
            is_there(store, "old")
        clock.now += 5.0
        put(store, "d", cost=1.0)
        require(
            is_there(store, "b") and is_there(store, "c") and is_there(store, "d"),
            "an entry goes though one that has expired would have made room",
        )
        gone = dict(store.stats().evictions)
        require(gone["expired"] == 1 and gone["budget"] == 0, f"evictions are {gone}")


# ------------------------------------------------------------------ who goes


def _survivors(backend: str, policy: str, n_places: int, steps: list[tuple[str, Any]]) -> set[Any]:
    """Who of equally large values is left of a store with so many places."""
    size = stored_size(backend, noise(0))
    names = {name for _, name in steps}
    with opened(backend, policy=policy, max_bytes=n_places * size) as store:
        for action, name in steps:
            if action == "get":
                is_there(store, name)
            else:
                put(store, name, cost=float(action.removeprefix("put ")))
        return {name for name in names if is_there(store, name)}


@SUITE.check
def least_recently_used(backend: str) -> None:
    """Under "lru" the entry goes that was not put or asked for longest, whatever it cost."""
    if not has(backend, "max_bytes", "policy"):
        return
    steps = [("put 9", "a"), ("put 1", "b"), ("put 5", "c"), ("get", "a"), ("put 1", "d")]
    left = _survivors(backend, "lru", 3, steps)
    require(left == set("acd"), f"of a, b, c and d, with a used again, {sorted(left)} are left")
    steps += [("get", "c"), ("put 0", "e")]
    left = _survivors(backend, "lru", 3, steps)
    require(left == set("cde"), f"then, with c used again, {sorted(left)} are left")
    steps += [("put 1", "d"), ("put 0", "f")]
    left = _survivors(backend, "lru", 3, steps)
    require(left == set("def"), f"then, with d put again, {sorted(left)} are left")


@SUITE.check
def cheapest_go_first(backend: str) -> None:
    """Under "cost" the entry goes that saves the fewest seconds per byte."""
    if not has(backend, "max_bytes", "policy"):
        return
    steps = [("put 9", "a"), ("put 1", "b"), ("put 5", "c"), ("put 3", "d")]
    left = _survivors(backend, "cost", 3, steps)
    require(left == set("acd"), f"of costs of 9, 1, 5 and 3 s {sorted(left)} are left")
    steps = [("put 3", "a"), ("put 5", "b"), *[("get", "a")] * 4, ("put 1", "c"), ("put 1", "d")]
    left = _survivors(backend, "cost", 2, steps)
    require("a" in left, "5 uses of 3 s each are given up for less")
    small, large = noise(1, 3000), noise(2, 30_000)
    budget = sum(stored_size(backend, value) for value in (small, large))
    with opened(backend, policy="cost", max_bytes=budget) as store:
        put(store, "small", small, cost=1.0)
        put(store, "large", large, cost=5.0)  # half as much per byte
        put(store, "new", small, cost=1.0)
        left = {name for name in ("small", "large", "new") if is_there(store, name)}
        require(left == {"small", "new"}, f"of 1 s for 3 kB and 5 s for 30 kB, {left} are left")


@SUITE.check
def what_once_was_dear_ages(backend: str) -> None:
    """Under "cost" an entry that is not used any more goes in the end, whatever it cost."""
    if not has(backend, "max_bytes", "policy"):
        return
    steps = [("put 10", "dear"), *[("put 1", i) for i in range(60)]]
    left = _survivors(backend, "cost", 3, steps)
    require("dear" not in left, "an entry of 10 s outlives 60 of 1 s each, and nobody used it")
    left = _survivors(backend, "cost", 3, steps[:6])
    require("dear" in left, "an entry of 10 s goes for 5 of 1 s each")


# ------------------------------------------------------------------ counts


@SUITE.check
def statistics(backend: str) -> None:
    """stats counts hits, misses, what was stored and the seconds that were saved."""
    with opened(backend) as store:
        none = store.stats()
        require((none.hits, none.misses, none.stored) == (0, 0, 0), "a new store has counts")
        require(np.isnan(none.hit_rate), f"the hit rate of nothing is {none.hit_rate}, not NaN")
        put(store, "a", cost=2.5)
        put(store, "b", noise(1, 1 << 15), cost=0.25)
        put(store, "c")
        for name in ("a", "a", "b", "c", "d"):
            is_there(store, name)
        said = store.stats()
        counts = (said.hits, said.misses, said.stored, said.refused, said.entries)
        require(
            counts == (4, 1, 3, 0, 3),
            f"hits, misses, stored, refused and entries are {counts}, not (4, 1, 3, 0, 3)",
        )
        require(said.hit_rate == 0.8, f"the hit rate is {said.hit_rate}, not 0.8")
        require(said.seconds_saved == 5.25, f"seconds_saved is {said.seconds_saved}, not 5.25")
        require(said.raw_bytes >= 2 * SIZE + (1 << 15), f"raw_bytes is {said.raw_bytes}")
        require(said.failures == 0, f"failures is {said.failures}")


@SUITE.check
def evictions_by_reason(backend: str) -> None:
    """stats counts each entry that went under its reason."""
    if not has(backend, "max_bytes"):
        return
    size = stored_size(backend, noise(0))
    with opened(backend, max_bytes=4 * size) as store:
        for i in range(10):
            put(store, i, cost=1.0)
        said = store.stats()
        gone = {reason: n for reason, n in said.evictions.items() if n}
        require(gone == {"budget": 6}, f"after 10 puts into 4 places evictions are {gone}")
        require(said.entries == 4, f"and entries is {said.entries}")


# ------------------------------------------------------------------ its end


@SUITE.check
def closing(backend: str) -> None:
    """close may be called twice; any other use afterwards is an error."""
    with opened(backend) as store:
        put(store, "a")
        store.close()
        try:
            store.close()
        except Exception as error:
            raise CheckFailed(f"a second close raises {type(error).__name__}: {error}") from error
        uses: dict[str, Callable[[], Any]] = {
            "get": lambda: store.get(key_of("a")),
            "put": lambda: put(store, "a"),
            "delete": lambda: store.delete(key_of("a")),
            "clear": store.clear,
            "keys": lambda: list(store.keys()),
            "stats": store.stats,
            "len": lambda: len(store),
            "in": lambda: key_of("a") in store,
        }
        for what, use in uses.items():
            require_raises(Exception, f"{what} after close", use)


@SUITE.check
def context_manager(backend: str) -> None:
    """``with`` gives the store itself and closes it, also after an error, which it lets through."""
    with opened(backend) as store, store as itself:
        require(itself is store, "with gives something else than the store")
        put(store, "a")
    require_raises(Exception, "get after with", is_there, store, "a")

    def fails() -> None:
        with opened(backend) as store, store:
            raise KeyError("of the caller")

    require_raises(KeyError, "an error within with", fails)


# ------------------------------------------------------------------ many at once


@SUITE.check
def many_threads(backend: str) -> None:
    """However many threads use it at once, a value is that of its key, and limits hold."""
    limits: dict[str, Any] = {"max_bytes": 200_000} if has(backend, "max_bytes") else {}
    with opened(backend, **limits) as store:

        def work(number: int) -> None:
            for name in np.random.default_rng(number).integers(0, 40, TURNS).tolist():
                _one_turn(store, name, number + name)

        require_in_threads(THREADS, work)
        said = store.stats()
        require(said.stored_bytes <= said.max_bytes, f"{said} is over the budget")
        require(len(list(store.keys())) == len(store) == said.entries, "keys, len, stats differ")
        asked = THREADS * TURNS
        require(
            said.hits + said.misses == asked, f"{said.hits + said.misses} of {asked} gets count"
        )


def _one_turn(store: Store, name: int, turn: int) -> None:
    value = {"name": name, "data": noise(name, 10 if name % 2 else 1000 * name)}
    found = store.get(key_of(name), MISSING)
    if found is not MISSING:
        differs = difference(value, found)
        require(not differs, f"the value of another key, or a damaged one: {differs}")
    elif turn % 7:
        store.put(key_of(name), value, cost=1e-3)
    if turn % 11 == 0:
        store.delete(key_of(name))


# ------------------------------------------------------------------ what it is for


@SUITE.check
def cache_of_an_operation(backend: str) -> None:
    """Given as ``cache=``, it makes the second call of an operation a hit that is equal."""
    grid: dict[str, Any] = {"period": [0.9, 1.7, 2.2], "duration": [0.1, 0.2]}
    time, flux, flux_err = small_light_curve()
    with opened(backend) as store:
        first = bls(time, flux, flux_err, **grid, cache=store)
        again = bls(time, flux, flux_err, **grid, cache=store)
        other = bls(time, flux[::-1], flux_err, **grid, cache=store)
    hits = [found.provenance.cache_hit for found in (first, again, other)]
    require(hits == [False, True, False], f"cache_hit is {hits}: first call, same, other flux")
    for name in ("delta_chi2", "depth", "depth_err", "t0", "duration", "level"):
        differs = difference(getattr(first, name), getattr(again, name))
        require(not differs, f"{name} of a hit differs: {differs}")


@SUITE.check
def nothing_is_printed(backend: str) -> None:
    """Nothing is written to sys.stdout."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written), opened(backend) as store:
        put(store, "a")
        is_there(store, "a")
        is_there(store, "b")
        store.stats()
    require(not written.getvalue(), f"it prints {written.getvalue()[:60]!r}")
