"""Real data of the demonstrations, which come in packages of their own."""

from __future__ import annotations

import importlib.util
from pathlib import Path


class DataMissing(RuntimeError):
    """A package with data is not installed; the message says how to get it."""


def packaged_file(package: str, path: Path) -> Path | None:
    """A file in an installed package, found without importing it; None if it is not there.

    Parameters
    ----------
    package : str
        Name of the module.
    path : Path
        Where in the package the file is.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    return None
