"""Simulated observations, held to what pyuvdata makes of their files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from armillary.testing.observations import SimulatedObservation, simulated_observation  # noqa: E402

SPEED_OF_LIGHT = 299_792_458.0
#: Radians: positions in files and at sky agree to microarcseconds.
FLAT = 1e-6
LAYOUTS = ("dsa110", "memo")


@pytest.fixture(scope="module", params=LAYOUTS)
def observation(request: Any, tmp_path_factory: pytest.TempPathFactory) -> SimulatedObservation:
    return simulated_observation(
        tmp_path_factory.mktemp(request.param),
        layout=request.param,
        n_polarizations=4,
        visibility_type="complex128",
    )


def read(path: Path, **options: Any) -> Any:
    """A file, as pyuvdata has it."""
    pyuvdata = pytest.importorskip("pyuvdata")
    data = pyuvdata.UVData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.read(path, file_type="uvh5", **options)
    return data


def phased(data: Any, observation: SimulatedObservation) -> np.ndarray:
    """Visibilities, phased to the source by pyuvdata without a download."""
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = observation.source
        data.phase(ra=source.ra.rad, dec=source.dec.rad, phase_frame="icrs", cat_name="source")
    return data.data_array


def test_the_source_has_phase_zero_once_pyuvdata_phases_to_it(
    observation: SimulatedObservation,
) -> None:
    # uvw in single precision fail pyuvdata's checks.
    data = read(observation.paths[0], run_check=observation.layout == "memo")
    if observation.layout == "dsa110":
        # pyuvdata takes what drifts for unprojected: give it the delay of the meridian back.
        delay = observation.recorded_path.reshape(-1, 1, 1) / SPEED_OF_LIGHT
        data.data_array *= np.exp(2j * np.pi * delay * data.freq_array[:, np.newaxis])
    found = phased(data, observation)
    assert np.abs(np.angle(found)).max() < FLAT
    np.testing.assert_allclose(np.abs(found), np.broadcast_to(observation.amplitude, found.shape))


def test_data_that_are_not_fringe_stopped_are_unprojected_to_pyuvdata(tmp_path: Path) -> None:
    observation = simulated_observation(
        tmp_path, fringe_stopped=False, visibility_type="complex128", n_subbands=1
    )
    data = read(observation.paths[0], run_check=False)
    assert np.abs(np.angle(phased(data, observation))).max() < FLAT


def test_uvw_of_the_phase_centre_are_those_of_pyuvdata(tmp_path: Path) -> None:
    observation = simulated_observation(tmp_path, layout="memo", n_subbands=1)
    data = read(observation.paths[0])
    recorded = data.uvw_array.copy()
    data.set_uvws_from_antenna_positions()
    np.testing.assert_allclose(data.uvw_array, recorded, atol=1e-9)


def test_files_hold_the_visibilities_of_the_truth(observation: SimulatedObservation) -> None:
    by_frequency = {}
    for path in observation.paths:
        with h5py.File(path) as file:
            frequency = file["Header/freq_array"][()].ravel()
            data = file["Data/visdata"][()].reshape(-1, len(frequency), 4)
        by_frequency.update(zip(frequency.tolist(), np.moveaxis(data, 1, 0), strict=True))
    np.testing.assert_array_equal(sorted(by_frequency), observation.frequency)
    stacked = np.stack([by_frequency[f] for f in observation.frequency.tolist()], axis=1)
    np.testing.assert_array_equal(stacked, observation.visibilities())


def test_the_source_lies_where_it_was_put(observation: SimulatedObservation) -> None:
    middle = observation.meridian[1]
    east, north = middle.spherical_offsets_to(observation.source)
    # The middle of three integrations is a float64 Julian date away from the mean of them.
    np.testing.assert_allclose([east.deg, north.deg], [0.4, -0.3], atol=1e-6)


def test_dsa110_files_descend_from_sb00_on_and_have_an_old_header(tmp_path: Path) -> None:
    observation = simulated_observation(tmp_path, pointing_declination=20.0)
    with h5py.File(observation.paths[0]) as file:
        header = file["Header"]
        assert header["freq_array"].shape == (1, 6)
        np.testing.assert_array_equal(header["freq_array"][0], observation.frequency[: -6 - 1 : -1])
        assert header["channel_width"][()] == 244_140.625
        assert "version" not in header and "phase_center_catalog" not in header
        assert header["phase_type"][()] == b"drift"
        assert header["uvw_array"].dtype == np.float32
        keywords = header["extra_keywords"]
        assert keywords["phase_center_dec"][()] == np.radians(20.0)
        assert keywords["ha_phase_center"][()] == 0.0
        assert keywords["phase_center_epoch"][()] == b"HADEC"
        for name in ("visdata", "flags", "nsamples"):
            data = file["Data"][name]
            assert data.shape == (3 * 36, 1, 6, 2)
            assert data.maxshape[0] is None and data.chunks and data.compression is None


def test_all_subbands_have_the_same_times_to_the_last_bit(
    observation: SimulatedObservation,
) -> None:
    times = []
    for path in observation.paths:
        with h5py.File(path) as file:
            times.append(file["Header/time_array"][()].tobytes())
    assert len(set(times)) == 1


@pytest.mark.parametrize("compression", ["lzf", "gzip", "bitshuffle"])
@pytest.mark.parametrize("visibility_type", ["complex64", "int32"])
def test_integers_and_compressed_data_tell_the_same(
    compression: str, visibility_type: str, tmp_path: Path
) -> None:
    if compression == "bitshuffle":
        pytest.importorskip("hdf5plugin")
    observation = simulated_observation(
        tmp_path,
        layout="memo",
        flux=1e6,
        n_subbands=1,
        compression=compression,
        visibility_type=visibility_type,
    )
    found = read(observation.paths[0]).data_array
    np.testing.assert_allclose(found, observation.visibilities(), atol=1.0)


def test_flagged_data_have_no_samples(tmp_path: Path) -> None:
    observation = simulated_observation(tmp_path, flagged=0.2, noise=1.0, n_subbands=1)
    with h5py.File(observation.paths[0]) as file:
        flags, samples, data = (file["Data"][n][()] for n in ("flags", "nsamples", "visdata"))
    assert 0.1 < flags.mean() < 0.3
    np.testing.assert_array_equal(samples == 0.0, flags)
    np.testing.assert_array_equal(data == 0.0, flags)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"layout": "lofar"}, "layout must be one of 'dsa110', 'memo', not 'lofar'"),
        ({"n_times": 0}, "n_times must be at least 1, not 0"),
        ({"n_polarizations": 3}, "n_polarizations must be one of 1, 2, 4, not 3"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        simulated_observation(tmp_path, **wrong)
