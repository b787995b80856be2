"""Which picture goes into which file."""

from __future__ import annotations

import re
from pathlib import Path

from .._files import make_folder

#: Stands for the name of the target in the path of a picture.
PLACEHOLDER = "{target}"


class PicturePaths:
    """The path of each target's picture.

    Parameters
    ----------
    pattern : Path
        A file, for one target; a file with ``{target}`` in its name; or a folder, which is
        made if need be and gets ``{target}.png``.
    n_targets : int
        How many targets there will be.

    Raises
    ------
    ValueError
        If the pattern is one file for several targets, or its suffix names no picture format.
    OSError
        If the folder above does not exist, or no picture can be written there.
    ImportError
        If matplotlib is not installed.
    """

    def __init__(self, pattern: Path, n_targets: int) -> None:
        from ..plot.files import check_picture_path

        is_folder = pattern.is_dir() or not pattern.suffix
        self._pattern = pattern / f"{PLACEHOLDER}.png" if is_folder else pattern
        if n_targets > 1 and PLACEHOLDER not in self._pattern.name:
            raise ValueError(
                f"--plot {pattern} is one picture for {n_targets} targets; "
                f"give a folder, or a name with {PLACEHOLDER} in it"
            )
        if is_folder:
            make_folder(pattern)
        check_picture_path(self._pattern)
        self._given: set[Path] = set()

    def path(self, target: str) -> Path:
        """Where this target's picture goes; of two targets of one name the second gets a -2."""
        name = re.sub(r"[^\w.+-]+", "_", target).strip("_.") or "target"
        plain = self._pattern.with_name(self._pattern.name.replace(PLACEHOLDER, name))
        path, count = plain, 1
        while path in self._given:
            count += 1
            path = plain.with_stem(f"{plain.stem}-{count}")
        self._given.add(path)
        return path
