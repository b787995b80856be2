"""The ``armillary`` command.

==================  ========================================================
main.py             the command itself: version, verbosity, errors, Ctrl-C
status.py           ``armillary status``
search.py           ``armillary search bls``
attribute.py        ``armillary search attribute``
fit.py              ``armillary fit isophotes`` and ``armillary fit forced``
crossmatch.py       ``armillary crossmatch``
convert.py          ``armillary convert visibilities`` and ``armillary convert validate``
convert_catalog.py  ``armillary convert catalog``
convert_queue.py    ``armillary convert watch`` and ``armillary convert status``
cache.py            ``armillary cache stats``, ``list``, ``clear`` and ``verify``
check.py            ``armillary check``
demo.py             ``armillary demo``
jobs.py             files into targets, targets into outcomes
candidates.py       outcomes into a table on the screen and into a file
images.py           image files into isophotes
isophote_files.py   isophotes into tables, model images and pictures
isophote_summary.py isophotes of several images into a table on the screen
kept.py             ``--cache`` of searches and fits
transfer.py         a bar for work that is measured in bytes
amounts.py          lengths of time and bytes as people read them
phase_center.py     phase centres as they are given at the shell
destinations.py     which output goes into which file
overwriting.py      outputs that would take the place of inputs
pictures.py         the same for pictures of targets
k2_3.py             the demonstration of a search, on the star K2-3
comparison.py       that demonstration's comparison with astropy
hipparcos.py        the demonstration of a crossmatch, Hipparcos and Gaia
ugc12517.py         the demonstration of isophotes, on the galaxy UGC 12517
simulated_array.py  the demonstration of a conversion, on a simulated observation
kept_search.py      the demonstration of a cache, with that light curve again
race.py             the same work in several ways, in turns: all comparisons
packaged.py         the data of the demonstrations, in packages of their own
messages.py         what is said on standard error
==================  ========================================================
"""
