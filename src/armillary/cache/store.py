"""What a store is: the protocol that armillary's own and everybody's keep."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, runtime_checkable

from .stats import Stats


class _Missing:
    """The type of :data:`MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


#: What `get` can be told to give where there is no value, since None is a value.
MISSING: Final = _Missing()


@runtime_checkable
class Store(Protocol):
    """Where values are kept under keys of 16 bytes.

    A plugin yields a record of the operation ``cache.open`` whose target, called with the options
    of :func:`armillary.cache.open`, gives one. All methods may be called from any thread.
    :func:`armillary.cache.encode` and :func:`armillary.cache.decode` make bytes of values and
    values of bytes, for stores that keep bytes.

    A store that other processes share may also have ``computing(key)``, which gives a context
    manager: it is held while a value is computed, and no other process should get it meanwhile.
    """

    def get(self, key: bytes, default: Any = None) -> Any:
        """The value of a key, or the default. What is damaged is not there, and is counted."""

    def put(self, key: bytes, value: Any, *, cost: float | None = None, label: str = "") -> bool:
        """Keep a value.

        Parameters
        ----------
        key : bytes
            16 of them.
        value : object
            Arrays, numbers, strings, bytes, None, tuples, lists and dicts of them, pyarrow Tables,
            and results of armillary.
        cost : float, optional
            Seconds that it took to compute. None means unknown.
        label : str
            What it is, for people who look at a list of entries; a store may leave it.

        Returns
        -------
        bool
            False if it is larger than the budget, or could not be written, of which armillary's
            own store on disk tells once by a :class:`CacheWarning`. What was there under the key
            is forgotten either way; nothing else goes for a value that is refused.

        Raises
        ------
        TypeError
            If the value has no encoding, or the key is no bytes.
        ValueError
            If ``cost`` is negative, the key has another length, or the store is closed.
        """

    def delete(self, key: bytes) -> bool:
        """Forget a key; False if it was not there."""

    def clear(self) -> None:
        """Forget everything."""

    def keys(self) -> Iterator[bytes]:
        """The keys there are, in no order; those that expired are not among them."""

    def stats(self) -> Stats:
        """What the store has done."""

    def close(self) -> None:
        """Give back what it holds; no method may be called after this, except another close."""

    def __contains__(self, key: bytes) -> bool:
        """Whether a key is there; neither a hit nor a miss."""

    def __len__(self) -> int:
        """How many keys there are."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


#: What a store must have for `cache=` to take it.
METHODS = (
    "get",
    "put",
    "delete",
    "clear",
    "keys",
    "stats",
    "close",
    "__contains__",
    "__len__",
    "__enter__",
    "__exit__",
)
