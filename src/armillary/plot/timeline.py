"""A time axis with its long gaps cut out.

Sectors of one star may lie years apart. Drawn to scale they would be slivers with
nothing between them, so each stretch of data gets a panel of its own, all at one
scale, and the cuts are marked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


class Panel(NamedTuple):
    """The axes of one stretch of data, and its first and last time."""

    axes: Axes
    first: float
    last: float


def time_panels(figure: Any, time: np.ndarray, time_system: str | None) -> list[Panel]:
    """A panel for every stretch of data, all at one scale, with the cuts between them marked.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure
        Where they are made; they fill it.
    time : ndarray, shape (n,)
        Ascending times.
    time_system : str or None
        What to call them.

    Returns
    -------
    list of Panel
        In the order of time; they share their vertical axis.
    """
    parts = stretches(time)
    row = figure.subplots(1, len(parts), sharey=True, squeeze=False, width_ratios=widths(parts))[0]
    observed = sum(last - first for first, last in parts) or 1.0
    margin = 0.015 * max(last - first for first, last in parts) or 0.5
    for axes, (first, last) in zip(row, parts, strict=True):
        axes.set_xlim(first - margin, last + margin)
        _tick_times(axes, (last - first) / observed)
    _mark_cuts(row)
    figure.supxlabel(f"time [{time_system}, d]" if time_system else "time [d]", fontsize=12.5)
    return [Panel(axes, *part) for axes, part in zip(row, parts, strict=True)]


def _tick_times(axes: Axes, share: float) -> None:
    """Plain numbers, as many as fit into this share of the width."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    axes.xaxis.set_major_locator(
        MaxNLocator(max(1, round(9 * share)), min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    whole = ScalarFormatter(useOffset=False)
    whole.set_scientific(False)
    axes.xaxis.set_major_formatter(whole)


def _mark_cuts(row: np.ndarray) -> None:
    """Slanted strokes where the time axis is cut."""
    stroke = {
        "marker": [(-0.5, -1), (0.5, 1)],
        "markersize": 9,
        "linestyle": "none",
        "color": INK,
        "clip_on": False,
    }
    for left, right in pairwise(row):
        left.plot([1], [0], transform=left.transAxes, **stroke)
        right.plot([0], [0], transform=right.transAxes, **stroke)
        right.spines["left"].set_visible(False)
        right.tick_params(left=False, labelleft=False)
