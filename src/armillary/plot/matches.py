"""How far apart matched sources are, and in which direction, in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._words import counted
from ..crossmatch.statistics import PairStatistics
from .files import require_matplotlib
from .style import DATA, FAINT, INK, SIGNAL, SPECTRUM, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from ..crossmatch.sky.result import Matches

#: Width of the picture and height of each row of it (inches).
WIDTH, HEIGHT = 12.0, 5.2
#: Room for the title (inches).
TITLE = 0.4
#: Where the vertical axis of the histogram begins: below one pair, so that one can be seen.
LESS_THAN_ONE = 0.7


def plot_matches(matches: Any, *, title: str | None = None, radius: float | None = None) -> Figure:
    """Draw the histogram of separations and the cloud of offsets.

    Sources that are the same make a small round cloud at the centre. Another frame moves it
    aside, another epoch smears it out, and chance fills the circle evenly.

    Parameters
    ----------
    matches : Matches, CatalogsReport, PairStatistics or mapping
        What was found. A mapping of names to these gives each a row, on the same axes.
    title : str, optional
        What stands above. None means the number of pairs, or nothing for a mapping.
    radius : float, optional
        Largest separation that was allowed (arcsec), drawn as a circle. None means that of
        the report or statistics; of :class:`~armillary.crossmatch.Matches` it is not known,
        and their largest separation is where the axes end.

    Returns
    -------
    matplotlib.figure.Figure
        Not tied to ``pyplot`` or a screen; write it with
        :func:`armillary.plot.files.save_figure` or ``figure.savefig``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If ``matches`` is none of these.
    ValueError
        If a mapping is empty, ``radius`` is negative or NaN, or a pair of ``Matches`` is
        farther apart.

    Notes
    -----
    Offsets are right minus left: the change in right ascension times cos(dec) to the east,
    which is to the left as on the sky, and the change in declination to the north. Both panels
    count on a logarithmic scale.

    Examples
    --------
    >>> import armillary as arm
    >>> from armillary.plot.matches import plot_matches
    >>> left, right = ([10.0, 20.0], [0.0, 5.0]), ([10.0002, 20.0002], [0.0, 5.0])
    >>> plot_matches(arm.crossmatch.nearest(left, right, 2.0), radius=2.0).get_suptitle()
    '2 pairs'
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    rows = _rows(matches, radius)
    if title is None and not isinstance(matches, Mapping):
        title = counted(next(iter(rows.values())).n_pairs, "pair")
    circle = radius is not None or not any(map(_is_matches, _each(matches)))
    most = max(2, *(statistics.offset_counts.max() for statistics in rows.values()))
    with style():
        figure = Figure(figsize=(WIDTH, TITLE + HEIGHT * len(rows)), layout="constrained")
        panels = figure.subplots(len(rows), 2, width_ratios=[1.25, 1.0], squeeze=False)
        for (name, statistics), (left, right) in zip(rows.items(), panels, strict=True):
            _draw_separations(left, statistics)
            _draw_offsets(right, statistics, most, circle)
            left.set_title(name, loc="left", fontweight="bold")
        _share_limits(panels, rows.values())
        if title:
            figure.suptitle(title, fontsize=15)
    return figure


# ------------------------------------------------------------------ what is drawn


def _rows(matches: Any, radius: float | None) -> dict[str, PairStatistics]:
    """Statistics by the name of their row."""
    if not isinstance(matches, Mapping):
        return {"": _statistics(matches, radius)}
    if not matches:
        raise ValueError("matches must not be an empty mapping")
    return {str(name): _statistics(each, radius) for name, each in matches.items()}


def _each(matches: Any) -> list[Any]:
    return list(matches.values()) if isinstance(matches, Mapping) else [matches]


def _is_matches(value: Any) -> bool:
    from ..crossmatch.sky.result import Matches

    return isinstance(value, Matches)


def _statistics(value: Any, radius: float | None) -> PairStatistics:
    if _is_matches(value):
        return _of_matches(value, radius)
    statistics = getattr(value, "statistics", value)
    if not isinstance(statistics, PairStatistics):
        raise TypeError(
            f"matches must be Matches, a CatalogsReport, PairStatistics or a mapping of names "
            f"to these, not {type(value).__name__}"
        )
    return statistics


def _of_matches(matches: Matches, radius: float | None) -> PairStatistics:
    if radius is None:
        # Something must be where the axes end, also where nothing is apart.
        radius = float(matches.separation.max(initial=0.0)) or 1.0
    statistics = PairStatistics(radius)
    statistics.add(matches.separation, *matches.offsets)
    return statistics


# ------------------------------------------------------------------ the panels


def _draw_separations(axes: Axes, statistics: PairStatistics) -> None:
    axes.stairs(
        statistics.separation_counts,
        statistics.separation_edges,
        baseline=LESS_THAN_ONE,
        fill=True,
        color=DATA,
    )
    axes.set_yscale("log")
    axes.set_ylim(LESS_THAN_ONE, 2.0 * max(1, statistics.separation_counts.max()))
    _plain_counts(axes.yaxis)
    axes.set_xlabel("separation [arcsec]")
    axes.set_ylabel("pairs")
    if statistics.median is not None:
        axes.axvline(
            statistics.median,
            color=SIGNAL,
            linewidth=2.0,
            label=f"median {statistics.describe_median()} arcsec",
        )
        axes.legend(loc="upper right", fontsize=11, edgecolor="none", framealpha=0.85)


def _draw_offsets(axes: Axes, statistics: PairStatistics, most: int, circle: bool) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Circle
    from matplotlib.ticker import MaxNLocator

    for line in (axes.axhline, axes.axvline):
        line(0.0, color=FAINT, linewidth=0.8, zorder=0)
    edges = statistics.offset_edges
    image = axes.pcolormesh(
        edges,
        edges,
        np.ma.masked_equal(statistics.offset_counts, 0),
        norm=LogNorm(1, most),
        cmap=_counting_colours(),
        rasterized=True,
        zorder=1,
    )
    _plain_counts(axes.figure.colorbar(image, ax=axes, label="pairs", shrink=0.9).ax.yaxis)
    if circle:
        axes.add_patch(Circle((0.0, 0.0), statistics.largest, fill=False, color=INK, linewidth=0.9))
    if statistics.median_offset is not None:
        _mark_median(axes, statistics.median_offset, statistics)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(r"$\Delta\alpha\,\cos\delta$, east to the left [arcsec]")
    axes.set_ylabel(r"$\Delta\delta$, north up [arcsec]")


def _mark_median(axes: Axes, offset: tuple[float, float], statistics: PairStatistics) -> None:
    axes.plot(
        *([value] for value in offset),
        linestyle="none",
        marker="+",
        markersize=16,
        markeredgewidth=2.2,
        color=SIGNAL,
        gid="median offset",
    )
    told = f"median {statistics.describe_offset()}"
    axes.set_title(told.replace("-", "\u2212"), color=SIGNAL, fontsize=12)


def _plain_counts(axis: Axis) -> None:
    """1, 10, 100, 1,000 instead of powers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _counting_colours() -> Colormap:
    """From hardly seen to black, over the blue of spectra."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pairs", ["#d3dfe9", SPECTRUM, INK])


def _share_limits(panels: np.ndarray, rows: Any) -> None:
    """The same axes in every row, so that rows can be compared."""
    widest = max(statistics.largest for statistics in rows)
    highest = max(panel.get_ylim()[1] for panel in panels[:, 0])
    room = 1.04 * widest
    for left, right in panels:
        left.set_xlim(0.0, widest)
        left.set_ylim(LESS_THAN_ONE, highest)
        right.set_xlim(room, -room)
        right.set_ylim(-room, room)
