"""Simulated galaxies: Sersic profiles on elliptical, boxy or discy isophotes, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: A square is cut into four until the centre is this many of its widths away, on the minor axis.
FAR = 16.0
#: How often: what is left has a width of 1e-6 pixels.
MAX_CUTS = 20
#: Offsets of the nodes of the Gauss-Legendre rule of order 2, in widths of a square.
NODES = (-0.5 / np.sqrt(3.0), 0.5 / np.sqrt(3.0))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SimulatedGalaxy:
    """An image of a galaxy and the truth behind it.

    Attributes
    ----------
    image : ndarray, shape (ny, nx)
        Means over the pixels, the sky and the noise included.
    sigma : float
        Standard deviation of the noise in each pixel; 0 without noise.
    x0, y0 : float
        Centre (pixels): column and row, counted from 0 at the centre of the first pixel.
    effective_radius : float
        Semi-major axis (pixels) of the ellipse that holds half of the light.
    sersic_index : float
        Shape of the profile: 1 is exponential, 4 that of de Vaucouleurs.
    ellipticity, position_angle : float
        One minus the ratio of the axes; of the major axis (radians), counter-clockwise from +x.
    intensity : float
        At the effective radius, without the sky.
    sky : float
        Added to every pixel.
    a4, b4 : float
        Deviation of every isophote from an ellipse, in semi-major axes.
    """

    image: np.ndarray
    sigma: float
    x0: float
    y0: float
    effective_radius: float
    sersic_index: float
    ellipticity: float
    position_angle: float
    intensity: float
    sky: float
    a4: float
    b4: float

    def intensity_at(self, sma: Any) -> Any:
        """Intensity, with the sky, of the isophotes of some semi-major axes (pixels)."""
        return self.sky + _sersic(sma, self.effective_radius, self.sersic_index, self.intensity)

    def gradient_at(self, sma: Any) -> Any:
        """Change of the intensity with the semi-major axis (per pixel)."""
        ratio = np.divide(sma, self.effective_radius)
        slope = -_b(self.sersic_index) / self.sersic_index * ratio ** (1.0 / self.sersic_index)
        return (self.intensity_at(sma) - self.sky) * slope / sma


def simulated_galaxy(
    shape: tuple[int, int] = (512, 512),
    *,
    x0: float | None = None,
    y0: float | None = None,
    effective_radius: float = 40.0,
    sersic_index: float = 4.0,
    ellipticity: float = 0.3,
    position_angle: float = 0.5,
    intensity: float = 100.0,
    snr: float = np.inf,
    sky: float = 0.0,
    a4: float = 0.0,
    b4: float = 0.0,
    seed: int = 0,
) -> SimulatedGalaxy:
    """Draw a galaxy with a Sersic profile.

    Without noise each pixel is the mean over its area, to some 1e-6 of its value where the
    effective radius is several pixels.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    x0, y0 : float, optional
        Centre (pixels), which may lie outside; None means that of the image.
    effective_radius : float
        Semi-major axis (pixels) of the ellipse that holds half of the light.
    sersic_index : float
        Shape of the profile: 1 is exponential, 4 that of de Vaucouleurs.
    ellipticity : float
        One minus the ratio of the axes, from 0 to less than 1.
    position_angle : float
        Of the major axis (radians), counter-clockwise from +x.
    intensity : float
        At the effective radius.
    snr : float
        That intensity over the noise of a pixel; infinite means no noise. The noise is Gaussian
        and the same in all pixels.
    sky : float
        Added to every pixel.
    a4, b4 : float
        The isophote of semi-major axis ``sma`` is the ellipse, stretched at the polar angle phi
        from the major axis by ``1 + a4 sin 4 phi + b4 cos 4 phi``: a positive ``b4`` is a disc,
        a negative one a box.
    seed : int
        The same seed gives the same noise.

    Returns
    -------
    SimulatedGalaxy

    Raises
    ------
    ValueError
        If ``effective_radius``, ``sersic_index`` or ``snr`` is not positive, ``ellipticity`` not
        from 0 to less than 1, or ``a4`` and ``b4`` together too large for closed isophotes.

    References
    ----------
    Sersic (1963), BAAA 6, 41; Graham & Driver (2005), PASA 22, 118.

    Examples
    --------
    >>> from armillary.testing.galaxies import simulated_galaxy
    >>> galaxy = simulated_galaxy((64, 96), effective_radius=8.0, sersic_index=1.0)
    >>> galaxy.image.shape, galaxy.x0, float(galaxy.intensity_at(8.0))
    ((64, 96), 47.5, 100.0)
    """
    _check_positive(effective_radius=effective_radius, sersic_index=sersic_index, snr=snr)
    if not 0.0 <= ellipticity < 1.0:
        raise ValueError(f"ellipticity must be from 0 to less than 1, not {ellipticity}")
    if not abs(a4) + abs(b4) < 1.0:
        raise ValueError(f"a4 and b4 must together be smaller than 1, not {a4} and {b4}")
    ny, nx = shape
    x0 = (nx - 1) / 2.0 if x0 is None else x0
    y0 = (ny - 1) / 2.0 if y0 is None else y0
    cosine, sine = np.cos(position_angle), np.sin(position_angle)
    axis_ratio = 1.0 - ellipticity

    def semi_major_axis(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of the isophotes on which positions lie, given relative to the centre."""
        along = x * cosine + y * sine
        across = y * cosine - x * sine
        ellipse = np.hypot(along, across / axis_ratio)
        if not (a4 or b4):
            return ellipse
        phi = np.arctan2(across, along)
        return ellipse / (1.0 + a4 * np.sin(4.0 * phi) + b4 * np.cos(4.0 * phi))

    def light(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return _sersic(semi_major_axis(x, y), effective_radius, sersic_index, intensity)

    def near(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
        return semi_major_axis(x, y) * axis_ratio < FAR * width

    image = _means(light, near, np.arange(nx) - x0, np.arange(ny)[:, None] - y0, 1.0, MAX_CUTS)
    sigma = float(intensity / snr)
    image += sky
    if sigma:
        image += sigma * np.random.default_rng(seed).standard_normal(image.shape)
    return SimulatedGalaxy(
        image=image,
        sigma=sigma,
        x0=x0,
        y0=y0,
        effective_radius=effective_radius,
        sersic_index=sersic_index,
        ellipticity=ellipticity,
        position_angle=position_angle,
        intensity=intensity,
        sky=sky,
        a4=a4,
        b4=b4,
    )


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0.0:
            raise ValueError(f"{name} must be positive, not {value}")


def _b(sersic_index: float) -> float:
    """What makes the effective radius hold half of the light."""
    # Here, as the command imports this module to tell of its checks.
    from scipy.special import gammaincinv

    return float(gammaincinv(2.0 * sersic_index, 0.5))


def _sersic(sma: Any, effective_radius: float, sersic_index: float, intensity: float) -> Any:
    power = np.divide(sma, effective_radius) ** (1.0 / sersic_index)
    return intensity * np.exp(-_b(sersic_index) * (power - 1.0))


def _means(
    light: Any, near: Any, x: np.ndarray, y: np.ndarray, width: float, cuts: int
) -> np.ndarray:
    """Mean light of squares, given by their centres; those near the galaxy's are cut in four."""
    x, y = np.broadcast_arrays(x, y)
    mean = np.zeros(x.shape)
    for dx in NODES:
        for dy in NODES:
            mean += 0.25 * light(x + dx * width, y + dy * width)
    inner = np.nonzero(near(x, y, width)) if cuts else ()
    if cuts and len(inner[0]):
        quarters = np.array([[-1.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0]]) * 0.25 * width
        parts = (x[inner][:, None] + quarters[0], y[inner][:, None] + quarters[1])
        mean[inner] = _means(light, near, *parts, 0.5 * width, cuts - 1).mean(axis=1)
    return mean
