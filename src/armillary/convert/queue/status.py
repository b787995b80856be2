"""What a queue has done, is doing and waits for."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .assembly import missing_subbands
from .lock import Holder, holder_of
from .records import (
    COMPLETED,
    DUPLICATE,
    GROUP_STATES,
    INVALID,
    LATE,
    MEMBER,
    PENDING,
    UNREADABLE,
    FileRecord,
    GroupRecord,
)
from .settings import Settings
from .store import STATE_NAME, Store

#: Seconds over which throughput is counted.
HOUR, DAY = 3600.0, 86_400.0
BYTES_PER_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group of subbands.

    Attributes
    ----------
    id : str
        Time of its first file (UTC).
    state : str
        "collecting", "pending", "in_progress", "completed" or "failed".
    reason : str
        Why it is in this state.
    n_subbands, expected_subbands : int
        Those that are there, and those of a complete group.
    missing : tuple of str
        Names of the subbands that are not there, if the names of files tell them.
    subbands : tuple of str
        Names or frequencies of those that are there, by frequency.
    age : float
        Seconds since its first file was seen; of a completed one until it was completed.
    in_state : float
        Seconds since its state changed.
    attempts, interruptions : int
        Conversions that an I/O error ended, and those during which the process died.
    retry_in : float
        Seconds until it is tried again; 0 if it need not wait.
    out : str
        The output, which exists if the group is completed.
    seconds : float or None
        That the conversion took.
    n_rows, n_channels : int or None
        Of the output.
    flagged_fraction : float or None
        Of the output.
    bytes_read, bytes_written : int or None
        By the conversion.
    """

    id: str
    state: str
    reason: str
    n_subbands: int
    expected_subbands: int
    missing: tuple[str, ...]
    subbands: tuple[str, ...]
    age: float
    in_state: float
    attempts: int
    interruptions: int
    retry_in: float
    out: str
    seconds: float | None
    n_rows: int | None
    n_channels: int | None
    flagged_fraction: float | None
    bytes_read: int | None
    bytes_written: int | None


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file that is no member of a group.

    Attributes
    ----------
    name : str
        In the watched folder.
    state : str
        "duplicate", "late", "invalid" or "unreadable".
    reason : str
        Why.
    group : str or None
        The group that it would belong to.
    """

    name: str
    state: str
    reason: str
    group: str | None


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a queue is.

    Attributes
    ----------
    last_hour, last_day : int
        Groups completed.
    median_seconds : float or None
        Of the conversions of the last day.
    megabytes_per_second : float or None
        Read by these conversions, while they ran.
    """

    last_hour: int
    last_day: int
    median_seconds: float | None
    megabytes_per_second: float | None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue at one moment.

    Attributes
    ----------
    state : str
        The SQLite file.
    folder, out : str
        Where files arrive, and where outputs go.
    journal : str
        SQLite's journal mode.
    shared_filesystem : str or None
        The type of the network file system that the state is on, if it is on one.
    watcher : dict or None
        Host, number and beginning of the process that watches, and ``"lives"``: true, false, or
        None where that cannot be seen from here.
    settings : dict
        What the last watcher was told.
    counts : dict
        How many groups are in each state.
    groups : tuple of GroupStatus
        In the order of their times.
    files : tuple of FileStatus
        Those that are not used, by name.
    throughput : Throughput
        How fast it is.
    """

    state: str
    folder: str
    out: str
    journal: str
    shared_filesystem: str | None
    watcher: dict[str, Any] | None
    settings: dict[str, Any]
    counts: dict[str, int]
    groups: tuple[GroupStatus, ...]
    files: tuple[FileStatus, ...]
    throughput: Throughput

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, numbers and texts, for JSON."""
        return asdict(self)


def queue_status(path: str | os.PathLike, *, now: float | None = None) -> QueueStatus:
    """What a queue has done, is doing and waits for; it may be at work meanwhile.

    Parameters
    ----------
    path : path
        The folder of the outputs, or the SQLite file.
    now : float, optional
        Seconds since 1970; default the time of day.

    Returns
    -------
    QueueStatus
        At one moment.

    Raises
    ------
    FileNotFoundError
        If there is no state of a queue.
    RuntimeError
        If the file is something else.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import armillary as arm
    >>> folder = tempfile.TemporaryDirectory()
    >>> raw, out = (pathlib.Path(folder.name, name) for name in ("raw", "converted"))
    >>> raw.mkdir()
    >>> report = arm.convert.watch(raw, out, format="uvh5", once=True, settle=0)
    >>> arm.convert.queue_status(out).counts["completed"]
    0
    >>> folder.cleanup()
    """
    place = Path(path)
    store = Store.open_to_read(place / STATE_NAME if place.is_dir() else place)
    try:
        with store.snapshot():
            return _status(store, time.time() if now is None else now)
    finally:
        store.close()


def _status(store: Store, now: float) -> QueueStatus:
    settings = store.recall("settings") or asdict(Settings())
    expected = settings["expected_subbands"]
    out = Path(store.recall("out") or store.path.parent)
    groups = store.groups()
    return QueueStatus(
        state=str(store.path),
        folder=store.recall("folder") or "",
        out=str(out),
        journal=store.recall("journal") or "",
        shared_filesystem=store.recall("shared_filesystem"),
        watcher=_watcher(holder_of(store)),
        settings=settings,
        counts={state: sum(group.state == state for group in groups) for state in GROUP_STATES},
        groups=tuple(
            _group_status(group, store.files_of(group.id, MEMBER), expected, out, now)
            for group in groups
        ),
        files=tuple(
            FileStatus(file.name, file.state, file.reason, file.group)
            for file in store.files(DUPLICATE, LATE, INVALID, UNREADABLE)
        ),
        throughput=_throughput(groups, now),
    )


def _watcher(holder: Holder | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    return {**asdict(holder), "lives": None if holder.is_elsewhere else holder.is_alive}


def _group_status(
    group: GroupRecord, members: Sequence[FileRecord], expected: int, out: Path, now: float
) -> GroupStatus:
    is_done = group.state == COMPLETED
    waits = group.state == PENDING and group.not_before > now
    ends = group.finished if is_done and group.finished is not None else now
    return GroupStatus(
        id=group.id,
        state=group.state,
        reason=group.reason,
        n_subbands=(group.n_subbands if is_done else 0) or len(members),
        expected_subbands=expected,
        missing=missing_subbands(members, expected) if members else (),
        subbands=tuple(file.subband for file in members),
        age=max(ends - group.opened, 0.0),
        in_state=max(now - group.updated, 0.0),
        attempts=group.attempts,
        interruptions=group.interruptions,
        retry_in=group.not_before - now if waits else 0.0,
        out=str(out / group.out),
        seconds=group.seconds,
        n_rows=group.n_rows,
        n_channels=group.n_channels,
        flagged_fraction=group.flagged_fraction,
        bytes_read=group.bytes_read,
        bytes_written=group.bytes_written,
    )


def _throughput(groups: Sequence[GroupRecord], now: float) -> Throughput:
    done = [(group, group.finished) for group in groups if group.state == COMPLETED]
    ages = [(group, now - finished) for group, finished in done if finished is not None]
    of_day = [group for group, age in ages if age <= DAY]
    measured = [
        (group.seconds, group.bytes_read)
        for group in of_day
        if group.seconds is not None and group.bytes_read is not None
    ]
    seconds = sum(duration for duration, _ in measured)
    n_bytes = sum(read for _, read in measured)
    return Throughput(
        last_hour=sum(age <= HOUR for _, age in ages),
        last_day=len(of_day),
        median_seconds=statistics.median(each for each, _ in measured) if measured else None,
        megabytes_per_second=n_bytes / BYTES_PER_MEGABYTE / seconds if seconds else None,
    )
