# Box least squares: fold a light curve at many periods and try every box.
#
# What is computed
#   The definition is in reference.py; equation numbers below are those of its
#   docstring. In short: time is cut into cells of width c, a phase bin is S
#   cells, cycle k of period P starts at cell r_k = floor(k P / c + 1/2), and
#   box (b, n) holds the cells [r_k + b S, r_k + (b + n) S) of every cycle k.
#
# Design
#   1. The fold reads rows, not points. Bin sums over S consecutive cells are
#      tabulated once for each of the S alignments ("polyphase" series), so one
#      cycle of any period is one contiguous run of that table and folding is a
#      vector addition: about span/bin additions a period instead of one
#      scattered update a point. Aligning rows to a cell, not to a whole bin,
#      keeps the smear of the fold at 1/S of a bin.
#   2. Where points are sparse compared with bins (span/bin >> N) the same bins
#      are filled point by point. Which of the two runs is decided by the data
#      (cpu.py), never by the number of threads.
#   3. Every row is read past its end by the longest box. A box across phase
#      zero is then one contiguous run as well, and no bin is ever partial.
#   4. Prefix sums give any box in two subtractions; the best box is found in
#      two sweeps (maximum, then the first place that attains it), because a
#      maximum without its index is plain vector code.
#   5. No FMA and no reassociation: every CPU variant gives the same bits.
#
# Cost per period: O(span/bin) or O(N) to fold, O(P/bin * n_durations) to search.
#
# Source: Kovacs, Zucker & Mazeh (2002), A&A 391, 369; the weighted statistic
# with a free out-of-transit level follows from the two-level least squares fit.

from libc.math cimport NAN, floor, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef enum:
    LANES = 32           # independent maxima, so that the sweep vectorises
    S = 4                # CELLS_PER_BIN of reference.py
    CHUNK = 512          # points whose phases are computed together

# For the test that both files agree.
CELLS_PER_BIN = S

# Fraction of the total weight that either side of a box must hold: below it
# the difference of two prefix sums is rounding, not data.
cdef double MIN_WEIGHT_FRACTION = 1e-9


cdef struct Workspace:
    double* weight        # folded weight per bin
    double* signal        # folded weight * residual per bin
    double* cum_weight    # prefix sums of both
    double* cum_signal
    Py_ssize_t* rows      # table offsets of the rows that lie inside the series


cdef struct Best:
    double score          # signal_in^2 / (weight_in * weight_out)
    double weight_in
    double signal_in
    Py_ssize_t start      # bins
    Py_ssize_t duration   # index into the tested durations


cdef int workspace_init(Workspace* ws, Py_ssize_t n_bins, Py_ssize_t n_rows) noexcept nogil:
    ws.weight = <double*> malloc((4 * n_bins + 2) * sizeof(double))
    ws.rows = <Py_ssize_t*> malloc((n_rows + 1) * sizeof(Py_ssize_t))
    if ws.weight == NULL or ws.rows == NULL:
        free(ws.weight)
        free(ws.rows)
        return -1
    ws.signal = ws.weight + n_bins
    ws.cum_weight = ws.signal + n_bins
    ws.cum_signal = ws.cum_weight + n_bins + 1
    return 0


cdef void workspace_free(Workspace* ws) noexcept nogil:
    free(ws.weight)
    free(ws.rows)


# ---------------------------------------------------------------- the tables


def polyphase_sums(
    const double[::1] cell,           # IN  cell of each point (whole numbers), ascending
    const double[::1] weight,         # IN  1 / error^2
    const double[::1] signal,         # IN  weight * (flux - mean)
    const Py_ssize_t[::1] last_point, # IN  stop index of the points of each segment
    const Py_ssize_t[::1] shift,      # IN  what takes a column of time to one of the table
    double[:, ::1] table_weight,      # OUT (S, n) sums over cells s + S m .. s + S m + S - 1
    double[:, ::1] table_signal,      # OUT column m - shift holds column m of time
):
    """Sum the points over S consecutive cells, for each of the S alignments."""
    cdef Py_ssize_t i = 0, s, segment, column
    with nogil:
        for segment in range(last_point.shape[0]):
            while i < last_point[segment]:
                for s in range(S):
                    # The added S keeps the division away from negative numbers.
                    column = (<Py_ssize_t> cell[i] - s + S) // S - 1 - shift[segment]
                    table_weight[s, column] += weight[i]
                    table_signal[s, column] += signal[i]
                i += 1


# ------------------------------------------------------------------ the fold


cdef inline void add_row(double* total, const double* row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += row[i]


cdef inline void add_four_rows(
    double* total, const double* r0, const double* r1, const double* r2, const double* r3,
    Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += (r0[i] + r1[i]) + (r2[i] + r3[i])


cdef void fold_rows(
    Workspace* ws,
    const double* table_weight, const double* table_signal, Py_ssize_t n_columns,
    const Py_ssize_t* begin, const Py_ssize_t* end, const Py_ssize_t* shift, Py_ssize_t n_segments,
    double cells_per_period, Py_ssize_t n_bins,
) noexcept nogil:
    """Add the cycles of one period, each a contiguous run of the tables.

    Segment j covers the columns begin[j] .. end[j] of time; the gaps between them are
    not in the tables and cost nothing.
    """
    cdef Py_ssize_t j, cycle, start, column, low, high, n_rows = 0, i = 0
    memset(ws.weight, 0, n_bins * sizeof(double))
    memset(ws.signal, 0, n_bins * sizeof(double))
    for j in range(n_segments):
        # The first cycle whose row, overhang included, reaches into the segment. Cycle -1
        # holds no cell of its own; its overhang (design note 3) holds the first boxes.
        cycle = <Py_ssize_t> floor(<double> ((begin[j] - n_bins - 1) * S) / cells_per_period)
        cycle = max(cycle, -1)
        while True:
            start = <Py_ssize_t> floor(<double> cycle * cells_per_period + 0.5)
            column = floor_div(start)
            if column >= end[j]:
                break
            low = begin[j] - column if begin[j] > column else 0
            high = min(n_bins, end[j] - column)
            i = (start - S * column) * n_columns + column - shift[j]
            cycle += 1
            if high <= low:
                continue
            if low == 0 and high == n_bins:
                ws.rows[n_rows] = i
                n_rows += 1
            else:
                add_row(ws.weight + low, table_weight + i + low, high - low)
                add_row(ws.signal + low, table_signal + i + low, high - low)
    i = 0
    while i + 4 <= n_rows:
        add_four_rows(
            ws.weight, table_weight + ws.rows[i], table_weight + ws.rows[i + 1],
            table_weight + ws.rows[i + 2], table_weight + ws.rows[i + 3], n_bins)
        add_four_rows(
            ws.signal, table_signal + ws.rows[i], table_signal + ws.rows[i + 1],
            table_signal + ws.rows[i + 2], table_signal + ws.rows[i + 3], n_bins)
        i += 4
    while i < n_rows:
        add_row(ws.weight, table_weight + ws.rows[i], n_bins)
        add_row(ws.signal, table_signal + ws.rows[i], n_bins)
        i += 1


cdef inline Py_ssize_t floor_div(Py_ssize_t cell) noexcept nogil:
    """cell // S rounded down, for negative cells too (C rounds to zero)."""
    return cell // S if cell >= 0 else -((S - 1 - cell) // S)


cdef inline double cycle_start(double k, double cells_per_period) noexcept nogil:
    return floor(k * cells_per_period + 0.5)


cdef void fold_points(
    Workspace* ws,
    const double* cell, const double* weight, const double* signal, Py_ssize_t n_points,
    double cells_per_period, Py_ssize_t n_bins, Py_ssize_t overhang,
) noexcept nogil:
    """Add the points of one period one by one, into their bin and its overhang."""
    cdef double inverse = 1.0 / cells_per_period
    cdef double surely_inside = cells_per_period - 1.0
    cdef double overhang_cells = <double> ((overhang + 1) * S)
    cdef double cycle[CHUNK]
    cdef double position[CHUNK]
    cdef double k, p
    cdef Py_ssize_t first = 0, n, i, bin
    memset(ws.weight, 0, n_bins * sizeof(double))
    memset(ws.signal, 0, n_bins * sizeof(double))
    while first < n_points:
        n = min(<Py_ssize_t> CHUNK, n_points - first)
        for i in range(n):
            # Cells and cycles are not negative, so truncation is floor (and vectorises
            # without SSE4.1).
            k = <double> (<int> ((cell[first + i] + 0.5) * inverse))
            cycle[i] = k
            position[i] = cell[first + i] - <double> (<int> (k * cells_per_period + 0.5))
        for i in range(n):
            k = cycle[i]
            p = position[i]
            # The division above may be off by one cycle at a boundary.
            if p < 0.0:
                k -= 1.0
                p = cell[first + i] - cycle_start(k, cells_per_period)
            elif p >= surely_inside and cell[first + i] >= cycle_start(k + 1.0, cells_per_period):
                k += 1.0
                p = cell[first + i] - cycle_start(k, cells_per_period)
            bin = <Py_ssize_t> p // S
            ws.weight[bin] += weight[first + i]
            ws.signal[bin] += signal[first + i]
            if p < overhang_cells:
                p = cell[first + i] - cycle_start(k - 1.0, cells_per_period)
                bin = <Py_ssize_t> p // S
                if bin < n_bins:
                    ws.weight[bin] += weight[first + i]
                    ws.signal[bin] += signal[first + i]
        first += n


# ---------------------------------------------------------------- the search


cdef void prefix_sums(Workspace* ws, Py_ssize_t n_bins) noexcept nogil:
    cdef Py_ssize_t i
    cdef double weight = 0.0, signal = 0.0
    ws.cum_weight[0] = 0.0
    ws.cum_signal[0] = 0.0
    for i in range(n_bins):
        weight += ws.weight[i]
        signal += ws.signal[i]
        ws.cum_weight[i + 1] = weight
        ws.cum_signal[i + 1] = signal


cdef inline double box_score(
    double weight_in, double signal_in, double total, double least
) noexcept nogil:
    """signal^2 / (W_in W_out) of a dimming; 0 for a brightening or an empty side (eq. 5)."""
    cdef double weight_out = total - weight_in
    cdef double score = signal_in * signal_in / (weight_in * weight_out)
    score = score if signal_in < 0.0 else 0.0
    score = score if weight_in > least else 0.0
    return score if weight_out > least else 0.0


cdef inline void raise_to_scores(
    double* lane, const double* begin_weight, const double* begin_signal,
    const double* end_weight, const double* end_signal, double total, double least,
) noexcept nogil:
    cdef double score
    cdef Py_ssize_t j
    for j in range(LANES):
        score = box_score(end_weight[j] - begin_weight[j],
                          end_signal[j] - begin_signal[j], total, least)
        lane[j] = score if score > lane[j] else lane[j]


cdef double best_score(
    const double* cum_weight, const double* cum_signal, Py_ssize_t width, Py_ssize_t n_starts,
    double total, double least,
) noexcept nogil:
    cdef double lane[LANES]
    cdef double score, best = 0.0
    cdef Py_ssize_t b = 0, j
    for j in range(LANES):
        lane[j] = 0.0
    while b + LANES <= n_starts:
        raise_to_scores(lane, cum_weight + b, cum_signal + b, cum_weight + b + width,
                        cum_signal + b + width, total, least)
        b += LANES
    while b < n_starts:
        score = box_score(cum_weight[b + width] - cum_weight[b],
                          cum_signal[b + width] - cum_signal[b], total, least)
        best = score if score > best else best
        b += 1
    for j in range(LANES):
        best = lane[j] if lane[j] > best else best
    return best


cdef Py_ssize_t first_start(
    const double* cum_weight, const double* cum_signal, Py_ssize_t width, Py_ssize_t n_starts,
    double total, double least, double wanted,
) noexcept nogil:
    cdef Py_ssize_t b
    for b in range(n_starts):
        if box_score(cum_weight[b + width] - cum_weight[b],
                     cum_signal[b + width] - cum_signal[b], total, least) == wanted:
            return b
    return 0


cdef Best search_boxes(
    const Workspace* ws, const Py_ssize_t* width, Py_ssize_t n_durations,
    Py_ssize_t longest, Py_ssize_t n_starts, double total,
) noexcept nogil:
    """The best box over all starts and durations; ties go to the shortest, then the first."""
    cdef Best best
    cdef Py_ssize_t j, n
    cdef double score
    cdef double least = MIN_WEIGHT_FRACTION * total
    best.score = 0.0
    best.duration = -1
    best.start = 0
    best.weight_in = 0.0
    best.signal_in = 0.0
    for j in range(n_durations):
        n = min(width[j], longest)
        score = best_score(ws.cum_weight, ws.cum_signal, n, n_starts, total, least)
        if score > best.score:
            best.score = score
            best.duration = j
    if best.duration >= 0:
        n = min(width[best.duration], longest)
        best.start = first_start(
            ws.cum_weight, ws.cum_signal, n, n_starts, total, least, best.score)
        best.weight_in = ws.cum_weight[best.start + n] - ws.cum_weight[best.start]
        best.signal_in = ws.cum_signal[best.start + n] - ws.cum_signal[best.start]
    return best


# ---------------------------------------------------------------- the driver


def spectrum(
    const double[:, ::1] table_weight,     # IN  polyphase sums; no columns: fold the points
    const double[:, ::1] table_signal,     # IN
    const Py_ssize_t[::1] begin,           # IN  columns of time that each segment covers
    const Py_ssize_t[::1] end,             # IN
    const Py_ssize_t[::1] shift,           # IN  its columns in time minus those in the tables
    const double[::1] cell,                # IN  cell of each point (whole numbers)
    const double[::1] weight,              # IN
    const double[::1] signal,              # IN
    Py_ssize_t n_cells,                    # IN  cells that the series spans
    double cell_width,                     # IN  days
    double offset,                         # IN  cells that the first point lies past an edge
    double total,                          # IN  sum of the weights
    double mean,                           # IN  weighted mean flux
    const double[::1] duration,            # IN  all durations, ascending
    const Py_ssize_t[::1] width,           # IN  bins of each duration that this group tries
    Py_ssize_t first_duration,             # IN  index of the shortest of them
    const double[::1] period,              # IN  the whole grid
    const Py_ssize_t[::1] duration_stop,   # IN  the whole grid
    const Py_ssize_t[::1] chosen,          # IN  the periods of this block
    double[::1] out_delta_chi2,            # OUT the whole grid, as are those below
    double[::1] out_depth,                 # OUT
    double[::1] out_depth_err,             # OUT
    double[::1] out_t0,                    # OUT
    double[::1] out_duration,              # OUT
    double[::1] out_level,                 # OUT
):
    """Best box at each chosen period; the inputs are those that cpu.py prepares."""
    cdef Py_ssize_t n_columns = table_weight.shape[1]
    cdef Py_ssize_t i, k, n, starts, longest, overhang, n_durations, largest = 0
    cdef double q, middle, weight_out, shortest = period[chosen[0]]
    cdef Workspace ws
    cdef Best best
    cdef int status
    for i in range(chosen.shape[0]):
        k = chosen[i]
        n = width[duration_stop[k] - first_duration - 1]
        shortest = min(shortest, period[k])
        largest = max(largest, <Py_ssize_t> (period[k] / cell_width / S) + 2 + n)
    with nogil:
        status = workspace_init(
            &ws, largest,
            <Py_ssize_t> (<double> n_cells * cell_width / shortest) + 2 * begin.shape[0] + 4)
        if status == 0:
            for i in range(chosen.shape[0]):
                k = chosen[i]
                q = period[k] / cell_width
                n_durations = duration_stop[k] - first_duration
                longest = <Py_ssize_t> (q / S)
                starts = longest + 1 if <double> (longest * S) < q else longest
                overhang = min(width[n_durations - 1], longest)
                if n_columns > 0:
                    fold_rows(&ws, &table_weight[0, 0], &table_signal[0, 0], n_columns,
                              &begin[0], &end[0], &shift[0], begin.shape[0],
                              q, starts + overhang)
                else:
                    fold_points(&ws, &cell[0], &weight[0], &signal[0], cell.shape[0],
                                q, starts + overhang, overhang)
                prefix_sums(&ws, starts + overhang)
                best = search_boxes(&ws, &width[0], n_durations, longest, starts, total)
                if best.duration < 0:
                    out_delta_chi2[k] = 0.0
                    out_depth[k] = out_depth_err[k] = out_t0[k] = NAN
                    out_duration[k] = out_level[k] = NAN
                    continue
                n = min(width[best.duration], longest)
                weight_out = total - best.weight_in
                middle = ((best.start + 0.5 * n) * S - offset) * cell_width
                out_delta_chi2[k] = best.score * total
                out_depth[k] = -best.signal_in / best.weight_in - best.signal_in / weight_out
                out_depth_err[k] = sqrt(1.0 / best.weight_in + 1.0 / weight_out)
                out_t0[k] = middle - period[k] * floor(middle / period[k])
                out_duration[k] = duration[first_duration + best.duration]
                out_level[k] = mean - best.signal_in / weight_out
            workspace_free(&ws)
    if status != 0:
        raise MemoryError("no memory left for the folded light curve")
