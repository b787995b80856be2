// Scores of smooth transit templates, their gradients, and what each point contributes.
//
// What is computed
//   The definition is that of armillary.search.template.reference; equation numbers are those of
//   its docstring.
//
// Design
//   1. sum_templates: a block of threads is a candidate. Its template differs from 0 only near
//      transits, and farther than |u| = SATURATION it is 0 or 1 to the last bit of a sum. Each
//      row of threads (threadIdx.y) takes a transit, finds its first point by bisection, and its
//      threads take the points from there on side by side.
//   2. Where edges are so soft that they reach half a period, or transits are more than points,
//      each thread takes points instead, and finds the nearest transit of each (1).
//   3. Each thread keeps its sums in registers and writes them once; a tree adds them in a fixed
//      order, so that results do not depend on which thread is first.
//   4. contribute: all points of a candidate have a contribution, those out of transit as well. A
//      thread is a point; nothing is summed.
//
// Cost of a candidate: the points within (1/2 + SATURATION / sharpness) durations of a transit, two
// exponentials each, and a bisection for each transit; n points more for the contributions.
//
// Source: the weighted least squares of two levels; Sundararajan, Taly & Yan (2017), PMLR 70, 3319,
// for the contributions.

constexpr double SATURATION = 37.0;            // exp(-37) is half a bit of 1
constexpr double MIN_WEIGHT_FRACTION = 1e-9;   // of the reference

enum {
    SIGNAL, WEIGHT, SQUARE,                    // S, B and sum(w T^2) of (5)
    N_PLAIN,
    SIGNAL_RATE = N_PLAIN,                     // S' of (12), by period, t0 and duration
    SQUARE_RATE = SIGNAL_RATE + 3,             // sum(w T T')
    WEIGHT_RATE = SQUARE_RATE + 3,             // sum(w T')
    N_SUMS = WEIGHT_RATE + 3
};

struct Candidate {
    double period, t0, duration, sharpness;
};

static __device__ inline double cycle_of(double time, const Candidate &candidate)
{
    return floor((time - candidate.t0) / candidate.period + 0.5);               // (1)
}

static __device__ inline double exponent_of(double offset, const Candidate &candidate)
{
    return candidate.sharpness / candidate.duration
           * (0.5 * candidate.duration - fabs(offset));                         // (3)
}

static __device__ inline double sigmoid(double exponent) { return 1.0 / (1.0 + exp(-exponent)); }

static __device__ inline double sign_of(double x) { return (double) ((x > 0.0) - (x < 0.0)); }

// ---------------------------------------------------------------- scores

// The first point that is not before this time.
static __device__ long long first_from(const double *time, long long n, double from)
{
    long long low = 0, high = n;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (time[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static __device__ inline void add_point(
    double offset, double cycle, double weight, double residual, const Candidate &candidate,
    bool gradient, double *sums)
{
    const double exponent = exponent_of(offset, candidate);
    const double in_transit = sigmoid(exponent);                                // (4)
    sums[SIGNAL] += weight * in_transit * residual;
    sums[WEIGHT] += weight * in_transit;
    sums[SQUARE] += weight * in_transit * in_transit;
    if (!gradient)
        return;
    const double slope = in_transit * sigmoid(-exponent);                       // (10)
    const double by_t0 = candidate.sharpness / candidate.duration * sign_of(offset);
    const double by_duration =
        candidate.sharpness * fabs(offset) / (candidate.duration * candidate.duration);
    const double rates[3] = {slope * by_t0 * cycle, slope * by_t0, slope * by_duration};  // (11)
    for (int j = 0; j < 3; ++j) {
        sums[SIGNAL_RATE + j] += weight * residual * rates[j];
        sums[SQUARE_RATE + j] += weight * in_transit * rates[j];
        sums[WEIGHT_RATE + j] += weight * rates[j];
    }
}

static __device__ inline unsigned thread_number() { return threadIdx.y * blockDim.x + threadIdx.x; }

static __device__ inline unsigned number_of_threads() { return blockDim.x * blockDim.y; }

static __device__ void sum_near_transits(
    const double *time, const double *weight, const double *residual, long long n, double reach,
    const Candidate &candidate, bool gradient, double *sums)
{
    const double last = cycle_of(time[n - 1], candidate);
    for (double cycle = cycle_of(time[0], candidate) + threadIdx.y; cycle <= last;
         cycle += blockDim.y) {
        const double middle = candidate.t0 + cycle * candidate.period;
        const long long first = first_from(time, n, middle - reach);
        for (long long i = first + threadIdx.x; i < n && time[i] <= middle + reach;
             i += blockDim.x) {
            const double offset = (time[i] - candidate.t0) - cycle * candidate.period;   // (2)
            add_point(offset, cycle, weight[i], residual[i], candidate, gradient, sums);
        }
    }
}

static __device__ void sum_everywhere(
    const double *time, const double *weight, const double *residual, long long n,
    const Candidate &candidate, bool gradient, double *sums)
{
    for (long long i = thread_number(); i < n; i += number_of_threads()) {
        const double cycle = cycle_of(time[i], candidate);
        const double offset = (time[i] - candidate.t0) - cycle * candidate.period;       // (2)
        add_point(offset, cycle, weight[i], residual[i], candidate, gradient, sums);
    }
}

// partial holds the first sum of all threads, then the second, ...
static __device__ void sum_points(
    const double *time, const double *weight, const double *residual, long long n,
    const Candidate &candidate, bool gradient, double *partial)
{
    double sums[N_SUMS] = {0.0};
    const double reach = candidate.duration * (0.5 + SATURATION / candidate.sharpness);
    const double transits = (time[n - 1] - time[0]) / candidate.period;
    if (reach < 0.5 * candidate.period && transits < (double) n)
        sum_near_transits(time, weight, residual, n, reach, candidate, gradient, sums);
    else
        sum_everywhere(time, weight, residual, n, candidate, gradient, sums);
    // To a fixed number of them: indices known to the compiler keep the sums in registers.
    for (int j = 0; j < N_SUMS; ++j)
        if (gradient || j < N_PLAIN)
            partial[j * number_of_threads() + thread_number()] = sums[j];
}

static __device__ void add_sums(double *partial, int n_sums, unsigned distance)
{
    const unsigned thread = thread_number();
    if (thread >= distance)
        return;
    for (int j = 0; j < n_sums; ++j)
        partial[j * number_of_threads() + thread] +=
            partial[j * number_of_threads() + thread + distance];
}

static __device__ void write_score(
    const double *partial, double total, double mean, double *score, double *depth,
    double *depth_err, double *level, double *fraction, double *gradient)
{
    if (thread_number() != 0)
        return;
    const unsigned n = number_of_threads();
    const double signal = partial[SIGNAL * n];
    const double part = partial[WEIGHT * n] / total;
    const double norm = partial[SQUARE * n] - partial[WEIGHT * n] * part;       // (5)
    const bool known = norm > MIN_WEIGHT_FRACTION * total;
    const double root = known ? sqrt(norm) : not_a_number();
    *score = -signal / root;                                                    // (8)
    *depth = -signal / (root * root);                                           // (6)
    *depth_err = 1.0 / root;                                                    // (7)
    *fraction = part;
    *level = mean + *depth * part;                                              // (9)
    for (int j = 0; gradient && j < 3; ++j) {
        const double norm_rate = 2.0 * (partial[(SQUARE_RATE + j) * n]
                                        - part * partial[(WEIGHT_RATE + j) * n]);   // (13)
        gradient[j] = -partial[(SIGNAL_RATE + j) * n] / root
                      + signal * norm_rate / (2.0 * norm * root);               // (14)
    }
}

// A block of threads, a power of two in all, is a candidate.
extern "C" __global__ void sum_templates(
    const double *time,                        // IN  ascending
    const double *weight,                      // IN  1 / error^2
    const double *residual,                    // IN  flux - mean
    long long n,                               // IN
    const double *total_and_mean,              // IN  sum of the weights, weighted mean flux
    const double *period,                      // IN
    const double *t0,                          // IN
    const double *duration,                    // IN
    double sharpness,                          // IN
    bool wants_gradient,                       // IN
    double *fits,                              // OUT (5, candidates); see write_score
    double *gradients)                         // OUT (candidates, 3), if it is wanted
{
    SHARED(double, partial);
    const long long m = gridDim.x, j = blockIdx.x;
    const Candidate candidate = {period[j], t0[j], duration[j], sharpness};

    PHASE(sum_points(time, weight, residual, n, candidate, wants_gradient, partial));
    BARRIER();
    for (unsigned distance = blockDim.x * blockDim.y / 2; distance > 0; distance /= 2) {
        PHASE(add_sums(partial, wants_gradient ? N_SUMS : N_PLAIN, distance));
        BARRIER();
    }
    PHASE(write_score(partial, total_and_mean[0], total_and_mean[1], fits + j, fits + m + j,
                      fits + 2 * m + j, fits + 3 * m + j, fits + 4 * m + j,
                      wants_gradient ? gradients + 3 * j : nullptr));
}

// ---------------------------------------------------------------- contributions

static __device__ void write_contributions(
    const double *time, const double *weight, const double *residual, long long n,
    const Candidate &candidate, double depth, double depth_err, double fraction,
    double *contribution)
{
    const long long step = (long long) gridDim.y * blockDim.x;
    for (long long i = (long long) blockIdx.y * blockDim.x + threadIdx.x; i < n; i += step) {
        const double cycle = cycle_of(time[i], candidate);
        const double offset = (time[i] - candidate.t0) - cycle * candidate.period;
        const double in_transit = sigmoid(exponent_of(offset, candidate));
        const double by_flux = -weight[i] * (in_transit - fraction) * depth_err;
        contribution[i] = by_flux * (residual[i] - depth * fraction);           // (15)
    }
}

// Block (x, y) is some points of candidate x.
extern "C" __global__ void contribute(
    const double *time,                        // IN
    const double *weight,                      // IN
    const double *residual,                    // IN
    long long n,                               // IN
    const double *period,                      // IN
    const double *t0,                          // IN
    const double *duration,                    // IN
    double sharpness,                          // IN
    const double *fits,                        // IN  as sum_templates wrote them
    double *contributions)                     // OUT (candidates, n)
{
    const long long m = gridDim.x, j = blockIdx.x;
    const Candidate candidate = {period[j], t0[j], duration[j], sharpness};
    PHASE(write_contributions(time, weight, residual, n, candidate, fits[m + j], fits[2 * m + j],
                              fits[4 * m + j], contributions + j * n));
}
