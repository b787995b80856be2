# One row of one subband into its place among the channels of the output; kernel.pyx tells how.

from libc.math cimport cos, floor, sin
from libc.stdint cimport int32_t, uint8_t

ctypedef fused Real:
    float
    double
    int32_t

cdef enum:
    MOST_POLARIZATIONS = 4
    LANES = 8
    RENEWAL = 128                # channels

cdef extern from *:
    """
    #define TURN 6.283185307179586476925
    #define LIGHT 299792458.0
    """
    const double TURN
    const double LIGHT           # metres per second


cdef struct Band:
    const double* frequency      # hertz, in the order of the file
    Py_ssize_t n_channels
    Py_ssize_t n_pol
    Py_ssize_t first             # where its channels begin in a row of the output, counted in
    Py_ssize_t step              # values of one polarisation, and where the next one is
    bint evenly_spaced


cdef struct Rule:
    const double* delta_w        # (n_rows,) metres; NULL where nothing turns
    const uint8_t* exchanged     # (n_rows,) whether antennas change places
    bint conjugate               # rows whose antennas do not
    const Py_ssize_t* order      # (2, n_pol) polarisations of rows as they are, and exchanged

cdef struct Merged:
    float* visibilities          # (n_rows, n_channels of all, n_pol, 2)
    uint8_t* flags               # (n_rows, n_channels of all, n_pol)
    float* weights               # the same
    Py_ssize_t width             # values of a row


cdef inline Band band_of(
    const double* frequency, Py_ssize_t n_channels, Py_ssize_t n_pol, Py_ssize_t first_channel,
    bint evenly_spaced,
) noexcept nogil:
    cdef Band band
    cdef bint descends = n_channels > 1 and frequency[0] > frequency[n_channels - 1]
    band.frequency, band.n_channels, band.n_pol = frequency, n_channels, n_pol
    band.evenly_spaced = evenly_spaced
    band.first = (first_channel + (n_channels - 1 if descends else 0)) * n_pol
    band.step = -n_pol if descends else n_pol
    return band


cdef inline void merge_rows(
    const Real* visibilities, const uint8_t* flags, const float* weights, Py_ssize_t first_row,
    Py_ssize_t n_rows, const Band* band, const Rule* rule, const Merged* out,
) noexcept nogil:
    """Some rows of a subband; the first of them is this row of the output and of the rule."""
    # A number that the compiler knows: loops over one to four are worth unrolling.
    if band.n_pol == 1:
        merge_unrolled(visibilities, flags, weights, first_row, n_rows, band, rule, out, 1)
    elif band.n_pol == 2:
        merge_unrolled(visibilities, flags, weights, first_row, n_rows, band, rule, out, 2)
    elif band.n_pol == 3:
        merge_unrolled(visibilities, flags, weights, first_row, n_rows, band, rule, out, 3)
    else:
        merge_unrolled(visibilities, flags, weights, first_row, n_rows, band, rule, out, 4)


cdef inline void merge_unrolled(
    const Real* visibilities, const uint8_t* flags, const float* weights, Py_ssize_t first_row,
    Py_ssize_t n_rows, const Band* band, const Rule* rule, const Merged* out, Py_ssize_t n_pol,
) noexcept nogil:
    cdef Py_ssize_t i, row, size = band.n_channels * n_pol
    cdef const Py_ssize_t* source
    cdef double w
    cdef float sign
    for i in range(n_rows):
        row = first_row + i
        source = rule.order + (n_pol if rule.exchanged[row] else 0)
        sign = -1.0 if rule.conjugate != <bint>rule.exchanged[row] else 1.0
        w = rule.delta_w[row] / LIGHT if rule.delta_w is not NULL else 0.0
        if w != 0.0:
            turn_row(
                visibilities + 2 * i * size, band, n_pol, source, sign, w,
                out.visibilities + 2 * row * out.width,
            )
        else:
            copy_row(
                visibilities + 2 * i * size, band, n_pol, source, sign,
                out.visibilities + 2 * row * out.width,
            )
        copy_rest(
            flags + i * size, weights + i * size, band, n_pol, source,
            out.flags + row * out.width, out.weights + row * out.width,
        )


cdef inline void copy_rest(
    const uint8_t* flags, const float* weights, const Band* band, Py_ssize_t n_pol,
    const Py_ssize_t* source, uint8_t* out_flags, float* out_weights,
) noexcept nogil:
    cdef Py_ssize_t channel, p, to = band.first
    for channel in range(band.n_channels):
        for p in range(n_pol):
            out_flags[to + p] = flags[channel * n_pol + source[p]] != 0
            out_weights[to + p] = weights[channel * n_pol + source[p]]
        to += band.step


cdef inline void copy_row(
    const Real* v, const Band* band, Py_ssize_t n_pol, const Py_ssize_t* source, float sign,
    float* out,
) noexcept nogil:
    """Visibilities that do not turn keep their bits."""
    cdef Py_ssize_t channel, p, to = 2 * band.first
    cdef const Real* one
    for channel in range(band.n_channels):
        for p in range(n_pol):
            one = v + 2 * (channel * n_pol + source[p])
            out[to + 2 * p] = <float>one[0]
            out[to + 2 * p + 1] = sign * <float>one[1]
        to += 2 * band.step


cdef inline void turn_row(
    const Real* v, const Band* band, Py_ssize_t n_pol, const Py_ssize_t* source, float sign,
    double w, float* out,
) noexcept nogil:
    cdef double[LANES] cosine, sine
    cdef double real, imaginary, far_cosine = 1.0, far_sine = 0.0
    cdef Py_ssize_t channel = 0, n, p, lane, to = 2 * band.first
    cdef const Real* one
    if band.evenly_spaced and band.n_channels > LANES:
        direction(w * (band.frequency[LANES] - band.frequency[0]), &far_cosine, &far_sine)
    while channel < band.n_channels:
        n = min(<Py_ssize_t>LANES, band.n_channels - channel)
        if channel % RENEWAL == 0 or not band.evenly_spaced:
            factors(band.frequency + channel, n, w, band.evenly_spaced, cosine, sine)
        else:
            for lane in range(LANES):
                real = cosine[lane]
                cosine[lane] = real * far_cosine - sine[lane] * far_sine
                sine[lane] = sine[lane] * far_cosine + real * far_sine
        for lane in range(n):
            for p in range(n_pol):
                one = v + 2 * ((channel + lane) * n_pol + source[p])
                real, imaginary = one[0], one[1]
                out[to + 2 * p] = <float>(real * cosine[lane] - imaginary * sine[lane])
                out[to + 2 * p + 1] = sign * <float>(
                    real * sine[lane] + imaginary * cosine[lane]
                )
            to += 2 * band.step
        channel += LANES


cdef inline void factors(
    const double* frequency, Py_ssize_t n, double w, bint evenly_spaced, double* cosine,
    double* sine,
) noexcept nogil:
    """Of up to LANES channels: the first and the step computed, or every one."""
    cdef double c, s
    cdef Py_ssize_t lane
    direction(w * frequency[0], &cosine[0], &sine[0])
    if evenly_spaced and n > 1:
        direction(w * (frequency[1] - frequency[0]), &c, &s)
        for lane in range(1, LANES):
            cosine[lane] = cosine[lane - 1] * c - sine[lane - 1] * s
            sine[lane] = sine[lane - 1] * c + cosine[lane - 1] * s
        return
    for lane in range(1, n):
        direction(w * frequency[lane], &cosine[lane], &sine[lane])


cdef inline void direction(double turns, double* cosine, double* sine) noexcept nogil:
    """Cosine and sine of minus some turns; whole ones go first, before anything is rounded."""
    cdef double angle = -TURN * (turns - floor(turns))
    cosine[0], sine[0] = cos(angle), sin(angle)
