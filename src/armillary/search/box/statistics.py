"""The signal detection efficiency of a spectrum (Kovacs et al. 2002; Hippke & Heller 2019)."""

from __future__ import annotations

import numpy as np

#: Periods in the running median that removes the trend of the residue with period,
#: 30 frequency steps at Ofir's threefold oversampling, made odd as in TLS.
TREND_WINDOW = 91


def signal_detection_efficiency(
    period: np.ndarray, delta_chi2: np.ndarray, chi2_constant: float
) -> np.ndarray:
    """The SDE of every period.

    The signal residue ``SR = chi2_min / chi2(P)`` rises with period, because longer
    periods offer more independent boxes. Its running median over 91 periods is
    subtracted; what is left, divided by its standard deviation, is the SDE. A grid of
    at most 182 periods is too short for a trend: there ``(SR - mean) / std``.

    Parameters
    ----------
    period : ndarray, shape (n,)
        Periods in any order; NaN in ``delta_chi2`` marks those that were not tried.
    delta_chi2 : ndarray, shape (n,)
        Improvement over a constant flux.
    chi2_constant : float
        chi2 of the constant flux.

    Returns
    -------
    ndarray, shape (n,)
        NaN where a period was not tried, and everywhere if the spectrum is flat.

    References
    ----------
    Kovacs, Zucker & Mazeh (2002), A&A 391, 369, equation 6; Hippke & Heller (2019),
    A&A 623, A39, section 2.5.
    """
    sde = np.full(len(period), np.nan)
    tried = np.flatnonzero(np.isfinite(delta_chi2))
    order = tried[np.argsort(period[tried], kind="stable")]
    chi2 = chi2_constant - delta_chi2[order]
    # A noiseless light curve is fitted exactly; chi2 is then rounding.
    chi2 = np.maximum(chi2, np.finfo(float).tiny)
    residue = chi2.min() / chi2
    if len(residue) > 2 * TREND_WINDOW:
        from scipy.ndimage import median_filter

        residue = residue - median_filter(residue, TREND_WINDOW, mode="nearest")
    residue = residue - residue.mean()
    spread = residue.std()
    if spread > 0:
        sde[order] = residue / spread
    return sde
