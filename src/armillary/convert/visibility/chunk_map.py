"""Where the values of a dataset lie in its file, for reading without HDF5."""

from __future__ import annotations

from io import RawIOBase
from itertools import pairwise
from typing import Any

import numpy as np

from .chunks import scatter

#: Bytes between two chunks that are read along rather than skipped.
GAP = 1 << 16


class ChunkMap:
    """The chunks of a dataset without filters.

    Parameters
    ----------
    dataset : h5py.Dataset
        One for which :func:`can_be_mapped` is true.
    places, corners : ndarray of int, shapes (n,) and (n, 3)
        Where each chunk begins in the file; first row, channel and polarisation.
    """

    def __init__(self, dataset: Any, places: np.ndarray, corners: np.ndarray) -> None:
        self.dtype = dataset.dtype
        self.shape = _three(dataset.shape)
        self.chunk = np.array(_three(dataset.chunks), np.int64)
        self.bytes_of_chunk = int(self.chunk.prod()) * self.dtype.itemsize
        order = np.argsort(corners[:, 0] * self.shape[1] + corners[:, 1], kind="stable")
        self.places, self.corners = places[order], np.ascontiguousarray(corners[order])

    def read(self, file: RawIOBase, start: int, stop: int) -> np.ndarray:
        """Rows of the dataset, of an open file.

        Raises
        ------
        OSError
            If the file ends before the values do.
        """
        first, last = np.searchsorted(
            self.corners[:, 0], [start - start % self.chunk[0], stop], side="left"
        )
        places, corners = self.places[first:last], self.corners[first:last]
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        raw = out.view(np.uint8).reshape(*out.shape, self.dtype.itemsize)
        by_place = np.argsort(places, kind="stable")
        for part in _runs(places[by_place], self.bytes_of_chunk):
            chosen = by_place[part]
            begin = int(places[chosen[0]])
            end = int(places[chosen[-1]]) + self.bytes_of_chunk
            scatter(
                _bytes(file, begin, end),
                places[chosen] - begin,
                np.ascontiguousarray(corners[chosen]),
                self.chunk,
                self.dtype.itemsize,
                start,
                raw,
            )
        return out


def mapped(dataset: Any) -> ChunkMap | None:
    """The map of a dataset, or None if only HDF5 can read it: it is compressed, of another byte
    order, without chunks, or has chunks that were never written."""
    dtype, chunks = dataset.dtype, dataset.chunks
    plain = dtype.isnative and (dtype.kind in "cfb" or dtype.names is not None)
    if chunks is None or not plain or dataset.id.get_create_plist().get_nfilters():
        return None
    corners, places = [], []

    def note(chunk: Any) -> None:
        corners.append(chunk.chunk_offset)
        places.append(chunk.byte_offset)

    dataset.id.chunk_iter(note)
    expected = np.prod([-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True)])
    if len(places) != expected:
        return None
    corner = np.array(corners, np.int64).reshape(len(places), -1)
    if corner.shape[1] == 4:
        corner = corner[:, [0, 2, 3]]
    # HDF5 counts from its superblock, which may lie behind a block of the user's.
    offset = int(dataset.file.userblock_size)
    return ChunkMap(dataset, np.array(places, np.int64) + offset, corner)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Without the axis of spectral windows that old files have."""
    rows, *_, channels, polarizations = shape
    return rows, channels, polarizations


def _runs(places: np.ndarray, size: int) -> list[slice]:
    """Chunks that lie so near each other that they are read together."""
    breaks = np.flatnonzero(np.diff(places) > size + GAP) + 1
    edges = [0, *breaks.tolist(), len(places)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def _bytes(file: RawIOBase, begin: int, end: int) -> np.ndarray:
    buffer = np.empty(end - begin, np.uint8)
    view = buffer.data
    done = 0
    file.seek(begin)
    while done < len(view):
        n = file.readinto(view[done:])
        if not n:
            raise OSError(f"the file ends {len(view) - done} bytes too early")
        done += n
    return buffer
