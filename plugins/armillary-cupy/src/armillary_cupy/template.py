"""``search.template_score`` on the device: smooth transit templates, many candidates at once.

The definition is that of :mod:`armillary.search.template.reference`. How it is computed is told
at the top of ``kernels/template.cu``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .blocks import in_blocks
from .device import Device, current

SOURCE = "template.cu"
FITS = ("score", "depth", "depth_err", "level")

#: A block: the points of a transit side by side, and transits in rows.
THREADS = (32, 4)
#: Sums of each thread, without and with the gradient.
N_PLAIN, N_SUMS = 3, 12
#: Threads of the kernel that visits every point.
POINT_THREADS = 256
#: Most blocks of a launch in its second direction.
MOST_ROWS = 65535
#: Points that a launch visits at most: some 20 ms of a fast device, by estimate, so that an
#: interrupt is honoured soon.
LAUNCH_WORK = 2_000_000_000
#: Words of eight bytes for each candidate: its three numbers, and the five of its fit.
WORDS_PER_CANDIDATE = 8
#: And for each point: three that are given, its weight, and for a moment one more.
WORDS_PER_POINT = 5


def template_score(
    time: Any,
    flux: Any,
    flux_err: Any,
    period: np.ndarray,
    t0: np.ndarray,
    duration: np.ndarray,
    sharpness: float = 150.0,
    gradient: bool = False,
    attribution: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score of each candidate; see the plugin author guide for the arguments.

    Raises
    ------
    MemoryError
        If the light curve is too large for the memory of the device.
    """
    device = current()
    n, m = len(time), len(period)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(FITS, (m,))
    shapes |= {"gradient": (m, 3)} if gradient else {}
    shapes |= {"attribution": (m, n)} if attribution else {}
    # In the memory in which the light curve is.
    results = {name: device.empty_like(time, shape) for name, shape in shapes.items()}
    light_curve = _upload(device, time, flux, flux_err)

    def work(first: int, stop: int) -> None:
        candidates = [device.to_device(array[first:stop]) for array in (period, t0, duration)]
        found = _scores(device, light_curve, candidates, sharpness, gradient, attribution)
        for name, values in found.items():
            results[name][first:stop] = device.like(values, time)
        if progress is not None:
            progress(stop, m)

    words = WORDS_PER_CANDIDATE + 3 * gradient + n * attribution
    needed = np.full(m, 8 * words)
    in_blocks(device, needed, work, "one candidate of search.template_score", LAUNCH_WORK // n + 1)
    return results


def _upload(device: Device, time: Any, flux: Any, flux_err: Any) -> tuple[Any, ...]:
    """The light curve on the device, weighed."""
    found: list[Any] = []

    def weigh(first: int, stop: int) -> None:
        found[:] = _weighed(device, time, flux, flux_err)

    needed = [8 * WORDS_PER_POINT * len(time)]
    in_blocks(device, needed, weigh, "the light curve of search.template_score")
    return tuple(found)


def _weighed(device: Device, time: Any, flux: Any, flux_err: Any) -> tuple[Any, ...]:
    """What the kernels read of a light curve: time, weight, residual, n; total and mean."""
    xp = device.xp
    time, flux, flux_err = map(device.to_device, (time, flux, flux_err))
    weight = 1.0 / xp.square(flux_err)
    total = weight.sum()
    mean = (weight * flux).sum() / total
    residual = flux - mean
    # What was rounded off the mean, as in core's reference.
    residual -= (weight * residual).sum() / total
    return time, weight, residual, np.int64(len(time)), xp.stack([total, mean])


def _scores(
    device: Device,
    light_curve: tuple[Any, ...],
    candidates: list[Any],
    sharpness: float,
    gradient: bool,
    attribution: bool,
) -> dict[str, Any]:
    """The results of candidates that the device has room for at once."""
    xp = device.xp
    n, m = int(light_curve[3]), len(candidates[0])
    fits = xp.empty((len(FITS) + 1, m))
    gradients = xp.empty((m if gradient else 0, 3))
    device.kernel(SOURCE, "sum_templates")(
        (m,),
        THREADS,
        (
            *light_curve,
            *candidates,
            np.float64(sharpness),
            np.bool_(gradient),
            fits,
            gradients,
        ),
        shared_bytes=8 * (N_SUMS if gradient else N_PLAIN) * THREADS[0] * THREADS[1],
    )
    found = {name: fits[row] for row, name in enumerate(FITS)}
    if gradient:
        found["gradient"] = gradients
    if attribution:
        found["attribution"] = xp.empty((m, n))
        device.kernel(SOURCE, "contribute")(
            (m, min(-(-n // POINT_THREADS), MOST_ROWS)),
            (POINT_THREADS,),
            (
                *light_curve[:4],
                *candidates,
                np.float64(sharpness),
                fits,
                found["attribution"],
            ),
        )
    device.synchronize()
    return found
