"""Names of groups and of what is made of them."""

from __future__ import annotations

from collections.abc import Callable

from ..time_names import time_name

#: Digits of a second that tell apart groups that begin in the same one.
DIGITS = (0, 3)


def new_group_id(julian_date: float, is_taken: Callable[[str], bool]) -> str:
    """The name of a group that begins at a Julian date, as short as it can be."""
    for digits in DIGITS:
        name = time_name(julian_date, digits)
        if not is_taken(name):
            return name
    number = 2
    while is_taken(f"{name}-{number}"):
        number += 1
    return f"{name}-{number}"
