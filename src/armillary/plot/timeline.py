"""A time axis with its long gaps cut out.

Sectors of one star may lie years apart. Drawn to scale they would be slivers with
nothing between them, so each stretch of data gets a panel of its own, all at one
scale, and the cuts are marked.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

#: A gap is cut out where it is longer than this fraction of the time that is left without it
#: and all longer ones, and longer than this many steps from one point to the next.
LONGEST_GAP = 0.25
LONGEST_STEP = 10
#: No stretch is drawn narrower than this fraction of the longest.
NARROWEST = 0.08


def stretches(time: np.ndarray) -> list[tuple[float, float]]:
    """First and last time of every stretch of data between long gaps.

    A gap is long where it exceeds a quarter of what would be left of the time axis without
    it and all longer ones, and ten times the median step.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Ascending times, at least one.

    Returns
    -------
    list of (float, float)
        In the order of time.

    Examples
    --------
    >>> import numpy as np
    >>> stretches(np.array([0.0, 1.0, 2.0, 3.0, 700.0, 701.0, 702.0]))
    [(0.0, 3.0), (700.0, 702.0)]
    >>> stretches(np.array([0.0, 1.0, 2.0, 3.0]))
    [(0.0, 3.0)]
    """
    gaps = np.diff(time)
    longest_first = np.argsort(-gaps, kind="stable")
    gap = gaps[longest_first]
    left = np.cumsum(gap[::-1])[::-1] - gap
    is_long = (gap > LONGEST_GAP * left) & (gap > LONGEST_STEP * _median(gaps))
    cuts = longest_first[np.logical_and.accumulate(is_long)]
    edges = [0, *(int(cut) + 1 for cut in np.sort(cuts)), len(time)]
    return [(float(time[first]), float(time[stop - 1])) for first, stop in pairwise(edges)]


def _median(gaps: np.ndarray) -> float:
    return float(np.median(gaps)) if len(gaps) else 0.0


def widths(parts: list[tuple[float, float]]) -> list[float]:
    """Relative widths of the panels: one scale for all, but none too narrow to see."""
    lengths = [last - first for first, last in parts]
    least = NARROWEST * max(lengths) or 1.0
    return [max(length, least) for length in lengths]
