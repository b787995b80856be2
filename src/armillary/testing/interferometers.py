"""Where a source is seen from the ground, by astropy alone, and the baselines that see it.

Nothing here shares code with ``armillary.convert``, whose astrometry it serves to test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time

#: Half of the arc (degrees) over which the direction of north is measured.
NORTHWARD = 1.0 / 60.0


def directions(target: SkyCoord, time: Time, location: EarthLocation) -> np.ndarray:
    """Unit vectors towards a target, on the axes of the Earth (ITRF), without an atmosphere.

    Parameters
    ----------
    target : SkyCoord
        One position, or one for each time.
    time : Time
        Times, shape (n,).
    location : EarthLocation
        Of the observer.

    Returns
    -------
    ndarray, shape (n, 3)
    """
    from astropy.coordinates import AltAz

    with shipped_earth_orientation():
        seen = target.transform_to(AltAz(obstime=time, location=location))
    azimuth, altitude = seen.az.rad, seen.alt.rad
    east_north_up = np.stack(
        [
            np.cos(altitude) * np.sin(azimuth),
            np.cos(altitude) * np.cos(azimuth),
            np.sin(altitude),
        ],
        axis=-1,
    )
    return np.atleast_2d(east_north_up @ local_axes(location))


def meridian_direction(declination: float, location: EarthLocation) -> np.ndarray:
    """Unit vector towards hour angle 0 at an apparent declination (degrees), on ITRF axes."""
    from_zenith = np.radians(declination) - location.lat.rad
    return np.array([0.0, np.sin(from_zenith), np.cos(from_zenith)]) @ local_axes(location)


def meridian(declination: float, time: Time, location: EarthLocation) -> SkyCoord:
    """ICRS positions of hour angle 0 at an apparent declination (degrees), one for each time."""
    from astropy import units as u
    from astropy.coordinates import HADec, SkyCoord

    frame = HADec(obstime=time, location=location)
    with shipped_earth_orientation():
        seen = SkyCoord(
            ha=np.zeros(time.shape) * u.hourangle,
            dec=np.full(time.shape, declination) * u.deg,
            frame=frame,
        ).icrs
    # Without the time and the place, which a SkyCoord would drag along.
    return SkyCoord(seen.ra, seen.dec)


def projected(
    baselines: np.ndarray, center: SkyCoord, time: Time, location: EarthLocation
) -> np.ndarray:
    """Baselines on axes that point east and north, in the ICRS, and at a centre.

    Parameters
    ----------
    baselines : ndarray, shape (m, 3)
        On ITRF axes (metres).
    center : SkyCoord
        One position, or one for each time.
    time : Time
        Times, shape (n,).
    location : EarthLocation
        Of the observer.

    Returns
    -------
    ndarray, shape (n, m, 3)
        u, v, w (metres).
    """
    axes = np.stack(icrs_axes(center, time, location), axis=1)
    return np.einsum("tax,bx->tba", axes, baselines)


def icrs_axes(
    center: SkyCoord, time: Time, location: EarthLocation
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors towards east, north and the centre, on ITRF axes, each of shape (n, 3)."""
    from astropy import units as u

    towards = directions(center, time, location)
    step = NORTHWARD * u.deg
    above = directions(center.directional_offset_by(0.0 * u.deg, step), time, location)
    below = directions(center.directional_offset_by(180.0 * u.deg, step), time, location)
    north = _across(above - below, towards)
    return np.cross(north, towards), north, towards


def apparent_place(
    center: SkyCoord, time: Time, location: EarthLocation
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What UVH5 records about a phase centre.

    Returns
    -------
    tuple of ndarray, each of shape (n,)
        Apparent right ascension and declination, the angle from the north of date to that of the
        ICRS, and the local apparent sidereal time, all in radians.
    """
    from astropy.coordinates import HADec

    _, north, towards = icrs_axes(center, time, location)
    with shipped_earth_orientation():
        seen = center.transform_to(HADec(obstime=time, location=location))
        sidereal_time = time.sidereal_time("apparent", longitude=location).rad
    north_of_date = _across(np.array([0.0, 0.0, 1.0]), towards)
    east_of_date = np.cross(north_of_date, towards)
    angle = np.arctan2((north * east_of_date).sum(axis=1), (north * north_of_date).sum(axis=1))
    apparent_ra = (sidereal_time - seen.ha.rad) % (2.0 * np.pi)
    return apparent_ra, seen.dec.rad, angle, sidereal_time


def local_axes(location: EarthLocation) -> np.ndarray:
    """East, north and up of a place as rows, on ITRF axes."""
    longitude, latitude = location.lon.rad, location.lat.rad
    sin_lon, cos_lon = np.sin(longitude), np.cos(longitude)
    sin_lat, cos_lat = np.sin(latitude), np.cos(latitude)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


@contextmanager
def shipped_earth_orientation() -> Iterator[None]:
    """Earth orientation from the table that astropy ships; nothing is downloaded."""
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False):
        yield


def _across(vector: Any, towards: np.ndarray) -> np.ndarray:
    """The part of vectors at right angles to others of unit length, scaled to unit length."""
    along = (vector * towards).sum(axis=-1, keepdims=True) * towards
    across = vector - along
    return across / np.linalg.norm(across, axis=-1, keepdims=True)
