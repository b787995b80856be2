"""The compiled default of conversions; reference.py defines its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.progress import Progress
from ..formats import Format
from . import kernel
from .conversion import convert
from .grouping import Observation
from .kernel import medians
from .sources import Files

__all__ = ["medians", "visibilities"]


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
        kernel,
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
