"""From files to groups: which file belongs where, and which group is complete."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from ..._words import counted
from .clock import Clock
from .facts import SECONDS_PER_DAY, SUBBAND_NUMBER, FileFacts, numbered_label
from .naming import new_group_id
from .records import (
    COLLECTING,
    COMPLETED,
    DUPLICATE,
    FAILED,
    LATE,
    MEMBER,
    PENDING,
    FileRecord,
    GroupRecord,
)
from .settings import Settings
from .store import Store

logger = logging.getLogger(__name__)


class Assembly:
    """Puts files into groups; everything happens inside a transaction of the caller.

    Parameters
    ----------
    store : Store
        The state.
    settings : Settings
        When subbands belong together, and how many make a group.
    clock : Clock
        Tells the time of day.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    # -------------------------------------------------------------- files

    def place(self, file: FileRecord) -> None:
        """Put a valid file into its group: as a member, a duplicate, or too late."""
        facts = _facts_of(file)
        group = self._group_for(facts) or self._new_group(facts)
        twin = self._member_like(group, facts)
        if group.state == COMPLETED:
            self._put_aside(file, group, LATE, self._why_late(group, twin))
        elif twin is not None:
            self._put_aside(file, group, DUPLICATE, f"the same subband as {twin.name}")
        elif len(self.members(group)) >= self._settings.expected_subbands:
            self._put_aside(file, group, LATE, f"group {group.id} was complete already")
        else:
            self._store.put_file(replace(file, state=MEMBER, reason="", group=group.id))
            self.assess(group)

    def leave(self, file: FileRecord) -> None:
        """Forget a file that changed or is gone; a duplicate takes its place."""
        self._store.forget_file(file.name)
        group = self._store.group(file.group) if file.group else None
        if group is None or file.state != MEMBER:
            return
        if group.state in (COLLECTING, PENDING):
            self.assess(group)
        for other in self._store.files_of(group.id, DUPLICATE):
            if _facts_of(other).has_channels_of(_facts_of(file)):
                logger.info("%s takes the place of %s", other.name, file.name)
                self._store.forget_file(other.name)
                self.place(other)

    def members(self, group: GroupRecord) -> list[FileRecord]:
        """The files that a group is made of, by frequency."""
        return self._store.files_of(group.id, MEMBER)

    def _put_aside(self, file: FileRecord, group: GroupRecord, state: str, why: str) -> None:
        logger.warning("%s is not converted: %s", file.name, why)
        self._store.put_file(replace(file, state=state, reason=why, group=group.id))

    def _why_late(self, group: GroupRecord, twin: FileRecord | None) -> str:
        if twin is None:
            return f"it came after group {group.id} was converted"
        return f"the same subband as {twin.name}, which was converted in group {group.id}"

    def _member_like(self, group: GroupRecord, facts: FileFacts) -> FileRecord | None:
        return next(
            (file for file in self.members(group) if _facts_of(file).has_channels_of(facts)), None
        )

    # -------------------------------------------------------------- groups

    def _group_for(self, facts: FileFacts) -> GroupRecord | None:
        """The group that is nearest in time, if any is near enough."""
        time, near = facts.first_time, self._settings.tolerance / SECONDS_PER_DAY
        groups = [
            group
            for group in self._store.groups_between(time - near, time + near)
            if facts.is_simultaneous_with(group.begin, group.end)
        ]
        return min(groups, key=lambda group: abs(group.first_time - time), default=None)

    def _new_group(self, facts: FileFacts) -> GroupRecord:
        id = new_group_id(facts.first_time, lambda id: self._store.group(id) is not None)
        now = self._clock.now()
        return GroupRecord(
            id=id,
            first_time=facts.first_time,
            begin=facts.begin,
            end=facts.end,
            state=COLLECTING,
            opened=now,
            updated=now,
            out=f"{id}{self._settings.suffix}",
        )

    def assess(self, group: GroupRecord) -> GroupRecord | None:
        """Decide what a group waits for, after its members or what is expected changed.

        Returns
        -------
        GroupRecord or None
            The group as it is now; None if it has no files any more and is forgotten.
        """
        n_members = len(self.members(group))
        if n_members == 0:
            self._store.forget_group(group.id)
            return None
        now = self._clock.now()
        complete = n_members >= self._settings.expected_subbands
        state = PENDING if complete else COLLECTING
        assessed = replace(
            group,
            state=state,
            reason="",
            opened=now if group.state == FAILED else group.opened,
            updated=group.updated if group.state == state else now,
            attempts=0,
            not_before=0.0,
            incomplete=False,
        )
        self._store.put_group(assessed)
        if complete and group.state != PENDING:
            logger.info("group %s is complete: %s", group.id, counted(n_members, "subband"))
        return assessed

    def assess_all(self, *states: str) -> None:
        """Decide again for every group in these states."""
        for state in states:
            for group in self._store.groups(state):
                self.assess(group)

    def give_up_old(self) -> list[GroupRecord]:
        """End the wait of groups that collect for too long; what has become of them."""
        oldest = self._clock.now() - self._settings.timeout
        old = [group for group in self._store.groups(COLLECTING) if group.opened < oldest]
        return [self._give_up(group) for group in old]

    def _give_up(self, group: GroupRecord) -> GroupRecord:
        why = f"incomplete after {self._settings.timeout:g} s: {self.lacking(group)}"
        fill = self._settings.on_incomplete == "fill"
        given_up = replace(
            group,
            state=PENDING if fill else FAILED,
            reason=why,
            incomplete=fill,
            updated=self._clock.now(),
        )
        logger.warning("group %s is %s", group.id, f"{why}; to be filled" if fill else why)
        self._store.put_group(given_up)
        return given_up

    def lacking(self, group: GroupRecord) -> str:
        """What a group lacks, as a sentence has it."""
        members = self.members(group)
        expected = self._settings.expected_subbands
        missing = missing_subbands(members, expected)
        there = f"{len(members)} of {counted(expected, 'subband')} there"
        return f"{there}, missing {', '.join(missing)}" if missing else there


def missing_subbands(members: Iterable[FileRecord], expected: int) -> tuple[str, ...]:
    """Names of the subbands that are not there, if the names of files tell them."""
    numbers = [SUBBAND_NUMBER.search(file.name) for file in members]
    there = {int(number[1]) for number in numbers if number}
    if len(there) < len(numbers) or not there <= set(range(expected)):
        return ()
    return tuple(numbered_label(number) for number in range(expected) if number not in there)


def _facts_of(file: FileRecord) -> FileFacts:
    if file.facts is None:
        raise AssertionError(f"{file.name} was never read")
    return file.facts
