"""The star that a search assumes: what sets orbital speeds and transit durations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: IAU 2015 Resolution B3 nominal solar values.
GM_SUN = 1.3271244e20  # m^3 s^-2
R_SUN = 6.957e8  # m
SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Star:
    """A star, in solar units.

    Parameters
    ----------
    radius : float or Quantity
        Radius; a plain number is in solar radii.
    mass : float or Quantity
        Mass; a plain number is in solar masses.
    limb_darkening : tuple of float
        Quadratic coefficients ``(u1, u2)``, for searches that use a
        limb-darkened template; a box has none.

    Raises
    ------
    ValueError
        If radius or mass is not positive and finite.

    Examples
    --------
    >>> import armillary as arm
    >>> arm.Star(radius=0.56, mass=0.60)
    Star(radius=0.56, mass=0.6, limb_darkening=(0.4804, 0.1867))
    """

    radius: float = 1.0
    mass: float = 1.0
    #: Default: the Sun in the Kepler band (Claret & Bloemen 2011, A&A 529, A75).
    limb_darkening: tuple[float, float] = (0.4804, 0.1867)

    def __post_init__(self) -> None:
        for name, unit in (("radius", "R_sun"), ("mass", "M_sun")):
            value = _solar(name, getattr(self, name), unit)
            if not 0.0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite, not {value}")
            object.__setattr__(self, name, value)
        u1, u2 = (float(u) for u in self.limb_darkening)
        object.__setattr__(self, "limb_darkening", (u1, u2))

    @property
    def gravity_over_radius_cubed(self) -> float:
        """``G M / R^3`` in s^-2, which is all that a transit duration knows of a star."""
        return GM_SUN * self.mass / (R_SUN * self.radius) ** 3


def star_or_sun(star: Any) -> Star:
    """The star of a search; None means the Sun.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if star is None:
        return Star()
    if not isinstance(star, Star):
        raise TypeError(
            f"star must be a Star, as in Star(radius=0.5, mass=0.5), or None for the Sun, "
            f"not {star!r:.60}"
        )
    return star


def _solar(name: str, value: Any, unit: str) -> float:
    if not hasattr(value, "unit"):
        return float(value)
    from astropy import units

    try:
        return float(value.to_value(units.Unit(unit)))
    except units.UnitConversionError:
        raise ValueError(f"{name} must be in {unit} or convertible, not in {value.unit}") from None
