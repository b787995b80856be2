# Rows of HDF5 datasets without filters, read past HDF5; chunks.pyx tells how.

from libc.stdint cimport int64_t, uint8_t


cdef struct Raw:
    int file                     # descriptor
    Py_ssize_t n                 # chunks
    const int64_t* places        # (n,) where each begins in the file
    const int64_t* corners       # (n, 3) first row, channel and polarisation; rows ascend
    Py_ssize_t[3] chunk          # shape of a chunk
    Py_ssize_t[3] shape          # of the dataset
    Py_ssize_t item              # bytes of a value
    uint8_t* room                # bytes of the file on their way
    Py_ssize_t capacity


cdef enum Outcome:
    DONE, NO_MEMORY, CUT_SHORT


cdef Outcome read_rows(
    Raw* raw, Py_ssize_t start, Py_ssize_t stop, uint8_t* out
) noexcept nogil


cdef class RawDataset:
    cdef Raw raw
    cdef object _places
    cdef object _corners
    cdef readonly object dtype
