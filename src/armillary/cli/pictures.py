"""Which picture goes into which file."""

from __future__ import annotations

from pathlib import Path

from .destinations import Destinations, Kind

#: Stands for the name of the target in the path of a picture.
PLACEHOLDER = "{target}"


class PicturePaths(Destinations):
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

        kind = Kind("--plot", "picture", PLACEHOLDER, f"{PLACEHOLDER}.png", check_picture_path)
        super().__init__(kind, pattern, n_targets)
