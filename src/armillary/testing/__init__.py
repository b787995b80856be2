"""The conformance kit: what every backend of an operation must satisfy.

A plugin's whole test file::

    from armillary.testing import conformance

    test_bls = conformance("search.bls", "mine")

=============  ================================================================
kit.py         run checks, honour waivers, offer them to pytest
search_bls.py  the checks of ``search.bls``
oracle.py      brute-force box fits that share no code with any backend
signals.py     simulated light curves
=============  ================================================================
"""

from .kit import Check, CheckFailed, Outcome, checks, conformance, run_checks
from .signals import SimulatedLightCurve, simulated_light_curve

__all__ = [
    "Check",
    "CheckFailed",
    "Outcome",
    "SimulatedLightCurve",
    "checks",
    "conformance",
    "run_checks",
    "simulated_light_curve",
]
