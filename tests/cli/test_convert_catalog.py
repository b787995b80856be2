"""``armillary convert catalog``: what is asked for, what is told, and when it fails."""

import re

import numpy as np
import pytest
import typer
from astropy import units as u
from astropy.table import QTable, Table
from pyarrow import parquet
from typer.testing import CliRunner

from armillary.cli.convert_catalog import EXAMPLES, catalog
from armillary.cli.main import Commands


@pytest.fixture
def convert():
    """Run the command in this process."""
    app = typer.Typer(cls=Commands)
    app.command(epilog=EXAMPLES, no_args_is_help=True)(catalog)
    app.command("other")(lambda: None)  # one command alone would have no name

    def run(*arguments):
        return CliRunner().invoke(app, ["catalog", *map(str, arguments)])

    return run


@pytest.fixture
def files(tmp_path):
    """Two catalogues, in one unit and another; their paths."""
    QTable({"id": [1, 2], "ra": [1.0, 2.0] * u.deg}).write(tmp_path / "a.fits")
    QTable({"ra": [3.0] * u.arcmin, "id": [3], "x": [0.5]}).write(tmp_path / "b.ecsv")
    return tmp_path / "a.fits", tmp_path / "b.ecsv"


def test_several_catalogues_become_one_and_the_summary_says_so(convert, files, tmp_path):
    out = tmp_path / "out.parquet"
    result = convert(*files, "-o", out, "--columns", "id, ra")
    assert result.exit_code == 0, result.stderr
    table = parquet.read_table(out)
    assert table["id"].to_pylist() == [1, 2, 3]
    np.testing.assert_allclose(table["ra"].to_numpy(), [1.0, 2.0, 0.05])
    read, written = result.stdout.splitlines()
    assert re.fullmatch(
        r"read: 2 catalogues \(1 ECSV, 1 FITS\), [\d.]+ MB in [\d.]+ s \([\d,]+ MB/s\)", read
    )
    assert written.startswith(f"written: {out} (3 rows, 2 columns, ")
    assert f"note: column 'ra' of '{files[1]}' was converted from arcmin to deg" in result.stderr


def test_a_pattern_in_quotes_is_understood(convert, tmp_path):
    for name in "ab":
        Table({"n": [name]}).write(tmp_path / f"{name}.vot", format="votable")
    result = convert(tmp_path / "*.vot", "-o", tmp_path / "out.parquet")
    assert result.exit_code == 0, result.stderr
    assert parquet.read_table(tmp_path / "out.parquet")["n"].to_pylist() == ["a", "b"]


def test_quiet_says_nothing(convert, files, tmp_path):
    result = convert(files[0], "-o", tmp_path / "out.parquet", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a.fits", "b.ecsv"), "lacks 1 column that"),
        (("a.fits", "nothing.csv"), "there is no file or folder"),
        (("a.fits", "damaged.fits"), "damaged.fits"),
        (("a.fits", "--columns", ""), "columns names no column to keep"),
        (("a.fits", "--memory", "lots"), "memory must be"),
    ],
)
def test_an_input_that_cannot_be_used_is_one_sentence_and_no_output(
    convert, files, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.fits").write_bytes(files[0].read_bytes()[:5000])
    result = convert(*arguments, "-o", "out.parquet")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fits", "b.ecsv", "damaged.fits"]


def test_an_older_file_is_replaced_only_if_that_is_asked_for(convert, files, tmp_path):
    out = tmp_path / "out.parquet"
    out.write_text("older")
    result = convert(files[0], "-o", out)
    assert result.exit_code == 1
    assert "--overwrite replaces it" in result.stderr
    assert out.read_text() == "older"
    assert convert(files[0], "-o", out, "--overwrite").exit_code == 0
    assert parquet.read_table(out).num_rows == 2
