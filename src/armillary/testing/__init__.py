"""The conformance kit: what every backend of an operation must satisfy.

A plugin's whole test file::

    from armillary.testing import conformance

    test_bls = conformance("search.bls", "mine")

========================  ========================================================
kit.py                    run checks, honour waivers, offer them to pytest
manners.py                the checks that every operation has
progress.py               the checks of progress
side_by_side.py           work that many threads do at once
search_bls.py             the checks of ``search.bls``
search_template_score.py  the checks of ``search.template_score``
crossmatch_nearest.py     the checks of ``crossmatch.nearest``
crossmatch_within.py      the checks of ``crossmatch.within``
crossmatch_common.py      the checks that both have
crossmatch_pairs.py       matches held against all pairs
fit_isophotes.py          the checks of ``fit.isophotes``
fit_forced_isophotes.py   the checks of ``fit.forced_isophotes``
fit_common.py             the checks that both have
fit_ellipse_model.py      the checks of ``fit.ellipse_model``
convert_visibilities.py   the checks of ``convert.visibilities``
written_visibilities.py   files of visibilities, read back by h5py and casacore alone
cache_open.py             the checks of stores, ``cache.open``
cache_codec.py            the checks of codecs, ``cache.codec``
cache_values.py           values of every kind that a store keeps
oracle.py                 brute-force box fits that share no code with any backend
template_oracle.py        the same for smooth templates, their gradients and attributions
brute_force.py            separations of all pairs, by a formula that no backend uses
signals.py                simulated light curves
observations.py           simulated observations of interferometers
uvh5_files.py             the files that they are in
interferometers.py        their astrometry, which shares no code with any backend
galaxies.py               simulated images of galaxies
skies.py                  made-up catalogues
========================  ========================================================
"""

from .galaxies import SimulatedGalaxy, simulated_galaxy
from .kit import Check, CheckFailed, Outcome, checks, conformance, run_checks
from .observations import SimulatedObservation, simulated_observation
from .signals import SimulatedLightCurve, simulated_light_curve

__all__ = [
    "Check",
    "CheckFailed",
    "Outcome",
    "SimulatedGalaxy",
    "SimulatedLightCurve",
    "SimulatedObservation",
    "checks",
    "conformance",
    "run_checks",
    "simulated_galaxy",
    "simulated_light_curve",
    "simulated_observation",
]
