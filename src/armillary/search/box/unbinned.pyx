# The best box on unbinned points.
#
# As a closed box of length d slides along sorted positions, the set of points inside
# changes only when a point enters or leaves. Three kinds of box therefore hold every
# set that there is: one that begins at a point, one that begins just after a point,
# and one that ends at a point. Both ends move forwards only, so a duration costs one
# pass with two pointers, and prefix sums give weight and signal of a set.
#
# Points nearer than `same` enter and leave together: even sampling folds many onto one
# phase up to rounding, and no box could part them. A box must lie inside
# lowest .. highest, where the positions are complete: one that sticks out would seem
# to hold fewer points than it does.
#
# Cost: O(n) a duration. The statistic is equation 5 of reference.py.


cdef struct Run:
    double score
    Py_ssize_t first
    Py_ssize_t stop
    Py_ssize_t duration


cdef inline void try_run(
    Run* best, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t duration,
    const double* cum_weight, const double* cum_signal, double total, double least,
) noexcept nogil:
    """Keep the run first .. stop if it is a better box than the best so far."""
    cdef double weight_in, weight_out, signal_in, score
    if first >= stop:
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
    double lowest,                    # IN  where the positions are complete
    double highest,                   # IN
    double same,                      # IN  points nearer than this share a position
    double total,                     # IN  weight of all points, those not here included
    double least,                     # IN  weight that either side must exceed
):
    """(score, first, stop, index of the duration) of the best box; score 0: no dimming."""
    cdef Py_ssize_t n = position.shape[0]
    cdef Py_ssize_t begin, end, j, stop, first
    cdef double d
    cdef Run best
    best.score = 0.0
    best.first = best.stop = best.duration = 0
    if n == 0:
        return 0.0, 0, 0, 0
    with nogil:
        for j in range(duration.shape[0]):
            d = duration[j]
            begin = stop = first = 0
            while begin < n:
                end = begin + 1
                while end < n and position[end] - position[end - 1] <= same:
                    end += 1
                # Points begin .. end share a position.
                while stop < n and position[stop] <= position[end - 1] + d + same:
                    stop += 1
                while position[first] < position[begin] - d - same:
                    first += 1
                if position[begin] >= lowest and position[end - 1] + d <= highest:
                    try_run(&best, begin, stop, j, &cum_weight[0], &cum_signal[0], total, least)
                if position[begin] >= lowest and position[end - 1] + d + same <= highest:
                    try_run(&best, end, stop, j, &cum_weight[0], &cum_signal[0], total, least)
                if position[begin] - d >= lowest and position[end - 1] <= highest:
                    try_run(&best, first, end, j, &cum_weight[0], &cum_signal[0], total, least)
                begin = end
    return best.score, best.first, best.stop, best.duration
