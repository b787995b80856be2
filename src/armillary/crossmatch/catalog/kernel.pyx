"""Passes over the coordinates of a catalogue: what is wrong with them, and where stars move.

Space motion without a known distance is a straight line on the unit vector: with the local
axes e (east) and n (north), p(t) = r + t (mu_ra_cosdec e + mu_dec n), and only the direction
counts (ESA 1997, SP-1200, volume 1, section 1.2.8, with zero parallax and radial velocity).
In those axes the new direction is (1, t mu_ra_cosdec, t mu_dec), from which both angles follow
without adding small numbers to large ones, at the poles too. The proper motion is the part of
the velocity across the new direction, in the new axes, over the new distance; near a pole it
turns with them.

Cost: 2 and about 60 ns per row.
"""

from libc.math cimport atan2, fabs, hypot, isfinite, sin, sqrt

from ..sky.separation cimport DEGREE, cosine

#: Radians in a milliarcsecond.
cdef double MILLIARCSECOND = DEGREE / 3.6e6


def inspect(
    const double[::1] ra,        # IN   degrees
    const double[::1] dec,       # IN   degrees
    Py_ssize_t first,            # IN   rows first .. last - 1
    Py_ssize_t last,
):
    """(rows without a position, first row with an impossible declination or -1, rows to wrap)."""
    cdef Py_ssize_t i, n_unknown = 0, impossible = -1, n_far = 0
    with nogil:
        for i in range(first, last):
            if not (isfinite(ra[i]) and isfinite(dec[i])):
                n_unknown += 1
            # An infinite declination is unknown, a finite one beyond a pole is wrong.
            elif fabs(dec[i]) > 90.0:
                if impossible < 0:
                    impossible = i
            elif ra[i] < -180.0 or ra[i] > 360.0:
                n_far += 1
    return n_unknown, impossible, n_far


def move(
    const double[::1] ra,            # IN   degrees, -180 .. 360
    const double[::1] dec,           # IN   degrees
    const double[::1] pm_ra_cosdec,  # IN   mas/yr; where either is NaN, a row stays
    const double[::1] pm_dec,        # IN   mas/yr
    const double[::1] years,         # IN   (1,) or (rows,)
    Py_ssize_t first,                # IN   rows first .. last - 1
    Py_ssize_t last,
    double[::1] new_ra,              # OUT  degrees, -180 .. 360
    double[::1] new_dec,             # OUT  degrees
    double[::1] new_pm_ra_cosdec,    # OUT  mas/yr
    double[::1] new_pm_dec,          # OUT  mas/yr
):
    cdef Py_ssize_t i
    cdef double east, north, toward, upward, from_axis, length2, sine, cosine_dec, t, along
    cdef bint each = years.shape[0] > 1
    with nogil:
        for i in range(first, last):
            t = years[i if each else 0] * MILLIARCSECOND
            east = t * pm_ra_cosdec[i]
            north = t * pm_dec[i]
            if not (isfinite(east) and isfinite(north)) or (east == 0.0 and north == 0.0):
                new_ra[i] = ra[i]
                new_dec[i] = dec[i]
                new_pm_ra_cosdec[i] = pm_ra_cosdec[i]
                new_pm_dec[i] = pm_dec[i]
                continue
            sine = sin(dec[i] * DEGREE)
            cosine_dec = cosine(dec[i])
            # Away from the axis of the sky, towards the old meridian and east of it; and up.
            toward = cosine_dec - north * sine
            upward = sine + north * cosine_dec
            from_axis = hypot(toward, east)
            new_dec[i] = atan2(upward, from_axis) / DEGREE
            new_ra[i] = ra[i] + atan2(east, toward) / DEGREE
            if new_ra[i] > 360.0:
                new_ra[i] -= 360.0
            elif new_ra[i] < -180.0:
                new_ra[i] += 360.0
            length2 = 1.0 + east * east + north * north
            if from_axis == 0.0:  # at the pole every meridian is as good: that of before
                new_pm_ra_cosdec[i] = pm_ra_cosdec[i] / length2
                new_pm_dec[i] = pm_dec[i] / length2
                continue
            # The velocity in the old axes is (-pm_dec sine, pm_ra_cosdec, pm_dec cosine_dec).
            along = (pm_ra_cosdec[i] * east - pm_dec[i] * sine * toward) / from_axis
            new_pm_ra_cosdec[i] = (
                (pm_ra_cosdec[i] * toward + pm_dec[i] * sine * east) / from_axis / sqrt(length2)
            )
            new_pm_dec[i] = (pm_dec[i] * cosine_dec * from_axis - along * upward) / length2
