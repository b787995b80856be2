"""What search.bls accepts, drops and refuses: one documented outcome for each."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
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

    @pytest.mark.parametrize("column", [Column, MaskedColumn])
    def test_columns_with_units(self, data, column):
        time, flux, flux_err = data
        united = search(
            column(time * 24, unit="h"),
            column(flux * 1e3, unit="electron / s"),
            column(flux_err, unit="1000 electron / s"),
            period=column(PERIOD * 24, unit="h"),
            duration=column(np.array(DURATION) * 24, unit="h"),
        )
        plain = search(time, flux * 1e3, flux_err * 1e3)
        same_spectrum(united, plain, rtol=1e-6)
        np.testing.assert_allclose(united.period, PERIOD)
        np.testing.assert_allclose(united.t0, plain.t0)

    def test_columns_of_a_table(self, data):
        table = Table(dict(zip(("time", "flux", "flux_err"), data, strict=True)))
        table["flux"].unit = table["flux_err"].unit = "electron / s"
        found = search(table["time"], table["flux"], table["flux_err"])
        same_spectrum(found, search(table), rtol=0)
        assert found.light_curve.flux_unit == search(table).light_curve.flux_unit

    def test_a_unit_that_is_none_means_days(self, data):
        time, flux, flux_err = data
        found = search(Column(time, unit="BJD - 2457000, days"), flux, flux_err)
        same_spectrum(found, search(*data), rtol=0)

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

    def test_masked_times_with_a_unit(self, data):
        time, flux, flux_err = data
        mask = np.zeros(len(time), bool)
        mask[[7, 70]] = True
        spoilt = np.where(mask, 1e9, time)
        for given in (Masked(spoilt * u.d, mask=mask), MaskedColumn(spoilt, mask=mask, unit="d")):
            found = search(given, flux, flux_err)
            assert found.n_dropped == 2
            same_spectrum(found, search(time[~mask], flux[~mask], flux_err[~mask]), rtol=1e-12)

    def test_what_the_reader_of_a_light_curve_dropped_counts_too(self, data):
        time, flux, flux_err = (array.copy() for array in data)
        flux[[3, 4]] = np.nan
        quality = np.zeros(len(time), int)
        quality[[10, 11, 12]] = 1
        table = Table({"time": time, "flux": flux, "flux_err": flux_err, "quality": quality})
        for given in (table, arm.io.read_light_curve(table)):
            found = search(given)
            assert (found.n_dropped, found.n_used) == (5, 695)
        assert search(LightCurve.from_arrays(time, flux, flux_err)).n_dropped == 2

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
            ({"time": Column(np.arange(700.0), unit="m")}, "time must be a time, not in m"),
            ({"time": np.arange(700.0) * u.one}, "time must be a time, not dimensionless"),
            ({"flux": np.ones(700) * u.mag}, r"flux must be a flux, not magnitudes \(mag\)"),
            ({"flux": np.ones(700) * u.mag(u.ct / u.s)}, r"not magnitudes \(mag\(ct / s\)\)"),
            ({"flux": Column(np.ones(700), unit="mmag")}, "flux must be a flux, not magnitudes"),
            ({"flux_err": "a"}, "flux_err must be an array of numbers"),
            ({"period": "long"}, "period must be numbers"),
            ({"period": "3"}, "period must be numbers"),
            ({"period": np.timedelta64(3, "D")}, "period must be numbers"),
            (
                {"period": np.ma.array([1.0, 2.0], mask=[0, 1])},
                "period must not be masked; 1 of 2 entries are",
            ),
            (
                {"period": MaskedColumn([1.0, 2.0], mask=[0, 1], unit="h")},
                "period must not be masked",
            ),
            ({"duration": Masked([0.1] * u.d, mask=[True])}, "duration must not be masked"),
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

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("flux_err", [1e-320, 1e-160, 1e-154, 1e-80, 1e80, 1e170, 1e300])
    def test_errors_whose_weights_no_float_holds(self, data, flux_err):
        with pytest.raises(ValueError, match=r"flux_err, from .* is too small or too large"):
            search(data[0], data[1], flux_err)
        with pytest.raises(ValueError, match=r"flux_err, from .* is too small or too large"):
            search(data[0], (data[1] - 1) * flux_err * 1e3)

    def test_magnitudes_in_a_light_curve(self, data):
        ours = LightCurve(*data, meta={"flux_unit": "mag"})
        with pytest.raises(ValueError, match="flux must be a flux, not magnitudes"):
            search(ours)

    def test_a_star_must_be_a_star(self, data):
        with pytest.raises(TypeError, match=r"star must be a Star.*not 3\.0"):
            search(*data, duration=None, star=3.0)
        with pytest.raises(TypeError, match=r"star must be a Star.*not 'sun'"):
            search(*data, star="sun")  # also where both grids are given

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
