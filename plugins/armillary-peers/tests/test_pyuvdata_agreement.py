"""Measurement Sets against those of pyuvdata, from which our users come: same files, same columns.

Where phase centres are kept, and where the data are not turned, all is equal to the bit. With a
new phase centre, uvw agree to a micrometre, which is a thousandth of a degree of phase at 1 GHz;
pyuvdata rounds visibilities to single precision after turning them, and so do we.
"""

from __future__ import annotations

import os
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

import armillary as arm
from armillary.testing import simulated_observation

pyuvdata = pytest.importorskip("pyuvdata", reason="pyuvdata is not installed")
tables = pytest.importorskip("casacore.tables", reason="python-casacore is not installed")

DATA = Path(os.environ.get("ARMILLARY_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
UNCHECKED = {"run_check": False, "check_extra": False, "run_check_acceptability": False}

#: Columns of the main table; the last ones are what data are made of.
ROWS = (
    "TIME",
    "TIME_CENTROID",
    "INTERVAL",
    "EXPOSURE",
    "ANTENNA1",
    "ANTENNA2",
    "FIELD_ID",
    "DATA_DESC_ID",
    "SCAN_NUMBER",
)
MEASURED = ("DATA", "FLAG", "WEIGHT_SPECTRUM", "WEIGHT")
#: What UVData.read_ms makes of them.
ATTRIBUTES = (
    "data_array",
    "flag_array",
    "nsample_array",
    "uvw_array",
    "time_array",
    "integration_time",
    "ant_1_array",
    "ant_2_array",
    "freq_array",
    "channel_width",
    "polarization_array",
    "phase_center_id_array",
    "scan_number_array",
)
#: Where a phase centre is seen.
APPARENT = (
    "lst_array",
    "phase_center_app_ra",
    "phase_center_app_dec",
    "phase_center_frame_pa",
)
#: Agreement with a new phase centre: metres, and relative.
UVW, VISIBILITY = 1e-6, 5e-5

ATA = "ata.LoA.*.uvh5"
HERA = "zen.2457698.40355.xx.HH.uvh5"
OLD_HERA = ("zen.2458098.45361.HH_downselected.uvh5", "zen.2458661.23480.HH.uvh5")
PAPER = "zen.2456865.60537.xy.uvcRREAAM"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """pyuvdata warns of units, and of uvw that are not those of the antennas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def real(pattern: str) -> list[Path]:
    folder = DATA / "visibilities"
    paths = sorted(folder.glob(pattern))
    if not paths:
        pytest.skip(f"no real files {folder / pattern}; set ARMILLARY_TEST_DATA to where they are")
    return paths


def column(path: Path, name: str, table: str = "") -> np.ndarray:
    with tables.table(f"{path}/{table}".rstrip("/"), ack=False) as opened:
        return opened.getcol(name)


def of_pyuvdata(paths: Sequence[Path]) -> Any:
    """Subbands read and joined, and one spectral window made of them."""
    data = pyuvdata.UVData()
    data.read([str(path) for path in paths], axis="freq", file_type="uvh5", **UNCHECKED)
    data.reorder_freqs(channel_order="freq", run_check=False)
    data.spw_array, data.Nspws = np.array([0]), 1
    data.flex_spw_id_array = np.zeros(data.Nfreqs, int)
    return data


def written(data: Any, path: Path) -> Path:
    data.write_ms(str(path), **UNCHECKED)
    return path


def converted(paths: Sequence[Path], out: Path, **options: Any) -> Path:
    arm.convert.visibilities(paths, out, **options)
    return out


def overhead(data: Any) -> SkyCoord:
    """A direction some degrees from the zenith in the middle of the observation."""
    zenith = SkyCoord(data.lst_array.mean(), data.telescope.location.lat.rad, unit="rad")
    return zenith.directional_offset_by(70.0 * units.deg, 6.0 * units.deg)


def phased(data: Any, center: SkyCoord) -> Any:
    data.phase(
        lon=center.ra.rad, lat=center.dec.rad, cat_name="target", phase_frame="icrs", epoch="J2000"
    )
    return data


def require_equal(ours: Path, theirs: Path, names: Sequence[str]) -> None:
    """Columns are equal to the bit."""
    for name in names:
        mine, other = column(ours, name), column(theirs, name)
        assert mine.dtype == other.dtype, name
        np.testing.assert_array_equal(mine, other, err_msg=name)


def require_near(ours: Path, theirs: Path) -> None:
    """With a new phase centre: uvw, visibilities, and all else to the bit."""
    require_equal(ours, theirs, (*ROWS, *MEASURED[1:]))
    np.testing.assert_allclose(column(ours, "UVW"), column(theirs, "UVW"), rtol=0, atol=UVW)
    mine, other = (column(path, "DATA").astype(complex) for path in (ours, theirs))
    assert np.array_equal(np.isfinite(mine), np.isfinite(other))
    assert np.all(np.abs(mine - other) <= VISIBILITY * np.abs(other))


# ------------------------------------------------------------------ phase centres kept


def test_subbands_of_the_allen_array_are_equal_to_the_bit(tmp_path: Path) -> None:
    paths = real(ATA)
    theirs = written(of_pyuvdata(paths), tmp_path / "theirs.ms")
    ours = converted(paths, tmp_path / "ours.ms")
    require_equal(ours, theirs, ("UVW", *ROWS, *MEASURED))
    for name in ("CHAN_FREQ", "CHAN_WIDTH"):
        np.testing.assert_array_equal(
            column(ours, name, "SPECTRAL_WINDOW"), column(theirs, name, "SPECTRAL_WINDOW")
        )


def test_pyuvdata_reads_the_same_from_either(tmp_path: Path) -> None:
    paths = real(ATA)
    made = (
        converted(paths, tmp_path / "ours.ms"),
        written(of_pyuvdata(paths), tmp_path / "theirs.ms"),
    )
    ours, theirs = (
        pyuvdata.UVData.from_file(str(path), file_type="ms", **UNCHECKED) for path in made
    )
    for name in ATTRIBUTES:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_what_we_write_as_uvh5_passes_all_checks_of_pyuvdata(tmp_path: Path) -> None:
    paths = real(ATA)
    arm.convert.visibilities(paths, tmp_path / "all.uvh5")
    ours = pyuvdata.UVData.from_file(tmp_path / "all.uvh5", check_autos=False)
    theirs = of_pyuvdata(paths)
    for name in ATTRIBUTES[:-1]:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    # The files have places of J2000 for apparent ones; ours are what pyuvdata makes of them.
    theirs._set_app_coords_helper()
    for name in APPARENT:
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-9, err_msg=name
        )


@pytest.mark.parametrize("several_scans", [False, True])
def test_windows_that_are_kept_are_those_of_a_flexible_spectral_axis(
    tmp_path: Path, several_scans: bool
) -> None:
    paths = real(ATA)
    subbands = [pyuvdata.UVData.from_file(path, file_type="uvh5", **UNCHECKED) for path in paths]
    for number, subband in enumerate(subbands):
        subband.spw_array = np.array([number])
        subband.flex_spw_id_array = np.full(subband.Nfreqs, number)
    first, *others = subbands
    first.fast_concat(others, "freq", inplace=True, **UNCHECKED)
    options = {}
    if several_scans:
        options["phase"] = overhead(first)
        phased(first, options["phase"])
    theirs = written(first, tmp_path / "theirs.ms")
    ours = converted(paths, tmp_path / "ours.ms", spectral_windows="keep", **options)
    if several_scans:
        require_near(ours, theirs)
    else:
        require_equal(ours, theirs, ("UVW", *ROWS, *MEASURED))
    np.testing.assert_array_equal(
        column(ours, "CHAN_FREQ", "SPECTRAL_WINDOW"), column(theirs, "CHAN_FREQ", "SPECTRAL_WINDOW")
    )


# ------------------------------------------------------------------ new phase centres


@pytest.mark.parametrize("pattern", [ATA, HERA, *OLD_HERA])
def test_with_a_new_phase_centre_real_data_agree(tmp_path: Path, pattern: str) -> None:
    paths = real(pattern)
    data = of_pyuvdata(paths)
    center = overhead(data)
    theirs = written(phased(data, center), tmp_path / "theirs.ms")
    require_near(converted(paths, tmp_path / "ours.ms", phase=center), theirs)


@pytest.mark.parametrize("layout", ["dsa110", "memo"])
@pytest.mark.parametrize("declination", [-30.0, 30.0, 85.0])
def test_so_do_simulated_data(tmp_path: Path, layout: str, declination: float) -> None:
    (folder := tmp_path / "in").mkdir()
    observation = simulated_observation(
        folder,
        layout=layout,
        pointing_declination=declination,
        fringe_stopped=layout == "memo",
        n_polarizations=4,
        noise=0.1,
        flagged=0.1,
        n_times=4,
    )
    # By ascending frequency, and uvw in double precision, as fast_concat wants them.
    ascending = observation.paths[:: -1 if layout == "dsa110" else 1]
    parts = [pyuvdata.UVData.from_file(path, file_type="uvh5", **UNCHECKED) for path in ascending]
    for part in parts:
        part.uvw_array = part.uvw_array.astype(float)
        part.reorder_freqs(channel_order="freq", run_check=False)
    data, *others = parts
    data.fast_concat(others, "freq", inplace=True, **UNCHECKED)
    theirs = written(phased(data, observation.source), tmp_path / "theirs.ms")
    ours = converted(observation.paths, tmp_path / "ours.ms", phase=observation.source)
    require_near(ours, theirs)


def test_on_the_meridian_each_integration_is_phased_by_itself(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    observation = simulated_observation(folder, n_subbands=1, n_times=5, noise=0.1)
    (path,) = observation.paths
    ours = converted([path], tmp_path / "ours.ms", phase="meridian")
    places = column(ours, "PHASE_DIR", "FIELD")[:, 0]
    data = pyuvdata.UVData.from_file(path, file_type="uvh5", **UNCHECKED)
    coordinates = pyuvdata.UVData.from_file(path, file_type="uvh5", read_data=False, **UNCHECKED)
    coordinates.uvw_array = coordinates.uvw_array.astype(float)
    times = np.unique(coordinates.time_array)
    for time, place in zip(times, places, strict=True):
        coordinates.phase(
            lon=place[0],
            lat=place[1],
            cat_name=f"at {time}",
            phase_frame="icrs",
            select_mask=coordinates.time_array == time,
        )
    # What is over the meridian has the sidereal time for a right ascension.
    east = coordinates.phase_center_app_ra - coordinates.lst_array
    assert np.abs(np.angle(np.exp(1j * east))).max() < 1e-9
    declination = np.radians(observation.pointing_declination)
    np.testing.assert_allclose(coordinates.phase_center_app_dec, declination, rtol=0, atol=1e-9)
    np.testing.assert_allclose(-column(ours, "UVW"), coordinates.uvw_array, rtol=0, atol=UVW)
    recorded = data.data_array[:, ::-1].conj()
    np.testing.assert_array_equal(column(ours, "DATA"), recorded)


# ------------------------------------------------------------------ what CASA wrote


@pytest.fixture
def paper(tmp_path: Path) -> tuple[Path, Path]:
    """An observation of PAPER as UVH5, made by pyuvdata of UVFITS, and what CASA made of that."""
    (fits,) = real(f"{PAPER}.uvfits")
    (archive,) = real(f"{PAPER}.ms.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    data = pyuvdata.UVData.from_file(fits, **UNCHECKED)
    # The file says "epoch 2291"; CASA takes no notice of it.
    data.phase_center_catalog[0]["cat_epoch"] = 2000.0
    data.write_uvh5(str(tmp_path / "paper.uvh5"), **UNCHECKED)
    return tmp_path / "paper.uvh5", tmp_path / f"{PAPER}.ms"


def test_data_of_paper_are_those_that_casa_makes_of_its_uvfits(
    paper: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = converted(paper[:1], tmp_path / "ours.ms"), paper[1]
    sizes = [np.sort(np.abs(column(path, "DATA")), axis=None) for path in (ours, theirs)]
    np.testing.assert_array_equal(*sizes)
    for name in ("DATA", "FLAG", "UVW"):
        np.testing.assert_array_equal(column(ours, name), column(theirs, name), err_msg=name)
    np.testing.assert_allclose(column(ours, "TIME"), column(theirs, "TIME"), rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        column(ours, "PHASE_DIR", "FIELD"), column(theirs, "PHASE_DIR", "FIELD"), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        column(ours, "CHAN_FREQ", "SPECTRAL_WINDOW"),
        column(theirs, "CHAN_FREQ", "SPECTRAL_WINDOW"),
        rtol=1e-12,
    )


# ------------------------------------------------------------------ the backend


@pytest.mark.parametrize("options", [{}, {"spectral_windows": "keep"}])
def test_the_backend_writes_what_pyuvdata_writes(tmp_path: Path, options: dict[str, str]) -> None:
    paths = real(ATA)
    by_backend = converted(paths, tmp_path / "backend.ms", backend="pyuvdata", **options)
    require_equal(
        by_backend,
        converted(paths, tmp_path / "ours.ms", **options),
        ("UVW", *ROWS, *MEASURED),
    )


@pytest.mark.parametrize("layout", ["dsa110", "memo"])
def test_the_backend_agrees_where_fringes_are_stopped(tmp_path: Path, layout: str) -> None:
    (folder := tmp_path / "in").mkdir()
    observation = simulated_observation(folder, layout=layout, noise=0.1, n_times=4)
    phases = [observation.source, "meridian"] if layout == "dsa110" else [observation.source]
    for i, phase in enumerate(phases):
        ours, theirs = (
            converted(
                observation.paths, tmp_path / f"{backend}{i}.ms", phase=phase, backend=backend
            )
            for backend in ("cpu", "pyuvdata")
        )
        require_near(ours, theirs)


def test_the_backend_agrees_on_what_another_hour_angle_has_taken_out(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    observation = simulated_observation(folder, noise=0.1)
    for path in observation.paths:
        with h5py.File(path, "r+") as file:
            file["Header/extra_keywords/ha_phase_center"][...] = 0.03
    ours, theirs = (
        converted(
            observation.paths,
            tmp_path / f"{backend}.ms",
            phase=observation.source,
            backend=backend,
        )
        for backend in ("cpu", "pyuvdata")
    )
    require_near(ours, theirs)
