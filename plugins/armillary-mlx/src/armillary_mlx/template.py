"""``search.template_score``: the host folds, the device scores and differentiates.

Blocks of candidates go through three steps.

1. The host finds the points near transits, and folds them in float64 (transits.py). All others have
   a template of zero, and become one point, with their weight and their mean.
2. The device gives scores, gradients and attributions in float32 (template_scores.py).
3. The host puts in the units, in float64.

Attributions are of all points, so that for them all are near.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from armillary.search.template.reference import DEFAULT_SHARPNESS, MIN_WEIGHT_FRACTION

from .device import on_device
from .points import Points
from .template_scores import N_PARAMETERS, Rows, attributions, scores, scores_and_gradients
from .transits import NearPoints, most_cycles, points_near

#: Points of all candidates of a block, and cycles: at most 40 MB of rows for the device, and 150 MB
#: on the host.
BLOCK_POINTS = 2**21
#: Exponent beyond which a template is zero. It is 1e-11 there; below 1e-5 no score is known.
SATURATION = 25.0
#: Sharpness beyond which nothing changes, and float32 would overflow.
MAX_SHARPNESS = 1e30

#: Period, t0 and duration (days), each of shape (m,).
Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]


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
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Score of each candidate; see armillary's plugin author guide for the arguments.

    Raises
    ------
    ValueError
        If the light curve has too many cycles of the shortest period.
    """
    points = Points.of(time, flux, flux_err)
    sharpness = min(sharpness, MAX_SHARPNESS)
    m, n = len(period), len(time)
    found = {name: np.empty(m) for name in ("score", "depth", "depth_err", "level")}
    if gradient:
        found["gradient"] = np.empty((m, N_PARAMETERS))
    if attribution:
        found["attribution"] = np.empty((m, n))
    done = 0
    for block in _blocks(time, period, duration):
        candidates = period[block], t0[block], duration[block]
        part = _scores(points, candidates, sharpness, gradient)
        if attribution:
            part["attribution"] = _attributions(points, candidates, sharpness)
        for name, values in part.items():
            values[np.isnan(part["score"])] = np.nan
            found[name][block] = values
        done += len(block)
        if progress is not None:
            progress(done, m)
    return found


def _blocks(time: np.ndarray, period: np.ndarray, duration: np.ndarray) -> list[np.ndarray]:
    """Candidates that are scored together: those in transit for about as much of the time."""
    n_cycles = most_cycles(time, period)
    if n_cycles > BLOCK_POINTS:
        raise ValueError(
            f"period = {period.min():.3g} d makes {n_cycles:,} cycles of the time span of "
            f"{time[-1] - time[0]:.6g} d, more than the {BLOCK_POINTS:,} that mlx can fold; use "
            f"another backend"
        )
    step = BLOCK_POINTS // max(len(time), n_cycles) or 1
    order = np.argsort(duration / period, kind="stable")
    return np.split(order, range(step, len(order), step))


def _scores(
    points: Points, candidates: Candidates, sharpness: float, gradient: bool
) -> dict[str, np.ndarray]:
    """Scores and what goes with them; NaN where too little weight is in transit, or out of it."""
    near = points_near(points.time, *candidates, 0.5 + SATURATION / sharpness)
    work = scores_and_gradients if gradient else scores
    answer = on_device(work, sharpness, _rows(points, near, sharpness))
    part, norm, in_transit, *slopes = (array.astype(np.float64) for array in answer)
    known = norm > MIN_WEIGHT_FRACTION
    score = np.where(known, part * np.sqrt(points.chi2), np.nan)
    depth_err = 1.0 / np.sqrt(np.where(known, norm, np.nan) * points.total)  # (7)
    depth = score * depth_err  # (8)
    found = {
        "score": score,
        "depth": depth,
        "depth_err": depth_err,
        "level": points.mean + depth * in_transit,  # (9)
    }
    if gradient:
        (slope,) = slopes
        found["gradient"] = slope * np.sqrt(points.chi2) / candidates[2][:, None]
    return found


def _attributions(points: Points, candidates: Candidates, sharpness: float) -> np.ndarray:
    near = points_near(points.time, *candidates, np.inf)
    parts = on_device(attributions, sharpness, _rows(points, near, sharpness))
    return parts[:, :-1].astype(np.float64) * np.sqrt(points.chi2)


def _rows(points: Points, near: NearPoints, sharpness: float) -> Rows:
    """What the device is told of these points, and of all others as one, the last of each row."""
    weight = points.weight[near.point] / points.total
    flux = points.residual[near.point] / points.scatter
    far_weight = np.maximum(1.0 - near.sums(weight), 0.0)
    far_signal = -near.sums(weight * flux)
    far_flux = np.divide(
        far_signal, far_weight, out=np.zeros_like(far_signal), where=far_weight > 0.0
    )
    return Rows(
        inside=near.rows(near.inside, -SATURATION / sharpness),
        side=near.rows(near.side, 0.0),
        cycles=near.rows(near.side * near.cycle, 0.0),
        weight=near.rows(weight, far_weight),
        flux=near.rows(flux, far_flux),
    )
