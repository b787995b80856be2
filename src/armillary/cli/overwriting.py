"""Outputs that would take the place of what is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def refuse_inputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> None:
    """Make sure, before any work, that no output replaces a file that is read.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        Where each output goes, by the option that it is given with; None where it is not asked for.
    inputs : iterable of Path
        The files that are read.

    Raises
    ------
    ValueError
        If one of them is the same file as an input, by whatever name.
    """
    read = [path for path in inputs if path.exists()]
    for option, output in outputs.items():
        if output is None or not output.exists():
            continue
        if any(output.samefile(path) for path in read):
            raise ValueError(f"{option} would replace {str(output)!r}, which is read")
