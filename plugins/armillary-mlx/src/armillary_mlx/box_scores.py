"""The highest scores of boxes, on the device in float32.

Per period: the bins of all its cycles are added up, one row of a table for each cycle; sums of n
bins come from sums of 1, 2, 4, ... bins, which loses no digits as differences of prefix sums would;
and of each chunk of boxes that start side by side only the highest score is kept. A period costs as
much as reading the tables once, and a sweep over its bins for each bit of each duration.

A score is delta_chi2 as a part of the chi2 of a constant flux.
"""

from __future__ import annotations

import functools

import mlx.core as mx
import numpy as np

from armillary.search.box.reference import MIN_WEIGHT_FRACTION

from .box_blocks import CHUNK

#: With less of the weight outside a box, a difference, its score is uncertain, and so is whether
#: it is a dimming.
LEAST_CERTAIN_OUTSIDE = 1e-2
#: Nearer to the least weight that counts, it is uncertain whether a box holds enough.
UNCERTAIN = 1e-3


def highest_scores(
    tables: mx.array,
    offsets: np.ndarray,
    n_starts: np.ndarray,
    widths: tuple[int, ...],
) -> np.ndarray:
    """The highest score in each chunk of boxes.

    Parameters
    ----------
    tables : mx.array, shape (2, m)
        Weights and signals of bins.
    offsets : ndarray of int, shape (p, k)
        Where in the tables each cycle of each period begins.
    n_starts : ndarray of int, shape (p,)
        Boxes of each period and duration.
    widths : tuple of int
        Bins of each duration, ascending.

    Returns
    -------
    ndarray of float32, shape (p, len(widths), chunks)
        0 without a dimming; infinite where there is a box whose score is uncertain.
    """
    n_chunks = -(-int(n_starts.max()) // CHUNK)
    weights, signals = (_rows(table, n_chunks * CHUNK + widths[-1]) for table in tables)
    of_one_period = functools.partial(_highest_of_one_period, weights, signals, widths, n_chunks)
    of_all = mx.vmap(of_one_period)
    return np.array(of_all(mx.array(offsets), mx.array(n_starts.astype(np.int32))))


def _rows(table: mx.array, length: int) -> mx.array:
    """A view of the table: the row that begins at each of its elements."""
    return mx.as_strided(table, (table.size - length + 1, length), (1, 1))


def _highest_of_one_period(
    weights: mx.array,
    signals: mx.array,
    widths: tuple[int, ...],
    n_chunks: int,
    offsets: mx.array,
    n_starts: mx.array,
) -> mx.array:
    n = n_chunks * CHUNK
    is_start = mx.arange(n) < n_starts
    inside = zip(
        _window_sums(mx.take(weights, offsets, axis=0).sum(axis=0), widths, n),
        _window_sums(mx.take(signals, offsets, axis=0).sum(axis=0), widths, n),
        strict=True,
    )
    scores = [mx.where(is_start, _scores(weight, signal), 0.0) for weight, signal in inside]
    return mx.stack(scores).reshape(len(widths), n_chunks, CHUNK).max(axis=-1)


def _window_sums(bins: mx.array, widths: tuple[int, ...], n: int) -> list[mx.array]:
    """For each width, the sums of so many bins, one from each of the first n bins on."""
    sums = [bins]  # of 1, 2, 4, ... bins
    while 2 ** len(sums) <= widths[-1]:
        half = 2 ** (len(sums) - 1)
        sums.append(sums[-1][:-half] + sums[-1][half:])
    return [_window_sum(sums, width, n) for width in widths]


def _window_sum(sums: list[mx.array], width: int, n: int) -> mx.array:
    total, first = mx.zeros(n), 0
    for power, of_power in enumerate(sums):
        if width >> power & 1:
            total = total + of_power[first : first + n]
            first += 2**power
    return total


def _scores(weight: mx.array, signal: mx.array) -> mx.array:
    """Those of equation (5), in units of the total weight and of the chi2 of a constant flux."""
    outside = 1.0 - weight
    dimming = (signal < 0.0) & (weight > MIN_WEIGHT_FRACTION)
    uncertain = (outside < LEAST_CERTAIN_OUTSIDE) | (
        mx.abs(weight - MIN_WEIGHT_FRACTION) <= UNCERTAIN * MIN_WEIGHT_FRACTION
    )
    score = signal * signal / (weight * outside)
    return mx.where(uncertain, mx.inf, mx.where(dimming, score, 0.0))
