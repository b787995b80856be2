"""What people are told of an entry on disk."""

from __future__ import annotations

from typing import NamedTuple


class EntryInfo(NamedTuple):
    """One line of a list of entries.

    Attributes
    ----------
    key : str
        In hexadecimal digits.
    label : str
        What it is, as it was put.
    stored_bytes, raw_bytes : int
        Its length as it is stored, and without a codec.
    cost : float or None
        Seconds that it took to compute; None if nobody told.
    uses : int
        Times that it was put or found.
    created, used : float
        When it was written, and last used (s since 1970).
    expires : float or None
        When it is not good any more.
    """

    key: str
    label: str
    stored_bytes: int
    raw_bytes: int
    cost: float | None
    uses: int
    created: float
    used: float
    expires: float | None
