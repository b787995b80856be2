"""Isophotes against those of photutils, from which our users come: same image, same start.

Two statements. Fitted one by one, from the same start, isophotes are the same to some parts in a
million if they converge at once. Others are compared in the median: where noise rules, a fit
wanders, and rounding decides where it ends; and where corrections go back and forth without
getting nearer, we halve them. Fitted along a whole galaxy, each begins where the one before ended,
and photutils has two habits of its own there (the first sample of each ellipse lies on the ellipse
before, and the first ellipse inwards begins with the shape of the outermost): medians agree.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import armillary as arm
from armillary.fit import EllipseGeometry, Isophotes
from armillary.testing import simulated_galaxy

photutils = pytest.importorskip("photutils.isophote", reason="photutils is not installed")

DATA = Path(os.environ.get("ARMILLARY_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
GRADIENT_LIMIT = 0.5
#: Relative error of the gradient from which on a fit multiplies rounding errors.
CALM = 0.15


def real_image(name: str) -> np.ndarray:
    path = DATA / "images" / name
    if not path.exists():
        pytest.skip(f"no real image {path}; set ARMILLARY_TEST_DATA to where they are")
    return arm.io.read_image(path).data.astype(float)


def sersic(n: float, ellipticity: float, snr: float) -> np.ndarray:
    return simulated_galaxy(
        (300, 300),
        effective_radius=25.0,
        sersic_index=n,
        ellipticity=ellipticity,
        position_angle=0.7,
        snr=snr,
        x0=150.3,
        y0=149.2,
        seed=11,
    ).image


START = EllipseGeometry(150.0, 150.0, 12.0, 0.2, 0.5)
CASES: dict[str, tuple[Any, EllipseGeometry]] = {
    "synth_highsnr": (
        lambda: real_image("synth_highsnr.fits"),
        EllipseGeometry(256.0, 256.0, 10.0, 0.2, 0.5 * np.pi),
    ),
    **{
        f"Sersic n={n} ellipticity={e} snr={snr}": (
            lambda n=n, e=e, snr=snr: sersic(n, e, snr),
            START,
        )
        for n in (1.0, 2.5, 4.0)
        for e in (0.1, 0.35, 0.6)
        for snr in (20.0, 100.0, np.inf)
    },
}
M51 = EllipseGeometry(257.0, 259.0, 10.0, 0.2, 0.5 * np.pi)


class Differences(NamedTuple):
    """Of isophotes that converged in both, with a known gradient."""

    intensity: np.ndarray  # relative
    ellipticity: np.ndarray
    position_angle: np.ndarray  # degrees, where the ellipticity is above 0.1
    centre: np.ndarray  # pixels


def geometry_of(start: EllipseGeometry) -> Any:
    return photutils.EllipseGeometry(
        start.x0, start.y0, start.sma, start.ellipticity, start.position_angle
    )


def differences(ours: Isophotes, theirs: dict[str, np.ndarray], rows: Any) -> Differences:
    apart = np.remainder(ours.position_angle[rows] - theirs["pa"] + 0.5 * np.pi, np.pi)
    flat = theirs["eps"] > 0.1
    return Differences(
        np.abs(ours.intensity[rows] / theirs["intens"] - 1.0),
        np.abs(ours.ellipticity[rows] - theirs["eps"]),
        np.degrees(np.abs(apart - 0.5 * np.pi))[flat],
        np.hypot(ours.x0[rows] - theirs["x0"], ours.y0[rows] - theirs["y0"]),
    )


# ------------------------------------------------------------------ one by one


@pytest.mark.parametrize("case", CASES)
def test_from_the_same_start_isophotes_are_the_same(case: str) -> None:
    make, start = CASES[case]
    image = make()
    ours = arm.fit.isophotes(image, start)
    known = ours.converged & (ours.gradient_rel_err < GRADIENT_LIMIT)
    # Both from the isophote before, a fresh beginning for both.
    rows = [row for row in np.flatnonzero(known)[::3] if row > 1 and ours.converged[row - 1]]
    found, at_once = [], []
    for row in rows:
        begin = EllipseGeometry(
            ours.x0[row - 1],
            ours.y0[row - 1],
            ours.sma[row],
            ours.ellipticity[row - 1],
            ours.position_angle[row - 1],
        )
        one = arm.fit.isophotes(image, begin, min_sma=0.99 * begin.sma, max_sma=1.01 * begin.sma)
        sample = photutils.EllipseSample(
            image,
            begin.sma,
            x0=begin.x0,
            y0=begin.y0,
            eps=begin.ellipticity,
            position_angle=begin.position_angle,
        )
        other = photutils.EllipseFitter(sample).fit(minit=20)
        if len(one) == 1 and one.converged[0] and other.stop_code == 0:
            theirs = {n: np.array([getattr(other, n)]) for n in ("intens", "eps", "pa", "x0", "y0")}
            found.append(differences(one, theirs, slice(None)))
            if one.n_iterations[0] == other.n_iter == 20 and one.gradient_rel_err[0] < CALM:
                at_once.append(found[-1].intensity[0])
    assert len(found) >= 0.6 * len(rows)
    every = Differences(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    assert len(at_once) >= 0.5 * len(rows)
    assert np.median(every.intensity) < 1e-3 and max(at_once) < 5e-3
    assert np.median(every.ellipticity) < 0.005
    assert np.median(every.position_angle) < 1.0
    assert np.median(every.centre) < 0.1


# ------------------------------------------------------------------ along a galaxy


def along_a_galaxy(image: np.ndarray, start: EllipseGeometry) -> Differences:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = photutils.Ellipse(image, geometry=geometry_of(start)).fit_image()
    ours = arm.fit.isophotes(image, start)
    _, rows, others = np.intersect1d(
        np.round(ours.sma, 6), np.round(theirs.sma, 6), return_indices=True
    )
    both = ours.converged[rows] & (theirs.stop_code[others] == 0)
    both &= ours.gradient_rel_err[rows] < GRADIENT_LIMIT
    names = ("intens", "eps", "pa", "x0", "y0")
    return differences(
        ours, {name: getattr(theirs, name)[others[both]] for name in names}, rows[both]
    )


@pytest.mark.parametrize("case", CASES)
def test_along_a_galaxy_isophotes_agree(case: str) -> None:
    make, start = CASES[case]
    found = along_a_galaxy(make(), start)
    assert len(found.intensity) > 30
    assert np.median(found.intensity) < 1e-3
    assert np.median(found.ellipticity) < 0.005
    assert np.median(found.position_angle) < 1.0
    assert np.median(found.centre) < 0.1
    if case == "synth_highsnr" or case.endswith("snr=inf"):
        # Without noise, so does every single one.
        assert found.intensity.max() < 5e-3


def test_on_m51_intensities_agree() -> None:
    found = along_a_galaxy(real_image("M51.fits"), M51)
    assert len(found.intensity) > 25
    assert np.median(found.intensity) < 0.01


def test_the_errors_of_photutils_are_there_on_request() -> None:
    image = sersic(2.5, 0.35, 100.0)
    begin = EllipseGeometry(150.3, 149.2, 30.0, 0.35, 0.7)
    limits = {"min_sma": 29.9, "max_sma": 30.1}
    ours = arm.fit.isophotes(image, begin, errors="photutils", **limits)
    sample = photutils.EllipseSample(
        image, 30.0, x0=begin.x0, y0=begin.y0, eps=0.35, position_angle=0.7
    )
    theirs = photutils.EllipseFitter(sample).fit(minit=20)
    pairs = {
        "intensity_err": "int_err",
        "x0_err": "x0_err",
        "y0_err": "y0_err",
        "ellipticity_err": "ellip_err",
        "position_angle_err": "pa_err",
        "gradient": "grad",
        "rms": "rms",
        "flux_ellipse": "tflux_e",
        "flux_circle": "tflux_c",
        "n_pixels_ellipse": "npix_e",
        "n_data": "n_data",
    }
    for name, other in pairs.items():
        # Its covariance is that of MINPACK, good to some per cent.
        rtol = 0.06 if name.endswith("_err") and name != "intensity_err" else 1e-6
        np.testing.assert_allclose(
            getattr(ours, name)[0], getattr(theirs, other), rtol=rtol, err_msg=name
        )
    for i, order in enumerate((3, 4)):
        # photutils fits each order alone, we all together.
        for part in ("a", "b"):
            name, size = f"{part}{order}", getattr(theirs, f"{part}{order}_err")
            ours_value, ours_error = getattr(ours, part)[0, i], getattr(ours, f"{part}_err")[0, i]
            assert abs(ours_value - getattr(theirs, name)) < 0.2 * size
            np.testing.assert_allclose(ours_error, size, rtol=0.1, err_msg=name)
