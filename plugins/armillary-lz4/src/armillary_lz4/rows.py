"""The length of an image's rows, found in its elements: a codec sees no shape.

Neighbours in a column are alike, so the steps from element to element repeat after a row. The lag
at which their autocorrelation is largest is the row length, if it is far above what chance gives.
"""

from __future__ import annotations

import numpy as np

#: Elements that are looked at: eight rows of the widest cameras.
SAMPLE = 32768
#: Rows that are shorter are not looked for: whatever is smooth correlates with itself nearby.
SHORTEST = 32
#: How far above the scatter of unrelated steps a correlation has to be.
CERTAIN = 8.0
#: Steps are cut at this multiple of the median one, or stars would outweigh all else.
CUT = 4.0


def row_length(elements: memoryview | bytes, itemsize: int) -> int:
    """Elements in a row.

    Parameters
    ----------
    elements : bytes-like
        Of the array, at least two elements; of more than 32768, those in the middle count.
    itemsize : int
        1, 2, 4 or 8 bytes, read as an integer.

    Returns
    -------
    int
        0 if there are no rows to be seen.

    Examples
    --------
    >>> import numpy as np
    >>> from armillary_lz4.rows import row_length
    >>> row = np.random.default_rng(1).integers(0, 1000, 100, dtype=np.int16)
    >>> row_length(np.tile(row, 40).tobytes(), 2)
    100
    """
    values = np.frombuffer(elements, f"i{itemsize}")
    start = max(len(values) - SAMPLE, 0) // 2
    steps = _steps(values[start : start + SAMPLE])
    longest = len(steps) // 2
    if longest <= SHORTEST or not steps.any():
        return 0
    correlation = _autocorrelation(steps)
    lag = SHORTEST + int(np.argmax(correlation[SHORTEST:longest]))
    return lag if correlation[lag] * np.sqrt(len(steps)) > CERTAIN else 0


def _steps(values: np.ndarray) -> np.ndarray:
    steps = np.diff(values).astype(np.float64)
    cut = CUT * np.median(np.abs(steps)) if len(steps) else 0.0
    steps = np.clip(steps, -cut, cut)
    return steps - steps.mean() if len(steps) else steps


def _autocorrelation(steps: np.ndarray) -> np.ndarray:
    size = 1 << (2 * len(steps) - 1).bit_length()
    spectrum = np.fft.rfft(steps, size)
    sums = np.fft.irfft(np.abs(spectrum) ** 2, size)[: len(steps)]
    return sums / sums[0]
