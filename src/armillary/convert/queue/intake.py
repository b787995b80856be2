"""Taking in what arrives: look, validate, put into groups."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..._words import counted
from .arrivals import Arrivals, Known, Signature
from .assembly import Assembly
from .clock import Clock
from .facts import Describe, subband_label
from .records import COMPLETED, FILE_STATES, INVALID, MEMBER, UNREADABLE, FileRecord, GroupRecord
from .retry import delay, may_pass
from .settings import Settings
from .store import Store

logger = logging.getLogger(__name__)

#: Files that are read before what they say is written down.
BATCH = 64
#: States of files that could be read.
_READ = tuple(state for state in FILE_STATES if state not in (INVALID, UNREADABLE))


class Intake:
    """Takes in the files of a folder.

    Parameters
    ----------
    store : Store
        The state.
    arrivals : Arrivals
        Looks at the folder.
    assembly : Assembly
        Puts files into groups.
    describe : callable
        Validates a file and tells its times and channels.
    settings : Settings
        How long to wait, and how often to try.
    clock : Clock
        Tells the time.
    random : callable
        Numbers in [0, 1), for delays.
    """

    def __init__(
        self,
        store: Store,
        arrivals: Arrivals,
        assembly: Assembly,
        describe: Describe,
        settings: Settings,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._assembly = assembly
        self._describe = describe
        self._settings = settings
        self._clock = clock
        self._random = random
        self._first_look: float | None = None
        self._seems_unmounted = False
        self._changed_meanwhile = False

    @property
    def is_waiting(self) -> bool:
        """Whether a file may yet come in without a new one arriving."""
        return (
            self._arrivals.n_settling > 0
            or self._changed_meanwhile
            or bool(self._store.files(UNREADABLE))
        )

    def look(self) -> list[GroupRecord]:
        """Look at the folder once; the groups that were given up since they stay incomplete.

        Raises
        ------
        FolderUnavailable
            If the folder cannot be read.
        """
        began = self._clock.passed()
        known = self._known()
        sighting = self._arrivals.look(known)
        if not self._is_unmounted(len(known), len(sighting.gone)):
            self._dismiss((*sighting.gone, *sighting.changed), gone=set(sighting.gone))
        self._take_in(sighting.settled)
        self._read_again()
        if self._first_look is None:
            self._first_look = began
        # What was there when the watcher started may complete a group, however old that is.
        if began - self._first_look < self._settings.settle:
            return []
        with self._store.transaction():
            return self._assembly.give_up_old()

    def _known(self) -> dict[str, Known]:
        return {
            name: Known(Signature(size, modified, changed), state in _READ)
            for name, size, modified, changed, state in self._store.signatures()
        }

    def _is_unmounted(self, n_known: int, n_gone: int) -> bool:
        """Whether every file is gone at once, which a disk that went does and people seldom do."""
        empty = n_known > 0 and n_gone == n_known
        if empty and not self._seems_unmounted:
            logger.warning(
                "%s has none of its %s any more and may not be mounted; they are not forgotten "
                "until others are there",
                self._arrivals.folder,
                counted(n_known, "file"),
            )
        self._seems_unmounted = empty
        return empty

    def _dismiss(self, names: Iterable[str], gone: set[str]) -> None:
        files = [file for file in map(self._store.file, names) if file is not None]
        leaving = [file for file in files if file.name in gone or not self._is_converted(file)]
        if not leaving:
            return
        with self._store.transaction():
            for file in leaving:
                self._assembly.leave(file)

    def _is_converted(self, file: FileRecord) -> bool:
        group = self._store.group(file.group) if file.group else None
        return file.state == MEMBER and group is not None and group.state == COMPLETED

    # -------------------------------------------------------------- reading

    def _take_in(self, settled: dict[str, Signature]) -> None:
        names = list(settled)
        self._changed_meanwhile = False
        for first in range(0, len(names), BATCH):
            batch = names[first : first + BATCH]
            files = [self._read(name, settled[name]) for name in batch]
            self._changed_meanwhile |= None in files
            self._record(files)

    def _read_again(self) -> None:
        """Read what an I/O error kept from being read, when its time has come."""
        now = self._clock.now()
        due = [file for file in self._store.files(UNREADABLE) if file.not_before <= now]
        again = (
            self._read(file.name, Signature(file.size, file.modified, file.changed), file.attempts)
            for file in due
        )
        self._record(list(again))

    def _record(self, files: Iterable[FileRecord | None]) -> None:
        read = [file for file in files if file is not None]
        if not read:
            return
        with self._store.transaction():
            for file in read:
                if file.facts is not None and file.state == MEMBER and file.group is None:
                    self._assembly.place(file)
                else:
                    self._store.put_file(file)

    def _read(self, name: str, signature: Signature, attempts: int = 0) -> FileRecord | None:
        """What a file says of itself; None if it changed or went meanwhile."""
        known = self._store.file(name)
        if known is not None and self._is_converted(known):
            return self._changed_too_late(known, signature)
        path = self._arrivals.folder / name
        blank = FileRecord(
            name, signature.size, signature.modified, signature.changed, MEMBER, attempts=attempts
        )
        try:
            file = self._described(blank, path)
            if not Signature.of(path).has_content_of(signature):
                return None
        except FileNotFoundError:
            return None
        if file.state != MEMBER:
            logger.warning("%s is not used: %s", name, file.reason)
        return file

    def _described(self, blank: FileRecord, path: Path) -> FileRecord:
        try:
            facts = self._describe(path)
        except (FileNotFoundError, ImportError):
            raise
        except OSError as error:
            return self._unreadable(blank, error)
        except ValueError as error:
            return replace(blank, state=INVALID, reason=str(error))
        except Exception as error:
            # What a library says of a file that nobody foresaw must not end the watch.
            logger.debug("reading %s", path, exc_info=True)
            return replace(blank, state=INVALID, reason=f"{type(error).__name__}: {error}")
        return replace(blank, subband=subband_label(blank.name, facts), facts=facts)

    def _unreadable(self, blank: FileRecord, error: OSError) -> FileRecord:
        attempts = blank.attempts + 1
        if not may_pass(error) or attempts > self._settings.retries:
            why = f"it could not be read {counted(attempts, 'time')}: {error}"
            return replace(blank, state=INVALID, reason=why, attempts=attempts)
        return replace(
            blank,
            state=UNREADABLE,
            reason=str(error),
            attempts=attempts,
            not_before=self._clock.now() + delay(attempts, self._random),
        )

    def _changed_too_late(self, known: FileRecord, signature: Signature) -> FileRecord:
        why = f"it changed after group {known.group} was converted"
        logger.warning("%s is not converted again: %s", known.name, why)
        return replace(
            known,
            size=signature.size,
            modified=signature.modified,
            changed=signature.changed,
            reason=why,
        )
