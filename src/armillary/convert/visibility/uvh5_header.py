"""Read the header of a UVH5 file, of every version of the format.

The format is defined by the UVH5 memo (Lanman, Jacobs, Kittiwisit et al.); before version 1.0
frequencies had an axis of spectral windows, channels one width, and phase centres a type: "drift"
or "phased". Correlators still write that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import VisibilityFileError
from .header import SIDEREAL, UNPROJECTED, Header, PhaseCenter, Telescope

if TYPE_CHECKING:
    import h5py


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """A file of HDF5; what is wrong with it is a sentence.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If it cannot be opened for one of these reasons.
    VisibilityFileError
        If it is no HDF5, or damaged.
    """
    import h5py

    with open(path, "rb"):
        pass  # a better error than that of HDF5
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise VisibilityFileError(path, f"cannot be opened as HDF5: {_first_line(error)}") from None
    with file:
        yield file


#: Metres from the ellipsoid within which a telescope stands.
HIGHEST = 1e5
#: What is read from a header, or follows from the data.
KNOWN = frozenset(
    [
        "version",
        "Nants_data",
        "Nants_telescope",
        "Nbls",
        "Nblts",
        "Nfreqs",
        "Npols",
        "Nspws",
        "Ntimes",
        "Nphase",
        "blts_are_rectangular",
        "time_axis_faster_than_bls",
        "blt_order",
        "flex_spw",
        "multi_phase_center",
        "telescope_name",
        "telescope_frame",
        "instrument",
        "latitude",
        "longitude",
        "altitude",
        "antenna_names",
        "antenna_numbers",
        "antenna_positions",
        "antenna_diameters",
        "mount_type",
        "x_orientation",
        "feed_array",
        "feed_angle",
        "ant_1_array",
        "ant_2_array",
        "time_array",
        "integration_time",
        "lst_array",
        "uvw_array",
        "freq_array",
        "channel_width",
        "spw_array",
        "flex_spw_id_array",
        "polarization_array",
        "vis_units",
        "history",
        "object_name",
        "phase_type",
        "phase_center_ra",
        "phase_center_dec",
        "phase_center_epoch",
        "phase_center_frame",
        "phase_center_catalog",
        "phase_center_id_array",
        "phase_center_app_ra",
        "phase_center_app_dec",
        "phase_center_frame_pa",
        "extra_keywords",
        "scan_number_array",
    ]
)
#: Antennas are rows of a table in a Measurement Set, also of numbers that nobody has.
LARGEST_NUMBER = 65_535
#: What HDF5 and NumPy raise of a damaged file: nearly anything.
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def read_uvh5_header(path: Path) -> Header:
    """The header of a UVH5 file.

    Raises
    ------
    VisibilityFileError
        If it lacks something, or what it says cannot be.
    """
    with opened(path) as file:
        try:
            header = _Reader(path, file).header()
        except VisibilityFileError:
            raise
        except _DAMAGE as error:
            raise VisibilityFileError(
                path, f"has a header that cannot be read: {_first_line(error)}"
            ) from error
    return header


class _Reader:
    """One header, part by part."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        for group in ("Header", "Data"):
            if group not in file:
                raise VisibilityFileError(path, f"is no UVH5: it has no group {group!r}")
        self.group = file["Header"]

    def header(self) -> Header:
        time = self.array("time_array", np.float64)
        n_rows = len(time)
        frequency = self.array("freq_array", np.float64).reshape(-1)
        number, centers = self.phase_centers(n_rows)
        header = Header(
            path=self.path,
            version=self.text("version"),
            time=time,
            integration_time=self.array("integration_time", np.float64),
            antenna1=self.array("ant_1_array", np.int64),
            antenna2=self.array("ant_2_array", np.int64),
            uvw=self.array("uvw_array", np.float64),
            lst=self.array("lst_array", np.float64) if "lst_array" in self.group else None,
            phase_center_number=number,
            phase_centers=centers,
            frequency=frequency,
            channel_width=self.channel_widths(len(frequency)),
            spectral_window=self.spectral_windows(len(frequency)),
            polarization=self.array("polarization_array", np.int64),
            telescope=self.telescope(),
            vis_units=self.text("vis_units", "uncalib"),
            instrument=self.text("instrument"),
            object_name=self.text("object_name"),
            history=self.text("history"),
            extra_keywords=self.extra_keywords(),
            others=self.others(n_rows, len(frequency)),
        )
        self.check(header)
        return header

    # -------------------------------------------------------------- values

    def value(self, name: str) -> Any:
        if name not in self.group:
            raise VisibilityFileError(self.path, f"has no {name!r} in its header")
        return self.group[name][()]

    def array(self, name: str, dtype: type) -> np.ndarray:
        value = np.asarray(self.value(name))
        if value.dtype.kind not in "iufb":
            raise VisibilityFileError(self.path, f"has a {name!r} that holds no numbers")
        if dtype is np.int64 and value.dtype.kind == "f" and np.any(value != np.rint(value)):
            raise VisibilityFileError(self.path, f"has a {name!r} that holds no whole numbers")
        return np.ascontiguousarray(value, dtype)

    def number(self, name: str) -> float:
        value = np.asarray(self.value(name), dtype=float)
        if value.size != 1 or not np.isfinite(value).all():
            raise VisibilityFileError(self.path, f"has a {name!r} that is no number: {value!r:.60}")
        return float(value.reshape(()))

    def text(self, name: str, default: str = "") -> str:
        return _text(self.group[name][()]) if name in self.group else default

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text(value) for value in np.asarray(self.value(name)).reshape(-1))

    # -------------------------------------------------------------- parts

    def channel_widths(self, n_channels: int) -> np.ndarray:
        """One for each channel, positive also where frequencies descend."""
        width = np.abs(self.array("channel_width", np.float64)).reshape(-1)
        if width.size not in (1, n_channels):
            raise VisibilityFileError(
                self.path, f"has {width.size} channel widths for {n_channels} channels"
            )
        return np.broadcast_to(width, n_channels).copy()

    def spectral_windows(self, n_channels: int) -> np.ndarray:
        if "flex_spw_id_array" in self.group:
            return self.array("flex_spw_id_array", np.int64).reshape(-1)
        return np.zeros(n_channels, np.int64)

    def telescope(self) -> Telescope:
        numbers = self.array("antenna_numbers", np.int64)
        positions = self.array("antenna_positions", np.float64)
        if positions.shape != (len(numbers), 3):
            raise VisibilityFileError(
                self.path, f"has {len(numbers)} antennas and positions of shape {positions.shape}"
            )
        frame = self.text("telescope_frame", "itrs").lower()
        if frame not in ("itrs", "itrf"):
            raise VisibilityFileError(
                self.path, f"has antennas in the frame {frame!r}; only 'itrs' can be converted"
            )
        diameters = None
        if "antenna_diameters" in self.group:
            diameters = np.broadcast_to(
                self.array("antenna_diameters", np.float64).reshape(-1), numbers.shape
            ).copy()
        limits = {"longitude": 360.0, "latitude": 90.0, "altitude": HIGHEST}
        place = {name: self.number(name) for name in limits}
        for name, limit in limits.items():
            if abs(place[name]) > limit:
                raise VisibilityFileError(
                    self.path, f"has a {name!r} of {place[name]:g}, beyond {limit:g}"
                )
        return Telescope(
            name=self.text("telescope_name"),
            longitude=np.radians(place["longitude"]),
            latitude=np.radians(place["latitude"]),
            altitude=place["altitude"],
            antenna_numbers=numbers,
            antenna_names=self.texts("antenna_names"),
            antenna_positions=positions,
            antenna_diameters=diameters,
            mounts=self.texts("mount_type") if "mount_type" in self.group else None,
            x_orientation=self.text("x_orientation").lower(),
            **self.feeds(len(numbers)),
        )

    def feeds(self, n_antennas: int) -> dict[str, np.ndarray]:
        """Receptors of each antenna, where the file has both what they are and their angles."""
        if "feed_array" not in self.group or "feed_angle" not in self.group:
            return {}
        names = np.array(self.texts("feed_array")).reshape(self.group["feed_array"].shape)
        angles = self.array("feed_angle", np.float64)
        if names.shape != angles.shape or names.ndim != 2 or len(names) != n_antennas:
            raise VisibilityFileError(
                self.path,
                f"has feeds of shape {names.shape} with angles of shape {angles.shape} for "
                f"{n_antennas} antennas",
            )
        return {"feeds": np.char.lower(names), "feed_angles": angles}

    def phase_centers(self, n_rows: int) -> tuple[np.ndarray, tuple[PhaseCenter, ...]]:
        """The number of each row's, and what they are."""
        if "phase_center_catalog" not in self.group:
            return np.zeros(n_rows, np.int64), (self.old_phase_center(),)
        catalog = self.group["phase_center_catalog"]
        centers = tuple(
            self.phase_center(int(number), catalog[number]) for number in sorted(catalog, key=int)
        )
        return self.array("phase_center_id_array", np.int64), centers

    def phase_center(self, number: int, entry: Any) -> PhaseCenter:
        values = {key: entry[key][()] for key in entry if entry[key].shape is not None}
        return PhaseCenter(
            number=number,
            name=_text(values.get("cat_name", "")),
            kind=_text(values.get("cat_type", "")),
            frame=_text(values.get("cat_frame", "")),
            epoch=_optional(values.get("cat_epoch")),
            longitude=_optional(values.get("cat_lon")) or 0.0,
            latitude=_optional(values.get("cat_lat")) or 0.0,
            pm_ra=_optional(values.get("cat_pm_ra")),
            pm_dec=_optional(values.get("cat_pm_dec")),
        )

    def old_phase_center(self) -> PhaseCenter:
        """That of versions before 1.0."""
        kind = self.text("phase_type")
        name = self.text("object_name")
        if kind == "drift":
            return PhaseCenter(0, name or UNPROJECTED, UNPROJECTED)
        if kind != "phased":
            raise VisibilityFileError(
                self.path, f"has the phase_type {kind!r}; it must be 'drift' or 'phased'"
            )
        return PhaseCenter(
            number=0,
            name=name or "unknown",
            kind=SIDEREAL,
            frame=self.text("phase_center_frame", "icrs"),
            epoch=self.number("phase_center_epoch"),
            longitude=self.number("phase_center_ra"),
            latitude=self.number("phase_center_dec"),
        )

    def extra_keywords(self) -> dict[str, Any]:
        if "extra_keywords" not in self.group:
            return {}
        group = self.group["extra_keywords"]
        return {key: _plain(group[key]) for key in group if hasattr(group[key], "shape")}

    def others(self, n_rows: int, n_channels: int) -> dict[str, Any]:
        """What is not known here, and holds for any number of rows and channels."""
        found = {}
        for name, item in self.group.items():
            about = getattr(item, "shape", None)
            if name in KNOWN or about is None or about[:1] in ((n_rows,), (n_channels,)):
                continue
            found[name] = item[()]
        return found

    # -------------------------------------------------------------- what must fit together

    def check(self, header: Header) -> None:
        n_rows = header.n_rows
        if not n_rows or not header.n_channels or not header.n_polarizations:
            raise VisibilityFileError(self.path, "is empty: it has no rows, channels or pols")
        rows = {
            "integration_time": header.integration_time,
            "ant_1_array": header.antenna1,
            "ant_2_array": header.antenna2,
            "uvw_array": header.uvw,
            "lst_array": header.lst,
            "phase_center_id_array": header.phase_center_number,
        }
        for name, array in rows.items():
            shape = (n_rows, 3) if name == "uvw_array" else (n_rows,)
            if array is not None and array.shape != shape:
                raise VisibilityFileError(
                    self.path, f"has {n_rows} times and a {name!r} of shape {array.shape}"
                )
        positive = {
            "integration_time": header.integration_time,
            "channel_width": header.channel_width,
        }
        for name, array in positive.items():
            if not np.all((array > 0.0) & np.isfinite(array)):
                raise VisibilityFileError(self.path, f"has a {name!r} that is not positive")
        finite = {
            "time_array": header.time,
            "uvw_array": header.uvw,
            "lst_array": header.lst,
            "antenna_positions": header.telescope.antenna_positions,
        }
        for name, array in finite.items():
            if array is not None and not np.isfinite(array).all():
                raise VisibilityFileError(self.path, f"has a {name!r} that is not finite")
        self.check_frequencies(header)
        self.check_names(header)

    def check_frequencies(self, header: Header) -> None:
        if header.spectral_window.shape != header.frequency.shape:
            raise VisibilityFileError(
                self.path,
                f"has {header.n_channels} channels, but {len(header.spectral_window)} of them "
                f"with a spectral window",
            )
        n_windows = len(np.unique(header.spectral_window))
        if n_windows > 1:
            raise VisibilityFileError(
                self.path,
                f"has {n_windows} spectral windows; only files of one can be converted",
            )
        steps = np.diff(header.frequency)
        rises = not header.is_descending
        if not np.isfinite(header.frequency).all() or not np.all(
            steps > 0.0 if rises else steps < 0.0
        ):
            raise VisibilityFileError(self.path, "has frequencies that neither rise nor fall")

    def check_names(self, header: Header) -> None:
        """Antennas and phase centres that rows name are there."""
        known = header.telescope.antenna_numbers
        if np.any((known < 0) | (known > LARGEST_NUMBER)) or len(np.unique(known)) < len(known):
            raise VisibilityFileError(
                self.path,
                f"has antenna numbers that are not from 0 to {LARGEST_NUMBER}, each once",
            )
        for antennas in (header.antenna1, header.antenna2):
            strange = np.setdiff1d(antennas, known)
            if len(strange):
                raise VisibilityFileError(
                    self.path, f"has visibilities of antenna {strange[0]}, which has no position"
                )
        numbers = [center.number for center in header.phase_centers]
        strange = np.setdiff1d(header.phase_center_number, numbers)
        if len(strange):
            raise VisibilityFileError(
                self.path, f"has rows of phase centre {strange[0]}, which it does not describe"
            )
        if len(header.telescope.antenna_names) != len(known):
            raise VisibilityFileError(
                self.path,
                f"has {len(known)} antennas and {len(header.telescope.antenna_names)} names",
            )


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _optional(value: Any) -> float | None:
    """A number, if there is just one."""
    array = np.asarray(value, dtype=object).reshape(-1)
    if array.size != 1 or array[0] is None:
        return None
    return float(array[0])


def _plain(dataset: Any) -> Any:
    """A keyword as Python has it."""
    if dataset.shape is None:
        return None
    value = dataset[()]
    if isinstance(value, bytes) or getattr(value, "dtype", np.dtype(float)).kind in "SO":
        return _text(value) if np.ndim(value) == 0 else [_text(one) for one in value.reshape(-1)]
    return value.item() if np.ndim(value) == 0 else value
