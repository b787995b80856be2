"""Read the candidates of a caller: periods, mid-transits and durations that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...plugins.arrays import read_only
from ..inputs import days_vector


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Ephemerides of transits, one entry each; days, ``t0`` in the caller's time system."""

    period: np.ndarray
    t0: np.ndarray
    duration: np.ndarray


def read_candidates(period: Any, t0: Any, duration: Any) -> Candidates:
    """Periods, mid-transits and durations, each one number or as many as there are candidates.

    Raises
    ------
    ValueError
        Naming the argument and the rule that it breaks.
    """
    vectors = {
        "period": days_vector("period", period, positive=True),
        "t0": days_vector("t0", t0, positive=False),
        "duration": days_vector("duration", duration, positive=True),
    }
    lengths = {name: len(vector) for name, vector in vectors.items()}
    if len(set(lengths.values()) - {1}) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"period, t0 and duration must be of equal length, or one number; {found}")
    whole = {name: _repeated(vector, max(lengths.values())) for name, vector in vectors.items()}
    long = np.flatnonzero(whole["duration"] >= whole["period"])
    if len(long):
        i = long[0]
        raise ValueError(
            f"duration must be shorter than the period; candidate {i} has a duration of "
            f"{whole['duration'][i]:.6g} d and a period of {whole['period'][i]:.6g} d"
        )
    return Candidates(**whole)


def read_candidate(period: Any, t0: Any, duration: Any) -> Candidates:
    """The same for one candidate only.

    Raises
    ------
    ValueError
        If there are several, too.
    """
    found = read_candidates(period, t0, duration)
    if len(found.period) > 1:
        raise ValueError(
            f"period, t0 and duration must be one number each: one candidate at a time, not "
            f"{len(found.period)}"
        )
    return found


def positive_number(name: str, given: Any) -> float:
    """A positive finite number.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, not {given!r}")
    return value


def _repeated(vector: np.ndarray, n: int) -> np.ndarray:
    """The vector, or its one number n times; nobody may write to it."""
    whole = vector if len(vector) == n else np.full(n, vector[0])
    read_only(whole)
    return whole
