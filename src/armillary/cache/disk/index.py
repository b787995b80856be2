"""What a store on disk knows of its entries: tables of SQLite, shared by all its processes.

Small entries are in the table, as ``data``; of large ones ``file`` names a file. What gets count is
gathered by each process and written with its next change, so that a hit writes nothing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...runtime.filesystem import shared_filesystem
from ..stats import REASONS

#: Version of the tables below; an index of another version is thrown away with its entries.
VERSION = 1
#: By which a file is known to be such an index ("ArmC").
APPLICATION_ID = 0x41726D43
#: Seconds to wait for another process that writes.
BUSY_TIMEOUT = 30.0
#: With a write-ahead log nobody waits to read; it needs memory that all processes share.
LOCAL_JOURNAL, SHARED_JOURNAL = "wal", "delete"
#: Pages (of 4 kB) of the log from which on they are moved to their places.
CHECKPOINT = 4000

#: Columns that count, and those that count evictions, by their reason.
COUNTS = ("hits", "misses", "stored", "refused", "failures", "seconds_saved")
EVICTED = {reason: f"evicted_{reason}" for reason in REASONS}

SCHEMA = (
    """CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, file TEXT,
    label TEXT NOT NULL, stored_bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    cost REAL, worth REAL NOT NULL, uses INTEGER NOT NULL, priority REAL NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL, expires REAL, data BLOB
)""",
    "CREATE INDEX entries_by_priority ON entries (priority)",
    "CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL",
    """CREATE TABLE reserved (
    file TEXT PRIMARY KEY, stored_bytes INTEGER NOT NULL, host TEXT NOT NULL,
    process INTEGER NOT NULL, began REAL NOT NULL, since REAL NOT NULL
) WITHOUT ROWID""",
    f"""CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1), folder TEXT NOT NULL, max_bytes INTEGER NOT NULL,
    max_entries INTEGER, policy TEXT NOT NULL, journal TEXT NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0, stored_bytes INTEGER NOT NULL DEFAULT 0,
    raw_bytes INTEGER NOT NULL DEFAULT 0, reserved_bytes INTEGER NOT NULL DEFAULT 0,
    level REAL NOT NULL DEFAULT 0, uses INTEGER NOT NULL DEFAULT 0,
    {", ".join(f"{name} NUMERIC NOT NULL DEFAULT 0" for name in (*COUNTS, *EVICTED.values()))}
)""",
)


class Found(NamedTuple):
    """What a `get` needs of an entry."""

    id: int
    file: str | None
    data: bytes | None
    stored_bytes: int
    cost: float | None
    created: float
    expires: float | None


class Room(NamedTuple):
    """How much there is, and how much there may be."""

    folder: str
    max_bytes: int
    max_entries: int | None
    policy: str
    entries: int
    stored_bytes: int
    reserved_bytes: int
    level: float
    uses: int


class Index:
    """The tables of one store, as one process sees them.

    Parameters
    ----------
    path : Path
        The SQLite file; it is made with ``state`` where there is none.
    state : mapping
        What a new index begins with: folder, max_bytes, max_entries, policy.

    Raises
    ------
    sqlite3.DatabaseError
        If the file is damaged, none of ours, or of another version.
    """

    def __init__(self, path: Path, state: dict[str, Any]) -> None:
        self.path = path
        # SQLite would make it readable for everybody, as far as the user's mask lets it. One that
        # is there is not touched: to close it would drop the locks that this process has on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None
        try:
            self._make(state)
            self._check()
        except UnicodeDecodeError as error:  # of SQLite's own message, which quotes damaged text
            self.close()
            raise sqlite3.DatabaseError("its tables are not those of this version") from error
        except BaseException:
            self.close()
            raise
        self.inode = os.stat(path).st_ino
        _EVERY.add(self)

    @property
    def _writer(self) -> sqlite3.Connection:
        if self._write_connection is None:
            self._write_connection = self._connect()
        return self._write_connection

    @property
    def _reader(self) -> sqlite3.Connection:
        if self._read_connection is None:
            self._read_connection = self._connect()
        return self._read_connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        # What is no text any more must not keep the rest from being read.
        connection.text_factory = lambda text: text.decode(errors="replace")
        # Nothing waits for the disk. What a power failure leaves of the index is noticed, here or
        # by the key and checksum in every entry, and a cache may begin anew.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
        return connection

    def _make(self, state: dict[str, Any]) -> None:
        if self._version() == (APPLICATION_ID, VERSION):
            return
        shared = shared_filesystem(self.path.parent)
        journal = LOCAL_JOURNAL if shared is None else SHARED_JOURNAL
        # Only an index without tables can still be told to give back what it does not need.
        self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._writer.execute(f"PRAGMA journal_mode = {journal}")
        with self.transaction():
            if self._version() == (APPLICATION_ID, VERSION):
                return  # another process was faster
            (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables:
                raise sqlite3.DatabaseError("it is no index of this version")
            for statement in SCHEMA:
                self._writer.execute(statement)
            self._writer.execute(
                "INSERT INTO state (id, folder, max_bytes, max_entries, policy, journal) "
                "VALUES (1, :folder, :max_bytes, :max_entries, :policy, :journal)",
                {**state, "journal": f"{journal} ({shared})" if shared else journal},
            )
            self._writer.execute(f"PRAGMA user_version = {VERSION}")
            self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _version(self) -> tuple[int, int]:
        (known,) = self._writer.execute("PRAGMA application_id").fetchone()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        return known, version

    def _check(self) -> None:
        """Make sure that the tables are those that were made."""
        rows = self._writer.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = {sql for (sql,) in rows} - {"CREATE TABLE sqlite_sequence(name,seq)"}
        if found != set(SCHEMA) or self._writer.execute(_ROOM).fetchone() is None:
            raise sqlite3.DatabaseError("its tables are not those of this version")

    def close(self) -> None:
        """Close the file; it is opened again if it is needed."""
        with self._write_lock, self._read_lock:
            self._let_go()

    def _let_go(self) -> None:
        for connection in (self._read_connection, self._write_connection):
            if connection is not None:
                connection.close()
        self._read_connection = self._write_connection = None

    @contextlib.contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[None]:
        """Everything in the block is written, or nothing; no other process writes meanwhile.

        Raises
        ------
        sqlite3.OperationalError
            If another process writes, for too long, or at all if ``wait`` is false.
        """
        with self._write_lock:
            timeout = BUSY_TIMEOUT if wait else 0.0
            self._writer.execute(f"PRAGMA busy_timeout = {int(1000 * timeout)}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    # ------------------------------------------------------------ reading

    def find(self, key: bytes) -> Found | None:
        """The entry of a key."""
        with self._read_lock:
            row = self._reader.execute(_FIND, (key,)).fetchone()
        return row if row is None else Found._make(row)

    def state(self) -> dict[str, Any]:
        """The one row of the table of that name."""
        with self._read_lock:
            cursor = self._reader.execute("SELECT * FROM state")
            names = [column[0] for column in cursor.description]
            return dict(zip(names, cursor.fetchone(), strict=True))

    def count_of(self, now: float) -> int:
        """How many entries there are that have not expired."""
        with self._read_lock:
            (number,) = self._reader.execute(_HOW_MANY, {"now": now}).fetchone()
        return int(number)

    def rows(self, columns: Iterable[str], now: float) -> Iterator[tuple[Any, ...]]:
        """Columns of all entries that have not expired, the one that goes last first."""
        chosen = ", ".join(columns)
        with self._read_lock:
            rows = self._reader.execute(
                f"SELECT {chosen} FROM entries WHERE expires IS NULL OR "
                "(created <= :now AND expires > :now) ORDER BY priority DESC, id DESC",
                {"now": now},
            ).fetchall()
        return iter(rows)

    # ------------------------------------------------------------ within a transaction

    def room(self) -> Room:
        """What there is and may be."""
        return Room._make(self._writer.execute(_ROOM).fetchone())

    def old(self, key: bytes) -> tuple[int, str | None] | None:
        """Number and file of the entry of a key."""
        row: tuple[int, str | None] | None = self._writer.execute(
            "SELECT id, file FROM entries WHERE key = ?", (key,)
        ).fetchone()
        return row

    def first_to_go(self) -> tuple[int, str | None, float] | None:
        """Number, file and priority of the entry of the lowest priority."""
        row: tuple[int, str | None, float] | None = self._writer.execute(_FIRST).fetchone()
        return row

    def expired(self, now: float) -> list[tuple[int, str | None]]:
        """Number and file of the entries that have expired, or were written later than now."""
        return self._writer.execute(
            "SELECT id, file FROM entries "
            "WHERE expires IS NOT NULL AND (expires <= :now OR created > :now)",
            {"now": now},
        ).fetchall()

    def remove(self, number: int) -> None:
        """Forget an entry."""
        self._writer.execute(_LESS, {"id": number})
        self._writer.execute("DELETE FROM entries WHERE id = ?", (number,))

    def insert(self, row: dict[str, Any]) -> None:
        """Take in an entry; its bytes are in its ``data`` or in its ``file``."""
        self._writer.execute(_INSERT, row)
        self._writer.execute(_MORE, row)

    def count(self, **counts: float) -> None:
        """Add to the counts of the state, by the names of its columns."""
        some = {name: number for name, number in counts.items() if number}
        if some:
            changes = ", ".join(f"{name} = {name} + :{name}" for name in some)
            self._writer.execute(f"UPDATE state SET {changes}", some)

    def evicted(self, reason: str, n_entries: int = 1) -> None:
        """Count entries that went."""
        self.count(**{EVICTED[reason]: n_entries})

    def use(self, uses: dict[int, int], now: float) -> None:
        """Note that entries were used, so many times each, in this order."""
        room = self.room()
        self._writer.execute("UPDATE state SET uses = uses + ?", (len(uses),))
        rows = [
            {"id": number, "n": n, "now": now, "level": room.level, "tick": room.uses + i}
            for i, (number, n) in enumerate(uses.items(), 1)
        ]
        self._writer.executemany(_USE_BY_COST if room.policy == "cost" else _USE_LRU, rows)

    def raise_level(self, level: float) -> None:
        """Let the level rise to the priority of the entry that goes."""
        self._writer.execute("UPDATE state SET level = max(level, ?)", (level,))

    def reserve(self, file: str, n_bytes: int, holder: tuple[str, int, float], now: float) -> None:
        """Keep room for a file that is about to be written."""
        self._writer.execute(
            "INSERT INTO reserved VALUES (?, ?, ?, ?, ?, ?)", (file, n_bytes, *holder, now)
        )
        self._writer.execute("UPDATE state SET reserved_bytes = reserved_bytes + ?", (n_bytes,))

    def release(self, file: str) -> bool:
        """Keep it no longer; False if it was not kept any more."""
        row = self._writer.execute(
            "SELECT stored_bytes FROM reserved WHERE file = ?", (file,)
        ).fetchone()
        if row is None:
            return False
        self._writer.execute("DELETE FROM reserved WHERE file = ?", (file,))
        self._writer.execute("UPDATE state SET reserved_bytes = reserved_bytes - ?", row)
        return True

    def reservations(self) -> list[tuple[str, str, int, float, float]]:
        """File, host, process and its beginning, and since when, of what is being written."""
        return self._writer.execute(
            "SELECT file, host, process, began, since FROM reserved"
        ).fetchall()

    def set_limits(self, limits: dict[str, Any]) -> None:
        """Change max_bytes, max_entries and policy."""
        if limits:
            changes = ", ".join(f"{name} = :{name}" for name in limits)
            self._writer.execute(f"UPDATE state SET {changes}", limits)

    def rank_anew(self, policy: str) -> None:
        """Give every entry its priority under another policy."""
        if policy == "cost":
            self._writer.execute(
                "UPDATE entries SET "
                "priority = (SELECT level FROM state) + uses * worth / stored_bytes"
            )
        else:
            # The order of last use; numbers of uses go on from there.
            self._writer.execute(
                "UPDATE entries SET priority = ranked.number FROM (SELECT id, row_number() "
                "OVER (ORDER BY used, id) AS number FROM entries) AS ranked "
                "WHERE ranked.id = entries.id"
            )
        self._writer.execute("UPDATE state SET level = 0, uses = uses + entries")

    def forget_everything(self, folder: str) -> None:
        """Forget all entries; large ones are in another folder from now on."""
        self._writer.execute("DELETE FROM entries")
        self._writer.execute("DELETE FROM reserved")
        self._writer.execute(
            "UPDATE state SET folder = ?, entries = 0, stored_bytes = 0, raw_bytes = 0, "
            "reserved_bytes = 0, level = 0",
            (folder,),
        )

    def shrink(self) -> None:
        """Give pages that hold nothing back to the system; outside of a transaction."""
        with self._write_lock:
            # As a script: it gives one page back at each step, and has no rows to step through.
            self._writer.executescript("PRAGMA incremental_vacuum")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


_FIND = "SELECT id, file, data, stored_bytes, cost, created, expires FROM entries WHERE key = ?"
_ROOM = """
SELECT folder, max_bytes, max_entries, policy, entries, stored_bytes, reserved_bytes, level, uses
FROM state
"""
_HOW_MANY = """
SELECT entries - (
    SELECT count(*) FROM entries
    WHERE expires IS NOT NULL AND (expires <= :now OR created > :now)
) FROM state
"""
_FIRST = "SELECT id, file, priority FROM entries ORDER BY priority, id LIMIT 1"
_INSERT = """
INSERT INTO entries
    (key, file, label, stored_bytes, raw_bytes, cost, worth, uses, priority, created, used,
    expires, data)
VALUES (:key, :file, :label, :stored_bytes, :raw_bytes, :cost, :worth, 1, :priority, :created,
    :created, :expires, :data)
"""
_MORE = """
UPDATE state SET entries = entries + 1, stored_bytes = stored_bytes + :stored_bytes,
    raw_bytes = raw_bytes + :raw_bytes, uses = uses + 1, stored = stored + 1
"""
_LESS = """
UPDATE state SET (entries, stored_bytes, raw_bytes) = (
    SELECT state.entries - 1, state.stored_bytes - entries.stored_bytes,
        state.raw_bytes - entries.raw_bytes
    FROM entries WHERE id = :id
) WHERE EXISTS (SELECT 1 FROM entries WHERE id = :id)
"""
_USE_BY_COST = """
UPDATE entries SET uses = uses + :n, used = :now,
    priority = :level + (uses + :n) * worth / stored_bytes WHERE id = :id
"""
_USE_LRU = "UPDATE entries SET uses = uses + :n, used = :now, priority = :tick WHERE id = :id"


_EVERY: weakref.WeakSet[Index] = weakref.WeakSet()
_forking: list[Index] = []
_fork_lock = threading.Lock()


def _before_fork() -> None:
    # Both sides of a fork share what SQLite knows of the locks of a connection: none may live on.
    _fork_lock.acquire()
    for index in list(_EVERY):
        index._write_lock.acquire()
        index._read_lock.acquire()
        _forking.append(index)
        index._let_go()


def _after_fork() -> None:
    while _forking:
        index = _forking.pop()
        index._read_lock.release()
        index._write_lock.release()
    _fork_lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
