"""The store in memory: a dict, a heap of priorities, a budget in bytes.

Values are taken apart once, when they are put (encoding.py), into private copies that nobody can
write to; a hit makes new views of them. With a codec the copies are kept as it made them, and a
hit decodes them.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ...runtime.memory import total_memory
from ..closing import Closing
from ..codec import Codec
from ..encoding import Builder, Damaged, builder
from ..entry import SHORT, Packed, described, pack, raw_buffers
from ..keys import checked_key
from ..limits import checked_bytes, checked_clock, checked_entries, checked_ttl
from ..policy import checked_cost, checked_policy, worth
from ..stats import Counters, Stats
from .pressure import WATCHER

#: Part of the machine's memory that a store may take where nobody says how much.
SHARE = 0.1
#: Records of the heap that are out of date, per entry, before it is made anew.
STALE = 4


class _Entry:
    """A value, and what decides when it goes."""

    __slots__ = (
        "buffers",
        "build",
        "created",
        "description",
        "level",
        "raw_bytes",
        "raw_lengths",
        "seconds",
        "stored_bytes",
        "used",
        "uses",
        "worth",
    )

    build: Builder | None
    description: bytes
    buffers: list[Any]
    raw_lengths: list[int]
    stored_bytes: int
    raw_bytes: int
    seconds: float  # that computing it took, as far as is known
    worth: float  # seconds, or a guess
    created: float
    level: float
    uses: int
    used: int


class MemoryStore(Closing):
    """Values in the memory of this process.

    Parameters
    ----------
    max_bytes : int or str, optional
        The budget, of entries as they are stored; what Python needs around each, some 800 bytes,
        does not count. None means a tenth of the machine's memory (or of the control group's).
    max_entries : int, optional
        Most entries. None is no limit.
    ttl : float, optional
        Seconds after its writing from which on an entry is not given any more. None is for ever.
    policy : {"cost", "lru"}, optional
        Which entries go first, see policy.py. None means "cost".
    clock : callable, optional
        Seconds; None means ``time.monotonic``. What was written in its future is expired.
    codec : Codec, optional
        Makes entries smaller. None keeps them as they are.

    Raises
    ------
    ValueError
        If a limit is not positive, or there is no such policy.
    TypeError
        If ``clock`` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> with arm.cache.open("memory", max_bytes="1 MB") as store:
    ...     key = arm.cache.key_of("a name")
    ...     store.put(key, np.arange(3.0))
    ...     store.get(key)
    True
    array([0., 1., 2.])
    """

    def __init__(
        self,
        *,
        max_bytes: int | str | None = None,
        max_entries: int | None = None,
        ttl: float | None = None,
        policy: str | None = None,
        clock: Callable[[], float] | None = None,
        codec: Codec | None = None,
    ) -> None:
        checked_clock(clock)
        self._max_bytes = checked_bytes(max_bytes) or int(SHARE * total_memory())
        self._max_entries = checked_entries(max_entries)
        self._ttl = checked_ttl(ttl)
        self._by_cost = checked_policy(policy) == "cost"
        self._clock = time.monotonic if clock is None else clock
        self._codec = codec
        self._lock = threading.Lock()
        self._counters = Counters()
        self._reserved = 0  # for entries that are about to be copied
        self._forget_everything()
        _EVERY.add(self)
        WATCHER.watch(self)

    def _forget_everything(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._heap: list[tuple[float, int, bytes]] = []
        self._oldest: list[tuple[float, int, bytes]] = []
        self._ticks = itertools.count()
        self._level = 0.0
        self._newest = -math.inf
        self._stored_bytes = self._raw_bytes = 0

    # ------------------------------------------------------------ get

    def get(self, key: bytes, default: Any = None) -> Any:
        """The value of a key; see :class:`armillary.cache.Store`."""
        if type(key) is not bytes:
            key = checked_key(key)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._has_expired(key, entry):
                self._miss(key)
                return default
            entry.uses += 1
            entry.level = self._level
            entry.used = next(self._ticks)
            counters = self._counters
            counters.hits += 1
            counters.seconds_saved += entry.seconds
        if entry.build is not None:
            return entry.build()
        return self._decoded(key, entry, default)

    def _has_expired(self, key: bytes, entry: _Entry) -> bool:
        if self._ttl is None or 0.0 <= self._clock() - entry.created < self._ttl:
            return False
        self._drop(key, "expired")
        return True

    def _miss(self, key: Any) -> None:
        checked_key(key)
        self._require_open()
        self._counters.misses += 1

    def _decoded(self, key: bytes, entry: _Entry, default: Any) -> Any:
        try:
            _, tree = described(entry.description)
            if self._codec is None:
                return builder(tree, entry.buffers)()
            return builder(tree, raw_buffers(entry.buffers, entry.raw_lengths, self._codec))()
        except Damaged:
            with self._lock:
                self._counters.hits -= 1
                self._counters.misses += 1
                self._counters.seconds_saved -= entry.seconds
                if self._entries.get(key) is entry:
                    self._drop(key, "corrupt")
            return default

    # ------------------------------------------------------------ put

    def put(self, key: bytes, value: Any, *, cost: float | None = None, label: str = "") -> bool:
        """Keep a value; see :class:`armillary.cache.Store`. The label is not kept."""
        key = checked_key(key)
        packed = pack(value, self._codec)
        stored_bytes, _ = packed.without_gaps
        seconds = checked_cost(cost)
        with self._lock:
            self._require_open()
            # What was there is not the value of the key any more, whatever comes of the new one.
            if key in self._entries:
                self._remove(key)
            if self._reserved + stored_bytes > self._max_bytes:
                self._counters.refused += 1
                return False
            # Room is made before there are two of it.
            self._make_room(stored_bytes)
            self._reserved += stored_bytes
        entry = None
        try:
            entry = _new_entry(packed, seconds)
        finally:
            with self._lock:
                self._reserved -= stored_bytes
                if entry is not None and not self._closed:
                    self._insert(key, entry)
        return True

    def _insert(self, key: bytes, entry: _Entry) -> None:
        """Take in an entry for which there is room."""
        if key in self._entries:  # another thread was faster
            self._remove(key)
        if self._max_entries is not None and len(self._entries) >= self._max_entries:
            self._drop(self._least(), "entries")
        entry.created = self._clock()
        self._newest = max(self._newest, entry.created)
        entry.level, entry.used = self._level, next(self._ticks)
        self._entries[key] = entry
        self._stored_bytes += entry.stored_bytes
        self._raw_bytes += entry.raw_bytes
        self._counters.stored += 1
        heapq.heappush(self._heap, (self._priority(entry), entry.used, key))
        if self._ttl is not None:
            heapq.heappush(self._oldest, (entry.created, entry.used, key))
        self._tidy()

    def _priority(self, entry: _Entry) -> float:
        if self._by_cost:
            return entry.level + entry.uses * entry.worth / entry.stored_bytes
        return float(entry.used)

    def _make_room(self, n_bytes: int) -> None:
        self._drop_expired()
        while self._stored_bytes + self._reserved + n_bytes > self._max_bytes:
            self._drop(self._least(), "budget")

    def _least(self) -> bytes:
        """The key that goes first."""
        while True:
            priority, _, key = self._heap[0]
            entry = self._entries.get(key)
            if entry is None:
                heapq.heappop(self._heap)
                continue
            now = self._priority(entry)
            if now <= priority:
                self._level = max(self._level, now) if self._by_cost else 0.0
                return key
            # It was used since: priorities only rise, so that the least is still at the top.
            heapq.heapreplace(self._heap, (now, entry.used, key))

    def _drop_expired(self) -> None:
        if self._ttl is None:
            return
        now = self._clock()
        while self._oldest and now - self._oldest[0][0] >= self._ttl:
            created, _, key = heapq.heappop(self._oldest)
            entry = self._entries.get(key)
            if entry is not None and entry.created == created:
                self._drop(key, "expired")
        if now < self._newest:  # the clock was set back: the age of what is later is not known
            for key in [k for k, e in self._entries.items() if e.created > now]:
                self._drop(key, "expired")
            self._newest = now

    def _drop(self, key: bytes, reason: str) -> None:
        self._counters.evictions[reason] += 1
        self._remove(key)

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key)
        self._stored_bytes -= entry.stored_bytes
        self._raw_bytes -= entry.raw_bytes

    def _tidy(self) -> None:
        """Make heaps anew in which most records are of entries that went."""
        if max(len(self._heap), len(self._oldest)) > STALE * len(self._entries) + 64:
            self._order_anew()

    def _order_anew(self) -> None:
        self._heap = [(self._priority(e), e.used, k) for k, e in self._entries.items()]
        heapq.heapify(self._heap)
        if self._ttl is not None:
            self._oldest = [(e.created, e.used, k) for k, e in self._entries.items()]
            heapq.heapify(self._oldest)

    # ------------------------------------------------------------ the rest

    def give_back(self, n_bytes: int) -> int:
        """Drop the least worthy entries of about so many bytes, for others; give how many."""
        with self._lock:
            before = self._stored_bytes
            self._drop_expired()
            while self._entries and before - self._stored_bytes < n_bytes:
                self._drop(self._least(), "pressure")
            return before - self._stored_bytes

    def delete(self, key: bytes) -> bool:
        """Forget a key; see :class:`armillary.cache.Store`."""
        key = checked_key(key)
        with self._lock:
            self._require_open()
            if key not in self._entries:
                return False
            self._remove(key)
            return True

    def clear(self) -> None:
        """Forget everything; the counts stay."""
        with self._lock:
            self._require_open()
            self._forget_everything()

    def keys(self) -> Iterator[bytes]:
        """The keys there are; see :class:`armillary.cache.Store`."""
        with self._lock:
            self._require_open()
            self._drop_expired()
            return iter(list(self._entries))

    def __contains__(self, key: bytes) -> bool:
        with self._lock:
            self._require_open()
            key = checked_key(key)
            entry = self._entries.get(key)
            return entry is not None and not self._has_expired(key, entry)

    def __len__(self) -> int:
        with self._lock:
            self._require_open()
            self._drop_expired()
            return len(self._entries)

    def stats(self) -> Stats:
        """What the store has done; see :class:`armillary.cache.Stats`."""
        with self._lock:
            self._require_open()
            self._drop_expired()
            return Stats(
                **self._counters.to_dict(),
                entries=len(self._entries),
                stored_bytes=self._stored_bytes,
                raw_bytes=self._raw_bytes,
                max_bytes=self._max_bytes,
                max_entries=self._max_entries,
            )

    def close(self) -> None:
        """Give the memory back. Arrays that were given out stay as they are."""
        with self._lock:
            self._closed = True
            self._forget_everything()
        WATCHER.leave(self)

    def _after_fork(self) -> None:
        # Another thread may have been at work, and is not there to end it.
        self._lock = threading.Lock()
        self._reserved = 0
        self._stored_bytes = sum(entry.stored_bytes for entry in self._entries.values())
        self._raw_bytes = sum(entry.raw_bytes for entry in self._entries.values())
        self._order_anew()

    def __repr__(self) -> str:
        coded = f", codec {self._codec.name!r}" if self._codec is not None else ""
        return f"<MemoryStore{coded}: {'closed' if self._closed else self.stats()}>"


def _new_entry(packed: Packed, seconds: float | None) -> _Entry:
    entry = _Entry()
    entry.description, entry.raw_lengths = packed.description, [p.raw for p in packed.places]
    entry.buffers = [bytes(buffer) for buffer in packed.buffers]
    coded = any(place.stored < place.raw for place in packed.places)
    # Of a long list what builds it takes twenty times the room of its description.
    at_each_hit = coded or len(packed.description) > SHORT
    entry.build = None if at_each_hit else builder(packed.tree, entry.buffers)
    entry.stored_bytes, entry.raw_bytes = packed.without_gaps
    entry.seconds, entry.worth = seconds or 0.0, worth(seconds, entry.raw_bytes)
    entry.uses = 1
    return entry


_EVERY: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_EVERY):
        store._after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
