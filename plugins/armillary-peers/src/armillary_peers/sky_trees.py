"""``crossmatch`` by any tree that finds the n points nearest to a position.

One candidate more is asked for than is wanted. A left row is settled when no candidate that was
not seen can be among its matches: all were seen, or the last one is beyond the radius, or beyond
the last match by more than rounding. The others are asked again for four times as many, and if
that is not enough either, in a tree without the rows that repeat a position too often to matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .sky_pairs import ROUNDING, Pairs, Sky, in_order, nothing

#: From rows of the left catalogue and a number n to the n nearest right rows of each: chords on
#: the unit sphere and row numbers, both of shape (rows, n), by rising chord. A chord is infinite
#: where fewer are within the bound that the tree was given.
Query = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]

#: Builds the tree of the right catalogue.
Plant = Callable[[Sky], Query]

#: Candidates of a row that are asked for first when every pair is wanted, and by what factor
#: there are more each time that they are not enough.
FIRST_CANDIDATES, GROWTH = 4, 4

#: Most candidates that are held at once: about 60 MB.
MAX_CANDIDATES = 1 << 20


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Positions (degrees) as points on the unit sphere, shape (n, 3)."""
    # In -180 to 180 radians are rounded less.
    ra, dec = np.radians(np.where(ra > 180.0, ra - 360.0, ra)), np.radians(dec)
    cosine = np.cos(dec)
    return np.stack([cosine * np.cos(ra), cosine * np.sin(ra), np.sin(dec)], axis=1)


def matches(sky: Sky, plant: Plant, k: int | None) -> dict[str, np.ndarray]:
    """The k nearest right rows of each left row, all for None, as a backend returns them."""
    if len(sky.left_ra) == 0 or len(sky.right_ra) == 0:
        return nothing()
    query = plant(sky)
    n = FIRST_CANDIDATES if k is None else k + 1
    found, pending = _round(sky, query, np.arange(len(sky.left_ra)), n, k)
    more, pending = _round(sky, query, pending, GROWTH * n, k)
    found += more
    if len(pending) == 0:
        return in_order(found)
    kept = np.arange(len(sky.right_ra))
    # With a radius of their own, any of the rows at one position may be a match.
    if k is not None and sky.right_radius is None:
        kept = first_of_each_position(sky.right_ra, sky.right_dec, k)
    if len(kept) < len(sky.right_ra):
        sky = sky.with_right_rows(kept)
        query = plant(sky)
    n *= GROWTH
    while len(pending):
        n *= GROWTH
        more, pending = _round(sky, query, pending, n, k)
        found += [(left, kept[right], apart) for left, right, apart in more]
    return in_order(found)


def first_of_each_position(ra: np.ndarray, dec: np.ndarray, k: int) -> np.ndarray:
    """The rows, by number, that are among the k lowest at their position."""
    order = np.lexsort((dec, ra))
    repeats = np.append(False, (np.diff(ra[order]) == 0.0) & (np.diff(dec[order]) == 0.0))
    place = np.arange(len(ra))
    first = np.maximum.accumulate(np.where(repeats, 0, place))
    return np.sort(order[place - first < k])


def _round(
    sky: Sky, query: Query, pending: np.ndarray, n: int, k: int | None
) -> tuple[list[Pairs], np.ndarray]:
    """The pairs of the left rows for which n candidates are enough, and the other rows."""
    n = min(n, len(sky.right_ra))
    found, unsettled = [], [pending[:0]]
    for rows in _blocks(pending, n):
        pairs, settled = _settle(sky, rows, *query(rows, n), k)
        found.append(pairs)
        unsettled.append(rows[~settled])
    return found, np.concatenate(unsettled)


def _blocks(rows: np.ndarray, n: int) -> Iterator[np.ndarray]:
    size = max(1, MAX_CANDIDATES // n)
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _settle(
    sky: Sky, rows: np.ndarray, chords: np.ndarray, right: np.ndarray, k: int | None
) -> tuple[Pairs, np.ndarray]:
    """The pairs of those rows whose candidates are enough, and which rows these are."""
    last = chords[:, -1].copy()
    bound = sky.chords(rows)
    near = chords <= _worth_a_look(sky, bound, chords, k)[:, None]
    apart = np.full(chords.shape, np.inf)
    left = rows[np.nonzero(near)[0]]
    apart[near] = sky.separations(left, right[near])
    counted = np.zeros(chords.shape, bool)
    counted[near] = sky.counts(left, right[near], apart[near])
    chords, right, apart, counted = _sorted(chords, right, apart, counted)

    farthest = bound
    if k is not None:
        rank = np.cumsum(counted, axis=1)
        counted &= rank <= k
        # The chord of the last wanted match; infinite while there are fewer.
        full = rank[:, -1] >= k
        kth = chords[np.arange(len(rows)), np.argmax(rank >= k, axis=1)] + ROUNDING
        farthest = np.minimum(bound, np.where(full, kth, np.inf))
    settled = (last > farthest) | (chords.shape[1] == len(sky.right_ra))
    counted &= settled[:, None]
    left = rows[np.nonzero(counted)[0]]
    return (left, right[counted].astype(np.int64), apart[counted]), settled


def _worth_a_look(sky: Sky, bound: np.ndarray, chords: np.ndarray, k: int | None) -> np.ndarray:
    """The longest chord of each row that can belong to a wanted match."""
    if k is None or chords.shape[1] < k or not sky.only_radius:
        return bound
    return np.minimum(bound, chords[:, k - 1] + ROUNDING)


def _sorted(
    chords: np.ndarray, right: np.ndarray, apart: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The candidates of each row by separation, then row number; nearly all are already."""
    wrong = (apart[:, 1:] <= apart[:, :-1]) & np.isfinite(apart[:, 1:])
    mixed = np.flatnonzero(wrong.any(axis=1))
    columns = chords, right, apart, counted
    if len(mixed) == 0:
        return columns
    order = np.lexsort((right[mixed], apart[mixed]), axis=1)
    for column in columns:
        column[mixed] = np.take_along_axis(column[mixed], order, axis=1)
    return columns
