"""Search real light curves and print the tables of the page "Real light curves".

::

    python docs/search_real_light_curves.py FOLDER

where FOLDER holds the public light curves that the page names. The first table compares
the periods found with those published; the second asks of stars without a known planet
what their best box is, and whether a planet could have made it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import armillary as arm
from armillary.io import LightCurve, read_light_curve
from armillary.search import Peak

#: Points this many robust scatters above a fast trend (days), and their neighbours, are flares.
FLARE = 5.0
FLARE_WINDOW = 0.25
FLARE_NEIGHBOURS = 3


@dataclass(frozen=True)
class Case:
    """A light curve with a known planet."""

    name: str
    files: tuple[str, ...]
    published_period: float
    star: arm.Star | None = None
    window: float = 0.8


PLANETS = (
    Case(
        "WASP-126 b",
        ("hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits",),
        3.2887898,
    ),
    Case("WASP-4 b", ("tess2018234235059-s0002-0000000402026209-0121-s_lc.fits",), 1.3382314),
    Case("HAT-P-7 b", ("kplr010666592-2009131110544_slc.fits",), 2.204735),
    Case("K2-3 b", ("EPIC201367065.csv",), 10.0546, arm.Star(0.56, 0.60)),
    Case("EPIC 206154641", ("EPIC206154641.csv",), 2.4845),
    Case("TOI-1798 b", ("TIC198153540_lc.csv",), 8.0214735, arm.Star(0.784618, 0.874)),
    Case("TOI-237 b", ("toi237.csv",), 5.4361667, arm.Star(0.211, 0.179)),
    Case("TOI-2015 b", ("sherlock_regr_lc_data.csv",), 3.3491408, arm.Star(0.324155, 0.304345)),
    Case(
        "TOI-5807.01",
        tuple(f"tic188646744_sector{sector}_pdcsap.csv" for sector in (55, 75, 82, 83)),
        14.2423724,
        window=1.0,
    ),
)

FLARE_STARS = (
    ("TIC 358108509", "tess2018206045859-s0001-0000000358108509-0120-s_lc.fits"),
    ("KIC 10002792", "kplr010002792-2009259160929_llc.fits"),
    ("EPIC 211117077", "ktwo211117077-c04_llc.fits"),
)


def main(folder: Path) -> None:
    for case in PLANETS:
        print_planet(case, folder)
    for name, file in FLARE_STARS:
        print_flare_star(name, read_light_curve(folder / file))


# ------------------------------------------------------------------ stars with planets


def print_planet(case: Case, folder: Path) -> None:
    """One row: what was found beside what is published."""
    sectors = [arm.search.detrend(folder / file, window=case.window) for file in case.files]
    periodogram = arm.search.bls(arm.search.stitch(sectors), star=case.star)
    best = periodogram.best
    print(
        f"{case.name:15s} published {case.published_period:<10} found {best.period:.5f} "
        f"({100 * (best.period / case.published_period - 1):+.3f} %) "
        f"{24 * best.duration:.2f} h {1e6 * best.relative_depth:.0f} ppm S/N {best.snr:.1f} "
        f"SDE {best.sde:.1f} {best.n_transits} transits, {periodogram.n_used} points, "
        f"{len(periodogram.period)} periods"
    )


# ------------------------------------------------------------------ stars without


def print_flare_star(name: str, light_curve: LightCurve) -> None:
    """The best box of a star, and the questions that a planet would have to pass."""
    flat = arm.search.detrend(light_curve, window=0.8)
    periodogram = arm.search.bls(flat)
    best = periodogram.best
    quiet = without_flares(flat)
    depths, errors, cycles = single_depths(flat, best)
    odd = cycles % 2 == 1
    mean = np.average(depths, weights=errors**-2.0)
    box, sinusoid = box_and_sinusoid(quiet, best)
    print(f"\n{name}: {light_curve}")
    print(f"  best: {row(best)}")
    print(f"  scatter over stated error: {np.sqrt(reduced_chi2(flat)):.1f}")
    print(f"  flare points taken out: {len(flat) - len(quiet)} of {len(flat)}")
    print(f"  without them: {row(arm.search.bls(quiet).best)}")
    print(f"  upside down without them: {row(arm.search.bls(upside_down(quiet)).best)}")
    print(f"  rotation (sinusoid, 0.1 to 10 d): {rotation_period(light_curve):.4f} d")
    print(f"  chi2 gained without flares: box {box:.0f}, sinusoid of its period {sinusoid:.0f}")
    print(f"  single depths: {ppm(depths.min())} to {ppm(depths.max())} ppm, mean {ppm(mean)}")
    scatter = np.sqrt(((depths - mean) ** 2 / errors**2).sum() / (len(depths) - 1))
    print(f"  scatter of the depths over their errors: {scatter:.1f}")
    print(f"  brightenings among them: {np.count_nonzero(depths < 0)} of {len(depths)}")
    for label, which in (("odd", odd), ("even", ~odd)):
        depth, error = weighted(depths[which], errors[which])
        print(f"  {label} transits: {ppm(depth)} +- {ppm(error)} ppm")
    share = (depths / errors) ** 2
    print(f"  share of the deepest event in chi2: {share.max() / share.sum():.2f}")
    for window in (0.4, 0.8, 1.6):
        other = arm.search.bls(arm.search.detrend(light_curve, window=window)).best
        print(f"  window {window} d: {row(other)}")


def row(peak: Peak) -> str:
    return (
        f"P {peak.period:.4f} d, {24 * peak.duration:.2f} h, {ppm(peak.relative_depth)} ppm, "
        f"S/N {peak.snr:.1f}, SDE {peak.sde:.1f}, {peak.n_transits} transits"
    )


def ppm(value: float) -> str:
    return f"{1e6 * value:.0f}"


def without_flares(flat: LightCurve) -> LightCurve:
    """The light curve less its sudden brightenings."""
    fast = arm.search.detrend(flat, window=FLARE_WINDOW).flux
    flare = fast > 1.0 + FLARE * 1.4826 * np.median(np.abs(fast - np.median(fast)))
    wide = np.convolve(flare, np.ones(2 * FLARE_NEIGHBOURS + 1), "same") > 0
    return LightCurve(flat.time[~wide], flat.flux[~wide], flat.flux_err[~wide])


def upside_down(flat: LightCurve) -> LightCurve:
    return LightCurve(flat.time, 2.0 - flat.flux, flat.flux_err)


def reduced_chi2(flat: LightCurve) -> float:
    level = np.average(flat.flux, weights=flat.flux_err**-2.0)
    return float((((flat.flux - level) / flat.flux_err) ** 2).sum() / (len(flat) - 1))


def rotation_period(light_curve: LightCurve) -> float:
    """The period of the sinusoid that fits the raw flux without flares best."""
    from astropy.timeseries import LombScargle

    slow = arm.search.detrend(light_curve, window=5.0)
    star = without_flares(slow)
    frequency = np.linspace(0.1, 10.0, 100_000)
    power = LombScargle(star.time, star.flux, star.flux_err).power(frequency)
    return float(1.0 / frequency[np.argmax(power)])


def box_and_sinusoid(quiet: LightCurve, peak: Peak) -> tuple[float, float]:
    """chi2 gained over a constant by the box, and by a sinusoid with its first harmonic."""
    inside = peak.in_transit(quiet.time)
    angle = 2.0 * np.pi * (quiet.time - peak.t0) / peak.period
    one = np.ones(len(quiet))
    constant = chi2_of(quiet, one)
    box = chi2_of(quiet, one, inside)
    sinusoid = chi2_of(
        quiet, one, np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)
    )
    return constant - box, constant - sinusoid


def chi2_of(light_curve: LightCurve, *terms: np.ndarray) -> float:
    """chi2 of the linear model with these terms."""
    design = np.column_stack(terms) / light_curve.flux_err[:, None]
    data = light_curve.flux / light_curve.flux_err
    solution = np.linalg.lstsq(design, data, rcond=None)[0]
    return float(((data - design @ solution) ** 2).sum())


def single_depths(flat: LightCurve, peak: Peak) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of each transit against the points within two durations, its error and number."""
    weight = flat.flux_err**-2.0
    offset = peak.offset(flat.time)
    cycle = np.rint((flat.time - peak.t0) / peak.period).astype(int)
    inside = peak.in_transit(flat.time)
    beside = (np.abs(offset) <= 2.0 * peak.duration) & ~inside
    depths, errors, cycles = [], [], []
    for number in np.unique(cycle[inside]):
        low, high = inside & (cycle == number), beside & (cycle == number)
        if high.any():
            levels = [np.average(flat.flux[part], weights=weight[part]) for part in (high, low)]
            depths.append(levels[0] - levels[1])
            errors.append(np.sqrt(1.0 / weight[low].sum() + 1.0 / weight[high].sum()))
            cycles.append(number)
    return np.array(depths), np.array(errors), np.array(cycles)


def weighted(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    weight = errors**-2.0
    return float(np.average(values, weights=weight)), float(weight.sum() ** -0.5)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
