# The angle between two positions, from the differences of their coordinates.
#
# Haversine formula (Sinnott 1984, Sky & Telescope 68, 159):
#
#     sin^2(s/2) = sin^2((d1 - d2)/2) + cos d1 cos d2 sin^2((a1 - a2)/2)
#
# Degrees are subtracted before anything is rounded to radians, and a cosine is the sine of
# the distance from the pole, so that the relative error stays near 1e-15 from
# micro-arcseconds upwards, at the poles too. Unit vectors have an absolute error of 1e-16
# rad (2e-5 micro-arcseconds), and the cosine formula one of 1e-8 rad (2 mas).

from libc.math cimport asin, atan2, fabs, sin, sqrt

cdef extern from *:
    """
    #define DEGREE 0.017453292519943295
    #define ARCSEC_PER_RADIAN 206264.80624709636
    """
    const double DEGREE              # radians
    const double ARCSEC_PER_RADIAN


cdef inline double wrapped(double ra) noexcept nogil:
    """A right ascension of -180 to 360 degrees in -180 to 180; the subtraction is exact."""
    return ra - 360.0 if ra > 180.0 else ra


cdef inline double difference(double a, double b) noexcept nogil:
    """a - b for wrapped right ascensions, in -180 to 180, without cancellation."""
    cdef double d = a - b
    if d > 180.0:
        return (a - 180.0) - (b + 180.0)
    if d < -180.0:
        return (a + 180.0) - (b - 180.0)
    return d


cdef inline double cosine(double dec) noexcept nogil:
    """cos(dec); 90 - |dec| is exact where the cosine is small."""
    return sin((90.0 - fabs(dec)) * DEGREE)


cdef inline double sine_of_half(double degrees) noexcept nogil:
    cdef double x = 0.5 * degrees * DEGREE
    cdef double x2 = x * x
    if x2 < 4e-4:  # the next term is below 1e-19
        return x * (1.0 - x2 * (1.0 / 6.0 - x2 * (1.0 / 120.0 - x2 / 5040.0)))
    return sin(x)


cdef inline double separation(
    double ra1, double dec1, double cos1, double ra2, double dec2, double cos2
) noexcept nogil:
    """Arcseconds between two positions (degrees, right ascensions wrapped)."""
    cdef double u = sine_of_half(dec1 - dec2)
    cdef double v = sine_of_half(difference(ra1, ra2))
    cdef double h = u * u + cos1 * cos2 * v * v
    cdef double s = sqrt(h)
    if h < 4e-4:  # arcsine; the next term is below 1e-18
        s *= 1.0 + h * (1.0 / 6.0 + h * (3.0 / 40.0 + h * (15.0 / 336.0 + h * (105.0 / 3456.0))))
    elif h < 0.5:
        s = asin(s)
    else:
        s = atan2(s, sqrt(1.0 - h)) if h < 1.0 else 1.5707963267948966
    return 2.0 * s * ARCSEC_PER_RADIAN
