"""Benchmarks of armillary, for asv.

=================  ============================================================
common.py          the backends, and when one of them is skipped
light_curves.py    the light curves and grids that searches are timed on
peers.py           peers called directly, in a mode that no backend can offer
processes.py       measurements that need an interpreter of their own
trivial_plugin.py  a backend that does nothing, to time what surrounds it
search.py          ``search.bls``: speed, memory, accuracy
template.py        ``search.template_score``: speed, memory
skies.py           made-up catalogues
sky_peers.py       peers of crossmatches called directly
crossmatch.py      ``crossmatch.nearest`` and ``crossmatch.within``: speed, memory
galaxies.py        the images that isophotes are timed on
isophote_peers.py  photutils called directly
isophotes.py       isophotes and their model image: speed, accuracy
dispatch.py        choosing and calling a backend, finding plugins
imports.py         ``import armillary`` against ``import numpy``
=================  ============================================================
"""
