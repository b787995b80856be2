"""A file mapped into memory, to be read.

The pages of the file are those that the system keeps of it anyway: nothing is copied. Unlike
Python's own mmap this keeps no descriptor, of which a process has a thousand, and asks for all
pages at once (MAP_POPULATE) rather than by a fault for every few of them. Cost: some
microseconds, and a table entry per page (or per run of pages, where the system has larger ones).
"""

from cpython.buffer cimport PyBuffer_FillInfo

cdef extern from *:
    """
    #ifdef _WIN32
    #include <io.h>
    #include <windows.h>
    static void* map_file(int file, size_t n) {
        HANDLE handle = CreateFileMapping(
            (HANDLE)_get_osfhandle(file), NULL, PAGE_READONLY, 0, 0, NULL);
        void* address = handle ? MapViewOfFile(handle, FILE_MAP_READ, 0, 0, n) : NULL;
        if (handle) CloseHandle(handle);
        return address;
    }
    static void unmap_file(void* address, size_t n) { UnmapViewOfFile(address); }
    #else
    #include <sys/mman.h>
    #ifndef MAP_POPULATE
    #define MAP_POPULATE 0
    #endif
    static void* map_file(int file, size_t n) {
        void* address = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
        return address == MAP_FAILED ? NULL : address;
    }
    static void unmap_file(void* address, size_t n) { munmap(address, n); }
    #endif
    """
    void* map_file(int file, size_t n) noexcept nogil
    void unmap_file(void* address, size_t n) noexcept nogil


cdef class Mapping:
    """The first bytes of an open file, as a buffer that cannot be written to.

    Parameters
    ----------
    file : int
        Descriptor; it can be closed afterwards.
    n_bytes : int
        How many, at least 1 and no more than the file has.

    Raises
    ------
    OSError
        If the system does not map it.
    """

    cdef void* address
    cdef Py_ssize_t n_bytes

    def __cinit__(self, int file, Py_ssize_t n_bytes):
        if n_bytes < 1:
            raise ValueError(f"n_bytes must be at least 1, not {n_bytes}")
        with nogil:
            self.address = map_file(file, n_bytes)
        if self.address == NULL:
            raise OSError(f"{n_bytes} bytes of the file cannot be mapped")
        self.n_bytes = n_bytes

    def __dealloc__(self):
        if self.address != NULL:
            unmap_file(self.address, self.n_bytes)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.address, self.n_bytes, 1, flags)
