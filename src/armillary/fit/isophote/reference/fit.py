"""The fit of one ellipse."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..rules import Rules
from .gradient import Gradient, gradient_of
from .harmonics import amplitudes, scatter
from .ring import Ellipse, Picture, Ring
from .samples import ring_of

#: The flattest ellipse, and what a circle is made, whose position angle would be undefined.
MAX_ELLIPTICITY, NEARLY_ROUND = 0.95, 0.05
#: A correction that turns an amplitude around and leaves more than this part of it is halved.
NO_NEARER = 0.75

#: How a fit may end: as the codes of a result say, or so that it must be taken back.
FAILED = -1
CONVERGED, FEW_VALID, NOT_CONVERGED, NO_SAMPLES, SAMPLED, NO_GRADIENT = range(6)


@dataclass(frozen=True, slots=True)
class Fit:
    """One ellipse, as it was found or given, and how the search ended."""

    ring: Ring
    gradient: Gradient
    n_iterations: int
    n_samples: int
    stop_code: int
    fitted: bool = False


def sampled(
    picture: Picture, ellipse: Ellipse, rules: Rules, stop_code: int, before: Fit | None = None
) -> Fit:
    """An ellipse as it is, not fitted; ``before`` is a failed fit whose work counts."""
    ring = ring_of(picture, ellipse, rules)
    gradient = gradient_of(picture, ring, rules)
    drawn = ring.n_total + gradient.n_samples
    if before is None:
        return Fit(ring, gradient, 0, drawn, stop_code)
    return Fit(ring, gradient, before.n_iterations, before.n_samples + drawn, stop_code)


def fitted(picture: Picture, ellipse: Ellipse, rules: Rules, *, inwards: bool, least: int) -> Fit:
    """Correct an ellipse until its largest amplitude is small, ``least`` times at least."""
    current = sampled(picture, ellipse, rules, SAMPLED)
    best, smallest, warned, drawn = current, math.inf, False, current.n_samples
    steps, last, amplitude = np.ones(4), -1, 0.0

    def ended(fit: Fit, stop_code: int) -> Fit:
        return replace(
            fit, n_iterations=iteration, n_samples=drawn, stop_code=stop_code, fitted=True
        )

    def ended_with_best(stop_code: int) -> Fit:
        # To go back costs its samples once more.
        return replace(ended(best, stop_code), n_samples=drawn + best.n_samples)

    for iteration in range(1, rules.max_iterations + 1):
        ring = current.ring
        if len(ring.value) and len(ring.value) < rules.min_valid * ring.n_total:
            return ended_with_best(FEW_VALID)
        found = amplitudes(ring)
        if found is None:
            return ended(current, NO_SAMPLES)
        # A circle does not turn.
        free = rules.free & (True, True, ring.ellipse.ellipticity > 0.0, True)
        if not free.any():
            return ended(current, FAILED)
        which = int(np.argmax(np.where(free, np.abs(found[1:]), -1.0)))
        largest = float(found[1 + which])
        if abs(largest) < smallest:
            best, smallest = current, abs(largest)
        limit = rules.convergence * ring.sector_area * scatter(ring, found)
        if iteration >= least and abs(largest) <= limit:
            return ended(current, CONVERGED)
        if iteration >= least and which == last and largest * amplitude < 0.0:
            # Back and forth without getting nearer, it would go on for ever.
            steps[which] *= 0.5 if abs(largest) > NO_NEARER * abs(amplitude) else 1.0
        last, amplitude = which, largest
        slope = current.gradient.value
        ellipse = corrected(ring.ellipse, which, steps[which] * largest, slope, rules)
        if not on_image(ellipse, picture.image.shape):
            return ended(current, FAILED)
        current = sampled(picture, ellipse, rules, SAMPLED)
        drawn += current.n_samples
        error = current.gradient.relative_error
        uncertain = not inwards and error > rules.max_gradient_error
        if math.isnan(error) or (uncertain and warned):
            return ended(current, FAILED)
        warned = warned or uncertain
    return ended_with_best(NOT_CONVERGED)


def corrected(
    ellipse: Ellipse, which: int, amplitude: float, gradient: float, rules: Rules
) -> Ellipse:
    """Equations (2) and (3); NaN in it if there is no gradient."""
    if gradient == 0.0:
        gradient = math.nan
    sma, q = ellipse.sma, ellipse.axis_ratio
    angle, ellipticity = ellipse.position_angle, ellipse.ellipticity
    change = -amplitude / gradient
    if which == 0:
        x0, y0 = ellipse.place(0.0, change * q)
        return ellipse._replace(x0=x0, y0=y0)
    if which == 1:
        x0, y0 = ellipse.place(change, 0.0)
        return ellipse._replace(x0=x0, y0=y0)
    if which == 2:
        angle = (angle - 2.0 * change * q / (sma * (q * q - 1.0))) % math.pi
        return ellipse._replace(position_angle=angle)
    ellipticity = min(ellipticity + 2.0 * change * q / sma, MAX_ELLIPTICITY)
    if rules.fix_position_angle:
        return ellipse._replace(ellipticity=max(ellipticity, 0.0))
    if ellipticity < 0.0:
        # The minor axis has become the longer one.
        angle = (angle + 0.5 * math.pi) % math.pi
        ellipticity = min(-ellipticity, MAX_ELLIPTICITY)
    if ellipticity == 0.0:
        ellipticity = NEARLY_ROUND
    return ellipse._replace(ellipticity=ellipticity, position_angle=angle)


def on_image(ellipse: Ellipse, shape: tuple[int, ...]) -> bool:
    """Whether all is finite, and the centre on the image."""
    ny, nx = shape
    inside = 0.0 <= ellipse.x0 <= nx - 1.0 and 0.0 <= ellipse.y0 <= ny - 1.0
    return inside and all(map(math.isfinite, ellipse))
