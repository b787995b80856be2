"""The images that isophotes are timed on, and where their fits begin.

Simulated galaxies are drawn from fixed seeds. Real images are those of the folder that
``ARMILLARY_TEST_DATA`` names, or of ``shared/data`` beside the repository.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Signal over noise of a pixel at the effective radius.
SNR = 100.0
#: Effective radii (pixels) in the side of an image.
RADII = 12.0
#: The first semi-major axis (pixels).
FIRST_SMA = 20.0

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An image, where its fit begins, and the truth, if it is known.

    Attributes
    ----------
    image : ndarray, shape (ny, nx)
        What is fitted.
    start : dict of str to float
        The first ellipse: ``x0``, ``y0``, ``sma``, ``ellipticity``, ``position_angle``.
    galaxy : SimulatedGalaxy or None
        The truth, without noise.
    """

    image: np.ndarray
    start: dict[str, float]
    galaxy: Any = None


def sersic(size: int, snr: float = SNR) -> Case:
    """A galaxy of Sersic index 4 in the middle of a square image; the fit begins nearby."""
    from armillary.testing import simulated_galaxy

    galaxy = simulated_galaxy((size, size), effective_radius=size / RADII, ellipticity=0.3)
    start = {"x0": galaxy.x0 + 0.4, "y0": galaxy.y0 - 0.3, "sma": FIRST_SMA}
    start |= {"ellipticity": 0.25, "position_angle": 0.45}
    noise = galaxy.intensity / snr * np.random.default_rng(1).standard_normal((size, size))
    return Case(galaxy.image + noise, start, galaxy)


def survey(n: int, size: int = 256) -> list[Case]:
    """Galaxies of all shapes, each in the middle of its image."""
    from armillary.testing import simulated_galaxy

    rng = np.random.default_rng(2)
    cases = []
    for seed in range(n):
        ellipticity, angle = rng.uniform(0.1, 0.6), rng.uniform(0.0, np.pi)
        galaxy = simulated_galaxy(
            (size, size),
            effective_radius=size / RADII,
            sersic_index=rng.uniform(1.0, 4.0),
            ellipticity=ellipticity,
            position_angle=angle,
            snr=SNR,
            seed=seed,
        )
        start = {"x0": galaxy.x0, "y0": galaxy.y0, "sma": 0.5 * FIRST_SMA}
        start |= {"ellipticity": ellipticity, "position_angle": angle}
        cases.append(Case(galaxy.image, start))
    return cases


def m51() -> Case:
    """M 51 in blue light, 512 x 512 pixels: spiral arms, a companion, stars.

    Raises
    ------
    FileNotFoundError
        If the image is not there; the message says where it was looked for.
    """
    from astropy.io import fits

    folder = Path(os.environ.get("ARMILLARY_TEST_DATA", DATA))
    path = folder / "images" / "M51.fits"
    if not path.is_file():
        raise FileNotFoundError(
            f"no image of M51 at {path}; set ARMILLARY_TEST_DATA to where the data are"
        )
    start = {"x0": 256.0, "y0": 257.0, "sma": FIRST_SMA}
    start |= {"ellipticity": 0.2, "position_angle": 0.6}
    return Case(fits.getdata(path).astype(np.float64), start)
