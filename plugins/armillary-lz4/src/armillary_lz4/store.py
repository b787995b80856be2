"""The store: results in memory, compressed."""

from __future__ import annotations

from typing import Any

from armillary_lz4.codec import DEFAULT_LEVEL, Codec


def open_store(*, level: int = DEFAULT_LEVEL, threads: int | None = None, **options: Any) -> Any:
    """Results in the memory of this process, in fewer bytes.

    Parameters
    ----------
    level, threads
        As of :class:`armillary_lz4.codec.Codec`.
    **options
        As of :class:`armillary.cache.memory.store.MemoryStore`: its budget, limits and policy.

    Returns
    -------
    armillary.cache.memory.store.MemoryStore

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> with arm.cache.open("lz4", max_bytes="1 MB") as store:
    ...     key = arm.cache.key_of("counts")
    ...     store.put(key, np.arange(100_000))
    ...     store.get(key)[-3:]
    True
    array([99997, 99998, 99999])
    """
    from armillary.cache.memory.store import MemoryStore

    return MemoryStore(codec=Codec(level=level, threads=threads), **options)
