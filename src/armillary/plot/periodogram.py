"""What a box search found, in one picture: light curve, spectrum, fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .files import require_matplotlib
from .fold import binned
from .style import DATA, FAINT, INK, RASTERIZE_ABOVE, SIGNAL, SPECTRUM, cloud, style, thousands
from .timeline import time_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..search.box.result import Peak, Periodogram

#: The spectra that can be drawn, with their labels.
STATISTICS = {"snr": "S/N", "delta_chi2": r"$\Delta\chi^2$"}

#: Multiples of the period at which a box search answers, too.
HARMONICS = {1 / 3: "P/3", 1 / 2: "P/2", 2.0: "2P", 3.0: "3P"}

#: The fold reaches this many durations from mid-transit, with this many bins in each.
REACH, BINS_PER_DURATION = 3.0, 6.0

#: Most transits that get a triangle each; more get a thin line.
MOST_TRIANGLES = 60


class _Relative(NamedTuple):
    """The points that were searched, in parts per million of the level out of transit."""

    time: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    offset: np.ndarray
    in_transit: np.ndarray


def plot_periodogram(
    periodogram: Periodogram,
    peak: Peak | None = None,
    *,
    target: str | None = None,
    note: str = "",
    statistic: str = "snr",
    size: tuple[float, float] = (12.0, 7.5),
) -> Figure:
    """Draw the light curve with the transits marked, the spectrum, and the folded light curve.

    Parameters
    ----------
    periodogram : Periodogram
        Result of :func:`armillary.search.bls`.
    peak : Peak, optional
        The candidate to show; None means ``periodogram.best``.
    target : str, optional
        Name in the title; None means that of the light curve.
    note : str
        Put after the name in the title.
    statistic : {"snr", "delta_chi2"}
        What the spectrum shows.
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
    ValueError
        If ``statistic`` is neither, or no period has a dimming.

    Notes
    -----
    Long gaps are cut out of the time axis (:func:`armillary.plot.timeline.stretches`). Points far
    outside the range of the others are not in the picture.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> from armillary.plot.periodogram import plot_periodogram
    >>> time = np.arange(0, 20, 0.02)
    >>> flux = np.where(time % 3 < 0.1, 0.99, 1.0) + 1e-3 * np.sin(37 * time)
    >>> figure = plot_periodogram(arm.search.bls(time, flux), target="a box")
    >>> figure.get_suptitle().startswith("a box")
    True
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if statistic not in STATISTICS:
        allowed = " or ".join(repr(name) for name in STATISTICS)
        raise ValueError(f"statistic must be {allowed}, not {statistic!r}")
    periodogram = periodogram.on_host()
    peak = periodogram.best if peak is None else peak
    points = _relative(periodogram, peak)
    with style():
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.25], squeeze=False)[:, 0]
        _draw_light_curve(top, points, peak, periodogram.light_curve.time_system)
        left, right = bottom.subplots(1, 2, width_ratios=[1.25, 1.0])
        _draw_spectrum(left, periodogram, peak, statistic)
        _draw_fold(right, points, peak)
        name = periodogram.light_curve.target if target is None else target
        figure.suptitle(_title(name or "light curve", note, peak), fontsize=15)
    return figure


def _relative(periodogram: Periodogram, peak: Peak) -> _Relative:
    light_curve = periodogram.light_curve
    time = light_curve.time + light_curve.epoch
    scale = 1e6 / peak.level
    return _Relative(
        time,
        (light_curve.flux - peak.level) * scale,
        np.abs(light_curve.flux_err * scale),
        peak.offset(time),
        peak.in_transit(time),
    )


def _title(target: str, note: str, peak: Peak) -> str:
    name = f"{target} ({note})" if note else target
    transits = f"{peak.n_transits} transit{'s' * (peak.n_transits != 1)}"
    return (
        f"{name}:  P = {peak.period:.5g} d,  depth {1e6 * peak.relative_depth:,.0f} ppm,  "
        f"{24 * peak.duration:.2g} h,  S/N {peak.snr:.1f},  {transits}"
    )


# ------------------------------------------------------------------ the light curve


def _draw_light_curve(figure: Any, points: _Relative, peak: Peak, time_system: str | None) -> None:
    panels = time_panels(figure, points.time, time_system)
    looks = cloud(len(points.time))
    for axes, first, last in panels:
        here = (points.time >= first) & (points.time <= last)
        for chosen, colour in (
            (here & ~points.in_transit, DATA),
            (here & points.in_transit, SIGNAL),
        ):
            axes.plot(points.time[chosen], points.flux[chosen], color=colour, **looks)
        _mark_transits(axes, points.time[here & points.in_transit], peak)
    panels[0].axes.set_ylim(*_range(points, peak))
    panels[0].axes.set_ylabel("flux change [ppm]")
    thousands(panels[0].axes.yaxis)


def _range(points: _Relative, peak: Peak) -> tuple[float, float]:
    """Limits that hold nearly all points and the transits, whatever a few outliers do."""
    low, high = np.percentile(points.flux, [0.1, 99.8])
    low = min(low, -1.15e6 * peak.relative_depth)
    room = 0.12 * (high - low)
    # The marks of the transits stand below the points.
    return low - 1.5 * room, high + room


def _mark_transits(panel: Axes, time_in_transit: np.ndarray, peak: Peak) -> None:
    """A mark below every transit that has points."""
    cycles = np.unique(np.rint((time_in_transit - peak.t0) / peak.period))
    few = len(cycles) <= MOST_TRIANGLES
    panel.plot(
        peak.t0 + cycles * peak.period,
        np.full(len(cycles), 0.035),
        linestyle="none",
        marker="^" if few else "|",
        markersize=7 if few else 5,
        color=SIGNAL,
        transform=panel.get_xaxis_transform(),
        gid="transits",
    )


# ------------------------------------------------------------------ the spectrum


def _draw_spectrum(axes: Axes, periodogram: Periodogram, peak: Peak, statistic: str) -> None:
    order = np.argsort(periodogram.period)
    period = periodogram.period[order]
    height = getattr(periodogram, statistic)[order]
    axes.plot(
        period,
        height,
        color=SPECTRUM,
        linewidth=0.7,
        rasterized=len(period) > RASTERIZE_ABOVE,
    )
    axes.set_xscale("log")
    if period[0] < period[-1]:
        axes.set_xlim(period[0], period[-1])
    axes.set_ylim(0, 1.12 * max(np.nanmax(height), getattr(peak, statistic)))
    axes.set_xlabel("period [d]")
    axes.set_ylabel(STATISTICS[statistic])
    _tick_periods(axes)
    _mark_periods(axes, peak)


def _mark_periods(axes: Axes, peak: Peak) -> None:
    shortest, longest = axes.get_xlim()
    marks = {1.0: "P", **HARMONICS}
    for multiple, name in marks.items():
        period = multiple * peak.period
        if not shortest <= period <= longest:
            continue
        own = multiple == 1.0
        colour = SIGNAL if own else FAINT
        axes.axvline(
            period, color=colour, zorder=0, linewidth=5 if own else 1.2, alpha=0.35 if own else 1
        )
        axes.annotate(
            name,
            (period, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=11,
            color=SIGNAL if own else INK,
            fontweight="bold" if own else "normal",
        )


def _tick_periods(axes: Axes) -> None:
    """Plain numbers: at 1, 2 and 5 of each decade, or evenly where there is less than one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    shortest, longest = axes.get_xlim()
    wide = longest > 10.0 * shortest
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda period, _: f"{period:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


# ------------------------------------------------------------------ the fold


def _draw_fold(axes: Axes, points: _Relative, peak: Peak) -> None:
    reach = min(REACH * peak.duration, 0.5 * peak.period)
    near = np.abs(points.offset) <= reach
    hours = 24.0 * points.offset[near]
    axes.plot(hours, points.flux[near], color=DATA, **cloud(int(np.count_nonzero(near))))
    bins = binned(
        points.offset, points.flux, points.error, peak.duration / BINS_PER_DURATION, reach
    )
    axes.errorbar(
        24.0 * bins.centre,
        bins.mean,
        bins.error,
        linestyle="none",
        marker="o",
        markersize=5,
        color=INK,
        elinewidth=1.1,
        label="binned",
        zorder=3,
    )
    depth = 1e6 * peak.relative_depth
    edge = 12.0 * peak.duration
    axes.plot(
        [-24.0 * reach, -edge, -edge, edge, edge, 24.0 * reach],
        [0, 0, -depth, -depth, 0, 0],
        color=SIGNAL,
        linewidth=2.2,
        label="box",
        zorder=4,
    )
    axes.set_xlim(-24.0 * reach, 24.0 * reach)
    axes.set_ylim(*_fold_range(points.flux[near], bins.mean, depth))
    axes.set_xlabel("time from mid-transit [h]")
    axes.set_ylabel("flux change [ppm]")
    thousands(axes.yaxis)
    axes.legend(loc="lower right", fontsize=11, edgecolor="none", framealpha=0.85)


def _fold_range(flux: np.ndarray, means: np.ndarray, depth: float) -> tuple[float, float]:
    """The bins and the box fill the panel; of the single points, those near them are seen."""
    low, high = min(means.min(), -depth), max(means.max(), 0.0)
    room = 0.6 * (high - low)
    least, most = np.percentile(flux, [0.5, 99.5])
    return min(low - 0.1 * room, max(low - room, least)), max(
        high + 0.1 * room, min(high + room, most)
    )
