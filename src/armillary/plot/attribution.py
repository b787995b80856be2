"""Which points, and which transits, carry the score of a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._words import counted
from .files import require_matplotlib
from .style import DATA, FAINT, INK, RASTERIZE_ABOVE, SIGNAL, SPECTRUM, cloud, style, thousands
from .timeline import time_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..search.template.attribution import Attribution

#: The fold reaches this many durations from mid-transit.
REACH = 3.0
#: Points that contribute less than this part of the largest contribution are drawn plain.
PLAIN_BELOW = 0.05
#: Areas of points: what the smallest and the largest contribution get (points squared).
LEAST_AREA, MOST_AREA = 6.0, 60.0
#: More transits than this are drawn as a line without bars.
MOST_BARS = 120
#: At most so many of them are named by their number.
MOST_NUMBERS = 9


class _Shown(NamedTuple):
    """Points as they are drawn: flux relative to the level, and what each contributes."""

    time: np.ndarray
    offset: np.ndarray
    flux: np.ndarray
    contribution: np.ndarray
    label: str
    scale: float


def plot_attribution(
    attribution: Attribution,
    *,
    target: str | None = None,
    size: tuple[float, float] = (12.0, 7.5),
) -> Figure:
    """Draw the light curve and its fold coloured by contribution, and the score transit by transit.

    Parameters
    ----------
    attribution : Attribution
        Result of :func:`armillary.search.attribute`.
    target : str, optional
        Name in the title; None means that of the light curve.
    size : tuple of float
        Width and height (inches).

    Returns
    -------
    matplotlib.figure.Figure
        Not tied to ``pyplot`` or a screen; write it with
        :func:`armillary.plot.files.save_figure` or ``figure.savefig``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Points that raise the score are orange, those that lower it blue, and the larger the more
    they do; points that do next to nothing are small and grey. Transits have the numbers of the
    table of transits, 0 for the one at t0; those that nobody saw are left out. Long gaps are cut
    out of the time axis (:func:`armillary.plot.timeline.stretches`). Points far outside the range
    of the others are not in the picture, unless they contribute.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> from armillary.plot.attribution import plot_attribution
    >>> time = np.arange(0, 20, 0.02)
    >>> flux = np.where(time % 3 < 0.1, 0.99, 1.0) + 1e-3 * np.sin(37 * time)
    >>> found = arm.search.attribute(time, flux, period=3.0, t0=0.05, duration=0.1)
    >>> plot_attribution(found, target="a box").get_suptitle().startswith("a box")
    True
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    attribution = attribution.on_host()
    points = _shown(attribution)
    light_curve = attribution.light_curve
    with style():
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.25], squeeze=False)[:, 0]
        _draw_light_curve(top, points, light_curve.time_system)
        left, right = bottom.subplots(1, 2, width_ratios=[1.0, 1.0])
        _draw_fold(left, points, attribution)
        _draw_transits(right, attribution)
        name = light_curve.target if target is None else target
        figure.suptitle(_title(name or "light curve", attribution), fontsize=15)
    return figure


def _shown(attribution: Attribution) -> _Shown:
    """In parts per million of the level, or in its own unit where it is no fraction of a level."""
    light_curve = attribution.light_curve
    is_relative = abs(attribution.relative_depth) <= 1
    scale = 1e6 / attribution.level if is_relative else 1.0
    unit = "ppm" if is_relative else light_curve.flux_unit
    return _Shown(
        attribution.time,
        attribution.offset,
        (light_curve.flux - attribution.level) * scale,
        attribution.contribution,
        f"flux change [{unit}]" if unit else "flux change",
        scale,
    )


def _title(target: str, attribution: Attribution) -> str:
    return (
        f"{target}:  score {attribution.score:.1f},  P = {attribution.period:.5g} d,  "
        f"{24 * attribution.duration:.2g} h,  {counted(attribution.n_transits, 'transit')}"
    )


# ------------------------------------------------------------------ points


def _draw_light_curve(figure: Any, points: _Shown, time_system: str | None) -> None:
    panels = time_panels(figure, points.time, time_system)
    for axes, first, last in panels:
        here = (points.time >= first) & (points.time <= last)
        _draw_points(axes, points.time, points, here)
    axes = panels[0].axes
    axes.set_ylim(*_range(points, np.ones(len(points.time), dtype=bool)))
    _label_flux(axes, points)


def _draw_fold(axes: Axes, points: _Shown, attribution: Attribution) -> None:
    reach = min(REACH * attribution.duration, 0.5 * attribution.period)
    near = np.abs(points.offset) <= reach
    drawn = _draw_points(axes, 24.0 * points.offset, points, near)
    offset = np.linspace(-reach, reach, 601)
    model = (attribution.model(offset) - attribution.level) * points.scale
    axes.plot(24.0 * offset, model, color=INK, linewidth=1.8, label="template", zorder=4)
    axes.set_xlim(-24.0 * reach, 24.0 * reach)
    axes.set_ylim(*_range(points, near))
    axes.set_xlabel("time from mid-transit [h]")
    _label_flux(axes, points)
    axes.figure.colorbar(drawn, ax=axes, label="contribution to the score", pad=0.02)


def _draw_points(axes: Axes, position: np.ndarray, points: _Shown, chosen: np.ndarray) -> Any:
    """Points that contribute, over the others; the mappable of their colours."""
    size = np.abs(points.contribution)
    largest = size.max() or 1.0
    carries = chosen & (size >= PLAIN_BELOW * largest)
    plain = chosen & ~carries
    axes.plot(
        position[plain], points.flux[plain], color=DATA, **cloud(int(np.count_nonzero(chosen)))
    )
    # The strongest last, on top of the others.
    order = np.flatnonzero(carries)
    order = order[np.argsort(size[order], kind="stable")]
    return axes.scatter(
        position[order],
        points.flux[order],
        s=LEAST_AREA + (MOST_AREA - LEAST_AREA) * size[order] / largest,
        c=points.contribution[order],
        cmap=_colours(),
        vmin=-largest,
        vmax=largest,
        linewidths=0,
        rasterized=len(order) > RASTERIZE_ABOVE,
        zorder=3,
        gid="contributions",
    )


def _colours() -> Any:
    """From what lowers the score over what does not matter to what raises it."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("contribution", [SPECTRUM, FAINT, SIGNAL])


def _range(points: _Shown, chosen: np.ndarray) -> tuple[float, float]:
    """Limits that hold the level, nearly all points, and all that contribute."""
    flux, size = points.flux[chosen], np.abs(points.contribution)
    if not len(flux):
        return -1.0, 1.0
    carries = size[chosen] >= PLAIN_BELOW * size.max()
    low, high = np.percentile(flux, [0.1, 99.9])
    low = min(low, 0.0, flux[carries].min(initial=low))
    high = max(high, 0.0, flux[carries].max(initial=high))
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _label_flux(axes: Axes, points: _Shown) -> None:
    axes.set_ylabel(points.label)
    if points.label.endswith("[ppm]"):
        thousands(axes.yaxis)


# ------------------------------------------------------------------ transits


class _Transits(NamedTuple):
    """Transits as they are drawn: number, own contribution, and that of all up to each."""

    number: np.ndarray
    own: np.ndarray
    total: np.ndarray


def _transits(attribution: Attribution) -> _Transits:
    """Those with points inside; all that points are nearest to, if nobody saw one.

    What the points around a transit that nobody saw contribute is in the sum up to the transit
    before it, or to the first.
    """
    seen = np.flatnonzero(attribution.transit_points)
    drawn = seen if len(seen) else np.arange(len(attribution.transits))
    own = attribution.transit_contribution
    before_next = np.append(drawn[1:] - 1, len(own) - 1)
    return _Transits(attribution.transits[drawn], own[drawn], np.cumsum(own)[before_next])


def _draw_transits(axes: Axes, attribution: Attribution) -> None:
    """What each transit contributes, and the sum of all up to it."""
    number, own, total = _transits(attribution)
    order = np.arange(len(number))
    is_few = len(number) <= MOST_BARS
    if is_few:
        colours = np.where(own >= 0, SIGNAL, SPECTRUM)
        bars = axes.bar(order, own, color=colours, alpha=0.8)
        # The legend has the colour of the strongest.
        bars[int(np.argmax(np.abs(own)))].set_label("one transit")
    axes.plot(
        order,
        total,
        color=INK,
        marker="." if is_few else "",
        linewidth=1.5,
        label="all up to it",
        gid="cumulative",
    )
    axes.axhline(attribution.score, color=FAINT, linewidth=1.2, zorder=0)
    axes.set_ylim(*_heights(np.concatenate([own, total])))
    _number_transits(axes, number)
    axes.set_xlabel("number of the transit, in the order of time")
    axes.set_ylabel("contribution to the score")
    # Above the axes, where it hides no bar.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=11, frameon=False)


def _number_transits(axes: Axes, number: np.ndarray) -> None:
    """Name the transits that are drawn at 0, 1, 2, ... by their numbers, as tables do."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def name(position: float, _: Any) -> str:
        is_transit = 0 <= position < len(number)
        return f"{number[int(position)]}".replace("-", "\u2212") if is_transit else ""

    axes.xaxis.set_major_locator(MaxNLocator(MOST_NUMBERS, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(name))


def _heights(drawn: np.ndarray) -> tuple[float, float]:
    """Limits that hold zero and all that is drawn."""
    low, high = min(0.0, drawn.min()), max(0.0, drawn.max())
    if low == high:
        return -1.0, 1.0
    room = 0.08 * (high - low)
    return low - room * (low < 0), high + room * (high > 0)
