"""Astropy and GERBLS as backends of armillary.

==================  =========================================================
plugin.py           the records that armillary collects
installed.py        whether a peer is there
astropy_box.py      ``search.bls`` by ``astropy.timeseries.BoxLeastSquares``
gerbls_box.py       ``search.bls`` by ``gerbls.pyFastBLS``
box_results.py      what both hand back
==================  =========================================================
"""
