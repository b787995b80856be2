"""Which store a call uses.

=====  ======================================  =================================================
level  asked by                                a store that cannot be opened
=====  ======================================  =================================================
call   ``cache=`` of the call                  error
block  ``with use_cache(store)``               error, where the block begins
env    ``ARMILLARY_CACHE``                     a warning, once, and no store
none   nobody                                  no store: nothing is kept
=====  ======================================  =================================================

A name means one store per process, which is opened at its first use. ``use_cache(None)`` means no
store, whatever is asked for outside of the block.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from .api import checked_store, open
from .errors import warn
from .store import Store

VARIABLE = "ARMILLARY_CACHE"
#: Values of the variable that mean no store.
NONE = frozenset(("", "0", "no", "off", "false", "none"))

_NOBODY: Final = object()
_block: ContextVar[Any] = ContextVar("armillary_cache", default=_NOBODY)
_named: dict[str, Store] = {}
_lock = threading.RLock()
_broken: set[str] = set()


@contextlib.contextmanager
def use_cache(store: Store | str | None) -> Iterator[Store | None]:
    """Keep the results of every call in a ``with`` block, in this thread or task.

    Parameters
    ----------
    store : Store, str or None
        A store that :func:`armillary.cache.open` gave; a name, for the store of that name that
        this process shares; or None, for none.

    Yields
    ------
    Store or None
        The store.

    Raises
    ------
    TypeError
        If it is none of these.
    UnknownBackend, BackendUnavailable, OSError
        If there is no store of that name, or it cannot be opened.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> time = np.arange(0, 27, 1 / 48)
    >>> flux = 1 + 1e-3 * np.sin(time**2)
    >>> with arm.use_cache(arm.cache.open("memory")) as store:
    ...     first = arm.search.bls(time, flux)
    ...     again = arm.search.bls(time, flux)
    >>> first.provenance.cache_hit, again.provenance.cache_hit
    (False, True)
    """
    chosen = None if store is None else _opened(store, "store")
    token = _block.set(chosen)
    try:
        yield chosen
    finally:
        _block.reset(token)


def store_of_call(cache: Any, argument: str = "cache") -> Store | None:
    """The store of a call, from its argument and what is asked for around it.

    Parameters
    ----------
    cache : Store, str or None
        What the argument is.
    argument : str
        What it is called, for an error.

    Raises
    ------
    TypeError
        If it is no store, name or None.
    UnknownBackend, BackendUnavailable, OSError
        If there is no store of that name, or it cannot be opened.
    """
    if cache is not None:
        return _opened(cache, argument)
    asked = _block.get()
    if asked is not _NOBODY:
        return asked
    name = os.environ.get(VARIABLE, "").strip()
    return None if name.lower() in NONE else _of_environment(name)


def _opened(store: Any, argument: str) -> Store:
    if isinstance(store, str):
        return store_named(store)
    if isinstance(store, bool):
        raise TypeError(f"{argument} must be a store, the name of one or None, not {store!r}")
    return checked_store(store, argument)


def store_named(name: str) -> Store:
    """The store of this process that has a name; the first call opens it."""
    with _lock:
        if name not in _named or getattr(_named[name], "closed", False):
            _named[name] = open(name)
        return _named[name]


def _of_environment(name: str) -> Store | None:
    if name in _broken:
        return None
    try:
        return store_named(name)
    except Exception as error:
        _broken.add(name)
        warn(f"{VARIABLE}={name}: {error}; nothing is kept")
        return None


def close_named() -> None:
    """Close the stores that were opened by name."""
    with _lock:
        while _named:
            _, store = _named.popitem()
            with contextlib.suppress(Exception):
                store.close()


def _after_fork() -> None:
    # Another thread may have held it, and is not there to give it back.
    global _lock
    _lock = threading.RLock()


atexit.register(close_named)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
