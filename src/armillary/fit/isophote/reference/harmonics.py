"""Harmonics of the intensity along an ellipse."""

from __future__ import annotations

import math

import numpy as np

from .ring import Ring, weighted_mean

#: Fewest samples from which five coefficients are fitted.
FEWEST_SAMPLES = 6
#: Functions are not independent whose least singular value is below this part of the largest.
SINGULAR = 1e-6


def basis(angle: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
    """Columns 1, sin, cos of each order."""
    columns = [np.ones(len(angle))]
    for order in orders:
        columns += [np.sin(order * angle), np.cos(order * angle)]
    return np.stack(columns, axis=1)


def amplitudes(ring: Ring, orders: tuple[int, ...] = (1, 2)) -> np.ndarray | None:
    """Coefficients of equation (1), by weighted least squares; None if they are not determined."""
    functions = basis(ring.angle, orders)
    if len(ring.value) < max(FEWEST_SAMPLES, functions.shape[1] + 1):
        return None
    root = np.sqrt(ring.weight)
    found, _, rank, _ = np.linalg.lstsq(
        root[:, None] * functions, root * (ring.value - ring.mean), rcond=SINGULAR
    )
    if rank < functions.shape[1]:
        return None
    found[0] += ring.mean
    return found


def scatter(ring: Ring, coefficients: np.ndarray) -> float:
    """Standard deviation of the samples about equation (1)."""
    residual = ring.value - basis(ring.angle, (1, 2)) @ coefficients
    away = residual - weighted_mean(residual, ring.weight)
    return math.sqrt(weighted_mean(away**2, ring.weight))
