"""CUDA devices as a backend of armillary, through cupy.

=============  ==============================================================================
plugin.py      the records that armillary collects
device.py      whether there is a device, and the few things that targets ask of one
blocks.py      work cut to the memory of the device, and cut again where that runs out
box.py         ``search.bls``, one light curve or many
box_layout.py  what it asks for, laid out for its kernels
template.py    ``search.template_score``
sky.py         ``crossmatch.nearest`` and ``crossmatch.within``
zones.py       catalogues in zones, on the device
isophotes.py   ``fit.forced_isophotes``
kernels/       the sources in CUDA C; ``prelude.cuh`` opens each of them
=============  ==============================================================================
"""
