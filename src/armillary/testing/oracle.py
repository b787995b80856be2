"""Brute-force box least squares on unbinned points.

It judges backends, so it shares no code with any of them: the statistic is written
as the difference of two weighted sums of squares, not as the formula that they use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BoxFit:
    """Two levels fitted to the points inside and outside a box."""

    depth: float
    depth_err: float
    level: float
    delta_chi2: float


def fit_levels(flux: np.ndarray, flux_err: np.ndarray, inside: np.ndarray) -> BoxFit:
    """The weighted least-squares fit of one level inside and one outside."""
    weight = flux_err**-2.0
    low = np.average(flux[inside], weights=weight[inside])
    high = np.average(flux[~inside], weights=weight[~inside])
    mean = np.average(flux, weights=weight)
    model = np.where(inside, low, high)
    return BoxFit(
        depth=float(high - low),
        depth_err=float(np.sqrt(1.0 / weight[inside].sum() + 1.0 / weight[~inside].sum())),
        level=float(high),
        # chi2(mean) - chi2(model), summed as (a^2 - b^2) = (a - b)(a + b).
        delta_chi2=float((weight * (model - mean) * (2.0 * flux - mean - model)).sum()),
    )


def distance(time: np.ndarray, period: float, t0: float) -> np.ndarray:
    """Days from the nearest mid-transit, without sign."""
    cycle = (time - t0) / period
    return np.abs(cycle - np.rint(cycle)) * period


def possible_fits(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: float,
    t0: float,
    duration: float,
    slack: float,
) -> list[BoxFit]:
    """Fits of a box whose ends may each lie up to ``slack`` days off.

    The first is that of the box as it is said to be; in the others, folded points within
    ``slack`` of one end count as in or out together.
    """
    cycle = (time - t0) / period
    offset = (cycle - np.rint(cycle)) * period
    certain = np.abs(offset) < 0.5 * duration - slack
    doubtful = ~certain & (np.abs(offset) <= 0.5 * duration + slack)
    before, after = doubtful & (offset < 0), doubtful & (offset > 0)
    choices = [np.abs(offset) <= 0.5 * duration]
    for with_before in {False, bool(before.any())}:
        for with_after in {False, bool(after.any())}:
            choices.append(certain | (before & with_before) | (after & with_after))
    return [
        fit_levels(flux, flux_err, inside)
        for inside in choices
        if inside.any() and not inside.all()
    ]


def highest_delta_chi2(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: float,
    durations: Iterable[float],
) -> float:
    """The maximum of delta_chi2 over every t0, for dimmings of the given durations.

    The set of points in a box changes only where one of its ends meets a point, so
    every such place is tried, and one between each two of them.
    """
    weight = flux_err**-2.0
    total = weight.sum()
    residual = weight * (flux - np.average(flux, weights=weight))
    phase = np.mod(time - time[0], period)
    order = np.argsort(phase)
    twice = np.concatenate([phase[order], phase[order] + period])
    weight_before = np.concatenate([[0.0], np.cumsum(np.tile(weight[order], 2))])
    residual_before = np.concatenate([[0.0], np.cumsum(np.tile(residual[order], 2))])
    highest = 0.0
    for duration in durations:
        meetings = np.unique(np.concatenate([phase, np.mod(phase - duration, period)]))
        between = 0.5 * (meetings + np.append(meetings[1:], meetings[0] + period))
        begin = np.concatenate([meetings, np.mod(between, period)])
        first = np.searchsorted(twice, begin, side="left")
        stop = np.searchsorted(twice, begin + duration, side="right")
        inside = weight_before[stop] - weight_before[first]
        deficit = residual_before[first] - residual_before[stop]
        valid = (deficit > 0) & (inside > 1e-9 * total) & (inside < (1 - 1e-9) * total)
        gain = deficit[valid] ** 2 * (1.0 / inside[valid] + 1.0 / (total - inside[valid]))
        highest = max(highest, float(gain.max(initial=0.0)))
    return highest
