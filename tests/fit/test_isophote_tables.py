"""Isophotes as tables: the names that scripts know, and files that give everything back."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import fields, replace

import numpy as np
import pytest
from astropy import units
from astropy.table import QTable, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armillary.fit import Isophotes

SUFFIXES = ("ecsv", "fits")


def assert_same(one, other):
    """Equal in every bit: NaN is NaN, integers are integers, and nothing can be written to."""
    for field in fields(Isophotes):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert type(left) is type(right), field.name
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype and not right.flags.writeable
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            assert left == right, field.name


# ------------------------------------------------------------------ names of photutils


def test_the_names_are_those_of_photutils(drifting):
    names = drifting().to_table().colnames
    main = (
        "sma intens intens_err ellipticity ellipticity_err pa pa_err grad gradient_err "
        "gradient_rel_err x0 x0_err y0 y0_err n_data n_flag n_iter stop_code"
    )
    others = (
        "rms pix_stddev sarea tflux_e tflux_c npix_e npix_c "
        "a3 a3_err b3 b3_err a4 a4_err b4 b4_err n_samples"
    )
    assert set(names) == {*main.split(), *others.split()}
    assert names[:3] == ["sma", "intens", "intens_err"] and names[-1] == "n_samples"


def test_photutils_itself_has_these_names(drifting):
    isophote = pytest.importorskip("photutils.isophote", reason="photutils is not installed")
    rows, columns = np.mgrid[:64, :64]
    image = 100.0 * np.exp(-np.hypot(rows - 32.0, columns - 32.0) / 8.0)
    geometry = isophote.EllipseGeometry(32.0, 32.0, 8.0, 0.1, 0.5)
    found = isophote.Ellipse(image, geometry=geometry).fit_image(maxsma=12.0)
    theirs = found.to_table(columns="all")
    ours = drifting().to_table()
    assert set(theirs.colnames) - set(ours.colnames) == {"valid"}
    assert set(ours.colnames) - set(theirs.colnames) == {"npix_e", "npix_c", "n_samples"}
    for name in set(ours.colnames) & set(theirs.colnames):
        assert getattr(ours[name], "unit", None) == getattr(theirs[name], "unit", None), name


def test_only_angles_have_a_unit(drifting):
    isophotes = drifting()
    table = isophotes.to_table()
    assert isinstance(table, QTable)
    assert {n for n in table.colnames if isinstance(table[n], units.Quantity)} == {"pa", "pa_err"}
    np.testing.assert_allclose(table["pa"].to_value(units.rad), isophotes.position_angle)
    np.testing.assert_array_equal(table["x0"], isophotes.x0)
    np.testing.assert_array_equal(table["pix_stddev"], isophotes.rms * np.sqrt(2.0))


def test_every_order_has_its_columns(drifting):
    orders = (4, 7, 12)
    amplitude = np.arange(12.0).reshape(4, 3)
    isophotes = drifting(
        n=3, harmonics=orders, **dict.fromkeys(("a", "a_err", "b", "b_err"), amplitude)
    )
    table = isophotes.to_table()
    for k, order in enumerate(orders):
        for name in (f"a{order}", f"a{order}_err", f"b{order}", f"b{order}_err"):
            np.testing.assert_array_equal(table[name], amplitude[:, k])
    assert "a3" not in table.colnames


def test_a_table_is_a_copy(drifting):
    isophotes = drifting()
    table = isophotes.to_table()
    table["sma"][:] = -1.0
    assert isophotes.sma[0] == 0.0


def test_the_meta_says_what_is_no_column(drifting):
    isophotes = drifting()
    meta = json.loads(isophotes.to_table().meta["ISOPHOTE"])
    assert meta["image_shape"] == [512, 400] and meta["n_unusable"] == 12
    assert meta["provenance"] == isophotes.provenance.to_dict()


def test_magnitudes_follow_a_zero_point(by_hand):
    isophotes = by_hand(
        [1.0, 2.0, 3.0, 4.0],
        intensity=[100.0, 1.0, 0.0, -5.0],
        intensity_err=[1.0, 2.0, 1.0, np.nan],
        flux_ellipse=[1000.0, np.nan, -1.0, 10.0],
        flux_circle=[1e4, 1.0, 1.0, 0.0],
    )
    table = isophotes.to_table(zero_point=25.0)
    unit = units.mag
    np.testing.assert_allclose(table["mag"].to_value(unit), [20.0, 25.0, np.nan, np.nan])
    np.testing.assert_allclose(table["tmag_e"].to_value(unit), [17.5, np.nan, np.nan, 22.5])
    np.testing.assert_allclose(table["tmag_c"].to_value(unit), [15.0, 25.0, 25.0, np.nan])
    np.testing.assert_allclose(
        table["mag_err"].to_value(unit)[:2], 1.0857362 * np.array([0.01, 2.0]), rtol=1e-6
    )
    assert np.isnan(table["mag_err"][2:]).all()
    assert "mag" not in isophotes.to_table().colnames


# ------------------------------------------------------------------ names of IRAF


def test_the_names_and_units_are_those_of_iraf(drifting, image_data):
    published = Table.read(image_data / "M51_table.fits")
    table = drifting().to_table("iraf", zero_point=0.0)
    # The largest harmonic that was left is the only thing that we do not keep.
    assert table.colnames == [name for name in published.colnames if name != "A_BIG"]
    for name in table.colnames:
        assert table[name].unit == published[name].unit, name
        assert table[name].dtype.kind == published[name].dtype.kind, name


def test_iraf_counts_pixels_from_one_and_angles_from_y(by_hand):
    angles = np.radians([0.0, 45.0, 90.0, 179.0])
    isophotes = by_hand([1, 16, 81, 256], position_angle=angles, x0=9.0, y0=-1.0)
    table = isophotes.to_table("iraf")
    np.testing.assert_allclose(table["PA"].to_value(units.deg), [-90.0, -45.0, 0.0, 89.0])
    assert set(table["X0"].value) == {10.0} and set(table["Y0"].value) == {0.0}
    np.testing.assert_allclose(table["RSMA"].value, [1.0, 2.0, 3.0, 4.0])


def test_without_a_zero_point_there_is_no_magnitude(drifting):
    names = drifting().to_table("iraf").colnames
    assert not [name for name in names if "MAG" in name]
    assert set(drifting().to_table("iraf", zero_point=1.0).colnames) - set(names) == {
        *("MAG", "MAG_LERR", "MAG_UERR", "TMAG_E", "TMAG_C")
    }


def test_derived_columns_are_those_that_iraf_wrote(by_hand, image_data):
    published = Table.read(image_data / "M51_table.fits", mask_invalid=False)
    isophotes = by_hand(
        published["SMA"],
        intensity=published["INTENS"],
        intensity_err=published["INT_ERR"],
        rms=published["RMS"],
        sector_area=published["SAREA"],
        gradient=published["GRAD"],
        gradient_err=published["GRAD_ERR"],
        flux_ellipse=published["TFLUX_E"],
        flux_circle=published["TFLUX_C"],
    )
    table = isophotes.to_table("iraf", zero_point=0.0)
    for name, tolerance in {
        **dict.fromkeys(("PIX_VAR", "GRAD_R_ERR", "RSMA", "MAG", "TMAG_E", "TMAG_C"), 1e-5),
        # Differences of magnitudes that IRAF took in single precision.
        **dict.fromkeys(("MAG_LERR", "MAG_UERR"), 5e-3),
    }.items():
        np.testing.assert_allclose(
            table[name].value, published[name], rtol=tolerance, err_msg=name, equal_nan=True
        )


def test_the_harmonics_of_iraf_are_ours(image_data):
    """Its a_n goes with the sine and b_n with the cosine, over sma and the size of the gradient."""
    from astropy.io import fits
    from scipy.ndimage import map_coordinates

    image = fits.getdata(image_data / "M51.fits").astype(float)
    published = Table.read(image_data / "M51_table.fits")
    differences = {name: [] for name in ("A3", "B3", "A4", "B4")}
    for row in published[(published["SMA"] > 5.0) & (published["STOP"] == 0)]:
        angle = np.linspace(0.0, 2.0 * np.pi, 720, endpoint=False)
        flat = 1.0 - row["ELLIP"]
        radius = row["SMA"] * flat / np.hypot(flat * np.cos(angle), np.sin(angle))
        turned = angle + np.radians(row["PA"] + 90.0)
        place = row["Y0"] - 1 + radius * np.sin(turned), row["X0"] - 1 + radius * np.cos(turned)
        intensity = map_coordinates(image, place, order=1)
        for n in (3, 4):
            for name, wave in ((f"A{n}", np.sin(n * angle)), (f"B{n}", np.cos(n * angle))):
                amplitude = 2.0 * np.mean(intensity * wave) / (row["SMA"] * abs(row["GRAD"]))
                differences[name].append((amplitude, float(row[name])))
    for name, pairs in differences.items():
        found, written = np.transpose(pairs)
        assert np.corrcoef(found, written)[0, 1] > 0.9, name
        assert np.median(np.abs(found - written)) < 0.2 * np.median(np.abs(written)), name


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_gives_everything_back(drifting, tmp_path, suffix):
    isophotes = drifting()
    isophotes.save(tmp_path / f"table.{suffix}")
    assert_same(isophotes, Isophotes.load(str(tmp_path / f"table.{suffix}")))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("harmonics", [(), (4,), (3, 5, 8)])
def test_any_harmonics_and_no_isophote_at_all_come_back(by_hand, tmp_path, suffix, harmonics):
    for sma in ([], [0.0], [0.0, 1.0, 2.0]):
        reason = "" if len(sma) else 'the galaxy isn\'t on the image & "nothing" is left'
        isophotes = by_hand(sma, harmonics=harmonics, reason=reason)
        isophotes.save(tmp_path / f"table.{suffix}", overwrite=True)
        assert_same(isophotes, Isophotes.load(tmp_path / f"table.{suffix}"))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(width=64), min_size=1, max_size=5),
    angles=st.floats(0.0, 3.1415926),
    reason=st.text(max_size=200),
)
def test_any_number_and_any_sentence_come_back(by_hand, tmp_path, suffix, values, angles, reason):
    isophotes = by_hand(
        np.arange(len(values)), intensity=values, gradient_err=values, position_angle=angles
    )
    isophotes = replace(isophotes, reason=reason)
    isophotes.save(tmp_path / f"table.{suffix}", overwrite=True)
    assert_same(isophotes, Isophotes.load(tmp_path / f"table.{suffix}"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_programs_can_read_the_file(drifting, tmp_path, suffix):
    isophotes = drifting()
    isophotes.save(tmp_path / f"table.{suffix}")
    read = QTable.read(tmp_path / f"table.{suffix}")
    for name in isophotes.to_table().colnames:
        assert name in read.colnames
    np.testing.assert_allclose(
        np.ma.filled(read["pa"].to_value(units.deg), np.nan), np.degrees(isophotes.position_angle)
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_not_replaced_unless_asked(drifting, tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    drifting(n=3).save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        drifting(n=4).save(path)
    assert path.read_bytes() == before
    drifting(n=4).save(path, overwrite=True)
    assert len(Isophotes.load(path)) == 5
    assert os.listdir(tmp_path) == [path.name]


def test_where_nothing_can_be_written_is_said(drifting, tmp_path):
    with pytest.raises(ValueError, match=r"must be \.ecsv or \.fits, not 'table\.csv'"):
        drifting().save(tmp_path / "table.csv")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        drifting().save(tmp_path / "nowhere" / "table.ecsv")


def test_any_other_file_is_refused(drifting, tmp_path):
    drifting(n=3).to_table().write(tmp_path / "other.ecsv")
    Table({"sma": [1.0]}).write(tmp_path / "other.fits")
    (tmp_path / "text.ecsv").write_text("not a table")
    (tmp_path / "text.fits").write_bytes(b"not a table" * 1000)
    for name in ("other.ecsv", "other.fits", "text.ecsv", "text.fits"):
        with pytest.raises(ValueError, match=name):
            Isophotes.load(tmp_path / name)
    with pytest.raises(ValueError, match=r"must be \.ecsv or \.fits"):
        Isophotes.load(tmp_path / "table.csv")
    with pytest.raises(FileNotFoundError):
        Isophotes.load(tmp_path / "nothing.ecsv")


@pytest.mark.parametrize("damage", ["column", "format", "header"])
def test_a_damaged_file_is_refused(drifting, tmp_path, damage):
    path = tmp_path / "table.ecsv"
    drifting(n=3).save(path)
    table = Table.read(path)
    header = json.loads(table.meta["ISOPHOTE"])
    if damage == "column":
        table.remove_column("a3_err")
    elif damage == "format":
        header["format"] += "0"
    else:
        del header["image_shape"]
    table.meta["ISOPHOTE"] = json.dumps(header)
    table.write(path, overwrite=True)
    with pytest.raises(ValueError, match="holds no isophotes written by armillary"):
        Isophotes.load(path)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("names", ["IRAF", "", None])
def test_unknown_names_are_refused(drifting, names):
    with pytest.raises(ValueError, match="names must be 'photutils' or 'iraf'"):
        drifting().to_table(names)


@pytest.mark.parametrize("zero_point", [np.nan, np.inf, "bright", [25.0, 26.0]])
def test_a_zero_point_is_a_finite_number(drifting, zero_point):
    with pytest.raises(ValueError, match="zero_point must be a finite number"):
        drifting().to_table(zero_point=zero_point)


def test_a_deep_copy_is_the_same(drifting):
    assert_same(drifting(), copy.deepcopy(drifting()))
