"""Figures into files, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._files import check_destination, written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of pictures, and of what is stored as pixels in vector files.
RESOLUTION = 150


def check_picture_path(path: Path) -> None:
    """Make sure, before any work, that a figure can be written to this path.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the suffix names no format of matplotlib's.
    OSError
        If a file cannot be written there.
    """
    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in formats:
        raise ValueError(
            f"a picture cannot be written as {path.name!r}; "
            f"the suffix must be one of {', '.join(f'.{name}' for name in sorted(formats))}"
        )
    check_destination(path)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format that the suffix names, replacing an older file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : str or path-like
        ``.png``, ``.pdf``, ``.svg`` or another format of matplotlib's.

    Raises
    ------
    ValueError, OSError
        As :func:`check_picture_path`.
    """
    path = Path(path)
    check_picture_path(path)
    with written_whole(path) as file:
        figure.savefig(file, format=path.suffix.lower().removeprefix("."), dpi=RESOLUTION)


def require_matplotlib() -> None:
    """Import matplotlib, or say how to get it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError('plots need matplotlib: pip install "armillary[plot]"') from None
