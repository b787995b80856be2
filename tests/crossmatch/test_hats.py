"""HATS catalogues in and out: LSDB's expected matches, margin caches, and what is written."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import armillary as arm
from armillary.crossmatch.disk import healpix, output
from armillary.crossmatch.disk.hats import HatsFolder, HatsRows
from armillary.crossmatch.disk.output import tile_path, tiling
from armillary.crossmatch.disk.pixels import ORDER, largest_radius
from armillary.io import CatalogFile, CatalogFileError, open_catalog
from armillary.io.catalog_hats import catalog_properties

TINY = 200_000
DEGREE = 3600.0

#: Expected table -> left and right catalogue below the folder of LSDB's test data, k, least and
#: largest separation (degrees). Two tables there are no matches of this kind: ``no_margin``
#: leaves out pairs across borders, and ``mock`` is made up.
SMALL_SKY = "small_sky_order1_collection/small_sky_order1"
LEFT = "raw/xmatch/small_sky_left_xmatch.csv"
EXPECTED = {
    "xmatch_correct": (SMALL_SKY, "small_sky_xmatch", 1, 0.0, 0.01),
    "xmatch_correct_0_005": (SMALL_SKY, "small_sky_xmatch", 1, 0.0, 0.005),
    "xmatch_correct_002_005": (SMALL_SKY, "small_sky_xmatch", 1, 0.002, 0.005),
    "xmatch_correct_3n_2t": (SMALL_SKY, "small_sky_xmatch", 3, 0.0, 2.0),
    "xmatch_correct_3n_2t_negative": (LEFT, "small_sky_xmatch", 3, 0.0, 2.0),
    "xmatch_correct_05_2_3n_margin": (SMALL_SKY, "small_sky_xmatch", 3, 0.5, 2.0),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("memory", [TINY, "1GB"])
def test_the_matches_that_lsdb_expects(crossmatch_data, tmp_path, name, memory):
    folder = crossmatch_data / "lsdb_tests_data"
    left, right, k, least, most = EXPECTED[name]
    out = tmp_path / "out.parquet"
    arm.crossmatch.catalogs(
        folder / left, folder / right, most * DEGREE, out, k=k, min_radius=least * DEGREE,
        memory=memory,
    )  # fmt: skip
    found = parquet.read_table(out)
    table = folder / f"raw/xmatch_expected/{name}.csv"
    rows = np.loadtxt(table, delimiter=",", skiprows=1, usecols=(1, 2, 3))
    expected = {(int(a), int(b)): apart * DEGREE for a, b, apart in rows}
    pairs = zip(found["id_left"].to_pylist(), found["id_right"].to_pylist(), strict=True)
    apart = dict(zip(pairs, found["separation"].to_pylist(), strict=True))
    assert apart.keys() == expected.keys()
    for pair, separation in expected.items():
        assert apart[pair] == pytest.approx(separation, rel=1e-7, abs=1e-6)


def test_a_real_margin_cache_serves_in_place_of_neighbours(crossmatch_data, monkeypatch):
    folder = crossmatch_data / "lsdb_tests_data"
    served = count_margins(monkeypatch)
    left, collection = folder / "small_sky_xmatch", folder / "small_sky_order1_collection"
    for radius, used in ((0.9, True), (1.9, True), (2.5, False)):
        served.clear()
        alone = arm.crossmatch.catalogs(left, folder / SMALL_SKY, radius * DEGREE, None, k=3)
        assert not served
        cached = arm.crossmatch.catalogs(left, collection, radius * DEGREE, None, k=3)
        assert bool(served) is used
        assert (cached.n_pairs, cached.n_matched_right) == (alone.n_pairs, alone.n_matched_right)


def count_margins(monkeypatch):
    """A list that gets the tiles of margins that are read."""
    served = []
    rows_of_margin = HatsRows._rows_of_margin

    def counted(self, tile):
        served.append(tile)
        return rows_of_margin(self, tile)

    monkeypatch.setattr(HatsRows, "_rows_of_margin", counted)
    return served


# ------------------------------------------------------------------ margins of small tiles


def fine_positions(pixels, order):
    """Positions in the middle of some small pixels."""
    x, y, z = healpix.centres(np.asarray(pixels), order).T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


@pytest.fixture
def lone_tile(hats):
    """A catalogue with a tile of order 10 alone in its pixel of order 9, and its left rows."""
    home = 1234
    rng = np.random.default_rng(8)
    # Right rows of the pixel of order 9 all lie in the first quarter; left rows are everywhere.
    quarter = (4 * home << 8) + rng.integers(0, 1 << 8, 40)
    others = ((home + 1) << 10) + rng.integers(0, 1 << 10, 200)
    right = fine_positions(np.concatenate([quarter, others]), 14)
    left = fine_positions((home << 10) + rng.integers(0, 1 << 10, 300), 14)
    return left, hats("right", *right, order=10, margin=31.0)


def test_a_tile_smaller_than_the_pixels_of_patches_needs_its_neighbours(lone_tile, tmp_path):
    left, folder = lone_tile
    table = pa.table({"id": np.arange(300), "ra": left[0], "dec": left[1]})
    parquet.write_table(table, tmp_path / "left.parquet")
    right = pa.concat_tables(
        parquet.read_table(tile.path, partitioning=None) for tile in HatsFolder.open(folder).tiles
    )
    expected = arm.crossmatch.within(left, (right["ra"].to_numpy(), right["dec"].to_numpy()), 30.0)
    for memory in (10_000, "1GB"):
        found = arm.crossmatch.catalogs(
            tmp_path / "left.parquet", folder, 30.0, None, k=None, memory=memory
        )
        assert found.n_pairs == len(expected) > 0
        assert found.n_unmatched_right == len(expected.unmatched_right)


@pytest.mark.parametrize("order", [7, 8, 9])
def test_margins_of_small_tiles_serve(hats, tmp_path, monkeypatch, order):
    rng = np.random.default_rng(9)
    pixels = (30 << 16) + rng.integers(0, 1 << 15, 400)  # two pixels of order 7, in those of 14
    right = hats("right", *fine_positions(pixels, 14), order=order, margin=31.0)
    ra, dec = fine_positions((30 << 16) + rng.integers(0, 1 << 15, 300), 14)
    parquet.write_table(pa.table({"ra": ra, "dec": dec}), tmp_path / "left.parquet")
    served = count_margins(monkeypatch)
    found = arm.crossmatch.catalogs(tmp_path / "left.parquet", right, 30.0, None, k=None)
    by_file = arm.crossmatch.catalogs(tmp_path / "left.parquet", right / "main", 30.0, None, k=None)
    assert found.n_pairs == by_file.n_pairs > 0
    assert len(served) == len(HatsFolder.open(right, 30.0).margin.tiles)


@pytest.mark.parametrize("where", ["main", "wide"])
@pytest.mark.parametrize("kind", [None, pa.float64(), pa.uint64()])
def test_a_margin_serves_only_where_rows_have_whole_numbers_as_keys(lone_tile, where, kind):
    _, folder = lone_tile
    assert HatsFolder.open(folder, 30.0).margin is not None
    for path in (folder / where).rglob("*.parquet"):
        table = parquet.read_table(path, partitioning=None)
        keys = table["_healpix_29"]
        table = table.drop_columns(["_healpix_29"])
        if kind is not None:
            table = table.append_column("_healpix_29", keys.cast(kind, safe=False))
        parquet.write_table(table, path)
    assert (HatsFolder.open(folder, 30.0).margin is not None) == (kind == pa.uint64())


def test_rows_are_numbered_along_the_sky_by_both_readers(hats, clustered, tmp_path):
    folder = hats("stars", *clustered(3, 200), order=2)
    # One tile of a larger order, as where it is crowded.
    tile = HatsFolder.open(folder).tiles[0]
    table = parquet.read_table(tile.path, partitioning=None)
    children = table["_healpix_29"].to_numpy() >> (2 * (29 - 3))
    for child in np.unique(children):
        path = folder / tile_path(3, int(child))
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.filter(children == child), path)
    tile.path.unlink()
    numbered = [
        row
        for tile in HatsFolder.open(folder).tiles
        for row in parquet.read_table(tile.path, partitioning=None)["id"].to_pylist()
    ]
    batches = open_catalog(folder).batches(["id"])
    assert [row for batch in batches for row in batch.column(0).to_pylist()] == numbered


# ------------------------------------------------------------------ made-up catalogues


@pytest.fixture
def hats(tmp_path):
    """Write positions as a HATS catalogue of one order, with or without a margin cache."""

    def written(name, ra, dec, order=1, margin=None):
        keys = healpix.pixels(ra, dec, 29)
        by_key = np.argsort(keys, kind="stable")
        table = pa.table({"_healpix_29": keys, "id": np.arange(len(ra)), "ra": ra, "dec": dec})
        table = table.take(by_key)
        root = tmp_path / name
        if margin is None:
            write_tiles(root, table, lambda tile, pixels: pixels == tile, order, {})
            return root
        write_tiles(root / "main", table, lambda tile, pixels: pixels == tile, order, {})
        reach = margin + 3600.0 * largest_radius(order + 6)

        def near(tile, pixels):
            own = pixels == tile
            border = arm.crossmatch.within(
                (table["ra"].to_numpy(), table["dec"].to_numpy()),
                around(tile, order),
                reach,
            )
            chosen = np.zeros(len(pixels), bool)
            chosen[border.left] = True
            return chosen & ~own

        write_tiles(root / "wide", table, near, order, {"hats_margin_threshold": margin})
        (root / "collection.properties").write_text(
            "hats_primary_table_url=main\nall_margins=wide\n"
        )
        return root

    return written


def around(tile, order):
    """Positions everywhere in a tile: the pixels of six orders more."""
    first = int(tile) << 12
    return fine_positions(np.arange(first, first + 4**6), order + 6)


def write_tiles(root, table, chosen, order, more):
    keys = table["_healpix_29"].to_numpy()
    pixels = keys >> (2 * (29 - order))
    for tile in np.unique(pixels).tolist():
        rows = table.filter(chosen(tile, pixels))
        if len(rows):
            path = root / tile_path(order, tile)
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(rows, path)
    properties = {"hats_col_ra": "ra", "hats_col_dec": "dec", **more}
    (root / "hats.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))


@pytest.mark.parametrize("margin", [None, 3 * DEGREE])
@pytest.mark.parametrize("join", ["inner", "left", "outer", "anti"])
@pytest.mark.parametrize("options", [{"k": 2}, {"mutual": True}, {"k": None}])
def test_it_gives_what_the_same_rows_in_one_file_give(
    hats, clustered, tmp_path, margin, join, options
):
    left, right = clustered(3, 250), clustered(3, 200, spread=0.03)
    folders = hats("left", *left, order=2), hats("right", *right, order=1, margin=margin)
    files = []
    for side, (ra, dec) in (("l", left), ("r", right)):
        by_key = np.argsort(healpix.pixels(ra, dec, 29), kind="stable")
        table = pa.table({"id": np.arange(len(ra)), "ra": ra, "dec": dec}).take(by_key)
        parquet.write_table(table, tmp_path / f"{side}.parquet")
        files.append(tmp_path / f"{side}.parquet")
    results = []
    for paths, memory in ((files, "1GB"), (folders, "1GB"), (folders, TINY)):
        out = tmp_path / "out.parquet"
        report = arm.crossmatch.catalogs(
            *paths, 120.0, out, join=join, memory=memory, overwrite=True, **options
        )
        counts = report.n_pairs, report.n_matched_left, report.n_matched_right, report.n_written
        results.append((parquet.read_table(out), counts))
    for table, counts in results[1:]:
        assert table.equals(results[0][0])
        assert counts == results[0][1]


def test_a_result_is_a_hats_catalogue(write_pair, tmp_path, monkeypatch):
    monkeypatch.setattr(output, "TILE_ROWS", 50)
    paths, positions = write_pair
    out = tmp_path / "matched"
    report = arm.crossmatch.catalogs(*paths, 60.0, out, memory=TINY)
    found = HatsFolder.open(out)
    assert sum(tile.n_rows for tile in found.tiles) == report.n_written == len(positions[0])
    assert all(tile.n_rows <= 50 or tile.order == ORDER for tile in found.tiles)
    assert len({tile.order for tile in found.tiles}) > 1
    every = []
    for tile in found.tiles:
        table = parquet.read_table(tile.path, partitioning=None)
        keys = table["_healpix_29"].to_numpy()
        assert np.all(np.diff(keys) >= 0)
        assert set(keys >> (2 * (29 - tile.order))) == {tile.pixel}
        ra, dec = table[found.properties["hats_col_ra"]], table[found.properties["hats_col_dec"]]
        assert np.array_equal(healpix.pixels(ra.to_numpy(), dec.to_numpy(), 29), keys)
        every += table["id_left"].to_pylist()
    assert sorted(every) == list(range(len(positions[0])))
    # It can be matched again, and replaced.
    again = arm.crossmatch.catalogs(
        out, paths[0], 0.1, None, left_columns={"ra": "ra_left", "dec": "dec_left"}
    )
    assert again.n_matched_left == report.n_written
    arm.crossmatch.catalogs(*paths, 60.0, out, overwrite=True)


def test_the_hats_library_reads_the_result(write_pair, tmp_path):
    library = pytest.importorskip("hats", reason="the package hats is not installed")
    paths, positions = write_pair
    report = arm.crossmatch.catalogs(*paths, 60.0, tmp_path / "matched")
    catalog = library.read_hats(tmp_path / "matched")
    assert catalog.catalog_info.total_rows == report.n_written == len(positions[0])
    tiles = HatsFolder.open(tmp_path / "matched").tiles
    assert sorted((p.order, p.pixel) for p in catalog.get_healpix_pixels()) == sorted(
        (t.order, t.pixel) for t in tiles
    )


@pytest.fixture
def write_pair(clustered, tmp_path):
    """Two Parquet files with the same positions, and the positions."""
    positions = clustered(6, 700)
    paths = []
    for name in ("left", "right"):
        table = pa.table({"id": np.arange(700), "ra": positions[0], "dec": positions[1]})
        paths.append(tmp_path / f"{name}.parquet")
        parquet.write_table(table, paths[-1])
    return paths, positions


def test_a_folder_that_is_no_hats_catalogue_is_not_replaced(write_pair, tmp_path):
    (out := tmp_path / "precious").mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="no HATS catalogue to be replaced"):
        arm.crossmatch.catalogs(*write_pair[0], 1.0, out, overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"join": "outer"}, "an outer join can be written as Parquet only"),
        ({"columns": {"left": ["id"]}}, "a HATS catalogue needs the positions of the left"),
        ({"left_columns": {"ra": "id", "dec": "dec"}}, "needs positions in degrees.*column 'id'"),
    ],
)
def test_what_a_hats_catalogue_cannot_hold_is_refused(write_pair, tmp_path, options, says):
    with pytest.raises(ValueError, match=says):
        arm.crossmatch.catalogs(*write_pair[0], 1.0, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("unit", ["hourangle", "rad", "arcmin"])
def test_positions_in_other_units_are_refused_before_any_row_is_read(
    write_pair, tmp_path, monkeypatch, unit
):
    left, right = write_pair[0]
    table = parquet.read_table(left)
    fields = [f.with_metadata({"unit": unit}) if f.name == "ra" else f for f in table.schema]
    parquet.write_table(table.cast(pa.schema(fields)), left)
    monkeypatch.setattr(CatalogFile, "batches", lambda *_, **__: pytest.fail("rows are read"))
    with pytest.raises(ValueError, match=r"needs positions in degrees.*column 'ra'"):
        arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out")


def test_a_column_with_the_name_of_the_key_is_refused_in_a_hats_catalogue(write_pair, tmp_path):
    left, right = write_pair[0]
    table = parquet.read_table(right)
    parquet.write_table(table.append_column("_healpix_29", table["id"]), right)
    with pytest.raises(ValueError, match="has a column '_healpix_29' of its own"):
        arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out")
    arm.crossmatch.catalogs(left, right, 1.0, tmp_path / "out", columns={"right": ["id"]})


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_hats_catalogue_does_not_replace_a_file(write_pair, tmp_path, overwrite):
    (out := tmp_path / "out").write_text("precious")
    with pytest.raises(FileExistsError, match="is a file"):
        arm.crossmatch.catalogs(*write_pair[0], 1.0, out, overwrite=overwrite)
    assert out.read_text() == "precious"


def test_an_older_catalogue_stands_where_a_new_one_cannot(write_pair, tmp_path, monkeypatch):
    (folder := tmp_path / "results").mkdir()
    out = folder / "matched"
    arm.crossmatch.catalogs(*write_pair[0], 60.0, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    replace = os.replace

    def refused(source, target):
        if target == out and source.name == "hats":
            raise PermissionError("not now")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError, match="not now"):
        arm.crossmatch.catalogs(*write_pair[0], 1.0, out, overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert list(folder.iterdir()) == [out]


def test_only_the_column_of_the_key_is_left_out(hats, tmp_path, clustered):
    left = hats("left", *clustered(3, 50))
    for tile in HatsFolder.open(left).tiles:
        table = parquet.read_table(tile.path, partitioning=None)
        renamed = table.rename_columns(
            [{"_healpix_29": "key", "id": "_healpix_id"}.get(n, n) for n in table.column_names]
        )
        parquet.write_table(renamed, tile.path)
    with open(left / "hats.properties", "a") as file:
        file.write("hats_col_healpix=key\n")
    out = tmp_path / "out.parquet"
    arm.crossmatch.catalogs(left, left, 1.0, out, join="anti")
    assert parquet.read_schema(out).names == ["_healpix_id", "ra", "dec"]


def test_a_folder_without_properties_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CatalogFileError, match=r"has no file hats\.properties"):
        HatsFolder.open(tmp_path)


def test_properties_are_lines_of_key_and_value(tmp_path):
    path = tmp_path / "properties"
    path.write_text("# comment\n! another\nobs_collection = small sky\nempty=\n\nurl=a=b\n")
    assert catalog_properties(tmp_path) == {
        "obs_collection": "small sky",
        "empty": "",
        "url": "a=b",
    }


def test_tiles_follow_the_density(monkeypatch):
    monkeypatch.setattr(output, "TILE_ROWS", 10)
    counts = np.zeros(12 << 18, np.int64)
    counts[: 1 << 16] = np.bincount(np.zeros(8, int), minlength=1 << 16)
    counts[1 << 18] = 25
    tiles = tiling(counts)
    assert tiles[0] == (0, 0, 8)
    assert tiles[1] == (9, 1 << 18, 25)
    assert len(tiles) == 2
