"""The compiled default of conversions; reference.py defines its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.progress import Progress
from . import kernel
from .conversion import convert
from .grouping import Observation
from .kernel import medians

__all__ = ["medians", "visibilities"]


def visibilities(
    observation: Observation,
    out: Path,
    format: str,
    phase_center: Any = None,
    merge: bool = True,
    columns: tuple[str, ...] = ("DATA",),
    history: Sequence[str] = (),
    memory: float = float("inf"),
    progress: Progress | None = None,
) -> int:
    """Convert one observation; see the plugin author guide for the arguments."""
    return convert(
        kernel, observation, out, format, phase_center, merge, columns, history, memory, progress
    )
