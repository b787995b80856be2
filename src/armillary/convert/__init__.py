"""Conversions of files: visibilities of radio interferometers, catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .catalogs.api import catalog
    from .catalogs.report import CatalogReport
    from .visibility.api import visibilities
    from .visibility.astrometry import EarthOrientationWarning, SiderealTimeWarning
    from .visibility.errors import VisibilityFileError
    from .visibility.phasing import uvw
    from .visibility.report import ConversionReport, ObservationReport
    from .visibility.validation import Validation, validate

__all__ = [
    "CatalogReport",
    "ConversionReport",
    "EarthOrientationWarning",
    "ObservationReport",
    "SiderealTimeWarning",
    "Validation",
    "VisibilityFileError",
    "catalog",
    "uvw",
    "validate",
    "visibilities",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "CatalogReport": ".catalogs.report",
        "ConversionReport": ".visibility.report",
        "EarthOrientationWarning": ".visibility.astrometry",
        "ObservationReport": ".visibility.report",
        "SiderealTimeWarning": ".visibility.astrometry",
        "Validation": ".visibility.validation",
        "VisibilityFileError": ".visibility.errors",
        "catalog": ".catalogs.api",
        "uvw": ".visibility.phasing",
        "validate": ".visibility.validation",
        "visibilities": ".visibility.api",
    },
)
