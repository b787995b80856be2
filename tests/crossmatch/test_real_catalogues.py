"""Real catalogues: a globular cluster that its author matched by hand, and tables as they come."""

from __future__ import annotations

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

import armillary as arm
from armillary.crossmatch import Catalog

CLUSTER = "NGC6266"
#: Units of the tables that astropy does not know, such as "log10(yr)".
pytestmark = pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")

BACKENDS = pytest.mark.parametrize("backend", ["cpu", "reference"])


@pytest.fixture(scope="module")
def read(crossmatch_data):
    """Read a FITS table by its name."""
    return lambda name: Table.read(crossmatch_data / f"{name}.fits", format="fits")


# ------------------------------------------------------------------ a crowded cluster


@BACKENDS
def test_the_nearest_of_2mass_are_those_that_the_author_chose(read, backend):
    """M62: variable stars of OGLE and their counterparts among 15,290 sources."""
    chosen = read(f"{CLUSTER}_Xmatch_w2massc")
    two_mass = read(f"{CLUSTER}_2massc_15p0arcmin")
    assert len(chosen) == 108 and len(two_mass) == 15_290
    matches = arm.crossmatch.nearest(chosen, two_mass, 1.0, backend=backend)
    both = matches.to_table(chosen, two_mass)
    assert len(both) == 108
    assert list(both["_2MASS_left"]) == list(both["_2MASS_right"])


@BACKENDS
@pytest.mark.parametrize(("radius", "n_matched"), [(1.0, 149), (2.0, 189), (5.0, 219)])
def test_variables_of_ogle_have_counterparts_in_clements_catalogue(
    read, backend, radius, n_matched
):
    ogle, clement = read(f"{CLUSTER}_ocvs_15p0arcmin"), read(f"{CLUSTER}_clem")
    matches = arm.crossmatch.nearest(ogle, clement, radius, backend=backend)
    assert len(matches) == n_matched
    assert len(matches.unmatched_left) == len(ogle) - n_matched


def test_the_counterparts_are_those_of_astropy(read):
    ogle, clement = read(f"{CLUSTER}_ocvs_15p0arcmin"), read(f"{CLUSTER}_clem")
    sides = [SkyCoord(t["RA"], t["DEC"], unit="deg") for t in (ogle, clement)]
    right, apart, _ = sides[0].match_to_catalog_sky(sides[1])
    matches = arm.crossmatch.nearest(*sides, None)
    np.testing.assert_array_equal(matches.right, right)
    np.testing.assert_allclose(matches.separation, apart.arcsec, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------ tables as they come


def test_harris_globular_clusters_in_sexagesimal(read):
    """Columns with the units hms and dms; the galactic coordinates beside them are the check."""
    table = read("harris_mwgc")
    catalog = Catalog.from_table(table)
    assert len(catalog) == 157 and catalog.known is None
    galactic = SkyCoord(catalog.ra, catalog.dec, unit="deg").galactic
    listed = SkyCoord(l=table["l"], b=table["b"], unit="deg", frame="galactic")
    # They are given to a hundredth of a degree, and twice the table disagrees with itself.
    wrong = galactic.separation(listed) > 0.02 * u.deg
    assert [name.strip() for name in table["ID"][wrong]] == ["Whiting1", "Pal15"]


@pytest.mark.parametrize("library", ["astropy", "pandas", "arrow"])
def test_supernovae_in_sexagesimal_from_a_csv_file(crossmatch_data, library):
    if library == "pandas":
        table = pytest.importorskip("pandas").read_csv(crossmatch_data / "bts.csv")
    elif library == "astropy":
        table = Table.read(crossmatch_data / "bts.csv", format="ascii.csv")
    else:
        table = pyarrow.csv.read_csv(crossmatch_data / "bts.csv")
    catalog = Catalog.from_table(table)
    assert len(catalog) == len(table) and catalog.known is None
    assert catalog.ra[0] == pytest.approx(15 * (8 + 29 / 60 + 47.59 / 3600), abs=1e-9)
    assert catalog.dec[0] == pytest.approx(33 + 54 / 60 + 22.8 / 3600, abs=1e-9)
    # A column of the file says how far they are from the plane of the Galaxy.
    latitude = SkyCoord(catalog.ra, catalog.dec, unit="deg").galactic.b.deg
    assert np.nanmax(np.abs(latitude - np.asarray(table["b"], dtype=float))) < 0.01


@pytest.mark.parametrize("name", ["gdr3_sm", "gedr3_sm"])
def test_gaia_brings_its_proper_motions_and_its_epoch(read, name):
    table = read(name)
    catalog = Catalog.from_table(table)
    assert repr(catalog) == "Catalog of 1,000 sources with proper motions at 2016"
    np.testing.assert_array_equal(catalog.ra, table["ra"])
    known = ~np.ma.getmaskarray(np.ma.masked_invalid(table["pmra"]))
    np.testing.assert_array_equal(np.isfinite(catalog.pm_ra_cosdec), known)
    np.testing.assert_array_equal(catalog.pm_dec[known], table["pmdec"][known])
    # Stars without a proper motion stay; the others move.
    moved = catalog.at(2000.0)
    still = (moved.ra == catalog.ra) & (moved.dec == catalog.dec)
    np.testing.assert_array_equal(still, ~known)


def test_gaia_motions_agree_with_astropy(read):
    table = read("gdr3_sm")
    catalog = Catalog.from_table(table)
    keep = np.isfinite(catalog.pm_dec)
    rate = u.mas / u.yr
    coordinates = SkyCoord(
        catalog.ra[keep] * u.deg,
        catalog.dec[keep] * u.deg,
        pm_ra_cosdec=catalog.pm_ra_cosdec[keep] * rate,
        pm_dec=catalog.pm_dec[keep] * rate,
    )
    with pytest.warns(match="distance overridden"):
        moved = coordinates.apply_space_motion(dt=-16 * u.yr)
    there = Catalog(moved.ra, moved.dec)
    matches = arm.crossmatch.nearest(catalog, there, 1e-5, epoch=2000.0)
    np.testing.assert_array_equal(matches.left, np.flatnonzero(keep))


def test_a_source_list_of_wise_from_a_parquet_file(crossmatch_data):
    table = pyarrow.parquet.read_table(crossmatch_data / "tier5_cleaned.parquet")
    catalog = Catalog.from_table(table)
    assert len(catalog) == 3375 and catalog.pm_dec is not None and catalog.epoch is None
    # The designation holds the position, to a hundredth of a second and a tenth of an arcsecond.
    text = [name.removeprefix("J") for name in table["designation"].to_pylist()]
    sign = [max(name.find("+"), name.find("-")) for name in text]
    listed = Catalog(
        [f"{t[:2]}:{t[2:4]}:{t[4:s]}" for t, s in zip(text, sign, strict=True)],
        [
            f"{t[s : s + 3]}:{t[s + 3 : s + 5]}:{t[s + 5 :]}"
            for t, s in zip(text, sign, strict=True)
        ],
    )
    matches = arm.crossmatch.nearest(catalog, listed, 0.3)
    np.testing.assert_array_equal(matches.left, np.arange(3375))


def test_a_wide_table_without_rows_is_an_empty_catalogue(crossmatch_data):
    schema = pyarrow.parquet.read_table(crossmatch_data / "allwise_schema.parquet")
    assert len(schema.column_names) == 299
    assert len(Catalog.from_table(schema)) == 0


# ------------------------------------------------------------------ an independent match

SYNTHETIC = "lsdb_tests_data/raw"


@pytest.mark.parametrize(
    ("file", "k", "least", "radius"),
    [
        ("xmatch_correct", 1, 0.0, 0.01),
        ("xmatch_correct_0_005", 1, 0.0, 0.005),
        ("xmatch_correct_002_005", 1, 0.002, 0.005),
        ("xmatch_correct_3n_2t", 3, 0.0, 2.0),
    ],
)
def test_matches_of_lsdb_are_reproduced(crossmatch_data, file, k, least, radius):
    """Pairs and separations (degrees) as LSDB gives them for whole catalogues."""
    left = pyarrow.csv.read_csv(crossmatch_data / SYNTHETIC / "small_sky" / "small_sky.csv")
    right = pyarrow.csv.read_csv(crossmatch_data / SYNTHETIC / "xmatch" / "small_sky_xmatch.csv")
    wanted = pyarrow.csv.read_csv(crossmatch_data / SYNTHETIC / "xmatch_expected" / f"{file}.csv")
    matches = arm.crossmatch.nearest(left, right, radius * 3600.0, k=k, min_radius=least * 3600.0)
    found = matches.to_table(left, right)
    pairs = {
        (a, b): s / 3600.0
        for a, b, s in zip(
            found["id_left"].to_pylist(), found["id_right"].to_pylist(),
            found["separation"].to_pylist(), strict=True,
        )
    }  # fmt: skip
    expected = dict(
        zip(
            zip(wanted["ss_id"].to_pylist(), wanted["xmatch_id"].to_pylist(), strict=True),
            wanted["dist"].to_pylist(), strict=True,
        )
    )  # fmt: skip
    assert pairs.keys() == expected.keys()
    for pair, apart in expected.items():
        assert pairs[pair] == pytest.approx(apart, abs=1e-7)
