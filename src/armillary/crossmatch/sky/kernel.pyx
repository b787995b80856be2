"""Matching two catalogues on the sphere: the compiled inner loops.

Algorithm
---------
The sky is cut into zones of declination, about three mean distances of neighbours high.

1. Count the rows of each zone, block by block, and copy every row (ra, dec, row number: 24
   bytes) to its zone: two passes over memory for each catalogue.
2. Sort each zone of the right catalogue by right ascension (radix sort on 22 bits, runs of
   equal keys by comparison), in the cache; note where in it every n-th part of the circle
   begins. Of more than k rows at one position only the first k can be among the k nearest;
   the others are passed over.
3. For each row of the left catalogue, zone by zone: look up its place among the right rows,
   walk from there both ways while the difference in right ascension can still belong to a
   separation within reach, and the same in the zones above and below. Reach is the radius
   or, as soon as k are found, the separation of the k-th: it shrinks during the walk.

The edge of a circle of radius r around declination d is at most asin(sin r / cos d) away in
right ascension, and everywhere if it holds a pole. Seen from afar a zone is a line, of which the
circle cuts out less: rows far from all others look at few of them, too. Declinations are
compared first; what is then left costs a haversine.

Cost: O(N + M) copies of 24 bytes, O(M) for the sort, and per left row the rows of a strip
of 2 r times the height of its zone. Found pairs go to the caller in chunks.

Source: the zones are those of Gray, Nieto-Santisteban & Szalay (2006), MSR-TR-2006-52; here
they are sorted in memory instead of joined in a database.
"""

from libc.math cimport asin, fabs, hypot, INFINITY, sin, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy

import numpy as np

from .radix cimport N_KEYS, order_by_key
from .separation cimport ARCSEC_PER_RADIAN, DEGREE, cosine, separation, wrapped

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define PREFETCH(address) __builtin_prefetch(address)
    #else
    #define PREFETCH(address)
    #endif
    """
    void PREFETCH(const void* address) noexcept nogil

cdef packed struct Star:
    double ra
    double dec
    int64_t row

STAR = np.dtype([("ra", np.float64), ("dec", np.float64), ("row", np.int64)])

cdef struct Pair:
    double separation
    int64_t row

cdef enum:
    # A zone or a run shorter than this is sorted by comparison alone.
    SHORT = 48
    # Stretches of a lookup table that hold more rows than this are halved, not walked.
    FEW = 8
    # Bytes of a zone that stays in the cache while it is searched.
    MAX_PREFETCH = 1 << 19
    # Right rows that are looked at in some ten milliseconds.
    MAX_VISITS = 1 << 21

# A zone is far away if it is this many times its height away.
cdef double FAR = 4.0
# Bounds are drawn this much wider than computed: rounding must not lose a pair on the edge.
cdef double WIDER = 1.0 + 1e-9


# ------------------------------------------------------------------ rows into zones


cdef inline Py_ssize_t zone_of(
    double dec, double lowest, double zones_per_degree, Py_ssize_t n_zones
) noexcept nogil:
    """The zone of a declination: it never falls when the declination rises."""
    cdef double z = (dec - lowest) * zones_per_degree
    if not z > 0.0:
        return 0
    return <Py_ssize_t>z if z < n_zones else n_zones - 1


def count_zones(
    const double[::1] dec,       # IN
    Py_ssize_t first,            # IN   rows first .. last - 1
    Py_ssize_t last,
    double lowest,               # IN   declination where zone 0 begins
    double zones_per_degree,     # IN
    int64_t[::1] count,          # OUT  (zones,) rows of each zone
):
    cdef Py_ssize_t i, n_zones = count.shape[0]
    with nogil:
        for i in range(first, last):
            count[zone_of(dec[i], lowest, zones_per_degree, n_zones)] += 1


def fill_zones(
    const double[::1] ra,        # IN   -180 .. 360
    const double[::1] dec,       # IN
    Py_ssize_t first,            # IN   rows first .. last - 1
    Py_ssize_t last,
    double lowest,               # IN
    double zones_per_degree,     # IN
    int64_t[::1] slot,           # IN   (zones,) where this block's first row of a zone goes
    Star[::1] stars,             # OUT  rows by zone, in a zone by row number
):
    cdef Py_ssize_t i, z, n_zones = slot.shape[0]
    cdef Star* star
    with nogil:
        for i in range(first, last):
            z = zone_of(dec[i], lowest, zones_per_degree, n_zones)
            star = &stars[slot[z]]
            slot[z] += 1
            # A pole has every right ascension: with one, its rows are seen to be at one position.
            star.ra = wrapped(ra[i]) if fabs(dec[i]) < 90.0 else 0.0
            star.dec = dec[i]
            star.row = i


# ------------------------------------------------------------------ sorting a zone


cdef int by_position(const void* a, const void* b) noexcept nogil:
    cdef const Star* s = <const Star*>a
    cdef const Star* t = <const Star*>b
    if s.ra != t.ra:
        return 1 if s.ra > t.ra else -1
    if s.dec != t.dec:
        return 1 if s.dec > t.dec else -1
    return (s.row > t.row) - (s.row < t.row)


cdef inline uint32_t key_of(double ra, double low, double keys_per_degree) noexcept nogil:
    cdef double key = (ra - low) * keys_per_degree
    # What is no number has no key: an array that its owner changed must not break the bounds.
    return <uint32_t>key if 0.0 <= key < N_KEYS else 0


cdef int sort_zone(Star* stars, Py_ssize_t n) noexcept nogil:
    """Sort by right ascension, then declination, then row; -1 if memory is short."""
    cdef double low = INFINITY, high = -INFINITY
    cdef Py_ssize_t i, run
    for i in range(n):
        low = min(low, stars[i].ra)
        high = max(high, stars[i].ra)
    if n < SHORT or not high > low:
        qsort(stars, n, sizeof(Star), by_position)
        return 0
    cdef double keys_per_degree = (N_KEYS - 1) / (high - low)
    # A range so small that its inverse overflows holds few different numbers.
    if not keys_per_degree < 1e300:
        qsort(stars, n, sizeof(Star), by_position)
        return 0
    cdef Star* sorted_stars = <Star*>malloc(n * sizeof(Star))
    if sorted_stars is NULL:
        return -1
    if radix_sort(stars, n, low, keys_per_degree, sorted_stars) < 0:
        free(sorted_stars)
        return -1
    memcpy(stars, sorted_stars, n * sizeof(Star))
    free(sorted_stars)
    i = 0
    while i < n:
        run = i + 1
        while run < n and (
            key_of(stars[run].ra, low, keys_per_degree)
            == key_of(stars[i].ra, low, keys_per_degree)
        ):
            run += 1
        if run - i > 1:
            qsort(stars + i, run - i, sizeof(Star), by_position)
        i = run
    return 0


cdef int radix_sort(
    const Star* stars, Py_ssize_t n, double low, double keys_per_degree, Star* sorted_stars
) noexcept nogil:
    """Sort by key; the rows themselves move once."""
    cdef uint32_t* key = <uint32_t*>malloc(n * sizeof(uint32_t))
    cdef int64_t* order = <int64_t*>malloc(n * sizeof(int64_t))
    cdef int failed = -1
    cdef Py_ssize_t i
    if key is not NULL and order is not NULL:
        for i in range(n):
            key[i] = key_of(stars[i].ra, low, keys_per_degree)
        failed = order_by_key(key, n, order)
        if not failed:
            for i in range(n):
                sorted_stars[i] = stars[order[i]]
    free(key)
    free(order)
    return failed


cdef Py_ssize_t first_of_each_position(
    Star* stars, Py_ssize_t n, Py_ssize_t k, const double[::1] radius
) noexcept nogil:
    """Leave out rows that cannot be among the k nearest; gives how many remain.

    Of rows at one position these are those after the first k; where rows have radii of their
    own, and k is 1, those that reach no farther than one before them.
    """
    cdef Py_ssize_t i, kept = 0, same = 0
    cdef double farthest = -1.0
    cdef bint wanted
    for i in range(n):
        if not (kept and stars[i].ra == stars[kept - 1].ra and stars[i].dec == stars[kept - 1].dec):
            same = 0
            farthest = -1.0
        if radius.shape[0]:
            wanted = k > 1 or radius[stars[i].row] > farthest
            farthest = max(farthest, radius[stars[i].row])
        else:
            wanted = same < k
        same += 1
        if wanted:
            stars[kept] = stars[i]
            kept += 1
    return kept


# ------------------------------------------------------------------ the right catalogue


cdef class Zones:
    """The right catalogue, ready to be searched.

    Zone z holds ``stars[start[z]] .. stars[stop[z] - 1]``, by right ascension. Part p of the
    circle, counted from the lowest right ascension of the zone, begins at
    ``start[z] + table[table_start[z] + p]``.
    """

    cdef Star[::1] stars
    cdef const int64_t[::1] start
    cdef int64_t[::1] stop
    cdef const int64_t[::1] table_start
    cdef int32_t[::1] table
    cdef double[::1] ra_low, parts_per_degree, dec_low, dec_high, cos_least, largest
    cdef const double[::1] radius
    cdef int64_t[::1] above, below
    cdef readonly double lowest, zones_per_degree
    cdef readonly Py_ssize_t n_zones

    def __init__(self, stars, start, table_start, double lowest, double zones_per_degree, radius):
        self.stars = stars
        self.radius = radius  # (0,) or (right rows,) arcsec, added in quadrature to the left one
        self.start = start
        self.table_start = table_start
        self.lowest = lowest
        self.zones_per_degree = zones_per_degree
        self.n_zones = n_zones = self.start.shape[0] - 1
        self.stop = np.array(start[1:])
        self.table = np.zeros(self.table_start[n_zones], np.int32)
        self.ra_low = np.zeros(n_zones)
        self.parts_per_degree = np.zeros(n_zones)
        self.dec_low = np.full(n_zones, np.inf)
        self.dec_high = np.full(n_zones, -np.inf)
        self.cos_least = np.zeros(n_zones)
        self.largest = np.zeros(n_zones)
        filled = np.diff(start) > 0
        numbers = np.arange(n_zones)
        # The nearest zone that holds rows, upwards and downwards, the zone itself included.
        self.above = np.minimum.accumulate(np.where(filled, numbers, n_zones)[::-1])[::-1].copy()
        self.below = np.maximum.accumulate(np.where(filled, numbers, -1))

    def sort(self, Py_ssize_t first, Py_ssize_t last, Py_ssize_t k):
        """Sort zones first .. last - 1, keeping k rows of a position; 0 keeps all."""
        cdef Py_ssize_t z, n
        cdef int failed = 0
        with nogil:
            for z in range(first, last):
                n = self.stop[z] - self.start[z]
                if n == 0:
                    continue
                if sort_zone(&self.stars[self.start[z]], n) < 0:
                    failed = 1
                    break
                if k:
                    n = first_of_each_position(&self.stars[self.start[z]], n, k, self.radius)
                    self.stop[z] = self.start[z] + n
                self.describe(z, n)
        if failed:
            raise MemoryError("there is no memory left to sort a zone of the right catalogue")

    cdef void describe(self, Py_ssize_t z, Py_ssize_t n) noexcept nogil:
        """Limits of a sorted zone, and its lookup table."""
        cdef const Star* stars = &self.stars[self.start[z]]
        cdef Py_ssize_t n_parts = self.table_start[z + 1] - self.table_start[z] - 1
        cdef int32_t* table = &self.table[self.table_start[z]]
        cdef double span = stars[n - 1].ra - stars[0].ra
        cdef Py_ssize_t i, p = 0, part
        for i in range(n):
            self.dec_low[z] = min(self.dec_low[z], stars[i].dec)
            self.dec_high[z] = max(self.dec_high[z], stars[i].dec)
            if self.radius.shape[0]:
                self.largest[z] = max(self.largest[z], self.radius[stars[i].row])
        # The cosine falls towards both poles.
        self.cos_least[z] = min(cosine(self.dec_low[z]), cosine(self.dec_high[z]))
        self.ra_low[z] = stars[0].ra
        self.parts_per_degree[z] = n_parts / span if n_parts / 1e300 < span else 0.0
        for i in range(n):
            part = self.part_of(z, stars[i].ra, n_parts)
            while p <= part:
                table[p] = <int32_t>i
                p += 1
        while p <= n_parts:
            table[p] = <int32_t>n
            p += 1

    cdef void prefetch(self, Py_ssize_t z) noexcept nogil:
        """Ask for a zone from memory in one sweep: the rows that will be wanted come at random."""
        cdef Py_ssize_t n_bytes = (self.stop[z] - self.start[z]) * sizeof(Star)
        cdef Py_ssize_t n_table = (self.table_start[z + 1] - self.table_start[z]) * sizeof(int32_t)
        cdef const char* at
        cdef Py_ssize_t i
        if 0 < n_bytes < MAX_PREFETCH:
            at = <const char*>&self.stars[self.start[z]]
            for i in range(0, n_bytes, 64):
                PREFETCH(at + i)
            at = <const char*>&self.table[self.table_start[z]]
            for i in range(0, n_table, 64):
                PREFETCH(at + i)

    cdef inline Py_ssize_t part_of(self, Py_ssize_t z, double ra, Py_ssize_t n_parts) noexcept nogil:
        cdef double p = (ra - self.ra_low[z]) * self.parts_per_degree[z]
        if not p > 0.0:
            return 0
        return <Py_ssize_t>p if p < n_parts else n_parts - 1

    cdef inline Py_ssize_t place(self, Py_ssize_t z, double ra) noexcept nogil:
        """How many rows of a zone have a lower right ascension."""
        cdef const Star* stars = &self.stars[self.start[z]]
        cdef const int32_t* table = &self.table[self.table_start[z]]
        cdef Py_ssize_t n_parts = self.table_start[z + 1] - self.table_start[z] - 1
        cdef Py_ssize_t p = self.part_of(z, ra, n_parts)
        cdef Py_ssize_t low = table[p]
        cdef Py_ssize_t high = min(<Py_ssize_t>table[p + 1], self.stop[z] - self.start[z])
        cdef Py_ssize_t middle
        while high - low > FEW:
            middle = (low + high) // 2
            if stars[middle].ra < ra:
                low = middle + 1
            else:
                high = middle
        while low < high and stars[low].ra < ra:
            low += 1
        return low


# ------------------------------------------------------------------ what is found


cdef struct Found:
    # The best so far of one left row: a heap with the worst on top once it is full.
    Pair* pairs
    Py_ssize_t size
    Py_ssize_t capacity
    Py_ssize_t wanted        # k; 0 means all


cdef inline bint worse(Pair a, Pair b) noexcept nogil:
    """Whether a comes after b: by separation, then by row."""
    if a.separation != b.separation:
        return a.separation > b.separation
    return a.row > b.row


cdef void sift_down(Pair* pairs, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    cdef Pair moving = pairs[at]
    cdef Py_ssize_t child = 2 * at + 1
    while child < n:
        if child + 1 < n and worse(pairs[child + 1], pairs[child]):
            child += 1
        if not worse(pairs[child], moving):
            break
        pairs[at] = pairs[child]
        at = child
        child = 2 * at + 1
    pairs[at] = moving


cdef void make_heap(Pair* pairs, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n // 2 - 1, -1, -1):
        sift_down(pairs, i, n)


cdef void sort_pairs(Pair* pairs, Py_ssize_t n) noexcept nogil:
    """Heap sort: ascending, in place, n log n also at its worst."""
    cdef Py_ssize_t i
    cdef Pair last
    make_heap(pairs, n)
    for i in range(n - 1, 0, -1):
        last = pairs[i]
        pairs[i] = pairs[0]
        pairs[0] = last
        sift_down(pairs, 0, i)


cdef int add(Found* found, Pair pair) noexcept nogil:
    """Take a pair if it is wanted: 1 if it was taken, 0 if not, -1 if memory is short."""
    cdef Pair* grown
    cdef Py_ssize_t capacity
    if found.wanted and found.size == found.wanted:
        if not worse(found.pairs[0], pair):
            return 0
        found.pairs[0] = pair
        sift_down(found.pairs, 0, found.size)
        return 1
    if found.size == found.capacity:
        capacity = 2 * found.capacity
        grown = <Pair*>realloc(found.pairs, capacity * sizeof(Pair))
        if grown is NULL:
            return -1
        found.pairs = grown
        found.capacity = capacity
    found.pairs[found.size] = pair
    found.size += 1
    if found.wanted and found.size == found.wanted:
        make_heap(found.pairs, found.size)
    return 1


# ------------------------------------------------------------------ searching


cdef struct Query:
    double ra
    double dec
    double cos_dec
    double radius            # arcsec
    double least             # arcsec: pairs nearer than this do not count
    double reach             # degrees: no wanted pair is farther
    int64_t after            # only right rows with a higher number
    Py_ssize_t n_visited     # right rows looked at


cdef inline void set_reach(Query* query, double arcsec) noexcept nogil:
    query.reach = arcsec / 3600.0 * WIDER


cdef inline double reach_into(Zones zones, Py_ssize_t z, const Query* query) noexcept nogil:
    """Degrees that a wanted pair with a row of a zone can be apart."""
    cdef double limit
    if zones.radius.shape[0] == 0:
        return query.reach
    limit = hypot(query.radius, zones.largest[z]) / 3600.0 * WIDER
    return min(query.reach, limit)


cdef double half_width(
    Zones zones, Py_ssize_t z, const Query* query, double reach, double beyond
) noexcept nogil:
    """Degrees of right ascension that rows of a zone within reach can be away.

    ``beyond`` is how far the zone is away in declination; beyond reach, no width is left.
    """
    cdef double t, width = 180.0
    if reach < beyond:
        return -1.0
    # Everywhere, if the circle holds a pole.
    if reach < 90.0 - fabs(query.dec):
        t = reach * DEGREE if reach < 1.0 else sin(reach * DEGREE)
        t *= WIDER / query.cos_dec
        if t < 0.3:
            width = t * (1.0 + 0.2 * t * t) / DEGREE  # above the arcsine
        elif t < 1.0:
            width = asin(t) / DEGREE * WIDER
    if reach > FAR * (zones.dec_high[z] - zones.dec_low[z]):
        # From afar a zone is a line: sin^2(w/2) = (sin^2(r/2) - sin^2(d/2)) / (cos d1 cos d2).
        t = sin(0.5 * (reach + beyond) * DEGREE) * sin(0.5 * (reach - beyond) * DEGREE)
        t *= WIDER / (query.cos_dec * zones.cos_least[z])
        # Beyond half a circle a larger reach is no larger sine.
        if t < 1.0 and reach < 180.0:
            width = min(width, 2.0 * asin(sqrt(t)) / DEGREE * WIDER)
    return width


cdef inline int consider(Zones zones, Query* query, const Star* star, Found* found) noexcept nogil:
    """Add a right row if it is a match, and shorten the reach; -1 if memory is short."""
    cdef Pair pair
    cdef double limit
    cdef int taken
    if fabs(star.dec - query.dec) > query.reach or star.row <= query.after:
        return 0
    pair.row = star.row
    pair.separation = separation(
        query.ra, query.dec, query.cos_dec, star.ra, star.dec, cosine(star.dec)
    )
    limit = query.radius
    if zones.radius.shape[0]:
        limit = hypot(query.radius, zones.radius[star.row])
    if pair.separation > limit or pair.separation < query.least:
        return 0
    taken = add(found, pair)
    if taken > 0 and found.wanted and found.size == found.wanted:
        set_reach(query, found.pairs[0].separation)
    return taken


cdef int visit(Zones zones, Py_ssize_t z, Query* query, Found* found) noexcept nogil:
    """All rows of a zone that can be within reach, walking away from the right ascension."""
    cdef Py_ssize_t n = zones.stop[z] - zones.start[z]
    cdef const Star* stars = &zones.stars[zones.start[z]]
    cdef double reach = reach_into(zones, z, query)
    cdef double beyond = max(zones.dec_low[z] - query.dec, query.dec - zones.dec_high[z])
    cdef Py_ssize_t place, i, step, eastern = 0
    cdef double away, width
    cdef int taken
    beyond = max(beyond, 0.0)
    if n == 0 or reach < beyond:
        return 0
    width = half_width(zones, z, query, reach, beyond)
    place = zones.place(z, query.ra)
    i = place
    while eastern < n:
        if i == n:
            i = 0
        away = stars[i].ra - query.ra
        if away < 0.0:
            away = (stars[i].ra + 180.0) - (query.ra - 180.0)
        if away > width:
            break
        taken = consider(zones, query, &stars[i], found)
        if taken < 0:
            return -1
        if taken and query.reach < reach:
            reach = query.reach
            width = half_width(zones, z, query, reach, beyond)
        i += 1
        eastern += 1
    i = place
    step = 0
    while step < n - eastern:
        i = i - 1 if i else n - 1
        away = query.ra - stars[i].ra
        if away < 0.0:
            away = (query.ra + 180.0) - (stars[i].ra - 180.0)
        if away > width:
            break
        taken = consider(zones, query, &stars[i], found)
        if taken < 0:
            return -1
        if taken and query.reach < reach:
            reach = query.reach
            width = half_width(zones, z, query, reach, beyond)
        step += 1
    query.n_visited += eastern + step + 1
    return 0


cdef int search_zones(Zones zones, Py_ssize_t own, Query* query, Found* found) noexcept nogil:
    """The zone of the row, then those above and below it while they are within reach."""
    cdef Py_ssize_t up = own + 1, down = own - 1
    cdef double beyond_up, beyond_down
    if visit(zones, own, query, found) < 0:
        return -1
    while True:
        up = zones.above[up] if up < zones.n_zones else zones.n_zones
        down = zones.below[down] if down >= 0 else -1
        beyond_up = zones.dec_low[up] - query.dec if up < zones.n_zones else INFINITY
        beyond_down = query.dec - zones.dec_high[down] if down >= 0 else INFINITY
        if beyond_up <= beyond_down:
            if beyond_up > query.reach or up == zones.n_zones:
                return 0
            if visit(zones, up, query, found) < 0:
                return -1
            up += 1
        else:
            if beyond_down > query.reach:
                return 0
            if visit(zones, down, query, found) < 0:
                return -1
            down -= 1


def search(
    Zones zones,                       # IN   the right catalogue
    const Star[::1] left,              # IN   the left catalogue, by zone
    Py_ssize_t first,                  # IN   stars first .. last - 1 of it
    Py_ssize_t last,
    const double[::1] radius,          # IN   (1,) or (left rows,) arcsec
    double largest_right_radius,       # IN   arcsec
    double min_radius,                 # IN   arcsec, inclusive
    Py_ssize_t k,                      # IN   matches of a row; 0 means all
    bint with_itself,                  # IN   right is left: only rows after the left one
    Py_ssize_t enough,                 # IN   stop after the row that brings this many pairs
):
    """Matches of some left rows: (stars done, left rows, right rows, separations).

    It also stops after the row with which it has looked at MAX_VISITS right rows: signals wait.
    """
    cdef Py_ssize_t i = first, j, n_pairs = 0, capacity = max(256, last - first)
    cdef Py_ssize_t own, before = -1
    cdef Query query
    cdef Found found
    cdef Pair* pairs = <Pair*>malloc(capacity * sizeof(Pair))
    cdef int64_t* owner = <int64_t*>malloc(capacity * sizeof(int64_t))
    cdef Pair* more_pairs
    cdef int64_t* more_owners
    cdef bint each = radius.shape[0] > 1, failed = pairs is NULL or owner is NULL
    found.wanted = k
    found.capacity = 16
    found.pairs = <Pair*>malloc(found.capacity * sizeof(Pair))
    failed = failed or found.pairs is NULL
    query.least = min_radius
    query.after = -1
    query.n_visited = 0
    with nogil:
        while i < last and n_pairs < enough and query.n_visited < MAX_VISITS and not failed:
            query.ra = left[i].ra
            query.dec = left[i].dec
            query.cos_dec = cosine(query.dec)
            query.radius = radius[left[i].row if each else 0]
            if with_itself:
                query.after = left[i].row
            # Half a circle is all that there is.
            set_reach(&query, min(hypot(query.radius, largest_right_radius), 648001.0))
            found.size = 0
            own = zone_of(query.dec, zones.lowest, zones.zones_per_degree, zones.n_zones)
            if own != before:
                zones.prefetch(own)
                before = own
            if search_zones(zones, own, &query, &found) < 0:
                failed = True
                break
            if n_pairs + found.size > capacity:
                capacity = 2 * (n_pairs + found.size)
                more_pairs = <Pair*>realloc(pairs, capacity * sizeof(Pair))
                if more_pairs is not NULL:
                    pairs = more_pairs
                more_owners = <int64_t*>realloc(owner, capacity * sizeof(int64_t))
                if more_owners is not NULL:
                    owner = more_owners
                failed = more_pairs is NULL or more_owners is NULL
                if failed:
                    break
            sort_pairs(found.pairs, found.size)
            for j in range(found.size):
                pairs[n_pairs] = found.pairs[j]
                owner[n_pairs] = left[i].row
                n_pairs += 1
            i += 1
        free(found.pairs)
    try:
        if failed:
            raise MemoryError("there is no memory left for the matches of one left row")
        return i, *arrays_of(owner, pairs, n_pairs)
    finally:
        free(pairs)
        free(owner)


cdef arrays_of(const int64_t* owner, const Pair* pairs, Py_ssize_t n):
    left, right, separations = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    cdef int64_t[::1] to_left = left, to_right = right
    cdef double[::1] to_separation = separations
    cdef Py_ssize_t i
    with nogil:
        for i in range(n):
            to_left[i] = owner[i]
            to_right[i] = pairs[i].row
            to_separation[i] = pairs[i].separation
    return left, right, separations


# ------------------------------------------------------------------ pairs into order


def count_matches(
    const int64_t[::1] left,           # IN   (n,) left rows of a chunk
    int64_t[::1] count,                # OUT  (left rows,) pairs of each
):
    cdef Py_ssize_t i
    with nogil:
        for i in range(left.shape[0]):
            count[left[i]] += 1


def place_matches(
    const int64_t[::1] left,           # IN   (n,) a chunk: the pairs of a left row are
    const int64_t[::1] right,          #      together, and in order
    const double[::1] separations,
    int64_t[::1] slot,                 # IN   (left rows,) where the first pair of each goes
    int64_t[::1] all_left,             # OUT  (pairs,) everything, by left row
    int64_t[::1] all_right,
    double[::1] all_separations,
):
    cdef Py_ssize_t i
    cdef int64_t at
    with nogil:
        for i in range(left.shape[0]):
            at = slot[left[i]]
            slot[left[i]] = at + 1
            all_left[at] = left[i]
            all_right[at] = right[i]
            all_separations[at] = separations[i]
