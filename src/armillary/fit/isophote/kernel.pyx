"""Isophotes of an image: the compiled fit of ellipses.

Algorithm
---------
That of Jedrzejewski (1987), as reference/ defines it. For each ellipse:

1. Sample it, and a second one a tenth larger for the gradient (ring.pxd, sector.pxd). Positions
   and harmonics are kept while only the centre or the position angle change, and with them the
   decomposed normal matrix, unless samples are missing.
2. Fit first and second harmonics: five sums and a system of five equations (algebra.pxd).
3. Correct the parameter that belongs to the largest amplitude, and go back to 1, until that is
   small.

When the search has ended: errors and higher harmonics (covariance.pxd), and the sums of pixels
inside (aperture.pxd). Each ellipse starts with the geometry of the one before: outwards from the
first until the signal is gone, then inwards.

Cost: per sample about 4 ns and, after a change of the ellipticity, 15 ns more; in memory the
samples of three ellipses. Nothing is copied of the image.
"""

from libc.math cimport INFINITY, NAN, cos, fabs, floor, hypot, sin, sqrt
from libc.stdint cimport int64_t
from libc.stdlib cimport free as free_memory, realloc
from libc.string cimport memset

import numpy as np

from .algebra cimport decompose, solve
from .aperture cimport Outline, Sums, aperture_sums, outline_of
from .covariance cimport (
    FEWEST_SAMPLES, MAX_ORDERS, Errors, Matrices, Orders, Samples, collect, correlated_errors,
    errors_of_photutils, reach_of, reserve_samples,
)
from .lanes cimport LANES, summed
from .ring cimport (
    BILINEAR_AREA, BILINEAR_VARIANCE, COS1, COS2, GRADIENT_STEP, PI, SIN1, SIN2, VALUE, WEIGHT,
    Ellipse, Ring, array, at, clip, interpolate, known, release, reserve, set_length, summarize,
    tabulate, tabulate_both,
)
from .sector cimport Pixels, empty, sample_sectors

cdef extern from *:
    """
    #define MAX_ELLIPTICITY 0.95
    #define NEARLY_ROUND 0.05
    #define SMALLEST_SMA 0.5
    #define NO_NEARER 0.75
    #define NOT_FALLING 0.5
    #define SHALLOWEST (1.0 / 3.0)
    #define GUESSED 0.8
    """
    const double MAX_ELLIPTICITY
    const double NEARLY_ROUND        # what a circle is made
    const double SMALLEST_SMA        # pixels; where going inwards ends
    # The rules of photutils for a gradient: it must fall by this part of its error; one from farther
    # out counts if it is below this part of what was expected; otherwise this part of that does.
    const double NOT_FALLING
    const double SHALLOWEST
    const double GUESSED
    const double NO_NEARER           # part of an amplitude that a correction may leave, turned

cdef enum:
    # How a fit ends; reference/ has the same.
    FAILED = -1
    CONVERGED = 0
    FEW_VALID = 1
    NOT_CONVERGED = 2
    NO_SAMPLES = 3
    SAMPLED = 4
    NO_GRADIENT = 5

cdef enum:
    # What a fit of an image is at.
    OUTWARDS, INWARDS, CENTRE, DONE

cdef packed struct Row:
    double sma
    double intensity
    double intensity_err
    double ellipticity
    double ellipticity_err
    double position_angle
    double position_angle_err
    double x0
    double x0_err
    double y0
    double y0_err
    double gradient
    double gradient_err
    double rms
    double sector_area
    double flux_ellipse
    double flux_circle
    int64_t n_pixels_ellipse
    int64_t n_pixels_circle
    int64_t n_data
    int64_t n_flagged
    int64_t n_iterations
    int64_t n_samples
    int64_t stop_code
    double[MAX_ORDERS] a
    double[MAX_ORDERS] a_err
    double[MAX_ORDERS] b
    double[MAX_ORDERS] b_err

_FLOATS = (
    "sma", "intensity", "intensity_err", "ellipticity", "ellipticity_err", "position_angle",
    "position_angle_err", "x0", "x0_err", "y0", "y0_err", "gradient", "gradient_err", "rms",
    "sector_area", "flux_ellipse", "flux_circle",
)
_COUNTS = (
    "n_pixels_ellipse", "n_pixels_circle", "n_data", "n_flagged", "n_iterations", "n_samples",
    "stop_code",
)
#: One ellipse in the table of a fit; of the harmonics, as many as were asked for count.
ROW = np.dtype(
    [(name, np.float64) for name in _FLOATS]
    + [(name, np.int64) for name in _COUNTS]
    + [(name, np.float64, (MAX_ORDERS,)) for name in ("a", "a_err", "b", "b_err")]
)

cdef struct Gradient:
    double value                 # NAN where not known
    double error
    Py_ssize_t n_samples

cdef struct Fit:
    Ellipse ellipse
    Gradient gradient
    Py_ssize_t n_iterations
    Py_ssize_t n_samples
    int stop_code
    bint fitted                  # whether the geometry is


cdef inline double relative_error(const Gradient* gradient) noexcept nogil:
    """NAN unless the intensity falls outwards and the error is known."""
    return gradient.error / -gradient.value if gradient.value < 0.0 else NAN


cdef inline double remainder_of_half_turn(double angle) noexcept nogil:
    """An angle in 0 .. pi, as Python's % has it; what is not finite is NAN."""
    cdef double turned = angle - PI * floor(angle / PI)
    if turned < 0.0:
        turned += PI
    return 0.0 if turned >= PI else turned


cdef class Photometer:
    """An image, what is known of its pixels, and how ellipses are sampled and measured on it.

    Parameters are those of :func:`armillary.fit.isophotes`, checked.
    """

    cdef const void* pixels
    cdef const void* variances
    cdef object _kept
    cdef bint single
    cdef Py_ssize_t ny, nx
    cdef double step, sigma_clip
    cdef int n_clip
    cdef bint linear, sectors, median, eccentric_anomaly, old_errors
    cdef bint[4] free            # across, along, position angle, ellipticity
    cdef Orders orders
    cdef Ring ring               # the ellipse itself
    cdef Ring outer              # those for its gradient
    cdef Ring farther
    cdef Pixels store
    cdef Samples samples
    cdef Matrices matrices
    cdef double[25] factor       # of the normal matrix of a ring without missing samples
    cdef bint factored
    cdef Row* rows
    cdef Py_ssize_t n_rows, capacity

    def __cinit__(
        self,
        image,                   # (ny, nx) float32 or float64, C order, NaN where unusable
        variance,                # the same, or None
        *,
        double step,
        bint linear,
        double sigma_clip,
        int n_clip,
        str integrator,
        str sampling,
        tuple harmonics,
        str errors,
        bint fix_center=False,
        bint fix_ellipticity=False,
        bint fix_position_angle=False,
    ):
        self._hold(image, variance)
        self.step, self.linear = step, linear
        self.sigma_clip, self.n_clip = sigma_clip, n_clip
        self.sectors, self.median = integrator != "bilinear", integrator == "median"
        self.eccentric_anomaly = sampling == "eccentric_anomaly"
        self.old_errors = errors == "photutils"
        self.free[0] = self.free[1] = not fix_center
        self.free[2], self.free[3] = not fix_position_angle, not fix_ellipticity
        if len(harmonics) > MAX_ORDERS:
            raise ValueError(f"harmonics may be {MAX_ORDERS} at most, not {len(harmonics)}")
        self.orders.n = len(harmonics)
        for i, order in enumerate(harmonics):
            self.orders.order[i] = order

    def __dealloc__(self):
        release(&self.ring)
        release(&self.outer)
        release(&self.farther)
        empty(&self.store)
        free_memory(self.samples.memory)
        free_memory(self.rows)

    def _hold(self, image, variance):
        cdef const float[:, ::1] floats
        cdef const double[:, ::1] doubles
        self._kept = image, variance
        self.ny, self.nx = image.shape
        self.single = image.dtype == np.float32
        self.variances = NULL
        if self.single:
            floats = image
            self.pixels = &floats[0, 0]
            if variance is not None:
                floats = variance
                self.variances = &floats[0, 0]
        else:
            doubles = image
            self.pixels = &doubles[0, 0]
            if variance is not None:
                doubles = variance
                self.variances = &doubles[0, 0]

    def table(self):
        """The rows so far, in the order in which they were found."""
        found = np.empty(self.n_rows, ROW)
        cdef Row[::1] view
        if self.n_rows:
            view = found
            for i in range(self.n_rows):
                view[i] = self.rows[i]
        return found

    # -------------------------------------------------------------- samples

    cdef bint sample(self, Ring* ring, const Ellipse* ellipse) noexcept nogil:
        """Draw the samples of an ellipse; false if memory is short."""
        cdef int done = 0
        if self.beyond(ellipse):
            return self.sample_nothing(ring, ellipse)
        if self.sectors:
            if self.single:
                done = sample_sectors(
                    <const float*>self.pixels, <const float*>self.variances, self.ny, self.nx,
                    ring, ellipse, self.annulus(ellipse.sma), self.median,
                    self.eccentric_anomaly, &self.store,
                )
            else:
                done = sample_sectors(
                    <const double*>self.pixels, <const double*>self.variances, self.ny, self.nx,
                    ring, ellipse, self.annulus(ellipse.sma), self.median,
                    self.eccentric_anomaly, &self.store,
                )
            if done < 0:
                return False
        ring.ellipse = ellipse[0]
        ring.interpolated = not done
        if not done and not self.draw(ring, ellipse):
            return False
        if self.n_clip:
            clip(ring, self.sigma_clip, self.n_clip)
        summarize(ring, self.variances is not NULL)
        return True

    cdef bint beyond(self, const Ellipse* ellipse) noexcept nogil:
        """Whether the whole image is inside an ellipse."""
        cdef double wide = max(ellipse.x0, self.nx - 1.0 - ellipse.x0)
        cdef double high = max(ellipse.y0, self.ny - 1.0 - ellipse.y0)
        return (1.0 - ellipse.ellipticity) * ellipse.sma > hypot(wide, high)

    cdef bint sample_nothing(self, Ring* ring, const Ellipse* ellipse) noexcept nogil:
        if not reserve(ring, 1):
            return False
        ring.tabled = False
        set_length(ring, 0)
        ring.ellipse = ellipse[0]
        ring.interpolated = True
        ring.sector_area = BILINEAR_AREA
        summarize(ring, False)
        return True

    cdef double annulus(self, double sma) noexcept nogil:
        return self.step if self.linear else self.step * sma

    cdef bint draw(self, Ring* ring, const Ellipse* ellipse) noexcept nogil:
        cdef Py_ssize_t i
        cdef double* weight
        if ring is &self.ring:
            self.factored = self.factored and known(ring, ellipse.sma, ellipse.ellipticity)
            if not tabulate_both(
                ring, &self.outer, ellipse.sma, ellipse.ellipticity, self.eccentric_anomaly
            ):
                return False
        elif not tabulate(ring, ellipse.sma, ellipse.ellipticity, self.eccentric_anomaly):
            return False
        ring.sector_area = BILINEAR_AREA
        if self.single:
            interpolate(
                <const float*>self.pixels, self.ny, self.nx, ring, ellipse, array(ring, VALUE)
            )
        else:
            interpolate(
                <const double*>self.pixels, self.ny, self.nx, ring, ellipse, array(ring, VALUE)
            )
        if self.variances is NULL:
            return True
        weight = array(ring, WEIGHT)
        if self.single:
            interpolate(<const float*>self.variances, self.ny, self.nx, ring, ellipse, weight)
        else:
            interpolate(<const double*>self.variances, self.ny, self.nx, ring, ellipse, weight)
        for i in range(ring.n):
            weight[i] = 1.0 / weight[i]
        return True

    cdef bint measure_gradient(self, Gradient* gradient) noexcept nogil:
        """From a second ellipse; where the intensity does not fall, from one farther out."""
        cdef Gradient far
        cdef double expected
        if not self.difference(&self.outer, GRADIENT_STEP, gradient):
            return False
        if not gradient.value >= NOT_FALLING * gradient.error:
            return True
        if not self.difference(&self.farther, 2.0 * GRADIENT_STEP, &far):
            return False
        expected = gradient.value + gradient.error
        far.n_samples += gradient.n_samples
        if far.value >= SHALLOWEST * expected:
            far.value, far.error = GUESSED * expected, NAN
        gradient[0] = far
        return True

    cdef bint difference(self, Ring* outer, double step, Gradient* gradient) noexcept nogil:
        cdef Ellipse ellipse = self.ring.ellipse
        cdef double distance = step * ellipse.sma
        ellipse.sma = (1.0 + step) * ellipse.sma
        if not self.sample(outer, &ellipse):
            return False
        gradient.n_samples = outer.n
        gradient.value = (outer.mean - self.ring.mean) / distance
        gradient.error = sqrt(self.ring.squared_error + outer.squared_error) / distance
        return True

    cdef bint take(self, const Ellipse* ellipse, Fit* fit) noexcept nogil:
        """Sample an ellipse and its gradient; false if memory is short."""
        if not self.sample(&self.ring, ellipse) or not self.measure_gradient(&fit.gradient):
            return False
        fit.ellipse = ellipse[0]
        fit.n_samples = self.ring.n + fit.gradient.n_samples
        fit.n_iterations = 0
        fit.stop_code = SAMPLED
        fit.fitted = False
        return True

    # -------------------------------------------------------------- harmonics

    cdef bint amplitudes(self, double* found) noexcept nogil:
        """Coefficients of the first two harmonics; false if they are not determined."""
        cdef Ring* ring = &self.ring
        cdef bint complete = ring.n_data == ring.n and ring.interpolated and self.variances is NULL
        if ring.n_data < FEWEST_SAMPLES:
            return False
        if not (complete and self.factored):
            normal_matrix(ring, self.factor)
            self.factored = False
            if not decompose(self.factor, 5, 5):
                return False
            self.factored = complete
        moments(ring, found)
        solve(self.factor, 5, 5, found)
        return True

    cdef double scatter(self, const double* found) noexcept nogil:
        """Standard deviation of the samples about their harmonics."""
        cdef Ring* ring = &self.ring
        cdef const double* value = array(ring, VALUE)
        cdef const double* weight = array(ring, WEIGHT)
        cdef const double* sin1 = array(ring, SIN1)
        cdef const double* cos1 = array(ring, COS1)
        cdef const double* sin2 = array(ring, SIN2)
        cdef const double* cos2 = array(ring, COS2)
        cdef double[LANES] squares
        cdef double rest, level = ring.mean + found[0]
        cdef Py_ssize_t i = 0, lane
        for lane in range(LANES):
            squares[lane] = 0.0
        while i < ring.n_padded:
            for lane in range(LANES):
                rest = value[i + lane] - (
                    level + found[1] * sin1[i + lane] + found[2] * cos1[i + lane]
                    + found[3] * sin2[i + lane] + found[4] * cos2[i + lane]
                )
                squares[lane] += weight[i + lane] * rest * rest
            i += LANES
        # Their mean is zero: one of the functions is a constant.
        return sqrt(summed(squares) / ring.sum_weight)

    # -------------------------------------------------------------- rows

    cdef bint append(self, const Fit* fit) noexcept nogil:
        """Add the row of the ellipse that was sampled last; false if memory is short."""
        cdef Row* row = self.new_row()
        cdef Errors errors
        if row is NULL or not self.find_errors(fit, &errors):
            return False
        row.sma = fit.ellipse.sma
        row.x0, row.y0 = fit.ellipse.x0, fit.ellipse.y0
        row.ellipticity = fit.ellipse.ellipticity
        row.position_angle = fit.ellipse.position_angle
        row.intensity, row.rms = self.ring.mean, self.ring.stddev
        row.gradient, row.gradient_err = fit.gradient.value, fit.gradient.error
        row.sector_area = self.ring.sector_area
        row.n_data, row.n_flagged = self.ring.n_data, self.ring.n - self.ring.n_data
        row.n_iterations, row.n_samples = fit.n_iterations, fit.n_samples
        row.stop_code = fit.stop_code
        row.intensity_err, row.x0_err, row.y0_err = errors.intensity, errors.x0, errors.y0
        row.ellipticity_err = errors.ellipticity
        row.position_angle_err = errors.position_angle
        row.a, row.a_err, row.b, row.b_err = errors.a, errors.a_err, errors.b, errors.b_err
        self.sum_inside(&fit.ellipse, row)
        return True

    cdef Row* new_row(self) noexcept nogil:
        cdef Row* rows
        if self.n_rows == self.capacity:
            rows = <Row*>realloc(self.rows, (2 * self.capacity + 64) * sizeof(Row))
            if rows is NULL:
                return NULL
            self.rows = rows
            self.capacity = 2 * self.capacity + 64
        # Not +=, which the checks of debug builds do not allow without the GIL.
        self.n_rows = self.n_rows + 1
        return &self.rows[self.n_rows - 1]

    cdef bint find_errors(self, const Fit* fit, Errors* errors) noexcept nogil:
        cdef int i
        errors.intensity = errors.x0 = errors.y0 = NAN
        errors.ellipticity = errors.position_angle = NAN
        for i in range(MAX_ORDERS):
            errors.a[i] = errors.a_err[i] = errors.b[i] = errors.b_err[i] = NAN
        if not self.ring.n_data:
            return True
        cdef Py_ssize_t reach = reach_of(&self.ring, self.eccentric_anomaly)
        cdef bint absolute = self.variances is not NULL
        if not reserve_samples(
            &self.samples, &self.ring, 5 + 2 * self.orders.n, reach, absolute or self.old_errors
        ):
            return False
        collect(&self.samples, &self.ring, &self.orders)
        if self.old_errors:
            errors_of_photutils(
                errors, &self.samples, &self.matrices, &self.ring, &self.orders,
                fit.gradient.value, fit.gradient.error, fit.fitted,
            )
            return True
        correlated_errors(
            errors, &self.samples, &self.matrices, &self.ring, &self.orders, self.free,
            fit.gradient.value, fit.gradient.error, fit.fitted, absolute,
        )
        return True

    cdef void sum_inside(self, const Ellipse* ellipse, Row* row) noexcept nogil:
        """Sums of pixels in the ellipse, and in the circle around it."""
        cdef double sine = sin(ellipse.position_angle), cosine = cos(ellipse.position_angle)
        cdef Sums in_ellipse, in_circle
        cdef Outline outline = outline_of(
            ellipse.x0, ellipse.y0, ellipse.sma, 1.0 - ellipse.ellipticity, cosine, sine
        )
        cdef Outline circle = outline_of(ellipse.x0, ellipse.y0, ellipse.sma, 1.0, 1.0, 0.0)
        if self.single:
            aperture_sums(
                <const float*>self.pixels, self.ny, self.nx, &outline, &circle, &in_ellipse,
                &in_circle,
            )
        else:
            aperture_sums(
                <const double*>self.pixels, self.ny, self.nx, &outline, &circle, &in_ellipse,
                &in_circle,
            )
        row.flux_ellipse, row.flux_circle = in_ellipse.total, in_circle.total
        row.n_pixels_ellipse, row.n_pixels_circle = in_ellipse.n, in_circle.n

    cdef bint append_centre(self, double x0, double y0) noexcept nogil:
        """Add the value at a centre; what needs an ellipse is not known."""
        cdef Row* row = self.new_row()
        cdef double value, variance = NAN
        cdef int i
        if row is NULL:
            return False
        if self.single:
            value = at(<const float*>self.pixels, self.ny, self.nx, x0, y0)
            if self.variances is not NULL:
                variance = at(<const float*>self.variances, self.ny, self.nx, x0, y0)
        else:
            value = at(<const double*>self.pixels, self.ny, self.nx, x0, y0)
            if self.variances is not NULL:
                variance = at(<const double*>self.variances, self.ny, self.nx, x0, y0)
        memset(row, 0, sizeof(Row))
        row.x0, row.y0, row.intensity = x0, y0, value
        row.intensity_err = sqrt(BILINEAR_VARIANCE * variance)
        row.ellipticity = row.ellipticity_err = NAN
        row.position_angle = row.position_angle_err = NAN
        row.x0_err = row.y0_err = row.gradient = row.gradient_err = NAN
        row.rms = row.sector_area = row.flux_ellipse = row.flux_circle = NAN
        row.n_data = value == value
        row.n_flagged = not row.n_data
        row.n_samples = 1
        row.stop_code = CONVERGED if row.n_data else NO_SAMPLES
        for i in range(MAX_ORDERS):
            row.a[i] = row.a_err[i] = row.b[i] = row.b_err[i] = NAN
        return True


cdef inline void normal_matrix(const Ring* ring, double* matrix) noexcept nogil:
    cdef const double* weight = array(ring, WEIGHT)
    cdef const double* sin1 = array(ring, SIN1)
    cdef const double* cos1 = array(ring, COS1)
    cdef const double* sin2 = array(ring, SIN2)
    cdef const double* cos2 = array(ring, COS2)
    cdef double[LANES] c0, s1, c1, s2, c2, s3, c3, s4, c4
    cdef double w, x, y
    cdef Py_ssize_t i = 0, lane
    for lane in range(LANES):
        c0[lane] = s1[lane] = c1[lane] = s2[lane] = c2[lane] = 0.0
        s3[lane] = c3[lane] = s4[lane] = c4[lane] = 0.0
    while i < ring.n_padded:
        for lane in range(LANES):
            w = weight[i + lane]
            x, y = w * cos2[i + lane], w * sin2[i + lane]
            c0[lane] += w
            s1[lane] += w * sin1[i + lane]
            c1[lane] += w * cos1[i + lane]
            s2[lane] += y
            c2[lane] += x
            s3[lane] += y * cos1[i + lane] + x * sin1[i + lane]
            c3[lane] += x * cos1[i + lane] - y * sin1[i + lane]
            s4[lane] += 2.0 * y * cos2[i + lane]
            c4[lane] += x * cos2[i + lane] - y * sin2[i + lane]
        i += LANES
    # Products of two harmonics are sums of two others.
    matrix[0] = summed(c0)
    matrix[5], matrix[10] = summed(s1), summed(c1)
    matrix[15], matrix[20] = summed(s2), summed(c2)
    matrix[6] = 0.5 * (summed(c0) - summed(c2))
    matrix[11] = 0.5 * summed(s2)
    matrix[12] = 0.5 * (summed(c0) + summed(c2))
    matrix[16] = 0.5 * (summed(c1) - summed(c3))
    matrix[17] = 0.5 * (summed(s1) + summed(s3))
    matrix[18] = 0.5 * (summed(c0) - summed(c4))
    matrix[21] = 0.5 * (summed(s3) - summed(s1))
    matrix[22] = 0.5 * (summed(c1) + summed(c3))
    matrix[23] = 0.5 * summed(s4)
    matrix[24] = 0.5 * (summed(c0) + summed(c4))


cdef inline void moments(const Ring* ring, double* found) noexcept nogil:
    """Sums of the samples, minus their mean, times 1, sin, cos, sin 2, cos 2."""
    cdef const double* value = array(ring, VALUE)
    cdef const double* weight = array(ring, WEIGHT)
    cdef const double* sin1 = array(ring, SIN1)
    cdef const double* cos1 = array(ring, COS1)
    cdef const double* sin2 = array(ring, SIN2)
    cdef const double* cos2 = array(ring, COS2)
    cdef double[LANES] t0, t1, t2, t3, t4
    cdef double v, mean = ring.mean
    cdef Py_ssize_t i = 0, lane
    for lane in range(LANES):
        t0[lane] = t1[lane] = t2[lane] = t3[lane] = t4[lane] = 0.0
    while i < ring.n_padded:
        for lane in range(LANES):
            v = weight[i + lane] * (value[i + lane] - mean)
            t0[lane] += v
            t1[lane] += v * sin1[i + lane]
            t2[lane] += v * cos1[i + lane]
            t3[lane] += v * sin2[i + lane]
            t4[lane] += v * cos2[i + lane]
        i += LANES
    found[0], found[1], found[2] = summed(t0), summed(t1), summed(t2)
    found[3], found[4] = summed(t3), summed(t4)


# ------------------------------------------------------------------ given ellipses


cdef class ForcedPhotometry(Photometer):
    """Ellipses that are given, sampled once each.

    ``begin(...)`` takes them; ``advance(budget)`` measures some and is called until it gives True.
    """

    cdef const double[:, ::1] ellipses
    cdef Py_ssize_t next_row

    def begin(self, const double[:, ::1] ellipses):
        """Rows x0, y0, sma, ellipticity, position angle."""
        self.ellipses = ellipses
        self.next_row = 0

    def advance(self, Py_ssize_t budget):
        """Measure ellipses until so many samples are drawn; True when all are done."""
        cdef bint enough
        with nogil:
            enough = self.measure(budget)
        if not enough:
            raise MemoryError("there is no memory for the samples of an isophote: sma is too large")
        return self.next_row == self.ellipses.shape[0]

    cdef bint measure(self, Py_ssize_t budget) noexcept nogil:
        cdef Fit fit
        cdef Ellipse ellipse
        cdef bint enough
        cdef Py_ssize_t i
        while budget > 0 and self.next_row < self.ellipses.shape[0]:
            i = self.next_row
            ellipse.x0, ellipse.y0 = self.ellipses[i, 0], self.ellipses[i, 1]
            ellipse.sma, ellipse.ellipticity = self.ellipses[i, 2], self.ellipses[i, 3]
            ellipse.position_angle = self.ellipses[i, 4]
            if ellipse.sma == 0.0:
                enough = self.append_centre(ellipse.x0, ellipse.y0)
            else:
                enough = self.take(&ellipse, &fit)
                if enough:
                    if not self.ring.n_data:
                        fit.stop_code = NO_SAMPLES
                    enough = self.append(&fit)
                    budget -= fit.n_samples
            if not enough:
                return False
            self.next_row = self.next_row + 1
        return True


# ------------------------------------------------------------------ fits


cdef class Fitter(Photometer):
    """A fit of all isophotes of an image.

    ``begin(...)`` says where and how; ``advance(budget)`` fits some and is called until it gives
    True.
    """

    cdef double min_sma, max_sma, convergence, max_gradient_error, min_valid
    cdef int max_iterations, min_iterations
    cdef bint bounded            # whether growth goes on to max_sma without fitting
    cdef int phase
    cdef bint fitting
    cdef Ellipse ellipse         # the one to come
    cdef Ellipse first           # as it was fitted
    cdef int last_code
    cdef Py_ssize_t n_outer

    def begin(
        self,
        double x0,
        double y0,
        double sma,
        double ellipticity,
        double position_angle,
        *,
        double min_sma,
        max_sma,
        int max_iterations,
        int min_iterations,
        double convergence,
        double max_gradient_error,
        double min_valid,
    ):
        self.ellipse.x0, self.ellipse.y0, self.ellipse.sma = x0, y0, sma
        self.ellipse.ellipticity = ellipticity
        self.ellipse.position_angle = remainder_of_half_turn(position_angle)
        self.min_sma = min_sma
        self.bounded = max_sma is not None
        self.max_sma = max_sma if self.bounded else INFINITY
        self.max_iterations, self.min_iterations = max_iterations, min_iterations
        self.convergence, self.max_gradient_error = convergence, max_gradient_error
        self.min_valid = min_valid
        self.phase = OUTWARDS
        self.fitting = self.anything_free()
        self.n_outer = 0

    def advance(self, Py_ssize_t budget):
        """Fit isophotes until so many samples are drawn; True when the image is done."""
        cdef bint enough = True
        with nogil:
            while enough and budget > 0 and self.phase != DONE:
                if self.phase == OUTWARDS:
                    enough = self.grow(&budget)
                elif self.phase == INWARDS:
                    enough = self.shrink(&budget)
                else:
                    enough = self.append_centre(self.ellipse.x0, self.ellipse.y0)
                    self.phase = DONE
        if not enough:
            raise MemoryError("there is no memory for the samples of an isophote: sma is too large")
        return self.phase == DONE

    cdef bint anything_free(self) noexcept nogil:
        return self.free[0] or self.free[2] or self.free[3]

    # -------------------------------------------------------------- growing and shrinking

    cdef bint grow(self, Py_ssize_t* budget) noexcept nogil:
        """One more ellipse outwards."""
        cdef Fit fit, given
        cdef int least, code
        cdef Ellipse ellipse
        if self.fitting:
            least = self.min_iterations if self.n_outer else 2 * self.min_iterations
            if not self.fit(&self.ellipse, least, False, &fit):
                return False
        else:
            if not self.take(&self.ellipse, &fit):
                return False
            if not self.anything_free():
                fit.stop_code = self.code_of_given(&fit)
            elif not self.ring.n_data:
                fit.stop_code = NO_SAMPLES
        budget[0] -= fit.n_samples
        if fit.stop_code in (FAILED, FEW_VALID, NO_SAMPLES) and (
            self.fitting or not self.anything_free()
        ):
            code = NO_GRADIENT if fit.stop_code == FAILED else fit.stop_code
            ellipse = self.ellipse
            if not self.take(&ellipse, &given):
                return False
            given.n_iterations = fit.n_iterations
            given.n_samples += fit.n_samples
            given.stop_code = code
            fit = given
            if self.n_outer == 0:
                # The first must do: nothing can be begun from it.
                self.phase = DONE
                return self.append(&fit)
            if self.n_outer >= 2 and (
                code != NO_GRADIENT or self.last_code == NO_GRADIENT
            ):
                if not self.bounded:
                    self.phase = INWARDS
                self.fitting = False
        if not self.append(&fit):
            return False
        if self.n_outer == 0:
            self.first = fit.ellipse
        self.last_code = fit.stop_code
        self.n_outer = self.n_outer + 1
        self.ellipse = fit.ellipse
        self.ellipse.sma = fit.ellipse.sma + self.annulus(fit.ellipse.sma)
        if self.ellipse.sma >= self.max_sma or self.beyond(&self.ellipse):
            self.phase = INWARDS
        if self.phase == INWARDS:
            self.ellipse = self.first
        return True

    cdef int code_of_given(self, const Fit* fit) noexcept nogil:
        """Where nothing is free, growth ends for the same reasons for which a fit would."""
        if self.ring.n_data < FEWEST_SAMPLES:
            return NO_SAMPLES
        if self.ring.n_data < self.min_valid * self.ring.n:
            return FEW_VALID
        if relative_error(&fit.gradient) <= self.max_gradient_error:
            return SAMPLED
        return FAILED

    cdef bint shrink(self, Py_ssize_t* budget) noexcept nogil:
        """One more ellipse inwards; what fails gets the geometry of the first."""
        cdef Fit fit, given
        cdef double sma = self.ellipse.sma
        sma = sma - self.step if self.linear else sma / (1.0 + self.step)
        if not sma > max(self.min_sma, SMALLEST_SMA):
            self.phase = CENTRE if self.min_sma == 0.0 else DONE
            return True
        self.ellipse.sma = sma
        if self.anything_free():
            if not self.fit(&self.ellipse, self.min_iterations, True, &fit):
                return False
        elif not self.take(&self.ellipse, &fit):
            return False
        budget[0] -= fit.n_samples
        if fit.stop_code == FAILED:
            self.ellipse = self.first
            self.ellipse.sma = sma
            if not self.take(&self.ellipse, &given):
                return False
            given.n_iterations = fit.n_iterations
            given.n_samples += fit.n_samples
            given.stop_code = NO_GRADIENT
            fit = given
        if not self.ring.n_data:
            self.phase = CENTRE if self.min_sma == 0.0 else DONE
            return True
        self.ellipse = fit.ellipse
        return self.append(&fit)

    # -------------------------------------------------------------- one ellipse

    cdef bint fit(
        self, const Ellipse* start, int least, bint inwards, Fit* fit
    ) noexcept nogil:
        """Correct an ellipse until its largest amplitude is small; false if memory is short.

        The ellipse of the fit is the one that was sampled last.
        """
        cdef Fit best
        cdef Ellipse ellipse
        cdef double[5] found
        cdef double[4] steps
        cdef double smallest = INFINITY, largest, error, amplitude = 0.0
        cdef Py_ssize_t drawn
        cdef int iteration, which, last = -1
        cdef bint warned = False, uncertain
        least = min(least, self.max_iterations)
        if not self.take(start, fit):
            return False
        best, drawn = fit[0], fit.n_samples
        for which in range(4):
            steps[which] = 1.0
        for iteration in range(1, self.max_iterations + 1):
            if 0 < self.ring.n_data < self.min_valid * self.ring.n:
                return self.end_with(&best, iteration, drawn, FEW_VALID, fit)
            if not self.amplitudes(found):
                return ended(fit, iteration, drawn, NO_SAMPLES)
            which = self.largest_of(found, fit.ellipse.ellipticity == 0.0)
            if which < 0:
                return ended(fit, iteration, drawn, FAILED)
            largest = found[1 + which]
            if fabs(largest) < smallest:
                best, smallest = fit[0], fabs(largest)
            if iteration >= least and (
                fabs(largest) <= self.convergence * self.ring.sector_area * self.scatter(found)
            ):
                return ended(fit, iteration, drawn, CONVERGED)
            if iteration >= least and which == last and largest * amplitude < 0.0:
                # Back and forth without getting nearer, it would go on for ever.
                if fabs(largest) > NO_NEARER * fabs(amplitude):
                    steps[which] *= 0.5
            last, amplitude = which, largest
            ellipse = corrected(
                &fit.ellipse, which, steps[which] * largest, fit.gradient.value, self.free[2]
            )
            if not self.on_image(&ellipse):
                return ended(fit, iteration, drawn, FAILED)
            if not self.take(&ellipse, fit):
                return False
            drawn += fit.n_samples
            error = relative_error(&fit.gradient)
            uncertain = not inwards and error > self.max_gradient_error
            if error != error or (uncertain and warned):
                return ended(fit, iteration, drawn, FAILED)
            warned = warned or uncertain
        return self.end_with(&best, self.max_iterations, drawn, NOT_CONVERGED, fit)

    cdef int largest_of(self, const double* found, bint round_) noexcept nogil:
        """Which of the free amplitudes A1, B1, A2, B2 is the largest; a circle does not turn."""
        cdef int i, which = -1
        for i in range(4):
            if i == 2 and round_:
                continue
            if self.free[i] and (which < 0 or fabs(found[1 + i]) > fabs(found[1 + which])):
                which = i
        return which

    cdef bint on_image(self, const Ellipse* ellipse) noexcept nogil:
        """Whether all is finite, and the centre on the image."""
        return (
            0.0 <= ellipse.x0 <= self.nx - 1.0
            and 0.0 <= ellipse.y0 <= self.ny - 1.0
            and ellipse.ellipticity == ellipse.ellipticity
            and fabs(ellipse.position_angle) < INFINITY
        )

    cdef bint end_with(
        self, const Fit* best, int iteration, Py_ssize_t drawn, int code, Fit* fit
    ) noexcept nogil:
        """Go back to the best ellipse so far, which costs its samples once more."""
        cdef Ellipse ellipse = best.ellipse
        return self.take(&ellipse, fit) and ended(fit, iteration, drawn + fit.n_samples, code)


cdef inline bint ended(Fit* fit, int iteration, Py_ssize_t drawn, int code) noexcept nogil:
    fit.n_iterations, fit.n_samples, fit.stop_code = iteration, drawn, code
    fit.fitted = True
    return True


cdef inline Ellipse corrected(
    const Ellipse* ellipse, int which, double amplitude, double gradient, bint may_turn
) noexcept nogil:
    """Equations (2) and (3) of reference/; NAN in it if there is no gradient."""
    cdef Ellipse result = ellipse[0]
    cdef double q = 1.0 - ellipse.ellipticity
    cdef double change = -amplitude / (gradient if gradient != 0.0 else NAN)
    cdef double sine = sin(ellipse.position_angle), cosine = cos(ellipse.position_angle)
    if which == 0:
        result.x0 -= change * q * sine
        result.y0 += change * q * cosine
    elif which == 1:
        result.x0 += change * cosine
        result.y0 += change * sine
    elif which == 2:
        result.position_angle = remainder_of_half_turn(
            ellipse.position_angle - 2.0 * change * q / (ellipse.sma * (q * q - 1.0))
        )
    else:
        result.ellipticity += 2.0 * change * q / ellipse.sma
        result.ellipticity = min(result.ellipticity, MAX_ELLIPTICITY)
        if not may_turn:
            result.ellipticity = max(result.ellipticity, 0.0)
            return result
        if result.ellipticity < 0.0:
            # The minor axis has become the longer one.
            result.position_angle = remainder_of_half_turn(ellipse.position_angle + 0.5 * PI)
            result.ellipticity = min(-result.ellipticity, MAX_ELLIPTICITY)
        if result.ellipticity == 0.0:
            result.ellipticity = NEARLY_ROUND
    return result
