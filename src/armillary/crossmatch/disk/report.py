"""What a match on disk tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...plugins.records import Provenance
from ..statistics import PairStatistics


@dataclass(frozen=True, eq=False, repr=False)
class CatalogsReport:
    """What became of the rows of two catalogues.

    Attributes
    ----------
    out : Path or None
        Where the result is; None if nothing was written.
    n_left, n_right : int
        Rows read.
    n_dropped_left, n_dropped_right : int
        Rows that can match nothing, because their position (or error) is unknown.
    n_pairs : int
        Matches.
    n_matched_left, n_matched_right : int
        Rows that are in at least one of them.
    n_written : int
        Rows of the result.
    statistics : PairStatistics
        Histograms of separations and, of at most some millions of pairs, of offsets.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    out: Path | None
    n_left: int
    n_right: int
    n_dropped_left: int
    n_dropped_right: int
    n_pairs: int
    n_matched_left: int
    n_matched_right: int
    n_written: int
    statistics: PairStatistics
    provenance: Provenance

    @property
    def n_unmatched_left(self) -> int:
        """Left rows without a match, those without a position included."""
        return self.n_left - self.n_matched_left

    @property
    def n_unmatched_right(self) -> int:
        """Right rows without a match, those without a position included."""
        return self.n_right - self.n_matched_right

    def plot(self, **options: Any) -> Any:
        """Histogram of separations, and the cloud of offsets; see :meth:`Matches.plot`."""
        from ...plot.matches import plot_matches

        return plot_matches(self, **options)

    def __repr__(self) -> str:
        median = self.statistics.describe_median(digits=4)
        apart = f", median separation {median} arcsec" if median else ""
        lines = [
            f"{self.n_pairs:,} matches of {self.n_left:,} with {self.n_right:,} rows{apart}",
            f"  left:  {self.n_matched_left:,} matched, {self.n_unmatched_left:,} not, "
            f"{self.n_dropped_left:,} of them dropped",
            f"  right: {self.n_matched_right:,} matched, {self.n_unmatched_right:,} not, "
            f"{self.n_dropped_right:,} of them dropped",
        ]
        if self.out is not None:
            lines.append(f"  {self.n_written:,} rows in {self.out}")
        lines.append(f"  {self.provenance}")
        return "\n".join(lines)
