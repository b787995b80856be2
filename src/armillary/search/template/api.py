"""The front doors of template scores: of many candidates, along t0, and point by point."""

from __future__ import annotations

from typing import Any

import numpy as np

from .attribution import Attribution
from .candidates import read_candidate, read_candidates
from .reference import DEFAULT_SHARPNESS
from .result import TemplateScores
from .scan import T0Scan
from .scanning import DEFAULT_SCAN, highest, scores_along, t0_grid
from .scoring import scoring


def template_score(
    time: Any,
    flux: Any = None,
    flux_err: Any = None,
    *,
    period: Any,
    t0: Any,
    duration: Any,
    sharpness: float = DEFAULT_SHARPNESS,
    gradient: bool = False,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> TemplateScores:
    """Score transit candidates by fitting a smooth template to a light curve.

    The template is 1 in transit and 0 outside, with edges that a sigmoid rounds off; level
    and depth are fitted by least squares with weights ``1 / flux_err**2``. The score is the
    depth over its error, so that its square is the improvement in chi2 over a constant flux.
    It is smooth in period, t0 and duration, and has a gradient.

    Periods that are compared need a t0 of their own each: with one t0 for all, a period that
    is right may score nothing because its transits fall beside those of the template. Scan
    each of them (:func:`scan_t0`), or take t0 from :func:`bls`.

    Parameters
    ----------
    time : array_like, shape (n,), or light curve
        As in :func:`bls`: plain numbers are days, and points that are masked, NaN or
        infinite are dropped and counted.
    flux : array_like, shape (n,)
        Flux in any unit.
    flux_err : array_like, shape (n,), or float, optional
        One-sigma error in the unit of the flux; None means one error for all, from the
        scatter.
    period : float or array_like, shape (m,)
        Periods (days).
    t0 : float or array_like, shape (m,)
        A mid-transit (days) in the time system of the light curve; any will do, also one
        outside the light curve.
    duration : float or array_like, shape (m,)
        Durations (days), shorter than the period. Of the three, one number goes with all
        candidates.
    sharpness : float
        How steep the edges are: in and out of transit are told apart within about
        ``4.4 duration / sharpness``.
    gradient : bool
        Also give the derivatives of the score by period, t0 and duration.
    backend : str, optional
        What computes; None means the usual choice.
    cache : store, str, or False, optional
        Where results are kept; None means the usual choice, False none.
    threads : int, optional
        Threads; None means every processor.
    progress : callable or True, optional
        Called with (candidates done, candidates in all); True shows a bar in a terminal.

    Returns
    -------
    TemplateScores
        One entry per candidate, in their order. One with next to no weight in transit, or
        out of it, has NaN.

    Raises
    ------
    ValueError
        As :func:`bls` for the light curve; if period, t0 or duration is not finite, their
        lengths differ, a period or duration is not positive, or a duration is not shorter
        than its period; if ``sharpness`` is not positive and finite.
    TypeError
        If ``progress``, ``backend`` or ``cache`` is of a wrong type; if no installed backend
        takes this kind of device array.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> rng = np.random.default_rng(1)
    >>> time = 2457000 + np.arange(0, 27, 1 / 72)
    >>> flux = 1 + 5e-4 * rng.standard_normal(len(time))
    >>> flux[np.abs((time - 2457001.3 + 1.7) % 3.4 - 1.7) < 0.06] -= 2e-3
    >>> scores = arm.search.template_score(
    ...     time, flux, period=[3.3, 3.4, 3.5], t0=2457001.3, duration=0.12)
    >>> scores.best.period
    3.4
    """
    asked = scoring(time, flux, flux_err, sharpness, backend, cache, threads, progress)
    candidates = read_candidates(period, t0, duration)
    arrays, provenance = asked.scores(candidates, gradient=bool(gradient))
    return TemplateScores(
        period=candidates.period,
        t0=candidates.t0,
        duration=candidates.duration,
        score=arrays["score"],
        depth=arrays["depth"],
        depth_err=arrays["depth_err"],
        level=arrays["level"],
        gradient=arrays.get("gradient"),
        sharpness=asked.sharpness,
        light_curve=asked.light_curve,
        provenance=provenance,
    )


def scan_t0(
    time: Any,
    flux: Any = None,
    flux_err: Any = None,
    *,
    period: float,
    t0: float,
    duration: float,
    n: int = DEFAULT_SCAN,
    half_span: Any = None,
    sharpness: float = DEFAULT_SHARPNESS,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> T0Scan:
    """Scan the mid-transit of a candidate around where it is thought to be.

    The highest score of an even grid is refined by the parabola through it and its two
    neighbours, if that raises the score. One at an end of the grid is not: the score may rise on
    beyond it, and ``at_end`` of the result says so.

    Parameters
    ----------
    time, flux, flux_err : array_like, or light curve
        As in :func:`template_score`.
    period, t0, duration : float
        The candidate, as in :func:`template_score`.
    n : int
        Points of the grid, ``t0`` in the middle: an odd number of at least 21.
    half_span : float, optional
        How far (days) the grid goes to either side; None means half the duration, but
        between 10 minutes and 120 minutes.
    sharpness, backend, cache, threads, progress
        As in :func:`template_score`.

    Returns
    -------
    T0Scan

    Raises
    ------
    ValueError
        As :func:`template_score`; if there are several candidates, ``n`` is even, too small
        or no whole number, or ``half_span`` is not positive and finite; if no t0 of the grid
        has points in and out of transit.
    TypeError, BackendUnavailable
        As :func:`template_score`.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> rng = np.random.default_rng(1)
    >>> time = 2457000 + np.arange(0, 27, 1 / 72)
    >>> flux = 1 + 5e-4 * rng.standard_normal(len(time))
    >>> flux[np.abs((time - 2457001.3 + 1.7) % 3.4 - 1.7) < 0.06] -= 2e-3
    >>> scan = arm.search.scan_t0(time, flux, period=3.4, t0=2457001.25, duration=0.12)
    >>> round(scan.best_t0, 2), scan.gain > 0
    (2457001.3, True)
    """
    asked = scoring(time, flux, flux_err, sharpness, backend, cache, threads, progress)
    candidate = read_candidate(period, t0, duration)
    grid = t0_grid(candidate, n, half_span)
    score, provenance = scores_along(asked, candidate, grid)
    best_t0, best_score = highest(asked, candidate, grid, score)
    return T0Scan(
        t0=grid,
        score=score,
        best_t0=best_t0,
        best_score=best_score,
        period=float(candidate.period[0]),
        duration=float(candidate.duration[0]),
        sharpness=asked.sharpness,
        light_curve=asked.light_curve,
        provenance=provenance,
    )


def attribute(
    time: Any,
    flux: Any = None,
    flux_err: Any = None,
    *,
    period: float,
    t0: float,
    duration: float,
    sharpness: float = DEFAULT_SHARPNESS,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Attribution:
    """Attribute the score of a candidate to the points that it comes from.

    Integrated gradients along the way from a constant flux to the light curve: what every
    point contributes, so that the contributions add up to the score. A planet that transits
    ten times has its score from ten transits; an outlier has it from one.

    Parameters
    ----------
    time, flux, flux_err : array_like, or light curve
        As in :func:`template_score`.
    period, t0, duration : float
        The candidate, as in :func:`template_score`.
    sharpness, backend, cache, threads, progress
        As in :func:`template_score`.

    Returns
    -------
    Attribution

    Raises
    ------
    ValueError
        As :func:`template_score`; if there are several candidates; if the candidate has next
        to no weight in transit, or out of it.
    TypeError, BackendUnavailable
        As :func:`template_score`.

    References
    ----------
    Sundararajan, Taly & Yan (2017), PMLR 70, 3319.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> rng = np.random.default_rng(1)
    >>> time = 2457000 + np.arange(0, 27, 1 / 72)
    >>> flux = 1 + 5e-4 * rng.standard_normal(len(time))
    >>> flux[np.abs((time - 2457001.3 + 1.7) % 3.4 - 1.7) < 0.06] -= 2e-3
    >>> found = arm.search.attribute(time, flux, period=3.4, t0=2457001.3, duration=0.12)
    >>> bool(np.isclose(found.contribution.sum(), found.score))
    True
    """
    asked = scoring(time, flux, flux_err, sharpness, backend, cache, threads, progress)
    candidate = read_candidate(period, t0, duration)
    arrays, provenance = asked.scores(candidate, attribution=True)
    if np.isnan(float(arrays["score"][0])):
        raise ValueError(
            f"period {candidate.period[0]:.6g} d, t0 {candidate.t0[0]:.6f} and duration "
            f"{candidate.duration[0]:.3g} d leave next to no weight in transit, or out of it; "
            f"there is no score to attribute"
        )
    return Attribution(
        contribution=arrays["attribution"][0],
        **{name: float(getattr(candidate, name)[0]) for name in ("period", "t0", "duration")},
        **{name: float(arrays[name][0]) for name in ("score", "depth", "depth_err", "level")},
        sharpness=asked.sharpness,
        light_curve=asked.light_curve,
        provenance=provenance,
    )
