"""The front doors: open a store, and have it used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakSet

from .entry import open_entry, pack, parts, value_builder
from .limits import checked_bytes, checked_clock, checked_entries, checked_ttl
from .named import made
from .policy import checked_policy
from .store import METHODS, Store

OPERATION = "cache.open"
#: The key of values that are encoded without a store.
NO_KEY = bytes(16)


def open(
    name: str,
    *,
    max_bytes: int | str | None = None,
    max_entries: int | None = None,
    ttl: float | None = None,
    path: Any = None,
    policy: str | None = None,
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> Store:
    """Open a store of results.

    Parameters
    ----------
    name : str
        "memory", for this process; "disk", which lasts and which processes share; or one that a
        plugin brings, such as "lz4".
    max_bytes : int or str, optional
        The budget: bytes of all entries as they are stored, or a text such as "4 GB". None means
        a tenth of the machine's memory; on disk what the folder was last opened with, at first a
        tenth of the file system.
    max_entries : int, optional
        Most entries. None is no limit; on disk what it was last opened with.
    ttl : float, optional
        Seconds from the writing of an entry after which it is not given any more; a hit does not
        make it longer. None is for ever.
    path : path, optional
        The folder of a store on disk. None means ``ARMILLARY_CACHE_PATH``, or the folder that the
        system has for caches.
    policy : {"cost", "lru"}, optional
        Which entries go first when the budget is full: those that save the least seconds of
        computing per byte, ageing while they are not used, or those that were not used for
        longest. None means "cost"; on disk what it was last opened with.
    clock : callable, optional
        Gives seconds, for ``ttl``. None means a monotonic clock in memory, the time of day on
        disk.
    **options
        Of the store: ``codec="lz4"`` and ``level`` of "disk", ``level`` and ``threads`` of "lz4".

    Returns
    -------
    Store

    Raises
    ------
    UnknownBackend
        If nothing registers the name; the message lists those there are.
    BackendUnavailable
        If it cannot run here.
    ValueError
        If a limit is not positive.
    TypeError
        If the store has no such option.
    PermissionError
        If the folder belongs to somebody else.
    OSError
        If the folder holds something else, or cannot be written to.

    Examples
    --------
    >>> import armillary as arm
    >>> with arm.cache.open("memory", max_bytes="1 MB") as store:
    ...     key = arm.cache.key_of(("a name", 1))
    ...     store.put(key, {"a": 1.5})
    ...     store.get(key)
    True
    {'a': 1.5}
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be the name of a store, not {name!r}")
    checked_clock(clock)
    general = {
        "max_bytes": checked_bytes(max_bytes),
        "max_entries": checked_entries(max_entries),
        "ttl": checked_ttl(ttl),
        "path": path,
        "policy": None if policy is None else checked_policy(policy),
        "clock": clock,
    }
    given = {option: value for option, value in general.items() if value is not None} | options
    return checked_store(made(OPERATION, name, given), f"the store {name!r}")


def checked_store(store: Any, what: str = "cache") -> Store:
    """Make sure that something has all that a store must have.

    Raises
    ------
    TypeError
        If it has not; the message names what is missing.
    """
    if type(store) in _stores:
        return cast(Store, store)
    if isinstance(store, type):
        raise TypeError(f"{what} must be a store, not the class {store.__name__}; open one")
    missing = [method for method in METHODS if not callable(getattr(store, method, None))]
    if missing:
        raise TypeError(f"{what} must be a store; {store!r:.60} has no {', '.join(missing)}")
    if all(hasattr(type(store), method) for method in METHODS):
        _stores.add(type(store))
    return cast(Store, store)


#: Types that have all methods: to look takes longer than a hit.
_stores: WeakSet[type] = WeakSet()


def encode(value: Any) -> bytes:
    """A value as bytes, for stores that keep bytes; without pickle.

    Parameters
    ----------
    value : object
        Arrays, numbers, strings, bytes, None, tuples, lists and dicts of them, pyarrow Tables, and
        results of armillary.

    Returns
    -------
    bytes
        With a checksum; the form has a version, and later versions of armillary read it.

    Raises
    ------
    TypeError
        If the value, or something in it, has no encoding.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.cache.decode(arm.cache.encode((1, "two", 3.0)))
    (1, 'two', 3.0)
    """
    return b"".join(parts(NO_KEY, pack(value)))


def decode(data: Any) -> Any:
    """The value of which :func:`encode` made bytes.

    Parameters
    ----------
    data : buffer
        All of them.

    Returns
    -------
    object
        Arrays are read-only views of the bytes.

    Raises
    ------
    ValueError
        If a byte has changed or is missing, or a newer armillary wrote it.
    """
    return value_builder(open_entry(NO_KEY, memoryview(data).cast("B")), None)()
