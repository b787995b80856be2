"""Large entries: a file each, written once, mapped to be read, never changed."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..codec import Codec
from ..encoding import Builder, Damaged
from ..entry import Entry, is_coded, open_entry, value_builder, verify
from .index import Found
from .mapping import Mapping

#: Mappings that are kept for the next hit, which is half as long then, and their bytes: as long as
#: a file is mapped, the disk does not get its room back.
KEPT, KEPT_BYTES = 32, 1 << 28


class _Kept(NamedTuple):
    """A file that is mapped, what the index says of it, and how its value is built."""

    row: Found
    status: tuple[int, int, int]
    entry: Entry
    build: Builder | None


class Files:
    """The files of a store.

    A file is removed before the index forgets it, and no name is ever used twice: as long as it
    is there, what the index said of it is true, and a hit need not ask again.

    Parameters
    ----------
    root : Path
        The folder that their names are relative to.
    """

    def __init__(self, root: Path) -> None:
        # As text: to put a Path together takes longer than to look at the file.
        self._root = f"{root}{os.sep}"
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, name: str, parts: Sequence[Any]) -> None:
        """Write a file; nobody knows its name before it is complete.

        Raises
        ------
        OSError
            If it cannot be written; nothing is left of it then.
        """
        path = self._root + name
        _make_folder(os.path.dirname(path))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for part in parts:
                    _write_all(file, part)
        except BaseException:
            self.remove(name)
            raise

    def remove(self, name: str) -> None:
        """Remove a file; arrays that are mapped from it stay as they are."""
        with self._lock:
            # Or the disk would not get its room back.
            for key in [key for key, kept in self._kept.items() if kept.row.file == name]:
                del self._kept[key]
        with contextlib.suppress(OSError):
            os.unlink(self._root + name)

    def known(self, key: bytes) -> Found | None:
        """What the index said of the file of a key, if it is mapped and has not changed since."""
        if key not in self._kept:
            return None
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
        try:
            if self._status(kept.row.file) == kept.status:
                return kept.row
        except OSError:
            pass
        self.let_go(key)
        return None

    def value(self, key: bytes, row: Found, codec: Codec | None) -> Any:
        """The value in a file, every byte of which is compared with its checksum.

        Raises
        ------
        Damaged
            If it is not what was written.
        FileNotFoundError
            If it is gone.
        OSError
            If it cannot be read.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.row is row:
            verify(kept.entry.data)
        else:
            kept = self._opened(key, row, codec)
        return (kept.build or value_builder(kept.entry, codec))()

    def _opened(self, key: bytes, row: Found, codec: Codec | None) -> _Kept:
        status = self._status(row.file)
        if status[1] != row.stored_bytes:
            # A mapped file that was cut short would end the process at the first look.
            raise Damaged(f"it has {status[1]} bytes, not {row.stored_bytes}")
        entry = open_entry(key, self._mapped(row.file, row.stored_bytes))
        kept = _Kept(row, status, entry, None if is_coded(entry) else value_builder(entry, codec))
        with self._lock:
            self._kept[key] = kept
            while len(self._kept) > KEPT or self._kept_bytes() > KEPT_BYTES:
                self._kept.popitem(last=False)
        return kept

    def _kept_bytes(self) -> int:
        return sum(kept.row.stored_bytes for kept in self._kept.values())

    def _status(self, name: str | None) -> tuple[int, int, int]:
        found = os.stat(f"{self._root}{name}")
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _mapped(self, name: str | None, n_bytes: int) -> memoryview:
        descriptor = os.open(f"{self._root}{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return memoryview(Mapping(descriptor, n_bytes))
        finally:
            os.close(descriptor)

    def let_go(self, key: bytes | None = None) -> None:
        """Keep the mapping of a key no longer; for None, none."""
        with self._lock:
            if key is None:
                self._kept.clear()
            else:
                self._kept.pop(key, None)


def new_name(folder: str, key: bytes) -> str:
    """A name that no file ever had: so that one who reads an older entry is not disturbed.

    One folder for all would grow slow with a million files.
    """
    digits = key.hex()
    return f"{folder}/{digits[:2]}/{digits[:16]}-{uuid.uuid4().hex}"


def _write_all(file: Any, part: Any) -> None:
    rest = memoryview(part).cast("B") if len(part) else memoryview(b"")
    while len(rest):
        rest = rest[file.write(rest) :]


def _make_folder(path: str) -> None:
    """A folder for nobody else, and the one above it; os.makedirs would open that to others."""
    for each in (os.path.dirname(path), path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o700)
