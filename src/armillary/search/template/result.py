"""What template scores give back: how well each candidate does, and the best of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from ..._saved import load_arrays, save_arrays
from ..._words import counted
from ...plugins.arrays import HOST, array_kind, on_host, read_only
from ...plugins.records import Provenance
from ..inputs import SearchInput
from ..saved import description, flux_unit, in_words, light_curve_arrays, light_curve_of
from ..unchanging import Unchanging
from .candidates import positive_number

if TYPE_CHECKING:
    from astropy.table import QTable

FORMAT = "armillary.search.TemplateScores 1"

#: The arrays of scores, in the order of their columns, with their units.
ARRAYS = {
    "period": "d",
    "t0": "d",
    "duration": "d",
    "score": "",
    "depth": "flux",
    "depth_err": "flux",
    "level": "flux",
}
#: Those that a backend computes, besides the gradient.
RESULTS = ("score", "depth", "depth_err", "level")
#: What a gradient is of, in the order of its columns.
PARAMETERS = ("period", "t0", "duration")
#: Softer than 1, so that a score one sigma higher has e**2 times the weight.
DEFAULT_TEMPERATURE = 0.5


@dataclass(frozen=True, slots=True)
class TemplateScore:
    """A candidate and how well it does.

    Attributes
    ----------
    period, t0, duration : float
        Days; ``t0`` as it was given.
    score : float
        ``depth / depth_err``; negative for a brightening.
    depth, depth_err, level : float
        In the unit of the flux; ``level`` is the fitted level out of transit.
    """

    period: float
    t0: float
    duration: float
    score: float
    depth: float
    depth_err: float
    level: float

    def to_dict(self) -> dict[str, float]:
        """The fields as a plain dictionary."""
        return asdict(self)


@dataclass(frozen=True, eq=False, repr=False)
class TemplateScores(Unchanging):
    """Scores of candidates, one entry each, in their order.

    A candidate with next to no weight in transit, or out of it, has NaN. All arrays that it
    keeps on the host are read-only.

    Where the light curve is on a device, so are ``score`` to ``gradient``. Everything else (the
    best, weights, tables, files, ``repr``) is made on the host, of a copy that is taken when it is
    first needed.

    Attributes
    ----------
    period, t0, duration : ndarray, shape (m,)
        The candidates (days); ``t0`` in the input's time system, as it was given.
    score : ndarray, shape (m,)
        ``depth / depth_err``: its square is the improvement in chi2 over a constant flux;
        negative for a brightening.
    depth, depth_err : ndarray, shape (m,)
        Fitted depth and its error, in the unit of the flux.
    level : ndarray, shape (m,)
        Fitted level out of transit, in the unit of the flux.
    gradient : ndarray, shape (m, 3), or None
        Derivatives of the score by period, t0 and duration (1 / d), if they were asked for.
    sharpness : float
        How steep the edges of the template are.
    light_curve : SearchInput
        The points, sorted, with times relative to the first.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    period: np.ndarray
    t0: np.ndarray
    duration: np.ndarray
    score: np.ndarray
    depth: np.ndarray
    depth_err: np.ndarray
    level: np.ndarray
    gradient: np.ndarray | None
    sharpness: float
    light_curve: SearchInput
    provenance: Provenance

    @property
    def best(self) -> TemplateScore:
        """The candidate with the highest score; the first of them if there are several.

        Raises
        ------
        ValueError
            If no candidate has a score.
        """
        host = self.on_host()
        if np.isnan(host.score).all():
            raise ValueError("no candidate has points in and out of transit; none is the best")
        i = int(np.nanargmax(host.score))
        return TemplateScore(**{name: float(getattr(host, name)[i]) for name in ARRAYS})

    def weights(self, temperature: float = DEFAULT_TEMPERATURE) -> np.ndarray:
        """Softmax weights of the candidates: for averages, not probabilities.

        Parameters
        ----------
        temperature : float
            A score higher by this much has e times the weight.

        Returns
        -------
        ndarray, shape (m,)
            ``exp(score / temperature)`` over its sum; NaN where the score is unknown.

        Raises
        ------
        ValueError
            If ``temperature`` is not positive and finite.
        """
        temperature = positive_number("temperature", temperature)
        score = self.on_host().score
        known = ~np.isnan(score)
        weights = np.full(len(score), np.nan)
        if known.any():
            # Relative to the highest, which no temperature makes infinite.
            with np.errstate(over="ignore"):
                weights[known] = softmax((score[known] - score[known].max()) / temperature)
        return weights

    def on_host(self) -> TemplateScores:
        """The same with all arrays on the host, where they are not there already."""
        return self if array_kind(self.score) == HOST else self._host_copy

    @cached_property
    def _host_copy(self) -> TemplateScores:
        arrays = {name: on_host(getattr(self, name)) for name in (*RESULTS, "gradient")}
        read_only(*arrays.values())
        return replace(self, **arrays, light_curve=self.light_curve.on_host())

    def to_table(self) -> QTable:
        """The scores as an astropy ``QTable`` with units.

        ``period``, ``t0``, ``duration``, ``score``, ``depth``, ``depth_err``, ``level``, and
        ``dscore_dperiod``, ``dscore_dt0``, ``dscore_dduration`` where there is a gradient;
        the provenance is in ``meta``.
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
        if host.gradient is not None:
            for name, column in zip(PARAMETERS, host.gradient.T, strict=True):
                table[f"dscore_d{name}"] = column / units.day
        return table

    def _meta(self) -> dict[str, Any]:
        return {
            **description(self.light_curve),
            "sharpness": self.sharpness,
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
        arrays = {name: getattr(host, name) for name in ARRAYS}
        if host.gradient is not None:
            arrays["gradient"] = host.gradient
        save_arrays(path, FORMAT, self._meta(), arrays | light_curve_arrays(host.light_curve))

    @classmethod
    def load(cls, path: str | Path) -> TemplateScores:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no template scores.
        """
        header, arrays = load_arrays(path, FORMAT, "template scores")
        return cls(
            **{name: arrays[name] for name in ARRAYS},
            gradient=arrays.get("gradient"),
            sharpness=header["sharpness"],
            light_curve=light_curve_of(header, arrays),
            provenance=Provenance.from_dict(header["provenance"]),
        )

    def plot(self, **options: Any) -> Any:
        """The score of every candidate, with the best marked.

        Parameters
        ----------
        **options
            Passed to :func:`armillary.plot.scores.plot_template_scores`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If no candidate has a score.
        """
        from ...plot.scores import plot_template_scores

        return plot_template_scores(self, **options)

    def __repr__(self) -> str:
        n = counted(len(self.period), "candidate")
        lines = [f"TemplateScores of {n} in {in_words(self.light_curve)}"]
        if np.isnan(self.on_host().score).all():
            lines.append("  no candidate has points in and out of transit")
        else:
            best = self.best
            lines.append(
                f"  best: score {best.score:.1f}, period {best.period:.6f} d, t0 {best.t0:.5f}, "
                f"duration {24 * best.duration:.2f} h, depth {best.depth:.6g} "
                f"{self.light_curve.flux_unit}".rstrip()
            )
        lines.append(f"  {self.provenance}")
        return "\n".join(lines)
