"""Benchmarks of armillary, for asv.

=================  ============================================================
common.py          the backends, and when one of them is skipped
light_curves.py    the light curves and grids that searches are timed on
peers.py           peers called directly, in a mode that no backend can offer
processes.py       measurements that need an interpreter of their own
trivial_plugin.py  a backend that does nothing, to time what surrounds it
search.py          ``search.bls``: speed, memory, accuracy
dispatch.py        choosing and calling a backend, finding plugins
imports.py         ``import armillary`` against ``import numpy``
=================  ============================================================
"""
