# Small symmetric systems, by Cholesky's decomposition (Golub & Van Loan, section 4.2). No LAPACK:
# for five unknowns its call costs more than its work, and its rounding differs between machines.

from libc.math cimport sqrt

# A pivot this much smaller than its diagonal element is zero, but for rounding.
cdef extern from *:
    """
    #define SINGULAR 1e-12
    #define PIVOT 1e-9
    """
    const double SINGULAR
    const double PIVOT               # the same for general matrices


cdef inline bint decompose(double* matrix, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """The lower triangle becomes its Cholesky factor; false if the matrix is singular."""
    cdef Py_ssize_t i, j, k
    cdef double total
    for j in range(n):
        total = matrix[j * stride + j]
        for k in range(j):
            total -= matrix[j * stride + k] * matrix[j * stride + k]
        if not total > SINGULAR * matrix[j * stride + j]:
            return False
        total = sqrt(total)
        matrix[j * stride + j] = total
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i * stride + j] -= matrix[i * stride + k] * matrix[j * stride + k]
            matrix[i * stride + j] /= total
    return True


cdef inline void solve(
    const double* factor, Py_ssize_t n, Py_ssize_t stride, double* vector
) noexcept nogil:
    """The vector becomes the solution of the system that was decomposed."""
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(i):
            vector[i] -= factor[i * stride + k] * vector[k]
        vector[i] /= factor[i * stride + i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= factor[k * stride + i] * vector[k]
        vector[i] /= factor[i * stride + i]


cdef inline double trace_of_quotient(
    double* factor,              # IN/OUT  Cholesky factor of a matrix; becomes its inverse
    const double* other,         # IN      symmetric
    Py_ssize_t n,
) noexcept nogil:
    """Trace of the inverse of the one matrix times the other."""
    cdef Py_ssize_t i, j, k
    cdef double total = 0.0, sum_
    for i in range(n):
        factor[i * n + i] = 1.0 / factor[i * n + i]
        for j in range(i):
            sum_ = 0.0
            for k in range(j, i):
                sum_ -= factor[i * n + k] * factor[k * n + j]
            factor[i * n + j] = sum_ * factor[i * n + i]
        total += quadratic(factor + i * n, other, i + 1, n)
    return total


cdef inline bint invert(const double* matrix, Py_ssize_t n, double* inverse) noexcept nogil:
    """Inverse of a small general matrix (n <= 4) by elimination with pivots; false if singular."""
    cdef double work[4][8]
    cdef Py_ssize_t i, j, k, best
    cdef double factor, largest, swap, biggest = 0.0
    for i in range(n):
        for j in range(n):
            work[i][j] = matrix[i * n + j]
            work[i][n + j] = 1.0 if i == j else 0.0
            biggest = max(biggest, abs(matrix[i * n + j]))
    for k in range(n):
        best, largest = k, 0.0
        for i in range(k, n):
            if abs(work[i][k]) > largest:
                best, largest = i, abs(work[i][k])
        # Also false of NaN. The matrix is one of amplitudes per change of a parameter.
        if not largest > PIVOT * biggest:
            return False
        for j in range(2 * n):
            swap = work[k][j]
            work[k][j] = work[best][j]
            work[best][j] = swap
        for i in range(n):
            if i != k:
                factor = work[i][k] / work[k][k]
                for j in range(k, 2 * n):
                    work[i][j] -= factor * work[k][j]
    for i in range(n):
        for j in range(n):
            inverse[i * n + j] = work[i][n + j] / work[i][i]
    return True


cdef inline double quadratic(
    const double* vector, const double* matrix, Py_ssize_t n, Py_ssize_t stride
) noexcept nogil:
    """vector^T matrix vector."""
    cdef Py_ssize_t i, j
    cdef double total = 0.0, row
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += matrix[i * stride + j] * vector[j]
        total += vector[i] * row
    return total
