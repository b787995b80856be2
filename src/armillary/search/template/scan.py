"""What a scan of t0 gives back: the score along it, and where it is highest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._saved import load_arrays, save_arrays
from ...plugins.records import Provenance
from ..inputs import SearchInput
from ..saved import description, in_words, light_curve_arrays, light_curve_of
from ..unchanging import Unchanging

if TYPE_CHECKING:
    from astropy.table import QTable

FORMAT = "armillary.search.T0Scan 1"

#: What a file and a table say, besides the grid.
NUMBERS = ("period", "duration", "best_t0", "best_score", "sharpness")


@dataclass(frozen=True, eq=False, repr=False)
class T0Scan(Unchanging):
    """Scores of a candidate along its mid-transit.

    The few numbers of the grid are on the host, wherever the light curve is. All arrays that
    it keeps on the host are read-only.

    Attributes
    ----------
    t0 : ndarray, shape (n,)
        The grid (days), in the input's time system; the t0 that was given is in the middle.
    score : ndarray, shape (n,)
        Score at each; NaN where there is next to no weight in transit, or out of it.
    best_t0, best_score : float
        The highest score: of the grid, or of the parabola through its highest, if higher. It may
        be where the scan ends (:attr:`at_end`).
    period, duration : float
        The candidate (days).
    sharpness : float
        How steep the edges of the template are.
    light_curve : SearchInput
        The points, sorted, with times relative to the first.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    t0: np.ndarray
    score: np.ndarray
    best_t0: float
    best_score: float
    period: float
    duration: float
    sharpness: float
    light_curve: SearchInput
    provenance: Provenance

    @property
    def given_t0(self) -> float:
        """The t0 that the scan is around."""
        return float(self.t0[len(self.t0) // 2])

    @property
    def given_score(self) -> float:
        """The score at the t0 that was given."""
        return float(self.score[len(self.t0) // 2])

    @property
    def gain(self) -> float:
        """How much the score rises from the t0 that was given to the best."""
        return self.best_score - self.given_score

    @property
    def at_end(self) -> bool:
        """Whether the best t0 is where the scan ends, so that a better one may be beyond."""
        return self.best_t0 in (self.t0[0], self.t0[-1])

    def to_table(self) -> QTable:
        """The grid as an astropy ``QTable``: ``t0``, ``score``; the rest is in ``meta``."""
        from astropy import units
        from astropy.table import QTable

        return QTable({"t0": self.t0 * units.day, "score": self.score}, meta=self._meta())

    def _meta(self) -> dict[str, Any]:
        return {
            **description(self.light_curve),
            **{name: getattr(self, name) for name in NUMBERS},
            "provenance": self.provenance.to_dict(),
        }

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file, through a temporary name.

        Raises
        ------
        OSError
            If the file cannot be written; an older file at ``path`` is then untouched.
        """
        grid = {"t0": self.t0, "score": self.score}
        save_arrays(path, FORMAT, self._meta(), grid | light_curve_arrays(self.light_curve))

    @classmethod
    def load(cls, path: str | Path) -> T0Scan:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no scan of t0.
        """
        header, arrays = load_arrays(path, FORMAT, "scan of t0")
        return cls(
            t0=arrays["t0"],
            score=arrays["score"],
            **{name: header[name] for name in NUMBERS},
            light_curve=light_curve_of(header, arrays),
            provenance=Provenance.from_dict(header["provenance"]),
        )

    def plot(self, **options: Any) -> Any:
        """The score along t0, with the t0 that was given and the best marked.

        Parameters
        ----------
        **options
            Passed to :func:`armillary.plot.scores.plot_t0_scan`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ...plot.scores import plot_t0_scan

        return plot_t0_scan(self, **options)

    def __repr__(self) -> str:
        ending = " (where the scan ends)" if self.at_end else ""
        return (
            f"T0Scan of {len(self.t0)} t0 from {self.t0[0]:.5f} to {self.t0[-1]:.5f} in "
            f"{in_words(self.light_curve)}\n"
            f"  period {self.period:.6f} d, duration {24 * self.duration:.2f} h\n"
            f"  best: t0 {self.best_t0:.5f}{ending}, score {self.best_score:.2f}; given: t0 "
            f"{self.given_t0:.5f}, score {self.given_score:.2f}\n"
            f"  {self.provenance}"
        )
