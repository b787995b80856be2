"""The figures of the README, on one thread.

    python benchmarks/figures.py FOLDER [LEVEL]

FOLDER is that of the real data that the tests use. Times are the least of many calls, so that
other work on the machine counts as little as can be; each decodes into an array that is there
already, as a store does, and verifies the checksums.
"""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lz4.block
import lz4.frame
import numpy as np
from astropy.io import fits

import armillary as arm
from armillary_lz4.codec import DEFAULT_LEVEL, Codec

WASP_126 = "transit/hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits"


def real_arrays(folder: Path) -> dict[str, np.ndarray]:
    with fits.open(folder / WASP_126) as file:
        flux = file[1].data["PDCSAP_FLUX"].astype(np.float32)
        time_of_flux = file[1].data["TIME"].astype(np.float64)
    wide = flux.astype(np.float64)
    with gzip.open(folder / "images/u12517j.fits.gz") as file:
        ugc_12517 = fits.getdata(file).astype(np.float32)
    m51 = fits.getdata(folder / "images/M51.fits")
    return {
        "WASP-126, PDCSAP flux, float32": flux,
        "WASP-126, flux / median, float64": wide / np.nanmedian(wide),
        "WASP-126, time, float64": time_of_flux,
        "UGC 12517, float32": ugc_12517,
        "M51, int16": m51.astype(np.int16),
        "M51, float32": m51.astype(np.float32),
    }


def least(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Seconds of the fastest call."""
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def codec_line(name: str, array: np.ndarray, codec: Codec) -> str:
    data = memoryview(array.reshape(-1).view(np.uint8))
    encoding = least(lambda: codec.encode(data, array.itemsize))
    stored = codec.encode(data, array.itemsize)
    if stored is None:
        return f"{name:34} kept raw, after {encoding * 1e3:.1f} ms"
    into = memoryview(np.empty_like(data))
    decoding = least(lambda: codec.decode(memoryview(stored), into))
    rates = (len(data) / seconds / 1e9 for seconds in (encoding, decoding))
    return f"{name:34} {len(data) / len(stored):5.2f} times" + "".join(f"{r:7.2f}" for r in rates)


def frame_line(name: str, array: np.ndarray) -> str:
    """LZ4 alone, on the byte shuffle: its blocks, its frames, its frames with their checksum."""
    planes = np.ascontiguousarray(array.reshape(-1, 1).view(np.uint8).T).tobytes()
    pieces = [planes[i : i + 65536] for i in range(0, len(planes), 65536)]
    blocks = [lz4.block.compress(piece, store_size=False) for piece in pieces]
    ways: dict[str, Callable[[], object]] = {
        "blocks": lambda: [
            lz4.block.decompress(block, uncompressed_size=len(piece))
            for block, piece in zip(blocks, pieces, strict=True)
        ]
    }
    for checked in (False, True):
        frames = [lz4.frame.compress(piece, content_checksum=checked) for piece in pieces]
        way = "checked frames" if checked else "frames"
        ways[way] = lambda frames=frames: [lz4.frame.decompress(frame) for frame in frames]
    rates = [f"{way} {len(planes) / least(work) / 1e9:.2f}" for way, work in ways.items()]
    return f"{name:34} " + ", ".join(rates)


def noise_line(dtype: str, name: str) -> str:
    """Noise in a store: time to get it and sum it, and bytes."""
    noise = np.random.default_rng(1).standard_normal(1_000_000).astype(dtype)
    key = arm.cache.key_of(("noise", dtype))
    with arm.cache.open(name, max_bytes="100 MB") as store:
        store.put(key, noise)
        seconds = least(lambda: store.get(key).sum(), 3.0)
        return (
            f"noise, {dtype}, {name:6} {seconds * 1e6:.0f} us, {store.stats().stored_bytes} bytes"
        )


def main() -> None:
    arrays = real_arrays(Path(sys.argv[1]))
    level = int(sys.argv[2]) if len(sys.argv) > 2 else DEFAULT_LEVEL
    print(f"level {level}: smaller by, GB/s encoded, GB/s decoded")
    for name, array in arrays.items():
        print(codec_line(name, array, Codec(level=level, threads=1)))
    print("LZ4 alone, GB/s decoded, 64 KB at a time")
    for name, array in arrays.items():
        print(frame_line(name, array))
    for dtype in ("f4", "f8"):
        for name in ("memory", "lz4"):
            print(noise_line(dtype, name))


if __name__ == "__main__":
    main()
