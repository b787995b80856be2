"""What the photutils backend adds to photutils, and that it adds nothing else."""

from __future__ import annotations

import logging
import threading
import warnings

import numpy as np
import pytest

from armillary.fit import EllipseGeometry, ellipse_model, forced_isophotes, isophotes
from armillary.plugins.errors import UnsupportedOption
from armillary.testing import simulated_galaxy

pytest.importorskip("photutils", reason="photutils is not installed")

#: What IRAF and photutils call samples that are too few.
NO_SAMPLES = 3


@pytest.fixture(scope="module")
def galaxy():
    return simulated_galaxy((90, 94), effective_radius=9.0, sersic_index=1.0, snr=100.0)


@pytest.fixture(scope="module")
def start(galaxy) -> EllipseGeometry:
    return EllipseGeometry(galaxy.x0, galaxy.y0, 8.0, 0.25, 0.45)


@pytest.fixture(scope="module")
def profile(galaxy, start):
    return isophotes(galaxy.image, start, max_sma=20.0, backend="photutils")


def radii(image: np.ndarray, center: EllipseGeometry) -> np.ndarray:
    y, x = np.indices(image.shape)
    return np.hypot(x - center.x0, y - center.y0)


# ------------------------------------------------------------------ photutils itself


def test_numbers_are_those_of_photutils(galaxy, start, profile) -> None:
    from photutils.isophote import Ellipse
    from photutils.isophote import EllipseGeometry as Geometry

    geometry = Geometry(start.x0, start.y0, start.sma, start.ellipticity, start.position_angle)
    own = Ellipse(galaxy.image, geometry=geometry).fit_image(maxsma=20.0)
    assert np.array_equal(profile.sma, own.sma)
    assert np.array_equal(profile.intensity, own.intens)
    assert np.array_equal(profile.stop_code, own.stop_code)
    converged = profile.converged
    for name, of_photutils in (
        ("ellipticity", "eps"),
        ("x0", "x0"),
        ("gradient", "grad"),
        ("rms", "rms"),
        ("n_data", "n_data"),
        ("n_pixels_ellipse", "npix_e"),
    ):
        ours, theirs = getattr(profile, name), getattr(own, of_photutils)
        assert np.array_equal(ours[converged], theirs[converged]), name
    assert np.array_equal(profile.b[converged, 1], own.b4[converged])
    unknown = np.where(own.pa_err == 0.0, np.nan, own.pa_err)
    assert np.array_equal(profile.position_angle_err[converged], unknown[converged], equal_nan=True)


def test_the_caller_keeps_image_and_silence(galaxy, start, capfd, caplog) -> None:
    from astropy import log

    image = np.where(radii(galaxy.image, start) < 2.0, np.nan, galaxy.image)
    before, filters, log_filters = image.copy(), list(warnings.filters), list(log.filters)
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        isophotes(image, start, max_sma=20.0, backend="photutils")
    assert np.array_equal(image, before, equal_nan=True)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert (list(warnings.filters), list(log.filters)) == (filters, log_filters)


def test_other_threads_may_log(caplog) -> None:
    from astropy import log

    from armillary_peers.photutils_silence import silence

    other = threading.Thread(target=log.warning, args=("heard",))
    with silence():
        log.warning("not heard")
        other.start()
        other.join()
    assert [record.getMessage() for record in caplog.records] == ["heard"]


# ------------------------------------------------------------------ where photutils would not end


def test_growth_ends_where_a_ring_is_unusable(galaxy, start) -> None:
    radius = radii(galaxy.image, start)
    image = np.where((radius > 12.0) & (radius < 25.0), np.nan, galaxy.image)
    found = isophotes(image, start, backend="photutils")
    assert 8.0 < found.sma[-1] < 25.0
    assert found.sma[0] == 0.0
    assert np.isfinite(found.intensity).all()


def test_growth_ends_where_the_image_is_inside(galaxy, start) -> None:
    found = isophotes(galaxy.image, start, max_sma=1e9, backend="photutils")
    assert 40.0 < found.sma[-1] < 300.0


@pytest.mark.parametrize("ellipticity", [0.0, 0.4])
def test_nothing_to_fit_is_the_first_ellipse_and_a_reason(ellipticity: float) -> None:
    start = EllipseGeometry(30.0, 30.0, 8.0, ellipticity, 0.0)
    for image, code in ((np.ones((60, 60)), 5), (np.full((60, 60), np.nan), 3)):
        with pytest.warns(UserWarning, match="no ellipse could be fitted"):
            found = isophotes(image, start, backend="photutils")
        assert list(found.stop_code) == [code]
        assert found.reason


def test_nothing_smaller_than_the_smallest_is_fitted(galaxy, start) -> None:
    for options in ({"min_sma": 7.9}, {"min_sma": 3.0, "step": 10.0, "linear": True}):
        found = isophotes(galaxy.image, start, max_sma=10.0, backend="photutils", **options)
        assert found.sma[0] == 8.0


# ------------------------------------------------------------------ what is not known


def test_unknown_is_nan(profile) -> None:
    assert profile.sma[0] == 0.0
    assert np.isfinite(profile.intensity[0])
    for name in ("intensity_err", "ellipticity", "position_angle", "gradient", "rms", "x0_err"):
        assert np.isnan(getattr(profile, name)[0]), name
    assert np.isnan(profile.a[0]).all()
    assert not np.any(profile.x0_err == 0.0)


def test_errors_of_what_is_fixed_are_unknown(galaxy, start) -> None:
    found = isophotes(galaxy.image, start, fix_center=True, max_sma=15.0, backend="photutils")
    assert np.isnan(found.x0_err).all()
    assert np.isfinite(found.ellipticity_err[found.converged]).any()
    assert np.all(found.x0 == start.x0)


def test_an_unusable_centre_is_a_row_without_a_value(galaxy, start, profile) -> None:
    image = galaxy.image.copy()
    image[radii(image, start) < 1.5] = np.nan
    for found in (
        isophotes(image, start, max_sma=15.0, backend="photutils"),
        forced_isophotes(image, profile, backend="photutils"),
    ):
        assert found.sma[0] == 0.0
        assert np.isnan(found.intensity[0])
        assert found.stop_code[0] == NO_SAMPLES


def test_a_centre_at_zero_is_a_centre(galaxy) -> None:
    image = galaxy.image[int(galaxy.y0) :, int(galaxy.x0) :]
    ellipses = [
        [EllipseGeometry(at, at, sma, 0.3, 0.5) for sma in (5.0, 9.0)] for at in (0.0, 1e-9)
    ]
    there, beside = (forced_isophotes(image, each, backend="photutils") for each in ellipses)
    assert np.allclose(there.gradient, beside.gradient, rtol=1e-6)
    assert np.all(there.x0 == 0.0)


# ------------------------------------------------------------------ what is refused


def test_what_photutils_cannot_do_is_refused(galaxy, start, profile) -> None:
    for options in (
        {"variance": np.ones(galaxy.image.shape)},
        {"sampling": "eccentric_anomaly"},
        {"harmonics": (3, 4, 6)},
        {"errors": "photutils"},
    ):
        (name,) = options
        with pytest.raises(UnsupportedOption, match=name):
            isophotes(galaxy.image, start, backend="photutils", **options)
        with pytest.raises(UnsupportedOption, match=name):
            forced_isophotes(galaxy.image, profile, backend="photutils", **options)


def test_a_fit_of_nothing_is_refused(galaxy, start) -> None:
    fixed = dict.fromkeys(("fix_center", "fix_ellipticity", "fix_position_angle"), True)
    with pytest.raises(ValueError, match=r"photutils fits nothing .*forced_isophotes"):
        isophotes(galaxy.image, start, backend="photutils", **fixed)


def test_only_harmonics_of_order_3_and_4_are_drawn(galaxy, start) -> None:
    found = isophotes(galaxy.image, start, max_sma=15.0, harmonics=(3, 6))
    with pytest.raises(ValueError, match="orders 3 and 4"):
        ellipse_model(galaxy.image, found, backend="photutils")
    assert ellipse_model(galaxy.image, found, harmonics=False, backend="photutils").any()
