"""Results that are kept: stores in memory, on disk and of plugins, for every operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .api import decode, encode, open
    from .choice import use_cache
    from .disk.info import EntryInfo
    from .disk.store import DiskStore
    from .errors import CacheWarning
    from .keys import key_of
    from .memoize import memoize
    from .memory.store import MemoryStore
    from .stats import Stats
    from .store import MISSING, Store

__all__ = [
    "MISSING",
    "CacheWarning",
    "DiskStore",
    "EntryInfo",
    "MemoryStore",
    "Stats",
    "Store",
    "decode",
    "encode",
    "key_of",
    "memoize",
    "open",
    "use_cache",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "MISSING": ".store",
        "CacheWarning": ".errors",
        "DiskStore": ".disk.store",
        "EntryInfo": ".disk.info",
        "MemoryStore": ".memory.store",
        "Stats": ".stats",
        "Store": ".store",
        "decode": ".api",
        "encode": ".api",
        "key_of": ".keys",
        "memoize": ".memoize",
        "open": ".api",
        "use_cache": ".choice",
    },
)
