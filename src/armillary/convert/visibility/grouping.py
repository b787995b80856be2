"""Which files belong together: subbands of one observation, and pieces of it in time.

Headers tell, not names: the files of a correlator's subbands begin at the same time to the bit,
while their names may differ by seconds. A name counts where nothing else can tell: which subbands
are missing at the ends of the band.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .errors import VisibilityFileError
from .header import Header
from .phasing import tracked

SECONDS_PER_DAY = 86_400.0
#: The number of a subband in the name of a file.
SUBBAND_NAME = re.compile(r"_sb(\d+)(?=\D|$)", re.IGNORECASE)
#: Part of a channel by which the frequencies of two files may differ and be the same.
SAME_CHANNEL = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class VisibilityFile:
    """What grouping knows of a file; all that grows with its rows is in ``axes``.

    Attributes
    ----------
    path : Path
    first_time, last_time : float
        Julian dates (UTC) of the first and the last integration.
    integration_time : float
        Days.
    frequency, channel_width : ndarray, shape (n_channels,)
        Hertz, ascending.
    descends : bool
        Whether the file has them the other way around.
    is_projected : bool
        Whether every row has a phase centre among the stars.
    axes : dict of str to bytes
        Name of an axis -> a digest of its values: equal if they are equal to the bit.
    n_rows, n_times, n_baselines, n_polarizations : int
    """

    path: Path
    first_time: float
    last_time: float
    integration_time: float
    frequency: np.ndarray
    channel_width: np.ndarray
    descends: bool
    is_projected: bool
    axes: dict[str, bytes]
    n_rows: int
    n_times: int
    n_baselines: int
    n_polarizations: int

    @classmethod
    def of(cls, header: Header) -> VisibilityFile:
        """What is known from a header."""
        order = np.argsort(header.frequency)
        telescope = header.telescope
        return cls(
            path=header.path,
            first_time=header.first_time,
            last_time=float(header.time.max()),
            integration_time=float(header.integration_time.min()) / SECONDS_PER_DAY,
            frequency=header.frequency[order],
            channel_width=header.channel_width[order],
            descends=header.is_descending,
            is_projected=header.is_projected,
            axes={
                "times": _digest(header.time, header.integration_time),
                "baselines": _digest(header.antenna1, header.antenna2),
                "polarizations": _digest(header.polarization),
                "antennas": _digest(
                    telescope.antenna_numbers,
                    telescope.antenna_positions,
                    repr((telescope.longitude, telescope.latitude, telescope.altitude)).encode(),
                ),
                "phase centres": _digest(
                    header.phase_center_number,
                    repr((header.phase_centers, tracked(header))).encode(),
                ),
                "uvw": _digest(header.uvw),
            },
            n_rows=header.n_rows,
            n_times=header.n_times,
            n_baselines=header.n_baselines,
            n_polarizations=header.n_polarizations,
        )

    @property
    def recorded_frequency(self) -> np.ndarray:
        """Hertz, in the order of the file."""
        return np.ascontiguousarray(self.frequency[::-1]) if self.descends else self.frequency

    @property
    def subband(self) -> int | None:
        """The number in the file's name."""
        found = SUBBAND_NAME.findall(self.path.name)
        return int(found[-1]) if found else None

    def has_frequencies_of(self, other: VisibilityFile) -> bool:
        """Whether both have the same channels."""
        if self.frequency.shape != other.frequency.shape:
            return False
        apart = np.abs(self.frequency - other.frequency)
        return bool(np.all(apart <= SAME_CHANNEL * self.channel_width))


def _digest(*arrays: np.ndarray | bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(array if isinstance(array, bytes) else array.tobytes())
    return digest.digest()


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Files that become one: pieces in time, each of the same subbands.

    Attributes
    ----------
    pieces : tuple of tuple of VisibilityFile or None
        In the order of time; each has its subbands by ascending frequency, None where one is
        missing.
    bands : tuple of (ndarray, ndarray)
        Frequencies and widths of the channels of each subband, ascending, those missing included.
    """

    pieces: tuple[tuple[VisibilityFile | None, ...], ...]
    bands: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def files(self) -> tuple[VisibilityFile, ...]:
        """All files that there are."""
        return tuple(file for piece in self.pieces for file in piece if file is not None)

    @property
    def first_time(self) -> float:
        """Julian date (UTC)."""
        return min(file.first_time for file in self.files)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there, in words: a range of frequencies, and a piece if there are several."""
        return tuple(
            _band_in_words(self.bands[i][0])
            + (f" in piece {number + 1}" if len(self.pieces) > 1 else "")
            for number, piece in enumerate(self.pieces)
            for i, file in enumerate(piece)
            if file is None
        )


def _band_in_words(frequency: np.ndarray) -> str:
    return f"{frequency[0] / 1e6:.6g}-{frequency[-1] / 1e6:.6g} MHz"


def observations(
    files: Iterable[VisibilityFile], time_tolerance: float, expected_subbands: int | None
) -> list[Observation]:
    """Sort files into observations, in the order of time.

    A file belongs to an observation if it begins within the tolerance of the observation's first.
    Of those, files of the same frequencies follow each other in time, others are subbands.

    Parameters
    ----------
    files : iterable of VisibilityFile
    time_tolerance : float
        Seconds.
    expected_subbands : int or None
        Subbands that an observation must have to be complete; None means those that are there.

    Raises
    ------
    VisibilityFileError
        If two files are of the same time and frequencies, frequencies overlap, or files that must
        agree in an axis do not.
    ValueError
        If more subbands are there than are expected, or it cannot be told which are missing.
    """
    groups: list[list[VisibilityFile]] = []
    for file in sorted(files, key=lambda file: (file.first_time, str(file.path))):
        if groups and _seconds(file, groups[-1][0]) <= time_tolerance:
            groups[-1].append(file)
        else:
            groups.append([file])
    return [_observation(group, expected_subbands) for group in groups]


def _seconds(later: VisibilityFile, earlier: VisibilityFile) -> float:
    return (later.first_time - earlier.first_time) * SECONDS_PER_DAY


def _observation(files: Sequence[VisibilityFile], expected: int | None) -> Observation:
    subbands = _by_frequency(files)
    bands = _bands(subbands, expected)
    slots = [_slot(subband[0], bands) for subband in subbands]
    pieces: list[tuple[VisibilityFile | None, ...]] = []
    for together in _in_time(files):
        piece: list[VisibilityFile | None] = [None] * len(bands)
        for slot, subband in zip(slots, subbands, strict=True):
            piece[slot] = next((file for file in subband if file in together), None)
        _require_agreement(together)
        pieces.append(tuple(piece))
    _require_same_baselines(pieces)
    return Observation(tuple(pieces), tuple(bands))


def _by_frequency(files: Sequence[VisibilityFile]) -> list[list[VisibilityFile]]:
    """Files of the same frequencies, in the order of time; the subbands ascend."""
    subbands: list[list[VisibilityFile]] = []
    for file in sorted(files, key=lambda file: float(file.frequency[0])):
        if subbands and file.has_frequencies_of(subbands[-1][0]):
            subbands[-1].append(file)
            continue
        if subbands and file.frequency[0] <= subbands[-1][0].frequency[-1]:
            raise VisibilityFileError(
                file.path,
                f"has channels within those of {str(subbands[-1][0].path)!r}: "
                f"{_band_in_words(file.frequency)} and "
                f"{_band_in_words(subbands[-1][0].frequency)}",
            )
        subbands.append([file])
    for subband in subbands:
        subband.sort(key=lambda file: file.first_time)
        for before, file in pairwise(subband):
            _require_later(file, before)
    return subbands


def _require_later(file: VisibilityFile, before: VisibilityFile) -> None:
    if file.first_time <= before.last_time:
        raise VisibilityFileError(
            file.path,
            f"has the frequencies and times of {str(before.path)!r}; one of them is one too many",
        )


def _in_time(files: Sequence[VisibilityFile]) -> list[list[VisibilityFile]]:
    """Pieces: files that overlap, to half an integration, whether their times agree or not."""
    pieces: list[list[VisibilityFile]] = []
    for file in sorted(files, key=lambda file: file.first_time):
        if pieces:
            first = pieces[-1][0]
            if file.first_time < first.last_time + 0.5 * first.integration_time:
                pieces[-1].append(file)
                continue
        pieces.append([file])
    return pieces


def _require_agreement(files: Sequence[VisibilityFile]) -> None:
    """Subbands of one piece have the same axes but for frequency, to the bit."""
    first = files[0]
    for file in files[1:]:
        for axis, digest in first.axes.items():
            if file.axes[axis] != digest:
                raise VisibilityFileError(
                    file.path,
                    f"has other {axis} than {str(first.path)!r}, a subband of the same observation",
                )


def _require_same_baselines(pieces: Sequence[Sequence[VisibilityFile | None]]) -> None:
    """Pieces that follow each other have the same antennas and polarizations."""
    files = [next(file for file in piece if file is not None) for piece in pieces]
    for file in files[1:]:
        for axis in ("polarizations", "antennas"):
            if file.axes[axis] != files[0].axes[axis]:
                raise VisibilityFileError(
                    file.path,
                    f"has other {axis} than {str(files[0].path)!r}, which it follows in time",
                )


# ------------------------------------------------------------------ what is missing


def _bands(
    subbands: Sequence[Sequence[VisibilityFile]], expected: int | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Channels of all subbands that there should be, ascending."""
    there = [(subband[0].frequency, subband[0].channel_width) for subband in subbands]
    if expected is None or len(there) == expected:
        return there
    if len(there) > expected:
        raise ValueError(
            f"expected_subbands is {expected}, but the files that begin with "
            f"{str(subbands[0][0].path)!r} are of {len(there)} subbands"
        )
    first, step, position = _lattice(subbands, expected)
    frequency, width = there[0]
    offset = frequency - frequency[0]
    bands = [(first + i * step + offset, width) for i in range(expected)]
    for i, band in zip(position, there, strict=True):
        bands[i] = band
    return bands


def _lattice(
    subbands: Sequence[Sequence[VisibilityFile]], expected: int
) -> tuple[float, float, list[int]]:
    """First channel of the lowest subband, from one to the next, and which are there."""
    files = [subband[0] for subband in subbands]
    lowest = files[0]
    step = float(len(lowest.frequency) * lowest.channel_width[0])
    if len({len(file.frequency) for file in files}) > 1:
        raise ValueError(_CANNOT_TELL.format(expected, "the subbands have different channels"))
    start = np.array([file.frequency[0] for file in files])
    place = np.rint((start - start[0]) / step).astype(int)
    if np.any(np.abs(start - start[0] - place * step) > SAME_CHANNEL * lowest.channel_width[0]):
        raise ValueError(_CANNOT_TELL.format(expected, "those there are not evenly spaced"))
    below = _missing_below(files, place, expected)
    return float(start[0] - below * step), step, (place + below).tolist()


_CANNOT_TELL = "expected_subbands is {}, but it cannot be told which are missing: {}"


def _missing_below(files: Sequence[VisibilityFile], place: np.ndarray, expected: int) -> int:
    """Subbands that are missing below the lowest that is there."""
    if place[-1] >= expected:
        raise ValueError(_CANNOT_TELL.format(expected, f"those there span {place[-1] + 1} of them"))
    if place[-1] + 1 == expected:
        return 0
    numbers = [file.subband for file in files]
    if any(number is None or number >= expected for number in numbers):
        raise ValueError(
            _CANNOT_TELL.format(expected, "the names of the files do not number them (_sb00)")
        )
    number = np.array(numbers, dtype=int)
    if len(number) == 1:
        raise ValueError(
            _CANNOT_TELL.format(expected, "a single one does not tell which way they are numbered")
        )
    descends = number[0] > number[-1]
    lowest = expected - 1 - number if descends else number
    if np.any(lowest - lowest[0] != place):
        raise ValueError(
            _CANNOT_TELL.format(expected, "their frequencies do not follow their numbers")
        )
    return int(lowest[0])


def _slot(file: VisibilityFile, bands: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """The place of a subband among all."""
    return int(np.argmin([abs(frequency[0] - file.frequency[0]) for frequency, _ in bands]))
