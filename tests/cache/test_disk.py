"""The store on disk: what is in its folder, who may, and what is left after accidents."""

from __future__ import annotations

import contextlib
import errno
import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.cache import MISSING, CacheWarning, DiskStore, key_of
from armillary.cache.disk import files as files_module
from armillary.cache.disk import folder as folder_module
from armillary.cache.disk.files import KEPT
from armillary.cache.disk.space import LONGEST_WRITE
from armillary.cache.disk.store import LARGEST_PACKED, MOST_PENDING
from armillary.cache.entry import pack
from armillary.testing.cache_values import difference, plain_values

INDEX = "index.sqlite"
LARGE = 4 * LARGEST_PACKED

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def elsewhere(program, *arguments):
    """Run a program in a process of its own; it has `store`, of the folder that comes first."""
    begin = """
        import os, signal, sys
        import numpy as np
        import armillary as arm
        from armillary.cache import MISSING, key_of
        from armillary.cache.disk import files
        folder = sys.argv[1]
        store = arm.cache.open("disk", path=folder)
        """
    text = textwrap.dedent(begin) + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def says(program, *arguments):
    """What such a program prints; it must end well."""
    done = elsewhere(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def in_child(function, *arguments):
    """Call a function on the other side of a fork; it must end well."""
    child = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    child.start()
    child.join(60)
    assert child.exitcode == 0


# ------------------------------------------------------------------ the folder


@posix
def test_only_its_owner_can_read_or_write_anything(disk, folder):
    before = os.umask(0)
    try:
        store = disk()
        store.put(key_of(1), 1)
        store.put(key_of(2), np.zeros(LARGE))
        store.get(key_of(2))
        with store.computing(key_of(3)):
            pass
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    finally:
        os.umask(before)
    assert {"ARMILLARY-CACHE", INDEX, f"{INDEX}-wal", f"{INDEX}-shm", "lock"} <= {
        path.name for path in modes
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@posix
def test_a_folder_that_was_open_to_others_is_closed_to_them(disk, folder):
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    disk()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_the_folder_of_somebody_else_is_refused(disk, folder, monkeypatch):
    disk().close()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="belongs to user"):
        disk()


@posix
def test_a_link_to_the_folder_of_somebody_else_is_refused(disk, folder, tmp_path, monkeypatch):
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError):
        disk(tmp_path / "link")
    assert list(folder.iterdir()) == []


def test_a_link_to_ones_own_folder_is_the_same_store(disk, folder, tmp_path):
    disk().put(key_of(1), "x")
    (tmp_path / "link").symlink_to(folder)
    assert disk(tmp_path / "link").get(key_of(1)) == "x"


@pytest.mark.parametrize("stranger", ["thesis.tex", ".git", "entries.txt", INDEX, "lock"])
def test_a_folder_with_anything_else_in_it_is_refused_and_left_alone(disk, folder, stranger):
    folder.mkdir(mode=0o755)
    (folder / stranger).write_text("years of work")
    with pytest.raises(FileExistsError, match=stranger):
        disk()
    assert [path.name for path in folder.iterdir()] == [stranger]
    assert (folder / stranger).read_text() == "years of work"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_store_into_which_somebody_put_a_file_is_refused(disk, folder):
    disk().close()
    (folder / "notes.txt").write_text("x")
    with pytest.raises(FileExistsError, match="notes"):
        disk()


def test_a_file_is_no_folder(disk, folder):
    folder.write_text("x")
    with pytest.raises(NotADirectoryError):
        disk()
    with pytest.raises(OSError, match=r"."):
        disk(folder / "below")
    assert folder.read_text() == "x"


@pytest.mark.parametrize("path", [3, b"x", ["a"]])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(TypeError, match="path"):
        arm.cache.open("disk", path=path)


def test_folders_above_are_made(disk, folder):
    store = disk(folder / "a" / "b")
    assert store.put(key_of(1), 1) and store.path == folder / "a" / "b"


def test_without_a_path_the_environment_says_where(monkeypatch, folder):
    monkeypatch.setenv("ARMILLARY_CACHE_PATH", str(folder))
    with arm.cache.open("disk") as store:
        assert store.path == folder and folder_module.is_store(folder)


def test_without_anything_it_is_where_the_system_has_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in folder_module.default_path().parents


def test_a_path_from_home_is_one(disk, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert disk("~/kept").path == tmp_path / "kept"


def test_a_relative_path_stays_the_same_folder(disk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = disk("here")
    monkeypatch.chdir("/")
    assert store.put(key_of(1), np.zeros(LARGE)) and store.get(key_of(1)) is not None
    assert store.path == tmp_path / "here"


def test_many_may_open_a_new_folder_at_once(folder, inside):
    start, problems = threading.Barrier(8), []

    def work(number):
        start.wait()
        try:
            with arm.cache.open("disk", path=folder) as store:
                store.put(key_of(number), number)
        except Exception as error:
            problems.append(error)

    for round_number in range(5):
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == [], round_number
        inside.require_tidy(folder)
        shutil.rmtree(folder)


# ------------------------------------------------------------------ it lasts, and is shared


@pytest.mark.parametrize("value", [*plain_values().values(), np.arange(LARGE)], ids=repr)
def test_values_are_there_when_it_is_opened_again(disk, value):
    disk().put(key_of("a"), value)
    disk().close()
    assert difference(value, disk().get(key_of("a"), MISSING)) == ""


def test_two_stores_of_a_folder_see_what_the_other_does(disk):
    one, other = disk(), disk()
    for value in (1, np.arange(LARGE), "two", np.ones(LARGE)):
        one.put(key_of("a"), value)
        assert difference(value, other.get(key_of("a"))) == ""
        assert difference(value, one.get(key_of("a"))) == ""
    assert other.delete(key_of("a"))
    assert one.get(key_of("a"), MISSING) is MISSING
    one.put(key_of("b"), np.arange(LARGE))
    assert other.get(key_of("b")) is not None
    one.clear()
    assert other.get(key_of("b"), MISSING) is MISSING and len(other) == 0
    one.flush()
    for said in (other.stats(), one.stats()):
        assert (said.hits, said.misses, said.stored) == (9, 2, 5)


def test_processes_see_what_the_others_do(disk, folder):
    store = disk()
    store.put(key_of("a"), np.arange(LARGE))
    store.put(key_of("b"), "small")
    program = """
        print(store.get(key_of("a")).sum(), store.get(key_of("b")))
        store.put(key_of("c"), np.ones(20_000)); store.delete(key_of("b"))
        store.close()
        """
    assert says(program, folder) == f"{np.arange(LARGE).sum()} small"
    assert store.get(key_of("c")).sum() == 20_000
    assert store.get(key_of("b"), MISSING) is MISSING
    said = store.stats()
    assert (said.hits, said.misses, said.stored) == (3, 1, 3)


def test_a_second_store_in_the_process_takes_no_lock_from_the_first(disk, folder):
    """Who closes the file of an index drops every lock that the process has on it."""
    first = disk()
    first.put(key_of(1), 1)
    disk().put(key_of(2), 2)
    says("store.put(key_of(3), 3); store.close()", folder)
    assert (folder / f"{INDEX}-wal").exists(), "another process believed to be the last"
    first.put(key_of(4), 4)
    assert says("print([store.get(key_of(i)) for i in (1, 2, 3, 4)])", folder) == "[1, 2, 3, 4]"
    for i in range(100):
        first.put(key_of(("own", i)), "x" * 1000)
    says("[store.put(key_of(('other', i)), 'y' * 1000) for i in range(100)]", folder)
    first.close()
    names = [(who, i) for who in ("own", "other") for i in range(100)]
    assert [name for name in names if disk().get(key_of(name)) is None] == []


def test_counts_of_hits_are_written_without_a_put(disk, inside):
    store, other = disk(), disk()
    store.put(key_of(1), 1)
    for _ in range(10):
        store.get(key_of(1))
    store.flush()
    assert inside.rows(store.path, "SELECT hits FROM state") == [(10,)]
    for i in range(MOST_PENDING):
        store.put(key_of(("n", i)), i) if i < 5 else store.get(key_of(("n", i % 5)))
    store.close()
    assert other.stats().hits == 10 + MOST_PENDING - 5


def test_a_hit_writes_nothing(disk, folder):
    store = disk()
    store.put(key_of(1), np.arange(LARGE))
    store.put(key_of(2), 2)
    store.flush()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    for _ in range(100):
        store.get(key_of(1))
        store.get(key_of(2))
        store.get(key_of(3))
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    # SQLite marks in the shared memory who reads.
    before.pop(folder / f"{INDEX}-shm"), after.pop(folder / f"{INDEX}-shm")
    assert before == after


def test_lists_of_entries_tell_what_they_are(disk, clock):
    store = disk(clock=clock, ttl=100.0)
    store.put(key_of("a"), np.zeros(LARGE), cost=3.0, label="search.bls by cpu")
    clock.now += 5.0
    store.put(key_of("b"), None)
    store.get(key_of("b"))
    store.get(key_of("a"))
    listed = {info.key: info for info in store.entries()}
    a, b = listed[key_of("a").hex()], listed[key_of("b").hex()]
    assert (a.label, a.cost, a.uses, b.label, b.cost, b.uses) == (
        "search.bls by cpu", 3.0, 2, "", None, 2
    )  # fmt: skip
    assert (a.created, a.used, a.expires) == (clock.now - 5, clock.now, clock.now + 95)
    assert a.stored_bytes == a.raw_bytes == pack(np.zeros(LARGE)).stored_bytes


# ------------------------------------------------------------------ limits


def test_limits_are_remembered(disk, inside):
    disk(max_bytes=500_000, max_entries=7, policy="lru").close()
    said = disk().stats()
    assert (said.max_bytes, said.max_entries) == (500_000, 7)
    assert inside.rows(disk().path, "SELECT policy FROM state") == [("lru",)]
    disk(max_bytes=600_000)
    assert (disk().stats().max_bytes, disk().stats().max_entries) == (600_000, 7)


def test_without_a_limit_it_takes_a_tenth_of_the_file_system(disk, folder):
    assert disk().stats().max_bytes == shutil.disk_usage(folder).total // 10


def test_a_smaller_budget_makes_room_at_once(disk, folder, inside):
    store = disk(max_bytes=1_000_000)
    for i in range(20):
        store.put(key_of(i), np.zeros(20_000, "u1") if i % 2 else i, cost=float(i))
    disk(max_bytes=50_000)
    assert inside.bytes_in(folder) <= 50_000
    assert store.stats().stored_bytes == inside.bytes_in(folder)
    assert key_of(19) in store and key_of(1) not in store
    inside.require_tidy(folder)


def test_fewer_entries_make_room_at_once(disk, folder, inside):
    store = disk()
    for i in range(10):
        store.put(key_of(i), i, cost=float(i))
    disk(max_entries=3)
    assert {i for i in range(10) if key_of(i) in store} == {7, 8, 9}
    inside.require_tidy(folder)


def order_of_going(store):
    """The keys, the one that goes first at first."""
    return [info.key for info in store.entries()][::-1]


def test_another_policy_ranks_the_entries_anew(disk, clock):
    store = disk(policy="cost", clock=clock)
    for i, cost in enumerate((5.0, 1.0, 9.0)):
        clock.now += 1.0
        store.put(key_of(i), i, cost=cost)
    assert order_of_going(store) == [key_of(i).hex() for i in (1, 0, 2)]
    clock.now += 1.0
    store.get(key_of(0))
    store.flush()
    store = disk(policy="lru", clock=clock)
    assert order_of_going(store) == [key_of(i).hex() for i in (1, 2, 0)]
    store.get(key_of(1))
    store.put(key_of(3), 3, cost=1e-6)
    assert order_of_going(store) == [key_of(i).hex() for i in (2, 0, 1, 3)]
    store = disk(policy="cost", clock=clock)
    assert order_of_going(store)[0] == key_of(3).hex()


def test_an_order_of_use_lasts(disk):
    store = disk(policy="lru")
    for i in range(4):
        store.put(key_of(i), i)
    store.get(key_of(0))
    store.close()
    again = disk()
    again.get(key_of(1))
    assert order_of_going(again) == [key_of(i).hex() for i in (2, 3, 0, 1)]


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32),
    max_bytes=st.sampled_from([30_000, 100_000]),
    policy=st.sampled_from(["cost", "lru"]),
)
def test_the_folder_never_holds_more_than_the_budget(
    tmp_path_factory, seed, max_bytes, policy, inside
):
    """Counted from outside after every call, and before and after every file is written."""
    folder = tmp_path_factory.mktemp("cache") / "store"
    rng = np.random.default_rng(seed)

    class Watched(files_module.Files):
        def write(self, name, parts):
            assert inside.bytes_in(folder) + sum(map(len, parts)) <= max_bytes
            super().write(name, parts)
            assert inside.bytes_in(folder) <= max_bytes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("armillary.cache.disk.store.Files", Watched)
        with arm.cache.open("disk", path=folder, max_bytes=max_bytes, policy=policy) as store:
            for _ in range(40):
                key = key_of(int(rng.integers(12)))
                n_bytes = int(10 ** rng.uniform(0, 5))
                kept = store.put(key, np.zeros(n_bytes, "u1"), cost=float(rng.uniform(0, 9)))
                assert kept == (pack(np.zeros(n_bytes, "u1")).stored_bytes <= max_bytes)
                store.get(key_of(int(rng.integers(12))))
                assert inside.bytes_in(folder) <= max_bytes
                assert store.stats().stored_bytes == inside.bytes_in(folder)
    inside.require_tidy(folder)


def test_a_budget_that_shrinks_while_a_file_is_written_holds(disk, folder, monkeypatch, inside):
    store = disk(max_bytes=1_000_000)
    original = files_module.Files.write

    def write(self, name, parts):
        original(self, name, parts)
        disk(max_bytes=20_000)

    monkeypatch.setattr(files_module.Files, "write", write)
    assert store.put(key_of(1), np.zeros(100_000, "u1")) is False
    assert inside.bytes_in(folder) == 0
    inside.require_tidy(folder)


def test_what_is_cleared_while_a_file_is_written_stays_so(disk, folder, monkeypatch, inside):
    store = disk()
    store.put(key_of(0), np.zeros(LARGE))
    original = files_module.Files.write

    def write(self, name, parts):
        original(self, name, parts)
        disk().clear()

    monkeypatch.setattr(files_module.Files, "write", write)
    assert store.put(key_of(1), np.zeros(LARGE)) is False
    assert len(store) == 0 and inside.files_in(folder) == {}
    monkeypatch.undo()
    assert store.put(key_of(1), np.zeros(LARGE))
    assert store.get(key_of(1)) is not None
    disk().close()
    inside.require_tidy(folder)


def test_what_is_cleared_before_a_file_is_begun_is_no_failure(disk, inside, folder, monkeypatch):
    store = disk()
    original = files_module._make_folder

    def make_folder(path):
        original(path)
        disk().clear()

    monkeypatch.setattr(files_module, "_make_folder", make_folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.put(key_of(1), np.zeros(LARGE))
    assert store.stats().failures == 0 and len(store) == 0
    monkeypatch.undo()
    assert store.put(key_of(1), np.zeros(LARGE))
    disk().close()
    inside.require_tidy(folder)


# ------------------------------------------------------------------ large arrays


@pytest.mark.kernel
def test_large_arrays_are_maps_of_their_file_that_begin_on_a_page(disk, folder, inside):
    store = disk()
    value = {"a": np.arange(LARGE, dtype=float), "b": np.ones((300, 400), ">f4"), "c": 1}
    store.put(key_of(1), value)
    found = store.get(key_of(1))
    for name in "ab":
        assert found[name].__array_interface__["data"][0] % 4096 == 0
        assert not found[name].flags.writeable and not found[name].flags.owndata
    (path,) = inside.files_in(folder)
    assert path in Path("/proc/self/maps").read_text() if sys.platform == "linux" else True


@pytest.mark.kernel
def test_large_arrays_outlive_their_entry_and_their_store(disk, folder):
    value = np.arange(LARGE, dtype=float)
    budget = pack(value).stored_bytes + 100
    store = disk(max_bytes=budget)
    found = []
    for end in (
        lambda: store.put(key_of(2), value),  # evicts the first
        lambda: store.delete(key_of(1)),
        lambda: store.put(key_of(1), np.zeros(LARGE)),
        store.clear,
        store.close,
        lambda: shutil.rmtree(folder),
    ):
        if not store._closed:
            store.put(key_of(1), value, cost=1.0)
            found.append(store.get(key_of(1)))
        end()
    gc.collect()
    assert len(found) == 5
    assert all(difference(value, array) == "" for array in found)


@pytest.mark.kernel
def test_a_mapping_ends_with_the_last_array(disk, folder):
    if sys.platform != "linux":
        pytest.skip("only Linux tells")
    store = disk()
    store.put(key_of(1), np.arange(LARGE))
    found = store.get(key_of(1))
    view = found[10:20]
    del found
    store.close()
    gc.collect()
    assert str(folder) in Path("/proc/self/maps").read_text()
    assert view.tolist() == list(range(10, 20))
    del view
    gc.collect()
    assert f"{folder}/entries" not in Path("/proc/self/maps").read_text()


@pytest.mark.kernel
def test_no_descriptor_is_kept_however_many_arrays_there_are(disk):
    if sys.platform != "linux":
        pytest.skip("only Linux tells")
    store = disk()
    for i in range(3 * KEPT):
        store.put(key_of(i), np.full(2 * LARGEST_PACKED, i, "u1"))
    before = len(os.listdir("/proc/self/fd"))
    found = [store.get(key_of(i)) for i in range(3 * KEPT)]
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert all((array == i).all() for i, array in enumerate(found))


def test_a_value_at_the_limit_is_packed_and_one_byte_more_is_not(disk, folder, inside):
    store = disk()
    head = pack(b"").stored_bytes
    for n_bytes in range(LARGEST_PACKED - head - 40, LARGEST_PACKED - head + 40):
        value = b"x" * n_bytes
        store.put(key_of(n_bytes), value)
        assert store.get(key_of(n_bytes)) == value
        ((file, length),) = inside.rows(
            folder, "SELECT file, length(data) FROM entries WHERE key = ?", key_of(n_bytes)
        )
        size = pack(value).stored_bytes
        if size <= LARGEST_PACKED:
            assert file is None and length == size
        else:
            assert (folder / file).stat().st_size == size and length is None
    inside.require_tidy(folder)


# ------------------------------------------------------------------ damage


def test_every_byte_of_a_file_that_is_flipped_is_a_miss_and_removed(disk, folder, inside):
    store = disk()
    value = {"data": np.random.default_rng(1).bytes(2 * LARGEST_PACKED), "n": np.arange(100)}
    size = pack(value).stored_bytes
    rng = np.random.default_rng(2)
    places = {*range(400), *rng.integers(400, size, 150).tolist(), size - 1}
    for n, place in enumerate(sorted(places)):
        store.put(key_of(1), value)
        if n % 2:
            store.get(key_of(1))  # it is mapped now, and what is mapped is looked at again
        (path,) = inside.files_in(folder).values()
        with path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ (0xFF if n % 3 else 0x01)]))
        assert store.get(key_of(1), MISSING) is MISSING, f"byte {place} goes unnoticed"
        assert inside.files_in(folder) == {} and len(store) == 0
    assert store.stats().evictions["corrupt"] == len(places)
    inside.require_tidy(folder)


def test_a_flip_that_leaves_the_time_of_the_file_is_noticed_too(disk, folder, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    assert store.get(key_of(1)) is not None
    (path,) = inside.files_in(folder).values()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"x")
    os.utime(path, ns=times)
    assert store.get(key_of(1), MISSING) is MISSING


def test_every_byte_of_a_packed_entry_that_is_flipped_is_a_miss_and_removed(disk, folder, inside):
    store = disk()
    value = {"time": np.arange(4.0), "name": "x"}
    store.put(key_of(1), value)
    ((data,),) = inside.rows(folder, "SELECT data FROM entries")
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        store.put(key_of(1), value)
        inside.rows(folder, "UPDATE entries SET data = ?", changed)
        assert store.get(key_of(1), MISSING) is MISSING, f"byte {place} goes unnoticed"
        assert len(store) == 0
    assert store.stats().evictions["corrupt"] == len(data)
    inside.require_tidy(folder)


@pytest.mark.parametrize("n_bytes", [0, 1, 56, 4096, -4096, -1])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_file_that_was_cut_short_is_a_miss_and_removed(disk, folder, n_bytes, mapped, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    if mapped:
        store.get(key_of(1))
    (path,) = inside.files_in(folder).values()
    os.truncate(path, n_bytes if n_bytes >= 0 else path.stat().st_size + n_bytes)
    assert store.get(key_of(1), MISSING) is MISSING
    assert inside.files_in(folder) == {} and store.stats().evictions["corrupt"] == 1
    inside.require_tidy(folder)


def test_a_file_that_grew_is_a_miss_and_removed(disk, folder, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    (path,) = inside.files_in(folder).values()
    with path.open("ab") as file:
        file.write(b"\0")
    assert store.get(key_of(1), MISSING) is MISSING and len(store) == 0


def test_a_file_that_is_gone_is_a_miss(disk, folder, inside):
    store = disk()
    for mapped in (False, True):
        store.put(key_of(1), np.zeros(LARGE))
        if mapped:
            store.get(key_of(1))
        (path,) = inside.files_in(folder).values()
        path.unlink()
        assert store.get(key_of(1), MISSING) is MISSING and len(store) == 0
    inside.require_tidy(folder)


def test_the_file_of_another_key_is_a_miss(disk, folder, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    (one,) = inside.files_in(folder).values()
    store.put(key_of(2), np.ones(LARGE))
    (other,) = set(inside.files_in(folder).values()) - {one}
    shutil.copyfile(other, one)
    assert store.get(key_of(1), MISSING) is MISSING
    assert store.get(key_of(2)).sum() == LARGE


def test_verify_removes_what_is_damaged_and_nothing_else(disk, folder, inside):
    store = disk()
    for i in range(20):
        store.put(key_of(i), np.full(LARGE if i % 2 else 10, i))
    files = inside.files_in(folder)
    ((one,), (other,)) = inside.rows(
        folder, "SELECT file FROM entries WHERE key IN (?, ?)", key_of(1), key_of(3)
    )
    files[one].unlink()
    os.truncate(files[other], 100)
    inside.rows(folder, "UPDATE entries SET data = x'00' WHERE key = ?", key_of(4))
    progress = []
    damaged = store.verify(progress=lambda done, total: progress.append((done, total)))
    assert sorted(damaged) == sorted(key_of(i) for i in (1, 3, 4))
    assert progress[-1] == (20, 20)
    assert len(store) == 17 and store.verify() == []
    assert store.stats().evictions["corrupt"] == 3
    inside.require_tidy(folder)


def test_an_entry_that_is_replaced_while_it_is_read_is_not_taken_for_a_damaged_one(
    disk, monkeypatch
):
    store, other = disk(), disk()
    store.put(key_of(1), np.zeros(LARGE))
    find = store._index.find
    replaced = []

    def find_then_replace(key):
        found = find(key)
        if not replaced:
            replaced.append(True)
            other.put(key_of(1), np.ones(LARGE))
        return found

    monkeypatch.setattr(store._index, "find", find_then_replace)
    assert store.get(key_of(1)).sum() == LARGE
    assert store.stats().evictions["corrupt"] == 0


def test_an_entry_that_is_deleted_while_it_is_read_is_a_miss_and_no_damage(disk, monkeypatch):
    store, other = disk(), disk()
    store.put(key_of(1), np.zeros(LARGE))
    find = store._index.find

    def find_then_delete(key):
        found = find(key)
        other.delete(key)
        return found

    monkeypatch.setattr(store._index, "find", find_then_delete)
    assert store.get(key_of(1), MISSING) is MISSING
    assert store.stats().evictions["corrupt"] == 0


# ------------------------------------------------------------------ a damaged index


def damaged_copies(folder, tmp_path):
    """Copies of a store, and what is wrong with the index of each."""
    whole = (folder / INDEX).read_bytes()
    rng = np.random.default_rng(5)

    def copy(name, data):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / INDEX).write_bytes(data)
        return tmp_path / name

    for n_bytes in (1, 15, 16, 100, 1000, *range(4096, len(whole), 8192), len(whole) - 1):
        yield f"cut to {n_bytes} bytes", copy(f"cut{n_bytes}", whole[:n_bytes])
    yield "garbage", copy("garbage", rng.bytes(len(whole)))
    yield "text", copy("text", b"it was here a moment ago\n" * 500)
    yield "zeros", copy("zeros", bytes(len(whole)))
    for i in range(60):
        changed = bytearray(whole)
        last = len(whole) if i % 2 else 4096
        for place in rng.integers(0, last, int(rng.integers(1, 20))):
            changed[place] ^= int(rng.integers(1, 256))
        yield f"flips {i}", copy(f"flips{i}", bytes(changed))


@pytest.mark.filterwarnings("ignore::armillary.cache.CacheWarning")
def test_a_damaged_index_never_gives_a_wrong_answer_and_begins_anew(disk, folder, tmp_path):
    store = disk()
    for i in range(30):
        store.put(key_of(i), i)
        store.put(key_of(("large", i)), np.full(2 * LARGEST_PACKED, i, "u1"))
    store.close()
    for what, path in damaged_copies(folder, tmp_path):
        with arm.cache.open("disk", path=path) as again:
            for i in range(30):
                assert again.get(key_of(i)) in (i, None), what
                found = again.get(key_of(("large", i)))
                assert found is None or (found == i).all(), what
            # Whatever is left can be used, at the second try.
            for value in ("new", np.ones(LARGE)):
                for _ in range(2):
                    again.put(key_of(1), value)
                assert difference(value, again.get(key_of(1))) == "", what
            again.verify()
            assert len(list(again.keys())) > 0, what
            again.clear()
            assert again.put(key_of(1), 1) and len(again) == again.stats().entries == 1, what
        shutil.rmtree(path)


@pytest.mark.parametrize("garbage", [b"garbage" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_for_an_index_is_told_and_leaves_no_files(disk, folder, garbage, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    store.close()
    (folder / INDEX).write_bytes(garbage)
    with pytest.warns(CacheWarning, match="begins anew"):
        store = disk()
    assert len(store) == 0 and inside.files_in(folder) == {}
    assert store.put(key_of(1), np.ones(LARGE)) and store.get(key_of(1)).sum() == LARGE
    inside.require_tidy(folder)


def test_an_index_that_was_removed_begins_anew_and_leaves_no_files(disk, folder, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    store.close()
    (folder / INDEX).unlink()
    assert len(disk()) == 0
    inside.require_tidy(folder)


@pytest.mark.parametrize("pragma", ["user_version = 2", "application_id = 7"])
def test_an_index_of_another_version_begins_anew(disk, folder, pragma, inside):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    store.close()
    inside.rows(folder, f"PRAGMA {pragma}")
    with pytest.warns(CacheWarning, match="begins anew"):
        assert len(disk()) == 0
    inside.require_tidy(folder)


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE entries ADD COLUMN more", "DROP TABLE reserved", "DELETE FROM state",
     "DROP INDEX entries_by_priority", "ALTER TABLE state RENAME COLUMN level TO height"],
)  # fmt: skip
def test_an_index_with_other_tables_begins_anew(disk, folder, change, inside):
    disk().close()
    inside.rows(folder, change)
    with pytest.warns(CacheWarning, match="begins anew"):
        store = disk()
    assert store.put(key_of(1), np.zeros(LARGE)) and len(store) == 1
    inside.require_tidy(folder)


def test_a_store_whose_index_another_began_anew_goes_on_with_that(disk, folder, inside):
    store = disk()
    store.put(key_of(1), 1)
    for ending in ("", "-wal", "-shm"):
        (folder / f"{INDEX}{ending}").unlink()
    other = disk()
    other.put(key_of(2), np.zeros(LARGE))
    assert store.put(key_of(3), 3)
    assert store.get(key_of(2)) is not None and other.get(key_of(3)) == 3
    inside.require_tidy(folder)


def test_an_index_that_is_found_damaged_later_begins_anew(disk, folder, inside):
    store = disk()
    for i in range(200):
        store.put(key_of(i), "x" * 2000)
    store.clear()  # everything of the log is in the file
    for i in range(200):
        store.put(key_of(i), "x" * 2000)
    inside.rows(folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    # From a process of its own: to close the file here would drop the locks of this one.
    says(
        """
        store.close()
        with open(os.path.join(folder, "index.sqlite"), "r+b") as file:
            file.seek(8192)
            file.write(b"\\xff" * 200_000)
        """,
        folder,
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = [store.get(key_of(i)) for i in range(200)]
        assert set(found) <= {None, "x" * 2000}
        store.put(key_of(1), "new")
        store.put(key_of(1), "new")
        assert store.get(key_of(1)) == "new"
    assert any("begins anew" in str(w.message) for w in told)


def test_an_old_journal_is_not_rolled_back_into_a_new_index(disk, folder):
    disk().close()
    (folder / INDEX).write_bytes(b"garbage" * 1000)
    (folder / f"{INDEX}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(4088))
    with pytest.warns(CacheWarning):
        store = disk()
    assert not (folder / f"{INDEX}-journal").exists()
    assert store.put(key_of(1), 1) and store.get(key_of(1)) == 1


# ------------------------------------------------------------------ disks that fail


def counted(store):
    said = store.stats()
    return said.failures, said.entries


def test_a_full_disk_is_told_once_and_nothing_is_kept(disk, folder, monkeypatch, inside):
    store = disk()
    store.put(key_of("before"), np.zeros(LARGE))
    original = files_module._write_all

    def full(file, part):
        original(file, bytes(part)[: len(part) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "_write_all", full)
        with pytest.warns(CacheWarning, match="No space left") as told:
            assert not any(store.put(key_of(i), np.zeros(LARGE)) for i in range(5))
    assert len(told) == 1
    assert counted(store) == (5, 1)
    inside.require_tidy(folder)
    assert store.put(key_of(1), np.zeros(LARGE)) and store.get(key_of("before")) is not None


@posix
def test_a_file_that_may_not_grow_is_told_once(folder, inside):
    """The system itself refuses to write on."""
    program = """
        import resource, warnings
        warnings.simplefilter("always")
        store.put(key_of(0), 0)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            print([store.put(key_of(i), np.zeros(100_000)) for i in (1, 2)], len(told))
        print(store.get(key_of(0)), store.put(key_of(3), 3), store.stats().failures)
        """
    assert says(program, folder).split("\n") == ["[False, False] 1", "0 True 2"]
    inside.require_tidy(folder)


def test_an_index_that_cannot_grow_is_told_once(disk, inside):
    store = disk()
    store.put(key_of(0), 0)
    store._index._writer.execute("PRAGMA max_page_count = 20")
    with pytest.warns(CacheWarning, match="full") as told:
        kept = [store.put(key_of(i), "x" * 5000) for i in range(1, 40)]
    assert not all(kept) and len(told) == 1
    store._index._writer.execute("PRAGMA max_page_count = 100000")
    assert store.get(key_of(0)) == 0 and store.put(key_of(50), 50)
    assert store.stats().failures == kept.count(False)
    inside.require_tidy(store.path)


def test_what_cannot_be_read_is_told_once_and_a_miss(disk, monkeypatch):
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))

    def fails(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "Mapping", fails)
        with pytest.warns(CacheWarning, match="Input/output") as told:
            assert [store.get(key_of(1), MISSING) for _ in range(3)] == [MISSING] * 3
    assert len(told) == 1
    # It may be better tomorrow.
    assert store.get(key_of(1)) is not None


def test_a_folder_that_cannot_be_written_to_cannot_be_opened(disk, folder, monkeypatch):
    folder.mkdir(mode=0o700)

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(folder_module.os, "open", refuse)
    with pytest.raises(OSError, match="denied"):
        disk()


def test_an_index_that_is_locked_is_told_and_no_error(disk, folder, monkeypatch):
    monkeypatch.setattr("armillary.cache.disk.index.BUSY_TIMEOUT", 0.01)
    store = disk()
    store.put(key_of(1), 1)
    with contextlib.closing(sqlite3.connect(folder / INDEX, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(CacheWarning, match="locked"):
            assert store.put(key_of(2), 2) is False
        assert store.get(key_of(1)) == 1  # nobody waits to read
        other.execute("ROLLBACK")
    assert store.put(key_of(2), 2)


def test_a_network_file_system_has_another_journal_and_says_so(disk, folder, monkeypatch, inside):
    monkeypatch.setattr("armillary.cache.disk.index.shared_filesystem", lambda path: "nfs4")
    store = disk()
    store.put(key_of(1), np.zeros(LARGE))
    store.put(key_of(2), 2)
    assert store.journal == "delete (nfs4)"
    assert not (folder / f"{INDEX}-wal").exists()
    assert inside.rows(folder, "PRAGMA journal_mode") == [("delete",)]
    assert disk().get(key_of(2)) == 2
    assert says("print(store.get(key_of(2)), store.journal)", folder) == "2 delete (nfs4)"


def test_a_local_file_system_has_a_write_ahead_log(disk, monkeypatch):
    monkeypatch.setattr("armillary.cache.disk.index.shared_filesystem", lambda path: None)
    assert disk().journal == "wal"


# ------------------------------------------------------------------ the dead


DIES = """
    original = files.Files.write
    def write(self, name, parts):
        if sys.argv[2] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, name, parts if sys.argv[2] == "after" else parts[:3])
        os.kill(os.getpid(), signal.SIGKILL)
    files.Files.write = write
    store.put(key_of("dead"), np.zeros(50_000))
    """


@posix
@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_what_a_killed_process_left_is_cleared_away(disk, folder, moment, inside):
    store = disk(max_bytes=1_000_000)
    store.put(key_of(1), np.zeros(LARGE))
    assert elsewhere(DIES, folder, moment).returncode == -signal.SIGKILL
    assert len(inside.rows(folder, "SELECT * FROM reserved")) == 1
    assert store.get(key_of("dead"), MISSING) is MISSING
    # It is cleared away as soon as its room is needed, and not before the rest would have to go.
    assert store.put(key_of(2), np.zeros(60_000))
    assert store.get(key_of(1)) is not None and store.get(key_of(2)) is not None
    store.stats()
    inside.require_tidy(folder)


@posix
def test_what_a_process_of_another_machine_left_is_cleared_away_in_the_end(
    disk, folder, clock, monkeypatch, inside
):
    clock.now = time.time()
    store = disk(clock=clock)
    assert elsewhere(DIES, folder, "after").returncode == -signal.SIGKILL
    inside.rows(folder, "UPDATE reserved SET host = 'far away'")
    clock.now += LONGEST_WRITE - 60.0
    store.stats()
    assert len(inside.files_in(folder)) == 1  # it may be alive
    clock.now += 120.0
    store.stats()
    inside.require_tidy(folder)
    assert inside.files_in(folder) == {}


def test_what_a_living_process_writes_is_left_alone(disk, folder, monkeypatch, inside):
    store, other = disk(), disk()
    original = files_module.Files.write

    def write(self, name, parts):
        original(self, name, parts)
        assert other.stats().entries == 0 and len(inside.files_in(folder)) == 1

    monkeypatch.setattr(files_module.Files, "write", write)
    assert store.put(key_of(1), np.zeros(LARGE))
    assert other.get(key_of(1)) is not None
    inside.require_tidy(folder)


def test_files_of_before_it_was_cleared_go_at_the_next_opening(disk, folder, inside):
    disk().close()
    (folder / "entries-0123456789ab" / "00").mkdir(parents=True)
    (folder / "entries-0123456789ab" / "00" / "left").write_bytes(bytes(1000))
    disk()
    assert inside.files_in(folder) == {}
    inside.require_tidy(folder)


# ------------------------------------------------------------------ forks


def _uses_everything(store):
    assert store.get(key_of(1)) == 1
    assert store.get(key_of(2)).sum() == LARGE
    assert store.put(key_of(3), 3) and store.put(key_of(4), np.full(LARGE, 4.0))
    assert store.delete(key_of(5)) and len(store) == 4 and store.verify() == []
    store.close()


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_store_can_be_used_on_both_sides_of_a_fork(disk, folder, inside):
    store = disk()
    for name, value in ((1, 1), (2, np.ones(LARGE)), (5, 5)):
        store.put(key_of(name), value)
    in_child(_uses_everything, store)
    in_child(_uses_nothing, store)
    assert store.get(key_of(3)) == 3 and store.get(key_of(4)).sum() == 4 * LARGE
    assert store.get(key_of(5), MISSING) is MISSING
    assert store.put(key_of(6), 6)
    inside.require_tidy(folder)


def _uses_nothing(store):
    pass


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_was_counted_before_a_fork_counts_once(disk):
    store = disk()
    store.put(key_of(1), 1)
    for _ in range(5):
        store.get(key_of(1))
    in_child(lambda: store.close())
    in_child(lambda: store.flush())
    in_child(lambda: store.get(key_of(1)) and store.close())
    assert store.stats().hits == 6


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_outlives_its_parents_store_loses_nothing(folder, inside):
    """Run in a process of its own: the child goes on after the parent has closed its store."""
    program = """
        store.put(key_of(1), 1)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            store.put(key_of(2), 2)
            os.read(read, 1)
            store.put(key_of(3), 3)
            store.put(key_of(4), np.zeros(20_000))
            os._exit(0)
        import time
        while store.get(key_of(2)) is None:
            time.sleep(0.01)
        store.close()
        with arm.cache.open("disk", path=folder) as third:
            third.put(key_of(5), 5)
        import subprocess
        subprocess.run([sys.executable, "-c", f"import armillary as arm;"
            f"arm.cache.open('disk', path={folder!r}).close()"], check=True)
        os.write(write, b"x")
        assert os.waitpid(child, 0)[1] == 0
        store = arm.cache.open("disk", path=folder)
        print([i for i in range(1, 6) if key_of(i) not in store])
        store.close()
        """
    assert says(program, folder) == "[]"
    inside.require_tidy(folder)


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_other_threads_write_leaves_both_sides_well(disk, folder, inside):
    store = disk()
    stop, problems = threading.Event(), []

    def write(number):
        i = 0
        while not stop.is_set():
            i += 1
            if not store.put(key_of((number, i % 5)), np.full(LARGE if i % 2 else 9, number)):
                problems.append("not kept")
            store.get(key_of((number, (i + 1) % 5)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            in_child(_puts_and_gets, store)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert store.get(key_of("child")) == "small" and store.verify() == []
    inside.require_tidy(folder)


def _puts_and_gets(store):
    assert store.put(key_of("child"), "small") and store.put(key_of("large"), np.zeros(LARGE))
    assert store.get(key_of("child")) == "small" and store.get(key_of("large")).sum() == 0


# ------------------------------------------------------------------ sent to another process


def test_a_store_that_is_pickled_is_opened_again(disk, folder):
    store = disk(ttl=50.0, max_bytes=123_456)
    store.put(key_of(1), 1)
    with pickle.loads(pickle.dumps(store)) as again:
        assert again.get(key_of(1)) == 1 and again.path == folder
        assert again.stats().max_bytes == 123_456
        again.put(key_of(2), 2)
        assert {info.expires is None for info in again.entries()} == {False}
    assert store.get(key_of(2)) == 2


def test_a_store_can_be_sent_to_a_process_that_is_spawned(disk):
    store = disk()
    store.put(key_of("a"), np.arange(LARGE))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(DiskStore.get, (store, key_of("a"))).sum() == np.arange(LARGE).sum()


def test_a_store_with_a_clock_of_its_own_is_not_pickled(disk, clock):
    with pytest.raises(TypeError, match="clock"):
        pickle.dumps(disk(clock=clock))


# ------------------------------------------------------------------ time


def test_the_time_of_an_entry_is_that_of_its_writer(disk, clock):
    short, long = disk(ttl=10.0, clock=clock), disk(clock=clock)
    short.put(key_of("short"), 1)
    long.put(key_of("long"), 1)
    clock.now += 11.0
    for store in (short, long):
        assert key_of("short") not in store and key_of("long") in store
    for store in (short, long):
        assert list(store.keys()) == [key_of("long")]
    assert len(short) == 1


def test_what_has_expired_is_removed_from_the_folder(disk, folder, clock, inside):
    store = disk(ttl=10.0, clock=clock)
    store.put(key_of(1), np.zeros(LARGE))
    store.put(key_of(2), 2)
    clock.now += 10.0
    assert store.stats().evictions["expired"] == 2
    assert inside.bytes_in(folder) == 0
    inside.require_tidy(folder)


def test_an_entry_without_a_ttl_survives_any_clock(disk, clock):
    store = disk(clock=clock)
    store.put(key_of(1), 1)
    store.put(key_of(2), np.zeros(LARGE))
    for now in (0.0, 1e12, -1e9, clock.now):
        clock.now = now
        assert store.get(key_of(1)) == 1 and store.get(key_of(2)) is not None


def test_the_usual_clock_is_the_time_of_day(disk):
    store = disk(ttl=1000.0)
    store.put(key_of(1), 1)
    (info,) = store.entries()
    assert abs(info.created - time.time()) < 60 and info.expires == info.created + 1000.0


# ------------------------------------------------------------------ codecs


def test_entries_of_a_codec_are_smaller_and_read_by_whoever_has_it(
    disk, folder, zlib_codec, inside
):
    coded, plain = disk(codec="zlib", level=9), disk()
    value = {"zeros": np.zeros(100_000), "noise": np.random.default_rng(1).bytes(10_000)}
    coded.put(key_of(1), value)
    assert inside.bytes_in(folder) < 20_000 and coded.stats().raw_bytes > 800_000
    for store in (coded, plain, coded, plain):
        found = store.get(key_of(1))
        assert difference(value, found) == "" and not found["zeros"].flags.writeable
    plain.put(key_of(2), value)
    assert difference(value, coded.get(key_of(2))) == ""
    inside.require_tidy(folder)


@pytest.mark.parametrize("n", [10, 100_000])
def test_an_entry_whose_codec_is_not_there_is_left_alone(disk, zlib_codec, n):
    store = disk(codec="zlib")
    store.put(key_of(1), np.zeros(100 + n))
    zlib_codec.uninstall()
    plain = disk()
    with pytest.warns(CacheWarning, match="zlib"):
        assert plain.get(key_of(1), MISSING) is MISSING
    assert plain.verify() == [] and len(plain) == 1
    assert plain.stats().evictions["corrupt"] == 0
    assert store.get(key_of(1)) is not None


def test_a_codec_that_there_is_not_is_an_error(disk):
    with pytest.raises(arm.plugins.UnknownBackend, match=r"cache\.codec"):
        disk(codec="zip")


def test_a_level_without_a_codec_is_an_error(disk):
    with pytest.raises(ValueError, match="level"):
        disk(level=3)


# ------------------------------------------------------------------ the rest


def test_use_after_close_is_an_error_and_opens_nothing(disk, folder):
    store = disk()
    store.put(key_of(1), 1)
    store.close()
    for use in (store.stats, store.flush, store.clear, store.verify, lambda: list(store.entries())):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert not (folder / f"{INDEX}-wal").exists(), "the index is open again"
    assert "closed" in repr(store)


def test_repr_says_where_and_how_it_goes(disk, folder):
    store = disk()
    store.put(key_of(1), 1)
    assert str(folder) in repr(store) and "1 entries" in repr(store)


def test_a_cleared_store_gives_its_room_back(disk, folder, inside):
    store = disk()
    for i in range(300):
        store.put(key_of(i), "x" * 5000)
    inside.rows(folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = (folder / INDEX).stat().st_size
    store.clear()
    assert (folder / INDEX).stat().st_size < before / 5


def test_priorities_of_what_went_do_not_pass_to_what_comes_next(disk):
    store = disk(policy="cost")
    store.put(key_of("a"), "a", cost=1.0)
    for _ in range(50):
        store.get(key_of("a"))  # counted, and not written yet
    store.delete(key_of("a"))
    store.put(key_of("b"), "b", cost=1.0)
    (info,) = store.entries()
    assert info.uses == 1


def test_a_key_is_held_by_one_at_a_time(disk):
    """While one computes, another store of the folder waits, in this process or another."""
    store, other = disk(), disk()
    events = []
    entered, go_on = threading.Event(), threading.Event()

    def first():
        with store.computing(key_of(1)):
            entered.set()
            go_on.wait(20)
            events.append("first done")

    def second():
        entered.wait(20)
        with other.computing(key_of(1)):
            events.append("second")

    threads = [threading.Thread(target=f) for f in (first, second)]
    for thread in threads:
        thread.start()
    entered.wait(20)
    with other.computing(key_of(2)):
        events.append("another key")
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert events == ["another key", "first done", "second"]


def test_whoever_holds_a_key_may_hold_it_again(disk):
    store, other = disk(), disk()
    with store.computing(key_of(1)), store.computing(key_of(1)), other.computing(key_of(1)):
        pass
    with store.computing(key_of(1)):
        pass


@posix
def test_a_key_that_a_killed_process_held_is_free(disk, folder):
    store = disk()
    elsewhere("with store.computing(key_of(1)): os.kill(os.getpid(), signal.SIGKILL)", folder)
    with store.computing(key_of(1)):
        pass


def test_without_such_locks_everybody_computes(disk, monkeypatch):
    monkeypatch.setattr("armillary.cache.disk.locks.AVAILABLE", False)
    with disk().computing(key_of(1)), disk().computing(key_of(1)):
        pass


# ------------------------------------------------------------------ what a reader found


def test_another_policy_ranks_many_entries_in_one_pass(disk):
    store = disk(policy="cost")
    for number in range(3000):
        store.put(key_of(number), number)
    store.get(key_of(0))
    store.flush()
    with disk(policy="lru", max_entries=2) as ranked:
        assert {ranked.get(key_of(n)) for n in (0, 2999)} == {0, 2999}


@forks
def test_a_key_is_free_when_its_parent_is_done_however_long_a_child_lives(folder, disk):
    store = disk()
    with store.computing(key_of("key")):
        child = os.fork()
        if child == 0:
            time.sleep(60.0)
            os._exit(0)
    try:
        free = says(
            """
            with store.computing(key_of("key")):
                print("free")
            """,
            folder,
        )
        assert free == "free"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_clock_may_give_any_kind_of_number(disk):
    for seconds in (np.int64(5), np.float32(5.0), 5):
        with disk(clock=lambda seconds=seconds: seconds, ttl=10.0) as store:
            assert store.put(key_of("key"), 1) and store.get(key_of("key")) == 1
            assert [entry.created for entry in store.entries()] == [5.0]


def test_a_label_may_be_no_text_for_the_world(disk):
    store = disk()
    assert store.put(key_of("key"), 1, label="caf\udce9")
    assert [entry.label for entry in store.entries()] == ["caf\\udce9"]


def test_what_others_let_expire_is_not_counted(disk, clock):
    disk(ttl=10.0, clock=clock).put(key_of("key"), 1)
    other = disk(clock=clock)
    assert len(other) == 1
    clock.now += 11.0
    assert (len(other), list(other.keys()), key_of("key") in other) == (0, [], False)


@pytest.mark.parametrize("way", ["lost", "left open"])
def test_hits_of_a_store_that_nobody_closes_count(folder, disk, way):
    disk().put(key_of("key"), 1, cost=2.0)
    ending = "del store" if way == "lost" else "pass"
    says(f"for _ in range(7):\n    store.get(key_of('key'))\n{ending}", folder)
    stats = disk().stats()
    assert (stats.hits, stats.seconds_saved) == (7, 14.0)


def test_one_who_only_reads_writes_down_his_hits_now_and_then(disk, monkeypatch):
    store = disk()
    store.put(key_of("key"), 1)
    monkeypatch.setattr("armillary.cache.disk.store.INTERVAL", 0.0)
    store.get(key_of("key"))
    assert store._index.state()["hits"] == 1


def test_a_store_that_cannot_be_written_to_can_still_be_looked_at(disk, monkeypatch):
    store = disk()
    store.put(key_of("key"), 1)
    store.get(key_of("key"))

    def full(*arguments, **options):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store._index, "use", full)
    assert (store.stats().hits, store.stats().entries) == (1, 1)
    monkeypatch.undo()


@pytest.mark.parametrize("method", ["keys", "stats", "entries", "verify", "clear", "__len__"])
def test_every_method_begins_anew_where_the_index_is_damaged(disk, folder, method):
    store = disk()
    for number in range(200):
        store.put(key_of(number), number)
    store.flush()
    store._index.close()
    for ending in ("-wal", "-shm"):
        (folder / f"{INDEX}{ending}").unlink(missing_ok=True)
    (folder / INDEX).write_bytes(os.urandom(20_000))
    with pytest.warns(CacheWarning, match="begins anew"):
        getattr(store, method)()
    assert store.put(key_of("new"), 1) and store.get(key_of("new")) == 1


@forks
def test_a_child_that_is_forked_while_a_key_is_held_closes_no_file_of_its_own(disk, tmp_path):
    store = disk()
    ours = tmp_path / "of the child"

    def in_the_child(holding):
        # The number of the lock's descriptor is free now, and is given to this file.
        with open(ours, "w") as file:
            holding.close()
            os.fstat(file.fileno())

    with contextlib.ExitStack() as holding:
        holding.enter_context(store.computing(key_of("key")))
        in_child(in_the_child, holding)


def test_the_mapping_of_a_file_that_was_removed_is_let_go(disk):
    store = disk()
    store.put(key_of("large"), np.zeros(LARGE))
    store.get(key_of("large"))
    assert len(store._files._kept) == 1
    store.delete(key_of("large"))
    assert len(store._files._kept) == 0
