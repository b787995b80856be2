"""Statistics of pairs say the same however the pairs come in."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.crossmatch import statistics
from armillary.crossmatch.statistics import PairStatistics


def polar(separation, angle):
    """Separations with offsets of that length."""
    return separation, separation * np.sin(angle), separation * np.cos(angle)


def pairs(n, largest, seed=3):
    """Pairs all over a disc."""
    random = np.random.default_rng(seed)
    return polar(largest * np.sqrt(random.random(n)), 2 * np.pi * random.random(n))


def counted(largest, *blocks):
    found = PairStatistics(largest)
    for block in blocks:
        found.add(*block)
    return found


# ------------------------------------------------------------------ histograms


@pytest.mark.parametrize("largest", [1e-5, 0.7, 2.0, 3600.0, 648_000.0])
def test_the_histograms_are_those_of_numpy(largest):
    separation, east, north = pairs(20_000, largest)
    found = counted(largest, (separation, east, north))
    np.testing.assert_array_equal(
        found.separation_counts, np.histogram(separation, found.separation_edges)[0]
    )
    edges = found.offset_edges
    np.testing.assert_array_equal(
        found.offset_counts, np.histogram2d(north, east, [edges, edges])[0]
    )
    assert (len(found.separation_counts), found.offset_counts.shape) == (200, (101, 101))
    assert (found.separation_edges[0], found.separation_edges[-1]) == (0.0, largest)
    assert (edges[0], edges[-1]) == (-largest, largest)


def test_north_is_up_and_east_has_the_higher_column():
    north_east = counted(1.0, ([0.5], [0.4], [0.3])).offset_counts
    ((row, column),) = np.argwhere(north_east)
    assert (row, column) == (int(1.3 / 2 * 101), int(1.4 / 2 * 101))


def test_a_pair_at_the_radius_and_one_at_the_same_place_are_counted():
    found = counted(2.0, ([0.0, 2.0, 2.0], [0.0, 2.0, 0.0], [0.0, 0.0, -2.0]))
    assert found.n_pairs == 3
    assert (found.separation_counts[0], found.separation_counts[-1]) == (1, 2)
    assert found.offset_counts[50, 50] == found.offset_counts[50, 100] == 1
    assert found.offset_counts[0, 50] == 1


@given(
    st.lists(st.floats(0.0, 3.0), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.floats(0.0, 6.0),
)
def test_blocks_of_any_size_say_the_same(separations, cuts, angle):
    columns = polar(np.array(separations), angle + np.arange(len(separations)))
    parts = zip(*(np.split(column, sorted(cuts)) for column in columns), strict=True)
    whole, parted = counted(3.0, columns), counted(3.0, *parts)
    assert whole.n_pairs == parted.n_pairs == len(separations)
    assert whole.separation_counts.sum() == whole.offset_counts.sum() == len(separations)
    np.testing.assert_array_equal(whole.separation_counts, parted.separation_counts)
    np.testing.assert_array_equal(whole.offset_counts, parted.offset_counts)
    assert (whole.median, whole.median_offset) == (parted.median, parted.median_offset)


def test_a_long_block_is_counted_in_pieces(monkeypatch):
    columns = pairs(1_000, 1.0)
    whole = counted(1.0, columns)
    monkeypatch.setattr(statistics, "BLOCK_PAIRS", 7)
    assert repr(counted(1.0, columns)) == repr(whole)
    assert counted(1.0, columns).n_pairs == 1_000


# ------------------------------------------------------------------ medians


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60))
def test_the_median_is_that_of_numpy_to_a_bin(separations):
    separation, east, north = polar(np.array(separations), np.arange(len(separations)))
    found = counted(5.0, (separation, east, north))
    bin_width = 5.0 / 10_000 * (1 + 1e-9)
    assert abs(found.median - np.median(separation)) <= bin_width
    for known, values in zip(found.median_offset, (east, north), strict=True):
        assert abs(known - np.median(values)) <= 2 * bin_width


def test_without_pairs_there_is_no_median():
    found = counted(1.0, ([], [], []))
    assert found.median is None
    assert found.median_offset is None
    assert found.n_pairs == found.separation_counts.sum() == found.offset_counts.sum() == 0
    assert repr(found) == "PairStatistics of 0 pairs"


def test_no_offset_is_no_offset():
    found = counted(1.0, ([0.0] * 5, [0.0] * 5, [0.0] * 5))
    assert found.median_offset == (0.0, 0.0)


# ------------------------------------------------------------------ limits


def test_memory_does_not_grow_with_pairs():
    found = counted(1.0, *[pairs(5_000, 1.0, seed) for seed in range(4)])
    arrays = [value for value in vars(found).values() if isinstance(value, np.ndarray)]
    assert sum(map(sys.getsizeof, arrays)) < 1_000_000


@pytest.mark.parametrize(("largest", "used"), [(0.0, 1e-6), (np.inf, 648_000.0), (2, 2.0)])
def test_the_range_is_never_empty_or_endless(largest, used):
    found = counted(largest, ([0.0], [0.0], [0.0]))
    assert found.largest == used
    assert found.separation_counts[0] == 1


def test_rounding_past_the_radius_is_forgiven():
    past = np.nextafter(2.0, 3.0)
    assert counted(2.0, ([past], [past], [0.0])).separation_counts[-1] == 1


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (([0.1, 2.1], [0, 0], [0, 0]), "separation must be within 0 to 2 arcsec, not from 0.1 to"),
        (([-0.1], [0], [0]), "separation must be within 0 to 2 arcsec"),
        (([np.nan], [0], [0]), "separation must be within 0 to 2 arcsec, not from nan"),
        (([1.0], [np.nan], [0]), "east must be within -2 to 2 arcsec"),
        (([1.0], [0], [-2.5]), "north must be within -2 to 2 arcsec"),
        (([1.0, 1.0], [0, 0], [0]), r"of one length, not of shapes \(2,\), \(2,\), \(1,\)"),
    ],
)
def test_a_wrong_block_is_refused_whole(columns, sentence):
    found = PairStatistics(2.0)
    with pytest.raises(ValueError, match=sentence):
        found.add(*columns)
    assert found.n_pairs == found.offset_counts.sum() == 0


@pytest.mark.parametrize("largest", [-1.0, np.nan])
def test_a_range_below_zero_is_refused(largest):
    with pytest.raises(ValueError, match="largest must not be negative or NaN"):
        PairStatistics(largest)


def test_a_median_is_told_no_finer_than_it_is_known():
    pairs = PairStatistics(2.0)
    assert pairs.describe_median() == ""
    pairs.add(np.zeros(5), np.zeros(5), np.zeros(5))
    assert pairs.describe_median() == "below 0.0002"
    pairs.add(np.full(6, 1.25), np.zeros(6), np.zeros(6))
    assert float(pairs.describe_median()) == pytest.approx(1.25, abs=2.0 / 10_000)
