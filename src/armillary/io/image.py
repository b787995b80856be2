"""Images: read from and written to FITS files."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from armillary._files import check_destination, written_whole
from armillary.io.image_fits import (
    ImageFileError,
    bitmap_axes,
    checked_extension,
    opened,
    read_fits_image,
    said_of,
)
from armillary.io.quiet import quiet

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["Image", "read_image", "write_image"]

_FLOATS = (np.float32, np.float64)
#: Keywords that hold for the file a header was read from, or for its pixels, beside those that
#: astropy strips.
_OF_THE_FILE = ("BLANK", "CHECKSUM", "DATASUM", "DATAMAX", "DATAMIN", "INHERIT", "NEXTEND")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Image:
    """An image from a file.

    Attributes
    ----------
    data : ndarray, shape (ny, nx)
        Pixels in rows from the bottom up, as in FITS: ``data[y, x]``, counted from 0. float32 or
        float64, in native byte order, contiguous; NaN where the file says blank.
    header : astropy.io.fits.Header
        Keywords of this HDU as they are in the file.
    path : Path
        The file.
    extension : int
        Number of the HDU in the file, from 0.
    """

    data: np.ndarray
    header: Header
    path: Path
    extension: int

    def __repr__(self) -> str:
        rows, columns = self.data.shape
        return (
            f"<Image {self.path.name}, HDU {self.extension}: "
            f"{rows} rows, {columns} columns, {self.data.dtype}>"
        )


def read_image(path: str | os.PathLike[str], *, extension: int | str | None = None) -> Image:
    """Read a two-dimensional image from a FITS file.

    Parameters
    ----------
    path : str or path-like
        The file; it may be gzipped, and its HDUs compressed in tiles, as in ``.fits.fz`` files.
        What it is, its content tells, not its name.
    extension : int or str, optional
        Number of the HDU from 0, or its name (case does not matter; the first of that name).
        None is the first HDU that holds a two-dimensional image. Axes of length 1 before the
        last two do not count.

    Returns
    -------
    Image
        Physical values, with BSCALE and BZERO applied. What is stored in 8 or 16 bits, or as
        float32, becomes float32, all else float64. Pixels of integer images that equal BLANK
        are NaN.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageFileError
        (A ValueError.) If the file is no FITS file, is empty, damaged or truncated; or if there
        is no such HDU, or it holds no two-dimensional image (the message lists those there are).
    ValueError
        If `extension` is negative, or neither number nor name.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from armillary.io import read_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/galaxy.fits", np.eye(2, 3), header={"GAIN": 2.5})
    ...     galaxy = read_image(f"{folder}/galaxy.fits")
    >>> galaxy
    <Image galaxy.fits, HDU 0: 2 rows, 3 columns, float64>
    >>> galaxy.data[1, 1].item(), galaxy.header["GAIN"]
    (1.0, 2.5)
    """
    extension = checked_extension(extension)
    path = Path(path)
    with said_of(path, "an image"), opened(path) as file:
        if bitmap_axes(file) is not None:
            raise ImageFileError("it is a bitmap (BITPIX = 1), which read_mask reads")
        found = read_fits_image(file, extension)
    return Image(found.data, found.header, path, found.number)


def write_image(
    path: str | os.PathLike[str],
    data: Any,
    *,
    header: Header | Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image to a FITS file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to; gzipped if the name ends with ``.gz``.
    data : array_like, shape (ny, nx)
        Pixels. float32, float64 and integers keep their type; booleans become 8-bit integers, 1
        where true, as a mask that :func:`read_mask` reads.
    header : astropy.io.fits.Header or mapping, optional
        Further keywords, such as the header of another image, with its world coordinates. Those
        that describe how, or which, pixels are stored are left out. None adds none.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    ValueError
        If `data` is not two-dimensional, has no pixels, a mask or a unit; or if a keyword cannot
        be written.
    TypeError
        If `data` has a type that FITS has not.
    FileExistsError
        If the file is there and `overwrite` is false.
    OSError
        If the file cannot be written; an older one is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from armillary.io import read_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/flat.fits.gz", np.ones((2, 3), np.float32))
    ...     read_image(f"{folder}/flat.fits.gz").data
    array([[1., 1., 1.],
           [1., 1., 1.]], dtype=float32)
    """
    from astropy.io import fits

    path = Path(path)
    pixels = _storable(data)
    kept = _kept(header)
    check_destination(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{str(path)!r} exists; pass overwrite=True to replace it")
    with written_whole(path) as file, _packed(file, path) as content, quiet():
        fits.PrimaryHDU(pixels, kept).writeto(content, output_verify="silentfix")


def _storable(data: Any) -> np.ndarray:
    """The pixels in a type that FITS has."""
    if isinstance(data, np.ma.MaskedArray):
        raise ValueError("data is a masked array; give data.filled(...), and write the mask apart")
    if getattr(data, "unit", None) is not None:
        raise ValueError(
            f"data has a unit; give its value, and BUNIT = {str(data.unit)!r} in header"
        )
    pixels = np.asarray(data)
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"data must have two dimensions and pixels, not the shape {pixels.shape}")
    if pixels.dtype.kind not in "biu" and pixels.dtype.newbyteorder("=") not in _FLOATS:
        raise TypeError(f"data must be float32, float64, integers or booleans, not {pixels.dtype}")
    kind = np.dtype(np.uint8) if pixels.dtype.kind == "b" else pixels.dtype
    # While astropy writes an array of another byte order, it swaps the bytes of the caller's.
    return np.ascontiguousarray(pixels, dtype=kind.newbyteorder(">"))


def _kept(header: Header | Mapping[str, Any] | None) -> Header:
    """The keywords that hold for pixels stored anew."""
    from astropy.io import fits

    with quiet():
        kept = fits.Header(header or {}, copy=True)
        kept.strip()
        for keyword in _OF_THE_FILE:
            kept.remove(keyword, ignore_missing=True)
    return kept


@contextmanager
def _packed(file: BinaryIO, path: Path) -> Iterator[Any]:
    """Where to write what becomes the content of the file."""
    if path.suffix.lower() != ".gz":
        yield file
        return
    with gzip.GzipFile(path.stem, "wb", fileobj=file, mtime=0) as packed:
        yield packed
