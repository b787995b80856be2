"""Which files of a folder have arrived, changed and gone."""

from __future__ import annotations

import errno
import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .clock import Clock

#: Of a file that went meanwhile, or a symbolic link to none.
_LEADS_NOWHERE = (errno.ENOENT, errno.ELOOP)


class FolderUnavailable(OSError):
    """A folder cannot be read, perhaps only for now."""


@dataclass(frozen=True, slots=True)
class Signature:
    """By which it is seen that a file is as it was.

    Attributes
    ----------
    size : int
        Bytes.
    modified : int
        When its content changed last (ns since 1970).
    changed : int
        When its content, permissions or name changed last (ns since 1970).
    """

    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Signature:
        """Of the file as it is now."""
        return cls.from_stat(path.stat())

    @classmethod
    def from_stat(cls, stat: os.stat_result) -> Signature:
        """The same, where it was asked already."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def has_content_of(self, other: Signature) -> bool:
        """Whether nothing was written between the two."""
        return (self.size, self.modified) == (other.size, other.modified)


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was looked at.

    Attributes
    ----------
    signature : Signature
        As it was.
    is_usable : bool
        Whether it could be read; one that could not is looked at again when only its
        permissions change, too.
    """

    signature: Signature
    is_usable: bool

    def is_still(self, signature: Signature) -> bool:
        """Whether there is no reason to look at it again."""
        if self.is_usable:
            return self.signature.has_content_of(signature)
        return self.signature == signature


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at the folder.

    Attributes
    ----------
    settled : dict of str to Signature
        Files that nobody writes to any more, new or changed, by name.
    changed : tuple of str
        Known files that are not what they were; they are among ``settled`` in time.
    gone : tuple of str
        Known files that are not there.
    """

    settled: dict[str, Signature]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


class Arrivals:
    """Looks at a folder again and again.

    A file has arrived when its size and its time have stayed the same for some seconds, or at
    once when it got its name by a renaming inside the folder. The clock of the file system is not
    trusted: it may be another machine's.

    Parameters
    ----------
    folder : Path
        The folder; not those within it.
    patterns : sequence of str
        Names of files of visibilities, such as ``*.hdf5``; those that begin with "." are none.
    settle : float
        Seconds.
    clock : Clock
        Tells how time passes.
    """

    def __init__(self, folder: Path, patterns: Sequence[str], settle: float, clock: Clock) -> None:
        self.folder = folder
        self._patterns = tuple(patterns)
        self._settle = settle
        self._clock = clock
        self._settling: dict[str, tuple[Signature, float]] = {}
        self._under_other_names: set[tuple[int, int]] = set()

    @property
    def n_settling(self) -> int:
        """Files that may still be written to."""
        return len(self._settling)

    def look(self, known: Mapping[str, Known]) -> Sighting:
        """Look at the folder.

        Parameters
        ----------
        known : mapping of str to Known
            Files that were looked at, by name.

        Raises
        ------
        FolderUnavailable
            If the folder cannot be read.
        """
        try:
            found, under_other_names = self._list()
        except OSError as error:
            reason = f"the folder {str(self.folder)!r} cannot be read: {error.strerror}"
            raise FolderUnavailable(reason) from error
        fresh = {
            name: stat
            for name, stat in found.items()
            if name not in known or not known[name].is_still(Signature.from_stat(stat))
        }
        self._settling = {name: self._seen(name, stat) for name, stat in fresh.items()}
        self._under_other_names = under_other_names
        return Sighting(
            settled=self._take_settled(),
            changed=tuple(sorted(fresh.keys() & known.keys())),
            gone=tuple(sorted(known.keys() - found.keys())),
        )

    def _list(self) -> tuple[dict[str, os.stat_result], set[tuple[int, int]]]:
        """Files by name, and which files there are under names that are none of ours."""
        found, others = {}, set()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                try:
                    # On Windows, only this tells which file it is.
                    stat = os.stat(entry.path)
                except OSError as error:
                    if error.errno in _LEADS_NOWHERE:
                        continue
                    raise
                if not self._is_ours(entry.name):
                    others.add((stat.st_dev, stat.st_ino))
                elif entry.is_file():
                    found[entry.name] = stat
        return found, others

    def _is_ours(self, name: str) -> bool:
        return not name.startswith(".") and any(
            fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns
        )

    def _seen(self, name: str, stat: os.stat_result) -> tuple[Signature, float]:
        """The file as it is, and since when it is so."""
        signature = Signature.from_stat(stat)
        before = self._settling.get(name)
        if before is not None and before[0].has_content_of(signature):
            return signature, before[1]
        if (stat.st_dev, stat.st_ino) in self._under_other_names:
            return signature, self._clock.passed() - self._settle
        return signature, self._clock.passed()

    def _take_settled(self) -> dict[str, Signature]:
        now = self._clock.passed()
        settled = {
            name: signature
            for name, (signature, since) in sorted(self._settling.items())
            if now - since >= self._settle
        }
        for name in settled:
            del self._settling[name]
        return settled
