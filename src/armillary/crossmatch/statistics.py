"""How far apart matched sources are, and in which direction, counted as pairs come in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._words import counted

#: Bins of the histograms that are shown, and of the finer ones behind the medians.
SEPARATION_BINS = 200
OFFSET_BINS = 101
FINE_BINS = 10_000
FINE_OFFSET_BINS = OFFSET_BINS**2  # odd: no offset is the middle of a bin

#: The range of a histogram (arcsec): from what is measured at best to half a circle.
NARROWEST = 1e-6
WIDEST = 180 * 3600.0

#: Pairs that are looked at together: their temporary arrays stay in the cache of a processor.
BLOCK_PAIRS = 1 << 13

#: How far rounding may carry a separation past the largest, as a fraction of it.
ROUNDING = 1e-9


class PairStatistics:
    """Histograms of the separations and offsets of pairs that come in blocks.

    It takes less than a megabyte, however many pairs there are.

    Parameters
    ----------
    largest : float
        Largest separation that can come (arcsec), where the histograms end. Less than a
        microarcsecond counts as one microarcsecond, more than 180 degrees as 180 degrees.

    Attributes
    ----------
    largest : float
        Where the histograms end (arcsec).
    n_pairs, n_offsets : int
        Separations and offsets so far.
    offset_counts : ndarray of int64, shape (101, 101)
        Pairs by offset, north by east.
    offset_edges : ndarray of float64, shape (102,)
        Edges of these bins in both directions (arcsec), from ``-largest`` to ``largest``.

    Raises
    ------
    ValueError
        If ``largest`` is negative or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from armillary.crossmatch.statistics import PairStatistics
    >>> pairs = PairStatistics(1.0)
    >>> pairs.add(np.array([0.3, 0.5]), np.array([0.3, 0.3]), np.array([0.0, -0.4]))
    >>> pairs
    PairStatistics of 2 pairs: median 0.4 arcsec, offset +0.300 east, -0.200 north
    """

    def __init__(self, largest: float) -> None:
        if not largest >= 0.0:
            raise ValueError(f"largest must not be negative or NaN (arcsec), not {largest!r}")
        self.largest = float(np.clip(largest, NARROWEST, WIDEST))
        self.n_pairs = self.n_offsets = 0
        self.offset_edges = np.linspace(-self.largest, self.largest, OFFSET_BINS + 1)
        self.offset_counts = np.zeros((OFFSET_BINS, OFFSET_BINS), np.int64)
        self._separation = np.zeros(FINE_BINS, np.int64)
        self._east = np.zeros(FINE_OFFSET_BINS, np.int64)
        self._north = np.zeros(FINE_OFFSET_BINS, np.int64)

    def add(self, separation: Any, east: Any, north: Any) -> None:
        """Count the pairs of one block.

        Parameters
        ----------
        separation : array_like, shape (n,)
            Angle between the two sources of each pair (arcsec).
        east, north : array_like, shape (m,)
            Offset of the right source from the left one (arcsec), for all pairs or some of them.

        Raises
        ------
        ValueError
            If an array is not one-dimensional or offsets differ in length, if one holds NaN or
            more than ``largest`` (rounding apart), or a separation is negative. No pair of the
            block is counted then.
        """
        separation, east, north = (
            np.asarray(array, np.float64) for array in (separation, east, north)
        )
        if not (separation.ndim == east.ndim == 1 and east.shape == north.shape):
            shapes = ", ".join(str(array.shape) for array in (separation, east, north))
            raise ValueError(
                f"separation, east and north must be vectors, the last two of one length, "
                f"not of shapes {shapes}"
            )
        self._check("separation", separation, 0.0)
        self._check("east", east, -self.largest)
        self._check("north", north, -self.largest)
        for first in range(0, len(separation), BLOCK_PAIRS):
            block = separation[first : first + BLOCK_PAIRS]
            self._separation += _counts(_bins(block, self.largest, FINE_BINS), FINE_BINS)
        for first in range(0, len(east), BLOCK_PAIRS):
            chosen = slice(first, first + BLOCK_PAIRS)
            self._count_offsets(east[chosen], north[chosen])
        self.n_pairs += len(separation)
        self.n_offsets += len(east)

    def _check(self, name: str, values: np.ndarray, lowest: float) -> None:
        if not len(values):
            return
        least, most, room = values.min(), values.max(), ROUNDING * self.largest
        if not (least >= lowest - room * (lowest < 0.0) and most <= self.largest + room):
            raise ValueError(
                f"{name} must be within {lowest:g} to {self.largest:g} arcsec, "
                f"not from {least:g} to {most:g}"
            )

    def _count_offsets(self, east: np.ndarray, north: np.ndarray) -> None:
        across = 2.0 * self.largest
        right, up = east + self.largest, north + self.largest
        self._east += _counts(_bins(right, across, FINE_OFFSET_BINS), FINE_OFFSET_BINS)
        self._north += _counts(_bins(up, across, FINE_OFFSET_BINS), FINE_OFFSET_BINS)
        cells = OFFSET_BINS * _bins(up, across, OFFSET_BINS) + _bins(right, across, OFFSET_BINS)
        self.offset_counts += _counts(cells, OFFSET_BINS**2).reshape(OFFSET_BINS, OFFSET_BINS)

    @property
    def separation_counts(self) -> np.ndarray:
        """Pairs by separation: int64, shape (200,)."""
        return self._separation.reshape(SEPARATION_BINS, -1).sum(axis=1)

    @property
    def separation_edges(self) -> np.ndarray:
        """Edges of these bins (arcsec): float64, shape (201,), from 0 to ``largest``."""
        return np.linspace(0.0, self.largest, SEPARATION_BINS + 1)

    @property
    def median(self) -> float | None:
        """Median separation (arcsec), None without pairs.

        It is interpolated within bins, and off by at most ``largest / 10_000``.
        """
        if not self.n_pairs:
            return None
        return _median(self._separation, self.n_pairs) * self.largest

    def describe_median(self, digits: int = 3) -> str:
        """The median separation in words, never below what is known; nothing without pairs."""
        if self.median is None:
            return ""
        finest = self.largest / FINE_BINS
        return f"{self.median:.{digits}g}" if self.median >= finest else f"below {finest:.1g}"

    @property
    def median_offset(self) -> tuple[float, float] | None:
        """Median of the offsets east and of those north (arcsec), None without any.

        Each is interpolated within bins, and off by at most ``largest / 5_000``.
        """
        if not self.n_offsets:
            return None
        east, north = (
            (2.0 * _median(counts, self.n_offsets) - 1.0) * self.largest
            for counts in (self._east, self._north)
        )
        return east, north

    def describe_offset(self) -> str:
        """The median offset in words, to as many places as are known; nothing without pairs."""
        if self.median_offset is None:
            return ""
        places = max(0, math.floor(-math.log10(2 * self.largest / FINE_BINS)))
        east, north = (round(value, places) + 0.0 for value in self.median_offset)
        return f"{east:+.{places}f} east, {north:+.{places}f} north"

    def __repr__(self) -> str:
        told = f"PairStatistics of {counted(self.n_pairs, 'pair')}"
        if self.median is None:
            return told
        return f"{told}: median {self.describe_median()} arcsec, offset {self.describe_offset()}"


def _bins(value: np.ndarray, whole: float, n: int) -> np.ndarray:
    """Which of ``n`` equal bins from 0 to ``whole`` each value is in; the ends belong to them."""
    # Numbers that rounding has made negative are cut to 0, too.
    return np.minimum((value * (n / whole)).astype(np.intp), n - 1)


def _counts(bins: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(bins, minlength=n)


def _median(counts: np.ndarray, n: int) -> float:
    """Median, as a fraction of the range, of ``n`` values of which only the bins are known."""
    ranks = np.array([(n + 1) // 2, (n + 2) // 2])
    up_to = np.cumsum(counts)
    which = np.searchsorted(up_to, ranks)
    inside = (ranks - 0.5 - (up_to[which] - counts[which])) / counts[which]
    return float(np.mean(which + inside) / len(counts))
