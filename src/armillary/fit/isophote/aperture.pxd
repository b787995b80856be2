# Sums over the pixels whose centres are inside an ellipse, and inside the circle around it.
#
# Row by row: where the circle and the ellipse cut a row follows from two square roots, and what is
# between is summed as it lies in memory. Each pixel is read once. Cost: the pixels of the circle.

from libc.math cimport ceil, cos, floor, sin, sqrt

from .lanes cimport LANES, summed

ctypedef fused Pixel:
    float
    double

cdef struct Sums:
    double total
    Py_ssize_t n


cdef struct Outline:
    double x0
    double y0
    double sma
    double axis_ratio
    double cosine
    double sine


cdef inline bint in_ellipse(const Outline* o, double dx, double dy) noexcept nogil:
    cdef double along = dx * o.cosine + dy * o.sine
    cdef double across = (dy * o.cosine - dx * o.sine) / o.axis_ratio
    return along * along + across * across <= o.sma * o.sma


cdef inline bint in_circle(const Outline* o, double dx, double dy) noexcept nogil:
    return dx * dx + dy * dy <= o.sma * o.sma


cdef inline void add_row(
    const Pixel* row, Py_ssize_t begin, Py_ssize_t end, Sums* sums
) noexcept nogil:
    """Add the usable pixels begin .. end - 1 of a row."""
    cdef double[LANES] totals, counts
    cdef double value
    cdef Py_ssize_t i = begin, lane
    for lane in range(LANES):
        totals[lane] = counts[lane] = 0.0
    while i + LANES <= end:
        for lane in range(LANES):
            value = row[i + lane]
            totals[lane] += value if value == value else 0.0
            counts[lane] += 1.0 if value == value else 0.0
        i += LANES
    while i < end:
        value = row[i]
        if value == value:
            totals[0] += value
            counts[0] += 1.0
        i += 1
    sums.total += summed(totals)
    sums.n += <Py_ssize_t>summed(counts)


cdef inline Py_ssize_t limited(double column, Py_ssize_t nx) noexcept nogil:
    if not column > 0.0:
        return 0
    return <Py_ssize_t>column if column < nx else nx


cdef inline void circle_columns(
    const Outline* o, double dy, Py_ssize_t nx, Py_ssize_t* begin, Py_ssize_t* end
) noexcept nogil:
    """Columns begin .. end - 1 of a row are in the circle."""
    cdef double squared = o.sma * o.sma - dy * dy
    cdef double half = sqrt(squared) if squared > 0.0 else 0.0
    begin[0] = limited(ceil(o.x0 - half) - 1.0, nx)
    end[0] = limited(floor(o.x0 + half) + 2.0, nx)
    while begin[0] < end[0] and not in_circle(o, begin[0] - o.x0, dy):
        begin[0] += 1
    while begin[0] < end[0] and not in_circle(o, end[0] - 1 - o.x0, dy):
        end[0] -= 1


cdef inline void ellipse_columns(
    const Outline* o, double dy, Py_ssize_t nx, Py_ssize_t* begin, Py_ssize_t* end
) noexcept nogil:
    """The same for the ellipse: where along^2 + (across / q)^2 = sma^2."""
    cdef double inverse = 1.0 / (o.axis_ratio * o.axis_ratio)
    cdef double a = o.cosine * o.cosine + inverse * o.sine * o.sine
    cdef double b = dy * o.cosine * o.sine * (1.0 - inverse)
    cdef double c = dy * dy * (o.sine * o.sine + inverse * o.cosine * o.cosine) - o.sma * o.sma
    cdef double squared = b * b - a * c
    cdef double half = sqrt(squared) / a if squared > 0.0 else 0.0
    cdef double middle = o.x0 - b / a
    begin[0] = limited(ceil(middle - half) - 1.0, nx)
    end[0] = limited(floor(middle + half) + 2.0, nx)
    while begin[0] < end[0] and not in_ellipse(o, begin[0] - o.x0, dy):
        begin[0] += 1
    while begin[0] < end[0] and not in_ellipse(o, end[0] - 1 - o.x0, dy):
        end[0] -= 1


cdef inline void aperture_sums(
    const Pixel* pixels,         # IN   (ny, nx), NaN where unusable
    Py_ssize_t ny,
    Py_ssize_t nx,
    const Outline* o,            # IN
    Sums* ellipse,               # OUT
    Sums* circle,                # OUT
) noexcept nogil:
    cdef Py_ssize_t j, first, last, begin, end, low, high
    cdef double dy
    ellipse.total = circle.total = 0.0
    ellipse.n = circle.n = 0
    first = limited(ceil(o.y0 - o.sma), ny)
    last = limited(floor(o.y0 + o.sma) + 1.0, ny)
    for j in range(first, last):
        dy = j - o.y0
        circle_columns(o, dy, nx, &begin, &end)
        if begin == end:
            continue
        ellipse_columns(o, dy, nx, &low, &high)
        if low == high:
            add_row(pixels + j * nx, begin, end, circle)
            continue
        add_row(pixels + j * nx, begin, low, circle)
        add_row(pixels + j * nx, high, end, circle)
        add_row(pixels + j * nx, low, high, ellipse)
    circle.total += ellipse.total
    circle.n += ellipse.n
