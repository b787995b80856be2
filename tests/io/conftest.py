"""Files that the tests of reading share: real ones, found, and synthetic ones, made."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits


@pytest.fixture
def write_fits(tmp_path):
    """Write a binary table as the missions do; give the path."""

    def write(columns, *, primary=None, header=None, units=None, name="star.fits"):
        defs = [
            fits.Column(
                name=key, array=np.asarray(values), unit=(units or {}).get(key), format=code
            )
            for key, (code, values) in columns.items()
        ]
        table = fits.BinTableHDU.from_columns(defs)
        table.header.update(header or {})
        first = fits.PrimaryHDU()
        first.header.update(primary or {})
        path = tmp_path / name
        fits.HDUList([first, table]).writeto(path)
        return path

    return write


@pytest.fixture
def tess_fits(write_fits):
    """A TESS light curve of eight cadences, half of them good."""
    nan = np.nan
    return write_fits(
        {
            "TIME": ("D", [1.0, 2.0, nan, 4.0, 5.0, 6.0, 7.0, 8.0]),
            "SAP_FLUX": ("E", [90.0, 91.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0]),
            "SAP_FLUX_ERR": ("E", [9.0] * 8),
            "PDCSAP_FLUX": ("E", [100.0, 101.0, 102.0, nan, 104.0, 105.0, 106.0, 107.0]),
            "PDCSAP_FLUX_ERR": ("E", [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
            # aperture cosmic (kept by default), desaturation, rest clean
            "QUALITY": ("J", [0, 64, 0, 0, 0, 32, 0, 0]),
        },
        primary={"TELESCOP": "TESS", "OBJECT": "TIC 1", "SECTOR": 7},
        header={"BJDREFI": 2457000, "BJDREFF": 0.0, "TIMESYS": "TDB"},
        units={"TIME": "BJD - 2457000, days", "PDCSAP_FLUX": "e-/s", "PDCSAP_FLUX_ERR": "e-/s"},
    )
