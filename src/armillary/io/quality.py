"""Which cadences a mission's quality flags tell us to leave out.

Bit values: Kepler Archive Manual (KDMC-10008-006), table 2-3, for Kepler and K2; TESS Science
Data Products Description Document (EXP-TESS-ARC-ICD-TM-0014) for TESS. Which of them make a
cadence unusable is advice, for TESS in the TESS Archive Manual ("2.0 - Data Product Overview");
both masks of each mission are those of lightkurve 2.6, so that two readers of one file agree.
The bits are those of the missions' own pipelines; other products may use them otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from armillary.io.errors import LightCurveError

__all__ = ["BITMASKS", "flagged_rows"]

# Kepler and K2
_ATTITUDE_TWEAK = 1 << 0
_SAFE_MODE = 1 << 1
_COARSE_POINT = 1 << 2
_EARTH_POINT = 1 << 3
_DESATURATION = 1 << 5
_APERTURE_COSMIC = 1 << 7
_MANUAL_EXCLUDE = 1 << 8
_SENSITIVITY_DROPOUT = 1 << 10
_COLLATERAL_COSMIC = 1 << 13
_DETECTOR_ANOMALY = 1 << 14
_NO_DATA = 1 << 16
_POSSIBLE_THRUSTER_FIRING = 1 << 19
_THRUSTER_FIRING = 1 << 20

_KEPLER_DEFAULT = (
    _ATTITUDE_TWEAK
    | _SAFE_MODE
    | _COARSE_POINT
    | _EARTH_POINT
    | _DESATURATION
    | _MANUAL_EXCLUDE
    | _DETECTOR_ANOMALY
    | _NO_DATA
    | _THRUSTER_FIRING
)
_KEPLER_HARD = (
    _KEPLER_DEFAULT
    | _SENSITIVITY_DROPOUT
    | _APERTURE_COSMIC
    | _COLLATERAL_COSMIC
    | _POSSIBLE_THRUSTER_FIRING
)

# TESS: the first six bits mean the same as Kepler's, the later ones do not
_TESS_ARGABRIGHTENING = 1 << 4
_TESS_APERTURE_COSMIC = 1 << 6
_TESS_MANUAL_EXCLUDE = 1 << 7
_TESS_IMPULSIVE_OUTLIER = 1 << 9
_TESS_COLLATERAL_COSMIC = 1 << 10
_TESS_STRAY_LIGHT = 1 << 11
_TESS_SCATTERED_LIGHT = 1 << 12
_TESS_BAD_CALIBRATION = 1 << 14

_TESS_DEFAULT = (
    _ATTITUDE_TWEAK
    | _SAFE_MODE
    | _COARSE_POINT
    | _EARTH_POINT
    | _TESS_ARGABRIGHTENING
    | _DESATURATION
    | _TESS_MANUAL_EXCLUDE
    | _TESS_IMPULSIVE_OUTLIER
    | _TESS_BAD_CALIBRATION
)
_TESS_HARD = (
    _TESS_DEFAULT
    | _TESS_APERTURE_COSMIC
    | _TESS_COLLATERAL_COSMIC
    | _TESS_STRAY_LIGHT
    | _TESS_SCATTERED_LIGHT
)

BITMASKS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "Kepler": MappingProxyType({"default": _KEPLER_DEFAULT, "hard": _KEPLER_HARD}),
        "K2": MappingProxyType({"default": _KEPLER_DEFAULT, "hard": _KEPLER_HARD}),
        "TESS": MappingProxyType({"default": _TESS_DEFAULT, "hard": _TESS_HARD}),
    }
)

# A flag whose bits we do not know: any of them rules the cadence out (0 is "good" everywhere).
_ANY_BIT = -1


def flagged_rows(
    values: np.ndarray, name: str, mission: str | None, quality: str | int
) -> np.ndarray:
    """Tell which rows carry a flag that rules them out.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Quality flags; NaN where unknown (such a row is kept).
    name : str
        Name of the quality column.
    mission : str or None
        "TESS", "Kepler", "K2", or another or unknown mission.
    quality : {"default", "hard", "none"} or int
        See :func:`armillary.io.read_light_curve`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    mask = _bitmask(name, mission, quality)
    known = np.isfinite(values)
    flags = np.zeros(len(values), dtype=np.int64)
    flags[known] = values[known].astype(np.int64)
    if np.any(flags[known] != values[known]):
        raise LightCurveError(f"quality column {name!r} holds fractions, not integer flags")
    return (flags & mask) != 0


def check_quality(quality: str | int) -> None:
    """Raise ValueError unless `quality` is one of the accepted choices."""
    if isinstance(quality, str):
        if quality in ("default", "hard", "none"):
            return
    elif isinstance(quality, (int, np.integer)) and not isinstance(quality, bool) and quality >= 0:
        return
    raise ValueError(
        f'quality must be "default", "hard", "none" or a non-negative integer bitmask, '
        f"not {quality!r}"
    )


def _bitmask(name: str, mission: str | None, quality: str | int) -> int:
    if not isinstance(quality, str):
        return int(quality)
    if quality == "none":
        return 0
    # K2SFF's MOVING is a yes/no column, whatever the mission's bits mean.
    if mission is not None and mission in BITMASKS and name.lower() != "moving":
        return BITMASKS[mission][quality]
    return _ANY_BIT
