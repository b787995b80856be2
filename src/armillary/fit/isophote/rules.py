"""The options of a fit of isophotes, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

INTEGRATORS = ("bilinear", "mean", "median")
SAMPLINGS = ("polar_angle", "eccentric_anomaly")
ERRORS = ("correlated", "photutils")
#: Orders of harmonics that can be asked for: below are those that fit the ellipse.
LOWEST_ORDER, HIGHEST_ORDER, MOST_ORDERS = 3, 24, 12
#: More iterations, or passes of clipping, than anybody means.
MOST_ITERATIONS, MOST_CLIPS = 100_000, 1_000
#: A smaller step would make more ellipses than anybody means.
SMALLEST_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Rules:
    """How ellipses are sampled, fitted and measured; see :func:`armillary.fit.isophotes`.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    min_sma: float = 0.0
    max_sma: float | None = None
    step: float = 0.1
    linear: bool = False
    sigma_clip: float = 3.0
    n_clip: int = 0
    integrator: str = "bilinear"
    fix_center: bool = False
    fix_ellipticity: bool = False
    fix_position_angle: bool = False
    harmonics: tuple[int, ...] = (3, 4)
    sampling: str = "polar_angle"
    max_iterations: int = 50
    min_iterations: int = 10
    convergence: float = 0.05
    max_gradient_error: float = 0.5
    min_valid: float = 0.7
    errors: str = "correlated"

    def __post_init__(self) -> None:
        self._set("step", _number("step", self.step, least=SMALLEST_STEP))
        for name in ("sigma_clip", "convergence", "max_gradient_error"):
            self._set(name, _number(name, getattr(self, name), above=0.0))
        self._set("min_sma", _number("min_sma", self.min_sma, least=0.0))
        self._set("min_valid", _number("min_valid", self.min_valid, above=0.0, most=1.0))
        if self.max_sma is not None:
            self._set("max_sma", _number("max_sma", self.max_sma, above=self.min_sma))
        self._set("n_clip", _whole("n_clip", self.n_clip, 0, MOST_CLIPS))
        for name in ("max_iterations", "min_iterations"):
            self._set(name, _whole(name, getattr(self, name), 1, MOST_ITERATIONS))
        for name in ("linear", "fix_center", "fix_ellipticity", "fix_position_angle"):
            self._set(name, _flag(name, getattr(self, name)))
        _one_of("integrator", self.integrator, INTEGRATORS)
        _one_of("sampling", self.sampling, SAMPLINGS)
        _one_of("errors", self.errors, ERRORS)
        self._set("harmonics", _orders(self.harmonics))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def options(self) -> dict[str, tuple[Any, Any]]:
        """Each option with its default, as backends are called."""
        return {f.name: (getattr(self, f.name), f.default) for f in fields(self)}

    @property
    def free(self) -> np.ndarray:
        """Which of the amplitudes A1, B1, A2, B2 may correct their parameter."""
        centre = not self.fix_center
        return np.array([centre, centre, not self.fix_position_angle, not self.fix_ellipticity])

    def annulus(self, sma: float) -> float:
        """Width (pixels) of the ring that a semi-major axis stands for."""
        return self.step if self.linear else self.step * sma

    def next_sma(self, sma: float) -> float:
        """The semi-major axis of the next ellipse outwards."""
        return sma + self.annulus(sma)

    def previous_sma(self, sma: float) -> float:
        """The semi-major axis of the next ellipse inwards."""
        return sma - self.step if self.linear else sma / (1.0 + self.step)


#: The options that matter where ellipses are given: how they are sampled and measured.
FORCED_OPTIONS = (
    "step",
    "linear",
    "sigma_clip",
    "n_clip",
    "integrator",
    "harmonics",
    "sampling",
    "errors",
)


def _number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(number) and number > above and least <= number <= most):
        limits = [f"above {above:g}"] if above > -math.inf else []
        limits += [f"at least {least:g}"] if least > -math.inf else []
        limits += [f"at most {most:g}"] if most < math.inf else []
        raise ValueError(f"{name} must be {' and '.join(limits)}, not {number:g}")
    return number


def _whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if most is not None and int(value) > most:
        raise ValueError(f"{name} must be at most {most:,}, not {value!r}")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}")


def _orders(orders: Any) -> tuple[int, ...]:
    if isinstance(orders, str) or not hasattr(orders, "__iter__"):
        raise ValueError(f"harmonics must be a sequence of orders, not {orders!r}")
    found = tuple(_whole("harmonics", order, LOWEST_ORDER) for order in orders)
    if (
        len(set(found)) != len(found)
        or len(found) > MOST_ORDERS
        or max(found, default=0) > HIGHEST_ORDER
    ):
        raise ValueError(
            f"harmonics must be at most {MOST_ORDERS} different orders from {LOWEST_ORDER} to "
            f"{HIGHEST_ORDER}, not {found}"
        )
    return found
