"""Write a UVH5 file of version 1.2, as the memo has it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from ... import __version__
from .header import SIDEREAL, Header, PhaseCenter
from .space import give_back, require_space
from .writer import Output

VERSION = "1.2"
#: Bytes of a chunk of visibilities, about.
CHUNK_BYTES = 1 << 20
#: Fast to write and to read, and known to every build of HDF5.
COMPRESSION = "lzf"
#: Bytes of a visibility with its flag and weight, not compressed.
VISIBILITY_BYTES = 13


class Uvh5Writer:
    """A UVH5 file that is being written; see :class:`~.writer.Writer`."""

    def __init__(self, output: Output) -> None:
        import h5py

        self.output = output
        channels = sum(window.n_channels for window in output.windows)
        n_visibilities = len(output.rows) * channels * len(output.order.polarization)
        require_space(output.path, n_visibilities * VISIBILITY_BYTES)
        self.file = h5py.File(output.path, "w", libver="latest")
        self.first_channel = np.cumsum([0, *(w.n_channels for w in output.windows)])
        n_channels, n_rows = int(self.first_channel[-1]), len(output.rows)
        shape = (n_rows, n_channels, len(output.order.polarization))
        rows = max(1, min(n_rows, CHUNK_BYTES // (8 * shape[1] * shape[2])))
        chunks = (rows, *shape[1:])
        _write_header(self.file.create_group("Header"), output)
        data = self.file.create_group("Data")
        self.visibilities = data.create_dataset("visdata", shape, np.complex64, chunks=chunks)
        self.flags = data.create_dataset(
            "flags", shape, bool, chunks=chunks, compression=COMPRESSION
        )
        self.weights = data.create_dataset(
            "nsamples", shape, np.float32, chunks=chunks, compression=COMPRESSION
        )

    def write(
        self,
        window: int,
        first_row: int,
        visibilities: np.ndarray,
        flags: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Add rows of one spectral window."""
        require_space(self.output.path, flags.size * VISIBILITY_BYTES)
        rows = slice(first_row, first_row + len(visibilities))
        channels = slice(*self.first_channel[window : window + 2])
        self.visibilities[rows, channels] = visibilities
        self.flags[rows, channels] = flags
        self.weights[rows, channels] = weights

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def abandon(self) -> None:
        """Close a file that nobody wants any more."""
        give_back(self.output.path)
        with contextlib.suppress(OSError, RuntimeError):
            self.file.close()


def _write_header(group: Any, output: Output) -> None:
    header, rows = output.header, output.rows
    telescope = header.telescope
    pairs = np.unique(np.stack([rows.antenna1, rows.antenna2], axis=1), axis=0)
    window_of = np.repeat(
        np.arange(len(output.windows)), [window.n_channels for window in output.windows]
    )
    values: dict[str, Any] = {
        "version": VERSION,
        "Nants_data": len(np.unique(pairs)),
        "Nants_telescope": len(telescope.antenna_numbers),
        "Nbls": len(pairs),
        "Nblts": len(rows),
        "Nfreqs": len(window_of),
        "Npols": len(output.order.polarization),
        "Nspws": len(output.windows),
        "Ntimes": len(np.unique(rows.time)),
        "Nphase": len(output.phased[0].phase_centers),
        "telescope_name": telescope.name,
        "telescope_frame": "itrs",
        "instrument": header.instrument or telescope.name,
        "latitude": np.degrees(telescope.latitude),
        "longitude": np.degrees(telescope.longitude),
        "altitude": telescope.altitude,
        "antenna_names": np.array([name.encode() for name in telescope.antenna_names]),
        "antenna_numbers": telescope.antenna_numbers,
        "antenna_positions": telescope.antenna_positions,
        "ant_1_array": rows.antenna1,
        "ant_2_array": rows.antenna2,
        "time_array": rows.time,
        "integration_time": rows.integration_time,
        "uvw_array": rows.uvw,
        "freq_array": np.concatenate([window.frequency for window in output.windows]),
        "channel_width": np.concatenate([window.channel_width for window in output.windows]),
        "spw_array": np.arange(len(output.windows)),
        "flex_spw_id_array": window_of,
        "polarization_array": output.order.polarization,
        "vis_units": header.vis_units,
        "history": "\n".join(filter(None, [header.history, *output.history])),
        **_of_rows(output),
    }
    if telescope.antenna_diameters is not None:
        values["antenna_diameters"] = telescope.antenna_diameters
    if telescope.mounts:
        values["mount_type"] = np.array([mount.encode() for mount in telescope.mounts])
    if telescope.x_orientation:
        values["x_orientation"] = telescope.x_orientation
    if telescope.feeds is not None:
        values["Nfeeds"] = telescope.feeds.shape[1]
        values["feed_array"] = telescope.feeds.astype("S")
        values["feed_angle"] = telescope.feed_angles
    values = header.others | values
    for name, value in values.items():
        group[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
    _write_phase_centers(group.create_group("phase_center_catalog"), output)
    _write_keywords(group, header)


def _of_rows(output: Output) -> dict[str, np.ndarray]:
    """What is known of the phase centre at each row."""
    parts = {
        "lst_array": "sidereal_time",
        "phase_center_id_array": "phase_center_number",
        "phase_center_app_ra": "apparent_ra",
        "phase_center_app_dec": "apparent_dec",
        "phase_center_frame_pa": "frame_position_angle",
    }
    return {
        name: np.concatenate([getattr(piece, ours) for piece in output.phased])
        for name, ours in parts.items()
    }


def _write_phase_centers(catalog: Any, output: Output) -> None:
    for center in output.phased[0].phase_centers:
        entry = catalog.create_group(str(center.number))
        for name, value in _phase_center(center).items():
            entry[name] = np.bytes_(value.encode()) if isinstance(value, str) else value


def _phase_center(center: PhaseCenter) -> dict[str, Any]:
    if center.kind != SIDEREAL:
        # Straight up, in the frame of the horizon.
        return {
            "cat_name": center.name,
            "cat_type": center.kind,
            "cat_frame": "altaz",
            "cat_lon": 0.0,
            "cat_lat": 0.5 * np.pi,
        }
    values = {
        "cat_name": center.name,
        "cat_type": center.kind,
        "cat_frame": center.frame,
        "cat_epoch": center.epoch,
        "cat_lon": center.longitude,
        "cat_lat": center.latitude,
        "cat_pm_ra": center.pm_ra,
        "cat_pm_dec": center.pm_dec,
        "info_source": f"armillary {__version__}",
    }
    return {name: value for name, value in values.items() if value is not None}


def _write_keywords(group: Any, header: Header) -> None:
    if not header.extra_keywords:
        return
    keywords = group.create_group("extra_keywords")
    for name, value in header.extra_keywords.items():
        if value is not None:
            keywords[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
