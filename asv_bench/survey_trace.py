"""What a survey asks of a cache: a trace, written down before any store was measured with it.

    python asv_bench/survey_trace.py

Four sectors of 2,500 targets follow each other. In each, people come back to targets as they
interest them, by Zipf's law; one access in five is of a script that goes through everything once
and never returns; one in ten is of a target of an earlier sector. What is asked for is one of
four kinds of result, of the sizes and costs of such results, each spread by a factor of about two
either way: a periodogram and an isophote table are small and dear, a model image and a list of
pairs large and cheap. Lengths are scaled down, so that the stores hold real bytes.

The score is the seconds of computing that a store saves, per gigabyte of its budget, which is a
twentieth of all results.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

SEED = 20261122
SECTORS, TARGETS, ACCESSES = 4, 2_500, 60_000
#: Exponent of the popularity of targets.
ZIPF = 0.9
#: Part of the accesses that go through everything once, and that return to earlier sectors.
SCANS, RETURNS = 0.2, 0.1
#: Kind -> (bytes, seconds, how often it is asked for).
KINDS = {
    "periodogram": (20_000, 2.0, 0.4),
    "isophotes": (4_000, 0.5, 0.2),
    "model image": (100_000, 0.3, 0.2),
    "pairs": (60_000, 0.05, 0.2),
}
SPREAD = np.log(2.0)
#: Part of the bytes of all results that a store may keep.
BUDGET = 0.05


@dataclass(frozen=True)
class Trace:
    """Accesses, in order, of results that have a length and a cost.

    Attributes
    ----------
    accesses : ndarray of int
        Number of the result that is asked for.
    lengths : ndarray of int
        Bytes of each result.
    costs : ndarray of float
        Seconds that computing each takes.
    """

    accesses: np.ndarray
    lengths: np.ndarray
    costs: np.ndarray

    @property
    def budget(self) -> int:
        """Bytes that a store may keep."""
        return int(BUDGET * self.lengths[np.unique(self.accesses)].sum())


def survey_trace(seed: int = SEED) -> Trace:
    """The trace; the same for the same seed."""
    random = np.random.default_rng(seed)
    kinds = np.array([(length, cost) for length, cost, _ in KINDS.values()])
    chances = np.array([chance for _, _, chance in KINDS.values()])
    n_results = SECTORS * TARGETS * len(KINDS)
    kind_of = np.tile(np.arange(len(KINDS)), SECTORS * TARGETS)
    lengths = kinds[kind_of, 0] * np.exp(SPREAD * random.standard_normal(n_results))
    costs = kinds[kind_of, 1] * np.exp(SPREAD * random.standard_normal(n_results))
    popularity = np.arange(1, TARGETS + 1) ** -ZIPF
    popularity /= popularity.sum()
    rank = [random.permutation(TARGETS) for _ in range(SECTORS)]
    accesses, scanned = [], 0
    for access in range(ACCESSES):
        sector = access * SECTORS // ACCESSES
        kind = random.choice(len(KINDS), p=chances)
        if random.random() < SCANS:
            target, scanned = scanned % TARGETS, scanned + 1
        else:
            if sector and random.random() < RETURNS:
                sector = int(random.integers(sector))
            target = rank[sector][random.choice(TARGETS, p=popularity)]
        accesses.append((sector * TARGETS + target) * len(KINDS) + kind)
    return Trace(np.array(accesses), np.maximum(1, lengths.astype(int)), costs)


def saved(
    trace: Trace, get: Callable[[bytes], Any], put: Callable[[bytes, bytes, float], Any]
) -> float:
    """Seconds of computing that a store saves."""
    total = 0.0
    for number in trace.accesses:
        key = int(number).to_bytes(16, "little")
        if get(key) is not None:
            total += float(trace.costs[number])
        else:
            put(key, bytes(trace.lengths[number]), trace.costs[number])
    return total


# ------------------------------------------------------------------ who is compared


def contenders(trace: Trace) -> Iterator[tuple[str, float]]:
    """Each store by name, and the seconds that it saves."""
    yield from _own(trace)
    yield from _cachetools(trace)
    yield from _diskcache(trace)


def _own(trace: Trace) -> Iterator[tuple[str, float]]:
    import armillary as arm

    for policy in ("cost", "lru"):
        with arm.cache.open("memory", max_bytes=trace.budget, policy=policy) as store:
            yield f"armillary memory, {policy}", saved(trace, store.get, _with_cost(store))
    folder = tempfile.mkdtemp()
    try:
        with arm.cache.open("disk", path=f"{folder}/cache", max_bytes=trace.budget) as store:
            yield "armillary disk, cost", saved(trace, store.get, _with_cost(store))
    finally:
        shutil.rmtree(folder)


def _with_cost(store: Any) -> Callable[[bytes, bytes, float], Any]:
    return lambda key, value, cost: store.put(key, value, cost=cost)


def _cachetools(trace: Trace) -> Iterator[tuple[str, float]]:
    import cachetools

    for kind in ("LRUCache", "LFUCache", "FIFOCache", "RRCache"):
        store = getattr(cachetools, kind)(trace.budget, getsizeof=len)
        yield f"cachetools {kind}", saved(trace, store.get, _set_item(store))


def _set_item(store: Any) -> Callable[[bytes, bytes, float], Any]:
    def put(key: bytes, value: bytes, cost: float) -> None:
        store[key] = value

    return put


def _diskcache(trace: Trace) -> Iterator[tuple[str, float]]:
    import diskcache

    for policy in ("least-recently-stored", "least-recently-used", "least-frequently-used"):
        folder = tempfile.mkdtemp()
        try:
            with diskcache.Cache(folder, size_limit=trace.budget, eviction_policy=policy) as store:
                yield f"diskcache, {policy}", saved(trace, store.get, _set_item(store))
        finally:
            shutil.rmtree(folder)


def main() -> None:
    trace = survey_trace()
    whole = float(trace.costs[trace.accesses].sum())
    print(
        f"{len(trace.accesses):,} accesses, {whole:,.0f} s of computing, "
        f"budget {trace.budget:,} bytes"
    )
    for name, seconds in contenders(trace):
        per_gigabyte = seconds / (trace.budget / 1e9)
        print(f"{name:36} {per_gigabyte:12,.0f} s/GB {seconds / whole:8.1%}")


if __name__ == "__main__":
    main()
