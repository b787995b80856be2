"""Light curves in FITS binary tables: TESS, Kepler, K2, K2SFF, and others that look alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from armillary.io.columns import RawColumn, listed
from armillary.io.errors import LightCurveError
from armillary.io.metadata import describe
from armillary.io.quiet import quiet
from armillary.io.raw_table import Options, RawTable

__all__ = ["read_fits"]

_EXTENSION = b"XTENSION"  # what the header of every extension begins with


def read_fits(data: bytes, source: str, options: Options) -> RawTable:
    """Take the first table of a FITS file that has the columns of a light curve.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its path, for the meta.
    options : Options
        Which columns are asked for.

    Returns
    -------
    RawTable
    """
    from astropy.io import fits

    # astropy tells of damage in warnings first; here every damage ends in one exception.
    with quiet():
        try:
            with fits.open(io.BytesIO(data), memmap=False) as hdus:
                return _first_light_curve(hdus, data, source, options)
        except LightCurveError:
            raise
        except Exception as error:  # damaged files raise nearly anything
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise LightCurveError(f"the FITS file is truncated or damaged ({reason})") from None


def _first_light_curve(hdus: Any, data: bytes, source: str, options: Options) -> RawTable:
    refused: LightCurveError | None = None
    for hdu in _tables(hdus, len(data)):
        try:
            chosen = options.choose(hdu.columns.names)
        except LightCurveError as error:
            refused = refused or error
            continue
        _refuse_images(hdu, (chosen.time, chosen.flux))
        return _raw_table(hdu, hdus[0].header, source)
    if _ends_in_header(hdus, data):
        raise LightCurveError("the FITS file is truncated: it ends in the header of an extension")
    raise refused or LightCurveError("the FITS file holds no table")


def _ends_in_header(hdus: Any, data: bytes) -> bool:
    """Tell whether one more extension begins where astropy found the last one to end."""
    last = hdus[-1].fileinfo()
    end = last["datLoc"] + last["datSpan"]
    beginning = data[end : end + len(_EXTENSION)]
    return bool(beginning) and _EXTENSION.startswith(beginning)


def _tables(hdus: Any, size: int) -> Iterator[Any]:
    """The binary and ASCII tables, checked to lie within the file."""
    from astropy.io import fits

    if len(hdus) == 1 and hdus[0].header.get("EXTEND") and size <= _end(hdus[0]):
        raise LightCurveError("the FITS file is truncated: its header promises extensions")
    for hdu in hdus[1:]:
        if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)):
            if _end(hdu) > size:
                raise LightCurveError(
                    f"the FITS file is truncated: it has {size} bytes, of at least {_end(hdu)}"
                )
            yield hdu


def _end(hdu: Any) -> int:
    """Where the data of a unit end; the padding after them may be missing harmlessly."""
    return hdu.fileinfo()["datLoc"] + hdu.size


def _refuse_images(hdu: Any, positions: tuple[int, ...]) -> None:
    for position in positions:
        shape = hdu.data.field(position).shape
        if len(shape) > 1:
            name = hdu.columns.names[position]
            raise LightCurveError(
                f"column {name!r} holds an array of shape {shape[1:]} per row: this looks like a "
                f"target pixel file, not a light curve (columns {listed(hdu.columns.names)})"
            )


def _raw_table(hdu: Any, primary: Any, source: str) -> RawTable:
    columns, data = hdu.columns, hdu.data
    meta = describe({**dict(primary), **dict(hdu.header)})
    if "target" not in meta and "KEPLERID" in primary:
        catalogue = "EPIC" if meta.get("mission") == "K2" else "KIC"
        meta["target"] = f"{catalogue} {primary['KEPLERID']}"

    def column(position: int) -> RawColumn:
        return RawColumn(data.field(position), columns[position].unit)

    return RawTable(tuple(columns.names), column, source, meta)
