"""What an output consists of: rows, spectral windows, polarisations; the same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import VisibilityFileError
from .grouping import Observation
from .header import Header
from .phasing import Phased

#: Part of a channel by which the next one may be off its place in one spectral window.
CONTIGUOUS = 0.05
#: AIPS codes in the order in which CASA has them: XX XY YX YY, RR RL LR LL, I Q U V.
CASA_ORDER = (1, 2, 3, 4, -1, -3, -4, -2, -5, -7, -8, -6)
#: The polarisation of a baseline when its antennas are exchanged: XY and YX, RL and LR.
EXCHANGED = {-3: -4, -4: -3, -7: -8, -8: -7}


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One spectral window.

    Attributes
    ----------
    frequency, channel_width : ndarray, shape (n_channels,)
        Hertz, ascending.
    subbands, sizes : tuple of int
        Those that it is made of, and their channels.
    """

    frequency: np.ndarray
    channel_width: np.ndarray
    subbands: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def n_channels(self) -> int:
        """Channels of this window."""
        return len(self.frequency)


def windows(observation: Observation, merge: bool) -> tuple[Window, ...]:
    """The spectral windows of an observation: one if it is to be merged and has no gap."""
    if merge and _is_contiguous(observation.bands):
        frequency, width = (np.concatenate(part) for part in zip(*observation.bands, strict=True))
        sizes = tuple(len(band) for band, _ in observation.bands)
        return (Window(frequency, width, tuple(range(len(sizes))), sizes),)
    return tuple(
        Window(frequency, width, (i,), (len(frequency),))
        for i, (frequency, width) in enumerate(observation.bands)
    )


def _is_contiguous(bands: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether every channel begins where the one before ends."""
    frequency, width = (np.concatenate(part) for part in zip(*bands, strict=True))
    expected = 0.5 * (width[1:] + width[:-1])
    return bool(np.all(np.abs(np.diff(frequency) - expected) <= CONTIGUOUS * expected))


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Rows and polarisations of the output.

    Attributes
    ----------
    polarization : ndarray of int
        AIPS codes of the output.
    source : ndarray of intp, shape (2, n_polarizations)
        Which of the file's each is: of rows as they are, and of those whose antennas are exchanged.
    exchanged : ndarray of uint8, shape (n_rows,)
        Those rows.
    conjugate : bool
        Whether visibilities of the others are conjugated, and all baselines turned around.
    """

    polarization: np.ndarray
    source: np.ndarray
    exchanged: np.ndarray
    conjugate: bool


def both_directions(headers: Sequence[Header]) -> bool:
    """Whether some baselines go from the lower antenna to the higher and others back."""
    return any(np.any(h.antenna1 > h.antenna2) for h in headers) and any(
        np.any(h.antenna1 < h.antenna2) for h in headers
    )


def casa_order(header: Header, mixed: bool) -> Order:
    """As CASA has it: polarisations XX XY YX YY, and baselines of one direction.

    CASA means by a visibility the conjugate of what UVH5 means by it. Where an observation has
    baselines of both directions, those from the higher antenna to the lower are exchanged.
    """
    codes = header.polarization.tolist()
    if len({_basis(code) for code in codes}) > 1:
        raise VisibilityFileError(
            header.path,
            f"has the polarizations {codes}, of several bases; those of a Measurement Set must be "
            f"of one",
        )
    order = sorted(range(len(codes)), key=lambda i: CASA_ORDER.index(codes[i]))
    exchanged = (header.antenna1 > header.antenna2) if mixed else np.zeros(header.n_rows, bool)
    polarization = header.polarization[order]
    back = [_exchanged_source(header, codes[i], mixed) for i in order]
    source = np.array([order, back], np.intp)
    return Order(polarization, source, exchanged.astype(np.uint8), conjugate=True)


def _basis(code: int) -> str:
    """Stokes parameters, circular or linear feeds."""
    return "Stokes" if code > 0 else "circular" if code > -5 else "linear"


def _exchanged_source(header: Header, code: int, needed: bool) -> int:
    codes = header.polarization.tolist()
    other = EXCHANGED.get(code, code)
    if other in codes:
        return codes.index(other)
    if needed:
        raise VisibilityFileError(
            header.path,
            f"has baselines of both directions, which cannot become one: polarization {code} is "
            f"there, but not {other}",
        )
    return codes.index(code)


def file_order(header: Header) -> Order:
    """As the file has it."""
    same = np.arange(header.n_polarizations)
    return Order(
        header.polarization,
        np.array([same, same], np.intp),
        np.zeros(header.n_rows, np.uint8),
        conjugate=False,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is known of every row of a piece in time, as the output has it.

    Attributes
    ----------
    time : ndarray, shape (n_rows,)
        Julian date (UTC).
    integration_time : ndarray, shape (n_rows,)
        Seconds.
    antenna1, antenna2 : ndarray of int, shape (n_rows,)
    uvw : ndarray, shape (n_rows, 3)
        Metres.
    field : ndarray of int, shape (n_rows,)
        Numbers of phase centres.
    """

    time: np.ndarray
    integration_time: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    uvw: np.ndarray
    field: np.ndarray

    @classmethod
    def of(cls, header: Header, phased: Phased, order: Order) -> Rows:
        """Rows of a file, phased and ordered."""
        swap = order.exchanged.astype(bool)
        # Exchanged and conjugated is as it was.
        sign = np.where(swap, -1.0, 1.0) * (-1.0 if order.conjugate else 1.0)
        return cls(
            time=header.time,
            integration_time=header.integration_time,
            antenna1=np.where(swap, header.antenna2, header.antenna1),
            antenna2=np.where(swap, header.antenna1, header.antenna2),
            uvw=phased.uvw * sign[:, None],
            field=phased.phase_center_number,
        )

    def __len__(self) -> int:
        return len(self.time)


def joined(pieces: Sequence[Rows]) -> Rows:
    """Pieces that follow each other."""
    if len(pieces) == 1:
        return pieces[0]
    names = ("time", "integration_time", "antenna1", "antenna2", "uvw", "field")
    return Rows(**{n: np.concatenate([getattr(piece, n) for piece in pieces]) for n in names})


def scans(field: np.ndarray) -> np.ndarray:
    """Numbers from 1: a new one where the phase centre changes from one row to the next."""
    return 1 + np.concatenate([[0], np.cumsum(np.diff(field) != 0)])
