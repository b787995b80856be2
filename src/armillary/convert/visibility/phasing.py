"""Move visibilities to a phase centre: which one, its coordinates, and the turn that it takes.

Conventions are those of the UVH5 memo: a baseline is the position of antenna 2 minus that of
antenna 1; visibilities that are phased to a direction carry the geometric delay w of every other
one. Moving from w to w' multiplies with exp(-2 pi i (w' - w) f / c).

Unprojected data have had no direction taken out (w = 0), unless their correlator tracked an hour
angle and declination (fringe stopping): files say so by the keywords ``phase_center_epoch`` =
"HADEC", ``ha_phase_center`` and ``phase_center_dec`` (radians), as those of DSA-110 do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .astrometry import (
    Moments,
    apparent_place,
    checked_sidereal_time,
    frame_position_angle,
    icrs_place,
    moments,
    rotated,
)
from .errors import VisibilityFileError
from .header import SIDEREAL, UNPROJECTED, Header, PhaseCenter, Telescope

#: Metres from the centre of the Earth at which a telescope may stand.
NEAREST, FARTHEST = 6.33e6, 6.40e6
#: Radians in a milliarcsecond.
MAS = np.pi / 648_000_000.0
#: Name of the phase centres of "meridian", with the number of the integration.
MERIDIAN_NAME = "meridian_icrs_t{}"


@dataclass(frozen=True, slots=True)
class Direction:
    """One phase centre for all integrations.

    Attributes
    ----------
    ra, dec : float
        ICRS (radians).
    """

    ra: float
    dec: float


Target = Direction | Literal["meridian"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Phased:
    """Rows with their phase centres.

    Attributes
    ----------
    uvw : ndarray, shape (n_rows, 3)
        Metres.
    delta_w : ndarray, shape (n_rows,) or None
        By how much w grew beyond what the data know (metres): they must be turned by that. None
        where nothing turns.
    phase_center_number : ndarray of int, shape (n_rows,)
    phase_centers : tuple of PhaseCenter
    apparent_ra, apparent_dec, frame_position_angle, sidereal_time : ndarray, shape (n_rows,)
        Radians.
    """

    uvw: np.ndarray
    delta_w: np.ndarray | None
    phase_center_number: np.ndarray
    phase_centers: tuple[PhaseCenter, ...]
    apparent_ra: np.ndarray
    apparent_dec: np.ndarray
    frame_position_angle: np.ndarray
    sidereal_time: np.ndarray


def tracked(header: Header) -> tuple[float, float] | None:
    """Hour angle and declination (radians) that the correlator tracked, if it says so."""
    keywords = {key.lower(): value for key, value in header.extra_keywords.items()}
    if str(keywords.get("phase_center_epoch", "")).upper() != "HADEC":
        return None
    try:
        place = float(keywords["ha_phase_center"]), float(keywords["phase_center_dec"])
    except (KeyError, TypeError, ValueError):
        place = (np.nan, np.nan)
    if not np.isfinite(place).all() or abs(place[1]) > 0.5 * np.pi:
        raise VisibilityFileError(
            header.path,
            "says that it tracked an hour angle and declination, but not which: "
            "ha_phase_center and phase_center_dec must be radians",
        )
    return place


def phase(header: Header, target: Target) -> Phased:
    """The coordinates of a file's rows at a phase centre.

    Parameters
    ----------
    header : Header
    target : Direction, "meridian" or None
        None keeps what is recorded.

    Raises
    ------
    VisibilityFileError
        If "meridian" is asked for and the file does not say at which declination it looked.
    """
    sky = _Sky(header)
    if target is None:
        return _recorded(header, sky)
    if target == "meridian":
        return _on_the_meridian(header, sky)
    return _towards(header, sky, target)


class _Sky:
    """Integrations of a file, each looked up once."""

    def __init__(self, header: Header) -> None:
        _require_known_kinds(header)
        time, first, self.index = np.unique(header.time, return_index=True, return_inverse=True)
        self.header = header
        self.telescope: Telescope = header.telescope
        self.at: Moments = moments(time)
        recorded = None if header.lst is None else header.lst[first]
        self.sidereal_time = checked_sidereal_time(self.telescope, self.at, recorded)
        number = {n: i for i, n in enumerate(self.telescope.antenna_numbers.tolist())}
        self.antenna1, self.antenna2 = (
            np.array([number[antenna] for antenna in antennas.tolist()])
            for antennas in (header.antenna1, header.antenna2)
        )

    @property
    def n_times(self) -> int:
        return len(self.at.time)

    def baselines(
        self, apparent_ra: np.ndarray, apparent_dec: np.ndarray, position_angle: np.ndarray
    ) -> np.ndarray:
        """uvw (metres) of every row, towards one direction for each time."""
        hour_angle = self.sidereal_time - apparent_ra - self.telescope.longitude
        antennas = rotated(
            self.telescope.antenna_positions, hour_angle, apparent_dec, position_angle
        )
        return antennas[self.index, self.antenna2] - antennas[self.index, self.antenna1]

    def hour_angle_place(self, hour_angle: float, dec: float) -> tuple[np.ndarray, np.ndarray]:
        """Apparent place of a fixed hour angle and declination."""
        ra = np.mod(self.sidereal_time - hour_angle, 2.0 * np.pi)
        return ra, np.full(self.n_times, dec)

    def w_known(self) -> np.ndarray:
        """The delay (metres) that is out of the data already."""
        header = self.header
        known = np.zeros(header.n_rows)
        sidereal = [center.number for center in header.phase_centers if center.kind == SIDEREAL]
        projected = np.isin(header.phase_center_number, sidereal)
        known[projected] = header.uvw[projected, 2]
        place = tracked(header)
        if place is not None and not projected.all():
            nothing = np.zeros(self.n_times)
            uvw = self.baselines(*self.hour_angle_place(*place), nothing)
            known[~projected] = uvw[~projected, 2]
        return known

    def phased(self, numbers: np.ndarray, centers: Any, ra: Any, dec: Any, turn: bool) -> Phased:
        """Rows at one apparent place for each time."""
        angle = frame_position_angle(ra, dec, self.telescope, self.at)
        uvw = self.baselines(ra, dec, angle)
        return Phased(
            uvw=uvw,
            delta_w=uvw[:, 2] - self.w_known() if turn else None,
            phase_center_number=numbers[self.index],
            phase_centers=tuple(centers),
            apparent_ra=ra[self.index],
            apparent_dec=dec[self.index],
            frame_position_angle=angle[self.index],
            sidereal_time=self.sidereal_time[self.index],
        )


def _require_known_kinds(header: Header) -> None:
    for center in header.phase_centers:
        if center.kind not in (SIDEREAL, UNPROJECTED):
            raise VisibilityFileError(
                header.path,
                f"has the phase centre {center.name!r} of kind {center.kind!r}; only "
                f"{SIDEREAL!r} and {UNPROJECTED!r} can be converted",
            )


def _towards(header: Header, sky: _Sky, target: Direction) -> Phased:
    ra, dec = apparent_place(target.ra, target.dec, sky.telescope, sky.at)
    name = header.object_name if header.object_name.lower() not in ("", "zenith") else "target"
    center = PhaseCenter(0, name, SIDEREAL, "icrs", 2000.0, target.ra, target.dec)
    numbers = np.zeros(sky.n_times, np.int64)
    return sky.phased(numbers, [center], ra, dec, turn=True)


def _on_the_meridian(header: Header, sky: _Sky) -> Phased:
    place = tracked(header)
    if place is None:
        raise VisibilityFileError(
            header.path,
            "does not say at which declination it tracked the meridian (keywords "
            "phase_center_dec and phase_center_epoch = 'HADEC'); phase='meridian' needs that",
        )
    if place[0] != 0.0:
        raise VisibilityFileError(
            header.path,
            f"tracked an hour angle of {place[0]:g} radians, not the meridian; "
            f"phase='meridian' would be wrong",
        )
    ra, dec = sky.hour_angle_place(*place)
    longitude, latitude = icrs_place(ra, dec, sky.telescope, sky.at)
    centers = [
        PhaseCenter(i, MERIDIAN_NAME.format(i), SIDEREAL, "icrs", 2000.0, *map(float, each))
        for i, each in enumerate(zip(longitude, latitude, strict=True))
    ]
    return sky.phased(np.arange(sky.n_times), centers, ra, dec, turn=False)


def _recorded(header: Header, sky: _Sky) -> Phased:
    """What the file has; apparent places of its own centres."""
    shape = header.n_rows
    ra, dec, angle = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for center in header.phase_centers:
        rows = header.phase_center_number == center.number
        if center.kind != SIDEREAL or not rows.any():
            # Straight up, as the memo has it.
            ra[rows] = sky.sidereal_time[sky.index][rows]
            dec[rows] = header.telescope.latitude
            continue
        frame = _frame(center)
        motion = MAS * (center.pm_ra or 0.0), MAS * (center.pm_dec or 0.0)
        places = apparent_place(*_icrs(center, frame), sky.telescope, sky.at, motion)
        ra[rows], dec[rows] = (each[sky.index][rows] for each in places)
        north = frame_position_angle(*places, sky.telescope, sky.at, frame)
        angle[rows] = north[sky.index][rows]
    return Phased(
        uvw=header.uvw,
        delta_w=None,
        phase_center_number=header.phase_center_number,
        phase_centers=header.phase_centers,
        apparent_ra=ra,
        apparent_dec=dec,
        frame_position_angle=angle,
        sidereal_time=sky.sidereal_time[sky.index],
    )


def _frame(center: PhaseCenter) -> Any:
    """A phase centre's frame as astropy has it; None for ICRS."""
    from astropy.coordinates import SkyCoord

    if center.frame in ("icrs", ""):
        return None
    equinox = {"fk5": "J{}", "fk4": "B{}"}.get(center.frame)
    options = {"equinox": equinox.format(center.epoch)} if equinox and center.epoch else {}
    return SkyCoord(0.0, 0.0, unit="rad", frame=center.frame, **options).frame


def _icrs(center: PhaseCenter, frame: Any) -> tuple[float, float]:
    """A phase centre's ICRS place (radians)."""
    from astropy.coordinates import SkyCoord

    if frame is None:
        return center.longitude, center.latitude
    place = SkyCoord(center.longitude, center.latitude, unit="rad", frame=frame).icrs
    return float(place.ra.rad), float(place.dec.rad)


def uvw(
    antenna_positions: Any,
    antenna1: Any,
    antenna2: Any,
    time: Any,
    phase_center: Any,
    *,
    location: Any = None,
) -> np.ndarray:
    """Baselines along u, v and w, towards a direction among the stars.

    Parameters
    ----------
    antenna_positions : ndarray or Quantity, shape (n_antennas, 3)
        Along the axes of ITRS (metres), from the centre of the Earth or from ``location``.
    antenna1, antenna2 : ndarray of int, shape (n_rows,)
        Rows of ``antenna_positions``.
    time : Time or ndarray, shape (n_rows,)
        When; plain numbers are Julian dates (UTC).
    phase_center : SkyCoord
        One direction.
    location : EarthLocation, optional
        Where the antennas are; None takes the mean of ``antenna_positions``, which must then be
        from the centre of the Earth.

    Returns
    -------
    ndarray, shape (n_rows, 3)
        Metres: antenna 2 minus antenna 1; u to the east and v to the north of ICRS, w to the
        phase centre.

    Raises
    ------
    ValueError
        If shapes do not fit together, an antenna has no position, or positions are not from the
        centre of the Earth and ``location`` is None.

    Warns
    -----
    EarthOrientationWarning
        If a time lies beyond the table of the Earth's orientation that astropy ships.

    Notes
    -----
    Thompson, Moran & Swenson (2017), equation (4.1), towards the apparent place of ERFA.

    Examples
    --------
    >>> import armillary as arm
    >>> from astropy import units as u
    >>> from astropy.coordinates import EarthLocation, SkyCoord
    >>> here = EarthLocation.from_geodetic(-118.28 * u.deg, 37.23 * u.deg, 1222 * u.m)
    >>> positions = [[0.0, 0.0, 0.0], [0.0, 0.0, 100.0]]
    >>> pole = SkyCoord(0.0, 90.0, unit="deg")
    >>> arm.convert.uvw(positions, [0], [1], [2460000.5], pole, location=here)[0, 2].round(2)
    np.float64(100.0)
    """
    if hasattr(antenna_positions, "to_value"):
        antenna_positions = antenna_positions.to_value("m")
    positions = np.asarray(antenna_positions, float)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(f"antenna_positions must be of shape (n, 3), not {positions.shape}")
    if not np.isfinite(positions).all():
        raise ValueError("antenna_positions must be finite")
    location = _location(location, positions)
    first, second = (np.atleast_1d(np.asarray(antenna)) for antenna in (antenna1, antenna2))
    when = np.atleast_1d(np.asarray(getattr(getattr(time, "utc", time), "jd", time), float))
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"antenna1 and antenna2 must have one entry per row, not shapes {first.shape} "
            f"and {second.shape}"
        )
    for name, antenna in (("antenna1", first), ("antenna2", second)):
        if antenna.dtype.kind not in "iu" or np.any((antenna < 0) | (antenna >= len(positions))):
            raise ValueError(
                f"{name} must be rows of antenna_positions, from 0 to {len(positions) - 1}"
            )
    try:
        when = np.broadcast_to(when, first.shape)
    except ValueError:
        raise ValueError(
            f"time must have one entry per row, not shape {when.shape} for {len(first)} rows"
        ) from None
    if not np.isfinite(when).all():
        raise ValueError("time must be finite")
    target = direction("phase_center", phase_center)
    unique, index = np.unique(when, return_inverse=True)
    telescope = Telescope(
        name="",
        longitude=location.lon.to_value("rad"),
        latitude=location.lat.to_value("rad"),
        altitude=location.height.to_value("m"),
        antenna_numbers=np.arange(len(positions)),
        antenna_names=(),
        antenna_positions=positions,
    )
    at = moments(unique)
    ra, dec = apparent_place(target.ra, target.dec, telescope, at)
    hour_angle = checked_sidereal_time(telescope, at, None) - ra - telescope.longitude
    angle = frame_position_angle(ra, dec, telescope, at)
    antennas = rotated(positions, hour_angle, dec, angle)
    return antennas[index, second] - antennas[index, first]


def _location(location: Any, positions: np.ndarray) -> Any:
    """Where antennas are."""
    from astropy import units
    from astropy.coordinates import EarthLocation

    if isinstance(location, EarthLocation):
        return location
    if location is not None:
        raise ValueError(f"location must be an EarthLocation or None, not {location!r:.60}")
    mean = positions.mean(axis=0)
    if not len(positions) or not NEAREST <= np.linalg.norm(mean) <= FARTHEST:
        raise ValueError(
            "antenna_positions must be metres from the centre of the Earth, or location must say "
            "where they are from"
        )
    return EarthLocation.from_geocentric(*mean * units.m)


def direction(name: str, value: Any) -> Direction:
    """One direction among the stars.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        place = value.icrs
        ra, dec = float(place.ra.rad), float(place.dec.rad)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{name} must be one SkyCoord, not {value!r:.60}") from None
    if not np.isfinite([ra, dec]).all():
        raise ValueError(f"{name} must be finite, not {value!r:.60}")
    return Direction(ra, dec)


def renumbered(pieces: list[Phased]) -> list[Phased]:
    """Pieces in time whose phase centres have numbers of their own, equal ones the same.

    Those that no row has are left out.
    """
    centers: list[PhaseCenter] = []
    result = []
    for piece in pieces:
        numbers = piece.phase_center_number.copy()
        used = set(piece.phase_center_number.tolist())
        for center in piece.phase_centers:
            if center.number not in used:
                continue
            number = _number_of(center, centers)
            numbers[piece.phase_center_number == center.number] = number
        result.append(replace(piece, phase_center_number=numbers))
    every = tuple(centers)
    return [replace(piece, phase_centers=every) for piece in result]


def _number_of(center: PhaseCenter, centers: list[PhaseCenter]) -> int:
    """Its number among those so far, to which it is added if it is new."""
    for known in centers:
        if replace(center, number=known.number, name=known.name) == known:
            return known.number
    number = center.number
    if any(known.number == number for known in centers):
        number = 1 + max(known.number for known in centers)
    name = center.name
    if any(known.name == name for known in centers):
        name = f"{name}_{number}"
    centers.append(replace(center, number=number, name=name))
    return number
