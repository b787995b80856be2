"""HATS catalogues: how a folder shows that it is one, what it states, the order of its files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from armillary.io.errors import CatalogFileError

__all__ = [
    "HEALPIX_COLUMN",
    "HEALPIX_ORDER",
    "along_the_sky",
    "catalog_folder",
    "catalog_properties",
    "collection_properties",
    "dataset_folder",
    "healpix_column",
    "is_hats",
    "partition",
]

#: The column by which rows are sorted, unless the properties name another: the HEALPix pixel of
#: this order.
HEALPIX_COLUMN = "_healpix_29"
HEALPIX_ORDER = 29

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


def catalog_folder(path: Path) -> Path:
    """The folder of a HATS catalogue itself: of a collection, that of its first table.

    Raises
    ------
    CatalogFileError
        If a collection does not say which table is its first.
    """
    stated = collection_properties(path)
    if stated is None:
        return path
    if not stated.get(_PRIMARY_TABLE):
        raise CatalogFileError(f"its {_COLLECTION} does not say {_PRIMARY_TABLE}")
    return path / stated[_PRIMARY_TABLE]


def dataset_folder(path: Path) -> Path:
    """The folder of the partitions of a HATS catalogue, or of the first table of a collection.

    Raises
    ------
    CatalogFileError
        If a collection does not say which table is its first, or does not hold it.
    """
    path = catalog_folder(path)
    folder = path / "dataset"
    if not folder.is_dir():
        raise CatalogFileError(f"the collection has no folder {path.name}/dataset")
    return folder


def collection_properties(path: Path) -> dict[str, str] | None:
    """What a collection states; None if the folder is none."""
    file = path / _COLLECTION
    return _entries(file) if file.is_file() else None


def catalog_properties(folder: Path) -> dict[str, str]:
    """What a catalogue, or a margin cache, states.

    Raises
    ------
    CatalogFileError
        If the folder has no file of properties.
    """
    for name in _CATALOG:
        if (folder / name).is_file():
            return _entries(folder / name)
    raise CatalogFileError(f"{folder} is no HATS catalogue: it has no file {_CATALOG[0]}")


def healpix_column(properties: dict[str, str]) -> str:
    """The column by which the rows of a catalogue are sorted."""
    return properties.get("hats_col_healpix", HEALPIX_COLUMN)


def along_the_sky(path: Path) -> tuple[int, int, Path]:
    """Key that sorts the files of partitions by their place on the sky, whatever their orders."""
    order, pixel = partition(path)
    return pixel << 2 * max(HEALPIX_ORDER - order, 0) if pixel > 0 else pixel, order, path


def partition(path: Path) -> tuple[int, int]:
    """Order and pixel of the file of a partition; -1 where its path does not tell."""
    return _number_after("Norder", path), _number_after("Npix", path)


def _number_after(name: str, path: Path) -> int:
    found = re.search(rf"(?:^|/){name}=(\d+)", path.as_posix())
    return int(found[1]) if found else -1


def _entries(file: Path) -> dict[str, str]:
    """The entries of a file of ``key=value`` lines."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", "!")))
    return {key.strip(): value.strip() for key, _, value in pairs}
