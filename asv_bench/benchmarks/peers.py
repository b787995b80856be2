"""Peers called directly, in a mode that no backend can offer.

Fast folding dictates its trial periods, so the ``gerbls`` backend has to search more of
them than it was asked for. Here GERBLS runs as its own users run it, and armillary is
given the periods that GERBLS chose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .light_curves import OVERSAMPLE, Case


def gerbls_spectrum(case: Case, same_bins: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Periods of GERBLS and its delta_chi2, on one thread.

    Parameters
    ----------
    case : Case
        Its periods count only by their limits.
    same_bins : bool
        True: bins of armillary's width at every period. False: what ``gerbls.run_bls``
        does, bins as wide as the cadence that widen with period.
    """
    # Here, because asv imports every module of the suite, also where GERBLS is not installed.
    import gerbls

    data = gerbls.pyDataContainer()
    data.store(case.time, case.flux, case.flux_err, convert_to_flux=False)
    model = gerbls.pyFastBLS()
    model.setup(
        data,
        case.period[0],
        case.period[-1],
        t_samp=case.duration[0] / OVERSAMPLE if same_bins else 0.0,
        verbose=False,
        duration_mode="constant",
        durations=case.duration.tolist(),
        downsample=not same_bins,
    )
    model.run(verbose=False)
    found = gerbls.pyBLSAnalyzer(model)
    return np.copy(found.P), np.copy(found.dchi2)


def on_periods_of_gerbls(case: Case, same_bins: bool = False) -> Case:
    """The same light curve, with the trial periods that GERBLS chooses for it."""
    return replace(case, period=np.sort(gerbls_spectrum(case, same_bins)[0]))


def bins_of_gerbls(case: Case) -> float:
    """Bins of ``gerbls.run_bls`` in the shortest duration, at the shortest period."""
    return float(case.duration[0] / np.median(np.diff(case.time)))
