"""Elements into planes that LZ4 can compress, and back.

Algorithm
---------
1. Prediction, of whole numbers of 1, 2, 4 or 8 bytes and of floats read as such. Each becomes its
   difference from what its neighbours suggest: the one before it, or half of that and a quarter
   each of the one above and the one to the right of that. The sign of the difference goes to bit
   0, so that small ones of both signs have zeros above.
2. Lanes. Byte 0 of all elements, then byte 1, and so on: the byte shuffle.
3. Bit planes, of lanes where that pays. Byte i of plane k holds bit k of elements 8 i to 8 i + 7.
   Bits that are noise are then apart from those that are not, and need not go through LZ4.

A lane that is not taken apart, and a plane of one that is, is a section. It is either among the
bytes that were compressed or among those kept raw, and decoding reads it where it lies. Steps 3
and 2 are undone tile by tile in the first-level cache, step 1 for a block in the second.

Design
------
1. All shuffling is 2-way interleaving of bytes, in rounds (8 lanes are three), and exchanges of
   bits between rows of 64-bit words: loops that compilers turn into vector code for any processor.
2. Sums along a row cannot be vectorised, so their loop does nothing else. The element before is
   at the top of a 64-bit word, so that bits which halving shifts out of it need no mask: they stay
   below, where nothing is added to them.
3. All arithmetic is unsigned and wraps. Damaged bytes give wrong elements, but no access outside
   of the buffers, whose sizes are checked before.

Cost: one to two operations on 16 bytes per byte; prediction one to three cycles per element.

Source: byte shuffle as in Blosc (Alted 2010, Computing in Science & Engineering 12, 68), bit
planes as in bitshuffle (Masui et al. 2015, Astronomy and Computing 12, 181), exchange of bits as
in Warren, Hacker's Delight, 7-3.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    TILE = 512            # elements that are shuffled together
    ROW = TILE // 8       # bytes of one of their bit planes
    WORDS = ROW // 8      # 64-bit words of the same
    LANES = 32            # most bytes in an element

# For the files that plan and describe what is stored.
TILE_ELEMENTS = TILE
MOST_LANES = LANES

ctypedef fused Word:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


# ---------------------------------------------------------------- doors

def split(
    const uint8_t[::1] elements,     # IN   n * lanes bytes, n a multiple of TILE
    const uint8_t[::1] modes,        # IN   per lane: 1 for bit planes, 0 for bytes
    const uint8_t[::1] raw_masks,    # IN   per lane: bit k set if plane k is raw; 255 or 0 of bytes
    uint8_t[::1] raw,                # OUT  sections that are raw
    uint8_t[::1] packed,             # OUT  sections to compress
):
    """Cut a block of elements into sections."""
    cdef Plan plan
    cdef Py_ssize_t n = prepare(
        &plan, modes, raw_masks, elements.shape[0], raw.shape[0], packed.shape[0]
    )
    if n:
        with nogil:
            split_tiles(&plan, &elements[0], n, address(raw), address(packed))


def join(
    const uint8_t[::1] raw,          # IN   as split gives them
    const uint8_t[::1] packed,       # IN
    const uint8_t[::1] modes,        # IN
    const uint8_t[::1] raw_masks,    # IN
    uint8_t[::1] elements,           # OUT
):
    """The inverse of :func:`split`."""
    cdef Plan plan
    cdef Py_ssize_t n = prepare(
        &plan, modes, raw_masks, elements.shape[0], raw.shape[0], packed.shape[0]
    )
    if n:
        with nogil:
            join_tiles(&plan, const_address(raw), const_address(packed), n, &elements[0])


def predict(
    const uint8_t[::1] elements,     # IN
    Py_ssize_t itemsize,             # IN   1, 2, 4 or 8
    Py_ssize_t width,                # IN   elements in a row; 0 for delta
    uint8_t[::1] out,                # OUT
):
    """Elements to differences from their predictions."""
    require_words(elements.shape[0], out.shape[0], itemsize, width)
    if elements.shape[0] == 0:
        return
    if <size_t>&out[0] % itemsize:
        raise ValueError("out must lie at a multiple of the element size in memory")
    if <size_t>&elements[0] % itemsize:
        elements = elements.copy()
    cdef const uint8_t* values = &elements[0]
    cdef Py_ssize_t n = elements.shape[0] // itemsize
    with nogil:
        if itemsize == 1:
            predict_words[uint8_t](values, n, width, &out[0])
        elif itemsize == 2:
            predict_words[uint16_t](<const uint16_t*>values, n, width, <uint16_t*>&out[0])
        elif itemsize == 4:
            predict_words[uint32_t](<const uint32_t*>values, n, width, <uint32_t*>&out[0])
        else:
            predict_words[uint64_t](<const uint64_t*>values, n, width, <uint64_t*>&out[0])


def restore(
    uint8_t[::1] elements,           # IN, OUT
    Py_ssize_t itemsize,             # IN
    Py_ssize_t width,                # IN
):
    """The inverse of :func:`predict`, in place."""
    require_words(elements.shape[0], elements.shape[0], itemsize, width)
    if elements.shape[0] == 0:
        return
    cdef uint8_t[::1] aligned = elements
    if <size_t>&elements[0] % itemsize:
        aligned = elements.copy()
    cdef uint8_t* values = &aligned[0]
    cdef Py_ssize_t n = elements.shape[0] // itemsize
    with nogil:
        if itemsize == 1:
            restore_words[uint8_t](values, n, width)
        elif itemsize == 2:
            restore_words[uint16_t](<uint16_t*>values, n, width)
        elif itemsize == 4:
            restore_words[uint32_t](<uint32_t*>values, n, width)
        else:
            restore_words[uint64_t](<uint64_t*>values, n, width)
    if values != &elements[0]:
        elements[:] = aligned


# ---------------------------------------------------------------- what the doors check

cdef struct Plan:
    int lanes
    uint8_t modes[LANES]
    uint8_t raw_masks[LANES]


cdef struct Places:
    # Where each section is: of lane j as bytes, or of its plane k.
    uint8_t* of[LANES][8]


cdef Py_ssize_t prepare(
    Plan* plan, const uint8_t[::1] modes, const uint8_t[::1] raw_masks, Py_ssize_t size,
    Py_ssize_t raw, Py_ssize_t packed,
) except -1:
    """Copy the plan; the number of elements, if all sizes are what it needs."""
    cdef Py_ssize_t lanes = modes.shape[0], n, needed = 0
    cdef int lane, k
    if not 1 <= lanes <= LANES or raw_masks.shape[0] != lanes or size % (lanes * TILE):
        raise ValueError("a block and the plan of its lanes do not fit each other")
    n = size // lanes
    plan.lanes = lanes
    for lane in range(lanes):
        plan.modes[lane], plan.raw_masks[lane] = modes[lane], raw_masks[lane]
        if not modes[lane]:
            needed += n if raw_masks[lane] else 0
            continue
        for k in range(8):
            needed += n // 8 if raw_masks[lane] >> k & 1 else 0
    if raw != needed or packed != size - needed:
        raise ValueError("the sections of a block do not have the sizes that its plan gives")
    return n


cdef int require_words(
    Py_ssize_t size, Py_ssize_t out, Py_ssize_t itemsize, Py_ssize_t width
) except -1:
    if itemsize not in (1, 2, 4, 8) or size % itemsize or size != out:
        raise ValueError("a block cannot be predicted with this element size")
    if width < 0 or width == 1:
        raise ValueError("a block cannot be predicted with rows of this length")
    return 0


cdef inline uint8_t* address(uint8_t[::1] view) noexcept nogil:
    return &view[0] if view.shape[0] else NULL


cdef inline uint8_t* const_address(const uint8_t[::1] view) noexcept nogil:
    # Sections that are read and those that are written are found by the same function.
    return <uint8_t*>&view[0] if view.shape[0] else NULL


# ---------------------------------------------------------------- lanes and planes

cdef void find_sections(
    const Plan* plan, Py_ssize_t n, uint8_t* raw, uint8_t* packed, Places* places
) noexcept nogil:
    cdef Py_ssize_t size
    cdef int lane, k
    for lane in range(plan.lanes):
        for k in range(8 if plan.modes[lane] else 1):
            size = n // 8 if plan.modes[lane] else n
            if plan.raw_masks[lane] >> k & 1:
                places.of[lane][k] = raw
                raw += size
            else:
                places.of[lane][k] = packed
                packed += size


cdef void join_tiles(
    const Plan* plan, uint8_t* raw, uint8_t* packed, Py_ssize_t n, uint8_t* out
) noexcept nogil:
    cdef Places places
    cdef uint8_t[LANES][TILE] room
    cdef const uint8_t* lanes[LANES]
    cdef Py_ssize_t tile, start
    cdef int lane
    find_sections(plan, n, raw, packed, &places)
    for tile in range(n // TILE):
        start = tile * TILE
        for lane in range(plan.lanes):
            if plan.modes[lane]:
                bytes_of_planes(places.of[lane], start // 8, room[lane])
                lanes[lane] = &room[lane][0]
            else:
                lanes[lane] = places.of[lane][0] + start
        weave_lanes(lanes, plan.lanes, out + start * plan.lanes)


cdef void split_tiles(
    const Plan* plan, const uint8_t* elements, Py_ssize_t n, uint8_t* raw, uint8_t* packed
) noexcept nogil:
    cdef Places places
    cdef uint8_t[LANES][TILE] room
    cdef uint8_t* lanes[LANES]
    cdef Py_ssize_t tile, start
    cdef int lane
    find_sections(plan, n, raw, packed, &places)
    for tile in range(n // TILE):
        start = tile * TILE
        for lane in range(plan.lanes):
            lanes[lane] = &room[lane][0] if plan.modes[lane] else places.of[lane][0] + start
        unweave_lanes(elements + start * plan.lanes, plan.lanes, lanes)
        for lane in range(plan.lanes):
            if plan.modes[lane]:
                planes_of_bytes(room[lane], start // 8, places.of[lane])


cdef inline void bytes_of_planes(
    uint8_t* const* planes, Py_ssize_t start, uint8_t* out
) noexcept nogil:
    """TILE bytes whose bits are in eight planes."""
    cdef uint64_t[8][WORDS] rows
    cdef uint8_t[TILE] pairs
    cdef uint8_t[TILE] fours
    cdef const uint8_t* row = <const uint8_t*>&rows[0][0]
    cdef int k
    for k in range(8):
        memcpy(&rows[k][0], planes[k] + start, ROW)
    transpose_bits(rows)
    for k in range(4):
        weave(row + k * ROW, row + (k + 4) * ROW, ROW, pairs + 2 * k * ROW)
    weave(pairs, pairs + 4 * ROW, 2 * ROW, fours)
    weave(pairs + 2 * ROW, pairs + 6 * ROW, 2 * ROW, fours + 4 * ROW)
    weave(fours, fours + 4 * ROW, 4 * ROW, out)


cdef inline void planes_of_bytes(
    const uint8_t* values, Py_ssize_t start, uint8_t* const* planes
) noexcept nogil:
    """The inverse of bytes_of_planes."""
    cdef uint64_t[8][WORDS] rows
    cdef uint8_t[TILE] pairs
    cdef uint8_t[TILE] fours
    cdef uint8_t* row = <uint8_t*>&rows[0][0]
    cdef int k
    unweave(values, 4 * ROW, fours, fours + 4 * ROW)
    unweave(fours, 2 * ROW, pairs, pairs + 4 * ROW)
    unweave(fours + 4 * ROW, 2 * ROW, pairs + 2 * ROW, pairs + 6 * ROW)
    for k in range(4):
        unweave(pairs + 2 * k * ROW, ROW, row + k * ROW, row + (k + 4) * ROW)
    transpose_bits(rows)
    for k in range(8):
        memcpy(planes[k] + start, &rows[k][0], ROW)


cdef inline void transpose_bits(uint64_t[8][WORDS] rows) noexcept nogil:
    """Bit s of byte i in row k changes places with bit k of byte i in row s."""
    # Eight variables and one loop: compilers turn that into vector code, and nested loops not.
    cdef uint64_t a, b, c, d, e, f, g, h
    cdef int i
    for i in range(WORDS):
        a, b, c, d = rows[0][i], rows[1][i], rows[2][i], rows[3][i]
        e, f, g, h = rows[4][i], rows[5][i], rows[6][i], rows[7][i]
        exchange(&a, &e, 4, 0x0F0F0F0F0F0F0F0FULL)
        exchange(&b, &f, 4, 0x0F0F0F0F0F0F0F0FULL)
        exchange(&c, &g, 4, 0x0F0F0F0F0F0F0F0FULL)
        exchange(&d, &h, 4, 0x0F0F0F0F0F0F0F0FULL)
        exchange(&a, &c, 2, 0x3333333333333333ULL)
        exchange(&b, &d, 2, 0x3333333333333333ULL)
        exchange(&e, &g, 2, 0x3333333333333333ULL)
        exchange(&f, &h, 2, 0x3333333333333333ULL)
        exchange(&a, &b, 1, 0x5555555555555555ULL)
        exchange(&c, &d, 1, 0x5555555555555555ULL)
        exchange(&e, &f, 1, 0x5555555555555555ULL)
        exchange(&g, &h, 1, 0x5555555555555555ULL)
        rows[0][i], rows[1][i], rows[2][i], rows[3][i] = a, b, c, d
        rows[4][i], rows[5][i], rows[6][i], rows[7][i] = e, f, g, h


cdef inline void exchange(uint64_t* low, uint64_t* high, int shift, uint64_t mask) noexcept nogil:
    cdef uint64_t bits = ((low[0] >> shift) ^ high[0]) & mask
    high[0] ^= bits
    low[0] ^= bits << shift


cdef inline void weave(
    const uint8_t* even, const uint8_t* odd, Py_ssize_t n, uint8_t* out
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[2 * i] = even[i]
        out[2 * i + 1] = odd[i]


cdef inline void unweave(
    const uint8_t* values, Py_ssize_t n, uint8_t* even, uint8_t* odd
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        even[i] = values[2 * i]
        odd[i] = values[2 * i + 1]


cdef inline void weave_lanes(const uint8_t* const* lanes, int n_lanes, uint8_t* out) noexcept nogil:
    """A tile of elements from its lanes."""
    cdef uint8_t[8 * TILE] fours
    cdef Py_ssize_t i
    cdef int lane
    if n_lanes == 1:
        memcpy(out, lanes[0], TILE)
    elif n_lanes == 2:
        weave(lanes[0], lanes[1], TILE, out)
    elif n_lanes == 4:
        weave_four(lanes, 1, out)
    elif n_lanes == 8:
        weave_four(lanes, 2, fours)
        weave_four(lanes + 1, 2, fours + 4 * TILE)
        weave(fours, fours + 4 * TILE, 4 * TILE, out)
    else:
        for lane in range(n_lanes):
            for i in range(TILE):
                out[i * n_lanes + lane] = lanes[lane][i]


cdef inline void weave_four(const uint8_t* const* lanes, int step, uint8_t* out) noexcept nogil:
    """Lanes 0, step, 2 step and 3 step in turn."""
    cdef uint8_t[4 * TILE] pairs
    weave(lanes[0], lanes[2 * step], TILE, pairs)
    weave(lanes[step], lanes[3 * step], TILE, pairs + 2 * TILE)
    weave(pairs, pairs + 2 * TILE, 2 * TILE, out)


cdef inline void unweave_lanes(
    const uint8_t* elements, int n_lanes, uint8_t* const* lanes
) noexcept nogil:
    """The inverse of weave_lanes."""
    cdef uint8_t[8 * TILE] fours
    cdef Py_ssize_t i
    cdef int lane
    if n_lanes == 1:
        memcpy(lanes[0], elements, TILE)
    elif n_lanes == 2:
        unweave(elements, TILE, lanes[0], lanes[1])
    elif n_lanes == 4:
        unweave_four(elements, 1, lanes)
    elif n_lanes == 8:
        unweave(elements, 4 * TILE, fours, fours + 4 * TILE)
        unweave_four(fours, 2, lanes)
        unweave_four(fours + 4 * TILE, 2, lanes + 1)
    else:
        for lane in range(n_lanes):
            for i in range(TILE):
                lanes[lane][i] = elements[i * n_lanes + lane]


cdef inline void unweave_four(
    const uint8_t* values, int step, uint8_t* const* lanes
) noexcept nogil:
    cdef uint8_t[4 * TILE] pairs
    unweave(values, 2 * TILE, pairs, pairs + 2 * TILE)
    unweave(pairs, TILE, lanes[0], lanes[2 * step])
    unweave(pairs + 2 * TILE, TILE, lanes[step], lanes[3 * step])


# ---------------------------------------------------------------- prediction

cdef inline Word with_low_sign(Word difference) noexcept nogil:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return <Word>(difference << 1) ^ <Word>(0 - (difference >> (8 * sizeof(Word) - 1)))


cdef inline Word with_high_sign(Word coded) noexcept nogil:
    """The inverse of with_low_sign."""
    return <Word>(coded >> 1) ^ <Word>(0 - (coded & 1))


cdef inline Word flipped(Word value) noexcept nogil:
    """Signed integers in the order of unsigned ones, and back."""
    return value ^ <Word>((<Word>1) << (8 * sizeof(Word) - 1))


cdef inline Word above(Word up, Word up_right) noexcept nogil:
    """The part of a prediction that comes from the row above; 1 makes up for what shifts drop."""
    return (flipped(up) >> 2) + (flipped(up_right) >> 2) + 1


cdef void predict_words(
    const Word* values, Py_ssize_t n, Py_ssize_t width, Word* out
) noexcept nogil:
    cdef Py_ssize_t i, first = n if width == 0 else min(width, n)
    cdef Word guess
    out[0] = with_low_sign(values[0])
    for i in range(1, first):
        out[i] = with_low_sign(<Word>(values[i] - values[i - 1]))
    for i in range(first, n):
        guess = (flipped(values[i - 1]) >> 1) + above(values[i - width], values[i - width + 1])
        out[i] = with_low_sign(<Word>(flipped(values[i]) - guess))


cdef void restore_words(Word* values, Py_ssize_t n, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t i, first = n if width == 0 else min(width, n)
    cdef Word value = 0
    for i in range(first):
        value = value + with_high_sign(values[i])
        values[i] = value
    # One element less than a row at a time: all that is above is then known.
    while first < n:
        restore_row(values + first, min(width - 1, n - first), width, value)
        first = min(first + width - 1, n)
        value = values[first - 1]


cdef inline void restore_row(
    Word* values, Py_ssize_t n, Py_ssize_t width, Word before
) noexcept nogil:
    cdef const Word* up = values - width
    cdef int spare = 64 - 8 * sizeof(Word)
    cdef uint64_t value = <uint64_t>flipped(before) << spare
    cdef Py_ssize_t i
    for i in range(n):
        values[i] = with_high_sign(values[i]) + above(up[i], up[i + 1])
    for i in range(n):
        value = (value >> 1) + (<uint64_t>values[i] << spare)
        values[i] = flipped(<Word>(value >> spare))
