"""The store on disk: an index of SQLite with small entries in it, and a file for each large one.

Order of a large `put`: room is made and reserved (one transaction), the file is written, the entry
takes the place of the reservation (another). Whoever dies in between leaves a reservation, which
the next one who needs room clears away. Files go before their entry is forgotten: an entry
without its file is a miss, a file without entry would stay for ever.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import shutil
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...runtime.progress import reporting
from ..closing import Closing
from ..codec import Codec, CodecUnavailable, codec_named
from ..encoding import Damaged
from ..entry import Packed, open_entry, pack, parts, value_builder
from ..errors import warn
from ..keys import checked_key
from ..limits import checked_bytes, checked_clock, checked_entries, checked_ttl
from ..policy import DEFAULT, checked_cost, checked_policy, worth
from ..stats import Counters, Stats
from ..store import MISSING
from . import folder
from .damage import is_damage, mended
from .files import Files, new_name
from .index import COUNTS, EVICTED, Found, Index, Room
from .info import EntryInfo
from .locks import WHOLE, locked, place_of
from .space import Space

#: Part of the file system that a store may take where nobody says how much.
SHARE = 0.1
#: Entries up to this long are in the index: there a million of them is no burden. Longer ones are
#: read faster from a file of their own, and longer rows are costly to change.
LARGEST_PACKED = 1 << 13
#: Entries whose hits are gathered for the next change; of more, a part is drawn by lot that counts
#: for all, since to write down each would take longer than the hits did.
MOST_PENDING, DRAWN = 4096, 1.0 / 8.0
#: Seconds after which hits are written without a change, for those who only read.
INTERVAL = 60.0
#: The file whose bytes are locked.
LOCK = "lock"


class DiskStore(Closing):
    """Values in a folder, for all processes of its owner.

    Parameters
    ----------
    path : path, optional
        The folder, which is made if it is not there. None means ``ARMILLARY_CACHE_PATH``, or the
        folder that the system has for caches.
    max_bytes : int or str, optional
        The budget, of entries as they are stored; it is remembered with the folder. None means
        what is remembered, at first a tenth of the file system.
    max_entries : int, optional
        Most entries, remembered too. None means what is remembered, at first no limit.
    ttl : float, optional
        Seconds after its writing from which on an entry that is written here is not given any
        more, by any process. None is for ever.
    policy : {"cost", "lru"}, optional
        Which entries go first, remembered too, see policy.py. None means what is remembered, at
        first "cost".
    clock : callable, optional
        Seconds since 1970; None means ``time.time``. What was written in its future is expired,
        if it can expire.
    codec : str, optional
        Name of the codec, which a plugin brings, that makes entries smaller. None keeps them as
        they are, so that they can be mapped.
    level : int, optional
        Passed to the codec. None means its default.

    Raises
    ------
    ValueError
        If a limit is not positive, or there is no such policy.
    PermissionError
        If the folder belongs to somebody else.
    FileExistsError
        If the folder holds something else.
    OSError
        If it cannot be made or written to.
    """

    def __init__(
        self,
        *,
        path: Any = None,
        max_bytes: int | str | None = None,
        max_entries: int | None = None,
        ttl: float | None = None,
        policy: str | None = None,
        clock: Callable[[], float] | None = None,
        codec: str | None = None,
        level: int | None = None,
    ) -> None:
        checked_clock(clock)
        self.path = folder.chosen_path(path)
        self._limits = {
            "max_bytes": checked_bytes(max_bytes),
            "max_entries": checked_entries(max_entries),
            "policy": None if policy is None else checked_policy(policy),
        }
        self._ttl = checked_ttl(ttl)
        # As SQLite has it, whatever kind of number it is.
        self._clock = time.time if clock is None else lambda: float(clock())
        self._given_clock = clock
        self._level = level
        self._codec = _codec(codec, level)
        self._warned: set[str] = set()
        self._open()
        _EVERY.add(self)

    def _open(self) -> None:
        folder.prepare(self.path)
        self._count_anew()
        with locked(self.path / LOCK, WHOLE):
            try:
                self._index = self._opened_index()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    sentence = f"the cache at {str(self.path)!r} cannot be opened: {error}"
                    raise OSError(sentence) from error
                self._throw_away(error)
                self._index = self._opened_index()

    def _count_anew(self) -> None:
        """Begin with nothing counted and no file mapped, in this process."""
        self._lock = threading.Lock()
        self._counters = Counters()
        self._used: dict[int, int] = {}
        self._written = time.monotonic()
        self._files = Files(self.path)
        self._space = Space(self._files, self._clock)
        self._process = os.getpid()

    def _opened_index(self) -> Index:
        index = Index(
            self.path / folder.INDEX,
            {
                "folder": _new_folder(),
                "max_bytes": self._limits["max_bytes"] or _share_of_disk(self.path),
                "max_entries": self._limits["max_entries"],
                "policy": self._limits["policy"] or DEFAULT,
            },
        )
        with index.transaction():
            room = index.room()
            limits = {name: value for name, value in self._limits.items() if value is not None}
            index.set_limits(limits)
            if limits.get("policy", room.policy) != room.policy:
                index.rank_anew(index.room().policy)
            self._space.make(index, index.room(), 0)
            for entries in self.path.glob(f"{folder.ENTRIES}*"):
                if entries.name != room.folder:  # of before the store was cleared
                    shutil.rmtree(entries, ignore_errors=True)
        return index

    def _throw_away(self, error: Exception) -> None:
        """Remove a damaged index: what it knew of is lost anyway."""
        self._warn("index", f"its index is damaged ({error}); it begins anew, empty")
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path / f"{folder.INDEX}{ending}")

    # ------------------------------------------------------------ get

    def get(self, key: bytes, default: Any = None) -> Any:
        """The value of a key; see :class:`armillary.cache.Store`.

        Arrays of large entries are maps of their file, which stays while they do.
        """
        key = checked_key(key)
        self._require_open()
        try:
            value = self._read(key)
            if value is not MISSING:
                return value
        except CodecUnavailable as error:
            self._warn("codec", f"an entry is left alone: {error}")
        except (OSError, sqlite3.Error, TypeError, ValueError) as error:
            self._failed("read", error)  # the last two of a damaged row
        with self._lock:
            self._counters.misses += 1
        return default

    def _read(self, key: bytes) -> Any:
        """The value of a key; MISSING if there is none, or it has expired, or is damaged."""
        while True:
            found = self._files.known(key) or self._index.find(key)
            if found is None:
                return MISSING
            if self._has_expired(found):
                # Now, since a clock that was set back may go forward again.
                self._drop(key, found, "expired")
                return MISSING
            try:
                value = self._value(key, found)
            except (Damaged, FileNotFoundError):
                # Or it was replaced, or went, between the looks at index and file.
                if self._drop(key, found, "corrupt"):
                    return MISSING
            else:
                self._hit(found)
                return value

    def _value(self, key: bytes, found: Found) -> Any:
        if found.file is not None:
            return self._files.value(key, found, self._codec)
        entry = open_entry(key, memoryview(found.data or b""))
        return value_builder(entry, self._codec)()

    def _has_expired(self, found: Found) -> bool:
        if found.expires is None:
            return False
        return not found.created <= self._clock() < found.expires

    def _hit(self, found: Found) -> None:
        with self._lock:
            self._counters.hits += 1
            self._counters.seconds_saved += found.cost or 0.0
            self._used[found.id] = self._used.pop(found.id, 0) + 1
            due = time.monotonic() - self._written > INTERVAL
            if len(self._used) > MOST_PENDING:
                drawn = [item for item in self._used.items() if random.random() < DRAWN]
                self._used = {number: round(uses / DRAWN) for number, uses in drawn}
        if due:
            self._written = time.monotonic()
            # Or later, if somebody else writes now.
            with contextlib.suppress(sqlite3.OperationalError), self._change(wait=False):
                pass

    def _drop(self, key: bytes, found: Found, reason: str) -> bool:
        """Remove an entry that is of no use; False if another took its place meanwhile."""
        self._files.let_go(key)
        with self._index.transaction():
            old = self._index.old(key)
            if old is not None and old[0] != found.id:
                return False
            if old is not None:
                self._space.remove(self._index, *old)
                self._index.evicted(reason)
        return True

    # ------------------------------------------------------------ put

    def put(self, key: bytes, value: Any, *, cost: float | None = None, label: str = "") -> bool:
        """Keep a value; see :class:`armillary.cache.Store`."""
        key = checked_key(key)
        self._require_open()
        seconds = checked_cost(cost)
        packed = pack(value, self._codec)
        row: dict[str, Any] = {
            "key": key,
            "file": None,
            "data": None,
            "label": str(label).encode("utf-8", "backslashreplace").decode(),
            "stored_bytes": packed.stored_bytes,
            "raw_bytes": packed.raw_bytes,
            "cost": seconds,
            "worth": worth(seconds, packed.raw_bytes),
        }
        try:
            self._require_own_index()
            if packed.stored_bytes <= LARGEST_PACKED:
                return self._put_small(row, b"".join(parts(key, packed)))
            return self._put_large(row, packed)
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            self._failed("written", error)
            return False

    def _put_small(self, row: dict[str, Any], data: bytes) -> bool:
        with self._change() as index:
            room = self._space.beside_others(index, row["stored_bytes"])
            if room is not None:
                self._replace(index, room, row | {"data": data})
            else:
                self._space.remove_old(index, row["key"])
        return room is not None

    def _put_large(self, row: dict[str, Any], packed: Packed) -> bool:
        n_bytes = row["stored_bytes"]
        with self._change() as index:
            # What was there is not the value of the key any more, whatever comes of the new one.
            self._space.remove_old(index, row["key"])
            room = self._space.beside_others(index, n_bytes)
            if room is None:
                return False
            self._space.make(index, room, n_bytes)
            name = new_name(room.folder, row["key"])
            self._space.reserve(index, name, n_bytes)
        try:
            self._files.write(name, parts(row["key"], packed))
            return self._take_in(row | {"file": name})
        except BaseException as error:
            self._files.remove(name)
            cleared = False
            with contextlib.suppress(sqlite3.Error), self._change() as index:
                cleared = not index.release(name)
            if cleared and isinstance(error, FileNotFoundError):
                return False  # its folder went when the store was cleared
            raise

    def _take_in(self, row: dict[str, Any]) -> bool:
        """Let an entry whose file is written take the place of its reservation."""
        with self._change() as index:
            # Unless the store was cleared meanwhile, or its budget made smaller.
            kept = index.release(row["file"])
            room = self._space.beside_others(index, row["stored_bytes"]) if kept else None
            if room is not None:
                self._replace(index, room, row)
                return True
        self._files.remove(row["file"])
        return False

    def _replace(self, index: Index, room: Room, row: dict[str, Any]) -> None:
        """Put an entry in the place of the one before it."""
        if self._space.remove_old(index, row["key"]):
            room = index.room()
        room = self._space.make(index, room, row["stored_bytes"])
        now = self._clock()
        gain = row["worth"] / row["stored_bytes"]
        index.insert(
            row
            | {
                "created": now,
                "expires": None if self._ttl is None else now + self._ttl,
                "priority": room.level + gain if room.policy == "cost" else room.uses + 1,
            }
        )

    @contextlib.contextmanager
    def _change(self, *, wait: bool = True) -> Iterator[Index]:
        """One transaction, which also writes what this process counted since the last."""
        with self._lock:
            used, self._used = self._used, {}
            counters, self._counters = self._counters, Counters()
        try:
            with self._index.transaction(wait=wait):
                self._written = time.monotonic()
                if used:
                    self._index.use(used, self._clock())
                self._index.count(**{name: getattr(counters, name) for name in COUNTS})
                yield self._index
        except BaseException:
            with self._lock:
                self._counters.add(counters)
                self._used = used | self._used
            raise

    def flush(self) -> None:
        """Write what this process counted, which otherwise waits for its next change."""
        self._require_open()
        try:
            with self._change():
                pass
        except sqlite3.Error as error:
            self._failed("written", error)

    # ------------------------------------------------------------ the rest

    def computing(self, key: bytes) -> contextlib.AbstractContextManager[None]:
        """Hold a key while its value is computed, so that no other process computes it, too."""
        return locked(self.path / LOCK, place_of(checked_key(key)))

    @mended
    def delete(self, key: bytes) -> bool:
        """Forget a key; see :class:`armillary.cache.Store`."""
        key = checked_key(key)
        self._require_open()
        with self._change() as index:
            return self._space.remove_old(index, key)

    @mended
    def clear(self) -> None:
        """Forget everything; the counts stay."""
        self._require_open()
        self._files.let_go()
        with self._change() as index:
            entries = index.room().folder
            index.forget_everything(_new_folder())
            shutil.rmtree(self.path / entries, ignore_errors=True)
        self._index.shrink()

    @mended
    def keys(self) -> Iterator[bytes]:
        """The keys there are; see :class:`armillary.cache.Store`."""
        self._require_open()
        return (key for (key,) in self._index.rows(("key",), self._clock()))

    @mended
    def entries(self) -> Iterator[EntryInfo]:
        """All entries, the one that goes last first."""
        self._require_open()
        self.flush()
        columns = ("hex(key)", *EntryInfo._fields[1:])
        rows = self._index.rows(columns, self._clock())
        return (EntryInfo._make((row[0].lower(), *row[1:])) for row in rows)

    def verify(self, progress: Any = None) -> list[bytes]:
        """Read every entry; those that are damaged are removed.

        Parameters
        ----------
        progress : callable or bool, optional
            Called with (entries done, entries in all); True shows a bar in a terminal.

        Returns
        -------
        list of bytes
            The keys of the damaged ones.
        """
        keys = list(self.keys())
        with reporting(progress, "cache") as report:
            damaged = []
            for done, key in enumerate(keys, 1):
                if not self._is_whole(key):
                    damaged.append(key)
                if report is not None:
                    report(done, len(keys))
        return damaged

    @mended
    def _is_whole(self, key: bytes) -> bool:
        """Whether an entry is as it was written; if not, it is removed."""
        found = self._index.find(key)
        if found is None:
            return True
        try:
            self._value(key, found)
        except CodecUnavailable:
            return True  # its checksum was compared before
        except (Damaged, OSError, TypeError, ValueError):  # the last two of a damaged row
            return not self._drop(key, found, "corrupt")
        return True

    @mended
    def __contains__(self, key: bytes) -> bool:
        key = checked_key(key)
        self._require_open()
        found = self._files.known(key) or self._index.find(key)
        return found is not None and not self._has_expired(found)

    @mended
    def __len__(self) -> int:
        self._require_open()
        return self._index.count_of(self._clock())

    @mended
    def stats(self) -> Stats:
        """What the store has done for all its processes; see :class:`armillary.cache.Stats`."""
        self._require_open()
        # Where nothing can be written, as on a full disk, is where one looks.
        with contextlib.suppress(sqlite3.OperationalError), self._change() as index:
            self._space.clear_away(index)
        state = self._index.state()
        with self._lock:
            counts = {name: state[name] + getattr(self._counters, name) for name in COUNTS}
        now = ("entries", "stored_bytes", "raw_bytes", "max_bytes", "max_entries")
        return Stats(
            **counts,
            **{name: state[name] for name in now},
            evictions={reason: state[column] for reason, column in EVICTED.items()},
        )

    @property
    @mended
    def journal(self) -> str:
        """How the index is written: "wal", or another way and why."""
        return str(self._index.state()["journal"])

    def close(self) -> None:
        """Write what was counted, and close the index. Arrays that were given out stay."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._files.let_go()
        self._index.close()

    def _require_open(self) -> None:
        super()._require_open()
        if self._process != os.getpid():
            # What the other side of a fork has counted, it writes itself.
            self._count_anew()

    def _require_own_index(self) -> None:
        """Open the index anew where another process found it damaged and began another."""
        try:
            own = os.stat(self._index.path).st_ino == self._index.inode
        except FileNotFoundError:
            own = False
        if not own:
            self._index.close()
            self._open()

    def _failed(self, what: str, error: Exception) -> None:
        with self._lock:
            self._counters.failures += 1
        if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
            self.begin_anew(error)
        else:
            self._warn(what, f"it could not be {what}: {error}; this is said once")

    def begin_anew(self, error: Exception) -> None:
        """Make a new index in the place of a damaged one, unless another process did."""
        with contextlib.suppress(OSError, sqlite3.Error):
            with locked(self.path / LOCK, WHOLE):
                if os.stat(self._index.path).st_ino == self._index.inode:
                    self._throw_away(error)
            self._require_own_index()

    def _warn(self, what: str, sentence: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warn(f"cache at {str(self.path)!r}: {sentence}")

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given_clock is not None:
            raise TypeError("a store with a clock of its own cannot be sent to another process")
        codec = None if self._codec is None else self._codec.name
        return _reopened, (str(self.path), self._ttl, codec, self._level)

    def __del__(self) -> None:
        # What was counted would be lost with a store that nobody closes.
        with contextlib.suppress(Exception):
            self.close()

    def __repr__(self) -> str:
        return f"<DiskStore {str(self.path)!r}: {'closed' if self._closed else self.stats()}>"


_EVERY: weakref.WeakSet[DiskStore] = weakref.WeakSet()


@atexit.register
def _write_counts() -> None:
    for store in list(_EVERY):
        with contextlib.suppress(Exception):
            store.close()


def _reopened(path: str, ttl: float | None, codec: str | None, level: int | None) -> DiskStore:
    return DiskStore(path=path, ttl=ttl, codec=codec, level=level)


def _codec(name: str | None, level: int | None) -> Codec | None:
    if name is None:
        if level is not None:
            raise ValueError("level is an option of a codec, and codec is None")
        return None
    return codec_named(name, {} if level is None else {"level": level})


def _new_folder() -> str:
    return f"{folder.ENTRIES}{uuid.uuid4().hex[:12]}"


def _share_of_disk(path: Path) -> int:
    return int(SHARE * shutil.disk_usage(path).total)
