"""Names of groups and of what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Julian date of 1970-01-01T00:00 UTC.
UNIX_EPOCH = 2_440_587.5
#: Digits of a second that tell apart groups that begin in the same one.
DIGITS = (0, 3)


def time_name(julian_date: float, digits: int = 0) -> str:
    """A Julian date (UTC) as ``2025-01-15T03:00:00``.

    Parameters
    ----------
    julian_date : float
        Days.
    digits : {0, 3}
        Digits after the second, to which the time is rounded.

    Examples
    --------
    >>> time_name(2460690.625), time_name(2460690.625, 3)
    ('2025-01-15T03:00:00', '2025-01-15T03:00:00.000')
    """
    since = timedelta(seconds=round((julian_date - UNIX_EPOCH) * 86_400.0, digits))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + since
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if digits else "seconds")


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
