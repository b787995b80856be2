"""``convert.visibilities``: speed, memory, and how long a file is looked at."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from astropy.coordinates import SkyCoord
from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

from .common import BACKENDS, Bench, unit
from .observations import BenchmarkObservation, benchmark_observation
from .processes import conversion_memory

#: An observation that even slow backends convert in seconds.
SMALL = {"n_times": 6, "n_antennas": 32, "n_subbands": 4}


def convert(observation: BenchmarkObservation, out: Path, backend: str | None = None) -> None:
    """To one phase centre, as a Measurement Set."""
    place = SkyCoord(observation.ra, observation.dec, unit="deg")
    arm.convert.visibilities(observation.paths, out, phase=place, overwrite=True, backend=backend)


class Visibilities(Bench):
    """Four subbands of 32 antennas, turned to a source."""

    operation = "convert.visibilities"
    params = (BACKENDS["convert.visibilities"],)
    param_names = ("backend",)

    def setup(self, backend: str) -> None:
        self.require(backend)
        try:
            import casacore.tables  # noqa: F401
        except ImportError as error:
            raise SkipNotImplemented("python-casacore is not installed") from error
        self.observation = benchmark_observation(**SMALL)
        self.folder = Path(tempfile.mkdtemp())

    def teardown(self, backend: str) -> None:
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    def time_measurement_set(self, backend: str) -> None:
        convert(self.observation, self.folder / "out.ms", backend)

    def time_validate(self, backend: str) -> None:
        arm.convert.validate(self.observation.paths[0])


class Memory:
    """The whole observation, and one twice as long."""

    params = (24, 48)
    param_names = ("times",)
    timeout = 600

    @unit("MB above the imported process")
    def track_peak(self, times: int) -> float:
        return conversion_memory(times)
