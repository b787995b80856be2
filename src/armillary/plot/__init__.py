"""Pictures of results, with matplotlib, which nothing else imports.

===============  ==========================================================
periodogram.py   what a search found: spectrum, light curve, fold
scores.py        scores of candidates, and of one along t0
attribution.py   which points and transits carry the score of a candidate
timeline.py      a time axis with its long gaps cut out
fold.py          a light curve folded and binned around mid-transit
matches.py       what a match found: separations and offsets
isophotes.py     what a fit found: ellipses, residuals, profiles
visibilities.py  amplitudes and phases of baselines against frequency
style.py         colours and sizes, in one place
files.py         figures into files, whole or not at all
===============  ==========================================================
"""
