"""What armillary's own stores share: to be closed, and to say so afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Something that is used until it is closed, by :meth:`close` or at the end of a block."""

    _closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("the store is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
