# Medians of arrays whose values may change places, by selection (Hoare 1961); cost: linear.

ctypedef fused Value:
    float
    double


cdef inline Value median(Value* values, Py_ssize_t n) noexcept nogil:
    """The middle value, or the mean of the two; there is at least one, and none is NAN."""
    cdef Py_ssize_t i, middle = n // 2
    cdef Value upper = ranked(values, n, middle), lower
    if n % 2:
        return upper
    lower = values[0]
    for i in range(1, middle):
        lower = max(lower, values[i])
    return <Value>0.5 * (lower + upper)


cdef inline Value ranked(Value* values, Py_ssize_t n, Py_ssize_t rank) noexcept nogil:
    """The value of a rank, with none greater before it."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef Value pivot, swap
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
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]
