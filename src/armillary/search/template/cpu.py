"""The compiled default of search.template_score: prepare the sums, cut the work, run the kernel.

What is computed is defined in reference.py, how is told at the top of kernel.pyx.
"""

from __future__ import annotations

import itertools

import numpy as np

from ...runtime.blocks import Progress, run_blocks
from . import kernel
from .reference import DEFAULT_SHARPNESS, MIN_WEIGHT_FRACTION

#: Work of a block, in points visited: a few milliseconds.
BLOCK_WORK = 200_000
#: A transit costs as much as visiting this many points, to find its first one.
TRANSIT_COST = 4


def template_score(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    t0: np.ndarray,
    duration: np.ndarray,
    sharpness: float = DEFAULT_SHARPNESS,
    gradient: bool = False,
    attribution: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Score of each candidate; see the plugin author guide for the arguments."""
    weight = 1.0 / np.square(flux_err)
    total = float(weight.sum())
    mean = float((weight * flux).sum() / total)
    signal = weight * (flux - mean)
    signal -= weight * (signal.sum() / total)  # what was rounded off the mean, as in reference.py
    n, m = len(time), len(period)
    results = {name: np.empty(m) for name in ("score", "depth", "depth_err", "level")}
    results["gradient"] = np.empty((m if gradient else 0, 3))
    results["attribution"] = np.zeros((m if attribution else 0, n))

    def work(block: tuple[int, int]) -> None:
        kernel.scores(
            time,
            weight,
            signal,
            total,
            MIN_WEIGHT_FRACTION * total,
            mean,
            period,
            t0,
            duration,
            sharpness,
            *block,
            *results.values(),
        )

    run_blocks(
        _cut(time, period, duration, sharpness),
        work,
        threads=threads,
        size=lambda block: block[1] - block[0],
        progress=progress,
    )
    asked = {"gradient": gradient, "attribution": attribution}
    return {name: array for name, array in results.items() if asked.get(name, True)}


def _cut(
    time: np.ndarray, period: np.ndarray, duration: np.ndarray, sharpness: float
) -> list[tuple[int, int]]:
    """First and last candidate of blocks of about BLOCK_WORK each."""
    n_transits = np.minimum((time[-1] - time[0]) / period + 2.0, len(time))
    near = np.minimum((1.0 + 2.0 * kernel.FLAT_BEYOND / sharpness) * duration / period, 1.0)
    work = np.cumsum(len(time) * near + TRANSIT_COST * n_transits)
    cuts = np.searchsorted(work, np.arange(BLOCK_WORK, work[-1], BLOCK_WORK))
    edges = np.unique(np.concatenate([[0], cuts, [len(period)]])).tolist()
    return list(itertools.pairwise(edges))
