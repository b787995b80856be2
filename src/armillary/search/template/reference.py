"""The definition of template scores, in plain NumPy.

A candidate has a period P, a mid-transit t0 and a duration d. Its template is 1 in transit
and 0 outside, with edges that a sigmoid rounds off, so that the score has a gradient::

    c  = floor((t - t0) / P + 1/2)       number of the nearest mid-transit        (1)
    dt = (t - t0) - c P                  distance from it                         (2)
    u  = k (d/2 - |dt|),  k = sharpness / d                                       (3)
    T  = 1 / (1 + exp(-u))                                                        (4)

The model ``f = level - depth T`` is fitted by weighted least squares. With weights
``w = 1 / flux_err**2``, total weight ``W`` and residuals ``y = flux - mean`` about the
weighted mean::

    S = sum(w T y),  B = sum(w T),  A = sum(w T**2) - B**2 / W                    (5)
    depth     = -S / A                                                            (6)
    depth_err = 1 / sqrt(A)                                                       (7)
    score     = depth / depth_err = -S / sqrt(A)                                  (8)
    level     = mean + depth B / W                                                (9)

The square of the score is the improvement in chi2 over a constant flux: for a template
without rounded edges it is the ``delta_chi2`` of the box in ``search.bls``.

The derivative of the score by a parameter follows from that of the template, where
``sign(0) = 0`` and c does not change::

    T' = T (1 - T) u'                                                             (10)
    du/dP = k sign(dt) c,  du/dt0 = k sign(dt),  du/dd = sharpness |dt| / d**2    (11)
    S' = sum(w y T')                                                              (12)
    A' = 2 sum(w T T') - 2 (B / W) sum(w T')                                      (13)
    score' = -S' / sqrt(A) + S A' / (2 A**1.5)                                    (14)

The attribution of the score to the points is that of integrated gradients (Sundararajan,
Taly & Yan 2017, PMLR 70, 3319), along the straight line from a constant flux at ``level``
to the flux, by the trapezoid rule with both ends. As the score is linear in the flux, its
gradient is the same all along the line, and the rule is exact. As a constant flux scores
nothing, the contributions add up to the score::

    contribution = -w (T - B / W) / sqrt(A) (flux - level)                        (15)

A candidate with ``A <= 1e-9 W`` has next to no weight in transit, or out of it: it has NaN
for everything.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

#: Sharpness of the edges, where the caller does not say: a template then rises from T = 0.1 to 0.9
#: within 0.03 of its duration.
DEFAULT_SHARPNESS = 150.0
#: Part of the total weight below which A is rounding, or a handful of the faintest edges.
MIN_WEIGHT_FRACTION = 1e-9


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
) -> dict[str, np.ndarray]:
    """Score of each candidate; see the plugin author guide for the arguments."""
    weight = flux_err**-2.0
    mean = (weight * flux).sum() / weight.sum()
    residual = flux - mean
    # A large flux leaves little room behind the point of its mean: what was rounded off there.
    residual -= (weight * residual).sum() / weight.sum()
    candidates = zip(period, t0, duration, strict=True)
    rows = [
        _one_candidate(time, weight, residual, *candidate, sharpness, gradient, attribution)
        for candidate in candidates
    ]
    results = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    results["level"] += mean
    return results


def _one_candidate(
    time: np.ndarray,
    weight: np.ndarray,
    residual: np.ndarray,
    period: float,
    t0: float,
    duration: float,
    sharpness: float,
    gradient: bool,
    attribution: bool,
) -> dict[str, float | np.ndarray]:
    cycle = np.floor((time - t0) / period + 0.5)  # (1)
    offset = (time - t0) - cycle * period  # (2)
    steepness = sharpness / duration
    exponent = steepness * (0.5 * duration - np.abs(offset))  # (3)
    template = expit(exponent)  # (4)

    total = weight.sum()
    in_transit = (weight * template).sum()
    signal = (weight * template * residual).sum()
    norm = (weight * template**2).sum() - in_transit**2 / total  # (5)
    if not norm > MIN_WEIGHT_FRACTION * total:
        return _unknown(len(time), gradient, attribution)
    depth = -signal / norm  # (6)
    level = depth * in_transit / total  # (9), relative to the mean
    row: dict[str, float | np.ndarray] = {
        "score": -signal / np.sqrt(norm),  # (8)
        "depth": depth,
        "depth_err": 1.0 / np.sqrt(norm),  # (7)
        "level": level,
    }
    if gradient:
        slope = template * expit(-exponent)
        by_parameter = slope * np.array(
            [
                steepness * np.sign(offset) * cycle,
                steepness * np.sign(offset),
                sharpness * np.abs(offset) / duration**2,
            ]
        )  # (10), (11)
        signal_rate = (weight * residual * by_parameter).sum(axis=1)  # (12)
        norm_rate = 2.0 * (weight * (template - in_transit / total) * by_parameter).sum(
            axis=1
        )  # (13)
        row["gradient"] = (  # (14)
            -signal_rate / np.sqrt(norm) + signal * norm_rate / (2.0 * norm**1.5)
        )
    if attribution:
        by_flux = -weight * (template - in_transit / total) / np.sqrt(norm)
        row["attribution"] = by_flux * (residual - level)  # (15)
    return row


def _unknown(n: int, gradient: bool, attribution: bool) -> dict[str, float | np.ndarray]:
    row: dict[str, float | np.ndarray] = dict.fromkeys(
        ("score", "depth", "depth_err", "level"), np.nan
    )
    if gradient:
        row["gradient"] = np.full(3, np.nan)
    if attribution:
        row["attribution"] = np.full(n, np.nan)
    return row
