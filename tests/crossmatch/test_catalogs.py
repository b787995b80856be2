"""Matching on disk: the same pairs as in memory, whatever the memory, and nothing half-written."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import armillary as arm
from armillary.crossmatch.disk import healpix, job, patch
from armillary.crossmatch.disk.patch import Patch
from armillary.crossmatch.disk.pixels import ORDER, Range
from armillary.crossmatch.disk.plan import patches
from armillary.io.catalog_files import CatalogFile

#: So little that every few rows are a patch of their own, and spilled.
TINY = 20_000


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    """Runs of a hundred rows, so that small catalogues have many."""
    monkeypatch.setattr(job, "RUN_ROWS", 100)


@pytest.fixture
def write(tmp_path):
    """Write positions, with an identifier and a name, as Parquet."""

    def written(name, ra, dec, **more):
        n = len(ra)
        columns = {"id": np.arange(n), "name": [f"s{i}" for i in range(n)], "ra": ra, "dec": dec}
        parquet.write_table(pa.table({**columns, **more}), tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    return written


def in_order_of_the_sky(matches, join, left, right):
    """Rows of the result as the documentation has them, from the pairs found in memory."""
    rows = matches._joined_rows("left" if join == "outer" else join)
    order = np.argsort(healpix.pixels(*left, ORDER)[rows[0]], kind="stable")
    rows = [column[order] for column in rows]
    if join == "outer":
        alone = matches.unmatched_right
        alone = alone[np.argsort(healpix.pixels(*right, ORDER)[alone], kind="stable")]
        nothing = np.full(len(alone), -1)
        apart = np.full(len(alone), np.nan)
        rows = [np.concatenate(p) for p in zip(rows, (nothing, alone, apart), strict=True)]
    return rows


def rows_of(table, join):
    """Identifiers of a result, -1 where there is none, and separations."""

    def numbers(name):
        return table[name].fill_null(-1).to_numpy()

    if join == "anti":
        return [numbers("id"), np.full(len(table), -1), np.full(len(table), np.nan)]
    apart = table["separation"].to_numpy()
    return [numbers("id_left"), numbers("id_right"), apart]


def same(found, expected):
    return all(np.array_equal(f, e, equal_nan=True) for f, e in zip(found, expected, strict=True))


# ------------------------------------------------------------------ the same as in memory


@pytest.mark.parametrize("join", ["inner", "left", "outer", "anti"])
@pytest.mark.parametrize(
    "options", [{}, {"k": 3}, {"mutual": True}, {"k": None}, {"min_radius": 5.0}]
)
def test_it_gives_what_matching_in_memory_gives(write, clustered, tmp_path, join, options):
    left, right = clustered(1, 900), clustered(1, 700, spread=0.02)
    left[0][::97], right[1][::89] = np.nan, np.nan
    radius = 60.0
    in_memory = {name: value for name, value in options.items() if value is not None}
    match = arm.crossmatch.within if options.get("k", 1) is None else arm.crossmatch.nearest
    matches = match(left, right, radius, **in_memory)
    paths = write("left", *left), write("right", *right)
    report = arm.crossmatch.catalogs(
        *paths, radius, tmp_path / "out.parquet", join=join, memory=TINY, **options
    )
    table = parquet.read_table(tmp_path / "out.parquet")
    expected = in_order_of_the_sky(matches, join, left, right)
    assert same(rows_of(table, join), expected)
    assert report.n_pairs == len(matches) > 0
    assert (report.n_left, report.n_right, report.n_written) == (900, 700, len(table))
    assert report.n_unmatched_left == len(matches.unmatched_left)
    assert report.n_unmatched_right == len(matches.unmatched_right)
    assert report.n_dropped_left == matches.n_dropped_left > 0
    assert report.n_dropped_right == matches.n_dropped_right > 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    exponent=st.floats(-2.0, 5.5),
    memory=st.sampled_from([10_000, 10**5, 10**8]),
    threads=st.integers(1, 3),
)
def test_neither_memory_nor_threads_change_the_result(
    write, clustered, tmp_path, seed, exponent, memory, threads
):
    left, right = clustered(seed, 300), clustered(seed, 300, spread=0.5)
    paths = write("left", *left), write("right", *right)
    out = tmp_path / "out.parquet"
    arm.crossmatch.catalogs(
        *paths, 10.0**exponent, out, k=2, join="outer", memory=memory, threads=threads,
        overwrite=True,
    )  # fmt: skip
    matches = arm.crossmatch.nearest(left, right, 10.0**exponent, k=2)
    expected = in_order_of_the_sky(matches, "outer", left, right)
    assert same(rows_of(parquet.read_table(out), "outer"), expected)


def test_ties_across_pixels_go_to_the_lower_row_as_in_memory(write, tmp_path):
    # Right rows on a lattice, left rows in the middle between two, far apart in the pixels.
    left = np.zeros(50) + 0.5, np.arange(50) - 25.0
    right = np.tile([1.0, 0.0], 50), np.repeat(np.arange(50) - 25.0, 2)
    paths = write("left", *left), write("right", *right)
    arm.crossmatch.catalogs(*paths, 3600.0, tmp_path / "out.parquet", memory=TINY)
    matches = arm.crossmatch.nearest(left, right, 3600.0)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert same(rows_of(table, "inner"), in_order_of_the_sky(matches, "inner", left, right))


def test_positions_are_moved_to_an_epoch(write, tmp_path):
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 500), rng.uniform(-89, 89, 500)
    motion = {"pmra": rng.normal(0, 3000, 500), "pmdec": rng.normal(0, 3000, 500)}
    moving = arm.crossmatch.Catalog(
        ra, dec, pm_ra_cosdec=motion["pmra"], pm_dec=motion["pmdec"], epoch=1991.25
    )
    there = moving.at(2016.0)
    left = write("left", ra, dec, ref_epoch=np.full(500, 1991.25), **motion)
    right = write("right", there.ra, there.dec)
    out = tmp_path / "out.parquet"
    report = arm.crossmatch.catalogs(left, right, 0.01, out, epoch=2016.0, memory=TINY)
    assert report.n_pairs == 500
    # The columns are those of the file, where it was.
    kept = parquet.read_table(out).sort_by("id_left")
    assert np.array_equal(kept["ra_left"].to_numpy(), ra)
    assert np.array_equal(kept["id_right"].to_numpy(), np.arange(500))


def test_an_epoch_may_be_a_number_for_all_rows(write, tmp_path):
    motion = {"pmra": [0.0, 0.0], "pmdec": [1000.0, -1000.0]}
    left = write("left", [1.0, 2.0], [0.0, 0.0], **motion)
    right = write("right", [1.0, 2.0], [24.75 / 3600.0, -24.75 / 3600.0])
    out = tmp_path / "out.parquet"
    for year in (1991.25, np.float64(1991.25)):
        report = arm.crossmatch.catalogs(
            left, right, 0.01, out, epoch=2016, left_columns={"epoch": year}, overwrite=True
        )
        assert report.n_pairs == 2
    whole = arm.crossmatch.catalogs(
        left, right, 0.01, None, epoch=np.int64(2000), left_columns={"epoch": np.int64(2000)}
    )
    assert whole.n_pairs == 0


def test_different_epochs_without_one_to_meet_at_are_warned_of(write, tmp_path):
    motion = {"pmra": [1.0], "pmdec": [1.0]}
    left = write("left", [1.0], [1.0], ref_epoch=[1991.25], **motion)
    right = write("right", [1.0], [1.0])
    with pytest.warns(arm.crossmatch.EpochWarning, match=r"pass epoch=2016 "):
        arm.crossmatch.catalogs(left, right, 1.0, None, right_columns={"epoch": 2016.0})


def test_a_radius_in_sigma_uses_the_errors_of_each_pair(write, tmp_path):
    rng = np.random.default_rng(4)
    left = rng.uniform(0, 0.2, 300), rng.uniform(0, 0.2, 300)
    right = rng.uniform(0, 0.2, 300), rng.uniform(0, 0.2, 300)
    errors = rng.uniform(0, 30, 300), rng.uniform(0, 30, 300)
    errors[0][5] = np.nan
    paths = write("left", *left, pos_err=errors[0]), write("right", *right)
    report = arm.crossmatch.catalogs(
        *paths, arm.crossmatch.n_sigma(2), None, k=None, memory=TINY,
        left_columns={"error": "pos_err"}, right_columns={"error": 0.5},
    )  # fmt: skip
    catalogues = (
        arm.crossmatch.Catalog(*left, error=errors[0]),
        arm.crossmatch.Catalog(*right, error=0.5),
    )
    matches = arm.crossmatch.within(*catalogues, arm.crossmatch.n_sigma(2))
    assert report.n_pairs == len(matches) > 0
    assert report.n_dropped_left == 1


# ------------------------------------------------------------------ files of every kind


@pytest.mark.parametrize("suffix", ["fits", "csv", "vot", "ecsv"])
def test_other_formats_are_read(write, clustered, tmp_path, suffix):
    from astropy.table import Table

    positions = clustered(8, 200)
    table = Table({"RAJ2000": positions[0], "DEJ2000": positions[1], "flux": np.arange(200.0)})
    path = tmp_path / f"left.{suffix}"
    table.write(path, **({"format": "votable"} if suffix == "vot" else {}))
    right = write("right", *positions)
    report = arm.crossmatch.catalogs(path, right, 0.1, tmp_path / "out.parquet", k=None)
    assert report.n_pairs == len(arm.crossmatch.within(positions, positions, 0.1))
    names = parquet.read_schema(tmp_path / "out.parquet").names
    assert names == ["RAJ2000", "DEJ2000", "flux", "id", "name", "ra", "dec", "separation"]


def test_a_folder_of_files_is_one_catalogue(write, clustered, tmp_path):
    positions = clustered(8, 200)
    (tmp_path / "parts").mkdir()
    for part in range(4):
        chosen = slice(50 * part, 50 * part + 50)
        write(f"parts/p{part}", positions[0][chosen], positions[1][chosen])
    right = write("right", *positions)
    report = arm.crossmatch.catalogs(tmp_path / "parts", right, 0.01, None)
    assert (report.n_left, report.n_matched_left) == (200, 200)


def test_sexagesimal_text_is_read(tmp_path, write):
    (tmp_path / "left.csv").write_text("name,ra,dec\na,17:45:40.04,-29:00:28.1\nb,,\n")
    right = write("right", [266.41683333], [-29.00780556])
    report = arm.crossmatch.catalogs(tmp_path / "left.csv", right, 0.1, None)
    assert (report.n_pairs, report.n_dropped_left) == (1, 1)


def test_columns_are_chosen_and_keep_their_kind(write, clustered, tmp_path):
    positions = clustered(9, 50)
    paths = write("left", *positions), write("right", *positions)
    out = tmp_path / "out.parquet"
    arm.crossmatch.catalogs(
        *paths, 0.1, out, columns={"left": ["name"], "right": ["name", "id"]}, suffixes=("", "_b")
    )
    schema = parquet.read_schema(out)
    assert schema.names == ["name", "name_b", "id", "separation"]
    assert schema.field("id").type == pa.int64()
    assert schema.field("separation").metadata[b"unit"] == b"arcsec"


@pytest.mark.parametrize("join", ["inner", "left", "outer"])
@pytest.mark.parametrize("nothing", ["left", "right", "both"])
def test_no_column_of_a_side_may_be_kept(write, clustered, tmp_path, nothing, join):
    positions = clustered(9, 50)
    paths = write("left", *positions), write("right", *positions)
    sides = ("left", "right")
    columns = {side: [] if nothing in (side, "both") else ["id"] for side in sides}
    whole, part = tmp_path / "whole.parquet", tmp_path / "part.parquet"
    arm.crossmatch.catalogs(*paths, 0.1, whole, join=join)
    arm.crossmatch.catalogs(*paths, 0.1, part, join=join, columns=columns, memory=TINY)
    found, expected = parquet.read_table(part), parquet.read_table(whole)
    kept = [side for side in sides if columns[side]]
    assert found.column_names == [*("id" for _ in kept), "separation"]
    assert found["separation"].equals(expected["separation"])
    for side in kept:
        assert found["id"].equals(expected[f"id_{side}"])


def test_columns_that_begin_as_those_of_hats_are_kept(write, tmp_path):
    left = write("left", [1.0], [1.0], _healpix_29=[5], _healpix_norder=[9])
    right = write("right", [1.0], [1.0])
    arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert (found["_healpix_29"].to_pylist(), found["_healpix_norder"].to_pylist()) == ([5], [9])


def test_texts_that_arrow_only_views_are_kept(write, tmp_path):
    if not hasattr(pa, "string_view"):
        pytest.skip("this pyarrow has no views")
    left = write("left", [1.0], [1.0], note=pa.array(["seen"], pa.string_view()))
    right = write("right", [1.0], [1.0])
    arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out.parquet", memory=TINY)
    assert parquet.read_table(tmp_path / "out.parquet")["note"].to_pylist() == ["seen"]


@pytest.mark.parametrize("empty", ["left", "right", "both"])
@pytest.mark.parametrize("join", ["inner", "left", "outer", "anti"])
def test_a_catalogue_without_rows_has_no_matches(write, tmp_path, empty, join):
    nothing, something = ([], []), ([1.0, 2.0], [1.0, 2.0])
    left = write("left", *(something if empty == "right" else nothing))
    right = write("right", *(something if empty == "left" else nothing))
    table = pa.table({"id": pa.array([], pa.int64()), "ra": pa.array([], pa.float64())})
    for path, rows in ((left, empty != "right"), (right, empty != "left")):
        if rows:
            schema = table.append_column("dec", pa.array([], pa.float64()))
            parquet.write_table(schema, path)
    out = tmp_path / "out.parquet"
    report = arm.crossmatch.catalogs(left, right, 1.0, out, join=join)
    rows = {"inner": 0, "left": report.n_left, "anti": report.n_left}
    rows["outer"] = report.n_left + report.n_right
    assert len(parquet.read_table(out)) == rows[join]
    assert report.n_pairs == 0


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"join": "full"}, "join must be one of 'inner', 'left', 'outer', 'anti', not 'full'"),
        ({"k": 0}, "k must be a whole number of at least 1 or None, not 0"),
        ({"k": 2, "mutual": True}, "k must then be 1"),
        ({"memory": "lots"}, "memory must be a number of bytes or a text such as '4GB'"),
        ({"min_radius": [1, 2]}, "min_radius must be one finite number"),
        ({"columns": {"middle": []}}, "columns may have 'left' and 'right', not 'middle'"),
        ({"columns": {"left": ["nothing"]}}, "has no column 'nothing'"),
        ({"left_columns": {"ra": "alpha"}}, "no column 'alpha'"),
        ({"suffixes": ("", "")}, "two columns 'id'"),
        ({"suffixes": "ab"}, "suffixes must be two texts, for left and right, not 'ab'"),
        ({"suffixes": ("_a", 1)}, "suffixes must be two texts"),
        ({"columns": {"left": "ra"}}, "'left' must be a list of names, not the text 'ra'"),
        ({"columns": {"left": []}, "join": "anti"}, "writes left columns only, and none"),
        ({"left_columns": {"ra": 5.0}}, "ra must be the name of a column, not 5.0; only epoch"),
        ({"left_columns": {"error": [1.0]}}, "error must be the name of a column, not"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(write, tmp_path, options, says):
    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    (folder := tmp_path / "results").mkdir()
    with pytest.raises((ValueError, TypeError), match=says):
        arm.crossmatch.catalogs(*paths, 1.0, folder / "out.parquet", **options)
    assert list(folder.iterdir()) == []


def test_a_wrong_declination_is_named_with_its_file(write, tmp_path):
    dec = np.zeros(250)
    dec[207] = 91.0
    left = write("left", np.zeros(250), dec)
    right = write("right", [1.0], [1.0])
    with pytest.raises(ValueError, match=r"left.parquet, rows 200 to 249: dec .* row 7 is 91"):
        arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("which", [0, 1])
def test_a_catalogue_is_not_replaced_by_its_matches(write, clustered, which):
    paths = write("left", *clustered(1, 20)), write("right", *clustered(1, 30))
    before = paths[which].read_bytes()
    with pytest.raises(ValueError, match="is one of the inputs, and cannot be out as well"):
        arm.crossmatch.catalogs(*paths, 1.0, paths[which], overwrite=True)
    assert paths[which].read_bytes() == before


def test_what_exists_is_replaced_only_where_that_is_wanted(write, tmp_path):
    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    out = tmp_path / "out.parquet"
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        arm.crossmatch.catalogs(*paths, 1.0, out)
    assert out.read_text() == "precious"
    arm.crossmatch.catalogs(*paths, 1.0, out, overwrite=True)
    assert len(parquet.read_table(out)) == 1


def test_an_unknown_suffix_is_refused(write, tmp_path):
    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    with pytest.raises(ValueError, match=r"out must end in \.parquet or \.pq"):
        arm.crossmatch.catalogs(*paths, 1.0, tmp_path / "out.fits")


@pytest.mark.parametrize("name", ["", ".parquet", ".hidden", ".hidden.parquet", ".."])
def test_a_result_needs_a_name_that_can_be_seen(write, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    with pytest.raises(ValueError, match=r"out must have a name that does not begin with '\.'"):
        arm.crossmatch.catalogs(*paths, 1.0, name)


def test_names_of_columns_that_are_ours_are_refused(write, tmp_path):
    left = write("left", [1.0], [1.0], **{"armillary:row": [7]})
    right = write("right", [1.0], [1.0])
    with pytest.raises(ValueError, match=r"left.parquet.*rename column 'armillary:row'"):
        arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out.parquet")


# ------------------------------------------------------------------ memory


def test_runs_of_wide_rows_are_short(write, clustered, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "RUN_ROWS", 1 << 20)
    left, right = clustered(1, 6000), clustered(1, 100)
    wide = {f"c{i}": np.arange(6000.0) for i in range(50)}
    paths = write("left", *left, **wide), write("right", *right)
    read = []
    batches = CatalogFile.batches

    def counted(self, columns=None, **options):
        for batch in batches(self, columns, **options):
            if self.path == paths[0]:
                read.append(batch)
            yield batch

    monkeypatch.setattr(CatalogFile, "batches", counted)
    found = []
    for memory, least, most in (
        (1_000_000, job.LEAST_RUN, job.LEAST_RUN),
        (5_000_000, job.LEAST_RUN + 1, 5999),
        ("1GB", 6000, 6000),
    ):
        read.clear()
        out = tmp_path / "out.parquet"
        arm.crossmatch.catalogs(*paths, 60.0, out, memory=memory, threads=1, overwrite=True)
        longest = max(batch.num_rows for batch in read)
        assert least <= longest <= most
        assert memory != 5_000_000 or 2 * job.COPIES_OF_RUN * longest * 400 < memory
        found.append(parquet.read_table(out))
    assert found[0].num_rows > 0
    assert found[0].equals(found[1]) and found[0].equals(found[2])


def test_statistics_do_not_depend_on_memory_or_threads(write, clustered, monkeypatch):
    monkeypatch.setattr(patch, "MAX_OFFSETS", 100)
    left, right = clustered(1, 900), clustered(1, 700, spread=0.02)
    paths = write("left", *left), write("right", *right)
    reports = [
        arm.crossmatch.catalogs(*paths, 60.0, None, k=None, memory=memory, threads=threads)
        for memory, threads in ((TINY, 1), (TINY, 3), ("1GB", 1))
    ]
    first, *others = (report.statistics for report in reports)
    assert 0 < first.n_offsets < first.n_pairs / 2
    for other in others:
        assert np.array_equal(other.separation_counts, first.separation_counts)
        assert np.array_equal(other.offset_counts, first.offset_counts)


class Crowd:
    """Rows that all lie in one pixel of order 9."""

    edges = ()

    def __init__(self, n, pixel=77):
        self.pixel = pixel
        self.n_rows = n
        self.counts = np.bincount([pixel >> 6], weights=[n], minlength=(12 << 12) + 1).astype(int)

    def bytes_per_row(self):
        return 40.0

    def counts_within(self, first, last):
        counts = np.zeros(last - first, int)
        counts[self.pixel - first] = self.n_rows
        return counts

    def read(self, ranges):
        assert ranges == [Range(self.pixel, self.pixel + 1)]
        return pa.table({"row": np.arange(self.n_rows)})


def test_a_crowded_pixel_is_cut_into_parts_of_its_left_rows():
    left, right = Crowd(10_000), Crowd(1000)
    plan = patches(left, right, 1_000_000.0)
    assert {one.home for one in plan} == {Range(77, 78)}
    rows = [one.own(left)["row"].to_pylist() for one in plan]
    assert list(itertools.chain(*rows)) == list(range(10_000))
    assert max(map(len, rows)) * 200.0 <= 1_000_000.0 < 10_000 * 200.0
    # Where right rows alone are too many, left ones do not come one by one.
    assert len(patches(left, Crowd(10**6), 1_000_000.0)) < 20


@given(n=st.integers(0, 200), first=st.integers(1, 7), then=st.integers(1, 7))
def test_parts_of_parts_are_all_rows_once(n, first, then):
    rows = Crowd(n)
    parts = [part for half in Patch(Range(77, 78)).split(first) for part in half.split(then)]
    found = [part.own(rows)["row"].to_pylist() for part in parts]
    assert list(itertools.chain(*found)) == list(range(n))


# ------------------------------------------------------------------ whole or not at all


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_what_appeared_meanwhile_is_not_replaced(write, clustered, tmp_path, name):
    positions = clustered(2, 300)
    paths = write("left", *positions), write("right", *positions)
    (folder := tmp_path / "results").mkdir()
    out = folder / name

    def progress(done, total):
        out.write_text("of another run")

    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        arm.crossmatch.catalogs(*paths, 1.0, out, progress=progress)
    assert out.read_text() == "of another run"
    assert list(folder.iterdir()) == [out]


def test_progress_reaches_the_end_and_never_falls(write, clustered, tmp_path):
    positions = clustered(2, 800)
    paths = write("left", *positions), write("right", *positions)
    told = []
    arm.crossmatch.catalogs(
        *paths, 1.0, None, memory=TINY, progress=lambda *counts: told.append(counts)
    )
    fractions = [done / total for done, total in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(told) > 10


def test_an_error_in_the_middle_leaves_nothing(write, clustered, tmp_path):
    positions = clustered(2, 800)
    paths = write("left", *positions), write("right", *positions)
    (folder := tmp_path / "results").mkdir()

    def progress(done, total):
        if done > 0.8 * total:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        arm.crossmatch.catalogs(*paths, 1.0, folder / "out.parquet", memory=TINY, progress=progress)
    assert list(folder.iterdir()) == []


SLOW = """
import sys, time
import armillary as arm
from armillary.crossmatch.disk import job
job.RUN_ROWS = 100

def progress(done, total):
    if done > 0.8 * total:
        print("in the middle", flush=True)
        time.sleep(60)

arm.crossmatch.catalogs(*sys.argv[1:3], 1.0, sys.argv[3], memory=20_000, progress=progress)
"""


def test_a_killed_run_leaves_no_result_and_the_next_one_tidies_up(write, clustered, tmp_path):
    positions = clustered(2, 800)
    paths = write("left", *positions), write("right", *positions)
    (folder := tmp_path / "results").mkdir()
    out = folder / "out.parquet"
    command = [sys.executable, "-c", SLOW, *map(str, paths), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "in the middle\n"
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
    assert not out.exists()
    left_behind = list(folder.iterdir())
    assert len(left_behind) == 1 and left_behind[0].name.endswith(".armillary-tmp")
    arm.crossmatch.catalogs(*paths, 1.0, out, memory=TINY)
    assert list(folder.iterdir()) == [out]


def test_the_temporary_folder_of_a_run_that_lives_is_left_alone(write, tmp_path):
    from armillary.runtime.temporary import temporary_folder

    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    out = tmp_path / "out.parquet"
    with temporary_folder(out) as folder:
        arm.crossmatch.catalogs(*paths, 1.0, out)
        assert folder.is_dir()
    assert not folder.exists()


def test_folders_of_other_hosts_are_left_alone(write, tmp_path, monkeypatch):
    paths = write("left", [1.0], [1.0]), write("right", [1.0], [1.0])
    out = tmp_path / "out.parquet"
    folders = [
        tmp_path / f".out.parquet.{host}.999999999-1700000000.abc.armillary-tmp"
        for host in ("here", "there")
    ]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr("platform.node", lambda: "here")
    arm.crossmatch.catalogs(*paths, 1.0, out)
    assert [folder.exists() for folder in folders] == [False, True]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    for _ in range(20):
        if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)


@pytest.mark.parametrize("memory", [TINY, "1GB"])
def test_a_full_disk_is_a_sentence_and_leaves_no_result(write, small_disk, memory):
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 360, 20_000), rng.uniform(-90, 90, 20_000)
    paths = write("left", *positions), write("right", *positions)
    with pytest.raises(OSError, match=r"disk of .* is full") as caught:
        arm.crossmatch.catalogs(*paths, 1.0, small_disk / "out.parquet", memory=memory)
    assert "out.parquet" in str(caught.value)
    assert list(small_disk.iterdir()) == []


def test_flags_that_do_not_fit_are_a_sentence(write, small_disk, monkeypatch):
    # A result that is only counted has its temporary folder where one works.
    paths = write("left", [1.0], [1.0]), write("right", np.zeros(400_000), np.zeros(400_000))
    with monkeypatch.context() as patched:
        patched.setattr(job, "RUN_ROWS", 1 << 20)
        patched.chdir(small_disk)
        with pytest.raises(OSError, match=r"disk of .* is full; temporary files could not"):
            arm.crossmatch.catalogs(*paths, 1.0, None, memory="1GB")
    assert list(small_disk.iterdir()) == []


def test_a_patch_with_more_pairs_than_memory_is_matched_in_parts(write, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    left = 10.0 + rng.normal(0, 1e-4, 400), rng.normal(0, 1e-4, 400)
    right = 10.0 + rng.normal(0, 1e-4, 300), rng.normal(0, 1e-4, 300)
    asked = []
    match_patch = job.match_patch

    def counted(left, right, one, *arguments, **options):
        asked.append((one, threading.current_thread()))
        return match_patch(left, right, one, *arguments, **options)

    monkeypatch.setattr(job, "match_patch", counted)
    paths = write("left", *left), write("right", *right)
    out = tmp_path / "out.parquet"
    report = arm.crossmatch.catalogs(*paths, 60.0, out, k=None, join="left", memory=2_000_000)
    assert report.n_pairs == 400 * 300
    assert 1 < len(asked) < 400
    assert threading.main_thread() in {thread for _, thread in asked}
    assert all(one.parts == 1 or thread is threading.main_thread() for one, thread in asked)
    matches = arm.crossmatch.within(left, right, 60.0)
    expected = in_order_of_the_sky(matches, "left", left, right)
    assert same(rows_of(parquet.read_table(out), "left"), expected)


def test_one_row_with_more_pairs_than_memory_is_a_sentence(write, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "LEAST_FOR_PAIRS", 10_000)
    right = np.full(3000, 10.0), np.zeros(3000)
    paths = write("left", [10.0], [0.0]), write("right", *right)
    with pytest.raises(MemoryError, match=r"the result would hold about 3e.03 pairs"):
        arm.crossmatch.catalogs(*paths, 1.0, tmp_path / "out.parquet", k=None, memory=100_000)
    assert not (tmp_path / "out.parquet").exists()
