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
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .result import COLUMNS, HARMONIC_COLUMNS
from .rules import Rules

#: Relative distance of the second ellipse from which the gradient comes.
GRADIENT_STEP = 0.1
#: Limits of the angle between two samples, and how far past a full circle they go (radians).
LARGEST_STEP, OVERLAP = 0.5, 0.05
#: Limits of the angle of a sector, and its largest width (radians, pixels).
SECTOR_ANGLES, SECTOR_WIDTH = (0.05, 0.2), 3.0
#: A sector with fewer valid pixels than this is not averaged but interpolated.
FEWEST_PIXELS = 7
#: Area (pixels) that a bilinear sample stands for, in IRAF's count.
BILINEAR_AREA = 2.0
#: Variance of a bilinear sample, of a median over n pixels times n, over that of a pixel.
BILINEAR_VARIANCE, MEDIAN_VARIANCE = 4.0 / 9.0, 0.5 * math.pi
#: Least number of samples on equal steps of the eccentric anomaly.
FEWEST_STEPS = 32
#: The flattest ellipse, and what a circle is made, whose position angle would be undefined.
MAX_ELLIPTICITY, NEARLY_ROUND = 0.95, 0.05
#: Fewest samples from which five coefficients are fitted.
FEWEST_SAMPLES = 6
#: Fewest samples from which the curvature of a profile is told from noise.
FEWEST_FOR_CURVATURE = 24
#: Functions are not independent whose least singular value is below this part of the largest.
SINGULAR = 1e-6
#: Going inwards ends at this semi-major axis (pixels).
SMALLEST_SMA = 0.5
#: Relative error of a gradient whose error is not known, in the errors of photutils.
UNKNOWN_GRADIENT = 0.8

#: How a fit of one ellipse may end, beside the codes of a result.
FAILED = -1
CONVERGED, FEW_VALID, NOT_CONVERGED, NO_SAMPLES, SAMPLED, NO_GRADIENT = range(6)


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


# ------------------------------------------------------------------ samples along an ellipse


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
        return _mean(self.value, self.weight)

    @property
    def stddev(self) -> float:
        return math.sqrt(_mean((self.value - self.mean) ** 2, self.weight))

    @property
    def squared_error(self) -> float:
        """Of the mean, from the scatter, as if samples were independent."""
        effective = self.weight.sum() ** 2 / (self.weight**2).sum()
        return self.stddev**2 / effective


def _mean(value: np.ndarray, weight: np.ndarray) -> float:
    return float((weight * value).sum() / weight.sum()) if len(value) else math.nan


def ring_of(picture: Picture, ellipse: Ellipse, rules: Rules) -> Ring:
    """Sample an ellipse: interpolate between four pixels, or average sectors of a ring."""
    ring = None
    if rules.integrator != "bilinear":
        ring = _sectors(picture, ellipse, rules)
    if ring is None:
        ring = _interpolated(picture, ellipse, _angles(ellipse, rules))
    return _clipped(ring, rules)


def _angles(ellipse: Ellipse, rules: Rules) -> np.ndarray:
    """Polar angles of the samples, counted from the major axis."""
    if rules.sampling == "eccentric_anomaly":
        n = max(FEWEST_STEPS, math.ceil(2.0 * math.pi * ellipse.sma))
        anomaly = 2.0 * math.pi * np.arange(n) / n
        return np.arctan2(ellipse.axis_ratio * np.sin(anomaly), np.cos(anomaly))
    # IRAF's walk: a step of one pixel at right angles to the radius, and a little too far.
    angle, angles = 0.5 * _sector_angle(ellipse.sma, GRADIENT_STEP * ellipse.sma), []
    while angle <= 2.0 * math.pi + OVERLAP:
        angles.append(angle)
        angle += min(1.0 / ellipse.radius(angle), LARGEST_STEP)
    return np.array(angles)


def _sector_angle(sma: float, width: float) -> float:
    return float(np.clip(min(width, SECTOR_WIDTH) / sma, *SECTOR_ANGLES))


def _interpolated(picture: Picture, ellipse: Ellipse, angle: np.ndarray) -> Ring:
    radius = ellipse.radius(angle)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    x, y = ellipse.place(along, across)
    share = np.full(len(angle), BILINEAR_VARIANCE)
    return _ring(
        ellipse,
        angle,
        (x, y),
        bilinear(picture.image, x, y),
        None if picture.variance is None else bilinear(picture.variance, x, y),
        share,
        None,
    )


def _ring(
    ellipse: Ellipse,
    angle: np.ndarray,
    place: tuple[np.ndarray, np.ndarray],
    value: np.ndarray,
    variance: np.ndarray | None,
    share: np.ndarray,
    sector_area: float | None,
) -> Ring:
    """A ring of the samples that have a value and, if there are variances, one of them."""
    weight = np.ones(len(value)) if variance is None else 1.0 / variance
    index = np.flatnonzero(np.isfinite(value) & np.isfinite(weight))
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


def _clipped(ring: Ring, rules: Rules) -> Ring:
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


# ------------------------------------------------------------------ sectors of a ring


def _sectors(picture: Picture, ellipse: Ellipse, rules: Rules) -> Ring | None:
    """Means or medians of sectors of about equal area; None if they are below one pixel."""
    width = rules.annulus(ellipse.sma)
    inner = ellipse._replace(sma=ellipse.sma - 0.5 * width)
    outer = ellipse._replace(sma=ellipse.sma + 0.5 * width)
    if inner.sma <= 0.0:
        return None
    samples: list[tuple[float, ...]] = []
    area_factor = width * min(width, SECTOR_WIDTH)
    opening = _sector_angle(ellipse.sma, width)
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
    return _ring(ellipse, angles, place, values, weights, shares, float(areas.mean()))


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


# ------------------------------------------------------------------ harmonics and gradient


def basis(angle: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
    """Columns 1, sin, cos of each order."""
    columns = [np.ones(len(angle))]
    for order in orders:
        columns += [np.sin(order * angle), np.cos(order * angle)]
    return np.stack(columns, axis=1)


def amplitudes(ring: Ring, orders: tuple[int, ...] = (1, 2)) -> np.ndarray | None:
    """Coefficients of equation (1), by weighted least squares; None if they are not determined."""
    functions = basis(ring.angle, orders)
    if len(ring.value) < max(FEWEST_SAMPLES, functions.shape[1] + 1):
        return None
    root = np.sqrt(ring.weight)
    found, _, rank, _ = np.linalg.lstsq(
        root[:, None] * functions, root * (ring.value - ring.mean), rcond=SINGULAR
    )
    if rank < functions.shape[1]:
        return None
    found[0] += ring.mean
    return found


def scatter(ring: Ring, coefficients: np.ndarray) -> float:
    """Standard deviation of the samples about equation (1)."""
    residual = ring.value - basis(ring.angle, (1, 2)) @ coefficients
    return math.sqrt(_mean((residual - _mean(residual, ring.weight)) ** 2, ring.weight))


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
    if not near.value >= 0.5 * near.error:
        return near
    far = _gradient(picture, ring, 2.0 * GRADIENT_STEP, rules)
    expected = near.value + near.error
    n_samples = near.n_samples + far.n_samples
    if far.value >= expected / 3.0:
        return Gradient(0.8 * expected, math.nan, n_samples)
    return replace(far, n_samples=n_samples)


def _gradient(picture: Picture, ring: Ring, step: float, rules: Rules) -> Gradient:
    sma = ring.ellipse.sma
    outer = ring_of(picture, ring.ellipse._replace(sma=(1.0 + step) * sma), rules)
    if not len(ring.value) or not len(outer.value):
        return Gradient(math.nan, math.nan, outer.n_total)
    distance = step * sma
    error = math.sqrt(ring.squared_error + outer.squared_error) / distance
    return Gradient((outer.mean - ring.mean) / distance, error, outer.n_total)


# ------------------------------------------------------------------ the fit of one ellipse


@dataclass(frozen=True, slots=True)
class Fit:
    """One ellipse, as it was found or given, and how the search ended."""

    ring: Ring
    gradient: Gradient
    n_iterations: int
    n_samples: int
    stop_code: int


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
    for iteration in range(1, rules.max_iterations + 1):
        ring = current.ring
        if len(ring.value) and len(ring.value) < rules.min_valid * ring.n_total:
            return replace(best, n_iterations=iteration, n_samples=drawn, stop_code=FEW_VALID)
        found = amplitudes(ring)
        if found is None:
            return replace(current, n_iterations=iteration, n_samples=drawn, stop_code=NO_SAMPLES)
        free = np.where(rules.free, np.abs(found[1:]), -1.0)
        which = int(np.argmax(free))
        largest = float(found[1 + which])
        if abs(largest) < smallest:
            best, smallest = current, abs(largest)
        limit = rules.convergence * ring.sector_area * scatter(ring, found)
        if iteration >= least and abs(largest) <= limit:
            return replace(current, n_iterations=iteration, n_samples=drawn, stop_code=CONVERGED)
        ended = replace(current, n_iterations=iteration, n_samples=drawn, stop_code=FAILED)
        ellipse = corrected(ring.ellipse, which, largest, current.gradient.value)
        if not on_image(ellipse, picture.image.shape):
            return ended
        current = sampled(picture, ellipse, rules, SAMPLED)
        drawn += current.n_samples
        error = current.gradient.relative_error
        uncertain = not inwards and error > rules.max_gradient_error
        if math.isnan(error) or (uncertain and warned):
            return replace(current, n_iterations=iteration, n_samples=drawn, stop_code=FAILED)
        warned = warned or uncertain
    return replace(
        best, n_iterations=rules.max_iterations, n_samples=drawn, stop_code=NOT_CONVERGED
    )


def corrected(ellipse: Ellipse, which: int, amplitude: float, gradient: float) -> Ellipse:
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


# ------------------------------------------------------------------ growing and shrinking


def grown(picture: Picture, start: Ellipse, rules: Rules) -> list[Fit]:
    """Ellipses outwards from the start, each begun with the geometry of the one before."""
    fits: list[Fit] = []
    ellipse, fitting = start, bool(rules.free.any())
    while True:
        fit = _next(picture, ellipse, rules, fitting, fits)
        fits.append(fit)
        if fit.stop_code in (FAILED, FEW_VALID, NO_SAMPLES):
            if len(fits) == 1:
                return fits
            code = NO_GRADIENT if fit.stop_code == FAILED else fit.stop_code
            given = fits[-2].ring.ellipse._replace(sma=ellipse.sma)
            fits[-1] = sampled(picture, given, rules, code, before=fit)
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
    return replace(fit, stop_code=_code_of_given(fit, rules)) if not rules.free.any() else fit


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


def beyond(ellipse: Ellipse, shape: tuple[int, ...]) -> bool:
    """Whether the whole image is inside an ellipse."""
    ny, nx = shape
    corners = np.array([(x, y) for x in (0.0, nx - 1.0) for y in (0.0, ny - 1.0)])
    farthest = np.hypot(*(corners - (ellipse.x0, ellipse.y0)).T).max()
    return bool(ellipse.axis_ratio * ellipse.sma > farthest)


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


# ------------------------------------------------------------------ errors


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
    """How many samples away on the ellipse a sample can be within two pixels."""
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
        if fit.stop_code in (CONVERGED, FEW_VALID, NOT_CONVERGED):
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
    fitted = fit.stop_code in (CONVERGED, FEW_VALID, NOT_CONVERGED)
    free = np.flatnonzero(rules.free)
    if not fitted or not gradient or not len(free):
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
    if not rules.fix_position_angle:
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
    if not rules.harmonics or found is None or not scale > 0.0:
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
    if fit.stop_code in (CONVERGED, FEW_VALID, NOT_CONVERGED):
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
    for order in rules.harmonics:
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


# ------------------------------------------------------------------ rows of the result


def aperture_sums(image: np.ndarray, ellipse: Ellipse) -> dict[str, float]:
    """Sums over the usable pixels whose centres are in the ellipse, and in a circle around it."""
    ny, nx = image.shape
    dx, dy = np.arange(nx) - ellipse.x0, (np.arange(ny) - ellipse.y0)[:, None]
    cosine, sine = math.cos(ellipse.position_angle), math.sin(ellipse.position_angle)
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    usable = np.isfinite(image)
    in_circle = usable & (dx**2 + dy**2 <= ellipse.sma**2)
    in_ellipse = usable & (along**2 + (across / ellipse.axis_ratio) ** 2 <= ellipse.sma**2)
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


# ------------------------------------------------------------------ targets


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
    if outer[0].stop_code in (FAILED, FEW_VALID, NO_SAMPLES):
        return as_arrays([], len(rules.harmonics))
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
