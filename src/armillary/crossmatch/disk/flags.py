"""One bit of news about each row of a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Flags that are written at once.
BLOCK = 1 << 20


class RowFlags:
    """Flags of rows, in a file that is mapped: there may be billions.

    Parameters
    ----------
    n : int
        Rows.
    folder : Path
        Where the file may be.

    Raises
    ------
    OSError
        If the disk is full.
    """

    def __init__(self, n: int, folder: Path) -> None:
        self._array = np.zeros(0, bool)
        if n:
            path = folder / "flags"
            _write_zeros(path, n)
            self._array = np.memmap(path, np.bool_, "r+", shape=(n,))

    def set(self, rows: np.ndarray) -> None:
        self._array[rows] = True

    def of(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._array[rows])

    def count(self) -> int:
        return int(np.count_nonzero(self._array))

    def close(self) -> None:
        self._array = np.zeros(0, bool)


def _write_zeros(path: Path, n: int) -> None:
    """A file of zeros that has its place on the disk: a map of one that has not dies of SIGBUS."""
    with open(path, "wb") as file:
        for first in range(0, n, BLOCK):
            file.write(bytes(min(BLOCK, n - first)))
