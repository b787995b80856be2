"""Isophotes as tables, under the names of photutils or of IRAF, and in files."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._files import check_destination, written_whole
from ...io.quiet import quiet
from ...plugins.records import Provenance
from .result import COLUMNS, HARMONIC_COLUMNS, HEADER, Isophotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable, Table

FORMAT = "armillary.fit.Isophotes 1"

#: Where a file keeps what is no column: as one JSON string, under a key that FITS can spell.
HEADER_KEY = "ISOPHOTE"

#: Formats of astropy's tables by the suffix of a file, and what else their reader must know:
#: NaN in a FITS file is NaN, not a masked value.
FORMATS: dict[str, dict[str, Any]] = {
    ".ecsv": {"format": "ascii.ecsv"},
    ".fits": {"format": "fits", "mask_invalid": False},
}

#: Columns of photutils, by name, before and after those of the harmonics.
_FIRST = {
    "sma": "sma",
    "intens": "intensity",
    "intens_err": "intensity_err",
    "ellipticity": "ellipticity",
    "ellipticity_err": "ellipticity_err",
    "pa": "position_angle",
    "pa_err": "position_angle_err",
    "grad": "gradient",
    "gradient_err": "gradient_err",
    "gradient_rel_err": "gradient_rel_err",
    "x0": "x0",
    "x0_err": "x0_err",
    "y0": "y0",
    "y0_err": "y0_err",
    "rms": "rms",
    "pix_stddev": "pixel_stddev",
    "sarea": "sector_area",
    "tflux_e": "flux_ellipse",
    "tflux_c": "flux_circle",
    "npix_e": "n_pixels_ellipse",
    "npix_c": "n_pixels_circle",
}
_LAST = {
    "n_data": "n_data",
    "n_flag": "n_flagged",
    "n_iter": "n_iterations",
    "stop_code": "stop_code",
    "n_samples": "n_samples",
}
#: Columns that only files have: degrees cannot give back every angle to the last bit.
_EXACT = ("position_angle", "position_angle_err")


# ------------------------------------------------------------------ tables


def as_table(isophotes: Isophotes, names: str, zero_point: float | None) -> QTable:
    """One row per ellipse; see :meth:`Isophotes.to_table`.

    Parameters
    ----------
    isophotes : Isophotes
        What to put into a table.
    names : {"photutils", "iraf"}
        Whose names and conventions.
    zero_point : float or None
        Magnitude of a source of intensity 1. "photutils": adds ``mag`` (of the mean intensity,
        for the area of a pixel), ``mag_err``, ``tmag_e`` and ``tmag_c`` (of the sums) at the
        end. "iraf": adds its columns, in their places. Magnitudes of what is not positive are
        NaN. None leaves them out.

    Returns
    -------
    astropy.table.QTable
        Its meta holds what is no column.

    Raises
    ------
    ValueError
        If ``names`` is neither, or ``zero_point`` is no finite number.
    """
    from astropy.table import QTable

    makers = {"photutils": _photutils_columns, "iraf": _iraf_columns}
    if names not in makers:
        raise ValueError(f"names must be 'photutils' or 'iraf', not {names!r}")
    columns = makers[names](isophotes, checked_zero_point(zero_point))
    # One string, which every format of tables can write.
    return QTable(columns, meta={HEADER_KEY: json.dumps(_header(isophotes))})


def _header(isophotes: Isophotes) -> dict[str, Any]:
    header = {name: getattr(isophotes, name) for name in HEADER}
    return {"format": FORMAT, **header, "provenance": isophotes.provenance.to_dict()}


def _photutils_columns(isophotes: Isophotes, zero_point: float | None) -> dict[str, Any]:
    from astropy import units

    columns: dict[str, Any] = {
        **{name: getattr(isophotes, attribute) for name, attribute in _FIRST.items()},
        **_harmonic_columns(isophotes),
        **{name: getattr(isophotes, attribute) for name, attribute in _LAST.items()},
    }
    for name in ("pa", "pa_err"):
        columns[name] = np.degrees(columns[name]) * units.deg
    if zero_point is not None:
        columns["mag"] = magnitude(isophotes.intensity, zero_point) * units.mag
        columns["mag_err"] = _magnitude_error(isophotes) * units.mag
        columns["tmag_e"] = magnitude(isophotes.flux_ellipse, zero_point) * units.mag
        columns["tmag_c"] = magnitude(isophotes.flux_circle, zero_point) * units.mag
    return columns


def _iraf_columns(isophotes: Isophotes, zero_point: float | None) -> dict[str, Any]:
    from astropy import units

    pixel, degree = units.pix, units.deg
    columns: dict[str, Any] = {
        "SMA": isophotes.sma * pixel,
        "INTENS": isophotes.intensity,
        "INT_ERR": isophotes.intensity_err,
        # Named a variance, but IRAF writes a standard deviation.
        "PIX_VAR": isophotes.pixel_stddev,
        "RMS": isophotes.rms,
        "ELLIP": isophotes.ellipticity,
        "ELLIP_ERR": isophotes.ellipticity_err,
        "PA": (np.degrees(isophotes.position_angle) - 90.0) * degree,
        "PA_ERR": np.degrees(isophotes.position_angle_err) * degree,
        "X0": (isophotes.x0 + 1.0) * pixel,
        "X0_ERR": isophotes.x0_err * pixel,
        "Y0": (isophotes.y0 + 1.0) * pixel,
        "Y0_ERR": isophotes.y0_err * pixel,
        "GRAD": isophotes.gradient,
        "GRAD_ERR": isophotes.gradient_err,
        "GRAD_R_ERR": isophotes.gradient_rel_err,
        "RSMA": isophotes.sma**0.25 * pixel**0.25,
    }
    if zero_point is not None:
        columns["MAG"] = magnitude(isophotes.intensity, zero_point)
        columns["MAG_LERR"], columns["MAG_UERR"] = magnitude_limits(
            isophotes.intensity, isophotes.intensity_err
        )
    columns |= {"TFLUX_E": isophotes.flux_ellipse, "TFLUX_C": isophotes.flux_circle}
    if zero_point is not None:
        columns["TMAG_E"] = magnitude(isophotes.flux_ellipse, zero_point)
        columns["TMAG_C"] = magnitude(isophotes.flux_circle, zero_point)
    return columns | {
        "NPIX_E": isophotes.n_pixels_ellipse,
        "NPIX_C": isophotes.n_pixels_circle,
        **{name.upper(): values for name, values in _harmonic_columns(isophotes).items()},
        "NDATA": isophotes.n_data,
        "NFLAG": isophotes.n_flagged,
        "NITER": isophotes.n_iterations,
        "STOP": isophotes.stop_code,
        "SAREA": isophotes.sector_area * pixel,
    }


def _harmonic_columns(isophotes: Isophotes) -> dict[str, np.ndarray]:
    return {
        name: getattr(isophotes, array)[:, position]
        for name, array, position in _harmonic_places(isophotes.harmonics)
    }


def _harmonic_places(harmonics: tuple[int, ...]) -> Iterator[tuple[str, str, int]]:
    """Names of the columns, as ``a3_err``, with the array and the column that they come from."""
    for position, order in enumerate(harmonics):
        for array in HARMONIC_COLUMNS:
            letter, _, error = array.partition("_")
            yield f"{letter}{order}{error and '_' + error}", array, position


# ------------------------------------------------------------------ magnitudes


def checked_zero_point(zero_point: Any) -> float | None:
    """A zero point as a number.

    Raises
    ------
    ValueError
        If it is no finite number.
    """
    if zero_point is None:
        return None
    try:
        number = float(zero_point)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"zero_point must be a finite number (magnitudes), not {zero_point!r}")
    return number


def magnitude(flux: np.ndarray, zero_point: float) -> np.ndarray:
    """Magnitudes; NaN where the flux is not positive."""
    known = np.full(flux.shape, np.nan)
    return zero_point - 2.5 * np.log10(flux, out=known, where=flux > 0.0)


def magnitude_limits(flux: np.ndarray, flux_err: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much one error less is fainter, and one more is brighter (magnitudes).

    NaN where the flux is not positive, and of the first where it is not above its error.
    """
    centre = magnitude(flux, 0.0)
    return magnitude(flux - flux_err, 0.0) - centre, centre - magnitude(flux + flux_err, 0.0)


def _magnitude_error(isophotes: Isophotes) -> np.ndarray:
    relative = np.full(len(isophotes), np.nan)
    positive = isophotes.intensity > 0.0
    relative[positive] = isophotes.intensity_err[positive] / isophotes.intensity[positive]
    return 2.5 / math.log(10.0) * relative


# ------------------------------------------------------------------ files


def save_table(
    isophotes: Isophotes, path: Path, names: str, zero_point: float | None, overwrite: bool
) -> None:
    """Write an ECSV or FITS table, whole or not at all; see :meth:`Isophotes.save`.

    Under the names of photutils position angles are there in radians, too.
    """
    form = table_format(path)["format"]
    check_destination(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{str(path)!r} is there already; overwrite=True replaces it")
    content = _in_ecsv if form == "ascii.ecsv" else _in_fits
    with written_whole(path) as file:
        file.write(content(_file_table(isophotes, names, zero_point)))


def load_table(path: Path) -> Isophotes:
    """Read what :func:`save_table` wrote; see :meth:`Isophotes.load`."""
    table = read_table(path)
    try:
        header = json.loads(table.meta[HEADER_KEY])
        isophotes = _isophotes(header, table) if header["format"] == FORMAT else None
    except (KeyError, TypeError, ValueError):
        isophotes = None
    if isophotes is None:
        raise ValueError(f"{str(path)!r} holds no isophotes written by armillary")
    return isophotes


def read_table(path: Path) -> Table:
    """The first table of an ECSV or FITS file.

    Raises
    ------
    ValueError
        If the suffix is another, or the file is no such table.
    OSError
        If it cannot be read.
    """
    from astropy.table import Table

    options = table_format(path)
    content = path.read_bytes()
    try:
        with quiet():
            return Table.read(io.BytesIO(content), **options)
    except Exception as error:  # damaged files raise nearly anything
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ValueError(f"{str(path)!r} is no table that can be read ({reason})") from None


def table_format(path: Path) -> dict[str, Any]:
    """What astropy is told to read or write the file, by its suffix."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(
            f"a table of isophotes must be {' or '.join(FORMATS)}, not {path.name!r}"
        ) from None


def _file_table(isophotes: Isophotes, names: str, zero_point: float | None) -> Table:
    from astropy import units
    from astropy.table import Table

    table = as_table(isophotes, names, zero_point)
    for name in _EXACT if names == "photutils" else ():
        table[name] = getattr(isophotes, name) * units.rad
    # Plain columns with units, which every reader knows.
    return Table(table)


def _in_ecsv(table: Table) -> bytes:
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def _in_fits(table: Table) -> bytes:
    data = io.BytesIO()
    table.write(data, format="fits")
    return data.getvalue()


def _isophotes(header: dict[str, Any], table: Table) -> Isophotes:
    harmonics = tuple(header["harmonics"])
    arrays = {name: np.empty((len(table), len(harmonics))) for name in HARMONIC_COLUMNS}
    for name, array, position in _harmonic_places(harmonics):
        arrays[array][:, position] = table[name]
    for name, array in (_FIRST | _LAST | dict(zip(_EXACT, _EXACT, strict=True))).items():
        if array in COLUMNS:
            arrays[array] = np.array(table[name], dtype=COLUMNS[array])
    return Isophotes(
        **arrays,
        harmonics=harmonics,
        sampling=header["sampling"],
        image_shape=tuple(header["image_shape"]),
        n_unusable=header["n_unusable"],
        reason=header["reason"],
        provenance=Provenance.from_dict(header["provenance"]),
    )
