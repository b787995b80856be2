"""What a conversion asks of an output, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from .header import Header
from .layout import Order, Rows, Window
from .phasing import Phased


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Everything about an output but visibilities, flags and weights.

    Attributes
    ----------
    path : Path
        Where it is written; its name, and what was there, are others' concern.
    header : Header
        Of the first file; rows and frequencies are not those of the output.
    rows : Rows
        Of the whole output.
    phased : sequence of Phased
        The pieces in time, with phase centres that have the same numbers in all.
    windows : sequence of Window
    order : Order
    columns : tuple of str
        Columns of visibilities.
    history : sequence of str
        Lines to add to that of the file.
    """

    path: Path
    header: Header
    rows: Rows
    phased: Sequence[Phased]
    windows: Sequence[Window]
    order: Order
    columns: tuple[str, ...]
    history: Sequence[str]


class Writer(Protocol):
    """One output, written block by block in the order of its rows."""

    def write(
        self,
        window: int,
        first_row: int,
        visibilities: np.ndarray,
        flags: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Add rows of one spectral window; the arrays are used again when this is done.

        Parameters
        ----------
        window : int
        first_row : int
            Among those of the output.
        visibilities : ndarray of complex64, shape (n_rows, n_channels, n_polarizations)
        flags : ndarray of bool, the same shape
        weights : ndarray of float32, the same shape
        """

    def close(self) -> None:
        """Write what is left, and close."""

    def abandon(self) -> None:
        """Close an output that nobody wants any more."""
