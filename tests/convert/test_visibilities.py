"""Files of visibilities become one, nothing lost: simulated observations, whose truth is known."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

import armillary as arm
from armillary.convert import VisibilityFileError
from armillary.convert.visibility.header import read_header
from armillary.testing import simulated_observation

tables = pytest.importorskip("casacore.tables", reason="python-casacore is not installed")

#: AIPS codes of CASA's XX, XY, YX, YY.
CASA = [-5, -7, -8, -6]
#: Seconds of a day, and the Julian date of MJD 0.
DAY, MJD = 86_400.0, 2_400_000.5
ELSEWHERE = SkyCoord(80.0, 31.0, unit="deg")


@pytest.fixture
def observe(tmp_path):
    """Write an observation into a folder of its own."""
    numbers = itertools.count()

    def write(**options):
        (folder := tmp_path / f"in{next(numbers)}").mkdir()
        return simulated_observation(folder, **options)

    return write


def column(path: Path, name: str, table: str = "") -> Any:
    with tables.table(f"{path}/{table}".rstrip("/"), ack=False) as opened:
        return opened.getcol(name)


def convert(observation: Any, out: Path, **options: Any) -> Any:
    (report,) = arm.convert.visibilities(observation.paths, out, **options).observations
    return report


# ------------------------------------------------------------------ nothing is lost


@pytest.mark.parametrize("n_polarizations", [1, 2, 4])
def test_a_measurement_set_has_all_that_the_subbands_have(observe, tmp_path, n_polarizations):
    observation = observe(n_polarizations=n_polarizations, flagged=0.2, noise=0.1)
    out = tmp_path / "all.ms"
    report = convert(observation, out, phase="meridian")
    order = sorted(range(n_polarizations), key=lambda i: CASA.index(observation.polarization[i]))
    together = read_together(observation)
    # CASA means the conjugate by a visibility, and the opposite by a baseline.
    np.testing.assert_array_equal(column(out, "DATA"), together["visdata"][..., order].conj())
    np.testing.assert_array_equal(column(out, "FLAG"), together["flags"][..., order])
    np.testing.assert_array_equal(column(out, "WEIGHT_SPECTRUM"), together["nsamples"][..., order])
    (frequency,) = column(out, "CHAN_FREQ", "SPECTRAL_WINDOW")
    np.testing.assert_array_equal(frequency, observation.frequency)
    header = read_header(observation.paths[0])
    np.testing.assert_array_equal(column(out, "ANTENNA1"), header.antenna1)
    np.testing.assert_array_equal(column(out, "ANTENNA2"), header.antenna2)
    np.testing.assert_allclose(column(out, "TIME"), (header.time - MJD) * DAY, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(column(out, "INTERVAL"), header.integration_time)
    assert (report.n_rows, report.n_channels) == together["visdata"].shape[:2]
    assert report.flagged_fraction == together["flags"].mean()
    assert report.missing == ()


def read_together(observation: Any) -> dict[str, np.ndarray]:
    """Visibilities, flags and weights of all files, channels ascending."""
    parts: dict[str, list[np.ndarray]] = {"visdata": [], "flags": [], "nsamples": []}
    files = sorted(observation.paths, key=lambda path: read_header(path).first_frequency)
    for path in files:
        descending = read_header(path).is_descending
        with h5py.File(path) as file:
            for name, found in parts.items():
                values = file["Data"][name][()]
                values = values[:, 0] if values.ndim == 4 else values
                found.append(values[:, ::-1] if descending else values)
    return {name: np.concatenate(found, axis=1) for name, found in parts.items()}


@pytest.mark.parametrize("layout", ["dsa110", "memo"])
@pytest.mark.parametrize("compression", [None, "lzf", "gzip"])
@pytest.mark.parametrize("visibility_type", ["complex64", "complex128", "int32"])
def test_every_layout_is_read(observe, tmp_path, layout, compression, visibility_type):
    options = {"layout": layout, "compression": compression, "flux": 1000.0}
    observation = observe(visibility_type=visibility_type, **options)
    convert(observation, tmp_path / "all.uvh5")
    with h5py.File(tmp_path / "all.uvh5") as file:
        written = file["Data/visdata"][()]
    truth = observation.visibilities()
    off = 1.0 if visibility_type == "int32" else 1e-3
    assert np.abs(written - truth).max() <= off


def test_bitshuffle_is_read_where_hdf5plugin_is_installed(observe, tmp_path, monkeypatch):
    pytest.importorskip("hdf5plugin")
    observation = observe(compression="bitshuffle")
    convert(observation, tmp_path / "all.uvh5")
    monkeypatch.setattr("h5py.h5z.filter_avail", lambda code: code != 32008)
    with pytest.raises(VisibilityFileError, match=r"filter 32008.*pip install hdf5plugin"):
        convert(observation, tmp_path / "other.uvh5")


def test_what_is_written_as_uvh5_is_what_was_read(observe, tmp_path):
    observation = observe(n_polarizations=4, flagged=0.1, noise=0.3)
    convert(observation, tmp_path / "all.uvh5")
    together = read_together(observation)
    with h5py.File(tmp_path / "all.uvh5") as file:
        for name, values in together.items():
            np.testing.assert_array_equal(file["Data"][name][()], values)
    old, new = read_header(observation.paths[0]), read_header(tmp_path / "all.uvh5")
    for name in ("time", "integration_time", "antenna1", "antenna2", "uvw", "polarization"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    np.testing.assert_array_equal(new.frequency, observation.frequency)
    np.testing.assert_array_equal(new.telescope.antenna_positions, old.telescope.antenna_positions)
    assert new.version == "1.2"
    assert not new.is_projected
    assert new.extra_keywords["phase_center_epoch"] == "HADEC"


def test_a_second_conversion_changes_nothing(observe, tmp_path):
    observation = observe(n_polarizations=2, noise=0.1)
    convert(observation, tmp_path / "one.uvh5", phase="meridian")
    arm.convert.visibilities(tmp_path / "one.uvh5", tmp_path / "two.ms")
    convert(observation, tmp_path / "direct.ms", phase="meridian")
    for name in ("DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW", "TIME", "FIELD_ID", "SCAN_NUMBER"):
        np.testing.assert_array_equal(
            column(tmp_path / "two.ms", name), column(tmp_path / "direct.ms", name), err_msg=name
        )


def test_strange_values_are_carried_and_stay_where_they_are(observe, tmp_path):
    observation = observe(layout="memo", n_polarizations=2)
    with h5py.File(observation.paths[0], "r+") as file:
        file["Data/visdata"][3, 2, 1] = 1e37 + 1e37j
        file["Data/visdata"][4, 1, 0] = np.nan
        file["Data/nsamples"][5, 0, 0] = -1.2e12
    out = tmp_path / "all.ms"
    convert(observation, out, phase=ELSEWHERE)
    data, weights = column(out, "DATA"), column(out, "WEIGHT_SPECTRUM")
    assert np.count_nonzero(np.abs(data) > 1e30) == 1
    assert np.count_nonzero(np.isnan(data)) == 1
    assert np.count_nonzero(weights < 0) == 1
    assert weights.min() == np.float32(-1.2e12)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_order_of_files_does_not_matter(observe, tmp_path, backend):
    observation = observe(noise=0.1)
    convert(observation, tmp_path / "a.ms", phase=ELSEWHERE, backend=backend)
    arm.convert.visibilities(
        observation.paths[::-1], tmp_path / "b.ms", phase=ELSEWHERE, backend=backend
    )
    for name in ("DATA", "UVW"):
        np.testing.assert_array_equal(
            column(tmp_path / "a.ms", name), column(tmp_path / "b.ms", name)
        )


def test_folders_and_patterns_stand_for_their_files(observe, tmp_path):
    observation = observe()
    folder = observation.paths[0].parent
    (folder / "notes.txt").write_text("not one of them")
    for inputs in (folder, folder / "*_sb*.hdf5", list(map(str, observation.paths))):
        report = arm.convert.visibilities(inputs, tmp_path / "x.uvh5", overwrite=True)
        assert set(report.observations[0].inputs) == set(observation.paths)


# ------------------------------------------------------------------ phase centres


def test_turned_to_the_source_its_phase_is_flat(observe, tmp_path):
    observation = observe(n_times=4, n_subbands=16, source_offset=(0.3, 0.2))
    convert(observation, tmp_path / "s.ms", phase=observation.source)
    assert np.abs(np.angle(column(tmp_path / "s.ms", "DATA"))).max() < 1e-3
    (place,) = column(tmp_path / "s.ms", "PHASE_DIR", "FIELD")
    source = observation.source
    np.testing.assert_allclose(place[0], [source.ra.rad, source.dec.rad], rtol=0, atol=1e-14)


def test_the_source_is_found_where_it_was_put(observe, tmp_path):
    # Phased to a place beside it, phases follow the source's direction cosines.
    observation = observe(n_antennas=12, n_times=2)
    beside = observation.source.directional_offset_by(30.0 * units.deg, 20.0 * units.arcsec)
    convert(observation, tmp_path / "m.ms", phase=beside)
    offsets = beside.spherical_offsets_to(observation.source)
    east, north = (part.to_value("rad") for part in offsets)
    (frequency,) = column(tmp_path / "m.ms", "CHAN_FREQ", "SPECTRAL_WINDOW")
    uvw = column(tmp_path / "m.ms", "UVW")
    # V = exp(2 pi i (u l + v m)); both sides of it are turned around in a Measurement Set.
    turns = np.angle(column(tmp_path / "m.ms", "DATA")[..., 0]) / (2 * np.pi)
    design = (uvw[:, None, :2] * frequency[:, None] / 299_792_458.0).reshape(-1, 2)
    found, *_ = np.linalg.lstsq(design, turns.reshape(-1), rcond=None)
    np.testing.assert_allclose(found, [east, north], rtol=2e-3)


def test_on_the_meridian_data_stay_and_every_integration_has_its_centre(observe, tmp_path):
    observation = observe(n_times=3, noise=0.1)
    convert(observation, tmp_path / "m.ms", phase="meridian")
    place = column(tmp_path / "m.ms", "PHASE_DIR", "FIELD")[:, 0]
    truth = observation.meridian
    np.testing.assert_allclose(place, np.stack([truth.ra.rad, truth.dec.rad], axis=1), atol=1e-8)
    n_baselines = len(column(tmp_path / "m.ms", "TIME")) // 3
    assert (
        column(tmp_path / "m.ms", "FIELD_ID").tolist() == np.repeat([0, 1, 2], n_baselines).tolist()
    )
    assert column(tmp_path / "m.ms", "SCAN_NUMBER").tolist() == (
        np.repeat([1, 2, 3], n_baselines).tolist()
    )
    uvw = np.abs(column(tmp_path / "m.ms", "UVW"))
    lengths = np.linalg.norm(uvw, axis=1)
    np.testing.assert_allclose(
        lengths, np.linalg.norm(observation.uvw(truth[0]), axis=1), atol=1e-3
    )


def test_data_without_a_phase_centre_become_no_measurement_set(observe, tmp_path):
    with pytest.raises(ValueError, match=r"phase='meridian'.*SkyCoord"):
        convert(observe(), tmp_path / "x.ms")
    assert not (tmp_path / "x.ms").exists()


def test_the_meridian_is_for_those_who_say_that_they_tracked_it(observe, tmp_path):
    observation = observe(layout="memo")
    with pytest.raises(VisibilityFileError, match="does not say at which declination"):
        convert(observation, tmp_path / "x.ms", phase="meridian")


def test_a_frame_that_casa_does_not_know_is_refused_before_anything_is_written(observe, tmp_path):
    observation = observe(layout="memo")
    for path in observation.paths:
        with h5py.File(path, "r+") as file:
            (center,) = file["Header/phase_center_catalog"].values()
            del center["cat_frame"], center["cat_epoch"]
            center["cat_frame"], center["cat_epoch"] = np.bytes_(b"fk5"), 2291.34
    with pytest.raises(VisibilityFileError, match=r"frame fk5 2291\.34.*SkyCoord"):
        convert(observation, tmp_path / "x.ms")
    convert(observation, tmp_path / "y.ms", phase=ELSEWHERE)


def test_uvw_of_the_front_door_is_that_of_a_conversion(observe, tmp_path):
    observation = observe(n_times=2)
    convert(observation, tmp_path / "e.ms", phase=ELSEWHERE)
    header = read_header(observation.paths[0])
    middle = np.array([part.to_value("m") for part in observation.location.geocentric])
    index = {n: i for i, n in enumerate(header.telescope.antenna_numbers.tolist())}
    first, second = (
        np.array([index[a] for a in antennas]) for antennas in (header.antenna1, header.antenna2)
    )
    uvw = arm.convert.uvw(
        header.telescope.antenna_positions,
        first,
        second,
        Time(header.time, format="jd", scale="utc"),
        ELSEWHERE,
        location=observation.location,
    )
    np.testing.assert_allclose(-column(tmp_path / "e.ms", "UVW"), uvw, rtol=0, atol=1e-6)

    geocentric = arm.convert.uvw(
        (header.telescope.antenna_positions + middle) * 1e-3 * units.km,
        first,
        second,
        header.time,
        ELSEWHERE,
    )
    # The mean of the antennas is some metres from the centre of the array: aberration differs.
    np.testing.assert_allclose(geocentric, uvw, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"antenna_positions": np.eye(3)}, "from the centre of the Earth"),
        ({"antenna_positions": np.full((3, 3), np.nan)}, "must be finite"),
        ({"antenna_positions": np.eye(2)}, r"of shape \(n, 3\)"),
        ({"antenna1": [3]}, "antenna1 must be rows of antenna_positions"),
        ({"antenna2": [0, 1]}, "must have one entry per row"),
        ({"time": [1.0, 2.0, 3.0]}, "time must have one entry per row"),
        ({"phase_center": "zenith"}, "phase_center must be one SkyCoord"),
        ({"location": "here"}, "location must be an EarthLocation"),
    ],
)
def test_bad_baselines_are_named(change, sentence):
    good = {
        "antenna_positions": np.eye(3) * 100.0 + [6.37e6, 0.0, 0.0],
        "antenna1": [0],
        "antenna2": [1],
        "time": [2_460_000.5],
        "phase_center": ELSEWHERE,
    }
    assert arm.convert.uvw(**good).shape == (1, 3)
    with pytest.raises(ValueError, match=sentence):
        arm.convert.uvw(**good | change)


def test_times_beyond_the_table_of_the_earth_are_warned_of():
    place = SkyCoord(10.0, 20.0, unit="deg")
    here = EarthLocation.from_geodetic(0 * units.deg, 40 * units.deg)
    with pytest.warns(arm.convert.EarthOrientationWarning, match="beyond the table"):
        arm.convert.uvw(np.eye(3), [0], [1], [2_500_000.5], place, location=here)


# ------------------------------------------------------------------ windows, columns, blocks


def test_subbands_can_stay_spectral_windows(observe, tmp_path):
    observation = observe(n_times=2, n_subbands=3, noise=0.1)
    convert(observation, tmp_path / "one.ms", phase="meridian")
    convert(observation, tmp_path / "many.ms", phase="meridian", spectral_windows="keep")
    assert column(tmp_path / "many.ms", "NUM_CHAN", "SPECTRAL_WINDOW").tolist() == [6, 6, 6]
    window = column(tmp_path / "many.ms", "DATA_DESC_ID")
    data = column(tmp_path / "many.ms", "DATA")
    together = np.concatenate([data[window == i] for i in range(3)], axis=1)
    np.testing.assert_array_equal(together, column(tmp_path / "one.ms", "DATA"))
    scan = column(tmp_path / "many.ms", "SCAN_NUMBER")
    assert np.all(np.diff(scan) >= 0)


def test_a_gap_in_the_band_makes_windows(observe, tmp_path):
    observation = observe(n_subbands=4)
    arm.convert.visibilities(
        [observation.paths[0], *observation.paths[2:]], tmp_path / "x.ms", phase="meridian"
    )
    assert column(tmp_path / "x.ms", "NUM_CHAN", "SPECTRAL_WINDOW").tolist() == [6, 6, 6]


def test_imaging_columns_are_there_on_request(observe, tmp_path):
    columns = ("DATA", "MODEL_DATA", "CORRECTED_DATA")
    convert(observe(noise=0.1), tmp_path / "x.ms", phase="meridian", columns=columns)
    data, model, corrected = (column(tmp_path / "x.ms", name) for name in columns)
    np.testing.assert_array_equal(data, corrected)
    assert not model.any()


@pytest.mark.parametrize("memory", [100_000, 10_000_000])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_blocks_and_backends_give_the_same(observe, tmp_path, memory, backend):
    observation = observe(n_antennas=9, n_times=5, noise=0.1, flagged=0.1)
    convert(observation, tmp_path / "usual.ms", phase=ELSEWHERE)
    convert(observation, tmp_path / "x.ms", phase=ELSEWHERE, memory=memory, backend=backend)
    for name in ("FLAG", "WEIGHT_SPECTRUM", "WEIGHT", "SIGMA", "UVW", "TIME"):
        np.testing.assert_array_equal(
            column(tmp_path / "x.ms", name), column(tmp_path / "usual.ms", name), err_msg=name
        )
    data = column(tmp_path / "usual.ms", "DATA")
    np.testing.assert_allclose(
        column(tmp_path / "x.ms", "DATA"), data, rtol=0, atol=2e-7 * np.abs(data).max()
    )


def test_weights_are_medians_and_sigma_follows(observe, tmp_path):
    observation = observe(flagged=0.3)
    with h5py.File(observation.paths[0], "r+") as file:
        file["Data/nsamples"][...] = np.random.default_rng(1).random(file["Data/nsamples"].shape)
        file["Data/nsamples"][7] = 0.0
    arm.convert.visibilities(observation.paths[0], tmp_path / "x.ms", phase="meridian")
    spectrum = column(tmp_path / "x.ms", "WEIGHT_SPECTRUM")
    weight, sigma = column(tmp_path / "x.ms", "WEIGHT"), column(tmp_path / "x.ms", "SIGMA")
    np.testing.assert_array_equal(weight, np.median(spectrum, axis=1))
    known = weight > 0
    np.testing.assert_allclose(sigma[known], weight[known] ** -0.5, rtol=1e-6)
    assert np.all(sigma[~known] == -1.0)
    assert (~known).sum() == 2


def test_the_history_names_files_and_options(observe, tmp_path):
    observation = observe()
    convert(observation, tmp_path / "x.ms", phase="meridian")
    lines = column(tmp_path / "x.ms", "MESSAGE", "HISTORY")
    assert any("phase=meridian" in line for line in lines)
    for path in observation.paths:
        assert any(path.name in line for line in lines)


def test_antennas_are_within_a_millimetre(observe, tmp_path):
    observation = observe()
    convert(observation, tmp_path / "x.ms", phase="meridian")
    header = read_header(observation.paths[0])
    place = column(tmp_path / "x.ms", "POSITION", "ANTENNA")[header.telescope.antenna_numbers]
    middle = np.array([part.to_value("m") for part in observation.location.geocentric])
    assert np.abs(place - middle - header.telescope.antenna_positions).max() < 1e-3


def test_receptors_and_whatever_else_a_header_has_are_kept(observe, tmp_path):
    observation = observe(layout="memo", n_subbands=1)
    (path,) = observation.paths
    n = len(observation.antenna_numbers)
    with h5py.File(path, "r+") as file:
        file["Header/Nfeeds"] = 2
        file["Header/feed_array"] = np.array([[b"y", b"x"]] * n)
        file["Header/feed_angle"] = np.array([[0.0, 1.5]] * n)
        file["Header/dut1"] = 0.25
        file["Header/pol_convention"] = np.bytes_(b"avg")
    convert(observation, tmp_path / "x.uvh5")
    with h5py.File(tmp_path / "x.uvh5") as file:
        assert file["Header/dut1"][()] == 0.25
        assert file["Header/pol_convention"][()] == b"avg"
        assert file["Header/feed_array"][0].tolist() == [b"y", b"x"]
    arm.convert.visibilities(tmp_path / "x.uvh5", tmp_path / "x.ms")
    angles = column(tmp_path / "x.ms", "RECEPTOR_ANGLE", "FEED")[observation.antenna_numbers]
    np.testing.assert_array_equal(angles, [[1.5, 0.0]] * n)


def test_files_of_several_spectral_windows_are_refused(observe, tmp_path):
    convert(observe(n_subbands=2), tmp_path / "two.uvh5", spectral_windows="keep")
    with pytest.raises(VisibilityFileError, match="has 2 spectral windows"):
        arm.convert.visibilities(tmp_path / "two.uvh5", tmp_path / "x.uvh5")


# ------------------------------------------------------------------ times


def test_pieces_follow_each_other_in_time(observe, tmp_path):
    whole = observe(n_times=4, noise=0.1)
    (folder := tmp_path / "pieces").mkdir()
    pieces = [cut_in_time(path, folder, part) for path in whole.paths for part in (0, 1)]
    convert(whole, tmp_path / "whole.ms", phase=ELSEWHERE)
    (report,) = arm.convert.visibilities(
        pieces[::-1], tmp_path / "joined.ms", phase=ELSEWHERE
    ).observations
    assert report.n_times == 4
    for name in ("DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW", "TIME", "ANTENNA1", "FIELD_ID"):
        np.testing.assert_array_equal(
            column(tmp_path / "joined.ms", name), column(tmp_path / "whole.ms", name), err_msg=name
        )


def cut_in_time(path: Path, folder: Path, part: int) -> Path:
    """The first or the second half of a file's integrations."""
    out = folder / f"{path.stem}_{part}{path.suffix}"
    shutil.copy(path, out)
    with h5py.File(out, "r+") as file:
        n = len(file["Header/time_array"])
        half = slice(0, n // 2) if part == 0 else slice(n // 2, n)
        for group in ("Header", "Data"):
            for name, dataset in list(file[group].items()):
                if isinstance(dataset, h5py.Dataset) and dataset.shape[:1] == (n,):
                    values = dataset[half]
                    del file[group][name]
                    file[group][name] = values
        file["Header/Nblts"][()] = len(file["Header/time_array"])
        file["Header/Ntimes"][()] = len(np.unique(file["Header/time_array"]))
    return out


def test_baselines_of_all_pieces_have_one_direction(observe, tmp_path):
    whole = observe(n_times=2, n_subbands=1, n_polarizations=4, noise=0.1)
    (folder := tmp_path / "pieces").mkdir()
    first, second = (cut_in_time(whole.paths[0], folder, part) for part in (0, 1))
    turned_around(second)
    convert(whole, tmp_path / "whole.ms", phase=ELSEWHERE)
    arm.convert.visibilities([first, second], tmp_path / "joined.ms", phase=ELSEWHERE)
    # An antenna with itself has no direction.
    rows = column(tmp_path / "whole.ms", "ANTENNA1") != column(tmp_path / "whole.ms", "ANTENNA2")
    for name in ("ANTENNA1", "ANTENNA2", "UVW", "DATA", "FLAG"):
        np.testing.assert_allclose(
            column(tmp_path / "joined.ms", name)[rows],
            column(tmp_path / "whole.ms", name)[rows],
            rtol=0,
            atol=1e-6,
            err_msg=name,
        )


def turned_around(path: Path) -> None:
    """Exchange the antennas of all baselines of a file."""
    with h5py.File(path, "r+") as file:
        header, data = file["Header"], file["Data"]
        first, second = header["ant_1_array"][()], header["ant_2_array"][()]
        header["ant_1_array"][...], header["ant_2_array"][...] = second, first
        header["uvw_array"][...] = -header["uvw_array"][()]
        codes = header["polarization_array"][()].tolist()
        order = [codes.index({-7: -8, -8: -7}.get(code, code)) for code in codes]
        for name in data:
            data[name][...] = np.conj(data[name][()][..., order])


def test_several_observations_have_names_with_their_times(observe, tmp_path):
    first = observe(start="2025-10-03T05:12:30")
    second = observe(start="2025-10-03T05:20:00")
    paths = [*first.paths, *second.paths]
    with pytest.raises(ValueError, match=r"there are 2 observations.*{time}"):
        arm.convert.visibilities(paths, tmp_path / "x.uvh5")
    report = arm.convert.visibilities(paths, tmp_path / "{time}.uvh5")
    names = [one.out.name for one in report.observations]
    assert [name[:16] for name in names] == ["2025-10-03T05:12", "2025-10-03T05:20"]
    assert sorted(path.name for path in tmp_path.glob("*.uvh5")) == names


# ------------------------------------------------------------------ what is missing or wrong


def test_missing_subbands_are_an_error_a_gap_or_skipped(observe, tmp_path):
    observation = observe(n_subbands=4, n_channels=5)
    there = [observation.paths[1], observation.paths[3]]
    options: dict[str, Any] = {"phase": "meridian", "expected_subbands": 4}
    with pytest.raises(ValueError, match=r"lacks 2 of its files: .* MHz"):
        arm.convert.visibilities(there, tmp_path / "x.ms", **options)
    assert not (tmp_path / "x.ms").exists()
    report = arm.convert.visibilities(there, tmp_path / "x.ms", on_incomplete="skip", **options)
    assert not report.observations
    assert set(report.skipped[0].inputs) == set(there)
    report = arm.convert.visibilities(there, tmp_path / "x.ms", on_incomplete="fill", **options)
    history = column(tmp_path / "x.ms", "MESSAGE", "HISTORY")
    assert sum("Missing, filled with flagged zeros" in line for line in history) == 2
    assert any("on_incomplete=fill; expected_subbands=4" in line for line in history)
    (frequency,) = column(tmp_path / "x.ms", "CHAN_FREQ", "SPECTRAL_WINDOW")
    np.testing.assert_allclose(frequency, observation.frequency, rtol=0, atol=1e-3)
    # sb00 is the highest: the third and the first quarter of the band are there.
    flags = column(tmp_path / "x.ms", "FLAG").all(axis=(0, 2))
    assert flags.tolist() == np.repeat([False, True, False, True], 5).tolist()
    data = column(tmp_path / "x.ms", "DATA")
    assert not data[:, flags].any()
    assert not column(tmp_path / "x.ms", "WEIGHT_SPECTRUM")[:, flags].any()
    assert len(report.observations[0].missing) == 2


def test_one_subband_alone_does_not_tell_where_the_others_are(observe, tmp_path):
    observation = observe()
    with pytest.raises(ValueError, match="which way they are numbered"):
        arm.convert.visibilities(
            observation.paths[2], tmp_path / "x.uvh5", expected_subbands=4, on_incomplete="fill"
        )


def damaged(path: Path, change: Any) -> Path:
    """A copy of a file with something changed."""
    out = path.with_name(f"changed_{path.name}")
    shutil.copy(path, out)
    with h5py.File(out, "r+") as file:
        change(file)
    return out


def replaced(name: str, function: Any) -> Any:
    def change(file: h5py.File) -> None:
        values = function(file[name][()])
        del file[name]
        file[name] = values

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced("Header/time_array", lambda t: t + np.where(t > t[0], 1e-9, 0)), "other times"),
        (replaced("Header/ant_2_array", lambda a: a[::-1].copy()), "other baselines"),
        (replaced("Header/polarization_array", lambda p: p[::-1].copy()), "other polarizations"),
        (replaced("Header/antenna_positions", lambda p: p + 0.1), "other antennas"),
        (replaced("Header/time_array", lambda t: t + 1e-8), "other times"),
        (replaced("Header/longitude", lambda degrees: degrees + 0.1), "other antennas"),
        (replaced("Header/uvw_array", lambda uvw: uvw * np.float32(1.001)), "other uvw"),
        (
            replaced("Header/extra_keywords/phase_center_dec", lambda dec: dec + 0.01),
            "other phase centres",
        ),
    ],
)
def test_subbands_must_agree_and_the_file_and_axis_are_named(observe, tmp_path, change, sentence):
    observation = observe()
    wrong = damaged(observation.paths[1], change)
    paths = [observation.paths[0], wrong, *observation.paths[2:]]
    with pytest.raises(VisibilityFileError, match=f"has {sentence}"):
        arm.convert.visibilities(paths, tmp_path / "x.ms", phase="meridian")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in0"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced("Header/antenna_numbers", lambda a: a - 5), "antenna numbers"),
        (replaced("Header/antenna_positions", lambda p: p * np.nan), "'antenna_positions'"),
        (replaced("Header/uvw_array", lambda uvw: uvw * np.inf), "'uvw_array'"),
        (replaced("Header/integration_time", lambda t: -t), "'integration_time'"),
        (replaced("Header/channel_width", lambda w: 0.0 * w), "'channel_width'"),
        (replaced("Header/ant_1_array", lambda a: a + 0.5), "'ant_1_array' that holds no whole"),
        (replaced("Header/latitude", lambda degrees: 500.0), "'latitude' of 500, beyond 90"),
    ],
)
def test_headers_that_cannot_be_are_refused(observe, tmp_path, change, sentence):
    wrong = damaged(observe().paths[0], change)
    with pytest.raises(VisibilityFileError, match=sentence) as error:
        arm.convert.visibilities(wrong, tmp_path / "x.uvh5")
    assert error.value.path == wrong


def test_the_same_subband_twice_is_one_too_many(observe, tmp_path):
    observation = observe()
    twin = observation.paths[1].with_name("twin.hdf5")
    shutil.copy(observation.paths[1], twin)
    with pytest.raises(VisibilityFileError, match="one of them is one too many"):
        arm.convert.visibilities([*observation.paths, twin], tmp_path / "x.ms", phase="meridian")


def test_files_that_are_not_what_they_should_be_are_named(observe, tmp_path):
    observation = observe()
    whole = observation.paths[0].read_bytes()
    (foreign := tmp_path / "foreign.hdf5").write_bytes(b"SIMPLE  =                    T" * 100)
    (empty := tmp_path / "empty.hdf5").write_bytes(b"")
    (short := tmp_path / "short.hdf5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(other := tmp_path / "other.hdf5", "w") as file:
        file["spectrum"] = np.arange(5.0)
    for path in (foreign, empty, short, other):
        with pytest.raises(VisibilityFileError) as error:
            arm.convert.visibilities(path, tmp_path / "x.uvh5")
        assert path.name in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"nothing\.hdf5"):
        arm.convert.visibilities(tmp_path / "nothing.hdf5", tmp_path / "x.uvh5")
    assert not (tmp_path / "x.uvh5").exists()


def test_an_output_that_is_there_stays_unless_it_may_be_replaced(observe, tmp_path):
    observation = observe()
    for name in ("x.ms", "x.uvh5"):
        out = tmp_path / name
        convert(observation, out, phase="meridian")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            convert(observation, out, phase="meridian")
        convert(observation, out, phase=ELSEWHERE, overwrite=True)
    assert len(column(tmp_path / "x.ms", "NAME", "FIELD")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in0", "x.ms", "x.uvh5"]


def test_only_what_a_conversion_wrote_is_replaced_and_no_input(observe, tmp_path):
    observation = observe(layout="memo", n_subbands=1)
    (path,) = observation.paths
    (folder := tmp_path / "thesis").mkdir()
    (folder / "chapter").write_text("years of work")
    (tmp_path / "x.ms").write_text("a file")
    options = {"format": "ms", "overwrite": True}
    for out, sentence in (
        (folder, "no output of such a conversion; it is not replaced"),
        (tmp_path / "x.ms", "no output of such a conversion; it is not replaced"),
        (path.parent, "may not be or hold one of the inputs"),
        (path, "may not be or hold one of the inputs"),
    ):
        with pytest.raises((FileExistsError, ValueError), match=sentence):
            arm.convert.visibilities(path, out, **options)
    assert (folder / "chapter").read_text() == "years of work"
    (tmp_path / "x.uvh5").write_text("years of work")
    with pytest.raises(FileExistsError, match="it is not replaced"):
        arm.convert.visibilities(path, tmp_path / "x.uvh5", overwrite=True)


def test_what_takes_the_name_meanwhile_stays(observe, tmp_path):
    out = tmp_path / "x.uvh5"
    with pytest.raises(FileExistsError, match="appeared while it was being made"):
        convert(observe(), out, progress=lambda *_: out.write_text("another's"))
    assert out.read_text() == "another's"


@pytest.mark.parametrize("kind", ["ms", "uvh5"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_nothing(observe, tmp_path, monkeypatch, kind, error):
    from armillary.convert.visibility import ms_writer, uvh5_writer

    def fail(*_: Any) -> None:
        raise error

    writer = ms_writer.MeasurementSet if kind == "ms" else uvh5_writer.Uvh5Writer
    monkeypatch.setattr(writer, "write", fail)
    with pytest.raises(type(error)):
        convert(observe(), tmp_path / f"x.{kind}", phase="meridian")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in0"]


@pytest.mark.parametrize("free", [1_000, 20_000_000])
@pytest.mark.parametrize("kind", ["ms", "uvh5"])
def test_a_disk_with_too_little_room_is_told_before_libraries_find_out(
    observe, tmp_path, monkeypatch, free, kind
):
    # They would end the process: their flush fails, in a destructor or at the end.
    usage = iter([shutil.disk_usage(tmp_path)])
    room = SimpleNamespace(free=free)
    monkeypatch.setattr(
        "armillary.convert.visibility.space.shutil.disk_usage",
        lambda _: room if free < 2_000 else next(usage, SimpleNamespace(free=1)),
    )
    with pytest.raises(OSError, match=rf"No space left on device: 'x.{kind}' needs .* MB more"):
        convert(observe(), tmp_path / f"x.{kind}", phase="meridian")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in0"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "fits"}, "format must be one of 'ms', 'uvh5'"),
        ({"spectral_windows": "both"}, "spectral_windows must be one of"),
        ({"on_incomplete": "ignore"}, "on_incomplete must be one of"),
        ({"expected_subbands": 0}, "expected_subbands must be a whole number"),
        ({"expected_subbands": 2}, "expected_subbands is 2, but"),
        ({"time_tolerance": -1.0}, "time_tolerance must be a number of seconds"),
        ({"phase": "zenith"}, "phase must be None, 'meridian' or a SkyCoord"),
        ({"phase": SkyCoord([1, 2], [3, 4], unit="deg")}, "phase must be one SkyCoord"),
        ({"columns": ("MODEL_DATA",)}, "columns must be 'DATA' and"),
        ({"memory": "much"}, "memory must be"),
        ({"threads": 0}, "threads must be"),
    ],
)
def test_bad_arguments_are_named(observe, tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        convert(observe(), tmp_path / "x.ms", **{"phase": "meridian", **options})


def test_an_unknown_suffix_lists_what_there_is(observe, tmp_path):
    with pytest.raises(ValueError, match=r"\.ms, \.uvh5"):
        convert(observe(), tmp_path / "x.fits")


def test_progress_ends_with_the_whole(observe, tmp_path):
    reports: list[tuple[float, float]] = []
    observation = observe(n_times=3)
    report = convert(
        observation,
        tmp_path / "x.ms",
        phase="meridian",
        memory=50_000,
        progress=lambda done, total: reports.append((done, total)),
    )
    whole = report.n_rows * report.n_channels * report.n_polarizations
    assert reports[-1] == (whole, whole)
    assert reports == sorted(reports)
    assert len(reports) > 3


# ------------------------------------------------------------------ real files


def test_two_subbands_of_the_allen_array_become_one_band(visibility_data, tmp_path):
    paths = sorted(visibility_data.glob("ata.LoA.*.uvh5"))
    arm.convert.visibilities(paths, tmp_path / "ata.ms")
    (frequency,) = column(tmp_path / "ata.ms", "CHAN_FREQ", "SPECTRAL_WINDOW")
    np.testing.assert_array_equal(frequency, 1252e6 + 0.5e6 * np.arange(32))
    weights = column(tmp_path / "ata.ms", "WEIGHT_SPECTRUM")
    assert weights.min() < -1e12
    assert column(tmp_path / "ata.ms", "POSITION", "ANTENNA").shape[1] == 3


def test_a_file_and_its_three_integrations_are_the_same(visibility_data, tmp_path):
    names = [f"zen.2457698.{time}.xx.HH.uvh5" for time in ("40355191", "40367619", "40380046")]
    arm.convert.visibilities(
        visibility_data / "zen.2457698.40355.xx.HH.uvh5", tmp_path / "whole.ms", phase=ELSEWHERE
    )
    arm.convert.visibilities(
        [visibility_data / name for name in names], tmp_path / "parts.ms", phase=ELSEWHERE
    )
    with tables.table(str(tmp_path / "whole.ms"), ack=False) as whole:
        for name in whole.colnames():
            if name == "FLAG_CATEGORY":
                continue
            np.testing.assert_array_equal(
                whole.getcol(name), column(tmp_path / "parts.ms", name), err_msg=name
            )


@pytest.mark.parametrize(
    "name", ["zen.2458098.45361.HH_downselected.uvh5", "zen.2458661.23480.HH.uvh5"]
)
def test_old_headers_are_read(visibility_data, tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arm.convert.visibilities(visibility_data / name, tmp_path / "x.uvh5")
    old, new = read_header(visibility_data / name), read_header(tmp_path / "x.uvh5")
    np.testing.assert_array_equal(old.uvw, new.uvw)
    assert os.path.getsize(tmp_path / "x.uvh5")
