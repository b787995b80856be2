"""Match two catalogues larger than memory should hold, and what that is made of.

    python asv_bench/large_catalogs.py --rows 50e6 --folder /some/disk --memory 4GB

makes two synthetic Parquet catalogues (ra, dec, id; the right one is a jittered copy of the
left with 70 % in common), and measures, each in a process of its own: reading both, writing the
result, matching in memory, and ``crossmatch.catalogs``, which does all of it within a memory
limit. The figure is its time over the sum of the three.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.skies import jittered_copy, uniform_sky

RADIUS = 2.0
STEPS = ("read", "write", "match", "catalogs")


def main() -> None:
    options = parsed_options()
    if options.step:
        print(json.dumps(STEP_FUNCTIONS[options.step](options)))
        return
    make_catalogues(options.folder, int(options.rows))
    found: dict[str, list[dict[str, float]]] = {step: [] for step in STEPS}
    for round_ in range(options.rounds):
        # The result of the last step is what the second one writes.
        for step in ("catalogs", "read", "write", "match"):
            found[step].append(measured(step))
            print(f"round {round_ + 1}, {step}: {found[step][-1]}", file=sys.stderr)
    medians = {
        step: statistics.median(run["seconds"] for run in runs) for step, runs in found.items()
    }
    parts = sum(medians[step] for step in ("read", "write", "match"))
    peak = max(run["peak"] for run in found["catalogs"])
    shares = ", ".join(f"{step} {medians[step] / parts:.2f}" for step in ("read", "write", "match"))
    size, ratio = f"{int(options.rows):,}", medians["catalogs"] / parts
    print(
        f"{size} x {size} rows: {ratio:.2f} times read + write + match in memory ({shares}), "
        f"peak memory {peak / 2**30:.2f} GiB"
    )


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=float, default=50e6)
    parser.add_argument("--folder", type=Path, default=Path("large-catalogues"))
    parser.add_argument("--memory", default="4GB", help="what crossmatch.catalogs is given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_args()


def make_catalogues(folder: Path, n: int) -> None:
    """Write both catalogues, unless they are there."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    left, right = folder / "left.parquet", folder / "right.parquet"
    if right.exists() and parquet.read_metadata(right).num_rows == n:
        return
    sky = uniform_sky(n, seed=1)
    for path, (ra, dec) in ((left, sky), (right, jittered_copy(*sky, seed=2))):
        table = pa.table({"ra": ra, "dec": dec, "id": np.arange(n)})
        parquet.write_table(table, path, compression="zstd", compression_level=1)


def measured(step: str) -> dict[str, float]:
    """Seconds and peak memory of a step, in a process of its own."""
    command = [sys.executable, *sys.argv, "--step", step]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{step} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def timed(work: Callable[[], object]) -> dict[str, float]:
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": peak}


# ------------------------------------------------------------------ steps


def read(options: argparse.Namespace) -> dict[str, float]:
    from pyarrow import parquet

    return timed(
        lambda: [parquet.read_table(options.folder / f"{s}.parquet") for s in ("left", "right")]
    )


def write(options: argparse.Namespace) -> dict[str, float]:
    from pyarrow import parquet

    from armillary.crossmatch.disk.output import ROW_GROUP, parquet_writer, synchronised

    table = parquet.read_table(options.folder / "matched.parquet")
    path = options.folder / "written.parquet"

    def work() -> None:
        with parquet_writer(path, table.schema) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)
        synchronised(path)

    found = timed(work)
    path.unlink()
    return found


def match(options: argparse.Namespace) -> dict[str, float]:
    from pyarrow import parquet

    import armillary as arm

    sides = [
        parquet.read_table(options.folder / f"{side}.parquet", columns=["ra", "dec"])
        for side in ("left", "right")
    ]
    positions = [tuple(column.to_numpy() for column in side.columns) for side in sides]
    return timed(lambda: arm.crossmatch.nearest(*positions, RADIUS, threads=options.threads))


def catalogs(options: argparse.Namespace) -> dict[str, float]:
    import armillary as arm

    paths = [options.folder / f"{name}.parquet" for name in ("left", "right", "matched")]
    return timed(
        lambda: arm.crossmatch.catalogs(
            *paths[:2],
            RADIUS,
            paths[2],
            memory=options.memory,
            threads=options.threads,
            overwrite=True,
        )
    )


STEP_FUNCTIONS = {"read": read, "write": write, "match": match, "catalogs": catalogs}


if __name__ == "__main__":
    main()
