// Box least squares: fold many light curves at many periods and try every box.
//
// What is computed
//   The definition is that of armillary.search.box.reference; equation numbers are those of its
//   docstring. Time is cut into cells of width c, a phase bin is S cells, cycle k of period P
//   starts at cell r_k = floor(k P / c + 1/2), and box (b, n) holds the cells
//   [r_k + b S, r_k + (b + n) S) of every cycle k.
//
// Design
//   1. Sums are whole numbers. weigh_points scales the weights of a light curve by a power of two
//      such that all of them together are 2^61 to 2^62, and the signals likewise, and rounds.
//      Adding them is then exact and in any order the same, so threads need not wait for each
//      other, and a sum of n points is within n 2^-62 of the whole: float64 prefix sums are no
//      better.
//   2. A light curve binned for one shortest duration is a binning. fill_tables sums its points
//      over S consecutive cells, for each of the S alignments. One cycle of any period is then a
//      contiguous run of these tables, which neighbouring threads read side by side.
//   3. Where points are sparse compared with bins, they are folded one by one, by atomic
//      additions of whole numbers. Both ways give the same bits. box_layout.py decides.
//   4. Long gaps are left out of the tables: a binning has segments, each a range of columns.
//   5. search_boxes: a block of threads is one period of one binning. Each thread owns bins, and
//      adds the cycles to them; a scan makes prefix sums, so that a box is two subtractions; each
//      thread keeps the best of its boxes, and a tree finds the best of all. Ties go to the
//      shortest duration, then to the earliest start, whatever thread has it.
//   6. The fold is in shared memory where it fits, BINS_PER_THREAD bins a thread: an odd number, so
//      that the runs of bins that threads scan begin in different banks. Larger folds are in
//      global memory, a thousand side by side or what a gigabyte holds.
//   7. Which period of which binning a block is follows from a few pieces (a binning and the run of
//      its periods whose folds are of about one size) and the number of the block.
//
// Cost of a period: O(span / bin) or O(N) to fold, O(P / bin * n_durations) to search.
//   An estimate, not a measurement, for 1,000 TESS light curves of 19,700 points in 27 days, with
//   2,500 periods of 0.5 to 13 days and 8 durations from 0.05 days (5,400 bins in the span, 700 in
//   a period) on an H100: folds read 1.5e10 table entries of 16 bytes, 240 GB from the L2 cache at
//   about 5.5 TB/s, 45 ms; 1.4e10 boxes of about 30 float64 operations at about 15e12 a second,
//   30 ms; all instructions, counted in what the compiler makes of it, 70 ms to issue. These overlap
//   in part, and half of the warps or more wait: 0.1 to 0.2 ms a light curve. The points are 0.5 GB
//   once, 50 ms from pageable memory over PCIe 5.
//
// Source: Kovacs, Zucker & Mazeh (2002), A&A 391, 369; the weighted statistic with a free
// out-of-transit level follows from the two-level least squares fit.

constexpr long long S = 4;                      // CELLS_PER_BIN of the reference
constexpr double OFFSET = 0.3819660112501051;   // and its other two constants
constexpr double MIN_WEIGHT_FRACTION = 1e-9;
constexpr int FIXED_BITS = 62;                  // of the whole of a light curve; see note 1

typedef unsigned long long Fixed;               // a signal may be negative: modulo 2^64

struct __align__(16) Sums {
    Fixed weight, signal;
};

// The structs below are rows of whole numbers and float64 for whoever calls (box_layout.py).

struct Curve {
    long long first_point, n_points;
};

struct Scale {                                  // what weigh_points finds of a light curve
    double mean, weight_unit, signal_unit;      // units: what 1 means in Sums
    Fixed total_weight;
};

struct Binning {
    double cell_width;                          // days
    long long curve;
    long long first_column, n_columns;          // in the tables, per alignment; 0: fold the points
    long long first_segment, n_segments;
    long long first_duration;                   // of those that it tries, the shortest
    long long result_shift;                     // what takes a period's index to its result's
};

struct Segment {
    long long begin, end, shift;                // columns of time; column - shift is in the tables
};

struct Piece {
    long long stop_item;                        // items of this piece and those before
    long long binning;
    long long order_shift;                      // what takes an item to its place in order
};

// ---------------------------------------------------------------- weights and signals

struct Pair {
    double first, second;
};

static __device__ void sum_weights(
    const double *flux, const double *flux_err, Curve curve, Pair *partial)
{
    Pair sum = {0.0, 0.0};
    for (long long i = threadIdx.x; i < curve.n_points; i += blockDim.x) {
        const double error = flux_err[curve.first_point + i];
        const double weight = 1.0 / (error * error);
        sum.first += weight;
        sum.second += weight * flux[curve.first_point + i];
    }
    partial[threadIdx.x] = sum;
}

static __device__ void sum_absolute_signals(
    const double *flux, const double *flux_err, Curve curve, double mean, Pair *partial)
{
    Pair sum = {0.0, 0.0};
    for (long long i = threadIdx.x; i < curve.n_points; i += blockDim.x) {
        const double error = flux_err[curve.first_point + i];
        sum.first += fabs((flux[curve.first_point + i] - mean) / (error * error));
    }
    partial[threadIdx.x] = sum;
}

static __device__ void add_pairs(Pair *partial, unsigned distance)
{
    if (threadIdx.x < distance) {
        partial[threadIdx.x].first += partial[threadIdx.x + distance].first;
        partial[threadIdx.x].second += partial[threadIdx.x + distance].second;
    }
}

// The exponent of the power of two that makes this a number of FIXED_BITS bits.
static __device__ int fixed_exponent(double whole)
{
    int exponent;
    frexp(whole, &exponent);
    return FIXED_BITS - exponent;
}

static __device__ void fix_points(
    const double *flux, const double *flux_err, Curve curve, double mean, int weight_exponent,
    int signal_exponent, Sums *points, Fixed *partial)
{
    Fixed total = 0;
    for (long long i = threadIdx.x; i < curve.n_points; i += blockDim.x) {
        const double error = flux_err[curve.first_point + i];
        const double weight = 1.0 / (error * error);
        const double signal = (flux[curve.first_point + i] - mean) / (error * error);
        Sums point;
        point.weight = (Fixed) llrint(ldexp(weight, weight_exponent));
        point.signal = (Fixed) llrint(ldexp(signal, signal_exponent));
        points[curve.first_point + i] = point;
        total += point.weight;
    }
    partial[threadIdx.x] = total;
}

static __device__ void add_totals(Fixed *partial, unsigned distance)
{
    if (threadIdx.x < distance)
        partial[threadIdx.x] += partial[threadIdx.x + distance];
}

static __device__ void write_scale(
    Scale *scale, double mean, int weight_exponent, int signal_exponent, const Fixed *partial)
{
    if (threadIdx.x == 0) {
        scale->mean = mean;
        scale->weight_unit = ldexp(1.0, -weight_exponent);
        scale->signal_unit = ldexp(1.0, -signal_exponent);
        scale->total_weight = partial[0];
    }
}

// One block of threads, a power of two, is one light curve.
extern "C" __global__ void weigh_points(
    const double *flux,                         // IN  of all light curves, one after the other
    const double *flux_err,                     // IN
    const Curve *curves,                        // IN
    Sums *points,                               // OUT weight and signal of each point, fixed
    Scale *scales)                              // OUT
{
    SHARED(Pair, partial);
    const Curve curve = curves[blockIdx.x];

    PHASE(sum_weights(flux, flux_err, curve, partial));
    BARRIER();
    for (unsigned distance = blockDim.x / 2; distance > 0; distance /= 2) {
        PHASE(add_pairs(partial, distance));
        BARRIER();
    }
    const double total = partial[0].first;
    const double mean = partial[0].second / total;
    BARRIER();
    PHASE(sum_absolute_signals(flux, flux_err, curve, mean, partial));
    BARRIER();
    for (unsigned distance = blockDim.x / 2; distance > 0; distance /= 2) {
        PHASE(add_pairs(partial, distance));
        BARRIER();
    }
    const int weight_exponent = fixed_exponent(total);
    const int signal_exponent = fixed_exponent(partial[0].first);
    BARRIER();
    PHASE(fix_points(flux, flux_err, curve, mean, weight_exponent, signal_exponent, points,
                     (Fixed *) partial));
    BARRIER();
    for (unsigned distance = blockDim.x / 2; distance > 0; distance /= 2) {
        PHASE(add_totals((Fixed *) partial, distance));
        BARRIER();
    }
    PHASE(write_scale(scales + blockIdx.x, mean, weight_exponent, signal_exponent,
                      (Fixed *) partial));
}

// ---------------------------------------------------------------- the tables

static __device__ inline double cell_of(double time, double cell_width)
{
    return floor(time / cell_width + OFFSET);
}

// cell / S rounded down, for negative cells too.
static __device__ inline long long column_of(long long cell)
{
    return (cell >= 0 ? cell : cell - (S - 1)) / S;
}

// The segment that holds a column; segments are in the order of time.
static __device__ Segment segment_of(const Segment *segments, long long n, long long column)
{
    long long low = 0, high = n - 1;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (column < segments[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return segments[low];
}

static __device__ inline void add_atomically(Sums *place, Sums value)
{
    atomicAdd(&place->weight, value.weight);
    atomicAdd(&place->signal, value.signal);
}

static __device__ void add_point_to_tables(
    const double *time, const Sums *points, const Curve *curves, const Binning &binning,
    const Segment *segments, Sums *tables)
{
    const Curve curve = curves[binning.curve];
    const long long i = (long long) blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= curve.n_points || binning.n_columns == 0)
        return;
    const Sums point = points[curve.first_point + i];
    const long long cell =
        (long long) cell_of(time[curve.first_point + i], binning.cell_width);
    const Segment segment =
        segment_of(segments + binning.first_segment, binning.n_segments, column_of(cell));
    for (long long s = 0; s < S; ++s) {
        const long long column = column_of(cell - s) - segment.shift;
        add_atomically(
            tables + S * binning.first_column + s * binning.n_columns + column, point);
    }
}

// Block (x, y) is the points x * blockDim.x ... of binning y.
extern "C" __global__ void fill_tables(
    const double *time,                         // IN  days since the first point of its light curve
    const Sums *points,                         // IN
    const Curve *curves,                        // IN
    const Binning *binnings,                    // IN
    const Segment *segments,                    // IN
    Sums *tables)                               // IN  zeros; OUT sums over S cells from s + S m on
{
    PHASE(add_point_to_tables(time, points, curves, binnings[blockIdx.y], segments, tables));
}

// ---------------------------------------------------------------- the fold

struct Fold {
    double cells_per_period;
    long long starts;                           // boxes begin in these bins
    long long longest;                          // bins of the longest box shorter than the period
    long long n_bins;                           // starts, and the overhang of the longest box
};

static __device__ Fold plan_fold(double cells_per_period, long long longest_width)
{
    Fold fold;
    fold.cells_per_period = cells_per_period;
    fold.longest = (long long) cells_per_period / S;
    fold.starts = fold.longest + ((double) (fold.longest * S) < cells_per_period);
    fold.n_bins = fold.starts + min(longest_width, fold.longest);
    return fold;
}

static __device__ inline long long cycle_start(long long cycle, double cells_per_period)
{
    return (long long) floor((double) cycle * cells_per_period + 0.5);
}

// The first cycle whose row reaches into a segment. Cycle -1 holds no cell of its own; its overhang
// holds the first boxes.
static __device__ long long first_cycle(const Segment &segment, const Fold &fold)
{
    const double begin = (double) ((segment.begin - fold.n_bins - 1) * S);
    return max((long long) floor(begin / fold.cells_per_period), -1LL);
}

// What the cycles add up to in one bin.
static __device__ Sums folded_bin(
    long long bin, const Segment *segments, const Binning &binning, const Sums *table,
    const Fold &fold)
{
    Sums sum = {0, 0};
    for (long long j = 0; j < binning.n_segments; ++j) {
        const Segment segment = segments[binning.first_segment + j];
        for (long long cycle = first_cycle(segment, fold);; ++cycle) {
            const long long start = cycle_start(cycle, fold.cells_per_period);
            const long long row = column_of(start);
            if (row >= segment.end)
                break;
            const long long column = row + bin;
            if (column < segment.begin || column >= segment.end)
                continue;
            const Sums entry =
                table[(start - S * row) * binning.n_columns + column - segment.shift];
            sum.weight += entry.weight;
            sum.signal += entry.signal;
        }
    }
    return sum;
}

// folded[b + 1] is bin b, so that prefix sums can take its place.
static __device__ void fold_rows(
    const Segment *segments, const Binning &binning, const Sums *tables, const Fold &fold,
    Sums *folded)
{
    const Sums *table = tables + S * binning.first_column;
    for (long long bin = threadIdx.x; bin < fold.n_bins; bin += blockDim.x)
        folded[bin + 1] = folded_bin(bin, segments, binning, table, fold);
    if (threadIdx.x == 0)
        folded[0] = {0, 0};
}

static __device__ void clear_bins(const Fold &fold, Sums *folded)
{
    for (long long bin = threadIdx.x; bin <= fold.n_bins; bin += blockDim.x)
        folded[bin] = {0, 0};
}

static __device__ void fold_points(
    const double *time, const Sums *points, const Curve &curve, double cell_width,
    const Fold &fold, Sums *folded)
{
    for (long long i = threadIdx.x; i < curve.n_points; i += blockDim.x) {
        const double cell = cell_of(time[curve.first_point + i], cell_width);
        const Sums point = points[curve.first_point + i];
        long long cycle = (long long) floor((cell + 0.5) / fold.cells_per_period);
        // The division may be off by one cycle at a boundary.
        if ((double) cycle_start(cycle, fold.cells_per_period) > cell)
            --cycle;
        else if ((double) cycle_start(cycle + 1, fold.cells_per_period) <= cell)
            ++cycle;
        // A point may lie in the overhang of the cycle before its own.
        for (int back = 0; back < 2; ++back) {
            const long long start = cycle_start(cycle - back, fold.cells_per_period);
            const long long bin = ((long long) cell - start) / S;
            if (bin < fold.n_bins)
                add_atomically(folded + bin + 1, point);
        }
    }
}

// ---------------------------------------------------------------- prefix sums

// Threads have runs of this many entries, an odd number of them; see design note 6.
static __device__ inline long long run_length(long long n_entries)
{
    return (n_entries + blockDim.x - 1) / blockDim.x | 1;
}

static __device__ void sum_run(const Sums *folded, long long n_entries, Sums *run_sums)
{
    const long long first = threadIdx.x * run_length(n_entries);
    const long long stop = min(first + run_length(n_entries), n_entries);
    Sums sum = {0, 0};
    for (long long i = first; i < stop; ++i) {
        sum.weight += folded[i].weight;
        sum.signal += folded[i].signal;
    }
    run_sums[threadIdx.x] = sum;
}

// Brent & Kung's scan, in place: up the tree, and down again.
static __device__ void add_to_parent(Sums *run_sums, unsigned distance)
{
    const unsigned i = (threadIdx.x + 1) * 2 * distance - 1;
    if (i < blockDim.x) {
        run_sums[i].weight += run_sums[i - distance].weight;
        run_sums[i].signal += run_sums[i - distance].signal;
    }
}

static __device__ void add_to_neighbour(Sums *run_sums, unsigned distance)
{
    const unsigned i = (threadIdx.x + 1) * 2 * distance - 1;
    if (i + distance < blockDim.x) {
        run_sums[i + distance].weight += run_sums[i].weight;
        run_sums[i + distance].signal += run_sums[i].signal;
    }
}

static __device__ void accumulate_run(Sums *folded, long long n_entries, const Sums *run_sums)
{
    const long long first = threadIdx.x * run_length(n_entries);
    const long long stop = min(first + run_length(n_entries), n_entries);
    Sums sum = {0, 0};
    if (threadIdx.x > 0)
        sum = run_sums[threadIdx.x - 1];
    for (long long i = first; i < stop; ++i) {
        sum.weight += folded[i].weight;
        sum.signal += folded[i].signal;
        folded[i] = sum;
    }
}

// ---------------------------------------------------------------- boxes

struct Best {
    double score;                               // signal^2 / (weight in * weight out); 0: none
    int duration, start;
};

struct Box {
    double weight_in, weight_out, signal_in;
};

static __device__ inline Box box_of(
    const Sums *cumulative, long long start, long long width, const Scale &scale)
{
    const Sums low = cumulative[start], high = cumulative[start + width];
    const Fixed weight = high.weight - low.weight;
    Box box;
    box.weight_in = (double) weight * scale.weight_unit;
    box.weight_out = (double) (long long) (scale.total_weight - weight) * scale.weight_unit;
    box.signal_in = (double) (long long) (high.signal - low.signal) * scale.signal_unit;
    return box;
}

// (5) but for the total weight; 0 for a brightening or where one side is empty.
static __device__ inline double score_of(const Box &box, double least_weight)
{
    const bool usable = box.signal_in < 0.0 && box.weight_in > least_weight
                        && box.weight_out > least_weight;
    return usable ? box.signal_in * box.signal_in / (box.weight_in * box.weight_out) : 0.0;
}

static __device__ inline bool is_better(const Best &one, const Best &other)
{
    if (one.score != other.score)
        return one.score > other.score;
    if (one.duration != other.duration)
        return one.duration < other.duration;
    return one.start < other.start;
}

static __device__ void find_best(
    const Sums *cumulative, const long long *width, int n_durations, const Fold &fold,
    const Scale &scale, Best *best)
{
    const double total = (double) scale.total_weight * scale.weight_unit;
    Best mine = {0.0, n_durations, 0};
    for (int j = 0; j < n_durations; ++j) {
        const long long n = min(width[j], fold.longest);
        for (long long b = threadIdx.x; b < fold.starts; b += blockDim.x) {
            const Box box = box_of(cumulative, b, n, scale);
            const double score = score_of(box, MIN_WEIGHT_FRACTION * total);
            if (score > mine.score)
                mine = {score, j, (int) b};
        }
    }
    best[threadIdx.x] = mine;
}

static __device__ void keep_better(Best *best, unsigned distance)
{
    if (threadIdx.x < distance && is_better(best[threadIdx.x + distance], best[threadIdx.x]))
        best[threadIdx.x] = best[threadIdx.x + distance];
}

static __device__ void write_best(
    const Best &best, const Sums *cumulative, const double *duration, const long long *width,
    const Fold &fold, const Scale &scale, double cell_width, double period,
    double *delta_chi2, double *depth,
    double *depth_err, double *t0, double *found_duration, double *level)
{
    if (threadIdx.x != 0)
        return;
    if (best.score == 0.0) {
        *delta_chi2 = 0.0;
        *depth = *depth_err = *t0 = *found_duration = *level = not_a_number();
        return;
    }
    const long long n = min(width[best.duration], fold.longest);
    const Box box = box_of(cumulative, best.start, n, scale);
    const double middle = (((double) best.start + 0.5 * (double) n) * S - OFFSET) * cell_width;
    *delta_chi2 = best.score * ((double) scale.total_weight * scale.weight_unit);
    *depth = -box.signal_in / box.weight_in - box.signal_in / box.weight_out;   // (3)
    *depth_err = sqrt(1.0 / box.weight_in + 1.0 / box.weight_out);              // (4)
    *t0 = middle - period * floor(middle / period);
    *found_duration = duration[best.duration];
    *level = scale.mean - box.signal_in / box.weight_out;                       // (2)
}

static __device__ Piece piece_of(const Piece *pieces, long long n_pieces, long long item)
{
    long long low = 0, high = n_pieces - 1;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (item < pieces[middle].stop_item)
            high = middle;
        else
            low = middle + 1;
    }
    return pieces[low];
}

// A block of threads, a power of two, is one period of one binning: item first_item + blockIdx.x.
// Two of the largest blocks on a multiprocessor at a time, so that one computes while the other waits
// at a barrier: that leaves 64 registers.
extern "C" __global__ void __launch_bounds__(512, 2) search_boxes(
    const double *time,                         // IN
    const Sums *points,                         // IN
    const Curve *curves,                        // IN
    const Scale *scales,                        // IN
    const Binning *binnings,                    // IN
    const Segment *segments,                    // IN
    const Sums *tables,                         // IN
    const double *period,                       // IN  all periods of all grids
    const long long *n_durations,               // IN  that each of them tries
    const double *durations,                    // IN  of all binnings, ascending in each
    const long long *widths,                    // IN  their numbers of bins
    const long long *order,                     // IN  indices of periods, by binning and size
    const Piece *pieces,                        // IN
    long long n_pieces,                         // IN
    long long first_item,                       // IN
    Sums *scratch,                              // OUT room for folds that shared memory cannot hold
    long long scratch_bins,                     // IN  entries of each; 0: shared memory holds them
    long long n_results,                        // IN
    double *results)                            // OUT six rows of n_results numbers; see write_best
{
    SHARED(Sums, run_sums);
    Best *const best = (Best *) run_sums;
    Sums *const folded =
        scratch_bins ? scratch + blockIdx.x * scratch_bins : run_sums + blockDim.x;

    const long long item = first_item + blockIdx.x;
    const Piece piece = piece_of(pieces, n_pieces, item);
    const long long p = order[item + piece.order_shift];
    const Binning binning = binnings[piece.binning];
    const Curve curve = curves[binning.curve];
    const Scale scale = scales[binning.curve];
    const double *const duration = durations + binning.first_duration;
    const long long *const width = widths + binning.first_duration;
    const int n_tried = (int) n_durations[p];
    const Fold fold = plan_fold(period[p] / binning.cell_width, width[n_tried - 1]);
    const long long n_entries = fold.n_bins + 1;

    if (binning.n_columns > 0) {
        PHASE(fold_rows(segments, binning, tables, fold, folded));
    } else {
        PHASE(clear_bins(fold, folded));
        BARRIER();
        PHASE(fold_points(time, points, curve, binning.cell_width, fold, folded));
    }
    BARRIER();
    PHASE(sum_run(folded, n_entries, run_sums));
    BARRIER();
    for (unsigned distance = 1; distance < blockDim.x; distance *= 2) {
        PHASE(add_to_parent(run_sums, distance));
        BARRIER();
    }
    for (unsigned distance = blockDim.x / 4; distance > 0; distance /= 2) {
        PHASE(add_to_neighbour(run_sums, distance));
        BARRIER();
    }
    PHASE(accumulate_run(folded, n_entries, run_sums));
    BARRIER();
    PHASE(find_best(folded, width, n_tried, fold, scale, best));
    BARRIER();
    for (unsigned distance = blockDim.x / 2; distance > 0; distance /= 2) {
        PHASE(keep_better(best, distance));
        BARRIER();
    }
    double *const result = results + p + binning.result_shift;
    PHASE(write_best(best[0], folded, duration, width, fold, scale, binning.cell_width, period[p],
                     result, result + n_results, result + 2 * n_results, result + 3 * n_results,
                     result + 4 * n_results, result + 5 * n_results));
}
