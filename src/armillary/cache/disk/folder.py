"""The folder of a store: where it is, whose it is, and what may be in it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

#: Variable that names the folder where a call does not.
VARIABLE = "ARMILLARY_CACHE_PATH"
#: The file by which a folder is known to be a store.
MARKER = "ARMILLARY-CACHE"
TEXT = "A cache of armillary, form 1. It can be deleted at any time.\n"
INDEX = "index.sqlite"
#: Names that belong to a store; a folder with others is somebody's.
NAMES = frozenset((MARKER, INDEX, f"{INDEX}-wal", f"{INDEX}-shm", f"{INDEX}-journal", "lock"))
#: Begins the names of the folders of large entries.
ENTRIES = "entries-"


def default_path() -> Path:
    """``ARMILLARY_CACHE_PATH``, or the folder that the system has for caches."""
    import platformdirs

    given = os.environ.get(VARIABLE, "").strip()
    return Path(given) if given else platformdirs.user_cache_path("armillary") / "results"


def chosen_path(path: Any) -> Path:
    """The ``path`` argument of a store; None means :func:`default_path`.

    Raises
    ------
    TypeError
        If it is no path.
    """
    if path is None:
        return default_path().absolute()
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path or None, not {path!r}")
    if not os.fspath(path):
        raise ValueError("path must name a folder; it is empty")
    return Path(os.fspath(path)).expanduser().absolute()


def prepare(path: Path) -> None:
    """Make the folder of a store, or make sure that it is one that nobody else can write to.

    Raises
    ------
    NotADirectoryError
        If the path is a file.
    PermissionError
        If the folder belongs to somebody else.
    FileExistsError
        If it holds anything that is not of a store.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"{str(path)!r} is a file, not a folder for a cache") from None
    check_owner(path)
    stranger = _stranger(path)
    if stranger is not None:
        raise FileExistsError(
            f"{str(path)!r} holds {stranger!r}, which is not of a cache; give an empty folder, or "
            f"one that does not exist"
        )
    if hasattr(os, "geteuid") and stat.S_IMODE(path.stat().st_mode) != 0o700:
        path.chmod(0o700)
    _write_marker(path)


def check_owner(path: Path) -> None:
    """Refuse a folder of somebody else: what is read from it would be theirs.

    Raises
    ------
    PermissionError
        If it is not ours.
    """
    if not hasattr(os, "geteuid"):
        return  # Windows: the folder is below the user's own
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise PermissionError(
            f"{str(path)!r} belongs to user {owner}, and this is user {os.geteuid()}; a cache must "
            f"belong to who reads it"
        )


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return (path / MARKER).is_file()


def _stranger(path: Path) -> str | None:
    """A name in a folder that is not of a store; without the marker none is."""
    found = sorted(os.listdir(path))
    if found and not is_store(path):
        return found[0]
    strangers = [name for name in found if name not in NAMES and not name.startswith(ENTRIES)]
    return strangers[0] if strangers else None


def _write_marker(path: Path) -> None:
    # That it is there says all, so that it may be there before its text.
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path / MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(TEXT)
