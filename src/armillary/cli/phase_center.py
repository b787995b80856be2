"""Phase centres as they are given at the shell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

MERIDIAN = "meridian"


def phase_center(text: str | None) -> SkyCoord | str | None:
    """What ``--phase`` says, as :func:`armillary.convert.visibilities` takes it.

    Parameters
    ----------
    text : str or None
        ``meridian``; or RA,DEC (ICRS), decimal in degrees or sexagesimal. Right ascensions such as
        ``13:31:08`` are hours, as everywhere, unless they say degrees: ``202d47m04s``.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if text is None or text == MERIDIAN:
        return text
    parts = [part.strip() for part in text.split(",")]
    try:
        ra, dec = parts
        return _direction(ra, dec)
    except (ValueError, TypeError) as error:
        reason = f" ({error})" if len(parts) == 2 else ""
        raise ValueError(
            f"--phase must be {MERIDIAN} or RA,DEC, such as 202.7845,+30.5092 or "
            f"13h31m08.3s,+30d30m33s, not {text!r}{reason}"
        ) from error


def _direction(ra: str, dec: str) -> SkyCoord:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra, dec, unit=(u.deg if _is_decimal(ra) else u.hourangle, u.deg))


def _is_decimal(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    if not math.isfinite(number):
        raise ValueError(f"{text} is no angle")
    return True
