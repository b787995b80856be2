"""Outputs that would take the place of what is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .._files import identities


def refuse_inputs(outputs: Iterable[tuple[str, Path | None]], inputs: Iterable[Path]) -> None:
    """Make sure, before any work, that no output replaces a file that is read.

    Parameters
    ----------
    outputs : iterable of (str, Path or None)
        The option that asks for an output, and where it goes; None where it is not asked for.
    inputs : iterable of Path
        The files that are read.

    Raises
    ------
    ValueError
        If one of them is the same file as an input, by whatever name.
    """
    read = identities(inputs)
    for option, output in outputs:
        if output is not None and identities([output]) & read:
            raise ValueError(f"{option} would replace {str(output)!r}, which is read")
