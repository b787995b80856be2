"""Fits of a smooth template that share no code, and few formulas, with any backend.

The fit is one of :func:`numpy.linalg.lstsq`; derivatives of the score are taken by a complex
step, and its attribution from scores of the unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: A complex step: so small that its square vanishes, and the derivative is exact to rounding.
STEP = 1e-30


@dataclass(frozen=True, slots=True)
class TemplateFit:
    """A level and a depth fitted to a light curve; NaN where the template is a constant."""

    score: float
    depth: float
    depth_err: float
    level: float
    known: float  # part of the weight that tells depth from level: A / W of the contract


def fit_template(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: float,
    t0: float,
    duration: float,
    sharpness: float,
) -> TemplateFit:
    """The least-squares fit of ``level - depth template``."""
    middle = np.median(flux)
    template = templates(time, period, t0, duration, sharpness)
    design = np.stack([np.ones(len(time)), -template], axis=1) / flux_err[:, None]
    found, _, rank, _ = np.linalg.lstsq(design, (flux - middle) / flux_err, rcond=1e-15)
    if rank < 2:
        return TemplateFit(np.nan, np.nan, np.nan, np.nan, 0.0)
    triangle: Any = np.linalg.qr(design, mode="r")
    level, depth = float(found[0] + middle), float(found[1])
    depth_err = float(1.0 / abs(triangle[1, 1]))
    known = float((triangle[1, 1] / triangle[0, 0]) ** 2)
    return TemplateFit(depth / depth_err, depth, depth_err, level, known)


def templates(time: np.ndarray, period: Any, t0: Any, duration: Any, sharpness: float) -> Any:
    """The template at each time; parameters may be complex."""
    elapsed = time - t0
    offset = elapsed - np.rint(np.real(elapsed / period)) * period
    distance = offset * np.sign(np.real(offset))
    return 0.5 + 0.5 * np.tanh(0.5 * sharpness * (0.5 - distance / duration))


def score(flux: np.ndarray, flux_err: np.ndarray, template: np.ndarray) -> Any:
    """Covariance of flux and template over the deviation of the template; may be complex."""
    weight = flux_err**-2.0
    deviation = template - (weight * template).sum() / weight.sum()
    return -(weight * deviation * flux).sum(axis=-1) / np.sqrt((weight * deviation**2).sum())


def gradient(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: float,
    t0: float,
    duration: float,
    sharpness: float,
) -> np.ndarray:
    """Derivatives of the score by period, t0 and duration."""
    flux = flux - np.median(flux)
    derivatives = []
    for step in STEP * 1j * np.eye(3):
        template = templates(time, period + step[0], t0 + step[1], duration + step[2], sharpness)
        derivatives.append(np.imag(score(flux, flux_err, template)) / STEP)
    return np.array(derivatives)


def attribution(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: float,
    t0: float,
    duration: float,
    sharpness: float,
) -> np.ndarray:
    """Contribution of each point: the score of one unit there, times its height over the level."""
    fit = fit_template(time, flux, flux_err, period, t0, duration, sharpness)
    template = templates(time, period, t0, duration, sharpness)
    by_flux = score(np.eye(len(time)), flux_err, template)
    return by_flux * (flux - fit.level)
