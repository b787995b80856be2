"""Errors of an ellipse: equation (4), and those of photutils."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..result import HARMONIC_COLUMNS
from ..rules import Rules
from .fit import Fit
from .harmonics import FEWEST_SAMPLES, SINGULAR, amplitudes, basis
from .ring import BILINEAR_VARIANCE, LARGEST_STEP, Ellipse, Picture, Ring

#: Fewest samples from which the curvature of a profile is told from noise.
FEWEST_FOR_CURVATURE = 24
#: Part of an ellipse from which higher harmonics are known.
COVERAGE = 0.7
#: Relative error of a gradient whose error is not known, in the errors of photutils.
UNKNOWN_GRADIENT = 0.8


def neighbour_covariance(ring: Ring, rules: Rules) -> np.ndarray:
    """Covariance of the samples for pixels of unit variance, times the root of their weights."""
    n_total, n = ring.n_total, len(ring.value)
    apart = np.abs(ring.index[:, None] - ring.index)
    apart = np.minimum(apart, n_total - apart)
    near = (apart <= _reach(ring, rules)) & (apart > 0)
    covariance = np.where(
        near,
        _cubic_spline(ring.x[:, None] - ring.x) * _cubic_spline(ring.y[:, None] - ring.y),
        0.0,
    )
    interpolated = ring.share == BILINEAR_VARIANCE
    covariance *= interpolated[:, None] & interpolated
    covariance[np.arange(n), np.arange(n)] = ring.share
    return covariance


def _reach(ring: Ring, rules: Rules) -> int:
    """How many samples farther on one can share pixels; the other side does not count."""
    ellipse = ring.ellipse
    if rules.sampling == "eccentric_anomaly":
        spacing = 2.0 * math.pi * ellipse.sma * ellipse.axis_ratio / ring.n_total
    else:
        spacing = min(1.0, LARGEST_STEP * ellipse.sma * ellipse.axis_ratio)
    return min(ring.n_total // 2, math.ceil(2.0 / spacing))


def _cubic_spline(distance: np.ndarray) -> np.ndarray:
    """The B-spline of third order: what two linear interpolations so far apart share."""
    d = np.abs(distance)
    near, far = 2.0 / 3.0 - d * d * (1.0 - 0.5 * d), (2.0 - d) ** 3 / 6.0
    return np.where(d < 1.0, near, np.where(d < 2.0, far, 0.0))


def responses(ring: Ring, gradient: float) -> np.ndarray:
    """D of equation (4): what happens to samples when the ellipse moves, turns or flattens.

    In columns: across, along the major axis; turned; flattened. From the semi-major axis of
    the ellipse of the same shape through a fixed point.
    """
    sma, q = ring.ellipse.sma, ring.ellipse.axis_ratio
    sine, cosine = np.sin(ring.anomaly), np.cos(ring.anomaly)
    across, along = sine / q, cosine
    turned = -sma * (q - 1.0 / q) * sine * cosine
    flattened = -sma * sine**2 / q
    return gradient * np.stack([across, along, turned, flattened], axis=1)


def uncertainties(picture: Picture, fit: Fit, rules: Rules) -> dict[str, Any]:
    """Errors of intensity and geometry, and the higher harmonics with theirs; NaN if unknown."""
    found: dict[str, Any] = dict.fromkeys(
        (f"{name}_err" for name in ("intensity", "x0", "y0", "position_angle", "ellipticity")),
        math.nan,
    )
    n_orders = len(rules.harmonics)
    found |= {name: np.full(n_orders, math.nan) for name in HARMONIC_COLUMNS}
    if rules.errors == "photutils":
        return found | _errors_of_photutils(fit, rules)
    return found | _correlated_errors(picture, fit, rules)


def _correlated_errors(picture: Picture, fit: Fit, rules: Rules) -> dict[str, Any]:
    ring, gradient = fit.ring, fit.gradient.value
    if len(ring.value) < FEWEST_SAMPLES:
        return {}
    root = np.sqrt(ring.weight)
    functions = root[:, None] * basis(ring.angle, (1, 2))
    covariance = neighbour_covariance(ring, rules)
    normal = functions.T @ functions
    if _singular(functions):
        return {}
    inverse = np.linalg.inv(normal)
    noise = functions.T @ covariance @ functions
    coefficients = inverse @ functions.T @ (root * ring.value)
    variance = 1.0 if picture.variance is not None else _pixel_variance(ring, covariance)
    # What the geometry does to the mean, and what it leaves undetermined.
    mean = np.zeros((1, 5))
    mean[0, 0] = 1.0 / ring.weight.sum()
    moved = _moved(ring, fit, rules, functions, inverse, coefficients, gradient)
    result: dict[str, Any] = {}
    if moved is None:
        result["intensity_err"] = float(np.sqrt(variance * (mean @ noise @ mean.T)[0, 0]))
    else:
        response, undone, sensitivity = moved
        shift = mean @ functions.T @ (root[:, None] * response)
        total = mean - shift @ sensitivity
        result["intensity_err"] = float(
            np.sqrt(variance * (total @ noise @ total.T)[0, 0] + (shift @ undone)[0] ** 2)
        )
        if fit.fitted:
            spread = variance * sensitivity @ noise @ sensitivity.T + np.outer(undone, undone)
            result |= _geometry_errors(ring.ellipse, spread, rules)
    return result | _deviations(picture, fit, rules, covariance, variance, moved)


def _pixel_variance(ring: Ring, covariance: np.ndarray) -> float:
    """Variance of a pixel from the scatter about the first two harmonics.

    Where a profile is steep, interpolation between pixels leaves more than noise does: half
    f (1 - f) times the second derivative, where f is the place between two pixels. That is
    fitted, too, and does not count.
    """
    functions = basis(ring.angle, (1, 2))
    if len(ring.value) >= FEWEST_FOR_CURVATURE and ring.interpolated:
        functions = np.hstack([functions, _curvature(ring)])
    root = np.sqrt(ring.weight)
    orthogonal, triangle = np.linalg.qr(root[:, None] * functions)
    if _singular(triangle):
        orthogonal, _ = np.linalg.qr(root[:, None] * basis(ring.angle, (1, 2)))
    values = root * ring.value
    residual = values - orthogonal @ (orthogonal.T @ values)
    freedom = np.trace(covariance) - np.trace(orthogonal.T @ covariance @ orthogonal)
    return float(residual @ residual / freedom)


def _singular(matrix: np.ndarray) -> bool:
    """Whether the columns are not independent."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return not values[-1] > SINGULAR * values[0]


def _curvature(ring: Ring) -> np.ndarray:
    """What interpolation leaves along x and y, of curvatures that vary with twice the angle."""
    along_x, along_y = (
        f * (1.0 - f) - 1.0 / 6.0 for f in (ring.x - np.floor(ring.x), ring.y - np.floor(ring.y))
    )
    angle = 2.0 * (ring.angle + ring.ellipse.position_angle)
    turns = (np.ones(len(angle)), np.cos(angle), np.sin(angle))
    return np.stack([left * turn for left in (along_x, along_y) for turn in turns], axis=1)


def _moved(
    ring: Ring,
    fit: Fit,
    rules: Rules,
    functions: np.ndarray,
    inverse: np.ndarray,
    coefficients: np.ndarray,
    gradient: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """D, what the fit left undone in each parameter, and d by noise; None if nothing was fitted."""
    # A circle does not turn.
    free = np.flatnonzero(rules.free & (True, True, ring.ellipse.ellipticity > 0.0, True))
    if not fit.fitted or not gradient or not len(free):
        return None
    root = np.sqrt(ring.weight)
    response = responses(ring, gradient)
    jacobian = (inverse @ functions.T @ (root[:, None] * response))[1:][np.ix_(free, free)]
    if _singular(jacobian):
        return None
    solve = np.linalg.inv(jacobian)
    undone, sensitivity = np.zeros(4), np.zeros((4, 5))
    undone[free] = solve @ coefficients[1 + free]
    sensitivity[free] = solve @ inverse[1 + free]
    return response, undone, sensitivity


def _geometry_errors(ellipse: Ellipse, spread: np.ndarray, rules: Rules) -> dict[str, float]:
    cosine, sine = math.cos(ellipse.position_angle), math.sin(ellipse.position_angle)
    # Axes of x and y by (across, along).
    axes = np.array([[-sine, cosine], [cosine, sine]])
    place = axes @ spread[:2, :2] @ axes.T
    errors: dict[str, float] = {}
    if not rules.fix_center:
        errors |= {"x0_err": math.sqrt(place[0, 0]), "y0_err": math.sqrt(place[1, 1])}
    if not rules.fix_position_angle and ellipse.ellipticity > 0.0:
        errors["position_angle_err"] = math.sqrt(spread[2, 2])
    if not rules.fix_ellipticity:
        errors["ellipticity_err"] = math.sqrt(spread[3, 3])
    return errors


def _deviations(
    picture: Picture,
    fit: Fit,
    rules: Rules,
    covariance: np.ndarray,
    variance: float,
    moved: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> dict[str, Any]:
    """Higher harmonics, fitted together with the first two, over sma |g|."""
    ring, gradient = fit.ring, fit.gradient
    orders = (1, 2, *rules.harmonics)
    scale = ring.ellipse.sma * abs(gradient.value)
    found = amplitudes(ring, orders)
    if not rules.harmonics or found is None or not scale > 0.0 or not _covered(ring):
        return {}
    root = np.sqrt(ring.weight)
    functions = root[:, None] * basis(ring.angle, orders)
    inverse = np.linalg.inv(functions.T @ functions)
    noise = functions.T @ covariance @ functions
    estimate = inverse[5:].copy()
    undone = np.zeros(len(estimate))
    if moved is not None:
        response, left, sensitivity = moved
        share = (inverse @ functions.T @ (root[:, None] * response))[5:]
        estimate[:, :5] -= share @ sensitivity
        undone = share @ left
    squared = variance * np.einsum("ij,jk,ik->i", estimate, noise, estimate) + undone**2
    relative = gradient.error / abs(gradient.value)
    value = found[5:] / scale
    error = np.sqrt(squared / scale**2 + (value * relative) ** 2)
    return {"a": value[::2], "b": value[1::2], "a_err": error[::2], "b_err": error[1::2]}


def _covered(ring: Ring) -> bool:
    """Whether higher harmonics are known: from an arc they would be extrapolated to the rest."""
    return len(ring.value) >= COVERAGE * ring.n_total


def _errors_of_photutils(fit: Fit, rules: Rules) -> dict[str, Any]:
    """As photutils has them: independent samples, amplitudes projected on parameters."""
    ring, gradient = fit.ring, fit.gradient
    result: dict[str, Any] = {}
    n = len(ring.value)
    if n:
        result["intensity_err"] = ring.stddev / math.sqrt(n)
    found = amplitudes(ring)
    if found is None or not gradient.value:
        return result
    spread = _independent(ring, found, (1, 2))
    sma, q, angle = ring.ellipse.sma, ring.ellipse.axis_ratio, ring.ellipse.position_angle
    if fit.fitted:
        slope = abs(gradient.value)
        across, along = spread[1] * q / slope, spread[2] / slope
        result["x0_err"] = math.hypot(along * math.cos(angle), across * math.sin(angle))
        result["y0_err"] = math.hypot(along * math.sin(angle), across * math.cos(angle))
        result["ellipticity_err"] = 2.0 * spread[4] * q / (sma * slope)
        result["position_angle_err"] = 2.0 * spread[3] * q / (sma * slope * (1.0 - q * q))
    values: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    relative = gradient.relative_error
    relative = UNKNOWN_GRADIENT if math.isnan(relative) else relative
    for order in rules.harmonics if _covered(ring) else ():
        one = amplitudes(ring, (order,))
        if one is None:
            return result
        value = one[1:] / (sma * abs(gradient.value))
        values.append(value)
        share = _independent(ring, one, (order,))[1:] / one[1:]
        errors.append(np.abs(value) * np.hypot(share, relative))
    if values:
        result |= {"a": np.array(values)[:, 0], "b": np.array(values)[:, 1]}
        result |= {"a_err": np.array(errors)[:, 0], "b_err": np.array(errors)[:, 1]}
    return result


def _independent(ring: Ring, coefficients: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
    """Errors of amplitudes of samples that are independent of each other."""
    root = np.sqrt(ring.weight)
    functions = root[:, None] * basis(ring.angle, orders)
    residual = root * ring.value - functions @ coefficients
    freedom = len(residual) - len(coefficients)
    inverse = np.linalg.inv(functions.T @ functions)
    return np.sqrt(np.diag(inverse) * (residual @ residual) / freedom)
