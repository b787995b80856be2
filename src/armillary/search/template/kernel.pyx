# Scores of transit candidates by a smooth template.
#
# What is computed
#   The definition is in reference.py; equation numbers below are those of its docstring.
#
# Design
#   1. Points are sorted in time, and only those near a transit are visited. Beyond
#      |u| = 37 the sigmoid is 0 or 1 to the last bit of a float64, so that a point has no
#      part in a transit from REACH = d/2 + 37/k on. The first point of a transit is found
#      by galloping from the last one of the transit before: next to nothing where transits
#      follow each other within a few points, the logarithm of their number where not.
#   2. The number of a transit is computed from a point, so that gaps cost one search,
#      however many transits fell into them, and tiny periods no more than their points.
#      Where the edges are so blunt that transits touch, this visits every point.
#   3. In the flat middle of a transit T is 1: no exponential, no derivative.
#   4. Score and gradient come from one pass over the points, and its sums run in the order
#      of time, so that a candidate gives the same bits alone and in company.
#
# Cost per candidate: O(transits log n + points near them), O(n) at most.
#
# Source: weighted least squares of a model that is linear in its template; the derivatives
# are those of the closed form.

from libc.math cimport NAN, exp, fabs, floor, sqrt

cdef enum:
    PARAMETERS = 3    # period, t0, duration

#: |u| beyond which 1 / (1 + exp(-u)) is 1, or less than the rounding of 1.
cdef double SATURATION = 37.0
# For cpu.py, which plans with it.
FLAT_BEYOND = SATURATION


cdef struct Candidate:
    double period
    double t0
    double half_duration
    double steepness      # k
    double spread         # sharpness / d^2
    double reach          # days from mid-transit beyond which T is 0


cdef struct Sums:
    double signal         # sum(w T y)
    double weight         # sum(w T)
    double square         # sum(w T^2)
    double signal_rate[PARAMETERS]    # sum(w y T')
    double weight_rate[PARAMETERS]    # sum(w T')
    double square_rate[PARAMETERS]    # sum(w T T'), half the derivative of `square`


cdef inline Candidate make_candidate(
    double period, double t0, double duration, double sharpness
) noexcept nogil:
    cdef Candidate candidate
    candidate.period = period
    candidate.t0 = t0
    candidate.half_duration = 0.5 * duration
    candidate.steepness = sharpness / duration
    candidate.spread = candidate.steepness / duration
    candidate.reach = candidate.half_duration + SATURATION / candidate.steepness
    return candidate


cdef inline Py_ssize_t first_from(
    const double* time, Py_ssize_t begin, Py_ssize_t n, double moment
) noexcept nogil:
    """The first of the points begin .. n that is not before a moment; n if all are."""
    cdef Py_ssize_t step = 1, low = begin, high = begin, middle
    while high < n and time[high] < moment:
        low = high + 1
        high += step
        step *= 2
    high = min(high, n)
    while low < high:
        middle = low + (high - low) // 2
        if time[middle] < moment:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void add_slope(
    Sums* sums, const Candidate* candidate, double offset, double cycle,
    double template, double slope, double weight, double signal,
) noexcept nogil:
    """Add one point to the sums of derivatives; `slope` is T (1 - T)."""
    cdef double towards_t0 = candidate.steepness if offset > 0.0 else -candidate.steepness
    cdef double[PARAMETERS] rate
    cdef Py_ssize_t j
    if offset == 0.0:
        towards_t0 = 0.0
    rate[0] = slope * towards_t0 * cycle  # (11)
    rate[1] = slope * towards_t0
    rate[2] = slope * candidate.spread * fabs(offset)
    for j in range(PARAMETERS):
        sums.signal_rate[j] += signal * rate[j]
        sums.weight_rate[j] += weight * rate[j]
        sums.square_rate[j] += weight * template * rate[j]


cdef inline double add_point(
    Sums* sums, const Candidate* candidate, double offset, double cycle,
    double weight, double signal, bint gradient,
) noexcept nogil:
    """Add one point to the sums, and give T there."""
    cdef double exponent = candidate.steepness * (candidate.half_duration - fabs(offset))  # (3)
    cdef double decay, template = 1.0
    if exponent <= SATURATION:
        decay = exp(-exponent)
        template = 1.0 / (1.0 + decay)  # (4)
        if gradient:
            add_slope(
                sums, candidate, offset, cycle,
                template, decay * template * template, weight, signal,
            )
    sums.signal += signal * template  # (5)
    sums.weight += weight * template
    sums.square += weight * template * template
    return template


cdef Sums sum_points(
    const Candidate* candidate, const double* time, const double* weight, const double* signal,
    Py_ssize_t n, bint gradient, double* templates,
) noexcept nogil:
    """Sum over the points near transits; `templates`, if not NULL, holds zeros and gets T."""
    cdef Sums sums
    cdef Py_ssize_t i = 0, j
    cdef double cycle, middle, offset, template
    # Points after the first near a transit belong to it up to here.
    cdef double end = min(candidate.reach, 0.5 * candidate.period)
    sums.signal = sums.weight = sums.square = 0.0
    for j in range(PARAMETERS):
        sums.signal_rate[j] = sums.weight_rate[j] = sums.square_rate[j] = 0.0
    while i < n:
        cycle = floor((time[i] - candidate.t0) / candidate.period + 0.5)  # (1)
        middle = cycle * candidate.period
        offset = (time[i] - candidate.t0) - middle  # (2)
        if fabs(offset) > candidate.reach:
            if offset > 0.0:
                middle = (cycle + 1.0) * candidate.period
            i = first_from(time, i + 1, n, candidate.t0 + middle - candidate.reach)
            continue
        while True:
            template = add_point(
                &sums, candidate, offset, cycle, weight[i], signal[i], gradient
            )
            if templates != NULL:
                templates[i] = template
            i += 1
            if i == n:
                break
            offset = (time[i] - candidate.t0) - middle
            if offset >= end:
                break
    return sums


cdef inline void set_gradient(
    double* gradient, const Sums* sums, double part_in_transit, double norm
) noexcept nogil:
    """Derivatives of the score from the sums of one candidate."""
    cdef double norm_rate
    cdef Py_ssize_t j
    for j in range(PARAMETERS):
        norm_rate = 2.0 * (sums.square_rate[j] - part_in_transit * sums.weight_rate[j])  # (13)
        gradient[j] = (
            0.5 * sums.signal * norm_rate / norm - sums.signal_rate[j]
        ) / sqrt(norm)  # (14)


cdef inline void attribute_points(
    double* templates, const double* weight, const double* signal, Py_ssize_t n,
    double part_in_transit, double norm, double level,
) noexcept nogil:
    """Replace the template at each point by what the point contributes (15)."""
    cdef double depth_err = 1.0 / sqrt(norm)
    cdef Py_ssize_t i
    for i in range(n):
        templates[i] = (
            -depth_err * (templates[i] - part_in_transit) * (signal[i] - weight[i] * level)
        )


cdef inline void set_unknown(double* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        values[i] = NAN


def scores(
    const double[::1] time,           # IN  days, ascending
    const double[::1] weight,         # IN  1 / error^2
    const double[::1] signal,         # IN  weight * (flux - mean)
    double total,                     # IN  sum of the weights
    double least,                     # IN  norm (A) that a candidate must exceed
    double mean,                      # IN  weighted mean of the flux
    const double[::1] period,         # IN
    const double[::1] t0,             # IN
    const double[::1] duration,       # IN
    double sharpness,                 # IN
    Py_ssize_t begin,                 # IN  the candidates begin .. stop are computed
    Py_ssize_t stop,                  # IN
    double[::1] score,                # OUT
    double[::1] depth,                # OUT
    double[::1] depth_err,            # OUT
    double[::1] level,                # OUT
    double[:, ::1] gradient,          # OUT (m, 3), or (0, 3): not wanted
    double[:, ::1] attribution,       # OUT (m, n), or (0, n): not wanted; zeros on entry
):
    """Scores of some of the candidates; NaN where there is no weight in, or out of, transit."""
    cdef Py_ssize_t n = time.shape[0], i
    cdef bint with_gradient = gradient.shape[0] > 0
    cdef bint with_attribution = attribution.shape[0] > 0
    cdef double* templates = NULL
    cdef double part_in_transit, norm
    cdef Candidate candidate
    cdef Sums sums
    with nogil:
        for i in range(begin, stop):
            candidate = make_candidate(period[i], t0[i], duration[i], sharpness)
            if with_attribution:
                templates = &attribution[i, 0]
            sums = sum_points(
                &candidate, &time[0], &weight[0], &signal[0], n, with_gradient, templates
            )
            part_in_transit = sums.weight / total
            norm = sums.square - sums.weight * part_in_transit  # (5)
            if not norm > least:
                score[i] = depth[i] = depth_err[i] = level[i] = NAN
                if with_gradient:
                    set_unknown(&gradient[i, 0], PARAMETERS)
                if with_attribution:
                    set_unknown(templates, n)
                continue
            depth[i] = -sums.signal / norm  # (6)
            depth_err[i] = 1.0 / sqrt(norm)  # (7)
            score[i] = -sums.signal / sqrt(norm)  # (8)
            level[i] = mean + depth[i] * part_in_transit  # (9)
            if with_gradient:
                set_gradient(&gradient[i, 0], &sums, part_in_transit, norm)
            if with_attribution:
                attribute_points(
                    templates, &weight[0], &signal[0], n,
                    part_in_transit, norm, depth[i] * part_in_transit,
                )
