"""What every backend of ``crossmatch.nearest`` and of ``crossmatch.within`` must do.

Backends are called through the front doors and judged by ``brute_force.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..crossmatch.catalog.catalog import Catalog
from ..crossmatch.catalog.radius import n_sigma
from ..crossmatch.sky.result import Matches
from ..plugins.records import Request
from ..runtime.progress import Progress
from .crossmatch_pairs import (
    ACCURACY,
    RESULTS,
    Door,
    require_matches,
    require_pairs,
    require_same,
)
from .kit import CheckFailed, Family, require
from .manners import PlainCall, parameters_of_the_target
from .progress import WatchedCall
from .skies import (
    Positions,
    TwoSkies,
    disc,
    grid,
    jittered,
    joined,
    moved,
    ordinary_skies,
    polar_skies,
    skies_across_zero,
    small_skies,
    taken,
    uniform_sky,
    whole_sky_lattice,
)

#: The checks of this file.
FAMILY = Family()

ARGUMENTS = ("left_ra", "left_dec", "right_ra", "right_dec", "radius")

#: Radii in units of the scale of two skies: few, some and many pairs.
FACTORS = (0.2, 1.0, 4.0)

HALF_CIRCLE = 648_000.0

#: More rows than a block of them is likely to have.
N_MANY = 10_000

#: Agreement of separations after a turn of right ascension by whole circles, which rounds
#: nothing here: that of two ways to take a difference.
TURN_ROUNDING = 1e-12


# ------------------------------------------------------------------ tools


def require_brute_force(door: Door, backend: str, skies: Iterable[TwoSkies]) -> None:
    """What is found in many skies, at several radii, is what all pairs give."""
    for sky in skies:
        for factor in FACTORS:
            radius = factor * sky.scale
            found = door(backend, sky.left, sky.right, radius)
            what = f"{sky.name} within {radius:g} arcsec"
            require_matches(what, found, sky.left, sky.right, radius, most=door.most)


def separation_of(door: Door, backend: str, left: Any, right: Any, radius: float) -> float:
    """Of two catalogues of one row each, which are within the radius (arcsec)."""
    found = door(backend, left, right, radius)
    require_pairs(f"{left} and {right}, within {radius:g} arcsec", found, [0], [0])
    return float(found.separation[0])


def field(seed: int, n_left: int = 60, n_right: int = 80) -> tuple[Positions, Positions]:
    """Two catalogues in a field of 100 arcsec, where some ten arcsec hold a few pairs."""
    rng = np.random.default_rng(seed)
    left = disc(rng, n_left, (150.0, 40.0), 100.0)
    return left, disc(rng, n_right, (150.0, 40.0), 100.0)


def plain_call(door: Door) -> PlainCall:
    """What manners are judged by."""
    shapes = {name: (1,) if name == "radius" else (100,) for name in ARGUMENTS}
    dtypes = dict.fromkeys(ARGUMENTS, "float64")
    options = {"right_radius": None, "min_radius": 0.0}
    return PlainCall(
        Request(door.operation, shapes, dtypes, options),
        ARGUMENTS,
        lambda backend: door(backend, *field(26), 30.0).provenance,
    )


def watched_call(door: Door) -> WatchedCall:
    """What reports of progress are judged by."""
    left, right = field(29)

    def run(backend: str, report: Progress) -> int:
        door(backend, left, right, 30.0, progress=report)
        return len(left[0])

    return WatchedCall(door.operation, run)


def on_lattice(positions: Positions) -> Positions:
    """Positions with right ascensions to which whole circles can be added without rounding."""
    return np.rint(positions[0] * 2.0**40) / 2.0**40, positions[1]


# ------------------------------------------------------------------ the right pairs


@FAMILY.check
def ordinary_catalogues(door: Door, backend: str) -> None:
    """Uniform skies, jittered copies, clumps, lines and single rows give what all pairs give."""
    require_brute_force(door, backend, ordinary_skies(1, 4))


@FAMILY.check
def poles(door: Door, backend: str) -> None:
    """So do caps of all sizes around either pole."""
    require_brute_force(door, backend, polar_skies(2, 2))


@FAMILY.check
def right_ascension_zero(door: Door, backend: str) -> None:
    """So do fields across right ascension 0, in 0 to 360 and in -180 to 180."""
    require_brute_force(door, backend, skies_across_zero(3, 3))


@FAMILY.check
def milliarcsecond_fields(door: Door, backend: str) -> None:
    """So do fields of milliarcseconds, with pairs down to micro-arcseconds."""
    require_brute_force(door, backend, small_skies(4, 4))


@FAMILY.check
def wide_radii(door: Door, backend: str) -> None:
    """So do radii of tens of degrees up to the whole sphere."""
    rng = np.random.default_rng(5)
    left, right = uniform_sky(rng, 70), uniform_sky(rng, 90)
    for degrees in (30.0, 89.0, 90.0, 91.0, 179.0, 180.0, 360.0):
        radius = 3600.0 * degrees
        found = door(backend, left, right, radius)
        what = f"uniform sky within {degrees:g} degrees"
        require_matches(what, found, left, right, radius, most=door.most)


@FAMILY.check
def unequal_sizes(door: Door, backend: str) -> None:
    """So do a few rows against many, and many against a few."""
    rng = np.random.default_rng(6)
    # More rows than 16 bits count.
    many, few = uniform_sky(rng, 70_000), uniform_sky(rng, 7)
    radius = 2.0 * 3600.0
    for left, right in ((few, many), (many, few)):
        found = door(backend, left, right, radius)
        require_matches("7 rows and 70,000", found, left, right, radius, most=door.most)


@FAMILY.check
def large_catalogues(door: Door, backend: str) -> None:
    """Of 5,000 rows over the whole sky, each finds its jittered copy; none is left out."""
    rng = np.random.default_rng(7)
    left = whole_sky_lattice()
    order = rng.permutation(len(left[0]))
    right = taken(jittered(rng, left, 0.5), order)
    found = door(backend, left, right, 1.0)
    rows = np.arange(len(order))
    require_pairs("a jittered copy", found, rows, np.argsort(order))


@FAMILY.check
def dense_clump(door: Door, backend: str) -> None:
    """Thousands of rows within the radius of each row are all looked at."""
    rng = np.random.default_rng(8)
    left = disc(rng, 30, (83.0, -5.0), 0.4)
    right = joined(disc(rng, 5000, (83.0, -5.0), 0.4), uniform_sky(rng, 200))
    found = door(backend, left, right, 2.0)
    require_matches("5,000 rows within 0.4 arcsec", found, left, right, 2.0, most=door.most)


@FAMILY.check
def empty_sides(door: Door, backend: str) -> None:
    """A catalogue without rows has no pairs."""
    some, none = field(9)[0], (np.empty(0), np.empty(0))
    for left, right in ((some, none), (none, some), (none, none)):
        found = door(backend, left, right, 10.0)
        require_pairs("an empty side", found, [], [])
        require(len(found.unmatched_left) == len(left[0]), "an unmatched left row is not counted")


# ------------------------------------------------------------------ what counts as a match


@FAMILY.check
def radius_is_inclusive(door: Door, backend: str) -> None:
    """A radius of exactly a separation has the pair; the next smaller number has not."""
    rng = np.random.default_rng(10)
    for size in (1e-3, 1.0, 1e3, 3e5):
        center = float(rng.uniform(0.0, 360.0)), float(rng.uniform(-80.0, 80.0))
        for _ in range(8):
            left, right = (disc(rng, 1, center, size) for _ in range(2))
            # Due north the separation is that of declinations: a search among these has no slack.
            north = moved(left, np.radians(rng.uniform(0.0, size, 1) / 3600.0), np.zeros(1))
            for other in (right, north):
                _require_inclusive(door, backend, left, other, 3.0 * size)


def _require_inclusive(
    door: Door, backend: str, left: Positions, right: Positions, beyond: float
) -> None:
    """Of two rows that are less than ``beyond`` arcsec apart."""
    apart = separation_of(door, backend, left, right, beyond)
    at = door(backend, left, right, apart)
    require_pairs(f"a radius of exactly {apart!r} arcsec", at, [0], [0])
    below = door(backend, left, right, np.nextafter(apart, 0.0))
    require_pairs(f"a radius just below {apart!r} arcsec", below, [], [])


@FAMILY.check
def radius_of_zero(door: Door, backend: str) -> None:
    """A radius of 0 has the identical positions alone, with a separation of 0."""
    rng = np.random.default_rng(11)
    left = joined(uniform_sky(rng, 30), (np.array([0.0]), np.array([90.0])))
    near = jittered(rng, left, 1e-5)
    right = joined(near, left)
    found = door(backend, left, right, 0.0)
    require_pairs("a radius of 0", found, np.arange(31), np.arange(31, 62))
    require(not found.separation.any(), "identical positions have a separation above 0")


@FAMILY.check
def one_place_many_names(door: Door, backend: str) -> None:
    """A pole has every right ascension, and 0, 360 and -360 are one: the separation is 0."""
    for one, other in (
        (([10.0], [90.0]), ([250.0], [90.0])),
        (([10.0], [-90.0]), ([-100.0], [-90.0])),
        (([0.0], [12.0]), ([360.0], [12.0])),
        (([-180.0], [-33.0]), ([180.0], [-33.0])),
        (([-360.0], [0.0]), ([360.0], [0.0])),
    ):
        for left, right in ((one, other), (other, one)):
            apart = separation_of(door, backend, left, right, 0.0)
            require(apart == 0.0, f"{left} and {right} are one place, and {apart} arcsec apart")


@FAMILY.check
def antipodes(door: Door, backend: str) -> None:
    """Opposite positions are 180 degrees apart, and 180 degrees reach them."""
    rng = np.random.default_rng(12)
    exact = np.array([0.0, 30.0, 123.5, 90.0]), np.array([0.0, 45.0, -60.25, 90.0])
    left = joined(exact, uniform_sky(rng, 40))
    for i in range(len(left[0])):
        one = taken(left, np.array([i]))
        other = one[0] + 180.0, -one[1]
        found = door(backend, one, other, HALF_CIRCLE)
        require_pairs(f"the antipodes of {one}", found, [0], [0])
        off = abs(float(found.separation[0]) - HALF_CIRCLE)
        require(off < 0.02, f"the antipodes of {one} are {found.separation[0]!r} arcsec apart")


@FAMILY.check
def radius_of_each_row(door: Door, backend: str) -> None:
    """Every left row may have its own radius."""
    rng = np.random.default_rng(13)
    for seed in range(4):
        left, right = field(seed)
        radius = rng.uniform(0.0, 40.0, len(left[0]))
        found = door(backend, left, right, radius)
        limit = radius[:, None]
        require_matches("a radius for each row", found, left, right, limit, most=door.most)
    one = door(backend, ([0.0, 0.0], [0.0, 1.0]), ([0.0, 0.0], [0.1, 1.1]), [400.0, 300.0])
    require_pairs("radii of 400 and 300 arcsec for pairs 360 arcsec apart", one, [0], [0])


@FAMILY.check
def radius_of_each_of_many_rows(door: Door, backend: str) -> None:
    """So it may in a catalogue that is longer than any block of rows is likely to be."""
    rng = np.random.default_rng(27)
    left = uniform_sky(rng, N_MANY)
    rows = np.sort(rng.permutation(N_MANY)[:12])
    right = jittered(rng, taken(left, rows), 0.5)
    radius = np.zeros(N_MANY)
    radius[rows[::2]] = 1.0
    found = door(backend, left, right, radius)
    what = f"six of {N_MANY:,} rows with a radius, the others with none"
    require_pairs(what, found, rows[::2], np.arange(0, 12, 2))


@FAMILY.check
def smallest_separation(door: Door, backend: str) -> None:
    """Where the target names min_radius, nearer pairs do not count; it is inclusive."""
    left, right = field(14)

    def asked(least: float) -> Matches:
        return door(backend, left, right, 40.0, min_radius=least)

    if not door.supports(backend, "min_radius", lambda: asked(5.0)):
        return
    for least in (1e-3, 5.0, 20.0):
        require_matches(
            f"min_radius={least}",
            asked(least),
            left,
            right,
            40.0,
            min_radius=least,
            most=door.most,
        )
    apart = float(asked(5.0).separation[0])
    kept, lost = asked(apart), asked(float(np.nextafter(apart, np.inf)))
    require(kept.separation[0] == apart, "a pair at exactly min_radius is lost")
    require(not np.any(lost.separation == apart), "a pair just below min_radius is returned")


@FAMILY.check
def radius_from_errors(door: Door, backend: str) -> None:
    """Where the target names right_radius, n_sigma takes the errors of both sides."""
    rng = np.random.default_rng(15)
    for seed in range(4):
        left, right = field(seed)
        errors = [rng.exponential(4.0, len(side[0])) for side in (left, right)]
        sides = Catalog(*left, error=errors[0]), Catalog(*right, error=errors[1])

        def asked(sides: tuple[Catalog, Catalog] = sides) -> Matches:
            return door(backend, sides[0], sides[1], n_sigma(2.0))

        if not door.supports(backend, "right_radius", asked):
            return
        limit = 2.0 * np.hypot(errors[0][:, None], errors[1])
        require_matches("n_sigma(2)", asked(), left, right, limit, most=door.most)


@FAMILY.check
def options_together(door: Door, backend: str) -> None:
    """Where the target names right_radius, it counts with min_radius and with k as well."""
    named = parameters_of_the_target(door.operation, backend)
    if "right_radius" not in named:
        return
    left, right = field(28)
    rng = np.random.default_rng(28)
    errors = [rng.exponential(8.0, len(side[0])) for side in (left, right)]
    sides = Catalog(*left, error=errors[0]), Catalog(*right, error=errors[1])
    limit = 2.0 * np.hypot(errors[0][:, None], errors[1])
    for least in (0.0, 10.0) if "min_radius" in named else (0.0,):
        for k in (1, 3) if "k" in named else (door.most,):
            options = {"k": k} if "k" in named else {}
            require_matches(
                f"n_sigma(2), min_radius={least:g}, {options}",
                door(backend, *sides, n_sigma(2.0), min_radius=least, **options),
                left,
                right,
                limit,
                min_radius=least,
                most=k,
            )


@FAMILY.check
def equal_separations_are_ordered(door: Door, backend: str) -> None:
    """On grids and among copies of rows, where many separations are equal, nothing is lost."""
    rng = np.random.default_rng(16)
    lattice = grid(12, 9, 0.25)
    middles = lattice[0] + 0.125, lattice[1]
    copies = taken(lattice, rng.integers(0, 108, 150))
    for right in (lattice, taken(lattice, rng.permutation(108)), copies):
        for left in (lattice, middles):
            for radius in (0.2 * 3600.0, 0.4 * 3600.0):
                found = door(backend, left, right, radius)
                require_matches("a grid", found, left, right, radius, most=door.most)


# ------------------------------------------------------------------ how accurate separations are


@FAMILY.check
def accuracy(door: Door, backend: str) -> None:
    """Separations are good to 1e-9 of themselves from 1 micro-arcsecond to 179.999 degrees."""
    largest = 3600.0 * np.array([90.0, 179.9, 179.999])
    arcsec = np.concatenate([np.geomspace(1e-6, 5e5, 14), largest])
    for dec in (0.0, 33.3, -88.0, 89.9999, -89.99999999):
        for bearing in (0.0, 1.570796, 2.9, 5.1):
            _require_accurate(door, backend, dec, bearing, arcsec)


def _require_accurate(
    door: Door, backend: str, dec: float, bearing: float, arcsec: np.ndarray
) -> None:
    """Of pairs so many arcseconds apart, across right ascension 0 where they are to the west."""
    n = len(arcsec)
    start = np.full(n, 1e-7), np.full(n, dec)
    left = taken(start, np.array([0]))
    ends = moved(start, np.radians(arcsec / 3600.0), np.full(n, bearing))
    for i in range(len(arcsec)):
        right = taken(ends, np.array([i]))
        found = door(backend, left, right, HALF_CIRCLE)
        require_matches(f"{arcsec[i]:g} arcsec at {dec}", found, left, right, HALF_CIRCLE)


@FAMILY.check
def separations_along_meridians(door: Door, backend: str) -> None:
    """Along a meridian and the equator a separation is the difference of coordinates."""
    for step in 2.0 ** np.arange(-31.0, 7.0):
        expected = 3600.0 * step
        for left, right in (
            (([77.0], [-step / 2.0]), ([77.0], [step / 2.0])),
            (([step / 2.0], [0.0]), ([-step / 2.0], [0.0])),
            (([180.0 - step], [0.0]), ([180.0], [0.0])),
        ):
            apart = separation_of(door, backend, left, right, HALF_CIRCLE)
            require(
                abs(apart - expected) <= ACCURACY * expected,
                f"{left} and {right} are {apart!r} arcsec apart, not {expected!r}",
            )


# ------------------------------------------------------------------ what may not matter


@FAMILY.check
def whole_turns(door: Door, backend: str) -> None:
    """Whole circles added to right ascensions change nothing."""
    rng = np.random.default_rng(17)
    left, right = (on_lattice(disc(rng, 80, (0.0, 55.0), 2e4)) for _ in range(2))
    found = door(backend, left, right, 4e3)
    for turns in (-720.0, -360.0, 360.0, 1080.0):
        for other in (
            door(backend, (left[0] + turns, left[1]), right, 4e3),
            door(backend, left, (right[0] + turns, right[1]), 4e3),
        ):
            require_same(f"a turn by {turns:g} degrees", found, other, TURN_ROUNDING)


@FAMILY.check
def order_of_rows(door: Door, backend: str) -> None:
    """Rows in any order, on either side, give the same pairs."""
    rng = np.random.default_rng(18)
    left, right = field(18)
    found = door(backend, left, right, 30.0)
    for _ in range(4):
        i, j = rng.permutation(len(left[0])), rng.permutation(len(right[0]))
        other = door(backend, taken(left, i), taken(right, j), 30.0)
        back = np.lexsort((other.separation, i[other.left]))
        require_pairs("another order of rows", found, i[other.left][back], j[other.right][back])
        require(
            np.array_equal(found.separation, other.separation[back]),
            "another order of rows changes separations",
        )


@FAMILY.check
def one_row_at_a_time(door: Door, backend: str) -> None:
    """A left row finds the same alone as among others."""
    left, right = field(19)
    found = door(backend, left, right, 30.0)
    for i in range(0, len(left[0]), 4):
        alone = door(backend, taken(left, np.array([i])), right, 30.0)
        own = found.left == i
        require_pairs(f"left row {i} alone", alone, found.left[own] - i, found.right[own])
        require(
            np.array_equal(alone.separation, found.separation[own]),
            f"left row {i} has other separations alone",
        )


@FAMILY.check
def rows_without_position(door: Door, backend: str) -> None:
    """Rows whose position is NaN, infinite or masked match nothing and are counted."""
    left, right = field(20)
    found = door(backend, left, right, 30.0)
    gaps = np.array([0, 0, 17, 60])
    bad = np.array([np.nan, np.inf, np.nan, -np.inf])
    holed_left = np.insert(left[0], gaps, bad), np.insert(left[1], gaps, 40.0)
    dec = np.ma.masked_array(
        np.insert(right[1], gaps, 40.0), np.isin(np.arange(84), [0, 1, 19, 63])
    )
    other = door(backend, holed_left, (np.insert(right[0], gaps, 150.0), dec), 30.0)
    where_left = np.flatnonzero(np.isfinite(holed_left[0]))
    where_right = np.flatnonzero(~np.ma.getmaskarray(dec))
    require_pairs(
        "rows without a position", other, where_left[found.left], where_right[found.right]
    )
    counted = other.n_dropped_left, other.n_dropped_right
    require(counted == (4, 4), f"of 4 and 4 rows without a position, {counted} are counted")


@FAMILY.check
def number_of_threads(door: Door, backend: str) -> None:
    """Any number of threads gives the same, to the bit."""
    rng = np.random.default_rng(21)
    # Enough rows that a compiled backend has reason to use its threads, each with a match.
    right = uniform_sky(rng, 300)
    left = jittered(rng, taken(right, np.arange(20_000) % 300), 4e3)
    one = door(backend, left, right, 5e3, threads=1)
    for threads in (2, 3):
        other = door(backend, left, right, 5e3, threads=threads)
        require_same(f"threads={threads} instead of 1", one, other)


@FAMILY.check
def repeated_call(door: Door, backend: str) -> None:
    """The same call again gives the same, to the bit, in arrays of its own."""
    left, right = field(22)
    found = door(backend, left, right, 30.0)
    kept = replace(found, **{name: getattr(found, name).copy() for name in RESULTS})
    require_same("a second call", found, door(backend, left, right, 30.0))
    door(backend, (left[0][::-1], left[1][::-1]), right, 30.0)
    require_same("a call with another catalogue", kept, found)


@FAMILY.check
def kinds_of_arrays(door: Door, backend: str) -> None:
    """Big-endian, strided and listed input equals clean input."""
    left, right = field(23)
    found = door(backend, left, right, 30.0)
    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "big-endian": lambda a: a.astype(">f8"),
        "strided": lambda a: np.repeat(a, 3)[::3],
        "listed": lambda a: a.tolist(),
    }
    for what, kind in kinds.items():
        changed = [(kind(ra), kind(dec)) for ra, dec in (left, right)]
        other = door(backend, changed[0], changed[1], 30.0)
        require_same(f"{what} input", found, other)


@FAMILY.check
def inputs_are_left_alone(door: Door, backend: str) -> None:
    """The arrays of the caller's catalogues, and his radii, are not changed."""
    left, right = (Catalog(*positions) for positions in field(24))
    radius = np.full(len(left), 30.0)
    given = dict(zip(ARGUMENTS, (left.ra, left.dec, right.ra, right.dec, radius), strict=True))
    before = {name: array.copy() for name, array in given.items()}
    door(backend, left, right, radius)
    for name, array in given.items():
        require(np.array_equal(array, before[name]), f"the backend changes {name}, not its own")


@FAMILY.check
def bad_input(door: Door, backend: str) -> None:
    """Input that breaks a documented rule is a ValueError that names the argument."""
    left, right = field(25)
    good: dict[str, Any] = {"left": left, "right": right, "radius": 30.0}
    bad: tuple[tuple[str, dict[str, Any]], ...] = (
        ("left", {"left": ([0.0], [90.001])}),
        ("right", {"right": ([0.0, 1.0], [0.0, -91.0])}),
        ("left", {"left": ([0.0, 1.0], [0.0])}),
        ("radius", {"radius": -1.0}),
        ("radius", {"radius": np.nan}),
        ("radius", {"radius": [1.0, 2.0]}),
        ("min_radius", {"min_radius": -1.0}),
        ("min_radius", {"min_radius": np.inf}),
        ("error", {"radius": n_sigma(3.0)}),
        ("threads", {"threads": 0}),
    )
    for word, change in bad:
        try:
            door(backend, **(good | change))
        except ValueError as error:
            require(word in str(error), f"the error about {change} does not say {word!r}: {error}")
        else:
            raise CheckFailed(f"{', '.join(change)} may not be {list(change.values())}, but passes")
