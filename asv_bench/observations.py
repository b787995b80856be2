"""Make the observation that conversions are timed with.

    python asv_bench/observations.py --folder /some/disk

writes 16 subbands of 48 channels, 64 antennas with autocorrelations, 24 times and 2 polarisations
in the layout of DSA-110: 0.61 GB of visibilities, 1.04 GB with flags and numbers of samples. What
is there already is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.observations import N_TIMES, benchmark_observation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="where observations are kept")
    parser.add_argument("--times", type=int, default=N_TIMES, help="integrations")
    options = parser.parse_args()
    observation = benchmark_observation(options.folder, n_times=options.times)
    print(f"{len(observation.paths)} files, {observation.n_bytes / 1e9:.2f} GB")
    print(f"phase center: {observation.ra:.6f} {observation.dec:+.6f} degrees (ICRS)")
    for path in observation.paths:
        print(path)


if __name__ == "__main__":
    main()
