"""Numbers in sentences."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """``3 pairs``, ``1 pair``, ``12,000 pairs``."""
    return f"{n:,} {noun}{'s' * (n != 1)}"
