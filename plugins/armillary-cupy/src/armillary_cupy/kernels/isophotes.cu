// Isophotes along given ellipses: fit.forced_isophotes.
//
// Algorithm: that of armillary.fit.isophote.reference, where it is derived. Source: Jedrzejewski
// (1987), MNRAS 226, 747; Busko (1996), ASPC 101, 139; errors as armillary derives them there.
//
// A ring is what is sampled along an ellipse: the ellipse itself, and the two larger ones of its
// gradient. Each ring, or row of the result, is the work of one block of threads:
//
//     lay_out              the angles of the samples. IRAF's walk takes each step from where the
//                          last one led, so a ring is walked by one thread, many side by side
//     draw                 values between four pixels
//     average_sectors      or means and medians over sectors of the ring, a block for each sector
//     summarize            clipped; number, mean and scatter
//     correlated_errors    sums of products of harmonics, and systems of a few equations
//     independent_errors   the same as photutils has it
//     add_inside           sums of the pixels in the ellipse, and in the circle around it
//
// Medians are selected by rank, four bits of the values at a time, so that no pixel is moved and
// none is kept. Every sum has an order of its own: a row does not depend on the other rows, nor on
// how many there are.
//
// Cost, with T threads to a block: a ring of n samples is n steps of its walk, one after the other,
// and n / T interpolations. Errors are n w (w + reach) / T products for w harmonic functions, where
// so many samples on either side share pixels (two, but for flat or tiny ellipses). A sector is the
// pixels of the box around it, once, or 33 times for a median; a circle is those of its square,
// once. Memory: six numbers for each sample, and 2 w more for those of the ellipse itself.

constexpr double PI = 3.14159265358979323846;

// How an ellipse is sampled, as reference/ring.py and sector.py have it.
constexpr double LAST_ANGLE = 2.0 * PI + 0.05;       // radians; IRAF goes a little too far
constexpr double LARGEST_STEP = 0.5;                 // radians
constexpr double GRADIENT_STEP = 0.1;                // of the semi-major axis
constexpr double FEWEST_STEPS = 32.0;                // of the eccentric anomaly
constexpr double SECTOR_WIDTH = 3.0;                 // pixels, at most
constexpr double NARROWEST = 0.05;                   // radians
constexpr double WIDEST = 0.2;
constexpr int MOST_SECTORS = 128;                    // of a ring, each NARROWEST
constexpr int FEWEST_PIXELS = 7;                     // of which a sector is averaged
constexpr double BILINEAR_AREA = 2.0;                // pixels of a sample, in IRAF's count
constexpr double BILINEAR_VARIANCE = 4.0 / 9.0;      // of a sample over that of a pixel
constexpr double MEDIAN_VARIANCE = 0.5 * PI;         // of a median over n pixels times n, over that

// How errors are found, as reference/errors.py and harmonics.py have it.
constexpr int FIRST_FIVE = 5;                        // functions of the first two harmonics
constexpr int MOST_HARMONICS = 29;                   // functions of twelve orders more
constexpr int CURVATURES = 6;                        // functions of what interpolation leaves
constexpr int FEWEST_FOR_CURVATURE = 24;             // samples, to tell it from noise
constexpr int FEWEST_SAMPLES = 6;
constexpr double COVERAGE = 0.7;                     // part of an ellipse that tells of harmonics
constexpr double SINGULAR = 1e-12;                   // a pivot so far below its diagonal is zero

constexpr int DIGIT_BITS = 4;                        // of a value, for a step of a selection
constexpr int DIGITS = 1 << DIGIT_BITS;

enum Integrator { BILINEAR, MEAN, MEDIAN };

// Arrays of samples, one after the other.
enum SampleArray { ANGLE, X, Y, VALUE, WEIGHT, SHARE, SAMPLE_ARRAYS };

// What is known of a ring, in doubles.
enum RingSummary {
    N_TOTAL, SECTOR_AREA, INTERPOLATED, N_DATA, SUM_WEIGHT, RING_MEAN, RING_STDDEV, SQUARED_ERROR,
    N_SUMMARY
};

// What is in an ellipse and in the circle around it.
enum Inside { FLUX_ELLIPSE, FLUX_CIRCLE, PIXELS_ELLIPSE, PIXELS_CIRCLE, N_INSIDE };

struct Ellipse {
    double x0, y0, sma, ellipticity, position_angle;
};

struct Image {
    const double *pixels;                // (ny, nx), NaN where unusable
    const double *variances;             // the same, of usable pixels alone, or NULL
    long long ny, nx;
};

// The samples of a ring. Those that are not used have a weight of 0.
struct Ring {
    Ellipse ellipse;
    double *angle;                       // that harmonics are of
    double *x, *y;                       // pixels
    double *value;
    double *weight;
    double *share;                       // variance of a sample over that of a pixel
    double *summary;
    long long n;
};

static __device__ Ellipse ellipse_of(const double *ellipses, long long row)
{
    const double *e = ellipses + 5 * row;
    return {e[0], e[1], e[2], e[3], e[4]};
}

static __device__ Image image_of(
    const double *pixels, const double *variances, long long weighted, long long ny, long long nx)
{
    return {pixels, weighted ? variances : nullptr, ny, nx};
}

static __device__ Ring ring_of(
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, long long number)
{
    double *place = samples + first[number];
    double *summary = summaries + N_SUMMARY * number;
    return {
        ellipse_of(ellipses, number),
        place + ANGLE * n_samples,
        place + X * n_samples,
        place + Y * n_samples,
        place + VALUE * n_samples,
        place + WEIGHT * n_samples,
        place + SHARE * n_samples,
        summary,
        (long long) summary[N_TOTAL],
    };
}

static __device__ bool is_finite(double value) { return value - value == 0.0; }

// ------------------------------------------------------------------ sums over a block

// Each thread has one term of so many sums, each sum has the terms of all threads in a row. The
// number of threads is a power of two; a sum is where its first term was.
static __device__ void add_halves(double *terms, int n_sums, unsigned half)
{
    const unsigned i = threadIdx.x;
    if (i < half)
        for (int k = 0; k < n_sums; k++)
            terms[k * blockDim.x + i] += terms[k * blockDim.x + i + half];
}

static __device__ void add_up(double *terms, int n_sums)
{
    BARRIER();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        PHASE(add_halves(terms, n_sums, half));
        BARRIER();
    }
}

// ------------------------------------------------------------------ where samples lie

// First angle of a sector of a ring so many pixels wide.
static __device__ double sector_angle(double sma, double width)
{
    return fmax(NARROWEST, fmin(fmin(width, SECTOR_WIDTH) / sma, WIDEST));
}

static __device__ double radius_of(double sma, double q, double angle)
{
    const double sine = sin(angle), cosine = q * cos(angle);
    return sma * q / sqrt(cosine * cosine + sine * sine);
}

static __device__ double anomaly_of(double q, double angle)
{
    return atan2(sin(angle), q * cos(angle));
}

// Eccentric anomaly between two polar angles less than half a turn apart.
static __device__ double swept(double q, double begin, double end)
{
    const double turned = anomaly_of(q, end) - anomaly_of(q, begin);
    return turned >= 0.0 ? turned : turned + 2.0 * PI;
}

// Steps of one pixel at right angles to the radius.
static __device__ long long walk(const Ellipse &e, double *angle)
{
    const double q = 1.0 - e.ellipticity, minor = e.sma * q;
    long long n = 0;
    double at = 0.5 * sector_angle(e.sma, GRADIENT_STEP * e.sma);
    while (at <= LAST_ANGLE) {
        const double sine = sin(at);
        angle[n++] = at;
        at += fmin(sqrt(q * q + (1.0 - q * q) * sine * sine) / minor, LARGEST_STEP);
    }
    return n;
}

// Equal steps of the eccentric anomaly.
static __device__ long long spread(const Ellipse &e, double *angle)
{
    const long long n = (long long) fmax(FEWEST_STEPS, ceil(2.0 * PI * e.sma));
    for (long long i = 0; i < n; i++)
        angle[i] = 2.0 * PI * i / n;
    return n;
}

// Directions and openings of sectors of about equal area; 0 if they are smaller than a pixel.
static __device__ long long cut(
    const Ellipse &e, double width, double *angle, double *opening, double *mean_area)
{
    const double q = 1.0 - e.ellipticity;
    const double inner = e.sma - 0.5 * width, outer = e.sma + 0.5 * width;
    double turn = sector_angle(e.sma, width), at = 0.5 * turn, total = 0.0;
    long long n = 0;
    if (!(inner > 0.0))
        return 0;
    while (at <= LAST_ANGLE) {
        const double end = at + 0.5 * turn, low = radius_of(inner, q, end);
        const double area =
            0.5 * q * swept(q, at - 0.5 * turn, end) * (outer * outer - inner * inner);
        if (n == 0 && area < 1.0)
            return 0;
        total += area;
        angle[n] = at;
        opening[n++] = turn;
        turn = width * fmin(width, SECTOR_WIDTH) / ((radius_of(outer, q, end) - low) * low);
        turn = fmax(NARROWEST, fmin(turn, WIDEST));
        at += fmin(0.5 * turn + end - at, LARGEST_STEP);
    }
    *mean_area = total / n;
    return n;
}

static __device__ void lay_out_ring(
    const Ring &ring, bool is_there, int integrator, bool eccentric_anomaly, double width,
    double *opening)
{
    double area = BILINEAR_AREA;
    long long n = 0, n_sectors = 0;
    if (is_there && ring.ellipse.sma == 0.0) {
        ring.angle[0] = 0.0;
        n = 1;
    } else if (is_there) {
        if (integrator != BILINEAR)
            n = n_sectors = cut(ring.ellipse, width, ring.angle, opening, &area);
        if (!n_sectors)
            n = eccentric_anomaly ? spread(ring.ellipse, ring.angle)
                                  : walk(ring.ellipse, ring.angle);
    }
    ring.summary[N_TOTAL] = n;
    ring.summary[SECTOR_AREA] = area;
    ring.summary[INTERPOLATED] = !n_sectors;
}

static __device__ void lay_out_own(
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, long long n_rings, long long integrator, long long eccentric_anomaly,
    double step, long long linear, double *opening)
{
    const long long i = (long long) blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_rings)
        return;
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, i);
    const double width = linear ? step : step * ring.ellipse.sma;
    lay_out_ring(
        ring, first[i + 1] > first[i], integrator, eccentric_anomaly, width,
        opening + MOST_SECTORS * i);
}

extern "C" __global__ void lay_out(
    const double *ellipses,              // (n_rings, 5)
    const long long *first,              // (n_rings + 1,) of the samples of each; the image may be
                                         // inside a ring, which then has none
    double *samples,                     // OUT (SAMPLE_ARRAYS, n_samples)
    long long n_samples,
    double *summaries,                   // OUT (n_rings, N_SUMMARY)
    long long n_rings,
    long long integrator,
    long long eccentric_anomaly,         // what harmonics are of, instead of the polar angle
    double step,                         // width of a sector, relative or in pixels
    long long linear,
    double *opening)                     // OUT (n_rings, MOST_SECTORS), of sectors
{
    PHASE(lay_out_own(
        ellipses, first, samples, n_samples, summaries, n_rings, integrator, eccentric_anomaly,
        step, linear, opening));
}

// ------------------------------------------------------------------ values between pixels

// NaN outside, and where one of the four pixels is.
static __device__ double between(const double *pixels, const Image &image, double x, double y)
{
    if (!(x >= 0.0 && x < image.nx - 1 && y >= 0.0 && y < image.ny - 1))
        return not_a_number();
    const long long i = (long long) x, j = (long long) y;
    const double fx = x - i, fy = y - j;
    const double *p = pixels + j * image.nx + i;
    return (1.0 - fy) * ((1.0 - fx) * p[0] + fx * p[1])
        + fy * ((1.0 - fx) * p[image.nx] + fx * p[image.nx + 1]);
}

// Note a sample; one without a value, or a weight, does not count.
static __device__ void note(
    const Ring &ring, long long i, double value, double weight, double share)
{
    const bool used = is_finite(value) && weight > 0.0 && is_finite(weight);
    ring.value[i] = used ? value : 0.0;
    ring.weight[i] = used ? weight : 0.0;
    ring.share[i] = share;
}

static __device__ void interpolate(const Image &image, const Ring &ring, long long i)
{
    const double x = ring.x[i], y = ring.y[i];
    const double variance = image.variances ? between(image.variances, image, x, y) : 1.0;
    note(ring, i, between(image.pixels, image, x, y), 1.0 / variance, BILINEAR_VARIANCE);
}

// Where a sample is, from its place in the frame of the ellipse.
static __device__ void put(const Ring &ring, long long i, double along, double across)
{
    const Ellipse &e = ring.ellipse;
    const double cosine = cos(e.position_angle), sine = sin(e.position_angle);
    ring.x[i] = e.x0 + along * cosine - across * sine;
    ring.y[i] = e.y0 + along * sine + across * cosine;
}

static __device__ void draw_ring(const Image &image, const Ring &ring, bool eccentric_anomaly)
{
    const double sma = ring.ellipse.sma, q = 1.0 - ring.ellipse.ellipticity;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x) {
        const double sine = sin(ring.angle[i]), cosine = cos(ring.angle[i]);
        const double radius =
            eccentric_anomaly ? sma : sma * q / sqrt(q * q * cosine * cosine + sine * sine);
        put(ring, i, radius * cosine, (eccentric_anomaly ? q : 1.0) * radius * sine);
        interpolate(image, ring, i);
    }
}

extern "C" __global__ void draw(
    const double *pixels, const double *variances, long long weighted, long long ny, long long nx,
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, long long eccentric_anomaly)
{
    const Image image = image_of(pixels, variances, weighted, ny, nx);
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, blockIdx.x);
    if (!ring.summary[INTERPOLATED])
        return;
    PHASE(draw_ring(image, ring, eccentric_anomaly));
}

// ------------------------------------------------------------------ means and medians of sectors

// What two ellipses and two directions cut out, and what its threads have in common.
struct Sector {
    Ellipse ellipse;
    double cosine, sine;                 // of the position angle
    double begin_cosine, begin_sine;     // of the directions, from the major axis
    double end_cosine, end_sine;
    double least, most;                  // squared semi-major axes
    long long left, bottom;              // of the box around it
    unsigned width, n_box;               // its columns and pixels; none if not all on the image
    unsigned long long key;              // of the pixel of the rank that is looked for,
    unsigned long long known;            // as far as its bits are known
    long long rank;                      // among the pixels that have these bits
    double selected[2];                  // values of the middle ranks
};
static_assert(sizeof(Sector) == 168, "isophotes.py reserves as much");

static __device__ void open_sector(
    Sector *sector, const Image &image, const Ring &ring, double angle, double opening,
    double width)
{
    if (threadIdx.x != 0)
        return;
    const Ellipse e = ring.ellipse;
    const double q = 1.0 - e.ellipticity;
    const double inner = e.sma - 0.5 * width, outer = e.sma + 0.5 * width;
    Sector s;
    double left = e.x0 + outer, right = e.x0 - outer, bottom = e.y0 + outer, top = e.y0 - outer;
    s.ellipse = e;
    s.cosine = cos(e.position_angle), s.sine = sin(e.position_angle);
    s.begin_cosine = cos(angle - 0.5 * opening), s.begin_sine = sin(angle - 0.5 * opening);
    s.end_cosine = cos(angle + 0.5 * opening), s.end_sine = sin(angle + 0.5 * opening);
    s.least = inner * inner, s.most = outer * outer;
    for (int corner = 0; corner < 4; corner++) {
        const double c = corner % 2 ? s.begin_cosine : s.end_cosine;
        const double d = corner % 2 ? s.begin_sine : s.end_sine;
        const double radius = (corner / 2 ? inner : outer) * q / sqrt(q * q * c * c + d * d);
        const double x = e.x0 + radius * (c * s.cosine - d * s.sine);
        const double y = e.y0 + radius * (c * s.sine + d * s.cosine);
        left = fmin(left, x), right = fmax(right, x);
        bottom = fmin(bottom, y), top = fmax(top, y);
    }
    left = floor(left), right = ceil(right), bottom = floor(bottom), top = ceil(top);
    const bool all = left >= 0.0 && bottom >= 0.0 && right < image.nx && top < image.ny;
    s.left = all ? (long long) left : 0, s.bottom = all ? (long long) bottom : 0;
    s.width = all ? (unsigned) (right - left + 1.0) : 0;
    s.n_box = all ? s.width * (unsigned) (top - bottom + 1.0) : 0;
    s.selected[0] = s.selected[1] = not_a_number();
    *sector = s;
}

// Place in the image of a pixel of the box that is in the sector and can be used; otherwise -1.
static __device__ long long pixel_in(const Sector *s, const Image &image, unsigned i)
{
    const long long column = s->left + i % s->width, row = s->bottom + i / s->width;
    const double dx = column - s->ellipse.x0, dy = row - s->ellipse.y0;
    const double along = dx * s->cosine + dy * s->sine, across = dy * s->cosine - dx * s->sine;
    const double flat = across / (1.0 - s->ellipse.ellipticity);
    const double squared = along * along + flat * flat;
    const long long place = row * image.nx + column;
    const bool in =
        squared >= s->least && squared < s->most
        // At or after the first direction, before the second, and on this side.
        && s->begin_cosine * across - s->begin_sine * along >= 0.0
        && s->end_cosine * across - s->end_sine * along < 0.0
        && s->begin_cosine * along + s->begin_sine * across > 0.0
        && is_finite(image.pixels[place])
        && (!image.variances || is_finite(image.variances[place]));
    return in ? place : -1;
}

// Of each thread: the number of its pixels, their sum, and that of their variances.
static __device__ void add_pixels(const Sector *sector, const Image &image, double *terms)
{
    double n = 0.0, total = 0.0, variance = 0.0;
    for (unsigned i = threadIdx.x; i < sector->n_box; i += blockDim.x) {
        const long long place = pixel_in(sector, image, i);
        if (place < 0)
            continue;
        n += 1.0;
        total += image.pixels[place];
        variance += image.variances ? image.variances[place] : 1.0;
    }
    terms[threadIdx.x] = n;
    terms[blockDim.x + threadIdx.x] = total;
    terms[2 * blockDim.x + threadIdx.x] = variance;
}

// Whole numbers in the order of the values.
static __device__ unsigned long long key_of(double value)
{
    const unsigned long long bits = __double_as_longlong(value), sign = 1ull << 63;
    return bits & sign ? ~bits : bits | sign;
}

static __device__ double value_of(unsigned long long key)
{
    const unsigned long long sign = 1ull << 63;
    return __longlong_as_double(key & sign ? key & ~sign : ~key);
}

static __device__ void begin_selection(Sector *sector, long long rank)
{
    if (threadIdx.x != 0)
        return;
    sector->rank = rank;
    sector->key = sector->known = 0;
}

// Of each thread: how many of its pixels, of those that begin like the key, go on with each digit.
static __device__ void count_digits(
    const Sector *sector, const Image &image, int shift, unsigned *counts)
{
    for (int digit = 0; digit < DIGITS; digit++)
        counts[digit * blockDim.x + threadIdx.x] = 0;
    for (unsigned i = threadIdx.x; i < sector->n_box; i += blockDim.x) {
        const long long place = pixel_in(sector, image, i);
        if (place < 0)
            continue;
        const unsigned long long key = key_of(image.pixels[place]);
        if ((key & sector->known) == sector->key)
            counts[(key >> shift) % DIGITS * blockDim.x + threadIdx.x] += 1;
    }
}

static __device__ void add_counts(unsigned *counts)
{
    for (unsigned digit = threadIdx.x; digit < DIGITS; digit += blockDim.x)
        for (unsigned thread = 1; thread < blockDim.x; thread++)
            counts[digit * blockDim.x] += counts[digit * blockDim.x + thread];
}

static __device__ void choose_digit(Sector *sector, int shift, const unsigned *counts)
{
    if (threadIdx.x != 0)
        return;
    unsigned long long digit = 0;
    while (sector->rank >= counts[digit * blockDim.x])
        sector->rank -= counts[digit++ * blockDim.x];
    sector->key |= digit << shift;
    sector->known |= (DIGITS - 1ull) << shift;
}

static __device__ void note_selected(Sector *sector, int which)
{
    if (threadIdx.x == 0)
        sector->selected[which] = value_of(sector->key);
}

// The value of a rank, found digit by digit.
static __device__ void select_rank(
    Sector *sector, const Image &image, unsigned *counts, long long rank, int which)
{
    PHASE(begin_selection(sector, rank));
    BARRIER();
    for (int shift = 64 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        PHASE(count_digits(sector, image, shift, counts));
        BARRIER();
        PHASE(add_counts(counts));
        BARRIER();
        PHASE(choose_digit(sector, shift, counts));
        BARRIER();
    }
    PHASE(note_selected(sector, which));
    BARRIER();
}

static __device__ void note_sector(
    const Sector *sector, const Image &image, const Ring &ring, long long i, const double *terms,
    bool median, bool eccentric_anomaly)
{
    if (threadIdx.x != 0)
        return;
    const double q = 1.0 - ring.ellipse.ellipticity, angle = ring.angle[i];
    const double radius = radius_of(ring.ellipse.sma, q, angle);
    const double n = terms[0], total = terms[blockDim.x], variance = terms[2 * blockDim.x];
    put(ring, i, radius * cos(angle), radius * sin(angle));
    if (eccentric_anomaly)
        ring.angle[i] = anomaly_of(q, angle);
    if (!sector->n_box)
        note(ring, i, not_a_number(), not_a_number(), 0.0);
    else if (n < FEWEST_PIXELS)
        interpolate(image, ring, i);
    else if (median)
        note(ring, i, 0.5 * (sector->selected[0] + sector->selected[1]), n / variance,
             MEDIAN_VARIANCE / n);
    else
        note(ring, i, total / n, n / variance, 1.0 / n);
}

extern "C" __global__ void average_sectors(
    const double *pixels, const double *variances, long long weighted, long long ny, long long nx,
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, long long integrator, long long eccentric_anomaly, double step,
    long long linear, const double *opening)
{
    SHARED(Sector, sector);
    double *terms = (double *) (sector + 1);
    unsigned *counts = (unsigned *) (terms + 3 * blockDim.x);
    const Image image = image_of(pixels, variances, weighted, ny, nx);
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, blockIdx.x);
    const long long i = blockIdx.y;
    const double width = linear ? step : step * ring.ellipse.sma;
    if (ring.summary[INTERPOLATED] || i >= ring.n)
        return;
    PHASE(open_sector(
        sector, image, ring, ring.angle[i], opening[MOST_SECTORS * blockIdx.x + i], width));
    BARRIER();
    PHASE(add_pixels(sector, image, terms));
    add_up(terms, 3);
    if (integrator == MEDIAN && terms[0] >= FEWEST_PIXELS) {
        const long long n = (long long) terms[0];
        select_rank(sector, image, counts, (n - 1) / 2, 0);
        select_rank(sector, image, counts, n / 2, 1);
    }
    PHASE(note_sector(sector, image, ring, i, terms, integrator == MEDIAN, eccentric_anomaly));
}

// ------------------------------------------------------------------ clipping, means and scatter

// Of the samples of a ring, in shared memory.
struct Spread {
    double n, sum_weight, sum_squared_weight, mean, variance;
};
static_assert(sizeof(Spread) == 40, "isophotes.py reserves as much");

// Of each thread: how many samples it has, their values, weights and squared weights.
static __device__ void add_values(const Ring &ring, bool weighted, double *terms)
{
    double n = 0.0, total = 0.0, sum_weight = 0.0, squared = 0.0;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x) {
        if (!(ring.weight[i] > 0.0))
            continue;
        const double weight = weighted ? ring.weight[i] : 1.0;
        n += 1.0;
        total += weight * ring.value[i];
        sum_weight += weight;
        squared += weight * weight;
    }
    terms[threadIdx.x] = n;
    terms[blockDim.x + threadIdx.x] = total;
    terms[2 * blockDim.x + threadIdx.x] = sum_weight;
    terms[3 * blockDim.x + threadIdx.x] = squared;
}

static __device__ void note_mean(Spread *s, const double *terms)
{
    if (threadIdx.x != 0)
        return;
    s->n = terms[0];
    s->sum_weight = terms[2 * blockDim.x];
    s->sum_squared_weight = terms[3 * blockDim.x];
    s->mean = s->n > 0.0 ? terms[blockDim.x] / s->sum_weight : not_a_number();
}

static __device__ void add_squares(
    const Ring &ring, bool weighted, const Spread *spread, double *terms)
{
    double total = 0.0;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x) {
        const double away = ring.value[i] - spread->mean;
        if (ring.weight[i] > 0.0)
            total += (weighted ? ring.weight[i] : 1.0) * away * away;
    }
    terms[threadIdx.x] = total;
}

static __device__ void note_variance(Spread *s, const double *terms)
{
    if (threadIdx.x == 0)
        s->variance = s->n > 0.0 ? terms[0] / s->sum_weight : not_a_number();
}

static __device__ void measure_spread(
    const Ring &ring, bool weighted, Spread *spread, double *terms)
{
    PHASE(add_values(ring, weighted, terms));
    add_up(terms, 4);
    PHASE(note_mean(spread, terms));
    BARRIER();
    PHASE(add_squares(ring, weighted, spread, terms));
    add_up(terms, 1);
    PHASE(note_variance(spread, terms));
    BARRIER();
}

// Leave out samples far from the mean; of each thread, how many these are.
static __device__ void clip(const Ring &ring, double sigma, const Spread *spread, double *terms)
{
    const double limit = sigma * sqrt(spread->variance);
    double n = 0.0;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x) {
        if (!(ring.weight[i] > 0.0 && fabs(ring.value[i] - spread->mean) > limit))
            continue;
        ring.value[i] = ring.weight[i] = 0.0;
        n += 1.0;
    }
    terms[threadIdx.x] = n;
}

static __device__ void note_summary(const Ring &ring, const Spread *s)
{
    if (threadIdx.x != 0)
        return;
    ring.summary[N_DATA] = s->n;
    ring.summary[SUM_WEIGHT] = s->sum_weight;
    ring.summary[RING_MEAN] = s->mean;
    ring.summary[RING_STDDEV] = sqrt(s->variance);
    // Of the mean, from the scatter, as if samples were independent.
    ring.summary[SQUARED_ERROR] =
        s->variance * (s->sum_squared_weight / (s->sum_weight * s->sum_weight));
}

extern "C" __global__ void summarize(
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, double sigma_clip, long long n_clip)
{
    SHARED(Spread, spread);
    double *terms = (double *) (spread + 1);
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, blockIdx.x);
    for (long long pass = 0; pass < n_clip; pass++) {
        measure_spread(ring, false, spread, terms);
        PHASE(clip(ring, sigma_clip, spread, terms));
        add_up(terms, 1);
        const bool nothing_left_out = terms[0] == 0.0;
        BARRIER();
        if (nothing_left_out)
            break;
    }
    measure_spread(ring, true, spread, terms);
    PHASE(note_summary(ring, spread));
}

// ------------------------------------------------------------------ small systems of equations

// The lower triangle becomes its Cholesky factor; false if the matrix is singular.
static __device__ bool decompose(double *matrix, int n)
{
    for (int j = 0; j < n; j++) {
        double pivot = matrix[j * n + j];
        for (int k = 0; k < j; k++)
            pivot -= matrix[j * n + k] * matrix[j * n + k];
        if (!(pivot > SINGULAR * matrix[j * n + j]))
            return false;
        pivot = sqrt(pivot);
        matrix[j * n + j] = pivot;
        for (int i = j + 1; i < n; i++) {
            for (int k = 0; k < j; k++)
                matrix[i * n + j] -= matrix[i * n + k] * matrix[j * n + k];
            matrix[i * n + j] /= pivot;
        }
    }
    return true;
}

// The vector becomes the solution of the system that was decomposed.
static __device__ void solve(const double *factor, int n, double *vector)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            vector[i] -= factor[i * n + k] * vector[k];
        vector[i] /= factor[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            vector[i] -= factor[k * n + i] * vector[k];
        vector[i] /= factor[i * n + i];
    }
}

// vector^T matrix vector, of a matrix of rows so long.
static __device__ double quadratic(const double *vector, const double *matrix, int n, int stride)
{
    double total = 0.0;
    for (int i = 0; i < n; i++) {
        double row = 0.0;
        for (int j = 0; j < n; j++)
            row += matrix[i * stride + j] * vector[j];
        total += vector[i] * row;
    }
    return total;
}

// ------------------------------------------------------------------ products of harmonics

// Of the row of a block. The functions, times the root of the weight, are the harmonics of orders
// 1, 2, and those asked for, and what interpolation leaves of a curved profile.
struct Functions {
    Ring ring;
    double *basis;                       // (n, width)
    double *shared;                      // the same, times the covariance of the samples
    int n_harmonics;                     // functions that are harmonics
    int width;                           // and all
};

// What the threads of a block have in common.
struct Matrices {
    double *terms;                       // of sums
    double *normal;                      // (width, width) basis^T basis
    double *noise;                       // (width, width) basis^T shared
    double *moment;                      // (width,) basis^T value
    double *factor;                      // (width, width) room
    double *coefficient;                 // (width,) room
    double *found;                       // as enum Found says
};

enum Found { N_FITTED, FREEDOM, PIXEL_VARIANCE, DETERMINED, N_FOUND };

static __device__ Matrices matrices_in(double *memory, int width)
{
    Matrices m;
    m.terms = memory;
    m.normal = m.terms + blockDim.x;
    m.noise = m.normal + width * width;
    m.factor = m.noise + width * width;
    m.moment = m.factor + width * width;
    m.coefficient = m.moment + width;
    m.found = m.coefficient + width;
    return m;
}

static __device__ Functions functions_of(
    const Ring &ring, double *basis, double *shared, long long first, int n_orders, int width)
{
    const long long place = first * width;
    const int n_harmonics = FIRST_FIVE + 2 * n_orders;
    return {ring, basis + place, shared ? shared + place : nullptr, n_harmonics, width};
}

static __device__ double value_at(const Functions &f, long long i)
{
    return f.basis[i * f.width] * (f.ring.value[i] - f.ring.summary[RING_MEAN]);
}

// What interpolation leaves along one axis, of curvatures that vary with twice the angle.
static __device__ void note_curvatures(
    double *function, double root, double place, double angle)
{
    const double between_pixels = place - floor(place);
    const double left = root * (between_pixels * (1.0 - between_pixels) - 1.0 / 6.0);
    function[0] = left;
    function[1] = left * cos(2.0 * angle);
    function[2] = left * sin(2.0 * angle);
}

static __device__ void note_functions(const Functions &f, const long long *orders)
{
    const Ring &ring = f.ring;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x) {
        double *function = f.basis + i * f.width;
        const double root = sqrt(ring.weight[i]), angle = ring.angle[i];
        function[0] = root;
        for (int k = 1; k < f.n_harmonics; k += 2) {
            const long long order = k < FIRST_FIVE ? (k + 1) / 2 : orders[(k - FIRST_FIVE) / 2];
            function[k] = root * sin(order * angle);
            function[k + 1] = root * cos(order * angle);
        }
        if (f.width > f.n_harmonics) {
            const double direction = angle + ring.ellipse.position_angle;
            function += f.n_harmonics;
            note_curvatures(function, root, ring.x[i], direction);
            note_curvatures(function + 3, root, ring.y[i], direction);
        }
    }
}

// How many samples farther on the ellipse one can share pixels; the other side does not count.
static __device__ long long reach_of(const Ring &ring, bool eccentric_anomaly)
{
    const double minor = ring.ellipse.sma * (1.0 - ring.ellipse.ellipticity);
    const double spacing = eccentric_anomaly ? 2.0 * PI * minor / ring.n
                                             : fmin(1.0, LARGEST_STEP * minor);
    return (long long) fmin(ring.n / 2, ceil(2.0 / spacing));
}

// The cubic B-spline: what two linear interpolations so far apart share.
static __device__ double spline(double distance)
{
    const double d = fabs(distance);
    const double far = fmax(2.0 - d, 0.0), near = fmax(1.0 - d, 0.0);
    return far * far * far / 6.0 - near * near * near * (2.0 / 3.0);
}

static __device__ double covariance(const Ring &ring, long long i, long long j)
{
    if (ring.share[i] != BILINEAR_VARIANCE || ring.share[j] != BILINEAR_VARIANCE)
        return 0.0;
    return spline(ring.x[i] - ring.x[j]) * spline(ring.y[i] - ring.y[j]);
}

static __device__ void add_neighbour(const Functions &f, long long i, long long j)
{
    const double shared = covariance(f.ring, i, j);
    if (shared == 0.0)
        return;
    for (int k = 0; k < f.width; k++)
        f.shared[i * f.width + k] += shared * f.basis[j * f.width + k];
}

// The functions times the covariance of the samples for pixels of unit variance.
static __device__ void share_functions(const Functions &f, bool eccentric_anomaly)
{
    const long long n = f.ring.n, reach = reach_of(f.ring, eccentric_anomaly);
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
        for (int k = 0; k < f.width; k++)
            f.shared[i * f.width + k] = f.ring.share[i] * f.basis[i * f.width + k];
        for (long long distance = 1; distance <= reach; distance++) {
            add_neighbour(f, i, i + distance < n ? i + distance : i + distance - n);
            // Half around, the one before is the one behind.
            if (2 * distance < n)
                add_neighbour(f, i, i < distance ? i - distance + n : i - distance);
        }
    }
}

// An element of a symmetric matrix of sums of products, for each thread.
static __device__ void add_products(const Functions &f, const double *others, double *matrix)
{
    const int width = f.width;
    for (int element = threadIdx.x; element < width * width; element += blockDim.x) {
        const int i = element / width, j = element % width;
        double total = 0.0;
        if (j > i)
            continue;
        for (long long k = 0; k < f.ring.n; k++)
            total += f.basis[k * width + i] * others[k * width + j];
        matrix[i * width + j] = matrix[j * width + i] = total;
    }
}

static __device__ void add_moments(const Functions &f, double *moment)
{
    for (int i = threadIdx.x; i < f.width; i += blockDim.x) {
        double total = 0.0;
        for (long long k = 0; k < f.ring.n; k++)
            total += f.basis[k * f.width + i] * value_at(f, k);
        moment[i] = total;
    }
}

// Whether the first two harmonics can be told from the samples.
static __device__ bool first_five_are_known(const Functions &f, const Matrices &m)
{
    double factor[FIRST_FIVE * FIRST_FIVE];
    for (int i = 0; i < FIRST_FIVE; i++)
        for (int j = 0; j < FIRST_FIVE; j++)
            factor[i * FIRST_FIVE + j] = m.normal[i * f.width + j];
    return f.ring.summary[N_DATA] >= FEWEST_SAMPLES && decompose(factor, FIRST_FIVE);
}

static __device__ bool is_covered(const Ring &ring)
{
    return ring.summary[N_DATA] >= COVERAGE * ring.n;
}

// ------------------------------------------------------------------ errors of correlated samples

// Of each thread: the variances of its samples, for pixels of unit variance.
static __device__ void add_shares(const Ring &ring, double *terms)
{
    double total = 0.0;
    for (long long i = threadIdx.x; i < ring.n; i += blockDim.x)
        total += ring.weight[i] > 0.0 ? ring.share[i] : 0.0;
    terms[threadIdx.x] = total;
}

// The function of a place among those of a scatter: the first five, and the curvatures.
static __device__ int scatter_function(const Functions &f, int place)
{
    return place < FIRST_FIVE ? place : f.n_harmonics + place - FIRST_FIVE;
}

// Fit so many functions: their coefficients, and the freedom of what they leave; false if singular.
static __device__ bool fit_scatter(const Functions &f, const Matrices &m, double trace, int n)
{
    double unit[FIRST_FIVE + CURVATURES];
    for (int i = 0; i < n; i++) {
        m.coefficient[i] = m.moment[scatter_function(f, i)];
        for (int j = 0; j < n; j++)
            m.factor[i * n + j] =
                m.normal[scatter_function(f, i) * f.width + scatter_function(f, j)];
    }
    if (!decompose(m.factor, n))
        return false;
    solve(m.factor, n, m.coefficient);
    // Less the trace of the inverse of the normal matrix times the noise.
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++)
            unit[j] = m.noise[scatter_function(f, j) * f.width + scatter_function(f, i)];
        solve(m.factor, n, unit);
        trace -= unit[i];
    }
    m.found[N_FITTED] = n;
    m.found[FREEDOM] = trace;
    return true;
}

static __device__ void begin_scatter(const Functions &f, const Matrices &m)
{
    if (threadIdx.x != 0)
        return;
    const bool curved = f.width > f.n_harmonics && f.ring.summary[INTERPOLATED]
        && f.ring.summary[N_DATA] >= FEWEST_FOR_CURVATURE;
    const double trace = m.terms[0];
    m.found[DETERMINED] = first_five_are_known(f, m);
    m.found[N_FITTED] = 0.0;
    if (!m.found[DETERMINED])
        return;
    if (!curved || !fit_scatter(f, m, trace, FIRST_FIVE + CURVATURES))
        fit_scatter(f, m, trace, FIRST_FIVE);
}

// Of each thread: squares of what the functions leave of its samples.
static __device__ void add_residuals(const Functions &f, const Matrices &m)
{
    const int n = (int) m.found[N_FITTED];
    double total = 0.0;
    for (long long i = threadIdx.x; i < f.ring.n; i += blockDim.x) {
        double rest = value_at(f, i);
        for (int k = 0; k < n; k++)
            rest -= m.coefficient[k] * f.basis[i * f.width + scatter_function(f, k)];
        total += rest * rest;
    }
    m.terms[threadIdx.x] = total;
}

// The variance of a pixel, and the system of all harmonics.
static __device__ void begin_deviations(
    const Functions &f, const Matrices &m, bool weighted, double *intensity_err)
{
    if (threadIdx.x != 0 || !m.found[DETERMINED])
        return;
    const int n = f.n_harmonics;
    const double variance = weighted ? 1.0 : m.terms[0] / m.found[FREEDOM];
    m.found[PIXEL_VARIANCE] = variance;
    *intensity_err = sqrt(variance * m.noise[0]) / f.ring.summary[SUM_WEIGHT];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            m.factor[i * n + j] = m.normal[i * f.width + j];
    m.found[DETERMINED] =
        is_covered(f.ring) && f.ring.summary[N_DATA] > n && decompose(m.factor, n);
}

// Higher harmonics, fitted together with the first two, one for each thread.
static __device__ void note_deviations(
    const Functions &f, const Matrices &m, double *amplitude, double *amplitude_err)
{
    const int n = f.n_harmonics;
    if (!m.found[DETERMINED])
        return;
    for (int which = FIRST_FIVE + threadIdx.x; which < n; which += blockDim.x) {
        double estimate[MOST_HARMONICS], value = 0.0;
        for (int i = 0; i < n; i++)
            estimate[i] = i == which;
        solve(m.factor, n, estimate);
        for (int i = 0; i < n; i++)
            value += estimate[i] * m.moment[i];
        amplitude[which - FIRST_FIVE] = value;
        amplitude_err[which - FIRST_FIVE] =
            sqrt(m.found[PIXEL_VARIANCE] * quadratic(estimate, m.noise, n, f.width));
    }
}

extern "C" __global__ void correlated_errors(
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries,
    const long long *orders,             // (n_orders,)
    long long n_orders,
    long long width,                     // functions, with those of curvatures where these count
    long long eccentric_anomaly,
    long long weighted,                  // whether weights are inverse variances
    double *basis,                       // room for width numbers per sample
    double *shared,                      // the same
    double *intensity_err,               // OUT (n_rows,) stays as it is where it is not known
    double *amplitude,                   // OUT (n_rows, 2 n_orders) sine and cosine of each order
    double *amplitude_err)               // OUT the same
{
    SHARED(double, memory);
    const long long row = blockIdx.x;
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, row);
    const Functions f = functions_of(ring, basis, shared, first[row], n_orders, width);
    const Matrices m = matrices_in(memory, width);
    PHASE(note_functions(f, orders));
    BARRIER();
    PHASE(share_functions(f, eccentric_anomaly));
    BARRIER();
    PHASE(add_products(f, f.basis, m.normal));
    PHASE(add_products(f, f.shared, m.noise));
    PHASE(add_moments(f, m.moment));
    PHASE(add_shares(ring, m.terms));
    add_up(m.terms, 1);
    PHASE(begin_scatter(f, m));
    BARRIER();
    PHASE(add_residuals(f, m));
    add_up(m.terms, 1);
    PHASE(begin_deviations(f, m, weighted, intensity_err + row));
    BARRIER();
    PHASE(note_deviations(
        f, m, amplitude + 2 * n_orders * row, amplitude_err + 2 * n_orders * row));
}

// ------------------------------------------------------------------ errors of independent samples

static __device__ double residual_squares(
    const Functions &f, const int *function, const double *coefficient)
{
    double total = 0.0;
    for (long long i = 0; i < f.ring.n; i++) {
        double rest = value_at(f, i);
        for (int k = 0; k < 3; k++)
            rest -= coefficient[k] * f.basis[i * f.width + function[k]];
        total += rest * rest;
    }
    return total;
}

// One order after the other, each for itself: a constant, a sine and a cosine; one for each thread.
static __device__ void note_orders(
    const Functions &f, const Matrices &m, int n_orders, double *amplitude, double *amplitude_err)
{
    if (!first_five_are_known(f, m) || !is_covered(f.ring))
        return;
    for (int order = threadIdx.x; order < n_orders; order += blockDim.x) {
        const int function[3] = {0, FIRST_FIVE + 2 * order, FIRST_FIVE + 2 * order + 1};
        double factor[9], coefficient[3];
        for (int i = 0; i < 3; i++) {
            coefficient[i] = m.moment[function[i]];
            for (int j = 0; j < 3; j++)
                factor[3 * i + j] = m.normal[function[i] * f.width + function[j]];
        }
        if (!decompose(factor, 3))
            continue;
        solve(factor, 3, coefficient);
        const double variance =
            residual_squares(f, function, coefficient) / (f.ring.summary[N_DATA] - 3.0);
        for (int i = 1; i < 3; i++) {
            double unit[3] = {0.0, 0.0, 0.0};
            unit[i] = 1.0;
            solve(factor, 3, unit);
            amplitude[2 * order + i - 1] = coefficient[i];
            amplitude_err[2 * order + i - 1] = sqrt(unit[i] * variance);
        }
    }
}

extern "C" __global__ void independent_errors(
    const double *ellipses, const long long *first, double *samples, long long n_samples,
    double *summaries, const long long *orders, long long n_orders, long long width, double *basis,
    double *amplitude, double *amplitude_err)
{
    SHARED(double, memory);
    const long long row = blockIdx.x;
    const Ring ring = ring_of(ellipses, first, samples, n_samples, summaries, row);
    const Functions f = functions_of(ring, basis, nullptr, first[row], n_orders, width);
    const Matrices m = matrices_in(memory, width);
    PHASE(note_functions(f, orders));
    BARRIER();
    PHASE(add_products(f, f.basis, m.normal));
    PHASE(add_moments(f, m.moment));
    BARRIER();
    PHASE(note_orders(
        f, m, n_orders, amplitude + 2 * n_orders * row, amplitude_err + 2 * n_orders * row));
}

// ------------------------------------------------------------------ pixels inside

static __device__ bool is_in_circle(const Ellipse &e, double dx, double dy)
{
    return dx * dx + dy * dy <= e.sma * e.sma;
}

static __device__ bool is_in_ellipse(
    const Ellipse &e, double cosine, double sine, double dx, double dy)
{
    // A pixel on a circle must not fall outside because the circle is turned.
    if (e.ellipticity == 0.0)
        return is_in_circle(e, dx, dy);
    const double along = dx * cosine + dy * sine;
    const double across = (dy * cosine - dx * sine) / (1.0 - e.ellipticity);
    return along * along + across * across <= e.sma * e.sma;
}

// A number of columns or rows.
static __device__ long long limited(double number, long long most)
{
    return number > 0.0 ? number < most ? (long long) number : most : 0;
}

// Of each thread: the sums over its columns.
static __device__ void add_pixels_inside(const Image &image, const Ellipse &e, double *terms)
{
    const double cosine = cos(e.position_angle), sine = sin(e.position_angle);
    const long long top = limited(floor(e.y0 + e.sma) + 2.0, image.ny);
    double sums[N_INSIDE] = {0.0, 0.0, 0.0, 0.0};
    for (long long j = limited(floor(e.y0 - e.sma), image.ny); j < top; j++) {
        const double dy = j - e.y0, half = sqrt(fmax(e.sma * e.sma - dy * dy, 0.0));
        const long long right = limited(floor(e.x0 + half) + 2.0, image.nx);
        for (long long i = limited(floor(e.x0 - half), image.nx) + threadIdx.x; i < right;
             i += blockDim.x) {
            const double value = image.pixels[j * image.nx + i], dx = i - e.x0;
            if (!is_finite(value))
                continue;
            if (is_in_circle(e, dx, dy)) {
                sums[FLUX_CIRCLE] += value;
                sums[PIXELS_CIRCLE] += 1.0;
            }
            if (is_in_ellipse(e, cosine, sine, dx, dy)) {
                sums[FLUX_ELLIPSE] += value;
                sums[PIXELS_ELLIPSE] += 1.0;
            }
        }
    }
    for (int k = 0; k < N_INSIDE; k++)
        terms[k * blockDim.x + threadIdx.x] = sums[k];
}

static __device__ void note_inside(const double *terms, double *inside)
{
    if (threadIdx.x < N_INSIDE)
        inside[threadIdx.x] = terms[threadIdx.x * blockDim.x];
}

extern "C" __global__ void add_inside(
    const double *pixels, long long ny, long long nx, const double *ellipses,
    double *inside)                      // OUT (n_rows, N_INSIDE)
{
    SHARED(double, terms);
    const Image image = image_of(pixels, nullptr, false, ny, nx);
    const Ellipse ellipse = ellipse_of(ellipses, blockIdx.x);
    PHASE(add_pixels_inside(image, ellipse, terms));
    add_up(terms, N_INSIDE);
    PHASE(note_inside(terms, inside + N_INSIDE * blockIdx.x));
}
