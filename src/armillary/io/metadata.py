"""What headers, comments and table metadata say about a light curve; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["describe", "time_system_of_header"]

# Julian dates from which the missions count their barycentric days.
_ZERO_POINTS = {2457000.0: "BTJD", 2454833.0: "BKJD", 0.0: "BJD"}

# Where each mission's identifiers stand in headers, and the catalogue that they belong to.
_TARGET_NUMBERS = {"ticid": "TIC", "tic_id": "TIC", "tic": "TIC", "kic": "KIC", "epic": "EPIC"}
_SECTOR_KEYS = ("sector", "quarter", "campaign")
_NAMES_OF_MISSIONS = {"TESS": "TESS", "KEPLER": "Kepler", "K2": "K2"}
_TRIVIAL = (None, "", "None", "none", "N/A")


def describe(source: Mapping[Any, Any]) -> dict[str, Any]:
    """Pick what a light curve's meta wants out of a header or any other mapping.

    Parameters
    ----------
    source : mapping
        A FITS header as a mapping, comments of the form ``key: value``, a table's meta. Keys in
        any case.

    Returns
    -------
    dict
        Some of ``target``, ``mission``, ``sector``, ``time_system``, ``time_scale``,
        ``flux_unit``.
    """
    stated = {
        str(key).strip().lower(): value
        for key, value in source.items()
        if isinstance(value, (str, int, float)) and value not in _TRIVIAL
    }
    found = {
        "target": _target(stated),
        "mission": _mission(stated),
        "sector": _sector(stated),
        "time_system": stated.get("time_system") or time_system_of_header(stated),
        "time_scale": _time_scale(stated),
        "flux_unit": stated.get("flux_unit"),
    }
    return {key: value for key, value in found.items() if value is not None}


def time_system_of_header(stated: Mapping[str, Any]) -> str | None:
    """Name the zero point of the times by the keywords BJDREFI and BJDREFF (lower case here).

    >>> time_system_of_header({"bjdrefi": 2457000, "bjdreff": 0.0})
    'BTJD'
    >>> time_system_of_header({"bjdrefi": 2400000, "bjdreff": 0.5})
    'BJD - 2400000.5'
    """
    if "bjdrefi" not in stated:
        return None
    try:
        zero = float(stated["bjdrefi"]) + float(stated.get("bjdreff", 0.0))
    except (TypeError, ValueError):
        return None
    return _ZERO_POINTS.get(zero, f"BJD - {zero:.12g}")


def _target(stated: Mapping[str, Any]) -> str | None:
    for key in ("target", "object", "label"):
        if key in stated:
            return str(stated[key])
    for key, catalogue in _TARGET_NUMBERS.items():
        if key in stated:
            number = str(stated[key])
            return number if number.upper().startswith(catalogue) else f"{catalogue} {number}"
    return None


def _mission(stated: Mapping[str, Any]) -> str | None:
    for key in ("mission", "telescop", "telescope"):
        name = str(stated.get(key, "")).strip()
        if name:
            return _NAMES_OF_MISSIONS.get(name.upper(), name)
    return None


def _sector(stated: Mapping[str, Any]) -> int | None:
    for key in _SECTOR_KEYS:
        match = re.fullmatch(r"\s*(\d+)(\.0*)?\s*", str(stated.get(key, "")))
        if match:
            return int(match[1])
    return None


def _time_scale(stated: Mapping[str, Any]) -> str | None:
    scale = str(stated.get("time_scale", stated.get("timesys", ""))).strip().lower()
    return scale if scale in ("tdb", "utc", "tai", "tt", "tcb", "tcg", "ut1") else None
