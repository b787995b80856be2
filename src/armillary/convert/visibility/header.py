"""What a file of visibilities says of itself: everything but the visibilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

#: Phase centres that are directions among the stars, and data that no direction was taken out of.
SIDEREAL, UNPROJECTED = "sidereal", "unprojected"


@dataclass(frozen=True, slots=True, eq=False)
class Telescope:
    """Where the antennas are.

    Attributes
    ----------
    name : str
    longitude, latitude : float
        Radians, geodetic (WGS84), of the array's centre.
    altitude : float
        Metres above the ellipsoid.
    antenna_numbers : ndarray of int, shape (n,)
        By which visibilities name their antennas.
    antenna_names : tuple of str
    antenna_positions : ndarray, shape (n, 3)
        Metres from the centre of the array, along the axes of ITRS.
    antenna_diameters : ndarray, shape (n,) or None
        Metres.
    mounts : tuple of str or None
        Such as "alt-az".
    x_orientation : str
        "east", "north", or an empty string.
    feeds : ndarray of str, shape (n, n_feeds) or None
        "x" and "y", or "r" and "l", of each antenna.
    feed_angles : ndarray, shape (n, n_feeds) or None
        Radians, as the file has them.
    """

    name: str
    longitude: float
    latitude: float
    altitude: float
    antenna_numbers: np.ndarray
    antenna_names: tuple[str, ...]
    antenna_positions: np.ndarray
    antenna_diameters: np.ndarray | None = None
    mounts: tuple[str, ...] | None = None
    x_orientation: str = ""
    feeds: np.ndarray | None = None
    feed_angles: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class PhaseCenter:
    """A direction that visibilities are phased to.

    Attributes
    ----------
    number : int
        By which rows name it.
    name : str
    kind : str
        "sidereal" or "unprojected"; others cannot be converted.
    frame : str
        Such as "icrs" or "fk5"; of no meaning for "unprojected".
    epoch : float or None
        Julian year of the frame's equinox.
    longitude, latitude : float
        Radians.
    pm_ra, pm_dec : float or None
        Milliarcseconds per year.
    """

    number: int
    name: str
    kind: str
    frame: str = ""
    epoch: float | None = None
    longitude: float = 0.0
    latitude: float = 0.0
    pm_ra: float | None = None
    pm_dec: float | None = None


@dataclass(frozen=True, eq=False)
class Header:
    """A file of visibilities, without them.

    Attributes
    ----------
    path : Path
    version : str
        Of the format; empty if the file does not say.
    time : ndarray, shape (n_rows,)
        Middle of each integration, Julian date (UTC).
    integration_time : ndarray, shape (n_rows,)
        Seconds.
    antenna1, antenna2 : ndarray of int, shape (n_rows,)
        Numbers of the antennas of each baseline.
    uvw : ndarray, shape (n_rows, 3)
        Metres, from antenna 1 to antenna 2.
    lst : ndarray, shape (n_rows,) or None
        Local apparent sidereal time (radians), where the file has it.
    phase_center_number : ndarray of int, shape (n_rows,)
        The phase centre of each row.
    phase_centers : tuple of PhaseCenter
    frequency : ndarray, shape (n_channels,)
        Hertz, in the order of the file.
    channel_width : ndarray, shape (n_channels,)
        Hertz, positive.
    spectral_window : ndarray of int, shape (n_channels,)
        The spectral window of each channel.
    polarization : ndarray of int, shape (n_polarizations,)
        AIPS codes: -5 is XX, -6 YY, -7 XY, -8 YX; -1 RR and so on; 1 to 4 are Stokes.
    telescope : Telescope
    vis_units : str
    instrument, object_name, history : str
    extra_keywords : dict
    others : dict
        Whatever else the header has that is not about rows or channels, as it is.
    """

    path: Path
    version: str
    time: np.ndarray
    integration_time: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    uvw: np.ndarray
    lst: np.ndarray | None
    phase_center_number: np.ndarray
    phase_centers: tuple[PhaseCenter, ...]
    frequency: np.ndarray
    channel_width: np.ndarray
    spectral_window: np.ndarray
    polarization: np.ndarray
    telescope: Telescope
    vis_units: str = "uncalib"
    instrument: str = ""
    object_name: str = ""
    history: str = ""
    extra_keywords: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Baselines times integrations."""
        return len(self.time)

    @property
    def n_channels(self) -> int:
        """Channels of this file."""
        return len(self.frequency)

    @property
    def n_polarizations(self) -> int:
        """Polarisations."""
        return len(self.polarization)

    @cached_property
    def n_times(self) -> int:
        """Integrations."""
        return len(np.unique(self.time))

    @cached_property
    def n_baselines(self) -> int:
        """Pairs of antennas, an antenna with itself included."""
        # Numbers of antennas are far below 2^32.
        return len(np.unique((self.antenna1 << 32) + self.antenna2))

    @property
    def first_time(self) -> float:
        """Julian date (UTC) of the first integration."""
        return float(self.time.min())

    @property
    def is_descending(self) -> bool:
        """Whether channels go from the highest frequency to the lowest."""
        return self.n_channels > 1 and bool(self.frequency[0] > self.frequency[-1])

    @property
    def first_frequency(self) -> float:
        """The lowest frequency (Hz)."""
        return float(self.frequency.min())

    @property
    def last_frequency(self) -> float:
        """The highest frequency (Hz)."""
        return float(self.frequency.max())

    @property
    def is_projected(self) -> bool:
        """Whether every row has a phase centre among the stars."""
        used = set(np.unique(self.phase_center_number).tolist())
        kinds = {center.kind for center in self.phase_centers if center.number in used}
        return UNPROJECTED not in kinds

    def __repr__(self) -> str:
        return (
            f"Header of {str(self.path)!r}: {self.n_times} times, {self.n_baselines} baselines, "
            f"{self.n_channels} channels from {self.first_frequency / 1e6:.6g} to "
            f"{self.last_frequency / 1e6:.6g} MHz, {self.n_polarizations} polarizations"
        )


def read_header(path: Path) -> Header:
    """What a file says of itself, in milliseconds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    VisibilityFileError
        If it is none of visibilities, or what it says cannot be.
    """
    from .sources import Files

    return Files().header(Path(path))
