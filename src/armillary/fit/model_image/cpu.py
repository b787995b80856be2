"""The compiled default of fit.ellipse_model: cut ellipses into runs and the image into blocks.

What is computed is defined in reference.py, how is told at the top of kernel.pyx.
"""

from __future__ import annotations

import numpy as np

from ...runtime.blocks import Progress, run_blocks
from . import kernel
from .reference import quadratic_form, stretch

#: Pixels of a block: a millisecond, or some ten where many isophotes cross.
BLOCK_PIXELS = 1 << 15
#: Below this many pixels a second thread costs more than it gains.
MIN_PARALLEL_PIXELS = 1 << 17
#: Fastest change of a pixel's semi-major axis with that of the ellipses that counts as nested;
#: nearer to 1, where ellipses touch, a small error of the one is a large one of the other.
STEEPEST = 0.9


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
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """The image of some ellipses; arguments as in reference.py."""
    form = quadratic_form(ellipticity, position_angle)
    xx, xy, yy = form
    axis = np.cos(position_angle), np.sin(position_angle)
    longer = stretch(ellipticity, sampling)
    ellipses = np.stack([sma, x0, y0, xx, 2.0 * xy, yy, intensity, *axis, longer], axis=1)
    amplitudes, place = _harmonics(len(sma), orders, sine, cosine)
    last_row, reach = _runs(sma, x0, y0, form)
    model = np.empty(shape)

    def work(block: tuple[int, int]) -> None:
        kernel.draw(ellipses, amplitudes, place, last_row, reach, fill, *block, model)

    ny, nx = shape
    step = max(1, BLOCK_PIXELS // nx)
    run_blocks(
        [(first, min(first + step, ny)) for first in range(0, ny, step)],
        work,
        threads=threads if model.size >= MIN_PARALLEL_PIXELS else 1,
        size=lambda block: block[1] - block[0],
        progress=progress,
    )
    return {"model": model}


def _harmonics(
    n_rows: int, orders: tuple[int, ...], sine: np.ndarray | None, cosine: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes by row, those of an order side by side, and the place of each order."""
    if sine is None or cosine is None or not orders:
        return np.empty((n_rows, 0)), np.empty(0, np.intp)
    place = np.full(max(orders) + 1, -1, np.intp)
    place[list(orders)] = np.arange(len(orders))
    return np.stack([sine.T, cosine.T], axis=-1).reshape(n_rows, -1), place


def _runs(
    sma: np.ndarray, x0: np.ndarray, y0: np.ndarray, form: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The last row of each run of nested ellipses, and how far the runs up to it reach.

    That is the square of the semi-major axis of an ellipse of the outermost one's centre and
    shape that holds all of theirs.
    """
    last_row = np.append(np.flatnonzero(~_nested(sma, x0, y0, form)), len(sma) - 1)
    outermost = form[:, -1:]
    reach = sma * np.sqrt(_largest_eigenvalue(form, outermost))
    reach += _length(x0 - x0[-1], y0 - y0[-1], outermost)
    # A little farther than computed: rounding must not lose a pixel on the edge.
    reach = np.maximum.accumulate((1.0 + 1e-9) * reach) ** 2
    return last_row.astype(np.intp), reach[last_row]


def _nested(sma: np.ndarray, x0: np.ndarray, y0: np.ndarray, form: np.ndarray) -> np.ndarray:
    """Whether each ellipse, on its way to the next, never lets go of a position.

    At a position p on it, relative to the centre c, the semi-major axis m = sqrt(p^T Q p) changes
    with that of the tables, s, by

        dm/ds = p^T Q' p / 2 m - p^T Q c' / m <= s max(eigenvalue of Q^-1 Q') / 2 + |c'|_Q,

    and while this is below 1 the ellipse overtakes the position. As Q is linear in s, both terms
    are largest at an end of the step, the first one, but for s, at its beginning.
    """
    before, after = form[:, :-1], form[:, 1:]
    stretch = np.maximum(_largest_eigenvalue(before, after) - 1.0, 0.0)
    dx, dy = np.diff(x0), np.diff(y0)
    shift = np.maximum(_length(dx, dy, before), _length(dx, dy, after))
    return 0.5 * sma[1:] * stretch + shift < STEEPEST * np.diff(sma)


def _largest_eigenvalue(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of the inverse of one quadratic form times another."""
    (a, b, c), (d, e, f) = one, other
    determinant = a * c - b * b
    half_trace = 0.5 * (a * f - 2.0 * b * e + c * d) / determinant
    product = (d * f - e * e) / determinant
    return half_trace + np.sqrt(np.maximum(half_trace * half_trace - product, 0.0))


def _length(dx: np.ndarray, dy: np.ndarray, form: np.ndarray) -> np.ndarray:
    """Of a vector, as a quadratic form measures it."""
    xx, xy, yy = form
    return np.sqrt(dx * dx * xx + 2.0 * dx * dy * xy + dy * dy * yy)
