"""Scores of candidates, and of one candidate along t0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._words import counted
from .files import require_matplotlib
from .style import FAINT, SIGNAL, SPECTRUM, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..search.template.result import TemplateScores
    from ..search.template.scan import T0Scan

#: What scores can be drawn against, with labels.
PARAMETERS = {"period": "period [d]", "t0": "t0 [d]", "duration": "duration [d]"}
MINUTES_PER_DAY = 1440.0
#: Intervals between the numbers on the horizontal axis: as many as long numbers leave room for.
MOST_INTERVALS = 4


def plot_template_scores(
    scores: TemplateScores,
    *,
    against: str | None = None,
    target: str | None = None,
    size: tuple[float, float] = (7.5, 4.5),
) -> Figure:
    """Draw the score of every candidate, with the best marked.

    Parameters
    ----------
    scores : TemplateScores
        Result of :func:`armillary.search.template_score`.
    against : {"period", "t0", "duration"}, optional
        The horizontal axis; None means the first of them in which candidates differ.
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
    ValueError
        If ``against`` is none of them, or no candidate has a score.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> from armillary.plot.scores import plot_template_scores
    >>> time = np.arange(0, 20, 0.02)
    >>> flux = np.where(time % 3 < 0.1, 0.99, 1.0) + 1e-3 * np.sin(37 * time)
    >>> scores = arm.search.template_score(
    ...     time, flux, period=np.linspace(2.9, 3.1, 21), t0=0.05, duration=0.1)
    >>> plot_template_scores(scores, target="a box").get_suptitle().startswith("a box")
    True
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if against is not None and against not in PARAMETERS:
        allowed = " or ".join(repr(name) for name in PARAMETERS)
        raise ValueError(f"against must be {allowed}, not {against!r}")
    host, best = scores.on_host(), scores.best
    name = _varied(host) if against is None else against
    with style():
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
        axes = figure.subplots()
        order = np.argsort(getattr(host, name), kind="stable")
        axes.axhline(0.0, color=FAINT, linewidth=1.2, zorder=0)
        axes.plot(
            getattr(host, name)[order], host.score[order], color=SPECTRUM, marker=".", linewidth=0.7
        )
        axes.plot([getattr(best, name)], [best.score], color=SIGNAL, marker="o", label="best")
        axes.ticklabel_format(useOffset=False)
        # A t0 in BJD is a long number: written out, and few of them side by side.
        axes.ticklabel_format(axis="x", style="plain")
        axes.locator_params(axis="x", nbins=MOST_INTERVALS)
        axes.set_xlabel(PARAMETERS[name])
        axes.set_ylabel("score")
        axes.legend(fontsize=11, edgecolor="none", framealpha=0.85)
        who = host.light_curve.target if target is None else target
        figure.suptitle(
            f"{who or 'light curve'}:  {counted(len(host.score), 'candidate')}, "
            f"best score {best.score:.2f}",
            fontsize=15,
        )
    return figure


def plot_t0_scan(
    scan: T0Scan, *, target: str | None = None, size: tuple[float, float] = (7.5, 4.5)
) -> Figure:
    """Draw the score along t0, with the t0 that was given and the best marked.

    Parameters
    ----------
    scan : T0Scan
        Result of :func:`armillary.search.scan_t0`.
    target : str, optional
        Name in the title; None means that of the light curve.
    size : tuple of float
        Width and height (inches).

    Returns
    -------
    matplotlib.figure.Figure
        As :func:`plot_template_scores`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> from armillary.plot.scores import plot_t0_scan
    >>> time = np.arange(0, 20, 0.02)
    >>> flux = np.where(time % 3 < 0.1, 0.99, 1.0) + 1e-3 * np.sin(37 * time)
    >>> scan = arm.search.scan_t0(time, flux, period=3.0, t0=0.06, duration=0.1)
    >>> plot_t0_scan(scan, target="a box").get_suptitle().startswith("a box")
    True
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with style():
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
        axes = figure.subplots()
        minutes = MINUTES_PER_DAY * (scan.t0 - scan.given_t0)
        best = MINUTES_PER_DAY * (scan.best_t0 - scan.given_t0)
        axes.axvline(0.0, color=FAINT, linewidth=1.2, label="given")
        axes.axvline(best, color=SIGNAL, linewidth=5, alpha=0.35, label="best")
        axes.plot(minutes, scan.score, color=SPECTRUM, marker=".", linewidth=1.0)
        axes.plot([best], [scan.best_score], color=SIGNAL, marker="o")
        axes.set_xlabel("t0 after the one that was given [min]")
        axes.set_ylabel("score")
        axes.legend(fontsize=11, edgecolor="none", framealpha=0.85)
        name = scan.light_curve.target if target is None else target
        figure.suptitle(
            f"{name or 'light curve'}:  score {scan.best_score:.2f}, {best:+.1f} min",
            fontsize=15,
        )
    return figure


def _varied(scores: TemplateScores) -> str:
    """The first parameter in which candidates differ; the period if there is none."""
    varied = (name for name in PARAMETERS if np.ptp(getattr(scores, name)) > 0)
    return next(varied, "period")
