"""photutils called as its own users call it, on one thread.

As a backend it also fills the columns of armillary, which is no part of a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .galaxies import Case

#: What photutils calls an ellipse that was sampled, not fitted.
SAMPLED = 4


def photutils_fit(case: Case) -> Any:
    """``Ellipse.fit_image`` with its default steps and stop rule."""
    from photutils.isophote import Ellipse, EllipseGeometry

    start = case.start
    geometry = EllipseGeometry(
        x0=start["x0"],
        y0=start["y0"],
        sma=start["sma"],
        eps=start["ellipticity"],
        pa=start["position_angle"],
    )
    return Ellipse(case.image, geometry=geometry).fit_image()


def photutils_samples(image: np.ndarray, ellipses: list[dict[str, float]]) -> list[Any]:
    """The intensity and its gradient along given ellipses."""
    from photutils.isophote import EllipseSample

    samples = []
    for ellipse in ellipses:
        sample = EllipseSample(
            image,
            ellipse["sma"],
            x0=ellipse["x0"],
            y0=ellipse["y0"],
            eps=ellipse["ellipticity"],
            position_angle=ellipse["position_angle"],
        )
        sample.update()
        samples.append(sample)
    return samples


def photutils_isophotes(image: np.ndarray, ellipses: list[dict[str, float]]) -> list[Any]:
    """The same with errors, harmonics and fluxes, which armillary always gives."""
    from photutils.isophote import Isophote

    return [Isophote(sample, 0, True, SAMPLED) for sample in photutils_samples(image, ellipses)]


def photutils_model(shape: tuple[int, int], isophotes: Any, harmonics: bool) -> np.ndarray:
    """``build_ellipse_model``."""
    from photutils.isophote import build_ellipse_model

    return build_ellipse_model(shape, isophotes, high_harmonics=harmonics)


#: How given ellipses are measured.
FORCED: dict[str, Callable[[np.ndarray, list[dict[str, float]]], list[Any]]] = {
    "EllipseSample": photutils_samples,
    "EllipseSample, Isophote": photutils_isophotes,
}
