"""What the installed distributions declare, read so that a broken one spoils only itself.

``importlib.metadata.entry_points()`` raises at the first file that it cannot parse,
whoever's it is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distributions,
    version,
)

from . import settings
from .isolation import Raised, isolated

FILE = "entry_points.txt"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A distribution that mentions the group in entry points that cannot be read."""

    distribution: Distribution
    error: BaseException


def entry_points(group: str) -> list[EntryPoint | Unreadable]:
    """The entry points of a group, and the distributions that may have some but are broken.

    A broken distribution that does not mention the group is none of our business.
    """
    found: list[EntryPoint | Unreadable] = []
    for distribution in _first_of_each_name():
        try:
            with isolated():
                if group in (distribution.read_text(FILE) or ""):
                    found += distribution.entry_points.select(group=group)
        except Raised as raised:
            if _mentions(group, distribution, raised.error):
                found.append(Unreadable(distribution, raised.error))
    return found


def _first_of_each_name() -> Iterator[Distribution]:
    """The distributions that an import finds: the first of each name on the path."""
    seen = set()
    for distribution in distributions():
        name = _folder_name(distribution)
        if name is None or name not in seen:
            seen.add(name)
            yield distribution


def _folder_name(distribution: Distribution) -> str | None:
    """The normalized name, from the name of the folder: reading all METADATA takes too long."""
    try:
        with isolated():
            # Private, but what the standard library itself compares distributions by.
            name = getattr(distribution, "_normalized_name", None) or distribution.name
            return settings.normalized(name)
    except Raised:
        return None


def _mentions(group: str, distribution: Distribution, error: BaseException) -> bool:
    if isinstance(error, UnicodeDecodeError):
        return group.encode() in error.object
    try:
        with isolated():
            return group in (distribution.read_text(FILE) or "")
    except Raised:
        return False


@functools.cache
def version_of(distribution: str) -> str:
    """The version of a distribution; an empty string if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
