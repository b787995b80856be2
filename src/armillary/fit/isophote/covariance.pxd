# Errors of an ellipse: equation (4) of reference/, where it is derived.
#
# Samples have basis functions b (1, sin, cos of each order, times the root of their weight) and
# covariances C with their neighbours. Sums over the samples give
#
#     normal = sum b b^T     noise = sum b C b^T     response = sum b D^T
#
# and everything else is algebra of these small matrices.
#
# Cost: once per ellipse, about 15 ns per sample for harmonics of orders 3 and 4.

from libc.math cimport NAN, ceil, cos, fabs, floor, fmin, hypot, sin, sqrt
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from .algebra cimport decompose, invert, quadratic, solve, trace_of_quotient
from .lanes cimport LANES, dot, four_dots
from .ring cimport (
    ACROSS, ALONG, BILINEAR_VARIANCE, COS1, COS2, LARGEST_STEP, PI, SHARE, SIN1, SIN2, VALUE, WEIGHT,
    Ring, array,
)

cdef enum:
    # Orders of harmonics beside the first two, and functions in all.
    MAX_ORDERS = 12
    MAX_FUNCTIONS = 35
    FEWEST_SAMPLES = 6
    # Functions of what interpolation leaves of a curved profile, and samples to tell it from noise.
    N_CURVATURES = 6
    FEWEST_FOR_CURVATURE = 24

cdef extern from *:
    """
    #define UNKNOWN_GRADIENT 0.8
    #define COVERAGE 0.7
    """
    const double COVERAGE            # part of an ellipse from which higher harmonics are known
    const double UNKNOWN_GRADIENT    # relative error of a gradient of unknown error, for photutils


cdef struct Orders:
    int n
    int[MAX_ORDERS] order


cdef struct Errors:
    double intensity
    double x0
    double y0
    double ellipticity
    double position_angle
    double[MAX_ORDERS] a
    double[MAX_ORDERS] a_err
    double[MAX_ORDERS] b
    double[MAX_ORDERS] b_err


cdef struct Samples:
    # Arrays over all samples of a ring, those of no weight included. Before and after the basis
    # functions there are as many samples of the other end as neighbours may be away.
    Py_ssize_t n
    Py_ssize_t n_padded          # to a multiple of LANES; the rest is 0
    Py_ssize_t reach
    Py_ssize_t stride            # from one function to the next
    Py_ssize_t capacity
    Py_ssize_t n_used
    int width                    # functions, those of curvature left out
    int n_functions              # and with them
    double* memory
    double* basis                # (n_functions, stride) times the root of the weight
    double* shared               # (n_functions, stride) the same, times the covariance of the samples
    double* x                    # (stride,) pixels, from the centre
    double* y
    double* value                # minus the mean, times the root of the weight
    double* share                # variance of a sample over that of a pixel
    double* covariance           # with the neighbour at one distance
    double* work
    double trace                 # of the covariance


cdef struct Matrices:
    double[MAX_FUNCTIONS * MAX_FUNCTIONS] normal
    double[MAX_FUNCTIONS * MAX_FUNCTIONS] noise
    double[MAX_FUNCTIONS * 4] response
    double[MAX_FUNCTIONS] moment
    double[25] inverse           # of the first five rows and columns of normal
    double[5] coefficients


cdef struct Moved:
    # What the geometry was, and does: known where the ellipse was fitted.
    bint known
    double[4] undone             # across, along, position angle, ellipticity
    double[20] sensitivity       # (4, 5) of these to moments


# ------------------------------------------------------------------ sums over samples


cdef inline Py_ssize_t reach_of(const Ring* ring, bint eccentric_anomaly) noexcept nogil:
    """How many samples farther on the ellipse one can share pixels; the other side does not count."""
    cdef double q = 1.0 - ring.ellipse.ellipticity, spacing
    if eccentric_anomaly:
        spacing = 2.0 * PI * ring.ellipse.sma * q / ring.n
    else:
        spacing = fmin(1.0, LARGEST_STEP * ring.ellipse.sma * q)
    return <Py_ssize_t>fmin(ring.n // 2, ceil(2.0 / spacing))


cdef inline bint reserve_samples(
    Samples* samples, const Ring* ring, int width, Py_ssize_t reach, bint absolute
) noexcept nogil:
    """Room for the samples of a ring; false if memory is short."""
    cdef bint curved = (
        not absolute and ring.interpolated and ring.n_data >= FEWEST_FOR_CURVATURE
    )
    cdef int n_functions = width + (N_CURVATURES if curved else 0)
    cdef Py_ssize_t stride = ring.n_padded + 2 * reach
    cdef Py_ssize_t size = stride * (2 * n_functions + 6)
    cdef double* memory
    if size > samples.capacity:
        memory = <double*>realloc(samples.memory, 2 * size * sizeof(double))
        if memory is NULL:
            return False
        samples.memory = memory
        samples.capacity = 2 * size
    samples.n, samples.n_padded = ring.n, ring.n_padded
    samples.reach, samples.stride = reach, stride
    samples.width, samples.n_functions = width, n_functions
    samples.basis = samples.memory + reach
    samples.shared = samples.basis + n_functions * stride
    samples.x = samples.shared + n_functions * stride
    samples.y = samples.x + stride
    samples.value = samples.y + stride
    samples.share = samples.value + stride
    samples.covariance = samples.share + stride
    samples.work = samples.covariance + stride
    return True


cdef inline void collect(Samples* samples, const Ring* ring, const Orders* orders) noexcept nogil:
    """Basis functions and values, times the root of the weight."""
    cdef double sine = sin(ring.ellipse.position_angle), cosine = cos(ring.ellipse.position_angle)
    cdef const double* weight = array(ring, WEIGHT)
    cdef const double* along = array(ring, ALONG)
    cdef const double* across = array(ring, ACROSS)
    cdef Py_ssize_t i
    cdef int k, order = 2
    cdef double* root = samples.basis
    for i in range(samples.n_padded):
        root[i] = sqrt(weight[i])
        samples.x[i] = along[i] * cosine - across[i] * sine
        samples.y[i] = along[i] * sine + across[i] * cosine
        samples.value[i] = root[i] * (array(ring, VALUE)[i] - ring.mean)
    samples.n_used = ring.n_data
    samples.trace = 0.0
    for i in range(samples.n_padded):
        samples.share[i] = BILINEAR_VARIANCE if ring.interpolated else array(ring, SHARE)[i]
        samples.trace += samples.share[i] if weight[i] > 0.0 else 0.0
    multiply(samples, root, array(ring, SIN1), samples.basis + samples.stride)
    multiply(samples, root, array(ring, COS1), samples.basis + 2 * samples.stride)
    multiply(samples, root, array(ring, SIN2), samples.basis + 3 * samples.stride)
    multiply(samples, root, array(ring, COS2), samples.basis + 4 * samples.stride)
    for k in range(orders.n):
        higher_order(samples, ring, orders.order[k], samples.basis + (5 + 2 * k) * samples.stride)
    if samples.n_functions > samples.width:
        add_curvatures(samples, ring)


cdef inline void add_curvatures(const Samples* samples, const Ring* ring) noexcept nogil:
    """What interpolation leaves along x and y, of curvatures that vary with twice the angle."""
    cdef double sine = sin(2.0 * ring.ellipse.position_angle)
    cdef double cosine = cos(2.0 * ring.ellipse.position_angle)
    cdef const double* root = samples.basis
    cdef const double* sin2 = array(ring, SIN2)
    cdef const double* cos2 = array(ring, COS2)
    cdef double* function
    cdef double centre, left, place
    cdef Py_ssize_t i, stride = samples.stride
    cdef int axis
    for axis in range(2):
        centre = ring.ellipse.y0 if axis else ring.ellipse.x0
        function = samples.basis + (samples.width + 3 * axis) * stride
        for i in range(samples.n_padded):
            place = centre + (samples.y[i] if axis else samples.x[i])
            place -= floor(place)
            left = root[i] * (place * (1.0 - place) - 1.0 / 6.0)
            function[i] = left
            function[stride + i] = left * (cos2[i] * cosine - sin2[i] * sine)
            function[2 * stride + i] = left * (sin2[i] * cosine + cos2[i] * sine)


cdef inline void multiply(
    const Samples* samples, const double* a, const double* b, double* product
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(samples.n_padded):
        product[i] = a[i] * b[i]


cdef inline void higher_order(
    const Samples* samples, const Ring* ring, int order, double* function
) noexcept nogil:
    """Sine and cosine of a multiple of the angle, by the addition theorem."""
    cdef const double* sin1 = array(ring, SIN1)
    cdef const double* cos1 = array(ring, COS1)
    cdef const double* root = samples.basis
    cdef double* sines = function
    cdef double* cosines = function + samples.stride
    cdef double s
    cdef Py_ssize_t i
    cdef int k
    for i in range(samples.n_padded):
        sines[i] = root[i] * array(ring, SIN2)[i]
        cosines[i] = root[i] * array(ring, COS2)[i]
    for k in range(order - 2):
        for i in range(samples.n_padded):
            s = sines[i] * cos1[i] + cosines[i] * sin1[i]
            cosines[i] = cosines[i] * cos1[i] - sines[i] * sin1[i]
            sines[i] = s


cdef inline bint together(const Samples* samples, int i, int j) noexcept nogil:
    """Whether two functions, i not before j, are ever fitted together: curvatures and higher
    harmonics are not."""
    return i < samples.width or j < 5 or j >= samples.width


cdef inline void add_products(
    double* matrix, const Samples* samples, const double* others
) noexcept nogil:
    """Sums of products of the functions with others that make a symmetric matrix."""
    cdef int i, j, k, width = samples.n_functions
    cdef const double* function
    cdef double[4] found
    for i in range(width):
        function = samples.basis + i * samples.stride
        j = 0
        while j <= i:
            if not together(samples, i, j):
                j += 1
                continue
            if j + 3 <= i:
                four_dots(
                    function, others + j * samples.stride, samples.stride, samples.n_padded, found
                )
                for k in range(4):
                    matrix[i * width + j + k] = matrix[(j + k) * width + i] = found[k]
                j += 4
                continue
            matrix[i * width + j] = matrix[j * width + i] = dot(
                function, others + j * samples.stride, samples.n_padded
            )
            j += 1


cdef inline void add_up(Matrices* m, const Samples* samples) noexcept nogil:
    """Normal matrix and moments."""
    cdef int i
    add_products(m.normal, samples, samples.basis)
    for i in range(samples.n_functions):
        m.moment[i] = dot(
            samples.basis + i * samples.stride, samples.value, samples.n_padded
        )


cdef inline void add_noise(Matrices* m, Samples* samples) noexcept nogil:
    """Covariance of the moments, for pixels of unit variance."""
    cdef int i, j, width = samples.n_functions
    cdef Py_ssize_t distance
    for i in range(width):
        wrap(samples, samples.basis + i * samples.stride)
        multiply(
            samples, samples.share, samples.basis + i * samples.stride,
            samples.shared + i * samples.stride,
        )
    wrap(samples, samples.x)
    wrap(samples, samples.y)
    wrap(samples, samples.share)
    for distance in range(1, samples.reach + 1):
        if neighbours(samples, distance):
            for i in range(width):
                share_with_neighbours(
                    samples, distance, samples.basis + i * samples.stride,
                    samples.shared + i * samples.stride,
                )
    for i in range(width):
        # Sums go over what is behind the last sample.
        clear(samples, samples.basis + i * samples.stride)
        clear(samples, samples.shared + i * samples.stride)
    add_products(m.noise, samples, samples.shared)


cdef inline void wrap(const Samples* samples, double* function) noexcept nogil:
    """Samples of the other end, before the first and behind the last."""
    cdef Py_ssize_t i
    for i in range(samples.reach):
        function[-1 - i] = function[samples.n - 1 - i]
        function[samples.n + i] = function[i]


cdef inline void clear(const Samples* samples, double* function) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(samples.n, samples.n_padded):
        function[i] = 0.0


cdef inline bint neighbours(Samples* samples, Py_ssize_t distance) noexcept nogil:
    """Covariances of samples with those so many farther on; false if there are none."""
    cdef const double* share = samples.share
    cdef double covariance
    cdef bint found = False
    cdef Py_ssize_t i
    for i in range(-distance, samples.n):
        covariance = 0.0
        if share[i] == BILINEAR_VARIANCE and share[i + distance] == BILINEAR_VARIANCE:
            covariance = spline(samples.x[i] - samples.x[i + distance]) * spline(
                samples.y[i] - samples.y[i + distance]
            )
        samples.covariance[i] = covariance
        found = found or covariance > 0.0
    return found


cdef inline void share_with_neighbours(
    const Samples* samples, Py_ssize_t distance, const double* function, double* shared
) noexcept nogil:
    cdef const double* covariance = samples.covariance
    cdef Py_ssize_t i
    for i in range(samples.n):
        shared[i] += covariance[i] * function[i + distance]
    # Half around, the one before is the one behind.
    if 2 * distance < samples.n:
        for i in range(samples.n):
            shared[i] += covariance[i - distance] * function[i - distance]


cdef inline double spline(double distance) noexcept nogil:
    """The cubic B-spline: what two linear interpolations so far apart share."""
    cdef double d = fabs(distance)
    cdef double far = 2.0 - d if d < 2.0 else 0.0
    cdef double near = 1.0 - d if d < 1.0 else 0.0
    return far * far * far / 6.0 - near * near * near * (2.0 / 3.0)


cdef inline void add_responses(
    Matrices* m, const Samples* samples, const Ring* ring, double gradient
) noexcept nogil:
    """Sums of D, the change of the samples when the ellipse moves across, along, turns, flattens."""
    cdef double a = ring.ellipse.sma, q = 1.0 - ring.ellipse.ellipticity
    cdef const double* along = array(ring, ALONG)
    cdef const double* across = array(ring, ACROSS)
    cdef const double* root = samples.basis
    cdef double* change = samples.work
    # Along and across are sma times cosine, and minor axis times sine, of the eccentric anomaly.
    cdef double[4] factor
    cdef Py_ssize_t i
    cdef int j, p
    factor[0], factor[1] = gradient / (a * q * q), gradient / a
    factor[2] = -gradient * (q - 1.0 / q) / (a * q)
    factor[3] = -gradient / (a * q * q * q)
    for p in range(4):
        for i in range(samples.n_padded):
            change[i] = factor[p] * root[i] * (across[i] if p != 1 else along[i])
            if p >= 2:
                change[i] *= along[i] if p == 2 else across[i]
        for j in range(samples.width):
            m.response[4 * j + p] = dot(
                samples.basis + j * samples.stride, change, samples.n_padded
            )


# ------------------------------------------------------------------ algebra


cdef inline bint fit_five(Matrices* m, int width) noexcept nogil:
    """Inverse and coefficients of the first two harmonics; false if they are not determined."""
    cdef double[25] factor
    cdef int i, j
    for i in range(5):
        for j in range(5):
            factor[5 * i + j] = m.normal[i * width + j]
            m.inverse[5 * i + j] = 1.0 if i == j else 0.0
    if not decompose(factor, 5, 5):
        return False
    for i in range(5):
        solve(factor, 5, 5, m.inverse + 5 * i)
        m.coefficients[i] = 0.0
        for j in range(5):
            m.coefficients[i] += m.inverse[5 * i + j] * m.moment[j]
    return True


cdef inline double residual_squares(
    const Samples* samples, const int* column, int n, const double* coefficients
) noexcept nogil:
    """Of the values about some of the functions."""
    cdef double* rest = samples.work
    cdef const double* function
    cdef Py_ssize_t i
    cdef int k
    memcpy(rest, samples.value, samples.n_padded * sizeof(double))
    for k in range(n):
        function = samples.basis + column[k] * samples.stride
        for i in range(samples.n_padded):
            rest[i] -= coefficients[k] * function[i]
    return dot(rest, rest, samples.n_padded)


cdef inline double pixel_variance(const Matrices* m, const Samples* samples) noexcept nogil:
    """From the scatter about the first two harmonics and what interpolation leaves."""
    cdef int[5 + N_CURVATURES] column
    cdef double variance
    cdef int i
    for i in range(5):
        column[i] = i
    for i in range(samples.n_functions - samples.width):
        column[5 + i] = samples.width + i
    variance = scatter_about(m, samples, column, 5 + samples.n_functions - samples.width)
    return variance if variance == variance else scatter_about(m, samples, column, 5)


cdef inline double scatter_about(
    const Matrices* m, const Samples* samples, const int* column, int n
) noexcept nogil:
    """Variance of a pixel from the scatter about some functions; NAN if they are not independent."""
    cdef double[(5 + N_CURVATURES) * (5 + N_CURVATURES)] factor, noise
    cdef double[5 + N_CURVATURES] coefficients
    cdef int i, j, stride = samples.n_functions
    for i in range(n):
        coefficients[i] = m.moment[column[i]]
        for j in range(n):
            factor[n * i + j] = m.normal[column[i] * stride + column[j]]
            noise[n * i + j] = m.noise[column[i] * stride + column[j]]
    if not decompose(factor, n, n):
        return NAN
    solve(factor, n, n, coefficients)
    return residual_squares(samples, column, n, coefficients) / (
        samples.trace - trace_of_quotient(factor, noise, n)
    )


cdef inline Moved moved_by(
    const Matrices* m, const bint* free, double gradient, bint fitted, bint round_
) noexcept nogil:
    cdef Moved moved
    cdef double[16] jacobian, inverse
    cdef int[4] chosen
    cdef int n = 0, i, j, k, p
    memset(&moved, 0, sizeof(Moved))
    if not fitted or not (gradient != 0.0 and gradient == gradient):
        return moved
    for i in range(4):
        if free[i] and not (i == 2 and round_):
            chosen[n] = i
            n += 1
    for i in range(n):
        for j in range(n):
            jacobian[i * n + j] = 0.0
            for k in range(5):
                jacobian[i * n + j] += (
                    m.inverse[5 * (1 + chosen[i]) + k] * m.response[4 * k + chosen[j]]
                )
    if not invert(jacobian, n, inverse):
        return moved
    for i in range(n):
        p = chosen[i]
        for j in range(n):
            moved.undone[p] += inverse[i * n + j] * m.coefficients[1 + chosen[j]]
            for k in range(5):
                moved.sensitivity[5 * p + k] += (
                    inverse[i * n + j] * m.inverse[5 * (1 + chosen[j]) + k]
                )
    moved.known = True
    return moved


cdef inline void intensity_error(
    Errors* errors, const Matrices* m, int stride, const Moved* moved, double variance,
    double sum_weight,
) noexcept nogil:
    cdef double[5] total
    cdef double shift, left = 0.0
    cdef int k, p
    total[0] = 1.0 / sum_weight
    for k in range(1, 5):
        total[k] = 0.0
    for p in range(4 if moved.known else 0):
        shift = m.response[p] / sum_weight
        left += shift * moved.undone[p]
        for k in range(5):
            total[k] -= shift * moved.sensitivity[5 * p + k]
    errors.intensity = sqrt(variance * quadratic(total, m.noise, 5, stride) + left * left)


cdef inline void geometry_errors(
    Errors* errors, const Matrices* m, int stride, const Moved* moved, double variance,
    double position_angle, const bint* free, bint round_,
) noexcept nogil:
    cdef double sine = sin(position_angle), cosine = cos(position_angle)
    cdef double[5] along_x, along_y
    cdef double x, y
    cdef int k
    for k in range(5):
        along_x[k] = cosine * moved.sensitivity[5 + k] - sine * moved.sensitivity[k]
        along_y[k] = sine * moved.sensitivity[5 + k] + cosine * moved.sensitivity[k]
    if free[0]:
        x = cosine * moved.undone[1] - sine * moved.undone[0]
        y = sine * moved.undone[1] + cosine * moved.undone[0]
        errors.x0 = sqrt(variance * quadratic(along_x, m.noise, 5, stride) + x * x)
        errors.y0 = sqrt(variance * quadratic(along_y, m.noise, 5, stride) + y * y)
    # A circle has none.
    if free[2] and not round_:
        errors.position_angle = sqrt(
            variance * quadratic(moved.sensitivity + 10, m.noise, 5, stride)
            + moved.undone[2] * moved.undone[2]
        )
    if free[3]:
        errors.ellipticity = sqrt(
            variance * quadratic(moved.sensitivity + 15, m.noise, 5, stride)
            + moved.undone[3] * moved.undone[3]
        )


cdef inline void deviations(
    Errors* errors, const Matrices* m, const Samples* samples, const Moved* moved,
    const Orders* orders, double variance, double scale, double relative,
) noexcept nogil:
    """Higher harmonics, fitted together with the first two, over sma |gradient|."""
    cdef int width = samples.width, stride = samples.n_functions, i, j, k, p
    cdef double[MAX_FUNCTIONS * MAX_FUNCTIONS] factor
    cdef double[MAX_FUNCTIONS] estimate
    cdef double[4] share
    cdef double left, value, error
    if not orders.n or samples.n_used < width + 1 or not scale > 0.0:
        return
    if samples.n_used < COVERAGE * samples.n:
        # From an arc they would be extrapolated to the rest.
        return
    for i in range(width):
        for j in range(width):
            factor[width * i + j] = m.normal[stride * i + j]
    if not decompose(factor, width, width):
        return
    for i in range(5, width):
        memset(estimate, 0, width * sizeof(double))
        estimate[i] = 1.0
        solve(factor, width, width, estimate)
        value = left = 0.0
        for k in range(width):
            value += estimate[k] * m.moment[k]
        if moved.known:
            for p in range(4):
                share[p] = 0.0
                for k in range(width):
                    share[p] += estimate[k] * m.response[4 * k + p]
                left += share[p] * moved.undone[p]
            for p in range(4):
                for k in range(5):
                    estimate[k] -= share[p] * moved.sensitivity[5 * p + k]
        value /= scale
        error = variance * quadratic(estimate, m.noise, width, stride) + left * left
        error = sqrt(error / (scale * scale) + value * relative * value * relative)
        k = (i - 5) // 2
        if (i - 5) % 2 == 0:
            errors.a[k], errors.a_err[k] = value, error
        else:
            errors.b[k], errors.b_err[k] = value, error


cdef inline void correlated_errors(
    Errors* errors,              # OUT  left as it is where not known
    Samples* samples,            # room
    Matrices* m,                 # room
    const Ring* ring,
    const Orders* orders,
    const bint* free,            # IN   across, along, position angle, ellipticity
    double gradient,
    double gradient_error,
    bint fitted,
    bint absolute,               # IN   whether weights are inverse variances
) noexcept nogil:
    cdef double variance = 1.0
    cdef Moved moved
    add_up(m, samples)
    if samples.n_used < FEWEST_SAMPLES or not fit_five(m, samples.n_functions):
        return
    add_noise(m, samples)
    if not absolute:
        variance = pixel_variance(m, samples)
    if fitted:
        add_responses(m, samples, ring, gradient)
    moved = moved_by(m, free, gradient, fitted, ring.ellipse.ellipticity == 0.0)
    intensity_error(errors, m, samples.n_functions, &moved, variance, ring.sum_weight)
    if moved.known:
        geometry_errors(
            errors, m, samples.n_functions, &moved, variance, ring.ellipse.position_angle, free,
            ring.ellipse.ellipticity == 0.0,
        )
    deviations(
        errors, m, samples, &moved, orders, variance, ring.ellipse.sma * fabs(gradient),
        gradient_error / fabs(gradient),
    )


# ------------------------------------------------------------------ the errors of photutils


cdef inline bint independent(
    const Matrices* m, const Samples* samples, const int* column, int n,
    double* coefficients,        # OUT  (n,)
    double* error,               # OUT  (n,) for samples that are independent of each other
) noexcept nogil:
    """A fit of some of the functions; false if it is not determined."""
    cdef double[25] factor
    cdef double[5] unit
    cdef double squares
    cdef int i, j, stride = samples.n_functions
    for i in range(n):
        for j in range(n):
            factor[n * i + j] = m.normal[column[i] * stride + column[j]]
        coefficients[i] = m.moment[column[i]]
    if samples.n_used < max(FEWEST_SAMPLES, n + 1) or not decompose(factor, n, n):
        return False
    solve(factor, n, n, coefficients)
    squares = residual_squares(samples, column, n, coefficients)
    for i in range(n):
        for j in range(n):
            unit[j] = 1.0 if i == j else 0.0
        solve(factor, n, n, unit)
        error[i] = sqrt(unit[i] * squares / (samples.n_used - n))
    return True


cdef inline void errors_of_photutils(
    Errors* errors,              # OUT  left as it is where not known
    Samples* samples,
    Matrices* m,
    const Ring* ring,
    const Orders* orders,
    double gradient,
    double gradient_error,
    bint fitted,
) noexcept nogil:
    cdef double a = ring.ellipse.sma, q = 1.0 - ring.ellipse.ellipticity
    cdef double sine = sin(ring.ellipse.position_angle), cosine = cos(ring.ellipse.position_angle)
    cdef double slope = fabs(gradient), across, along
    cdef double relative = gradient_error / slope if gradient < 0.0 else NAN
    cdef double[5] coefficients, spread
    cdef int[5] column
    cdef int i
    if relative != relative:
        relative = UNKNOWN_GRADIENT
    if samples.n_used:
        errors.intensity = ring.stddev / sqrt(<double>samples.n_used)
    add_up(m, samples)
    for i in range(5):
        column[i] = i
    if not slope > 0.0 or not independent(m, samples, column, 5, coefficients, spread):
        return
    if fitted:
        across, along = spread[1] * q / slope, spread[2] / slope
        errors.x0 = hypot(along * cosine, across * sine)
        errors.y0 = hypot(along * sine, across * cosine)
        errors.ellipticity = 2.0 * spread[4] * q / (a * slope)
        errors.position_angle = 2.0 * spread[3] * q / (a * slope * (1.0 - q * q))
    for i in range(orders.n if samples.n_used >= COVERAGE * samples.n else 0):
        column[1], column[2] = 5 + 2 * i, 6 + 2 * i
        if not independent(m, samples, column, 3, coefficients, spread):
            return
        errors.a[i], errors.b[i] = coefficients[1] / (a * slope), coefficients[2] / (a * slope)
        errors.a_err[i] = fabs(errors.a[i]) * hypot(spread[1] / coefficients[1], relative)
        errors.b_err[i] = fabs(errors.b[i]) * hypot(spread[2] / coefficients[2], relative)
