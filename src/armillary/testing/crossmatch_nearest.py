"""What every backend of ``crossmatch.nearest`` must do, beside what is common to the family."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np

from ..crossmatch.sky.api import nearest
from ..crossmatch.sky.result import Matches
from .brute_force import separations
from .crossmatch_common import FAMILY, field, plain_call, watched_call
from .crossmatch_pairs import Door, require_matches, require_pairs
from .kit import CheckFailed, Suite, require
from .manners import add_manners, parameters_of_the_target
from .progress import add_progress
from .skies import Positions, joined, ordinary_skies, taken, uniform_sky

NEAREST = Door("crossmatch.nearest", nearest, most=1)
SUITE = Suite()
FAMILY.add_to(SUITE, NEAREST)
add_manners(SUITE, plain_call(NEAREST))
add_progress(SUITE, watched_call(NEAREST))

#: Rows at one position on either side, and the memory for all pairs of them (two row numbers and
#: a separation), most of which a backend may not take.
N_COPIES = 4500
EVERY_PAIR = 24 * N_COPIES**2
ALLOWED_MEMORY = 0.8


def peak_memory(call: Callable[[], Matches]) -> tuple[Matches, int]:
    """A result, and the most bytes of arrays that were held to get it."""
    tracemalloc.start()
    try:
        found = call()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def supports_k(backend: str, left: Positions, right: Positions) -> bool:
    """Whether the target names k; if not, asking for two must be refused."""
    return NEAREST.supports(backend, "k", lambda: NEAREST(backend, left, right, None, k=2))


# ------------------------------------------------------------------ which match is the nearest


@SUITE.check
def no_limit(backend: str) -> None:
    """Without a radius every left row has a match, however far away."""
    for sky in ordinary_skies(40, 3):
        found = NEAREST(backend, sky.left, sky.right, None)
        require_matches(f"{sky.name} without a limit", found, sky.left, sky.right, np.inf, most=1)
    far = NEAREST(backend, ([0.0], [0.0]), ([180.0, 170.0], [0.0, 0.0]), None)
    require_pairs("two rows nearly opposite", far, [0], [1])


@SUITE.check
def equal_separations_go_to_the_lower_row(backend: str) -> None:
    """Of positions equally far to the east and west, or north and south, the lower row is taken."""
    rng = np.random.default_rng(41)
    for left, places in (
        ((0.0, 30.0), ((0.25, 30.0), (359.75, 30.0))),
        ((360.0, -30.0), ((0.25, -30.0), (-0.25, -30.0))),
        ((180.0, 10.0), ((180.5, 10.0), (-180.5, 10.0), (179.5, 10.0))),
        ((200.0, 0.0), ((200.0, 0.5), (200.0, -0.5))),
        ((77.0, 12.0), ((77.0, 12.5), (77.0, 11.5))),
    ):
        for _ in range(4):
            order = rng.permutation(len(places))
            right = np.array(places)[order].T
            far = uniform_sky(rng, int(rng.integers(0, 30)))
            right_sky = joined((far[0], np.sign(far[1]) * 80.0), (right[0], right[1]))
            found = NEAREST(backend, ([left[0]], [left[1]]), right_sky, 3600.0)
            _require_lowest_of_equal(backend, f"equal separations from {left}", left, found)


def _require_lowest_of_equal(
    backend: str, what: str, left: tuple[float, float], found: Matches
) -> None:
    """No lower row is as far away, by the backend's own separations."""
    require(len(found) == 1, f"{what}: there are {len(found)} matches, not 1")
    chosen = int(found.right[0])
    ra, dec = found.right_catalog.ra, found.right_catalog.dec
    here = np.array([left[0]]), np.array([left[1]])
    truth = separations(here, (ra, dec))[0]
    for row in np.flatnonzero(truth <= truth[chosen] * (1.0 + 1e-9)):
        (apart,) = NEAREST(backend, here, (ra[[row]], dec[[row]]), None).separation
        require(
            (apart, row) >= (found.separation[0], chosen),
            f"{what}: row {chosen} is taken, at {found.separation[0]!r} arcsec, and row {row} "
            f"is at {apart!r}",
        )


@SUITE.check
def copies_go_to_the_lower_row(backend: str) -> None:
    """Of several rows at one position the lowest is taken."""
    rng = np.random.default_rng(42)
    places = uniform_sky(rng, 40)
    copied = rng.integers(0, 40, 200)
    right = taken(places, copied)
    lowest = np.array([np.flatnonzero(copied == i).min() for i in range(40)])
    found = NEAREST(backend, places, right, 1.0)
    require_pairs("copies of rows", found, np.arange(40), lowest)


@SUITE.check
def k_nearest(backend: str) -> None:
    """Where the target names k, the k nearest are found, or as many as there are."""
    left, right = field(43)
    if not supports_k(backend, left, right):
        return
    for k in (2, 3, 7, 79, 80, 81, 1000):
        for radius in (20.0, 60.0, None):
            found = NEAREST(backend, left, right, radius, k=k)
            limit = np.inf if radius is None else radius
            what = f"k={k} within {radius} arcsec"
            require_matches(what, found, left, right, limit, most=k)
            require(
                radius is not None or len(found) == len(left[0]) * min(k, len(right[0])),
                f"{what}: there are {len(found)} pairs",
            )
    for sky in ordinary_skies(44, 2):
        found = NEAREST(backend, sky.left, sky.right, 4.0 * sky.scale, k=4)
        what = f"{sky.name}, k=4"
        require_matches(what, found, sky.left, sky.right, 4.0 * sky.scale, most=4)


@SUITE.check
def k_nearest_among_equals(backend: str) -> None:
    """Where the target names k, of rows at one position the lowest are taken, in order."""
    rng = np.random.default_rng(45)
    left = np.array([33.0]), np.array([-44.0])
    # From nearest to farthest, several places with thirty rows each.
    places = joined(left, (np.full(3, 33.0), -44.0 + np.array([0.1, 0.2, 0.3]) / 3600.0))
    order = rng.permutation(120)
    right = taken(places, order // 30)
    expected = np.lexsort((np.arange(120), order // 30))
    if not supports_k(backend, left, right):
        return
    for k in (2, 5, 29, 30, 31, 75, 120):
        found = NEAREST(backend, left, right, 1.0, k=k)
        require_pairs(f"k={k} of four times 30 copies", found, np.zeros(k, int), expected[:k])


@SUITE.check
def k_nearest_beyond_the_smallest_separation(backend: str) -> None:
    """Where the target names k and min_radius, rows that are too near take no place of others."""
    left, right = field(46)
    if not {"k", "min_radius"} <= parameters_of_the_target(NEAREST.operation, backend):
        return
    for least in (10.0, 50.0):
        found = NEAREST(backend, left, right, 80.0, k=3, min_radius=least)
        what = f"k=3, min_radius={least}"
        require_matches(what, found, left, right, 80.0, most=3, min_radius=least)


@SUITE.check
def mutual_pairs(backend: str) -> None:
    """mutual=True keeps the pairs that are each other's nearest."""
    left, right = field(47)
    for radius in (15.0, None):
        found = NEAREST(backend, left, right, radius, mutual=True)
        truth = separations(left, right)
        nearest_right, nearest_left = truth.argmin(axis=1), truth.argmin(axis=0)
        rows = np.arange(len(left[0]))
        limit = np.inf if radius is None else radius
        keep = (nearest_left[nearest_right] == rows) & (truth.min(axis=1) <= limit)
        require_pairs(
            f"mutual pairs within {radius} arcsec", found, rows[keep], nearest_right[keep]
        )


@SUITE.check
def thousands_of_copies(backend: str) -> None:
    """Thousands of rows at one position on both sides do not take the memory of all pairs."""
    place = np.full(N_COPIES, 266.4), np.full(N_COPIES, -29.0)
    elsewhere = uniform_sky(np.random.default_rng(48), 100)
    right = joined(elsewhere, place)
    found, peak = peak_memory(lambda: NEAREST(backend, place, right, 1.0))
    require_pairs(
        f"{N_COPIES:,} copies", found, np.arange(N_COPIES), np.full(N_COPIES, len(elsewhere[0]))
    )
    require(
        peak < ALLOWED_MEMORY * EVERY_PAIR,
        f"{N_COPIES:,} copies on both sides take {peak / 1e6:.0f} MB; all pairs of them would "
        f"take {EVERY_PAIR / 1e6:.0f} MB",
    )


@SUITE.check
def million_rows(backend: str) -> None:
    """The last of more than a million rows on the right, 2**20, is found."""
    n = 2**20 + 50
    right = np.linspace(0.0, 350.0, n), np.linspace(-80.0, 80.0, n)
    found = NEAREST(backend, taken(right, np.array([n - 1])), right, 0.0)
    require_pairs(f"the last of {n:,} rows", found, [0], [n - 1])


@SUITE.check
def bad_numbers_of_matches(backend: str) -> None:
    """k below 1 or with mutual=True is a ValueError that names it."""
    left, right = field(49)
    for options in ({"k": 0}, {"k": -1}, {"k": 1.5}, {"k": True}, {"k": 2, "mutual": True}):
        try:
            NEAREST(backend, left, right, 1.0, **options)
        except ValueError as error:
            require("k must" in str(error), f"the error about {options} does not name k: {error}")
        else:
            raise CheckFailed(f"{options} passes")
