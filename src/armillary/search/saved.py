"""The light curve that the result of a search keeps, in the files and tables of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .inputs import SearchInput

if TYPE_CHECKING:
    from astropy.units import UnitBase

#: What is said of a light curve, besides its arrays.
DESCRIPTION = ("epoch", "n_dropped", "flux_err_source", "time_system", "flux_unit", "target")


def description(light_curve: SearchInput) -> dict[str, Any]:
    """Plain values that tell of a light curve."""
    said = {name: getattr(light_curve, name) for name in DESCRIPTION}
    return said | {"n_used": len(light_curve.time)}


def light_curve_arrays(light_curve: SearchInput) -> dict[str, np.ndarray]:
    """The arrays of a light curve, on the host."""
    here = light_curve.on_host()
    return {"time": here.time, "flux": here.flux, "flux_err": here.flux_err}


def light_curve_of(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SearchInput:
    """A light curve from its description and its arrays."""
    said: dict[str, Any] = {name: header[name] for name in DESCRIPTION}
    return SearchInput(arrays["time"], arrays["flux"], arrays["flux_err"], **said)


def flux_unit(light_curve: SearchInput) -> UnitBase:
    """The unit of the flux for a table; none where astropy does not know it."""
    from astropy import units

    unit = units.Unit(light_curve.flux_unit or "", parse_strict="silent")
    if isinstance(unit, units.UnrecognizedUnit):
        return units.dimensionless_unscaled  # the description keeps what it was called
    return unit


def in_words(light_curve: SearchInput) -> str:
    """What it is and how many points it has, for the first line of a result."""
    return (
        f"{light_curve.target or 'a light curve'}: {len(light_curve.time):,} points over "
        f"{light_curve.span:.6g} d ({light_curve.n_dropped:,} dropped)"
    )
