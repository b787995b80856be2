"""The definition of box least squares, in plain NumPy.

A box model has one level outside transit and a lower one inside. With weights
``w = 1 / flux_err**2``, total weight ``W`` and residuals ``y = flux - mean`` about
the weighted mean, a box that holds the weight ``W_in`` and the signal
``S_in = sum of w y`` has (Kovacs, Zucker & Mazeh 2002, A&A 391, 369, with the
weights left unnormalised)::

    W_out       = W - W_in                                            (1)
    level       = mean - S_in / W_out                                 (2)
    depth       = -S_in / W_in - S_in / W_out                         (3)
    depth_err   = sqrt(1 / W_in + 1 / W_out)                          (4)
    delta_chi2  = depth**2 W_in W_out / W = S_in**2 W / (W_in W_out)  (5)

Which boxes are tried. Let d be the shortest duration of a period P. Time is cut
into cells of width ``c = d / (oversample * S)``; S cells are a phase bin. ::

    cell of a point    j = floor(t / c + OFFSET)                      (6)
    start of cycle k   r_k = floor(k P / c + 1/2)                     (7)
    starts             b = 0 .. ceil(P / (c S)) - 1                   (8)
    bins of duration D n = floor(D oversample / d + 1/2)              (9)
    box (b, n)         the cells r_k + b S <= j < r_k + (b + n) S     (10)

for all cycles k, the one before the first included, so that a box may cross phase
zero. ``n S`` never exceeds a period. OFFSET moves the cell edges off the first
point, where evenly sampled points would sit on them.

The best box is a dimming (``S_in < 0``) with more than 1e-9 of the weight on either
side; ties go to the shortest duration, then to the earliest start. A period with no
such box has delta_chi2 0, and NaN for everything else.
"""

from __future__ import annotations

import numpy as np

#: Bins in the shortest duration of a period, where the caller does not say.
DEFAULT_OVERSAMPLE = 10
#: Cells per bin (S): a cycle is aligned to a cell, so this bounds the smear of a fold.
CELLS_PER_BIN = 4
#: Fraction of a cell by which the edges are moved: the golden section, the fraction
#: that multiples of any sampling interval avoid best.
OFFSET = 0.3819660112501051
#: Fraction of the total weight that either side of a box must hold: below it the difference
#: of two prefix sums is rounding, not data.
MIN_WEIGHT_FRACTION = 1e-9


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = DEFAULT_OVERSAMPLE,
) -> dict[str, np.ndarray]:
    """Best box at each period; see the plugin author guide for the arguments."""
    weight = flux_err**-2.0
    total = weight.sum()
    mean = (weight * flux).sum() / total
    signal = weight * (flux - mean)
    rows = [
        _one_period(time, weight, signal, mean, total, p, duration[start:stop], oversample)
        for p, start, stop in zip(period, duration_start, duration_stop, strict=True)
    ]
    names = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")
    return {name: np.array(column) for name, column in zip(names, np.transpose(rows), strict=True)}


def _one_period(
    time: np.ndarray,
    weight: np.ndarray,
    signal: np.ndarray,
    mean: float,
    total: float,
    period: float,
    durations: np.ndarray,
    oversample: int,
) -> tuple[float, ...]:
    width = durations[0] / (oversample * CELLS_PER_BIN)
    best: tuple[float, ...] = (0.0, *(5 * (np.nan,)))
    for duration in durations:
        n = int(np.floor(duration * oversample / durations[0] + 0.5))
        n = min(n, int(period / width) // CELLS_PER_BIN)
        weight_in, signal_in = boxes(time, weight, signal, period, width, n)
        weight_out = total - weight_in  # (1)
        usable = (
            (signal_in < 0)
            & (weight_in > MIN_WEIGHT_FRACTION * total)
            & (weight_out > MIN_WEIGHT_FRACTION * total)
        )
        if not usable.any():
            continue
        delta_chi2 = np.zeros(len(usable))
        delta_chi2[usable] = (
            signal_in[usable] ** 2 * total / (weight_in[usable] * weight_out[usable])
        )  # (5)
        b = int(np.argmax(delta_chi2))
        if delta_chi2[b] > best[0]:
            middle = ((b + 0.5 * n) * CELLS_PER_BIN - OFFSET) * width
            best = (
                delta_chi2[b],
                -signal_in[b] / weight_in[b] - signal_in[b] / weight_out[b],  # (3)
                np.sqrt(1.0 / weight_in[b] + 1.0 / weight_out[b]),  # (4)
                middle - period * np.floor(middle / period),
                duration,
                mean - signal_in[b] / weight_out[b],  # (2)
            )
    return best


def boxes(
    time: np.ndarray,
    weight: np.ndarray,
    signal: np.ndarray,
    period: float,
    width: float,
    n: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and signal in every box of ``n`` bins, one entry per start (6-10)."""
    cell = np.floor(time / width + OFFSET).astype(np.int64)
    cells_per_period = period / width
    starts = int(np.ceil(cells_per_period / CELLS_PER_BIN))
    cycles = np.arange(-1, int(cell.max() / cells_per_period) + 3)
    begin = np.floor(cycles * cells_per_period + 0.5).astype(np.int64)
    own = np.searchsorted(begin, cell, side="right") - 1

    folded = np.zeros((2, starts + n))
    for cycle in (own, own - 1):  # a point may lie in the overhang of the cycle before its own
        inside = cycle >= 0
        phase_bin = (cell[inside] - begin[cycle[inside]]) // CELLS_PER_BIN
        reached = phase_bin < starts + n
        for row, values in zip(folded, (weight, signal), strict=True):
            np.add.at(row, phase_bin[reached], values[inside][reached])
    windows = np.lib.stride_tricks.sliding_window_view(folded, n, axis=1)[:, :starts]
    weight_in, signal_in = windows.sum(axis=2)
    return weight_in, signal_in
