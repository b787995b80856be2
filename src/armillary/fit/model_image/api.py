"""The front door of the model image."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ...cache.axis import answered
from ...cache.choice import store_of_call
from ...io.image import Image
from ...plugins.call import call, checked_arrays
from ...plugins.records import Request
from ...plugins.select import choose
from ...runtime.progress import reporting
from ...runtime.threads import thread_count
from ..isophote.result import Isophotes
from .tables import Tables, model_tables

OPERATION = "fit.ellipse_model"
#: What a backend may leave out, and then cannot draw.
OPTIONS: dict[str, Any] = {
    "orders": (),
    "sine": None,
    "cosine": None,
    "sampling": "polar_angle",
}


def ellipse_model(
    shape_or_image: Any,
    isophotes: Isophotes,
    *,
    harmonics: bool = True,
    fill: float = 0.0,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> np.ndarray:
    """Draw the galaxy that isophotes describe.

    Each pixel gets the intensity at its centre of the ellipse that goes through it, whose
    semi-major axis is solved for, and all of whose parameters are interpolated between the
    isophotes by monotone cubics. Where isophotes cross, the smaller ones lie on top of the
    larger ones.

    Parameters
    ----------
    shape_or_image : tuple of int, or array_like of two dimensions
        Rows and columns of the model, or an image that has as many.
    isophotes : Isophotes
        What to draw. Rows with a positive ``sma`` whose intensity, centre, ellipticity and
        position angle are known count, whatever their stop code; a row at ``sma`` 0 gives the
        intensity at the centre.
    harmonics : bool
        Add the deviations from ellipses, ``a`` and ``b``; those that are not known count as 0.
    fill : float
        Value of pixels outside the last isophote; may be NaN.
    backend : str, optional
        Backend to use; None lets the selection decide (``arm.explain("fit.ellipse_model")``).
    cache : Store or str, optional
        Where the model is looked up and kept: a store, or the name of one ("memory", "disk").
        None means that of :func:`armillary.use_cache` or ``ARMILLARY_CACHE``, else none. With one
        the model is read-only.
    threads : int, optional
        Threads; None means ``ARMILLARY_THREADS`` or every processor. The model does not depend
        on it.
    progress : callable or bool, optional
        Called with (rows done, rows in all); True shows a bar in a terminal.

    Returns
    -------
    ndarray, shape (ny, nx)
        float64, in the unit of the isophotes' intensity. Inside the first isophote, where the
        intensity at the centre is not known, it is constant.

    Raises
    ------
    ValueError
        If ``shape_or_image`` has not two dimensions of at least one pixel; if ``isophotes`` has
        no usable row, its ``sma`` does not grow, or an ellipticity is not from 0 to less than 1.
    TypeError
        If ``isophotes`` is no :class:`Isophotes`, or ``fill`` or ``progress`` of a wrong type.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.
    UnsupportedOption
        If the backend cannot draw harmonics, and there are some.

    References
    ----------
    Jedrzejewski (1987), MNRAS 226, 747; Hyman (1983), SIAM J. Sci. Stat. Comput. 4, 645.

    Examples
    --------
    >>> import armillary as arm
    >>> from armillary.testing.galaxies import simulated_galaxy
    >>> galaxy = simulated_galaxy((128, 128), effective_radius=12.0, sersic_index=1.0)
    >>> isophotes = arm.fit.isophotes(galaxy.image)
    >>> model = arm.fit.ellipse_model(galaxy.image, isophotes)
    >>> float(round(model[64, 80] / galaxy.image[64, 80], 2))
    1.0
    """
    shape = _shape(shape_or_image)
    if not isinstance(isophotes, Isophotes):
        raise TypeError(f"isophotes must be an Isophotes, not {type(isophotes).__name__}")
    fill = _number("fill", fill)
    threads = thread_count(threads)
    store = store_of_call(cache)
    tables = model_tables(isophotes.on_host(), bool(harmonics))
    arguments = _arguments(tables)
    options = {name: arguments.pop(name) for name in OPTIONS}
    arrays = {n: a for n, a in (arguments | options).items() if isinstance(a, np.ndarray)}
    seen = {"shape": shape, "fill": fill, "orders": tables.orders}
    request = Request.of(OPERATION, arrays, seen)
    plan = choose(request, backend)

    def compute() -> np.ndarray:
        with reporting(progress, "model image") as report:
            result = call(
                plan,
                {"shape": shape, **arguments, "fill": fill},
                {name: (options[name], default) for name, default in OPTIONS.items()},
                {"threads": threads, "progress": report},
            )
        return checked_arrays(plan, result, {"model": shape})["model"]

    identity = {"shape": shape, **arguments, **options, "fill": fill}
    model = answered(plan, identity, compute, store).value
    if store is not None:
        model.setflags(write=False)  # as it will be when it comes from the store
    return model


def _shape(shape_or_image: Any) -> tuple[int, int]:
    """Rows and columns, from two whole numbers or from an image."""
    if isinstance(shape_or_image, Image):
        shape_or_image = shape_or_image.data
    try:
        found = getattr(shape_or_image, "shape", None) or np.shape(shape_or_image)
    except ValueError:  # lists of different lengths
        found = ()
    sizes = shape_or_image if len(found) == 1 else found
    whole = all(hasattr(n, "__index__") and not isinstance(n, bool) for n in sizes)
    if len(sizes) != 2 or not whole or min(sizes) < 1:
        given = f"{type(shape_or_image).__name__} of shape {tuple(found)}"
        raise ValueError(
            f"shape_or_image must be two whole numbers of at least one pixel, or an image of two "
            f"dimensions, not {given if len(found) > 1 else repr(shape_or_image)}"
        )
    return int(sizes[0]), int(sizes[1])


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None


def _arguments(tables: Tables) -> dict[str, Any]:
    """The tables by name, their arrays protected from backends."""
    arguments = {field.name: getattr(tables, field.name) for field in fields(tables)}
    for value in arguments.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return arguments
