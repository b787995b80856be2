"""A template says where to measure, in whatever form and convention it comes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st

from armillary.fit import EllipseGeometry
from armillary.fit.isophote.template import ellipses_of

#: The same three ellipses in our convention.
OURS = {
    "sma": [5.0, 10.0, 20.0],
    "x0": [100.0, 101.0, 102.0],
    "y0": [90.0, 89.0, 88.0],
    "ellipticity": [0.0, 0.25, 0.5],
    "position_angle": [0.0, 0.5, 3.0],
}
DEGREES = np.degrees(OURS["position_angle"])
PHOTUTILS = {**{n: OURS[n] for n in ("sma", "x0", "y0", "ellipticity")}, "pa": DEGREES}
IRAF = {
    "SMA": OURS["sma"],
    "X0": np.add(OURS["x0"], 1.0),
    "Y0": np.add(OURS["y0"], 1.0),
    "ELLIP": OURS["ellipticity"],
    "PA": DEGREES - 90.0,
}


def rows_of(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def structured(columns):
    return np.array(
        list(zip(*columns.values(), strict=True)), dtype=[(name, ">f4") for name in columns]
    )


def in_pandas(columns):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(columns)


def in_arrow(columns):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return pyarrow.table({name: np.array(values) for name, values in columns.items()})


def assert_ellipses(found, expected=OURS, rtol=1e-12):
    assert list(found) == ["x0", "y0", "sma", "ellipticity", "position_angle"]
    for name, values in expected.items():
        assert found[name].dtype == np.float64 and found[name].flags.c_contiguous
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=1e-12, err_msg=name)


# ------------------------------------------------------------------ forms and conventions


@pytest.mark.parametrize("columns", [OURS, PHOTUTILS, IRAF], ids=["ours", "photutils", "iraf"])
@pytest.mark.parametrize("form", [dict, Table, QTable, in_pandas, in_arrow, rows_of, structured])
def test_every_form_and_convention_gives_the_same(form, columns):
    assert_ellipses(ellipses_of(form(columns)), rtol=1e-6 if form is structured else 1e-12)


def test_the_ellipticity_may_be_called_eps():
    columns = {("eps" if n == "ellipticity" else n): values for n, values in PHOTUTILS.items()}
    assert_ellipses(ellipses_of(columns))


def test_geometries_are_rows():
    assert_ellipses(ellipses_of([EllipseGeometry(**row) for row in rows_of(OURS)]))


def test_a_unit_counts_more_than_the_name():
    angles = OURS["position_angle"] * units.rad
    assert_ellipses(ellipses_of({**PHOTUTILS, "pa": angles}))
    assert_ellipses(ellipses_of({**OURS, "position_angle": angles.to(units.arcmin)}))
    rows = [{**row, "position_angle": row["position_angle"] * units.rad} for row in rows_of(OURS)]
    assert_ellipses(ellipses_of(rows))


def test_the_template_of_a_result_is_its_geometry(drifting):
    isophotes = drifting()
    for template in (isophotes, isophotes.to_table(), isophotes.to_table("iraf")):
        found = ellipses_of(template)
        assert len(found["sma"]) == len(isophotes)
        for name, values in found.items():
            expected = getattr(isophotes, name)
            np.testing.assert_allclose(values[1:], expected[1:], rtol=1e-12, atol=1e-12)
        assert found["ellipticity"][0] == found["position_angle"][0] == 0.0


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_a_path_of_ours_gives_every_bit(drifting, tmp_path, suffix):
    isophotes = drifting()
    isophotes.save(tmp_path / f"template.{suffix}")
    found = ellipses_of(str(tmp_path / f"template.{suffix}"))
    for name, values in ellipses_of(isophotes).items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_a_path_may_hold_what_others_wrote(tmp_path, suffix):
    path = tmp_path / f"template.{suffix}"
    QTable({**PHOTUTILS, "pa": DEGREES * units.deg, "note": ["a", "b", "c"]}).write(path)
    assert_ellipses(ellipses_of(path))


def test_the_table_of_iraf_can_be_read(image_data):
    found = ellipses_of(image_data / "M51_table.fits")
    written = Table.read(image_data / "M51_table.fits")
    assert len(found["sma"]) == len(written) and found["sma"][0] == 0.0
    np.testing.assert_allclose(found["x0"], written["X0"] - 1.0)
    turned = np.degrees(found["position_angle"][1:]) - 90.0
    difference = np.mod(turned - written["PA"][1:] + 90.0, 180.0) - 90.0
    np.testing.assert_allclose(difference, 0.0, atol=1e-4)


def test_the_caller_keeps_his_arrays():
    columns = {name: np.array(values[::-1]) for name, values in IRAF.items()}
    before = {name: values.copy() for name, values in columns.items()}
    assert_ellipses(ellipses_of(columns))
    for name, values in columns.items():
        np.testing.assert_array_equal(values, before[name])


# ------------------------------------------------------------------ order and range


@given(st.permutations(range(3)))
def test_the_order_is_that_of_sma(order):
    assert_ellipses(ellipses_of({name: np.take(values, order) for name, values in OURS.items()}))


@given(st.floats(-100.0, 100.0))
def test_an_angle_is_that_of_an_axis(angle):
    columns = {**OURS, "position_angle": np.full(3, angle)}
    found = ellipses_of(columns)["position_angle"][0]
    assert 0.0 <= found < math.pi
    assert math.sin(found - angle) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(np.nan, np.nan), (0.0, 0.0), (0.4, 2.0), (5.0, np.inf)])
def test_the_centre_needs_no_shape(shape):
    columns = {
        "sma": [3.0, 0.0],
        "x0": [1.0, 2.0],
        "y0": [3.0, 4.0],
        "ellipticity": [0.1, shape[0]],
        "position_angle": [0.2, shape[1]],
    }
    found = ellipses_of(columns)
    assert [values[0] for values in found.values()] == [2.0, 4.0, 0.0, 0.0, 0.0]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("value", [np.nan, np.inf, "masked"])
def test_an_incomplete_row_is_named(name, value):
    columns = {n: np.array(values) for n, values in OURS.items()}
    if value == "masked":
        columns[name] = MaskedColumn(columns[name], mask=[False, True, False])
    else:
        columns[name][1] = value
    with pytest.raises(ValueError, match=f"row 1 has no {name}"):
        ellipses_of(Table(columns))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sma", -1.0, "row 2 has a negative sma"),
        ("ellipticity", 1.0, "row 2 has an ellipticity outside 0 to 1"),
        ("ellipticity", -0.1, "row 2 has an ellipticity outside 0 to 1"),
    ],
)
def test_a_row_out_of_range_is_named(name, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        ellipses_of({**OURS, name: [*OURS[name][:2], value]})


@pytest.mark.parametrize("columns", [OURS, PHOTUTILS, IRAF])
def test_a_missing_column_is_named(columns):
    for name in columns:
        rest = {n: values for n, values in columns.items() if n != name}
        missing = "position_angle" if name == "pa" else name
        with pytest.raises(ValueError, match=f"template has no {missing} among"):
            ellipses_of(rest)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ([], "at least one ellipse"),
        ({name: [] for name in OURS}, "at least one ellipse"),
        ({}, "there are none"),
        ([*rows_of(OURS), {"sma": 1.0}], "template has no x0 and no y0"),
        ({**OURS, "x0": ["a", "b", "c"]}, "column 'x0' holds text"),
        ([{**rows_of(OURS)[0], "x0": "left"}], "column 'x0' holds text"),
        ([{**rows_of(OURS)[0], "x0": [1.0, 2.0]}, rows_of(OURS)[1]], "'x0' is no number"),
        ({**OURS, "x0": [1.0, 2.0]}, "columns of 2 and 3 rows"),
        ({**OURS, "x0": np.ones((3, 2))}, "one-dimensional"),
        ({**OURS, "sma": [1.0, 2.0, 3.0] * units.arcsec}, "'sma' must be in pix, not in arcsec"),
        ({**OURS, "position_angle": [1.0, 2.0, 3.0] * units.m}, "must be in rad, not in m"),
    ],
)
def test_what_is_no_template_is_refused(template, sentence):
    with pytest.raises(ValueError, match=sentence):
        ellipses_of(template)


@pytest.mark.parametrize("template", [3, None, np.ones((3, 5)), [1.0, 2.0], object()])
def test_another_type_is_refused(template):
    with pytest.raises(TypeError, match="template must"):
        ellipses_of(template)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        ellipses_of(tmp_path / "nothing.fits")
    (tmp_path / "bad.fits").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.fits' is no table that can be read"):
        ellipses_of(tmp_path / "bad.fits")
    with pytest.raises(ValueError, match=r"must be \.ecsv or \.fits"):
        ellipses_of("template.csv")
