"""Which output goes into which file, where there may be one for each of several inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .._files import make_folder


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of output.

    Attributes
    ----------
    option : str
        What the user gives it with, for sentences.
    what : str
        What it is: "picture".
    placeholder : str
        What stands, in a path, for the name of that of which there is one each: "{target}".
    file_name : str
        Name of a file, with the placeholder, in a folder.
    check : callable
        Called with a path before any work; raises if no such output can be written there.
    """

    option: str
    what: str
    placeholder: str
    file_name: str
    check: Callable[[Path], None]

    @property
    def each(self) -> str:
        """Of what there is one each: "target"."""
        return self.placeholder.strip("{}")


class Destinations:
    """The paths of one kind of output.

    Parameters
    ----------
    kind : Kind
        What is written.
    pattern : Path
        A file, for a single output; a file with the placeholder in its name; or a folder, which
        is made if need be.
    n : int
        How many there will be.

    Raises
    ------
    ValueError
        If the pattern is one file for several outputs, or ``kind.check`` says so.
    OSError
        If the folder above does not exist, or nothing can be written there.
    """

    def __init__(self, kind: Kind, pattern: Path, n: int) -> None:
        is_folder = pattern.is_dir() or not pattern.suffix
        self.kind = kind
        self.pattern = pattern / kind.file_name if is_folder else pattern
        if n > 1 and kind.placeholder not in self.pattern.name:
            raise ValueError(
                f"{kind.option} {pattern} is one {kind.what} for {n} {kind.each}s; "
                f"give a folder, or a name with {kind.placeholder} in it"
            )
        if is_folder:
            make_folder(pattern)
        kind.check(self.pattern)
        self._given: set[str] = set()

    def path(self, name: str) -> Path:
        """Where the output of this name goes; of two of one name the second gets a -2."""
        safe = re.sub(r"[^\w.+-]+", "_", name).strip("_.") or self.kind.each
        own, count = safe, 1
        while own in self._given:
            count += 1
            own = f"{safe}-{count}"
        self._given.add(own)
        return self.pattern.with_name(self.pattern.name.replace(self.kind.placeholder, own))
