"""Simulated galaxies are what they are said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gamma, gammaincinv

from armillary.testing.galaxies import SimulatedGalaxy, simulated_galaxy


def radius(galaxy: SimulatedGalaxy) -> np.ndarray:
    """Semi-major axes of the ellipses through the pixels."""
    y, x = np.indices(galaxy.image.shape)
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    along = (x - galaxy.x0) * cosine + (y - galaxy.y0) * sine
    across = (y - galaxy.y0) * cosine - (x - galaxy.x0) * sine
    return np.hypot(along, across / (1.0 - galaxy.ellipticity))


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("ellipticity", [0.0, 0.6])
def test_all_light_is_on_the_image(index: float, ellipticity: float) -> None:
    # The integral of a Sersic profile: Graham & Driver (2005), equation 4.
    galaxy = simulated_galaxy(
        (901, 903), effective_radius=5.0, sersic_index=index, ellipticity=ellipticity
    )
    b = gammaincinv(2.0 * index, 0.5)
    total = 2.0 * np.pi * index * 25.0 * 100.0 * np.exp(b) * b ** (-2.0 * index)
    total *= gamma(2.0 * index) * (1.0 - ellipticity)
    assert galaxy.image.sum() == pytest.approx(total, rel=2e-4 if index == 4.0 else 1e-6)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_half_of_the_light_is_within_the_effective_radius(index: float) -> None:
    galaxy = simulated_galaxy((2001, 2001), effective_radius=30.0, sersic_index=index)
    half = galaxy.image[radius(galaxy) < 30.0].sum() / galaxy.image.sum()
    assert half == pytest.approx(0.5, abs=0.01)


def test_an_index_of_one_is_an_exponential() -> None:
    galaxy = simulated_galaxy((8, 8), sersic_index=1.0, effective_radius=30.0)
    sma = np.array([0.0, 10.0, 20.0, 30.0])
    steps = np.diff(np.log(galaxy.intensity_at(sma)))
    assert steps == pytest.approx(np.full(3, -1.678347 / 3.0), rel=1e-6)


@settings(max_examples=30)
@given(
    index=st.floats(0.5, 6.0),
    effective_radius=st.floats(3.0, 60.0),
    sma=st.floats(1.0, 200.0),
    sky=st.floats(-10.0, 10.0),
)
def test_the_gradient_is_that_of_the_profile(
    index: float, effective_radius: float, sma: float, sky: float
) -> None:
    galaxy = simulated_galaxy(
        (1, 1), sersic_index=index, effective_radius=effective_radius, sky=sky
    )
    step = 1e-5 * sma
    difference = galaxy.intensity_at(sma + step) - galaxy.intensity_at(sma - step)
    unrounded = abs(galaxy.intensity_at(sma)) + 10.0
    assert galaxy.gradient_at(sma) == pytest.approx(
        difference / (2.0 * step), rel=1e-6, abs=1e-10 * unrounded / step
    )


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_pixels_are_means_over_their_area(index: float) -> None:
    options = {"sersic_index": index, "ellipticity": 0.5}
    pixel = simulated_galaxy((5, 5), x0=1.9, y0=2.2, effective_radius=10.0, **options)
    fine = simulated_galaxy(
        (500, 500), x0=100 * 1.9 + 49.5, y0=100 * 2.2 + 49.5, effective_radius=1000.0, **options
    )
    means = fine.image.reshape(5, 100, 5, 100).mean(axis=(1, 3))
    assert pixel.image == pytest.approx(means, rel=2e-5)


def test_far_from_the_centre_pixels_have_the_intensity_of_their_ellipse() -> None:
    galaxy = simulated_galaxy((101, 141), x0=-20.0, y0=160.0, effective_radius=50.0, sky=7.0)
    assert galaxy.image == pytest.approx(galaxy.intensity_at(radius(galaxy)), rel=1e-3)


@pytest.mark.parametrize(("a4", "b4"), [(0.0, 0.05), (0.0, -0.05), (0.04, 0.0)])
def test_isophotes_are_stretched_as_told(a4: float, b4: float) -> None:
    galaxy = simulated_galaxy((401, 401), sersic_index=1.0, a4=a4, b4=b4, position_angle=0.9)
    for phi in np.linspace(0.0, 2.0 * np.pi, 17):
        stretch = 1.0 + a4 * np.sin(4.0 * phi) + b4 * np.cos(4.0 * phi)
        distance = 100.0 * stretch * 0.7 / np.hypot(0.7 * np.cos(phi), np.sin(phi))
        row = np.rint(200.0 + distance * np.sin(phi + 0.9)).astype(int)
        column = np.rint(200.0 + distance * np.cos(phi + 0.9)).astype(int)
        # Half a pixel is a few per cent of the intensity; five per cent of the radius are 20.
        assert galaxy.image[row, column] == pytest.approx(galaxy.intensity_at(100.0), rel=0.06)


def test_noise_is_white_and_of_the_size_that_is_given() -> None:
    options = {"shape": (200, 300), "intensity": 50.0, "sky": 3.0}
    noisy, quiet = simulated_galaxy(snr=20.0, seed=5, **options), simulated_galaxy(**options)
    noise = noisy.image - quiet.image
    assert (noisy.sigma, quiet.sigma) == (2.5, 0.0)
    assert noise.std() == pytest.approx(2.5, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    assert np.mean(noise[1:] * noise[:-1]) == pytest.approx(0.0, abs=0.1)


def test_a_seed_gives_the_same_noise_again() -> None:
    one, other, third = (simulated_galaxy((20, 20), snr=5.0, seed=s).image for s in (3, 3, 4))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_the_centre_is_that_of_the_image_unless_given() -> None:
    galaxy = simulated_galaxy((31, 41), ellipticity=0.0, effective_radius=5.0)
    assert (galaxy.x0, galaxy.y0) == (20.0, 15.0)
    assert np.unravel_index(np.argmax(galaxy.image), galaxy.image.shape) == (15, 20)
    assert galaxy.image == pytest.approx(galaxy.image[::-1, ::-1], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"effective_radius": 0.0}, "effective_radius"),
        ({"sersic_index": -1.0}, "sersic_index"),
        ({"sersic_index": np.nan}, "sersic_index"),
        ({"snr": 0.0}, "snr"),
        ({"ellipticity": 1.0}, "ellipticity"),
        ({"ellipticity": -0.1}, "ellipticity"),
        ({"a4": 0.6, "b4": -0.6}, "a4 and b4"),
    ],
)
def test_galaxies_that_cannot_be_are_refused(options: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        simulated_galaxy((8, 8), **options)
