"""Subbands of a block of rows into the channels of the output.

Algorithm
---------
Of each subband some rows at a time, as many as stay in the cache, are read (chunks.pyx) and merged
(merge.pxd). Row by row, each channel:

1. turns by exp(-2 pi i delta_w f / c), in double precision. Where channels are evenly spaced the
   factor follows from that before by a rotation, LANES channels at once, and is computed anew
   every RENEWAL channels so that rounding cannot grow;
2. is conjugated, or not, and its polarisations are put into the order of the output: a row whose
   antennas are exchanged has another order;
3. goes to its channel of the output, in descending order if the file has it so; flags and
   weights with it.

A whole block is one call without the GIL, so that the block before can be written meanwhile: what
writes it, casacore, keeps the GIL to itself.

Cost: the bytes of the block, read and written once; 2 ns per visibility more where it turns.
Definition: reference.py.
"""

from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free, realloc

import numpy as np

from ...runtime.median cimport median
from .chunks cimport DONE, NO_MEMORY, Outcome, Raw, RawDataset, read_rows
from .merge cimport MOST_POLARIZATIONS, Band, Merged, Real, Rule, band_of, merge_rows

from .chunks import require

cdef extern from *:
    """
    #define ROWS_AT_ONCE 256
    """
    const Py_ssize_t ROWS_AT_ONCE

MAX_POLARIZATIONS = MOST_POLARIZATIONS


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
    cdef Py_ssize_t n_rows = visibilities.shape[0], n_channels = visibilities.shape[1]
    cdef Py_ssize_t n_pol = visibilities.shape[2]
    require_polarizations(n_pol)
    if not n_rows or not n_channels or not n_pol:
        return
    cdef Band band = band_of(&frequency[0], n_channels, n_pol, first_channel, evenly_spaced)
    cdef Rule rule = rule_of(delta_w, exchanged, conjugate, order)
    cdef Merged merged = merged_into(out, out_flags, out_weights)
    with nogil:
        merge_rows(
            &visibilities[0, 0, 0, 0], &flags[0, 0, 0], &weights[0, 0, 0], 0, n_rows, &band,
            &rule, &merged,
        )


cdef require_polarizations(Py_ssize_t n_pol):
    if n_pol > MOST_POLARIZATIONS:
        raise ValueError(f"there can be {MOST_POLARIZATIONS} polarizations, not {n_pol}")


cdef Rule rule_of(
    const double[::1] delta_w, const uint8_t[::1] exchanged, bint conjugate,
    const Py_ssize_t[:, ::1] order,
):
    cdef Rule rule
    rule.delta_w = &delta_w[0] if delta_w is not None else NULL
    rule.exchanged, rule.conjugate, rule.order = &exchanged[0], conjugate, &order[0, 0]
    return rule


cdef Merged merged_into(
    float[:, :, :, ::1] out, uint8_t[:, :, ::1] out_flags, float[:, :, ::1] out_weights
):
    cdef Merged merged
    merged.visibilities, merged.flags = &out[0, 0, 0, 0], &out_flags[0, 0, 0]
    merged.weights, merged.width = &out_weights[0, 0, 0], out.shape[1] * out.shape[2]
    return merged


# ------------------------------------------------------------------ straight from files

cdef enum Kind:
    SINGLE, DOUBLE, WHOLE

cdef struct Subband:
    Raw* visibilities
    Raw* flags
    Raw* weights
    Kind kind
    Band band


cdef class Subbands:
    """Subbands of one spectral window whose datasets can be read past HDF5.

    Parameters
    ----------
    subbands : list of tuple
        Of each the :class:`RawDataset` of visibilities, flags and weights; its frequencies
        (hertz, in the order of the file), whether they are evenly spaced, and its first channel in
        the output.
    """

    cdef Subband* _subbands
    cdef Py_ssize_t _n
    cdef object _kept
    cdef uint8_t* _room
    cdef Py_ssize_t _capacity

    def __cinit__(self, list subbands):
        self._subbands = <Subband*>calloc(len(subbands), sizeof(Subband))
        if self._subbands is NULL:
            raise MemoryError("there is no memory for the subbands")
        self._n = len(subbands)
        self._kept = subbands

    def __init__(self, list subbands):
        cdef RawDataset visibilities, flags, weights
        cdef const double[::1] frequency
        cdef Subband* one
        cdef Py_ssize_t i = 0
        for visibilities, flags, weights, frequency, evenly_spaced, first in subbands:
            require_polarizations(visibilities.raw.shape[2])
            one = self._subbands + i
            one.visibilities, one.flags = &visibilities.raw, &flags.raw
            one.weights = &weights.raw
            one.kind = KINDS[visibilities.dtype]
            one.band = band_of(
                &frequency[0], visibilities.raw.shape[1], visibilities.raw.shape[2], first,
                evenly_spaced,
            )
            i += 1

    def __dealloc__(self):
        free(self._subbands)
        free(self._room)

    def fill(
        self,
        Py_ssize_t start,                   # IN   the first row of the files, and the last + 1
        Py_ssize_t stop,
        const double[::1] delta_w,          # IN   (n_rows,) metres; None: nothing turns
        const uint8_t[::1] exchanged,       # IN   (n_rows,) whether antennas change places
        bint conjugate,                     # IN   rows whose antennas do not
        const Py_ssize_t[:, ::1] order,     # IN   (2, n_polarizations) as they are, exchanged
        float[:, :, :, ::1] out,            # OUT  (n_rows, all channels, n_polarizations, 2)
        uint8_t[:, :, ::1] out_flags,       # OUT  (n_rows, all channels, n_polarizations)
        float[:, :, ::1] out_weights,       # OUT  the same
    ):
        """Fill the channels of all subbands; which of them could not be read, or -1.

        Raises
        ------
        MemoryError
            If there is none for the rows that are read at once.
        """
        cdef Rule rule = rule_of(delta_w, exchanged, conjugate, order)
        cdef Merged merged = merged_into(out, out_flags, out_weights)
        cdef Outcome outcome = DONE
        cdef Py_ssize_t i, failed = -1
        with nogil:
            for i in range(self._n):
                outcome = self.one(self._subbands + i, start, stop, &rule, &merged)
                if outcome != DONE:
                    failed = i
                    break
        if outcome == NO_MEMORY:
            require(outcome)
        return failed

    cdef Outcome one(
        self, Subband* subband, Py_ssize_t start, Py_ssize_t stop, const Rule* rule,
        const Merged* merged,
    ) noexcept nogil:
        """A subband, some rows at a time."""
        cdef Py_ssize_t size = subband.band.n_channels * subband.band.n_pol
        cdef Py_ssize_t item = subband.visibilities.item, row = start, n
        cdef Outcome outcome
        cdef uint8_t* visibilities
        cdef uint8_t* weights
        cdef uint8_t* flags
        if not self.has_room(ROWS_AT_ONCE * size * (item + sizeof(float) + 1)):
            return NO_MEMORY
        # The widest values first, so that each array is aligned.
        visibilities = self._room
        weights = visibilities + ROWS_AT_ONCE * size * item
        flags = weights + ROWS_AT_ONCE * size * <Py_ssize_t>sizeof(float)
        while row < stop:
            n = min(<Py_ssize_t>ROWS_AT_ONCE, stop - row)
            outcome = read_rows(subband.visibilities, row, row + n, visibilities)
            if outcome == DONE:
                outcome = read_rows(subband.flags, row, row + n, flags)
            if outcome == DONE:
                outcome = read_rows(subband.weights, row, row + n, weights)
            if outcome != DONE:
                return outcome
            if subband.kind == SINGLE:
                merge_rows(<const float*>visibilities, flags, <const float*>weights, row - start,
                           n, &subband.band, rule, merged)
            elif subband.kind == DOUBLE:
                merge_rows(<const double*>visibilities, flags, <const float*>weights, row - start,
                           n, &subband.band, rule, merged)
            else:
                merge_rows(<const int32_t*>visibilities, flags, <const float*>weights,
                           row - start, n, &subband.band, rule, merged)
            row += n
        return DONE

    cdef bint has_room(self, Py_ssize_t n) noexcept nogil:
        cdef uint8_t* room
        if n > self._capacity:
            room = <uint8_t*>realloc(self._room, n)
            if room is NULL:
                return False
            self._room, self._capacity = room, n
        return True


#: How the parts of a visibility are stored -> what the merge calls it.
KINDS = {
    np.dtype(np.complex64): SINGLE,
    np.dtype(np.complex128): DOUBLE,
    np.dtype([("r", np.int32), ("i", np.int32)]): WHOLE,
}


# ------------------------------------------------------------------ weights


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
                found[row, p] = first if same else known_median(&values[0], n)
    return result


cdef float known_median(float* values, Py_ssize_t n) noexcept nogil:
    """NAN if there is one among them, as NumPy has it. Reorders."""
    cdef Py_ssize_t i
    for i in range(n):
        if values[i] != values[i]:
            return values[i]
    return median(values, n)
