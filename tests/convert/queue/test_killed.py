"""The queue, killed without warning at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from armillary.convert.queue.status import queue_status

KILLS = 20
GROUPS, SUBBANDS = 12, 4
#: About as many lines of the queue as one run executes.
LINES = 2700
#: Seconds within which everything is done once nobody kills any more.
PATIENCE = 60


class Arrivals(threading.Thread):
    """A correlator: files in random order, each first half-written."""

    def __init__(self, toy, folder, randomly):
        super().__init__(daemon=True)
        self.toy, self.folder = toy, folder
        self.order = [(group, subband) for group in range(GROUPS) for subband in range(SUBBANDS)]
        # Subbands of a few neighbouring groups arrive mixed.
        self.order.sort(key=lambda item: item[0] + 3 * randomly.random())

    def run(self):
        for group, subband in self.order:
            path = self.folder / self.toy.name_of(group, subband)
            whole = self.toy.contents(group, subband)
            path.write_text(whole[: len(whole) // 2])
            time.sleep(0.05)
            path.write_text(whole)
            time.sleep(0.12)


def begin(toy, folder, out, *line):
    process = subprocess.Popen(
        [sys.executable, str(toy.program), str(folder), str(out), *map(str, line)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def outputs(out):
    """What is seen of each output: the number that no other has."""
    return {path.name: (path / "table.dat").read_text() for path in out.glob("*.ms")}


def require_each_group_once(toy, folder, out, n_groups):
    """Every group is one whole output, made of all its files; nothing else is there."""
    made = {}
    for path in out.glob("*.ms"):
        assert (path / "table.dat").read_text().endswith(f"\n{toy.WHOLE}\n")
        names = sorted(file.name for file in path.glob("*.hdf5"))
        assert all((path / n).read_text() == (folder / n).read_text() for n in names)
        made[path.name] = names
    wanted = [[toy.name_of(g, s) for s in range(SUBBANDS)] for g in range(n_groups)]
    assert sorted(made.values()) == wanted
    assert {path.name for path in out.iterdir()} - made.keys() <= {
        "armillary-queue.sqlite",
        "armillary-queue.sqlite-wal",
        "armillary-queue.sqlite-shm",
    }


def test_each_group_ends_as_one_whole_output_however_often_it_is_killed(toy, tmp_path):
    randomly = random.Random(1)
    folder, out = tmp_path / "raw", tmp_path / "out"
    folder.mkdir()
    arrivals = Arrivals(toy, folder, randomly)
    arrivals.start()
    seen = {}
    for _ in range(KILLS):
        process = begin(toy, folder, out)
        time.sleep(0.7 * randomly.random())
        process.kill()
        process.communicate()
        now = outputs(out)
        assert now.items() >= seen.items(), "an output was written again, or went"
        seen = now
    arrivals.join()
    process = begin(toy, folder, out)
    wait_until(lambda: queue_status(out).counts["completed"] == GROUPS)
    process.kill()
    process.communicate()
    assert outputs(out).items() >= seen.items()
    require_each_group_once(toy, folder, out, GROUPS)


def test_each_group_ends_as_one_whole_output_whichever_line_is_the_last(toy, tmp_path):
    """Killed before lines of the queue that are drawn by lot, from all that one run executes."""
    randomly = random.Random(2)
    folder = tmp_path / "raw"
    folder.mkdir()
    for subband in range(SUBBANDS):
        (folder / toy.name_of(0, subband)).write_text(toy.contents(0, subband))
    for kill in range(KILLS):
        out = tmp_path / f"out{kill}"
        process = begin(toy, folder, out, randomly.randrange(1, LINES))
        process.communicate(timeout=PATIENCE)
        assert process.returncode in (-signal.SIGKILL, 0)
        before = outputs(out) if out.exists() else {}
        process = begin(toy, folder, out, 10**9)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert outputs(out).items() >= before.items()
        require_each_group_once(toy, folder, out, 1)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_signal_releases_the_group_in_hand(toy, tmp_path, number, code):
    folder, out = tmp_path / "raw", tmp_path / "out"
    folder.mkdir()
    for group in range(40):
        for subband in range(SUBBANDS):
            (folder / toy.name_of(group, subband)).write_text(toy.contents(group, subband))
    process = begin(toy, folder, out)
    wait_until(lambda: out.exists() and outputs(out))
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, said
    status = queue_status(out)
    assert status.counts["in_progress"] == 0 and status.watcher is None
    assert status.counts["completed"] == len(outputs(out)) and status.counts["pending"] > 0
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
