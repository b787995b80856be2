"""A light curve is finite, sorted and never changed."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st

from armillary.io import LightCurve, read_light_curve

from ..fake_device import land

numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


def test_importing_io_imports_no_other_library():
    heavy = "{'astropy', 'pyarrow', 'pandas', 'scipy', 'matplotlib', 'wotan'}"
    code = f"import sys, armillary.io; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr


class TestConstruction:
    def test_arrays_are_copies_in_native_order_that_nobody_can_write(self):
        given_time = np.array([1.0, 2.0, 3.0], dtype=">f8")
        lc = LightCurve(given_time, np.ones(6)[::2], np.ones(3, "f4"), segment=[0, 0, 1])
        given_time[:] = 7
        assert lc.time.tolist() == [1, 2, 3]
        for array in (lc.time, lc.flux, lc.flux_err, lc.segment):
            assert array.dtype.isnative and array.flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 5
        assert (lc.time.dtype, lc.segment.dtype) == (np.float64, np.int64)

    def test_unsorted_times_are_sorted_stably_and_the_rest_follows(self):
        lc = LightCurve([2, 1, 2, 0], [1, 2, 3, 4], [1, 2, 3, 4], segment=[1, 2, 3, 4])
        assert lc.time.tolist() == [0, 1, 2, 2]
        assert lc.flux.tolist() == lc.flux_err.tolist() == [4, 2, 1, 3]
        assert lc.segment.tolist() == [4, 2, 1, 3]

    def test_fields_and_meta_are_read_only_and_meta_has_every_standard_key(self):
        lc = LightCurve([1], [1], meta={"target": "x", "nested": {"a": [1]}})
        with pytest.raises(AttributeError):
            lc.flux = None
        with pytest.raises(TypeError):
            lc.meta["target"] = "y"
        with pytest.raises(TypeError):
            lc.meta["nested"]["a"] = 2
        assert lc.meta["time_system"] is None and lc.meta["n_read"] == 1

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (([1, 2], [1]), "flux has 1 values, but time has 2"),
            (([1, 2], [1, 2], [1]), "flux_err has 1"),
            (([1, 2], [1, 2], None, [1]), "segment has 1"),
            (([[1, 2]], [1, 2]), "time must be one-dimensional"),
            (([1, 2], 1.0), "flux must be one-dimensional"),
            (([1, 2], ["a", "b"]), "flux must be an array of numbers"),
            (([1, np.nan], [1, 2]), "time must be finite"),
            (([1, 2], [1, np.inf]), "flux must be finite"),
            (([1, 2], [1, 2], [1, 0]), "flux_err must be positive"),
            (([1, 2], [1, 2], None, [0.5, 1]), "segment must be integers"),
            (([1, 2] * u.hour, [1, 2]), "time has a unit"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments, sentence):
        with pytest.raises(ValueError, match=sentence):
            LightCurve(*arguments)

    @pytest.mark.parametrize("name", ["time", "flux", "flux_err", "segment"])
    @pytest.mark.parametrize("masked", [np.ma.masked_array, Masked], ids=["numpy", "astropy"])
    def test_masked_values_are_no_data(self, masked, name):
        columns = {column: np.arange(1, 4) for column in ("time", "flux", "flux_err", "segment")}
        unmasked = {name: masked(columns[name], [False, False, False])}
        assert getattr(LightCurve(**columns | unmasked), name).tolist() == [1, 2, 3]
        with pytest.raises(ValueError, match=f"{name} must not be masked"):
            LightCurve(**columns | {name: masked(columns[name], [False, True, False])})

    @pytest.mark.parametrize("name", ["time", "flux", "flux_err", "segment"])
    def test_an_array_on_a_device_is_refused(self, monkeypatch, name):
        moon = land(monkeypatch)
        columns = {"time": [1.0, 2.0], "flux": [1.0, 1.0]} | {name: moon.asarray([1.0, 2.0])}
        sentence = f"{name} must be on the host, not a moon array"
        with pytest.raises(TypeError, match=sentence):
            LightCurve(**columns)
        if name != "segment":
            with pytest.raises(TypeError, match=sentence):
                LightCurve.from_arrays(**columns)
        assert moon.fetched == []

    def test_nothing_known_may_be_none_and_anything_else_is_a_mapping(self):
        assert LightCurve([1], [1], meta=None).meta == LightCurve([1], [1]).meta
        with pytest.raises(TypeError, match="meta must be a mapping, or None, not str"):
            LightCurve([1], [1], meta="K2-3")

    def test_no_points_are_a_light_curve_too(self):
        assert len(LightCurve([], [])) == 0
        assert "0 points" in repr(LightCurve([], []))


class TestFromArrays:
    @given(st.lists(st.tuples(numbers, numbers, numbers), max_size=20))
    def test_what_is_left_is_usable_and_what_is_not_is_counted(self, rows):
        time, flux, flux_err = np.array(rows, dtype=float).reshape(-1, 3).T
        lc = LightCurve.from_arrays(time, flux, flux_err)
        assert len(lc) + lc.meta["n_invalid"] == lc.meta["n_read"] == len(rows)
        assert np.all(np.isfinite(lc.time)) and np.all(np.diff(lc.time) >= 0)
        assert np.all(np.isfinite(lc.flux)) and np.all(lc.flux_err > 0)
        expected = sum(np.isfinite(row).all() and row[2] > 0 for row in rows)
        assert len(lc) == expected

    def test_units_masks_and_times_are_converted(self):
        flux = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
        lc = LightCurve.from_arrays([24, 48, 72] * u.hour, flux)
        assert lc.time.tolist() == [1, 3] and lc.flux.tolist() == [1, 3]
        lc = LightCurve.from_arrays(Time([59000.0, 59001.0], format="mjd", scale="utc"), [1, 2])
        assert (lc.meta["time_system"], lc.meta["time_scale"]) == ("MJD", "utc")
        lc = LightCurve.from_arrays([1], [2] * u.Jy, [10] * u.mJy)
        assert lc.flux_err.tolist() == [0.01] and lc.meta["flux_unit"] == "Jy"

    def test_meta_is_given_by_keyword(self):
        lc = LightCurve.from_arrays([1], [2], target="K2-3", time_system="BKJD")
        assert lc.meta["target"] == "K2-3" and lc.meta["time_system"] == "BKJD"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (([1, 2] * u.m, [1, 2]), "'time' should hold times"),
            (([1, 2], [1, 2] * u.Jy, [1, 2] * u.m), "'flux_err' is in m"),
            (([1, 2], [1, 2] * u.mag), "magnitudes"),
            (([1, 2], [1]), "flux has 1 values, but time has 2"),
            (([1, 2], np.ones((2, 1))), "'flux' must be one-dimensional"),
            ((["2020-01-01"], [1]), "'time' holds text"),
            ((np.array(["2020-01-01"], "M8[D]"), [1]), "'time' holds dates"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments, sentence):
        with pytest.raises(ValueError, match=sentence):
            LightCurve.from_arrays(*arguments)


@pytest.fixture
def star():
    return LightCurve(
        [1.0, 2.5, 4.0],
        [0.1, 0.2, 1 / 3],
        [0.01, 0.02, 0.03],
        segment=[0, 0, 3],
        meta={
            "target": "TIC 1",
            "time_system": "BTJD",
            "mission": "TESS",
            "sector": 5,
            "flux_column": "PDCSAP_FLUX",
            "flux_unit": "electron / s",
            "sectors": [5, None],
            "detrend": {"window": 0.5, "mask": [(1.0, 2.0, 0.1)]},
        },
    )


def same(a, b):
    pairs = ((getattr(a, n), getattr(b, n)) for n in ("time", "flux", "flux_err", "segment"))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_pickling_keeps_everything_and_the_protection(star):
    again = pickle.loads(pickle.dumps(star))
    assert same(again, star) and again.meta == star.meta
    assert not again.flux.flags.writeable


def test_the_table_has_units(star):
    table = star.to_table()
    assert table["time"].unit == u.day and table["flux_err"].unit == u.electron / u.s
    assert table.meta["target"] == "TIC 1"


def test_saving_and_reading_gives_the_same(star, tmp_path):
    star.save(tmp_path / "star.ecsv")
    again = read_light_curve(tmp_path / "star.ecsv")
    assert same(again, star)
    changed = {"source", "relative"}
    for key in star.meta.keys() - changed:
        assert again.meta[key] == star.meta[key], key


def test_a_failed_save_leaves_the_old_file_and_no_other(star, tmp_path, monkeypatch):
    from astropy.table import QTable

    path = tmp_path / "star.ecsv"
    path.write_text("old")

    def fail(self, target, **options):
        target.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(QTable, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        star.save(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_repr_says_what_it_is(star):
    assert repr(star) == "<LightCurve TIC 1 TESS sector 5: 3 points, BTJD 1 to 4 d, 2 segments>"
    quarter = LightCurve([1], [1], meta={"mission": "Kepler", "sector": 0})
    assert "Kepler quarter 0" in repr(quarter)


def test_plot_draws_every_point_and_labels_the_axes(star):
    pytest.importorskip("matplotlib").use("Agg")
    ax = star.plot()
    assert ax.lines[0].get_xdata().size == 3
    assert ax.get_xlabel() == "time [BTJD, d]" and ax.get_title() == "TIC 1"
    assert star.plot(ax) is ax
