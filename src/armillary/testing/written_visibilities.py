"""Files of visibilities read back by h5py and casacore alone, which no backend can fool.

Whatever the format, what is read has the conventions of UVH5: a baseline leads from antenna 1 to
antenna 2, and polarisations are in descending order of their AIPS codes (XX, YY, XY, YX).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Codes of casacore (Stokes::StokesTypes) and AIPS codes of the same polarisations.
CASA_POLARIZATIONS = {9: -5, 10: -7, 11: -8, 12: -6}
#: What is read of each row of a Measurement Set.
COLUMNS = (
    "DATA",
    "FLAG",
    "WEIGHT_SPECTRUM",
    "TIME",
    "INTERVAL",
    "ANTENNA1",
    "ANTENNA2",
    "UVW",
    "FIELD_ID",
)
SECONDS_PER_DAY = 86_400.0
#: Julian date of MJD 0.
MJD = 2_400_000.5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WrittenVisibilities:
    """What a file of visibilities holds.

    Attributes
    ----------
    visibilities : ndarray of complex64, shape (n_rows, n_channels, n_polarizations)
    flags : ndarray of bool, same shape
    weights : ndarray of float32, same shape
    time : ndarray, shape (n_rows,)
        Julian date (UTC).
    integration_time : ndarray, shape (n_rows,)
        Seconds.
    antenna1, antenna2 : ndarray of int, shape (n_rows,)
    baseline : ndarray, shape (n_rows, 3)
        From the position of antenna 1 to that of antenna 2 along the axes of ITRS (metres).
    uvw : ndarray, shape (n_rows, 3)
        Metres.
    frequency, channel_width : ndarray, shape (n_channels,)
        Hertz, in the order of the file.
    windows : tuple of int
        Channels of each spectral window.
    polarization : ndarray of int
        AIPS codes, descending.
    center : ndarray, shape (n_rows, 2)
        Longitude and latitude (radians) of the phase centre; NaN if it is none among the stars.
    history : str
    """

    visibilities: np.ndarray
    flags: np.ndarray
    weights: np.ndarray
    time: np.ndarray
    integration_time: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    baseline: np.ndarray
    uvw: np.ndarray
    frequency: np.ndarray
    channel_width: np.ndarray
    windows: tuple[int, ...]
    polarization: np.ndarray
    center: np.ndarray
    history: str


def read_written(path: Path) -> WrittenVisibilities:
    """Read what a conversion wrote: a folder is a Measurement Set, a file is UVH5."""
    return _read_measurement_set(path) if path.is_dir() else _read_uvh5(path)


def read_together(paths: Sequence[Path]) -> WrittenVisibilities:
    """UVH5 files of one observation as one: what should become of them where nothing is turned.

    Parameters
    ----------
    paths : sequence of Path
        Subbands of the same rows.
    """
    parts = sorted((_ascending(_read_uvh5(path)) for path in paths), key=lambda p: p.frequency[0])
    cubes = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)
        for name in ("visibilities", "flags", "weights")
    }
    axes = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("frequency", "channel_width")
    }
    windows = tuple(len(part.frequency) for part in parts)
    return dataclasses.replace(parts[0], **cubes, **axes, windows=windows)


def _ascending(part: WrittenVisibilities) -> WrittenVisibilities:
    order = np.argsort(part.frequency)
    cubes = {name: getattr(part, name)[:, order] for name in ("visibilities", "flags", "weights")}
    axes = {name: getattr(part, name)[order] for name in ("frequency", "channel_width")}
    return dataclasses.replace(part, **cubes, **axes)


# ------------------------------------------------------------------ UVH5


def _read_uvh5(path: Path) -> WrittenVisibilities:
    import h5py

    with h5py.File(path) as file:
        header, data = file["Header"], file["Data"]
        polarization = header["polarization_array"][()]
        order = np.argsort(-polarization)
        frequency = np.ravel(header["freq_array"][()])
        antenna1, antenna2 = header["ant_1_array"][()], header["ant_2_array"][()]
        numbers = header["antenna_numbers"][()].tolist()
        positions = header["antenna_positions"][()]
        first, second = (
            positions[[numbers.index(number) for number in antennas.tolist()]]
            for antennas in (antenna1, antenna2)
        )
        return WrittenVisibilities(
            visibilities=_complex(_cube(data["visdata"]))[..., order],
            flags=_cube(data["flags"])[..., order].astype(bool),
            weights=_cube(data["nsamples"])[..., order].astype(np.float32),
            time=header["time_array"][()],
            integration_time=header["integration_time"][()],
            antenna1=antenna1,
            antenna2=antenna2,
            baseline=second - first,
            uvw=header["uvw_array"][()].astype(float),
            frequency=frequency,
            channel_width=np.broadcast_to(header["channel_width"][()], frequency.shape),
            windows=_windows(header, len(frequency)),
            polarization=polarization[order],
            center=_centers(header, len(antenna1)),
            history=_text(header["history"][()]),
        )


def _cube(dataset: Any) -> np.ndarray:
    """Rows, channels, polarisations; older files have an axis more."""
    values: np.ndarray = dataset[()]
    return values[:, 0] if values.ndim == 4 else values


def _complex(values: np.ndarray) -> np.ndarray:
    """Single precision, as every format has it; files may have pairs of integers."""
    if values.dtype.names:
        values = values["r"] + 1j * values["i"]
    with np.errstate(over="ignore"):
        return values.astype(np.complex64)


def _windows(header: Any, n_channels: int) -> tuple[int, ...]:
    """Channels of each spectral window, in the order in which they come."""
    if "flex_spw_id_array" not in header:
        return (n_channels,)
    window = header["flex_spw_id_array"][()]
    edges = np.flatnonzero(np.diff(window)) + 1
    return tuple(np.diff([0, *edges.tolist(), n_channels]).tolist())


def _centers(header: Any, n_rows: int) -> np.ndarray:
    centers = np.full((n_rows, 2), np.nan)
    if "phase_center_catalog" not in header:
        return centers
    for number, entry in header["phase_center_catalog"].items():
        if _text(entry["cat_type"][()]) == "sidereal":
            rows = header["phase_center_id_array"][()] == int(number)
            centers[rows] = entry["cat_lon"][()], entry["cat_lat"][()]
    return centers


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# ------------------------------------------------------------------ Measurement Sets


def _read_measurement_set(path: Path) -> WrittenVisibilities:
    """Its spectral windows side by side, in the order of their numbers."""
    parts = [_read_window(path, number) for number in range(_n_windows(path))]
    first = parts[0]
    cubes = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)
        for name in ("visibilities", "flags", "weights")
    }
    axes = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("frequency", "channel_width")
    }
    return dataclasses.replace(
        first, **cubes, **axes, windows=tuple(len(p.frequency) for p in parts)
    )


def _n_windows(path: Path) -> int:
    return len(read_column(path, "SPECTRAL_WINDOW_ID", "DATA_DESCRIPTION"))


def read_column(path: Path, name: str, table: str = "") -> Any:
    """A column of a Measurement Set or of one of its subtables."""
    from casacore import tables

    with tables.table(f"{path}/{table}".rstrip("/"), ack=False) as opened:
        return opened.getcol(name)


def _read_window(path: Path, number: int) -> WrittenVisibilities:
    from casacore import tables

    with (
        tables.table(str(path), ack=False) as main,
        main.query(f"DATA_DESC_ID == {number}") as rows,
    ):
        columns = {name: rows.getcol(name) for name in COLUMNS}
    (codes,) = read_column(path, "CORR_TYPE", "POLARIZATION")
    polarization = np.array([CASA_POLARIZATIONS[code] for code in codes.tolist()])
    order = np.argsort(-polarization)
    frequency, width = _channels(path, number)
    position = read_column(path, "POSITION", "ANTENNA")
    center = read_column(path, "PHASE_DIR", "FIELD")[:, 0]
    return WrittenVisibilities(
        # CASA means the conjugate by a visibility, and the opposite by a baseline.
        visibilities=columns["DATA"][..., order].conj().astype(np.complex64),
        flags=columns["FLAG"][..., order],
        weights=columns["WEIGHT_SPECTRUM"][..., order],
        time=columns["TIME"] / SECONDS_PER_DAY + MJD,
        integration_time=columns["INTERVAL"],
        antenna1=columns["ANTENNA1"],
        antenna2=columns["ANTENNA2"],
        baseline=position[columns["ANTENNA2"]] - position[columns["ANTENNA1"]],
        uvw=-columns["UVW"],
        frequency=frequency,
        channel_width=width,
        windows=(len(frequency),),
        polarization=polarization[order],
        center=center[columns["FIELD_ID"]],
        history="\n".join(read_column(path, "MESSAGE", "HISTORY")),
    )


def _channels(path: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and widths; windows may have different numbers of them."""
    from casacore import tables

    with tables.table(f"{path}/SPECTRAL_WINDOW", ack=False) as windows:
        row = read_column(path, "SPECTRAL_WINDOW_ID", "DATA_DESCRIPTION")[number]
        return windows.getcell("CHAN_FREQ", row), np.abs(windows.getcell("CHAN_WIDTH", row))
