"""The samples of an ellipse, whichever way they are taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..rules import Rules
from .ring import Ellipse, Picture, Ring, beyond, interpolated, sample_angles
from .sector import sectors


def ring_of(picture: Picture, ellipse: Ellipse, rules: Rules) -> Ring:
    """Sample an ellipse: interpolate between four pixels, or average sectors of a ring."""
    if beyond(ellipse, picture.image.shape):
        return interpolated(picture, ellipse, np.empty(0), rules)
    ring = None
    if rules.integrator != "bilinear":
        ring = sectors(picture, ellipse, rules)
    if ring is None:
        ring = interpolated(picture, ellipse, sample_angles(ellipse, rules), rules)
    return clipped(ring, rules)


def clipped(ring: Ring, rules: Rules) -> Ring:
    """Without samples far from the mean, again and again."""
    for _ in range(rules.n_clip):
        if not len(ring.value):
            break
        away = np.abs(ring.value - ring.value.mean())
        keep = away <= rules.sigma_clip * ring.value.std()
        if keep.all():
            break
        names = ("angle", "anomaly", "x", "y", "value", "weight", "share", "index")
        ring = replace(ring, **{name: getattr(ring, name)[keep] for name in names})
    return ring
