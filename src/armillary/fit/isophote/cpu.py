"""The compiled default of isophotes: arguments for the kernel, rows from it.

What is computed is defined in reference/, how is told at the top of kernel.pyx.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.blocks import Rest, run_blocks
from ...runtime.cpu import load_kernel
from .result import COLUMNS, HARMONIC_COLUMNS

#: Samples between two looks at whether somebody pressed Ctrl-C: about two milliseconds.
BUDGET = 400_000
#: Samples of given ellipses that are worth a thread: about half a millisecond.
BLOCK_SAMPLES = 15_000


def isophotes(
    image: np.ndarray,
    x0: float,
    y0: float,
    sma: float,
    ellipticity: float,
    position_angle: float,
    variance: np.ndarray | None = None,
    min_sma: float = 0.0,
    max_sma: float | None = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
    fix_center: bool = False,
    fix_ellipticity: bool = False,
    fix_position_angle: bool = False,
    harmonics: tuple[int, ...] = (3, 4),
    sampling: str = "polar_angle",
    max_iterations: int = 50,
    min_iterations: int = 10,
    convergence: float = 0.05,
    max_gradient_error: float = 0.5,
    min_valid: float = 0.7,
    errors: str = "correlated",
) -> dict[str, np.ndarray]:
    """Fit isophotes of one image; see the plugin author guide for the arguments."""
    fit = load_kernel(__package__).Fitter(
        image,
        variance,
        step=step,
        linear=linear,
        sigma_clip=sigma_clip,
        n_clip=n_clip,
        integrator=integrator,
        sampling=sampling,
        harmonics=harmonics,
        errors=errors,
        fix_center=fix_center,
        fix_ellipticity=fix_ellipticity,
        fix_position_angle=fix_position_angle,
    )
    fit.begin(
        x0,
        y0,
        sma,
        ellipticity,
        position_angle,
        min_sma=min_sma,
        max_sma=max_sma,
        max_iterations=max_iterations,
        min_iterations=min_iterations,
        convergence=convergence,
        max_gradient_error=max_gradient_error,
        min_valid=min_valid,
    )
    while not fit.advance(BUDGET):
        pass
    rows = fit.table()
    return _arrays(rows[np.argsort(rows["sma"], kind="stable")], len(harmonics))


def forced_isophotes(
    image: np.ndarray,
    x0: np.ndarray,
    y0: np.ndarray,
    sma: np.ndarray,
    ellipticity: np.ndarray,
    position_angle: np.ndarray,
    variance: np.ndarray | None = None,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
    harmonics: tuple[int, ...] = (3, 4),
    sampling: str = "polar_angle",
    errors: str = "correlated",
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """Sample given ellipses of one image; see the plugin author guide for the arguments."""
    kernel = load_kernel(__package__)
    ellipses = np.stack([x0, y0, sma, ellipticity, position_angle], axis=1)
    blocks = []
    # Ellipses around the whole image cost nothing.
    for part in _blocks(ellipses, np.minimum(sma, sum(image.shape))):
        photometry = kernel.ForcedPhotometry(
            image,
            variance,
            step=step,
            linear=linear,
            sigma_clip=sigma_clip,
            n_clip=n_clip,
            integrator=integrator,
            sampling=sampling,
            harmonics=harmonics,
            errors=errors,
        )
        photometry.begin(part)
        blocks.append(photometry)

    def work(photometry: Any) -> Rest[Any] | None:
        return None if photometry.advance(BUDGET) else Rest(photometry)

    run_blocks(blocks, work, threads=threads)
    return _arrays(np.concatenate([block.table() for block in blocks]), len(harmonics))


def _blocks(ellipses: np.ndarray, sma: np.ndarray) -> list[np.ndarray]:
    """Runs of ellipses of about as much work."""
    # An ellipse and that of its gradient, a sample per pixel of a circle.
    samples = np.cumsum(4.0 * np.pi * sma)
    n_blocks = max(1, int(samples[-1] / BLOCK_SAMPLES))
    cuts = np.searchsorted(samples, samples[-1] * np.arange(1, n_blocks) / n_blocks)
    return [part for part in np.split(ellipses, np.unique(cuts)) if len(part)]


def _arrays(rows: Any, n_orders: int) -> dict[str, np.ndarray]:
    arrays = {name: np.ascontiguousarray(rows[name]) for name in COLUMNS}
    for name in HARMONIC_COLUMNS:
        arrays[name] = np.ascontiguousarray(rows[name][:, :n_orders])
    return arrays
