"""The model image of isophotes: the compiled inner loop.

Algorithm
---------
The rows of the tables are cut into runs, in which each ellipse lies inside the next (checked by
the caller for neighbours); for most galaxies there is one run. In a run the ellipses that hold a
pixel are the last ones, so that the first of them can be found by bisection.

1. The first run whose last ellipse holds the pixel is its run. Runs that do not reach as far as
   the pixel are passed over; if none holds it, it is outside.
2. The shape of the ellipse through the left neighbour tells nearly which row is the first that
   holds the pixel; a step or two from there, ellipses are looked at until it is certain.
3. Between this row and the one before, the excess of the pixel's radius over the semi-major axis
   is all but linear: false position (Illinois) finds its zero, most often at the first try. Only
   between runs there may be several; there the step is first halved, as it is in the definition.

The neighbour only says where to look first: pixels can be drawn in any order.

Cost: per pixel about five ellipses, of ten operations and at most a square root each, and nothing
transcendental: harmonics are powers of a complex number.
"""

from libc.math cimport fabs, sqrt

cdef enum:
    # Columns of the table of ellipses.
    SMA, X0, Y0, XX, TWICE_XY, YY, INTENSITY, AXIS_X, AXIS_Y, STRETCH, N
    # Steps of false position; its bracket is empty long before.
    MAX_STEPS = 100
    # Halvings of a step between runs, which leave 1e-5 of it.
    HALVINGS = 16

N_COLUMNS = N

# How far the ellipse that is found may be from the pixel, relative to its semi-major axis.
cdef double TOLERANCE = 1e-10


cdef inline double square(const double* row, double x, double y) noexcept nogil:
    """The squared semi-major axis at a pixel, for the shape of a row's ellipse."""
    cdef double dx = x - row[X0], dy = y - row[Y0]
    return dx * (dx * row[XX] + dy * row[TWICE_XY]) + dy * dy * row[YY]


cdef inline bint holds(const double* row, double x, double y) noexcept nogil:
    return square(row, x, y) <= row[SMA] * row[SMA]


cdef inline double between(
    const double* before, const double* after, double t, int column
) noexcept nogil:
    return before[column] + t * (after[column] - before[column])


cdef inline double excess(
    const double* before, const double* after, double t, double x, double y
) noexcept nogil:
    """The semi-major axis at a pixel, less that of the ellipse at a part of the way."""
    cdef double dx = x - between(before, after, t, X0)
    cdef double dy = y - between(before, after, t, Y0)
    cdef double xx = between(before, after, t, XX)
    cdef double twice_xy = between(before, after, t, TWICE_XY)
    cdef double yy = between(before, after, t, YY)
    return sqrt(dx * (dx * xx + dy * twice_xy) + dy * dy * yy) - between(before, after, t, SMA)


cdef Py_ssize_t first_holding(
    const double* rows,     # IN   the table of ellipses
    Py_ssize_t begin,       # IN   first and last row of a run; the last one holds the pixel
    Py_ssize_t end,
    Py_ssize_t guess,       # IN   any row
    double x,
    double y,
) noexcept nogil:
    """The first row of a run whose ellipse holds a pixel."""
    cdef Py_ssize_t low, high, step = 1, middle
    cdef double radius
    guess = min(max(guess, begin), end)
    radius = sqrt(square(rows + guess * N, x, y))
    while guess > begin and rows[(guess - 1) * N + SMA] >= radius:
        guess -= 1
    while guess < end and rows[guess * N + SMA] < radius:
        guess += 1
    # Rows from high on hold the pixel, and rows up to low do not.
    if holds(rows + guess * N, x, y):
        high = guess
        low = high - step
        while low >= begin and holds(rows + low * N, x, y):
            high = low
            step *= 2
            low = high - step
        low = max(low, begin - 1)
    else:
        low = guess
        high = low + step
        while high < end and not holds(rows + high * N, x, y):
            low = high
            step *= 2
            high = low + step
        high = min(high, end)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(rows + middle * N, x, y):
            high = middle
        else:
            low = middle
    return high


cdef double part_of_the_way(
    const double* before, const double* after, double x, double y, int halvings
) noexcept nogil:
    """Where between two rows, of which the second holds a pixel, the ellipse through it is."""
    cdef double low = 0.0, high = 1.0, t, above, below, found
    cdef int step, last = 0
    for step in range(halvings):
        t = 0.5 * (low + high)
        if excess(before, after, t, x, y) <= 0.0:
            high = t
        else:
            low = t
    above = excess(before, after, low, x, y)
    below = excess(before, after, high, x, y)
    for step in range(MAX_STEPS):
        if not above > below:
            break
        t = (low * below - high * above) / (below - above)
        found = excess(before, after, t, x, y)
        if fabs(found) <= TOLERANCE * between(before, after, t, SMA):
            return t
        if found > 0.0:
            low, above = t, found
            if last > 0:
                below *= 0.5
            last = 1
        else:
            high, below = t, found
            if last < 0:
                above *= 0.5
            last = -1
    return high


cdef double deviation(
    const double* before,             # IN   rows of ellipses, and where between them
    const double* after,
    double t,
    const double[:, ::1] amplitudes,  # IN   (k, 2 orders) sine and cosine, order by order
    Py_ssize_t row,                   # IN   the row of ``after``
    const Py_ssize_t[::1] place,      # IN   (highest order + 1,) which order it is, or -1
    double x,
    double y,
) noexcept nogil:
    """The sum of the harmonics at a pixel."""
    cdef double dx = x - between(before, after, t, X0)
    cdef double dy = y - between(before, after, t, Y0)
    cdef double axis_x = between(before, after, t, AXIS_X)
    cdef double axis_y = between(before, after, t, AXIS_Y)
    cdef double along = dx * axis_x + dy * axis_y
    cdef double across = (dy * axis_x - dx * axis_y) * between(before, after, t, STRETCH)
    cdef double radius = sqrt(along * along + across * across)
    cdef double cosine = 1.0, sine = 0.0, keep, total = 0.0
    cdef Py_ssize_t order, column
    if radius == 0.0:
        return 0.0
    along /= radius
    across /= radius
    for order in range(1, place.shape[0]):
        keep = cosine * along - sine * across
        sine = sine * along + cosine * across
        cosine = keep
        if place[order] >= 0:
            column = 2 * place[order]
            total += sine * (
                amplitudes[row - 1, column]
                + t * (amplitudes[row, column] - amplitudes[row - 1, column])
            )
            column += 1
            total += cosine * (
                amplitudes[row - 1, column]
                + t * (amplitudes[row, column] - amplitudes[row - 1, column])
            )
    return total


def draw(
    const double[:, ::1] ellipses,    # IN   (k, N_COLUMNS) rows of the tables
    const double[:, ::1] amplitudes,  # IN   (k, 2 orders) sine and cosine, order by order
    const Py_ssize_t[::1] place,      # IN   (highest order + 1,) which order it is, or -1; or (0,)
    const Py_ssize_t[::1] last_row,   # IN   (runs,) of each run
    const double[::1] reach,          # IN   (runs,) squared semi-major axis, of the last ellipse's
    double fill,                      # IN        shape, beyond which the runs so far hold nothing
    Py_ssize_t first,                 # IN   rows first .. last - 1 of the image
    Py_ssize_t last,
    double[:, ::1] model,             # OUT
):
    cdef Py_ssize_t i, j, run, near = 0, n_runs = last_row.shape[0], row, begin
    cdef const double* rows = &ellipses[0, 0]
    cdef const double* outermost = rows + last_row[n_runs - 1] * N
    cdef const double* before
    cdef const double* after
    cdef double x, y, distance, t, value
    with nogil:
        for i in range(first, last):
            y = <double>i
            row = last_row[n_runs - 1]
            for j in range(model.shape[1]):
                x = <double>j
                distance = square(outermost, x, y)
                while near > 0 and reach[near - 1] >= distance:
                    near -= 1
                while near < n_runs and reach[near] < distance:
                    near += 1
                run = near
                while run < n_runs and not holds(rows + last_row[run] * N, x, y):
                    run += 1
                if run == n_runs:
                    model[i, j] = fill
                    continue
                begin = last_row[run - 1] + 1 if run else 0
                row = max(first_holding(rows, begin, last_row[run], row, x, y), 1)
                before, after = rows + (row - 1) * N, rows + row * N
                t = part_of_the_way(before, after, x, y, HALVINGS if run and row == begin else 0)
                value = between(before, after, t, INTENSITY)
                if place.shape[0]:
                    value += deviation(before, after, t, amplitudes, row, place, x, y)
                model[i, j] = value
