"""Read visibilities, flags and weights of a UVH5 file, block by block and each byte once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from .chunk_map import raw_dataset
from .errors import VisibilityFileError
from .grouping import VisibilityFile
from .kernel import KINDS

DATASETS = ("visdata", "flags", "nsamples")
#: Slots of HDF5's table of chunks, a prime: many more than chunks in the cache.
CACHE_SLOTS = 10_007
#: Bytes of the cache of chunks beyond those that one row of chunks takes.
CACHE_SPARE = 1 << 16


class Uvh5Reader:
    """An open file; a context manager.

    Parameters
    ----------
    about : VisibilityFile
        What its header says; the datasets must be of that shape.
    cache : int
        Most bytes for chunks that are looked at by several blocks.

    Attributes
    ----------
    chunk_rows : int
        Rows of a chunk of visibilities; 1 if they are not in chunks.
    frequency : ndarray, shape (n_channels,)
        Hertz, in the order of the file.

    Raises
    ------
    VisibilityFileError
        If a dataset is missing, or of another shape or type.
    """

    def __init__(self, about: VisibilityFile, cache: int) -> None:
        import h5py

        self.path = about.path
        self.frequency = about.recorded_frequency
        self.shape = about.n_rows, len(about.frequency), about.n_polarizations
        self.file: Any = None
        self.raw_file = open(self.path, "rb", buffering=0)  # noqa: SIM115
        try:
            with h5py.File(self.path, "r") as file:
                datasets = [self._dataset(file, name) for name in DATASETS]
                self.chunk_rows = datasets[0].chunks[0] if datasets[0].chunks else 1
                self.raw = [raw_dataset(one, self.raw_file.fileno()) for one in datasets]
                rows = [_row_of_chunks(one) for one in datasets]
            # HDF5 remembers every chunk that it was asked for: it is not kept without need.
            if None in self.raw:
                self.file = h5py.File(
                    self.path,
                    "r",
                    # A chunk is looked at by several blocks; decompressed once, if there is room.
                    rdcc_nbytes=min(max(rows) + CACHE_SPARE, cache),
                    rdcc_nslots=CACHE_SLOTS,
                    rdcc_w0=1.0,
                )
        except VisibilityFileError:
            self.close()
            raise
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            self.close()
            raise VisibilityFileError(self.path, f"cannot be read: {error}") from error

    def _dataset(self, file: Any, name: str) -> Any:
        if f"Data/{name}" not in file:
            raise VisibilityFileError(self.path, f"has no dataset 'Data/{name}'")
        dataset = file["Data"][name]
        shape = self.shape
        if dataset.shape not in (shape, (shape[0], 1, *shape[1:])):
            raise VisibilityFileError(
                self.path,
                f"has {name!r} of shape {dataset.shape}; its header says {shape} (rows, "
                f"channels, polarizations)",
            )
        _require_filters(self.path, dataset)
        return dataset

    def __enter__(self) -> Uvh5Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.raw_file.close()
        if self.file is not None:
            self.file.close()

    @property
    def raw_datasets(self) -> tuple[Any, Any, Any] | None:
        """Visibilities, flags and weights past HDF5, if all are of the usual types."""
        visibilities, flags, weights = self.raw
        if visibilities is None or flags is None or weights is None:
            return None
        usual = (flags.dtype, weights.dtype) == (np.dtype(bool), np.dtype(np.float32))
        return (visibilities, flags, weights) if usual and visibilities.dtype in KINDS else None

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the file.

        Returns
        -------
        visibilities : ndarray of float32 or float64, shape (n_rows, n_channels, n_polarizations, 2)
            Real and imaginary parts.
        flags : ndarray of uint8, shape (n_rows, n_channels, n_polarizations)
        weights : ndarray of float32, the same shape

        Raises
        ------
        VisibilityFileError
            If the file is damaged there.
        """
        shape = (stop - start, *self.shape[1:])
        try:
            visibilities, flags, weights = (self._rows(i, start, stop) for i in range(3))
        except (OSError, RuntimeError, ValueError) as error:
            raise VisibilityFileError(
                self.path, f"cannot be read from row {start} to {stop - 1}: {error}"
            ) from error
        return (
            self._pairs(visibilities.reshape(shape)),
            np.ascontiguousarray(flags.reshape(shape), bool).view(np.uint8),
            np.ascontiguousarray(weights.reshape(shape), np.float32),
        )

    def _rows(self, number: int, start: int, stop: int) -> np.ndarray:
        """Of one dataset: past HDF5 where that can be, which is several times as fast."""
        raw = self.raw[number]
        if raw is not None:
            return raw.rows(start, stop)
        return self.file["Data"][DATASETS[number]][start:stop]

    def _pairs(self, visibilities: np.ndarray) -> np.ndarray:
        """Complex numbers, or records of two whole numbers, as pairs of real ones."""
        dtype = visibilities.dtype
        if dtype.names is not None and {"r", "i"} <= set(dtype.names):
            parts = np.stack([visibilities["r"], visibilities["i"]], axis=-1)
            # 32 bits of a whole number do not fit into those of a float32.
            return parts.astype(np.float64)
        if dtype.kind != "c":
            raise VisibilityFileError(
                self.path, f"has visibilities of type {dtype}; they must be complex"
            )
        wide = np.float64 if dtype.itemsize > 8 else np.float32
        native = np.ascontiguousarray(visibilities, np.result_type(wide, np.complex64))
        return native.view(wide).reshape(*visibilities.shape, 2)


def _require_filters(path: Path, dataset: Any) -> None:
    """Make sure that what a dataset is compressed with can be undone.

    HDF5 knows a few filters; hdf5plugin, where it is installed, teaches it others (bitshuffle,
    LZ4, Zstandard, Blosc).
    """
    from h5py import h5z

    about = dataset.id.get_create_plist()
    codes = [about.get_filter(i)[0] for i in range(about.get_nfilters())]
    if all(map(h5z.filter_avail, codes)):
        return
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    unknown = [code for code in codes if not h5z.filter_avail(code)]
    if unknown:
        raise VisibilityFileError(
            path,
            f"is compressed with the HDF5 filter {unknown[0]}, which is not known here; "
            f"hdf5plugin may know it: pip install hdf5plugin",
        )


def _row_of_chunks(dataset: Any) -> int:
    """Bytes of the chunks that hold the same rows."""
    if not dataset.chunks:
        return 0
    numbers = dataset.chunks[0] * dataset.dtype.itemsize
    for length, chunk in zip(dataset.shape[1:], dataset.chunks[1:], strict=True):
        numbers *= -(-length // chunk) * chunk
    return int(numbers)
