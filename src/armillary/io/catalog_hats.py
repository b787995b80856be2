"""HATS catalogues: how a folder shows that it is one, and the order of its partitions."""

from __future__ import annotations

import os
import re
from pathlib import Path

from armillary.io.errors import CatalogFileError

__all__ = ["dataset_folder", "is_hats", "partition_order"]

_COLLECTION = "collection.properties"
_CATALOG = ("hats.properties", "properties")
_PRIMARY_TABLE = "hats_primary_table_url"


def is_hats(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is a HATS catalogue, or a collection of one with its margins.

    Parameters
    ----------
    path : str or path-like
        Of anything, or nothing.

    Returns
    -------
    bool
        True for a folder with ``collection.properties``, or with ``hats.properties`` or
        ``properties`` beside a folder ``dataset``.

    Examples
    --------
    >>> import tempfile
    >>> is_hats(Path(tempfile.mkdtemp()))
    False
    """
    folder = Path(path)
    if (folder / _COLLECTION).is_file():
        return True
    return (folder / "dataset").is_dir() and any((folder / name).is_file() for name in _CATALOG)


def dataset_folder(path: Path) -> Path:
    """The folder of the partitions of a HATS catalogue, or of the first table of a collection.

    Raises
    ------
    CatalogFileError
        If a collection does not say which table is its first, or does not hold it.
    """
    if (path / _COLLECTION).is_file():
        path = path / _primary_table(path / _COLLECTION)
    folder = path / "dataset"
    if not folder.is_dir():
        raise CatalogFileError(f"the collection has no folder {path.name}/dataset")
    return folder


def partition_order(path: Path) -> tuple[int, int, Path]:
    """Key that sorts the files of partitions by order and pixel, as numbers."""
    return _number_after("Norder", path), _number_after("Npix", path), path


def _number_after(name: str, path: Path) -> int:
    found = re.search(rf"(?:^|/){name}=(\d+)", path.as_posix())
    return int(found[1]) if found else -1


def _primary_table(properties: Path) -> str:
    for line in properties.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == _PRIMARY_TABLE and value.strip():
            return value.strip()
    raise CatalogFileError(f"its {_COLLECTION} does not say {_PRIMARY_TABLE}")
