"""One block of rows of one subband, into its place among the channels of the output.

Algorithm
---------
In one pass over the block, row by row, each channel:

1. turns by exp(-2 pi i delta_w f / c), in double precision. The factor of LANES channels is computed;
   where channels are evenly spaced the next ones follow by a rotation, renewed every RENEWAL
   channels so that rounding cannot grow;
2. is conjugated, or not, and its polarisations are put into the order of the output: a row whose
   antennas are exchanged has another order;
3. goes to its channel of the output, in descending order if the file has it so; flags and
   weights with it.

Cost: the bytes of the block, read and written once; 2 ns per visibility where it turns. Definition: reference.py.
"""

from libc.math cimport cos, floor, sin
from libc.stdint cimport uint8_t

import numpy as np

ctypedef fused Real:
    float
    double

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

MAX_POLARIZATIONS = MOST_POLARIZATIONS


cdef struct Band:
    const double* frequency      # hertz, in the order of the file
    Py_ssize_t n_channels
    Py_ssize_t n_pol
    Py_ssize_t first             # where its channels begin in a row of the output, counted in
    Py_ssize_t step              # values of one polarisation, and where the next one is
    bint evenly_spaced


def merge(
    const Real[:, :, :, ::1] visibilities,  # IN   (n_rows, n_channels, n_polarizations, 2)
    const uint8_t[:, :, ::1] flags,         # IN   (n_rows, n_channels, n_polarizations)
    const float[:, :, ::1] weights,         # IN   the same
    const double[::1] frequency,            # IN   (n_channels,) hertz, in the order of the file
    bint evenly_spaced,                     # IN   whether those rise or fall in equal steps
    const double[::1] delta_w,              # IN   (n_rows,) metres; None: nothing turns
    const uint8_t[::1] exchanged,           # IN   (n_rows,) whether antennas change places
    bint conjugate,                         # IN   rows whose antennas do not
    const Py_ssize_t[:, ::1] order,         # IN   (2, n_polarizations) as they are, exchanged
    Py_ssize_t first_channel,               # IN   of the output
    float[:, :, :, ::1] out,                # OUT  (n_rows, all channels, n_polarizations, 2)
    uint8_t[:, :, ::1] out_flags,           # OUT  (n_rows, all channels, n_polarizations)
    float[:, :, ::1] out_weights,           # OUT  the same
):
    """Fill the channels of one subband; visibilities are pairs of real and imaginary parts."""
    cdef Py_ssize_t n_rows = visibilities.shape[0], row
    cdef Band band
    cdef bint descends, turns = delta_w is not None
    cdef double w
    cdef float sign
    cdef const Py_ssize_t* source
    band.n_channels, band.n_pol = visibilities.shape[1], visibilities.shape[2]
    if band.n_pol > MOST_POLARIZATIONS:
        raise ValueError(f"there can be {MOST_POLARIZATIONS} polarizations, not {band.n_pol}")
    if not n_rows or not band.n_channels or not band.n_pol:
        return
    band.frequency, band.evenly_spaced = &frequency[0], evenly_spaced
    descends = band.n_channels > 1 and frequency[0] > frequency[band.n_channels - 1]
    band.first = (first_channel + (band.n_channels - 1 if descends else 0)) * band.n_pol
    band.step = -band.n_pol if descends else band.n_pol
    with nogil:
        for row in range(n_rows):
            source = &order[exchanged[row], 0]
            sign = -1.0 if conjugate != <bint>exchanged[row] else 1.0
            w = delta_w[row] / LIGHT if turns else 0.0
            # A number that the compiler knows: loops over one to four are worth unrolling.
            if band.n_pol == 1:
                merge_row(&visibilities[row, 0, 0, 0], &flags[row, 0, 0], &weights[row, 0, 0], &band,
                          1, source, sign, w, &out[row, 0, 0, 0], &out_flags[row, 0, 0],
                          &out_weights[row, 0, 0])
            elif band.n_pol == 2:
                merge_row(&visibilities[row, 0, 0, 0], &flags[row, 0, 0], &weights[row, 0, 0], &band,
                          2, source, sign, w, &out[row, 0, 0, 0], &out_flags[row, 0, 0],
                          &out_weights[row, 0, 0])
            elif band.n_pol == 4:
                merge_row(&visibilities[row, 0, 0, 0], &flags[row, 0, 0], &weights[row, 0, 0], &band,
                          4, source, sign, w, &out[row, 0, 0, 0], &out_flags[row, 0, 0],
                          &out_weights[row, 0, 0])
            else:
                merge_row(&visibilities[row, 0, 0, 0], &flags[row, 0, 0], &weights[row, 0, 0], &band,
                          3, source, sign, w, &out[row, 0, 0, 0], &out_flags[row, 0, 0],
                          &out_weights[row, 0, 0])


cdef inline void merge_row(
    const Real* visibilities, const uint8_t* flags, const float* weights, const Band* band,
    Py_ssize_t n_pol, const Py_ssize_t* source, float sign, double w, float* out,
    uint8_t* out_flags, float* out_weights,
) noexcept nogil:
    cdef Py_ssize_t channel, p, start, to = band.first
    if w != 0.0:
        turn_row(visibilities, band, n_pol, source, sign, w, out)
    else:
        copy_row(visibilities, band, n_pol, source, sign, out)
    for channel in range(band.n_channels):
        start = channel * n_pol
        for p in range(n_pol):
            out_flags[to + p] = flags[start + source[p]]
            out_weights[to + p] = weights[start + source[p]]
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


def medians(const float[:, :, ::1] weights):
    """Median over channels, for each row and polarisation.

    Parameters
    ----------
    weights : ndarray of float32, shape (n_rows, n_channels, n_polarizations)

    Returns
    -------
    ndarray of float32, shape (n_rows, n_polarizations)
    """
    cdef Py_ssize_t n_rows = weights.shape[0], n = weights.shape[1], n_pol = weights.shape[2]
    cdef Py_ssize_t row, p, channel
    result = np.empty((n_rows, n_pol), np.float32)
    room = np.empty(n, np.float32)
    cdef float[:, ::1] found = result
    cdef float[::1] values = room
    cdef float first
    cdef bint same
    with nogil:
        for row in range(n_rows):
            for p in range(n_pol):
                first = weights[row, 0, p]
                same = True
                for channel in range(n):
                    values[channel] = weights[row, channel, p]
                    same = same and values[channel] == first
                found[row, p] = first if same else median(&values[0], n)
    return result


cdef float median(float* values, Py_ssize_t n) noexcept nogil:
    """The mean of the two in the middle, if there are two; NAN if there is one. Reorders."""
    cdef Py_ssize_t i
    cdef float upper, lower
    for i in range(n):
        if values[i] != values[i]:
            return values[i]
    upper = selected(values, n, n // 2)
    if n % 2:
        return upper
    lower = values[0]
    for i in range(1, n // 2):
        lower = max(lower, values[i])
    return <float>(0.5 * (<float>(lower + upper)))


cdef float selected(float* values, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The one that would be at k if they were sorted (Hoare 1961); smaller ones end before it."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef float pivot, swap
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                swap = values[i]
                values[i] = values[j]
                values[j] = swap
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]
