"""Read the candidates of a caller: periods, mid-transits and durations that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...plugins.arrays import read_only
from ..inputs import days


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
    given = {"period": period, "t0": t0, "duration": duration}
    vectors = {name: _vector(name, value) for name, value in given.items()}
    lengths = {name: len(vector) for name, vector in vectors.items()}
    if len(set(lengths.values()) - {1}) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"period, t0 and duration must be of equal length, or one number; {found}")
    whole = {name: _repeated(vector, max(lengths.values())) for name, vector in vectors.items()}
    _check_positive("period", whole["period"])
    _check_positive("duration", whole["duration"])
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


def read_sharpness(sharpness: Any) -> float:
    """A positive finite number.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        value = float(sharpness)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"sharpness must be a positive finite number, not {sharpness!r}")
    return value


def _vector(name: str, value: Any) -> np.ndarray:
    array = np.array(days(name, value), ndmin=1)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold one or more numbers (days), not shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(f"{name} must be finite; entry {bad[0]} is {array[bad[0]]}")
    return array


def _check_positive(name: str, array: np.ndarray) -> None:
    bad = np.flatnonzero(array <= 0)
    if len(bad):
        raise ValueError(f"{name} must be positive; entry {bad[0]} is {array[bad[0]]}")


def _repeated(vector: np.ndarray, n: int) -> np.ndarray:
    """The vector, or its one number n times; nobody may write to it."""
    whole = vector if len(vector) == n else np.full(n, vector[0])
    read_only(whole)
    return whole
