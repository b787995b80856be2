"""Match one patch of the sky, and make its part of the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins.records import Provenance
from ...runtime.memory import ResultTooLarge
from ..catalog.radius import NSigma
from ..sky.api import nearest, within
from ..sky.result import Matches
from ..sky.tables import combine_arrow
from . import healpix
from .pixels import Range, cover, distinct
from .rows import Rows
from .side import PIXEL, ROW, Side

if TYPE_CHECKING:
    import pyarrow as pa

#: Bits of a row number that are sorted at once; twice as many are enough for any catalogue.
N_BITS = 22
LOW_BITS = (1 << N_BITS) - 1
#: Left rows whose offsets go into the histogram, at most.
MAX_OFFSETS = 2_000_000


@dataclass(frozen=True, slots=True)
class Match:
    """What to look for, and what to make of it.

    Attributes
    ----------
    radius : float or NSigma
        Arcseconds, or sigma.
    reach : float
        Arcseconds: the largest separation that can be a match.
    k : int or None
        Most matches of a left row; None means all.
    mutual : bool
        Only pairs that are each other's nearest.
    min_radius : float
        Arcseconds.
    join : str
        "inner", "left", "outer" or "anti".
    suffixes : tuple of str
        For names of columns that both sides have.
    """

    radius: float | NSigma
    reach: float
    k: int | None
    mutual: bool
    min_radius: float
    join: str
    suffixes: tuple[str, str]

    @property
    def operation(self) -> str:
        """Who finds the pairs."""
        return "crossmatch.within" if self.k is None else "crossmatch.nearest"

    def of(self, left: Any, right: Any, threads: int, check: Callable[..., None]) -> Matches:
        """The matches of two catalogues in memory."""
        options: dict[str, Any] = {
            "min_radius": self.min_radius,
            "threads": threads,
            "progress": check,
        }
        if self.k is None:
            return within(left, right, self.radius, **options)
        return nearest(left, right, self.radius, k=self.k, mutual=self.mutual, **options)


@dataclass(frozen=True, slots=True)
class Patch:
    """Left rows that are matched together.

    Attributes
    ----------
    home : Range
        Where they are.
    part, parts : int
        Which of how many parts of these rows, along the sky.
    """

    home: Range
    part: int = 0
    parts: int = 1

    def split(self, n: int) -> list[Patch]:
        """The same rows as n patches, which follow each other."""
        return [Patch(self.home, n * self.part + i, n * self.parts) for i in range(n)]

    def own(self, rows: Rows) -> pa.Table:
        """Its rows, along the sky; those of the other parts are let go."""
        table = rows.read([self.home])
        if self.parts == 1:
            return table
        n = table.num_rows
        return table.take(np.arange(n * self.part // self.parts, n * (self.part + 1) // self.parts))


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a patch.

    Attributes
    ----------
    table : Table or None
        Its part of the result; None if the result is not wanted.
    pixels : ndarray of int
        Pixels of the left rows of the table, ascending.
    separation : ndarray
        Of all pairs (arcsec).
    offsets : tuple of ndarray
        East and north (arcsec) of some of them.
    n_left : int
        Left rows of the patch.
    n_matched_left : int
        Those in a pair.
    right_rows : ndarray
        Row numbers of the right rows in pairs.
    provenance : Provenance or None
        Who matched; None if there was nothing to match.
    """

    table: pa.Table | None
    pixels: np.ndarray
    separation: np.ndarray
    offsets: tuple[np.ndarray, np.ndarray]
    n_left: int
    n_matched_left: int
    right_rows: np.ndarray
    provenance: Provenance | None


def match_patch(
    left: Rows,
    right: Rows,
    patch: Patch,
    match: Match,
    *,
    wanted: bool,
    threads: int,
    check: Callable[..., None],
) -> Found | list[Patch]:
    """Match the left rows of a patch with everything within reach of them.

    Parameters
    ----------
    left, right : Rows
        The catalogues.
    patch : Patch
        Which left rows.
    match : Match
        What to look for.
    wanted : bool
        Whether to make a table.
    threads : int
        Threads to use.
    check : callable
        Called now and then; stops the work by raising.

    Returns
    -------
    Found or list of Patch
        Parts of the patch, if it has more pairs than fit into memory.

    Raises
    ------
    MemoryError
        If one left row alone has more.
    """
    check()
    here = patch.own(left)
    mine = here.column(ROW).to_numpy()
    degrees = match.reach / 3600.0
    occupied = here.column(PIXEL).to_numpy()
    others = right.read_near(patch.home, cover(occupied, degrees))
    if match.mutual:
        # Who is nearest to a right row may lie beyond the border: as far as twice the reach.
        here = left.read(cover(occupied, 2.0 * degrees))
    check()
    try:
        pairs, rows = _pairs(left.side, right.side, here, others, match, threads, check)
    except ResultTooLarge as error:
        if len(mine) > 1:
            return patch.split(min(max(error.parts, 2), len(mine)))
        raise MemoryError(str(error)) from None
    numbers = here.column(ROW).to_numpy()
    at_home = np.isin(numbers, mine) if match.mutual else np.ones(len(numbers), bool)
    kept = at_home[rows[0]]
    offsets = _some_offsets(pairs, numbers[rows[0]], kept, left.n_rows)
    if not kept.all():
        rows = tuple(column[kept] for column in rows)
    check()
    joined = _joined(rows, np.flatnonzero(at_home), match.join)
    table = _table(left.side, right.side, here, others, joined, match) if wanted else None
    return Found(
        table=table,
        pixels=here.column(PIXEL).to_numpy()[joined[0]],
        separation=rows[2],
        offsets=offsets,
        n_left=int(at_home.sum()),
        n_matched_left=len(distinct(rows[0])),
        right_rows=others.column(ROW).to_numpy()[rows[1]],
        provenance=pairs.provenance,
    )


def _pairs(
    left: Side,
    right: Side,
    here: pa.Table,
    others: pa.Table,
    match: Match,
    threads: int,
    check: Callable[..., None],
) -> tuple[Matches, tuple[np.ndarray, ...]]:
    """The matches of two tables, and their rows in the tables, along the left one.

    Of equal separations the lower row number wins, so right rows are matched by number; left
    rows too, where they compete.
    """
    by_number = _order(others.column(ROW).to_numpy())
    mine = _order(here.column(ROW).to_numpy()) if match.mutual else None
    pairs = match.of(left.in_memory(here, mine), right.in_memory(others, by_number), threads, check)
    rows = pairs.left, by_number[pairs.right], pairs.separation
    if mine is None:
        return pairs, rows
    along = np.argsort(mine[pairs.left])
    pairs = dataclasses.replace(
        pairs,
        left=pairs.left[along],
        right=pairs.right[along],
        separation=pairs.separation[along],
    )
    return pairs, (mine[pairs.left], rows[1][along], pairs.separation)


def _order(rows: np.ndarray) -> np.ndarray:
    """Places of row numbers in ascending order, by two sorts of 22 bits each."""
    low = healpix.rows_by_key((rows & LOW_BITS).astype(np.uint32))
    high = rows >> N_BITS
    if not high.any():
        return low
    return low[healpix.rows_by_key(high[low].astype(np.uint32))]


def rows_alone(left: Side, right: Side, rows: pa.Table, side: str, match: Match) -> pa.Table:
    """Rows of one side without a match, as part of the result."""
    n = rows.num_rows
    own, nothing = np.arange(n), np.full(n, -1)
    apart = np.full(n, np.nan)
    if side == "left":
        others = right.kept_schema().empty_table()
        return _table(left, right, rows, others, (own, nothing, apart), match)
    others = left.kept_schema().empty_table()
    return _table(left, right, others, rows, (nothing, own, apart), match)


def _joined(
    pairs: tuple[np.ndarray, ...], at_home: np.ndarray, join: str
) -> tuple[np.ndarray, ...]:
    """The rows of the result that belong to a patch: -1 and NaN where there is none."""
    if join == "inner":
        return pairs
    left, right, separation = pairs
    matched = np.zeros(at_home[-1] + 1 if len(at_home) else 0, bool)
    matched[left] = True
    alone = at_home[~matched[at_home]]
    nothing, unknown = np.full(len(alone), -1), np.full(len(alone), np.nan)
    if join == "anti":
        return alone, nothing, unknown
    every = np.concatenate([left, alone])
    order = np.argsort(every, kind="stable")
    return (
        every[order],
        np.concatenate([right, nothing])[order],
        np.concatenate([separation, unknown])[order],
    )


def _table(
    left: Side,
    right: Side,
    left_rows: pa.Table,
    right_rows: pa.Table,
    rows: tuple[np.ndarray, ...],
    match: Match,
) -> pa.Table:
    import pyarrow as pa

    def taken(table: pa.Table, kept: tuple[str, ...], chosen: np.ndarray) -> pa.Table:
        # A table without columns has no rows that could be taken.
        if not kept:
            return pa.table({})
        return table.select(kept).take(pa.array(chosen, mask=chosen < 0))

    own = taken(left_rows, left.kept, rows[0])
    if match.join == "anti":
        return own
    return combine_arrow(own, taken(right_rows, right.kept, rows[1]), rows[2], match.suffixes)


def _some_offsets(
    pairs: Matches, left_rows: np.ndarray, kept: np.ndarray, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of the pairs of every n-th left row: a picture needs no more.

    Which ones the row numbers tell, so that patches make no difference.
    """
    step = n_rows // MAX_OFFSETS + 1
    chosen = np.flatnonzero(kept & (left_rows % step == 0))
    some = dataclasses.replace(
        pairs,
        left=pairs.left[chosen],
        right=pairs.right[chosen],
        separation=pairs.separation[chosen],
    )
    return some.offsets
