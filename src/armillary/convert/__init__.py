"""Conversions of files: visibilities of radio interferometers, catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .catalogs.api import catalog
    from .catalogs.report import CatalogReport
    from .queue.records import GroupRecord
    from .queue.status import QueueStatus, queue_status
    from .queue.watch import WatchReport, watch
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
    "GroupRecord",
    "ObservationReport",
    "QueueStatus",
    "SiderealTimeWarning",
    "Validation",
    "VisibilityFileError",
    "WatchReport",
    "catalog",
    "queue_status",
    "uvw",
    "validate",
    "visibilities",
    "watch",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "CatalogReport": ".catalogs.report",
        "ConversionReport": ".visibility.report",
        "EarthOrientationWarning": ".visibility.astrometry",
        "GroupRecord": ".queue.records",
        "ObservationReport": ".visibility.report",
        "QueueStatus": ".queue.status",
        "SiderealTimeWarning": ".visibility.astrometry",
        "Validation": ".visibility.validation",
        "VisibilityFileError": ".visibility.errors",
        "WatchReport": ".queue.watch",
        "catalog": ".catalogs.api",
        "queue_status": ".queue.status",
        "uvw": ".visibility.phasing",
        "validate": ".visibility.validation",
        "visibilities": ".visibility.api",
        "watch": ".queue.watch",
    },
)
