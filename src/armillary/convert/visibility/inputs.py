"""Which files are meant by the inputs of a conversion."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Suffixes of files that are looked for in a folder.
SUFFIXES = (".uvh5", ".hdf5", ".h5")


def files_of(inputs: Any) -> list[Path]:
    """Files, those of folders, and those of patterns, each once.

    Parameters
    ----------
    inputs : path or sequence of paths
        A folder stands for its files with a suffix of HDF5.

    Raises
    ------
    FileNotFoundError
        If a path does not exist, or a folder or a pattern has no file.
    TypeError
        If it is none of these.
    """
    given: Sequence[Any] = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    if not isinstance(given, Sequence):
        given = list(given)
    found: dict[Path, Path] = {}
    for one in given:
        if not isinstance(one, (str, os.PathLike)):
            raise TypeError(f"inputs must be paths, not {one!r:.60}")
        for path in _expanded(Path(one)):
            found.setdefault(path.resolve(), path)
    if not found:
        raise FileNotFoundError("inputs names no file")
    return list(found.values())


def _is_meant(path: Path) -> bool:
    """Whether a file of a folder is one of those; hidden ones are others' business."""
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _expanded(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if _is_meant(p))
        if not inside:
            raise FileNotFoundError(
                f"the folder {str(path)!r} has no file that ends in {', '.join(SUFFIXES)}"
            )
        return inside
    if path.exists() or not glob.has_magic(str(path)):
        if not path.exists():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        return [path]
    matching = sorted(Path(name) for name in glob.glob(str(path)))
    if not matching:
        raise FileNotFoundError(f"no file matches {str(path)!r}")
    return matching
