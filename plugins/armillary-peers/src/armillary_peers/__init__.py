"""Peers of armillary as its backends: the packages that astronomers already use.

======================  ==============================================================
plugin.py               the records that armillary collects
installed.py            whether a peer is there
astropy_box.py          ``search.bls`` by ``astropy.timeseries.BoxLeastSquares``
gerbls_box.py           ``search.bls`` by ``gerbls.pyFastBLS``
box_results.py          what both hand back
astropy_sky.py          ``crossmatch`` by ``match_coordinates_sky`` and ``search_around_sky``
scipy_sky.py            ``crossmatch`` by ``scipy.spatial.cKDTree``
pykdtree_sky.py         ``crossmatch`` by ``pykdtree.kdtree.KDTree``
sklearn_sky.py          ``crossmatch`` by ``sklearn.neighbors.BallTree``
sky_trees.py            matches from the nearest neighbours that a tree finds
sky_pairs.py            which pairs count, in which order
photutils_isophotes.py  ``fit.isophotes``, ``fit.forced_isophotes`` by ``photutils.isophote``
photutils_model.py      ``fit.ellipse_model`` by ``build_ellipse_model``
photutils_silence.py    calls of photutils without its messages
======================  ==============================================================
"""
