"""What to try when a fit does not begin well: other sizes, rounder, turned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .geometry import EllipseGeometry
from .result import Isophotes
from .rules import Rules

Fit = Callable[[EllipseGeometry], Isophotes]


class Variation(NamedTuple):
    """A change of the first ellipse."""

    factor: float
    round: bool = False
    turn: float = 0.0


#: Tried in turn where the first ellipse cannot be fitted: a little smaller or larger, then rounder,
#: then in another direction.
RETRIES = (
    Variation(0.8),
    Variation(1.3),
    Variation(0.6, round=True),
    Variation(1.5, turn=0.25 * math.pi),
    Variation(0.5, round=True, turn=0.5 * math.pi),
)
#: Tried as well where the semi-major axis was found, not given: on a bar, an arm, a star, perhaps.
FARTHER = (Variation(2.0), Variation(0.25), Variation(4.0))
#: From a semi-major axis that was found, isophotes should reach so many times as far.
FAR_ENOUGH = 2.0
#: Ellipticity of what is made round.
NEARLY_ROUND = 0.05
#: How a first ellipse ends that cannot be fitted: then it is the only one.
FAILURES = (1, 3, 5)


def begun_well(fit: Fit, start: EllipseGeometry, rules: Rules, *, sma_is_given: bool) -> Isophotes:
    """Fit from a start and, if that fails, from others; the first failure if all do.

    Parameters
    ----------
    fit : callable
        Fits isophotes from an ellipse.
    start : EllipseGeometry
        What was given or found.
    rules : Rules
        Limits of the semi-major axis, and what is fixed.
    sma_is_given : bool
        Otherwise the first isophotes must also reach twice as far as they began, or those that
        reach farthest count.

    Returns
    -------
    Isophotes
    """
    best = fit(start)
    # With a limit, growth always goes on to it.
    anywhere = sma_is_given or rules.max_sma is not None
    for other in _others(start, rules, () if sma_is_given else FARTHER):
        if not failed(best) and (anywhere or best.sma[-1] >= FAR_ENOUGH * start.sma):
            break
        found = fit(other)
        if not failed(found) and (failed(best) or found.sma[-1] > best.sma[-1]):
            best = found
    return best


def failed(isophotes: Isophotes) -> bool:
    """Whether not even the first ellipse could be fitted."""
    return len(isophotes) == 0 or (len(isophotes) == 1 and isophotes.stop_code[0] in FAILURES)


def _others(
    start: EllipseGeometry, rules: Rules, more: tuple[Variation, ...]
) -> Iterator[EllipseGeometry]:
    most = np.inf if rules.max_sma is None else rules.max_sma
    for variation in (*RETRIES, *more):
        sma = variation.factor * start.sma
        if rules.min_sma <= sma <= most:
            yield replace(
                start,
                sma=sma,
                ellipticity=NEARLY_ROUND
                if variation.round and not rules.fix_ellipticity
                else start.ellipticity,
                position_angle=start.position_angle
                + (0.0 if rules.fix_position_angle else variation.turn),
            )
