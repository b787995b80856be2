# Samples of an image along an ellipse.
#
# Harmonics are those of the polar angle from the major axis, or of the eccentric anomaly. Where the
# samples lie in the frame of the ellipse, and the harmonics there, depend on its size and
# shape alone. They are kept while only its centre or its position angle change: a fit corrects one
# parameter at a time. IRAF's walk takes steps of one pixel at right angles to the radius; each
# depends on the one before, so that it is followed by rotating the last direction, not by sines,
# and for two ellipses at once: the processor waits for one while it steps along the other.
#
# All arrays end in samples of weight 0, so that loops need no remainder.
#
# Cost: about 8 ns per sample for a new shape, 3 ns to interpolate, for doubles in the cache.

from libc.math cimport INFINITY, NAN, ceil, cos, fabs, fmin, sin, sqrt
from libc.stdlib cimport free, realloc

from .aperture cimport Pixel
from .lanes cimport LANES, summed

cdef extern from *:
    """
    #define PI 3.14159265358979323846
    #define OVERLAP 0.05
    #define LARGEST_STEP 0.5
    #define SHORT_STEP 0.1
    #define FEWEST_STEPS 32
    #define SPARE 1.01
    #define MOST_SAMPLES 1e8
    #define SECTOR_WIDTH 3.0
    #define NARROWEST 0.05
    #define WIDEST 0.2
    #define GRADIENT_STEP 0.1
    #define MARGIN 1e-6
    #define BILINEAR_AREA 2.0
    #define BILINEAR_VARIANCE (4.0 / 9.0)
    """
    const double PI
    const double OVERLAP             # radians past a full circle
    const double LARGEST_STEP        # radians
    const double SHORT_STEP          # radians, below which the series of step() is exact
    const int FEWEST_STEPS           # of an ellipse, however small
    const double SPARE               # room over the steps that a walk can take
    const double MOST_SAMPLES        # of one ellipse
    const double SECTOR_WIDTH        # pixels, at most
    const double NARROWEST           # radians
    const double WIDEST
    const double GRADIENT_STEP       # of the semi-major axis
    const double MARGIN              # pixels, far above the rounding of places
    const double BILINEAR_AREA       # pixels that a sample stands for, in IRAF's count
    const double BILINEAR_VARIANCE   # of a sample over that of a pixel


cdef struct Ellipse:
    double x0
    double y0
    double sma
    double ellipticity
    double position_angle


cdef enum:
    # Arrays of a ring, one after the other in its memory.
    ALONG, ACROSS, SIN1, COS1, SIN2, COS2, VALUE, WEIGHT, SHARE, N_ARRAYS

cdef struct Ring:
    Py_ssize_t n                 # samples in all
    Py_ssize_t n_padded          # the next multiple of LANES
    Py_ssize_t capacity
    double* memory               # N_ARRAYS x capacity
    bint tabled                  # whether the arrays up to COS2 are for this shape:
    double sma
    double ellipticity
    Ellipse ellipse              # what was sampled
    Py_ssize_t n_data            # samples with a value, after clipping
    double sum_weight
    double mean
    double squared_error         # of the mean, for independent samples
    double stddev
    double sector_area
    bint interpolated            # not sectors


cdef inline double* array(const Ring* ring, int which) noexcept nogil:
    return ring.memory + which * ring.capacity


cdef inline void release(Ring* ring) noexcept nogil:
    free(ring.memory)
    ring.memory = NULL
    ring.capacity = ring.n = 0
    ring.tabled = False


cdef inline bint reserve(Ring* ring, Py_ssize_t n) noexcept nogil:
    """Room for n samples; what was in the arrays is lost. False if memory is short."""
    if n + LANES <= ring.capacity:
        return True
    cdef Py_ssize_t capacity = (n + n // 2 + 2 * LANES) // LANES * LANES
    cdef double* memory = <double*>realloc(ring.memory, N_ARRAYS * capacity * sizeof(double))
    if memory is NULL:
        return False
    ring.memory = memory
    ring.capacity = capacity
    ring.tabled = False
    return True


cdef inline double sector_angle(double sma, double width) noexcept nogil:
    """First angle (radians) of a sector of a ring so many pixels wide."""
    cdef double angle = fmin(width, SECTOR_WIDTH) / sma
    return NARROWEST if angle < NARROWEST else WIDEST if angle > WIDEST else angle


cdef inline void set_length(Ring* ring, Py_ssize_t n) noexcept nogil:
    """So many samples, and some of no weight behind them."""
    cdef Py_ssize_t i
    cdef int which
    ring.n = n
    ring.n_padded = (n + LANES - 1) // LANES * LANES
    for which in range(N_ARRAYS):
        for i in range(n, ring.n_padded):
            array(ring, which)[i] = 0.0


# ------------------------------------------------------------------ where samples lie


cdef inline bint known(const Ring* ring, double sma, double ellipticity) noexcept nogil:
    return ring.tabled and ring.sma == sma and ring.ellipticity == ellipticity


cdef inline bint tabulate(
    Ring* ring, double sma, double ellipticity, bint eccentric_anomaly
) noexcept nogil:
    """Offsets and harmonics for a shape; false if memory is short."""
    if known(ring, sma, ellipticity):
        return True
    if not prepare(ring, sma, ellipticity):
        return False
    if eccentric_anomaly:
        spread_evenly(ring)
    else:
        walk(ring, NULL)
    return True


cdef inline bint tabulate_both(
    Ring* first, Ring* second, double sma, double ellipticity, bint eccentric_anomaly
) noexcept nogil:
    """The same for an ellipse and the one of its gradient, in less than twice the time."""
    cdef double outer = (1.0 + GRADIENT_STEP) * sma
    if (
        eccentric_anomaly or known(first, sma, ellipticity) or known(second, outer, ellipticity)
    ):
        return tabulate(first, sma, ellipticity, eccentric_anomaly) and tabulate(
            second, outer, ellipticity, eccentric_anomaly
        )
    if not prepare(first, sma, ellipticity) or not prepare(second, outer, ellipticity):
        return False
    walk(first, second)
    return True


cdef inline bint prepare(Ring* ring, double sma, double ellipticity) noexcept nogil:
    """Room for the samples of a shape; false if memory is short."""
    # The walk has steps of a pixel at least, or of half a radian; some to spare.
    cdef double most = 2.0 * PI * sma * SPARE + 2 * FEWEST_STEPS
    if not most < MOST_SAMPLES:
        return False
    ring.tabled = False
    ring.sma = sma
    ring.ellipticity = ellipticity
    return reserve(ring, <Py_ssize_t>most)


cdef inline void spread_evenly(Ring* ring) noexcept nogil:
    """Equal steps of the eccentric anomaly."""
    cdef double steps = ceil(2.0 * PI * ring.sma)
    cdef Py_ssize_t n = <Py_ssize_t>steps if steps > FEWEST_STEPS else FEWEST_STEPS
    cdef double q = 1.0 - ring.ellipticity
    cdef double angle
    cdef Py_ssize_t i
    for i in range(n):
        angle = 2.0 * PI * i / n
        array(ring, SIN1)[i], array(ring, COS1)[i] = sin(angle), cos(angle)
    set_length(ring, n)
    for i in range(n):
        array(ring, ALONG)[i] = ring.sma * array(ring, COS1)[i]
        array(ring, ACROSS)[i] = ring.sma * q * array(ring, SIN1)[i]
    double_angles(ring)


cdef struct Walk:
    double angle
    double sine
    double cosine
    double inverse               # of the minor axis
    Py_ssize_t i


cdef inline Walk begin_walk(const Ring* ring) noexcept nogil:
    cdef Walk w
    w.angle = 0.5 * sector_angle(ring.sma, GRADIENT_STEP * ring.sma)
    w.sine, w.cosine = sin(w.angle), cos(w.angle)
    w.inverse = 1.0 / (ring.sma * (1.0 - ring.ellipticity))
    w.i = 0
    return w


cdef inline void step(Ring* ring, Walk* w, double squared_ratio) noexcept nogil:
    """Note a direction, and turn to the next."""
    cdef double turn, squared, fourth, s, c, sine = w.sine, cosine = w.cosine
    # Minor axis over radius.
    cdef double root = sqrt(squared_ratio + (1.0 - squared_ratio) * (sine * sine))
    array(ring, SIN1)[w.i] = sine
    array(ring, COS1)[w.i] = cosine
    array(ring, ALONG)[w.i] = root
    w.i += 1
    turn = root * w.inverse
    if turn > SHORT_STEP:
        turn = fmin(turn, LARGEST_STEP)
        s, c = sin(turn), cos(turn)
    else:
        squared = turn * turn
        fourth = squared * squared
        s = (1.0 - squared * (1.0 / 6.0)) + fourth * (
            (1.0 / 120.0 - squared * (1.0 / 5040.0)) + fourth * (1.0 / 362880.0)
        )
        s = turn * s
        c = (1.0 - squared * 0.5) + fourth * (
            (1.0 / 24.0 - squared * (1.0 / 720.0))
            + fourth * (1.0 / 40320.0 - squared * (1.0 / 3628800.0))
        )
    w.angle += turn
    w.sine = sine * c + cosine * s
    w.cosine = cosine * c - sine * s


cdef inline void walk(Ring* first, Ring* second) noexcept nogil:
    """IRAF's steps along one ellipse, or along two of the same shape at once."""
    cdef double q = 1.0 - first.ellipticity
    cdef double last = 2.0 * PI + OVERLAP
    cdef Walk a = begin_walk(first), b
    if second is not NULL:
        b = begin_walk(second)
        while a.angle <= last and b.angle <= last:
            step(first, &a, q * q)
            step(second, &b, q * q)
        while b.angle <= last:
            step(second, &b, q * q)
        set_length(second, b.i)
        finish(second, second.sma * q)
    while a.angle <= last:
        step(first, &a, q * q)
    set_length(first, a.i)
    finish(first, first.sma * q)


cdef inline void finish(Ring* ring, double size) noexcept nogil:
    """Places and double angles, from directions and, in ALONG, size over radius."""
    cdef double* along = array(ring, ALONG)
    cdef double* across = array(ring, ACROSS)
    cdef const double* sin1 = array(ring, SIN1)
    cdef const double* cos1 = array(ring, COS1)
    cdef double radius
    cdef Py_ssize_t i
    for i in range(ring.n):
        radius = size / along[i]
        along[i] = radius * cos1[i]
        across[i] = radius * sin1[i]
    double_angles(ring)


cdef inline void double_angles(Ring* ring) noexcept nogil:
    """The second harmonics, and with them all that depends on size and shape."""
    cdef const double* sin1 = array(ring, SIN1)
    cdef const double* cos1 = array(ring, COS1)
    cdef double* sin2 = array(ring, SIN2)
    cdef double* cos2 = array(ring, COS2)
    cdef Py_ssize_t i
    for i in range(ring.n):
        sin2[i] = 2.0 * sin1[i] * cos1[i]
        cos2[i] = 1.0 - 2.0 * sin1[i] * sin1[i]
    ring.tabled = True


# ------------------------------------------------------------------ values


cdef inline void interpolate(
    const Pixel* pixels,         # IN   (ny, nx), NaN where unusable
    Py_ssize_t ny,
    Py_ssize_t nx,
    const Ring* ring,            # IN   tabulated
    const Ellipse* ellipse,      # IN   of that shape
    double* value,               # OUT  (n,) NaN outside the image
) noexcept nogil:
    """Bilinear interpolation at the samples of an ellipse."""
    cdef double sine = sin(ellipse.position_angle), cosine = cos(ellipse.position_angle)
    cdef double x0 = ellipse.x0, y0 = ellipse.y0, x, y
    cdef const double* along = array(ring, ALONG)
    cdef const double* across = array(ring, ACROSS)
    cdef Py_ssize_t i = 0
    if inside(ellipse, ny, nx):
        while i < ring.n_padded:
            eight_between(pixels, nx, x0, y0, sine, cosine, along + i, across + i, value + i)
            i += LANES
        for i in range(ring.n, ring.n_padded):
            value[i] = 0.0
        return
    for i in range(ring.n):
        x = x0 + along[i] * cosine - across[i] * sine
        y = y0 + along[i] * sine + across[i] * cosine
        value[i] = at(pixels, ny, nx, x, y)


cdef inline void eight_between(
    const Pixel* pixels, Py_ssize_t nx, double x0, double y0, double sine, double cosine,
    const double* along, const double* across, double* value,
) noexcept nogil:
    """The values at LANES places, all of which have four pixels around them."""
    cdef double[LANES] fx, fy, lower_left, lower_right, upper_left, upper_right
    cdef int[LANES] column, row
    cdef const Pixel* p
    cdef double x, y
    cdef Py_ssize_t lane
    for lane in range(LANES):
        x = x0 + along[lane] * cosine - across[lane] * sine
        y = y0 + along[lane] * sine + across[lane] * cosine
        column[lane], row[lane] = <int>x, <int>y
        fx[lane], fy[lane] = x - column[lane], y - row[lane]
    for lane in range(LANES):
        p = pixels + row[lane] * nx + column[lane]
        lower_left[lane], lower_right[lane] = p[0], p[1]
        upper_left[lane], upper_right[lane] = p[nx], p[nx + 1]
    for lane in range(LANES):
        value[lane] = (1.0 - fy[lane]) * (
            (1.0 - fx[lane]) * lower_left[lane] + fx[lane] * lower_right[lane]
        ) + fy[lane] * (
            (1.0 - fx[lane]) * upper_left[lane] + fx[lane] * upper_right[lane]
        )


cdef inline bint inside(const Ellipse* ellipse, Py_ssize_t ny, Py_ssize_t nx) noexcept nogil:
    """Whether an ellipse is certainly between the centres of the first and the last pixels."""
    cdef double a = ellipse.sma + MARGIN
    cdef double b = a * (1.0 - ellipse.ellipticity) + MARGIN
    cdef double sine = sin(ellipse.position_angle), cosine = cos(ellipse.position_angle)
    cdef double wide = sqrt(a * a * cosine * cosine + b * b * sine * sine)
    cdef double high = sqrt(a * a * sine * sine + b * b * cosine * cosine)
    return (
        ellipse.x0 - wide >= 0.0
        and ellipse.x0 + wide < nx - 1
        and ellipse.y0 - high >= 0.0
        and ellipse.y0 + high < ny - 1
    )


cdef inline double at(
    const Pixel* pixels, Py_ssize_t ny, Py_ssize_t nx, double x, double y
) noexcept nogil:
    """The value at a place, NaN if it is outside."""
    if not (x >= 0.0 and x < nx - 1 and y >= 0.0 and y < ny - 1):
        return NAN
    return between(pixels, nx, x, y)


cdef inline double between(const Pixel* pixels, Py_ssize_t nx, double x, double y) noexcept nogil:
    """The value at a place with four pixels around it."""
    cdef int i = <int>x, j = <int>y
    cdef double fx = x - i, fy = y - j
    cdef const Pixel* p = pixels + j * nx + i
    return (1.0 - fy) * ((1.0 - fx) * p[0] + fx * p[1]) + fy * (
        (1.0 - fx) * p[nx] + fx * p[nx + 1]
    )


# ------------------------------------------------------------------ what they have in common


cdef inline void clip(Ring* ring, double sigma, int times) noexcept nogil:
    """Make NaN what is farther from the mean than so many standard deviations, several times."""
    cdef double* value = array(ring, VALUE)
    cdef double mean, total, limit
    cdef Py_ssize_t i, n, n_clipped
    for _ in range(times):
        total, n = 0.0, 0
        for i in range(ring.n):
            if value[i] == value[i]:
                total += value[i]
                n += 1
        mean, total = total / n if n else 0.0, 0.0
        for i in range(ring.n):
            if value[i] == value[i]:
                total += (value[i] - mean) * (value[i] - mean)
        limit = sigma * sqrt(total / n) if n else INFINITY
        n_clipped = 0
        for i in range(ring.n):
            if fabs(value[i] - mean) > limit:
                value[i] = NAN
                n_clipped += 1
        if not n_clipped:
            return


cdef inline void summarize(Ring* ring, bint weighted) noexcept nogil:
    """Number, mean and scatter of the samples; one that has no value gets value and weight 0."""
    cdef double* value = array(ring, VALUE)
    cdef double* weight = array(ring, WEIGHT)
    cdef double[LANES] totals, weights, squares
    cdef double v, w, sum_weight
    cdef Py_ssize_t i, lane, n_data = 0
    for i in range(ring.n):
        w = weight[i] if weighted else 1.0
        if not (value[i] == value[i] and 0.0 < w < INFINITY):
            value[i] = w = 0.0
        weight[i] = w
        n_data += w > 0.0
    for lane in range(LANES):
        totals[lane] = weights[lane] = squares[lane] = 0.0
    i = 0
    while i < ring.n_padded:
        for lane in range(LANES):
            w = weight[i + lane]
            totals[lane] += w * value[i + lane]
            weights[lane] += w
            squares[lane] += w * w
        i += LANES
    ring.n_data = n_data
    ring.sum_weight = sum_weight = summed(weights)
    ring.mean = ring.stddev = ring.squared_error = NAN
    if not n_data:
        return
    ring.mean = summed(totals) / sum_weight
    for lane in range(LANES):
        totals[lane] = 0.0
    i = 0
    while i < ring.n_padded:
        for lane in range(LANES):
            v = value[i + lane] - ring.mean
            totals[lane] += weight[i + lane] * v * v
        i += LANES
    ring.stddev = sqrt(summed(totals) / sum_weight)
    ring.squared_error = summed(totals) / sum_weight * (
        summed(squares) / (sum_weight * sum_weight)
    )

