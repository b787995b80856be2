"""Matching of catalogues on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .catalog.catalog import Catalog, EpochWarning
    from .catalog.radius import n_sigma
    from .disk.api import catalogs
    from .disk.report import CatalogsReport
    from .sky.api import nearest, within
    from .sky.result import Matches

__all__ = [
    "Catalog",
    "CatalogsReport",
    "EpochWarning",
    "Matches",
    "catalogs",
    "n_sigma",
    "nearest",
    "within",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Catalog": ".catalog.catalog",
        "CatalogsReport": ".disk.report",
        "EpochWarning": ".catalog.catalog",
        "Matches": ".sky.result",
        "catalogs": ".disk.api",
        "n_sigma": ".catalog.radius",
        "nearest": ".sky.api",
        "within": ".sky.api",
    },
)
