"""The subtables of a Measurement Set: where, when, what and how was observed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from .errors import VisibilityFileError
from .header import PhaseCenter, Telescope
from .layout import CASA_ORDER
from .writer import Output

#: CASA's numbers of polarisations (Stokes.h), in the order of CASA_ORDER.
CORRELATION_TYPES = dict(zip(CASA_ORDER, range(1, 13), strict=True))
#: Receptors of a polarisation: 0 is X or R, 1 is Y or L.
RECEPTORS = {
    -1: (0, 0), -2: (1, 1), -3: (0, 1), -4: (1, 0),
    -5: (0, 0), -6: (1, 1), -7: (0, 1), -8: (1, 0),
}  # fmt: skip
#: Number of the topocentric frame of frequencies (MFrequency.h).
TOPOCENTRIC = 5
#: Frames of directions that CASA knows: (ours, Julian year of the equinox) -> its name.
DIRECTION_FRAMES = {
    ("icrs", 2000.0): "ICRS",
    ("fk5", 2000.0): "J2000",
    ("fk4", 1950.0): "B1950",
    ("gcrs", 2000.0): "APP",
}
FOR_EVER = float(np.finfo(float).max)


def write_subtables(output: Output, time: np.ndarray) -> None:
    """Fill all subtables.

    Parameters
    ----------
    output : Output
    time : ndarray, shape (n_rows,)
        Seconds of the modified Julian date.
    """
    middle = float(np.median(time))
    _antenna(output)
    _data_description(output)
    _feed(output, middle)
    _field(output, middle)
    _history(output)
    _observation(output, time)
    _polarization(output)
    _source(output, middle)
    _spectral_window(output)


def _open(output: Output, name: str) -> Any:
    from casacore import tables

    return tables.table(f"{output.path}/{name}", readonly=False, ack=False)


def _put(table: Any, **columns: Any) -> None:
    for name, values in columns.items():
        table.putcol(name, values)


# ------------------------------------------------------------------ the instrument


def _antenna(output: Output) -> None:
    """One row for each number of an antenna from 0 on: rows are what other tables name."""
    telescope = output.header.telescope
    numbers = telescope.antenna_numbers
    n = int(numbers.max()) + 1
    position, diameter = np.zeros((n, 3)), np.zeros(n)
    position[numbers] = telescope.antenna_positions + telescope_location(telescope)
    if telescope.antenna_diameters is not None:
        # Numbers without an antenna, too: CASA takes an array of two diameters for two arrays.
        diameter[:] = telescope.antenna_diameters.max()
        diameter[numbers] = telescope.antenna_diameters
    names, mounts = [""] * n, [""] * n
    for i, number in enumerate(numbers):
        names[number] = telescope.antenna_names[i]
        mounts[number] = telescope.mounts[i] if telescope.mounts else "alt-az"
    with _open(output, "ANTENNA") as table:
        table.addrows(n)
        _put(
            table,
            NAME=names,
            STATION=names,
            MOUNT=mounts,
            TYPE=["GROUND-BASED"] * n,
            POSITION=position,
            OFFSET=np.zeros((n, 3)),
            DISH_DIAMETER=diameter,
            FLAG_ROW=np.zeros(n, bool),
        )


def _receptor_names(codes: np.ndarray) -> list[str]:
    """X and Y, or R and L, whichever there are."""
    circular = bool(np.any((codes < 0) & (codes > -5)))
    both = ["R", "L"] if circular else ["X", "Y"]
    used = sorted({receptor for code in codes if code < 0 for receptor in RECEPTORS[int(code)]})
    return [both[i] for i in used] or both


def _receptors(telescope: Telescope, codes: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What receptors the rows of ANTENNA have, and their angles (radians, north through east)."""
    if telescope.feeds is not None and telescope.feed_angles is not None:
        # X before Y and R before L, as polarisations have them.
        order = np.argsort(telescope.feeds, axis=1)
        if telescope.feeds[0, 0] in "rl":
            order = order[:, ::-1]
        feeds = np.char.upper(np.take_along_axis(telescope.feeds, order, axis=1))
        angles = np.take_along_axis(telescope.feed_angles, order, axis=1)
        kinds = np.tile(feeds[0], (n, 1))
        angle = np.zeros(kinds.shape)
        kinds[telescope.antenna_numbers], angle[telescope.antenna_numbers] = feeds, angles
        return kinds, angle
    names = _receptor_names(codes)
    towards = {"east": ("X",), "north": ("Y",)}.get(telescope.x_orientation, ())
    angle = np.array([0.5 * np.pi if name in towards else 0.0 for name in names])
    return np.array([names] * n), np.tile(angle, (n, 1))


def _feed(output: Output, middle: float) -> None:
    telescope = output.header.telescope
    n = int(telescope.antenna_numbers.max()) + 1
    kinds, angle = _receptors(telescope, output.order.polarization, n)
    receptors = kinds.shape[1]
    with _open(output, "FEED") as table:
        table.addrows(n)
        _put(
            table,
            ANTENNA_ID=np.arange(n, dtype=np.int32),
            BEAM_ID=np.full(n, -1, np.int32),
            BEAM_OFFSET=np.zeros((n, receptors, 2)),
            FEED_ID=np.zeros(n, np.int32),
            INTERVAL=np.full(n, FOR_EVER),
            NUM_RECEPTORS=np.full(n, receptors, np.int32),
            POLARIZATION_TYPE=kinds,
            POL_RESPONSE=np.broadcast_to(
                np.eye(receptors, dtype=np.complex64), (n, receptors, receptors)
            ).copy(),
            POSITION=np.zeros((n, 3)),
            RECEPTOR_ANGLE=angle,
            SPECTRAL_WINDOW_ID=np.full(n, -1, np.int32),
            TIME=np.full(n, middle),
        )


def _polarization(output: Output) -> None:
    codes = output.order.polarization
    products = [RECEPTORS.get(int(code), (0, 0)) for code in codes]
    with _open(output, "POLARIZATION") as table:
        table.addrows(1)
        table.putcell("NUM_CORR", 0, len(codes))
        table.putcell(
            "CORR_TYPE", 0, np.array([CORRELATION_TYPES[int(code)] for code in codes], np.int32)
        )
        table.putcell("CORR_PRODUCT", 0, np.array(products, np.int32))
        table.putcell("FLAG_ROW", 0, False)


def _data_description(output: Output) -> None:
    n = len(output.windows)
    with _open(output, "DATA_DESCRIPTION") as table:
        table.addrows(n)
        _put(
            table,
            SPECTRAL_WINDOW_ID=np.arange(n, dtype=np.int32),
            POLARIZATION_ID=np.zeros(n, np.int32),
            FLAG_ROW=np.zeros(n, bool),
        )


def _spectral_window(output: Output) -> None:
    with _open(output, "SPECTRAL_WINDOW") as table:
        table.addrows(len(output.windows))
        for row, window in enumerate(output.windows):
            cells = {
                "NUM_CHAN": window.n_channels,
                "NAME": f"SPW{row}",
                "CHAN_FREQ": window.frequency,
                "CHAN_WIDTH": window.channel_width,
                "EFFECTIVE_BW": window.channel_width,
                "RESOLUTION": window.channel_width,
                "TOTAL_BANDWIDTH": float(window.channel_width.sum()),
                "REF_FREQUENCY": float(window.frequency[0]),
                "MEAS_FREQ_REF": TOPOCENTRIC,
                "NET_SIDEBAND": 1,
                "IF_CONV_CHAIN": 0,
                "FREQ_GROUP": 0,
                "FREQ_GROUP_NAME": "",
                "FLAG_ROW": False,
            }
            for name, value in cells.items():
                table.putcell(name, row, value)


# ------------------------------------------------------------------ the sky


def require_frame(path: Path, centers: Sequence[PhaseCenter]) -> None:
    """Make sure, before anything is written, that a Measurement Set can hold phase centres.

    Raises
    ------
    VisibilityFileError
        If one is in a frame that CASA does not know, or they are in several.
    """
    for center in centers:
        if _key(center) not in DIRECTION_FRAMES:
            known = ", ".join(f"{frame} {year:g}" for frame, year in DIRECTION_FRAMES)
            frame, year = _key(center)
            raise VisibilityFileError(
                path,
                f"has the phase centre {center.name!r} in the frame {frame} {year:g}, which a "
                f"Measurement Set cannot hold: it can hold {known}; a SkyCoord as phase would do",
            )
    frames = sorted({casa_frame(center) for center in centers})
    if len(frames) > 1:
        raise VisibilityFileError(
            path,
            f"has phase centres in the frames {' and '.join(frames)}; those of a Measurement Set "
            f"must be in one; a SkyCoord as phase would do",
        )


def _key(center: PhaseCenter) -> tuple[str, float]:
    return center.frame, 2000.0 if center.epoch is None else center.epoch


def casa_frame(center: PhaseCenter) -> str:
    """CASA's name of a phase centre's frame."""
    return DIRECTION_FRAMES[_key(center)]


def _field(output: Output, middle: float) -> None:
    centers = output.phased[0].phase_centers
    n = len(centers)
    place = np.array([[[center.longitude, center.latitude]] for center in centers])
    directions = ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR")
    with _open(output, "FIELD") as table:
        table.addrows(n)
        for name in directions:
            table.putcol(name, place)
            measure = table.getcolkeyword(name, "MEASINFO")
            table.putcolkeyword(name, "MEASINFO", {**measure, "Ref": casa_frame(centers[0])})
        _put(
            table,
            NAME=[center.name for center in centers],
            CODE=[""] * n,
            NUM_POLY=np.zeros(n, np.int32),
            SOURCE_ID=np.array([center.number for center in centers], np.int32),
            TIME=np.full(n, middle),
            FLAG_ROW=np.zeros(n, bool),
        )


def _source(output: Output, middle: float) -> None:
    from casacore import tables

    centers = output.phased[0].phase_centers
    n = len(centers)
    path = f"{output.path}/SOURCE"
    table = tables.default_ms_subtable("SOURCE", path)
    with table:
        table.addrows(n)
        _put(
            table,
            NAME=[center.name for center in centers],
            CODE=[""] * n,
            SOURCE_ID=np.array([center.number for center in centers], np.int32),
            SPECTRAL_WINDOW_ID=np.full(n, -1, np.int32),
            NUM_LINES=np.zeros(n, np.int32),
            CALIBRATION_GROUP=np.zeros(n, np.int32),
            INTERVAL=np.full(n, FOR_EVER),
            TIME=np.full(n, middle),
            DIRECTION=np.array([[center.longitude, center.latitude] for center in centers]),
            PROPER_MOTION=np.array([_proper_motion(center) for center in centers]),
        )
        measure = table.getcolkeyword("DIRECTION", "MEASINFO")
        table.putcolkeyword("DIRECTION", "MEASINFO", {**measure, "Ref": casa_frame(centers[0])})
    with tables.table(str(output.path), readonly=False, ack=False) as main:
        main.putkeyword("SOURCE", f"Table: {path}")


def _proper_motion(center: PhaseCenter) -> tuple[float, float]:
    """Radians per second."""
    per_second = np.radians(1.0 / 3_600_000.0) / (365.25 * 86_400.0)
    motions = (center.pm_ra or 0.0, center.pm_dec or 0.0)
    return motions[0] * per_second, motions[1] * per_second


# ------------------------------------------------------------------ the observation


def _observation(output: Output, time: np.ndarray) -> None:
    from casacore import tables

    header = output.header
    half = 0.5 * float(header.integration_time.max())
    observer = next(
        (str(v) for k, v in header.extra_keywords.items() if k.lower() == "observer"), ""
    )
    with _open(output, "OBSERVATION") as table:
        table.addrows(1)
        cells = {
            "TIME_RANGE": np.array([time.min() - half, time.max() + half]),
            "TELESCOPE_NAME": header.telescope.name,
            "OBSERVER": observer or header.telescope.name,
            "PROJECT": header.instrument,
            "LOG": np.array([""]),
            "SCHEDULE": np.array([""]),
            "SCHEDULE_TYPE": "",
            "RELEASE_DATE": 0.0,
            "FLAG_ROW": False,
        }
        for name, value in cells.items():
            table.putcell(name, 0, value)
        # Not of the standard, which has no place for it; pyuvdata reads it.
        location = tables.makearrcoldesc("TELESCOPE_LOCATION", 0.0, shape=[3], valuetype="double")
        table.addcols(location)
        table.putcell("TELESCOPE_LOCATION", 0, telescope_location(header.telescope))


def telescope_location(telescope: Telescope) -> np.ndarray:
    """Metres along the axes of ITRS."""
    from astropy import units
    from astropy.coordinates import EarthLocation

    place = EarthLocation.from_geodetic(
        telescope.longitude * units.rad,
        telescope.latitude * units.rad,
        telescope.altitude * units.m,
    )
    return np.array([part.to_value("m") for part in place.geocentric])


def _history(output: Output) -> None:
    from astropy.time import Time

    lines = [*output.header.history.splitlines(), *output.history]
    n = len(lines)
    now = float(Time.now().mjd) * 86_400.0
    with _open(output, "HISTORY") as table:
        table.addrows(n)
        nothing = np.array([[""]] * n)
        _put(
            table,
            MESSAGE=lines,
            APPLICATION=[f"armillary {__version__}"] * n,
            APP_PARAMS=nothing,
            CLI_COMMAND=nothing,
            OBJECT_ID=np.zeros(n, np.int32),
            OBSERVATION_ID=np.full(n, -1, np.int32),
            ORIGIN=["armillary.convert.visibilities"] * n,
            PRIORITY=["INFO"] * n,
            TIME=np.full(n, now),
        )
