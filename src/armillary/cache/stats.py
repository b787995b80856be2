"""What a store has done for its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

#: Why entries go, other than by `delete` and `clear`.
REASONS = ("budget", "entries", "expired", "pressure", "corrupt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts of a store since it was made (of one on disk, by all its processes).

    Attributes
    ----------
    hits, misses : int
        Calls of `get` that found a value, and that did not.
    stored, refused : int
        Calls of `put` that stored a value, and that were refused as it is over the budget.
    evictions : mapping of str to int
        Entries that went: for the ``budget`` in bytes, the number of ``entries``, as they had
        ``expired``, under ``pressure`` of memory, or because they were ``corrupt``.
    failures : int
        Times that the store could not be read or written, for any other reason.
    entries : int
        Entries there now.
    stored_bytes, raw_bytes : int
        Their length as they are stored, and without a codec.
    max_bytes : int
        The budget.
    max_entries : int or None
        Most entries; None is no limit.
    seconds_saved : float
        What computing the values of all hits took when they were computed.
    """

    hits: int = 0
    misses: int = 0
    stored: int = 0
    refused: int = 0
    evictions: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(REASONS, 0))
    )
    failures: int = 0
    entries: int = 0
    stored_bytes: int = 0
    raw_bytes: int = 0
    max_bytes: int = 0
    max_entries: int | None = None
    seconds_saved: float = 0.0

    @property
    def hit_rate(self) -> float:
        """Hits over all calls of `get`; NaN before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """The fields and the hit rate (None before the first call) as plain values, for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["evictions"] = dict(self.evictions)
        plain["hit_rate"] = self.hit_rate if self.hits + self.misses else None
        return plain

    def __str__(self) -> str:
        rate = f", {100 * self.hit_rate:.1f} % hits" if self.hits + self.misses else ""
        return (
            f"{self.entries:,} entries, {self.stored_bytes:,} of {self.max_bytes:,} bytes{rate}, "
            f"{self.seconds_saved:.3g} s of computing saved"
        )


@dataclass(slots=True)
class Counters:
    """The counts of one process, to be added to; the store guards them."""

    hits: int = 0
    misses: int = 0
    stored: int = 0
    refused: int = 0
    failures: int = 0
    seconds_saved: float = 0.0
    evictions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))

    def to_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return asdict(self)

    def add(self, other: Counters) -> None:
        """Add the counts of another."""
        for name, number in other.to_dict().items():
            if name == "evictions":
                for reason, n in number.items():
                    self.evictions[reason] += n
            else:
                setattr(self, name, getattr(self, name) + number)
