"""``fit.ellipse_model`` by ``photutils.isophote.build_ellipse_model``."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from photutils.isophote import IsophoteList, build_ellipse_model

from .photutils_silence import silence

#: Orders of the harmonics that photutils draws.
ORDERS = (3, 4)


def ellipse_model(
    shape: tuple[int, int],
    sma: np.ndarray,
    intensity: np.ndarray,
    x0: np.ndarray,
    y0: np.ndarray,
    ellipticity: np.ndarray,
    position_angle: np.ndarray,
    fill: float,
    orders: tuple[int, ...] = (),
    sine: np.ndarray | None = None,
    cosine: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The image of some ellipses, painted one over the other.

    Every row of the tables counts as an isophote, so that what photutils interpolates between
    them is what armillary interpolated.

    Raises
    ------
    ValueError
        If harmonics of other orders than 3 and 4 are asked for.
    """
    if not set(orders) <= set(ORDERS):
        raise ValueError(f"harmonics: photutils draws those of the orders 3 and 4, not {orders}")
    columns = {
        "sma": sma,
        "intens": intensity,
        "x0": x0,
        "y0": y0,
        "eps": ellipticity,
        "pa": position_angle,
        # Deviations are multiplied by sma and by this gradient: they become amplitudes again.
        "grad": np.full(len(sma), -1.0),
        **_deviations(sma, orders, sine, cosine),
    }
    rows = zip(*columns.values(), strict=True)
    isophotes = [SimpleNamespace(**dict(zip(columns, row, strict=True))) for row in rows]
    with silence():
        model = build_ellipse_model(
            shape, IsophoteList(isophotes), fill=fill, high_harmonics=bool(orders)
        )
    return {"model": model}


def _deviations(
    sma: np.ndarray,
    orders: tuple[int, ...],
    sine: np.ndarray | None,
    cosine: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Amplitudes over the semi-major axis, by the names of photutils."""
    columns = {f"{name}{order}": np.zeros(len(sma)) for name in "ab" for order in ORDERS}
    for name, amplitudes in (("a", sine), ("b", cosine)):
        if amplitudes is not None:
            for order, amplitude in zip(orders, amplitudes, strict=True):
                columns[f"{name}{order}"][1:] = amplitude[1:] / sma[1:]
                columns[f"{name}{order}"][0] = columns[f"{name}{order}"][1]
    return columns
