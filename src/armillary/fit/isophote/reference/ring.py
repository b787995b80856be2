"""Ellipses, and the samples along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..rules import Rules

#: Relative distance of the second ellipse from which the gradient comes.
GRADIENT_STEP = 0.1
#: Limits of the angle between two samples, and how far past a full circle they go (radians).
LARGEST_STEP, OVERLAP = 0.5, 0.05
#: Limits of the angle of a sector, and its largest width (radians, pixels).
SECTOR_ANGLES, SECTOR_WIDTH = (0.05, 0.2), 3.0
#: Area (pixels) that a bilinear sample stands for, in IRAF's count.
BILINEAR_AREA = 2.0
#: Variance of a bilinear sample over that of a pixel.
BILINEAR_VARIANCE = 4.0 / 9.0
#: Least number of samples on equal steps of the eccentric anomaly.
FEWEST_STEPS = 32


class Ellipse(NamedTuple):
    """An ellipse during a fit."""

    x0: float
    y0: float
    sma: float
    ellipticity: float
    position_angle: float

    @property
    def axis_ratio(self) -> float:
        return 1.0 - self.ellipticity

    def radius(self, angle: Any) -> Any:
        """Distance of the ellipse from its centre at a polar angle from the major axis."""
        q = self.axis_ratio
        return self.sma * q / np.sqrt((q * np.cos(angle)) ** 2 + np.sin(angle) ** 2)

    def place(self, along: Any, across: Any) -> tuple[Any, Any]:
        """Image coordinates of points in the frame of the ellipse."""
        cosine, sine = math.cos(self.position_angle), math.sin(self.position_angle)
        return (
            self.x0 + along * cosine - across * sine,
            self.y0 + along * sine + across * cosine,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, NaN where it is unusable, and the variance of its pixels, or None."""

    image: np.ndarray
    variance: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Ring:
    """What is sampled along an ellipse; only the samples that are used are in the arrays.

    ``angle`` is what harmonics are taken of, ``anomaly`` the eccentric anomaly; ``share`` is the
    variance of a sample over that of a pixel, and ``index`` its place among all ``n_total``.
    """

    ellipse: Ellipse
    angle: np.ndarray
    anomaly: np.ndarray
    x: np.ndarray
    y: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    index: np.ndarray
    n_total: int
    sector_area: float
    interpolated: bool

    @property
    def mean(self) -> float:
        return weighted_mean(self.value, self.weight)

    @property
    def stddev(self) -> float:
        return math.sqrt(weighted_mean((self.value - self.mean) ** 2, self.weight))

    @property
    def squared_error(self) -> float:
        """Of the mean, from the scatter, as if samples were independent."""
        effective = self.weight.sum() ** 2 / (self.weight**2).sum()
        return self.stddev**2 / effective


def beyond(ellipse: Ellipse, shape: tuple[int, ...]) -> bool:
    """Whether the whole image is inside an ellipse."""
    ny, nx = shape
    corners = np.array([(x, y) for x in (0.0, nx - 1.0) for y in (0.0, ny - 1.0)])
    farthest = np.hypot(*(corners - (ellipse.x0, ellipse.y0)).T).max()
    return bool(ellipse.axis_ratio * ellipse.sma > farthest)


def weighted_mean(value: np.ndarray, weight: np.ndarray) -> float:
    return float((weight * value).sum() / weight.sum()) if len(value) else math.nan


def sample_angles(ellipse: Ellipse, rules: Rules) -> np.ndarray:
    """Angles of the samples, counted from the major axis: polar ones, or eccentric anomalies."""
    if rules.sampling == "eccentric_anomaly":
        n = max(FEWEST_STEPS, math.ceil(2.0 * math.pi * ellipse.sma))
        return 2.0 * math.pi * np.arange(n) / n
    # IRAF's walk: a step of one pixel at right angles to the radius, and a little too far.
    angle, angles = 0.5 * sector_angle(ellipse.sma, GRADIENT_STEP * ellipse.sma), []
    while angle <= 2.0 * math.pi + OVERLAP:
        angles.append(angle)
        angle += min(1.0 / ellipse.radius(angle), LARGEST_STEP)
    return np.array(angles)


def sector_angle(sma: float, width: float) -> float:
    return float(np.clip(min(width, SECTOR_WIDTH) / sma, *SECTOR_ANGLES))


def interpolated(picture: Picture, ellipse: Ellipse, angle: np.ndarray, rules: Rules) -> Ring:
    if rules.sampling == "eccentric_anomaly":
        along = ellipse.sma * np.cos(angle)
        across = ellipse.sma * ellipse.axis_ratio * np.sin(angle)
    else:
        radius = ellipse.radius(angle)
        along, across = radius * np.cos(angle), radius * np.sin(angle)
    x, y = ellipse.place(along, across)
    share = np.full(len(angle), BILINEAR_VARIANCE)
    return ring_of_samples(
        ellipse,
        angle,
        (x, y),
        bilinear(picture.image, x, y),
        None if picture.variance is None else bilinear(picture.variance, x, y),
        share,
        None,
        rules,
    )


def ring_of_samples(
    ellipse: Ellipse,
    angle: np.ndarray,
    place: tuple[np.ndarray, np.ndarray],
    value: np.ndarray,
    variance: np.ndarray | None,
    share: np.ndarray,
    sector_area: float | None,
    rules: Rules,
) -> Ring:
    """A ring of the samples that have a value and, if there are variances, one of them."""
    weight = np.ones(len(value))
    if variance is not None:
        # Of unusable pixels it may be anything.
        weight = np.divide(1.0, variance, out=np.full(len(value), np.nan), where=variance > 0.0)
    index = np.flatnonzero(np.isfinite(value) & np.isfinite(weight))
    anomaly = angle
    if rules.sampling == "polar_angle":
        anomaly = np.arctan2(np.sin(angle), ellipse.axis_ratio * np.cos(angle))
    x, y = place
    return Ring(
        ellipse,
        angle[index],
        anomaly[index],
        x[index],
        y[index],
        value[index],
        weight[index],
        share[index],
        index,
        len(value),
        BILINEAR_AREA if sector_area is None else sector_area,
        sector_area is None,
    )


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values between the centres of four pixels; NaN outside, and where one of them is NaN."""
    ny, nx = image.shape
    inside = (x >= 0.0) & (x < nx - 1) & (y >= 0.0) & (y < ny - 1)
    i, j = np.floor(x[inside]).astype(int), np.floor(y[inside]).astype(int)
    fx, fy = x[inside] - i, y[inside] - j
    pixels = image.astype(np.float64)
    value = np.full(len(x), np.nan)
    value[inside] = (1.0 - fy) * ((1.0 - fx) * pixels[j, i] + fx * pixels[j, i + 1]) + fy * (
        (1.0 - fx) * pixels[j + 1, i] + fx * pixels[j + 1, i + 1]
    )
    return value
