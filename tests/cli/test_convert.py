"""``armillary convert``: what is asked for, what is told, and when it fails."""

from __future__ import annotations

import contextlib
import json
import re

import h5py
import numpy as np
import pytest

from armillary.cli.phase_center import phase_center
from armillary.testing import simulated_observation


@pytest.fixture
def observe(tmp_path):
    """Write a simulated observation into a folder."""

    def write(name="raw", **options):
        (folder := tmp_path / name).mkdir(exist_ok=True)
        return simulated_observation(folder, **options)

    return write


@pytest.fixture
def convert(armillary):
    """Run ``armillary convert``."""
    return lambda *arguments: armillary("convert", *arguments)


def header(path, name):
    with h5py.File(path) as file:
        return file[f"Header/{name}"][()]


# ------------------------------------------------------------------ visibilities


def test_subbands_become_one_file_and_the_summary_says_so(convert, observe, tmp_path):
    observation, out = observe(), tmp_path / "all.uvh5"
    result = convert("visibilities", *observation.paths, "-o", out, "--phase", "meridian")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(header(out, "freq_array"), observation.frequency)
    contents, n_observations, amounts = result.stdout.splitlines()
    assert contents == (
        f"{out}: 108 rows, 3 integrations, 36 baselines, 24 channels, 2 polarizations, 0.0% flagged"
    )
    assert n_observations == "1 observation converted"
    number = r"[\d,.]+"
    assert re.fullmatch(
        rf"4 files, {number} MB read and {number} MB written in {number} s \({number} MB/s\)",
        amounts,
    )
    assert result.stderr == ""


def test_a_measurement_set_is_written_where_the_suffix_says_so(convert, observe, tmp_path):
    tables = pytest.importorskip("casacore.tables", reason="python-casacore is not installed")
    observation, out = observe(), tmp_path / "all.ms"
    where = f"{observation.source.ra.deg},{observation.source.dec.deg}"
    more = ["--column", "MODEL_DATA", "--keep-spectral-windows"]
    result = convert("visibilities", tmp_path / "raw", "-o", out, "--phase", where, *more)
    assert result.exit_code == 0, result.stderr
    with tables.table(str(out), ack=False) as table:
        assert table.nrows() == 4 * 108
        assert not table.getcol("MODEL_DATA").any()
        assert np.abs(np.angle(table.getcol("DATA"))).max() < 1e-3


def test_a_pattern_in_quotes_is_understood(convert, observe, tmp_path):
    observe(layout="memo")
    result = convert(
        "visibilities", tmp_path / "raw" / "*_sb0[0-3].hdf5", "-o", tmp_path / "a.uvh5"
    )
    assert result.exit_code == 0, result.stderr
    assert "4 files" in result.stdout


def test_each_observation_has_a_file_of_its_own(convert, observe, tmp_path):
    observe()
    observe(start="2025-10-03T06:12:30")
    result = convert("visibilities", tmp_path / "raw", "-o", tmp_path / "{time}.uvh5")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in tmp_path.glob("*.uvh5")} == {
        "2025-10-03T05:12:36.uvh5",
        "2025-10-03T06:12:36.uvh5",
    }
    assert "2 observations converted" in result.stdout


def test_what_is_skipped_is_told_and_an_exit_status_of_1(convert, observe, tmp_path):
    observe()
    observe(start="2025-10-03T06:12:30").paths[2].unlink()
    arguments = ["visibilities", tmp_path / "raw", "-o", tmp_path / "{time}.uvh5"]
    result = convert(*arguments, "--expected-subbands", "4", "--on-incomplete", "skip")
    assert result.exit_code == 1
    assert [path.name for path in tmp_path.glob("*.uvh5")] == ["2025-10-03T05:12:36.uvh5"]
    assert "1 observation converted, 1 skipped" in result.stdout
    assert result.stderr.startswith("warning: skipped: the observation that begins with ")
    assert "2025-10-03T06:12:30_sb03.hdf5' lacks 1 of its files" in result.stderr


def test_where_all_is_skipped_there_are_no_amounts(convert, observe, tmp_path):
    observe().paths[0].unlink()
    arguments = ["visibilities", tmp_path / "raw", "-o", tmp_path / "a.uvh5"]
    result = convert(*arguments, "--expected-subbands", "4", "--on-incomplete", "skip")
    assert result.exit_code == 1
    assert result.stdout == "0 observations converted, 1 skipped\n"


def test_what_is_filled_is_noted(convert, observe, tmp_path):
    observation, out = observe(), tmp_path / "a.uvh5"
    observation.paths[1].unlink()
    arguments = ["visibilities", tmp_path / "raw", "-o", out, "--expected-subbands", "4"]
    result = convert(*arguments, "--on-incomplete", "fill")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(header(out, "freq_array"), observation.frequency)
    assert "24 channels" in result.stdout and "25.0% flagged" in result.stdout
    low, high = observation.frequency[[12, 17]] / 1e6
    assert f"note: flagged in {str(out)!r}, for want of files: {low:.6g}-{high:.6g} MHz" in (
        result.stderr
    )


def test_json_is_for_programs(convert, observe, tmp_path):
    observation, out = observe(), tmp_path / "a.uvh5"
    result = convert("visibilities", *observation.paths, "-o", out, "--json")
    (converted,) = (told := json.loads(result.stdout))["observations"]
    assert converted["out"] == str(out)
    assert set(converted["inputs"]) == {str(path) for path in observation.paths}
    assert (converted["n_rows"], converted["n_channels"]) == (108, 24)
    assert converted["provenance"]["backend"] == "cpu"
    assert told["skipped"] == []


def test_quiet_says_nothing(convert, observe, tmp_path):
    observation = observe()
    result = convert("visibilities", *observation.paths, "-o", tmp_path / "a.uvh5", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_progress_is_in_bytes_of_visibilities_flags_and_weights(
    convert, observe, tmp_path, monkeypatch
):
    told = []
    bar = contextlib.contextmanager(lambda *_, **__: iter([lambda *done: told.append(done)]))
    monkeypatch.setattr("armillary.cli.convert.transfer_bar", bar)
    observation = observe()
    result = convert("visibilities", *observation.paths, "-o", tmp_path / "a.uvh5")
    assert result.exit_code == 0, result.stderr
    n_bytes = 108 * 24 * 2 * (8 + 1 + 4)
    assert told[-1] == (n_bytes, n_bytes)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.hdf5"], "there is no file 'nothing.hdf5'"),
        (["empty.hdf5"], "'empty.hdf5'"),
        (["raw", "--phase", "north"], "--phase must be meridian or RA,DEC"),
        (["raw", "--on-incomplete", "guess"], "on_incomplete must be one of"),
        (["raw", "--expected-subbands", "5"], "lacks 1 of its files"),
        (["raw", "--expected-subbands", "0"], "expected_subbands must be"),
        (["raw", "--tolerance", "-1"], "time_tolerance must be"),
        (["raw", "--column", "IMAGE"], "columns must be"),
        (["raw", "--column", "MODEL_DATA"], "columns are those of a Measurement Set"),
        (["raw", "--format", "fits"], "format must be one of"),
        (["raw", "--memory", "lots"], "memory must be"),
        (["raw", "--backend", "abacus"], "no backend 'abacus'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_no_output(
    convert, observe, tmp_path, monkeypatch, arguments, says
):
    observe()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.hdf5").touch()
    result = convert("visibilities", *arguments, "-o", "out.uvh5")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and says in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.hdf5", "raw"]


def test_an_older_file_is_replaced_only_if_that_is_asked_for(convert, observe, tmp_path):
    observation, out = observe(), tmp_path / "a.uvh5"
    assert convert("visibilities", *observation.paths, "-o", out).exit_code == 0
    older = out.read_bytes()
    result = convert("visibilities", *observation.paths, "-o", out)
    assert result.exit_code == 1
    assert "--overwrite replaces it" in result.stderr
    assert out.read_bytes() == older
    assert convert("visibilities", *observation.paths, "-o", out, "--overwrite").exit_code == 0
    assert header(out, "Nblts") == 108
    out.write_text("no output of a conversion")
    result = convert("visibilities", *observation.paths, "-o", out, "--overwrite")
    assert result.exit_code == 1
    assert "it is not replaced" in result.stderr


# ------------------------------------------------------------------ phase centres


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("202.5,+30.5", 202.5, 30.5),
        (" 202.5 , -0.25", 202.5, -0.25),
        ("13h30m,+30d30m", 202.5, 30.5),
        ("13:30:00,-30:30:00", 202.5, -30.5),
        ("13 30 00,30 30 00", 202.5, 30.5),
        ("202d30m,30.5", 202.5, 30.5),
    ],
)
def test_a_direction_is_in_degrees_or_sexagesimal(text, ra, dec):
    center = phase_center(text)
    assert center.icrs.ra.deg == pytest.approx(ra, abs=1e-10)
    assert center.icrs.dec.deg == pytest.approx(dec, abs=1e-10)


def test_the_meridian_and_nothing_are_themselves():
    assert phase_center("meridian") == "meridian"
    assert phase_center(None) is None


@pytest.mark.parametrize(
    "text", ["", "north", "10", "10,20,30", "10,95", "nan,0", "0,inf", "10d,x", ","]
)
def test_what_is_no_direction_is_a_sentence_that_shows_some(text):
    with pytest.raises(ValueError, match=r"--phase must be meridian or RA,DEC, such as 202"):
        phase_center(text)


# ------------------------------------------------------------------ validate


def test_validate_has_a_line_for_each_file(convert, observe, tmp_path):
    observation = observe()
    result = convert("validate", *observation.paths)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [f"{path}: ok" for path in observation.paths]


def test_a_file_that_is_not_whole_is_an_exit_status_of_1(convert, observe, tmp_path):
    good, bad = observe().paths[:2]
    bad.write_bytes(bad.read_bytes()[:-1000])
    missing = tmp_path / "missing.hdf5"
    result = convert("validate", bad, missing, good)
    assert result.exit_code == 1
    of_bad, of_missing, of_good = result.stdout.splitlines()
    assert of_bad.startswith(f"{bad}: ") and "byte" in of_bad
    assert of_missing == f"{missing}: cannot be read: No such file or directory"
    assert of_good == f"{good}: ok"


def test_a_measurement_set_is_not_what_is_validated(convert, tmp_path):
    (folder := tmp_path / "a.ms").mkdir()
    (folder / "table.dat").touch()
    result = convert("validate", folder)
    assert result.exit_code == 1
    assert "as a Measurement Set is; only UVH5 can be validated" in result.stdout


# ------------------------------------------------------------------ the others


@pytest.mark.parametrize("name", ["visibilities", "validate", "catalog", "watch", "status"])
def test_every_command_is_there_with_examples(convert, name):
    result = convert(name, "--help")
    assert result.exit_code == 0
    assert f"armillary convert {name}" in result.stdout
