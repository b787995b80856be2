"""Whether a file of visibilities is whole and makes sense, without reading them."""

from __future__ import annotations

import errno
import math
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._words import counted
from .errors import VisibilityFileError

if TYPE_CHECKING:
    import h5py

#: What every version of UVH5 has in its header.
COUNTS = ("Nblts", "Nfreqs", "Npols")
ROW_ARRAYS = ("time_array", "integration_time", "ant_1_array", "ant_2_array")
AXES = ("freq_array", "channel_width", "polarization_array")
TELESCOPE = (
    "latitude",
    "longitude",
    "altitude",
    "antenna_numbers",
    "antenna_names",
    "antenna_positions",
)
REQUIRED = (*COUNTS, *ROW_ARRAYS, "uvw_array", *AXES, *TELESCOPE)
DATASETS = ("visdata", "flags", "nsamples")

#: AIPS memo 117: Stokes I to V; RR, LL, RL, LR; XX, YY, XY, YX.
POLARIZATION_CODES = frozenset((*range(1, 5), *range(-8, 0)))
#: Widest integers (bytes) in pairs of a real and an imaginary part.
WIDEST_INTEGER = 4
#: Julian dates of the years 1900 and 2100: what lies beyond is no time of an observation.
FIRST_TIME, LAST_TIME = 2_415_020.5, 2_488_069.5
#: What goes wrong with disks and networks and may pass, whatever the file holds.
MAY_PASS = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EACCES, errno.ENOMEM}
)
#: How HDF5 says that a file is shorter than it should be.
TRUNCATED = re.compile(r"truncated file: eof = (\d+), .*stored_eof = (\d+)")


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found wrong with a file of visibilities; true if that is nothing.

    Attributes
    ----------
    path : Path
        The file.
    problems : tuple of str
        What is wrong, in sentences about the file, such as ``"has no group 'Data'"``.
    """

    path: Path
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        found = "is valid" if self.ok else "; ".join(self.problems)
        return f"<Validation: {str(self.path)!r} {found}>"


def validate(path: str | PathLike[str]) -> Validation:
    """Look for what is wrong with a UVH5 file.

    Only its header and the places of its data are read, in milliseconds: groups and datasets that
    every version of the format has, axes that agree, data that lie within the file (and not
    beyond the end of one that was cut short), frequencies that rise or fall, times that are
    finite, polarisations and types that are known. Visibilities are not read, so that damage
    within them is not found.

    Parameters
    ----------
    path : path-like
        A UVH5 file.

    Returns
    -------
    Validation
        True if nothing is wrong; otherwise ``problems`` says what is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read for a reason that is not in the file: permissions, a disk or network
        that fails, another process that is writing it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from armillary.convert.visibility.validation import validate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.uvh5")
    ...     _ = path.write_text("not visibilities")
    ...     validation = validate(path)
    >>> validation.ok
    False
    """
    path = Path(path)
    return Validation(path, examine(path) or tuple(_problems_of_header(path)))


def examine(path: Path) -> tuple[str, ...]:
    """What is wrong with a file before its header is read as a whole; see :func:`validate`."""
    try:
        return tuple(_problems_of_kind(path) or _problems_of_file(path))
    except OSError as error:
        if error.filename is not None:
            raise
        # HDF5 names no file.
        raise OSError(error.errno, _first_line(error), str(path)) from error


def _problems_of_kind(path: Path) -> list[str]:
    """What can be said without looking into it."""
    kind = path.stat()
    if stat.S_ISDIR(kind.st_mode):
        if (path / "table.dat").is_file():
            return ["is a table of casacore, as a Measurement Set is; only UVH5 can be validated"]
        return ["is a folder, not a UVH5 file"]
    if not stat.S_ISREG(kind.st_mode):
        return ["is no ordinary file"]
    with open(path, "rb"):
        pass  # what the operating system refuses is not the file's fault
    return [] if kind.st_size else ["is empty"]


def _problems_of_header(path: Path) -> list[str]:
    """What keeps the converter from using a file whose parts fit together."""
    from .uvh5_header import read_uvh5_header

    try:
        read_uvh5_header(path)
    except VisibilityFileError as error:
        return [error.reason]
    return []


def _problems_of_file(path: Path) -> list[str]:
    import h5py

    problems: list[str] = []
    with _reported(problems, "cannot be opened as HDF5"), h5py.File(path, "r") as file:
        examination = _Examination(file, path.stat().st_size, problems)
        with _reported(problems, "is damaged"):
            examination.groups()
    return problems


@contextmanager
def _reported(problems: list[str], what: str) -> Iterator[None]:
    """An error is one more problem; HDF5 raises nearly anything about a damaged file."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno in MAY_PASS:
            raise
        problems.append(_in_words(error) or f"{what}: {_first_line(error)}")


def _in_words(error: BaseException) -> str:
    """What HDF5 says in its own way, where that is known."""
    said = str(error)
    if "file signature not found" in said:
        return "is no HDF5 file"
    cut = TRUNCATED.search(said)
    return f"is cut short: it has {int(cut[1]):,} of {int(cut[2]):,} bytes" if cut else ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Examination:
    """Looks at one open file and writes down what is wrong.

    Parameters
    ----------
    file : h5py.File
    size : int
        Of the file (bytes).
    problems : list of str
        What is found is added here.
    """

    def __init__(self, file: h5py.File, size: int, problems: list[str]) -> None:
        self.file = file
        self.size = size
        self.problems = problems

    def groups(self) -> None:
        """Everything, as far as there is something to look at."""
        import h5py

        found = {name: self.file.get(name) for name in ("Header", "Data")}
        absent = [name for name, group in found.items() if not isinstance(group, h5py.Group)]
        for name in absent:
            self.problems.append(f"has no group {name!r}")
        if absent:
            return
        header = self._datasets(found["Header"], REQUIRED)
        data = self._datasets(found["Data"], DATASETS)
        if len(header) < len(REQUIRED) or len(data) < len(DATASETS):
            return
        # Only what lies within the file and fits together may be read.
        steps = (
            lambda: self.storage(header, data),
            lambda: self.axes(header, data),
            lambda: self.types(data),
            lambda: self.values(header),
        )
        for step in steps:
            if not self.problems:
                step()

    def _datasets(self, group: Any, names: tuple[str, ...]) -> dict[str, Any]:
        import h5py

        found = {name: group.get(name) for name in names}
        for name, dataset in found.items():
            if not isinstance(dataset, h5py.Dataset):
                self.problems.append(f"has no dataset {_full(group, name)!r}")
        return {name: one for name, one in found.items() if isinstance(one, h5py.Dataset)}

    # -------------------------------------------------------------- storage

    def storage(self, header: dict[str, Any], data: dict[str, Any]) -> None:
        """Every dataset lies within the file, and nothing was left unwritten."""
        for name, dataset in (*header.items(), *data.items()):
            with _reported(self.problems, f"is damaged at {dataset.name!r}"):
                # Correlators leave flags and sample counts out where all of them are zero.
                self.one_dataset(dataset, may_be_unwritten=name in ("flags", "nsamples"))

    def one_dataset(self, dataset: Any, *, may_be_unwritten: bool) -> None:
        """The same for one, whatever its layout; compact data lie within the header of HDF5."""
        from h5py import h5d

        layout = dataset.id.get_create_plist().get_layout()
        if not dataset.size or dataset.external or layout not in (h5d.CHUNKED, h5d.CONTIGUOUS):
            return
        look = self.chunks if layout == h5d.CHUNKED else self.contiguous
        unwritten, end = look(dataset)
        if unwritten and not may_be_unwritten:
            self.problems.append(f"has {unwritten} of {dataset.name!r} that were never written")
        if end > self.size:
            self.problems.append(
                f"is cut short: {dataset.name!r} goes on to byte {end:,}, and the file has "
                f"{self.size:,}"
            )

    def contiguous(self, dataset: Any) -> tuple[str, int]:
        """What was never written, in words, and where the data end."""
        offset = dataset.id.get_offset()
        return ("data", 0) if offset is None else ("", offset + dataset.id.get_storage_size())

    def chunks(self, dataset: Any) -> tuple[str, int]:
        """The same of data in chunks, each of which must have a place of its own."""
        corners: list[tuple[int, ...]] = []
        end = 0

        def look(chunk: Any) -> None:
            nonlocal end
            corners.append(chunk.chunk_offset)
            end = max(end, chunk.byte_offset + chunk.size)

        dataset.id.chunk_iter(look)
        n_chunks = _n_chunks(dataset)
        if corners and not _fit(corners, dataset):
            self.problems.append(f"is damaged: chunks of {dataset.name!r} lie outside of it")
        missing = n_chunks - len(corners)
        return (f"{missing:,} of {counted(n_chunks, 'chunk')}" if missing > 0 else ""), end

    # -------------------------------------------------------------- what must fit together

    def axes(self, header: dict[str, Any], data: dict[str, Any]) -> None:
        """Counts, arrays of the header and data agree about every axis."""
        n_rows, n_channels, n_polarizations = (self.count(header[name]) for name in COUNTS)
        if self.problems:
            return
        for name in ROW_ARRAYS:
            self.shape(header[name], (n_rows,), "Nblts")
        self.shape(header["uvw_array"], (n_rows, 3), "Nblts")
        self.shape(header["polarization_array"], (n_polarizations,), "Npols")
        frequency = header["freq_array"]
        if frequency.ndim not in (1, 2) or frequency.size != n_channels:
            self.shape(frequency, (n_channels,), "Nfreqs")
        width = header["channel_width"]
        if width.size not in (1, n_channels):
            self.shape(width, (n_channels,), "Nfreqs")
        expected = (n_rows, n_channels, n_polarizations)
        # Before version 1.0 there was an axis of spectral windows, which had one.
        old = (n_rows, 1, n_channels, n_polarizations)
        for dataset in data.values():
            if dataset.shape != old:
                self.shape(dataset, expected, "Nblts, Nfreqs and Npols")
        if len({dataset.shape for dataset in data.values()}) > 1 and not self.problems:
            shapes = ", ".join(f"{name} {dataset.shape}" for name, dataset in data.items())
            self.problems.append(f"has data of different shapes: {shapes}")

    def count(self, dataset: Any) -> int:
        """A positive number of the header; 0 if it is none."""
        value = dataset[()] if dataset.size == 1 and dataset.dtype.kind in "iu" else 0
        number = int(np.asarray(value).reshape(-1)[0])
        if number < 1:
            self.problems.append(f"has a {dataset.name!r} that is no positive integer")
        return max(number, 0)

    def shape(self, dataset: Any, expected: tuple[int, ...], counts: str) -> None:
        """An array has the shape that the counts of the header say."""
        if dataset.shape != expected:
            self.problems.append(
                f"has {dataset.name!r} of shape {dataset.shape}; {counts} of its header say "
                f"{expected}"
            )

    def types(self, data: dict[str, Any]) -> None:
        """Data are of types that visibilities, flags and counts of samples have."""
        if not _holds_visibilities(data["visdata"].dtype):
            self.problems.append(
                f"has visibilities of type {data['visdata'].dtype}; they must be complex64, "
                f"complex128, or pairs 'r', 'i' of integers of up to {8 * WIDEST_INTEGER} bits"
            )
        for name, kinds in (("flags", "biu"), ("nsamples", "fiu")):
            if data[name].dtype.kind not in kinds:
                self.problems.append(f"has {name} of type {data[name].dtype}")

    def values(self, header: dict[str, Any]) -> None:
        """Times, frequencies and polarisations can be what they are."""
        time, frequency, codes = (
            self.numbers(header[name])
            for name in ("time_array", "freq_array", "polarization_array")
        )
        if self.problems:
            return
        strange = int(np.count_nonzero(~np.isfinite(time)))
        if strange:
            self.problems.append(
                f"has {strange:,} of {counted(time.size, 'time')} that are not finite"
            )
        elif time.min() < FIRST_TIME or time.max() > LAST_TIME:
            self.problems.append(
                f"has times from {time.min():.6g} to {time.max():.6g}, which are no Julian dates "
                "of observations"
            )
        if not np.isfinite(frequency).all() or (frequency <= 0.0).any():
            self.problems.append("has frequencies that are not finite and positive")
        elif not _rises_or_falls(frequency):
            self.problems.append(
                "has frequencies that neither rise nor fall from channel to channel"
            )
        unknown = sorted(set(codes.tolist()) - POLARIZATION_CODES)
        if unknown:
            self.problems.append(f"has polarizations of unknown codes: {_listed(unknown)}")
        if len(set(codes.tolist())) < codes.size:
            self.problems.append("has a polarization twice")

    def numbers(self, dataset: Any) -> np.ndarray:
        """A small array of the header; empty, and a problem, if it holds something else."""
        if dataset.dtype.kind not in "iuf":
            self.problems.append(f"has a {dataset.name!r} that holds no numbers")
            return np.empty(0)
        return dataset[()].reshape(-1)


def _full(group: Any, name: str) -> str:
    return f"{group.name.strip('/')}/{name}"


def _n_chunks(dataset: Any) -> int:
    """Of a dataset that is written completely."""
    return math.prod(-(-n // m) for n, m in zip(dataset.shape, dataset.chunks, strict=True))


def _fit(corners: list[tuple[int, ...]], dataset: Any) -> bool:
    """Whether the first element of each chunk is where chunks begin, and of no other."""
    places = np.array(corners)
    within = (places >= 0).all() and (places < dataset.shape).all()
    on_grid = not (places % dataset.chunks).any()
    return bool(within) and on_grid and len(set(corners)) == len(corners)


def _holds_visibilities(dtype: np.dtype) -> bool:
    if dtype.names is None:
        return dtype.kind == "c" and dtype.itemsize in (8, 16)
    parts = [dtype[name] for name in dtype.names]
    return (
        dtype.names == ("r", "i")
        and parts[0] == parts[1]
        and parts[0].kind == "i"
        and parts[0].itemsize <= WIDEST_INTEGER
    )


def _rises_or_falls(frequency: np.ndarray) -> bool:
    steps = np.diff(frequency)
    return bool((steps > 0.0).all() or (steps < 0.0).all())


def _listed(codes: list[int]) -> str:
    return ", ".join(map(str, codes))
