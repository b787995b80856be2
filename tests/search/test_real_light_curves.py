"""Known planets in real light curves: read, detrend, search, compare with what is published."""

import numpy as np
import pytest

import armillary as arm
from armillary.io import read_light_curve

# name: file, published period (d), star
SUN = arm.Star()
PLANETS = {
    "WASP-126 b": (
        "hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits", 3.2887898, SUN),
    "WASP-4 b": ("tess2018234235059-s0002-0000000402026209-0121-s_lc.fits", 1.3382314, SUN),
    "HAT-P-7 b": ("kplr010666592-2009131110544_slc.fits", 2.204735, SUN),
    "K2-3 b": ("EPIC201367065.csv", 10.0546, arm.Star(0.56, 0.60)),
    "EPIC 206154641 b": ("EPIC206154641.csv", 2.4845, SUN),
    "TOI-1798 b": ("TIC198153540_lc.csv", 8.0214735, arm.Star(0.784618, 0.874)),
    "TOI-237 b": ("toi237.csv", 5.4361667, arm.Star(0.211, 0.179)),
    "TOI-2015 b": ("sherlock_regr_lc_data.csv", 3.3491408, arm.Star(0.324155, 0.304345)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANETS)
def test_finds_the_published_period(name, transit_data):
    file, published, star = PLANETS[name]
    light_curve = arm.search.stitch([read_light_curve(transit_data / file)])
    flat = arm.search.detrend(light_curve, window=0.8)
    best = arm.search.bls(flat, star=star).best
    assert best.period == pytest.approx(published, rel=1e-3)
    assert best.relative_depth > 0


def test_finds_a_shallow_planet_over_four_sectors_only_together(transit_data):
    """TOI-5807.01: 14.242 d and 225 ppm, two transits in each sector of 27 d."""
    sectors = [
        read_light_curve(transit_data / f"tic188646744_sector{sector}_pdcsap.csv")
        for sector in (55, 75, 82, 83)
    ]
    joined = arm.search.stitch([arm.search.detrend(sector, window=1.0) for sector in sectors])
    best = arm.search.bls(joined).best
    assert best.period == pytest.approx(14.2423724, rel=1e-3)
    assert best.relative_depth == pytest.approx(225e-6, rel=0.25)
    cycles = (best.t0 - (2460540.26317 - 2457000.0)) / 14.2423724
    assert abs(cycles - round(cycles)) * 14.2423724 < 0.05
    assert best.n_transits == 8


@pytest.mark.parametrize(
    "file",
    [
        "tess2018206045859-s0001-0000000358108509-0120-s_lc.fits",
        "kplr010002792-2009259160929_llc.fits",
        "ktwo211117077-c04_llc.fits",
    ],
)
def test_flare_stars_have_a_spectrum_like_any_other(file, transit_data):
    """No planet is known; what is found and why it is none is told in the documentation."""
    light_curve = read_light_curve(transit_data / file)
    flat = arm.search.detrend(arm.search.stitch([light_curve]), window=0.8)
    found = arm.search.bls(flat)
    assert np.isfinite(found.delta_chi2).all()
    assert np.isfinite(found.best.snr)
