"""Catalogues of every kind become one Parquet file: no value lost, and whole or not at all."""

import errno
import gzip
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from armillary.convert.catalogs import job
from armillary.convert.catalogs.api import catalog
from armillary.convert.catalogs.kinds import common_kind, joins_late
from armillary.convert.catalogs.progress import Meter
from armillary.io import CatalogFileError, open_catalog
from armillary.io.parquet_writer import RowGroups


def read(path):
    """The whole of a catalogue, as armillary reads it."""
    file = open_catalog(path)
    return pa.Table.from_batches(file.batches(), file.schema)


def unit_of(path, name):
    return (parquet.read_schema(path).field(name).metadata or {}).get(b"unit", b"").decode()


@pytest.fixture
def write(tmp_path):
    """Write columns as a Parquet file; units by name."""

    def written(name, columns, units=None):
        table = pa.table(columns)
        fields = [
            field.with_metadata({"unit": units[field.name]})
            if field.name in (units or {})
            else field
            for field in table.schema
        ]
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(table.cast(pa.schema(fields)), path)
        return path

    return written


@pytest.fixture
def out(tmp_path):
    """A result in a folder of its own."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "out.parquet"


# ------------------------------------------------------------------ every format


REAL = [
    "NGC6266_2massc_15p0arcmin.fits",
    "NGC6266_Xmatch_wGaia.fits",
    "gdr3_sm.fits",
    "harris_mwgc.fits",
    "bts.csv",
    "tier5_cleaned.parquet",
    "allwise_schema.parquet",
    "lsdb_tests_data/small_sky_order1_collection",
    "lsdb_tests_data/raw/small_sky/small_sky.csv",
]


@pytest.mark.parametrize("name", REAL)
def test_real_catalogues_keep_rows_types_and_units(crossmatch_data, out, name):
    report = catalog(crossmatch_data / name, out)
    found, expected = parquet.read_table(out), read(crossmatch_data / name)
    assert found.schema.equals(expected.schema, check_metadata=True)
    assert found.equals(expected) or same_but_for_nan(found, expected)
    assert (report.n_rows, report.n_columns) == expected.shape
    assert report.bytes_written == out.stat().st_size
    assert list(out.parent.iterdir()) == [out]


def same_but_for_nan(found, expected):
    """Arrow has no NaN equal to another; here it is, and no null is."""
    for one, other in zip(found.columns, expected.columns, strict=True):
        if not one.is_null().equals(other.is_null()):
            return False
        if pa.types.is_floating(one.type):
            if not np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True):
                return False
        elif not one.equals(other):
            return False
    return True


@pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
def test_astropy_reads_in_the_result_what_it_reads_in_the_input(crossmatch_data, out):
    path = crossmatch_data / "gedr3_sm.fits"
    columns = ["source_id", "ra", "dec", "pmra", "phot_g_mean_mag"]
    catalog(path, out, columns=columns)
    expected, found = Table.read(path), Table.read(out)
    assert found.colnames == columns
    for name in columns:
        there = ~np.ma.getmaskarray(expected[name])
        assert np.array_equal(
            np.asarray(found[name])[there], np.asarray(expected[name])[there], equal_nan=True
        )
        assert u.Unit(unit_of(out, name) or "") == (expected[name].unit or u.dimensionless_unscaled)


def stars(first=0, n=100):
    seen = MaskedColumn(np.arange(n) % 5, mask=np.arange(n) % 7 == 3)
    names = MaskedColumn([f"star {first + i}" for i in range(n)], mask=np.arange(n) == 4)
    columns = {
        "id": (1 << 60) + first + np.arange(n),
        "ra": np.linspace(0, 350, n),
        "name": names,
        "n_seen": seen,
    }
    return Table(columns, units={"ra": "deg"})


SUFFIXES = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "vot": "votable", "parquet": None}


def write_as(suffix, table, path):
    if suffix == "parquet":
        arrow = pa.table({name: table[name].tolist() for name in table.colnames})
        fields = [f.with_metadata({"unit": "deg"}) if f.name == "ra" else f for f in arrow.schema]
        parquet.write_table(arrow.cast(pa.schema(fields)), path)
    else:
        table.write(path, format=SUFFIXES[suffix])


def test_every_format_gives_the_same_file_row_for_row(tmp_path, out):
    """One catalogue in each format: units where the format has them, nulls everywhere."""
    paths = []
    for suffix in SUFFIXES:
        paths.append(tmp_path / f"stars.{suffix}")
        write_as(suffix, stars(), paths[-1])
    packed = tmp_path / "stars.csv.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    report = catalog([*paths, packed], out)
    assert report.formats == ("CSV", "ECSV", "VOTable", "Parquet", "CSV")
    found = parquet.read_table(out)
    assert unit_of(out, "ra") == "deg"
    expected = {name: stars()[name].tolist() for name in stars().colnames}
    for part in range(5):
        assert found.slice(100 * part, 100).to_pydict() == expected
    assert found.num_rows == report.n_rows == 500


def test_the_result_is_compressed_with_zstd_in_every_column(write, out):
    catalog(write("a", {"x": [1.0], "t": ["a"], "n": [1]}), out)
    group = parquet.ParquetFile(out).metadata.row_group(0)
    assert {group.column(i).compression for i in range(3)} == {"ZSTD"}


def test_a_catalogue_without_rows_keeps_its_columns(write, out):
    empty = {"ra": pa.array([], pa.float64()), "name": pa.array([], pa.string())}
    report = catalog(write("a", empty, {"ra": "deg"}), out)
    assert (report.n_rows, report.n_columns) == (0, 2)
    assert parquet.read_schema(out).names == ["ra", "name"]
    assert unit_of(out, "ra") == "deg"


# ------------------------------------------------------------------ which inputs


def rows_of(path):
    return parquet.read_table(path)["n"].to_pylist()


def test_rows_are_in_the_order_in_which_inputs_are_given(write, out):
    paths = [write(name, {"n": [number]}) for number, name in enumerate("cab")]
    report = catalog(paths, out)
    assert rows_of(out) == [0, 1, 2]
    assert report.inputs == tuple(paths)


def test_a_folder_and_a_pattern_are_sorted_by_path(write, tmp_path, out):
    for number, name in enumerate(["10", "2", "01"]):
        write(name, {"n": [number]})
    (tmp_path / "below").mkdir()
    shutil.copy(tmp_path / "2.parquet", tmp_path / "below" / "0.parquet")
    (tmp_path / "below" / "_metadata.parquet").write_text("not for us")
    (tmp_path / ".hidden.csv").write_text("not for us")
    (tmp_path / "README.txt").write_text("not for us")
    catalog(tmp_path, out)
    assert rows_of(out) == [2, 0, 1, 1]
    catalog(str(tmp_path / "*.parquet"), out, overwrite=True)
    assert rows_of(out) == [2, 0, 1]
    catalog(str(tmp_path / "**" / "[0-9].parquet"), out, overwrite=True)
    assert rows_of(out) == [1, 1]


@pytest.mark.parametrize(
    ("inputs", "error", "says"),
    [
        ([], ValueError, "inputs names no catalogue"),
        ("", ValueError, "the path of a catalogue is empty"),
        (5, TypeError, "inputs must be a path or a sequence of paths, not 5"),
        ([None], TypeError, "inputs must be a path or a sequence of paths, not of None"),
        ("nothing.csv", FileNotFoundError, "there is no file or folder 'nothing.csv'"),
        ("nothing*.csv", FileNotFoundError, r"no file that matches 'nothing\*.csv'"),
        ("bare", FileNotFoundError, r"the folder 'bare' holds no catalogue \(\*.parquet"),
        (["a.csv", "a.csv"], ValueError, "inputs names 'a.csv' twice; its rows"),
        (["a.csv", "bare/../a.csv"], ValueError, "twice, once as 'a.csv'"),
        ("image.csv", CatalogFileError, "cannot read 'image.csv' as a catalogue: it is a binary"),
    ],
)
def test_inputs_that_cannot_be_are_a_sentence(tmp_path, monkeypatch, out, inputs, error, says):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("x,y\n1,2\n")
    Path("image.csv").write_bytes(b"\0\1\2")
    Path("bare").mkdir()
    with pytest.raises(error, match=says):
        catalog(inputs, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("out.fits", {}, ValueError, r"out must end in .parquet or .pq, not in '.fits'"),
        (".parquet", {}, ValueError, "out must have a name that does not begin with"),
        ("no/out.parquet", {}, FileNotFoundError, "there is no folder"),
        ("out.parquet", {"columns": "x"}, ValueError, "columns must be a list of names"),
        ("out.parquet", {"columns": []}, ValueError, "columns names no column to keep"),
        ("out.parquet", {"columns": [3]}, TypeError, "columns must be a list of names, and 3"),
        ("out.parquet", {"columns": ["x", "x"]}, ValueError, "columns names 'x' twice"),
        ("out.parquet", {"columns": ["z"]}, ValueError, r"a.parquet' has no column 'z' among x"),
        ("out.parquet", {"memory": "lots"}, ValueError, "memory must be a number of bytes"),
        ("out.parquet", {"progress": 3}, TypeError, "progress must be"),
    ],
)
def test_arguments_that_cannot_be_are_a_sentence(write, out, name, options, error, says):
    path = write("a", {"x": [1]})
    with pytest.raises(error, match=says):
        catalog(path, out.parent / name, **options)
    assert list(out.parent.iterdir()) == []


def test_what_exists_is_replaced_only_where_that_is_wanted(write, out):
    path = write("a", {"x": [1]})
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        catalog(path, out)
    assert out.read_text() == "precious"
    catalog(path, out, overwrite=True)
    assert parquet.read_table(out)["x"].to_pylist() == [1]


def test_an_input_is_not_replaced_by_what_is_made_of_it(write):
    path = write("a", {"x": [1]})
    with pytest.raises(ValueError, match="is one of the inputs"):
        catalog(path.parent, path, overwrite=True)
    assert parquet.read_table(path)["x"].to_pylist() == [1]


# ------------------------------------------------------------------ schemas


def test_the_order_of_columns_is_that_of_the_first_input(write, out):
    one, other = write("a", {"x": [1], "y": ["p"]}), write("b", {"y": ["q"], "x": [2]})
    catalog([one, other], out)
    assert parquet.read_table(out).to_pydict() == {"x": [1, 2], "y": ["p", "q"]}


@pytest.mark.parametrize(("lacking", "having"), [("a", "b"), ("b", "a")])
def test_a_column_that_an_input_lacks_is_named_with_it(write, out, lacking, having):
    paths = {
        name: write(name, {"x": [1], "y": [2]} | ({"z": [3]} if name == having else {}))
        for name in "ab"
    }
    says = rf"{lacking}.parquet' lacks 1 column that '.*{having}.parquet' has: z; columns= .*: x, y"
    with pytest.raises(CatalogFileError, match=says):
        catalog([paths["a"], paths["b"]], out)
    catalog([paths["a"], paths["b"]], out, columns=["y", "x"])
    assert parquet.read_table(out).to_pydict() == {"y": [2, 2], "x": [1, 1]}


WIDENED = [
    ("int16", "int32", "int32"),
    ("int32", "int64", "int64"),
    ("uint8", "int8", "int16"),
    ("uint32", "int32", "int64"),
    ("uint64", "int64", "uint64"),
    ("float32", "float64", "float64"),
    ("int16", "float32", "float32"),
    ("int32", "float32", "float64"),
    ("int32", "float64", "float64"),
    ("int64", "float64", "float64"),
    ("string", "large_string", "large_string"),
    ("timestamp[s]", "timestamp[ns]", "timestamp[ns]"),
]


@pytest.mark.parametrize(("one", "other", "together"), WIDENED)
@pytest.mark.parametrize("turned", [False, True])
def test_types_are_widened(write, out, one, other, together, turned):
    kinds = [other, one] if turned else [one, other]
    values = ["5", "6"] if "string" in one else [5, 6]
    paths = [
        write(name, {"x": pa.array([value, None]).cast(pa.type_for_alias(kind))})
        for name, kind, value in zip("ab", kinds, values, strict=True)
    ]
    catalog(paths, out)
    found = parquet.read_table(out)["x"]
    assert found.type == pa.type_for_alias(together)
    parts = [
        pa.array([v, None]).cast(pa.type_for_alias(k)) for v, k in zip(values, kinds, strict=True)
    ]
    assert found.combine_chunks().equals(pa.concat_arrays([p.cast(found.type) for p in parts]))


REFUSED = [
    ("bool", "int64"),
    ("timestamp[s]", "int64"),
    ("date32", "timestamp[s]"),
    ("binary", "string"),
]


@pytest.mark.parametrize(("one", "other"), REFUSED)
def test_types_of_different_kinds_are_refused(write, out, one, other):
    values = {"string": "a", "binary": b"a", "bool": True}
    paths = [
        write(name, {"x": pa.array([values.get(kind, 1)], pa.type_for_alias(kind))})
        for name, kind in zip("ab", (one, other), strict=True)
    ]
    with pytest.raises(CatalogFileError, match=r"column 'x' of '.*[ab].parquet' is"):
        catalog(paths, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([2**53 + 1]), pa.array([1.5])),
        (pa.array([-1]), pa.array([2**63], pa.uint64())),
    ],
)
def test_a_value_that_the_wider_type_does_not_hold_is_refused(write, out, one, other):
    paths = write("a", {"x": one}), write("b", {"x": other})
    with pytest.raises(
        CatalogFileError, match=r"column 'x' of '.*a.parquet' is int64, and a value"
    ):
        catalog(paths, out)
    assert list(out.parent.iterdir()) == []


def test_arrays_are_widened_if_they_are_of_one_length(write, out):
    def arrays(kind, size):
        return {"x": pa.array([[1] * size], pa.list_(kind, size))}

    two, wide = write("a", arrays(pa.int16(), 2)), write("b", arrays(pa.float64(), 2))
    catalog([two, wide], out)
    assert parquet.read_table(out)["x"].to_pylist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(CatalogFileError, match="no type holds both"):
        catalog([two, write("c", arrays(pa.int16(), 3))], out, overwrite=True)


def test_a_column_of_text_without_a_value_is_of_any_type(tmp_path, out):
    (tmp_path / "a.csv").write_text("id,z\n1,\n2,\n")
    (tmp_path / "b.csv").write_text("id,z\n3,0.5\n")
    for order in ("ab", "ba"):
        catalog([tmp_path / f"{name}.csv" for name in order], out, overwrite=True)
        found = parquet.read_table(out).sort_by("id")
        assert found.to_pydict() == {"id": [1, 2, 3], "z": [None, None, 0.5]}


def test_a_column_of_text_with_a_value_is_none_of_numbers(tmp_path, write, out):
    (tmp_path / "a.csv").write_text("z,id\n007b,1\n")
    with pytest.raises(CatalogFileError, match=r"a.csv' is text, such as '007b', and that of .*b"):
        catalog([tmp_path / "a.csv", write("b", {"id": [1], "z": [0.5]})], out)


def test_a_text_that_comes_late_is_refused_when_it_comes(write, out):
    late = write("a", {"z": pa.array([None] * 100_000 + ["seen"], pa.string())})
    with pytest.raises(CatalogFileError, match=r"a.parquet' is string, and .*it is text, 'seen'"):
        catalog([late, write("b", {"z": [0.5]})], out)
    assert list(out.parent.iterdir()) == []


def test_parts_of_arrays_are_widened_as_they_are(tmp_path, write, out, monkeypatch):
    monkeypatch.setattr(job, "BATCH_ROWS", 3)
    values = np.arange(20, dtype=np.int16).reshape(10, 2)
    Table({"x": values}).write(tmp_path / "a.fits")
    wide = [[0.5, None], None] if reads_missing_lists(tmp_path) else [[0.5, None], [1.5, 2.5]]
    given = pa.array(wide, pa.list_(pa.float64(), 2))
    catalog([tmp_path / "a.fits", write("b", {"x": given})], out)
    assert parquet.read_table(out)["x"].to_pylist() == [*values.tolist(), *wide]


def reads_missing_lists(folder):
    """Whether pyarrow can read a missing list of fixed size that it wrote: some versions cannot."""
    column = pa.array([[1.0], None], pa.list_(pa.float64(), 1))
    parquet.write_table(pa.table({"x": column}), folder / "probe")
    try:
        parquet.read_table(folder / "probe")
    except pa.ArrowInvalid:
        return False
    return True


KINDS = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float32", "float64", "string", "large_string", "bool", "date32", "timestamp[ms]", "null"),
]


@settings(max_examples=500)
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=4))
def test_the_common_type_does_not_depend_on_the_order(kinds):
    def together(names):
        found, *others = sorted(map(pa.type_for_alias, names), key=joins_late)
        for other in others:
            found = found and common_kind(found, other)
        return found

    assert together(kinds) == together(sorted(kinds)) == together(sorted(kinds, reverse=True))


NUMBERS = {
    "int8": st.integers(-(2**7), 2**7 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32),
    "float64": st.floats(),
}


@st.composite
def columns_of_one_name(draw):
    """Two to three columns of numbers, with nulls, of any types."""
    kinds = draw(st.lists(st.sampled_from(sorted(NUMBERS)), min_size=2, max_size=3))
    return [
        pa.array(draw(st.lists(st.none() | NUMBERS[kind], max_size=5)), pa.type_for_alias(kind))
        for kind in kinds
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=columns_of_one_name())
def test_no_value_is_lost_or_the_input_is_refused(write, out, columns):
    paths = [write(f"p{number}", {"x": column}) for number, column in enumerate(columns)]
    expected = [value for column in columns for value in column.to_pylist()]
    try:
        catalog(paths, out, overwrite=True)
    except CatalogFileError:
        # Only an integer beyond those that a float64 holds, all of them, can be the reason.
        assert any(isinstance(value, int) and abs(value) > 2**53 for value in expected)
        return
    found = parquet.read_table(out)["x"].to_pylist()
    assert [v is None for v in found] == [v is None for v in expected]
    assert all(a == b or (a != a and b != b) for a, b in zip(found, expected, strict=True))


# ------------------------------------------------------------------ units


def test_units_are_converted_to_that_of_the_first_input(write, out):
    one = write("a", {"pm": [1.5, None]}, {"pm": "mas.yr**-1"})
    other = write("b", {"pm": pa.array([2.0, None, np.nan], pa.float32())}, {"pm": "arcsec / yr"})
    report = catalog([one, other], out)
    found = parquet.read_table(out)["pm"]
    assert found.type == pa.float64()
    assert found.to_pylist()[:4] == [1.5, None, pytest.approx(2000.0), None]
    assert np.isnan(found.to_pylist()[4])
    assert unit_of(out, "pm") == "mas.yr**-1"
    assert report.changes == (
        f"column 'pm' of '{other}' was converted from arcsec / yr to mas.yr**-1",
    )


def test_one_unit_in_two_spellings_is_not_converted(write, out):
    one = write("a", {"ra": pa.array([1.1], pa.float32())}, {"ra": "deg"})
    other = write("b", {"ra": pa.array([2.2], pa.float32())}, {"ra": "degree"})
    assert catalog([one, other], out).changes == ()
    assert parquet.read_table(out)["ra"].type == pa.float32()


def test_a_column_without_a_unit_is_taken_to_have_that_of_the_others(write, out):
    paths = write("a", {"ra": [1.0]}), write("b", {"ra": [2.0]}, {"ra": "deg"})
    catalog(paths, out)
    assert parquet.read_table(out)["ra"].to_pylist() == [1.0, 2.0]
    assert unit_of(out, "ra") == "deg"


def test_whole_numbers_in_another_unit_become_floats(write, out):
    paths = write("a", {"d": [1, 2]}, {"d": "kpc"}), write("b", {"d": [500, None]}, {"d": "pc"})
    catalog(paths, out)
    assert parquet.read_table(out)["d"].to_pylist() == [1.0, 2.0, 0.5, None]


@pytest.mark.parametrize(
    ("units", "values", "says"),
    [
        (("deg", "mag"), [1.0], "is in mag, which cannot be converted to the deg"),
        (("mag(AB)", "Jy"), [1.0], r"is in Jy, which cannot be converted to the mag\(AB\)"),
        (("hms", "h"), ["1"], "is in h, which cannot be converted to the hms"),
        (("deg", "rad"), ["1"], "is in rad .* in deg, and string is not converted"),
    ],
)
def test_units_that_cannot_be_converted_are_refused(write, out, units, values, says):
    paths = [write(n, {"x": values}, {"x": unit}) for n, unit in zip("ab", units, strict=True)]
    with pytest.raises(CatalogFileError, match=rf"column 'x' of '.*b.parquet' {says}"):
        catalog(paths, out)
    assert list(out.parent.iterdir()) == []


def test_units_of_several_formats_meet(tmp_path, out):
    QTable({"ra": [1.0, 2.0] * u.rad}).write(tmp_path / "a.fits")
    QTable({"ra": [180.0] * u.deg}).write(tmp_path / "b.ecsv")
    QTable({"ra": [3600.0] * u.arcsec}).write(tmp_path / "c.vot", format="votable")
    report = catalog([tmp_path / name for name in ("a.fits", "b.ecsv", "c.vot")], out)
    expected = [1.0, 2.0, np.pi, np.radians(1.0)]
    np.testing.assert_allclose(parquet.read_table(out)["ra"].to_numpy(), expected, rtol=1e-15)
    assert len(report.changes) == 2


# ------------------------------------------------------------------ descriptions


#: Longer than a line of a FITS header.
ICRS = "right ascension at the epoch of the catalogue, in the ICRS, as it is defined by VLBI"


def description_of(path, name):
    return (open_catalog(path).schema.field(name).metadata or {}).get(b"description", b"").decode()


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "vot", "parquet"])
def test_descriptions_are_kept_and_the_first_one_counts(tmp_path, out, suffix):
    for name, says in (("a", None), ("b", ICRS), ("c", "something else")):
        table = Table({"ra": [1.0], "id": [7]}, units={"ra": "deg"})
        table["ra"].description = says
        options = {"format": "votable"} if suffix == "vot" else {}
        table.write(tmp_path / f"{name}.{suffix}", **options)
    catalog([tmp_path / f"{name}.{suffix}" for name in "abc"], out)
    assert description_of(out, "ra") == ICRS
    assert description_of(out, "id") == ""
    assert unit_of(out, "ra") == "deg"
    again = out.with_name("again.parquet")
    catalog(out, again)
    assert description_of(again, "ra") == ICRS


def test_descriptions_in_the_keywords_of_a_fits_table_are_kept(tmp_path, out):
    hdu = fits.table_to_hdu(Table({"id": [7], "ra": [1.0]}))
    hdu.header["TCOMM2"] = ICRS
    hdu.writeto(tmp_path / "a.fits")
    catalog(tmp_path / "a.fits", out)
    assert description_of(out, "ra") == ICRS
    assert description_of(out, "id") == ""


# ------------------------------------------------------------------ memory and progress


@pytest.fixture
def large_csv(tmp_path):
    """A catalogue in text of about 25 MB, or a multiple."""

    def write(times=1):
        path = tmp_path / f"large{times}.csv"
        rng = np.random.default_rng(5)
        lines = "".join(
            f"{i},{x:.15f},{x * 2:.15f},star {i}\n" for i, x in enumerate(rng.random(400_000))
        )
        with open(path, "w") as file:
            file.write("id,ra,dec,name\n")
            for _ in range(times):
                file.write(lines)
        return path

    return write


def test_memory_does_not_grow_with_the_catalogue(large_csv, out, monkeypatch):
    """Bytes that Arrow holds at once, beyond those of before, as each batch is handed on."""
    held = []
    written = RowGroups.write

    def counted(self, table):
        written(self, table)
        held.append(pa.total_allocated_bytes() - before)

    monkeypatch.setattr(RowGroups, "write", counted)
    before = pa.total_allocated_bytes()
    report = catalog(large_csv(12), out, memory="40MB")
    assert report.n_rows == 12 * 400_000
    # Most of it is some thirty blocks of text that are parsed ahead.
    assert max(held) < parquet.read_table(out).nbytes / 2
    groups = parquet.ParquetFile(out).metadata
    sizes = [groups.row_group(i).total_byte_size for i in range(groups.num_row_groups)]
    assert max(sizes) < 12e6


def test_rows_of_wide_catalogues_come_in_small_batches(write, out, monkeypatch):
    rows = []
    written = RowGroups.write
    monkeypatch.setattr(
        RowGroups, "write", lambda self, table: (rows.append(table.num_rows), written(self, table))
    )
    path = write("wide", {f"c{i}": np.arange(20_000.0) for i in range(100)})
    catalog(path, out, memory=16_000_000)
    assert max(rows) <= 16_000_000 * job.BATCH_SHARE / 800
    assert sum(rows) == 20_000


def test_neither_threads_nor_memory_change_the_rows(large_csv, out):
    path = large_csv()
    files = []
    before = pa.cpu_count()
    try:
        for threads in (1, 2, 4):
            pa.set_cpu_count(threads)
            catalog(path, out, overwrite=True)
            files.append(out.read_bytes())
    finally:
        pa.set_cpu_count(before)
    assert files[0] == files[1] == files[2]
    whole = parquet.read_table(out)
    catalog(path, out, memory="10MB", overwrite=True)
    assert parquet.read_table(out).equals(whole)


@pytest.mark.parametrize("packed", [False, True])
def test_progress_is_in_bytes_never_falls_and_reaches_the_end(large_csv, write, out, packed):
    text = large_csv()
    if packed:
        path = text.with_suffix(".csv.gz")
        path.write_bytes(gzip.compress(text.read_bytes(), 1))
        text = path
    other = write("b", {"id": [1], "ra": [0.5], "dec": [1.5], "name": ["x"]})
    told = []
    report = catalog([text, other], out, progress=lambda *counts: told.append(counts))
    done = [one for one, _ in told]
    assert {total for _, total in told} == {report.bytes_read}
    assert done == sorted(done)
    assert done[-1] == report.bytes_read
    # Bytes go with rows, also where nobody knows how many there are.
    expected = text.stat().st_size * job.BATCH_ROWS / 400_000
    assert done[0] == pytest.approx(expected, rel=0.25)


def test_catalogues_that_are_read_whole_are_not_in_memory_together(tmp_path, out, monkeypatch):
    paths = [tmp_path / f"{i}.vot" for i in range(3)]
    for number, path in enumerate(paths):
        stars(100 * number).write(path, format="votable")
    held = []
    finish = Meter.finish

    def looked_at(self, source):
        held.append(source._file)
        finish(self, source)

    monkeypatch.setattr(Meter, "finish", looked_at)
    assert catalog(paths, out).n_rows == 300
    assert held == [None, None, None]


# ------------------------------------------------------------------ whole or not at all


def failing(error):
    """Row groups of which the second is not written any more."""

    def write(self, table):
        if self.n_rows:
            raise error
        RowGroups.__dict__["_first"](self, table)

    return write


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"disk of .* is full; 'out.parquet'"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (KeyboardInterrupt(), None),
        (MemoryError("enough"), "enough"),
    ],
)
@pytest.mark.parametrize("older", [False, True])
def test_an_error_in_the_middle_leaves_what_was_there(write, out, monkeypatch, error, says, older):
    monkeypatch.setattr(RowGroups, "_first", RowGroups.write, raising=False)
    monkeypatch.setattr(RowGroups, "write", failing(error))
    paths = [write(name, {"x": [1]}) for name in "ab"]
    if older:
        out.write_text("precious")
    with pytest.raises(type(error), match=says):
        catalog(paths, out, overwrite=True)
    assert list(out.parent.iterdir()) == ([out] if older else [])
    assert not older or out.read_text() == "precious"


def test_what_appeared_meanwhile_is_not_replaced(write, out):
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        catalog(write("a", {"x": [1]}), out, progress=lambda *_: out.write_text("of another run"))
    assert out.read_text() == "of another run"
    assert list(out.parent.iterdir()) == [out]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    (folder := tmp_path / "small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], capture_output=True)


def test_a_full_disk_is_a_sentence_and_leaves_no_result(write, small_disk):
    path = write("a", {"x": np.random.default_rng(0).random(100_000)})
    with pytest.raises(OSError, match=r"disk of .* is full; 'out.parquet' could not be written"):
        catalog(path, small_disk / "out.parquet")
    assert list(small_disk.iterdir()) == []


def test_a_damaged_input_leaves_nothing(write, tmp_path, out):
    good = write("a", {"x": np.arange(200_000), "y": np.random.default_rng(1).random(200_000)})
    data = bytearray(good.read_bytes())
    data[1000:400_000] = b"\xff" * 399_000
    (tmp_path / "b.parquet").write_bytes(data)
    with pytest.raises(CatalogFileError, match=r"b.parquet' as a catalogue: the Parquet file is"):
        catalog([good, tmp_path / "b.parquet"], out)
    assert list(out.parent.iterdir()) == []


def test_an_input_that_becomes_another_is_noticed(tmp_path, out):
    paths = [tmp_path / "a.vot", tmp_path / "b.vot"]
    for path in paths:
        Table({"x": [1.0]}).write(path, format="votable")

    def swapped(*_):
        Table({"x": ["text"]}).write(paths[1], format="votable", overwrite=True)

    with pytest.raises(CatalogFileError, match=r"the columns of '.*b.vot' changed during the call"):
        catalog(paths, out, progress=swapped)
    assert list(out.parent.iterdir()) == []


SLOW = """
import sys, time
from armillary.convert.catalogs.api import catalog

def progress(done, total):
    print("in the middle", flush=True)
    time.sleep(60)

try:
    catalog(sys.argv[1], sys.argv[2], progress=progress)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_result(write, out, how):
    path = write("a", {"x": np.arange(1000)})
    command = [sys.executable, "-c", SLOW, str(path), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "in the middle\n"
            process.send_signal(how)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert not out.exists()
    if how == signal.SIGINT:
        assert said == "interrupted\n"
        assert list(out.parent.iterdir()) == []
    catalog(path, out)
    assert list(out.parent.iterdir()) == [out]
