"""Toy visibilities: files of JSON and outputs that say what they were made of.

Run as a program, it watches a folder with them until it is killed: FOLDER OUT [LINE], where it
kills itself before the LINE-th line of the queue that it executes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path

from armillary.convert.queue.facts import FileFacts
from armillary.convert.queue.settings import Settings
from armillary.convert.queue.watch import Watcher
from armillary.convert.queue.worker import Converted

#: Hertz.
CHANNEL, CHANNELS, LOWEST = 250e3, 48, 1.3e9
#: Seconds of an observation; Julian date of the first.
DURATION, START = 300.0, 2460690.625
#: Subbands of a group that the program waits for, and seconds that it needs for one.
SUBBANDS, SECONDS_PER_SUBBAND = 4, 0.04
#: Lines of the last file that is written into an output.
WHOLE = "whole"


def contents(group: int, subband: int, *, shift: float = 0.0, duration: float = DURATION) -> str:
    """A file of the group that begins so many observations after the first."""
    first = START + (group * duration + shift) / 86_400
    return json.dumps({"first": first, "duration": duration, "subband": subband}) + "\n"


def name_of(group: int, subband: int) -> str:
    return f"{group:03d}_sb{subband:02d}.hdf5"


def describe(path: Path) -> FileFacts:
    text = path.read_text()
    if not text.endswith("\n"):
        raise ValueError(f"{str(path)!r} is truncated")
    header = json.loads(text)
    lowest = LOWEST + header["subband"] * CHANNELS * CHANNEL
    return FileFacts(
        first_time=header["first"] + 5 / 86_400,
        begin=header["first"],
        end=header["first"] + header["duration"] / 86_400,
        lowest=lowest,
        highest=lowest + (CHANNELS - 1) * CHANNEL,
        n_channels=CHANNELS,
        channel_width=CHANNEL,
    )


def convert(paths, out: Path, incomplete: bool, seconds: float = 0.0) -> Converted:
    """A folder with a copy of every file and, at last, a number that no other output has."""
    out.mkdir()
    for path in paths:
        (out / path.name).write_text(path.read_text())
        time.sleep(seconds)
    (out / "table.dat").write_text(f"{uuid.uuid4().hex}\n{WHOLE}\n")
    n_bytes = sum(path.stat().st_size for path in paths)
    return Converted(100, len(paths) * CHANNELS, 0.25, n_bytes, 2 * n_bytes)


def slowly(paths, out: Path, incomplete: bool) -> Converted:
    return convert(paths, out, incomplete, SECONDS_PER_SUBBAND)


def kill_before(line: int) -> None:
    """End this process without any warning at a line of the queue."""
    executed = 0

    def trace(frame, event, argument):
        nonlocal executed
        if f"{os.sep}queue{os.sep}" not in frame.f_code.co_filename:
            return None
        executed += event == "line"
        if executed >= line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def main(folder: str, out: str, line: str = "") -> None:
    print("begun", flush=True)
    if line:
        kill_before(int(line))
    settings = Settings(expected_subbands=SUBBANDS, settle=0.1, poll=0.02)
    watcher = Watcher(Path(folder), Path(out), settings, slowly, describe=describe)
    watcher.run(once=bool(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
