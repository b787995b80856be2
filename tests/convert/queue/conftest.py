"""A queue whose files are toys and whose clock only moves when it waits."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from armillary.convert.queue.clock import Clock
from armillary.convert.queue.settings import Settings
from armillary.convert.queue.status import queue_status
from armillary.convert.queue.watch import Watcher

TOY = Path(__file__).parent / "toy.py"


@pytest.fixture(scope="session")
def toy():
    """Toy visibilities; see toy.py."""
    return SimpleNamespace(**runpy.run_path(str(TOY)), program=TOY)


class FakeClock(Clock):
    """Starts in 2025; does what is planned when its time has come."""

    def __init__(self):
        self.time = 1_736_900_000.0
        self.plan = []

    def now(self):
        return self.time

    def passed(self):
        return self.time - 1_700_000_000.0

    def sleep(self, seconds):
        self.time += seconds
        due = [entry for entry in self.plan if entry[0] <= self.time]
        self.plan = [entry for entry in self.plan if entry[0] > self.time]
        for _, action in due:
            action()

    def after(self, seconds, action):
        self.plan.append((self.time + seconds, action))


class Queue:
    """A folder, a queue of groups of four, and what happened."""

    def __init__(self, toy, folder):
        self.toy, self.folder, self.out = toy, folder / "raw", folder / "out"
        self.folder.mkdir()
        self.clock = FakeClock()
        self.converted = []
        self.errors = []

    def put(self, group, subband, name=None, **how):
        path = self.folder / (name or self.toy.name_of(group, subband))
        path.write_text(self.toy.contents(group, subband, **how))
        return path

    def put_group(self, group, subbands=range(4), **how):
        return [self.put(group, subband, **how) for subband in subbands]

    def convert(self, paths, out, incomplete):
        """The toy conversion; errors that were planned come first."""
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        self.converted.append(sorted(path.name for path in paths))
        return self.toy.convert(paths, out, incomplete)

    def watcher(self, *, convert=None, describe=None, tell=None, state=None, **settings):
        settings = {"expected_subbands": 4, "settle": 10.0, "poll": 5.0, **settings}
        return Watcher(
            self.folder,
            self.out,
            Settings(**settings),
            convert or self.convert,
            describe=describe or self.toy.describe,
            state=state,
            clock=self.clock,
            random=lambda: 0.5,
            tell=tell,
        )

    def watch(self, seconds=None, *, retry_failed=False, take_over=False, **options):
        """Watch for so many seconds of the clock, or until nothing is left to wait for."""
        stop = None
        if seconds is not None:
            end = self.clock.time + seconds
            stop = lambda: self.clock.time > end  # noqa: E731
        return self.watcher(**options).run(
            once=seconds is None, stop=stop, retry_failed=retry_failed, take_over=take_over
        )

    @property
    def status(self):
        return queue_status(self.out, now=self.clock.time)

    @property
    def states(self):
        return [group.state for group in self.status.groups]

    @property
    def files(self):
        """What became of the files that are not used, by name."""
        return {file.name: (file.state, file.reason) for file in self.status.files}

    @property
    def outputs(self):
        """What each output was made of, by name."""
        assert not [path for path in self.out.iterdir() if path.name.startswith(".arm")]
        return {
            path.name: sorted(file.name for file in path.glob("*.hdf5"))
            for path in self.out.glob("*.ms")
        }


@pytest.fixture
def queue(toy, tmp_path):
    return Queue(toy, tmp_path)
