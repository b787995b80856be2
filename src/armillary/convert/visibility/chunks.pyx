"""Rows of an HDF5 dataset whose chunks have no filters, read past HDF5.

Algorithm
---------
A chunk holds a box of rows, channels and polarisations, in C order, padded at the edges of the
dataset; where it lies in the file is known. Of each chunk the rows that are wanted are one run of
bytes. Runs that are neighbours in the file are read together and copied to their places, values
that are neighbours in both at once. A dataset without chunks is one chunk.

HDF5 spends some ten microseconds on each chunk and holds a lock that all threads share; this takes
the time of the copy, and holds neither that lock nor the GIL.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import numpy as np

cdef extern from *:
    """
    #define GAP 8192
    #ifdef _WIN32
    #include <io.h>
    #include <windows.h>
    static int64_t bytes_at(int file, void* to, size_t n, int64_t place) {
        OVERLAPPED where = {0};
        DWORD got = 0;
        where.Offset = (DWORD)place;
        where.OffsetHigh = (DWORD)(place >> 32);
        if (n > (1 << 30)) n = 1 << 30;
        return ReadFile((HANDLE)_get_osfhandle(file), to, (DWORD)n, &got, &where) ? got : -1;
    }
    #else
    #include <unistd.h>
    static int64_t bytes_at(int file, void* to, size_t n, int64_t place) {
        return pread(file, to, n, place);
    }
    #endif
    """
    const Py_ssize_t GAP         # bytes between two runs that are read along rather than skipped
    int64_t bytes_at(int file, void* to, size_t n, int64_t place) noexcept nogil


cdef class RawDataset:
    """A dataset that can be read past HDF5.

    Parameters
    ----------
    file : int
        Descriptor of the open file.
    dtype : dtype
        Of its values.
    shape, chunk : tuple of int
        Of the dataset and of its chunks: rows, channels, polarisations.
    places : ndarray of int64, shape (n,)
        Where each chunk begins in the file.
    corners : ndarray of int64, shape (n, 3)
        First row, channel and polarisation of each.

    Raises
    ------
    ValueError
        If a chunk lies outside of the dataset.
    """

    def __init__(self, int file, dtype, tuple shape, tuple chunk, places, corners):
        if np.any(corners < 0) or np.any(corners >= np.array(shape)) or np.any(places < 0):
            raise ValueError("a chunk lies outside of its dataset")
        order = np.lexsort((places, corners[:, 0]))
        self._places = np.ascontiguousarray(places[order], np.int64)
        self._corners = np.ascontiguousarray(corners[order], np.int64)
        self.dtype = dtype
        cdef const int64_t[::1] all_places = self._places
        cdef const int64_t[:, ::1] all_corners = self._corners
        self.raw.file, self.raw.n, self.raw.item = file, len(order), dtype.itemsize
        if len(order):
            self.raw.places, self.raw.corners = &all_places[0], &all_corners[0, 0]
        for i in range(3):
            self.raw.shape[i], self.raw.chunk[i] = shape[i], chunk[i]

    def __dealloc__(self):
        free(self.raw.room)

    def rows(self, Py_ssize_t start, Py_ssize_t stop):
        """Rows of the dataset.

        Raises
        ------
        OSError
            If the file ends before the values do.
        """
        if not 0 <= start <= stop <= self.raw.shape[0]:
            raise ValueError(f"rows must be from 0 to {self.raw.shape[0]}, not {start} to {stop}")
        shape = (stop - start, self.raw.shape[1], self.raw.shape[2])
        out = np.empty(shape, self.dtype)
        cdef uint8_t[::1] view = out.reshape(-1).view(np.uint8)
        cdef Outcome outcome = DONE
        if view.shape[0]:
            with nogil:
                outcome = read_rows(&self.raw, start, stop, &view[0])
        require(outcome)
        return out


def require(int outcome):
    """Raise what an outcome means.

    Raises
    ------
    MemoryError, OSError
    """
    if outcome == NO_MEMORY:
        raise MemoryError("there is no memory for the bytes of a chunk")
    if outcome == CUT_SHORT:
        raise OSError("the file ends before its values do")


cdef Outcome read_rows(
    Raw* raw, Py_ssize_t start, Py_ssize_t stop, uint8_t* out
) noexcept nogil:
    """Rows of a dataset, at least one, into an array of as many."""
    cdef Py_ssize_t i = first_chunk(raw, start - raw.chunk[0] + 1), j
    cdef int64_t begin, end, next_begin, next_end
    cdef Outcome outcome
    while i < raw.n and raw.corners[3 * i] < stop:
        run_of(raw, i, start, stop, &begin, &end)
        j = i + 1
        while j < raw.n and raw.corners[3 * j] < stop:
            run_of(raw, j, start, stop, &next_begin, &next_end)
            if next_begin < begin or next_begin > end + GAP:
                break
            end = max(end, next_end)
            j += 1
        outcome = fetch(raw, begin, end)
        if outcome != DONE:
            return outcome
        while i < j:
            place_chunk(raw, i, start, stop, begin, out)
            i += 1
    return DONE


cdef Py_ssize_t first_chunk(const Raw* raw, Py_ssize_t row) noexcept nogil:
    """The first chunk whose first row is not before this one."""
    cdef Py_ssize_t low = 0, high = raw.n, middle
    while low < high:
        middle = (low + high) // 2
        if raw.corners[3 * middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void run_of(
    const Raw* raw, Py_ssize_t i, Py_ssize_t start, Py_ssize_t stop, int64_t* begin, int64_t* end
) noexcept nogil:
    """Where the rows of a chunk that are wanted lie in the file."""
    cdef Py_ssize_t row = raw.corners[3 * i], width = raw.chunk[1] * raw.chunk[2] * raw.item
    begin[0] = raw.places[i] + (max(start, row) - row) * width
    end[0] = raw.places[i] + (min(stop, row + raw.chunk[0]) - row) * width


cdef Outcome fetch(Raw* raw, int64_t begin, int64_t end) noexcept nogil:
    """Bytes of the file into the room."""
    cdef Py_ssize_t n = end - begin, done = 0
    cdef int64_t got
    cdef uint8_t* room
    if n > raw.capacity:
        room = <uint8_t*>realloc(raw.room, n)
        if room is NULL:
            return NO_MEMORY
        raw.room, raw.capacity = room, n
    while done < n:
        got = bytes_at(raw.file, raw.room + done, n - done, begin + done)
        if got <= 0:
            return CUT_SHORT
        done += got
    return DONE


cdef inline void place_chunk(
    const Raw* raw, Py_ssize_t i, Py_ssize_t start, Py_ssize_t stop, int64_t begin, uint8_t* out
) noexcept nogil:
    """The rows of a chunk that are wanted, from the room to their places."""
    cdef const int64_t* corner = raw.corners + 3 * i
    cdef Py_ssize_t n_pol = raw.shape[2], item = raw.item
    cdef Py_ssize_t channels = min(raw.chunk[1], raw.shape[1] - <Py_ssize_t>corner[1])
    cdef Py_ssize_t pols = min(raw.chunk[2], n_pol - <Py_ssize_t>corner[2])
    cdef Py_ssize_t first = max(start, <Py_ssize_t>corner[0]), row, channel
    cdef Py_ssize_t last = min(stop, <Py_ssize_t>corner[0] + raw.chunk[0])
    cdef Py_ssize_t width = raw.chunk[1] * raw.chunk[2] * item
    cdef const uint8_t* values
    cdef uint8_t* to
    cdef int64_t shift = raw.places[i] - begin
    for row in range(first, last):
        values = raw.room + shift + (row - corner[0]) * width
        to = out + (((row - start) * raw.shape[1] + corner[1]) * n_pol + corner[2]) * item
        if pols == n_pol and raw.chunk[2] == n_pol:
            memcpy(to, values, channels * n_pol * item)
        elif item == 8 and pols == 1:
            spread[int64_t](<const int64_t*>values, channels, raw.chunk[2], n_pol, <int64_t*>to)
        elif item == 4 and pols == 1:
            spread[int32_t](<const int32_t*>values, channels, raw.chunk[2], n_pol, <int32_t*>to)
        elif item == 1 and pols == 1:
            spread[uint8_t](values, channels, raw.chunk[2], n_pol, to)
        else:
            for channel in range(channels):
                memcpy(
                    to + channel * n_pol * item, values + channel * raw.chunk[2] * item,
                    pols * item,
                )


ctypedef fused Value:
    int64_t
    int32_t
    uint8_t


cdef inline void spread(
    const Value* values, Py_ssize_t n, Py_ssize_t step, Py_ssize_t out_step, Value* out
) noexcept nogil:
    """One polarisation among others."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i * out_step] = values[i * step]
