"""Catalogue files: every format gives the same rows, in batches of any size, or one sentence."""

import gzip
import itertools
from pathlib import Path

import astropy
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from armillary.io import CatalogFileError, catalog_fits, catalog_text, is_hats, open_catalog
from armillary.io.catalog_rows import regrouped

N_ROWS = 300


def read(path, columns=None, **options):
    """The whole catalogue as one table."""
    file = open_catalog(path)
    names = file.schema.names if columns is None else columns
    schema = pa.schema([file.schema.field(name) for name in names])
    return pa.Table.from_batches(file.batches(columns, **options), schema)


def unit_of(path, name):
    return (open_catalog(path).schema.field(name).metadata or {}).get(b"unit")


# ------------------------------------------------------------ one catalogue in every format


def stars():
    """A catalogue with identifiers that a float cannot hold, text, and values that are missing."""
    rng = np.random.default_rng(3)
    missing = np.arange(N_ROWS) % 7 == 3
    n_seen = MaskedColumn(rng.integers(0, 100, N_ROWS), name="n_seen", mask=missing)
    unnamed = np.roll(missing, 1)
    names = np.where(unnamed, "", [f"star {i}" for i in range(N_ROWS)])
    return Table(
        [
            (1 << 60) + np.arange(N_ROWS),
            rng.uniform(0, 360, N_ROWS),
            rng.uniform(-90, 90, N_ROWS),
            MaskedColumn(names, name="name", mask=unnamed),
            n_seen,
        ],
        names=["source_id", "ra", "dec", "name", "n_seen"],
        units={"ra": "deg", "dec": "deg"},
    )


def as_arrow(table):
    """What the readers should give of an astropy table of plain columns."""
    columns = {name: table[name].tolist() for name in table.colnames}
    return pa.table(columns)


def to_fits(table, path):
    filled = table.copy()
    filled["name"] = filled["name"].filled("")
    filled["n_seen"].fill_value = -99
    hdu = fits.table_to_hdu(filled)
    hdu.writeto(path)


def to_folder(table, path):
    path.mkdir()
    arrow = as_arrow(table)
    for number, first in enumerate(range(0, N_ROWS, 70)):
        parquet.write_table(arrow.slice(first, 70), path / f"part-{number}.parquet")


def to_text(delimiter):
    def write(table, path):
        options = arrow_csv.WriteOptions(delimiter=delimiter)
        arrow_csv.write_csv(as_arrow(table), path, options)

    return write


def to_astropy(**options):
    return lambda table, path: table.write(path, **options)


WRITERS = {
    "Parquet": lambda table, path: parquet.write_table(as_arrow(table), path, row_group_size=80),
    "folder of Parquet files": to_folder,
    "FITS": to_fits,
    "CSV": to_text(","),
    "CSV with semicolons": to_text(";"),
    "CSV with tabs": to_text("\t"),
    "CSV with bars": to_text("|"),
    "ECSV": to_astropy(format="ascii.ecsv"),
    "ECSV with commas": to_astropy(format="ascii.ecsv", delimiter=","),
    "VOTable": to_astropy(format="votable"),
}
if Version(astropy.__version__) >= Version("7.0"):  # the first that writes missing numbers so
    WRITERS["VOTable in binary"] = to_astropy(format="votable", tabledata_format="binary2")
GZIPPED = ["FITS", "CSV", "ECSV", "VOTable"]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The same catalogue in every format, under names that tell nothing."""
    folder = tmp_path_factory.mktemp("catalogues")
    table = stars()
    paths = {}
    for number, (name, write) in enumerate(WRITERS.items()):
        paths[name] = folder / f"file{number}"
        write(table, paths[name])
    for name in GZIPPED:
        packed = folder / f"packed{name}"
        packed.write_bytes(gzip.compress(paths[name].read_bytes()))
        paths[f"{name}, gzipped"] = packed
    return paths


FORMATS = [*WRITERS, *(f"{name}, gzipped" for name in GZIPPED)]


@pytest.mark.parametrize("name", FORMATS)
class TestEveryFormat:
    def test_rows_come_as_they_were_written(self, files, name):
        found = read(files[name])
        expected = as_arrow(stars())
        assert found.schema.names == expected.schema.names
        assert found.schema.types == expected.schema.types
        assert found.to_pydict() == expected.to_pydict()

    def test_the_file_says_what_it_is(self, files, name):
        file = open_catalog(str(files[name]))
        assert name.startswith(file.format) and file.path == files[name]
        is_text = file.format in ("CSV", "ECSV")
        assert file.n_rows == (None if is_text else N_ROWS)
        assert file.format in repr(file) and "5 columns" in repr(file)

    @settings(max_examples=15)
    @given(
        rows=st.integers(1, 2 * N_ROWS), columns=st.permutations(stars().colnames), data=st.data()
    )
    def test_batches_of_any_size_and_columns_make_the_same_table(
        self, files, name, rows, columns, data
    ):
        columns = columns[: data.draw(st.integers(1, len(columns)))]
        file = open_catalog(files[name])
        batches = list(file.batches(columns, rows=rows))
        assert all(1 <= batch.num_rows <= rows for batch in batches)
        assert all(batch.schema.names == columns for batch in batches)
        together = pa.Table.from_batches(batches)
        assert together.to_pydict() == as_arrow(stars()).select(columns).to_pydict()

    def test_batches_have_the_schema_of_the_file(self, files, name):
        file = open_catalog(files[name])
        for batch in file.batches(rows=100):
            assert batch.schema.equals(file.schema, check_metadata=True)

    def test_a_file_can_be_read_by_several_at_once(self, files, name):
        file = open_catalog(files[name])
        first, second = file.batches(["ra"], rows=1), file.batches(["ra"], rows=1)
        assert [next(first), next(second)][0].equals(next(file.batches(["ra"], rows=1)))
        assert next(first).equals(next(second))

    @pytest.mark.parametrize(
        ("columns", "sentence"),
        [
            (["ra", "Dec"], "there is no column 'Dec' among source_id, ra, dec, name, n_seen"),
            (["ra", "ra"], "asked for twice"),
            ([], "no column is asked for"),
        ],
    )
    def test_columns_that_cannot_be_given_are_refused_at_once(self, files, name, columns, sentence):
        with pytest.raises(CatalogFileError, match=sentence) as caught:
            open_catalog(files[name]).batches(columns)
        assert str(files[name]) in str(caught.value)

    def test_rows_must_be_positive(self, files, name):
        with pytest.raises(ValueError, match="rows must be positive, not 0"):
            open_catalog(files[name]).batches(rows=0)


@pytest.mark.parametrize("name", [n for n in FORMATS if n.startswith(("FITS", "ECSV", "VOTable"))])
def test_units_are_kept_where_the_format_has_them(files, name):
    assert unit_of(files[name], "ra") == b"deg"
    assert unit_of(files[name], "source_id") is None


# ------------------------------------------------------------ damage


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "folder of Parquet files"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_truncated_file_is_refused_or_is_a_shorter_text(files, tmp_path, name, data):
    content = files[name].read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    cut = tmp_path / "cut"
    cut.write_bytes(content[:length])
    try:
        found = read(cut)
    except CatalogFileError:
        return
    # Text may end anywhere, also in a row; of the others only what follows the rows may be missing.
    is_text = name.startswith(("CSV", "ECSV"))
    n_complete = max(found.num_rows - 1, 0) if is_text else N_ROWS
    identifiers = found.column("source_id")[:n_complete].to_pylist()
    assert identifiers == stars()["source_id"][:n_complete].tolist()


class TestNothingToRead:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere"):
            open_catalog(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "the file is empty"),
            (b"\n\n# nothing else\n", "no header"),
            (b"\x89HDF\r\n\x1a\n\0\0", "binary file, but neither Parquet nor FITS"),
            (b"ra dec\n1 2\n", "no comma, semicolon, tab or |"),
            (b"1.5,2.5\n3.5,4.5\n", "holds the number 1.5"),
            (b"ra,dec,ra\n1,2,3\n", "more than one column named 'ra'"),
            (b"ra,dec\n1,2\n3\n", "no regular table .*Expected 2 columns, got 1"),
            (gzip.compress(b"PAR1 and so on", mtime=0), "gzipped Parquet"),
            (gzip.compress(b"ra,dec\n1,2\n" * 900, mtime=0)[:40], "the gzipped file is truncated"),
            (b"PAR1 and so on PAR1", "Parquet file is truncated or damaged"),
            (b"<?xml version='1.0'?><VOTABLE version='1.4'/>", "VOTable holds no table"),
            (b"# %ECSV 1.0\n# ---\n# datatype: {\nra dec\n", "ECSV header is damaged"),
        ],
    )
    def test_content_that_is_no_catalogue_is_told_in_a_sentence(self, tmp_path, content, sentence):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(CatalogFileError, match=sentence) as caught:
            open_catalog(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    def test_an_empty_path_and_a_folder_without_files(self, tmp_path):
        with pytest.raises(CatalogFileError, match="path of a catalogue is empty"):
            open_catalog("")
        (tmp_path / "notes.txt").write_text("ra,dec\n")
        with pytest.raises(CatalogFileError, match=r"no \*\.parquet or \*\.pq file"):
            open_catalog(tmp_path)

    def test_a_file_that_vanishes_is_not_called_damaged(self, files, tmp_path):
        for name in ("Parquet", "FITS", "CSV"):
            path = tmp_path / "copy"
            path.write_bytes(files[name].read_bytes())
            batches = open_catalog(path).batches()
            path.unlink()
            with pytest.raises(FileNotFoundError):
                next(batches)


# ------------------------------------------------------------ batches


@given(lengths=st.lists(st.integers(0, 30)), rows=st.integers(1, 40))
def test_regrouping_cuts_what_is_long_and_joins_what_is_short(lengths, rows):
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    pieces = [
        pa.RecordBatch.from_pydict({"row": np.arange(first, first + n)})
        for first, n in zip(starts[:-1], lengths, strict=True)
    ]
    batches = list(regrouped(pieces, rows))
    assert [i for batch in batches for i in batch.column(0).to_pylist()] == list(range(starts[-1]))
    sizes = [batch.num_rows for batch in batches]
    assert all(1 <= size <= rows for size in sizes)
    # None could have been joined with the next one.
    assert all(a + b > rows for a, b in itertools.pairwise(sizes))


class TestMemory:
    """What is held while a file is streamed depends on the batch, not on the file."""

    def most_held(self, path, rows):
        before = pa.total_allocated_bytes()
        return max(
            pa.total_allocated_bytes() - before for _ in open_catalog(path).batches(rows=rows)
        )

    def test_one_row_group_for_the_whole_file(self, tmp_path):
        n, rows = 2_000_000, 10_000
        values = np.random.default_rng(1).uniform(size=n)
        path = tmp_path / "file"
        parquet.write_table(pa.table({"ra": values, "dec": values}), path, row_group_size=n)
        assert self.most_held(path, rows) < values.nbytes / 2

    def test_text_is_parsed_some_blocks_ahead(self, tmp_path, monkeypatch):
        monkeypatch.setattr(catalog_text, "_BLOCK_BYTES", 1 << 16)
        monkeypatch.setattr(catalog_text, "_SAMPLE_BYTES", 1 << 16)
        n = 1_000_000
        path = tmp_path / "file"
        ra = np.random.default_rng(1).uniform(size=n)
        arrow_csv.write_csv(pa.table({"ra": ra, "dec": ra}), path)
        assert self.most_held(path, 1000) < path.stat().st_size / 4

    def test_sections_of_a_wide_fits_table_are_bounded_in_bytes(self, files, monkeypatch):
        asked = []
        monkeypatch.setattr(catalog_fits, "_SECTION_BYTES", 1000)
        sections = catalog_fits._sections

        def counted(table, rows):
            for section in sections(table, rows):
                asked.append(section.nbytes)
                yield section

        monkeypatch.setattr(catalog_fits, "_sections", counted)
        assert read(files["FITS"]).to_pydict() == as_arrow(stars()).to_pydict()
        assert max(asked) <= 1000 < sum(asked)


# ------------------------------------------------------------ FITS


def write_columns(path, *columns):
    fits.BinTableHDU.from_columns(columns).writeto(path)
    return path


class TestFits:
    def test_integers_keep_all_bits_and_their_sign(self, tmp_path):
        kinds = ["u1", "u2", "u4", "u8", "i2", "i4", "i8"]
        ends = {kind: [np.iinfo(kind).min, np.iinfo(kind).max] for kind in [*kinds, "i1"]}
        columns = fits.table_to_hdu(Table({kind: np.array(ends[kind], kind) for kind in kinds}))
        # astropy's tables would keep signed bytes as logical values.
        signed = fits.Column("i1", "B", bzero=-128, array=np.array(ends["i1"], "i1"))
        path = write_columns(tmp_path / "file", *columns.columns, signed)
        found = read(path)
        assert found.schema.types == [pa.from_numpy_dtype(np.dtype(kind)) for kind in ends]
        assert found.to_pydict() == ends

    def test_tnull_tscal_and_tzero(self, tmp_path):
        raw = np.array([1, -1, 3], dtype=np.int16)
        path = write_columns(
            tmp_path / "file",
            fits.Column("known", "J", null=-1, array=raw),
            fits.Column("scaled", "I", null=-1, array=raw),
            fits.Column("shifted", "E", array=raw),
        )
        for key, value in {"TSCAL2": 0.5, "TZERO2": 10.0, "TZERO3": 10.0}.items():
            fits.setval(path, key, value=value, ext=1)
        assert read(path).to_pydict() == {
            "known": [1, None, 3],
            "scaled": [10.5, None, 11.5],
            "shifted": [11.0, 9.0, 13.0],
        }

    def test_logical_bits_complex_and_text(self, tmp_path):
        bits = np.random.default_rng(0).integers(0, 2, (2, 11)).astype(bool)
        path = write_columns(
            tmp_path / "file",
            fits.Column("logical", "L", array=[True, False]),
            fits.Column("bits", "11X", array=bits),
            fits.Column("complex", "M", array=np.array([1 + 2j, 3])),
            fits.Column("text", "6A", array=["  a b ", ""]),
            fits.Column("nothing", "0E", array=np.zeros((2, 0))),
        )
        found = read(path)
        assert found.column("logical").to_pylist() == [True, False]
        assert found.column("bits").to_pylist() == bits.tolist()
        assert found.column("complex").to_pylist() == [[1, 2], [3, 0]]
        assert found.column("text").to_pylist() == ["  a b", None]
        assert found.column("nothing").to_pylist() == [None, None]

    def test_a_logical_value_that_is_neither_is_null(self, tmp_path):
        path = write_columns(tmp_path / "file", fits.Column("l", "L", array=[True, False, True]))
        content = path.read_bytes()
        path.write_bytes(content.replace(b"TFT" + b"\0" * 9, b"TF" + b"\0" * 10))
        assert read(path).column("l").to_pylist() == [True, False, None]

    def test_arrays_in_rows_are_lists_of_their_shape(self, tmp_path):
        cube = np.arange(24.0).reshape(2, 3, 4)
        names = np.array([["ab", "c"], ["", "d"]])
        Table({"cube": cube, "names": names}).write(tmp_path / "file", format="fits")
        found = read(tmp_path / "file", rows=1)
        assert found.schema.field("cube").type == pa.list_(pa.list_(pa.float64(), 4), 3)
        assert found.column("cube").to_pylist() == cube.tolist()
        assert found.column("names").to_pylist() == [["ab", "c"], [None, "d"]]

    def test_nan_stays_nan(self, tmp_path):
        Table({"mag": [1.0, np.nan]}).write(tmp_path / "file", format="fits")
        column = read(tmp_path / "file").column("mag")
        assert column.null_count == 0 and np.isnan(column[1].as_py())

    def test_arrays_of_variable_length_are_refused_only_when_asked_for(self, tmp_path):
        ragged = np.array([np.array([1.0, 2.0]), np.array([3.0])], dtype=object)
        path = write_columns(
            tmp_path / "file",
            fits.Column("ra", "D", array=[1.0, 2.0]),
            fits.Column("spectrum", "PD()", array=ragged),
        )
        assert open_catalog(path).schema.field("spectrum").type == pa.list_(pa.float64())
        assert read(path, ["ra"]).column("ra").to_pylist() == [1, 2]
        with pytest.raises(CatalogFileError, match="'spectrum' holds arrays of variable length"):
            read(path)

    def test_the_first_binary_table_with_columns_counts(self, tmp_path):
        table = fits.table_to_hdu(Table({"ra": [1.0]}))
        hdus = [
            fits.PrimaryHDU(np.zeros((7, 7))),
            fits.ImageHDU(np.zeros((50, 50))),
            fits.TableHDU.from_columns([fits.Column("old", "F8.3", array=[1.0])]),
            fits.BinTableHDU(),
            table,
        ]
        fits.HDUList(hdus).writeto(tmp_path / "file")
        assert read(tmp_path / "file").to_pydict() == {"ra": [1.0]}

    def test_no_binary_table(self, tmp_path):
        fits.PrimaryHDU(np.zeros(9)).writeto(tmp_path / "file")
        with pytest.raises(CatalogFileError, match="holds no binary table"):
            open_catalog(tmp_path / "file")

    @pytest.mark.parametrize(
        ("card", "damaged"),
        [
            (b"NAXIS1  =                    7", b"NAXIS1  =                    x"),
            (b"NAXIS1  =                    7", b"NAXIS1  =              -999999"),
            (b"BITPIX  =                  -64", b"BITPIX  =                  -6x"),
        ],
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_a_damaged_header_ends_the_search(self, tmp_path, card, damaged, pack):
        path = tmp_path / "file"
        table = fits.table_to_hdu(Table({"ra": [1.0]}))
        fits.HDUList([fits.PrimaryHDU(np.zeros((7, 7))), table]).writeto(path)
        content = path.read_bytes()
        assert content.count(card) == 1
        path.write_bytes(pack(content.replace(card, damaged)))
        with pytest.raises(CatalogFileError, match=r"damaged|no binary table"):
            open_catalog(path)

    def test_a_compressed_image_is_no_catalogue_and_a_compressed_table_is_told(self, tmp_path):
        image = fits.CompImageHDU(np.zeros((40, 40)))
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "image")
        with pytest.raises(CatalogFileError, match="holds no binary table"):
            open_catalog(tmp_path / "image")
        table = fits.table_to_hdu(Table({"ra": [1.0]}))
        table.header["ZTABLE"] = True
        table.writeto(tmp_path / "table")
        with pytest.raises(CatalogFileError, match="funpack"):
            open_catalog(tmp_path / "table")

    def test_text_that_is_no_utf8_is_told_with_its_column(self, tmp_path):
        path = tmp_path / "file"
        fits.table_to_hdu(Table({"name": [b"M\xe9chain"], "ra": [1.0]})).writeto(path)
        assert read(path, ["ra"]).num_rows == 1
        with pytest.raises(CatalogFileError, match="column 'name' holds text that is no UTF-8"):
            read(path)

    def test_no_rows(self, tmp_path):
        Table({"ra": np.zeros(0), "name": np.zeros(0, "S4")}).write(tmp_path / "f", format="fits")
        assert open_catalog(tmp_path / "f").n_rows == 0
        assert read(tmp_path / "f").schema.types == [pa.float64(), pa.string()]


# ------------------------------------------------------------ text


class TestText:
    def write(self, tmp_path, text):
        path = tmp_path / "file"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    @pytest.mark.parametrize(
        "text",
        [
            "ra,dec\n1,2.5\n3,4.5\n",
            "ra,dec\r\n1,2.5\r\n3,4.5\r\n",
            "ra,dec\n1,2.5\n3,4.5",
            "\ufeffra,dec\n1,2.5\n3,4.5\n",
            "# made by, someone\n\n#\n ra , dec\n\n1, 2.5\n\n3,4.5\n\n",
            "\ufeff# comment\nra|dec\n1|2.5\n3|4.5\n",
            '"ra";"dec"\n"1";"2.5"\n3;4.5\n',
            "# ra,dec\n1,2.5\n3,4.5\n",
        ],
    )
    def test_ways_to_write_two_columns(self, tmp_path, text):
        assert read(self.write(tmp_path, text)).to_pydict() == {"ra": [1, 3], "dec": [2.5, 4.5]}

    def test_what_numpy_writes_with_a_header(self, tmp_path):
        values = np.random.default_rng(0).uniform(size=(5, 2))
        path = tmp_path / "file"
        np.savetxt(path, values, delimiter=",", header="ra,dec", fmt="%.17g")
        assert read(path).to_pandas().to_numpy().tolist() == values.tolist()

    def test_the_delimiter_is_the_mark_that_the_header_has_most_of(self, tmp_path):
        path = self.write(tmp_path, "name;ra (deg, J2000);dec\na;1;2\n")
        assert open_catalog(path).schema.names == ["name", "ra (deg, J2000)", "dec"]

    def test_quoted_text_may_hold_the_delimiter(self, tmp_path):
        path = self.write(tmp_path, 'name,ra\n"a, b",1\n"say ""c""",2\n')
        assert read(path).column("name").to_pylist() == ["a, b", 'say "c"']

    @pytest.mark.parametrize("missing", ["", "null", "NaN", "N/A", "--"])
    def test_missing_values_are_null(self, tmp_path, missing):
        text = f"name,ra,n\na,1.5,7\n{missing},{missing},{missing}\n"
        found = read(self.write(tmp_path, text))
        assert found.to_pydict() == {"name": ["a", None], "ra": [1.5, None], "n": [7, None]}
        assert found.schema.types == [pa.string(), pa.float64(), pa.int64()]

    def test_sexagesimal_angles_stay_text(self, tmp_path):
        path = self.write(tmp_path, "RA,DEC\n08:29:47,+33:54:22\n11:43:06.37,-15:34:01\n")
        assert read(path).to_pydict() == {
            "RA": ["08:29:47", "11:43:06.37"],
            "DEC": ["+33:54:22", "-15:34:01"],
        }
        path = self.write(tmp_path, "RA,DEC\n08:29:47,+33:54:22\n11:43:06,-15:34:01\n")
        assert read(path).column("RA").to_pylist() == ["08:29:47", "11:43:06"]

    def test_numbers_with_a_plus_are_numbers(self, tmp_path):
        path = self.write(tmp_path, "ra,dec\n1.5,+33.25\n2.5,-3\n")
        assert read(path).column("dec").to_pylist() == [33.25, -3.0]

    def test_identifiers_are_never_rounded(self, tmp_path):
        unsigned, longer = 2**64 - 1, 10**25 + 1
        text = f"a,b,c\n1,{longer},1.5\n{unsigned},{longer + 1},{10**18}\n"
        found = read(self.write(tmp_path, text))
        assert found.column("a").to_pylist() == [1, unsigned]
        assert found.column("b").to_pylist() == [str(longer), str(longer + 1)]
        assert found.column("c").to_pylist() == [1.5, 1e18]

    def test_a_later_value_that_does_not_fit_is_told_with_its_column(self, tmp_path, monkeypatch):
        monkeypatch.setattr(catalog_text, "_SAMPLE_BYTES", 100)
        rows = "1,2\n" * 100
        path = self.write(tmp_path, f"# {'x' * 10}\nra,flag\n{rows}3,maybe\n")
        with pytest.raises(
            CatalogFileError,
            match=r"column 'flag' is int64 .*invalid value 'maybe'.*the other columns can be read",
        ):
            read(path)
        assert read(path, ["ra"]).num_rows == 101

    def test_a_column_that_is_empty_at_first_is_text(self, tmp_path, monkeypatch):
        monkeypatch.setattr(catalog_text, "_SAMPLE_BYTES", 100)
        path = self.write(tmp_path, "ra,note\n" + "1,\n" * 100 + "2,5 seen\n")
        assert read(path).column("note").to_pylist() == [None] * 100 + ["5 seen"]

    @pytest.mark.parametrize("text", ["ra,dec", "ra,dec\n", "# comment\nra,dec\n\n"])
    def test_no_rows(self, tmp_path, text):
        path = self.write(tmp_path, text)
        assert open_catalog(path).n_rows == 0
        assert read(path).to_pydict() == {"ra": [], "dec": []}


class TestEcsv:
    def test_types_and_units_are_those_of_the_header(self, tmp_path):
        kinds = ["bool", "int8", "uint8", "int16", "uint64", "float32", "float64"]
        table = Table({kind: np.array([0, 1], dtype=kind) for kind in kinds})
        table["float32"].unit = "mag"
        table["text"] = ["NA", "null"]
        table.write(tmp_path / "file", format="ascii.ecsv")
        found = read(tmp_path / "file")
        expected = [*(pa.from_numpy_dtype(np.dtype(kind)) for kind in kinds), pa.string()]
        assert found.schema.types == expected
        assert found.to_pydict() == {name: table[name].tolist() for name in table.colnames}
        assert unit_of(tmp_path / "file", "float32") == b"mag"

    def test_columns_of_arrays_are_read_too(self, tmp_path):
        table = Table({"ra": [1.0, 2.0], "pair": [[1, 2], [3, 4]]}, units={"ra": "deg"})
        table.write(tmp_path / "file", format="ascii.ecsv")
        file = open_catalog(tmp_path / "file")
        assert file.n_rows == 2 and unit_of(tmp_path / "file", "ra") == b"deg"
        assert read(tmp_path / "file").to_pydict() == {"ra": [1, 2], "pair": [[1, 2], [3, 4]]}

    def test_a_header_of_another_table_is_told(self, tmp_path):
        Table({"ra": [1.0], "dec": [2.0]}).write(tmp_path / "file", format="ascii.ecsv")
        text = (tmp_path / "file").read_text().replace("\nra dec", "\ndec ra")
        (tmp_path / "file").write_text(text)
        with pytest.raises(CatalogFileError, match="not those of its ECSV header"):
            open_catalog(tmp_path / "file")


class TestVotable:
    def test_arrays_complex_numbers_and_text_of_any_length(self, tmp_path):
        table = Table(
            {
                "pair": np.array([[1.0, 2.0], [3.0, 4.0]]),
                "amplitude": np.array([1 + 2j, 3]),
                "seen": np.array([True, False]),
                "small": np.array([1, 2], dtype=np.int16),
                "text": ["Sirius", "a much longer name"],
            }
        )
        table.write(tmp_path / "file", format="votable")
        found = read(tmp_path / "file")
        assert found.column("pair").to_pylist() == [[1, 2], [3, 4]]
        assert found.column("amplitude").to_pylist() == [[1, 2], [3, 0]]
        assert found.column("seen").to_pylist() == [True, False]
        assert found.schema.field("small").type == pa.int16()
        assert found.column("text").to_pylist() == ["Sirius", "a much longer name"]

    def test_no_rows(self, tmp_path):
        Table({"ra": np.zeros(0)}).write(tmp_path / "file", format="votable")
        assert read(tmp_path / "file").num_rows == 0


# ------------------------------------------------------------ Parquet


def write_parquet(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


class TestParquet:
    def test_units_of_fields_and_of_astropy(self, tmp_path):
        table = Table({"ra": [1.0], "id": [1]}, units={"ra": "deg"})
        table.write(tmp_path / "astropy.parquet")
        assert unit_of(tmp_path / "astropy.parquet", "ra") == b"deg"
        assert unit_of(tmp_path / "astropy.parquet", "id") is None
        field = pa.field("ra", pa.float64(), metadata={"unit": "rad", "other": "x"})
        parquet.write_table(pa.table([[1.0]], schema=pa.schema([field])), tmp_path / "ours")
        assert unit_of(tmp_path / "ours", "ra") == b"rad"

    def test_a_name_with_a_dot_is_not_part_of_another(self, tmp_path):
        columns = {"a": [1], "a.b": [2], "c": [{"a": 3, "b": [4, 5]}]}
        write_parquet(tmp_path / "file", **columns)
        for name, values in columns.items():
            assert read(tmp_path / "file", [name]).to_pydict() == {name: values}

    @pytest.mark.skipif(not hasattr(pa, "string_view"), reason="this pyarrow has no views")
    def test_views_become_text_and_bytes(self, tmp_path):
        values = {"text": pa.array(["a", None], pa.string_view())}
        values["bytes"] = pa.array([b"a", None], pa.binary_view())
        write_parquet(tmp_path / "folder" / "1.parquet", **values)
        write_parquet(tmp_path / "folder" / "2.parquet", text=["c"], bytes=[b"c"])
        found = read(tmp_path / "folder")
        assert found.schema.types == [pa.string(), pa.binary()]
        assert found.to_pydict() == {"text": ["a", None, "c"], "bytes": [b"a", None, b"c"]}

    def test_dictionaries_of_row_groups_become_their_values(self, tmp_path):
        first, second = (pa.array(v).dictionary_encode() for v in (["a", "b"], ["c", "a"]))
        with parquet.ParquetWriter(tmp_path / "f", pa.schema({"kind": first.type})) as writer:
            for values in (first, second):
                writer.write_table(pa.table({"kind": values}))
        found = read(tmp_path / "f")
        assert found.schema.field("kind").type == pa.string()
        assert found.column("kind").to_pylist() == ["a", "b", "c", "a"]

    def test_no_rows(self, tmp_path):
        write_parquet(tmp_path / "file", ra=np.zeros(0))
        assert open_catalog(tmp_path / "file").n_rows == 0 and read(tmp_path / "file").num_rows == 0


class TestFolder:
    def test_files_below_in_order_of_path_without_what_is_hidden(self, tmp_path):
        names = ["b/2.parquet", "a.PQ", "b/1.parquet", "c.parquet"]
        for number, name in enumerate(names):
            write_parquet(tmp_path / name, n=[number])
        for name in (".x.parquet", "_y.parquet", ".z/1.parquet", "_z/1.parquet"):
            write_parquet(tmp_path / name, other=["x"])
        (tmp_path / "notes.txt").write_text("not rows")
        assert open_catalog(tmp_path).n_rows == 4
        order = sorted(names, key=Path)
        assert read(tmp_path).column("n").to_pylist() == [names.index(name) for name in order]

    def test_types_are_widened_and_columns_may_be_in_any_order(self, tmp_path):
        write_parquet(tmp_path / "1.parquet", n=pa.array([1], pa.int16()), x=[None], s=["a"])
        write_parquet(
            tmp_path / "2.parquet", s=pa.array(["b"], pa.large_string()), x=[0.5], n=[1 << 40]
        )
        found = read(tmp_path)
        assert found.to_pydict() == {"n": [1, 1 << 40], "x": [None, 0.5], "s": ["a", "b"]}
        assert found.schema.types == [pa.int64(), pa.float64(), pa.large_string()]

    def test_an_identifier_that_a_float_cannot_hold_is_refused(self, tmp_path):
        write_parquet(tmp_path / "1.parquet", n=[0.5])
        write_parquet(tmp_path / "2.parquet", n=[(1 << 60) + 1])
        with pytest.raises(CatalogFileError, match=r"file '2.parquet': its column 'n' \(int64\)"):
            read(tmp_path)

    @pytest.mark.parametrize(
        ("columns", "sentence"),
        [
            ({"ra": [1.0]}, "lacks column 'dec'"),
            ({"ra": [1.0], "dec": [1.0], "mag": [1]}, "has a column 'mag'"),
            ({"ra": ["1"], "dec": [1.0]}, "column 'ra' is string, and .* before it double"),
            ({"ra": [1.0], "dec": pa.array([[1.0]])}, "column 'dec' is list"),
        ],
    )
    def test_columns_that_differ_are_told_with_their_file(self, tmp_path, columns, sentence):
        write_parquet(tmp_path / "1.parquet", ra=[1.0], dec=[1.0])
        write_parquet(tmp_path / "sub" / "2.parquet", **columns)
        with pytest.raises(CatalogFileError, match=f"file 'sub/2.parquet': .*{sentence}"):
            open_catalog(tmp_path)

    def test_units_that_differ_are_told(self, tmp_path):
        for number, unit in enumerate(("deg", "rad")):
            Table({"ra": [1.0]}, units={"ra": unit}).write(tmp_path / f"{number}.parquet")
        with pytest.raises(CatalogFileError, match=r"column 'ra' is in rad, .* before it in deg"):
            open_catalog(tmp_path)

    def test_a_damaged_file_is_named(self, tmp_path):
        write_parquet(tmp_path / "1.parquet", ra=[1.0])
        (tmp_path / "2.parquet").write_bytes((tmp_path / "1.parquet").read_bytes()[:-9])
        with pytest.raises(CatalogFileError, match=r"file '2.parquet': .* truncated or damaged"):
            open_catalog(tmp_path)

    def test_files_without_rows_and_folders_that_state_only_columns(self, tmp_path):
        write_parquet(tmp_path / "a" / "1.parquet", ra=np.zeros(0))
        assert read(tmp_path / "a").num_rows == 0
        write_parquet(tmp_path / "b" / "_common_metadata", ra=np.zeros(0))
        assert open_catalog(tmp_path / "b").n_rows == 0
        assert read(tmp_path / "b").schema.names == ["ra"]


class TestHats:
    def make(self, folder, pixels):
        for order, pixel, suffix in pixels:
            place = folder / "dataset" / f"Norder={order}" / "Dir=0" / f"Npix={pixel}{suffix}"
            write_parquet(place, order=[order], pixel=[pixel])
        (folder / "hats.properties").write_text("dataproduct_type=object\n")

    @pytest.mark.parametrize("suffix", [".parquet", "/part0.parquet"])
    def test_partitions_come_along_the_sky_whatever_their_orders(self, tmp_path, suffix):
        pixels = [(2, 10), (2, 9), (10, 3), (0, 11), (2, 100)]
        self.make(tmp_path, [(*pixel, suffix) for pixel in pixels])
        assert is_hats(tmp_path) and open_catalog(tmp_path).format == "HATS"
        found = read(tmp_path)
        order, pixel = found.column("order").to_pylist(), found.column("pixel").to_pylist()
        found = list(zip(order, pixel, strict=True))
        assert found == [(10, 3), (2, 9), (2, 10), (2, 100), (0, 11)]

    def test_a_collection_is_its_first_table(self, tmp_path):
        self.make(tmp_path / "table", [(0, 1, ".parquet")])
        self.make(tmp_path / "margin", [(0, 2, ".parquet")])
        properties = tmp_path / "collection.properties"
        properties.write_text("#HATS\nhats_primary_table_url = table\nall_margins=margin\n")
        assert is_hats(str(tmp_path))
        assert read(tmp_path).column("pixel").to_pylist() == [1]
        properties.write_text("hats_primary_table_url=elsewhere\n")
        with pytest.raises(CatalogFileError, match="no folder elsewhere/dataset"):
            open_catalog(tmp_path)
        properties.write_text("all_margins=margin\n")
        with pytest.raises(CatalogFileError, match="does not say hats_primary_table_url"):
            open_catalog(tmp_path)

    def test_what_is_no_hats_catalogue(self, tmp_path, files):
        assert not is_hats(tmp_path / "nowhere") and not is_hats(files["Parquet"])
        (tmp_path / "dataset").mkdir()
        assert not is_hats(tmp_path)


# ------------------------------------------------------------ real catalogues


class TestRealCatalogues:
    def test_fits_as_astropy_reads_it(self, crossmatch_data):
        paths = sorted(crossmatch_data.glob("*.fits"))
        assert paths
        for path in paths:
            with fits.open(path) as hdus:
                expected = hdus[1].data
                found = read(path, rows=64)
                assert found.num_rows == len(expected)
                for name in expected.names:
                    column, values = found.column(name), expected[name]
                    if values.dtype.kind == "U":
                        assert (
                            column.fill_null("").to_pylist() == np.char.rstrip(values).tolist()
                        ), (path, name)
                    elif column.null_count == 0:
                        np.testing.assert_array_equal(column.to_numpy(), values, (path, name))

    @pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
    def test_gaia_integers_that_are_not_known_are_null(self, crossmatch_data):
        path = crossmatch_data / "gdr3_sm.fits"
        expected = Table.read(path)
        found = read(path)
        for name in expected.colnames:
            if expected[name].dtype.kind in "iu":
                assert found.column(name).to_pylist() == expected[name].tolist()

    def test_csv_as_pandas_reads_it(self, crossmatch_data):
        path = crossmatch_data / "bts.csv"
        expected = pd.read_csv(path, na_values=["-"])
        found = read(path)
        assert found.num_rows == len(expected)
        assert found.column("RA").to_pylist() == expected["RA"].tolist()
        assert found.column("b").to_pylist() == expected["b"].tolist()

    def test_parquet_as_pyarrow_reads_it(self, crossmatch_data):
        for name in ("tier5_cleaned.parquet", "allwise_schema.parquet"):
            path = crossmatch_data / name
            expected = parquet.read_table(path)
            assert read(path, rows=1000).equals(expected.replace_schema_metadata(None))

    def test_a_hats_collection_is_sorted_over_the_sky(self, crossmatch_data):
        path = crossmatch_data / "lsdb_tests_data" / "small_sky_order1_collection"
        found = read(path, rows=10)
        source = read(crossmatch_data / "lsdb_tests_data" / "raw" / "small_sky" / "small_sky.csv")
        assert found.num_rows == source.num_rows == open_catalog(path).n_rows
        assert set(found.column("id").to_pylist()) == set(source.column("id").to_pylist())
        healpix = found.column("_healpix_29").to_numpy()
        assert np.all(np.diff(healpix >> (2 * 28)) >= 0)
