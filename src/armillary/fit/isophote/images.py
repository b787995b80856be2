"""Images as backends take them: floats in C order, NaN where a pixel is unusable.

An image on a device is looked at there, and stays there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...plugins.arrays import HOST, array_kind, namespace, one_kind, require_current_device

#: Interpolation needs four pixels.
FEWEST_ROWS = 2


class IsophoteWarning(UserWarning):
    """An image has no isophotes: nothing was found on it, or nothing could be fitted."""


@dataclass(frozen=True, slots=True)
class Input:
    """One image as it was given, and the kind of array that it is."""

    image: Any
    mask: Any
    variance: Any

    def arrays_are(self) -> str:
        """The package that owns the image, its mask and its variance.

        Raises
        ------
        TypeError
            If some of them are on a device and others are not.
        """
        return one_kind(image=self.image, mask=self.mask, variance=self.variance)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image for a backend, where the caller's is.

    Attributes
    ----------
    image : ndarray, shape (ny, nx)
        float32 or float64, native, C order, NaN where unusable.
    variance : ndarray, shape (ny, nx), or None
        Of the same dtype, positive where the image is usable.
    n_unusable : int
        Pixels that are masked, not finite, or without a positive variance.
    """

    image: np.ndarray
    variance: np.ndarray | None
    n_unusable: int


# ------------------------------------------------------------------ one or many


def is_many(image: Any) -> bool:
    """Whether this is a list, generator or other iterator of images."""
    return isinstance(image, list | Iterator)


def inputs_of(images: Iterable[Any]) -> Iterator[Input]:
    """Each image of many, alone or with its mask and variance."""
    for image in images:
        yield input_of(image, None, None)


def input_of(image: Any, mask: Any, variance: Any) -> Input:
    """One image, or a tuple of image, mask and variance.

    Raises
    ------
    TypeError
        If a tuple has another length, or a mask or variance is given twice.
    """
    if not isinstance(image, tuple):
        return _expanded(Input(image, mask, variance))
    if not 1 <= len(image) <= 3:
        raise TypeError(
            f"image as a tuple must be (image, mask) or (image, mask, variance), "
            f"not one of {len(image)}"
        )
    if mask is not None or variance is not None:
        raise TypeError("mask and variance must be given in the tuple or beside it, not both")
    return _expanded(Input(*image, *(3 - len(image)) * (None,)))


def _expanded(given: Input) -> Input:
    """The parts of an ``NDData`` or ``CCDData``; variances in the squared unit of the image."""
    image, mask, variance = given.image, given.mask, given.variance
    if hasattr(image, "uncertainty") and hasattr(image, "wcs"):
        if image.mask is not None:
            mask = image.mask if mask is None else np.asarray(mask, bool) | image.mask
        if variance is None and image.uncertainty is not None:
            variance = _variance_of(image.uncertainty)
        image = image.data if image.unit is None else image.data * image.unit
    unit = getattr(image, "unit", None)
    if unit is not None and getattr(variance, "unit", None) is not None:
        variance = variance.to(unit**2)
    return Input(image, mask, variance)


def _variance_of(uncertainty: Any) -> Any:
    from astropy.nddata import VarianceUncertainty

    return uncertainty.represent_as(VarianceUncertainty).array


# ------------------------------------------------------------------ preparation


def prepared(given: Input) -> Prepared:
    """Convert an image, its mask and its variance; the caller's arrays are left alone.

    Raises
    ------
    ValueError
        If the image is no two-dimensional array of real numbers, or the shapes differ; if one is
        on another device than the current one.
    """
    kind = given.arrays_are()
    _require_current_device(given)
    xp = namespace(kind)
    image, own_mask = _pixels("image", given.image, xp)
    if image.ndim != 2 or min(image.shape) < FEWEST_ROWS:
        raise ValueError(
            f"image must be two-dimensional, {FEWEST_ROWS} x {FEWEST_ROWS} pixels or more, "
            f"not of shape {image.shape}; many images must be a list"
        )
    unusable = None if own_mask is None else own_mask.copy()
    if given.mask is not None:
        mask = _mask(given.mask, image.shape, xp)
        unusable = mask if unusable is None else unusable | mask
    variance = None
    if given.variance is not None:
        variance = _variance(given.variance, image, xp)
        image = image.astype(variance.dtype, copy=False)
        # Also true of NaN.
        worthless = ~((variance > 0.0) & (variance < np.inf))
        unusable = worthless if unusable is None else unusable | worthless
    # A sum is finite only if all its terms are, and is much faster to look at.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not xp.isfinite(image.sum(dtype=np.float64))
    if suspicious:
        infinite = ~xp.isfinite(image)
        unusable = infinite if unusable is None else unusable | infinite
    if unusable is None or not unusable.any():
        return Prepared(_read_only(image), _read_only(variance), 0)
    image = xp.where(unusable, np.nan, image).astype(image.dtype, copy=False)
    return Prepared(_read_only(image), _read_only(variance), int(unusable.sum()))


def _require_current_device(given: Input) -> None:
    for name in ("image", "mask", "variance"):
        array = getattr(given, name)
        if array_kind(array) != HOST:
            require_current_device(name, array)


def _pixels(name: str, value: Any, xp: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Real numbers as float32 or float64, and their own mask, if they have one."""
    from ...io.image import Image

    if isinstance(value, Image):
        value = value.data
    array, mask = _host_array(value) if array_kind(value) == HOST else (value, None)
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{name} must hold real numbers, not {array.dtype}")
    dtype = np.result_type(array.dtype, np.float32)
    dtype = np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")
    # Not ascontiguousarray, which gives numbers a dimension.
    return xp.asarray(array, dtype, order="C"), mask


def _host_array(value: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """NumPy's array of what is on the host, without a unit, and its own mask, if it has one."""
    mask = np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else None
    if hasattr(value, "unmasked"):  # astropy's Masked
        value, mask = value.unmasked, np.asarray(value.mask)
    return np.asarray(getattr(value, "value", value) if hasattr(value, "unit") else value), mask


def _mask(value: Any, shape: tuple[int, ...], xp: Any) -> np.ndarray:
    mask = xp.asarray(value)
    if mask.dtype.kind not in "iub":
        raise ValueError(f"mask must hold True or False, or whole numbers, not {mask.dtype}")
    if mask.shape != shape:
        raise ValueError(f"mask must be of the image's shape {shape}, not {mask.shape}")
    return mask.astype(bool)


def _variance(value: Any, image: np.ndarray, xp: Any) -> np.ndarray:
    variance, mask = _pixels("variance", value, xp)
    if variance.shape not in ((), image.shape):
        raise ValueError(
            f"variance must be a number or of the image's shape {image.shape}, not {variance.shape}"
        )
    variance = xp.broadcast_to(variance, image.shape).astype(_wide_enough(variance, image.dtype))
    if mask is not None:
        variance[np.broadcast_to(mask, image.shape)] = np.nan
    return xp.ascontiguousarray(variance)


def _wide_enough(variance: np.ndarray, dtype: np.dtype) -> np.dtype:
    """The type of the image, unless variances are too small or too large for it."""
    limits = np.finfo(dtype)
    counts = (variance > 0.0) & (variance < np.inf)
    fits = (~counts | (variance >= limits.tiny) & (variance <= limits.max)).all()
    return dtype if fits else np.dtype(np.float64)


def _read_only(array: np.ndarray | None) -> Any:
    """A view that nobody can write to, of what may be the caller's; a device has none."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.setflags(write=False)
    return view
