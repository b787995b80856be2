"""Which files are meant: by a path, several, a folder, or a pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...io.catalog_hats import is_hats

#: How files end that a folder is searched for; each also gzipped, but Parquet.
SUFFIXES = (".parquet", ".pq", ".fits", ".fit", ".csv", ".tsv", ".ecsv", ".vot", ".votable", ".xml")
_GZIPPED = ".gz"
#: How names begin that are hidden, or are about other files.
_LEFT_OUT = (".", "_")


def catalog_paths(inputs: Any) -> list[Path]:
    """The catalogues that are meant, in the order of their rows.

    Parameters
    ----------
    inputs : path, or sequence of paths
        A file, a folder, a HATS catalogue, or a pattern with ``*``, ``?``, ``[...]`` or ``**``.

    Raises
    ------
    TypeError
        If something is no path.
    FileNotFoundError
        If there is nothing at a path, in a folder, or for a pattern.
    ValueError
        If no input is given, or one twice.
    """
    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise TypeError(f"inputs must be a path or a sequence of paths, not {inputs!r:.60}")
    paths = [path for one in given for path in _expanded(one)]
    if not paths:
        raise ValueError("inputs names no catalogue")
    _refuse_repeated(paths)
    return paths


def _expanded(given: Any) -> list[Path]:
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"inputs must be a path or a sequence of paths, not of {given!r:.60}")
    if not os.fspath(given):
        raise ValueError("inputs: the path of a catalogue is empty")
    path = Path(given)
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        return [path]
    if glob.has_magic(str(path)):
        return _of_pattern(str(path))
    raise FileNotFoundError(f"there is no file or folder {str(path)!r}")


def _of_folder(folder: Path) -> list[Path]:
    if is_hats(folder):
        return [folder]
    paths = sorted(_catalogs_below(folder), key=_as_parts)
    if not paths:
        kinds = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise FileNotFoundError(f"the folder {str(folder)!r} holds no catalogue ({kinds})")
    return paths


def _catalogs_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        left_out = any(part.startswith(_LEFT_OUT) for part in parts)
        name = path.name.lower().removesuffix(_GZIPPED)
        if name.endswith(SUFFIXES) and not left_out and path.is_file():
            yield path


def _of_pattern(pattern: str) -> list[Path]:
    found = sorted(map(Path, glob.glob(pattern, recursive=True)), key=_as_parts)
    if not found:
        raise FileNotFoundError(f"there is no file that matches {pattern!r}")
    return [path for match in found for path in (_of_folder(match) if match.is_dir() else [match])]


def _as_parts(path: Path) -> tuple[str, ...]:
    """What paths are sorted by: the same order on every platform."""
    return path.parts


def _refuse_repeated(paths: list[Path]) -> None:
    seen: dict[Path, Path] = {}
    for path in paths:
        earlier = seen.setdefault(path.resolve(), path)
        if earlier is not path:
            again = "" if earlier == path else f", once as {str(earlier)!r}"
            raise ValueError(f"inputs names {str(path)!r} twice{again}; its rows would be doubled")
