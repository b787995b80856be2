"""The change of the intensity with the semi-major axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..rules import Rules
from .ring import GRADIENT_STEP, Picture, Ring
from .samples import ring_of

#: The rules of photutils: a gradient falls unless it is above this part of its error; one from
#: farther out counts if it is below this part of what was expected; otherwise this part of that.
NOT_FALLING, SHALLOWEST, GUESSED = 0.5, 1.0 / 3.0, 0.8


@dataclass(frozen=True, slots=True)
class Gradient:
    """dI/da and its error, NaN where not known, and the samples drawn for it."""

    value: float
    error: float
    n_samples: int

    @property
    def relative_error(self) -> float:
        """NaN unless the intensity falls outwards and the error is known."""
        return self.error / -self.value if self.value < 0.0 else math.nan


def gradient_of(picture: Picture, ring: Ring, rules: Rules) -> Gradient:
    """From a second ellipse outside; where the intensity does not fall, from one farther out."""
    near = _gradient(picture, ring, GRADIENT_STEP, rules)
    if not near.value >= NOT_FALLING * near.error:
        return near
    far = _gradient(picture, ring, 2.0 * GRADIENT_STEP, rules)
    expected = near.value + near.error
    n_samples = near.n_samples + far.n_samples
    if far.value >= SHALLOWEST * expected:
        return Gradient(GUESSED * expected, math.nan, n_samples)
    return replace(far, n_samples=n_samples)


def _gradient(picture: Picture, ring: Ring, step: float, rules: Rules) -> Gradient:
    sma = ring.ellipse.sma
    outer = ring_of(picture, ring.ellipse._replace(sma=(1.0 + step) * sma), rules)
    if not len(ring.value) or not len(outer.value):
        return Gradient(math.nan, math.nan, outer.n_total)
    distance = step * sma
    error = math.sqrt(ring.squared_error + outer.squared_error) / distance
    return Gradient((outer.mean - ring.mean) / distance, error, outer.n_total)
