"""Caches: hits, keys, writing, and what compression brings."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import armillary as arm

from .common import Bench, unit
from .galaxies import DATA

STORES = ("memory", "disk", "lz4")
#: Bytes of the arrays.
SIZES = (1_000, 100_000, 1_000_000, 80_000_000)
#: Entries of the store of many small ones.
MANY = 20_000


@cache
def noise(n_bytes: int) -> np.ndarray:
    """An array that no codec makes smaller."""
    return np.random.default_rng(1).standard_normal(n_bytes // 8)


def key(number: int) -> bytes:
    """A key of its own for each number."""
    return arm.cache.key_of(number)


def filled(name: str, n_bytes: int, folder: Path) -> Any:
    """An open store that holds one array, under the key of its length."""
    options = {"path": folder / "cache"} if name == "disk" else {}
    store = arm.cache.open(name, max_bytes=10**9, **options)
    store.put(key(n_bytes), noise(n_bytes))
    return store


def diskcache_hit(n_bytes: int, folder: Path) -> Callable[[], float]:
    """The same of diskcache."""
    import diskcache

    store = diskcache.Cache(str(folder / "diskcache"), size_limit=10**9)
    store[key(n_bytes)] = noise(n_bytes)
    return lambda: float(store[key(n_bytes)].sum())


def joblib_hit(n_bytes: int, folder: Path, mmap_mode: str | None) -> Callable[[], float]:
    """The same of joblib.Memory, whose hits are calls."""
    import joblib

    memory = joblib.Memory(folder / f"joblib-{mmap_mode}", mmap_mode=mmap_mode, verbose=0)
    remembered = memory.cache(noise.__wrapped__)
    remembered(n_bytes)
    return lambda: float(np.asarray(remembered(n_bytes)).sum())


def our_hit(store: Any, n_bytes: int) -> Callable[[], float]:
    """Get and sum."""
    name = key(n_bytes)
    return lambda: float(store.get(name).sum())


class Hits(Bench):
    """One array of noise, got and summed; or put."""

    operation = "cache.open"
    params = (STORES, SIZES)
    param_names = ("store", "bytes")

    def setup(self, name: str, n_bytes: int) -> None:
        self.require(name)
        self.folder = Path(tempfile.mkdtemp())
        self.store = filled(name, n_bytes, self.folder)
        self.hit = our_hit(self.store, n_bytes)

    def teardown(self, name: str, n_bytes: int) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def time_get_and_sum(self, name: str, n_bytes: int) -> None:
        self.hit()

    def time_put(self, name: str, n_bytes: int) -> None:
        self.store.put(key(n_bytes), noise(n_bytes))


class Keys:
    """The key of an array, and of a call."""

    params = SIZES
    param_names = ("bytes",)

    def time_key(self, n_bytes: int) -> None:
        arm.cache.key_of(noise(n_bytes))


class Operations:
    """A search whose result is there."""

    def setup(self) -> None:
        time = np.arange(0.0, 27.0, 1.0 / 72.0)
        self.light_curve = time, 1.0 + 1e-3 * noise(8 * len(time))
        self.store = arm.cache.open("memory")
        arm.search.bls(*self.light_curve, cache=self.store)

    def teardown(self) -> None:
        self.store.close()

    def time_search_that_is_there(self) -> None:
        arm.search.bls(*self.light_curve, cache=self.store)


class Many(Bench):
    """Small entries, many of them."""

    operation = "cache.open"
    params = ("memory", "disk")
    param_names = ("store",)

    def setup(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        options = {"path": self.folder / "cache"} if name == "disk" else {}
        self.store = arm.cache.open(name, **options)
        self.keys = [key(number) for number in range(MANY)]
        for each in self.keys:
            self.store.put(each, bytes(100))

    def teardown(self, name: str) -> None:
        self.store.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def time_get_a_thousand(self, name: str) -> None:
        for each in self.keys[::20]:
            self.store.get(each)

    def time_put_a_thousand(self, name: str) -> None:
        for each in self.keys[::20]:
            self.store.put(each, bytes(100))


# ------------------------------------------------------------------ compression


#: Below the folder of real data: a light curve and two images.
LIGHT_CURVE = "transit/hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits"
UGC_12517, M51 = "images/u12517j.fits.gz", "images/M51.fits"


def real_arrays() -> dict[str, np.ndarray]:
    """Arrays of the folder of real data; none where it is not there.

    The folder is the one that ``ARMILLARY_TEST_DATA`` names, or ``shared/data`` beside the
    repository.
    """
    folder = Path(os.environ.get("ARMILLARY_TEST_DATA", DATA))
    if not (folder / LIGHT_CURVE).is_file():
        return {}
    from astropy.io import fits

    flux = fits.getdata(folder / LIGHT_CURVE, 1)["PDCSAP_FLUX"].astype(np.float32)
    wide = flux.astype(np.float64)
    return {
        "PDCSAP flux of WASP-126, float32": flux,
        "the same over its median, float64": wide / np.nanmedian(wide),
        "UGC 12517, float32": arm.io.read_image(folder / UGC_12517).data.astype(np.float32),
        "M51, int16": fits.getdata(folder / M51).astype(np.int16),
    }


class Compression(Bench):
    """The codec of armillary-lz4, on real arrays and on noise."""

    operation = "cache.codec"
    params = (
        (
            "PDCSAP flux of WASP-126, float32",
            "the same over its median, float64",
            "UGC 12517, float32",
            "M51, int16",
        ),
    )
    param_names = ("array",)

    def setup(self, name: str) -> None:
        self.require("lz4")
        arrays = real_arrays()
        if name not in arrays:
            raise SkipNotImplemented("the folder of real data is not there")
        self.array = arrays[name]
        self.store = arm.cache.open("lz4", threads=1)
        self.store.put(key(0), self.array)

    def teardown(self, name: str) -> None:
        if hasattr(self, "store"):
            self.store.close()

    def time_get(self, name: str) -> None:
        self.store.get(key(0))

    @unit("times smaller")
    def track_smaller(self, name: str) -> float:
        stats = self.store.stats()
        return stats.raw_bytes / stats.stored_bytes
