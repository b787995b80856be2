"""What the quick benchmark measures of conversions: a ratio, floors, and memory."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.observations import N_TIMES, benchmark_observation
from benchmarks.processes import conversion_memory
from benchmarks.visibilities import convert
from benchmarks.visibility_peers import (
    pyuvdata_conversion,
    read_everything,
    write_everything,
)
from comparison import Beside, Figure, interleaved

ROUNDS = 5
PEER_TARGET, FLOOR_TARGET = 5.0, 1.6
#: Megabytes that a conversion may take, also that of an observation of twice the times.
MEMORY = 250.0


def conversion_comparison(peers: set[str]) -> Iterator[Beside]:
    """Convert the observation, beside pyuvdata and the floors."""
    observation = benchmark_observation()
    what = "UVH5 to a Measurement Set"
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        runs = {
            "ours": partial(convert, observation, room / "ours.ms"),
            "read": partial(read_everything, observation),
            "write": partial(write_everything, observation, room / "floor.ms"),
        }
        if "pyuvdata" in peers:
            runs["pyuvdata"] = partial(pyuvdata_conversion, observation, room / "theirs.ms")
        # Modules are loaded and the files are in memory before anything is timed.
        runs["read"]()
        runs["ours"]()
        seconds = interleaved(runs, ROUNDS)
    if "pyuvdata" in peers:
        ratio = seconds["pyuvdata"] / seconds["ours"]
        yield Beside(what, "pyuvdata", ratio, PEER_TARGET, at_least=True)
    floors = seconds["ours"] / (seconds["read"] + seconds["write"])
    yield Beside(what, "floors", floors, FLOOR_TARGET, at_least=False)


def conversion_figures() -> Iterator[Figure]:
    """Memory, on Linux."""
    if sys.platform != "linux":
        return
    for times in (N_TIMES, 2 * N_TIMES):
        what = f"conversion of {times} times, memory above import"
        yield Figure(what, conversion_memory(times), "MB", MEMORY)
