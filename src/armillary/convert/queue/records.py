"""What is remembered of files and groups."""

from __future__ import annotations

from dataclasses import dataclass

from .facts import FileFacts

# States of a group.
COLLECTING, PENDING, IN_PROGRESS, COMPLETED, FAILED = GROUP_STATES = (
    "collecting",
    "pending",
    "in_progress",
    "completed",
    "failed",
)
# What a file is.
MEMBER, DUPLICATE, LATE, INVALID, UNREADABLE = FILE_STATES = (
    "member",
    "duplicate",
    "late",
    "invalid",
    "unreadable",
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that was looked at.

    Attributes
    ----------
    name : str
        In the watched folder.
    size, modified, changed : int
        Bytes, and when its content and its permissions changed last (ns since 1970), as it was
        looked at.
    state : str
        "member" of a group, "duplicate" of a member, "late" for a group that is converted,
        "invalid" until it changes, "unreadable" and to be read again.
    reason : str
        Why it is no member.
    group : str or None
        The group that it belongs to.
    subband : str
        What its subband is called.
    facts : FileFacts or None
        When and at which frequencies it was observed.
    attempts : int
        How often it could not be read.
    not_before : float
        When to read it again (s since 1970).
    """

    name: str
    size: int
    modified: int
    changed: int
    state: str
    reason: str = ""
    group: str | None = None
    subband: str = ""
    facts: FileFacts | None = None
    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """The subbands of one observation, on their way to one output.

    Attributes
    ----------
    id : str
        The time of the first file that arrived (UTC), by which the output is named, too.
    first_time, begin, end : float
        Of that file, Julian dates (UTC).
    state : str
        "collecting", "pending", "in_progress", "completed" or "failed".
    reason : str
        Why it is in this state.
    opened : float
        When its first file was seen, or when it was opened again (s since 1970).
    updated : float
        When its state changed last (s since 1970).
    started, finished : float or None
        Of the last conversion (s since 1970).
    attempts : int
        Conversions that an I/O error ended.
    interruptions : int
        Conversions during which the process died.
    not_before : float
        When to try again (s since 1970).
    incomplete : bool
        Whether it is to be converted although subbands are missing.
    out : str
        Name of the output, in its folder.
    n_subbands : int
        Subbands that were converted.
    n_rows, n_channels : int or None
        Of the output.
    flagged_fraction : float or None
        Of the output.
    bytes_read, bytes_written : int or None
        By the conversion.
    seconds : float or None
        That the conversion took.
    """

    id: str
    first_time: float
    begin: float
    end: float
    state: str
    opened: float
    updated: float
    out: str
    reason: str = ""
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    interruptions: int = 0
    not_before: float = 0.0
    incomplete: bool = False
    n_subbands: int = 0
    n_rows: int | None = None
    n_channels: int | None = None
    flagged_fraction: float | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    seconds: float | None = None
