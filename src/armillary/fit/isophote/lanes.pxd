# Sums in lanes: two vectors of AVX2, and the same bits on processors without.

cdef enum:
    LANES = 8


cdef inline double summed(const double* lanes) noexcept nogil:
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + (
        (lanes[2] + lanes[6]) + (lanes[3] + lanes[7])
    )


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
