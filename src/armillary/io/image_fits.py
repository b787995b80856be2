"""FITS files that hold images: which of their units does, and what its pixels are."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from armillary.io.columns import listed
from armillary.io.quiet import quiet

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = [
    "FitsImage",
    "ImageFileError",
    "bitmap_axes",
    "checked_extension",
    "opened",
    "read_fits_image",
    "said_of",
]

#: Bytes of a block: headers and data begin at multiples of it (FITS standard 4.0, section 3.1).
_BLOCK = 2880

_GZIP = b"\x1f\x8b"
_FITS = b"SIMPLE  ="
#: What unsigned integers of 64 bits are stored less of. Added to floats, it would swallow them.
_HALF = 1 << 63
_EXTENSION = b"XTENSION"  # what the header of every extension begins with


class ImageFileError(ValueError):
    """A file cannot be read as an image or a mask; the message is one sentence."""


class FitsImage(NamedTuple):
    """An image as a unit of a file holds it.

    Attributes
    ----------
    data : ndarray, shape (ny, nx)
        Physical values: float32 or float64 in native byte order, contiguous.
    header : astropy.io.fits.Header
        As it is in the file.
    number : int
        Which unit it is, from 0.
    """

    data: np.ndarray
    header: Header
    number: int


# ------------------------------------------------------------------ the file


@contextmanager
def said_of(path: Path, kind: str) -> Iterator[None]:
    """The readers say what is wrong; where it is wrong is known here."""
    try:
        yield
    except ImageFileError as error:
        raise ImageFileError(f"cannot read {str(path)!r} as {kind}: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of a FITS file, unpacked if it is gzipped."""
    if path.is_dir():
        raise ImageFileError("it is a directory")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    with open(path, "rb") as file:
        content = _unpacked(file) if _beginning(file, len(_GZIP)) == _GZIP else file
        beginning = _beginning(content, len(_FITS))
        if not beginning:
            raise ImageFileError("the file is empty")
        if beginning != _FITS:
            raise ImageFileError("it is no FITS file")
        yield content


def _beginning(file: BinaryIO, length: int) -> bytes:
    beginning = file.read(length)
    file.seek(0)
    return beginning


def _unpacked(file: BinaryIO) -> BinaryIO:
    try:
        return io.BytesIO(gzip.decompress(file.read()))
    except (EOFError, OSError, zlib.error):
        raise ImageFileError("the gzipped file is truncated or damaged") from None


def bitmap_axes(file: BinaryIO) -> tuple[int, ...] | None:
    """The lengths of the axes of a bitmap, after which reading goes on with its data.

    None if pixels are not single bits, which the standard does not know.
    """
    from astropy.io import fits

    file.seek(0)
    with _damage_told(), quiet():
        header = fits.Header.fromfile(file)
        if header["BITPIX"] != 1:
            return None
        return tuple(header[f"NAXIS{axis}"] for axis in range(header["NAXIS"], 0, -1))


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (ImageFileError, MemoryError):
        raise
    except Exception as error:  # damaged files raise nearly anything
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ImageFileError(f"the FITS file is truncated or damaged ({reason})") from None


# ------------------------------------------------------------------ the unit


def checked_extension(extension: Any) -> int | str | None:
    """What says which unit of a file is meant: a number, a name in capitals, or nothing.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if extension is None:
        return None
    if isinstance(extension, str) and extension.strip():
        return extension.strip().upper()
    is_number = isinstance(extension, (int, np.integer)) and not isinstance(extension, bool)
    if is_number and extension >= 0:
        return int(extension)
    raise ValueError(f"extension must be a number from 0 on, a name, or None, not {extension!r}")


def read_fits_image(file: BinaryIO, extension: int | str | None) -> FitsImage:
    """Read one image; None is the first that has two axes.

    Raises
    ------
    ImageFileError
        If there is no such unit, it holds no image of two axes, or the file is damaged.
    """
    from astropy.io import fits

    file.seek(0)
    with _damage_told():
        # astropy tells of damage in warnings first; here every damage ends in one exception. It
        # overlooks a BLANK of 0, and any BLANK of unsigned integers: the scaling is ours.
        with quiet(), fits.open(file, memmap=False, do_not_scale_image_data=True) as hdus:
            number = _chosen(hdus, extension, file)
            hdu = hdus[number]
            header = hdu.header.copy()
            stored = hdu.data.reshape(_plane(hdu))
        return FitsImage(_physical(stored, header), header, number)


def _chosen(hdus: Any, extension: int | str | None, file: BinaryIO) -> int:
    """The number of the unit asked for, which holds an image and ends within the file."""
    for number, hdu in enumerate(hdus):
        if not hasattr(hdu, "fileinfo"):  # astropy's mark of a header without its keywords
            raise ImageFileError(f"the FITS file is damaged: the header of HDU {number} is corrupt")
        plane = _plane(hdu)
        if extension in (number, hdu.name.upper()) or (extension is None and plane is not None):
            if plane is None:
                raise ImageFileError(
                    f"HDU {extension!r} holds {_what(hdu)}, no two-dimensional image"
                )
            _refuse_truncated(hdu, file)
            return number
    _refuse_damaged_end(hdus[-1], file)
    wanted = "two-dimensional image" if extension is None else f"HDU {extension!r}"
    raise ImageFileError(f"it holds no {wanted}, only {_told(hdus)}")


def _plane(hdu: Any) -> tuple[int, int] | None:
    """Rows and columns of an image, without axes of length 1 before them."""
    shape = _shape(hdu)
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape if len(shape) == 2 and 0 not in shape else None


def _shape(hdu: Any) -> tuple[int, ...]:
    """The axes of an image; none if the unit holds another thing."""
    from astropy.io import fits

    is_image = isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU))
    return hdu.shape if is_image and not isinstance(hdu, fits.GroupsHDU) else ()


def _told(hdus: Any) -> str:
    """The units of a file, for a sentence."""
    return listed([f"{i} ({hdu.name or 'unnamed'}: {_what(hdu)})" for i, hdu in enumerate(hdus)])


def _what(hdu: Any) -> str:
    from astropy.io import fits

    if _shape(hdu):
        return f"an array of shape {hdu.shape}"
    return "a table" if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)) else "no pixels"


def _refuse_damaged_end(last: Any, file: BinaryIO) -> None:
    """Make sure that a file ends where astropy found its last unit to end."""
    _refuse_truncated(last, file)
    place = last.fileinfo()
    file.seek(place["datLoc"] + place["datSpan"])
    beginning = file.read(len(_EXTENSION))
    if beginning and _EXTENSION.startswith(beginning):
        raise ImageFileError(
            "the FITS file is truncated or damaged: the header of an extension cannot be read"
        )


def _refuse_truncated(hdu: Any, file: BinaryIO) -> None:
    place = hdu.fileinfo()
    # The padding of the last block may be missing harmlessly.
    least = place["datLoc"] + max(0, place["datSpan"] - _BLOCK + 1)
    size = file.seek(0, os.SEEK_END)
    if least > size:
        raise ImageFileError(
            f"the FITS file is truncated: it has {size:,} bytes, of at least {least:,}"
        )


# ------------------------------------------------------------------ the pixels


def _physical(stored: np.ndarray, header: Header) -> np.ndarray:
    """The values that stored numbers stand for (FITS standard 4.0, sections 4.4.2.5 and 5.3)."""
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    kind = np.result_type(stored.dtype, np.float32)
    if (scale, zero) == (1, 0):
        values = np.ascontiguousarray(stored, dtype=kind)
    elif (scale, zero) == (1, _HALF) and stored.dtype.kind == "i" and stored.dtype.itemsize == 8:
        values = (stored.astype(np.uint64) ^ np.uint64(_HALF)).astype(kind, order="C")
    else:
        values = (stored * np.float64(scale) + np.float64(zero)).astype(kind, order="C")
    if stored.dtype.kind in "iu" and "BLANK" in header:
        values[stored == header["BLANK"]] = np.nan
    return values
