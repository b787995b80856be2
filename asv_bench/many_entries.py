"""Two million small entries go into a store on disk and out again: does it slow down?

    python asv_bench/many_entries.py [ENTRIES] [FOLDER]

Prints the microseconds of a `put`, a `get` and a `delete` for each tenth of the way, and the
length of what is in the folder. Needs about a gigabyte of disk and some ten minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import armillary as arm

ENTRIES = 2_000_000
LENGTH = 100
STEPS = 10


def key(number: int) -> bytes:
    return arm.cache.key_of(number)


def timed(what: str, numbers: np.ndarray, work: Callable[[bytes], object], folder: Path) -> None:
    """Do something with every key, and say how long it took."""
    for step in np.array_split(numbers, STEPS):
        keys = [key(int(number)) for number in step]
        begin = time.perf_counter()
        for each in keys:
            work(each)
        microseconds = 1e6 * (time.perf_counter() - begin) / len(keys)
        files = [path for path in folder.rglob("*") if path.is_file()]
        megabytes = sum(path.stat().st_size for path in files) / 1e6
        print(
            f"{what:8} {microseconds:8.1f} us   {len(files):4} files {megabytes:9.1f} MB",
            flush=True,
        )


def main() -> None:
    n_entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    parent = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=parent) as room:
        folder = Path(room) / "cache"
        with arm.cache.open("disk", path=folder, max_bytes="10 GB") as store:
            shuffled = np.random.default_rng(1).permutation(n_entries)
            value = bytes(LENGTH)
            timed("put", np.arange(n_entries), lambda each: store.put(each, value), folder)
            timed("get", shuffled, store.get, folder)
            print(store.stats())
            timed("delete", shuffled, store.delete, folder)
            begin = time.perf_counter()
            store.clear()
            print(f"clear {time.perf_counter() - begin:.2f} s, {len(store)} entries are left")


if __name__ == "__main__":
    main()
