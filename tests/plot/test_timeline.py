"""A time axis with its long gaps cut out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from armillary.plot.timeline import LONGEST_GAP, LONGEST_STEP, NARROWEST, stretches, widths

times = st.lists(st.integers(0, 10**6), min_size=1, max_size=60).map(lambda v: np.sort(v) / 64.0)


@given(times)
def test_every_point_is_in_exactly_one_stretch(time):
    inside = [(time >= first) & (time <= last) for first, last in stretches(time)]
    assert np.all(np.sum(inside, axis=0) == 1)


@given(times)
def test_no_gap_left_is_both_long_beside_the_rest_and_many_steps_long(time):
    gaps = np.diff(time)
    kept = [np.diff(time[(time >= first) & (time <= last)]) for first, last in stretches(time)]
    left = np.concatenate(kept)
    if len(left):
        longest = left.max()
        rest = LONGEST_GAP * (left.sum() - longest)
        assert longest <= max(rest * (1 + 1e-6), LONGEST_STEP * np.median(gaps))


def test_sectors_years_apart_are_stretches_and_the_gap_within_one_is_not():
    sector = np.concatenate([np.arange(0, 13, 0.1), np.arange(14.3, 27, 0.1)])
    time = np.concatenate([sector, sector + 27.5, sector + 700, sector + 1500])
    assert [first for first, _ in stretches(time)] == [0, 700, 1500]


def test_one_scale_but_none_too_narrow():
    assert widths([(0.0, 100.0), (900.0, 950.0)]) == [100, 50]
    assert widths([(0.0, 100.0), (900.0, 900.0)]) == [100, 100 * NARROWEST]
    assert widths([(3.0, 3.0)]) == [1.0]
