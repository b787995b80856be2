"""Simulated light curves: white noise with known errors, gaps, and box-shaped transits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedLightCurve:
    """A light curve and the truth behind it.

    Attributes
    ----------
    time, flux, flux_err : ndarray, shape (n,)
        Times (days, ascending), flux, and the errors from which the noise was drawn.
    period, t0, duration, depth : float
        The injected transits: days, and the unit of the flux; NaN without any.
    """

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    period: float
    t0: float
    duration: float
    depth: float


def simulated_light_curve(
    seed: int = 0,
    *,
    span: float = 27.4,
    cadence: float = 1.0 / 72.0,
    regular: bool = True,
    gaps: Sequence[tuple[float, float]] = (),
    start: float = 0.0,
    level: float = 1.0,
    noise: float = 5e-4,
    error_ratio: float = 1.0,
    period: float | None = None,
    t0: float = 0.0,
    duration: float = 0.1,
    snr: float | None = None,
    depth: float | None = None,
) -> SimulatedLightCurve:
    """Draw a light curve of white noise, with box-shaped transits if a period is given.

    Parameters
    ----------
    seed : int
        The same seed gives the same light curve.
    span, cadence : float
        Length and mean spacing of the observations (days).
    regular : bool
        Evenly spaced times; False draws as many at random.
    gaps : sequence of (float, float)
        Intervals (days after ``start``) without observations.
    start : float
        The first possible time (days).
    level : float
        Flux out of transit.
    noise : float
        Median error, in the unit of the flux.
    error_ratio : float
        Largest over smallest error; they are spread evenly in the logarithm.
    period : float, optional
        Period of the transits (days); None injects none.
    t0 : float
        A mid-transit (days after ``start``).
    duration : float
        Duration of a transit (days).
    snr : float, optional
        Signal-to-noise ratio of all transits together; sets the depth.
    depth : float, optional
        Depth in the unit of the flux; negative for a brightening.

    Returns
    -------
    SimulatedLightCurve

    Raises
    ------
    ValueError
        If there is a period, and not exactly one of ``snr`` and ``depth``; or if no
        observation lies in transit.

    Examples
    --------
    >>> from armillary.testing import simulated_light_curve
    >>> light_curve = simulated_light_curve(1, period=3.4, t0=1.3, snr=20.0)
    >>> len(light_curve.time), light_curve.depth > 0
    (1973, True)
    """
    rng = np.random.default_rng(seed)
    n = int(span / cadence) + 1
    time = cadence * np.arange(n) if regular else np.sort(rng.uniform(0.0, span, n))
    for first, last in gaps:
        time = time[(time < first) | (time > last)]
    spread = rng.uniform(-0.5, 0.5, len(time))
    flux_err = noise * error_ratio**spread
    flux = level + flux_err * rng.standard_normal(len(time))
    if period is None:
        nothing = (np.nan, np.nan, np.nan, np.nan)
        return SimulatedLightCurve(start + time, flux, flux_err, *nothing)
    cycle = (time - t0) / period
    inside = np.abs(cycle - np.rint(cycle)) * period < 0.5 * duration
    depth = _depth(snr, depth, flux_err, inside)
    flux[inside] -= depth
    return SimulatedLightCurve(start + time, flux, flux_err, period, start + t0, duration, depth)


def _depth(
    snr: float | None, depth: float | None, flux_err: np.ndarray, inside: np.ndarray
) -> float:
    if (snr is None) == (depth is None):
        raise ValueError("transits need either snr or depth, and not both")
    if not inside.any():
        raise ValueError("no observation lies in transit; change t0, duration, span or gaps")
    if depth is not None:
        return depth
    weight = flux_err**-2.0
    variance = 1.0 / weight[inside].sum() + 1.0 / weight[~inside].sum()
    return float(np.asarray(snr) * np.sqrt(variance))
