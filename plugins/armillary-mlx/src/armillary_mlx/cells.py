"""The light curve on the host, cut into cells: where cycles begin, and what boxes hold.

All of it is float64 and whole numbers, and says the same as the definition of the box search
(``armillary.search.box.reference``, whose equations are cited). A box is made of runs of cells, one
in each cycle; what it holds is a sum of differences of prefix sums, two for each cycle, whatever
the number of points.

Gaps are shortened until just no row, the cells of one cycle that boxes can hold, reaches across.
Cells are numbered after that: of each row, the first is found by its first point, and the others
follow.
"""

from __future__ import annotations

import numpy as np

from armillary.search.box.reference import CELLS_PER_BIN, OFFSET

from .points import Points

#: Most cells of a light curve, which take 60 bytes each while tables are made of them.
MAX_CELLS = 2**24


class Cells:
    """The points in cells of one width.

    Parameters
    ----------
    points : Points
    width : float
        Width of a cell (days).
    longest_row : int
        Most bins of a row.

    Raises
    ------
    ValueError
        If there are more than ``MAX_CELLS``.

    Attributes
    ----------
    n : int
        Cells from the first point to the last, gaps shortened, and those of the gap before.
    """

    def __init__(self, points: Points, width: float, longest_row: int) -> None:
        self.points = points
        self.width = width
        self._cell = np.floor(points.time / width + OFFSET).astype(np.int64)  # (6)
        gap = CELLS_PER_BIN * (longest_row + 1)
        steps = np.minimum(np.diff(self._cell, prepend=self._cell[0] - gap), gap)
        self._number = np.cumsum(steps)
        self.n = int(self._number[-1]) + 1
        self._n_columns = -(-(self.n + gap) // CELLS_PER_BIN)
        if self.n > MAX_CELLS:
            raise ValueError(
                f"mlx would cut a light curve of {points.time[-1]:.6g} d into {self.n:,} cells of "
                f"{width:.3g} d, shortest duration / (oversample x {CELLS_PER_BIN}), more than "
                f"{MAX_CELLS:,}; raise the shortest duration, lower oversample, or use another "
                f"backend"
            )
        self._first_point = np.searchsorted(self._number, np.arange(self.n + 1)).astype(np.int32)
        self._weight_before = np.append(0.0, np.cumsum(points.weight))
        self._signal_before = np.append(0.0, np.cumsum(points.weight * points.residual))

    @property
    def n_with_gaps(self) -> int:
        """Cells from the first point to the last, all of every gap included."""
        return int(self._cell[-1]) + 1

    def rows(self, cells_per_period: np.ndarray, n_bins: int) -> np.ndarray:
        """The first cells of all rows that hold points.

        Parameters
        ----------
        cells_per_period : ndarray, shape (p,)
        n_bins : int
            Bins of a row.

        Returns
        -------
        ndarray of int, shape (p, k)
            As many as the period with the most has; others are filled up with rows without points.
        """
        cycle = np.arange(-1, most_cycles(self.n_with_gaps, cells_per_period) - 1)
        begin = np.floor(cycle * cells_per_period[:, None] + 0.5).astype(np.int64)  # (7)
        point = np.searchsorted(self._cell, begin)
        point_after = np.searchsorted(self._cell, begin + CELLS_PER_BIN * n_bins)
        filled = point_after > point
        point[~filled] = 0
        number = self._number[point] - (self._cell[point] - begin)
        number[~filled] = self.n
        order = np.argsort(~filled, axis=1, kind="stable")[:, : filled.sum(axis=1).max()]
        return np.take_along_axis(number, order, axis=1)

    def box_sums(self, first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight and signal of the cells ``first .. stop - 1``, summed over cycles, axis 1 (10)."""
        before = self._first_point.take(first, mode="clip")
        after = self._first_point.take(stop, mode="clip")
        return (
            (self._weight_before[after] - self._weight_before[before]).sum(axis=1),
            (self._signal_before[after] - self._signal_before[before]).sum(axis=1),
        )

    def tables(self) -> np.ndarray:
        """What bins that begin at each cell hold: weights and signals, for the device.

        Scaled such that delta_chi2 of a box is a part of the chi2 of a constant flux, and no
        number of any light curve leaves the range of float32.

        Returns
        -------
        ndarray of float32, shape (2, CELLS_PER_BIN * columns)
            The bin that begins at cell j is at ``offsets(j)``, the next bin after it.
        """
        points = self.points
        weight = points.weight / points.total
        signal = weight * (points.residual / points.scatter)
        return np.stack([self._table(weight), self._table(signal)]).astype(np.float32)

    def offsets(self, rows: np.ndarray) -> np.ndarray:
        """Where in the tables rows begin."""
        column, phase = np.divmod(rows, CELLS_PER_BIN)
        return (phase * self._n_columns + column).astype(np.int32)

    def _table(self, values: np.ndarray) -> np.ndarray:
        n = self._n_columns * CELLS_PER_BIN
        cells = np.bincount(self._number, values, minlength=n + CELLS_PER_BIN)
        bins = np.sum([cells[i : i + n] for i in range(CELLS_PER_BIN)], axis=0)
        return bins.reshape(-1, CELLS_PER_BIN).T.ravel()


def most_cycles(n_cells: float, cells_per_period: np.ndarray) -> int:
    """Cycles that begin within so many cells, the one before the first included, or more."""
    return int(n_cells / cells_per_period.min()) + 3
