"""Scores of smooth templates and their derivatives, by automatic differentiation in float32.

The equations are those of ``armillary.search.template.reference``, for weights that add up to one,
a flux in units of its scatter, and times in durations. Sums are over deviations from the mean
template: as the difference of (5) they would lose all digits where there is little weight in
transit.

The gradient is that by changes of the candidate, which are zero. They move the edges of the
transit in cycle c by the change of t0 and c times that of the period, so that it takes no time to
differentiate by one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

#: Period, t0 and duration.
N_PARAMETERS = 3


@dataclass(frozen=True, slots=True)
class Rows:
    """What the device is told: a row for each candidate, a column for each of its points.

    Attributes
    ----------
    inside : ndarray of float32, shape (m, n)
        How far inside the nearest edge of the transit, in durations.
    side, cycles : ndarray of float32, shape (m, n)
        By how much the point gets farther inside if t0, or the period, grows by a duration.
    weight, flux : ndarray of float32, shape (m, n)
        Weights, which add up to 1 in each row, and residuals.
    """

    inside: np.ndarray
    side: np.ndarray
    cycles: np.ndarray
    weight: np.ndarray
    flux: np.ndarray

    def on_device(self) -> tuple[mx.array, ...]:
        """The same, as MLX has it."""
        rows = (self.inside, self.side, self.cycles, self.weight, self.flux)
        return tuple(mx.array(row) for row in rows)


def scores(sharpness: float, rows: Rows) -> tuple[np.ndarray, ...]:
    """Score, norm A and weight in transit B of each candidate, each of shape (m,)."""
    of_one = functools.partial(_score, sharpness, mx.zeros(N_PARAMETERS))
    return _on_host(*mx.vmap(of_one)(*rows.on_device()))


def scores_and_gradients(sharpness: float, rows: Rows) -> tuple[np.ndarray, ...]:
    """The same and the gradient of the score, shape (m, 3), each parameter in durations."""
    of_one = mx.value_and_grad(functools.partial(_score, sharpness))
    of_all = mx.vmap(of_one, in_axes=(None, 0, 0, 0, 0, 0))
    values, gradient = of_all(mx.zeros(N_PARAMETERS), *rows.on_device())
    return _on_host(*values, gradient)


def attributions(sharpness: float, rows: Rows) -> np.ndarray:
    """Integrated gradients of the score by the flux, shape (m, n).

    From a flux that is constant at the level out of transit to the flux, by the trapezoid rule,
    both ends included.
    """
    of_all = mx.vmap(functools.partial(_attribution, sharpness))
    return np.array(of_all(*rows.on_device()))


def _score(
    sharpness: float,
    change: mx.array,
    inside: mx.array,
    side: mx.array,
    cycles: mx.array,
    weight: mx.array,
    flux: mx.array,
) -> tuple[mx.array, mx.array, mx.array]:
    """Score, A and B of one candidate whose period, t0 and duration change, in durations."""
    change_of_period, change_of_t0, change_of_duration = change
    moved = inside + side * change_of_t0 + cycles * change_of_period + 0.5 * change_of_duration
    template = mx.sigmoid(sharpness * moved / (1.0 + change_of_duration))  # (3), (4)
    in_transit = (weight * template).sum()
    deviation = template - in_transit
    signal = (weight * deviation * flux).sum()
    norm = (weight * deviation * deviation).sum()  # (5)
    return -signal * mx.rsqrt(norm), norm, in_transit  # (8)


def _attribution(
    sharpness: float,
    inside: mx.array,
    side: mx.array,
    cycles: mx.array,
    weight: mx.array,
    flux: mx.array,
) -> mx.array:
    """Attribution of the score of one candidate to its points."""
    of_flux = functools.partial(
        _score, sharpness, mx.zeros(N_PARAMETERS), inside, side, cycles, weight
    )
    score, norm, in_transit = of_flux(flux)
    level = score * mx.rsqrt(norm) * in_transit  # (9), relative to the mean
    gradient = mx.grad(lambda values: of_flux(values)[0])
    at_level, at_flux = gradient(mx.broadcast_to(level, flux.shape)), gradient(flux)
    return 0.5 * (at_level + at_flux) * (flux - level)  # (15)


def _on_host(*arrays: mx.array) -> tuple[np.ndarray, ...]:
    mx.eval(*arrays)
    return tuple(np.array(array) for array in arrays)
