# Sums over the pixels whose centres are inside an ellipse, and inside the circle around it.
#
# In each row of the image they are a span of columns, whose ends follow from a square root; what is
# between is summed as it lies in memory, the pixels of the ellipse once for both. Cost: two square
# roots per row, and the pixels of the circle, at the speed of memory.

from libc.math cimport ceil, floor, sqrt
from libc.stdint cimport int32_t

from .lanes cimport LANES, summed

ctypedef fused Pixel:
    float
    double


cdef struct Span:
    int32_t begin
    int32_t end                  # columns begin .. end - 1


cdef struct Sums:
    double total
    Py_ssize_t n


cdef struct Outline:
    double x0
    double y0
    double sma
    double axis_ratio            # 1 for a circle
    double cosine
    double sine
    # In the frame of the image: squared dx^2 + 2 mixed dx dy + ... <= sma^2.
    double squared
    double mixed

cdef extern from *:
    """
    #define CLEAR 1e-4
    """
    const double CLEAR               # pixels; farther from the outline there is no doubt


cdef inline Outline outline_of(
    double x0, double y0, double sma, double axis_ratio, double cosine, double sine
) noexcept nogil:
    cdef Outline o
    cdef double flat = 1.0 / (axis_ratio * axis_ratio)
    o.x0, o.y0, o.sma, o.axis_ratio, o.cosine, o.sine = x0, y0, sma, axis_ratio, cosine, sine
    o.squared = cosine * cosine + flat * sine * sine
    o.mixed = cosine * sine * (1.0 - flat)
    return o


cdef inline bint inside_outline(const Outline* o, double dx, double dy) noexcept nogil:
    cdef double along, across
    if o.axis_ratio == 1.0:
        return dx * dx + dy * dy <= o.sma * o.sma
    along = dx * o.cosine + dy * o.sine
    across = (dy * o.cosine - dx * o.sine) / o.axis_ratio
    return along * along + across * across <= o.sma * o.sma


cdef inline Py_ssize_t limited(double number, Py_ssize_t most) noexcept nogil:
    if not number > 0.0:
        return 0
    return <Py_ssize_t>number if number < most else most


cdef inline Span span_of(const Outline* o, double dy, Py_ssize_t nx) noexcept nogil:
    """Columns of a row, from a square root, and exactly where that leaves a doubt."""
    cdef double inverse = 1.0 / o.squared
    # The area of an ellipse does not change with its direction: neither does the determinant.
    cdef double high = dy / o.axis_ratio
    cdef double rest = o.squared * o.sma * o.sma - high * high
    cdef double half = sqrt(rest) * inverse if rest > 0.0 else 0.0
    cdef double middle = o.x0 - o.mixed * dy * inverse
    cdef double left = middle - half, right = middle + half
    cdef double begin = ceil(left), end = floor(right)
    cdef Span span
    if half > 0.5 and clear(begin - left) and clear(right - end):
        span.begin = <int32_t>limited(begin, nx)
        span.end = <int32_t>limited(end + 1.0, nx)
        return span
    span.begin = <int32_t>limited(begin - 1.0, nx)
    span.end = <int32_t>limited(end + 2.0, nx)
    while span.begin < span.end and not inside_outline(o, span.begin - o.x0, dy):
        span.begin += 1
    while span.begin < span.end and not inside_outline(o, span.end - 1 - o.x0, dy):
        span.end -= 1
    return span


cdef inline bint clear(double distance) noexcept nogil:
    """Whether a column is as far from the outline as the next one beyond it."""
    return distance > CLEAR and distance < 1.0 - CLEAR


cdef inline void aperture_sums(
    const Pixel* pixels,         # IN   (ny, nx), NaN where unusable
    Py_ssize_t ny,
    Py_ssize_t nx,
    const Outline* ellipse,      # IN
    const Outline* circle,       # IN   around it
    Sums* in_ellipse,            # OUT
    Sums* in_circle,             # OUT
) noexcept nogil:
    cdef Py_ssize_t j
    cdef Py_ssize_t first = limited(ceil(circle.y0 - circle.sma), ny)
    cdef Py_ssize_t last = limited(floor(circle.y0 + circle.sma) + 1.0, ny)
    cdef Span inner, outer
    in_ellipse.total = in_circle.total = 0.0
    in_ellipse.n = in_circle.n = 0
    for j in range(first, last):
        outer = span_of(circle, j - circle.y0, nx)
        inner = span_of(ellipse, j - ellipse.y0, nx)
        if inner.begin >= inner.end:
            add_usable(in_circle, pixels + j * nx, outer.begin, outer.end)
            continue
        add_usable(in_circle, pixels + j * nx, outer.begin, inner.begin)
        add_usable(in_ellipse, pixels + j * nx, inner.begin, inner.end)
        add_usable(in_circle, pixels + j * nx, inner.end, outer.end)
    in_circle.total += in_ellipse.total
    in_circle.n += in_ellipse.n


cdef inline void add_usable(
    Sums* sums, const Pixel* row, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Add the usable pixels of some columns; none if they end before they begin."""
    cdef double[LANES] totals
    cdef double total
    cdef Py_ssize_t i = begin, lane, n
    if begin >= end:
        return
    for lane in range(LANES):
        totals[lane] = 0.0
    while i + LANES <= end:
        for lane in range(LANES):
            totals[lane] += row[i + lane]
        i += LANES
    while i < end:
        totals[0] += row[i]
        i += 1
    total, n = summed(totals), end - begin
    if total != total:
        # Some are unusable: one by one.
        total, n = 0.0, 0
        for i in range(begin, end):
            if row[i] == row[i]:
                total += row[i]
                n += 1
    sums.total += total
    sums.n += n
