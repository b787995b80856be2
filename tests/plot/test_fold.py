"""Bins of a folded light curve."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from armillary.plot.fold import binned


@given(st.integers(0, 1000), st.integers(1, 200), st.floats(0.05, 1.0))
def test_each_bin_is_the_weighted_mean_of_its_points(seed, n, width):
    rng = np.random.default_rng(seed)
    position, value = rng.uniform(-3, 3, n), rng.normal(size=n)
    error = rng.uniform(0.5, 2, n)
    bins = binned(position, value, error, width, 2.0)
    for centre, mean, mean_error in zip(*bins, strict=True):
        inside = np.rint(position / width) == np.rint(centre / width)
        np.testing.assert_allclose(mean, np.average(value[inside], weights=error[inside] ** -2))
        np.testing.assert_allclose(mean_error, np.sum(error[inside] ** -2) ** -0.5)
    assert np.all(np.diff(bins.centre) > 0)
    assert np.all(np.abs(bins.centre) + width / 2 <= 2.0 + 1e-9)
