"""Simulated observations by an interferometer: UVH5 files and the truth behind them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .interferometers import (
    directions,
    local_axes,
    meridian,
    meridian_direction,
    projected,
)

if TYPE_CHECKING:
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time

SPEED_OF_LIGHT = 299_792_458.0  # m / s
SECONDS_PER_DAY = 86_400.0

#: The site of DSA-110: degrees, degrees, metres.
LONGITUDE, LATITUDE, ALTITUDE = -118.2817, 37.2314, 1222.0
#: The band begins here (Hz); its channels are 250 MHz / 1024 wide. All frequencies are exact.
LOWER_EDGE = 1_311_250_000.0
CHANNEL_WIDTH = 244_140.625
INTEGRATION_TIME = 12.884902  # seconds

#: Spread of the antennas (metres) to the east, to the north and in height.
SPREAD = (400.0, 400.0, 3.0)
#: One station has no working antenna, so that a station and an antenna are different things.
IDLE_STATION = 2

#: An interferometer has two.
FEWEST_ANTENNAS = 2

#: AIPS codes of the polarisations, as DSA-110 orders them, by how many there are.
POLARIZATIONS = {1: (-5,), 2: (-5, -6), 4: (-5, -7, -8, -6)}
#: How strongly the source is seen in each, all different so that none is taken for another.
RESPONSE = {-5: 1.0, -6: 0.9, -7: 0.25, -8: 0.15}

LAYOUTS = ("dsa110", "memo")
VISIBILITY_TYPES = ("complex64", "complex128", "int32")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SimulatedObservation:
    """Files of an observation of one point source, and the truth behind them.

    Attributes
    ----------
    paths : tuple of Path
        The files, sb00 first.
    layout : str
        ``"dsa110"`` or ``"memo"``.
    location : EarthLocation
        Of the telescope.
    time : ndarray, shape (n_times,)
        Middles of the integrations, Julian dates (UTC), as in the files.
    integration_time : float
        Seconds.
    frequency : ndarray, shape (n_channels,)
        Centres of the channels of all files (Hz), ascending.
    channel_width : float
        Hz.
    polarization : ndarray of int, shape (n_polarizations,)
        AIPS codes, in the order of the files.
    antenna_names : tuple of str
        Of all stations, one of which is idle.
    antenna_numbers : ndarray of int, shape (n_stations,)
    antenna_positions : ndarray, shape (n_stations, 3)
        Relative to the telescope, on ITRF axes (metres).
    antenna1, antenna2 : ndarray of int, shape (n_baselines,)
        Numbers of the antennas of each baseline, autocorrelations included; the rows of the files
        are these baselines at the first time, then at the second, and so on.
    pointing_declination : float
        Apparent (degrees).
    meridian : SkyCoord, shape (n_times,)
        ICRS positions of hour angle 0 and that declination.
    source : SkyCoord
        Where the source is (ICRS).
    phase_center : SkyCoord or None
        ICRS position to which the files are phased; None in the layout ``"dsa110"``.
    amplitude : ndarray, shape (n_polarizations,)
        Of the source in each polarisation.
    source_path, recorded_path : ndarray, shape (n_times, n_baselines)
        How much further the wavefront has to go to antenna 1 than to antenna 2 (metres), for the
        source and for the direction whose delay is already taken out of the files.
    """

    paths: tuple[Path, ...]
    layout: str
    location: EarthLocation
    time: np.ndarray
    integration_time: float
    frequency: np.ndarray
    channel_width: float
    polarization: np.ndarray
    antenna_names: tuple[str, ...]
    antenna_numbers: np.ndarray
    antenna_positions: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    pointing_declination: float
    meridian: SkyCoord
    source: SkyCoord
    phase_center: SkyCoord | None
    amplitude: np.ndarray
    source_path: np.ndarray
    recorded_path: np.ndarray

    @property
    def n_times(self) -> int:
        """Number of integrations."""
        return len(self.time)

    @property
    def n_baselines(self) -> int:
        """Number of baselines, autocorrelations included."""
        return len(self.antenna1)

    @property
    def astropy_time(self) -> Time:
        """:attr:`time`, as astropy has it."""
        return _astropy_time(self.time)

    @property
    def baselines(self) -> np.ndarray:
        """From antenna 1 to antenna 2, on ITRF axes (metres), shape (n_baselines, 3)."""
        station = {number: index for index, number in enumerate(self.antenna_numbers.tolist())}
        first = [station[number] for number in self.antenna1.tolist()]
        second = [station[number] for number in self.antenna2.tolist()]
        return self.antenna_positions[second] - self.antenna_positions[first]

    def visibility(self, time: int, channels: slice = slice(None)) -> np.ndarray:
        """What the files record at a time, without noise.

        Parameters
        ----------
        time : int
            Index of the integration.
        channels : slice
            Of :attr:`frequency`.

        Returns
        -------
        ndarray of complex128, shape (n_baselines, n_channels, n_polarizations)
        """
        path = self.source_path[time] - self.recorded_path[time]
        turns = path[:, np.newaxis] * self.frequency[channels] / SPEED_OF_LIGHT
        return np.exp(2j * np.pi * turns)[..., np.newaxis] * self.amplitude

    def visibilities(self) -> np.ndarray:
        """The same for all rows: complex128, shape (n_rows, n_channels, n_polarizations)."""
        return np.concatenate([self.visibility(time) for time in range(self.n_times)])

    def uvw(self, center: SkyCoord) -> np.ndarray:
        """The baselines, projected for a phase centre.

        Parameters
        ----------
        center : SkyCoord
            One position, or one for each time.

        Returns
        -------
        ndarray, shape (n_rows, 3)
            Metres, on axes that point east and north in the ICRS and at the centre.
        """
        seen = projected(self.baselines, center, self.astropy_time, self.location)
        return seen.reshape(-1, 3)


def simulated_observation(
    folder: str | PathLike[str],
    *,
    layout: str = "dsa110",
    n_antennas: int = 8,
    n_times: int = 3,
    n_subbands: int = 4,
    n_channels: int = 6,
    n_polarizations: int = 2,
    source_offset: tuple[float, float] = (0.4, -0.3),
    pointing_declination: float = 30.0,
    start: str = "2025-10-03T05:12:30",
    flux: float = 1.0,
    noise: float = 0.0,
    flagged: float = 0.0,
    fringe_stopped: bool = True,
    visibility_type: str = "complex64",
    compression: str | None = None,
    seed: int = 0,
) -> SimulatedObservation:
    """Write the files of an observation of one point source.

    The visibility of the source is ``S exp(+2 pi i b.s / wavelength)``: the baseline ``b`` leads
    from antenna 1 to antenna 2 and ``s`` points at the source. That is the product of the signal
    of antenna 1 with the conjugate of that of antenna 2, as the UVH5 memo has it, for waves that
    turn as ``exp(-2 pi i frequency time)``, and it is what ``UVData.phase`` of pyuvdata brings to
    phase zero. Directions come from astropy, without an atmosphere.

    ``"dsa110"`` is the layout of DSA-110: UVH5 0.x without a version, sb00 holds the highest
    frequencies, channels descend within a file, uvw in single precision, data that are not
    compressed and grow along their first axis. They drift, and the delay of hour angle 0 at the
    declination of the pointing is already taken out. ``"memo"`` is UVH5 1.2: frequencies ascend,
    one sidereal phase centre (the place of the pointing in the middle of the observation), flags
    and sample counts compressed with lzf, numbers of the antennas that are not their indices.

    Parameters
    ----------
    folder : path-like
        Where the files are written, which exists; their names are those of DSA-110.
    layout : str
        ``"dsa110"`` or ``"memo"``.
    n_antennas, n_times, n_subbands, n_channels : int
        Working antennas, integrations, files, and channels in each.
    n_polarizations : int
        1, 2 or 4.
    source_offset : tuple of float
        To the east and to the north (degrees) of the meridian and the declination of the pointing
        in the middle of the observation.
    pointing_declination : float
        Apparent (degrees).
    start : str
        Beginning of the first integration (UTC), to the second; it gives the files their names.
    flux : float
        Of the source, in the first polarisation.
    noise : float
        Standard deviation of the real and of the imaginary part.
    flagged : float
        Fraction of the data that is flagged, with no samples and the value 0.
    fringe_stopped : bool
        If false, no delay is taken out of the layout ``"dsa110"``, uvw are for the zenith, and the
        header has no declination.
    visibility_type : str
        ``"complex64"``, ``"complex128"`` or ``"int32"``: pairs of integers, for a large ``flux``.
    compression : str, optional
        ``"lzf"``, ``"gzip"`` or ``"bitshuffle"`` (needs hdf5plugin), of all data. None means that
        of the layout.
    seed : int
        The same seed gives the same antennas, noise and flags.

    Returns
    -------
    SimulatedObservation

    Raises
    ------
    ValueError
        If a number is not positive or a choice is none of those listed.

    Examples
    --------
    >>> import tempfile
    >>> from armillary.testing.observations import simulated_observation
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     observation = simulated_observation(folder, n_subbands=2)
    ...     [path.name for path in observation.paths]
    ['2025-10-03T05:12:30_sb00.hdf5', '2025-10-03T05:12:30_sb01.hdf5']
    >>> observation.frequency[[0, -1]] / 1e6
    array([1311.37207031, 1314.05761719])
    """
    from .uvh5_files import FileOptions, write_subband

    _check_positive(
        n_antennas=n_antennas, n_times=n_times, n_subbands=n_subbands, n_channels=n_channels
    )
    if n_antennas < FEWEST_ANTENNAS:
        raise ValueError(f"n_antennas must be at least {FEWEST_ANTENNAS}, not {n_antennas}")
    _check_choice("layout", layout, LAYOUTS)
    _check_choice("n_polarizations", n_polarizations, tuple(POLARIZATIONS))
    _check_choice("visibility_type", visibility_type, VISIBILITY_TYPES)
    if layout == "memo" and not fringe_stopped:
        raise ValueError("fringe_stopped=False is for the layout 'dsa110', not for 'memo'")
    observation = _observation(
        layout=layout,
        paths=_paths(Path(folder), start, n_subbands),
        n_antennas=n_antennas,
        n_times=n_times,
        n_channels=n_channels * n_subbands,
        polarization=np.array(POLARIZATIONS[n_polarizations]),
        source_offset=source_offset,
        pointing_declination=pointing_declination,
        start=start,
        flux=flux,
        fringe_stopped=fringe_stopped,
        seed=seed,
    )
    options = FileOptions(
        noise=noise,
        flagged=flagged,
        fringe_stopped=fringe_stopped,
        visibility_type=visibility_type,
        compression=compression,
        seed=seed,
    )
    for subband in range(n_subbands):
        write_subband(observation, subband, options)
    return observation


def _observation(
    *,
    layout: str,
    paths: tuple[Path, ...],
    n_antennas: int,
    n_times: int,
    n_channels: int,
    polarization: np.ndarray,
    source_offset: tuple[float, float],
    pointing_declination: float,
    start: str,
    flux: float,
    fringe_stopped: bool,
    seed: int,
) -> SimulatedObservation:
    """All about an observation before a file is written."""
    location = _site()
    time = _times(start, n_times)
    on_meridian = meridian(pointing_declination, _astropy_time(time), location)
    middle = meridian(pointing_declination, _astropy_time(time.mean(keepdims=True)), location)[0]
    names, numbers = _stations(layout, n_antennas + 1)
    antenna1, antenna2 = _pairs(np.delete(numbers, IDLE_STATION))
    unseen = SimulatedObservation(
        paths=paths,
        layout=layout,
        location=location,
        time=time,
        integration_time=INTEGRATION_TIME,
        frequency=LOWER_EDGE + (np.arange(n_channels) + 0.5) * CHANNEL_WIDTH,
        channel_width=CHANNEL_WIDTH,
        polarization=polarization,
        antenna_names=names,
        antenna_numbers=numbers,
        antenna_positions=_antenna_positions(len(names), location, seed),
        antenna1=antenna1,
        antenna2=antenna2,
        pointing_declination=pointing_declination,
        meridian=on_meridian,
        source=_offset(middle, source_offset),
        phase_center=middle if layout == "memo" else None,
        amplitude=flux * np.array([RESPONSE[code] for code in polarization.tolist()]),
        source_path=np.zeros((n_times, len(antenna1))),
        recorded_path=np.zeros((n_times, len(antenna1))),
    )
    return dataclasses.replace(
        unseen,
        source_path=_paths_towards(unseen, unseen.source),
        recorded_path=_recorded_path(unseen) if fringe_stopped else unseen.recorded_path,
    )


def _recorded_path(observation: SimulatedObservation) -> np.ndarray:
    """What is already taken out: the delay of the phase centre, or of the meridian."""
    if observation.phase_center is not None:
        return _paths_towards(observation, observation.phase_center)
    towards = meridian_direction(observation.pointing_declination, observation.location)
    return np.tile(observation.baselines @ towards, (observation.n_times, 1))


def _paths_towards(observation: SimulatedObservation, target: SkyCoord) -> np.ndarray:
    towards = directions(target, observation.astropy_time, observation.location)
    return towards @ observation.baselines.T


def _site() -> EarthLocation:
    from astropy import units as u
    from astropy.coordinates import EarthLocation

    return EarthLocation.from_geodetic(LONGITUDE * u.deg, LATITUDE * u.deg, ALTITUDE * u.m)


def _times(start: str, n: int) -> np.ndarray:
    from astropy.time import Time

    middles = (np.arange(n) + 0.5) * INTEGRATION_TIME
    return Time(start, scale="utc").jd + middles / SECONDS_PER_DAY


def _astropy_time(julian_date: np.ndarray) -> Time:
    from astropy.time import Time

    return Time(julian_date, format="jd", scale="utc")


def _offset(center: SkyCoord, degrees: tuple[float, float]) -> SkyCoord:
    from astropy import units as u

    return center.spherical_offsets_by(degrees[0] * u.deg, degrees[1] * u.deg)


def _stations(layout: str, n: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names count from 1; so do the numbers of ``"memo"``, which are therefore no indices."""
    counted = np.arange(1, n + 1)
    return tuple(map(str, counted)), counted if layout == "memo" else counted - 1


def _pairs(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each antenna with itself and all that follow: 1-1, 1-2, ..., 2-2, ..."""
    first, second = np.triu_indices(len(numbers))
    return numbers[first], numbers[second]


def _antenna_positions(n: int, location: EarthLocation, seed: int) -> np.ndarray:
    east_north_up = np.random.default_rng(seed).normal(size=(n, 3)) * SPREAD
    return east_north_up @ local_axes(location)


def _paths(folder: Path, start: str, n_subbands: int) -> tuple[Path, ...]:
    return tuple(folder / f"{start}_sb{subband:02d}.hdf5" for subband in range(n_subbands))


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, not {number}")


def _check_choice(name: str, choice: object, choices: tuple[object, ...]) -> None:
    if choice not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {known}, not {choice!r}")
