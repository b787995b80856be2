"""A catalogue comes from whatever holds positions, and says what is wrong with the rest."""

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
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import example, given
from hypothesis import strategies as st

import armillary as arm
from armillary.crossmatch.catalog import catalog as catalog_module
from armillary.crossmatch.catalog.columns import ROLES, choose_columns

Catalog = arm.crossmatch.Catalog

RA = np.array([10.0, 20.5, 359.75])
DEC = np.array([-30.0, 0.0, 89.5])


def assert_positions(catalog, ra=RA, dec=DEC, *, within=0.0):
    """Degrees, the same to ``within`` degrees, in read-only float64 arrays."""
    for found, wanted in ((catalog.ra, ra), (catalog.dec, dec)):
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=within)
        assert found.dtype == np.dtype("=f8") and found.flags.c_contiguous
        assert not found.flags.writeable


# ------------------------------------------------------------------ from arrays


NUMBERS = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "pandas": pd.Series,
    "arrow": pa.array,
    "arrow in chunks": lambda values: pa.chunked_array([values[:1], values[1:]]),
    "object": lambda values: values.astype(object),
    "big-endian": lambda values: values.astype(">f8"),
    "strided": lambda values: np.repeat(values, 2)[::2],
}


@pytest.mark.parametrize("kind", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_any_kind_are_degrees(kind):
    assert_positions(Catalog(kind(RA), kind(DEC)))


@pytest.mark.parametrize("dtype", ["i2", ">i4", "i8", "u1", "f4", ">f4"])
def test_narrow_and_whole_numbers_become_float64(dtype):
    values = np.array([1, 20, 80], dtype=dtype)
    assert_positions(Catalog(values, values), values.astype(float), values.astype(float))


def test_a_number_is_one_source():
    assert_positions(Catalog(10.0, -5), [10.0], [-5.0])


@pytest.mark.parametrize("unit", [u.deg, u.rad, u.arcmin, u.mas, u.hourangle])
def test_a_unit_of_angle_is_converted(unit):
    assert_positions(Catalog((RA * u.deg).to(unit), (DEC * u.deg).to(unit)), within=1e-13)


@pytest.mark.parametrize("unit", [u.hour, u.hourangle, "h", "hr"])
def test_hours_are_hours_of_right_ascension(unit):
    table = Table({"ra": MaskedColumn(RA / 15.0, unit=unit), "dec": DEC})
    assert_positions(Catalog.from_table(table), within=1e-13)


def test_a_unit_of_something_else_is_an_error_that_names_the_column():
    with pytest.raises(ValueError, match=r"^dec must be in deg or the like, not in mag"):
        Catalog(RA, DEC * u.mag)
    with pytest.raises(ValueError, match=r"^dec must be in deg or the like, not in h"):
        Catalog(RA, DEC * u.hour)


@pytest.mark.parametrize(
    "masked",
    [
        np.ma.array(RA, mask=[False, True, False]),
        MaskedColumn(RA, mask=[False, True, False], unit="deg"),
        Masked(RA * u.deg, mask=[False, True, False]),
        pa.array([RA[0], None, RA[2]]),
        np.where([False, True, False], np.nan, RA),
        np.where([False, True, False], np.inf, RA),
    ],
    ids=["numpy", "column", "quantity", "arrow", "nan", "inf"],
)
def test_a_row_without_a_position_stays_and_is_unknown(masked):
    catalog = Catalog(masked, DEC)
    assert len(catalog) == 3
    np.testing.assert_array_equal(catalog.known, [True, False, True])
    matches = arm.crossmatch.nearest(catalog, (RA, DEC), None)
    np.testing.assert_array_equal(matches.left, [0, 2])
    assert (matches.n_dropped_left, matches.n_dropped_right) == (1, 0)


def test_a_catalogue_of_which_all_is_known_has_no_mask():
    assert Catalog(RA, DEC).known is None


@pytest.mark.parametrize("empty", [np.array([]), [], np.array([], "U9"), np.array([], "i4")])
def test_an_empty_catalogue_is_a_catalogue(empty):
    catalog = Catalog(empty, empty, epoch=np.array([]))
    assert len(catalog) == 0 and catalog.known is None
    assert repr(catalog) == "Catalog of 0 sources"


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("year", [2016, 2016.0, np.float32(2016), Time(2016.0, format="jyear")])
def test_one_epoch_is_a_float_for_any_number_of_rows(n, year):
    epoch = Catalog(np.zeros(n), np.zeros(n), epoch=year).epoch
    assert type(epoch) is float and epoch == pytest.approx(2016.0, abs=1e-9)


# ------------------------------------------------------------------ from text


def test_sexagesimal_right_ascension_is_in_hours():
    catalog = Catalog(["17:45:40.04", "00 00 01", "23h59m59s"], ["-29:00:28.1", "-00 30 00", "89d"])
    assert_positions(
        catalog,
        [15 * (17 + 45 / 60 + 40.04 / 3600), 15 / 3600, 360 - 15 / 3600],
        [-(29 + 28.1 / 3600), -0.5, 89.0],
        within=1e-12,
    )


def test_text_that_says_degrees_is_in_degrees():
    catalog = Catalog(["10d30m00s", "12°15'00\""], ["5", "6"])
    assert_positions(catalog, [10.5, 12.25], [5.0, 6.0], within=1e-13)


def test_decimal_text_is_in_degrees_or_in_its_unit():
    assert_positions(Catalog([" 10.5 ", "1e1"], ["-5", "+6.25"]), [10.5, 10.0], [-5.0, 6.25])
    hours = MaskedColumn(["10.5"], unit="hourangle")
    assert_positions(Catalog(hours, ["1"]), [157.5], [1.0], within=1e-13)


@pytest.mark.parametrize("nothing", ["", "  ", "--", "null", "None", "NaN", "<NA>", "N/A", "..."])
@pytest.mark.parametrize("rest", ["10:00:00", "150.0"])
def test_text_that_stands_for_nothing_is_a_row_without_a_position(nothing, rest):
    catalog = Catalog([rest, nothing], [DEC[0], DEC[1]])
    np.testing.assert_allclose(catalog.ra, [150.0, np.nan], rtol=1e-15)


@pytest.mark.parametrize("kind", ["bytes", "object", "masked", "pandas", "pandas string", "arrow"])
def test_text_of_every_library_may_have_gaps(kind):
    text = {
        "bytes": np.array([b"10:00:00", b""]),
        "object": np.array(["10:00:00", None], dtype=object),
        "masked": MaskedColumn(["10:00:00", "not text of an angle"], mask=[False, True]),
        "pandas": pd.Series(["10:00:00", np.nan], dtype=object),
        "pandas string": pd.Series(["10:00:00", None], dtype="string"),
        "arrow": pa.array(["10:00:00", None]),
    }[kind]
    np.testing.assert_allclose(Catalog(text, [1.0, 2.0]).ra, [150.0, np.nan], rtol=1e-15)


@pytest.mark.parametrize("bad", ["garbage", "10:61:00", "10:00:00:00"])
def test_text_that_is_no_angle_is_an_error_that_names_the_row(bad):
    with pytest.raises(ValueError, match=rf"^dec holds text that is no angle: row 2 is '{bad}'"):
        Catalog([1.0, 2.0, 3.0], ["10:00:00", "", bad])


# ------------------------------------------------------------------ from a SkyCoord

GALACTIC = {"l": [120.0, 200.0] * u.deg, "b": [-40.0, 60.0] * u.deg, "frame": "galactic"}
MOTION = {"pm_ra_cosdec": [5.0, -7.0] * u.mas / u.yr, "pm_dec": [0.1, 2.0] * u.arcsec / u.yr}


@pytest.mark.parametrize(
    "coordinates",
    [
        SkyCoord(RA, DEC, unit="deg"),
        SkyCoord(RA, DEC, unit="deg", frame="fk5"),
        SkyCoord(RA, DEC, unit="deg", frame="fk5", equinox="J1975"),
        SkyCoord(RA, DEC, unit="deg", frame="fk4", obstime="J1975"),
        SkyCoord(RA, DEC, unit="deg", frame="barycentricmeanecliptic"),
        SkyCoord(**GALACTIC),
        SkyCoord(RA, DEC, [1, 2, 3], unit=("deg", "deg", "pc")),
        SkyCoord([1, 2], [3, 4], [5, 6], unit="pc", representation_type="cartesian"),
    ],
    ids=lambda c: f"{c.frame.name} {c.representation_type.__name__}",
)
def test_a_sky_coord_of_any_frame_becomes_icrs(coordinates):
    icrs = coordinates.icrs.spherical
    assert_positions(Catalog.from_sky_coord(coordinates), icrs.lon.deg, icrs.lat.deg)


def test_a_scalar_sky_coord_is_one_source():
    assert_positions(Catalog.from_sky_coord(SkyCoord(10 * u.deg, 5 * u.deg)), [10.0], [5.0])


def test_a_sky_coord_of_more_dimensions_is_an_error():
    with pytest.raises(ValueError, match=r"one-dimensional, not of shape \(1, 2\)"):
        Catalog.from_sky_coord(SkyCoord([[10, 11]] * u.deg, [[5, 6]] * u.deg))


@pytest.mark.parametrize(
    "extra",
    [{}, {"distance": [3, 4] * u.pc, "radial_velocity": [50, 60] * u.km / u.s}],
    ids=["directions", "with distances"],
)
def test_the_proper_motions_and_time_of_a_sky_coord_are_taken_over(extra):
    coordinates = SkyCoord(
        [10, 20] * u.deg, [60, -70] * u.deg, **MOTION, **extra, obstime=Time("J2010.5")
    )
    catalog = Catalog.from_sky_coord(coordinates)
    np.testing.assert_allclose(catalog.pm_ra_cosdec, [5.0, -7.0], rtol=1e-12)
    np.testing.assert_allclose(catalog.pm_dec, [100.0, 2000.0], rtol=1e-12)
    assert catalog.epoch == pytest.approx(2010.5, abs=1e-9)


def test_proper_motions_are_turned_into_icrs_with_their_frame():
    rate = u.mas / u.yr
    coordinates = SkyCoord(**GALACTIC, pm_l_cosb=[30, 40] * rate, pm_b=[0, -30] * rate)
    catalog = Catalog.from_sky_coord(coordinates)
    np.testing.assert_allclose(np.hypot(catalog.pm_ra_cosdec, catalog.pm_dec), [30.0, 50.0])
    np.testing.assert_allclose(catalog.pm_dec, coordinates.icrs.pm_dec.to_value(rate))


def test_a_radial_velocity_alone_is_no_proper_motion():
    coordinates = SkyCoord([10] * u.deg, [5] * u.deg, radial_velocity=[50] * u.km / u.s)
    assert Catalog.from_sky_coord(coordinates).pm_dec is None


def test_each_position_may_have_its_own_time():
    times = Time([2000.0, 2010.0], format="jyear")
    catalog = Catalog.from_sky_coord(SkyCoord([1, 2] * u.deg, [3, 4] * u.deg, obstime=times))
    np.testing.assert_allclose(catalog.epoch, [2000.0, 2010.0], atol=1e-9)


# ------------------------------------------------------------------ from a table

LIBRARIES = {"astropy": Table, "qtable": QTable, "pandas": pd.DataFrame, "arrow": pa.table}


@pytest.fixture(params=LIBRARIES.values(), ids=LIBRARIES)
def table_of(request):
    return request.param


@pytest.mark.parametrize(
    "names",
    [
        ("ra", "dec"),
        ("RA", "DEC"),
        ("ra", "decl"),
        ("RAJ2000", "DEJ2000"),
        ("_RAJ2000", "_DEJ2000"),
        ("RA_ICRS", "DE_ICRS"),
        ("_RA_icrs", "_DE_icrs"),
        ("RAdeg", "DEdeg"),
        ("ALPHA_J2000", "DELTA_J2000"),
        ("raMean", "decMean"),
        ("Right_Ascension", "Declination"),
    ],
    ids="/".join,
)
def test_positions_are_recognised_by_the_names_that_catalogues_use(table_of, names):
    assert_positions(Catalog.from_table(table_of(dict(zip(names, (RA, DEC), strict=True)))))


def test_a_table_of_gaia_brings_its_motions_and_its_epoch(table_of):
    table = table_of(
        {"ref_epoch": np.full(3, 2016.0), "ra": RA, "ra_error": RA, "dec": DEC, "pmra": RA,
         "pmdec": DEC}
    )  # fmt: skip
    catalog = Catalog.from_table(table)
    assert_positions(catalog)
    np.testing.assert_array_equal(catalog.pm_ra_cosdec, RA)
    np.testing.assert_array_equal(catalog.pm_dec, DEC)
    assert catalog.epoch == 2016.0
    # Its errors are those of each coordinate, in mas: which one to use is the caller's to say.
    assert catalog.error is None
    assert repr(catalog) == "Catalog of 3 sources with proper motions at 2016"


def test_motions_named_as_vizier_does_are_recognised(table_of):
    table = table_of({"RA_ICRS": RA, "DE_ICRS": DEC, "pmRA": RA, "e_pmRA": DEC, "pmDE": DEC})
    np.testing.assert_array_equal(Catalog.from_table(table).pm_dec, DEC)


def test_columns_can_be_named_in_any_case(table_of):
    table = table_of(
        {"ra": DEC, "dec": DEC, "X": RA, "Y": DEC, "When": [2001.0, 2002.0, 2003.0], "S": RA}
    )
    catalog = Catalog.from_table(table, ra="x", dec="Y", epoch="when", error="S")
    assert_positions(catalog)
    np.testing.assert_array_equal(catalog.epoch, [2001.0, 2002.0, 2003.0])
    np.testing.assert_array_equal(catalog.error, RA)


@pytest.mark.parametrize("epoch", [2016, 2016.0, np.int64(2016), Time("J2016.0")])
def test_what_is_no_name_is_the_value_itself(table_of, epoch):
    table = table_of({"ra": RA, "dec": DEC, "ref_epoch": np.full(3, 1999.0)})
    catalog = Catalog.from_table(table, epoch=epoch, error=100 * u.mas)
    assert catalog.epoch == pytest.approx(2016.0, abs=1e-9)
    np.testing.assert_allclose(catalog.error, 0.1)


def test_none_means_not_to_look_for_a_column(table_of):
    table = table_of({"ra": RA, "dec": DEC, "pmra": RA, "pmdec": DEC, "ref_epoch": RA})
    catalog = Catalog.from_table(table, pm_ra_cosdec=None, pm_dec=None, epoch=None)
    assert catalog.pm_ra_cosdec is None and catalog.pm_dec is None and catalog.epoch is None


def test_units_of_columns_are_heeded():
    table = QTable({"ra": (RA * u.deg).to(u.rad), "dec": DEC * u.deg, "pmra": RA * u.arcsec / u.yr,
                    "pmdec": DEC * u.mas / u.yr})  # fmt: skip
    catalog = Catalog.from_table(table)
    assert_positions(catalog, within=1e-13)
    np.testing.assert_allclose(catalog.pm_ra_cosdec, 1000.0 * RA, rtol=1e-14)


def test_gaps_of_nullable_columns_are_unknown():
    frame = pd.DataFrame({"ra": pd.array([10, None], dtype="Int64"), "dec": [1.0, 2.0]})
    np.testing.assert_array_equal(Catalog.from_table(frame).ra, [10.0, np.nan])


def test_the_index_of_a_frame_may_be_a_position():
    assert_positions(Catalog.from_table(pd.DataFrame({"ra": RA, "dec": DEC}).set_index("ra")))


def test_a_table_without_positions_is_an_error_that_lists_its_columns(table_of):
    with pytest.raises(ValueError, match="no ra and dec column is recognised among x, dec_"):
        Catalog.from_table(table_of({"x": RA, "dec_": DEC}))


@pytest.mark.parametrize("half", ["ra", "dec"])
def test_half_a_position_is_not_completed_from_another_pair(table_of, half):
    table = table_of({"RAJ2000": RA, "DEJ2000": DEC, "x": RA})
    other = {"ra": "dec", "dec": "ra"}[half]
    with pytest.raises(ValueError, match=f"no {other} column is recognised"):
        Catalog.from_table(table, **{half: "x"})


def test_a_missing_or_ambiguous_column_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="there is no column 'alpha' among ra, dec"):
        choose_columns(["ra", "dec"], {"ra": "alpha"})
    with pytest.raises(ValueError, match="column 'RA' is ambiguous among ra, Ra, dec"):
        choose_columns(["ra", "Ra", "dec"], {"ra": "RA", "dec": "dec"})


def test_an_exact_name_wins_over_one_that_differs_in_case():
    assert choose_columns(["RA", "ra", "dec"], {"ra": "ra", "dec": "dec"}) == {"ra": 1, "dec": 2}


def test_an_unknown_role_is_an_error_that_tells_the_known_ones(table_of):
    with pytest.raises(TypeError, match="there is no column 'parallax'") as caught:
        Catalog.from_table(table_of({"ra": RA, "dec": DEC}), parallax="plx")
    assert all(role in str(caught.value) for role in ROLES)


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize("dec", [90.0000001, -91.0, 1e300])
def test_a_declination_beyond_a_pole_is_an_error_that_names_the_first_row(dec):
    many = np.zeros(600_000)
    many[[400_001, 550_000]] = dec
    with pytest.raises(ValueError, match=r"dec must be within -90 to 90 degrees; row 400001 is"):
        Catalog(np.zeros(600_000), many)


def test_the_poles_themselves_are_declinations():
    assert_positions(Catalog([0.0, 0.0], [90.0, -90.0]), [0.0, 0.0], [90.0, -90.0])


@pytest.mark.parametrize("n", [0, 2, 4])
def test_arrays_of_different_lengths_are_an_error_that_names_both(n):
    with pytest.raises(ValueError, match=f"ra has 3 rows and dec {n}"):
        Catalog(RA, np.zeros(n))
    with pytest.raises(ValueError, match=f"pm_dec has {n} rows, not 3"):
        Catalog(RA, DEC, pm_ra_cosdec=RA, pm_dec=np.zeros(n))
    with pytest.raises(ValueError, match=f"error has {n} rows, not 3"):
        Catalog(RA, DEC, error=np.zeros(n))
    with pytest.raises(ValueError, match=f"epoch has {n} rows, not 3"):
        Catalog(RA, DEC, epoch=np.zeros(n))


@pytest.mark.parametrize(("given_", "missing"), [("pm_dec", "pm_ra_cosdec"),
                                                 ("pm_ra_cosdec", "pm_dec")])  # fmt: skip
def test_half_a_proper_motion_is_an_error_that_names_the_missing_half(given_, missing):
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        Catalog(RA, DEC, **{given_: DEC})


@pytest.mark.parametrize("values", [np.ones((3, 1)), np.zeros((0, 2))])
def test_arrays_of_more_dimensions_are_an_error(values):
    with pytest.raises(ValueError, match="ra must be one-dimensional, not of shape"):
        Catalog(values, values)


@pytest.mark.parametrize("values", [np.array([1j]), np.array(["2000-01-01"], "M8[D]"), [object()]])
def test_what_holds_no_numbers_is_an_error_that_names_the_argument(values):
    with pytest.raises(ValueError, match=r"^dec must be numbers \(deg\), not"):
        Catalog([1.0], values)


@pytest.mark.parametrize(
    ("epoch", "found"),
    [
        (np.nan, "not nan"),
        (np.inf, "not inf"),
        (2457389.0, "not 2457389.0"),
        (57388.0 * u.day, "not 157.1"),
        ([2000.0, np.inf, 2000.0], "row 1 is inf"),
        ([2000.0, np.nan, 999.0], "row 2 is 999.0"),
    ],
)
def test_an_epoch_must_be_a_year_and_no_julian_date(epoch, found):
    with pytest.raises(ValueError, match=f"^epoch must be a Julian year within .*{found}"):
        Catalog(RA, DEC, epoch=epoch)


@pytest.mark.parametrize("epoch", [True, np.array([True, True, False])])
def test_a_truth_value_is_no_epoch(epoch):
    with pytest.raises(ValueError, match=r"^epoch must be a Julian year, not"):
        Catalog(RA, DEC, epoch=epoch)


def test_an_error_must_not_be_negative():
    with pytest.raises(ValueError, match=r"error must not be negative; row 1 is -0.5"):
        Catalog(RA, DEC, error=[0.1, -0.5, 0.1])


def test_an_unknown_error_is_allowed():
    np.testing.assert_array_equal(Catalog([1.0], [1.0], error=[np.nan]).error, [np.nan])


# ------------------------------------------------------------------ right ascension is a circle


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(360.0)
@example(-180.0)
@example(np.nextafter(360.0, 361.0))
@example(np.nextafter(-180.0, -181.0))
@example(-1e-300)
@example(1.7e308)
def test_any_finite_right_ascension_is_wrapped_exactly(ra):
    wrapped = Catalog([ra], [0.0]).ra[0]
    assert -180.0 <= wrapped <= 360.0
    turns, rest = divmod(_exact(ra) - _exact(wrapped), 360)
    assert rest == 0, f"{turns} turns and {rest} degrees away"


def _exact(number):
    from fractions import Fraction

    return Fraction(float(number))


def test_wrapping_spares_the_rows_without_a_position():
    catalog = Catalog([725.0, np.nan, np.inf, -365.0], [0.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(catalog.known, [True, False, False, True])
    np.testing.assert_array_equal(catalog.ra[catalog.known], [5.0, -5.0])


# ------------------------------------------------------------------ whose arrays they are


def test_the_callers_arrays_are_untouched():
    given_ = {name: np.array([1.0, np.nan, 740.0]) for name in ("ra", "dec")}
    given_["dec"][2] = -90.0
    before = {name: array.copy() for name, array in given_.items()}
    catalog = Catalog(**given_, pm_ra_cosdec=given_["ra"], pm_dec=given_["ra"], epoch=2000.0)
    arm.crossmatch.nearest(catalog, catalog, 5.0, epoch=2016.0)
    for name, array in given_.items():
        np.testing.assert_array_equal(array, before[name])
        assert array.flags.writeable


SHARING = {
    "array": lambda array: array,
    "view": lambda array: array[:],
    "read-only view": lambda array: np.broadcast_to(array, array.shape),
    "masked": np.ma.MaskedArray,
    "quantity": lambda array: u.Quantity(array, u.deg, copy=False),
    "masked quantity": lambda array: Masked(u.Quantity(array, u.deg, copy=False), copy=False),
    "column": lambda array: MaskedColumn(array, copy=False),
    "pandas": lambda array: pd.Series(array, copy=False),
}


@pytest.mark.parametrize("kind", SHARING.values(), ids=SHARING)
def test_a_catalogue_stays_as_it_is_when_the_callers_arrays_change(kind):
    names = ("ra", "dec", "pm_ra_cosdec", "pm_dec", "error")
    arrays = {name: np.array([1.0, 2.0, 3.0]) for name in names}
    arrays["epoch"] = np.array([2000.0, 2001.0, 2002.0])
    given_ = {n: kind(a) if n in ("ra", "dec") else a for n, a in arrays.items()}
    catalog = Catalog(**given_)
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array[:] = np.nan
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(catalog, name), array)
    assert catalog.known is None


@pytest.mark.parametrize("make", [Table, QTable, pd.DataFrame])
def test_a_catalogue_stays_as_it_is_when_the_callers_table_changes(make):
    table = make({"ra": RA.copy(), "dec": DEC.copy()})
    catalog = Catalog.from_table(table)
    for name in ("ra", "dec"):
        if make is pd.DataFrame:
            table.loc[:, name] = 0.0
        else:
            table[name][:] = 0.0
    assert_positions(catalog)


def test_matches_of_catalogues_keep_the_positions_that_were_matched():
    ra, dec = RA.copy(), DEC.copy()
    matches = arm.crossmatch.nearest(Catalog(ra, dec), (RA, DEC), 1.0)
    ra[:], dec[:] = 0.0, 0.0
    assert_positions(matches.left_catalog)


def test_arrays_that_are_matched_as_they_are_are_not_copied():
    ra, dec = RA.copy(), DEC.copy()
    matches = arm.crossmatch.nearest((ra, dec), (RA, DEC), 1.0)
    assert np.shares_memory(matches.left_catalog.ra, ra)
    assert ra.flags.writeable and not matches.left_catalog.ra.flags.writeable


def test_what_nobody_can_write_to_is_not_copied(tmp_path):
    first = Catalog([-180.0, -1e-9, 360.0], DEC)
    again = Catalog(first.ra, first.dec)
    assert np.shares_memory(first.ra, again.ra) and np.shares_memory(first.dec, again.dec)
    column = pa.array(RA.tolist())
    assert np.shares_memory(Catalog(column, DEC).ra, column.to_numpy())
    np.save(tmp_path / "ra.npy", RA)
    mapped = np.load(tmp_path / "ra.npy", mmap_mode="r")
    assert np.shares_memory(Catalog(mapped, DEC).ra, mapped)


def test_a_catalogue_cannot_be_written_to():
    catalog = Catalog(RA, DEC, pm_ra_cosdec=RA, pm_dec=DEC, error=0.1)
    for name in ("ra", "dec", "pm_ra_cosdec", "pm_dec", "error"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(catalog, name)[0] = 0.0
    with pytest.raises(AttributeError):
        catalog.ra = DEC


def test_read_only_and_memory_mapped_arrays_will_do(tmp_path):
    np.save(tmp_path / "ra.npy", RA)
    assert_positions(Catalog(np.load(tmp_path / "ra.npy", mmap_mode="r"), np.asarray(DEC)))


def test_a_catalogue_survives_pickling():
    catalog = Catalog(RA, DEC, pm_ra_cosdec=RA, pm_dec=DEC, epoch=2016.0, error=0.3)
    twin = pickle.loads(pickle.dumps(catalog))
    for name, value in vars(catalog).items():
        np.testing.assert_array_equal(getattr(twin, name), value)


@pytest.mark.parametrize("copied", [lambda c: pickle.loads(pickle.dumps(c)), copy.deepcopy])
def test_a_copy_of_a_catalogue_cannot_be_written_to_either(copied):
    epoch = [2000.0, 2001.0, 2002.0]
    catalog = Catalog([np.nan, 1, 2], DEC, pm_ra_cosdec=RA, pm_dec=DEC, epoch=epoch, error=0.3)
    assert catalog.known is not None
    twin = copied(catalog)
    for name in ("ra", "dec", "pm_ra_cosdec", "pm_dec", "epoch", "error", "known"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(catalog, name))
        assert not getattr(twin, name).flags.writeable


# ------------------------------------------------------------------ lists and gaps


def test_a_list_of_quantities_is_a_quantity():
    ra = [10 * u.deg, 20 * u.deg, 120 * u.arcmin]
    assert_positions(Catalog(ra, (1 * u.deg, 60 * u.arcmin, 0 * u.deg)), [10, 20, 2], [1, 1, 0],
                     within=1e-13)  # fmt: skip
    matches = arm.crossmatch.within(([1.0, 2.0], [0.0, 0.0]), ([1.001, 2.001], [0.0, 0.0]),
                                    [1 * u.arcsec, 1 * u.arcmin])  # fmt: skip
    np.testing.assert_array_equal(matches.left, [1])


@pytest.mark.parametrize("values", [[1.0, 2 * u.deg], [1 * u.deg, 2 * u.s], [[1.0], [1.0, 2.0]]])
def test_a_list_that_makes_no_array_is_an_error_that_names_the_argument(values):
    with pytest.raises(ValueError, match=r"^dec (holds quantities|cannot be made)"):
        Catalog([1.0, 2.0], values)
    with pytest.raises(ValueError, match=r"^radius (holds quantities|cannot be made)"):
        arm.crossmatch.nearest(([1.0, 2.0], [0.0, 0.0]), ([1.0], [0.0]), values)


def test_nothing_is_no_position():
    with pytest.raises(ValueError, match=r"^ra must be numbers \(deg\), not None"):
        Catalog(None, None)
    with pytest.raises(ValueError, match=r"^left: dec must be numbers \(deg\), not None"):
        arm.crossmatch.nearest((RA, None), (RA, DEC), 1.0)
    with pytest.raises(ValueError, match=r"^min_radius must be numbers \(arcsec\), not None"):
        arm.crossmatch.nearest((RA, DEC), (RA, DEC), 1.0, min_radius=None)


def test_hours_beside_decimal_numbers_are_an_error_that_names_the_first_of_these():
    with pytest.raises(ValueError, match=r"^ra mixes sexagesimal .* row 2 is '150.5'$"):
        Catalog(["10:00:00", "", "150.5", "12.0"], np.zeros(4))
    # Of a declination both are degrees.
    assert_positions(Catalog([1.0, 2.0], ["10:30:00", "-10.5"]), [1.0, 2.0], [10.5, -10.5])


def test_sixty_seconds_are_a_minute_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_positions(Catalog(["00:40:60"], ["00:40:60"]), [41 / 4], [41 / 60], within=1e-12)


def test_the_time_that_a_frame_takes_from_its_equinox_is_no_epoch():
    positions = {"ra": RA * u.deg, "dec": DEC * u.deg, "frame": "fk4"}
    assert Catalog.from_sky_coord(SkyCoord(**positions, equinox="B1950")).epoch is None
    dated = SkyCoord(**positions, equinox="B1950", obstime=Time("J1984.0"))
    assert Catalog.from_sky_coord(dated).epoch == pytest.approx(1984.0, abs=1e-9)
    scalar = SkyCoord(10 * u.deg, 5 * u.deg, frame="fk4")
    assert Catalog.from_sky_coord(scalar).epoch is None


# ------------------------------------------------------------------ threads


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", [lambda ra, dec: (ra, dec), lambda ra, dec: Table([ra, dec])])
def test_passes_over_a_catalogue_keep_to_the_threads_of_the_call(monkeypatch, kind, threads):
    asked = []
    run_blocks = catalog_module.run_blocks

    def run(blocks, work, *, threads):
        asked.append(threads)
        run_blocks(blocks, work, threads=threads)

    monkeypatch.setattr(catalog_module, "run_blocks", run)
    monkeypatch.setattr(catalog_module, "BLOCK_ROWS", 2)
    columns = [MaskedColumn(RA, name="ra"), MaskedColumn(DEC, name="dec")]
    moving = Catalog(RA, DEC, pm_ra_cosdec=RA, pm_dec=DEC, epoch=2000.0)
    asked.clear()
    arm.crossmatch.nearest(moving, kind(*columns), 1.0, epoch=2016.0, threads=threads)
    assert asked == [threads, threads]


# ------------------------------------------------------------------ as an argument of a match


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "value", ["a name", 3.0, (RA, DEC, RA), np.array([RA, DEC]), [1.0, 2.0], [RA, None], object()]
)
def test_what_has_no_positions_is_an_error_that_names_the_argument(side, value):
    sides = {"left": (RA, DEC), "right": (RA, DEC)} | {side: value}
    with pytest.raises(TypeError, match=f"^{side} must be a Catalog, .* not "):
        arm.crossmatch.nearest(**sides, radius=1.0)


@pytest.mark.parametrize("positions", [[(10.0, 0.0), (20.0, 1.0)], [(1.0, 2.0)] * 3, [(1.0, 2.0)]])
def test_a_list_of_positions_is_an_error_that_says_how_to_pass_it(positions):
    with pytest.raises(TypeError, match=r"^left must be \(ra, dec\), two arrays, .* pass tuple\("):
        arm.crossmatch.nearest(positions, (RA, DEC), 1.0)
    catalog = arm.crossmatch.nearest(
        tuple(zip(*positions, strict=True)), (RA, DEC), 1.0
    ).left_catalog
    assert list(zip(catalog.ra, catalog.dec, strict=True)) == positions


@pytest.mark.parametrize(
    "nowhere",
    [
        {"frame": "galactocentric", "representation_type": "unitspherical"},
        {"frame": "altaz", "obstime": Time("J2020.0")},
    ],
    ids=["without a distance", "without a place"],
)
def test_why_a_sky_coord_cannot_be_used_is_told(nowhere):
    coordinates = SkyCoord([1] * u.deg, [2] * u.deg, **nowhere)
    with pytest.raises(ValueError, match=rf"^left: {nowhere['frame']} .* into ICRS: ") as caught:
        arm.crossmatch.nearest(coordinates, (RA, DEC), 1.0)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bad_catalogue_is_an_error_that_names_the_argument(side):
    sides = {"left": (RA, DEC), "right": (RA, DEC)} | {side: ([1.0], [99.0])}
    with pytest.raises(ValueError, match=f"^{side}: dec must be within -90 to 90 degrees; row 0"):
        arm.crossmatch.nearest(**sides, radius=1.0)


@pytest.mark.parametrize(
    "value",
    [
        (RA, DEC),
        [RA, DEC],
        [RA.tolist(), DEC.tolist()],
        (tuple(RA), tuple(DEC)),
        Catalog(RA, DEC),
        SkyCoord(RA, DEC, unit="deg"),
        Table({"RAJ2000": RA, "DEJ2000": DEC}),
        pd.DataFrame({"RA_ICRS": RA, "DE_ICRS": DEC}),
        pa.table({"ra": RA, "dec": DEC}),
    ],
    ids=[
        "tuple",
        "list",
        "list of lists",
        "tuple of tuples",
        "Catalog",
        "SkyCoord",
        "astropy",
        "pandas",
        "arrow",
    ],
)
def test_each_side_may_be_whatever_holds_positions(value):
    for sides in ((value, (RA, DEC)), ((RA, DEC), value), (value, value)):
        matches = arm.crossmatch.nearest(*sides, 1.0)
        np.testing.assert_array_equal(matches.left, matches.right)
        np.testing.assert_array_equal(matches.left, [0, 1, 2])
        np.testing.assert_array_equal(matches.separation, 0.0)
