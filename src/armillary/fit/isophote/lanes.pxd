# Sums in lanes: two vectors of AVX2, and the same bits on processors without.

cdef enum:
    LANES = 8


cdef inline double summed(const double* lanes) noexcept nogil:
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + (
        (lanes[2] + lanes[6]) + (lanes[3] + lanes[7])
    )


cdef inline void four_dots(
    const double* a, const double* b, Py_ssize_t stride, Py_ssize_t n, double* found
) noexcept nogil:
    """Of an array with four others, a stride apart: the processor waits for none of them."""
    cdef double[LANES] t0, t1, t2, t3
    cdef Py_ssize_t i = 0, lane
    for lane in range(LANES):
        t0[lane] = t1[lane] = t2[lane] = t3[lane] = 0.0
    while i < n:
        for lane in range(LANES):
            t0[lane] += a[i + lane] * b[i + lane]
            t1[lane] += a[i + lane] * b[stride + i + lane]
            t2[lane] += a[i + lane] * b[2 * stride + i + lane]
            t3[lane] += a[i + lane] * b[3 * stride + i + lane]
        i += LANES
    found[0], found[1], found[2], found[3] = summed(t0), summed(t1), summed(t2), summed(t3)


cdef inline double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    """Of two arrays whose length is a multiple of LANES."""
    cdef double[LANES] totals
    cdef Py_ssize_t i = 0, lane
    for lane in range(LANES):
        totals[lane] = 0.0
    while i < n:
        for lane in range(LANES):
            totals[lane] += a[i + lane] * b[i + lane]
        i += LANES
    return summed(totals)
