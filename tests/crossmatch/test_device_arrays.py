"""``nearest`` and ``within`` with catalogues on a device: what stays there, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

import armillary as arm
from armillary.crossmatch import Catalog, Matches, n_sigma, nearest, within
from armillary.crossmatch.sky import cpu
from armillary.plugins import BackendUnavailable, ContractError
from armillary.testing.skies import jittered, joined, taken, uniform_sky

from ..fake_device import land

BOTH = pytest.mark.parametrize("match", [nearest, within], ids=["nearest", "within"])
ARRAYS = ("left", "right", "separation")
HERE = ([10.0, 20.0, 30.0], [0.0, 1.0, 2.0])


@pytest.fixture
def moon(monkeypatch):
    """A device whose arrays no host can read, and the backend that owns them."""
    landed = land(monkeypatch)
    landed.own("crossmatch.nearest", cpu.nearest)
    landed.own("crossmatch.within", cpu.within)
    return landed


@pytest.fixture
def skies():
    """Two catalogues with copies of rows, and rows without a position."""
    rng = np.random.default_rng(1)
    left = uniform_sky(rng, 400)
    right = joined(jittered(rng, left, 500.0), taken(left, rng.integers(0, 400, 50)))
    left[0][[0, 17]], right[1][3], right[0][5] = np.nan, np.inf, -np.inf
    return left, right


def landed(moon, positions):
    return tuple(map(moon.asarray, positions))


CALLS = {
    "nearest": (nearest, {"radius": 400.0}),
    "no limit": (nearest, {"radius": None, "k": 3}),
    "mutual": (nearest, {"radius": 600.0, "mutual": True}),
    "within": (within, {"radius": 9e3, "min_radius": 10.0}),
    "with a unit": (within, {"radius": 1.0 * u.deg}),
    "at an epoch": (nearest, {"radius": 400.0, "epoch": 2016.0}),
}


@pytest.fixture(params=CALLS)
def call(request):
    """A way to match two catalogues."""
    match, options = CALLS[request.param]
    return lambda left, right: match(left, right, **options)


# ------------------------------------------------------------------ what stays there


def test_pairs_are_on_the_device_and_equal_those_of_the_host(moon, skies, call):
    there, here = call(*(landed(moon, side) for side in skies)), call(*skies)
    assert moon.fetched == []
    for name in (*ARRAYS, "unmatched_left", "unmatched_right"):
        assert isinstance(getattr(there, name), moon.Array)
        np.testing.assert_array_equal(getattr(there, name).get(), getattr(here, name))
    assert (there.n_dropped_left, there.n_dropped_right) == (2, 2)
    assert there.provenance.backend == "moon"
    assert there.provenance.chosen_by == "the input, which is a moon array"


def test_a_catalogue_is_matched_with_itself_on_the_device(moon, skies):
    there, here = within(landed(moon, skies[1]), None, 9e3), within(skies[1], None, 9e3)
    assert moon.fetched == [] and there.with_itself
    np.testing.assert_array_equal(there.left.get(), here.left)


def test_each_left_row_may_have_its_own_radius_on_the_device(moon, skies):
    radius = np.random.default_rng(2).uniform(0.0, 900.0, 400)
    sides = [landed(moon, side) for side in skies]
    for options in ({}, {"mutual": True}):
        there = nearest(*sides, moon.asarray(radius), **options)
        assert moon.fetched == []
        np.testing.assert_array_equal(there.right.get(), nearest(*skies, radius, **options).right)
        moon.fetched.clear()


def test_arrays_are_used_as_they_are_where_they_can_be(moon):
    ra, dec = landed(moon, HERE)
    assert nearest((ra, dec), (ra, dec), 1.0).left_catalog.ra._values is ra._values
    whole = moon.asarray([10, 20, 30])
    assert nearest((whole, dec), (ra, dec), 1.0).left_catalog.ra.dtype == np.float64


def test_right_ascensions_are_wrapped_on_the_device(moon):
    far = [-350.0, 380.0, 1110.0]
    matches = nearest(landed(moon, (far, HERE[1])), landed(moon, HERE), 0.0)
    np.testing.assert_array_equal(matches.right.get(), [0, 1, 2])
    np.testing.assert_array_equal(matches.left_catalog.ra.get(), [10.0, 20.0, 30.0])


def test_what_was_matched_can_be_matched_again(moon):
    first = nearest(landed(moon, HERE), landed(moon, HERE), 1.0)
    again = nearest(first.left_catalog, first.right_catalog, 1.0)
    assert moon.fetched == [] and len(again) == 3


@BOTH
def test_empty_catalogues_have_no_pairs(moon, match):
    nothing = landed(moon, ([], []))
    assert len(match(nothing, landed(moon, HERE), 1.0)) == 0
    assert len(match(landed(moon, HERE), nothing, 1.0)) == 0


# ------------------------------------------------------------------ what is made on the host


def test_one_copy_serves_offsets_tables_and_files(moon, skies, tmp_path):
    there = nearest(*(landed(moon, side) for side in skies), 400.0)
    here = nearest(*skies, 400.0)
    np.testing.assert_array_equal(there.offsets, here.offsets)
    copied = len(moon.fetched)
    assert np.all(there.to_table()["separation"] == here.to_table()["separation"])
    assert len(there.to_table(join="outer")) == len(here.to_table(join="outer"))
    there.save(tmp_path / "matches.npz")
    assert len(moon.fetched) == copied
    back = Matches.load(tmp_path / "matches.npz")
    np.testing.assert_array_equal(back.right, here.right)
    np.testing.assert_array_equal(back.right_catalog.ra, here.right_catalog.ra)


def test_tables_of_the_host_are_joined_by_pairs_of_the_device(moon):
    left = Table({"ra": HERE[0], "dec": HERE[1], "name": ["a", "b", "c"]})
    right = Table({"ra": [20.0], "dec": [1.0], "flux": [3.5]})
    sides = ((table["ra"].value, table["dec"].value) for table in (left, right))
    matches = nearest(*(landed(moon, side) for side in sides), 1.0)
    assert list(matches.to_table(left, right)["name"]) == ["b"]


def test_a_copy_on_the_host_has_arrays_and_catalogues_of_the_host(moon):
    there = within(landed(moon, HERE), None, 5e4)
    here = there.on_host()
    assert all(type(getattr(here, name)) is np.ndarray for name in ARRAYS)
    assert not here.separation.flags.writeable
    assert isinstance(here.left_catalog, Catalog) and here.right_catalog is here.left_catalog
    assert there.on_host() is here and here.on_host() is here


def test_a_picture_is_drawn_of_the_copy(moon):
    pytest.importorskip("matplotlib")
    assert nearest(landed(moon, HERE), landed(moon, HERE), 1.0).plot() is not None


def test_it_is_told_without_a_copy(moon, skies):
    there = nearest(*(landed(moon, side) for side in skies), 400.0)
    here = nearest(*skies, 400.0)
    assert repr(there).splitlines()[:4] == repr(here).splitlines()[:4]
    assert "400 moon positions" in repr(there.left_catalog)
    assert moon.fetched == []


def test_it_can_be_pickled_and_copied(moon):
    there = nearest(landed(moon, HERE), landed(moon, HERE), 1.0)
    there.on_host()
    for again in (pickle.loads(pickle.dumps(there)), copy.deepcopy(there)):
        np.testing.assert_array_equal(again.left.get(), [0, 1, 2])
        assert len(again.left_catalog) == 3


# ------------------------------------------------------------------ what is refused


@BOTH
@pytest.mark.parametrize(
    "other",
    [
        HERE,
        Catalog(*HERE),
        Table({"ra": HERE[0], "dec": HERE[1]}),
        SkyCoord(*HERE, unit="deg"),
    ],
    ids=["arrays", "catalogue", "table", "SkyCoord"],
)
def test_one_catalogue_on_a_device_and_one_on_the_host_are_refused(moon, match, other):
    for sides in ((landed(moon, HERE), other), (other, list(landed(moon, HERE)))):
        with pytest.raises(TypeError, match=r"(left|right) is in arrays of moon.*on one device"):
            match(*sides, 1.0)
    assert moon.fetched == []


@BOTH
def test_one_array_on_a_device_and_one_on_the_host_are_refused(moon, match):
    ra, dec = landed(moon, HERE)
    with pytest.raises(TypeError, match=r"left: ra is a moon array and dec is on the host"):
        match((ra, HERE[1]), (ra, dec), 1.0)
    with pytest.raises(TypeError, match=r"right: dec is a moon array and ra is on the host"):
        match((ra, dec), (HERE[0], dec), 1.0)


@BOTH
def test_arrays_on_another_device_than_the_current_one_are_refused(moon, match):
    there, elsewhere = landed(moon, HERE), moon.elsewhere(HERE[1])
    with pytest.raises(ValueError, match="dec is on device 1 of moon, where 0 is the current one"):
        match(there, (there[0], elsewhere), 1.0)
    with pytest.raises(ValueError, match="radius is on device 1 of moon"):
        match(there, there, moon.elsewhere([1.0, 2.0, 3.0]))


@BOTH
def test_radii_of_rows_are_where_the_catalogues_are(moon, match):
    there, radii = landed(moon, HERE), [1.0, 2.0, 3.0]
    with pytest.raises(
        TypeError, match=r"radius is on the host .*catalogues are in arrays of moon"
    ):
        match(there, there, radii)
    with pytest.raises(
        TypeError, match=r"radius is in arrays of moon .*catalogues are on the host"
    ):
        match(HERE, HERE, moon.asarray(radii))


@BOTH
@pytest.mark.parametrize(
    ("radii", "words"),
    [
        ([1.0, -2.0, 3.0], "radius must not be negative or NaN; row 1 is -2.0"),
        ([1.0, 2.0, np.nan], "radius must not be negative or NaN; row 2 is nan"),
        ([1.0, 2.0], "one for each of the 3 left rows"),
        ([[1.0, 2.0, 3.0]], "radius must be one-dimensional"),
    ],
)
def test_bad_radii_on_a_device_are_an_error_that_names_them(moon, match, radii, words):
    there = landed(moon, HERE)
    with pytest.raises(ValueError, match=words):
        match(there, there, moon.asarray(radii))


@BOTH
@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (([0.0, 1.0], [0.0, 90.001]), "right: dec must be within -90 to 90 .*row 1 is 90.001"),
        (([0.0, 1.0], [0.0]), "right: ra has 2 rows and dec 1"),
        (([[0.0]], [[0.0]]), r"right: ra must be one-dimensional, not of shape \(1, 1\)"),
        (([1j], [0.0]), r"right: ra must be numbers \(deg\), not complex128"),
    ],
)
def test_bad_positions_on_a_device_are_an_error_that_names_them(moon, match, positions, words):
    with pytest.raises(ValueError, match=words):
        match(landed(moon, HERE), landed(moon, positions), 1.0)


@BOTH
def test_errors_of_positions_are_for_catalogues_on_the_host(moon, match):
    there = landed(moon, HERE)
    with pytest.raises(ValueError, match="a radius of 3 sigma needs errors; left has none"):
        match(there, there, n_sigma(3))
    with pytest.raises(TypeError, match="ra must be on the host, not a moon array"):
        Catalog(*there, error=0.1)
    with pytest.raises(TypeError, match="pm_dec must be on the host, not a moon array"):
        Catalog(*HERE, pm_ra_cosdec=[0.0, 0.0, 0.0], pm_dec=there[1])


@BOTH
def test_a_cache_of_the_call_is_refused_and_one_around_it_left_aside(moon, match):
    there = landed(moon, HERE)
    with pytest.raises(TypeError, match="cache keeps results of arrays on the host"):
        match(there, there, 1.0, cache="memory")
    with arm.cache.open("memory") as store, arm.use_cache(store):
        match(there, there, 1.0)
        assert store.stats().misses == 0
    assert moon.fetched == []


@BOTH
def test_only_a_backend_that_owns_the_arrays_is_given_them(monkeypatch, match):
    moon = land(monkeypatch)
    there = landed(moon, HERE)
    with pytest.raises(TypeError, match="no installed backend takes moon arrays"):
        match(there, there, 1.0)
    with pytest.raises(BackendUnavailable, match=r"'cpu' .* takes 'numpy' arrays, not moon"):
        match(there, there, 1.0, backend="cpu")
    assert moon.fetched == []


SOUND = {"left": [0, 1, 1], "right": [0, 1, 2], "separation": [0.0, 0.0, 0.5]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"left": [0, 1, 1]}, "'left' as ndarray"),
        ({"left": [0.0, 1.0, 1.0]}, "'left' as float64"),
        ({"right": [0, 1, 7]}, "'right' with rows outside 0 to 2"),
        ({"separation": [0.0, 0.6, 0.5]}, "'separation' falls after pair 1"),
    ],
    ids=["on the host", "real", "outside", "order"],
)
def test_a_result_that_breaks_the_contract_is_an_error_on_a_device_too(
    monkeypatch, request, changed, words
):
    moon = land(monkeypatch)
    wrong = np.asarray if request.node.callspec.id == "on the host" else moon.asarray
    result = {name: moon.asarray(values) for name, values in SOUND.items()}
    result |= {name: wrong(values) for name, values in changed.items()}

    def target(left_ra, left_dec, right_ra, right_dec, radius):
        return result

    moon.own("crossmatch.within", target, raw=True)
    there = landed(moon, HERE)
    with pytest.raises(ContractError, match=words):
        within(there, there, 1e6)
