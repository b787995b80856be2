"""``convert.visibilities`` by pyuvdata: read, joined, phased and written as its users do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyuvdata import UVData
from pyuvdata.utils.phasing import calc_uvw, transform_app_to_icrs

from armillary.convert.visibility.errors import VisibilityFileError
from armillary.convert.visibility.grouping import Observation, VisibilityFile
from armillary.convert.visibility.header import read_header
from armillary.convert.visibility.layout import windows
from armillary.convert.visibility.phasing import MERIDIAN_NAME, tracked
from armillary.io.quiet import quiet

#: Checks cost as much as the rest, and refuse what armillary carries as it is.
UNCHECKED = {"run_check": False, "check_extra": False, "run_check_acceptability": False}


def visibilities(
    observation: Observation,
    out: Path,
    format: str,
    phase_center: Any = None,
    merge: bool = True,
    columns: tuple[str, ...] = ("DATA",),
    history: Sequence[str] = (),
) -> int:
    """Convert one observation, all of it in memory.

    Returns
    -------
    int
        How many visibilities are flagged.

    Raises
    ------
    VisibilityFileError
        If the meridian is asked for and a file does not say that it was tracked.
    """
    with quiet(), np.errstate(all="ignore"):
        data = _joined([_piece(observation, piece) for piece in observation.pieces], "blt")
        _number_windows(data, observation, merge)
        _phase(data, observation, phase_center)
        data.history = "\n".join([data.history, *history])
        _write(data, out, format, columns)
    return int(np.count_nonzero(data.flag_array))


# ------------------------------------------------------------------ read and joined


def _piece(observation: Observation, files: Sequence[VisibilityFile | None]) -> Any:
    """All subbands of one piece in time, by ascending frequency."""
    there = [None if file is None else _read(file) for file in files]
    like = next(subband for subband in there if subband is not None)
    subbands = [
        _flagged(like, *band) if subband is None else subband
        for subband, band in zip(there, observation.bands, strict=True)
    ]
    for number, subband in enumerate(subbands):
        subband.spw_array = np.array([number])
        subband.flex_spw_id_array = np.full(subband.Nfreqs, number)
    return _joined(subbands, "freq")


def _read(file: VisibilityFile) -> Any:
    """One file, its channels ascending."""
    try:
        data = UVData.from_file(file.path, file_type="uvh5", **UNCHECKED)
    except (OSError, KeyError, ValueError) as error:
        raise VisibilityFileError(file.path, f"pyuvdata cannot read it: {error}") from error
    # Correlators write uvw in single precision, which fast_concat refuses.
    data.uvw_array = data.uvw_array.astype(float)
    data.data_array = data.data_array.astype(np.complex64, copy=False)
    data.reorder_freqs(channel_order="freq", run_check=False)
    return data


def _flagged(like: Any, frequency: np.ndarray, channel_width: np.ndarray) -> Any:
    """A subband of which there is no file."""
    missing = like.copy(metadata_only=True)
    missing.freq_array, missing.channel_width = frequency.copy(), channel_width.copy()
    missing.Nfreqs = len(frequency)
    shape = (missing.Nblts, missing.Nfreqs, missing.Npols)
    missing.data_array = np.zeros(shape, np.complex64)
    missing.flag_array, missing.nsample_array = np.ones(shape, bool), np.zeros(shape, np.float32)
    return missing


def _joined(parts: Sequence[Any], axis: str) -> Any:
    first, *others = parts
    if others:
        first.fast_concat(others, axis, inplace=True, **UNCHECKED)
    return first


def _number_windows(data: Any, observation: Observation, merge: bool) -> None:
    """The spectral windows that armillary defines."""
    every = windows(observation, merge)
    data.Nspws, data.spw_array = len(every), np.arange(len(every))
    data.flex_spw_id_array = np.repeat(data.spw_array, [window.n_channels for window in every])


# ------------------------------------------------------------------ phased


def _phase(data: Any, observation: Observation, phase_center: Any) -> None:
    if phase_center is None:
        return
    if phase_center == "meridian":
        _put_on_the_meridian(data, _tracked_meridian(observation))
        return
    place = tracked(read_header(observation.files[0].path))
    if place is not None and data._check_for_cat_type("unprojected").all():
        _say_what_is_tracked(data, *place)
    data.phase(
        cat_name="target",
        cat_type="sidereal",
        lon=phase_center.ra,
        lat=phase_center.dec,
        phase_frame="icrs",
        epoch="J2000",
    )


def _tracked_meridian(observation: Observation) -> float:
    """The declination (radians) at which the correlator was on the meridian."""
    (place, *others) = [_tracked_place(file) for file in observation.files]
    if place[0] != 0.0 or any(other != place for other in others):
        raise VisibilityFileError(
            observation.files[0].path,
            "did not track one place of the meridian together with the files that belong to it",
        )
    return place[1]


def _tracked_place(file: VisibilityFile) -> tuple[float, float]:
    place = tracked(read_header(file.path))
    if place is None:
        raise VisibilityFileError(
            file.path, "does not say at which declination it tracked the meridian"
        )
    return place


def _put_on_the_meridian(data: Any, declination: float) -> None:
    """One phase centre for each integration; the correlator has turned the data already."""
    time, first, index = np.unique(data.time_array, return_index=True, return_inverse=True)
    ra, dec = transform_app_to_icrs(
        time_array=time,
        app_ra=data.lst_array[first],
        app_dec=np.full(len(time), declination),
        telescope_loc=data.telescope.location,
    )
    for number in range(len(time)):
        data.phase_center_id_array[index == number] = data._add_phase_center(
            MERIDIAN_NAME.format(number),
            cat_type="sidereal",
            cat_lon=float(ra[number]),
            cat_lat=float(dec[number]),
            cat_frame="icrs",
            cat_epoch=2000.0,
        )
    data._clear_unused_phase_centers()
    data._set_app_coords_helper()
    data.set_uvws_from_antenna_positions(update_vis=False)


def _say_what_is_tracked(data: Any, hour_angle: float, declination: float) -> None:
    """A correlator that stops fringes has taken out the delay of a fixed place of its sky.

    pyuvdata calls that a driftscan, with the delay in w; what it calls unprojected has none.
    """
    ra = data.lst_array - hour_angle
    dec, angle = np.full(data.Nblts, declination), np.zeros(data.Nblts)
    azimuth, elevation = _horizontal(hour_angle, declination, data.telescope.location.lat.rad)
    data.phase_center_id_array[:] = data._add_phase_center(
        "tracked", cat_type="driftscan", cat_lon=azimuth, cat_lat=elevation, cat_frame="altaz"
    )
    data._clear_unused_phase_centers()
    data.phase_center_app_ra, data.phase_center_app_dec = ra, dec
    data.phase_center_frame_pa = angle
    data.uvw_array = calc_uvw(
        app_ra=ra,
        app_dec=dec,
        frame_pa=angle,
        lst_array=data.lst_array,
        use_ant_pos=True,
        antenna_positions=data.telescope.antenna_positions,
        antenna_numbers=data.telescope.antenna_numbers,
        ant_1_array=data.ant_1_array,
        ant_2_array=data.ant_2_array,
        telescope_lat=data.telescope.location.lat.rad,
        telescope_lon=data.telescope.location.lon.rad,
    )


def _horizontal(hour_angle: float, declination: float, latitude: float) -> tuple[float, float]:
    """Azimuth from north by east, and elevation (radians)."""
    east = -math.cos(declination) * math.sin(hour_angle)
    outwards = math.cos(declination) * math.cos(hour_angle)
    north = math.sin(declination) * math.cos(latitude) - outwards * math.sin(latitude)
    up = math.sin(declination) * math.sin(latitude) + outwards * math.cos(latitude)
    return math.atan2(east, north) % (2.0 * math.pi), math.asin(min(1.0, max(-1.0, up)))


# ------------------------------------------------------------------ written


def _write(data: Any, out: Path, format: str, columns: tuple[str, ...]) -> None:
    if format != "ms":
        data.write_uvh5(str(out), **UNCHECKED)
        return
    extra = {}
    if "MODEL_DATA" in columns:
        extra["model_data"] = np.zeros_like(data.data_array)
    if "CORRECTED_DATA" in columns:
        extra["corrected_data"] = data.data_array
    data.write_ms(str(out), **extra, **UNCHECKED)
