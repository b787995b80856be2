"""Reading: every kind of file and table gives the same light curve, or one clear sentence."""

import gzip
import io
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked
from pyarrow import parquet

from armillary.io import LightCurve, LightCurveError, read_light_curve
from armillary.io.quality import BITMASKS

TIME = np.array([1.5, 2.5, 3.5, 4.5])
FLUX = np.array([1.0, 0.1 + 0.2, 0.9, 1.1])
ERR = np.array([0.1, 0.2, 0.3, 0.4])


class TestMissionFits:
    def test_pdcsap_flux_default_flags_and_counts(self, tess_fits):
        lc = read_light_curve(tess_fits)
        assert lc.time.tolist() == [1, 2, 7, 8] and lc.flux.tolist() == [100, 101, 106, 107]
        assert lc.meta["n_read"] == 8 and lc.meta["n_flagged"] == 1
        assert lc.meta["n_invalid"] == 3  # no time, no flux, error 0
        assert lc.flux.dtype.isnative

    def test_the_header_tells_target_sector_and_time_system(self, tess_fits):
        meta = read_light_curve(str(tess_fits)).meta
        assert (meta["target"], meta["mission"], meta["sector"]) == ("TIC 1", "TESS", 7)
        assert (meta["time_system"], meta["time_scale"]) == ("BTJD", "tdb")
        assert (meta["flux_unit"], meta["flux_column"]) == ("electron / s", "PDCSAP_FLUX")
        assert meta["source"] == str(tess_fits)

    @pytest.mark.parametrize(
        ("quality", "flagged"), [("none", 0), ("default", 1), ("hard", 2), (64, 1), (96, 2), (1, 0)]
    )
    def test_quality_chooses_what_is_dropped(self, tess_fits, quality, flagged):
        assert read_light_curve(tess_fits, quality=quality).meta["n_flagged"] == flagged

    @pytest.mark.parametrize("quality", ["hardest", -1, 1.5, True, None])
    def test_an_unknown_quality_is_refused(self, tess_fits, quality):
        with pytest.raises(ValueError, match="quality must be"):
            read_light_curve(tess_fits, quality=quality)

    def test_another_flux_comes_with_its_own_error(self, tess_fits):
        lc = read_light_curve(tess_fits, flux_column="sap_flux")
        assert lc.flux[0] == 90 and lc.flux_err[0] == 9 and lc.meta["flux_column"] == "SAP_FLUX"

    @pytest.mark.parametrize(
        ("reference", "system"),
        [
            ({"BJDREFI": 2457000, "BJDREFF": 0.0}, "BTJD"),
            ({"BJDREFI": 2454833, "BJDREFF": 0.0}, "BKJD"),
            ({"BJDREFI": 0, "BJDREFF": 0.0}, "BJD"),
            ({"BJDREFI": 2400000, "BJDREFF": 0.5}, "BJD - 2400000.5"),
            ({}, None),
        ],
    )
    def test_the_time_system_is_that_of_the_header_whatever_the_numbers(
        self, write_fits, reference, system
    ):
        columns = {"TIME": ("D", 2457000 + TIME), "FLUX": ("D", FLUX)}
        assert read_light_curve(write_fits(columns, header=reference)).meta["time_system"] == system

    def test_a_contradicting_time_system_is_refused(self, tess_fits):
        assert read_light_curve(tess_fits, time_system="BTJD").meta["time_system"] == "BTJD"
        with pytest.raises(LightCurveError, match="stated to be BTJD, but time_system='BKJD'"):
            read_light_curve(tess_fits, time_system="BKJD")

    @pytest.mark.parametrize("name", ["btjd", "BTJD", "Btjd"])
    def test_a_time_system_is_the_same_in_any_case(self, tess_fits, name):
        assert read_light_curve(tess_fits, time_system=name).meta["time_system"] == "BTJD"
        silent = Table({"time": TIME, "flux": FLUX})
        assert read_light_curve(silent, time_system=name).meta["time_system"] == "BTJD"

    def test_the_mission_decides_what_bits_mean(self, write_fits):
        # 2^7: manual exclude for TESS, a cosmic ray for Kepler; 2^8 the other way round
        columns = {
            "TIME": ("D", TIME),
            "FLUX": ("D", FLUX),
            "QUALITY": ("J", [0, 1 << 7, 1 << 8, 0]),
        }
        for mission, key in (("TESS", "TELESCOP"), ("Kepler", "TELESCOP"), ("K2", "MISSION")):
            path = write_fits(columns, primary={key: mission}, name=f"{mission}.fits")
            dropped = TIME[1] if mission == "TESS" else TIME[2]
            assert read_light_curve(path).time.tolist() == [t for t in TIME if t != dropped]

    def test_flags_of_an_unknown_mission_are_bad_unless_zero(self, write_fits):
        path = write_fits(
            {"TIME": ("D", TIME), "FLUX": ("D", FLUX), "QUALITY": ("J", [0, 1 << 12, 0, 1])}
        )
        assert len(read_light_curve(path)) == 2 and len(read_light_curve(path, quality=1)) == 3

    def test_k2sff_gives_the_corrected_flux_away_from_thruster_firings(self, write_fits):
        columns = {
            "T": ("D", TIME),
            "FRAW": ("D", FLUX * 2),
            "FCOR": ("D", FLUX),
            "MOVING": ("I", [0, 1, 0, 0]),
        }
        path = write_fits(columns, primary={"MISSION": "K2", "KEPLERID": 9, "CAMPAIGN": 3})
        lc = read_light_curve(path)
        assert lc.flux.tolist() == FLUX[[0, 2, 3]].tolist() and lc.flux_err is None
        assert lc.meta["target"] == "EPIC 9" and lc.meta["sector"] == 3
        assert len(read_light_curve(path, quality="none")) == 4

    def test_times_in_other_units_become_days(self, write_fits):
        columns = {"TIME": ("D", TIME * 86400), "FLUX": ("D", FLUX)}
        path = write_fits(columns, units={"TIME": "s"})
        np.testing.assert_allclose(read_light_curve(path).time, TIME)

    def test_tables_that_are_no_light_curve_are_passed_over(self, tess_fits, tmp_path):
        other = fits.BinTableHDU.from_columns([fits.Column("X", "D", array=[1.0])])
        with fits.open(tess_fits) as hdus:
            fits.HDUList([hdus[0], other, hdus[1]]).writeto(tmp_path / "two.fits")
        assert len(read_light_curve(tmp_path / "two.fits")) == 4

    def test_gzipped_and_misnamed_files_are_read_by_their_content(self, tess_fits, tmp_path):
        odd = tmp_path / "star.csv"
        odd.write_bytes(gzip.compress(tess_fits.read_bytes()))
        assert read_light_curve(odd).flux.tolist() == read_light_curve(tess_fits).flux.tolist()


def test_reading_in_threads_leaves_the_filters_of_warnings_alone(tess_fits):
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        lengths = set(pool.map(lambda _: len(read_light_curve(tess_fits)), range(40)))
    assert lengths == {4}
    assert warnings.filters == before


def test_bitmasks_are_those_of_lightkurve():
    lightkurve = pytest.importorskip("lightkurve.utils")
    for mission, flags in (("Kepler", "KeplerQualityFlags"), ("TESS", "TessQualityFlags")):
        options = getattr(lightkurve, flags).OPTIONS
        assert dict(BITMASKS[mission]) == {key: options[key] for key in ("default", "hard")}


def assert_is_star(lc, flux_err=True):
    np.testing.assert_array_equal(lc.time, TIME)
    np.testing.assert_array_equal(lc.flux, FLUX)
    if flux_err:
        np.testing.assert_array_equal(lc.flux_err, ERR)
    else:
        assert lc.flux_err is None


def rows(separator, *columns):
    return "".join(
        separator.join(repr(float(x)) for x in row) + "\n" for row in zip(*columns, strict=True)
    )


class TestText:
    @pytest.mark.parametrize("separator", [",", " ", "\t", ";", "   ", " , "])
    @pytest.mark.parametrize(
        "header", ["", "time{0}flux{0}flux_err\n", "#time{0}flux{0}flux_err\n", "# made by hand\n"]
    )
    def test_separators_and_headers(self, tmp_path, separator, header):
        path = tmp_path / "star.dat"
        path.write_text(header.format(separator) + rows(separator, TIME, FLUX, ERR))
        assert_is_star(read_light_curve(path))

    def test_columns_are_found_by_name_not_by_place(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text("Flux_Err,FLUX,other,Time\n" + rows(",", ERR, FLUX, FLUX, TIME))
        assert_is_star(read_light_curve(path))

    def test_two_unnamed_columns_are_time_and_flux(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text(rows(",", TIME, FLUX))
        assert_is_star(read_light_curve(path), flux_err=False)

    def test_more_unnamed_columns_must_be_chosen(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text(rows(",", ERR, FLUX, TIME, TIME))
        with pytest.raises(LightCurveError, match=r"no time column .* column 0, column 1"):
            read_light_curve(path)
        chosen = read_light_curve(path, time_column=2, flux_column=1, flux_err_column=0)
        assert_is_star(chosen)

    def test_missing_values_are_dropped_and_counted(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text("time,flux,flux_err\n1,1,1\n2,,1\n3,nan,1\n,1,1\n5,1,NaN\n6,1,-1\n7,1,1\n")
        lc = read_light_curve(path)
        assert lc.time.tolist() == [1, 7] and lc.meta["n_invalid"] == 5

    def test_comments_tell_what_they_tell(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text(
            "# tic_id: 188646744\n# sector: 55\n# note: x\n#\n"
            "time_btjd,flux,flux_err,quality\n1.5,1,1,0\n2.5,1,1,4\n"
        )
        lc = read_light_curve(path)
        assert (lc.meta["target"], lc.meta["sector"]) == ("TIC 188646744", 55)
        assert lc.meta["time_system"] == "BTJD" and lc.meta["n_flagged"] == 1
        assert "note" not in lc.meta

    @pytest.mark.parametrize("name", ["time", "bjd", "t", "jd"])
    def test_the_time_system_is_never_guessed(self, tmp_path, name):
        path = tmp_path / "star.csv"
        path.write_text(f"{name},flux\n" + rows(",", 2457000 + TIME, FLUX))
        assert read_light_curve(path).meta["time_system"] is None
        assert read_light_curve(path, time_system="BJD").meta["time_system"] == "BJD"

    def test_a_byte_order_mark_and_foreign_letters_do_no_harm(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_bytes(b"\xef\xbb\xbf# \xe9toile\r\ntime,flux\r\n1,2\r\n")
        assert read_light_curve(path).flux.tolist() == [2]

    def test_unsorted_rows_are_sorted(self, tmp_path):
        path = tmp_path / "star.csv"
        path.write_text(rows(",", TIME[::-1], FLUX[::-1], ERR[::-1]))
        assert_is_star(read_light_curve(path))


class TestOtherFiles:
    def test_parquet_with_metadata(self, tmp_path):
        table = pa.table({"t": TIME, "flux": FLUX, "error": ERR})
        table = table.replace_schema_metadata({"time_system": "BKJD", "object": "KIC 1"})
        parquet.write_table(table, tmp_path / "star.parquet")
        lc = read_light_curve(tmp_path / "star.parquet")
        assert_is_star(lc)
        assert (lc.meta["time_system"], lc.meta["target"]) == ("BKJD", "KIC 1")

    def test_ecsv_with_units(self, tmp_path):
        table = QTable({"time": TIME * 24 * u.hour, "flux": FLUX, "flux_err": ERR})
        table.meta["OBJECT"] = "TIC 2"
        table.write(tmp_path / "star.ecsv")
        lc = read_light_curve(tmp_path / "star.ecsv")
        assert_is_star(lc)
        assert lc.meta["target"] == "TIC 2"


class TestTablesInMemory:
    @pytest.mark.parametrize("kind", [Table, QTable, pd.DataFrame, pa.table])
    def test_plain_columns(self, kind):
        assert_is_star(read_light_curve(kind({"time": TIME, "flux": FLUX, "flux_err": ERR})))

    def test_a_light_curve_is_given_back(self):
        lc = LightCurve(TIME, FLUX)
        assert read_light_curve(lc) is lc

    def test_pandas_index_and_nullable_columns(self):
        frame = pd.DataFrame({"flux": pd.array([1.0, None, 3.0], "Float64")})
        frame.index = pd.Index([1.0, 2.0, 3.0], name="time")
        assert read_light_curve(frame).flux.tolist() == [1, 3]

    def test_arrow_nulls_are_missing(self):
        table = pa.table({"time": [1.0, 2.0, None], "flux": pa.array([1, None, 3])})
        assert read_light_curve(table).flux.tolist() == [1]

    def test_masked_and_big_endian_columns(self):
        table = Table({"time": TIME.astype(">f8"), "flux": FLUX.astype(">f4")}, masked=True)
        table["flux"].mask[1] = True
        lc = read_light_curve(table)
        assert lc.time.tolist() == [1.5, 3.5, 4.5] and lc.flux.dtype.isnative

    def test_time_series_and_masked_quantities(self):
        series = TimeSeries(time=Time(TIME, format="mjd", scale="tdb"))
        series["flux"] = Masked(FLUX * u.electron / u.s, mask=[False, True, False, False])
        lc = read_light_curve(series)
        assert lc.time.tolist() == [1.5, 3.5, 4.5]
        assert (lc.meta["time_system"], lc.meta["time_scale"]) == ("MJD", "tdb")
        assert lc.meta["flux_unit"] == "electron / s"

    def test_lightkurve_reads_the_same_file_alike(self, tess_fits):
        lightkurve = pytest.importorskip("lightkurve")
        theirs = lightkurve.LightCurve(
            time=Time(TIME, format="btjd", scale="tdb"), flux=FLUX, flux_err=ERR
        )
        theirs.meta.update({"OBJECT": "TIC 3", "SECTOR": 4, "MISSION": "TESS"})
        lc = read_light_curve(theirs)
        assert_is_star(lc)
        assert (lc.meta["time_system"], lc.meta["target"]) == ("BTJD", "TIC 3")
        without = lightkurve.LightCurve(time=Time(TIME, format="bkjd"), flux=FLUX)
        assert_is_star(read_light_curve(without), flux_err=False)

    @pytest.mark.parametrize("thing", [3.0, None, [1, 2], np.ones(3), {"time": [1], "flux": [1]}])
    def test_anything_else_is_a_type_error(self, thing):
        with pytest.raises(TypeError, match="takes a path, a LightCurve, or a table"):
            read_light_curve(thing)


class TestColumns:
    @pytest.mark.parametrize(
        ("names", "options", "sentence"),
        [
            (["a", "flux"], {}, "no time column is recognised among a, flux"),
            (["time", "mag"], {}, "no flux column is recognised among time, mag"),
            (["bjd", "btjd", "flux"], {}, "time column is ambiguous: bjd and btjd fit"),
            (["time", "flux", "FLUX"], {}, "flux column is ambiguous: flux and FLUX fit"),
            (["time", "flux"], {"flux_column": "sap"}, "no column 'sap' among time, flux"),
            (["time", "flux"], {"quality_column": "q"}, "no column 'q'"),
            (["time", "flux"], {"flux_err_column": 9}, "flux_err_column=9 is outside the 2 col"),
        ],
    )
    def test_missing_and_ambiguous_columns_are_told(self, names, options, sentence):
        with pytest.raises(LightCurveError, match=sentence):
            read_light_curve(Table({name: [1.0, 2.0] for name in names}), **options)

    def test_an_exact_name_decides_between_cases(self):
        table = Table({"time": [1.0], "flux": [2.0], "FLUX": [3.0]})
        assert read_light_curve(table, flux_column="FLUX").flux.tolist() == [3]

    def test_the_error_of_another_flux_is_not_used(self):
        table = Table({"time": [1.0], "flux": [2.0], "flux_err": [1.0], "raw_flux": [3.0]})
        assert read_light_curve(table, flux_column="raw_flux").flux_err is None

    def test_long_lists_are_cut(self):
        table = Table({f"c{i}": [1.0] for i in range(200)})
        with pytest.raises(LightCurveError, match="c19 and 180 more"):
            read_light_curve(table)

    @pytest.mark.parametrize(
        ("column", "sentence"),
        [
            (["a", "b"], "'flux' holds text"),
            (np.ones((2, 3)), "'flux' must be one-dimensional"),
            ([1.0, 2.0] * u.mag, "holds magnitudes"),
            ([1.0, 2.0] * u.mag(u.ct / u.s), "holds magnitudes"),
            (np.array([1j, 2]), "'flux' holds complex"),
        ],
    )
    def test_columns_that_are_no_numbers_are_named(self, column, sentence):
        with pytest.raises(LightCurveError, match=sentence):
            read_light_curve(QTable({"time": [1.0, 2.0], "flux": column}))

    def test_wrong_dimensions_are_named(self):
        for unit in (u.m, u.dimensionless_unscaled):
            with pytest.raises(LightCurveError, match="'time' should hold times"):
                read_light_curve(QTable({"time": [1.0] * unit, "flux": [1.0]}))


def ecsv():
    text = io.StringIO()
    Table({"time": TIME, "flux": FLUX}).write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def parquet_bytes():
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"time": TIME, "flux": FLUX}), buffer)
    return buffer.getvalue()


class TestBadFiles:
    def refused(self, path, sentence):
        with pytest.raises(LightCurveError, match=sentence) as caught:
            read_light_curve(path)
        message = str(caught.value)
        assert str(path) in message and "\n" not in message
        assert caught.value.__cause__ is None and caught.value.__suppress_context__

    def test_absent_files_and_directories(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "no.fits"))):
            read_light_curve(tmp_path / "no.fits")
        self.refused(tmp_path, "is a directory")

    @pytest.mark.parametrize(
        ("path", "sentence"),
        [("", "the path is empty"), ("star\0.fits", "the path holds a NUL character")],
    )
    def test_paths_that_are_none(self, path, sentence):
        with pytest.raises(LightCurveError, match=sentence):
            read_light_curve(path)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "the file is empty"),
            (b" \n\n", "the file is empty"),
            (b"# only: comments\n", "has no rows"),
            (b"time,flux\n", "a header and no rows"),
            (b"time,flux\n1,nan\n2,nan\n", "no usable rows .*2 without usable numbers"),
            (b"Dear reader, this is a letter.\nYours\n", "no regular table"),
            (b"time,flux\n1,2\n3,4,5\n", "no regular table"),
            (b"time,flux\n1,two\n", "'flux' holds text"),
            (b"1\n2\n3\n", "no time column"),
            (b"\x89HDF\r\n\x1a\n\0\0\0", "neither FITS nor Parquet"),
            (b"PK\x03\x04\0\0", "neither FITS nor Parquet"),
            (
                b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\n",
                "neither FITS nor Parquet, nor a text",
            ),
            (b"time,flux\n1,\xff\xfe\n", "hold characters that are not ASCII"),
            (b"x" * 200_000 + b",1\n", "no regular table"),
            (parquet_bytes().replace(b"flux", b"fl\xffx"), "Parquet file is truncated or damaged"),
            (gzip.compress(b"time,flux\n1,2\n", mtime=0)[:-9], "gzipped file is truncated"),
            (b"PAR1 nonsense", "Parquet file is truncated or damaged"),
            (parquet_bytes()[:-20], "Parquet file is truncated or damaged"),
            (ecsv()[:60], "truncated or damaged|no rows"),
            (ecsv()[:-4], "truncated or damaged"),
            (b"SIMPLE  = nonsense", "FITS file is truncated or damaged"),
        ],
    )
    def test_one_sentence_with_the_path(self, tmp_path, content, sentence):
        path = tmp_path / "bad"
        path.write_bytes(content)
        self.refused(path, sentence)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("share", [0.01, 0.2, 0.4, 0.6, 0.9, 0.97])
    def test_fits_cut_anywhere_is_refused(self, write_fits, share):
        n = 3000
        path = write_fits({"TIME": ("D", np.arange(n)), "FLUX": ("D", np.ones(n))})
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        self.refused(path, "truncated")

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("cut", [1, 5, 80, 500, 2879])
    def test_fits_cut_inside_the_header_of_its_table(self, write_fits, cut):
        path = write_fits({"TIME": ("D", TIME), "FLUX": ("D", FLUX)})
        with fits.open(path) as hdus:
            start = hdus[1].fileinfo()["hdrLoc"]
        path.write_bytes(path.read_bytes()[: start + cut])
        self.refused(path, "the FITS file is truncated: it ends in the header of an extension")

    def test_fits_without_table(self, tmp_path):
        fits.PrimaryHDU(np.ones((3, 3))).writeto(tmp_path / "image.fits")
        self.refused(tmp_path / "image.fits", "holds no table")

    def test_target_pixel_file(self, write_fits):
        path = write_fits({"TIME": ("D", TIME), "FLUX": ("6D", np.ones((4, 6)))})
        self.refused(path, "target pixel file")


class TestRealFiles:
    @pytest.mark.parametrize(
        ("name", "target", "system", "mission", "sector", "points", "n_read"),
        [
            ("hlsp_tess*25155310*.fits", "TIC 25155310", "BTJD", "TESS", 1, 18103, 20076),
            ("tess*402026209*.fits", "TIC 402026209", "BTJD", "TESS", 2, 18316, 19737),
            ("kplr010666592*.fits", "KIC 10666592", "BKJD", "Kepler", 0, 14234, 14280),
            ("kplr011442793-2010174*.fits", "KIC 11442793", "BKJD", "Kepler", 5, 4486, 4634),
            ("ktwo211117077*.fits", "EPIC 211117077", "BKJD", "K2", 4, 3282, 3470),
            ("hlsp_k2sff*.fits", "EPIC 201367065", "BKJD", "K2", 1, 3337, 3632),
            ("tic188646744_sector82*.csv", "TIC 188646744", "BTJD", None, 82, 18133, 18133),
            ("EPIC201367065.csv", None, None, None, None, 3632, 3632),
            ("TIC198153540_lc.csv", None, None, None, None, 73518, 73518),
            ("toi237.csv", None, None, None, None, 18300, 18300),
            ("sherlock_regr_lc_data.csv", None, None, None, None, 16047, 19074),
        ],
    )
    def test_what_each_holds(
        self, transit_data, name, target, system, mission, sector, points, n_read
    ):
        (path,) = transit_data.glob(name)
        lc = read_light_curve(path)
        found = [lc.meta[key] for key in ("target", "time_system", "mission", "sector", "n_read")]
        assert found == [target, system, mission, sector, n_read] and len(lc) == points
        dropped = lc.meta["n_flagged"] + lc.meta["n_invalid"]
        assert dropped == n_read - points and np.all(np.diff(lc.time) > 0)

    @pytest.mark.parametrize("name", ["tess*402026209*", "kplr010666592*", "ktwo211117077*"])
    def test_lightkurve_agrees_on_every_number(self, transit_data, name):
        lightkurve = pytest.importorskip("lightkurve")
        (path,) = transit_data.glob(name)
        ours, theirs = read_light_curve(path), lightkurve.read(path).remove_nans()
        np.testing.assert_array_equal(ours.time, theirs.time.value)
        np.testing.assert_array_equal(ours.flux, np.asarray(theirs.flux.value, float))
        np.testing.assert_array_equal(ours.flux_err, np.asarray(theirs.flux_err.value, float))
        again = read_light_curve(theirs)
        np.testing.assert_array_equal(again.flux, ours.flux)
        for key in ("time_system", "time_scale", "target", "mission", "sector", "flux_unit"):
            assert again.meta[key] == ours.meta[key], key

    @pytest.mark.parametrize(
        "name", ["koi_cumulative.csv", "TIC198153540_candidates.csv", "wasp_4b_transit_times.csv"]
    )
    def test_catalogues_are_no_light_curves(self, transit_data, name):
        with pytest.raises(LightCurveError, match=r"no (time|flux) column is recognised among"):
            read_light_curve(transit_data / name)
