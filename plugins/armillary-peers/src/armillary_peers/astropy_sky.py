"""``crossmatch`` by ``match_coordinates_sky`` and ``search_around_sky`` of astropy."""

from __future__ import annotations

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord, match_coordinates_sky, search_around_sky

from .sky_pairs import DIAMETER, Sky, every_pair, in_order, nothing, pairs_of


def nearest(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
) -> dict[str, np.ndarray]:
    """The one nearest right row of each left row; which of equally near ones is not defined."""
    sky = Sky(left_ra, left_dec, right_ra, right_dec, radius, None, 0.0)
    if len(left_ra) == 0 or len(right_ra) == 0:
        return nothing()
    right = match_coordinates_sky(*_coordinates(sky))[0]
    return in_order([pairs_of(sky, np.arange(len(left_ra)), right.astype(np.int64))])


def within(
    left_ra: np.ndarray,
    left_dec: np.ndarray,
    right_ra: np.ndarray,
    right_dec: np.ndarray,
    radius: np.ndarray,
    right_radius: np.ndarray | None = None,
    min_radius: float = 0.0,
    with_itself: bool = False,
) -> dict[str, np.ndarray]:
    """Every pair within the radius; where radii differ, the largest is searched everywhere."""
    limits = radius, right_radius, min_radius, with_itself
    sky = Sky(left_ra, left_dec, right_ra, right_dec, *limits)
    if len(left_ra) == 0 or len(right_ra) == 0:
        return nothing()
    chord = sky.longest_chord()
    if chord < DIAMETER:
        limit = 2.0 * np.arcsin(0.5 * chord) * units.rad
        left, right = search_around_sky(*_coordinates(sky), limit)[:2]
    else:
        # astropy cannot search farther than 180 degrees, and rounding puts antipodes there.
        left, right = every_pair(np.arange(len(left_ra)), len(right_ra))
    return in_order([pairs_of(sky, left.astype(np.int64), right.astype(np.int64))])


def _coordinates(sky: Sky) -> tuple[SkyCoord, SkyCoord]:
    left = SkyCoord(sky.left_ra, sky.left_dec, unit="deg")
    return left, SkyCoord(sky.right_ra, sky.right_dec, unit="deg")
