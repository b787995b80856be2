"""The points of a light curve: weights, and residuals about the weighted mean, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Points:
    """What both operations need of a light curve.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Days after the first point, ascending.
    weight, residual : ndarray, shape (n,)
        Inverse squares of the errors, and the flux without its weighted mean.
    total, mean, chi2 : float
        Sum of the weights, weighted mean of the flux, and chi2 of a constant flux.
    """

    time: np.ndarray
    weight: np.ndarray
    residual: np.ndarray
    total: float
    mean: float
    chi2: float

    @classmethod
    def of(cls, time: np.ndarray, flux: np.ndarray, flux_err: np.ndarray) -> Points:
        """Those of canonical arguments."""
        weight = flux_err**-2.0
        total = float(weight.sum())
        mean = float((weight * flux).sum() / total)
        residual = flux - mean
        # What was rounded off the mean, as in core's reference.
        residual -= (weight * residual).sum() / total
        return cls(time, weight, residual, total, mean, float((weight * residual**2).sum()))

    @property
    def scatter(self) -> float:
        """Weighted standard deviation of the flux; 1 where the flux is constant."""
        return float(np.sqrt(self.chi2 / self.total)) or 1.0
