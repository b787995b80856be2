"""The state of a queue, in an SQLite file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...runtime.filesystem import shared_filesystem
from .facts import FileFacts
from .records import FileRecord, GroupRecord

logger = logging.getLogger(__name__)

#: Name of the state in the folder of the outputs.
STATE_NAME = "armillary-queue.sqlite"
#: Version of the tables below; a state of another version is refused.
SCHEMA_VERSION = 1
#: By which a file is known to be a state of this queue ("ArmQ").
APPLICATION_ID = 0x41726D51
#: Seconds to wait for another process that writes.
BUSY_TIMEOUT = 30.0
#: With a write-ahead log, status can be read while the queue writes.
LOCAL_JOURNAL, SHARED_JOURNAL = "wal", "delete"

SCHEMA = """
CREATE TABLE facts_of_queue (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE groups (
    id TEXT PRIMARY KEY, first_time REAL NOT NULL, begin REAL NOT NULL, end REAL NOT NULL,
    state TEXT NOT NULL, opened REAL NOT NULL, updated REAL NOT NULL, out TEXT NOT NULL,
    reason TEXT NOT NULL, started REAL, finished REAL, attempts INTEGER NOT NULL,
    interruptions INTEGER NOT NULL, not_before REAL NOT NULL, incomplete INTEGER NOT NULL,
    n_subbands INTEGER NOT NULL, n_rows INTEGER, n_channels INTEGER, flagged_fraction REAL,
    bytes_read INTEGER, bytes_written INTEGER, seconds REAL
);
CREATE INDEX groups_by_state ON groups (state, interruptions, first_time);
CREATE INDEX groups_by_time ON groups (first_time);
CREATE TABLE files (
    name TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    changed INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    "group" TEXT, subband TEXT NOT NULL,
    attempts INTEGER NOT NULL, not_before REAL NOT NULL,
    first_time REAL, begin REAL, end REAL, lowest REAL, highest REAL, n_channels INTEGER,
    channel_width REAL
);
CREATE INDEX files_by_group ON files ("group", state);
CREATE INDEX files_by_state ON files (state);
"""

_FACTS = tuple(field.name for field in dataclasses.fields(FileFacts))


class StateError(RuntimeError):
    """The state of a queue cannot be used."""


class Store:
    """The state of a queue.

    Parameters
    ----------
    path : Path
        The SQLite file.
    connection : sqlite3.Connection
        In autocommit mode.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the state to write to it; make it if it is not there.

        Raises
        ------
        StateError
            If the file is something else, or of another version.
        OSError
            If it cannot be written.
        """
        with _sentences(path):
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
            store = cls(path, connection)
            try:
                store._check_or_make()
                store._choose_journal()
            except BaseException:
                connection.close()
                raise
        return store

    @classmethod
    def open_to_read(cls, path: Path) -> Store:
        """Open the state of a queue, which may be at work, to look at it.

        Raises
        ------
        FileNotFoundError
            If there is none.
        StateError
            If the file is something else, or of another version.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no state of a queue at {str(path)!r}")
        with _sentences(path):
            address = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                address, timeout=BUSY_TIMEOUT, isolation_level=None, uri=True
            )
            store = cls(path, connection)
            try:
                store._check_version()
            except BaseException:
                connection.close()
                raise
        return store

    def close(self) -> None:
        """Close the file; the write-ahead log goes."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written in this block, or nothing of it."""
        with _sentences(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read in this block is of one moment."""
        with _sentences(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    # -------------------------------------------------------------- the file itself

    def _check_or_make(self) -> None:
        with self.transaction():
            if self._pragma("user_version") == 0 and self._is_empty():
                self._make()
            self._check_version()

    def _is_empty(self) -> bool:
        return self._one("SELECT 1 FROM sqlite_master LIMIT 1") is None

    def _make(self) -> None:
        for statement in SCHEMA.split(";"):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self.remember("id", uuid.uuid4().hex)

    def _check_version(self) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            raise StateError(f"{str(self.path)!r} is an SQLite file, but no state of a queue")
        version = self._pragma("user_version")
        if version != SCHEMA_VERSION:
            raise StateError(
                f"{str(self.path)!r} is the state of a queue in version {version}, not "
                f"{SCHEMA_VERSION}; name another file, or use the armillary that wrote it"
            )

    def _choose_journal(self) -> None:
        shared = shared_filesystem(self.path)
        wanted = LOCAL_JOURNAL if shared is None else SHARED_JOURNAL
        got = self._one(f"PRAGMA journal_mode = {wanted}")["journal_mode"]
        if shared is not None:
            logger.warning(
                "%s is on a network file system (%s), where a write-ahead log is unsafe; the "
                "journal mode is %s",
                self.path,
                shared,
                got,
            )
        elif got != wanted:
            logger.warning(
                "%s cannot have a write-ahead log; its journal mode is %s", self.path, got
            )
        self.remember("journal", got)
        self.remember("shared_filesystem", shared)

    # -------------------------------------------------------------- facts of the queue

    def remember(self, name: str, value: Any) -> None:
        """Keep a fact of the queue, as JSON."""
        self._connection.execute(
            "INSERT OR REPLACE INTO facts_of_queue VALUES (?, ?)", (name, json.dumps(value))
        )

    def recall(self, name: str) -> Any:
        """A fact of the queue; None if there is none."""
        row = self._one("SELECT value FROM facts_of_queue WHERE name = ?", name)
        return None if row is None else json.loads(row["value"])

    # -------------------------------------------------------------- groups

    def put_group(self, group: GroupRecord) -> None:
        """Add a group, or replace what was known of it."""
        self._put("groups", dataclasses.asdict(group))

    def group(self, id: str) -> GroupRecord | None:
        """A group, if there is one of this name."""
        return next(self._groups("WHERE id = ?", id), None)

    def groups(self, state: str | None = None) -> list[GroupRecord]:
        """Groups, of one state or all, in the order of their times."""
        if state is None:
            return list(self._groups("ORDER BY first_time, id"))
        return list(self._groups("WHERE state = ? ORDER BY first_time, id", state))

    def groups_between(self, first: float, last: float) -> list[GroupRecord]:
        """Groups whose times lie between two Julian dates, inclusive."""
        return list(self._groups("WHERE first_time BETWEEN ? AND ? ORDER BY id", first, last))

    def next_group(self, state: str, now: float) -> GroupRecord | None:
        """The first that may be taken up: interrupted ones last, since they may kill again."""
        return next(
            self._groups(
                "WHERE state = ? AND not_before <= ? ORDER BY interruptions, first_time LIMIT 1",
                state,
                now,
            ),
            None,
        )

    def has_groups(self, state: str) -> bool:
        """Whether any group is in a state."""
        return self._one("SELECT 1 FROM groups WHERE state = ? LIMIT 1", state) is not None

    def forget_group(self, id: str) -> None:
        """Remove a group, which must have no files."""
        self._connection.execute("DELETE FROM groups WHERE id = ?", (id,))

    def _groups(self, where: str, *values: Any) -> Iterator[GroupRecord]:
        for row in self._all(f"SELECT * FROM groups {where}", *values):
            yield GroupRecord(**{**dict(row), "incomplete": bool(row["incomplete"])})

    # -------------------------------------------------------------- files

    def put_file(self, file: FileRecord) -> None:
        """Add a file, or replace what was known of it."""
        values = dataclasses.asdict(file)
        facts = values.pop("facts") or dict.fromkeys(_FACTS)
        self._put("files", {**values, **facts})

    def file(self, name: str) -> FileRecord | None:
        """What is known of a file, if it is known."""
        return next(self._files("WHERE name = ?", name), None)

    def files(self, *states: str) -> list[FileRecord]:
        """Files in any of these states, or all, by name."""
        if not states:
            return list(self._files("ORDER BY name"))
        marks = ", ".join("?" * len(states))
        return list(self._files(f"WHERE state IN ({marks}) ORDER BY name", *states))

    def signatures(self) -> list[tuple[str, int, int, int, str]]:
        """Name, size, modified, changed and state of every file."""
        rows = self._all("SELECT name, size, modified, changed, state FROM files")
        return [tuple(row) for row in rows]

    def files_of(self, group: str, state: str) -> list[FileRecord]:
        """Files of a group in one state, by frequency."""
        where = 'WHERE "group" = ? AND state = ? ORDER BY lowest, name'
        return list(self._files(where, group, state))

    def forget_file(self, name: str) -> None:
        """Remove what is known of a file."""
        self._connection.execute("DELETE FROM files WHERE name = ?", (name,))

    def _files(self, where: str, *values: Any) -> Iterator[FileRecord]:
        for row in self._all(f"SELECT * FROM files {where}", *values):
            columns = dict(row)
            facts = {name: columns.pop(name) for name in _FACTS}
            known = facts["first_time"] is not None
            yield FileRecord(**columns, facts=FileFacts(**facts) if known else None)

    # -------------------------------------------------------------- SQL

    def _put(self, table: str, values: dict[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        self._connection.execute(
            f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(values.values())
        )

    def _pragma(self, name: str) -> int:
        return int(self._one(f"PRAGMA {name}")[name])

    def _one(self, statement: str, *values: Any) -> Any:
        return next(iter(self._all(statement, *values)), None)

    def _all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with _sentences(self.path):
            cursor = self._connection.execute(statement, values)
            cursor.row_factory = sqlite3.Row
            return cursor.fetchall()


@contextlib.contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """What SQLite says, with the name of the file that it is about."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(f"the state {str(path)!r} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{str(path)!r} is not the state of a queue: {error}") from error
