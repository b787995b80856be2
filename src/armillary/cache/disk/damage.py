"""An index that cannot be read any more, and what is done about it."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .store import DiskStore

Method = TypeVar("Method", bound=Callable[..., Any])


def mended(method: Method) -> Method:
    """A method that begins anew, and goes on, where it finds the index damaged.

    Raises
    ------
    OSError
        If the index cannot be used for any other reason.
    """

    @functools.wraps(method)
    def tried(self: DiskStore, *args: Any, **kwargs: Any) -> Any:
        try:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self.begin_anew(error)
                return method(self, *args, **kwargs)
        except sqlite3.Error as error:
            raise OSError(f"the cache at {str(self.path)!r} cannot be used: {error}") from error

    return tried  # type: ignore[return-value]


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether an index cannot be read, rather than not now or not by us."""
    # Our own verdict on its tables has no code; nor have misuses, which are of kinds of their own.
    name = getattr(error, "sqlite_errorname", "") or ""
    return type(error) is sqlite3.DatabaseError and (
        not name or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    )
