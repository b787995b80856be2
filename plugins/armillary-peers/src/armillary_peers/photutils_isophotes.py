"""``fit.isophotes`` and ``fit.forced_isophotes`` by ``photutils.isophote``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from photutils.isophote import Ellipse, EllipseGeometry, EllipseSample, Isophote

from armillary.fit.isophote.result import COLUMNS, HARMONIC_COLUMNS

from .photutils_silence import silence

#: Relative distance of the second ellipse, from which photutils has the gradient; its default.
GRADIENT_STEP = 0.1
#: Where photutils ends going inwards (pixels).
SMALLEST_SMA = 0.5
#: Stands for a centre at 0, which photutils takes for one that was not given.
ALMOST_ZERO = 1e-300

#: Stop codes of photutils that are needed here: too few samples, nothing to fit, sampled with a
#: given geometry, no usable gradient.
FEW_VALID, NO_SAMPLES, SAMPLED, NO_GRADIENT = 1, 3, 4, 5
#: Those of ellipses whose geometry was fitted.
FITTED = (0, 2)
#: Orders of the harmonics that photutils measures.
ORDERS = (3, 4)

#: Column -> the attribute of an isophote of photutils.
ATTRIBUTES = {
    "sma": "sma",
    "intensity": "intens",
    "intensity_err": "int_err",
    "ellipticity": "eps",
    "ellipticity_err": "ellip_err",
    "position_angle": "pa",
    "position_angle_err": "pa_err",
    "x0": "x0",
    "x0_err": "x0_err",
    "y0": "y0",
    "y0_err": "y0_err",
    "gradient": "grad",
    "gradient_err": "gradient_err",
    "rms": "rms",
    "sector_area": "sarea",
    "flux_ellipse": "tflux_e",
    "flux_circle": "tflux_c",
    "n_pixels_ellipse": "npix_e",
    "n_pixels_circle": "npix_c",
    "n_data": "n_data",
    "n_flagged": "n_flag",
    "n_iterations": "n_iter",
    "stop_code": "stop_code",
}
#: Errors of the geometry, and what is fixed if they are unknown.
GEOMETRY_ERRORS = {
    "x0_err": "center",
    "y0_err": "center",
    "ellipticity_err": "ellipticity",
    "position_angle_err": "position_angle",
}
#: All that is known of the value at a centre, beside numbers of samples.
KNOWN_AT_CENTRE = ("sma", "intensity", "x0", "y0")


def isophotes(
    image: np.ndarray,
    x0: float,
    y0: float,
    sma: float,
    ellipticity: float,
    position_angle: float,
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
    max_iterations: int = 50,
    min_iterations: int = 10,
    convergence: float = 0.05,
    max_gradient_error: float = 0.5,
    min_valid: float = 0.7,
) -> dict[str, np.ndarray]:
    """Fit isophotes of one image by ``photutils.isophote.Ellipse.fit_image``.

    Raises
    ------
    ValueError
        If everything is fixed: photutils then does nothing.
    """
    fixed = {"center": fix_center, "ellipticity": fix_ellipticity}
    fixed["position_angle"] = fix_position_angle
    if all(fixed.values()):
        raise ValueError(
            "fix_center, fix_ellipticity and fix_position_angle: photutils fits nothing where all "
            "three are True; fit.forced_isophotes measures given ellipses"
        )
    pixels = _pixels(image)
    start = x0, y0, sma, ellipticity, position_angle
    ring = _ring(integrator, step, linear)
    geometry = _geometry(*start, ring)
    options = {
        "sma0": sma,
        "minsma": min_sma,
        "maxsma": max_sma,
        "step": step,
        "linear": linear,
        "sclip": sigma_clip,
        "n_clip": n_clip,
        "integrmode": integrator,
        "fix_center": fix_center,
        "fix_pa": fix_position_angle,
        "fix_eps": fix_ellipticity,
        "maxit": max_iterations,
        "minit": min_iterations,
        "conver": convergence,
        "maxgerr": max_gradient_error,
        "fflag": min_valid,
    }
    with silence():
        found = _fitted(pixels, geometry, options)
        rows = [_row(isophote, fixed) for isophote in found]
        if not rows:
            sampling = {"sclip": sigma_clip, "n_clip": n_clip, "integrmode": integrator}
            return _arrays([_failed_row(pixels, start, ring, sampling, min_valid)])
    if rows and min_sma == 0.0 and rows[0]["sma"] > 0.0:
        rows.insert(0, _unknown_centre(rows[0]["x0"], rows[0]["y0"]))
    return _arrays(rows)


def forced_isophotes(
    image: np.ndarray,
    x0: np.ndarray,
    y0: np.ndarray,
    sma: np.ndarray,
    ellipticity: np.ndarray,
    position_angle: np.ndarray,
    step: float = 0.1,
    linear: bool = False,
    sigma_clip: float = 3.0,
    n_clip: int = 0,
    integrator: str = "bilinear",
) -> dict[str, np.ndarray]:
    """Sample given ellipses of one image by ``photutils.isophote.EllipseSample``."""
    pixels = _pixels(image)
    options = {"sclip": sigma_clip, "n_clip": n_clip, "integrmode": integrator}
    ring = _ring(integrator, step, linear)
    ellipses = np.stack([x0, y0, sma, ellipticity, position_angle], axis=1)
    with silence():
        rows = [_forced_row(pixels, ellipse, ring, options) for ellipse in ellipses.tolist()]
    return _arrays(rows)


# ------------------------------------------------------------------ what photutils is given


def _pixels(image: np.ndarray) -> np.ndarray:
    """float64, as photutils adds up what it is given; masked where there are NaN."""
    pixels = image.astype(np.float64, copy=False)
    unusable = np.isnan(pixels)
    return np.ma.MaskedArray(pixels, unusable) if unusable.any() else pixels


def _ring(integrator: str, step: float, linear: bool) -> dict[str, Any]:
    """How wide sectors are. For photutils that is how far away the gradient is measured, too."""
    if integrator == "bilinear":
        return {"astep": GRADIENT_STEP, "linear_growth": False}
    return {"astep": step, "linear_growth": linear}


def _geometry(
    x0: float,
    y0: float,
    sma: float,
    ellipticity: float,
    position_angle: float,
    ring: Mapping[str, Any],
) -> EllipseGeometry:
    centre = x0 or ALMOST_ZERO, y0 or ALMOST_ZERO
    return EllipseGeometry(*centre, sma, ellipticity, position_angle % math.pi, **ring)


# ------------------------------------------------------------------ the fit


class _End(Exception):
    """Growth cannot go on at this semi-major axis."""

    def __init__(self, sma: float) -> None:
        super().__init__(sma)
        self.sma = sma


class _Fit(Ellipse):
    """Ellipses of photutils, and an end where it would fail, or ask for the same for ever."""

    def __init__(self, image: np.ndarray, geometry: EllipseGeometry, min_sma: float) -> None:
        super().__init__(image, geometry=geometry)
        self.innermost = max(min_sma, SMALLEST_SMA)

    def fit_isophote(self, sma: float, **options: Any) -> Any:
        """One step of ``fit_image``; that it cannot be done ends the way in or out."""
        inwards = options.get("going_inwards", False)
        if inwards and sma <= self.innermost:
            return _NOTHING
        if not inwards and options["isophote_list"] and self._is_beyond(sma, options):
            raise _End(sma)
        try:
            isophote = super().fit_isophote(sma, **options)
        except (IndexError, OverflowError, ValueError):
            # No sample at all, or a geometry that is not finite any more.
            isophote = _NOTHING
        if not (isophote.valid or inwards or sma == 0.0):
            raise _End(sma)
        return isophote

    def _is_beyond(self, sma: float, options: Mapping[str, Any]) -> bool:
        """Whether the whole image is inside an ellipse of the shape of the last one."""
        last = options["isophote_list"][-1]
        ny, nx = self.image.shape
        farthest = math.hypot(max(last.x0, nx - 1 - last.x0), max(last.y0, ny - 1 - last.y0))
        return (1.0 - last.eps) * sma > farthest


#: What photutils itself gives where nothing could be sampled.
_NOTHING = SimpleNamespace(valid=False, stop_code=NO_SAMPLES)


def _fitted(
    image: np.ndarray, geometry: EllipseGeometry, options: Mapping[str, Any]
) -> Iterable[Any]:
    """Isophotes of photutils by growing semi-major axis."""
    try:
        return _Fit(image, geometry, options["minsma"]).fit_image(**options)
    except _End as end:
        if end.sma == geometry.sma:
            return []
        # The same once more as far as it went, and then inwards.
        nearer = {**options, "maxsma": end.sma}
        return _Fit(image, geometry, options["minsma"]).fit_image(**nearer)


# ------------------------------------------------------------------ rows of the result


def _forced_row(
    image: np.ndarray,
    ellipse: tuple[float, ...],
    ring: Mapping[str, Any],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    x0, y0, sma, *_ = ellipse
    if sma == 0.0:
        try:
            geometry = _geometry(x0, y0, 1.0, 0.0, 0.0, ring)
            found = Ellipse(image, geometry=geometry).fit_isophote(0.0)
        except IndexError:
            return _unknown_centre(x0, y0)
    else:
        sample = EllipseSample(image, sma, geometry=_geometry(*ellipse, ring), **options)
        sample.update()
        found = Isophote(sample, 0, True, SAMPLED)
    return {**_row(found), "x0": x0, "y0": y0}


def _failed_row(
    image: np.ndarray,
    ellipse: tuple[float, ...],
    ring: Mapping[str, Any],
    options: Mapping[str, Any],
    min_valid: float,
) -> dict[str, Any]:
    """The first ellipse where photutils gives an empty list: as it is, and why."""
    row = _forced_row(image, ellipse, ring, options)
    n_total = row["n_data"] + row["n_flagged"]
    if row["n_data"]:
        row["stop_code"] = FEW_VALID if row["n_data"] < min_valid * n_total else NO_GRADIENT
    return row


def _row(isophote: Any, fixed: Mapping[str, bool] | None = None) -> dict[str, Any]:
    """The columns of one isophote; photutils has None or 0 for what it does not know."""
    row = {column: getattr(isophote, name) for column, name in ATTRIBUTES.items()}
    for name in ("flux_ellipse", "flux_circle"):
        row[name] = np.ma.filled(row[name], 0.0)
    row["n_samples"] = isophote.sample.total_points
    if not row["n_data"]:
        row["stop_code"] = NO_SAMPLES
    row["position_angle"] %= math.pi
    for name, parameter in GEOMETRY_ERRORS.items():
        unknown = row["stop_code"] not in FITTED or (fixed or {}).get(parameter) or row[name] == 0.0
        row[name] = math.nan if unknown else row[name]
    for column in HARMONIC_COLUMNS:
        letter, _, rest = column.partition("_")
        names = (f"{letter}{order}{'_err' if rest else ''}" for order in ORDERS)
        row[column] = [getattr(isophote, name) for name in names]
    return _at_centre(row) if row["sma"] == 0.0 else row


def _at_centre(row: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: row[name] for name in KNOWN_AT_CENTRE}
    counts = {name: row[name] or 0 for name, kind in COLUMNS.items() if kind is int}
    unknown: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    unknown |= {name: [math.nan] * len(ORDERS) for name in HARMONIC_COLUMNS}
    return unknown | known | counts


def _unknown_centre(x0: float, y0: float) -> dict[str, Any]:
    """The row at a centre whose pixels are unusable, which photutils cannot have."""
    known = {"sma": 0.0, "intensity": math.nan, "x0": x0, "y0": y0}
    counts = {"n_flagged": 1, "n_samples": 1, "stop_code": NO_SAMPLES}
    return _at_centre(dict.fromkeys(COLUMNS, 0) | known | counts)


def _arrays(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Columns of exact dtypes; None becomes NaN."""
    arrays = {
        name: np.array([row[name] for row in rows], np.float64 if kind is float else np.int64)
        for name, kind in COLUMNS.items()
    }
    for name in HARMONIC_COLUMNS:
        columns = np.array([row[name] for row in rows], np.float64)
        arrays[name] = columns.reshape(len(rows), len(ORDERS))
    return arrays
