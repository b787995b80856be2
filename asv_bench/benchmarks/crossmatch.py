"""``crossmatch.nearest`` and ``crossmatch.within``: speed and memory."""

from __future__ import annotations

import sys

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

from .common import BACKENDS, THREADS, Bench, unit
from .processes import match_memory
from .skies import Positions, galactic_sky, jittered_copy, uniform_sky

RADIUS = 2.0
#: Backends that have threads of their own to be told of.
THREADED = ("cpu", "pykdtree", "scipy")
ROWS = (2_000, 200_000)
SKIES = {"uniform": uniform_sky, "galactic": galactic_sky}
#: The reference looks at every pair: more take it minutes.
MOST_OF_REFERENCE = 3_000


def pair(sky: str, n: int) -> tuple[Positions, Positions]:
    """A catalogue and its jittered copy."""
    left = SKIES[sky](n, 1)
    return left, jittered_copy(*left, seed=2)


class Catalogues(Bench):
    """A catalogue and its jittered copy, for every backend; no benchmark of its own."""

    def setup(self, backend: str, sky: str, rows: int, threads: int) -> None:
        self.require(backend)
        if threads > 1 and backend not in THREADED:
            raise SkipNotImplemented(f"{backend} runs on one thread")
        if backend == "reference" and rows > MOST_OF_REFERENCE:
            raise SkipNotImplemented(f"{rows:,} rows are too many for the reference")
        self.left, self.right = pair(sky, rows)


class Nearest(Catalogues):
    """The nearest within 2 arcsec."""

    operation = "crossmatch.nearest"
    params = (BACKENDS["crossmatch.nearest"], tuple(SKIES), ROWS, THREADS)
    param_names = ("backend", "sky", "rows", "threads")

    def time_nearest(self, backend: str, sky: str, rows: int, threads: int) -> None:
        arm.crossmatch.nearest(self.left, self.right, RADIUS, backend=backend, threads=threads)


class Within(Catalogues):
    """Every pair within 2 arcsec."""

    operation = "crossmatch.within"
    params = (BACKENDS["crossmatch.within"], tuple(SKIES), ROWS, THREADS)
    param_names = ("backend", "sky", "rows", "threads")

    def time_within(self, backend: str, sky: str, rows: int, threads: int) -> None:
        arm.crossmatch.within(self.left, self.right, RADIUS, backend=backend, threads=threads)


class Shapes(Bench):
    """What the default makes of other questions."""

    operation = "crossmatch.nearest"

    def setup(self) -> None:
        self.left, self.right = pair("uniform", 200_000)
        self.few = tuple(column[:1000] for column in self.left)
        rng = np.random.default_rng(3)
        self.clump = 10.0 + rng.normal(0.0, 0.001, 30_000), 20.0 + rng.normal(0.0, 0.001, 30_000)

    def time_no_limit(self) -> None:
        arm.crossmatch.nearest(self.left, self.right, None)

    def time_five_neighbours(self) -> None:
        arm.crossmatch.nearest(self.left, self.right, None, k=5)

    def time_mutual(self) -> None:
        arm.crossmatch.nearest(self.left, self.right, RADIUS, mutual=True)

    def time_few_against_many(self) -> None:
        arm.crossmatch.nearest(self.few, self.right, RADIUS)

    def time_clump(self) -> None:
        arm.crossmatch.nearest(self.clump, self.clump, 60.0)

    def time_within_a_minute(self) -> None:
        arm.crossmatch.within(self.left, self.right, 60.0)

    def time_within_itself(self) -> None:
        arm.crossmatch.within(self.left, None, 60.0)


class Epochs(Bench):
    """Moving a catalogue to another epoch."""

    operation = "crossmatch.nearest"

    def setup(self) -> None:
        rng = np.random.default_rng(4)
        motion = rng.normal(0.0, 10.0, (2, 200_000))
        self.catalog = arm.crossmatch.Catalog(
            *uniform_sky(200_000, 1), pm_ra_cosdec=motion[0], pm_dec=motion[1], epoch=2000.0
        )

    def time_at(self) -> None:
        self.catalog.at(2016.0)


class Memory(Bench):
    """The highest memory of a match, less its input and its result."""

    operation = "crossmatch.nearest"

    @unit("bytes per row of one catalogue")
    def track_extra_memory(self) -> float:
        if sys.platform != "linux":
            raise SkipNotImplemented("the highest memory of one call is known on Linux only")
        return match_memory(1_000_000)
