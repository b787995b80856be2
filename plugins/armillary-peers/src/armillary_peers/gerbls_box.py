"""``search.bls`` by the fast-folding algorithm of GERBLS.

Fast folding dictates its trial periods: with bins of width w they are those at which the
last transit of the light curve drifts by one bin from each to the next. For every period
asked for, the result of the nearest of these is given. With ten bins in the shortest duration
the two drift apart by at most a twentieth of a duration over the whole light curve.

The trial periods are made to depend on the durations, ``oversample`` and the time span
alone: the period axis is cut at fixed numbers of bins, and each piece in which a period
was asked for is searched whole. One period costs as much as all of its piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gerbls
import numpy as np

from .box_results import NAMES, results, runs_of_durations

#: Ratio of the ends of a piece of the period axis: short enough that a single period is cheap,
#: long enough that resampling the light curve for each piece costs little.
PIECE = 1.1

#: Most samples of the evenly resampled light curve, about 90 bytes each.
MAX_SAMPLES = 10_000_000

#: Most bins in a folded light curve: GERBLS keeps four such rows on the stack.
MAX_BINS = 100_000


@dataclass(frozen=True, slots=True)
class _Points:
    """The light curve as GERBLS can take it: relative to a level of one.

    GERBLS divides by the mean flux, so a flux that is itself a residual would not do.
    """

    data: gerbls.pyDataContainer
    span: float
    mean: float
    unit: float


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """What GERBLS found at its trial periods, by rising period."""

    period: np.ndarray
    delta_chi2: np.ndarray
    relative_depth: np.ndarray
    level: np.ndarray
    begin: np.ndarray
    width: np.ndarray


def bls(
    time: np.ndarray,
    flux: np.ndarray,
    flux_err: np.ndarray,
    period: np.ndarray,
    duration: np.ndarray,
    duration_start: np.ndarray,
    duration_stop: np.ndarray,
    oversample: int = 10,
) -> dict[str, np.ndarray]:
    """Best box at the trial period of GERBLS nearest to each period, on one thread.

    A period whose best box is a brightening counts as one without a dimming.

    Raises
    ------
    ValueError
        If the light curve, resampled at ``shortest duration / oversample``, or the
        folded one would be too large for GERBLS.
    """
    points = _points(time, flux, flux_err)
    found = {name: np.empty(len(period)) for name in NAMES}
    for run, chosen in runs_of_durations(duration_start, duration_stop):
        tested = duration[run]
        sample = tested[0] / oversample
        _require_size(points.span, period[chosen].max(), tested[-1], sample)
        for first, stop, piece in _pieces(period[chosen] / sample):
            index = chosen[piece]
            spectrum = _fast_fold(points, first, stop, tested, sample)
            part = _at(period[index], spectrum, points, tested, sample)
            for name in NAMES:
                found[name][index] = part[name]
    return found


def _points(time: np.ndarray, flux: np.ndarray, flux_err: np.ndarray) -> _Points:
    mean = float(np.average(flux, weights=flux_err**-2.0))
    residual = flux - mean
    # Residuals of at most a hundredth keep the level, by which GERBLS divides, near one.
    unit = 100.0 * float(max(np.abs(residual).max(), np.median(flux_err)))
    data = gerbls.pyDataContainer()
    data.store(time.copy(), 1.0 + residual / unit, flux_err / unit)
    return _Points(data, float(time[-1]), mean, unit)


def _require_size(span: float, period: float, duration: float, sample: float) -> None:
    samples, bins = (span + PIECE * period) / sample, (PIECE * period + duration) / sample
    for what, size, limit in (
        ("the light curve", samples, MAX_SAMPLES),
        ("the folded light curve", bins, MAX_BINS),
    ):
        if size > limit:
            raise ValueError(
                f"gerbls would resample {what} at {sample:.3g} d, shortest duration / oversample, "
                f"into {size:,.0f} samples, more than {limit:,}; raise the shortest duration, "
                f"lower oversample or the longest period, or use another backend"
            )


def _pieces(bins: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """First and last whole number of bins of each piece, and which periods lie in it."""
    piece = np.floor(np.log(bins) / np.log(PIECE)).astype(int)
    for k in np.unique(piece):
        yield int(PIECE**k), int(np.ceil(PIECE ** (k + 1))), np.flatnonzero(piece == k)


def _fast_fold(
    points: _Points, first: int, stop: int, tested: np.ndarray, sample: float
) -> _Spectrum:
    model = gerbls.pyFastBLS()
    # Half a bin more at either end, against rounding of the conversion to whole bins and back.
    model.setup(
        points.data,
        (first + 0.5) * sample,
        (stop + 0.5) * sample,
        t_samp=sample,
        verbose=False,
        duration_mode="constant",
        durations=tested.tolist(),
    )
    model.run_double(verbose=False)
    found = gerbls.pyBLSAnalyzer(model)
    # The arrays look into the memory of the model, which is gone when this returns.
    order = np.argsort(found.P, kind="stable")
    level = found.mag0[order]
    return _Spectrum(
        period=found.P[order],
        delta_chi2=found.dchi2[order],
        # GERBLS multiplies the depth by the level outside instead of by the mean.
        relative_depth=found.dmag[order] / level,
        level=level,
        begin=found.t0[order],
        width=found.dur[order],
    )


def _at(
    period: np.ndarray, spectrum: _Spectrum, points: _Points, tested: np.ndarray, sample: float
) -> dict[str, np.ndarray]:
    """The results of the nearest trial periods, with the transits of mid-span in place."""
    nearest = _nearest(1.0 / spectrum.period, 1.0 / period)
    trial = spectrum.period[nearest]
    middle = spectrum.begin[nearest] + 0.5 * spectrum.width[nearest]
    cycle = np.rint((0.5 * points.span - middle) / trial)
    depth = points.unit * spectrum.relative_depth[nearest]
    delta_chi2 = spectrum.delta_chi2[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth_err = depth / np.sqrt(delta_chi2)
    widths = np.rint(spectrum.width[nearest] / sample)
    # A box as wide as the folded light curve has nothing outside; its values are rounding.
    depth = np.where(widths < np.floor(trial / sample), depth, np.nan)
    return results(
        period,
        depth,
        depth_err,
        middle + cycle * (trial - period),
        _tested(widths, tested, sample),
        points.mean + points.unit * (spectrum.level[nearest] - 1.0),
    )


def _nearest(falling: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the nearest entry of a falling array."""
    after = np.clip(np.searchsorted(-falling, -wanted), 1, len(falling) - 1)
    closer_before = falling[after - 1] - wanted <= wanted - falling[after]
    return np.where(closer_before, after - 1, after)


def _tested(widths: np.ndarray, tested: np.ndarray, sample: float) -> np.ndarray:
    """The tested durations that were rounded to these numbers of bins."""
    # C's round(), which takes halves away from zero; of equal widths the first is kept.
    rounded, first = np.unique(np.floor(tested / sample + 0.5), return_index=True)
    which = np.searchsorted(rounded, widths)
    return tested[first[np.minimum(which, len(first) - 1)]]
