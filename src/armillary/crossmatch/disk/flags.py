"""One bit of news about each row of a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np


class RowFlags:
    """Flags of rows, in a file that is mapped: there may be billions.

    Parameters
    ----------
    n : int
        Rows.
    folder : Path
        Where the file may be.
    """

    def __init__(self, n: int, folder: Path) -> None:
        self._array = (
            np.memmap(folder / "flags", np.bool_, "w+", shape=(n,)) if n else np.zeros(0, bool)
        )

    def set(self, rows: np.ndarray) -> None:
        self._array[rows] = True

    def of(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._array[rows])

    def count(self) -> int:
        return int(np.count_nonzero(self._array))

    def close(self) -> None:
        self._array = np.zeros(0, bool)
