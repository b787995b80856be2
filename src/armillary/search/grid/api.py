"""Which periods and durations a transit search tries.

Periods follow Ofir (2014), A&A 561, A138: steps in frequency such that, over the
whole span, neighbouring trial orbits drift apart by a fixed part of the transit
duration of a circular orbit around the star. Durations are a logarithmic lattice
that is the same for every search, cut to what the star allows at each period.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inputs import days
from .star import GM_SUN, R_SUN, SECONDS_PER_DAY, Star, star_or_sun

#: More periods than this are a mistake more often than a wish.
MAX_PERIODS = 5_000_000

#: Shortest and longest duration tried, in units of the central transit of a small
#: planet on a circular orbit. 0.4 is an impact parameter of 0.92; 1.6 leaves room
#: for large planets, slow parts of eccentric orbits and stars larger than assumed.
SHORTEST, LONGEST = 0.4, 1.6

#: The duration from which the logarithmic lattice counts (days).
LATTICE_ORIGIN = 1.0 / 24.0


def period_grid(
    span: Any,
    star: Star | None = None,
    *,
    min_period: Any = None,
    max_period: Any = None,
    min_transits: int = 2,
    frequency_oversample: float = 3.0,
) -> np.ndarray:
    """The trial periods of a transit search.

    Parameters
    ----------
    span : float or Quantity
        Time between the first and the last observation (days).
    star : Star, optional
        Default: the Sun.
    min_period : float or Quantity, optional
        Shortest period (days); None means an orbit at three stellar radii.
    max_period : float or Quantity, optional
        Longest period (days), at most ``span``; None means ``span / min_transits``.
    min_transits : int
        Transits that must fit into the span, where ``max_period`` is None.
    frequency_oversample : float
        Steps in which neighbouring orbits drift apart by one transit duration.

    Returns
    -------
    ndarray
        Periods (days), ascending.

    Raises
    ------
    ValueError
        If the span or a limit is not one positive number, ``max_period`` exceeds the
        span, the limits leave nothing, or the grid would hold more than five million
        periods.
    TypeError
        If ``star`` is no :class:`Star`.

    References
    ----------
    Ofir (2014), A&A 561, A138, equations 6 and 7.

    Examples
    --------
    >>> import armillary as arm
    >>> grid = arm.search.period_grid(20.0)
    >>> print(len(grid), grid[0].round(2), grid[-1].round(2))
    1715 0.6 10.0
    """
    star = star_or_sun(star)
    span = _positive("span", days("span", span))
    min_transits = _whole_number("min_transits", min_transits)
    _positive("frequency_oversample", frequency_oversample)
    low, high = _period_limits(span, star, min_period, max_period, min_transits)

    # Ofir's cubic spacing, with frequencies in 1/s.
    seconds = span * SECONDS_PER_DAY
    step = (
        (2.0 * np.pi) ** (2.0 / 3.0)
        / np.pi
        * (R_SUN * star.radius)
        / (GM_SUN * star.mass) ** (1.0 / 3.0)
        / (seconds * frequency_oversample)
    ) / 3.0
    root_low = (1.0 / (high * SECONDS_PER_DAY)) ** (1.0 / 3.0)
    root_high = (1.0 / (low * SECONDS_PER_DAY)) ** (1.0 / 3.0)
    count = int(np.ceil((root_high - root_low) / step)) + 1
    if count > MAX_PERIODS:
        raise ValueError(
            f"the grid would hold {count:,} periods from {low:.4g} to {high:.4g} d over "
            f"{span:.4g} d, more than {MAX_PERIODS:,}; raise min_period, lower max_period or "
            f"frequency_oversample, describe the star, or pass period="
        )
    frequency = (root_low + step * np.arange(count)) ** 3
    period = 1.0 / (frequency * SECONDS_PER_DAY)
    # The last step may pass the limit, and the first is the limit up to rounding.
    period[0] = high
    period[-1] = low
    return np.ascontiguousarray(period[::-1])


def _period_limits(
    span: float, star: Star, min_period: Any, max_period: Any, min_transits: int
) -> tuple[float, float]:
    if max_period is None:
        high = span / min_transits
    else:
        high = _positive("max_period", days("max_period", max_period))
        if high > span:
            raise ValueError(f"max_period = {high:.6g} d is beyond the time span of {span:.6g} d")
    if min_period is None:
        # Kepler's third law at a = 3 R.
        low = 2.0 * np.pi / np.sqrt(star.gravity_over_radius_cubed / 27.0) / SECONDS_PER_DAY
    else:
        low = _positive("min_period", days("min_period", min_period))
    if low >= high:
        raise ValueError(
            f"no period is left between min_period = {low:.6g} d and max_period = {high:.6g} d "
            f"(time span {span:.6g} d, min_transits {min_transits})"
        )
    return float(low), float(high)


def duration_grid(period: Any, star: Star | None = None, *, log_step: float = 1.1) -> np.ndarray:
    """The trial durations of a transit search.

    Parameters
    ----------
    period : float, array_like or Quantity
        One period or many (days).
    star : Star, optional
        Default: the Sun.
    log_step : float
        Ratio of neighbouring durations.

    Returns
    -------
    ndarray
        Every duration (days) that is tried at any of the periods, ascending: from
        0.4 to 1.6 times the central transit of a small planet on a circular orbit.

    Raises
    ------
    ValueError
        If there is no period, one is not positive and finite, or ``log_step`` is not
        above 1.
    TypeError
        If ``star`` is no :class:`Star`.

    Examples
    --------
    >>> import armillary as arm
    >>> hours = 24 * arm.search.duration_grid(10.0)
    >>> print(len(hours), hours[0].round(2), hours[-1].round(2))
    15 1.61 6.12
    """
    durations, _, _ = durations_by_period(np.atleast_1d(days("period", period)), star, log_step)
    return durations


def durations_by_period(
    period: np.ndarray, star: Star | None = None, log_step: float = 1.1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lattice of durations, and the run ``start:stop`` of it that each period tries.

    The lattice does not depend on the other periods, so that a period gives the
    same result alone as in any grid.
    """
    star = star_or_sun(star)
    if period.size == 0:
        raise ValueError("period must hold one or more numbers (days), not none")
    if not (np.isfinite(period).all() and (period > 0).all()):
        raise ValueError("period must be positive and finite")
    if not log_step > 1.0:
        raise ValueError(f"log_step must be above 1, not {log_step}")
    central = central_transit_duration(period, star)
    first = np.ceil(np.log(SHORTEST * central / LATTICE_ORIGIN) / np.log(log_step)).astype(int)
    last = np.floor(np.log(LONGEST * central / LATTICE_ORIGIN) / np.log(log_step)).astype(int)
    last = np.maximum(last, first)  # a coarse lattice may have no point in the range
    steps = np.arange(first.min(), last.max() + 1)
    durations = LATTICE_ORIGIN * log_step ** steps.astype(float)
    return durations, (first - steps[0]).astype(np.intp), (last - steps[0] + 1).astype(np.intp)


def central_transit_duration(period: np.ndarray, star: Star) -> np.ndarray:
    """Duration (days) of the central transit of a small planet on a circular orbit.

    ``P / pi * arcsin(R / a)``, Winn (2010), arXiv:1001.2010, equation 14 for b = 0, k -> 0.
    """
    seconds = period * SECONDS_PER_DAY
    axis_cubed = star.gravity_over_radius_cubed * seconds**2 / (4.0 * np.pi**2)
    return period / np.pi * np.arcsin(np.minimum(1.0, axis_cubed ** (-1.0 / 3.0)))


def _positive(name: str, value: Any) -> float:
    if np.ndim(value) != 0 or isinstance(value, str):
        raise ValueError(f"{name} must be one number, not {value!r:.60}")
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, not {value}")
    return float(value)


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{name} must be a whole number, not {value!r:.60}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return int(value)
