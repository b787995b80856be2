"""Times in the names of files and groups: the same wherever an observation gets one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: Julian date of 1970-01-01T00:00 UTC.
UNIX_EPOCH = 2_440_587.5


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
