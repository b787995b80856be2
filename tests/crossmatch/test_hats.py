"""HATS catalogues in and out: LSDB's expected matches, margin caches, and what is written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import armillary as arm
from armillary.crossmatch.disk import healpix, output
from armillary.crossmatch.disk.hats import HatsFolder, HatsRows, read_properties
from armillary.crossmatch.disk.output import tile_path, tiling
from armillary.crossmatch.disk.pixels import ORDER
from armillary.io import CatalogFileError

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
        assert not any(served)
        served.clear()
        cached = arm.crossmatch.catalogs(left, collection, radius * DEGREE, None, k=3)
        assert any(served) is used
        assert (cached.n_pairs, cached.n_matched_right) == (alone.n_pairs, alone.n_matched_right)


def count_margins(monkeypatch):
    """A list that gets how many margins were read, with each patch that is read."""
    served = []
    read_near = HatsRows.read_near

    def counted(self, *arguments):
        rows = read_near(self, *arguments)
        served.append(self.margins_used)
        return rows

    monkeypatch.setattr(HatsRows, "read_near", counted)
    return served


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

        def near(tile, pixels):
            own = pixels == tile
            border = arm.crossmatch.within(
                (table["ra"].to_numpy(), table["dec"].to_numpy()),
                around(tile, order),
                margin,
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
    """Positions so dense in a tile that all within some arcminutes of it are near one."""
    fine = order + 6
    first = tile << (2 * (fine - order))
    x, y, z = healpix.centres(np.arange(first, first + 4 ** (fine - order)), fine).T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def write_tiles(root, table, chosen, order, more):
    keys = table["_healpix_29"].to_numpy()
    pixels = keys >> (2 * (29 - order))
    for tile in range(12 << (2 * order)):
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
    ],
)
def test_what_a_hats_catalogue_cannot_hold_is_refused(write_pair, tmp_path, options, says):
    with pytest.raises(ValueError, match=says):
        arm.crossmatch.catalogs(*write_pair[0], 1.0, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_properties_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CatalogFileError, match=r"has no file hats\.properties"):
        HatsFolder.open(tmp_path)


def test_properties_are_lines_of_key_and_value(tmp_path):
    path = tmp_path / "properties"
    path.write_text("# comment\n! another\nobs_collection = small sky\nempty=\n\nurl=a=b\n")
    assert read_properties(path) == {"obs_collection": "small sky", "empty": "", "url": "a=b"}


def test_tiles_follow_the_density(monkeypatch):
    monkeypatch.setattr(output, "TILE_ROWS", 10)
    counts = np.zeros(12 << 18, np.int64)
    counts[: 1 << 16] = np.bincount(np.zeros(8, int), minlength=1 << 16)
    counts[1 << 18] = 25
    tiles = tiling(counts)
    assert tiles[0] == (0, 0, 8)
    assert tiles[1] == (9, 1 << 18, 25)
    assert len(tiles) == 2
