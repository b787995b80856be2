"""Conversions of files: visibilities of radio interferometers, catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .visibility.api import visibilities
    from .visibility.astrometry import EarthOrientationWarning, SiderealTimeWarning
    from .visibility.errors import VisibilityFileError
    from .visibility.phasing import uvw
    from .visibility.report import ConversionReport, ObservationReport

__all__ = [
    "ConversionReport",
    "EarthOrientationWarning",
    "ObservationReport",
    "SiderealTimeWarning",
    "VisibilityFileError",
    "uvw",
    "visibilities",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "ConversionReport": ".visibility.report",
        "EarthOrientationWarning": ".visibility.astrometry",
        "ObservationReport": ".visibility.report",
        "SiderealTimeWarning": ".visibility.astrometry",
        "VisibilityFileError": ".visibility.errors",
        "uvw": ".visibility.phasing",
        "visibilities": ".visibility.api",
    },
)
