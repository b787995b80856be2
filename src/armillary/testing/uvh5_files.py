"""Simulated observations as UVH5 files, written one integration at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .interferometers import apparent_place, local_axes, meridian_direction

if TYPE_CHECKING:
    from .observations import SimulatedObservation

ANTENNA_DIAMETER = 4.65  # metres
HISTORY = b"simulated by armillary.testing"
MEMO_VERSION = b"1.2"
#: Pairs of integers, as correlators with fixed-point arithmetic write them.
INTEGER_PAIR = np.dtype([("r", "<i4"), ("i", "<i4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What a file holds besides the source; see ``simulated_observation``."""

    noise: float
    flagged: float
    fringe_stopped: bool
    visibility_type: str
    compression: str | None
    seed: int


def write_subband(observation: SimulatedObservation, subband: int, options: FileOptions) -> None:
    """Write the file of one subband; it takes its name when it is complete.

    Parameters
    ----------
    observation : SimulatedObservation
    subband : int
        Index of the file among ``observation.paths``.
    options : FileOptions
    """
    import h5py

    path = observation.paths[subband]
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            channels = _channels(observation, subband)
            _write_header(file, observation, channels, options)
            _write_data(file, observation, channels, options, subband)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _channels(observation: SimulatedObservation, subband: int) -> slice:
    """The channels of a file in its own order, which descends from sb00 on for DSA-110."""
    n_subbands = len(observation.paths)
    n = len(observation.frequency) // n_subbands
    if observation.layout == "memo":
        return slice(subband * n, (subband + 1) * n)
    first = (n_subbands - subband) * n - 1
    return slice(first, first - n if first >= n else None, -1)


# ------------------------------------------------------------------ header


def _write_header(
    file: Any, observation: SimulatedObservation, channels: slice, options: FileOptions
) -> None:
    header = file.create_group("Header")
    _write_telescope(header, observation)
    _write_rows(header, observation)
    frequency = observation.frequency[channels]
    if observation.layout == "memo":
        _write_memo_axes(header, observation, frequency)
        _write_phase_center(header, observation)
    else:
        _write_dsa110_axes(header, observation, frequency)
        _write_drift(header, observation, options)


def _write_telescope(header: Any, observation: SimulatedObservation) -> None:
    n_stations = len(observation.antenna_names)
    header["latitude"] = observation.location.lat.deg
    header["longitude"] = observation.location.lon.deg
    header["altitude"] = observation.location.height.to_value("m")
    header["telescope_name"] = np.bytes_("OVRO_MMA")
    header["instrument"] = np.bytes_("DSA")
    header["history"] = np.bytes_(HISTORY)
    header["Nants_data"] = len(np.unique(observation.antenna1))
    header["Nants_telescope"] = n_stations
    header["antenna_names"] = np.array(observation.antenna_names, dtype="S4")
    header["antenna_numbers"] = observation.antenna_numbers
    header["antenna_positions"] = observation.antenna_positions
    header["antenna_diameters"] = np.full(n_stations, ANTENNA_DIAMETER)


def _write_rows(header: Any, observation: SimulatedObservation) -> None:
    n_times, n_baselines = observation.n_times, observation.n_baselines
    n_rows = n_times * n_baselines
    header["Nbls"], header["Ntimes"], header["Nblts"] = n_baselines, n_times, n_rows
    growing = {
        "time_array": np.repeat(observation.time, n_baselines),
        "integration_time": np.full(n_rows, observation.integration_time),
        "ant_1_array": np.tile(observation.antenna1, n_times),
        "ant_2_array": np.tile(observation.antenna2, n_times),
    }
    for name, rows in growing.items():
        header.create_dataset(name, data=rows, maxshape=(None,), chunks=True)


def _write_dsa110_axes(
    header: Any, observation: SimulatedObservation, frequency: np.ndarray
) -> None:
    _write_counts(header, observation, frequency)
    header["freq_array"] = frequency[np.newaxis, :]
    header["channel_width"] = observation.channel_width
    header["spw_array"] = np.array([1])
    header["polarization_array"] = observation.polarization


def _write_memo_axes(header: Any, observation: SimulatedObservation, frequency: np.ndarray) -> None:
    _write_counts(header, observation, frequency)
    header["version"] = np.bytes_(MEMO_VERSION)
    header["freq_array"] = frequency
    header["channel_width"] = np.full(len(frequency), observation.channel_width)
    header["spw_array"] = np.array([1])
    header["flex_spw_id_array"] = np.ones(len(frequency), dtype=int)
    header["polarization_array"] = observation.polarization
    header["telescope_frame"] = np.bytes_("itrs")
    header["vis_units"] = np.bytes_("uncalib")


def _write_counts(header: Any, observation: SimulatedObservation, frequency: np.ndarray) -> None:
    header["Nfreqs"] = len(frequency)
    header["Npols"] = len(observation.polarization)
    header["Nspws"] = 1


def _write_drift(header: Any, observation: SimulatedObservation, options: FileOptions) -> None:
    """Nothing tracks; what is taken out is told by keywords only."""
    header["phase_type"] = np.bytes_("drift")
    header["object_name"] = np.bytes_("search")
    header.create_dataset(
        "uvw_array",
        data=_drift_uvw(observation, options).astype(np.float32),
        maxshape=(None, 3),
        chunks=True,
    )
    extra = header.create_group("extra_keywords")
    extra["fs_table"] = np.bytes_("simulated")
    if options.fringe_stopped:
        extra["phase_center_dec"] = np.radians(observation.pointing_declination)
        extra["ha_phase_center"] = 0.0
        extra["phase_center_epoch"] = np.bytes_("HADEC")


def _drift_uvw(observation: SimulatedObservation, options: FileOptions) -> np.ndarray:
    """The same at all times: for hour angle 0 at the pointing, or for the zenith."""
    east, north, up = local_axes(observation.location)
    if options.fringe_stopped:
        up = meridian_direction(observation.pointing_declination, observation.location)
        north = np.cross(up, east)
    uvw = observation.baselines @ np.stack([east, north, up], axis=1)
    return np.tile(uvw, (observation.n_times, 1))


def _write_phase_center(header: Any, observation: SimulatedObservation) -> None:
    """One sidereal centre, with what UVH5 1.x wants to know about each row."""
    center = observation.phase_center
    assert center is not None
    n_baselines = observation.n_baselines
    header["uvw_array"] = observation.uvw(center)
    place = apparent_place(center, observation.astropy_time, observation.location)
    names = ("phase_center_app_ra", "phase_center_app_dec", "phase_center_frame_pa", "lst_array")
    for name, angle in zip(names, place, strict=True):
        header[name] = np.repeat(angle, n_baselines)
    header["phase_center_id_array"] = np.zeros(len(observation.time) * n_baselines, dtype=int)
    header["Nphase"] = 1
    entry = header.create_group("phase_center_catalog").create_group("0")
    entry["cat_name"] = np.bytes_("pointing")
    entry["cat_type"] = np.bytes_("sidereal")
    entry["cat_lon"] = center.ra.rad
    entry["cat_lat"] = center.dec.rad
    entry["cat_frame"] = np.bytes_("icrs")
    entry["cat_epoch"] = 2000.0


# ------------------------------------------------------------------ data


def _write_data(
    file: Any,
    observation: SimulatedObservation,
    channels: slice,
    options: FileOptions,
    subband: int,
) -> None:
    """Append one integration after the other, as a correlator does."""
    rng = np.random.default_rng([options.seed, subband])
    group = file.create_group("Data")
    for time in range(observation.n_times):
        block = _integration(observation, time, channels, options, rng)
        if observation.layout == "dsa110":
            block = {name: values[:, np.newaxis] for name, values in block.items()}
        if time == 0:
            _make_datasets(group, block, observation, options)
        rows = slice(time * observation.n_baselines, (time + 1) * observation.n_baselines)
        for name, values in block.items():
            if observation.layout == "dsa110":
                group[name].resize(rows.stop, axis=0)
            group[name][rows] = values


def _integration(
    observation: SimulatedObservation,
    time: int,
    channels: slice,
    options: FileOptions,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Visibilities, flags and sample counts of one integration, in the order of the file."""
    visibility = observation.visibility(time, channels)
    flags = np.zeros(visibility.shape, dtype=bool)
    if options.noise:
        draws = rng.standard_normal((*visibility.shape, 2), dtype=np.float32)
        visibility += options.noise * draws.view(np.complex64)[..., 0]
    if options.flagged:
        flags = rng.random(visibility.shape) < options.flagged
        visibility[flags] = 0.0
    return {
        "visdata": _stored(visibility, options.visibility_type),
        "flags": flags,
        "nsamples": (~flags).astype(np.float32),
    }


def _stored(visibility: np.ndarray, visibility_type: str) -> np.ndarray:
    if visibility_type != "int32":
        return visibility.astype(visibility_type)
    pairs = np.empty(visibility.shape, dtype=INTEGER_PAIR)
    pairs["r"], pairs["i"] = np.rint(visibility.real), np.rint(visibility.imag)
    return pairs


def _make_datasets(
    group: Any,
    block: dict[str, np.ndarray],
    observation: SimulatedObservation,
    options: FileOptions,
) -> None:
    """Empty ones that grow for DSA-110, else of their final size."""
    n_rows = observation.n_times * observation.n_baselines
    for name, values in block.items():
        rest = values.shape[1:]
        grows = observation.layout == "dsa110"
        group.create_dataset(
            name,
            shape=(0 if grows else n_rows, *rest),
            maxshape=(None, *rest) if grows else None,
            dtype=values.dtype,
            chunks=True,
            **_compression(name, observation.layout, options),
        )


def _compression(name: str, layout: str, options: FileOptions) -> dict[str, Any]:
    """Arguments of ``create_dataset``."""
    if options.compression == "bitshuffle":
        import hdf5plugin

        return dict(hdf5plugin.Bitshuffle())
    if options.compression is None and layout == "memo" and name != "visdata":
        return {"compression": "lzf"}
    return {"compression": options.compression}
