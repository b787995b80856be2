"""An ellipse on an image, where a fit begins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class EllipseGeometry:
    """An ellipse, in the coordinates of an image.

    Parameters
    ----------
    x0, y0 : float
        Centre (pixels): column and row, counted from 0 at the centre of the first pixel.
    sma : float
        Semi-major axis (pixels), positive.
    ellipticity : float
        One minus the ratio of the axes, from 0 to less than 1.
    position_angle : float
        Of the major axis (radians), counter-clockwise from the positive x axis.

    Raises
    ------
    ValueError
        If a value is not finite, or outside its range.
    TypeError
        If a value is no number.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.fit.EllipseGeometry(x0=255.5, y0=255.5, sma=20.0, ellipticity=0.3, position_angle=0.8)
    EllipseGeometry(x0=255.5, y0=255.5, sma=20.0, ellipticity=0.3, position_angle=0.8)
    """

    x0: float
    y0: float
    sma: float
    ellipticity: float
    position_angle: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            object.__setattr__(self, name, checked(name, value))


#: What the parameters of an ellipse are called, in their order.
NAMES = tuple(field.name for field in fields(EllipseGeometry))


def checked(name: str, value: Any) -> float:
    """One parameter of an ellipse as a number within its range."""
    try:
        number = float(str(value) if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, not {number}")
    if name == "sma" and number <= 0.0:
        raise ValueError(f"sma must be positive (pixels), not {number:g}")
    if name == "ellipticity" and not 0.0 <= number < 1.0:
        raise ValueError(f"ellipticity must be from 0 to less than 1, not {number:g}")
    return number


def known_parameters(geometry: Any) -> dict[str, float]:
    """The parameters that a user gives: all of them, some, or, for None, none.

    Raises
    ------
    TypeError
        If it is neither an :class:`EllipseGeometry` nor a mapping.
    ValueError
        If a mapping has another name, or only one of ``x0`` and ``y0``.
    """
    if geometry is None:
        return {}
    if isinstance(geometry, EllipseGeometry):
        return asdict(geometry)
    if not isinstance(geometry, Mapping):
        raise TypeError(
            f"geometry must be an EllipseGeometry, a mapping or None, not {type(geometry).__name__}"
        )
    for name in geometry:
        if name not in NAMES:
            raise ValueError(f"geometry names {name!r}; its names are {', '.join(NAMES)}")
    if ("x0" in geometry) != ("y0" in geometry):
        raise ValueError("geometry must have both of x0 and y0, or neither")
    return {name: checked(name, value) for name, value in geometry.items()}
