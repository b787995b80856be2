"""What a match gives: pairs in order, who is left over, tables, files."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch import Catalog, Matches
from armillary.crossmatch.catalog.columns import ROLES
from armillary.crossmatch.sky.reference import separation

#: Left rows 0 and 3 match nothing, and row 2 has no position; right row 1 matches nothing.
LEFT = {"ra": [10.0, 20.0, np.nan, 40.0, 50.0], "dec": [0.0, 1.0, 2.0, 3.0, 4.0]}
RIGHT = {"ra": [50.0001, 60.0, 20.0, 20.0001], "dec": [4.0, 5.0, 1.0, 1.0]}
PAIRS = [(1, 2), (1, 3), (4, 0)]


def matches_of(left=LEFT, right=RIGHT, **options):
    """Every pair within an arcsecond."""
    return arm.crossmatch.within(
        (left["ra"], left["dec"]), (right["ra"], right["dec"]), 1.0, **options
    )


def random_matches(seed=0, n=400, radius=3000.0):
    rng = np.random.default_rng(seed)
    sides = [Catalog(rng.uniform(0, 30, n), rng.uniform(60, 90, n)) for _ in range(2)]
    return arm.crossmatch.within(*sides, radius)


# ------------------------------------------------------------------ pairs


def test_pairs_are_rows_and_separations_of_fixed_types():
    matches = matches_of()
    assert len(matches) == 3
    assert list(zip(matches.left, matches.right, strict=True)) == PAIRS
    assert matches.left.dtype == matches.right.dtype == np.int64
    assert matches.separation.dtype == np.float64
    for name in ("left", "right", "separation"):
        assert not getattr(matches, name).flags.writeable


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_pairs_are_by_left_row_separation_and_right_row(seed):
    matches = random_matches(seed, n=60, radius=30_000.0)
    order = np.lexsort((matches.right, matches.separation, matches.left))
    np.testing.assert_array_equal(order, np.arange(len(matches)))


def test_who_has_no_match_and_who_no_position_is_told():
    matches = matches_of()
    np.testing.assert_array_equal(matches.unmatched_left, [0, 2, 3])
    np.testing.assert_array_equal(matches.unmatched_right, [1])
    assert (matches.n_dropped_left, matches.n_dropped_right) == (1, 0)
    turned = matches_of(RIGHT, LEFT)
    assert (turned.n_dropped_left, turned.n_dropped_right) == (0, 1)
    np.testing.assert_array_equal(turned.unmatched_right, [0, 2, 3])


@pytest.mark.parametrize("n_left", [0, 1, 3])
@pytest.mark.parametrize("n_right", [0, 1, 3])
def test_sides_that_hold_nothing_match_nothing(n_left, n_right):
    unknown = Catalog(np.full(n_left, np.nan), np.zeros(n_left))
    sides = unknown, Catalog(np.arange(n_right), np.zeros(n_right))
    for match in (arm.crossmatch.nearest, arm.crossmatch.within):
        matches = match(*sides, 1.0)
        assert len(matches) == 0
        assert matches.n_dropped_left == n_left
        np.testing.assert_array_equal(matches.unmatched_left, np.arange(n_left))
        np.testing.assert_array_equal(matches.unmatched_right, np.arange(n_right))
        assert matches.left.dtype == np.int64 and matches.separation.dtype == np.float64


# ------------------------------------------------------------------ offsets


@pytest.mark.parametrize("dec", [0.0, -45.0, 89.99, -89.9999])
def test_offsets_of_close_pairs_are_those_of_astropy(dec):
    rng = np.random.default_rng(3)
    n = 300
    left = SkyCoord(rng.uniform(0, 360, n) * u.deg, np.full(n, dec) * u.deg)
    right = left.directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, 10.0 ** rng.uniform(-3, 0.3, n) * u.arcsec
    )
    matches = arm.crossmatch.nearest(left, right, 5.0, min_radius=1e-4)
    pairs = left[matches.left], right[matches.right]
    for found, wanted in zip(matches.offsets, pairs[0].spherical_offsets_to(pairs[1]), strict=True):
        np.testing.assert_allclose(found, wanted.to_value(u.arcsec), rtol=0.0, atol=2e-9)


def test_the_length_of_an_offset_is_the_separation_and_its_direction_the_position_angle():
    matches = random_matches(radius=100_000.0)
    east, north = matches.offsets
    np.testing.assert_allclose(np.hypot(east, north), matches.separation, rtol=1e-13)
    left, right = (
        SkyCoord(side.ra[rows] * u.deg, side.dec[rows] * u.deg)
        for side, rows in (
            (matches.left_catalog, matches.left),
            (matches.right_catalog, matches.right),
        )
    )
    angle = np.arctan2(east, north)
    turn = np.angle(np.exp(1j * (angle - left.position_angle(right).rad)))
    np.testing.assert_allclose(turn, 0.0, atol=1e-11)


@pytest.mark.parametrize("ra", [0.0, 10.0, 359.9999999])
def test_offsets_of_tiny_separations_keep_their_direction(ra):
    step = 2.0**-32  # degrees: near a micro-arcsecond, and exact when added
    left = np.floor(ra / step) * step
    matches = arm.crossmatch.nearest(([left], [0.0]), ([left + step], [2 * step]), 1.0)
    wanted = 3600.0 * step * np.array([1.0, 2.0])
    np.testing.assert_allclose(np.ravel(matches.offsets), wanted, rtol=1e-6)


def test_identical_positions_have_no_offset():
    matches = arm.crossmatch.nearest(([0.0, 5.0], [90.0, 5.0]), ([0.0, 5.0], [90.0, 5.0]), 1.0)
    np.testing.assert_array_equal(matches.offsets, np.zeros((2, 2)))


# ------------------------------------------------------------------ tables

LIBRARIES = {"astropy": Table, "qtable": QTable, "pandas": pd.DataFrame, "arrow": pa.table}
NAMES = {"astropy": "colnames", "qtable": "colnames", "pandas": "columns", "arrow": "column_names"}

#: Rows of the joined table: (left, right), None where there is nothing.
ROWS = {
    "inner": PAIRS,
    "left": [(0, None), *PAIRS[:2], (2, None), (3, None), PAIRS[2]],
    "outer": [(0, None), *PAIRS[:2], (2, None), (3, None), PAIRS[2], (None, 1)],
}
LEFT_NAMES = ["a", "b", "c", "d", "e"]
RIGHT_FLUX = [1.5, 2.5, 3.5, 4.5]


@pytest.fixture(params=LIBRARIES)
def library(request):
    return request.param


def tables(library):
    """A left table of names and a right one of fluxes, both with their row numbers as ``id``."""
    make = LIBRARIES[library]
    left = {"id": np.arange(5), "name": LEFT_NAMES}
    right = {"id": np.arange(4), "flux": RIGHT_FLUX}
    return make(left), make(right)


def values(table, name):
    """The values of a column; None where missing."""
    if isinstance(table, pa.Table):
        return table[name].to_pylist()
    if isinstance(table, pd.DataFrame):
        return [None if pd.isna(value) else value for value in table[name]]
    data = np.ma.getdata(np.asarray(getattr(table[name], "unmasked", table[name])))
    mask = np.broadcast_to(getattr(table[name], "mask", False), data.shape)
    return [None if gone else value for value, gone in zip(data, mask, strict=True)]


@pytest.mark.parametrize("join", ROWS)
def test_a_joined_table_has_the_columns_of_both_and_the_separation(library, join):
    matches = matches_of()
    table = matches.to_table(*tables(library), join)
    names = ["id_left", "name", "id_right", "flux", "separation"]
    assert list(getattr(table, NAMES[library])) == names
    left, right = zip(*ROWS[join], strict=True)
    apart = dict(zip(PAIRS, matches.separation.tolist(), strict=True))
    assert values(table, "id_left") == list(left)
    assert values(table, "id_right") == list(right)
    assert values(table, "name") == [None if i is None else LEFT_NAMES[i] for i in left]
    assert values(table, "flux") == [None if i is None else RIGHT_FLUX[i] for i in right]
    assert values(table, "separation") == [apart.get(pair) for pair in ROWS[join]]


def test_anti_gives_the_left_rows_without_a_match_alone(library):
    table = matches_of().to_table(*tables(library), "anti")
    assert list(getattr(table, NAMES[library])) == ["id", "name"]
    assert values(table, "id") == [0, 2, 3]


def test_a_joined_table_is_of_the_library_of_its_sides(library):
    kind = {"pandas": pd.DataFrame, "arrow": pa.Table}.get(library, Table)
    for join in (*ROWS, "anti"):
        assert isinstance(matches_of().to_table(*tables(library), join), kind)


def test_the_separation_of_an_astropy_table_is_in_arcsec():
    for join in ROWS:
        assert matches_of().to_table(*tables("astropy"), join)["separation"].unit == u.arcsec


def test_units_and_masks_of_the_callers_columns_are_kept():
    left, right = tables("astropy")
    right["flux"].unit = u.Jy
    right["id"] = MaskedColumn(right["id"], mask=[False, False, True, False])
    for join in ROWS:
        table = matches_of().to_table(left, right, join)
        assert table["flux"].unit == u.Jy
        wanted = [None if i in (None, 2) else i for _, i in ROWS[join]]
        assert values(table, "id_right") == wanted


@pytest.mark.parametrize("join", [*ROWS, "anti"])
@pytest.mark.parametrize("empty", ["left", "right", "both"])
def test_tables_of_empty_sides_join_too(library, join, empty):
    make = LIBRARIES[library]
    full, nothing = {"ra": [1.0, 2.0], "dec": [3.0, 4.0]}, {"ra": np.zeros(0), "dec": np.zeros(0)}
    left = nothing if empty in ("left", "both") else full
    right = nothing if empty in ("right", "both") else full
    table = matches_of(left, right).to_table(make(left), make(right), join)
    rows_left = len(left["ra"]) if join != "inner" else 0
    rows_right = len(right["ra"]) if join == "outer" else 0
    assert len(table) == rows_left + rows_right
    if join != "anti":
        assert values(table, "ra_left") == [*left["ra"]][:rows_left] + [None] * rows_right
        assert values(table, "separation") == [None] * len(table)


@pytest.mark.parametrize("join", ["left", "outer"])
def test_columns_of_vectors_may_have_missing_rows(join):
    left, right = tables("astropy")
    right["cube"] = np.arange(12.0).reshape(4, 3)
    cube = matches_of().to_table(left, right, join)["cube"]
    for row, (_, i) in zip(cube, ROWS[join], strict=True):
        assert np.ma.is_masked(row) if i is None else row.tolist() == right["cube"][i].tolist()


@pytest.mark.parametrize("join", ROWS)
def test_numbers_of_sources_keep_every_digit(library, join):
    left, right = (LIBRARIES[library]({"id": 2**62 + 1 + np.arange(n)}) for n in (5, 4))
    table = matches_of().to_table(left, right, join)
    for side, name in enumerate(("id_left", "id_right")):
        wanted = [None if pair[side] is None else 2**62 + 1 + pair[side] for pair in ROWS[join]]
        assert values(table, name) == wanted


def test_what_both_sides_have_gets_suffixes(library):
    table = matches_of().to_table(*tables(library), suffixes=("", "_2mass"))
    names = ["id", "name", "id_2mass", "flux", "separation"]
    assert list(getattr(table, NAMES[library])) == names


def test_names_that_collide_in_spite_of_suffixes_are_an_error(library):
    make = LIBRARIES[library]
    left, right = make({"x": np.arange(5), "x_left": np.arange(5)}), make({"x": np.arange(4)})
    with pytest.raises(ValueError, match="would have two columns 'x_left'; choose other suffixes"):
        matches_of().to_table(left, right)
    with pytest.raises(ValueError, match="two columns 'x'"):
        matches_of().to_table(left, right, suffixes=("", ""))


def test_the_separation_of_an_earlier_match_is_kept_beside_the_new_one(library):
    make = LIBRARIES[library]
    left, right = make({"separation": np.arange(5)}), make({"separation": np.arange(4)})
    table = matches_of().to_table(left, right)
    names = ["separation_left", "separation_right", "separation"]
    assert list(getattr(table, NAMES[library])) == names
    once = matches_of().to_table(left, make({"y": np.arange(4)}))
    assert list(getattr(once, NAMES[library])) == ["separation_left", "y", "separation"]


def test_the_callers_tables_are_untouched(library):
    sides = tables(library)
    before = tables(library)
    for join in (*ROWS, "anti"):
        matches_of().to_table(*sides, join)
    for side, wanted in zip(sides, before, strict=True):
        names = list(getattr(wanted, NAMES[library]))
        assert list(getattr(side, NAMES[library])) == names
        for name in names:
            assert values(side, name) == values(wanted, name)


@pytest.mark.parametrize(("side", "n"), [("left", 5), ("right", 4)])
def test_a_table_of_another_length_is_an_error_that_names_it(library, side, n):
    left, right = tables(library)
    wrong = (right, right) if side == "left" else (left, left)
    with pytest.raises(ValueError, match=rf"{side}_table has \d rows; {n} were matched"):
        matches_of().to_table(*wrong)


def test_tables_of_two_libraries_are_an_error_that_names_both():
    left, right = tables("pandas")[0], tables("arrow")[1]
    for sides in ((left, right), (left, None), (None, right), ([1], [2])):
        with pytest.raises(TypeError, match="must be tables of one library") as caught:
            matches_of().to_table(*sides)
        assert type(sides[0]).__name__ in str(caught.value)


def test_an_unknown_join_is_an_error_that_lists_the_known(library):
    for sides in (tables(library), (None, None)):
        with pytest.raises(ValueError, match="'inner', 'left', 'outer' or 'anti', not 'full'"):
            matches_of().to_table(*sides, join="full")


@pytest.mark.parametrize("join", ROWS)
def test_without_tables_there_are_row_numbers(join):
    matches = matches_of()
    table = matches.to_table(join=join)
    assert table.colnames == ["left", "right", "separation"]
    assert table["separation"].unit == u.arcsec
    left, right = zip(*ROWS[join], strict=True)
    assert (values(table, "left"), values(table, "right")) == (list(left), list(right))
    assert table.meta["provenance"] == matches.provenance.to_dict()
    assert (table.meta["n_dropped_left"], table.meta["n_dropped_right"]) == (1, 0)


def test_without_tables_anti_gives_the_left_rows_alone():
    table = matches_of().to_table(join="anti")
    assert table.colnames == ["left"]
    assert values(table, "left") == [0, 2, 3]


# ------------------------------------------------------------------ the index of pandas


def test_a_named_index_is_a_column():
    left, right = tables("pandas")
    matches = matches_of()
    plain = matches.to_table(left, right, "outer")
    index = matches.to_table(left.set_index("id"), right.set_index("id"), "outer")
    pd.testing.assert_frame_equal(index, plain)


@pytest.mark.parametrize("join", [*ROWS, "anti"])
def test_named_levels_of_an_index_are_columns(join):
    left, right = tables("pandas")
    matches = matches_of()
    levels = matches.to_table(left.set_index(["id", "name"]), right, join)
    pd.testing.assert_frame_equal(levels, matches.to_table(left, right, join))
    half = left.set_index(["id", np.arange(5)])
    pd.testing.assert_frame_equal(
        matches.to_table(half, right, join), matches.to_table(left, right, join)
    )


@pytest.mark.parametrize("join", ["inner", "left"])
def test_an_index_named_like_a_column_is_an_error(join):
    left, right = tables("pandas")
    twice = left.rename_axis("name")
    with pytest.raises(ValueError, match=r"^left_table has an index named like its column 'name'"):
        matches_of().to_table(twice, right, join)


@pytest.mark.parametrize("suffixes", ["ab", None, ("_left",), ("_l", 2), ("a", "b", "c")])
def test_suffixes_are_two_strings(library, suffixes):
    with pytest.raises(ValueError, match=r"^suffixes must be two strings, not"):
        matches_of().to_table(*tables(library), suffixes=suffixes)


# ------------------------------------------------------------------ files


def kinds_of_matches():
    full = Catalog(
        [1.0, 2.0, np.nan],
        [3.0, 4.0, 5.0],
        pm_ra_cosdec=[1.0, np.nan, 3.0],
        pm_dec=[-4.0, 5.0, -6.0],
        epoch=[2000.0, 2001.0, 2002.0],
        error=0.5,
    )
    plain = Catalog([1.0001, 725.0], [3.0, 4.0], epoch=2016.0)
    yield "full", arm.crossmatch.nearest(full, plain, 2.0, epoch=2016.0)
    yield "itself", arm.crossmatch.within(full, None, 1e5)
    yield "empty", matches_of({"ra": [], "dec": []})


KINDS = dict(kinds_of_matches())


def assert_same(found, wanted):
    for name in ("left", "right", "separation"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert getattr(found, name).dtype == getattr(wanted, name).dtype
    for side in ("left_catalog", "right_catalog"):
        for name in ("ra", "dec", "pm_ra_cosdec", "pm_dec", "epoch", "error"):
            values_ = [getattr(getattr(matches, side), name) for matches in (found, wanted)]
            assert (values_[0] is None) == (values_[1] is None)
            if values_[1] is not None:
                np.testing.assert_array_equal(*values_)
    for name in ("n_dropped_left", "n_dropped_right", "with_itself", "provenance"):
        assert getattr(found, name) == getattr(wanted, name)
    np.testing.assert_array_equal(found.unmatched_left, wanted.unmatched_left)
    np.testing.assert_array_equal(found.offsets, wanted.offsets)


@pytest.mark.parametrize("matches", KINDS.values(), ids=KINDS)
def test_what_is_saved_is_what_is_loaded(tmp_path, matches):
    matches.save(tmp_path / "matches.npz")
    loaded = Matches.load(tmp_path / "matches.npz")
    assert_same(loaded, matches)
    assert repr(loaded) == repr(matches)


@pytest.mark.parametrize("matches", KINDS.values(), ids=KINDS)
def test_matches_survive_pickling(matches):
    assert matches.unmatched_left is not None and matches.offsets is not None
    state = pickle.dumps(matches)
    assert_same(pickle.loads(state), matches)
    # What can be computed again is not carried along.
    assert b"offsets" not in state and b"unmatched" not in state


def all_arrays(matches):
    yield from (matches.left, matches.right, matches.separation)
    yield from (matches.unmatched_left, matches.unmatched_right, *matches.offsets)
    for catalog in (matches.left_catalog, matches.right_catalog):
        values_ = [getattr(catalog, name) for name in ROLES]
        yield from (value for value in values_ if isinstance(value, np.ndarray))


@pytest.mark.parametrize("matches", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "copied",
    [lambda m: m, lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, copy.copy],
    ids=["itself", "pickle", "deepcopy", "copy"],
)
def test_no_array_of_matches_can_be_written_to(matches, copied):
    assert not any(array.flags.writeable for array in all_arrays(copied(matches)))


def test_loaded_arrays_are_read_only(tmp_path):
    matches_of().save(tmp_path / "matches.npz")
    loaded = Matches.load(tmp_path / "matches.npz")
    for name in ("left", "right", "separation"):
        assert not getattr(loaded, name).flags.writeable


def test_loading_warns_of_nothing(tmp_path):
    KINDS["full"].save(tmp_path / "matches.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Matches.load(tmp_path / "matches.npz")


@pytest.mark.parametrize("content", ["nothing", "text", "other arrays", "other header", "cut"])
def test_a_file_of_something_else_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "matches.npz"
    if content == "nothing":
        path.write_bytes(b"")
    elif content == "text":
        path.write_text("left right separation\n0 1 0.5\n")
    elif content == "other arrays":
        np.savez(path, left=np.arange(3))
    elif content == "other header":
        np.savez(path, header=np.array('{"format": "something else"}'))
    else:
        matches_of().save(path)
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"matches\.npz holds no matches written by armillary"):
        Matches.load(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Matches.load(tmp_path / "nowhere.npz")


def test_an_older_file_stays_where_saving_fails(tmp_path, monkeypatch):
    path = tmp_path / "matches.npz"
    path.write_text("older")

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        matches_of().save(path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------ for people


def test_the_repr_tells_what_was_matched_and_what_was_not():
    lines = repr(matches_of()).splitlines()
    assert lines[0] == "Matches of 5 sources with 4 sources: 3 pairs"
    assert "without a match: 3 left, 1 right" in lines[2]
    assert "is unknown: 1 left, 0 right" in lines[3]
    assert "crossmatch.within by 'cpu'" in lines[4]


def test_the_repr_tells_the_median_and_the_largest_separation():
    matches = matches_of()
    median, largest = np.median(matches.separation), matches.separation.max()
    assert f"median {median:.4g}, largest {largest:.4g} arcsec" in repr(matches)


def test_the_repr_of_matches_with_itself_and_of_none():
    first = repr(KINDS["itself"]).splitlines()[0]
    assert first == "Matches of 3 sources with itself: 1 pair"
    assert "separation" not in repr(KINDS["empty"])


def test_the_separation_is_that_of_the_positions_that_are_kept():
    matches = KINDS["full"]
    left, right = matches.left_catalog, matches.right_catalog
    apart = separation(
        left.ra[matches.left], left.dec[matches.left],
        right.ra[matches.right], right.dec[matches.right],
    )  # fmt: skip
    np.testing.assert_allclose(matches.separation, apart, rtol=1e-12)
