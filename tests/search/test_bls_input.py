"""What search.bls accepts, drops and refuses: one documented outcome for each."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

import armillary as arm
from armillary.io import LightCurve

PERIOD = np.linspace(1.0, 6.0, 60)
DURATION = [0.1, 0.2]


def search(time, flux=None, flux_err=None, **options):
    return arm.search.bls(
        time, flux, flux_err, **{"period": PERIOD, "duration": DURATION} | options
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    time = np.sort(rng.uniform(0.0, 30.0, 700)) + 2457000.0
    flux_err = rng.uniform(0.5, 2.0, 700) * 1e-3
    flux = 1 + flux_err * rng.standard_normal(700)
    flux[np.abs((time - 2457001.0 + 1.6) % 3.2 - 1.6) < 0.08] -= 5e-3
    return time, flux, flux_err


def same_spectrum(one, other, **tolerance):
    for name in ("delta_chi2", "depth", "depth_err", "duration", "level"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), err_msg=name, **tolerance
        )


class TestAccepted:
    @pytest.mark.parametrize(
        "kind",
        [
            lambda x: x.astype(">f8"),
            lambda x: np.repeat(x, 2)[::2],
            lambda x: list(x),
            lambda x: pd.Series(x, index=np.arange(len(x))[::-1]),
            lambda x: pa.chunked_array([x[:100], x[100:]]),
            lambda x: MaskedColumn(x),
            lambda x: np.ma.array(x),
        ],
        ids=["big-endian", "strided", "list", "pandas", "pyarrow", "column", "masked array"],
    )
    def test_arrays_of_every_kind(self, data, kind):
        same_spectrum(search(*map(kind, data)), search(*data), rtol=0)

    def test_quantities(self, data):
        time, flux, flux_err = data
        united = search(
            time * u.d, flux * 1e3 * u.electron / u.s, flux_err * u.Unit("1000 electron / s")
        )
        plain = search(time, flux * 1e3, flux_err * 1e3)
        same_spectrum(united, plain, rtol=0)
        assert united.to_table()["depth"].unit == u.electron / u.s

    def test_time_objects_keep_their_system(self, data):
        time, flux, flux_err = data
        found = search(Time(time, format="jd", scale="tdb"), flux, flux_err)
        assert found.light_curve.time_system == "JD (tdb)"
        np.testing.assert_allclose(found.t0, search(*data).t0, rtol=0, atol=1e-8)

    def test_light_curves_of_every_kind(self, data):
        time, flux, flux_err = data
        ours = LightCurve.from_arrays(time, flux, flux_err)
        series = TimeSeries(
            time=Time(time, format="jd", scale="tdb"), data={"flux": flux, "flux_err": flux_err}
        )
        table = Table({"time": time, "flux": flux, "flux_err": flux_err})
        wanted = search(*data)
        for given in (ours, series, table, table.to_pandas()):
            same_spectrum(search(given), wanted, rtol=1e-6)

    def test_a_lightkurve_light_curve(self, data):
        lightkurve = pytest.importorskip("lightkurve", reason="lightkurve is not installed")
        time, flux, flux_err = data
        theirs = lightkurve.LightCurve(time=time - 2457000, flux=flux, flux_err=flux_err)
        same_spectrum(search(theirs), search(time - 2457000, flux, flux_err), rtol=1e-9)

    def test_one_error_for_all(self, data):
        time, flux, _ = data
        same_spectrum(
            search(time, flux, 1e-3), search(time, flux, np.full(len(time), 1e-3)), rtol=0
        )

    def test_no_error_is_estimated_from_the_scatter_and_said(self, data):
        time, flux, _ = data
        found = search(time, flux)
        steps = np.diff(flux)
        sigma = 1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)
        np.testing.assert_allclose(found.light_curve.flux_err, sigma)
        assert "first differences" in found.flux_err_source
        assert "first differences" in repr(found)
        assert search(*data).flux_err_source == "given"

    def test_periods_in_any_order(self, data):
        order = np.random.default_rng(2).permutation(len(PERIOD))
        found, wanted = search(*data, period=PERIOD[order]), search(*data)
        np.testing.assert_array_equal(found.period, PERIOD[order])
        np.testing.assert_array_equal(found.delta_chi2, wanted.delta_chi2[order])

    def test_duplicate_times_all_count(self, data):
        twice = search(*(np.repeat(array, 2) for array in data))
        np.testing.assert_allclose(twice.delta_chi2, 2 * search(*data).delta_chi2, rtol=1e-9)

    def test_inputs_are_not_written_to(self, data):
        for array in data:
            array.setflags(write=False)
        before = [array.copy() for array in data]
        order = np.random.default_rng(3).permutation(len(data[0]))
        search(*data)
        search(*(array[order] for array in data))
        for array, copy in zip(data, before, strict=True):
            np.testing.assert_array_equal(array, copy)


class TestDroppedAndCounted:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("argument", [0, 1, 2])
    def test_points_that_are_not_finite(self, data, argument, bad):
        spoilt = [array.copy() for array in data]
        where = np.array([5, 6, 300, 699])
        spoilt[argument][where] = bad
        found = search(*spoilt)
        assert found.n_dropped == 4
        assert found.n_used == 696
        same_spectrum(found, search(*(np.delete(array, where) for array in data)), rtol=1e-12)

    @pytest.mark.parametrize("masked", [np.ma.array, MaskedColumn, Masked])
    def test_masked_points(self, data, masked):
        time, flux, flux_err = data
        mask = np.zeros(len(time), bool)
        mask[[7, 70]] = True
        spoilt = flux.copy()
        spoilt[mask] = -1e9
        found = search(time, masked(spoilt, mask=mask), flux_err)
        assert found.n_dropped == 2
        same_spectrum(found, search(time[~mask], flux[~mask], flux_err[~mask]), rtol=1e-12)

    def test_pairs_whose_duration_is_not_shorter(self, data):
        found = search(*data, period=[1.0, 2.0, 3.0], duration=[0.5, 1.0, 2.5])
        assert found.n_skipped == 3
        assert np.isfinite(found.delta_chi2).all()

    def test_a_period_without_any_duration_is_unknown(self, data):
        found = search(*data, period=[0.5, 3.2], duration=[0.6])
        assert found.n_skipped == 1
        for name in ("delta_chi2", "snr", "depth", "t0", "duration", "level"):
            assert np.isnan(getattr(found, name)[0])
        assert found.best.period == pytest.approx(3.2, rel=0.02)
        assert np.isnan(found.sde[0])


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"flux": None}, "flux_err was given without flux"),
            ({"flux": np.ones(699)}, "equal length; time has 700, flux has 699"),
            ({"flux_err": np.ones(3)}, "flux_err has 3"),
            ({"flux": np.ones((700, 1))}, r"flux must be one-dimensional, not of shape \(700, 1\)"),
            ({"flux": np.full(700, "a")}, "flux must be an array of numbers"),
            ({"flux": np.full(700, 1j)}, "flux must be an array of numbers"),
            ({"flux": np.full(700, np.nan)}, "at least 3 points .* 0 of 700 are"),
            ({"flux_err": 0.0}, "flux_err must be positive; 700 of 700 are not"),
            ({"flux_err": -1.0}, "flux_err must be positive"),
            ({"time": np.full(700, 5.0)}, "all 700 usable points are at the same time"),
            ({"time": np.arange(700.0) * u.m}, "time must be a time, not in m"),
            ({"flux_err": np.ones(700) * u.m}, "flux_err is in m, which is no unit of flux"),
            ({"period": [1.0, -2.0]}, "period must be positive and finite; entry 1 is -2.0"),
            ({"period": []}, "period must hold one or more numbers"),
            ({"period": [1.0, 31.0]}, "period = 31 d is beyond the time span of 29"),
            ({"period": 3 * u.kg}, "period must be a time, not in kg"),
            ({"period": "long"}, "period must be numbers"),
            ({"min_period": 1.0}, "period is a whole grid; min_period and max_period"),
            ({"duration": 0.0}, "duration must be positive and finite; entry 0 is 0.0"),
            ({"duration": [0.1, -0.1]}, "duration must be positive and finite; entry 1"),
            ({"duration": 7.0}, "no duration .shortest 7 d. is shorter than a period"),
            ({"oversample": 0}, "oversample must be a whole number of at least 1"),
            ({"oversample": 2.5}, "oversample must be a whole number"),
            ({"threads": 0}, "threads must be a whole number of at least 1"),
        ],
    )
    def test_names_the_argument_and_the_rule(self, data, change, message):
        arguments = dict(zip(("time", "flux", "flux_err"), data, strict=True)) | change
        with pytest.raises(ValueError, match=message):
            search(**arguments)

    @pytest.mark.parametrize("points", [0, 1, 2])
    def test_fewer_than_three_points(self, points):
        time = np.arange(float(points))
        with pytest.raises(ValueError, match=f"at least 3 points .* {points} of {points} are"):
            search(time, np.ones(points), np.ones(points))

    def test_max_period_beyond_the_span(self, data):
        with pytest.raises(ValueError, match="max_period = 40 d is beyond the time span"):
            arm.search.bls(*data, max_period=40.0)

    def test_an_array_alone_lacks_its_flux(self, data):
        with pytest.raises(ValueError, match="flux is missing"):
            search(data[0])

    def test_a_constant_flux_has_no_scatter_to_estimate(self, data):
        with pytest.raises(ValueError, match="no point-to-point scatter"):
            search(data[0], np.ones(700))

    def test_progress_must_be_callable(self, data):
        with pytest.raises(TypeError, match="progress must be None, True, False or a callable"):
            search(*data, progress="yes")
