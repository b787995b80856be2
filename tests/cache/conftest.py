"""Stores in folders of their own, and nothing that a user or a plugin has chosen."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import types
import zlib

import numpy as np
import pytest

import armillary as arm
from armillary.cache import choice
from armillary.cache.codec import _with_defaults
from armillary.cache.keys import key_of
from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry, load_registry, set_registry


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No setting of the environment, no store opened by name, only core installed."""
    for name in list(os.environ):
        if name.startswith("ARMILLARY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(choice, "_named", {})
    monkeypatch.setattr(choice, "_broken", set())
    before = set_registry(load_registry(found=[]))
    yield
    choice.close_named()
    set_registry(before)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """Seconds that pass when the test says so."""
    return Clock()


@pytest.fixture
def folder(tmp_path):
    """Where the store of a test is; not there yet."""
    return tmp_path / "store"


@pytest.fixture
def disk(folder):
    """A function that opens the store on disk of this test; all are closed in the end."""
    stores = []

    def open_store(path=folder, **options):
        stores.append(arm.cache.open("disk", path=path, **options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def memory():
    """A function that opens stores in memory; all are closed in the end."""
    stores = []

    def open_store(**options):
        stores.append(arm.cache.open("memory", **options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def periodic():
    """A light curve and trial periods, small enough to be searched in a moment."""
    time = np.arange(0.0, 8.0, 0.05)
    flux = 1.0 + 1e-3 * np.sin(time**2)
    return {"time": time, "flux": flux, "period": np.array([0.9, 1.7, 2.2]), "duration": 0.1}


@pytest.fixture(scope="session")
def key():
    """The key of a name."""
    return lambda name: key_of(["test", name])


@pytest.fixture(scope="session")
def noise():
    """A function that makes an array of so many bytes, which no codec makes smaller."""
    return lambda n_bytes, seed=0: np.frombuffer(np.random.default_rng(seed).bytes(n_bytes), "u1")


class Zlib:
    """A codec, as a plugin would bring one."""

    name = "zlib"

    def __init__(self, level=6):
        self.level = level

    def encode(self, data, itemsize):
        """Smaller, if it is text or zeros."""
        return zlib.compress(data, self.level)

    def decode(self, stored, into):
        """As it was."""
        try:
            into[:] = zlib.decompress(stored)
        except zlib.error as error:
            raise ValueError(str(error)) from error


@pytest.fixture
def zlib_codec(monkeypatch):
    """Register the codec "zlib"; give it, and a function that takes it away again."""
    module = types.ModuleType("armillary_test_codecs")
    module.Zlib = Zlib
    monkeypatch.setitem(sys.modules, module.__name__, module)
    record = Implementation(
        operation="cache.codec", name="zlib", target=f"{module.__name__}:Zlib", api=1
    )
    codecs = get_registry().implementations["cache.codec"]
    codecs["zlib"] = Registered(record, "armillary-zlib", "1.0")
    _with_defaults.cache_clear()

    def uninstall():
        codecs.pop("zlib", None)
        _with_defaults.cache_clear()

    yield types.SimpleNamespace(codec=Zlib(), uninstall=uninstall)
    _with_defaults.cache_clear()


# ------------------------------------------------------------------ what is in a folder

INDEX = "index.sqlite"


def rows(folder, question, *values):
    """What the index says, to a reader of its own; through SQLite, which knows its locks."""
    connection = sqlite3.connect(folder / INDEX, timeout=30, isolation_level=None)
    with contextlib.closing(connection):
        return connection.execute(question, values).fetchall()


def files_in(folder):
    """The files of large entries, by their name in the index."""
    return {
        str(path.relative_to(folder)): path
        for path in folder.glob("entries-*/**/*")
        if path.is_file()
    }


def bytes_in(folder):
    """Bytes of all entries that are in a folder."""
    ((packed,),) = rows(folder, "SELECT coalesce(sum(length(data)), 0) FROM entries")
    return packed + sum(path.stat().st_size for path in files_in(folder).values())


def require_tidy(folder):
    """Every file has its entry and every large entry its file; the sums are right."""
    named = {file for (file,) in rows(folder, "SELECT file FROM entries WHERE file IS NOT NULL")}
    assert files_in(folder).keys() == named
    ((entries, stored, raw, reserved),) = rows(
        folder, "SELECT entries, stored_bytes, raw_bytes, reserved_bytes FROM state"
    )
    ((n, stored_sum, raw_sum),) = rows(
        folder,
        "SELECT count(*), coalesce(sum(stored_bytes), 0), coalesce(sum(raw_bytes), 0) FROM entries",
    )
    assert (entries, stored, raw, reserved) == (n, stored_sum, raw_sum, 0)
    assert stored == bytes_in(folder)
    assert rows(folder, "SELECT * FROM reserved") == []
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
    known = {"ARMILLARY-CACHE", INDEX, f"{INDEX}-wal", f"{INDEX}-shm", "lock"}
    folders = {path.name for path in folder.glob("entries-*")}
    assert {path.name for path in folder.iterdir()} <= known | folders and len(folders) <= 1


@pytest.fixture(scope="session")
def inside():
    """Functions that look into the folder of a store, past the store."""
    return types.SimpleNamespace(
        rows=rows, files_in=files_in, bytes_in=bytes_in, require_tidy=require_tidy
    )
