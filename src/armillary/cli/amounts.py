"""Lengths of time and numbers of bytes as people read them."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: Names of a thousand bytes, a million, and so on.
PREFIXES = ("kB", "MB", "GB", "TB", "PB")
KILO = 1000.0


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: ``0.4 s``, ``90 s``, ``3 h``."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{seconds:.1f} s" if seconds < MINUTE else f"{seconds:.0f} s"


def short_duration(seconds: float) -> str:
    """The same where milliseconds count: ``12.3 ms``."""
    if seconds < 0.1:
        return f"{1e3 * seconds:.3g} ms"
    return duration(seconds)


def size(n_bytes: int) -> str:
    """Bytes in the unit that suits them: ``512 bytes``, ``4.2 MB``."""
    if n_bytes < KILO:
        return f"{n_bytes} byte{'s' * (n_bytes != 1)}"
    amount = float(n_bytes)
    for name in PREFIXES:
        amount /= KILO
        # What would be rounded up to a thousand is one of the next unit.
        if amount < 999.95 or name == PREFIXES[-1]:
            break
    return f"{amount:,.1f} {name}"
