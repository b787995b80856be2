"""How much smaller real light curves and images get: the figures of the README."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from armillary_lz4.codec import Codec


def flux(folder: Path) -> np.ndarray:
    """PDCSAP flux of WASP-126, TESS sector 1, with the gaps in it."""
    name = "hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits"
    with fits.open(folder / "transit" / name) as file:
        return file[1].data["PDCSAP_FLUX"].astype(np.float32)


def normalised_flux(folder: Path) -> np.ndarray:
    values = flux(folder).astype(np.float64)
    return values / np.nanmedian(values)


def ugc_12517(folder: Path) -> np.ndarray:
    with gzip.open(folder / "images" / "u12517j.fits.gz") as file:
        return fits.getdata(file).astype(np.float32)


def m51(folder: Path) -> np.ndarray:
    return fits.getdata(folder / "images" / "M51.fits").astype(np.int16)


@pytest.mark.parametrize(
    ("array_of", "level", "ratio"),
    [
        (flux, 3, 1.9),
        (flux, 0, 1.85),
        (normalised_flux, 3, 1.4),
        (normalised_flux, 0, 1.38),
        (ugc_12517, 3, 1.8),
        (ugc_12517, 0, 1.48),
        (m51, 3, 3.33),
        (m51, 0, 3.15),
    ],
)
def test_real_arrays_get_smaller_by(
    array_of: Callable[[Path], np.ndarray], level: int, ratio: float, data_folder: Path
) -> None:
    array = array_of(data_folder)
    codec = Codec(level=level)
    stored = codec.encode(memoryview(array.reshape(-1).view(np.uint8)), array.itemsize)
    assert stored is not None
    assert array.nbytes / len(stored) > ratio
    again = np.empty_like(array)
    codec.decode(memoryview(stored), memoryview(again.reshape(-1).view(np.uint8)))
    np.testing.assert_array_equal(again, array)
