"""Fits of images and light curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .isophote.api import forced_isophotes, isophotes
    from .isophote.geometry import EllipseGeometry
    from .isophote.growth import CurveOfGrowth, curve_of_growth
    from .isophote.images import IsophoteWarning
    from .isophote.result import Isophotes
    from .model_image.api import ellipse_model

__all__ = [
    "CurveOfGrowth",
    "EllipseGeometry",
    "IsophoteWarning",
    "Isophotes",
    "curve_of_growth",
    "ellipse_model",
    "forced_isophotes",
    "isophotes",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "CurveOfGrowth": ".isophote.growth",
        "EllipseGeometry": ".isophote.geometry",
        "IsophoteWarning": ".isophote.images",
        "Isophotes": ".isophote.result",
        "curve_of_growth": ".isophote.growth",
        "ellipse_model": ".model_image.api",
        "forced_isophotes": ".isophote.api",
        "isophotes": ".isophote.api",
    },
)
