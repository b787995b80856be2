"""Means and medians of the sectors of an elliptical ring."""

from __future__ import annotations

import math

import numpy as np

from ..rules import Rules
from .ring import (
    BILINEAR_VARIANCE,
    LARGEST_STEP,
    OVERLAP,
    SECTOR_ANGLES,
    SECTOR_WIDTH,
    Ellipse,
    Picture,
    Ring,
    bilinear,
    ring_of_samples,
    sector_angle,
)

#: A sector with fewer valid pixels than this is not averaged but interpolated.
FEWEST_PIXELS = 7
#: Variance of a median over n pixels times n, over that of a pixel.
MEDIAN_VARIANCE = 0.5 * math.pi


def sectors(picture: Picture, ellipse: Ellipse, rules: Rules) -> Ring | None:
    """Means or medians of sectors of about equal area; None if they are below one pixel."""
    width = rules.annulus(ellipse.sma)
    inner = ellipse._replace(sma=ellipse.sma - 0.5 * width)
    outer = ellipse._replace(sma=ellipse.sma + 0.5 * width)
    if inner.sma <= 0.0:
        return None
    samples: list[tuple[float, ...]] = []
    area_factor = width * min(width, SECTOR_WIDTH)
    opening = sector_angle(ellipse.sma, width)
    angle = 0.5 * opening
    while angle <= 2.0 * math.pi + OVERLAP:
        begin, end = angle - 0.5 * opening, angle + 0.5 * opening
        area = _sector_area(outer, begin, end) - _sector_area(inner, begin, end)
        if not samples and area < 1.0:
            return None
        samples.append((angle, area, *_sector(picture, ellipse, inner, outer, begin, end, rules)))
        low = inner.radius(end)
        opening = float(np.clip(area_factor / ((outer.radius(end) - low) * low), *SECTOR_ANGLES))
        angle += min(0.5 * opening + end - angle, LARGEST_STEP)
    angles, areas, values, variances, shares = (np.array(c) for c in zip(*samples, strict=True))
    radius = ellipse.radius(angles)
    place = ellipse.place(radius * np.cos(angles), radius * np.sin(angles))
    weights = None if picture.variance is None else variances
    if rules.sampling == "eccentric_anomaly":
        angles = np.arctan2(np.sin(angles), ellipse.axis_ratio * np.cos(angles))
    return ring_of_samples(
        ellipse, angles, place, values, weights, shares, float(areas.mean()), rules
    )


def _sector_area(ellipse: Ellipse, begin: float, end: float) -> float:
    """Area swept by the radius of an ellipse between two polar angles, less than a turn apart."""
    q = ellipse.axis_ratio
    anomaly = np.unwrap([np.arctan2(np.sin(angle), q * np.cos(angle)) for angle in (begin, end)])
    return 0.5 * ellipse.sma**2 * q * float(anomaly[1] - anomaly[0])


def _sector(
    picture: Picture,
    ellipse: Ellipse,
    inner: Ellipse,
    outer: Ellipse,
    begin: float,
    end: float,
    rules: Rules,
) -> tuple[float, float, float]:
    """Value, variance and share of one sector; NaN where it is partly outside the image."""
    angle = 0.5 * (begin + end)
    ends = np.array([begin, begin, end, end])
    reach = np.array(
        [inner.radius(begin), outer.radius(begin), inner.radius(end), outer.radius(end)]
    )
    x, y = ellipse.place(reach * np.cos(ends), reach * np.sin(ends))
    columns = np.arange(math.floor(x.min()), math.ceil(x.max()) + 1)
    rows = np.arange(math.floor(y.min()), math.ceil(y.max()) + 1)
    ny, nx = picture.image.shape
    if columns[0] < 0 or rows[0] < 0 or columns[-1] >= nx or rows[-1] >= ny:
        return math.nan, math.nan, math.nan
    inside = _inside_sector(ellipse, inner.sma, outer.sma, begin, end, rows, columns)
    window = np.ix_(rows, columns)
    pixels = picture.image[window][inside].astype(np.float64)
    usable = np.isfinite(pixels)
    if picture.variance is not None:
        variances = picture.variance[window][inside].astype(np.float64)
        usable &= np.isfinite(variances)
    n = int(usable.sum())
    if n < FEWEST_PIXELS:
        return _one_interpolated(picture, ellipse, angle)
    variance = math.nan if picture.variance is None else float(variances[usable].mean())
    if rules.integrator == "mean":
        return float(pixels[usable].mean()), variance, 1.0 / n
    return float(np.median(pixels[usable])), variance, MEDIAN_VARIANCE / n


def _inside_sector(
    ellipse: Ellipse,
    inner_sma: float,
    outer_sma: float,
    begin: float,
    end: float,
    rows: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    cosine, sine = math.cos(ellipse.position_angle), math.sin(ellipse.position_angle)
    dx, dy = columns[None, :] - ellipse.x0, rows[:, None] - ellipse.y0
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    sma = np.hypot(along, across / ellipse.axis_ratio)
    turned = np.arctan2(across, along) - begin
    turned -= 2.0 * math.pi * np.floor(turned / (2.0 * math.pi))
    return (sma >= inner_sma) & (sma < outer_sma) & (turned < end - begin)


def _one_interpolated(
    picture: Picture, ellipse: Ellipse, angle: float
) -> tuple[float, float, float]:
    radius = ellipse.radius(angle)
    x, y = ellipse.place(radius * math.cos(angle), radius * math.sin(angle))
    place = np.array([x]), np.array([y])
    value = float(bilinear(picture.image, *place)[0])
    if picture.variance is None:
        return value, math.nan, BILINEAR_VARIANCE
    return value, float(bilinear(picture.variance, *place)[0]), BILINEAR_VARIANCE
