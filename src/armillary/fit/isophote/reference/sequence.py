"""Ellipses one after the other: outwards until the signal is gone, then inwards."""

from __future__ import annotations

from dataclasses import replace

from ..rules import Rules
from .fit import FAILED, FEW_VALID, NO_GRADIENT, NO_SAMPLES, SAMPLED, Fit, fitted, sampled
from .harmonics import FEWEST_SAMPLES
from .ring import Ellipse, Picture, beyond

#: Going inwards ends at this semi-major axis (pixels).
SMALLEST_SMA = 0.5


def grown(picture: Picture, start: Ellipse, rules: Rules) -> list[Fit]:
    """Ellipses outwards from the start, each begun with the geometry of the one before."""
    fits: list[Fit] = []
    ellipse, fitting = start, bool(rules.free.any())
    while True:
        fit = _next(picture, ellipse, rules, fitting, fits)
        fits.append(fit)
        if fit.stop_code in (FAILED, FEW_VALID, NO_SAMPLES) and (fitting or not rules.free.any()):
            code = NO_GRADIENT if fit.stop_code == FAILED else fit.stop_code
            fits[-1] = sampled(picture, ellipse, rules, code, before=fit)
            if len(fits) == 1:
                # The first must do: nothing can be begun from it.
                return fits
            if _given_up(fits):
                if rules.max_sma is None:
                    return fits
                fitting = False
        sma = rules.next_sma(ellipse.sma)
        ellipse = fits[-1].ring.ellipse._replace(sma=sma)
        if rules.max_sma is not None and sma >= rules.max_sma:
            return fits
        if beyond(ellipse, picture.image.shape):
            return fits


def _next(picture: Picture, ellipse: Ellipse, rules: Rules, fitting: bool, fits: list[Fit]) -> Fit:
    if fitting:
        least = rules.min_iterations if fits else 2 * rules.min_iterations
        return fitted(
            picture, ellipse, rules, inwards=False, least=min(least, rules.max_iterations)
        )
    fit = sampled(picture, ellipse, rules, SAMPLED)
    if not rules.free.any():
        return replace(fit, stop_code=_code_of_given(fit, rules))
    return fit if len(fit.ring.value) else replace(fit, stop_code=NO_SAMPLES)


def _code_of_given(fit: Fit, rules: Rules) -> int:
    """Where nothing is free, growth ends for the same reasons for which a fit would."""
    n, n_total = len(fit.ring.value), fit.ring.n_total
    if n < FEWEST_SAMPLES:
        return NO_SAMPLES
    if n < rules.min_valid * n_total:
        return FEW_VALID
    return SAMPLED if fit.gradient.relative_error <= rules.max_gradient_error else FAILED


def _given_up(fits: list[Fit]) -> bool:
    """Whether there is no use in fitting farther out: too few samples, or two failures in turn."""
    codes = [fit.stop_code for fit in fits[-2:]]
    return len(fits) > 2 and (codes[-1] in (FEW_VALID, NO_SAMPLES) or codes == [NO_GRADIENT] * 2)


def shrunk(picture: Picture, first: Fit, rules: Rules) -> list[Fit]:
    """Ellipses inwards from the first; what fails gets the geometry of the first."""
    fits: list[Fit] = []
    ellipse = first.ring.ellipse
    while True:
        sma = rules.previous_sma(ellipse.sma)
        if not sma > max(rules.min_sma, SMALLEST_SMA):
            return fits
        ellipse = ellipse._replace(sma=sma)
        if rules.free.any():
            least = min(rules.min_iterations, rules.max_iterations)
            fit = fitted(picture, ellipse, rules, inwards=True, least=least)
        else:
            fit = sampled(picture, ellipse, rules, SAMPLED)
        if fit.stop_code == FAILED:
            given = first.ring.ellipse._replace(sma=sma)
            fit = sampled(picture, given, rules, NO_GRADIENT, before=fit)
        if not len(fit.ring.value):
            return fits
        fits.append(fit)
        ellipse = fit.ring.ellipse
