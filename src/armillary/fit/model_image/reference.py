"""The model image of isophotes by its definition: every pixel is held against every ellipse.

Between two rows of the tables the intensity, the amplitudes, the centre, the direction of the
major axis and the quadratic form of the ellipse

    Q = R^T diag(1, (1 - ellipticity)^-2) R,  R the rotation by -position_angle,

are linear in ``sma``. A pixel at p lies on the ellipse of ``sma`` where

    (p - centre)^T Q (p - centre) = sma^2.

Where isophotes cross there are several such ellipses. The model is what is seen when the rows
are painted from the last to the first, each over those before: of a pixel that is the first row
whose ellipse holds it, and the solution between that row and the one before, found by halving
the step. A pixel that no row holds is ``fill``; all others have

    intensity + sum over orders n of sine_n sin(n phi) + cosine_n cos(n phi),

phi the angle from the major axis: as seen on the image, or the eccentric anomaly of the ellipse,
which is the same of the ellipse stretched to a circle.
"""

from __future__ import annotations

import numpy as np

#: Most pairs of a pixel and a row that are held at once.
MAX_PAIRS = 1 << 21
#: Halvings of the step between two rows, which leave 1e-12 of it.
HALVINGS = 40


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
    sampling: str = "polar_angle",
) -> dict[str, np.ndarray]:
    """The image of some ellipses.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    sma : ndarray, shape (k,)
        Semi-major axes (pixels), growing from 0; k is at least 2.
    intensity : ndarray, shape (k,)
        Mean along the ellipse.
    x0, y0 : ndarray, shape (k,)
        Centre (pixels): column and row, from 0.
    ellipticity : ndarray, shape (k,)
        From 0 to less than 1.
    position_angle : ndarray, shape (k,)
        Of the major axis (radians), counter-clockwise from +x, without jumps of pi.
    fill : float
        Of pixels outside all ellipses.
    orders : tuple of int
        Orders of the harmonics.
    sine, cosine : ndarray, shape (len(orders), k), optional
        Their amplitudes, in the unit of the intensity, 0 at the centre. None where there are no
        ``orders``.
    sampling : {"polar_angle", "eccentric_anomaly"}
        What the harmonics are of.

    Returns
    -------
    dict of str to ndarray
        ``model``, float64 of the given shape.
    """
    form = quadratic_form(ellipticity, position_angle)
    axis = np.stack([np.cos(position_angle), np.sin(position_angle)])
    columns = np.stack([sma, x0, y0, *form, intensity, *axis, stretch(ellipticity, sampling)])
    if orders:
        columns = np.concatenate([columns, sine, cosine])
    y, x = (index.ravel().astype(np.float64) for index in np.indices(shape))
    model = np.full(x.shape, float(fill))
    step = max(1, MAX_PAIRS // len(sma))
    for begin in range(0, len(model), step):
        part = slice(begin, begin + step)
        model[part] = _values(x[part], y[part], columns, orders, model[part])
    return {"model": model.reshape(shape)}


def quadratic_form(ellipticity: np.ndarray, position_angle: np.ndarray) -> np.ndarray:
    """The entries xx, xy and yy of Q, shape (3, k)."""
    cosine, sine = np.cos(position_angle), np.sin(position_angle)
    minor = (1.0 - ellipticity) ** -2.0
    return np.stack(
        [
            cosine * cosine + minor * sine * sine,
            (1.0 - minor) * sine * cosine,
            sine * sine + minor * cosine * cosine,
        ]
    )


def stretch(ellipticity: np.ndarray, sampling: str) -> np.ndarray:
    """How much longer the minor axis is made before angles are measured."""
    if sampling == "polar_angle":
        return np.ones(len(ellipticity))
    return 1.0 / (1.0 - ellipticity)


def _holds(columns: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether ellipses hold positions."""
    sma, x0, y0, xx, xy, yy = columns[:6]
    dx, dy = x - x0, y - y0
    # In the order of the kernel, so that both agree about pixels on the edge.
    return dx * (dx * xx + dy * (2.0 * xy)) + dy * dy * yy <= sma * sma


def _values(
    x: np.ndarray, y: np.ndarray, columns: np.ndarray, orders: tuple[int, ...], fill: np.ndarray
) -> np.ndarray:
    """Of some pixels."""
    holds = _holds(columns, x[:, None], y[:, None])
    row = np.maximum(np.argmax(holds, axis=1), 1)
    before, after = columns[:, row - 1], columns[:, row]
    low, high = np.zeros(len(x)), np.ones(len(x))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        held = _holds(before + middle * (after - before), x, y)
        low, high = np.where(held, low, middle), np.where(held, middle, high)
    _, x0, y0, _, _, _, value, cosine, sine, longer, *amplitudes = before + high * (after - before)
    dx, dy = x - x0, y - y0
    phi = np.arctan2(longer * (dy * cosine - dx * sine), dx * cosine + dy * sine)
    for i, order in enumerate(orders):
        value = value + amplitudes[i] * np.sin(order * phi)
        value = value + amplitudes[len(orders) + i] * np.cos(order * phi)
    return np.where(holds.any(axis=1), value, fill)
