// Matching two catalogues on the sphere.
//
// Algorithm
// ---------
// As on the processor (armillary/crossmatch/sky/kernel.pyx): the sky is cut into zones of
// declination, about three mean distances of neighbours high.
//
// 1. place_rows gives every row of both catalogues a key of 63 bits, zone and right ascension.
//    They are sorted by it (a radix sort of cupy's), and take_rows puts positions in that order.
// 2. Of more than k rows at one position only the first k can be among the k nearest:
//    mark_wanted says which rows stay. describe_zones says what the rows of each zone span.
// 3. find_pairs has a thread for each left row. It looks up the place of the row in its zone, and
//    walks from there both ways while the right ascension can still belong to a separation within
//    reach, then in the zones above and below. Reach is the radius or, as soon as k are found, the
//    separation of the k-th. Threads of a block have rows that are neighbours on the sky, and read
//    the same memory.
// 4. Where every pair is wanted, find_pairs runs twice: to count the pairs of each left row, and,
//    when sums of the counts say where they go, to write them. finish_rows puts the pairs of each
//    left row in order.
//
// Separations are haversines of differences of coordinates (Sinnott 1984, Sky & Telescope 68, 159),
// in the terms of armillary/crossmatch/sky/separation.pxd. The expansion |a|^2 + |b|^2 - 2 a b of
// chords, which is a matrix product, would leave nothing of a pair a few milliarcseconds apart, and
// looks at all pairs.
//
// Cost: about 700 bytes moved for each left row and 900 for each right one, of which sorts, eight
// passes over 32 bytes, are two thirds; and per left row the rows of a strip of 2 r times the
// height of its zone, of which those within r in declination cost some 150 operations in float64.
// 10^7 x 10^7 rows over the whole sky and 2 arcsec: 16 GB and 4 10^9 operations, about 0.03 s on
// an H100 with the catalogues on the device. This is an estimate; it was not measured.
//
// Source: Gray, Nieto-Santisteban & Szalay (2006), MSR-TR-2006-52, for the zones.

// ------------------------------------------------------------------ positions

constexpr double DEGREE = 0.017453292519943295;  // radians
constexpr double ARCSEC_PER_RADIAN = 206264.80624709636;
constexpr double ARCSEC_PER_DEGREE = 3600.0;
constexpr double HALF_PI = 1.5707963267948966;
// More than half a circle, which is all that there is (arcsec).
constexpr double EVERYWHERE = 648001.0;

// Right ascension in whole numbers: the lower bits of a key. A unit is 9e-9 arcsec.
constexpr long long CIRCLE = 1LL << 47;
constexpr double KEYS_PER_DEGREE = (1LL << 47) / 360.0;
// Both ends of a difference of keys are rounded down, one after an addition.
constexpr long long KEY_ROUNDING = 3;

// A zone is far away if it is this many times its height away.
constexpr double FAR = 4.0;
// Bounds are drawn this much wider than computed: rounding must not lose a pair on the edge.
constexpr double WIDER = 1.0 + 1e-9;
// Degrees of which the square is 0: rows that are this close are all equally near.
constexpr double INDISTINCT = 1e-140;

// In -180 to 180; the subtraction is exact. A pole has every right ascension: with one, its rows
// are seen to be at one position.
static __device__ inline double standard_ra(double ra, double dec)
{
    if (!(fabs(dec) < 90.0))
        return 0.0;
    return ra > 180.0 ? ra - 360.0 : ra;
}

// cos(dec); 90 - |dec| is exact where the cosine is small.
static __device__ inline double cosine(double dec)
{
    return sin((90.0 - fabs(dec)) * DEGREE);
}

// a - b for standard right ascensions, in -180 to 180, without cancellation.
static __device__ inline double difference(double a, double b)
{
    const double d = a - b;
    if (d > 180.0)
        return (a - 180.0) - (b + 180.0);
    if (d < -180.0)
        return (a + 180.0) - (b - 180.0);
    return d;
}

static __device__ inline double sine_of_half(double degrees)
{
    const double x = 0.5 * degrees * DEGREE;
    const double x2 = x * x;
    if (x2 < 4e-4)  // the next term is below 1e-19
        return x * (1.0 - x2 * (1.0 / 6.0 - x2 * (1.0 / 120.0 - x2 / 5040.0)));
    return sin(x);
}

// Arcseconds between two positions (degrees).
static __device__ double separation(
    double ra1, double dec1, double cos1, double ra2, double dec2, double cos2)
{
    const double u = sine_of_half(dec1 - dec2);
    const double v = sine_of_half(difference(ra1, ra2));
    const double h = u * u + cos1 * cos2 * v * v;
    double s = sqrt(h);
    if (h < 4e-4)  // arcsine; the next term is below 1e-18
        s *= 1.0
            + h * (1.0 / 6.0 + h * (3.0 / 40.0 + h * (15.0 / 336.0 + h * (105.0 / 3456.0))));
    else if (h < 0.5)
        s = asin(s);
    else
        s = h < 1.0 ? atan2(s, sqrt(1.0 - h)) : HALF_PI;
    return 2.0 * s * ARCSEC_PER_RADIAN;
}

static __device__ inline long long index_of_thread()
{
    return (long long) blockIdx.x * blockDim.x + threadIdx.x;
}

// ------------------------------------------------------------------ rows in order

static __device__ inline long long key_of_ra(double ra)
{
    const long long key = (long long) ((ra + 180.0) * KEYS_PER_DEGREE);
    return key < 0 ? 0 : key < CIRCLE ? key : CIRCLE - 1;
}

// It never falls when the declination rises.
static __device__ inline long long zone_of(
    double dec, double lowest, double zones_per_degree, long long n_zones)
{
    const double z = (dec - lowest) * zones_per_degree;
    if (!(z > 0.0))
        return 0;
    return z < n_zones ? (long long) z : n_zones - 1;
}

static __device__ void place_row(
    const double *ra, const double *dec, long long n, double lowest, double zones_per_degree,
    long long n_zones, long long *key)
{
    const long long i = index_of_thread();
    if (i < n)
        key[i] = zone_of(dec[i], lowest, zones_per_degree, n_zones) * CIRCLE
            + key_of_ra(standard_ra(ra[i], dec[i]));
}

extern "C" __global__ void place_rows(
    const double *ra,         // IN   (n,) -180 .. 360
    const double *dec,        // IN   (n,)
    long long n,
    double lowest,            // IN   declination where zone 0 begins
    double zones_per_degree,  // IN
    long long n_zones,        // IN   less than 2^16
    long long *key)           // OUT  (n,) zone and right ascension
{
    PHASE(place_row(ra, dec, n, lowest, zones_per_degree, n_zones, key));
}

static __device__ void take_row(
    const double *ra, const double *dec, const long long *row, long long n, double *taken_ra,
    double *taken_dec)
{
    const long long i = index_of_thread();
    if (i >= n)
        return;
    const double d = dec[row[i]];
    taken_ra[i] = standard_ra(ra[row[i]], d);
    taken_dec[i] = d;
}

extern "C" __global__ void take_rows(
    const double *ra,      // IN   (rows,)
    const double *dec,     // IN   (rows,)
    const long long *row,  // IN   (n,) the rows to take
    long long n,
    double *taken_ra,      // OUT  (n,) -180 .. 180
    double *taken_dec)     // OUT  (n,)
{
    PHASE(take_row(ra, dec, row, n, taken_ra, taken_dec));
}

// A run of rows at one position, by row number.
static __device__ inline bool continues_run(
    const double *ra, const double *dec, const long long *row, long long i)
{
    return i > 0 && ra[i] == ra[i - 1] && dec[i] == dec[i - 1] && row[i] > row[i - 1];
}

// The thread of the first row of a run looks at all of it.
static __device__ void mark_run(
    const double *ra, const double *dec, const long long *row, long long n, long long k,
    const double *radius, long long n_radii, bool *wanted)
{
    long long i = index_of_thread();
    if (i >= n || continues_run(ra, dec, row, i))
        return;
    long long same = 0;
    double farthest = -1.0;
    do {
        wanted[i] = same < k;
        if (n_radii) {
            wanted[i] = k > 1 || radius[row[i]] > farthest;
            farthest = max(farthest, radius[row[i]]);
        }
        ++same;
        ++i;
    } while (i < n && continues_run(ra, dec, row, i));
}

// Rows that can be among the k nearest: of those at one position the first k; where rows have
// radii of their own, and k is 1, those that reach farther than all before them.
extern "C" __global__ void mark_wanted(
    const double *ra,       // IN   (n,) rows by zone, right ascension, declination and number
    const double *dec,
    const long long *row,
    long long n,
    long long k,
    const double *radius,   // IN   (0,) or (rows,) radii of their own
    long long n_radii,
    bool *wanted)           // OUT  (n,)
{
    PHASE(mark_run(ra, dec, row, n, k, radius, n_radii, wanted));
}

// ------------------------------------------------------------------ what a zone spans

// Of each thread: lowest and highest declination, and largest radius.
static __device__ void span_of_thread(
    const long long *start, const double *dec, const long long *row, const double *radius,
    long long n_radii, double *low, double *high, double *largest)
{
    double least = 90.0, most = -90.0, reach = 0.0;
    const long long first = start[blockIdx.x], last = start[blockIdx.x + 1];
    for (long long i = first + threadIdx.x; i < last; i += blockDim.x) {
        least = min(least, dec[i]);
        most = max(most, dec[i]);
        if (n_radii)
            reach = max(reach, radius[row[i]]);
    }
    low[threadIdx.x] = least;
    high[threadIdx.x] = most;
    largest[threadIdx.x] = reach;
}

static __device__ void join_spans(unsigned half, double *low, double *high, double *largest)
{
    const unsigned i = threadIdx.x;
    if (i >= half)
        return;
    low[i] = min(low[i], low[i + half]);
    high[i] = max(high[i], high[i + half]);
    largest[i] = max(largest[i], largest[i + half]);
}

static __device__ void write_span(
    const double *low, const double *high, const double *largest, double *zone_low,
    double *zone_high, double *zone_cosine, double *zone_largest)
{
    if (threadIdx.x)
        return;
    zone_low[blockIdx.x] = low[0];
    zone_high[blockIdx.x] = high[0];
    // The cosine falls towards both poles.
    zone_cosine[blockIdx.x] = min(cosine(low[0]), cosine(high[0]));
    zone_largest[blockIdx.x] = largest[0];
}

// A block for each zone; threads: a power of two.
extern "C" __global__ void describe_zones(
    const long long *start,  // IN   (zones + 1,) first row of each zone; none is empty
    const double *dec,       // IN   (n,) rows by zone
    const long long *row,    // IN   (n,)
    const double *radius,    // IN   (0,) or (rows,)
    long long n_radii,
    double *zone_low,        // OUT  (zones,) lowest declination
    double *zone_high,       // OUT  (zones,) highest declination
    double *zone_cosine,     // OUT  (zones,) least cosine of a declination
    double *zone_largest)    // OUT  (zones,) largest radius; 0 where there are none
{
    SHARED(double, low);
    double *const high = low + blockDim.x;
    double *const largest = high + blockDim.x;
    PHASE(span_of_thread(start, dec, row, radius, n_radii, low, high, largest));
    for (unsigned half = blockDim.x / 2; half; half /= 2) {
        BARRIER();
        PHASE(join_spans(half, low, high, largest));
    }
    BARRIER();
    PHASE(write_span(low, high, largest, zone_low, zone_high, zone_cosine, zone_largest));
}

// ------------------------------------------------------------------ what is found

struct Pair {
    double separation;
    long long row;
};

// The pairs of one left row; of the k nearest a heap with the worst on top once it is full.
struct Found {
    double *separation;
    long long *row;
    long long size;
    long long k;        // 0 means all
    bool only_counted;  // none is kept
};

// Whether a comes after b.
static __device__ inline bool worse(Pair a, Pair b)
{
    return a.separation != b.separation ? a.separation > b.separation : a.row > b.row;
}

static __device__ inline Pair pair_at(const Found &found, long long i)
{
    return {found.separation[i], found.row[i]};
}

static __device__ inline void put_pair(Found &found, long long i, Pair pair)
{
    found.separation[i] = pair.separation;
    found.row[i] = pair.row;
}

static __device__ void sift_down(Found &found, long long at, long long n)
{
    const Pair moving = pair_at(found, at);
    for (long long child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && worse(pair_at(found, child + 1), pair_at(found, child)))
            ++child;
        const Pair below = pair_at(found, child);
        if (!worse(below, moving))
            break;
        put_pair(found, at, below);
        at = child;
    }
    put_pair(found, at, moving);
}

static __device__ void make_heap(Found &found)
{
    for (long long i = found.size / 2 - 1; i >= 0; --i)
        sift_down(found, i, found.size);
}

// Heap sort: ascending, in place, n log n also at its worst.
static __device__ void sort_pairs(Found &found)
{
    make_heap(found);
    for (long long i = found.size - 1; i > 0; --i) {
        const Pair last = pair_at(found, i);
        put_pair(found, i, pair_at(found, 0));
        put_pair(found, 0, last);
        sift_down(found, 0, i);
    }
}

static __device__ inline bool is_full(const Found &found)
{
    return found.k && found.size == found.k;
}

// Whether the pair is taken.
static __device__ bool add(Found &found, Pair pair)
{
    if (is_full(found)) {
        if (!worse(pair_at(found, 0), pair))
            return false;
        put_pair(found, 0, pair);
        sift_down(found, 0, found.size);
        return true;
    }
    if (!found.only_counted)
        put_pair(found, found.size, pair);
    ++found.size;
    if (is_full(found))
        make_heap(found);
    return true;
}

// ------------------------------------------------------------------ searching

// The right catalogue: rows by key, and the zones that hold any.
struct Zones {
    const long long *key;
    const double *ra, *dec;
    const long long *row;
    long long first_row;   // number of row 0
    const double *radius;  // of each row
    long long n_radii;     // 0: rows have none of their own
    const long long *start;
    const double *low, *high, *cosine, *largest;
    long long n;
};

struct Query {
    double ra, dec, cos_dec;
    double radius;    // arcsec
    double least;     // arcsec: pairs nearer than this do not count
    double reach;     // degrees: no wanted pair is farther
    long long key;    // of its right ascension
    long long after;  // only right rows with a higher number
};

// Degrees that a pair within a separation can be apart in declination.
static __device__ inline double bound_of(double arcsec)
{
    return min(arcsec, EVERYWHERE) / ARCSEC_PER_DEGREE * WIDER + INDISTINCT;
}

// Degrees that a wanted pair with a row of a zone can be apart.
static __device__ inline double reach_into(const Zones &zones, long long z, const Query &query)
{
    if (!zones.n_radii)
        return query.reach;
    return min(query.reach, bound_of(hypot(query.radius, zones.largest[z])));
}

// Units of right ascension that rows of a zone within reach can be away. `beyond` is how far the
// zone is away in declination; beyond reach, no width is left.
static __device__ long long half_width(
    const Zones &zones, long long z, const Query &query, double reach, double beyond)
{
    double width = 180.0;
    if (reach < beyond)
        return -1;
    // Everywhere, if the circle holds a pole.
    if (reach < 90.0 - fabs(query.dec)) {
        const double t = sin(reach * DEGREE) * WIDER / query.cos_dec;
        if (t < 1.0)
            width = asin(t) / DEGREE * WIDER;
    }
    // Beyond half a circle a larger reach is no larger sine.
    if (reach > FAR * (zones.high[z] - zones.low[z]) && reach < 180.0) {
        // From afar a zone is a line: sin^2(w/2) = (sin^2(r/2) - sin^2(d/2)) / (cos d1 cos d2).
        double t = sin(0.5 * (reach + beyond) * DEGREE) * sin(0.5 * (reach - beyond) * DEGREE);
        t *= WIDER / (query.cos_dec * zones.cosine[z]);
        if (t < 1.0)
            width = min(width, 2.0 * asin(sqrt(t)) / DEGREE * WIDER);
    }
    return (long long) (width * KEYS_PER_DEGREE) + KEY_ROUNDING;
}

// Add a right row if it is a match, and shorten the reach; whether it was taken.
static __device__ bool consider(const Zones &zones, long long i, Query &query, Found &found)
{
    const double dec = zones.dec[i];
    if (fabs(dec - query.dec) > query.reach)
        return false;
    const long long row = zones.row[i];
    const double limit = zones.n_radii ? hypot(query.radius, zones.radius[row]) : query.radius;
    const double apart
        = separation(query.ra, query.dec, query.cos_dec, zones.ra[i], dec, cosine(dec));
    const Pair pair = {apart, zones.first_row + row};
    if (apart > limit || apart < query.least || pair.row <= query.after)
        return false;
    const bool taken = add(found, pair);
    if (taken && is_full(found))
        query.reach = bound_of(found.separation[0]);
    return taken;
}

// The first of the rows first .. last - 1 whose key is not lower.
static __device__ long long place_of(
    const long long *keys, long long first, long long last, long long key)
{
    while (first < last) {
        const long long middle = first + (last - first) / 2;
        if (keys[middle] < key)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

// All rows of a zone that can be within reach, walking away from the right ascension.
static __device__ void visit(const Zones &zones, long long z, Query &query, Found &found)
{
    const long long first = zones.start[z], last = zones.start[z + 1];
    double reach = reach_into(zones, z, query);
    const double outside = max(zones.low[z] - query.dec, query.dec - zones.high[z]);
    const double beyond = max(outside, 0.0);
    if (reach < beyond)
        return;
    long long width = half_width(zones, z, query, reach, beyond);
    // Keys of the zone, and of the query as if it were in it, differ by their right ascensions.
    const long long key = zones.key[first] / CIRCLE * CIRCLE + query.key;
    const long long place = place_of(zones.key, first, last, key);
    long long left = last - first;
    for (int eastwards = 1; eastwards >= 0; --eastwards) {
        long long i = eastwards ? place : place - 1, turn = 0;
        for (; left; --left) {
            if (i == last || i < first) {
                i = eastwards ? first : last - 1;
                turn = CIRCLE;
            }
            const long long away = (eastwards ? zones.key[i] - key : key - zones.key[i]) + turn;
            if (away > width)
                break;
            if (consider(zones, i, query, found) && query.reach < reach) {
                reach = query.reach;
                width = half_width(zones, z, query, reach, beyond);
            }
            i += eastwards ? 1 : -1;
        }
    }
}

// The last zone that begins at a declination or below it, or the first.
static __device__ long long zone_with(const Zones &zones, double dec)
{
    long long first = 0, last = zones.n;
    while (last - first > 1) {
        const long long middle = first + (last - first) / 2;
        if (zones.low[middle] <= dec)
            first = middle;
        else
            last = middle;
    }
    return first;
}

// The zone of the row, then those above and below it, the nearer first, within reach.
static __device__ void visit_zones(const Zones &zones, Query &query, Found &found)
{
    const long long own = zone_with(zones, query.dec);
    long long up = own + 1, down = own - 1;
    visit(zones, own, query, found);
    for (;;) {
        const double above = up < zones.n ? zones.low[up] - query.dec : 2.0 * EVERYWHERE;
        const double below = down >= 0 ? query.dec - zones.high[down] : 2.0 * EVERYWHERE;
        if (min(above, below) > query.reach)
            return;
        if (above <= below)
            visit(zones, up++, query, found);
        else
            visit(zones, down--, query, found);
    }
}

// Where the pairs of a left row begin: it has room for k, or for as many as were counted.
static __device__ inline long long first_pair_of(long long row, long long k, const long long *slot)
{
    return k ? row * k : slot[row];
}

static __device__ void find_pairs_of_row(
    const Zones &zones, const double *ra, const double *dec, const long long *row, long long n,
    const double *radius, long long n_radii, double largest_right_radius, double min_radius,
    bool with_itself, long long first_left_row, long long k, bool only_count,
    const long long *slot, long long *size, double *separations, long long *right)
{
    const long long i = index_of_thread();
    if (i >= n)
        return;
    const long long own = row[i];
    Query query;
    query.ra = ra[i];
    query.dec = dec[i];
    query.cos_dec = cosine(dec[i]);
    query.radius = radius[n_radii > 1 ? own : 0];
    query.least = min_radius;
    query.key = key_of_ra(ra[i]);
    query.after = with_itself ? first_left_row + own : -1;
    const long long first = only_count ? 0 : first_pair_of(own, k, slot);
    Found found = {separations + first, right + first, size[own], k, only_count};
    query.reach = bound_of(
        is_full(found) ? found.separation[0] : hypot(query.radius, largest_right_radius));
    visit_zones(zones, query, found);
    size[own] = found.size;
}

// Pairs of some left rows with some right rows; they come to those that were found before.
extern "C" __global__ void find_pairs(
    const long long *key,         // IN   (right rows,) of rows by key
    const double *right_ra,
    const double *right_dec,
    const long long *right_row,   // IN   their numbers in the block of right rows
    long long first_right_row,    // IN   number of its first row
    const double *right_radius,   // IN   (0,) or (right rows of the block,) arcsec
    long long n_right_radii,
    const long long *start,       // IN   (zones + 1,) first row of each zone; none is empty
    const double *zone_low,       // IN   (zones,) see describe_zones
    const double *zone_high,
    const double *zone_cosine,
    const double *zone_largest,
    long long n_zones,
    const double *left_ra,        // IN   (n,) rows by key
    const double *left_dec,
    const long long *left_row,    // IN   their numbers in the block of left rows
    long long n,                  // IN   how many of the block are searched for
    long long first_left_row,     // IN   number of its first row
    const double *radius,         // IN   (1,) or (left rows of the block,) arcsec
    long long n_radii,
    double largest_right_radius,  // IN   arcsec
    double min_radius,            // IN   arcsec, inclusive
    bool with_itself,             // IN   right is left: only rows after the left one
    long long k,                  // IN   matches of a row; 0 means all
    bool only_count,              // IN   write no pairs
    const long long *slot,        // IN   (left rows of the block,) first pair, where k is 0
    long long *size,              // OUT  (left rows of the block,) pairs of each, added to
    double *separations,          // OUT  (pairs,) of a left row in any order
    long long *right)
{
    const Zones zones = {
        key, right_ra, right_dec, right_row, first_right_row, right_radius, n_right_radii, start,
        zone_low, zone_high, zone_cosine, zone_largest, n_zones};
    PHASE(find_pairs_of_row(
        zones, left_ra, left_dec, left_row, n, radius, n_radii, largest_right_radius, min_radius,
        with_itself, first_left_row, k, only_count, slot, size, separations, right));
}

// ------------------------------------------------------------------ pairs in order

static __device__ void finish_row(
    long long n, long long first_left_row, long long k, const long long *slot,
    const long long *size, double *found_separations, long long *found_right, long long *left,
    long long *right, double *separations)
{
    const long long row = index_of_thread();
    if (row >= n)
        return;
    const long long first = first_pair_of(row, k, slot), to = slot[row];
    Found found = {found_separations + first, found_right + first, size[row], k, false};
    sort_pairs(found);
    for (long long i = 0; i < found.size; ++i) {
        left[to + i] = first_left_row + row;
        right[to + i] = found.row[i];
        separations[to + i] = found.separation[i];
    }
}

// Sort the pairs of each left row by separation and right row, and bring those of all together.
extern "C" __global__ void finish_rows(
    long long n,                // IN   left rows
    long long first_left_row,   // IN   number of the first
    long long k,                // IN   as for find_pairs
    const long long *slot,      // IN   (n,) where the first pair of each left row goes
    const long long *size,      // IN   (n,) pairs of each left row
    double *found_separations,  // IN   what find_pairs gave; it is sorted in place
    long long *found_right,
    long long *left,            // OUT  (pairs,)
    long long *right,           // OUT  (pairs,) may be found_right where k is 0
    double *separations)        // OUT  (pairs,) may be found_separations where k is 0
{
    PHASE(finish_row(
        n, first_left_row, k, slot, size, found_separations, found_right, left, right,
        separations));
}
