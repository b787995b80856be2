"""What the quick benchmark measures: ratios to peers, and figures with a budget."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from benchmarks.common import THREADS
from benchmarks.dispatch import Discovery, Dispatch, median_seconds
from benchmarks.light_curves import CASES, OVERSAMPLE, Case
from benchmarks.peers import bins_of_gerbls, gerbls_spectrum
from benchmarks.processes import extra_memory, import_ratio, interrupt_latency
from benchmarks.search import mean_losses
from benchmarks.template import Scores

ROUNDS = 5

Name = TypeVar("Name")

#: Light curve and peer -> least ratio of peer time to our time, by our threads.
TARGETS = {
    ("random times, 100 days", "astropy"): {1: 3.0, 2: 6.0},
    ("TESS sector, 2 min", "GERBLS"): {1: 1.0},
    ("TESS sector, 2 min", "GERBLS, same bins"): {1: 1.0},
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One light curve and one peer.

    Attributes
    ----------
    light_curve, peer : str
        What was searched, and who else searched it.
    points, periods : int
        Size of the problem, the same for both.
    bins, peer_bins : float
        Phase bins in the shortest duration, ours and the peer's.
    ratios : dict of int to float
        Threads of ours -> peer time over our time; the peer has one thread.
    height : float
        Our highest delta_chi2 over the peer's, both before refinement.
    targets : dict of int to float
        Threads of ours -> least ratio that is asked for.
    """

    light_curve: str
    peer: str
    points: int
    periods: int
    bins: float
    peer_bins: float
    ratios: dict[int, float]
    height: float
    targets: dict[int, float] = field(default_factory=dict)

    def met(self, threads: int) -> bool | None:
        """Whether the target is met; None without one."""
        return self.ratios[threads] >= self.targets[threads] if threads in self.targets else None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number and the most that it may be."""

    what: str
    value: float
    unit: str
    budget: float

    @property
    def met(self) -> bool:
        """Whether the number is within its budget."""
        return self.value <= self.budget


@dataclass(frozen=True, slots=True)
class Beside:
    """One task, and what it is held against.

    Attributes
    ----------
    what, beside : str
    ratio : float
        Of times, or of what is given; the tables say which over which.
    target : float
    at_least : bool
        Whether the target is the least that the ratio may be, or the most.
    """

    what: str
    beside: str
    ratio: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the ratio is what is asked for."""
        return bool(self.ratio >= self.target if self.at_least else self.ratio <= self.target)


# ------------------------------------------------------------------ ratios


def comparisons(peers: set[str]) -> Iterator[Comparison]:
    """Compare with each of these peers, on every light curve that suits it."""
    if "astropy" in peers:
        for name, build in CASES.items():
            yield compare_with_astropy(name, build())
    if "gerbls" in peers:
        for name in ("TESS sector, 2 min", "K2 campaign, 30 min", "Kepler, 4 years, 30 min"):
            yield compare_with_gerbls(name, CASES[name]())
            yield compare_with_gerbls(name, CASES[name](), same_bins=True)


def compare_with_astropy(name: str, case: Case) -> Comparison:
    """The same periods, durations, bins and statistic for both."""
    peak = case.search("astropy").delta_chi2.max()
    ratios, height = _raced(case, OVERSAMPLE, lambda: case.search("astropy"), peak)
    return _comparison(name, "astropy", case, (OVERSAMPLE, OVERSAMPLE), ratios, height)


def compare_with_gerbls(name: str, case: Case, same_bins: bool = False) -> Comparison:
    """GERBLS as its users run it or with our bins, both on the periods that it chooses.

    Where GERBLS takes fewer bins than we would, we take as few.
    """
    periods, delta_chi2 = gerbls_spectrum(case, same_bins)
    case = replace(case, period=np.sort(periods))
    peer_bins = OVERSAMPLE if same_bins else bins_of_gerbls(case)
    bins = min(OVERSAMPLE, round(peer_bins))
    ratios, height = _raced(case, bins, lambda: gerbls_spectrum(case, same_bins), delta_chi2.max())
    peer = "GERBLS, same bins" if same_bins else "GERBLS"
    return _comparison(name, peer, case, (bins, peer_bins), ratios, height)


def _comparison(
    name: str,
    peer: str,
    case: Case,
    bins: tuple[float, float],
    ratios: dict[int, float],
    height: float,
) -> Comparison:
    size = len(case.time), len(case.period)
    return Comparison(name, peer, *size, *bins, ratios, height, TARGETS.get((name, peer), {}))


def _raced(
    case: Case, oversample: int, peer: Callable[[], object], peak: float
) -> tuple[dict[int, float], float]:
    """Peer time over our time for each number of our threads; our peak over the peer's."""
    height = case.search(oversample=oversample).delta_chi2.max() / peak
    medians = interleaved({None: peer} | {n: _search(case, n, oversample) for n in THREADS})
    return {n: medians[None] / medians[n] for n in THREADS}, float(height)


def _search(case: Case, threads: int, oversample: int) -> Callable[[], object]:
    return lambda: case.search(threads=threads, oversample=oversample)


def interleaved(
    runs: Mapping[Name, Callable[[], object]], rounds: int = ROUNDS
) -> dict[Name, float]:
    """Median seconds of each run; they take turns, so that all see the same machine."""
    seconds: dict[Name, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


# ------------------------------------------------------------------ figures


def figures() -> Iterator[Figure]:
    """The numbers that have a budget, cheapest first."""
    yield Figure("import armillary", import_ratio(), "times import numpy", 1.5)
    yield Figure("dispatch of a call", dispatch_overhead(), "microseconds", 20.0)
    yield Figure("discovery of 100 plugins", discovery(), "s", 0.2)
    spectrum, best = mean_losses("cpu")
    yield Figure("delta_chi2 lost by the spectrum, mean", 100.0 * spectrum, "%", 8.0)
    yield Figure("delta_chi2 lost by the refined best, mean", 100.0 * best, "%", 0.1)
    share = 100.0 * time_of_template_scores()
    yield Figure("200 template scores, time over that of the NumPy formula", share, "%", 5.0)
    for threads in THREADS:
        latency = max(interrupt_latency(threads) for _ in range(3))
        yield Figure(f"Ctrl-C, slowest of 3, threads: {threads}", latency, "s", 0.2)
    if sys.platform == "linux":
        extra = extra_memory(70.0)
        yield Figure("extra memory, 100,000 points x 500,000 periods", extra, "MB", 50.0)


def dispatch_overhead() -> float:
    """Microseconds that a call costs above the direct call of its target."""
    bench = Dispatch()
    bench.setup()
    try:
        return bench.track_dispatch_overhead()
    finally:
        bench.teardown()


def time_of_template_scores() -> float:
    """The compiled default over the plain formula, one thread each, candidates of a TESS sector."""
    runs: dict[str, Callable[[], object]] = {}
    for backend in ("cpu", "reference"):
        bench = Scores()
        arguments = (backend, "TESS sector, 2 min", 1)
        bench.setup(*arguments)
        runs[backend] = functools.partial(bench.time_scores, *arguments)
    seconds = interleaved(runs)
    return seconds["cpu"] / seconds["reference"]


def discovery() -> float:
    """Seconds to find and load 100 plugins that are installed beside everything else."""
    bench = Discovery()
    bench.setup()
    try:
        return median_seconds(bench.time_scan_and_discover, number=1)
    finally:
        bench.teardown()
