"""pyuvdata called as its own users call it, and the floors under any conversion.

Floors are what h5py takes to read everything into memory, and casacore to write it from there, in
blocks; no conversion with these libraries can do without.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np

from .observations import BenchmarkObservation

#: Rows that the floor of writing hands to casacore at a time.
BLOCK = 640


def pyuvdata_conversion(observation: BenchmarkObservation, out: Path) -> None:
    """Read all subbands, put them together, phase them, write a Measurement Set; checks off."""
    from pyuvdata import UVData

    shutil.rmtree(out, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subbands = []
        for path in observation.paths:
            one = UVData()
            one.read(path, file_type="uvh5", run_check=False)
            # As single precision, which is how this correlator writes it, nothing accepts it.
            one.uvw_array = one.uvw_array.astype(float)
            subbands.append(one)
        together, *others = subbands
        together.fast_concat(others, "freq", inplace=True, run_check=False)
        together.phase(
            lon=np.radians(observation.ra),
            lat=np.radians(observation.dec),
            epoch=2000.0,
            phase_frame="icrs",
            cat_name="target",
        )
        together.reorder_freqs(channel_order="freq", run_check=False)
        together.write_ms(str(out), clobber=True, run_check=False)


def read_everything(observation: BenchmarkObservation) -> None:
    """The floor of reading."""
    import h5py

    for path in observation.paths:
        with h5py.File(path) as file:
            for name in ("visdata", "flags", "nsamples"):
                file["Data"][name][()]


def write_everything(observation: BenchmarkObservation, out: Path) -> None:
    """The floor of writing: DATA, FLAG, WEIGHT_SPECTRUM and UVW of as many rows."""
    import h5py
    from casacore import tables

    with h5py.File(observation.paths[0]) as file:
        n_rows, *_, n_channels, n_polarizations = file["Data/visdata"].shape
    shape = (BLOCK, n_channels * len(observation.paths), n_polarizations)
    blocks = {
        "DATA": np.ones(shape, np.complex64),
        "FLAG": np.zeros(shape, bool),
        "WEIGHT_SPECTRUM": np.ones(shape, np.float32),
        "UVW": np.ones((BLOCK, 3)),
    }
    shutil.rmtree(out, ignore_errors=True)
    description = tables.required_ms_desc("MAIN")
    description["FLAG"].update(dataManagerType="TiledShapeStMan", dataManagerGroup="TiledFlag")
    description["UVW"].update(dataManagerType="TiledColumnStMan", dataManagerGroup="TiledUVW")
    for name, value, kind in (("DATA", 0j, "complex"), ("WEIGHT_SPECTRUM", 0.0, "float")):
        column = tables.makearrcoldesc(
            name,
            value,
            valuetype=kind,
            ndim=2,
            datamanagertype="TiledShapeStMan",
            datamanagergroup=f"Tiled{name}",
        )
        del column["desc"]["shape"]
        description.update(tables.maketabdesc(column))
    with tables.default_ms(str(out), description, tables.makedminfo(description)) as table:
        table.addrows(n_rows)
        for start in range(0, n_rows, BLOCK):
            n = min(BLOCK, n_rows - start)
            for name, values in blocks.items():
                table.putcol(name, values[:n], start, n)
