"""One group after the other: take, convert, give its name, or try again."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..._words import counted
from ...plugins.errors import BackendUnavailable, UnsupportedOption
from .arrivals import Signature
from .clock import Clock
from .records import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    MEMBER,
    PENDING,
    FileRecord,
    GroupRecord,
)
from .retry import delay, may_pass
from .settings import Settings
from .store import Store

logger = logging.getLogger(__name__)

#: What would be wrong with every group alike, and ends the watch.
WRONG_FOR_ALL = (ImportError, BackendUnavailable, UnsupportedOption)


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion tells of its output.

    Attributes
    ----------
    n_rows, n_channels : int
        Of the output.
    flagged_fraction : float
        Of its visibilities.
    bytes_read, bytes_written : int
        By the conversion.
    """

    n_rows: int
    n_channels: int
    flagged_fraction: float
    bytes_read: int
    bytes_written: int


#: Converts files of one observation to an output; the third argument says whether missing
#: subbands are to be filled. A ValueError is about the files; an OSError may pass.
Convert = Callable[[Sequence[Path], Path, bool], Converted]
#: Told of a group whose state changed.
Tell = Callable[[GroupRecord], None]


class MembersChanged(Exception):
    """A file of the group in hand is not what was validated any more."""


class Worker:
    """Converts groups; the only one that does so for its state.

    An output is written in a hidden folder next to its place and then renamed, so that it is
    whole whenever it is seen. What the process does last before it is killed is found again: the
    state says in advance which group it has in hand, and an output under its own name says that
    this group is done.

    Parameters
    ----------
    store : Store
        The state.
    folder, out : Path
        Where the files are, and where the outputs go.
    convert : callable
        See ``Convert``.
    settings : Settings
        How often to try.
    clock : Clock
        Tells the time.
    random : callable
        Numbers in [0, 1), for delays.
    tell : callable
        Told of every group whose state changes.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        out: Path,
        convert: Convert,
        settings: Settings,
        clock: Clock,
        random: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._store = store
        self._folder = folder
        self._out = out
        self._convert = convert
        self._settings = settings
        self._clock = clock
        self._random = random
        self._tell = tell
        #: Two queues with the same folder of outputs do not remove each other's work.
        self._workshop = out / f".armillary-queue-{store.recall('id')}"

    # -------------------------------------------------------------- before and after

    def recover(self) -> None:
        """Put right what a process that died left behind."""
        self._clear_workshop()
        for group in self._store.groups(IN_PROGRESS):
            if self._is_there(group):
                self._complete(group, "found whole after the process that wrote it died")
            else:
                self._take_up_again(group)

    def put_down(self) -> None:
        """Release the group in hand, if there is one, or complete it if it has its name."""
        self._clear_workshop()
        for group in self._store.groups(IN_PROGRESS):
            if self._is_there(group):
                self._complete(group)
            else:
                logger.info("group %s is released", group.id)
                self._put(replace(group, state=PENDING))

    def _take_up_again(self, group: GroupRecord) -> None:
        interruptions = group.interruptions + 1
        why = f"taken up again: a process died with it {counted(interruptions, 'time')}"
        logger.warning("group %s is %s", group.id, why)
        self._put(replace(group, state=PENDING, reason=why, interruptions=interruptions))

    def _clear_workshop(self) -> None:
        shutil.rmtree(self._workshop, ignore_errors=True)

    # -------------------------------------------------------------- one group

    def work(self) -> bool:
        """Convert the next group; False if there is none that can be converted now."""
        group = self._store.next_group(PENDING, self._clock.now())
        if group is None:
            return False
        if self._is_there(group):
            why = "its output was there before it was converted"
            logger.warning("group %s is not converted: %s", group.id, why)
            self._complete(group, why)
            return True
        if (self._out / group.out).exists():
            why = f"{str(self._out / group.out)!r} is there already, and is no output"
            self._fail(group, FileExistsError(why))
            return True
        return self._convert_one(group, self._store.files_of(group.id, MEMBER))

    def _convert_one(self, group: GroupRecord, members: list[FileRecord]) -> bool:
        group = replace(
            group, state=IN_PROGRESS, started=self._clock.now(), n_subbands=len(members)
        )
        self._put(group)
        try:
            group = self._written(group, members)
        except MembersChanged:
            logger.info("group %s is looked at again: its files changed", group.id)
            self._put(replace(group, state=PENDING, reason="its files changed"))
            return False
        except WRONG_FOR_ALL:
            raise
        except Exception as error:
            self._fail_or_wait(group, members, error)
            return True
        finally:
            self._clear_workshop()
        self._complete(group)
        return True

    def _written(self, group: GroupRecord, members: list[FileRecord]) -> GroupRecord:
        """The group after its output was written and got its name."""
        self._check_unchanged(members)
        self._workshop.mkdir(exist_ok=True)
        unnamed = self._workshop / group.out
        began = self._clock.passed()
        converted = self._convert(
            [self._folder / file.name for file in members], unnamed, group.incomplete
        )
        self._check_unchanged(members)
        group = replace(
            group,
            seconds=self._clock.passed() - began,
            n_rows=converted.n_rows,
            n_channels=converted.n_channels,
            flagged_fraction=converted.flagged_fraction,
            bytes_read=converted.bytes_read,
            bytes_written=converted.bytes_written,
        )
        # Whoever dies after the renaming leaves behind what is needed to complete the group.
        with self._store.transaction():
            self._store.put_group(group)
        self._name(unnamed, self._out / group.out)
        return group

    def _name(self, unnamed: Path, out: Path) -> None:
        if out.exists():
            raise FileExistsError(f"{str(out)!r} appeared while it was being made")
        os.rename(unnamed, out)

    def _complete(self, group: GroupRecord, reason: str = "") -> None:
        if group.incomplete and not reason:
            reason = f"{group.n_subbands} of {self._settings.expected_subbands} subbands, filled"
        now = self._clock.now()
        self._put(replace(group, state=COMPLETED, reason=reason, finished=now, not_before=0.0))

    def _fail_or_wait(
        self, group: GroupRecord, members: list[FileRecord], error: Exception
    ) -> None:
        logger.debug("converting group %s", group.id, exc_info=True)
        if self._have_changed(members):
            self._put(replace(group, state=PENDING, reason=f"its files changed: {error}"))
        elif may_pass(error) and group.attempts < self._settings.retries:
            self._wait(group, error)
        else:
            self._fail(group, error)

    def _wait(self, group: GroupRecord, error: Exception) -> None:
        attempts = group.attempts + 1
        seconds = delay(attempts, self._random)
        logger.warning("group %s is tried again in %.0f s: %s", group.id, seconds, error)
        self._put(
            replace(
                group,
                state=PENDING,
                reason=f"to be tried again: {error}",
                attempts=attempts,
                not_before=self._clock.now() + seconds,
            )
        )

    def _fail(self, group: GroupRecord, error: Exception) -> None:
        is_sentence = isinstance(error, (ValueError, OSError)) and str(error)
        why = str(error) if is_sentence else f"{type(error).__name__}: {error}"
        if may_pass(error):
            why = f"{why} ({counted(group.attempts + 1, 'attempt')})"
        logger.warning("group %s failed: %s", group.id, why)
        self._put(
            replace(group, state=FAILED, reason=why, finished=self._clock.now(), not_before=0.0)
        )

    def _put(self, group: GroupRecord) -> None:
        group = replace(group, updated=self._clock.now())
        with self._store.transaction():
            self._store.put_group(group)
        self._tell(group)

    # -------------------------------------------------------------- what is on disk

    def _is_there(self, group: GroupRecord) -> bool:
        """Whether its output has its name: a file, or the folder of a Measurement Set."""
        place = self._out / group.out
        return place.is_file() or (place / "table.dat").is_file()

    def _check_unchanged(self, members: list[FileRecord]) -> None:
        for file in members:
            validated = Signature(file.size, file.modified, file.changed)
            try:
                now = Signature.of(self._folder / file.name)
            except FileNotFoundError:
                raise MembersChanged from None
            if not now.has_content_of(validated):
                raise MembersChanged

    def _have_changed(self, members: list[FileRecord]) -> bool:
        """Whether files are known to have changed."""
        try:
            self._check_unchanged(members)
        except MembersChanged:
            return True
        except OSError:
            return False
        return False
