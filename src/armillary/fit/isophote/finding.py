"""Where to begin: the most prominent object of an image, and the ellipse of its moments."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .geometry import EllipseGeometry

#: Longer sides than this are binned first: a beginning need not be exact.
LARGEST_SIDE = 256
#: Pixels from which the background is taken; more would not make it more certain.
MOST_VALUES = 10_000
#: A value that this part of the pixels has may stand for no data.
BLANK_PART = 0.05
#: Standard deviation (pixels) of the smoothing that makes pixels of an object hang together.
SMOOTHING = 1.5
#: Part of the weights of a mean that usable pixels have at least.
LEAST_USABLE = 0.1
#: An object stands this many times the scatter of the smoothed image above its background.
SIGNIFICANCE = 5.0
#: Where the background has no scatter, what is brighter than this part of the brightest stands out.
FAINTEST = 1e-6
#: Of the light of a region, the part above this fraction of its brightest pixel has the shape
#: of the object; the rest has that of its neighbours.
CORE = 0.1
#: Pixels that an object has at least.
FEWEST_PIXELS = 9
#: Limits of what moments tell of the shape, and of the first semi-major axis (pixels).
ELLIPTICITIES, SMALLEST_SMA = (0.05, 0.8), 3.0


class NothingFound(Exception):
    """Nothing on the image stands out; the message says so."""


def found_geometry(image: np.ndarray, known: Mapping[str, float]) -> EllipseGeometry:
    """The ellipse of the most prominent object, or of the one around a known centre.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        NaN where unusable.
    known : mapping
        Parameters of the ellipse that need not be found.

    Raises
    ------
    NothingFound
        If nothing stands out of the background.
    """
    if len(known) == 5:
        return EllipseGeometry(**known)
    try:
        return _found(image, known)
    except NothingFound:
        blank = _blank_value(image)
        if blank is None:
            raise
        return _found(np.where(image == blank, np.nan, image), known)


def _blank_value(image: np.ndarray) -> float | None:
    """A value that stands for no data: one that far too many pixels have exactly."""
    sample = image.ravel()[:: math.ceil(image.size / MOST_VALUES)]
    values, counts = np.unique(sample[np.isfinite(sample)], return_counts=True)
    if not len(values) or counts.max() < BLANK_PART * len(sample) or len(values) < 3:
        return None
    return float(values[counts.argmax()])


def _found(image: np.ndarray, known: Mapping[str, float]) -> EllipseGeometry:
    binned, factor = _binned(image)
    smooth = _smoothed(binned)
    if {"x0", "y0", "sma"} <= known.keys():
        weight = _around(smooth, known, factor)
    else:
        weight = _object(smooth, known, factor)
    found = _moments(weight, known, factor)
    return EllipseGeometry(**{**found, **known})


def _binned(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Means of squares of usable pixels, and the side of a square."""
    factor = math.ceil(max(image.shape) / LARGEST_SIDE)
    if factor == 1:
        return image.astype(np.float64), 1
    ny, nx = (length // factor * factor for length in image.shape)
    squares = image[:ny, :nx].reshape(ny // factor, factor, nx // factor, factor)
    usable = np.isfinite(squares)
    n = usable.sum(axis=(1, 3))
    total = np.where(usable, squares, 0.0).sum(axis=(1, 3), dtype=np.float64)
    return np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0), factor


def _smoothed(image: np.ndarray) -> np.ndarray:
    """Gaussian means of the usable pixels; NaN far from any."""
    from scipy.ndimage import gaussian_filter

    usable = np.isfinite(image)
    scale = np.abs(image[usable]).max(initial=0.0) or 1.0
    total = gaussian_filter(np.where(usable, image / scale, 0.0), SMOOTHING)
    weight = gaussian_filter(usable.astype(np.float64), SMOOTHING)
    near = weight > LEAST_USABLE
    return scale * np.divide(total, weight, out=np.full(image.shape, np.nan), where=near)


def _object(smooth: np.ndarray, known: Mapping[str, float], factor: int) -> np.ndarray:
    """Light above the background in the region of the object, zero elsewhere."""
    from astropy.stats import sigma_clipped_stats
    from scipy.ndimage import label

    usable = np.isfinite(smooth)
    if usable.sum() < FEWEST_PIXELS:
        raise NothingFound("almost no pixel of the image is usable")
    values = smooth[usable]
    values = values[:: math.ceil(len(values) / MOST_VALUES)]
    _, background, scatter = sigma_clipped_stats(values, sigma=3.0, maxiters=10)
    light = np.where(usable, smooth - background, 0.0)
    # An image without noise has no scatter; what differs from its background stands out.
    threshold = SIGNIFICANCE * scatter or FAINTEST * np.abs(light).max()
    bright = light > threshold
    regions, n_regions = label(bright, np.ones((3, 3)))
    chosen = 0
    if "x0" in known:
        chosen = _region_at(regions, known, factor)
    elif n_regions:
        # Stars are brighter than galaxies, but galaxies are larger: orders of magnitude count.
        compressed = np.log1p(np.maximum(light, 0.0) / threshold)
        prominence = np.bincount(regions.ravel(), compressed.ravel())
        prominence[0] = 0.0
        chosen = int(prominence.argmax())
    if not chosen:
        raise NothingFound("nothing stands out of the background of the image")
    inside = regions == chosen
    core = inside & (light > CORE * light[inside].max())
    if core.sum() < FEWEST_PIXELS:
        core = inside
    if core.sum() < FEWEST_PIXELS:
        raise NothingFound("what stands out of the background is smaller than a galaxy")
    return np.where(core, light, 0.0)


def _around(smooth: np.ndarray, known: Mapping[str, float], factor: int) -> np.ndarray:
    """Light above its lowest within two semi-major axes of a known centre, zero elsewhere."""
    ny, nx = smooth.shape
    x, y = _places(np.arange(ny)[:, None], np.arange(nx), factor)
    radius = max(2.0 * known["sma"], 2.0 * factor)
    near = np.isfinite(smooth) & (np.hypot(x - known["x0"], y - known["y0"]) <= radius)
    if near.sum() < FEWEST_PIXELS:
        raise NothingFound("almost no pixel around the given centre is usable")
    # Alike everywhere, they have the shape of the circle, and of no object.
    return np.where(near, smooth - smooth[near].min(), 0.0) if np.ptp(smooth[near]) else near


def _places(rows: np.ndarray, columns: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y on the image of the middles of its squares."""
    return factor * columns + 0.5 * (factor - 1), factor * rows + 0.5 * (factor - 1)


def _region_at(regions: np.ndarray, known: Mapping[str, float], factor: int) -> int:
    """The region of a centre, 0 if it is in none."""
    column = round((known["x0"] - 0.5 * (factor - 1)) / factor)
    row = round((known["y0"] - 0.5 * (factor - 1)) / factor)
    ny, nx = regions.shape
    return int(regions[row, column]) if 0 <= row < ny and 0 <= column < nx else 0


def _moments(weight: np.ndarray, known: Mapping[str, float], factor: int) -> dict[str, float]:
    """Centre and second moments of the light."""
    rows, columns = np.nonzero(weight)
    light = weight[rows, columns] / weight[rows, columns].sum()
    x, y = _places(rows, columns, factor)
    x0, y0 = known.get("x0", float(light @ x)), known.get("y0", float(light @ y))
    dx, dy = x - x0, y - y0
    moments = np.array([[light @ dx**2, light @ (dx * dy)], [light @ (dx * dy), light @ dy**2]])
    sizes, axes = np.linalg.eigh(moments)
    ratio = math.sqrt(max(sizes[0], 0.0) / sizes[1]) if sizes[1] > 0.0 else 1.0
    return {
        "x0": x0,
        "y0": y0,
        "sma": max(SMALLEST_SMA, math.sqrt(sizes[1])),
        "ellipticity": float(np.clip(1.0 - ratio, *ELLIPTICITIES)),
        "position_angle": math.atan2(axes[1, 1], axes[0, 1]) % math.pi,
    }
