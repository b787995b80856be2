# Means and medians of the sectors of an elliptical ring.
#
# A sector is what two ellipses and two directions cut out; sectors follow each other without gaps
# and have about the same area. Every pixel of the box around a sector is tested by the semi-major
# axis on which it lies and by two cross products. Source: Busko (1996), as photutils has it; where a
# sector has few usable pixels, the value is interpolated at its middle.
#
# Cost: about three times the pixels of the ring, 3 ns each.

from libc.math cimport INFINITY, NAN, atan2, ceil, cos, floor, fmax, fmin, sin, sqrt
from libc.stdlib cimport free, realloc

from ...runtime.median cimport median as median_of
from .aperture cimport Pixel
from .ring cimport (
    ALONG, ACROSS, BILINEAR_VARIANCE, COS1, LARGEST_STEP, NARROWEST, OVERLAP, PI, SECTOR_WIDTH,
    SHARE, SIN1, VALUE, WEIGHT, WIDEST, Ellipse, Ring, array, at, double_angles, reserve,
    sector_angle, set_length,
)

cdef extern from *:
    """
    #define FEWEST_PIXELS 7
    #define MEDIAN_VARIANCE (0.5 * 3.14159265358979323846)
    """
    const int FEWEST_PIXELS
    const double MEDIAN_VARIANCE     # of a median over n pixels times n, over that of a pixel


cdef struct Pixels:
    # Values inside one sector.
    Py_ssize_t n
    Py_ssize_t capacity
    double* value
    double sum_variance


cdef struct Sector:
    double sine                  # of the position angle
    double cosine
    double inner                 # semi-major axes
    double outer
    double begin                 # polar angles from the major axis
    double end


cdef inline double radius_of(double sma, double q, double angle) noexcept nogil:
    cdef double s = sin(angle), c = q * cos(angle)
    return sma * q / sqrt(c * c + s * s)


cdef inline double swept(double q, double begin, double end) noexcept nogil:
    """Eccentric anomaly between two polar angles less than half a turn apart."""
    cdef double a = atan2(sin(begin), q * cos(begin)), b = atan2(sin(end), q * cos(end))
    return b - a if b >= a else b - a + 2.0 * PI


cdef inline int sample_sectors(
    const Pixel* pixels,         # IN   (ny, nx), NaN where unusable
    const Pixel* variances,      # IN   the same, or NULL
    Py_ssize_t ny,
    Py_ssize_t nx,
    Ring* ring,                  # OUT  not tabulated
    const Ellipse* ellipse,      # IN
    double width,                # IN   pixels
    bint median,                 # IN   or mean
    bint eccentric_anomaly,      # IN   what harmonics are of
    Pixels* store,               # room for the pixels of a sector
) noexcept nogil:
    """1 if done, 0 if sectors are smaller than a pixel, -1 if memory is short."""
    cdef Sector sector
    cdef double q = 1.0 - ellipse.ellipticity
    cdef double opening = sector_angle(ellipse.sma, width), angle = 0.5 * opening
    cdef double area_factor = width * fmin(width, SECTOR_WIDTH), total_area = 0.0
    cdef double area, low, radius
    cdef Py_ssize_t i = 0
    sector.inner, sector.outer = ellipse.sma - 0.5 * width, ellipse.sma + 0.5 * width
    sector.sine, sector.cosine = sin(ellipse.position_angle), cos(ellipse.position_angle)
    if not sector.inner > 0.0:
        return 0
    if not reserve(ring, <Py_ssize_t>((2.0 * PI + OVERLAP) / NARROWEST) + 24):
        return -1
    ring.tabled = False
    while angle <= 2.0 * PI + OVERLAP:
        sector.begin, sector.end = angle - 0.5 * opening, angle + 0.5 * opening
        area = 0.5 * q * swept(q, sector.begin, sector.end) * (
            sector.outer * sector.outer - sector.inner * sector.inner
        )
        if i == 0 and area < 1.0:
            return 0
        total_area += area
        radius = radius_of(ellipse.sma, q, angle)
        array(ring, SIN1)[i], array(ring, COS1)[i] = sin(angle), cos(angle)
        array(ring, ALONG)[i] = radius * array(ring, COS1)[i]
        array(ring, ACROSS)[i] = radius * array(ring, SIN1)[i]
        if not sample_sector(pixels, variances, ny, nx, ring, i, ellipse, &sector, median, store):
            return -1
        low = radius_of(sector.inner, q, sector.end)
        opening = area_factor / ((radius_of(sector.outer, q, sector.end) - low) * low)
        opening = fmax(NARROWEST, fmin(opening, WIDEST))
        angle += fmin(0.5 * opening + sector.end - angle, LARGEST_STEP)
        i += 1
    ring.sector_area = total_area / i
    set_length(ring, i)
    if eccentric_anomaly:
        for i in range(ring.n):
            array(ring, SIN1)[i] = array(ring, ACROSS)[i] / (ellipse.sma * q)
            array(ring, COS1)[i] = array(ring, ALONG)[i] / ellipse.sma
    double_angles(ring)
    ring.tabled = False
    return 1


cdef inline bint sample_sector(
    const Pixel* pixels,
    const Pixel* variances,
    Py_ssize_t ny,
    Py_ssize_t nx,
    Ring* ring,
    Py_ssize_t i,                # IN   which sample
    const Ellipse* ellipse,
    const Sector* sector,
    bint median,
    Pixels* store,
) noexcept nogil:
    """Value, weight and share of one sector; false if memory is short."""
    cdef double* value = array(ring, VALUE) + i
    cdef double* weight = array(ring, WEIGHT) + i
    cdef double* share = array(ring, SHARE) + i
    cdef double x, y, along, across
    cdef int found = gather(pixels, variances, ny, nx, ellipse, sector, store)
    if found < 0:
        return False
    if not found:
        value[0] = weight[0] = NAN
        share[0] = 0.0
    elif store.n < FEWEST_PIXELS:
        along, across = array(ring, ALONG)[i], array(ring, ACROSS)[i]
        x = ellipse.x0 + along * sector.cosine - across * sector.sine
        y = ellipse.y0 + along * sector.sine + across * sector.cosine
        value[0] = at(pixels, ny, nx, x, y)
        weight[0] = 1.0 if variances is NULL else 1.0 / at(variances, ny, nx, x, y)
        share[0] = BILINEAR_VARIANCE
    else:
        value[0] = median_of(store.value, store.n) if median else mean_of(store)
        weight[0] = 1.0 if variances is NULL else store.n / store.sum_variance
        share[0] = (MEDIAN_VARIANCE if median else 1.0) / store.n
    return True


cdef inline int gather(
    const Pixel* pixels,
    const Pixel* variances,
    Py_ssize_t ny,
    Py_ssize_t nx,
    const Ellipse* ellipse,
    const Sector* sector,
    Pixels* store,
) noexcept nogil:
    """Usable pixels of a sector: 0 if it is not all on the image, -1 if memory is short."""
    cdef double q = 1.0 - ellipse.ellipticity
    cdef double[2] sines, cosines
    cdef double[4] reach
    cdef double x, y, radius
    cdef double left, right, bottom, top
    cdef int corner, side
    for side in range(2):
        sines[side] = sin(sector.end if side else sector.begin)
        cosines[side] = cos(sector.end if side else sector.begin)
        radius = 1.0 / sqrt(q * q * cosines[side] * cosines[side] + sines[side] * sines[side])
        reach[2 * side], reach[2 * side + 1] = sector.inner * q * radius, sector.outer * q * radius
    left = bottom = INFINITY
    right = top = -INFINITY
    for corner in range(4):
        side = corner // 2
        x = ellipse.x0 + reach[corner] * (
            cosines[side] * sector.cosine - sines[side] * sector.sine
        )
        y = ellipse.y0 + reach[corner] * (
            cosines[side] * sector.sine + sines[side] * sector.cosine
        )
        left, right = fmin(left, x), fmax(right, x)
        bottom, top = fmin(bottom, y), fmax(top, y)
    left, right, bottom, top = floor(left), ceil(right), floor(bottom), ceil(top)
    if left < 0.0 or bottom < 0.0 or right >= nx or top >= ny:
        return 0
    if not enough(store, <Py_ssize_t>((right - left + 1.0) * (top - bottom + 1.0))):
        return -1
    store.n = 0
    store.sum_variance = 0.0
    cdef Py_ssize_t i, j
    cdef double dx, dy, along, across, squared, value, variance = 1.0
    cdef double least = sector.inner * sector.inner, most = sector.outer * sector.outer
    for j in range(<Py_ssize_t>bottom, <Py_ssize_t>top + 1):
        dy = j - ellipse.y0
        for i in range(<Py_ssize_t>left, <Py_ssize_t>right + 1):
            dx = i - ellipse.x0
            along = dx * sector.cosine + dy * sector.sine
            across = dy * sector.cosine - dx * sector.sine
            squared = along * along + across * across / (q * q)
            if squared < least or squared >= most:
                continue
            # At or after the first direction, before the second, and on this side.
            if cosines[0] * across - sines[0] * along < 0.0:
                continue
            if along * sines[1] - across * cosines[1] <= 0.0:
                continue
            if along * cosines[0] + across * sines[0] <= 0.0:
                continue
            value = pixels[j * nx + i]
            if variances is not NULL:
                variance = variances[j * nx + i]
            if value == value and variance == variance:
                store.value[store.n] = value
                store.sum_variance += variance
                store.n += 1
    return 1


cdef inline bint enough(Pixels* store, Py_ssize_t n) noexcept nogil:
    if n <= store.capacity:
        return True
    cdef double* value = <double*>realloc(store.value, 2 * n * sizeof(double))
    if value is NULL:
        return False
    store.value = value
    store.capacity = 2 * n
    return True


cdef inline double mean_of(const Pixels* store) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(store.n):
        total += store.value[i]
    return total / store.n


cdef inline void empty(Pixels* store) noexcept nogil:
    free(store.value)
    store.value = NULL
    store.capacity = 0
