"""What a box search gives back: the spectrum, its peaks, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._saved import load_arrays, save_arrays
from ...plugins.arrays import HOST, array_kind, namespace, on_host, read_only
from ...plugins.records import Provenance
from ..inputs import SearchInput
from ..saved import description, flux_unit, light_curve_arrays, light_curve_of
from ..unchanging import Unchanging
from .refine import SAME_TIME, Box, UnbinnedSearch
from .statistics import signal_detection_efficiency

if TYPE_CHECKING:
    from astropy.table import QTable

FORMAT = "armillary.search.Periodogram 1"

#: The arrays of a spectrum, in the order of their columns, with their units.
ARRAYS = {
    "period": "d",
    "delta_chi2": "",
    "depth": "flux",
    "depth_err": "flux",
    "t0": "d",
    "duration": "d",
    "level": "flux",
}

#: Those that a backend computes.
RESULTS = tuple(name for name in ARRAYS if name != "period")

#: Those of the grid of durations.
TRIALS = ("trial_durations", "duration_start", "duration_stop")

#: What binning may take off a peak: a box of n bins may miss a bin at either end.
LOSS_OF_ONE_BIN, LARGEST_LOSS = 2.0, 0.8
#: How many trial periods of a peak are compared unbinned.
MAX_RIVALS = 5
#: How many maxima are refined in search of the k best: as many for one as for a few, so that
#: `best` is the first of `peaks`, and some more than asked for.
FEWEST_MAXIMA, MORE_MAXIMA = 5, 5
#: A point this near (days) to the edge of a box is inside. A box ends in the middle between the
#: points that it parts, so that this is as far as it can be from both.
EDGE = 0.5 * SAME_TIME


@dataclass(frozen=True, slots=True)
class Peak:
    """A candidate, refined on the unbinned points.

    Attributes
    ----------
    period, t0, duration : float
        Days; ``t0`` is the first mid-transit at or after the first time, in the
        time system of the input.
    depth, depth_err, level : float
        In the unit of the flux; ``level`` is the mean out of transit.
    relative_depth : float
        ``depth / level``; NaN where the level is not positive.
    delta_chi2, snr : float
        Improvement over a constant flux, and its square root.
    sde : float
        Signal detection efficiency of the trial period that the peak was refined from.
    n_transits : int
        Transits with points inside.
    n_points : int
        Points in transit.
    """

    period: float
    t0: float
    duration: float
    depth: float
    depth_err: float
    level: float
    relative_depth: float
    delta_chi2: float
    snr: float
    sde: float
    n_transits: int
    n_points: int

    def to_dict(self) -> dict[str, float]:
        """The fields as a plain dictionary."""
        return asdict(self)

    def in_transit(self, time: np.ndarray) -> np.ndarray:
        """True for times (in the system of the input) within half a duration of mid-transit."""
        return np.abs(self.offset(time)) <= 0.5 * self.duration + EDGE

    def offset(self, time: np.ndarray) -> np.ndarray:
        """Days from the nearest mid-transit, between minus and plus half a period."""
        cycle = (np.asarray(time) - self.t0) / self.period
        return (cycle - np.rint(cycle)) * self.period


@dataclass(frozen=True, eq=False, repr=False)
class Periodogram(Unchanging):
    """The result of a box search: one entry per period, in the order of the input grid.

    A period without a dimming has ``delta_chi2`` 0 and NaN elsewhere; one for which no
    duration was short enough has NaN everywhere. All arrays that it keeps on the host are
    read-only.

    Where the light curve is on a device, so are ``delta_chi2`` to ``level``, ``snr`` and
    ``relative_depth``. Everything else (``sde``, peaks, tables, files, pictures, ``repr``) is
    made on the host, of a copy that is taken when it is first needed.

    Attributes
    ----------
    period : ndarray, shape (n,)
        Trial periods (days).
    delta_chi2 : ndarray, shape (n,)
        Improvement in chi2 of the best box over a constant flux.
    depth, depth_err : ndarray, shape (n,)
        Mean level out of transit minus mean level in transit, in the unit of the flux.
    t0 : ndarray, shape (n,)
        First mid-transit at or after the first time, in the input's time system.
    duration : ndarray, shape (n,)
        Duration (days) of the best box.
    level : ndarray, shape (n,)
        Fitted level out of transit, in the unit of the flux.
    light_curve : SearchInput
        The points that were searched, sorted, with times relative to the first.
    trial_durations, duration_start, duration_stop : ndarray
        Every duration (days), and the run of them tried at each period.
    n_skipped : int
        Pairs of period and duration left out because the duration is not shorter.
    oversample : int
        Phase bins in the shortest duration of a period.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    period: np.ndarray
    delta_chi2: np.ndarray
    depth: np.ndarray
    depth_err: np.ndarray
    t0: np.ndarray
    duration: np.ndarray
    level: np.ndarray
    light_curve: SearchInput
    trial_durations: np.ndarray
    duration_start: np.ndarray
    duration_stop: np.ndarray
    n_skipped: int
    oversample: int
    provenance: Provenance

    # ------------------------------------------------------------ derived arrays

    @property
    def snr(self) -> np.ndarray:
        """Signal-to-noise ratio of the depth, the square root of ``delta_chi2``."""
        return namespace(array_kind(self.delta_chi2)).sqrt(self.delta_chi2)

    @property
    def relative_depth(self) -> np.ndarray:
        """Depth in units of the fitted level out of transit; NaN where that is not positive."""
        xp = namespace(array_kind(self.level))
        return self.depth / xp.where(self.level > 0, self.level, np.nan)

    @cached_property
    def sde(self) -> np.ndarray:
        """Signal detection efficiency of every period.

        With ``SR = chi2_min / chi2(P)``, the running median of SR over 91 periods is
        subtracted to remove its rise with period, and the rest is measured in units of
        its standard deviation (Hippke & Heller 2019, section 2.5). On a grid of at most
        182 periods it is ``(SR - mean(SR)) / std(SR)``.
        """
        host = self.on_host()
        sde = signal_detection_efficiency(
            host.period, host.delta_chi2, host._unbinned.chi2_constant
        )
        read_only(sde)
        return sde

    @property
    def n_used(self) -> int:
        """Points that were searched."""
        return len(self.light_curve.time)

    @property
    def n_dropped(self) -> int:
        """Points left out: time, flux or error masked, NaN or infinite, or flagged in a file."""
        return self.light_curve.n_dropped

    @property
    def flux_err_source(self) -> str:
        """Where the errors came from: "given", or how they were estimated."""
        return self.light_curve.flux_err_source

    def on_host(self) -> Periodogram:
        """The same with all arrays on the host, where they are not there already."""
        return self if array_kind(self.delta_chi2) == HOST else self._host_copy

    @cached_property
    def _host_copy(self) -> Periodogram:
        arrays = {name: on_host(getattr(self, name)) for name in RESULTS}
        read_only(*arrays.values())
        return replace(self, **arrays, light_curve=self.light_curve.on_host())

    # ------------------------------------------------------------ peaks

    @cached_property
    def best(self) -> Peak:
        """The highest peak, refined on the unbinned points.

        Raises
        ------
        ValueError
            If no period has a dimming.
        """
        found = self.peaks(1)
        if not found:
            raise ValueError("no period of the grid has a dimming; there is no best peak")
        return found[0]

    def peaks(self, k: int = 5) -> list[Peak]:
        """The highest peaks of the spectrum, refined on the unbinned points.

        Two trial periods belong to one peak when over the time span they differ by less
        than one cycle. Harmonics are peaks of their own.

        Parameters
        ----------
        k : int
            Most peaks to give.

        Returns
        -------
        list of Peak
            By falling ``delta_chi2``; fewer than ``k`` where there are not as many.

        Raises
        ------
        ValueError
            If ``k`` is less than 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        return self.on_host()._peaks(k)

    def _peaks(self, k: int) -> list[Peak]:
        found: list[Peak] = []
        for n, territory in enumerate(self._territories()):
            # Refinement may raise a maximum above those before it, by what binning may take.
            raised = self.delta_chi2[territory[0]] / (1.0 - self._binning_loss)
            settled = len(found) >= k and raised < found[k - 1].delta_chi2
            if settled or n >= max(k, FEWEST_MAXIMA) + MORE_MAXIMA:
                break
            peak = self._refined(territory)
            if peak is not None:
                found = self._separate([*found, peak])
        return found[:k]

    @property
    def _binning_loss(self) -> float:
        return min(LARGEST_LOSS, LOSS_OF_ONE_BIN / self.oversample)

    def _territories(self) -> Iterator[np.ndarray]:
        """The trial periods of each maximum, the highest first and each period only once."""
        height = np.where(self.delta_chi2 > 0, self.delta_chi2, -np.inf)
        while height.max() > 0:
            top = int(np.argmax(height))
            near = self._same_peak(1.0 / self.period, 1.0 / self.period[top])
            members = np.flatnonzero(near & (height > 0))
            yield members[np.argsort(-height[members], kind="stable")]
            height[near] = -np.inf

    def _same_peak(self, frequency: Any, other: float) -> Any:
        """Whether orbits differ by less than one cycle over the time span."""
        return np.abs(frequency - other) * self.light_curve.span < 1.0

    def _separate(self, peaks: list[Peak]) -> list[Peak]:
        """The peaks by falling height, without those that refinement moved onto a higher one."""
        separate: list[Peak] = []
        for peak in sorted(peaks, key=lambda peak: -peak.delta_chi2):
            if not any(self._same_peak(1.0 / p.period, 1.0 / peak.period) for p in separate):
                separate.append(peak)
        return separate

    def _refined(self, territory: np.ndarray) -> Peak | None:
        """The candidate at a maximum; None if its dimming is one of the bins only."""
        # The binning may have put the best trial period behind the highest.
        least = (1.0 - self._binning_loss) * self.delta_chi2[territory[0]]
        rivals = territory[self.delta_chi2[territory] >= least][:MAX_RIVALS]
        found = [(self._unbinned_box(i), int(i)) for i in rivals]
        boxes = [(box, i) for box, i in found if box is not None]
        if not boxes:
            return None
        box, index = max(boxes, key=lambda candidate: candidate[0].score)
        box = self._unbinned.refine(box, self._durations(index))
        return self._peak(box, float(self.sde[index]))

    def _durations(self, index: int) -> np.ndarray:
        return self.trial_durations[self.duration_start[index] : self.duration_stop[index]]

    def _unbinned_box(self, index: int) -> Box | None:
        return self._unbinned.best_box(float(self.period[index]), self._durations(index))

    def _peak(self, box: Box, sde: float) -> Peak:
        weight_out = self._unbinned.total - box.weight_in
        depth = -box.signal_in / box.weight_in - box.signal_in / weight_out
        level = self._unbinned.mean - box.signal_in / weight_out
        cycle = (self.light_curve.time - box.t0) / box.period
        inside = np.abs(cycle - np.rint(cycle)) * box.period <= 0.5 * box.duration + EDGE
        return Peak(
            period=float(box.period),
            t0=float(self.light_curve.epoch + box.t0 - box.period * np.floor(box.t0 / box.period)),
            duration=box.duration,
            depth=depth,
            depth_err=float(np.sqrt(1.0 / box.weight_in + 1.0 / weight_out)),
            level=level,
            relative_depth=depth / level if level > 0 else float("nan"),
            delta_chi2=box.score,
            snr=float(np.sqrt(box.score)),
            sde=sde,
            n_transits=len(np.unique(np.rint(cycle[inside]))),
            n_points=int(np.count_nonzero(inside)),
        )

    @cached_property
    def _unbinned(self) -> UnbinnedSearch:
        lc = self.light_curve
        return UnbinnedSearch(lc.time, lc.flux, lc.flux_err)

    # ------------------------------------------------------------ tables, files, pictures

    def to_table(self) -> QTable:
        """The spectrum as an astropy ``QTable`` with units.

        ``period``, ``delta_chi2``, ``snr``, ``depth``, ``depth_err``, ``t0``, ``duration``,
        ``level``; the provenance and the counts are in ``meta``.
        """
        from astropy import units
        from astropy.table import QTable

        meaning = {
            "d": units.day,
            "flux": flux_unit(self.light_curve),
            "": units.dimensionless_unscaled,
        }
        host = self.on_host()
        table = QTable(meta=self._meta())
        for name, unit in ARRAYS.items():
            table[name] = getattr(host, name) * meaning[unit]
        table["snr"] = host.snr
        return table

    def _meta(self) -> dict[str, Any]:
        return {
            **description(self.light_curve),
            "n_skipped": self.n_skipped,
            "oversample": self.oversample,
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
        arrays = {name: getattr(host, name) for name in (*ARRAYS, *TRIALS)}
        save_arrays(path, FORMAT, self._meta(), arrays | light_curve_arrays(host.light_curve))

    @classmethod
    def load(cls, path: str | Path) -> Periodogram:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a periodogram.
        """
        header, arrays = load_arrays(path, FORMAT, "periodogram")
        return cls(
            **{name: arrays[name] for name in (*ARRAYS, *TRIALS)},
            light_curve=light_curve_of(header, arrays),
            n_skipped=header["n_skipped"],
            oversample=header["oversample"],
            provenance=Provenance.from_dict(header["provenance"]),
        )

    def plot(self, peak: Peak | None = None, **options: Any) -> Any:
        """Periodogram, light curve with the transits marked, and folded light curve.

        Parameters
        ----------
        peak : Peak, optional
            The candidate to show; None means :attr:`best`.
        **options
            Passed to :func:`armillary.plot.periodogram.plot_periodogram`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ...plot.periodogram import plot_periodogram

        host = self.on_host()
        return plot_periodogram(host, host.best if peak is None else peak, **options)

    def __repr__(self) -> str:
        lc = self.light_curve
        lines = [
            f"Periodogram of {lc.target or 'a light curve'}: {len(self.period):,} periods from "
            f"{self.period.min():.6g} to {self.period.max():.6g} d, {self.n_used:,} points over "
            f"{lc.span:.6g} d ({self.n_dropped:,} dropped)",
        ]
        if np.any(self.on_host().delta_chi2 > 0):
            best = self.best
            lines.append(
                f"  best: period {best.period:.6f} d, t0 {best.t0:.5f}, duration "
                f"{24 * best.duration:.2f} h, depth {_in_words(best, lc.flux_unit)}, "
                f"S/N {best.snr:.1f}, SDE {best.sde:.1f}, {best.n_transits} transits"
            )
        else:
            lines.append("  no dimming at any period")
        if self.flux_err_source != "given":
            lines.append(f"  errors: {self.flux_err_source}")
        lines.append(f"  {self.provenance}")
        return "\n".join(lines)


def _in_words(peak: Peak, flux_unit: str) -> str:
    """A depth in ppm, or in the unit of a flux that is no fraction of a positive level."""
    if 0 < peak.relative_depth <= 1:
        return f"{1e6 * peak.relative_depth:.0f} ppm"
    return f"{peak.depth:.6g} {flux_unit}".strip()
