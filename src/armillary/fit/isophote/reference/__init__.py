"""Isophotes in plain NumPy: slow, and the definition of what every backend computes.

The fit is that of Jedrzejewski (1987), as in IRAF's ``ellipse`` (Busko 1996) and photutils. The
intensity along a trial ellipse of semi-major axis a is fitted with harmonics,

    I(phi) = I0 + A1 sin(phi) + B1 cos(phi) + A2 sin(2 phi) + B2 cos(2 phi)               (1)

and the largest of the four amplitudes corrects the parameter that it belongs to: A1 and B1 the
centre along the minor and the major axis, A2 the position angle, B2 the ellipticity. With q the
ratio of the axes and g = dI/da the radial gradient

    minor axis: -A1 q / g      major axis: -B1 / g                                        (2)
    position angle: +2 q A2 / (a g (q^2 - 1))      ellipticity: -2 q B2 / (a g)           (3)

until the largest amplitude is below a fraction of the scatter about (1).

Errors. A bilinear sample is a mean over four pixels, so that neighbouring samples are correlated:
averaged over the phases of the pixel grid, samples (dx, dy) apart have the covariance
sigma^2 C(dx) C(dy), where C is the cubic B-spline. A small change of the parameters by d changes
the samples by D d, with D from the gradient and the geometry of the ellipse; the harmonics of D,
J, tell which change makes which amplitude. So amplitudes c that remain and noise n along the
ellipse leave

    d = J^-1 (c - P n),     dI = mean(n) + mean(D) d                                      (4)

with P the projection on harmonics. sigma comes from the scatter about (1), or is given. Unlike in
the errors of photutils, the intensity has a share of the error of the ellipticity in it, and what
the fit left undone counts.

=============  ==================================================================
ring.py        ellipses, and the samples along them
sector.py      samples that are means or medians over sectors
samples.py     the one or the other, clipped
harmonics.py   equation (1)
gradient.py    dI/da
fit.py         equations (2) and (3): one ellipse
sequence.py    one ellipse after the other
errors.py      equation (4)
rows.py        the result
=============  ==================================================================
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..rules import Rules
from .fit import FEW_VALID, NO_GRADIENT, NO_SAMPLES, SAMPLED, sampled
from .ring import Ellipse, Picture
from .rows import as_arrays, central_row, row_of
from .sequence import grown, shrunk


def isophotes(
    image: np.ndarray,
    x0: float,
    y0: float,
    sma: float,
    ellipticity: float,
    position_angle: float,
    variance: np.ndarray | None = None,
    min_sma: float = 0.0,
    max_sma: float | None = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
    fix_center: bool = False,
    fix_ellipticity: bool = False,
    fix_position_angle: bool = False,
    harmonics: tuple[int, ...] = (3, 4),
    sampling: str = "polar_angle",
    max_iterations: int = 50,
    min_iterations: int = 10,
    convergence: float = 0.05,
    max_gradient_error: float = 0.5,
    min_valid: float = 0.7,
    errors: str = "correlated",
) -> dict[str, np.ndarray]:
    """Fit isophotes of one image; see the plugin author guide for the arguments."""
    picture = Picture(image, variance)
    rules = Rules(
        min_sma=min_sma,
        max_sma=max_sma,
        step=step,
        linear=linear,
        sigma_clip=sigma_clip,
        n_clip=n_clip,
        integrator=integrator,
        fix_center=fix_center,
        fix_ellipticity=fix_ellipticity,
        fix_position_angle=fix_position_angle,
        harmonics=harmonics,
        sampling=sampling,
        max_iterations=max_iterations,
        min_iterations=min_iterations,
        convergence=convergence,
        max_gradient_error=max_gradient_error,
        min_valid=min_valid,
        errors=errors,
    )
    start = Ellipse(x0, y0, sma, ellipticity, position_angle % math.pi)
    outer = grown(picture, start, rules)
    if outer[0].stop_code in (FEW_VALID, NO_SAMPLES, NO_GRADIENT):
        return as_arrays([row_of(picture, outer[0], rules)], len(rules.harmonics))
    inner = shrunk(picture, outer[0], rules)
    rows = [row_of(picture, fit, rules) for fit in (*inner[::-1], *outer)]
    if rules.min_sma == 0.0:
        innermost = (inner[-1] if inner else outer[0]).ring.ellipse
        rows.insert(0, central_row(picture, innermost, rules))
    return as_arrays(rows, len(rules.harmonics))


def forced_isophotes(
    image: np.ndarray,
    x0: np.ndarray,
    y0: np.ndarray,
    sma: np.ndarray,
    ellipticity: np.ndarray,
    position_angle: np.ndarray,
    variance: np.ndarray | None = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
    harmonics: tuple[int, ...] = (3, 4),
    sampling: str = "polar_angle",
    errors: str = "correlated",
) -> dict[str, np.ndarray]:
    """Sample given ellipses of one image; see the plugin author guide for the arguments."""
    picture = Picture(image, variance)
    rules = Rules(
        step=step,
        linear=linear,
        sigma_clip=sigma_clip,
        n_clip=n_clip,
        integrator=integrator,
        harmonics=harmonics,
        sampling=sampling,
        errors=errors,
    )
    rows = []
    for values in zip(x0, y0, sma, ellipticity, position_angle, strict=True):
        ellipse = Ellipse(*(float(value) for value in values))
        if ellipse.sma == 0.0:
            rows.append(central_row(picture, ellipse, rules))
            continue
        fit = sampled(picture, ellipse, rules, SAMPLED)
        if not len(fit.ring.value):
            fit = replace(fit, stop_code=NO_SAMPLES)
        rows.append(row_of(picture, fit, rules))
    return as_arrays(rows, len(rules.harmonics))
