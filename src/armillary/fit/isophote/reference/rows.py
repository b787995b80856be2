"""Rows of a result."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..result import COLUMNS, HARMONIC_COLUMNS
from ..rules import Rules
from .errors import uncertainties
from .fit import CONVERGED, NO_SAMPLES, Fit
from .ring import BILINEAR_VARIANCE, Ellipse, Picture, bilinear


def aperture_sums(image: np.ndarray, ellipse: Ellipse) -> dict[str, float]:
    """Sums over the usable pixels whose centres are in the ellipse, and in a circle around it."""
    ny, nx = image.shape
    dx, dy = np.arange(nx) - ellipse.x0, (np.arange(ny) - ellipse.y0)[:, None]
    cosine, sine = math.cos(ellipse.position_angle), math.sin(ellipse.position_angle)
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    usable = np.isfinite(image)
    with np.errstate(over="ignore"):
        squared = np.float64(ellipse.sma) ** 2
    in_circle = usable & (dx**2 + dy**2 <= squared)
    in_ellipse = usable & (along**2 + (across / ellipse.axis_ratio) ** 2 <= squared)
    if ellipse.ellipticity == 0.0:
        # A pixel on the circle must not fall outside because the circle is turned.
        in_ellipse = in_circle
    return {
        "flux_ellipse": float(image[in_ellipse].sum(dtype=np.float64)),
        "flux_circle": float(image[in_circle].sum(dtype=np.float64)),
        "n_pixels_ellipse": int(in_ellipse.sum()),
        "n_pixels_circle": int(in_circle.sum()),
    }


def row_of(picture: Picture, fit: Fit, rules: Rules) -> dict[str, Any]:
    ring, ellipse = fit.ring, fit.ring.ellipse
    n = len(ring.value)
    return {
        **ellipse._asdict(),
        "intensity": ring.mean,
        "gradient": fit.gradient.value,
        "gradient_err": fit.gradient.error,
        "rms": ring.stddev if n else math.nan,
        "sector_area": ring.sector_area,
        "n_data": n,
        "n_flagged": ring.n_total - n,
        "n_iterations": fit.n_iterations,
        "n_samples": fit.n_samples,
        "stop_code": fit.stop_code,
        **aperture_sums(picture.image, ellipse),
        **uncertainties(picture, fit, rules),
    }


def central_row(picture: Picture, ellipse: Ellipse, rules: Rules) -> dict[str, Any]:
    """The value at a centre; what needs an ellipse is not known."""
    x, y = np.array([ellipse.x0]), np.array([ellipse.y0])
    value = float(bilinear(picture.image, x, y)[0])
    unknown: dict[str, Any] = {name: math.nan for name, kind in COLUMNS.items() if kind is float}
    unknown |= {name: np.full(len(rules.harmonics), math.nan) for name in HARMONIC_COLUMNS}
    variance = math.nan
    if picture.variance is not None:
        variance = float(bilinear(picture.variance, x, y)[0])
    known = math.isfinite(value)
    return unknown | {
        "sma": 0.0,
        "intensity": value,
        "intensity_err": math.sqrt(BILINEAR_VARIANCE * variance),
        "x0": ellipse.x0,
        "y0": ellipse.y0,
        "n_pixels_ellipse": 0,
        "n_pixels_circle": 0,
        "n_data": int(known),
        "n_flagged": int(not known),
        "n_iterations": 0,
        "n_samples": 1,
        "stop_code": CONVERGED if known else NO_SAMPLES,
    }


def as_arrays(rows: list[dict[str, Any]], n_orders: int) -> dict[str, np.ndarray]:
    arrays = {
        name: np.array([row[name] for row in rows], np.float64 if kind is float else np.int64)
        for name, kind in COLUMNS.items()
    }
    for name in HARMONIC_COLUMNS:
        arrays[name] = np.array([row[name] for row in rows], float).reshape(len(rows), n_orders)
    return arrays
