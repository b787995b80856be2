"""Box least squares by np.bincount: fold into bins, try every run of bins."""

import numpy as np

RESULTS = ("delta_chi2", "depth", "depth_err", "t0", "duration", "level")


def bls(time, flux, flux_err, period, duration, duration_start, duration_stop, oversample=10):
    weight = flux_err**-2.0
    total = weight.sum()
    mean = np.average(flux, weights=weight)
    signal = weight * (flux - mean)
    found = {name: np.full(len(period), np.nan) for name in RESULTS}
    for i, p in enumerate(period):
        tried = duration[duration_start[i] : duration_stop[i]]
        n_bins = int(np.ceil(p * oversample / tried[0]))
        width = p / n_bins
        bins = np.minimum(np.mod(time, p) // width, n_bins - 1).astype(int)
        # Twice around, so that a box across phase zero is a run of bins, too.
        weight_before, signal_before = (
            np.append(0.0, np.cumsum(np.tile(np.bincount(bins, values, n_bins), 2)))
            for values in (weight, signal)
        )
        best = (0.0, np.nan, np.nan, np.nan, np.nan, np.nan)
        for d in tried:
            n = min(int(d / width + 0.5), n_bins)
            weight_in = weight_before[n : n + n_bins] - weight_before[:n_bins]
            signal_in = signal_before[n : n + n_bins] - signal_before[:n_bins]
            weight_out = total - weight_in
            usable = (signal_in < 0) & (np.minimum(weight_in, weight_out) > 1e-9 * total)
            with np.errstate(divide="ignore", invalid="ignore"):
                variance = 1.0 / weight_in + 1.0 / weight_out
                gain = np.where(usable, signal_in**2 * variance, 0.0)
            b = int(np.argmax(gain))
            if gain[b] > best[0]:
                depth = -signal_in[b] * variance[b]
                t0 = np.mod((b + 0.5 * n) * width, p)
                level = mean - signal_in[b] / weight_out[b]
                best = (gain[b], depth, np.sqrt(variance[b]), t0, d, level)
        for name, value in zip(RESULTS, best, strict=True):
            found[name][i] = value
    return found
