"""The figures of the README that need a GPU.

    python benchmarks/figures.py [--curves 1000] [--rows 10000000] [--repeats 7]

Medians of some calls, after one that compiles the kernels. "on the device" is with all arguments
and results in the memory of the device; "from the host" is with both on the host, and so with the
transfers. Both are the functions of the backend, as armillary calls them. "front door" is the
public function, ``arm.search.bls`` of light curves on the host or ``arm.crossmatch.nearest`` of
positions on the device, validation included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import armillary as arm
from armillary.plugins import Request
from armillary.testing import simulated_light_curve
from armillary.testing.skies import uniform_sky
from armillary_cupy import __name__ as package
from armillary_cupy.box import bls_batch
from armillary_cupy.device import CudaDevice, Device, can_run, current
from armillary_cupy.sky import nearest

#: A TESS light curve: 27.4 days, a point every two minutes.
POINTS, CADENCE = 19_700, 120.0 / 86_400.0
PERIODS, DURATIONS = 2500, 8
#: Of the match, and how far true counterparts are from each other, in arcsec.
RADIUS, SCATTER = 2.0, 0.3

#: What is asked for of an H100 or H200.
MOST_MS_PER_CURVE = 0.3
MOST_SECONDS_PER_MATCH = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    reason = can_run(Request("search.bls"))
    if reason is not True:
        raise SystemExit(f"{package}: {reason}")
    for line in figures(current(), options.curves, options.rows, options.repeats):
        print(line, flush=True)


def figures(
    device: Device, n_curves: int, n_rows: int, repeats: int, backend: str = "cupy"
) -> Iterator[str]:
    """The lines of the report."""
    yield machine(device)
    yield f"median of {repeats} calls"
    yield from box_figures(device, n_curves, repeats, backend)
    yield from match_figures(device, n_rows, repeats, backend)


def machine(device: Device) -> str:
    """Device and versions."""
    versions = f"armillary {arm.__version__}, numpy {np.__version__}"
    if not isinstance(device, CudaDevice):
        return f"the host, one thread, which says nothing of a GPU; {versions}"
    runtime = device.xp.cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    return (
        f"{properties['name'].decode()}, {properties['totalGlobalMem'] / 2**30:.0f} GiB, "
        f"CUDA driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}, "
        f"cupy {device.xp.__version__}, {versions}"
    )


def median_seconds(device: Device, work: Callable[[], object], repeats: int) -> float:
    """Seconds of a call, the device waited for before and after."""
    seconds = []
    for _ in range(repeats + 1):
        device.synchronize()
        begin = time.perf_counter()
        work()
        device.synchronize()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


# ------------------------------------------------------------------ box searches


def box_figures(device: Device, n_curves: int, repeats: int, backend: str) -> Iterator[str]:
    here = box_calls(n_curves)
    columns = ("time", "flux", "flux_err")
    there = [call | {name: device.to_device(call[name]) for name in columns} for call in here]
    curves = [arm.io.LightCurve(*(call[name] for name in columns)) for call in here]
    grid = {name: here[0][name] for name in ("period", "duration")}
    yield (
        f"search.bls: {n_curves:,} light curves of {POINTS:,} points, {PERIODS:,} periods, "
        f"{DURATIONS} durations; wanted: {MOST_MS_PER_CURVE} ms each"
    )
    for name, work in {
        "on the device": lambda: bls_batch(there),
        "from the host": lambda: bls_batch(here),
        "front door": lambda: arm.search.bls(curves, backend=backend, **grid),
    }.items():
        seconds = median_seconds(device, work, repeats)
        yield f"  {name:14} {1e3 * seconds / n_curves:9.4f} ms each"


def box_calls(n_curves: int) -> list[dict[str, np.ndarray]]:
    """Canonical arguments; all light curves share the grid."""
    period = np.geomspace(0.5, 13.0, PERIODS)
    duration = np.geomspace(0.05, 0.4, DURATIONS)
    grid = {
        "period": period,
        "duration": duration,
        "duration_start": np.zeros(PERIODS, np.intp),
        "duration_stop": np.full(PERIODS, DURATIONS, np.intp),
    }
    return [_box_call(seed) | grid for seed in range(n_curves)]


def _box_call(seed: int) -> dict[str, np.ndarray]:
    span = (POINTS - 0.5) * CADENCE
    curve = simulated_light_curve(
        seed, span=span, cadence=CADENCE, period=3.3, t0=1.0, duration=0.15, snr=20.0
    )
    return {"time": curve.time, "flux": curve.flux, "flux_err": curve.flux_err}


# ------------------------------------------------------------------ matches of catalogues


def match_figures(device: Device, n_rows: int, repeats: int, backend: str) -> Iterator[str]:
    here = catalogues(n_rows)
    there = [device.to_device(column) for column in here]
    radius = np.array([RADIUS])
    yield (
        f"crossmatch.nearest: {n_rows:,} rows with {n_rows:,} rows at {RADIUS} arcsec; "
        f"wanted for 10,000,000 on the device: {MOST_SECONDS_PER_MATCH} s"
    )
    left, right = there[:2], there[2:]
    for name, work in {
        "on the device": lambda: nearest(*there, radius),
        "from the host": lambda: nearest(*here, radius),
        "front door": lambda: arm.crossmatch.nearest(left, right, RADIUS, backend=backend),
    }.items():
        seconds = median_seconds(device, work, repeats)
        yield f"  {name:14} {seconds:9.4f} s"


def catalogues(n_rows: int) -> list[Any]:
    """The whole sky, and the same with errors of the positions."""
    rng = np.random.default_rng(1)
    ra, dec = uniform_sky(rng, n_rows)
    east, north = SCATTER / 3600.0 * rng.standard_normal((2, n_rows))
    seen_ra = (ra + east / np.cos(np.radians(dec))) % 360.0
    seen_dec = np.clip(dec + north, -90.0, 90.0)
    return [ra, dec, seen_ra, seen_dec]


if __name__ == "__main__":
    main()
