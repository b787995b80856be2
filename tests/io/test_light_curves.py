"""Many light curves in a few long arrays: what goes in comes out."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.io import LightCurve, LightCurves
from armillary.io.light_curve import META_KEYS

from ..fake_device import land

COLUMNS = ("time", "flux", "flux_err", "segment")


def some(*lengths, errors=True):
    rng = np.random.default_rng(sum(lengths))
    return [
        LightCurve(
            rng.uniform(0, 30, n),
            rng.normal(1, 0.1, n),
            rng.uniform(0.1, 1, n) if errors else None,
            rng.integers(0, 3, n),
            {"target": f"star {i}", "sector": i, "mission": "TESS"},
        )
        for i, n in enumerate(lengths)
    ]


def require_same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert one.meta == other.meta


# ------------------------------------------------------------------ in and out


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=6))
def test_light_curves_come_out_as_they_went_in(shapes):
    given = [some(n, errors=errors and n > 0)[0] for n, errors in shapes]
    both = LightCurves.from_light_curves(given)
    require_same(both, given)
    require_same([both[i - len(given)] for i in range(len(given))], given)
    assert both.offsets.tolist() == np.cumsum([0, *(n for n, _ in shapes)]).tolist()
    for name in COLUMNS:
        column = getattr(both, name)
        assert column is None or column.shape == (both.offsets[-1],)


def test_the_arrays_are_long_read_only_and_ours():
    time = np.array([1.0, 2.0, 1.0, 3.0, 2.0])
    both = LightCurves(time, np.ones(5), np.ones(5), offsets=[0, 2, 5])
    time[0] = 99.0
    assert both.time.tolist() == [1.0, 2.0, 1.0, 2.0, 3.0]
    for name in (*COLUMNS, "offsets"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(both, name)[0] = 7
    with pytest.raises(AttributeError):
        both.time = time
    assert (both.time.dtype, both.segment.dtype, both.offsets.dtype) == (float, int, int)


def test_points_are_sorted_within_each_and_stay_together():
    both = LightCurves([2.0, 1.0, 9.0, 8.0], [20, 10, 90, 80], [2, 1, 9, 8], offsets=[0, 2, 4])
    assert both.flux.tolist() == [10, 20, 80, 90]
    assert both.flux_err.tolist() == [1, 2, 8, 9]


def test_without_offsets_it_is_one():
    (one,) = LightCurves([1.0, 2.0], [0.9, 1.1])
    assert one.flux.tolist() == [0.9, 1.1]


def test_one_without_errors_beside_one_with_them():
    with_errors, without = some(3)[0], some(4, errors=False)[0]
    both = LightCurves.from_light_curves([without, with_errors])
    assert np.isnan(both.flux_err).tolist() == 4 * [True] + 3 * [False]
    assert both[0].flux_err is None
    np.testing.assert_array_equal(both[1].flux_err, with_errors.flux_err)
    assert LightCurves.from_light_curves([without, without]).flux_err is None


def test_a_slice_is_fewer_of_them():
    curves = some(3, 1, 4, 1, 5)
    both = LightCurves.from_light_curves(curves)
    for chosen in (slice(1, 4), slice(None, None, -2), slice(7, 9)):
        assert isinstance(both[chosen], LightCurves)
        require_same(both[chosen], curves[chosen])


@pytest.mark.parametrize("index", [2, -3])
def test_an_index_beyond_the_last_is_an_error(index):
    with pytest.raises(IndexError, match=f"there is no number {index} among 2 light curves"):
        LightCurves.from_light_curves(some(3, 4))[index]


def test_the_meta_of_each_is_kept_and_cannot_be_changed():
    both = LightCurves([1.0, 2.0], [1.0, 1.0], offsets=[0, 1, 2], meta=[{"target": "a"}, {}])
    assert [one.meta["target"] for one in both] == ["a", None]
    assert set(META_KEYS) <= set(both.meta[1])
    with pytest.raises(TypeError):
        both.meta[0]["target"] = "b"


def test_it_says_how_much_it_holds():
    assert (
        repr(LightCurves.from_light_curves(some(3, 1))) == "<LightCurves: 2 light curves, 4 points>"
    )
    assert repr(LightCurves([], [])) == "<LightCurves: 1 light curve, 0 points>"
    assert repr(LightCurves.from_light_curves([])) == "<LightCurves: 0 light curves, 0 points>"


# ------------------------------------------------------------------ kept


@pytest.mark.parametrize("errors", [True, False])
def test_it_survives_pickling_and_a_file(tmp_path, errors):
    both = LightCurves.from_light_curves(some(3, 0, 4, errors=errors))
    both.save(tmp_path / "stars.npz")
    for again in (pickle.loads(pickle.dumps(both)), LightCurves.load(tmp_path / "stars.npz")):
        require_same(again, both)
        assert not again.time.flags.writeable


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", time=np.ones(3))
    with pytest.raises(ValueError, match="holds no light curves written by armillary"):
        LightCurves.load(tmp_path / "other.npz")


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offsets": [0, 2, 4]}, "offsets must rise from 0 to the number of points, 5"),
        ({"offsets": [1, 5]}, "offsets must rise from 0"),
        ({"offsets": [0, 4, 2, 5]}, "step of -2"),
        ({"offsets": []}, "offsets must be one or more whole numbers"),
        ({"offsets": [0.0, 5.0]}, "offsets must be one or more whole numbers"),
        ({"offsets": 5}, "offsets must be one or more whole numbers"),
        ({"offsets": [[0], [5, 3]]}, "offsets must be one or more whole numbers"),
        ({"offsets": np.ma.masked_array([0, 2, 5], [0, 1, 0])}, "offsets must not be masked"),
        ({"flux": np.ones(4)}, r"flux must be .* as long as time \(5\), not of shape \(4,\)"),
        ({"flux_err": np.ones((5, 1))}, r"flux_err must be .* shape \(5, 1\)"),
        ({"time": np.ones((5, 2))}, "time must be one-dimensional"),
        ({"segment": [0, 1]}, "segment must be"),
        ({"meta": [{}]}, "meta must have an entry for each of 2 light curves, not 1"),
        ({"flux": [1, 1, 1, np.nan, 1]}, "light curve 1: flux must be finite"),
        ({"flux_err": [1, 1, 1, 0, 1]}, "light curve 1: flux_err must be positive"),
        ({"flux_err": [1, np.nan, 1, 1, 1]}, "light curve 0: flux_err must be finite"),
        ({"time": np.arange(5.0) * u.hour}, "light curve 0: time has a unit"),
        ({"segment": np.ones(5)}, "light curve 0: segment must be integers"),
        ({"flux_err": 5 * ["big"]}, "light curve 0: flux_err must be an array of numbers"),
        ({"flux_err": np.ma.masked_invalid(5 * [np.nan])}, "light curve 0: flux_err .* masked"),
    ],
)
def test_what_is_wrong_is_a_sentence(change, words):
    good = {"time": np.arange(5.0), "flux": np.ones(5), "offsets": [0, 2, 5]}
    with pytest.raises(ValueError, match=words):
        LightCurves(**(good | change))


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("masked", [np.ma.masked_array, Masked], ids=["numpy", "astropy"])
def test_masked_values_are_no_data(masked, name):
    columns = {column: np.arange(1, 6) for column in COLUMNS} | {"offsets": [0, 2, 5]}
    columns[name] = masked(columns[name], [False, False, False, True, False])
    with pytest.raises(ValueError, match=f"light curve 1: {name} must not be masked"):
        LightCurves(**columns)


@pytest.mark.parametrize("name", [*COLUMNS, "offsets"])
def test_an_array_on_a_device_is_refused(monkeypatch, name):
    moon = land(monkeypatch)
    columns = {"time": [1.0, 2.0], "flux": [1.0, 1.0]} | {name: moon.asarray([0, 2])}
    with pytest.raises(TypeError, match=f"{name} must be on the host, not a moon array"):
        LightCurves(**columns)
    assert moon.fetched == []


@pytest.mark.parametrize("meta", [None, (), [None, None], [{}, None]])
def test_nothing_may_be_known_of_all_or_of_some(meta):
    both = LightCurves([1.0, 2.0], [1.0, 1.0], offsets=[0, 1, 2], meta=meta)
    assert [one.meta["target"] for one in both] == [None, None]


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"target": "a"}, "meta must be a sequence of mappings, not dict"),
        (5, "meta must be a sequence of mappings, not int"),
        ([{}, "b"], "light curve 1: meta must be a mapping, or None, not str"),
    ],
)
def test_meta_is_a_mapping_for_each(meta, sentence):
    with pytest.raises(TypeError, match=sentence):
        LightCurves([1.0, 2.0], [1.0, 1.0], offsets=[0, 1, 2], meta=meta)


def test_only_light_curves_are_put_together():
    with pytest.raises(TypeError, match="light curve 1 is ndarray, not LightCurve"):
        LightCurves.from_light_curves([some(2)[0], np.ones(3)])
