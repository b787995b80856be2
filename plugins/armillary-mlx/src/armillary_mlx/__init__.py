"""Searches of armillary on Apple GPUs, with MLX.

==================  =========================================================================
plugin.py           the records that armillary collects
device.py           whether MLX is there, and the one thread that uses it
points.py           weights and residuals of a light curve
box.py              ``search.bls``: the device proposes, the host scores
box_blocks.py       the periods, cut into blocks of bounded memory
box_scores.py       the highest scores of boxes, on the device
cells.py            the light curve on the host: where cycles begin, what boxes hold
template.py         ``search.template_score``: the host folds, the device scores
template_scores.py  scores and their derivatives, on the device
transits.py         the points near transits, folded on the host
==================  =========================================================================
"""
