"""The ``armillary`` command.

=============  ========================================================
main.py        the command itself: version, verbosity, errors, Ctrl-C
status.py      ``armillary status``
search.py      ``armillary search bls``
crossmatch.py  ``armillary crossmatch``
check.py       ``armillary check``
demo.py        ``armillary demo``
jobs.py        files into targets, targets into outcomes
candidates.py  outcomes into a table on the screen and into a file
pictures.py    which picture goes into which file
k2_3.py        the demonstration of a search, on the star K2-3
comparison.py  that demonstration's comparison with astropy
hipparcos.py   the demonstration of a crossmatch, Hipparcos and Gaia
race.py        the same work in several ways, in turns: both comparisons
packaged.py    the data of the demonstrations, in packages of their own
messages.py    what is said on standard error
=============  ========================================================
"""
