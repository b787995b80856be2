"""Made-up catalogues: positions where matching goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Right ascensions and declinations (degrees).
Positions = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class TwoSkies:
    """Two catalogues that can be matched.

    Attributes
    ----------
    name : str
        What they look like.
    left, right : tuple of ndarray
        Right ascensions and declinations (degrees).
    scale : float
        A separation (arcsec) at which some pairs are closer and some are farther apart.
    """

    name: str
    left: Positions
    right: Positions
    scale: float


def uniform_sky(rng: np.random.Generator, n: int) -> Positions:
    """Positions everywhere, equally dense.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        How many.

    Returns
    -------
    tuple of ndarray
        Right ascensions (0 to 360) and declinations, degrees.
    """
    return rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))


def disc(rng: np.random.Generator, n: int, center: tuple[float, float], radius: float) -> Positions:
    """Positions around a center, which may be a pole or lie at right ascension zero.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        How many.
    center : tuple of float
        Right ascension and declination (degrees).
    radius : float
        Arcseconds, small against the sphere.

    Returns
    -------
    tuple of ndarray
        Right ascensions (0 to 360) and declinations, degrees.
    """
    away = np.radians(radius / 3600.0 * np.sqrt(rng.uniform(0.0, 1.0, n)))
    bearing = rng.uniform(0.0, 2.0 * np.pi, n)
    return moved((np.full(n, center[0]), np.full(n, center[1])), away, bearing)


def jittered(rng: np.random.Generator, positions: Positions, arcsec: float) -> Positions:
    """The same positions, each moved by at most so many arcseconds in some direction."""
    n = len(positions[0])
    away = np.radians(arcsec / 3600.0 * np.sqrt(rng.uniform(0.0, 1.0, n)))
    return moved(positions, away, rng.uniform(0.0, 2.0 * np.pi, n))


def moved(positions: Positions, away: np.ndarray, bearing: np.ndarray) -> Positions:
    """Positions at the end of great circles: length and angle east of north in radians."""
    ra, dec = np.radians(positions[0]), np.radians(positions[1])
    ahead = np.cos(away) * np.cos(dec) - np.sin(away) * np.sin(dec) * np.cos(bearing)
    east = np.sin(away) * np.sin(bearing)
    north = np.cos(away) * np.sin(dec) + np.sin(away) * np.cos(dec) * np.cos(bearing)
    new_ra = np.degrees(ra + np.arctan2(east, ahead))
    return np.remainder(new_ra, 360.0), np.degrees(np.arctan2(north, np.hypot(ahead, east)))


def grid(n_ra: int, n_dec: int, step: float) -> Positions:
    """A lattice of positions around (0, 0), row by row, ``step`` degrees apart both ways."""
    ra = np.remainder(step * (np.arange(n_ra) - n_ra // 2), 360.0)
    dec = step * (np.arange(n_dec) - n_dec // 2)
    return np.tile(ra, n_dec), np.repeat(dec, n_ra)


def whole_sky_lattice() -> Positions:
    """5,000 positions all over the sky, at least 400 arcsec from each other."""
    ra, dec = np.meshgrid(3.6 * np.arange(100), 3.6 * np.arange(50) - 88.2)
    return ra.ravel(), dec.ravel()


def joined(*parts: Positions) -> Positions:
    """Several catalogues as one."""
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def taken(positions: Positions, rows: np.ndarray) -> Positions:
    """Rows of a catalogue."""
    return positions[0][rows], positions[1][rows]


# ------------------------------------------------------------------ pairs of catalogues


def ordinary_skies(seed: int, n: int) -> Iterator[TwoSkies]:
    """Uniform skies, copies with jitter, clumps of very different density, lines, few rows."""
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        base = uniform_sky(rng, 90)
        yield TwoSkies("uniform sky", base, uniform_sky(rng, 140), 3.6e4)
        copy = jittered(rng, base, 1.0)
        yield TwoSkies("jittered copy", base, joined(uniform_sky(rng, 40), copy), 1.0)
        yield TwoSkies("clumps", clumps(rng), clumps(rng), 1.0)
        dec = rng.uniform(-85.0, 85.0)
        parallel = rng.uniform(0.0, 360.0, 80), np.full(80, dec)
        yield TwoSkies("one declination", parallel, (parallel[0][::-1] + 0.3, parallel[1]), 3e3)
        meridian = np.full(80, rng.uniform(0.0, 360.0)), rng.uniform(-90.0, 90.0, 80)
        yield TwoSkies("one right ascension", meridian, taken(meridian, np.arange(0, 80, 3)), 1e4)
        yield TwoSkies("one row", uniform_sky(rng, 1), uniform_sky(rng, 60), 2e5)
        yield TwoSkies("one row on the right", uniform_sky(rng, 60), uniform_sky(rng, 1), 2e5)


def polar_skies(seed: int, n: int) -> Iterator[TwoSkies]:
    """Caps of all sizes around the poles, the poles themselves included."""
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        for pole in (90.0, -90.0):
            for size in (3e5, 3e4, 60.0, 0.01):
                at_pole = rng.uniform(0.0, 360.0, 1), np.array([pole])
                left = joined(disc(rng, 70, (0.0, pole), size), at_pole)
                right = disc(rng, 80, (0.0, pole), size)
                yield TwoSkies(f"cap of {size:g} arcsec at {pole:+g}", left, right, size / 5.0)


def skies_across_zero(seed: int, n: int) -> Iterator[TwoSkies]:
    """Fields on both sides of right ascension 0, given in 0 to 360 or in -180 to 180."""
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        for size in (1e5, 1e3, 1.0):
            center = 0.0, float(rng.uniform(-70.0, 70.0))
            left, right = (disc(rng, 80, center, size) for _ in range(2))
            yield TwoSkies(f"field of {size:g} arcsec at 0 h", left, right, size / 5.0)
            west = np.where(right[0] > 180.0, right[0] - 360.0, right[0]), right[1]
            yield TwoSkies(f"field of {size:g} arcsec at 0 h, signed", left, west, size / 5.0)


def small_skies(seed: int, n: int) -> Iterator[TwoSkies]:
    """Fields of milliarcseconds, with pairs down to micro-arcseconds."""
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        for size in (1e-2, 1e-4):
            center = float(rng.uniform(0.0, 40.0)), float(rng.uniform(-80.0, 80.0))
            left, right = (disc(rng, 60, center, size) for _ in range(2))
            yield TwoSkies(f"field of {size:g} arcsec", left, right, size / 5.0)


def clumps(rng: np.random.Generator) -> Positions:
    """Dense clumps at places that are always the same, and some positions elsewhere."""
    centers = ((10.0, 20.0), (10.002, 20.001), (200.0, -60.0), (359.9999, 0.0))
    sizes = (0.5, 20.0, 3.0, 5.0)
    parts = [disc(rng, 40, c, size) for c, size in zip(centers, sizes, strict=True)]
    return joined(*parts, uniform_sky(rng, 20))
