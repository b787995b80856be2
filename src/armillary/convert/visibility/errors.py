"""What is wrong with a file of visibilities, in a sentence that names it."""

from __future__ import annotations

from pathlib import Path


class VisibilityFileError(ValueError):
    """A file of visibilities that cannot be read or used.

    Attributes
    ----------
    path : Path
        The file.
    reason : str
        What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[VisibilityFileError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)
