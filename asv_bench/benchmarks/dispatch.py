"""What the plugin system costs: choosing and calling a backend, finding plugins."""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import timeit
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import numpy as np

import armillary as arm
from armillary.plugins import Request
from armillary.plugins.call import call, checked_arrays
from armillary.plugins.registry import find_plugins, load_registry, set_registry
from armillary.plugins.select import choose

from . import trivial_plugin
from .common import unit

N_PLUGINS = 100
#: The operation whose dispatch is timed.
OPERATION = "search.bls"

PLUGIN = """
from armillary.plugins import Implementation, hookimpl

@hookimpl
def armillary_search():
    yield Implementation(operation="search.bls", name="{name}", target="{name}:bls", api=1)
"""


def median_seconds(function: Callable[[], object], number: int, rounds: int = 7) -> float:
    """Median over rounds of the mean time of ``number`` calls."""
    return statistics.median(timeit.repeat(function, number=number, repeat=rounds)) / number


class Dispatch:
    """One call of a backend that does nothing, through the plugin system and directly."""

    rounds = 4

    def setup(self) -> None:
        # The front door's own: a copy would hide what it costs.
        from armillary.search.box.task import request_of

        self.request_of = request_of
        entry = EntryPoint("trivial", trivial_plugin.__name__, "armillary")
        self.previous = set_registry(load_registry(found=[entry]))
        names = ("time", "flux", "flux_err", "period", "duration")
        self.arguments = {name: np.ones(1) for name in names}
        self.arguments |= {
            name: np.ones(1, np.intp) for name in ("duration_start", "duration_stop")
        }

    def teardown(self) -> None:
        set_registry(self.previous)

    def time_dispatch_overhead(self) -> None:
        """Everything that the front door does for the choice, the call and its contract."""
        choose(Request(OPERATION), "trivial")
        plan = choose(self.request_of(self.arguments, 10, "numpy"), "trivial")
        conveniences = {"threads": 1, "progress": None}
        result = call(plan, self.arguments, {"oversample": (10, 10)}, conveniences)
        checked_arrays(plan, result, dict.fromkeys(trivial_plugin.NAMES, (1,)))
        plan.provenance(1)

    def time_direct_call(self) -> None:
        trivial_plugin.bls(**self.arguments, oversample=10, threads=1)

    @unit("microseconds")
    def track_dispatch_overhead(self) -> float:
        """Microseconds a call above calling the target directly; the budget is 20."""
        through = median_seconds(self.time_dispatch_overhead, 1_000)
        return 1e6 * (through - median_seconds(self.time_direct_call, 1_000))


class Backends:
    """What people ask of the registry."""

    rounds = 4

    def setup(self) -> None:
        arm.list_backends(OPERATION)

    def time_list_backends(self) -> None:
        arm.list_backends(OPERATION)

    def time_explain(self) -> None:
        arm.explain(OPERATION)


class Discovery:
    """100 plugins, each a module and the metadata of a distribution of its own."""

    rounds = 4

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.modules = [f"armillary_benchmark_{i:03}" for i in range(N_PLUGINS)]
        for module in self.modules:
            _write_distribution(root, module)
        sys.path.insert(0, self.folder.name)
        importlib.invalidate_caches()
        self.found = [
            entry for one in distributions(path=[self.folder.name]) for entry in one.entry_points
        ]

    def teardown(self) -> None:
        self._forget()
        sys.path.remove(self.folder.name)
        self.folder.cleanup()

    def _forget(self) -> None:
        for module in self.modules:
            sys.modules.pop(module, None)

    def time_discover_100_plugins(self) -> None:
        """Import the plugins and take their records; the budget is 0.2 s."""
        self._forget()
        load_registry(found=self.found)

    def time_scan_metadata(self) -> None:
        """Read the metadata of everything that is installed."""
        find_plugins()

    def time_scan_and_discover(self) -> None:
        """Both: what the first call in a process waits for; the budget is 0.2 s."""
        self._forget()
        load_registry()


def _write_distribution(root: Path, module: str) -> None:
    information = root / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[armillary]\n{module} = {module}\n")
    (root / f"{module}.py").write_text(PLUGIN.format(name=module))
