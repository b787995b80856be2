"""Bytes of HDF5 chunks to their places in an array: what HDF5 does for chunks without filters.

Algorithm
---------
A chunk holds a box of rows, channels and polarisations, in C order, padded at the edges of the
dataset. For each chunk the rows that are wanted are copied run by run; a run is as many values as
are neighbours in the chunk and in the array. HDF5 spends some ten microseconds on each
chunk and holds a lock that all threads share; this takes the time of the copy, without the GIL.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy


def scatter(
    const uint8_t[::1] source,           # IN   bytes of the file
    const int64_t[::1] place,            # IN   (n,) where each chunk begins in it
    const int64_t[:, ::1] corner,        # IN   (n, 3) first row, channel and polarisation of each
    const int64_t[::1] chunk,            # IN   (3,) shape of a chunk
    Py_ssize_t item,                     # IN   bytes of a value
    Py_ssize_t first_row,                # IN   the row of the dataset that is the first of the array
    uint8_t[:, :, :, ::1] out,           # OUT  (n_rows, n_channels, n_polarizations, item)
):
    """Fill rows of an array."""
    cdef Py_ssize_t n_rows = out.shape[0], n_channels = out.shape[1], n_pol = out.shape[2]
    cdef Py_ssize_t i, row, channel, rows_from, rows_to, channels, pols
    cdef const uint8_t* values
    cdef uint8_t* to
    if not n_rows:
        return
    require_inside(source.shape[0], place, corner, chunk, item, n_channels, n_pol)
    with nogil:
        for i in range(place.shape[0]):
            rows_from = max(<Py_ssize_t>corner[i, 0], first_row)
            rows_to = min(<Py_ssize_t>(corner[i, 0] + chunk[0]), first_row + n_rows)
            channels = min(<Py_ssize_t>chunk[1], n_channels - <Py_ssize_t>corner[i, 1])
            pols = min(<Py_ssize_t>chunk[2], n_pol - <Py_ssize_t>corner[i, 2])
            for row in range(rows_from, rows_to):
                values = &source[place[i]] + (row - corner[i, 0]) * chunk[1] * chunk[2] * item
                to = &out[row - first_row, corner[i, 1], corner[i, 2], 0]
                if pols == n_pol and chunk[2] == n_pol:
                    memcpy(to, values, channels * n_pol * item)
                elif item == 8 and pols == 1:
                    spread[int64_t](<const int64_t*>values, channels, chunk[2], n_pol, <int64_t*>to)
                elif item == 4 and pols == 1:
                    spread[float](<const float*>values, channels, chunk[2], n_pol, <float*>to)
                elif item == 1 and pols == 1:
                    spread[uint8_t](values, channels, chunk[2], n_pol, to)
                else:
                    for channel in range(channels):
                        memcpy(
                            to + channel * n_pol * item, values + channel * chunk[2] * item,
                            pols * item,
                        )


cdef require_inside(
    Py_ssize_t n_bytes, const int64_t[::1] place, const int64_t[:, ::1] corner,
    const int64_t[::1] chunk, Py_ssize_t item, Py_ssize_t n_channels, Py_ssize_t n_pol,
):
    """What a damaged file says of its chunks must not write elsewhere."""
    cdef Py_ssize_t i, size = chunk[0] * chunk[1] * chunk[2] * item
    for i in range(place.shape[0]):
        if not (
            0 <= place[i] <= n_bytes - size
            and 0 <= corner[i, 0]
            and 0 <= corner[i, 1] < n_channels
            and 0 <= corner[i, 2] < n_pol
        ):
            raise ValueError(f"the chunk at {tuple(corner[i])} lies outside of its dataset")


ctypedef fused Value:
    int64_t
    float
    uint8_t


cdef inline void spread(
    const Value* values, Py_ssize_t n, Py_ssize_t step, Py_ssize_t out_step, Value* out
) noexcept nogil:
    """One polarisation among others."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i * out_step] = values[i * step]
