"""The observation that conversions are timed with, made once and kept.

It has the layout of DSA-110, so that channels have to be turned around and uvw computed, and is
noise around a point source. Sizes are written down here, so that results of different versions
stay comparable.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

N_SUBBANDS = 16
N_CHANNELS = 48
N_ANTENNAS = 64
N_TIMES = 24
N_POLARIZATIONS = 2
#: Against a source of 1 in each sample.
NOISE = 0.5

#: What the folder of an observation is called; a change of what is written changes the number.
EDITION = 1
TRUTH = "source.json"


@dataclass(frozen=True)
class BenchmarkObservation:
    """Files, sb00 (the highest frequencies) first, and where to phase them to.

    Attributes
    ----------
    paths : tuple of Path
    ra, dec : float
        Of the source (ICRS, degrees), inside the primary beam.
    """

    paths: tuple[Path, ...]
    ra: float
    dec: float

    @property
    def n_bytes(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path in self.paths)


def benchmark_observation(
    folder: Path | None = None,
    *,
    n_times: int = N_TIMES,
    n_antennas: int = N_ANTENNAS,
    n_subbands: int = N_SUBBANDS,
) -> BenchmarkObservation:
    """The observation, which is made if it is not there yet (10 seconds, 1 GB).

    Parameters
    ----------
    folder : Path, optional
        Where observations are kept; None means ``ARMILLARY_BENCH_DATA`` or, where that is not
        set, a folder for temporary files.
    n_times, n_antennas, n_subbands : int
        Another size than that of the benchmark.

    Returns
    -------
    BenchmarkObservation
    """
    kept = folder or _default_folder()
    home = kept / f"dsa110-{EDITION}-{n_subbands}x{N_CHANNELS}-{n_antennas}-{n_times}"
    if not (home / TRUTH).is_file():
        _make(home, n_times=n_times, n_antennas=n_antennas, n_subbands=n_subbands)
    source = json.loads((home / TRUTH).read_text())
    return BenchmarkObservation(tuple(sorted(home.glob("*.hdf5"))), source["ra"], source["dec"])


def _default_folder() -> Path:
    chosen = os.environ.get("ARMILLARY_BENCH_DATA")
    return Path(chosen) if chosen else Path(tempfile.gettempdir()) / "armillary-bench"


def _make(home: Path, *, n_times: int, n_antennas: int, n_subbands: int) -> None:
    """Beside its place, into which it is moved when it is complete."""
    from armillary.testing.observations import simulated_observation

    home.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{home.name}.", dir=home.parent))
    try:
        observation = simulated_observation(
            unfinished,
            n_antennas=n_antennas,
            n_times=n_times,
            n_subbands=n_subbands,
            n_channels=N_CHANNELS,
            n_polarizations=N_POLARIZATIONS,
            noise=NOISE,
        )
        source = {"ra": observation.source.ra.deg, "dec": observation.source.dec.deg}
        (unfinished / TRUTH).write_text(json.dumps(source))
        shutil.rmtree(home, ignore_errors=True)
        unfinished.rename(home)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
