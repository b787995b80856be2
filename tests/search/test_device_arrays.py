"""A box search of arrays that are on a device: nothing of them comes to the host unasked."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import armillary as arm
from armillary.plugins.records import Request
from armillary.plugins.select import choose
from armillary.search.box import cpu
from armillary.search.box.result import RESULTS
from armillary.search.inputs import search_input
from armillary.testing import checks
from armillary.testing.kit import run_check
from armillary.testing.search_bls import ARGUMENTS

from ..fake_device import land

GRID = {"period": np.linspace(1.0, 6.0, 60), "duration": [0.1, 0.2]}


@pytest.fixture
def moon(monkeypatch):
    """A package whose arrays are on no host, and the compiled search as their owner."""
    there = land(monkeypatch)
    there.own("search.bls", cpu.bls, precision="float64")
    return there


@pytest.fixture
def data():
    """Times of BJD size in any order, a few points that cannot be used, and a transit."""
    rng = np.random.default_rng(4)
    time = rng.uniform(0.0, 30.0, 700) + 2457000.0
    flux_err = rng.uniform(0.5, 2.0, 700) * 1e-3
    flux = 1 + flux_err * rng.standard_normal(700)
    flux[np.abs((time - 2457001.0 + 1.6) % 3.2 - 1.6) < 0.08] -= 5e-3
    time[5], flux[17], flux_err[99] = np.nan, np.inf, np.nan
    return time, flux, flux_err


@pytest.fixture
def found(moon, data):
    """What was found on the device."""
    return arm.search.bls(*map(moon.asarray, data), **GRID)


# ------------------------------------------------------------------ a search


def test_a_search_copies_nothing_to_the_host(moon, found):
    assert moon.fetched == []
    for name in (*RESULTS, "snr", "relative_depth"):
        assert isinstance(getattr(found, name), moon.Array), name
    for name in ("time", "flux", "flux_err"):
        assert isinstance(getattr(found.light_curve, name), moon.Array), name
    for name in ("period", "trial_durations", "duration_start", "duration_stop"):
        assert type(getattr(found, name)) is np.ndarray, name
    assert moon.fetched == []


def test_it_gives_what_a_search_on_the_host_gives(data, found):
    host = arm.search.bls(*data, **GRID)
    assert (found.n_used, found.n_dropped) == (host.n_used, host.n_dropped) == (697, 3)
    assert found.light_curve.epoch == host.light_curve.epoch
    for name in RESULTS:
        np.testing.assert_array_equal(getattr(found, name).get(), getattr(host, name))
    assert found.best == host.best


def test_the_backend_gets_the_light_curve_there_and_the_grid_on_the_host(moon, data):
    seen = {}

    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        seen.update(locals())
        return {name: moon.zeros(len(period)) for name in RESULTS}

    moon.own("search.bls", bls, raw=True)
    arm.search.bls(*map(moon.asarray, data), **GRID)
    there = {name for name in ARGUMENTS if isinstance(seen[name], moon.Array)}
    assert there == {"time", "flux", "flux_err"}
    for name in there:
        assert seen[name].dtype == np.float64 and seen[name].shape == (697,)
    times = seen["time"].get()
    assert times[0] == 0.0 and (np.diff(times) >= 0).all()


def test_errors_are_estimated_there(moon, data):
    time, flux, _ = data
    found = arm.search.bls(moon.asarray(time), moon.asarray(flux), **GRID)
    host = arm.search.bls(time, flux, **GRID)
    assert moon.fetched == []
    assert found.flux_err_source == host.flux_err_source != "given"
    np.testing.assert_array_equal(found.light_curve.flux_err.get(), host.light_curve.flux_err)


def test_one_error_for_all_may_be_a_number(moon, data):
    time, flux, _ = map(moon.asarray, data)
    one = arm.search.bls(time, flux, 1e-3, **GRID)
    other = arm.search.bls(time, flux, moon.asarray(1e-3), **GRID)
    np.testing.assert_array_equal(one.depth_err.get(), other.depth_err.get())


def test_periods_that_cannot_be_are_nan_there(moon, data):
    grid = {"period": [0.05, 2.0, 3.2], "duration": [0.1]}
    found = arm.search.bls(*map(moon.asarray, data), **grid)
    assert isinstance(found.delta_chi2, moon.Array)
    assert np.isnan(found.delta_chi2.get()).tolist() == [True, False, False]
    assert found.n_skipped == 1


@pytest.mark.parametrize("dtype", ["f4", "i8", ">f8"])
def test_what_it_is_given_is_made_float64_there(moon, dtype):
    numbers = np.arange(700) % 30
    found = search_input(*(moon.asarray((numbers + n).astype(dtype)) for n in (2457000, 0, 1)))
    assert {found.time.dtype, found.flux.dtype, found.flux_err.dtype} == {np.dtype(float)}
    assert moon.fetched == []


def test_the_callers_arrays_are_left_alone(moon, data):
    given = [moon.asarray(values) for values in data]
    arm.search.bls(*given, **GRID)
    for array, values in zip(given, data, strict=True):
        np.testing.assert_array_equal(array.get(), values)


# ------------------------------------------------------------------ what is asked for on the host


def plot(found):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    return found.plot()


@pytest.mark.parametrize(
    "ask",
    [
        lambda found: found.best,
        lambda found: found.peaks(3),
        lambda found: found.sde,
        lambda found: found.to_table(),
        lambda found: repr(found),
        plot,
    ],
    ids=["best", "peaks", "sde", "to_table", "repr", "plot"],
)
def test_what_is_made_on_the_host_takes_one_copy_of_each_array(moon, found, ask):
    ask(found)
    copied = list(moon.fetched)
    assert len(copied) <= len(RESULTS) + 3
    for other in (ask, repr, lambda found: found.peaks(2)):
        other(found)
    assert moon.fetched == copied


def test_a_file_of_it_is_read_on_the_host(tmp_path, data, found):
    found.save(tmp_path / "search.npz")
    read = arm.search.Periodogram.load(tmp_path / "search.npz")
    assert type(read.depth) is np.ndarray
    assert read.best == found.best == arm.search.bls(*data, **GRID).best


def test_it_survives_pickling(found):
    again = pickle.loads(pickle.dumps(found))
    assert type(again.depth) is type(found.depth)
    assert again.best == found.best


def test_it_can_be_brought_to_the_host_and_is_there_then(found):
    host = found.on_host()
    assert type(host.depth) is type(host.light_curve.flux) is np.ndarray
    assert not (host.depth.flags.writeable or host.light_curve.flux.flags.writeable)
    assert host.on_host() is host
    assert found.on_host() is host
    assert host.provenance == found.provenance


# ------------------------------------------------------------------ what the kit finds


def test_the_kit_finds_an_owner_that_brings_its_results_to_the_host(moon):
    def bls(time, flux, flux_err, period, duration, duration_start, duration_stop):
        light_curve = (getattr(array, "_values", array) for array in (time, flux, flux_err))
        return cpu.bls(*light_curve, period, duration, duration_start, duration_stop)

    (check,) = [check for check in checks("search.bls") if check.name == "arrays_on_a_device"]
    assert run_check(check, "moon").good
    moon.own("search.bls", bls, raw=True)
    outcome = run_check(check, "moon")
    assert not outcome.good and "as ndarray, not a float64 moon array" in outcome.message


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ((True, False, False), "time is a moon array and flux is on the host"),
        ((False, True, True), "flux is a moon array and time is on the host"),
        ((True, True, False), "time is a moon array and flux_err is on the host"),
        ((False, False, True), "flux_err is a moon array and time is on the host"),
    ],
)
def test_a_light_curve_in_two_places_is_refused(moon, data, there, words):
    given = [
        moon.asarray(values) if is_there else values
        for values, is_there in zip(data, there, strict=True)
    ]
    with pytest.raises(TypeError, match=words):
        arm.search.bls(*given, **GRID)
    assert moon.fetched == []


@pytest.mark.parametrize("name", ["time", "flux", "flux_err"])
def test_arrays_on_another_device_than_the_current_one_are_refused(moon, data, name):
    given = dict(zip(("time", "flux", "flux_err"), map(moon.asarray, data), strict=True))
    given[name] = moon.elsewhere(given[name])
    with pytest.raises(ValueError, match=f"{name} is on device 1 of moon, where 0 is the current"):
        arm.search.bls(**given, **GRID)


@pytest.mark.parametrize("name", ["period", "duration", "min_period", "max_period"])
def test_a_grid_is_always_on_the_host(moon, data, name):
    with pytest.raises(TypeError, match=r"(period|duration) must be on the host, not a moon array"):
        arm.search.bls(*map(moon.asarray, data), **{name: moon.asarray([2.0])})


def test_a_device_array_without_flux_is_no_light_curve(moon, data):
    with pytest.raises(ValueError, match="flux is missing"):
        arm.search.bls(moon.asarray(data[0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flux_err": np.zeros(700)}, "flux_err must be positive; 700 of 700 are not"),
        ({"flux": np.ones(699)}, "equal length; time has 700, flux has 699"),
        ({"flux": np.ones((2, 350))}, "flux must be one-dimensional"),
        ({"time": np.ones(700)}, "at the same time, 1.0"),
        ({"flux": np.full(700, np.nan)}, "0 of 700 are"),
        ({"flux_err": np.full(700, 1e-60)}, "flux_err, from 1e-60 to 1e-60, is too small"),
        ({"flux": np.ones(700) + 1j}, "flux must be an array of numbers"),
        ({"flux": np.ones(700), "flux_err": None}, "no point-to-point scatter"),
    ],
)
def test_the_rules_of_input_are_those_of_the_host(moon, change, words):
    good = {"time": np.arange(700.0), "flux": np.ones(700), "flux_err": np.ones(700)}
    for place in (moon.asarray, np.asarray):
        given = {n: v if v is None else place(v) for n, v in (good | change).items()}
        with pytest.raises(ValueError, match=words):
            arm.search.bls(**given, **GRID)
    assert moon.fetched == []


def test_a_cache_that_is_asked_for_refuses_them(moon, data):
    with pytest.raises(TypeError, match="cache keeps results of arrays on the host, not of moon"):
        arm.search.bls(*map(moon.asarray, data), **GRID, cache=arm.cache.open("memory"))


def test_a_cache_that_is_in_force_leaves_them_alone(moon, data):
    with arm.use_cache(arm.cache.open("memory")) as store:
        for _ in range(2):
            found = arm.search.bls(*map(moon.asarray, data), **GRID)
            assert not found.provenance.cache_hit
    assert store.stats().entries == 0 and moon.fetched == []


def test_the_owner_is_told_of_shapes_and_not_shown_data(moon, data):
    seen = []
    moon.own("search.bls", cpu.bls, can_run=lambda request: seen.append(request) or True)
    arm.search.bls(*map(moon.asarray, data), **GRID)
    assert seen[-1].shapes["time"] == (697,) and seen[-1].dtypes["time"] == "float64"
    assert seen[-1].arrays == "moon"
    assert choose(Request("search.bls", arrays="moon")).backend.record.name == "moon"
