"""Ask the chosen backend for scores of candidates: what the front doors of this room share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cache.axis import answered, store_for
from ...cache.store import Store
from ...plugins.arrays import one_kind, read_only
from ...plugins.call import call, checked_arrays
from ...plugins.records import Provenance, Request
from ...plugins.select import choose
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from ..inputs import SearchInput, search_input
from .candidates import Candidates, positive_number
from .reference import DEFAULT_SHARPNESS

OPERATION = "search.template_score"


@dataclass(frozen=True, slots=True)
class Scoring:
    """A light curve, and how candidates for transits in it are to be scored."""

    light_curve: SearchInput
    sharpness: float
    backend: str | None
    store: Store | None
    threads: int
    progress: Any
    arrays_are: str

    def scores(
        self, candidates: Candidates, *, gradient: bool = False, attribution: bool = False
    ) -> tuple[dict[str, np.ndarray], Provenance]:
        """The arrays that the backend gives, read-only, and where they come from.

        They are where the light curve is; the candidates are on the host.
        """
        arguments = self._arguments(candidates)
        options = {
            "sharpness": (self.sharpness, DEFAULT_SHARPNESS),
            "gradient": (gradient, False),
            "attribution": (attribution, False),
        }
        chosen = {name: value for name, (value, _) in options.items()}
        plan = choose(Request.of(OPERATION, arguments, chosen, self.arrays_are), self.backend)
        n, m = len(arguments["time"]), len(arguments["t0"])
        shapes = _shapes(n, m, gradient, attribution)

        def compute() -> dict[str, np.ndarray]:
            with reporting(self.progress, "template scores") as report:
                conveniences = {"threads": self.threads, "progress": report}
                result = call(plan, arguments, options, conveniences)
            return checked_arrays(plan, result, shapes, arrays_are=self.arrays_are)

        answer = answered(plan, arguments | chosen, compute, self.store)
        read_only(*answer.value.values())
        return answer.value, answer.provenance(self.threads)

    def _arguments(self, candidates: Candidates) -> dict[str, np.ndarray]:
        """The canonical ones: times after the epoch of the light curve."""
        t0 = candidates.t0 - self.light_curve.epoch
        read_only(t0)
        return {
            "time": self.light_curve.time,
            "flux": self.light_curve.flux,
            "flux_err": self.light_curve.flux_err,
            "period": candidates.period,
            "t0": t0,
            "duration": candidates.duration,
        }


def scoring(
    time: Any,
    flux: Any,
    flux_err: Any,
    sharpness: float,
    backend: str | None,
    cache: Any,
    threads: int | None,
    progress: Any,
) -> Scoring:
    """Read the light curve and the options that every front door has."""
    arrays_are = one_kind(time=time, flux=flux, flux_err=flux_err)
    # A first look, so that no light curve is read for a backend that cannot take it.
    choose(Request(OPERATION, arrays=arrays_are), backend)
    return Scoring(
        light_curve=search_input(time, flux, flux_err),
        sharpness=positive_number("sharpness", sharpness),
        backend=backend,
        store=store_for(cache, arrays_are),
        threads=thread_count(threads),
        progress=progress,
        arrays_are=arrays_are,
    )


def _shapes(n: int, m: int, gradient: bool, attribution: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("score", "depth", "depth_err", "level"), (m,)
    )
    if gradient:
        shapes["gradient"] = (m, 3)
    if attribution:
        shapes["attribution"] = (m, n)
    return shapes
