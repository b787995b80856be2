"""Write a file whole or not at all, where a file can be written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name only when it is complete; on an error nothing is left."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def check_destination(path: Path) -> None:
    """Make sure, before any work, that a file can be written to this path.

    Raises
    ------
    IsADirectoryError
        If the path is a folder.
    FileNotFoundError
        If the folder of the file does not exist.
    PermissionError
        If nothing can be written into that folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder, not a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} for {path.name!r}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"nothing can be written into the folder {str(path.parent)!r}")


def identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """Which files and folders these are, by whatever name they are called, of those that exist."""
    found = (path.stat() for path in paths if path.exists())
    return {(status.st_dev, status.st_ino) for status in found}


def refuse_input(out: Path, inputs: Iterable[Path]) -> None:
    """Make sure, before any work, that no input is replaced by what is made of it.

    Raises
    ------
    ValueError
        If ``out`` is the same file or folder as one of the inputs.
    """
    if identities([out]) & identities(inputs):
        raise ValueError(f"{str(out)!r} is one of the inputs, and cannot be out as well")


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Make a folder if it is not there.

    Parameters
    ----------
    path : Path
        The folder.
    parents : bool
        Make the folders above it, too.

    Raises
    ------
    NotADirectoryError
        If the path, or one above it, is a file.
    FileNotFoundError
        If the folder above does not exist and ``parents`` is false.
    PermissionError
        If nothing can be written into the folder above.
    """
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"{str(place)!r} is a file, not a folder")
    if path.is_dir():
        return
    if parents:
        make_folder(path.parent, parents=True)
    check_destination(path)
    path.mkdir(exist_ok=True)


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
