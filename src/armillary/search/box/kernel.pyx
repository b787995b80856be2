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
#   3. Segments. Gaps are not tabulated, and long stretches are cut into segments that
#      fit the cache; several periods read a segment before the next one is touched.
#      Each period still adds its segments in the order of time, so that it gives the
#      same bits alone and in company.
#   4. Every row is read past its end by the longest box. A box across phase
#      zero is then one contiguous run as well, and no bin is ever partial.
#   5. Prefix sums give any box in two subtractions; the best box is found in
#      two sweeps (maximum, then the first place that attains it), because a
#      maximum without its index is plain vector code.
#   6. No FMA and no reassociation: every CPU variant gives the same bits.
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
    MAX_LANES = 16       # most periods that read a segment while it is in the cache ...
    LANE_BINS = 16384    # ... as long as their folds, 16 bytes a bin, stay there too
    CHUNK = 512          # points whose phases are computed together

# For the test that both files agree.
CELLS_PER_BIN = S


cdef struct Workspace:
    double* weight        # folded weight per bin, one row of `stride` for each lane
    double* signal        # folded weight * residual per bin
    double* cum_weight    # prefix sums of both, of one period at a time
    double* cum_signal
    Py_ssize_t* rows      # table offsets of the rows that lie inside a segment
    Py_ssize_t stride
    Py_ssize_t n_lanes    # periods that are folded together


cdef struct Best:
    double score          # signal_in^2 / (weight_in * weight_out)
    double weight_in
    double signal_in
    Py_ssize_t start      # bins
    Py_ssize_t duration   # index into the tested durations


cdef int workspace_init(Workspace* ws, Py_ssize_t n_bins, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t n = max(1, min(<Py_ssize_t> MAX_LANES, <Py_ssize_t> LANE_BINS // n_bins))
    ws.stride = n_bins
    ws.n_lanes = n
    ws.weight = <double*> malloc((2 * n * n_bins + 2 * (n_bins + 1)) * sizeof(double))
    ws.rows = <Py_ssize_t*> malloc((n_rows + 1) * sizeof(Py_ssize_t))
    if ws.weight == NULL or ws.rows == NULL:
        workspace_free(ws)
        return -1
    ws.signal = ws.weight + n * n_bins
    ws.cum_weight = ws.signal + n * n_bins
    ws.cum_signal = ws.cum_weight + n_bins + 1
    return 0


cdef void workspace_free(Workspace* ws) noexcept nogil:
    free(ws.weight)
    free(ws.rows)


# What a fold needs to know of one period.
cdef struct Fold:
    double cells_per_period
    Py_ssize_t starts     # boxes begin in these bins
    Py_ssize_t longest    # bins of the longest box that is shorter than the period
    Py_ssize_t overhang   # bins past the starts that the longest box tried reaches
    Py_ssize_t n_durations


cdef Fold plan_fold(
    double cells_per_period, const Py_ssize_t* width, Py_ssize_t n_durations
) noexcept nogil:
    cdef Fold fold
    fold.cells_per_period = cells_per_period
    fold.n_durations = n_durations
    fold.longest = <Py_ssize_t> (cells_per_period / S)
    fold.starts = fold.longest
    if <double> (fold.longest * S) < cells_per_period:
        fold.starts += 1
    fold.overhang = min(width[n_durations - 1], fold.longest)
    return fold


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


cdef void fold_segment(
    double* weight, double* signal, Py_ssize_t* rows,
    const double* table_weight, const double* table_signal, Py_ssize_t n_columns,
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t shift,
    double cells_per_period, Py_ssize_t n_bins,
) noexcept nogil:
    """Add what the columns begin .. end of time hold of each cycle of one period."""
    cdef Py_ssize_t start, column, low, high, offset, n_rows = 0, i = 0
    # The first cycle whose row, overhang included, reaches into the segment. Cycle -1
    # holds no cell of its own; its overhang (design note 4) holds the first boxes.
    cdef Py_ssize_t cycle = <Py_ssize_t> floor(
        <double> ((begin - n_bins - 1) * S) / cells_per_period)
    cycle = max(cycle, -1)
    while True:
        start = <Py_ssize_t> floor(<double> cycle * cells_per_period + 0.5)
        column = floor_div(start)
        if column >= end:
            break
        cycle += 1
        low = begin - column if begin > column else 0
        high = min(n_bins, end - column)
        if high <= low:
            continue
        offset = (start - S * column) * n_columns + column - shift
        if low == 0 and high == n_bins:
            rows[n_rows] = offset
            n_rows += 1
        else:
            add_row(weight + low, table_weight + offset + low, high - low)
            add_row(signal + low, table_signal + offset + low, high - low)
    while i + 4 <= n_rows:
        add_four_rows(weight, table_weight + rows[i], table_weight + rows[i + 1],
                      table_weight + rows[i + 2], table_weight + rows[i + 3], n_bins)
        add_four_rows(signal, table_signal + rows[i], table_signal + rows[i + 1],
                      table_signal + rows[i + 2], table_signal + rows[i + 3], n_bins)
        i += 4
    while i < n_rows:
        add_row(weight, table_weight + rows[i], n_bins)
        add_row(signal, table_signal + rows[i], n_bins)
        i += 1


cdef inline Py_ssize_t floor_div(Py_ssize_t cell) noexcept nogil:
    """cell // S rounded down, for negative cells too (C rounds to zero)."""
    return cell // S if cell >= 0 else -((S - 1 - cell) // S)


cdef inline double cycle_start(double k, double cells_per_period) noexcept nogil:
    return floor(k * cells_per_period + 0.5)


cdef void fold_points(
    double* folded_weight, double* folded_signal,
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
            folded_weight[bin] += weight[first + i]
            folded_signal[bin] += signal[first + i]
            if p < overhang_cells:
                p = cell[first + i] - cycle_start(k - 1.0, cells_per_period)
                bin = <Py_ssize_t> p // S
                if bin < n_bins:
                    folded_weight[bin] += weight[first + i]
                    folded_signal[bin] += signal[first + i]
        first += n


# ---------------------------------------------------------------- the search


cdef void prefix_sums(const double* value, double* cumulative, Py_ssize_t n) noexcept nogil:
    """cumulative[i] = sum of the first i values.

    The four quarters are summed side by side, because each addition of one waits for the
    one before, and then raised by the sum of the quarters before them.
    """
    cdef Py_ssize_t quarter = n // 4, i, j
    cdef const double* part[4]
    cdef double* out[4]
    cdef double total[4]
    cdef double before = 0.0
    for j in range(4):
        part[j] = value + j * quarter
        out[j] = cumulative + j * quarter + 1
        total[j] = 0.0
    cumulative[0] = 0.0
    for i in range(quarter):
        for j in range(4):
            total[j] += part[j][i]
            out[j][i] = total[j]
    for j in range(1, 4):
        before += total[j - 1]
        for i in range(quarter):
            out[j][i] += before
    for i in range(4 * quarter, n):
        cumulative[i + 1] = cumulative[i] + value[i]


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
    """The first start whose box has this score, which best_score has seen."""
    cdef double lane[LANES]
    cdef Py_ssize_t b = 0, j
    cdef bint seen = False
    # Blocks of vector code up to the one that holds it, then one by one.
    while b + LANES <= n_starts and not seen:
        for j in range(LANES):
            lane[j] = 0.0
        raise_to_scores(lane, cum_weight + b, cum_signal + b, cum_weight + b + width,
                        cum_signal + b + width, total, least)
        for j in range(LANES):
            seen |= lane[j] == wanted
        if not seen:
            b += LANES
    while b < n_starts and box_score(cum_weight[b + width] - cum_weight[b],
                                     cum_signal[b + width] - cum_signal[b],
                                     total, least) != wanted:
        b += 1
    return b


cdef Best search_boxes(
    const Workspace* ws, const Fold* fold, const Py_ssize_t* width, double total, double least
) noexcept nogil:
    """The best box over all starts and durations; ties go to the shortest, then the first."""
    cdef Best best
    cdef Py_ssize_t j, n
    cdef double score
    best.score = 0.0
    best.duration = -1
    best.start = 0
    best.weight_in = 0.0
    best.signal_in = 0.0
    for j in range(fold.n_durations):
        n = min(width[j], fold.longest)
        score = best_score(ws.cum_weight, ws.cum_signal, n, fold.starts, total, least)
        if score > best.score:
            best.score = score
            best.duration = j
    if best.duration >= 0:
        n = min(width[best.duration], fold.longest)
        best.start = first_start(
            ws.cum_weight, ws.cum_signal, n, fold.starts, total, least, best.score)
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
    double least,                          # IN  weight that either side of a box must exceed
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
    cdef Py_ssize_t n_chosen = chosen.shape[0]
    cdef Py_ssize_t i, j, k, lane, n, n_bins, first, n_lanes, largest = 0
    cdef double middle, weight_out, shortest = period[chosen[0]]
    cdef Fold folds[MAX_LANES]
    cdef Workspace ws
    cdef Best best
    cdef int status
    for i in range(n_chosen):
        k = chosen[i]
        n = width[duration_stop[k] - first_duration - 1]
        shortest = min(shortest, period[k])
        largest = max(largest, <Py_ssize_t> (period[k] / cell_width / S) + 2 + n)
    with nogil:
        # Overlapping rows of cycles -1 and last, and one cycle cut by each end of a segment.
        status = workspace_init(
            &ws, largest, <Py_ssize_t> (<double> n_cells * cell_width / shortest) + 8)
        first = 0
        while status == 0 and first < n_chosen:
            n_lanes = min(ws.n_lanes, n_chosen - first)
            memset(ws.weight, 0, n_lanes * ws.stride * sizeof(double))
            memset(ws.signal, 0, n_lanes * ws.stride * sizeof(double))
            for lane in range(n_lanes):
                k = chosen[first + lane]
                folds[lane] = plan_fold(
                    period[k] / cell_width, &width[0], duration_stop[k] - first_duration)
            if n_columns > 0:
                for j in range(begin.shape[0]):
                    for lane in range(n_lanes):
                        fold_segment(
                            ws.weight + lane * ws.stride, ws.signal + lane * ws.stride, ws.rows,
                            &table_weight[0, 0], &table_signal[0, 0], n_columns,
                            begin[j], end[j], shift[j], folds[lane].cells_per_period,
                            folds[lane].starts + folds[lane].overhang)
            else:
                for lane in range(n_lanes):
                    fold_points(
                        ws.weight + lane * ws.stride, ws.signal + lane * ws.stride,
                        &cell[0], &weight[0], &signal[0], cell.shape[0],
                        folds[lane].cells_per_period,
                        folds[lane].starts + folds[lane].overhang, folds[lane].overhang)
            for lane in range(n_lanes):
                k = chosen[first + lane]
                n_bins = folds[lane].starts + folds[lane].overhang
                prefix_sums(ws.weight + lane * ws.stride, ws.cum_weight, n_bins)
                prefix_sums(ws.signal + lane * ws.stride, ws.cum_signal, n_bins)
                best = search_boxes(&ws, &folds[lane], &width[0], total, least)
                if best.duration < 0:
                    out_delta_chi2[k] = 0.0
                    out_depth[k] = out_depth_err[k] = out_t0[k] = NAN
                    out_duration[k] = out_level[k] = NAN
                    continue
                n = min(width[best.duration], folds[lane].longest)
                weight_out = total - best.weight_in
                middle = ((best.start + 0.5 * n) * S - offset) * cell_width
                out_delta_chi2[k] = best.score * total
                out_depth[k] = -best.signal_in / best.weight_in - best.signal_in / weight_out
                out_depth_err[k] = sqrt(1.0 / best.weight_in + 1.0 / weight_out)
                out_t0[k] = middle - period[k] * floor(middle / period[k])
                out_duration[k] = duration[first_duration + best.duration]
                out_level[k] = mean - best.signal_in / weight_out
            first += n_lanes
        if status == 0:
            workspace_free(&ws)
    if status != 0:
        raise MemoryError("no memory left for the folded light curve")
