"""``search.bls`` by ``astropy.timeseries.BoxLeastSquares``."""

from __future__ import annotations

import numpy as np
from astropy.timeseries import BoxLeastSquares

from .box_results import NAMES, results, runs_of_durations


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = 10,
) -> dict[str, np.ndarray]:
    """Best box at each period, by astropy's compiled method on one thread.

    Among the boxes of a period astropy takes the one of highest log-likelihood with the
    level outside held fixed; the values of that box are then those of every backend,
    ``delta_chi2 = (depth / depth_err)**2``.
    """
    weight = flux_err**-2.0
    mean = np.average(flux, weights=weight)
    # astropy takes a box of weight below 2.2e-16 for empty, so errors go in as about one.
    unit = np.median(flux_err)
    total = unit**2 * weight.sum()
    model = BoxLeastSquares(time, (flux - mean) / unit, flux_err / unit)
    found = {name: np.empty(len(period)) for name in NAMES}
    for run, chosen in runs_of_durations(duration_start, duration_stop):
        power = model.power(
            period[chosen],
            duration[run],
            objective="likelihood",
            method="fast",
            oversample=oversample,
        )
        # depth times the fraction of the weight in the box: power = depth**2 weight / 2.
        dilution = np.divide(
            2.0 * power.power, power.depth * total, out=np.zeros(len(chosen)), where=power.depth > 0
        )
        part = results(
            period[chosen],
            unit * power.depth,
            unit * power.depth_err,
            power.transit_time,
            _tested(power.duration, duration[run], oversample),
            mean + unit * dilution,
        )
        for name in NAMES:
            found[name][chosen] = part[name]
    return found


def _tested(returned: np.ndarray, tested: np.ndarray, oversample: int) -> np.ndarray:
    """The tested durations that astropy rounded to those that it returned."""
    bin_width = tested[0] / oversample
    # C's round(), which takes halves away from zero; of equal widths the first is kept.
    widths, first = np.unique(np.floor(tested / bin_width + 0.5), return_index=True)
    which = np.searchsorted(widths, np.rint(returned / bin_width))
    return tested[first[np.minimum(which, len(first) - 1)]]
