"""Front doors of conditioning: ``stitch`` and ``detrend``."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from armillary.io.light_curve import LightCurve
from armillary.io.quiet import quiet
from armillary.io.readers import read_light_curve

__all__ = ["detrend", "stitch"]

logger = logging.getLogger(__name__)

# A window shorter than this many durations takes some of the transit for a trend
# (Hippke et al. 2019, AJ 158, 143).
_FEWEST_DURATIONS_IN_WINDOW = 3

# wotan runs in numba's threads, and one of numba's threading layers aborts the process when
# two Python threads enter it together.
_wotan_lock = threading.Lock()

# Warnings of wotan about trends that we check, count and tell of ourselves.
_TOLD_BY_US = ("The trend is zero or negative", r"\d+ points with valid flux received")


class _Ephemeris(NamedTuple):
    period: float
    t0: float
    duration: float


class _Segment(NamedTuple):
    """A segment of an input, before it has a number."""

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None
    sector: int | None
    source: str | None
    label: str


def stitch(light_curves: Iterable[Any]) -> LightCurve:
    """Join light curves of one star, each brought to a median of 1.

    Parameters
    ----------
    light_curves : iterable of LightCurve
        Sectors, quarters or campaigns in any order (or anything else that
        :func:`armillary.io.read_light_curve` takes). One that was stitched before counts as its
        segments.

    Returns
    -------
    LightCurve
        Flux and error of each segment divided by the median flux of the segment, sorted in
        time, gaps kept. ``segment`` numbers the segments from 0 in the order of their first
        times. Of the meta, what all inputs agree on remains; ``sectors`` and ``sources`` have
        one entry per segment, counts are summed, ``relative`` is True.

    Raises
    ------
    ValueError
        If there is no light curve, if time systems or scales that are known differ, if some have
        errors and others have none, or if the median of a segment is not positive.

    Warns
    -----
    UserWarning
        If targets that are known differ.

    Notes
    -----
    Segments that overlap in time are allowed; a warning is logged. Where some inputs do not
    state their time system, they are taken to share that of the others; this is logged, too.

    Examples
    --------
    >>> from armillary.io import LightCurve
    >>> second = LightCurve([9.0, 10.0, 11.0], [50.0, 49.0, 51.0])
    >>> first = LightCurve([1.0, 2.0, 3.0], [10.0, 11.0, 10.0])
    >>> both = stitch([second, first])
    >>> both.flux
    array([1.  , 1.1 , 1.  , 1.  , 0.98, 1.02])
    >>> both.segment
    array([0, 0, 0, 1, 1, 1])
    """
    if isinstance(light_curves, (str, LightCurve)) or not isinstance(light_curves, Iterable):
        raise TypeError("stitch takes a list of light curves, as in stitch([first, second])")
    inputs = [read_light_curve(item) for item in light_curves]
    if not inputs:
        raise ValueError("stitch needs at least one light curve")
    _check_errors(inputs)
    meta = _merged_meta(inputs)
    segments = [part for i, item in enumerate(inputs) for part in _segments(i, item)]
    segments.sort(key=lambda segment: segment.time[0])
    _tell_overlaps(segments)
    medians = [_median(segment) for segment in segments]
    errors = [
        s.flux_err / m for s, m in zip(segments, medians, strict=True) if s.flux_err is not None
    ]
    meta["sectors"] = [segment.sector for segment in segments]
    meta["sources"] = [segment.source for segment in segments]
    return LightCurve(
        np.concatenate([segment.time for segment in segments]),
        np.concatenate([s.flux / m for s, m in zip(segments, medians, strict=True)]),
        np.concatenate(errors) if errors else None,
        segment=np.repeat(np.arange(len(segments)), [len(s.time) for s in segments]),
        meta=meta,
    )


@overload
def detrend(
    light_curve: Any,
    *,
    window: Any,
    mask: Any = ...,
    break_tolerance: Any = ...,
    return_trend: Literal[False] = ...,
) -> LightCurve: ...
@overload
def detrend(
    light_curve: Any,
    *,
    window: Any,
    mask: Any = ...,
    break_tolerance: Any = ...,
    return_trend: Literal[True],
) -> tuple[LightCurve, LightCurve]: ...
def detrend(
    light_curve: Any,
    *,
    window: Any,
    mask: Any = None,
    break_tolerance: Any = 0.5,
    return_trend: bool = False,
) -> LightCurve | tuple[LightCurve, LightCurve]:
    """Divide a light curve by its slow trend, a running biweight (wotan's).

    Parameters
    ----------
    light_curve : LightCurve
        Or anything else that :func:`armillary.io.read_light_curve` takes.
    window : float or Quantity
        Full width of the running window, in days. Three durations of the longest transit
        sought, or more.
    mask : ephemeris or sequence of ephemerides, optional
        Transits that shall not shape the trend: objects with the attributes ``period``, ``t0``
        and ``duration`` (a peak of a periodogram, say), mappings with these keys, or tuples in
        this order, in days and the time system of the light curve. Points within one duration
        of mid-transit, a stretch of two durations, are left out of the fit. Default: None.
    break_tolerance : float or Quantity, optional
        Gaps longer than this, in days, end one trend and begin another; 0: no gap does.
        Segments never share a trend, however near they are. Default: 0.5.
    return_trend : bool, optional
        Whether to return the trend, too. Default: False.

    Returns
    -------
    LightCurve
        Flux and error divided by the trend. ``meta["detrend"]`` holds method, window and counts.
        Points for which there is no trend are dropped, counted there as ``n_dropped``, and
        logged.
    trend : LightCurve
        The trend at the same times, in the unit of the input. Only with ``return_trend=True``.

    Raises
    ------
    ImportError
        If wotan is not installed.
    ValueError
        If `window` is not positive or `break_tolerance` negative, if an ephemeris is none, if no
        point is left, or if the trend is not positive somewhere (fluxes about zero, such as
        differences, cannot be divided by their trend).

    Warns
    -----
    UserWarning
        If `window` is shorter than three durations of an ephemeris in `mask`. Without `mask` no
        duration is known here, and no window is too short; the command line, which knows those
        that it searches, warns by itself.

    Notes
    -----
    In-transit points get the trend of the points around them. Where a masked stretch fills the
    window, the trend is interpolated linearly across it (never across a gap).

    Examples
    --------
    >>> import numpy as np
    >>> from armillary.io import LightCurve
    >>> time = np.linspace(0.0, 20.0, 500)
    >>> star = LightCurve(time, 100.0 + 5.0 * np.sin(time))
    >>> flat = detrend(star, window=1.0)
    >>> bool(np.std(flat.flux) < 0.01)
    True
    """
    data = read_light_curve(light_curve)
    window = _days(window, "window")
    break_tolerance = _days(break_tolerance, "break_tolerance")
    if not window > 0:
        raise ValueError(f"window must be positive, not {window:g} d")
    if break_tolerance < 0:
        raise ValueError(f"break_tolerance must not be negative, not {break_tolerance:g} d")
    if not len(data):
        raise ValueError("the light curve has no points")
    ephemerides = _ephemerides(mask)
    _warn_of_short_window(window, ephemerides)
    flatten = _import_wotan()

    masked = _in_transit(data.time, ephemerides)
    trend = np.empty(len(data))
    for number in np.unique(data.segment):
        rows = np.flatnonzero(data.segment == number)
        trend[rows] = _trend(
            flatten, data.time[rows], data.flux[rows], masked[rows], window, break_tolerance, number
        )
    keep = np.isfinite(trend)
    n_dropped = int(np.count_nonzero(~keep))
    if n_dropped == len(data):
        raise ValueError("no trend can be fitted: the mask leaves no point to fit")
    if n_dropped:
        logger.warning("%d of %d points dropped: no trend could be fitted", n_dropped, len(data))
    facts = {
        "method": "biweight",
        "window": window,
        "break_tolerance": break_tolerance,
        "mask": [tuple(ephemeris) for ephemeris in ephemerides],
        "n_masked": int(np.count_nonzero(masked)),
        "n_dropped": n_dropped,
    }
    trend = trend[keep]
    flat = LightCurve(
        data.time[keep],
        data.flux[keep] / trend,
        None if data.flux_err is None else data.flux_err[keep] / trend,
        segment=data.segment[keep],
        meta={**data.meta, "flux_unit": None, "relative": True, "detrend": facts},
    )
    if not return_trend:
        return flat
    meta = {**data.meta, "detrend": facts}
    return flat, LightCurve(flat.time, trend, segment=flat.segment, meta=meta)


# stitch


def _label(position: int, light_curve: LightCurve) -> str:
    source = light_curve.meta["source"]
    return f"light curve {position}" + (f" ({source})" if source else "")


def _segments(position: int, light_curve: LightCurve) -> list[_Segment]:
    """The segments of one input; an input without points is refused."""
    label = _label(position, light_curve)
    numbers = np.unique(light_curve.segment)
    if not numbers.size:
        raise ValueError(f"{label} has no points")
    sectors = light_curve.meta.get("sectors")
    if sectors is None or len(sectors) != numbers.size:
        sectors = [light_curve.meta["sector"]] * numbers.size
    sources = light_curve.meta.get("sources")
    if sources is None or len(sources) != numbers.size:
        sources = [light_curve.meta["source"]] * numbers.size
    segments = []
    for number, sector, source in zip(numbers, sectors, sources, strict=True):
        rows = light_curve.segment == number
        segments.append(
            _Segment(
                light_curve.time[rows],
                light_curve.flux[rows],
                None if light_curve.flux_err is None else light_curve.flux_err[rows],
                sector,
                source,
                f"segment {number} of {label}" if numbers.size > 1 else label,
            )
        )
    return segments


def _median(segment: _Segment) -> float:
    median = float(np.median(segment.flux))
    if not median > 0:
        raise ValueError(
            f"{segment.label} cannot be normalised: its median flux is {median:g}, not positive"
        )
    return median


def _check_errors(inputs: Sequence[LightCurve]) -> None:
    without = [_label(i, item) for i, item in enumerate(inputs) if item.flux_err is None]
    if without and len(without) < len(inputs):
        raise ValueError(
            f"some light curves have errors, but not {', '.join(without)}; "
            "give all of them errors, or none"
        )


def _merged_meta(inputs: Sequence[LightCurve]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    for key in inputs[0].meta:
        values = [item.meta.get(key) for item in inputs]
        meta[key] = values[0] if all(value == values[0] for value in values) else None
    for key in ("time_system", "time_scale"):
        meta[key] = _common(inputs, key)
    for key in ("n_read", "n_flagged", "n_invalid"):
        meta[key] = sum(item.meta[key] for item in inputs)
    targets = _known(inputs, "target")
    if len(targets) > 1:
        warnings.warn(
            f"light curves of different targets are joined: {', '.join(targets)}", stacklevel=3
        )
    else:
        meta["target"] = targets[0] if targets else None
    if len(inputs) > 1:
        meta["source"] = f"{len(inputs)} light curves stitched"
    meta["flux_unit"], meta["relative"] = None, True
    return meta


def _known(inputs: Sequence[LightCurve], key: str) -> list[str]:
    """The different values that are known, in order of appearance."""
    return list(dict.fromkeys(item.meta[key] for item in inputs if item.meta[key] is not None))


def _common(inputs: Sequence[LightCurve], key: str) -> str | None:
    known = _known(inputs, key)
    if len(known) > 1:
        told = ", ".join(f"{_label(i, x)}: {x.meta[key]}" for i, x in enumerate(inputs))
        raise ValueError(f"light curves of different {key} cannot be joined: {told}")
    if not known:
        return None
    silent = [_label(i, item) for i, item in enumerate(inputs) if item.meta[key] is None]
    if silent:
        logger.warning(
            "%s %s not stated; taken to be %s like the others", ", ".join(silent), key, known[0]
        )
    return known[0]


def _tell_overlaps(segments: Sequence[_Segment]) -> None:
    """Log which segments begin before an earlier one has ended."""
    latest: tuple[float, str] = (-np.inf, "")
    for segment in segments:
        if segment.time[0] <= latest[0]:
            logger.warning("%s overlaps in time with %s", segment.label, latest[1])
        latest = max(latest, (float(segment.time[-1]), segment.label))


# detrend


def _import_wotan() -> Callable[..., Any]:
    try:
        from wotan import flatten
    except ImportError:
        raise ImportError('detrend needs wotan: pip install "armillary[detrend]"') from None
    return flatten


def _trend(
    flatten: Callable[..., Any],
    time: np.ndarray,
    flux: np.ndarray,
    masked: np.ndarray,
    window: float,
    break_tolerance: float,
    number: int,
) -> np.ndarray:
    """Fit the trend of one segment; NaN where it cannot be told."""
    # wotan's iteration stops at an absolute tolerance, so it must see fluxes of order 1.
    level = float(np.median(np.abs(flux))) or 1.0
    with _wotan_lock, quiet(*_TOLD_BY_US):
        _, scaled = flatten(
            time,
            flux / level,
            method="biweight",
            window_length=window,
            break_tolerance=break_tolerance,
            mask=masked,
            return_trend=True,
        )
    trend = _interpolated(time, np.asarray(scaled) * level, break_tolerance)
    n_bad = int(np.count_nonzero(trend <= 0))
    if n_bad:
        raise ValueError(
            f"the trend of segment {number} is not positive at {n_bad} of {trend.size} points, and "
            "fluxes cannot be divided by it; add the level of the star to fluxes that lack it"
        )
    return trend


def _interpolated(time: np.ndarray, trend: np.ndarray, break_tolerance: float) -> np.ndarray:
    """Bridge points without trend that lie between points with one, without gap between."""
    if np.all(np.isfinite(trend)):
        return trend
    trend = trend.copy()
    breaks = np.flatnonzero(np.diff(time) > (break_tolerance or np.inf)) + 1
    for rows in np.split(np.arange(time.size), breaks):
        known = rows[np.isfinite(trend[rows])]
        if known.size:
            trend[rows] = np.interp(time[rows], time[known], trend[known], np.nan, np.nan)
    return trend


def _in_transit(time: np.ndarray, ephemerides: Sequence[_Ephemeris]) -> np.ndarray:
    masked = np.zeros(time.size, dtype=bool)
    for period, t0, duration in ephemerides:
        cycles = (time - t0) / period
        masked |= np.abs(cycles - np.round(cycles)) * period <= duration
    return masked


def _warn_of_short_window(window: float, ephemerides: Sequence[_Ephemeris]) -> None:
    for period, _, duration in ephemerides:
        least = _FEWEST_DURATIONS_IN_WINDOW * duration
        if window < least:
            warnings.warn(
                f"the window of {window:g} d is shorter than three durations ({least:g} d) of the "
                f"transit with period {period:g} d, so the trend may follow the transit",
                stacklevel=3,
            )


def _ephemerides(mask: Any) -> list[_Ephemeris]:
    if mask is None:
        return []
    if _is_ephemeris(mask):
        return [_ephemeris(mask)]
    if not isinstance(mask, Iterable) or isinstance(mask, str):
        raise ValueError(f"{_EPHEMERIS_WANTED}, not {type(mask).__name__}")
    return [_ephemeris(item) for item in mask]


_EPHEMERIS_WANTED = "mask takes ephemerides: (period, t0, duration), or objects with these"


def _is_ephemeris(value: Any) -> bool:
    if hasattr(value, "period") or isinstance(value, Mapping):
        return True
    # Three numbers are an ephemeris; three of anything else are a list of ephemerides.
    return (
        isinstance(value, (Sequence, np.ndarray))
        and len(value) == 3
        and all(np.isscalar(item) or hasattr(item, "to_value") for item in value)
    )


def _ephemeris(value: Any) -> _Ephemeris:
    names = _Ephemeris._fields
    if not _is_ephemeris(value):
        raise ValueError(f"{_EPHEMERIS_WANTED}, not {value!r}")
    try:
        if isinstance(value, Mapping):
            raw = [value[name] for name in names]
        elif hasattr(value, "period"):
            raw = [getattr(value, name) for name in names]
        else:
            raw = list(value)
    except (KeyError, AttributeError):
        raise ValueError(f"an ephemeris in mask lacks one of {', '.join(names)}") from None
    period, t0, duration = (
        _days(item, f"{name} in mask") for item, name in zip(raw, names, strict=True)
    )
    if not (period > 0 and duration > 0):
        raise ValueError("period and duration in mask must be positive")
    return _Ephemeris(period, t0, duration)


def _days(value: Any, name: str) -> float:
    """Convert a number of days or a Quantity to a finite float."""
    try:
        days = float(value.to_value("d") if hasattr(value, "to_value") else value)
    except (TypeError, ValueError):  # astropy's UnitConversionError is both
        raise ValueError(f"{name} must be one number of days, not {value!r}") from None
    if not np.isfinite(days):
        raise ValueError(f"{name} must be finite, not {days}")
    return days
