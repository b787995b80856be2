"""What matching on disk asks of the rows of a side, wherever they lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .pixels import Range
from .side import Side

if TYPE_CHECKING:
    import pyarrow as pa

#: Order of the pixels in which rows are counted, to plan with: 49,152 of a degree; and how
#: many bits they are shorter than those by which rows are sorted.
COUNT_ORDER = 6
COUNT_SHIFT = 6
N_COUNTS = 12 << (2 * COUNT_ORDER)


class Rows(ABC):
    """The rows of a catalogue, patch by patch.

    Attributes
    ----------
    side : Side
        Which columns there are.
    n_rows, n_dropped : int
        Rows in all, and those that can match nothing.
    largest_error : float
        Arcseconds; 0 if errors are not needed.
    counts : ndarray of int
        Rows in each pixel of COUNT_ORDER, and last those without a position.
    """

    side: Side
    n_rows: int
    n_dropped: int
    largest_error: float
    counts: np.ndarray

    @abstractmethod
    def read(self, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges of pixels, along the sky: by pixel, then by row number."""

    def read_near(self, home: Range, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges around a patch, in no order."""
        return self.read(ranges)

    @abstractmethod
    def unknown(self) -> pa.Table:
        """The rows without a position."""

    @abstractmethod
    def counts_within(self, first: int, last: int) -> np.ndarray:
        """Rows in each pixel of a range."""

    @abstractmethod
    def bytes_per_row(self) -> float:
        """Memory of a row, on average."""

    @property
    def edges(self) -> list[int]:
        """Pixels at which a patch should end."""
        return []
