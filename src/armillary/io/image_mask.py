"""Masks: which pixels of an image cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from armillary.io.image_fits import (
    ImageFileError,
    bitmap_axes,
    checked_extension,
    opened,
    read_fits_image,
    said_of,
)

__all__ = ["read_mask"]


def read_mask(
    path: str | os.PathLike[str],
    *,
    extension: int | str | None = None,
    shape: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read which pixels of an image cannot be used.

    Parameters
    ----------
    path : str or path-like
        A FITS file as :func:`read_image` takes, or a bitmap; either may be gzipped.
    extension : int or str, optional
        Which HDU, as in :func:`read_image`. None is the first that holds a two-dimensional image.
    shape : tuple of int, optional
        Rows and columns of the image that the mask is for. None takes a mask of any shape.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        True where a pixel cannot be used: where a FITS image is not 0 (NaN and BLANK are not),
        or a bitmap is 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageFileError
        (A ValueError.) As :func:`read_image`; and if the mask has another shape than `shape`.
    ValueError
        If `extension` is negative, or neither number nor name.

    Notes
    -----
    Bitmaps are files of the programs Vista, Monsta and ELLIPROF, often named ``.dmask``: a FITS
    header with BITPIX = 1, which the standard does not know, and one bit for each pixel, 1 where
    it is good. Rows follow each other without padding. The bits are in big-endian words of 16,
    the first pixel in the lowest bit. Pixels that do not fill the last byte are in its high bits.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from armillary.io import read_mask, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/mask.fits", np.array([[0, 7], [0, 0]]))
    ...     read_mask(f"{folder}/mask.fits", shape=(2, 2))
    array([[False,  True],
           [False, False]])
    """
    extension = checked_extension(extension)
    path = Path(path)
    with said_of(path, "a mask"), opened(path) as file:
        axes = bitmap_axes(file)
        if axes is None:
            mask = read_fits_image(file, extension).data != 0
        else:
            mask = _read_bitmap(file, axes, extension)
        if shape is not None and mask.shape != tuple(shape):
            raise ImageFileError(f"its shape is {mask.shape}, that of the image {tuple(shape)}")
    return mask


def _read_bitmap(file: BinaryIO, axes: tuple[int, ...], extension: int | str | None) -> np.ndarray:
    if extension not in (None, 0, "PRIMARY"):
        raise ImageFileError(f"it holds no HDU {extension!r}, only a bitmap")
    if len(axes) != 2 or not all(type(length) is int and length > 0 for length in axes):
        raise ImageFileError(f"its bitmap has the shape {axes}, not rows and columns")
    return _unpacked(file, *axes)


def _unpacked(file: BinaryIO, rows: int, columns: int) -> np.ndarray:
    """Where the bits of the rest of a file are 0."""
    n_pixels = rows * columns
    n_words = -(-n_pixels // 16)
    content = file.read()
    if len(content) < 2 * n_words:
        raise ImageFileError(
            f"the bitmap is truncated: it has {len(content):,} bytes, of at least {2 * n_words:,}"
        )
    words = np.frombuffer(content, ">u2", n_words).astype("<u2")
    octets = words.view(np.uint8)[: -(-n_pixels // 8)]
    octets[-1] >>= -n_pixels % 8
    return (np.unpackbits(octets, count=n_pixels, bitorder="little") == 0).reshape(rows, columns)
