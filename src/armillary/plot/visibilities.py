"""Visibilities against frequency: amplitudes and phases of some baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import require_matplotlib
from .style import DATA, FAINT, INK, SIGNAL, SPECTRUM, cloud, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of each column and height of the picture (inches).
COLUMN_WIDTH, HEIGHT = 6.2, 6.6
#: Room for baselines beside the columns (inches).
LEGEND_WIDTH = 1.6
HERTZ_PER_MEGAHERTZ = 1e6
#: Letters of the titles of columns (points).
TITLE_SIZE = 12.5
#: Part of the highest amplitude that is left free above it.
HEADROOM = 0.12
#: From blue over grey to red; more baselines than these take colours between them.
COLOURS = (SPECTRUM, "#56b4e9", DATA, "#e69f00", SIGNAL)


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Visibilities of some baselines at one time, in one polarisation.

    Attributes
    ----------
    frequency : ndarray, shape (n_channels,)
        Centres of the channels (Hz), in any order.
    visibilities : ndarray of complex, shape (n_baselines, n_channels)
        Not finite where there is nothing to draw, as where they are flagged.
    edges : sequence of float
        Frequencies (Hz) of lines, such as those between subbands.
    """

    frequency: np.ndarray
    visibilities: np.ndarray
    edges: Sequence[float] = ()


def plot_spectra(
    spectra: Mapping[str, Spectra], baselines: Sequence[str] = (), *, title: str | None = None
) -> Figure:
    """Draw amplitude and phase against frequency, a column for each set of spectra.

    A source at the phase centre has the phase 0 at all frequencies; one elsewhere has a phase that
    winds with frequency, the faster the longer the baseline.

    Parameters
    ----------
    spectra : mapping of str to Spectra
        By the title of their column. All have the same axes.
    baselines : sequence of str
        What each baseline is called; none means that it is not said.
    title : str, optional
        What stands above.

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
        If there are no spectra, or shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from armillary.plot.visibilities import Spectra, plot_spectra
    >>> frequency = np.linspace(1.3e9, 1.5e9, 50)
    >>> winding = Spectra(frequency, np.exp(2j * np.pi * frequency * [[1e-8], [3e-8]]))
    >>> figure = plot_spectra({"as recorded": winding}, ["1-2", "1-3"], title="a source")
    >>> figure.get_suptitle()
    'a source'
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    _check(spectra, baselines)
    n = len(spectra)
    with style():
        width = COLUMN_WIDTH * n + (LEGEND_WIDTH if baselines else 0.0)
        figure = Figure(figsize=(width, HEIGHT), layout="constrained")
        panels = figure.subplots(2, n, sharex=True, sharey="row", squeeze=False)
        for (name, each), (amplitude, phase) in zip(spectra.items(), panels.T, strict=True):
            _draw_edges((amplitude, phase), each.edges)
            _draw(amplitude, each, np.abs)
            _draw(phase, each, lambda values: np.degrees(np.angle(values)))
            amplitude.set_title(name, loc="left", fontweight="bold", fontsize=TITLE_SIZE)
            phase.set_xlabel("frequency [MHz]")
        _label(panels[0, 0], panels[1, 0])
        if baselines:
            _tell_baselines(figure, panels[0, 0], baselines)
        if title:
            figure.suptitle(title, fontsize=15)
    return figure


# ------------------------------------------------------------------ what is drawn


def _check(spectra: Mapping[str, Spectra], baselines: Sequence[str]) -> None:
    if not spectra:
        raise ValueError("spectra must not be an empty mapping")
    for name, each in spectra.items():
        shape, n_channels = np.shape(each.visibilities), len(each.frequency)
        if len(shape) != 2 or shape[1] != n_channels:
            raise ValueError(
                f"visibilities of {name!r} must be of shape (n_baselines, {n_channels}), as there "
                f"are {n_channels} frequencies, not {shape}"
            )
        if baselines and shape[0] != len(baselines):
            raise ValueError(f"{name!r} has {shape[0]} baselines, and {len(baselines)} are named")


def _draw(axes: Axes, spectra: Spectra, quantity: Any) -> None:
    """A cloud for each baseline."""
    frequency = np.asarray(spectra.frequency) / HERTZ_PER_MEGAHERTZ
    n_baselines = len(spectra.visibilities)
    marks = cloud(spectra.visibilities.size)
    for values, colour in zip(spectra.visibilities, _colours(n_baselines), strict=True):
        axes.plot(frequency, quantity(values), color=colour, **marks)


def _colours(n: int) -> list[Any]:
    from matplotlib.colors import LinearSegmentedColormap

    between = LinearSegmentedColormap.from_list("baselines", COLOURS)
    return [between(i / max(n - 1, 1)) for i in range(n)]


def _draw_edges(panels: Sequence[Axes], edges: Sequence[float]) -> None:
    for axes in panels:
        for edge in edges:
            axes.axvline(edge / HERTZ_PER_MEGAHERTZ, color=FAINT, linewidth=0.6, zorder=0)


def _label(amplitude: Axes, phase: Axes) -> None:
    """Limits and names of the vertical axes, which all columns share."""
    highest = amplitude.get_ylim()[1]
    amplitude.set_ylim(0.0, (1.0 + HEADROOM) * highest if highest > 0.0 else 1.0)
    amplitude.set_ylabel("amplitude")
    phase.set_ylim(-190.0, 190.0)
    phase.set_yticks([-180, -90, 0, 90, 180])
    phase.set_ylabel("phase [deg]")


def _tell_baselines(figure: Figure, axes: Axes, baselines: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    colours = _colours(len(baselines))
    marks = [
        Line2D([], [], color=colour, marker="o", markersize=6, linestyle="none", label=name)
        for name, colour in zip(baselines, colours, strict=True)
    ]
    figure.legend(
        handles=marks,
        loc="outside right upper",
        title="baseline",
        edgecolor="none",
        labelcolor=INK,
        fontsize=11,
    )
