"""Fits against what is known otherwise: IRAF's tables, formulas, simulations, and real galaxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.fit import EllipseGeometry, Isophotes
from armillary.testing import SimulatedGalaxy, simulated_galaxy

# ------------------------------------------------------------------ IRAF


def iraf_table(path: Path) -> Any:
    from astropy.table import Table

    return Table.read(path)


def in_iraf_terms(isophotes: Isophotes, table: Any) -> tuple[Any, Any]:
    """Our rows and those of IRAF of the same semi-major axes, without the centre."""
    ours = isophotes.to_table("iraf")
    _, rows, others = np.intersect1d(
        np.round(plain(ours["SMA"]), 2), np.round(plain(table["SMA"]), 2), return_indices=True
    )
    keep = plain(table["SMA"])[others] > 0.0
    return ours[rows[keep]], table[others[keep]]


def plain(column: Any) -> np.ndarray:
    return np.asarray(getattr(column, "value", column), float)


def turned(one: Any, other: Any) -> np.ndarray:
    """How many degrees two directions are apart."""
    return np.abs(np.remainder(plain(one) - plain(other) + 90.0, 180.0) - 90.0)


def test_the_synthetic_galaxy_of_iraf_is_fitted_as_photutils_asserts(image_data: Path) -> None:
    image = arm.io.read_image(image_data / "synth_highsnr.fits")
    start = EllipseGeometry(256.0, 256.0, 10.0, 0.2, 0.5 * np.pi)
    ours, iraf = in_iraf_terms(
        arm.fit.isophotes(image, start), iraf_table(image_data / "synth_highsnr_table.fits")
    )
    assert len(ours) > 65
    far = plain(iraf["SMA"]) > 3.0
    intensity = np.abs(plain(ours["INTENS"]) / plain(iraf["INTENS"]) - 1.0)
    assert intensity[far].max() <= 0.01 and intensity.max() <= 0.05
    shape = np.abs(plain(ours["ELLIP"]) / plain(iraf["ELLIP"]) - 1.0)
    assert shape[far].max() <= 0.01 and shape.max() <= 0.2
    direction = turned(ours["PA"], iraf["PA"])
    assert direction[far].max() <= 1.0 and direction.max() <= 20.0
    for name in ("X0", "Y0"):
        assert np.abs(plain(ours[name]) - plain(iraf[name])).max() <= 0.21


def test_an_isophote_of_m51_is_that_of_iraf(image_data: Path) -> None:
    table = iraf_table(image_data / "M51_table.fits")
    row = table[np.argmin(np.abs(plain(table["SMA"]) - 21.436))]
    ours = arm.fit.isophotes(
        arm.io.read_image(image_data / "M51.fits"),
        EllipseGeometry(256.0, 256.0, float(row["SMA"]), 0.2, 0.0),
        min_sma=21.0,
        max_sma=22.0,
    ).to_table("iraf")[0]
    assert ours["STOP"] == 0
    # The tolerances of photutils' own test of this isophote.
    for name, tolerance in {
        "INTENS": 2.0,
        "INT_ERR": 20.0,
        "RMS": 2.0,
        "ELLIP": 0.05,
        "X0": 1.5,
        "Y0": 1.5,
        "GRAD": 1.0,
        "A3": 0.05,
        "B3": 0.05,
        "A4": 0.05,
        "B4": 0.05,
    }.items():
        assert abs(plain(ours[name]) - plain(row[name])) <= tolerance, name
    assert turned(ours["PA"], row["PA"]) <= 5.0
    assert plain(ours["TFLUX_E"]) == pytest.approx(plain(row["TFLUX_E"]), rel=0.03)


def test_intensities_of_m51_are_those_of_iraf(image_data: Path) -> None:
    start = EllipseGeometry(257.0, 259.0, 10.0, 0.2, 0.5 * np.pi)
    isophotes = arm.fit.isophotes(arm.io.read_image(image_data / "M51.fits"), start)
    ours, iraf = in_iraf_terms(isophotes, iraf_table(image_data / "M51_table.fits"))
    fitted = (np.asarray(ours["STOP"]) == 0) & (np.asarray(iraf["STOP"]) == 0)
    intensity = np.abs(plain(ours["INTENS"]) / plain(iraf["INTENS"]) - 1.0)[fitted]
    assert len(intensity) > 25
    assert np.median(intensity) < 0.01


# ------------------------------------------------------------------ formulas


def test_the_gradient_of_a_cone_is_its_slope() -> None:
    y, x = np.indices((160, 160)) - 79.6
    isophotes = arm.fit.isophotes(
        1000.0 - 5.0 * np.hypot(x, y),
        {"x0": 79.0, "y0": 80.0},
        sma0=20.0,
        min_sma=5.0,
        max_sma=60.0,
    )
    # Without noise there is hardly a scatter to converge to.
    assert len(isophotes) > 20 and set(isophotes.stop_code) <= {0, 2}
    np.testing.assert_allclose(isophotes.gradient, -5.0, rtol=0.01)
    # Interpolation between pixels rounds the cone off near its tip.
    np.testing.assert_allclose(isophotes.gradient[isophotes.sma > 8.0], -5.0, rtol=2e-3)
    np.testing.assert_allclose(isophotes.intensity, 1000.0 - 5.0 * isophotes.sma, atol=0.3)
    np.testing.assert_allclose(isophotes.x0, 79.6, atol=0.02)
    np.testing.assert_allclose(isophotes.y0, 79.6, atol=0.02)


def test_on_a_plane_the_mean_along_an_ellipse_is_the_value_at_its_centre() -> None:
    y, x = np.indices((90, 100), float)
    ellipses = [EllipseGeometry(50.3, 44.7, sma, 0.4, 1.1) for sma in (2.0, 5.0, 11.0, 23.0, 40.0)]
    measured = arm.fit.forced_isophotes(3.0 + 2.0 * x - y, ellipses, sampling="eccentric_anomaly")
    centre = 3.0 + 2.0 * 50.3 - 44.7
    np.testing.assert_allclose(measured.intensity, centre, rtol=1e-12)
    np.testing.assert_allclose(measured.gradient, 0.0, atol=1e-10)
    inside = measured.n_pixels_ellipse[-1]
    assert inside == pytest.approx(np.pi * 40.0**2 * 0.6, rel=0.01)


def test_a_ring_has_its_deviations_where_they_were_put() -> None:
    for b4 in (-0.02, 0.02):
        galaxy = simulated_galaxy(
            (300, 300),
            effective_radius=40.0,
            sersic_index=1.0,
            ellipticity=0.3,
            b4=b4,
        )
        found = arm.fit.isophotes(galaxy.image, min_sma=20.0, max_sma=90.0)
        fourth = found.harmonics.index(4)
        assert np.median(found.b[:, fourth]) == pytest.approx(b4, rel=0.15)
        assert np.abs(np.median(found.a, axis=0)).max() < 0.003


def test_harmonics_of_the_eccentric_anomaly_are_of_that() -> None:
    y, x = np.indices((300, 300)) - 149.5
    anomaly = np.arctan2(y / 0.4, x)
    sma = np.hypot(x, y / 0.4) / (1.0 + 0.02 * np.cos(4.0 * anomaly))
    found = arm.fit.isophotes(
        1000.0 * np.exp(-sma / 40.0),
        EllipseGeometry(149.5, 149.5, 50.0, 0.6, 0.0),
        sampling="eccentric_anomaly",
        harmonics=(3, 4, 6, 8),
        min_sma=40.0,
        max_sma=90.0,
    )
    b = np.median(found.b, axis=0)
    assert b[1] == pytest.approx(0.02, rel=0.15)
    assert np.abs(b[[0, 2, 3]]).max() < 0.001
    assert np.abs(np.median(found.a, axis=0)).max() < 0.001
    model = arm.fit.ellipse_model(found.image_shape, found, fill=np.nan)
    between = (sma > 45.0) & (sma < 80.0)
    assert np.nanmedian(np.abs(model / (1000.0 * np.exp(-sma / 40.0)) - 1.0)[between]) < 0.002


# ------------------------------------------------------------------ simulations


@pytest.mark.parametrize("n", [1.0, 2.5, 4.0])
@pytest.mark.parametrize(("ellipticity", "position_angle"), [(0.1, 0.3), (0.4, 3.1), (0.6, 1.6)])
def test_a_galaxy_without_noise_is_found_again(
    n: float, ellipticity: float, position_angle: float
) -> None:
    galaxy = simulated_galaxy(
        (400, 400),
        effective_radius=30.0,
        sersic_index=n,
        ellipticity=ellipticity,
        position_angle=position_angle,
        x0=201.3,
        y0=198.8,
    )
    found = arm.fit.isophotes(galaxy.image)
    rows = (found.sma > 15.0) & (found.sma < 120.0)
    assert rows.sum() > 20 and found.converged[rows].all()
    intensity = np.abs(found.intensity[rows] / galaxy.intensity_at(found.sma[rows]) - 1.0)
    assert np.median(intensity) < 0.003 and intensity.max() < 0.01
    np.testing.assert_allclose(found.ellipticity[rows], ellipticity, atol=0.005)
    np.testing.assert_allclose(found.x0[rows], 201.3, atol=0.05)
    np.testing.assert_allclose(found.y0[rows], 198.8, atol=0.05)
    assert turned(np.degrees(found.position_angle[rows]), np.degrees(position_angle)).max() < 1.0
    if ellipticity < 0.5:
        # Along flat ellipses the gradient is taken along the major axis, and means go over radii.
        slope = found.gradient[rows] / galaxy.gradient_at(1.05 * found.sma[rows]) - 1.0
        assert np.abs(slope).max() < 0.05


@pytest.mark.parametrize("n", [1.0, 2.5, 4.0])
def test_the_model_of_a_galaxy_leaves_little(n: float) -> None:
    galaxy = simulated_galaxy((400, 400), effective_radius=30.0, sersic_index=n, ellipticity=0.35)
    model = arm.fit.ellipse_model(galaxy.image, arm.fit.isophotes(galaxy.image))
    y, x = np.indices(galaxy.image.shape)
    dx, dy = x - galaxy.x0, y - galaxy.y0
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    sma = np.hypot(dx * cosine + dy * sine, (dy * cosine - dx * sine) / 0.65)
    between = (sma > 15.0) & (sma < 120.0)
    residual = np.abs(model / galaxy.image - 1.0)[between]
    assert np.median(residual) < 0.01


# ------------------------------------------------------------------ errors

N_REALISATIONS = 200
PARAMETERS = ("intensity", "x0", "y0", "ellipticity", "position_angle")


def pulls(galaxy: SimulatedGalaxy, sigma: float, **options: Any) -> dict[str, np.ndarray]:
    """(found - mean of all realisations) / error of each isophote beyond 5 pixels."""
    rng = np.random.default_rng(17)
    start = EllipseGeometry(galaxy.x0 + 0.4, galaxy.y0 - 0.3, 12.0, 0.2, 0.5)
    images = (
        galaxy.image + rng.normal(0.0, sigma, galaxy.image.shape) for _ in range(N_REALISATIONS)
    )
    by_sma: dict[float, list[np.ndarray]] = {}
    for one in arm.fit.isophotes(images, start, **options):
        rows = one.converged & (one.gradient_rel_err < 0.3) & (one.sma > 5.0)
        for row in np.flatnonzero(rows):
            values = [[getattr(one, f"{p}{e}")[row] for p in PARAMETERS] for e in ("", "_err")]
            by_sma.setdefault(round(float(one.sma[row]), 6), []).append(np.array(values))
    found = []
    for rows in by_sma.values():
        if len(rows) > N_REALISATIONS // 2:
            value, error = np.stack(rows, axis=1)
            found.append((value - value.mean(axis=0)) / error)
    return dict(zip(PARAMETERS, np.concatenate(found).T, strict=True))


@pytest.mark.parametrize(
    ("n", "ellipticity", "snr"), [(1.0, 0.3, 20.0), (1.0, 0.6, 50.0), (4.0, 0.3, 20.0)]
)
def test_errors_are_the_scatter_over_realisations(n: float, ellipticity: float, snr: float) -> None:
    galaxy = simulated_galaxy(
        (200, 200),
        effective_radius=20.0,
        sersic_index=n,
        ellipticity=ellipticity,
        position_angle=0.7,
        x0=99.8,
        y0=100.4,
    )
    for name, values in pulls(galaxy, galaxy.intensity / snr).items():
        assert 0.75 < values.std() < 1.3, name


def test_errors_follow_from_a_variance_where_one_is_given() -> None:
    galaxy = simulated_galaxy((160, 160), effective_radius=16.0, sersic_index=1.0, ellipticity=0.3)
    for name, values in pulls(galaxy, 4.0).items():
        assert 0.75 < values.std() < 1.3, name
    noisy = galaxy.image + np.random.default_rng(3).normal(0.0, 4.0, galaxy.image.shape)
    own = arm.fit.isophotes(noisy)
    told = arm.fit.isophotes(noisy, variance=16.0)
    rows = own.converged & told.converged & (own.sma > 5.0) & (own.sma < 30.0)
    ratio = told.intensity_err[rows] / own.intensity_err[rows]
    assert 0.8 < np.median(ratio) < 1.2
    twice = arm.fit.isophotes(noisy, variance=64.0)
    np.testing.assert_allclose(
        twice.intensity_err[rows] ** 2 / told.intensity_err[rows] ** 2, 4.0, rtol=0.35
    )


# ------------------------------------------------------------------ real galaxies

REAL = {
    "M51.fits": None,
    "NGC4037_r.fits": None,
    "n3073rss_small.fits": "n3073rss_small_mask.fits",
    "pgc57129_g.fits": None,
    "pgc57129_r.fits": None,
    "synth_highsnr.fits": None,
    "u12517j.fits.gz": "u12517j.dmask",
}


@pytest.mark.parametrize("name", REAL)
def test_real_galaxies_have_smooth_profiles(image_data: Path, name: str) -> None:
    mask = REAL[name] and arm.io.read_mask(image_data / REAL[name])
    found = arm.fit.isophotes(arm.io.read_image(image_data / name), mask=mask)
    rows = np.flatnonzero(found.converged)
    assert len(rows) > 25
    assert len(rows) > 0.6 * len(found)
    # Ten per cent farther out it is never much brighter, and never ten times fainter.
    intensity = found.intensity[rows] - min(0.0, found.intensity[rows].min())
    ratio = intensity[1:] / intensity[:-1]
    assert np.median(ratio) < 1.0
    assert ratio.max() < 1.25 and ratio.min() > 0.1
    centre = np.hypot(np.diff(found.x0[rows]), np.diff(found.y0[rows]))
    assert np.median(centre / found.sma[rows][1:]) < 0.05
    model = arm.fit.ellipse_model(found.image_shape, found)
    assert np.isfinite(model).all()


def test_another_band_is_measured_along_the_same_ellipses(image_data: Path) -> None:
    red = arm.io.read_image(image_data / "pgc57129_r.fits")
    green = arm.io.read_image(image_data / "pgc57129_g.fits")
    template = arm.fit.isophotes(red)
    own, other = (arm.fit.forced_isophotes(image, template) for image in (red, green))
    np.testing.assert_allclose(own.intensity, template.intensity, rtol=1e-12)
    for name in ("x0", "y0", "sma", "ellipticity", "position_angle"):
        rows = template.sma > 0.0
        np.testing.assert_array_equal(getattr(other, name)[rows], getattr(template, name)[rows])
    colour = other.intensity / own.intensity
    assert 0.2 < np.median(colour) < 0.6


@pytest.mark.parametrize(
    ("ellipticity", "begin"), [(0.4, (0.2, 0.8)), (0.3, (0.4, 1.1)), (0.4, (0.5, 1.1))]
)
def test_a_poor_beginning_does_not_go_back_and_forth_for_ever(
    ellipticity: float, begin: tuple[float, float]
) -> None:
    galaxy = simulated_galaxy(
        (200, 200),
        effective_radius=20.0,
        sersic_index=1.0,
        ellipticity=ellipticity,
        position_angle=0.5,
    )
    start = EllipseGeometry(galaxy.x0, galaxy.y0, 15.0, *begin)
    found = arm.fit.isophotes(galaxy.image, start, min_sma=10.0, max_sma=40.0)
    assert np.mean(found.converged) > 0.8
    np.testing.assert_allclose(found.ellipticity[found.converged], ellipticity, atol=0.01)
    assert turned(np.degrees(found.position_angle[found.converged]), np.degrees(0.5)).max() < 1.0
