"""What a watcher was told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

#: Names of files of visibilities.
PATTERNS = ("*.hdf5", "*.h5", "*.uvh5")
#: What may become of groups that stay incomplete.
ON_INCOMPLETE = ("error", "fill")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a watcher was told.

    Attributes
    ----------
    expected_subbands : int
        Subbands of a complete group.
    tolerance : float
        Seconds by which the first times of subbands may differ.
    settle : float
        Seconds for which a file must not change before it is read.
    timeout : float
        Seconds after which a group that is not complete is given up, or filled.
    retries : int
        New tries after an I/O error.
    poll : float
        Seconds between looks at the folder.
    on_incomplete : {"error", "fill"}
        What becomes of a group after the timeout.
    suffix : str
        Of the outputs, such as ``.ms``.
    patterns : tuple of str
        Names of files of visibilities.
    """

    expected_subbands: int = 16
    tolerance: float = 60.0
    settle: float = 10.0
    timeout: float = 86_400.0
    retries: int = 3
    poll: float = 5.0
    on_incomplete: str = "error"
    suffix: str = ".ms"
    patterns: tuple[str, ...] = PATTERNS

    def __post_init__(self) -> None:
        _check_count("expected_subbands", self.expected_subbands, least=1)
        _check_count("retries", self.retries, least=0)
        _check_seconds("time_tolerance", self.tolerance, zero=True)
        _check_seconds("settle", self.settle, zero=True)
        for name in ("timeout", "poll"):
            _check_seconds(name, getattr(self, name), zero=False)
        if self.on_incomplete not in ON_INCOMPLETE:
            raise ValueError(
                f"on_incomplete must be one of {', '.join(map(repr, ON_INCOMPLETE))}, not "
                f"{self.on_incomplete!r}"
            )
        if not self.patterns or not all(isinstance(name, str) and name for name in self.patterns):
            raise ValueError(
                f"pattern must be a name such as '*.hdf5', or several, not {self.patterns!r}"
            )


def as_patterns(pattern: str | Sequence[str] | None) -> tuple[str, ...]:
    """One pattern, several, or those that there are."""
    if pattern is None:
        return PATTERNS
    return (pattern,) if isinstance(pattern, str) else tuple(pattern)


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _check_seconds(name: str, value: object, *, zero: bool) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or math.isnan(value) or value < 0 or (value == 0 and not zero):  # type: ignore
        allowed = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be a number of seconds, {allowed}, not {value!r}")
