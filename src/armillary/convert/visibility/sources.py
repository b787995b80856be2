"""Who reads a file of visibilities: ourselves, if it is HDF5, or the plugin that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...plugins.errors import ContractError
from ..formats import Converter, Format, recognised
from .errors import VisibilityFileError
from .grouping import VisibilityFile
from .header import Header
from .uvh5_header import read_uvh5_header
from .uvh5_reader import Uvh5Reader
from .validation import examine
from .writer import Output, Writer

OPERATION = "convert.visibilities"


class VisibilitySource(Protocol):
    """An open file of visibilities.

    Attributes
    ----------
    header : Header
        Everything but the visibilities.
    chunk_rows : int
        Rows that are best read together; 1 if it does not matter.
    """

    header: Header
    chunk_rows: int

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the file.

        Returns
        -------
        visibilities : ndarray of float32 or float64, shape (n_rows, n_channels, n_polarizations, 2)
            Real and imaginary parts, C order.
        flags : ndarray of uint8, shape (n_rows, n_channels, n_polarizations)
            1 where a visibility is not to be used.
        weights : ndarray of float32, the same shape
            Numbers of samples.
        """

    def close(self) -> None:
        """Close the file."""


class VisibilityConverter(Converter, Protocol):
    """A converter of ``convert.visibilities``; it reads, writes, or both."""

    def read(self, path: Path) -> VisibilitySource:
        """Open a file."""

    def write(self, output: Output) -> Writer:
        """Begin an output at ``output.path``, which does not exist yet."""


class Files:
    """The files of a call, each read by who knows it.

    Parameters
    ----------
    reader : Format or None
        A plugin's converter that is to read all of them; None lets each file tell.
    """

    def __init__(self, reader: Format | None = None) -> None:
        self._reader = reader

    def header(self, path: Path) -> Header:
        """What a file says of itself.

        Raises
        ------
        VisibilityFileError
            If nobody knows it, or it is damaged.
        """
        format = self._reader or _plugin_of(path)
        if format is None:
            problems = examine(path)
            if problems:
                raise VisibilityFileError(path, "; ".join(problems))
            return read_uvh5_header(path)
        with self._opened(format, path) as source:
            # What the plugin says of itself may be that of another file behind it.
            return replace(source.header, path=path)

    @contextmanager
    def opened(self, file: VisibilityFile, cache: int) -> Iterator[Any]:
        """A file to read rows from, with so many bytes for its chunks."""
        format = self._reader or _plugin_of(file.path)
        if format is None:
            with Uvh5Reader(file, cache) as reader:
                yield reader
            return
        with self._opened(format, file.path) as source:
            yield _Plain(source)

    @contextmanager
    def _opened(self, format: Format, path: Path) -> Iterator[VisibilitySource]:
        with format.blamed():
            source = format.converter.read(path)
        if not isinstance(getattr(source, "header", None), Header):
            raise ContractError(f"{format.registered} read {str(path)!r} into no Header")
        try:
            yield source
        finally:
            source.close()


class _Plain:
    """A plugin's source, as blocks are made of it."""

    def __init__(self, source: VisibilitySource) -> None:
        self.read = source.read
        self.chunk_rows = source.chunk_rows
        self.frequency = np.ascontiguousarray(source.header.frequency)


def _plugin_of(path: Path) -> Format | None:
    """The plugin's converter that knows a file which is no HDF5, if there is one."""
    import h5py

    if not path.is_file() or h5py.is_hdf5(path):
        return None
    return recognised(OPERATION, path)


def writer_of(path: Path) -> Format | None:
    """The plugin's converter that writes files of such a name, if there is one."""
    return recognised(OPERATION, path, "write")
