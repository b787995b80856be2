"""Isophotes of several images on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._words import counted
from .images import FitOutcome

if TYPE_CHECKING:
    from rich.table import Table

    from ..fit import Isophotes

#: Columns of a page on which the table has room between its own.
COMFORTABLE_WIDTH = 110
#: Headings that are wider than what is below them, as they are broken on a narrower page.
BROKEN = {
    "isophotes": "iso-\nphotes",
    "converged": "con-\nverged",
    "measured": "mea-\nsured",
    "sma [pixel]": "sma\n[pixel]",
    "ellipticity": "ellip-\nticity",
    "angle [deg]": "angle\n[deg]",
}


def headline(isophotes: Isophotes) -> str:
    """How many isophotes there are, and how many were fitted well or measured."""
    word, n = _good(isophotes)
    return f"{counted(len(isophotes), 'isophote')}, {n} {word}"


def isophote_table(outcomes: Sequence[FitOutcome], width: int) -> Table:
    """A line for each image that was measured, for a page of this many columns.

    On a narrow page gaps shrink, and headings and names of images are broken; numbers never are.
    """
    from rich import box
    from rich.table import Table

    found = [(each.job.name, each.isophotes) for each in outcomes if each.isophotes is not None]
    is_narrow = width < COMFORTABLE_WIDTH
    padding = (0, 0) if is_narrow else (0, 1)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding)
    table.add_column("image", overflow="fold")
    good = _good(found[0][1])[0] if found else "converged"
    ellipse = ("at sma", "x0", "y0", "ellipticity", "angle [deg]")
    for heading in ("isophotes", good, "sma [pixel]", *ellipse):
        told = BROKEN.get(heading, heading) if is_narrow else heading
        table.add_column(_plain(told), justify="right", no_wrap=True)
    for name, isophotes in found:
        table.add_row(_plain(name), *_row(isophotes))
    return table


def _row(isophotes: Isophotes) -> list[str]:
    """The counts, the range of semi-major axes, and the ellipse in its middle."""
    import numpy as np

    told = [str(len(isophotes)), str(_good(isophotes)[1])]
    if not len(isophotes):
        return told
    told.append(f"{isophotes.sma[0]:.4g} to {isophotes.sma[-1]:.4g}")
    i = middle(isophotes)
    if i is None:
        return told
    return [
        *told,
        f"{isophotes.sma[i]:.1f}",
        f"{isophotes.x0[i]:.2f}",
        f"{isophotes.y0[i]:.2f}",
        f"{isophotes.ellipticity[i]:.3f}",
        f"{np.degrees(isophotes.position_angle[i]):.1f}",
    ]


def middle(isophotes: Isophotes) -> int | None:
    """Which isophote is about half as large as the largest, of those that converged if any did.

    None where no isophote has a shape.
    """
    import numpy as np

    for chosen in (isophotes.converged, np.isfinite(isophotes.ellipticity)):
        if chosen.any():
            half = 0.5 * isophotes.sma[chosen].max()
            return int(np.where(chosen, np.abs(isophotes.sma - half), np.inf).argmin())
    return None


def _good(isophotes: Isophotes) -> tuple[str, int]:
    """What isophotes should be, by how they came about, and how many are."""
    import numpy as np

    if isophotes.provenance.operation == "fit.forced_isophotes":
        return "measured", int(np.isfinite(isophotes.intensity).sum())
    return "converged", int(isophotes.converged.sum())


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
