"""Which datasets can be read past HDF5, and where their values lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from .chunks import RawDataset


def raw_dataset(dataset: Any, file: int) -> RawDataset | None:
    """A dataset that is read past HDF5, or None if only HDF5 can read it.

    That is so if it is compressed, of another byte order, stored elsewhere, or has chunks that
    were never written; and behind a block of the user's, which some versions of HDF5 count in
    the places of chunks and others do not.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of rows, channels and polarisations; old files have an axis of spectral windows, too.
    file : int
        Descriptor of the same file, open for reading.

    Raises
    ------
    ValueError
        If a chunk lies outside of the dataset.
    """
    dtype = dataset.dtype
    plain = dtype.isnative and (dtype.kind in "cfb" or dtype.names == ("r", "i"))
    if not plain or dataset.external or dataset.file.userblock_size:
        return None
    if dataset.id.get_create_plist().get_nfilters():
        return None
    found = _chunks(dataset) if dataset.chunks else _whole(dataset)
    if found is None:
        return None
    places, corners = found
    shape = _three(dataset.shape)
    return RawDataset(file, dtype, shape, _three(dataset.chunks or shape), places, corners)


def _chunks(dataset: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Where each chunk begins, and its first row, channel and polarisation."""
    corners, places = [], []

    def note(chunk: Any) -> None:
        corners.append(chunk.chunk_offset)
        places.append(chunk.byte_offset)

    dataset.id.chunk_iter(note)
    counts = [-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    if len(places) != np.prod(counts):
        return None
    corner = np.array(corners, np.int64).reshape(len(places), dataset.ndim)
    return np.array(places, np.int64), corner[:, [0, -2, -1]]


def _whole(dataset: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of a dataset without chunks."""
    place = dataset.id.get_offset()
    if place is None:
        return None
    return np.array([place], np.int64), np.zeros((1, 3), np.int64)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Without the axis of spectral windows that old files have."""
    rows, *_, channels, polarizations = shape
    return rows, channels, polarizations
