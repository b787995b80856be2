"""What the quick benchmark measures of caches: hits, keys, compression, and what a survey saves."""

from __future__ import annotations

import tempfile
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.stores import diskcache_hit, filled, joblib_hit, key, noise, our_hit, real_arrays
from comparison import Beside, Figure, interleaved
from survey_trace import contenders, survey_trace

import armillary as arm

ROUNDS = 15
#: Bytes -> how many times longer diskcache must take, and how much longer we may take than joblib.
HITS = {
    1_000: (1.0, 1.0),
    10_000: (1.0, 1.0),
    100_000: (1.0, 1.0),
    1_000_000: (2.0, 1.25),
    8_000_000: (1.0, 1.25),
    80_000_000: (4.0, 1.25),
}
#: Least that keys of large arrays are faster than joblib's.
KEYS = 25.0
#: Microseconds of a hit of one kilobyte in memory.
HIT_IN_MEMORY = 2.0
#: Array -> least number of times that more of it fits into a budget.
SMALLER = {
    "PDCSAP flux of WASP-126, float32": 1.7,
    "the same over its median, float64": 1.25,
    "UGC 12517, float32": 1.3,
    "M51, int16": 3.3,
}
#: Gigabytes that one thread decodes in a second, at least; how much slower noise may be.
DECODED, NOISE = 1.5, 1.03


def cache_comparisons(plugins: set[str]) -> Iterator[Beside]:
    """Stores beside their peers, and the codec beside nothing."""
    for n_bytes in HITS:
        with tempfile.TemporaryDirectory() as folder:
            yield from _hits(n_bytes, Path(folder))
    yield _keys()
    if "lz4" in plugins:
        yield from _compression()
    yield from _trace()


def _hits(n_bytes: int, folder: Path) -> Iterator[Beside]:
    import joblib  # noqa: F401  a peer that is not there is an error, not a table without it

    with filled("disk", n_bytes, folder) as store:
        runs = {
            "disk": our_hit(store, n_bytes),
            "diskcache": diskcache_hit(n_bytes, folder),
            "joblib": joblib_hit(n_bytes, folder, None),
            "joblib, mapped": joblib_hit(n_bytes, folder, "r"),
        }
        seconds = interleaved(_repeated(runs, n_bytes), ROUNDS)
    faster, slower = HITS[n_bytes]
    what = f"hit of {_size(n_bytes)} on disk"
    ratio = seconds["diskcache"] / seconds["disk"]
    yield Beside(what, "diskcache", ratio, faster, at_least=True)
    fastest = min(seconds["joblib"], seconds["joblib, mapped"])
    yield Beside(what, "joblib.Memory", seconds["disk"] / fastest, slower, at_least=False)


def _repeated(
    runs: dict[str, Callable[[], float]], n_bytes: int
) -> dict[str, Callable[[], object]]:
    """Short runs, several times over: as long as a millisecond or so."""
    number = max(1, min(100, 5_000_000 // n_bytes))
    return {name: lambda run=run: [run() for _ in range(number)] for name, run in runs.items()}


def _keys() -> Beside:
    import joblib

    array = noise(80_000_000)
    runs = {"ours": lambda: arm.cache.key_of(array), "joblib": lambda: joblib.hash(array)}
    seconds = interleaved(runs, ROUNDS)
    ratio = seconds["joblib"] / seconds["ours"]
    return Beside("key of 80 MB", "joblib.hash", ratio, KEYS, at_least=True)


def _compression() -> Iterator[Beside]:
    arrays = real_arrays()
    for name, least in SMALLER.items():
        if name in arrays:
            array = arrays[name]
            with arm.cache.open("lz4", threads=1) as store:
                store.put(key(0), array)
                stats = store.stats()
                get = min(timeit.repeat(lambda s=store: s.get(key(0)), number=3, repeat=15)) / 3
            smaller = stats.raw_bytes / stats.stored_bytes
            yield Beside(f"{name}: smaller", "raw", smaller, least, at_least=True)
            speed = array.nbytes / get / 1e9
            yield Beside(f"{name}: decoding", "1 GB/s", speed, DECODED, at_least=True)
    n_bytes = 8_000_000
    with tempfile.TemporaryDirectory() as folder:
        stores = {name: filled(name, n_bytes, Path(folder)) for name in ("lz4", "memory")}
        runs = {name: our_hit(store, n_bytes) for name, store in stores.items()}
        seconds = interleaved(_repeated(runs, n_bytes // 10), 5 * ROUNDS)
        stored = {name: store.stats().stored_bytes for name, store in stores.items()}
        for store in stores.values():
            store.close()
    ratio = seconds["lz4"] / seconds["memory"]
    yield Beside("noise, get and sum", "raw", ratio, NOISE, at_least=False)
    larger = stored["lz4"] / stored["memory"]
    yield Beside("noise, bytes", "raw", larger, NOISE, at_least=False)


def _trace() -> Iterator[Beside]:
    saved = dict(contenders(survey_trace()))
    for policy in ("memory", "disk"):
        ours = saved[f"armillary {policy}, cost"]
        for name, seconds in saved.items():
            if not name.endswith(", cost"):
                what = f"survey trace, {policy}"
                yield Beside(what, name, ours / seconds, 1.0, at_least=True)


def cache_figures() -> Iterator[Figure]:
    """What has a budget in microseconds."""
    with tempfile.TemporaryDirectory() as folder, filled("memory", 1_000, Path(folder)) as store:
        name = key(1_000)
        seconds = min(timeit.repeat(lambda: store.get(name), number=100_000, repeat=7)) / 100_000
        yield Figure("hit of 1 kB in memory", 1e6 * seconds, "microseconds", HIT_IN_MEMORY)


def _size(n_bytes: int) -> str:
    return f"{n_bytes // 1_000_000} MB" if n_bytes >= 1_000_000 else f"{n_bytes // 1000} kB"
