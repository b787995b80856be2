"""One light curve of a box search: what a backend is given, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cache.axis import Answer
from ...plugins.arrays import HOST, namespace, read_only
from ...plugins.call import call, checked_arrays
from ...plugins.records import Request
from ...plugins.select import Plan, choose
from ...runtime.blocks import Progress
from ..inputs import SearchInput
from .grids import Grid, Grids
from .reference import DEFAULT_OVERSAMPLE
from .result import RESULTS, Periodogram

OPERATION = "search.bls"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a call asks for, whatever the light curve."""

    grids: Grids
    oversample: int
    backend: str | None
    threads: int

    @property
    def options(self) -> dict[str, tuple[int, int]]:
        """Options that change a result, with their defaults."""
        return {"oversample": (self.oversample, DEFAULT_OVERSAMPLE)}


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A light curve with its grid and its backend.

    ``arguments`` are the canonical ones; ``arrays_are`` is the kind of those of the light curve,
    and so of the results.
    """

    settings: Settings
    light_curve: SearchInput
    grid: Grid
    arguments: Mapping[str, Any]
    plan: Plan
    arrays_are: str

    @property
    def n_periods(self) -> int:
        """How many periods are tried."""
        return len(self.arguments["period"])

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the answer depends on, for the key of a cache."""
        options = {"oversample": self.settings.oversample}
        return {**self.arguments, **options, **self.settings.grids.parameters}

    def computed(self, threads: int, progress: Progress | None) -> dict[str, Any]:
        """What the backend gives for this light curve."""
        conveniences = {"threads": threads, "progress": progress}
        return self.checked(call(self.plan, self.arguments, self.settings.options, conveniences))

    def checked(self, result: Any) -> dict[str, Any]:
        """The arrays of a backend's result, held to the contract."""
        shapes = dict.fromkeys(RESULTS, (self.n_periods,))
        return checked_arrays(self.plan, result, shapes, arrays_are=self.arrays_are)

    def periodogram(self, answer: Answer[dict[str, Any]]) -> Periodogram:
        """The result that the caller gets."""
        arrays = dict(answer.value)
        arrays["t0"] = arrays["t0"] + self.light_curve.epoch
        if not self.grid.tried.all():
            arrays = {name: self._spread(array) for name, array in arrays.items()}
        read_only(*arrays.values())
        return Periodogram(
            period=self.grid.period,
            light_curve=self.light_curve,
            trial_durations=self.grid.duration,
            duration_start=self.grid.start,
            duration_stop=self.grid.stop,
            n_skipped=self.grid.n_skipped,
            oversample=self.settings.oversample,
            provenance=answer.provenance(self.settings.threads),
            **arrays,
        )

    def _spread(self, array: Any) -> Any:
        """The results of the periods that were tried, NaN for the others."""
        xp = namespace(self.arrays_are)
        whole = xp.full(self.grid.tried.shape, np.nan)
        whole[xp.asarray(np.flatnonzero(self.grid.tried))] = array
        return whole


def task_of(settings: Settings, light_curve: SearchInput, arrays_are: str = HOST) -> Task:
    """A light curve that is ready to be searched.

    Raises
    ------
    ValueError
        If the grid does not go with the time span.
    BackendUnavailable
        If the backend cannot run it.
    """
    grid = settings.grids.of(light_curve.span)
    arguments = {
        "time": light_curve.time,
        "flux": light_curve.flux,
        "flux_err": light_curve.flux_err,
        **grid.arguments,
    }
    options = {name: value for name, (value, _) in settings.options.items()}
    request = Request.of(OPERATION, arguments, options, arrays_are)
    plan = choose(request, settings.backend)
    return Task(settings, light_curve, grid, arguments, plan, arrays_are)
