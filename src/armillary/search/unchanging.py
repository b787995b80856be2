"""Objects whose arrays nobody can write to, in this process or in another."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..plugins.arrays import read_only


class Unchanging:
    """A frozen dataclass that is pickled by its fields.

    Pickled arrays come back writable, and are made read-only again. What is derived of the fields
    is not pickled, and derived again.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        own = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return _rebuilt, (type(self), own)


def _rebuilt(kind: type[Unchanging], own: dict[str, Any]) -> Unchanging:
    read_only(*own.values())
    return kind(**own)
