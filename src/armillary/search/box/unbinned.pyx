# The best box on unbinned points.
#
# As a closed box of length d slides along sorted positions, the set of points inside
# changes only when a point enters or leaves. Three kinds of box therefore hold every
# set that there is: one that begins at a point, one that begins just after a point,
# and one that ends at a point. Both ends move forwards only, so a duration costs one
# pass with two pointers, and prefix sums give weight and signal of a set.
#
# Cost: O(n) a duration. The statistic is equation 5 of reference.py.

cdef struct Run:
    double score
    Py_ssize_t first
    Py_ssize_t stop
    Py_ssize_t duration


cdef inline void try_run(
    Run* best, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t duration,
    const double* position, const double* cum_weight, const double* cum_signal,
    double period, double total, double least,
) noexcept nogil:
    """Keep the run first .. stop if it is a better box than the best so far."""
    cdef double weight_in, weight_out, signal_in, score
    # A run of more than one period would count points twice.
    if first >= stop or position[stop - 1] - position[first] >= period:
        return
    signal_in = cum_signal[stop] - cum_signal[first]
    weight_in = cum_weight[stop] - cum_weight[first]
    weight_out = total - weight_in
    if signal_in >= 0.0 or weight_in <= least or weight_out <= least:
        return
    score = signal_in * signal_in * total / (weight_in * weight_out)
    if score > best.score:
        best.score = score
        best.first = first
        best.stop = stop
        best.duration = duration


def best_run(
    const double[::1] position,       # IN  ascending
    const double[::1] cum_weight,     # IN  prefix sums, one entry more than positions
    const double[::1] cum_signal,     # IN
    const double[::1] duration,       # IN
    double period,                    # IN
    double total,                     # IN  weight of all points, those not here included
    double least,                     # IN  weight that either side must exceed
):
    """(score, first, stop, index of the duration) of the best box; score 0: no dimming."""
    cdef Py_ssize_t n = position.shape[0]
    cdef Py_ssize_t i, j, stop, first
    cdef Run best
    best.score = 0.0
    best.first = best.stop = best.duration = 0
    if n == 0:
        return 0.0, 0, 0, 0
    with nogil:
        for j in range(duration.shape[0]):
            stop = first = 0
            for i in range(n):
                while stop < n and position[stop] <= position[i] + duration[j]:
                    stop += 1
                while position[first] < position[i] - duration[j]:
                    first += 1
                try_run(&best, i, stop, j, &position[0], &cum_weight[0], &cum_signal[0],
                        period, total, least)
                try_run(&best, i + 1, stop, j, &position[0], &cum_weight[0], &cum_signal[0],
                        period, total, least)
                try_run(&best, first, i + 1, j, &position[0], &cum_weight[0], &cum_signal[0],
                        period, total, least)
    return best.score, best.first, best.stop, best.duration
