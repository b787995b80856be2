"""What an attribution gives back: what each point, and each transit, contributes to a score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from ..._saved import load_arrays, save_arrays
from ..._words import counted
from ...plugins.arrays import HOST, array_kind, on_host, read_only
from ...plugins.records import Provenance
from ..inputs import SearchInput
from ..saved import description, flux_unit, in_words, light_curve_arrays, light_curve_of
from ..unchanging import Unchanging

if TYPE_CHECKING:
    from astropy.table import QTable

FORMAT = "armillary.search.Attribution 1"

#: What a file and a table say, besides the points.
NUMBERS = ("period", "t0", "duration", "score", "depth", "depth_err", "level", "sharpness")


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Unchanging):
    """What each point contributes to the score of a candidate.

    All arrays that it keeps on the host are read-only.

    Where the light curve is on a device, so is ``contribution``. Everything else is made on the
    host, of a copy that is taken when it is first needed.

    Attributes
    ----------
    contribution : ndarray, shape (n,)
        Part of the score that comes from each point; they add up to ``score``.
    period, t0, duration : float
        The candidate (days); ``t0`` in the input's time system, as it was given.
    score : float
        ``depth / depth_err``.
    depth, depth_err, level : float
        In the unit of the flux; ``level`` is the fitted level out of transit.
    sharpness : float
        How steep the edges of the template are.
    light_curve : SearchInput
        The points, sorted, with times relative to the first.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    contribution: np.ndarray
    period: float
    t0: float
    duration: float
    score: float
    depth: float
    depth_err: float
    level: float
    sharpness: float
    light_curve: SearchInput
    provenance: Provenance

    def on_host(self) -> Attribution:
        """The same with all arrays on the host, where they are not there already."""
        return self if array_kind(self.contribution) == HOST else self._host_copy

    @cached_property
    def _host_copy(self) -> Attribution:
        contribution = on_host(self.contribution)
        read_only(contribution)
        return replace(self, contribution=contribution, light_curve=self.light_curve.on_host())

    # ------------------------------------------------------------ point by point

    @property
    def time(self) -> np.ndarray:
        """Time of each point (days), in the input's time system; shape (n,)."""
        return self.light_curve.epoch + self.on_host().light_curve.time

    @cached_property
    def transit(self) -> np.ndarray:
        """Number of the transit nearest to each point, 0 for the one at ``t0``; int64, (n,)."""
        transit = np.floor(self._elapsed / self.period + 0.5).astype(np.int64)
        read_only(transit)
        return transit

    @cached_property
    def offset(self) -> np.ndarray:
        """Days of each point from the nearest mid-transit, negative before it; shape (n,)."""
        offset = self._elapsed - self.transit * self.period
        read_only(offset)
        return offset

    @property
    def _elapsed(self) -> np.ndarray:
        """Days since ``t0``, rounded as in reference.py, where cycles are counted the same way."""
        return self.on_host().light_curve.time - (self.t0 - self.light_curve.epoch)

    @property
    def relative_depth(self) -> float:
        """``depth / level``; NaN where the level is not positive."""
        return self.depth / self.level if self.level > 0 else float("nan")

    def model(self, offset: np.ndarray) -> np.ndarray:
        """The fitted flux at a distance (days) from mid-transit."""
        distance = np.abs(np.asarray(offset))
        steepness = self.sharpness / self.duration
        return self.level - self.depth * expit(steepness * (0.5 * self.duration - distance))

    @property
    def n_effective(self) -> float:
        """How many points carry the score: exp of the entropy of their shares.

        The share of a point is ``abs(contribution)`` over the sum of these. 1 if one point
        carries everything, n if all carry the same, 0 if there is nothing to carry.
        """
        size = np.abs(self.on_host().contribution)
        if not size.any():
            return 0.0
        share = size[size > 0] / size.sum()
        return float(np.exp(-(share * np.log(share)).sum()))

    # ------------------------------------------------------------ transit by transit

    @property
    def transits(self) -> np.ndarray:
        """Numbers of the transits that points are nearest to, ascending; shape (k,)."""
        return np.unique(self.transit)

    @property
    def n_transits(self) -> int:
        """Transits with points within half a duration."""
        return int(np.count_nonzero(self.transit_points))

    @property
    def transit_points(self) -> np.ndarray:
        """How many points are within half a duration of each of :attr:`transits`; shape (k,)."""
        transits, own = np.unique(self.transit, return_inverse=True)
        inside = np.abs(self.offset) <= 0.5 * self.duration
        return np.bincount(own[inside], minlength=len(transits))

    @property
    def transit_contribution(self) -> np.ndarray:
        """Part of the score that comes from each of :attr:`transits`; shape (k,)."""
        _, own = np.unique(self.transit, return_inverse=True)
        return np.bincount(own, weights=self.on_host().contribution)

    # ------------------------------------------------------------ tables, files, pictures

    def to_table(self) -> QTable:
        """The points as an astropy ``QTable`` with units.

        ``time``, ``flux``, ``flux_err``, ``transit``, ``offset``, ``contribution``; candidate,
        score and provenance are in ``meta``.
        """
        from astropy import units
        from astropy.table import QTable

        host = self.on_host()
        unit = flux_unit(self.light_curve)
        columns = {
            "time": self.time * units.day,
            "flux": host.light_curve.flux * unit,
            "flux_err": host.light_curve.flux_err * unit,
            "transit": self.transit,
            "offset": self.offset * units.day,
            "contribution": host.contribution,
        }
        return QTable(columns, meta=self._meta())

    def to_transit_table(self) -> QTable:
        """The transits as an astropy ``QTable`` with units.

        ``transit``, ``t0``, ``n_points`` (within half a duration), ``contribution``.
        """
        from astropy import units
        from astropy.table import QTable

        transits = self.transits
        columns = {
            "transit": transits,
            "t0": (self.t0 + transits * self.period) * units.day,
            "n_points": self.transit_points,
            "contribution": self.transit_contribution,
        }
        return QTable(columns, meta=self._meta())

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
        host = self.on_host()
        arrays = {"contribution": host.contribution} | light_curve_arrays(host.light_curve)
        save_arrays(path, FORMAT, self._meta(), arrays)

    @classmethod
    def load(cls, path: str | Path) -> Attribution:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no attribution.
        """
        header, arrays = load_arrays(path, FORMAT, "attribution")
        return cls(
            contribution=arrays["contribution"],
            **{name: header[name] for name in NUMBERS},
            light_curve=light_curve_of(header, arrays),
            provenance=Provenance.from_dict(header["provenance"]),
        )

    def plot(self, **options: Any) -> Any:
        """Light curve and folded light curve coloured by contribution, and the sum by transit.

        Parameters
        ----------
        **options
            Passed to :func:`armillary.plot.attribution.plot_attribution`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ...plot.attribution import plot_attribution

        return plot_attribution(self, **options)

    def __repr__(self) -> str:
        return (
            f"Attribution of a score of {self.score:.2f} in {in_words(self.light_curve)}\n"
            f"  period {self.period:.6f} d, t0 {self.t0:.5f}, duration {24 * self.duration:.2f} h\n"
            f"  {counted(self.n_transits, 'transit')}, of which the strongest contributes "
            f"{self.transit_contribution.max():.2f}; "
            f"{counted(round(self.n_effective), 'effective point')}\n"
            f"  {self.provenance}"
        )
