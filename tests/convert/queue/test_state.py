"""The state: who may use it, where it may be, and what is said of it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from types import SimpleNamespace

import psutil
import pytest

from armillary.convert.queue.lock import AlreadyWatched, Holder, sole_watcher
from armillary.convert.queue.status import queue_status
from armillary.convert.queue.store import STATE_NAME, StateError, Store
from armillary.convert.time_names import time_name
from armillary.runtime.filesystem import shared_filesystem


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / STATE_NAME)
    yield store
    store.close()


# ------------------------------------------------------------------ one watcher at a time


def held_by(store, **other):
    me = Holder.this_process()
    holder = {"host": me.host, "process": me.process, "began": me.began, **other}
    store.remember("watcher", holder)


def watched(store, take_over=False):
    with sole_watcher(store, take_over=take_over):
        return True


def test_a_state_has_one_watcher(store):
    sentence = f"in use by process {os.getpid()}; one watcher"
    with sole_watcher(store, take_over=False), pytest.raises(AlreadyWatched, match=sentence):
        watched(store, take_over=True)
    assert watched(store)


def test_what_a_dead_process_held_is_taken_over(store):
    held_by(store, process=2**22 + 1)
    assert watched(store)


def test_a_process_with_the_number_of_a_dead_one_is_another(store):
    held_by(store, began=Holder.this_process().began - 60)
    assert watched(store)


def test_a_watcher_on_another_machine_is_taken_over_only_when_told_so(store):
    held_by(store, host="correlator")
    with pytest.raises(AlreadyWatched, match=r"on 'correlator'.*--take-over"):
        watched(store)
    assert watched(store, take_over=True)


def test_a_second_watcher_is_refused_while_the_first_works(queue):
    def convert(paths, out, incomplete):
        with pytest.raises(AlreadyWatched):
            queue.watch()
        return queue.convert(paths, out, incomplete)

    queue.put_group(0)
    queue.watch(convert=convert)
    assert queue.states == ["completed"]


# ------------------------------------------------------------------ network file systems


@pytest.fixture
def mounted(monkeypatch):
    def mount(*mounts):
        partitions = [
            SimpleNamespace(mountpoint=str(point), fstype=kind, opts="rw") for point, kind in mounts
        ]
        monkeypatch.setattr(psutil, "disk_partitions", lambda all: partitions)

    return mount


def test_a_local_state_has_a_write_ahead_log(store, caplog):
    assert store.recall("journal") == "wal" and caplog.text == ""


def test_on_a_network_file_system_there_is_none_and_it_says_so(queue, mounted, caplog):
    mounted(("/", "ext4"), (queue.out.parent, "nfs4"))
    queue.put_group(0)
    queue.watch()
    assert "on a network file system (nfs4), where a write-ahead log is unsafe" in caplog.text
    status = queue.status
    assert (status.journal, status.shared_filesystem) == ("delete", "nfs4")
    assert status.counts["completed"] == 1


def test_a_log_is_given_up_when_a_state_moves_to_a_network_file_system(tmp_path, mounted):
    Store.open(tmp_path / STATE_NAME).close()
    mounted((tmp_path, "cifs"))
    Store.open(tmp_path / STATE_NAME).close()
    with contextlib.closing(sqlite3.connect(tmp_path / STATE_NAME)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize(
    ("kind", "shared"), [("ext4", None), ("fuse.sshfs", "fuse.sshfs"), ("NFS", "NFS")]
)
def test_the_innermost_mount_counts(tmp_path, mounted, kind, shared):
    mounted(("/", "nfs"), (tmp_path, kind), (tmp_path / "elsewhere", "9p"))
    assert shared_filesystem(tmp_path / "state") == shared


# ------------------------------------------------------------------ files that are something else


def test_another_sqlite_file_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE stars (ra REAL)")
    with pytest.raises(StateError, match="is an SQLite file, but no state of a queue"):
        Store.open(path)
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [
        ("stars",)
    ]


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "text.sqlite"
    path.write_text("no database at all" * 100)
    for opened in (Store.open, Store.open_to_read):
        with pytest.raises(StateError, match=r"text\.sqlite' is not the state of a queue"):
            opened(path)


def test_a_state_of_another_version_is_refused(store, tmp_path):
    store._connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StateError, match="in version 7, not 1"):
        Store.open(store.path)


def test_a_state_belongs_to_one_watch(queue, tmp_path):
    queue.put_group(0)
    queue.watch()
    (tmp_path / "other").mkdir()
    queue.folder = tmp_path / "other"
    with pytest.raises(StateError, match=r"state of another watch, whose folder is .*raw"):
        queue.watch()


def test_a_state_may_be_elsewhere(queue, tmp_path):
    queue.put_group(0)
    state = tmp_path / "states" / "mine.sqlite"
    state.parent.mkdir()
    queue.watch(state=state)
    assert queue_status(state).counts["completed"] == 1
    assert [path.suffix for path in queue.out.iterdir()] == [".ms"]


def test_what_fails_within_a_transaction_is_as_if_it_had_not_begun(store):
    with contextlib.suppress(KeyboardInterrupt), store.transaction():
        store.remember("folder", "half")
        raise KeyboardInterrupt
    assert store.recall("folder") is None


# ------------------------------------------------------------------ status


def test_status_says_what_waits_for_what(queue):
    queue.put_group(0)
    queue.put_group(1, (0, 3))
    queue.put(9, 0, name="bad.hdf5").write_text("{")
    queue.errors = [ValueError("'000_sb01.hdf5' has other antennas")]
    queue.watch()
    queue.clock.time += 100
    failed, collecting = queue.status.groups
    assert failed.state == "failed" and "other antennas" in failed.reason
    assert collecting.state == "collecting" and collecting.missing == ("sb01", "sb02")
    assert collecting.subbands == ("sb00", "sb03") and collecting.expected_subbands == 4
    assert collecting.age == pytest.approx(100, abs=10)
    assert [file.name for file in queue.status.files] == ["bad.hdf5"]
    assert queue.status.watcher is None


def test_status_measures_throughput(queue):
    def convert(paths, out, incomplete):
        queue.clock.time += 20
        return queue.convert(paths, out, incomplete)

    for group in range(3):
        queue.put_group(group)
    queue.watch(convert=convert)
    n_bytes = sum(path.stat().st_size for path in queue.folder.iterdir())
    throughput = queue.status.throughput
    assert (throughput.last_hour, throughput.last_day) == (3, 3)
    assert throughput.median_seconds == 20
    assert throughput.megabytes_per_second == pytest.approx(n_bytes / 60e6)
    queue.clock.time += 7200
    assert (queue.status.throughput.last_hour, queue.status.throughput.last_day) == (0, 3)


def test_status_may_be_asked_while_the_queue_works(queue):
    seen = []

    def convert(paths, out, incomplete):
        seen.append(queue.status)
        return queue.convert(paths, out, incomplete)

    queue.put_group(0)
    queue.watch(convert=convert)
    assert seen[0].counts["in_progress"] == 1
    assert seen[0].watcher["process"] == os.getpid() and seen[0].watcher["lives"] is True


def test_status_is_data(queue):
    queue.put_group(0)
    queue.watch()
    told = json.loads(json.dumps(queue.status.to_dict()))
    assert told["groups"][0]["state"] == "completed"
    assert told["settings"]["expected_subbands"] == 4


def test_there_is_no_status_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no state of a queue"):
        queue_status(tmp_path)


def test_subbands_without_numbers_are_called_by_their_frequencies(queue):
    queue.put(0, 0, name="low.uvh5")
    queue.watch()
    (group,) = queue.status.groups
    assert group.subbands == ("1300.000-1311.750 MHz",) and group.missing == ()


# ------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"expected_subbands": 0}, "expected_subbands must be a whole number of at least 1, not 0"),
        ({"expected_subbands": True}, "expected_subbands must be a whole number"),
        ({"retries": -1}, "retries must be a whole number of at least 0, not -1"),
        ({"tolerance": float("nan")}, "tolerance must be a number of seconds, 0 or more, not nan"),
        ({"settle": "10"}, "settle must be a number of seconds, 0 or more, not '10'"),
        ({"timeout": 0}, "timeout must be a number of seconds, more than 0, not 0"),
        ({"on_incomplete": "skip"}, "on_incomplete must be one of 'error', 'fill', not 'skip'"),
        ({"patterns": ()}, "pattern must be a name such as"),
    ],
)
def test_settings_that_cannot_be_are_refused(queue, setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        queue.watcher(**setting)


def test_a_folder_that_does_not_exist_is_refused(queue):
    queue.folder.rmdir()
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*raw"):
        queue.watcher()


def test_outputs_that_would_be_taken_for_inputs_are_refused(queue):
    queue.out = queue.folder
    with pytest.raises(ValueError, match="would be taken for new files"):
        queue.watcher(suffix=".uvh5")
    queue.watcher(suffix=".ms")


@pytest.mark.parametrize(
    ("julian_date", "name"),
    [
        (2440587.5, "1970-01-01T00:00:00"),
        (2460690.625, "2025-01-15T03:00:00"),
        (2460690.625 - 2e-10, "2025-01-15T03:00:00"),
        (2451545.0, "2000-01-01T12:00:00"),
    ],
)
def test_names_of_times_are_utc_to_the_second(julian_date, name):
    assert time_name(julian_date) == name
