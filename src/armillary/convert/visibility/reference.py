"""The definition of a conversion's arithmetic in plain NumPy; every equation of the kernel.

With a baseline's w grown by delta_w (metres) beyond what is known to the data, visibilities turn::

    V' = V exp(-2 pi i delta_w f / c)                                                (1)

Exchanging the antennas of a baseline conjugates, and exchanges the polarisations' receptors::

    V_21^pq = conj(V_12^qp)                                                          (2)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...runtime.progress import Progress
from ..formats import Format
from .conversion import convert
from .grouping import Observation
from .sources import Files

#: Metres per second.
LIGHT = 299_792_458.0


def merge(
    visibilities: np.ndarray,
    flags: np.ndarray,
    weights: np.ndarray,
    frequency: np.ndarray,
    evenly_spaced: bool,
    delta_w: np.ndarray | None,
    exchanged: np.ndarray,
    conjugate: bool,
    order: np.ndarray,
    first_channel: int,
    out: np.ndarray,
    out_flags: np.ndarray,
    out_weights: np.ndarray,
) -> None:
    """Fill the channels of one subband; see kernel.pyx for the arguments."""
    n_channels = len(frequency)
    turned = visibilities.astype(np.float64).view(np.complex128)[..., 0]
    if delta_w is not None:
        turned *= np.exp(-2j * np.pi * delta_w[:, None] * frequency / LIGHT)[:, :, None]  # (1)
    swap = exchanged.astype(bool)[:, None, None]
    turned = np.where(swap != bool(conjugate), turned.conj(), turned)  # (2)
    there = slice(first_channel, first_channel + n_channels)
    ascending = slice(None, None, -1 if n_channels > 1 and frequency[0] > frequency[-1] else 1)
    out = out.view(np.complex64)[..., 0]
    for result, values in ((out, turned), (out_flags, flags), (out_weights, weights)):
        ordered = np.where(swap, values[:, :, order[1]], values[:, :, order[0]])
        result[:, there] = ordered[:, ascending]


def medians(weights: np.ndarray) -> np.ndarray:
    """Median over channels, for each row and polarisation."""
    return np.asarray(np.median(weights, axis=1), np.float32)


def visibilities(
    observation: Observation,
    out: Path,
    format: str | Format,
    phase_center: Any = None,
    merge: bool = True,
    columns: tuple[str, ...] = ("DATA",),
    history: Sequence[str] = (),
    memory: float = float("inf"),
    threads: int = 1,
    progress: Progress | None = None,
    files: Files | None = None,
) -> int:
    """Convert one observation; see the plugin author guide for the arguments."""
    return convert(
        sys.modules[__name__],
        files or Files(),
        observation,
        out,
        format,
        phase_center,
        merge,
        columns,
        history,
        memory,
        threads,
        progress,
    )
