"""Colours and sizes of every picture, in one place."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

# From the palette of Okabe & Ito (2008), which colour-blind readers can tell apart.
DATA = "#8a94a0"
SIGNAL = "#d55e00"
SPECTRUM = "#0072b2"
INK = "#20262e"
FAINT = "#b9c0c8"

#: Above this many points, a cloud is stored as pixels, even in a vector file.
RASTERIZE_ABOVE = 2_000

_SETTINGS: Any = {
    "font.size": 12,
    "axes.labelsize": 12.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.formatter.use_mathtext": True,
    "svg.hashsalt": "armillary",
}


def style() -> AbstractContextManager[None]:
    """Matplotlib's settings for our pictures, for the length of a ``with`` block."""
    import matplotlib

    return matplotlib.rc_context(_SETTINGS)


def cloud(n_points: int) -> dict[str, Any]:
    """How to draw so many points that single ones and crowds can both be seen."""
    thinning = min(1.0, RASTERIZE_ABOVE / max(n_points, 1))
    return {
        "linestyle": "none",
        "marker": ".",
        "markeredgewidth": 0,
        "markersize": max(3.0, 5.0 * thinning**0.25),
        "alpha": max(0.2, 0.9 * thinning**0.35),
        "rasterized": n_points > RASTERIZE_ABOVE,
    }


def thousands(axis: Any) -> None:
    """Whole numbers with commas, and a minus sign that is as long as a plus."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", "\u2212")))
