"""Damaged files are converted rightly or refused in a sentence, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("h5py")
pytest.importorskip("armillary.convert.visibility.api")

from armillary.testing.observations import simulated_observation

WORKER = Path(__file__).with_name("fuzz_worker.py")
WORKERS = 2
#: Cases of each real file and of each simulated one, 500 together. Among them are damages to
#: times, polarisations and the places of chunks that once went unnoticed or crashed.
CASES_OF_REAL, CASES_OF_SIMULATED = range(120, 270), range(1010, 1110)
REAL = (
    "ata.LoA.C0352.uvh5_60647_62965_9760406_3c286_0001.uvh5",  # version 1.2
    "zen.2458661.23480.HH.uvh5",  # before versions, complex128
)
#: Seconds after which a conversion of a small file hangs.
PATIENCE = 60.0

CONVERTED, REFUSED, WRONG, CRASHED, HUNG = "converted", "refused", "wrong", "crashed", "hung"


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    number: int
    damage: str
    outcome: str
    why: str

    def __str__(self) -> str:
        return f"case {self.number} ({self.damage}) {self.outcome}: {self.why}"


class Worker:
    """A process that converts damaged files, started again when it dies of one."""

    def __init__(self, whole: Path, folder: Path, *options: str) -> None:
        folder.mkdir()
        self.command = [sys.executable, str(WORKER), str(whole), str(folder / "work"), *options]
        self.errors = folder / "stderr"
        self.process: subprocess.Popen[str] | None = None

    def run(self, number: int) -> Outcome:
        process = self.process or self.start()
        assert process.stdin is not None and process.stdout is not None
        hangs = threading.Timer(PATIENCE, process.kill)
        hangs.start()
        try:
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            in_time = hangs.is_alive()
            hangs.cancel()
        if answer:
            return Outcome(number, **json.loads(answer))
        self.stop()
        if not in_time:
            return Outcome(number, "", HUNG, f"no answer in {PATIENCE:.0f} s")
        return Outcome(number, "", CRASHED, self.last_words(process.returncode))

    def start(self) -> subprocess.Popen[str]:
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "ARMILLARY_NO_PLUGINS": "1"},
            )
        return self.process

    def last_words(self, status: int) -> str:
        died = signal.Signals(-status).name if status < 0 else f"status {status}"
        said = self.errors.read_text()
        at = said.find("(most recent call first)")
        frames = [line.strip() for line in said[at:].splitlines()[1:] if line.startswith("  File")]
        return f"{died} in {frames[0]}" if frames else f"{died}: {said[-500:]}"

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None and self.process.stdout is not None
            self.process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()
        self.process = None


def run(whole: Path, numbers: Sequence[int], folder: Path) -> list[Outcome]:
    """How each case ended, on some processes at a time."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    outcomes: list[Outcome] = []

    def work(worker: Worker) -> None:
        try:
            while True:
                outcomes.append(worker.run(waiting.get_nowait()))
        except queue.Empty:
            pass
        finally:
            worker.stop()

    workers = [Worker(whole, folder / str(index)) for index in range(WORKERS)]
    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes, key=lambda outcome: outcome.number)


def held_to_the_rules(whole: Path, numbers: range, folder: Path) -> None:
    outcomes = run(whole, numbers, folder)
    assert len(outcomes) == len(numbers)
    tally = Counter(outcome.outcome for outcome in outcomes)
    # Nothing would be tested if no damaged file were read, or none refused.
    assert tally[CONVERTED] and tally[REFUSED], tally
    broken = [one for one in outcomes if one.outcome in (WRONG, HUNG)]
    for crash in (one for one in outcomes if one.outcome == CRASHED):
        if kills_hdf5(whole, crash.number, folder):
            warnings.warn(f"HDF5 itself dies of a damaged {whole.name}: {crash}", stacklevel=1)
        else:
            broken.append(crash)
    assert not broken, "\n".join(map(str, broken))


def kills_hdf5(whole: Path, number: int, folder: Path) -> bool:
    """Whether h5py dies of a case even without us."""
    worker = Worker(whole, folder / f"alone-{number}", "--hdf5-alone")
    try:
        return worker.run(number).outcome == CRASHED
    finally:
        worker.stop()


@pytest.mark.parametrize("name", REAL)
def test_a_damaged_real_file_is_converted_or_refused(
    name: str, visibility_data: Path, tmp_path: Path
) -> None:
    held_to_the_rules(visibility_data / name, CASES_OF_REAL, tmp_path)


@pytest.mark.parametrize("layout", ["dsa110", "memo"])
def test_a_damaged_simulated_file_is_converted_or_refused(layout: str, tmp_path: Path) -> None:
    whole = simulated_observation(tmp_path, layout=layout, n_subbands=1, noise=1.0).paths[0]
    held_to_the_rules(whole, CASES_OF_SIMULATED, tmp_path)


def test_a_process_that_dies_is_reported_and_replaced(tmp_path: Path) -> None:
    whole = simulated_observation(tmp_path, n_subbands=1).paths[0]
    worker = Worker(whole, tmp_path / "worker")
    worker.start().kill()
    died = worker.run(0)
    assert died.outcome == CRASHED and "SIGKILL" in died.why
    assert worker.run(0).outcome in (CONVERTED, REFUSED)
    worker.stop()


def test_hdf5_alone_survives_what_it_should(tmp_path: Path) -> None:
    whole = simulated_observation(tmp_path, n_subbands=1).paths[0]
    assert not any(kills_hdf5(whole, number, tmp_path) for number in range(3))
