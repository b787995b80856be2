"""Where an observation goes: its name, and how it gets it when it is whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..._files import check_destination
from ..formats import Format
from ..time_names import time_name
from .sources import writer_of

#: Suffix -> format.
FORMATS = {".ms": "ms", ".uvh5": "uvh5"}
#: What a folder has that is a table of casacore.
TABLE = "table.dat"
#: What stands for the time of an observation in the name of its output.
TIME = "{time}"


def format_of(out: Path, asked: str | None) -> str | Format:
    """The format of an output: one of ours, or the converter of a plugin.

    Raises
    ------
    ValueError
        If there is none of that name, or none with that suffix.
    """
    known = ", ".join(map(repr, FORMATS.values()))
    if asked is not None:
        if asked not in FORMATS.values():
            raise ValueError(f"format must be one of {known}, not {asked!r}")
        return asked
    format = FORMATS.get(out.suffix.lower()) or writer_of(out)
    if format is None:
        raise ValueError(
            f"the format of {out.name!r} is not known from its suffix, which must be one of "
            f"{', '.join(FORMATS)}; or say format=, one of {known}"
        )
    return format


def outputs(out: Path, first_times: list[float]) -> list[Path]:
    """The outputs of observations that begin at these times (Julian date, UTC).

    Raises
    ------
    ValueError
        If there are several and the name has no place for the time, or two have the same.
    """
    if TIME not in out.name:
        if len(first_times) > 1:
            raise ValueError(
                f"there are {len(first_times)} observations; out must then have {TIME} in its "
                f"name, which {out.name!r} has not (a larger time_tolerance would join them)"
            )
        return [out] * len(first_times)
    named = [out.with_name(out.name.replace(TIME, time_name(time))) for time in first_times]
    twice = [path for path in named if named.count(path) > 1]
    if twice:
        raise ValueError(f"two observations would both be named {str(twice[0])!r}")
    return named


def check_output(out: Path, kind: str | Format, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Make sure, before any work, that an output can be written and takes nobody's place.

    Raises
    ------
    FileExistsError
        If it is there already and may not be replaced, or is something that no conversion wrote.
    ValueError
        If it is one of the inputs, or a folder that holds one.
    OSError
        If nothing can be written there.
    """
    place = out.resolve()
    for path in inputs:
        if place == path.resolve() or place in path.resolve().parents:
            raise ValueError(f"out may not be or hold one of the inputs, as {str(out)!r} would")
    if not out.exists():
        check_destination(out)
        return
    if not overwrite:
        raise FileExistsError(f"{str(out)!r} is there already; overwrite=True replaces it")
    if not _is_of_kind(out, kind):
        raise FileExistsError(
            f"{str(out)!r} is there already and no output of such a conversion; it is not replaced"
        )
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"nothing can be written into the folder {str(out.parent)!r}")


def _is_of_kind(out: Path, kind: str | Format) -> bool:
    """Whether something may be an earlier output."""
    import h5py

    if kind == "ms":
        return (out / TABLE).is_file()
    return out.is_file() and (kind != "uvh5" or h5py.is_hdf5(out))


def put_in_place(new: Path, out: Path, room: Path, overwrite: bool) -> None:
    """Give an output its name.

    What had it before goes to a temporary folder, which is removed, and comes back if the output
    cannot take its place.

    Raises
    ------
    FileExistsError
        If something took the name meanwhile, and may not be replaced.
    """
    if not overwrite:
        if out.exists():
            raise FileExistsError(f"{str(out)!r} appeared while it was being made")
        os.rename(new, out)
        return
    if out.exists() and (out.is_dir() or new.is_dir()):
        old = room / f"{out.name}.old"
        os.rename(out, old)
        try:
            os.rename(new, out)
        except BaseException:
            os.rename(old, out)
            raise
        return
    os.replace(new, out)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
