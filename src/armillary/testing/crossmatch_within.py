"""What every backend of ``crossmatch.within`` must do, beside what is common to the family."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..crossmatch.catalog.catalog import Catalog
from ..crossmatch.catalog.radius import n_sigma
from ..crossmatch.sky.api import within
from ..crossmatch.sky.result import Matches
from .crossmatch_common import FAMILY, field, plain_call, watched_call
from .crossmatch_pairs import Door, require_matches, require_order, require_pairs
from .kit import CheckFailed, Suite, require
from .manners import add_manners, parameters_of_the_target
from .progress import add_progress
from .skies import Positions, joined, ordinary_skies, taken, uniform_sky

WITHIN = Door("crossmatch.within", within, most=None)
SUITE = Suite()
FAMILY.add_to(SUITE, WITHIN)
add_manners(SUITE, plain_call(WITHIN))
add_progress(SUITE, watched_call(WITHIN))


def alone(backend: str, positions: Positions, radius: float) -> Matches | None:
    """A catalogue matched with itself; None where the target does not name with_itself."""

    def asked() -> Matches:
        return WITHIN(backend, positions, None, radius)

    return asked() if WITHIN.supports(backend, "with_itself", asked) else None


def transposed(found: Matches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs with their sides exchanged, in the order that they then have."""
    order = np.lexsort((found.left, found.separation, found.right))
    return found.right[order], found.left[order], found.separation[order]


@SUITE.check
def sides_are_alike(backend: str) -> None:
    """With left and right exchanged the pairs are the same, to the bit."""
    for sky in ordinary_skies(60, 3):
        found = WITHIN(backend, sky.left, sky.right, 4.0 * sky.scale)
        other = WITHIN(backend, sky.right, sky.left, 4.0 * sky.scale)
        left, right, separation = transposed(other)
        require_pairs(f"{sky.name}, sides exchanged", found, left, right)
        require(
            np.array_equal(found.separation, separation),
            f"{sky.name}: separations change when the sides are exchanged",
        )


@SUITE.check
def copies_are_ordered_by_row(backend: str) -> None:
    """Pairs with several rows at one position come by row number."""
    rng = np.random.default_rng(61)
    places = uniform_sky(rng, 20)
    left, right = (taken(places, rng.integers(0, 20, n)) for n in (60, 90))
    found = WITHIN(backend, left, right, 1.0)
    same = (left[0][:, None] == right[0]) & (left[1][:, None] == right[1])
    require_order("copies of rows", found)
    require_pairs("copies of rows", found, *np.nonzero(same))
    require(not found.separation.any(), "copies of rows have a separation above 0")


@SUITE.check
def with_itself(backend: str) -> None:
    """right=None gives each pair of rows once, the lower row on the left, no row with itself."""
    for sky in ordinary_skies(62, 2):
        positions = joined(sky.left, taken(sky.left, np.arange(0, len(sky.left[0]), 7)))
        found = alone(backend, positions, 2.0 * sky.scale)
        if found is None:
            return
        require_matches(
            f"{sky.name} with itself",
            found,
            positions,
            positions,
            2.0 * sky.scale,
            with_itself=True,
        )
        twice = WITHIN(backend, positions, positions, 2.0 * sky.scale)
        later = twice.right > twice.left
        require_pairs(f"{sky.name} with itself", found, twice.left[later], twice.right[later])
        require(
            np.array_equal(found.separation, twice.separation[later]),
            f"{sky.name} has other separations with itself than with an equal catalogue",
        )


@SUITE.check
def few_rows_with_themselves(backend: str) -> None:
    """No row and one row have no pairs with themselves, two copies of a row have one."""
    for n, pairs in ((0, 0), (1, 0), (2, 1)):
        found = alone(backend, (np.full(n, 5.0), np.full(n, 6.0)), 1.0)
        if found is None:
            return
        require_pairs(f"{n} rows with themselves", found, [0] * pairs, [1] * pairs)


@SUITE.check
def options_with_itself(backend: str) -> None:
    """Radii of rows, and min_radius and right_radius where they are named, count there as well."""
    named = parameters_of_the_target(WITHIN.operation, backend)
    if "with_itself" not in named:
        return
    positions, _ = field(66)
    rng = np.random.default_rng(66)
    error = rng.exponential(8.0, len(positions[0]))
    # The limit of a pair is that of the row on its left, or made of both.
    limits: dict[str, tuple[Any, Any, np.ndarray]] = {
        "a radius for each row": (positions, 4.0 * error, 4.0 * error[:, None])
    }
    if "right_radius" in named:
        both = 2.0 * np.hypot(error[:, None], error)
        limits["n_sigma(2)"] = (Catalog(*positions, error=error), n_sigma(2.0), both)
    for least in (0.0, 10.0) if "min_radius" in named else (0.0,):
        for what, (given, radius, limit) in limits.items():
            require_matches(
                f"rows with themselves, {what}, min_radius={least:g}",
                WITHIN(backend, given, None, radius, min_radius=least),
                positions,
                positions,
                limit,
                min_radius=least,
                with_itself=True,
            )


@SUITE.check
def every_pair_of_a_sphere(backend: str) -> None:
    """A radius of 180 degrees gives every pair."""
    rng = np.random.default_rng(63)
    left, right = uniform_sky(rng, 50), uniform_sky(rng, 70)
    found = WITHIN(backend, left, right, 648_000.0)
    require(len(found) == 3500, f"50 and 70 rows have {len(found)} pairs within 180 degrees")
    require_matches("180 degrees", found, left, right, np.inf)


@SUITE.check
def nearest_of_the_pairs(backend: str) -> None:
    """The smaller of two radii gives the pairs of the larger that are near enough, to the bit."""
    left, right = field(64)
    wide = WITHIN(backend, left, right, 60.0)
    for radius in (5.0, 20.0, 59.0):
        near = wide.separation <= radius
        found = WITHIN(backend, left, right, radius)
        require_pairs(f"{radius} instead of 60 arcsec", found, wide.left[near], wide.right[near])
        require(
            np.array_equal(found.separation, wide.separation[near]),
            f"{radius} instead of 60 arcsec changes separations",
        )


@SUITE.check
def radius_is_needed(backend: str) -> None:
    """radius=None is a ValueError that names it."""
    left, right = field(65)
    try:
        WITHIN(backend, left, right, None)
    except ValueError as error:
        require("radius" in str(error), f"the error does not name radius: {error}")
    else:
        raise CheckFailed("radius=None passes")
