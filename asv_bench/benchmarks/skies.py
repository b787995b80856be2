"""Made-up catalogues of any size."""

from __future__ import annotations

import numpy as np

#: Scatter of the jittered copy in each coordinate, and the rows that it shares with the first.
JITTER = 0.3  # arcsec
COMMON = 0.7

Positions = tuple[np.ndarray, np.ndarray]


def uniform_sky(n: int, seed: int) -> Positions:
    """Right ascensions and declinations (degrees) of sources all over the sky."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))


def galactic_sky(n: int, seed: int) -> Positions:
    """A sky with the density contrasts of a survey of the Galaxy.

    Four fifths lie in a disc whose density falls with latitude (scale 5 degrees) and away from
    the centre, and a tenth in three hundred clusters of arcminutes.
    """
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(seed)
    n_disc, n_clusters = int(0.8 * n), int(0.1 * n)
    longitude = np.concatenate(
        [rng.normal(0.0, 60.0, n_disc), rng.uniform(0.0, 360.0, n - n_disc - n_clusters)]
    )
    latitude = np.concatenate(
        [
            rng.laplace(0.0, 5.0, n_disc).clip(-89.0, 89.0),
            np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n - n_disc - n_clusters))),
        ]
    )
    centres = rng.normal(0.0, 60.0, 300), rng.laplace(0.0, 8.0, 300).clip(-80.0, 80.0)
    member = rng.integers(0, 300, n_clusters)
    longitude = np.concatenate([longitude, centres[0][member] + rng.normal(0, 0.05, n_clusters)])
    latitude = np.concatenate([latitude, centres[1][member] + rng.normal(0, 0.05, n_clusters)])
    sky = SkyCoord(l=longitude % 360.0, b=latitude, unit="deg", frame="galactic").icrs
    shuffled = rng.permutation(n)
    return sky.ra.deg[shuffled], sky.dec.deg[shuffled]


def jittered_copy(ra: np.ndarray, dec: np.ndarray, seed: int) -> Positions:
    """Another catalogue of the same size that has 70 % of its sources in common with this one."""
    rng = np.random.default_rng(seed)
    n = len(ra)
    kept = rng.permutation(n)[: int(COMMON * n)]
    new_ra, new_dec = uniform_sky(n - len(kept), seed + 1)
    north = (dec[kept] + rng.normal(0.0, JITTER / 3600.0, len(kept))).clip(-90.0, 90.0)
    east = rng.normal(0.0, JITTER / 3600.0, len(kept)) / np.cos(np.radians(north))
    shuffled = rng.permutation(n)
    return (
        np.concatenate([(ra[kept] + east) % 360.0, new_ra])[shuffled],
        np.concatenate([north, new_dec])[shuffled],
    )
