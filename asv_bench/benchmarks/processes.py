"""Measurements that need an interpreter of their own: imports, memory, Ctrl-C.

The functions without an underscore start a child, which runs this file as a script
and prints one number.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from asv_runner.benchmarks.mark import SkipNotImplemented

MEGABYTE = 1e6

#: Child: seconds that an import takes, the start of the interpreter left out.
IMPORT = """
import importlib, sys, time
begin = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - begin)
"""


# ------------------------------------------------------------------ in the parent


def import_ratio(rounds: int = 7) -> float:
    """Median time of ``import armillary`` over that of ``import numpy``, taken in turns."""
    seconds: dict[str, list[float]] = {"armillary": [], "numpy": []}
    for _ in range(rounds):
        for module, taken in seconds.items():
            taken.append(float(_output([sys.executable, "-c", IMPORT, module])))
    return statistics.median(seconds["armillary"]) / statistics.median(seconds["numpy"])


def extra_memory(span: float) -> float:
    """Megabytes that a search of 100,000 points at 500,000 periods needs for a while.

    The highest resident memory during the call, less the memory before it, less the
    arrays of the result. The light curve covers ``span`` days.
    """
    if sys.platform != "linux":
        raise SkipNotImplemented("the highest memory of one call is known on Linux only")
    return float(_output(_child("extra_memory", str(span)))) / MEGABYTE


def match_memory(rows: int) -> float:
    """Bytes for each row of one catalogue that a match of two of this size needs for a while.

    The highest resident memory during the call, less the memory before it; the result is
    among what it needs.
    """
    if sys.platform != "linux":
        raise SkipNotImplemented("the highest memory of one call is known on Linux only")
    return float(_output(_child("match_memory", str(rows)))) / rows


def conversion_memory(times: int) -> float:
    """Megabytes above the imported process that the conversion of the observation needs."""
    if sys.platform != "linux":
        raise SkipNotImplemented("the highest memory of one call is known on Linux only")
    return float(_output(_child("conversion_memory", str(times)))) / MEGABYTE


def interrupt_latency(threads: int) -> float:
    """Seconds from SIGINT, in the middle of a long search, to the end of its process."""
    command = _child("long_search", str(threads))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.2)
        begin = time.perf_counter()
        child.send_signal(signal.SIGINT)
        child.wait()
        latency = time.perf_counter() - begin
    if child.returncode != 0:
        raise RuntimeError(f"the search was not interrupted; it ended with {child.returncode}")
    return latency


def _child(function: str, argument: str) -> list[str]:
    # -P: the folder of this file stays off sys.path, where its names could hide others.
    return [sys.executable, "-P", str(Path(__file__).resolve()), function, argument]


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"a child failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


# ------------------------------------------------------------------ in the child


def _extra_memory(span: str) -> None:
    import numpy as np

    import armillary as arm

    rng = np.random.default_rng(1)
    light_curve = np.linspace(0.0, float(span), 100_000), rng.normal(1.0, 5e-4, 100_000)
    period = np.linspace(1.0, float(span) / 2.0, 500_000)
    # Modules and kernels are loaded by a first search, and are not memory of the second.
    arm.search.bls(*light_curve, period=period[:2])

    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _resident("VmRSS")
    result = arm.search.bls(*light_curve, period=period)
    needed = _resident("VmHWM") - before
    print(needed - _bytes_of(result, inputs=(*light_curve, period)))


def _match_memory(rows: str) -> None:
    import numpy as np

    import armillary as arm

    rng = np.random.default_rng(1)
    n = int(rows)
    left = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    right = tuple(column + rng.normal(0.0, 1e-4, n) for column in left)
    right = right[0], right[1].clip(-90.0, 90.0)
    # Modules and kernels are loaded by a first match, and are not memory of the second.
    arm.crossmatch.nearest(([1.0], [1.0]), ([1.0], [1.0]), 2.0)

    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _resident("VmRSS")
    matches = arm.crossmatch.nearest(left, right, 2.0)
    print(_resident("VmHWM") - before)
    assert len(matches)


def _conversion_memory(times: str) -> None:
    import tempfile

    import h5py  # noqa: F401
    from astropy.coordinates import SkyCoord

    import armillary as arm

    # As a script this file has no package; what it needs of it is beside it.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.observations import benchmark_observation

    observation = benchmark_observation(n_times=int(times))
    place = SkyCoord(observation.ra, observation.dec, unit="deg")
    with tempfile.TemporaryDirectory() as folder:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = _resident("VmRSS")
        arm.convert.visibilities(observation.paths, Path(folder) / "out.ms", phase=place)
        print(_resident("VmHWM") - before)


def _resident(field: str) -> int:
    """Bytes: the resident memory now (VmRSS) or the highest so far (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {field}")


def _bytes_of(result, inputs) -> int:  # type: ignore[no-untyped-def]
    """Bytes of the arrays of a periodogram that are not those of the caller."""
    import numpy as np

    light_curve = result.light_curve
    arrays = [*vars(result).values(), light_curve.time, light_curve.flux, light_curve.flux_err]
    return sum(
        array.nbytes
        for array in arrays
        if isinstance(array, np.ndarray) and not any(np.shares_memory(array, i) for i in inputs)
    )


def _long_search(threads: str) -> None:
    import numpy as np

    import armillary as arm

    rng = np.random.default_rng(1)
    time_ = np.linspace(0.0, 200.0, 20_000)
    flux = rng.normal(1.0, 5e-4, 20_000)
    period = np.linspace(1.0, 100.0, 3_000_000)

    def tell(done: int, total: int) -> None:
        print(done, "of", total, flush=True)

    try:
        arm.search.bls(
            time_, flux, period=period, duration=0.05, threads=int(threads), progress=tell
        )
    except KeyboardInterrupt:
        return
    sys.exit("the search ended before it was interrupted")


if __name__ == "__main__":
    functions = {
        "conversion_memory": _conversion_memory,
        "extra_memory": _extra_memory,
        "long_search": _long_search,
        "match_memory": _match_memory,
    }
    functions[sys.argv[1]](sys.argv[2])
