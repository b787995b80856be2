"""Two catalogues, which pairs of them count, and what a backend of ``crossmatch`` returns.

Peers work on unit vectors or radians, whose rounding moves a position by up to about 1e-15 rad,
so they only propose candidates. Their separations are computed again from the coordinates,
and radius, order and ties are decided by those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from armillary.crossmatch.sky.reference import separation

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]

#: More than the rounding of a chord: that of two positions, a few 1e-16 rad in each coordinate.
ROUNDING = 4e-15

#: The chord of half a circle, and half a circle (arcsec).
DIAMETER = 2.0
HALF_CIRCLE = 648_000.0


@dataclass(frozen=True, slots=True)
class Sky:
    """Two catalogues and which of their pairs count; the canonical arguments."""

    left_ra: np.ndarray
    left_dec: np.ndarray
    right_ra: np.ndarray
    right_dec: np.ndarray
    radius: np.ndarray
    right_radius: np.ndarray | None
    min_radius: float
    with_itself: bool = False

    @property
    def only_radius(self) -> bool:
        """Whether nothing but the radius of a left row keeps the nearest from being its match."""
        return self.right_radius is None and self.min_radius == 0.0 and not self.with_itself

    def chords(self, rows: np.ndarray) -> np.ndarray:
        """Of some left rows: none of their matches has a longer chord, not even a rounded one."""
        limit = self.radius if len(self.radius) == 1 else self.radius[rows]
        if self.right_radius is not None:
            limit = np.hypot(limit, self.right_radius.max())
        return np.broadcast_to(chord(limit) + ROUNDING, rows.shape)

    def longest_chord(self) -> float:
        """No match at all has a longer chord."""
        return float(self.chords(np.array([np.argmax(self.radius)]))[0])

    def with_right_rows(self, rows: np.ndarray) -> Sky:
        """The same with a part of the right catalogue."""
        return replace(self, right_ra=self.right_ra[rows], right_dec=self.right_dec[rows])

    def separations(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Of pairs of rows (arcsec)."""
        return separation(
            self.left_ra[left], self.left_dec[left], self.right_ra[right], self.right_dec[right]
        )

    def counts(self, left: np.ndarray, right: np.ndarray, apart: np.ndarray) -> np.ndarray:
        """Whether pairs of rows that are this far apart are matches."""
        limit = self.radius if len(self.radius) == 1 else self.radius[left]
        if self.right_radius is not None:
            limit = np.hypot(limit, self.right_radius[right])
        good = (apart <= limit) & (apart >= self.min_radius)
        return good & (right > left) if self.with_itself else good


def chord(arcsec: np.ndarray) -> np.ndarray:
    """The chord that belongs to an angle, up to half a circle; infinite for an infinite angle."""
    length = DIAMETER * np.sin(np.pi / 2.0 * np.minimum(arcsec, HALF_CIRCLE) / HALF_CIRCLE)
    return np.where(np.isinf(arcsec), np.inf, length)


def pairs_of(sky: Sky, left: np.ndarray, right: np.ndarray) -> Pairs:
    """Those of the candidates that are matches, in order; candidates come in any order."""
    apart = sky.separations(left, right)
    counted = sky.counts(left, right, apart)
    left, right, apart = left[counted], right[counted], apart[counted]
    order = np.lexsort((right, apart, left))
    return left[order], right[order], apart[order]


def every_pair(left: np.ndarray, n_right: int) -> tuple[np.ndarray, np.ndarray]:
    """All right rows as candidates of these left rows."""
    return np.repeat(left, n_right), np.tile(np.arange(n_right), len(left))


def in_order(found: list[Pairs]) -> dict[str, np.ndarray]:
    """Parts, each with all pairs of some left rows in order, as a backend returns them."""
    left, right, apart = (np.concatenate(column) for column in zip(*found, strict=True))
    if np.any(left[1:] < left[:-1]):
        order = np.argsort(left, kind="stable")
        left, right, apart = left[order], right[order], apart[order]
    return {"left": left, "right": right, "separation": apart}


def nothing() -> dict[str, np.ndarray]:
    """What a backend returns where one of the catalogues is empty."""
    rows = np.empty(0, np.int64)
    return {"left": rows, "right": rows.copy(), "separation": np.empty(0)}
