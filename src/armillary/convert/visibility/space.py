"""Room on a disk: asked for before it is used up.

casacore and HDF5 find out that a disk is full when they flush what they hold, and then end the
process, now or later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

#: Bytes beside the data: headers, subtables, what libraries have in hand.
SPARE = 16 << 20


def require_space(path: Path, n_bytes: int) -> None:
    """Make sure that there is room for what is to be written.

    Parameters
    ----------
    path : Path
        The output, in a temporary folder beside its place.
    n_bytes : int

    Raises
    ------
    OSError
        If there is not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < n_bytes + SPARE:
        raise OSError(
            errno.ENOSPC,
            f"No space left on device: {path.name!r} needs {(n_bytes + SPARE) / 1e6:,.0f} MB more, "
            f"and {free / 1e6:,.0f} MB are free",
        )


def give_back(path: Path) -> None:
    """Empty the files of an output that nobody wants, so that closing it finds room."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with contextlib.suppress(OSError):
                os.truncate(file, 0)
