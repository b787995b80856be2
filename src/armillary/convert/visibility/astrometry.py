"""Where directions among the stars are seen from an array, at each integration.

Every step is one call of ERFA (the IAU's SOFA) over all times: sidereal time by ``gst06a``, places
by ``atco13`` and its inverse ``atoc13`` without refraction. Earth orientation is that of the
IERS table which astropy ships; nothing is downloaded.

Names: *apparent* right ascension and declination are those of the true equator and equinox of
date as the observer sees them, diurnal aberration included. Source of the conventions: the
memo of UVH5 and pyuvdata, so that coordinates agree to rounding.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .header import Telescope

#: Radians to either side of a direction between which the north of a frame is measured:
#: half a degree. pyuvdata has the same, which keeps coordinates alike to rounding.
OFFSET = np.pi / 360.0
ARCSECOND = np.pi / 648_000.0
#: Seconds by which a recorded sidereal time may differ from ours before ours counts.
LST_TOLERANCE = 1e-3
SECONDS_TO_RADIANS = 2.0 * np.pi / 86_400.0


class EarthOrientationWarning(UserWarning):
    """A time lies beyond the table of the Earth's orientation."""


class SiderealTimeWarning(UserWarning):
    """A file's sidereal times are not those of its times and place."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Integrations as ERFA wants them.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Julian date (UTC).
    utc, tt, ut1 : tuple of ndarray
        Julian dates in two parts.
    dut1 : ndarray, shape (n,)
        UT1 - UTC (seconds).
    pole_x, pole_y : ndarray, shape (n,)
        Polar motion (radians).
    """

    time: np.ndarray
    utc: tuple[np.ndarray, np.ndarray]
    tt: tuple[np.ndarray, np.ndarray]
    ut1: tuple[np.ndarray, np.ndarray]
    dut1: np.ndarray
    pole_x: np.ndarray
    pole_y: np.ndarray


@functools.cache
def _earth_orientation() -> Any:
    """The table that astropy ships."""
    from astropy.utils import iers
    from astropy_iers_data import IERS_A_FILE

    return iers.IERS_A.open(IERS_A_FILE)


def moments(time: np.ndarray) -> Moments:
    """Look up the Earth's orientation at some times.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Julian date (UTC).

    Warns
    -----
    EarthOrientationWarning
        If a time lies beyond the table; the nearest entry is taken for it.
    """
    import erfa
    from astropy.time import Time
    from astropy.utils import iers

    times = Time(np.asarray(time, float), format="jd", scale="utc")
    table = _earth_orientation()
    dut1, status = table.ut1_utc(times.jd1, times.jd2, return_status=True)
    x, y = table.pm_xy(times.jd1, times.jd2, return_status=True)[:2]
    beyond = np.isin(status, (iers.TIME_BEFORE_IERS_RANGE, iers.TIME_BEYOND_IERS_RANGE))
    if np.any(beyond):
        first, last = table["MJD"].value[[0, -1]]
        warnings.warn(
            f"{np.count_nonzero(beyond)} of {beyond.size} times are beyond the table of the "
            f"Earth's orientation, which goes from MJD {first:.0f} to {last:.0f}; places on the "
            f"sky may be off by arcseconds (a newer astropy-iers-data may reach farther)",
            EarthOrientationWarning,
            stacklevel=2,
        )
    dut1 = np.asarray(dut1.to_value("s"), float)
    utc = times.jd1, times.jd2
    tai = erfa.utctai(*utc)
    return Moments(
        time=np.asarray(time, float),
        utc=utc,
        tt=erfa.taitt(*tai),
        ut1=erfa.utcut1(*utc, dut1),
        dut1=dut1,
        pole_x=np.asarray(x.to_value("rad"), float),
        pole_y=np.asarray(y.to_value("rad"), float),
    )


def sidereal_time(telescope: Telescope, at: Moments) -> np.ndarray:
    """Local apparent sidereal time (radians), of the terrestrial intermediate origin."""
    import erfa

    greenwich = erfa.gst06a(*at.ut1, *at.tt)
    return np.mod(greenwich + erfa.sp00(*at.tt) + telescope.longitude, 2.0 * np.pi)


def checked_sidereal_time(
    telescope: Telescope, at: Moments, recorded: np.ndarray | None
) -> np.ndarray:
    """The recorded sidereal times (radians), or ours where there are none that can be.

    Warns
    -----
    SiderealTimeWarning
        If those recorded are off by more than a millisecond.
    """
    ours = sidereal_time(telescope, at)
    if recorded is None:
        return ours
    apart = np.abs(np.remainder(recorded - ours + np.pi, 2.0 * np.pi) - np.pi)
    worst = apart.max(initial=0.0) / SECONDS_TO_RADIANS
    if worst <= LST_TOLERANCE:
        return recorded
    warnings.warn(
        f"the sidereal times of the file are off by up to {worst:.3g} s; those of its times and "
        f"place are taken",
        SiderealTimeWarning,
        stacklevel=2,
    )
    return ours


def apparent_place(
    ra: Any, dec: Any, telescope: Telescope, at: Moments, motion: tuple[float, float] = (0.0, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Apparent right ascension and declination (radians) of ICRS directions, without refraction.

    Parameters
    ----------
    ra, dec : float or ndarray, shape (n,)
        ICRS (radians).
    telescope : Telescope
    at : Moments
        n of them.
    motion : tuple of float
        Change of right ascension and of declination (radians per year).
    """
    import erfa

    *_, apparent_dec, apparent_ra, origins = erfa.atco13(
        *np.broadcast_arrays(ra, dec), *motion, 0.0, 0.0, *_site(telescope, at)
    )
    return np.mod(apparent_ra - origins, 2.0 * np.pi), apparent_dec


def icrs_place(
    apparent_ra: np.ndarray, apparent_dec: np.ndarray, telescope: Telescope, at: Moments
) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of :func:`apparent_place`."""
    import erfa

    origins = erfa.eo06a(*at.tt)
    return erfa.atoc13("r", apparent_ra + origins, apparent_dec, *_site(telescope, at))


def _site(telescope: Telescope, at: Moments) -> tuple[Any, ...]:
    """What ERFA wants to know of time and place; no air, no refraction."""
    return (
        *at.utc,
        at.dut1,
        telescope.longitude,
        telescope.latitude,
        telescope.altitude,
        at.pole_x,
        at.pole_y,
        0.0,
        0.0,
        0.0,
        0.0,
    )


def frame_position_angle(
    apparent_ra: np.ndarray,
    apparent_dec: np.ndarray,
    telescope: Telescope,
    at: Moments,
    frame: Any = None,
) -> np.ndarray:
    """Angle (radians) from the north of date to the north of a frame, seen at a direction.

    The frame is one of astropy; None is ICRS.

    Measured between two places on the hour circle of date, :data:`OFFSET` to either side.
    """
    import erfa

    north = _over_the_pole(apparent_ra, apparent_dec + OFFSET)
    south = _over_the_pole(apparent_ra, apparent_dec - OFFSET)
    upper = icrs_place(*north, telescope, at)
    lower = icrs_place(*south, telescope, at)
    return -erfa.pas(*_in_frame(lower, frame), *_in_frame(upper, frame))


def _in_frame(place: tuple[np.ndarray, np.ndarray], frame: Any) -> tuple[np.ndarray, np.ndarray]:
    from astropy.coordinates import SkyCoord

    if frame is None:
        return place
    there = SkyCoord(*place, unit="rad", frame="icrs").transform_to(frame).spherical
    return there.lon.to_value("rad"), there.lat.to_value("rad")


def _over_the_pole(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A place whose declination may be beyond a pole."""
    beyond = np.abs(dec) > 0.5 * np.pi
    turned = np.where(beyond, np.mod(ra + np.pi, 2.0 * np.pi), ra)
    return turned, np.where(beyond, np.copysign(np.pi, dec) - dec, dec)


def rotated(
    positions: np.ndarray, hour_angle: np.ndarray, dec: np.ndarray, position_angle: np.ndarray
) -> np.ndarray:
    """Antenna positions along u, v and w.

    Thompson, Moran & Swenson (2017), equation (4.1), and a turn by the position angle of the
    frame.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        Metres along the axes of ITRS.
    hour_angle, dec, position_angle : ndarray, shape (m,)
        Of the phase centre (radians); the hour angle is that at Greenwich.

    Returns
    -------
    ndarray, shape (m, n, 3)
    """
    x, y, z = positions.T
    sine_h, cosine_h = np.sin(hour_angle)[:, None], np.cos(hour_angle)[:, None]
    sine_d, cosine_d = np.sin(dec)[:, None], np.cos(dec)[:, None]
    outwards = cosine_h * x - sine_h * y
    u = sine_h * x + cosine_h * y
    v = cosine_d * z - sine_d * outwards
    w = cosine_d * outwards + sine_d * z
    sine_p, cosine_p = np.sin(position_angle)[:, None], np.cos(position_angle)[:, None]
    return np.stack([cosine_p * u - sine_p * v, sine_p * u + cosine_p * v, w], axis=-1)
