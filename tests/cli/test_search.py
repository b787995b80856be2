"""``armillary search bls``: from files to candidates, whatever the files are."""

from __future__ import annotations

import os
import re
import signal
import threading
from io import StringIO

import numpy as np
import pyarrow.parquet
import pytest
from astropy.table import Table
from rich.console import Console

import armillary as arm
from armillary.cli import jobs
from armillary.cli.candidates import COLUMNS, peak_table
from armillary.runtime.pool import Pool

FAST = ("--min-period", "2", "--max-period", "8")


def read(path):
    return Table.read(path, format="ascii.ecsv")


# ------------------------------------------------------------------ what is found


def test_the_row_is_the_best_peak_of_the_same_call(armillary, star, tmp_path):
    path, truth = star()
    out = tmp_path / "candidates.ecsv"
    result = armillary("search", "bls", path, *FAST, "-o", out)
    assert result.exit_code == 0, result.stderr
    (row,) = read(out)
    best = arm.search.bls(arm.io.read_light_curve(path), min_period=2, max_period=8).best
    assert row["period"] == best.period
    assert row["t0"] == best.t0
    assert row["relative_depth"] == best.relative_depth
    assert row["n_transits"] == best.n_transits
    assert abs(row["period"] / truth.period - 1) < 1e-3


def test_the_table_on_the_screen_has_k_peaks_and_units(armillary, star):
    path, _ = star()
    lines = armillary("search", "bls", path, *FAST, "--peaks", 2).stdout.splitlines()
    assert "period [d]" in lines[0]
    assert "depth [ppm]" in lines[0]
    assert len([line for line in lines if re.search(r"\d\.\d{5}", line)]) == 2


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_number_is_cut_however_narrow_the_terminal(star, width):
    _, truth = star()
    found = arm.search.bls(truth.time + 2457000.0, truth.flux, truth.flux_err, duration=0.1)
    name = "TIC 123456789"
    outcome = jobs.SearchOutcome(jobs.Job(()), name, 1, found, tuple(found.peaks(3)))
    console = Console(width=width, file=StringIO())
    console.print(peak_table([outcome], console.width))
    shown = console.file.getvalue()
    assert "…" not in shown
    for peak in outcome.peaks:
        assert f"{peak.period:.5f}" in shown
        assert f"{peak.t0:.4f}" in shown
    for heading in ("period [d]", "duration [h]", "depth [ppm]", "transits"):
        assert heading in shown
    assert name in shown or width == 80  # where it is broken, not cut


def test_columns_have_units_and_meanings(armillary, star, tmp_path):
    path, _ = star()
    out = tmp_path / "candidates.ecsv"
    armillary("search", "bls", path, *FAST, "-o", out)
    table = read(out)
    assert table.colnames == list(COLUMNS)
    assert table["period"].unit == "d"
    assert all(table[name].description for name in table.colnames)
    assert "min_period=2" in table.meta["how"]


def test_every_format_says_the_same(armillary, star, tmp_path):
    path, _ = star()
    (tmp_path / "bad.csv").write_text("nothing here\n")
    tables = []
    for suffix in ("ecsv", "csv", "parquet"):
        out = tmp_path / f"candidates.{suffix}"
        result = armillary("search", "bls", path, tmp_path / "bad.csv", *FAST, "-o", out)
        assert result.exit_code == 1
        if suffix == "parquet":
            tables.append(Table(pyarrow.parquet.read_table(out).to_pydict()))
        else:
            tables.append(Table.read(out, format=f"ascii.{suffix}"))
    for name in ("target", "status", "period", "t0", "n_transits"):
        assert len({str(table[name][0]) for table in tables}) == 1, name
    assert len({table["error"][1] for table in tables}) == 1
    parquet = pyarrow.parquet.read_table(tmp_path / "candidates.parquet")
    assert parquet["n_transits"].null_count == 1
    assert parquet.schema.field("duration").metadata[b"unit"] == b"d"


def test_flux_in_any_unit_has_the_same_relative_depth(armillary, star, tmp_path):
    rows = []
    for scale in (1.0, 25_000.0):
        path, _ = star(f"star{scale:g}.csv", scale=scale)
        armillary("search", "bls", path, *FAST, "-o", tmp_path / "out.ecsv")
        rows.append(read(tmp_path / "out.ecsv")[0])
    assert rows[1]["depth"] == pytest.approx(25_000 * rows[0]["depth"], rel=1e-3)
    assert rows[1]["relative_depth"] == pytest.approx(rows[0]["relative_depth"], rel=1e-3)


def test_options_reach_the_search(armillary, star, tmp_path, monkeypatch):
    path, _ = star()
    seen = {}

    def spy(light_curve, **options):
        seen.update(options)
        return original(light_curve, **options)

    original = arm.search.bls
    monkeypatch.setattr(arm.search, "bls", spy)
    result = armillary(
        "search", "bls", path, *FAST, "--duration", 0.1, "--duration", 0.2, "--star-radius", 0.5,
        "--backend", "reference", "--threads", 2,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert seen["duration"] == [0.1, 0.2]
    assert seen["star"] == arm.Star(radius=0.5, mass=1.0)
    assert (seen["backend"], seen["threads"]) == ("reference", 2)


def test_columns_by_name_and_by_position(armillary, star, tmp_path):
    path, truth = star(header="when,bright,sigma")
    periods = []
    for time, flux in (("when", "bright"), ("0", "1")):
        result = armillary(
            "search", "bls", path, *FAST, "--time-column", time, "--flux-column", flux,
            "-o", tmp_path / "out.ecsv",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        periods.append(read(tmp_path / "out.ecsv")["period"][0])
    assert periods[0] == periods[1] == pytest.approx(truth.period, rel=1e-3)


def test_no_dimming_is_a_result_and_no_error(armillary, tmp_path):
    time = np.arange(0, 20, 0.05)
    np.savetxt(tmp_path / "flat.csv", np.column_stack([time, np.ones(len(time)), 0 * time + 0.1]))
    out = tmp_path / "out.ecsv"
    result = armillary("search", "bls", tmp_path / "flat.csv", *FAST, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert read(out)["status"][0] == "no dimming"
    assert np.isnan(read(out)["period"][0])
    assert "no dimming" in result.stdout


# ------------------------------------------------------------------ several files


def test_several_files_are_several_targets_in_their_order(armillary, star, tmp_path):
    truths = [star(f"s{i}.csv", seed=i, period=2.3 + i, snr=25.0) for i in range(4)]
    out = tmp_path / "out.ecsv"
    paths = [path for path, _ in truths]
    for threads in (1, 3):
        result = armillary("search", "bls", *paths, *FAST, "--threads", threads, "-o", out)
        assert result.exit_code == 0, result.stderr
        table = read(out)
        assert list(table["files"]) == [str(path) for path in paths]
        expected = [truth.period for _, truth in truths]
        np.testing.assert_allclose(table["period"], expected, rtol=1e-3)


def test_a_bad_file_does_not_stop_the_others_and_is_named(armillary, star, tmp_path):
    first, _ = star("first.csv")
    last, _ = star("last.csv", seed=2)
    bad, missing = tmp_path / "bad.fits", tmp_path / "missing.fits"
    bad.write_bytes(b"\0" * 100)
    out = tmp_path / "out.ecsv"
    result = armillary("search", "bls", first, bad, missing, last, *FAST, "-o", out)
    assert result.exit_code == 1
    assert list(read(out)["status"]) == ["found", "failed", "failed", "found"]
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert str(bad) in errors[0]
    assert str(missing) in errors[1]
    assert "Traceback" not in result.stderr


def test_a_backend_that_breaks_on_one_file_does_not_stop_the_others(
    armillary, star, tmp_path, monkeypatch
):
    paths = [star(f"s{i}.csv", seed=i)[0] for i in range(2)]
    original = jobs.Recipe.light_curve

    def fragile(recipe, files):
        if files[0] == paths[0]:
            raise ZeroDivisionError("by zero")
        return original(recipe, files)

    monkeypatch.setattr(jobs.Recipe, "light_curve", fragile)
    result = armillary("search", "bls", *paths, *FAST, "-o", tmp_path / "out.ecsv")
    assert list(read(tmp_path / "out.ecsv")["status"]) == ["failed", "found"]
    assert f"error: {paths[0]}: ZeroDivisionError: by zero" in result.stderr


def test_joined_files_are_one_target_searched_over_the_whole_span(armillary, star, tmp_path):
    path, truth = star(span=60.0, snr=25.0, period=17.0, gaps=[(20.0, 35.0)], t0=2.0)
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    parts = []
    for i, (low, high) in enumerate([(0, 20), (20, 61)]):
        part = rows[(rows[:, 0] >= low) & (rows[:, 0] < high)]
        part[:, 1:] *= 10.0 ** (3 * i)  # each part in a unit of its own
        parts.append(tmp_path / f"part{i}.csv")
        np.savetxt(parts[-1], part, delimiter=",", header="time,flux,flux_err", comments="")
    out = tmp_path / "out.ecsv"
    result = armillary("search", "bls", *parts, "--join", "--min-period", 10, "-o", out)
    assert result.exit_code == 0, result.stderr
    (row,) = read(out)
    assert row["period"] == pytest.approx(truth.period, rel=1e-3)
    assert row["n_used"] == len(rows)
    assert row["files"] == "|".join(map(str, parts))


def test_an_error_in_a_joined_file_names_that_file(armillary, star, tmp_path):
    good, _ = star("good.csv")
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing here\n")
    result = armillary("search", "bls", good, bad, "--join", *FAST)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: cannot read {str(bad)!r} as a light curve")
    assert "good" not in result.stderr


def test_an_error_in_the_detrending_of_a_joined_file_names_that_file(
    armillary, star, tmp_path, monkeypatch
):
    # The name of the first is part of the name of the second.
    paths = [star(name, seed=seed)[0] for seed, name in enumerate(("s.csv", "s.csv.csv"))]
    trended = []

    def fragile(light_curve, window):
        trended.append(light_curve)
        if len(trended) == 2:
            raise ValueError("the second is bad")
        return light_curve

    monkeypatch.setattr(arm.search, "detrend", fragile)
    result = armillary("search", "bls", *paths, "--join", "--detrend", 1, *FAST)
    assert result.stderr == f"error: {paths[1]}: the second is bad\n"


def test_an_error_of_a_plugin_says_which_and_who_chose_it(shell, distribution, star):
    site = distribution(
        "breaker",
        """
        from armillary.plugins import Implementation, hookimpl

        @hookimpl
        def armillary_search():
            yield Implementation(
                operation="search.bls", name="breaker", target="breaker:bls", api=1
            )

        def bls(time, **_):
            raise {error}
        """,
    )
    path, _ = star()
    module = site / "breaker.py"
    template = module.read_text()
    # One is about this target, the other would be the same for all.
    for error in ("ZeroDivisionError('by zero')", "ImportError('no libring')"):
        module.write_text(template.replace("{error}", error))
        arguments = ("-m", "armillary", "search", "bls", path, *FAST, "--backend", "breaker")
        result = shell("-B", *arguments, path=[site])
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert error.split("'")[1] in line
        assert "raised by search.bls backend 'breaker' (breaker 0.3)" in line
        assert "chosen by backend='breaker' in the call" in line


# ------------------------------------------------------------------ detrending


def test_detrending_finds_what_a_slow_variation_hides(armillary, star, tmp_path):
    pytest.importorskip("wotan", reason="detrending needs wotan")
    path, truth = star()
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    rows[:, 1] *= 1 + 0.03 * np.sin(2 * np.pi * rows[:, 0] / 9.0)
    np.savetxt(path, rows, delimiter=",", header="time,flux,flux_err", comments="")
    periods = []
    for options in ((), ("--detrend", 1)):
        armillary("search", "bls", path, *FAST, *options, "-o", tmp_path / "out.ecsv")
        periods.append(read(tmp_path / "out.ecsv")["period"][0])
    assert abs(periods[0] / truth.period - 1) > 0.01
    assert abs(periods[1] / truth.period - 1) < 1e-3


def test_a_window_shorter_than_three_durations_is_warned_of(armillary, star):
    pytest.importorskip("wotan", reason="detrending needs wotan")
    path, _ = star(duration=0.3, snr=60.0)
    result = armillary("search", "bls", path, *FAST, "--detrend", 0.4, "--duration", 0.25)
    assert "warning: star: the detrending window of 0.4 d is shorter than three" in result.stderr


# ------------------------------------------------------------------ pictures


def test_one_target_one_picture(armillary, star, tmp_path):
    path, _ = star()
    picture = tmp_path / "star.png"
    assert armillary("search", "bls", path, *FAST, "--plot", picture).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("pattern", ["pictures", "a_{target}.png"])
def test_several_targets_in_a_folder_or_by_pattern(armillary, star, tmp_path, pattern):
    paths = [star("s1.csv")[0], star("s2.csv", seed=2)[0]]
    result = armillary("search", "bls", *paths, *FAST, "--plot", tmp_path / pattern)
    assert result.exit_code == 0, result.stderr
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    folder = "pictures/" if pattern == "pictures" else "a_"
    assert names == {f"{folder}s1.png", f"{folder}s2.png"}


def test_a_picture_that_cannot_be_written_costs_nothing_else(armillary, star, tmp_path):
    paths = [star("s1.csv")[0], star("s2.csv", seed=2)[0]]
    (tmp_path / "plots" / "s1.png").mkdir(parents=True)  # where a picture should go
    out = tmp_path / "out.ecsv"
    result = armillary("search", "bls", *paths, *FAST, "-o", out, "--plot", tmp_path / "plots")
    assert result.exit_code == 1
    assert list(read(out)["status"]) == ["found", "found"]
    assert (tmp_path / "plots" / "s2.png").is_file()
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {paths[0]}: the picture ")
    assert line.endswith("s1.png' is a folder, not a file")
    assert "S/N" in result.stdout


# ------------------------------------------------------------------ refused before any work


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "out.fits"), "the suffix must be one of .ecsv, .csv, .parquet"),
        (("-o", "nowhere/out.csv"), "there is no folder"),
        (("-o", "folder.csv"), "'folder.csv' is a folder, not a file"),
        (("-o", "locked/out.csv"), "nothing can be written into the folder 'locked'"),
        (("--plot", "nowhere/deep/"), "there is no folder 'nowhere' for 'deep'"),
        (("--plot", "nowhere/{target}.png"), "there is no folder 'nowhere'"),
        (("--plot", "locked/plots"), "nothing can be written into the folder 'locked'"),
        (("--plot", "afile"), "'afile' is a file, not a folder"),
        (("--plot", "{target}.doc"), "a picture cannot be written as '{target}.doc'"),
        (("--plot", "out.png"), "one picture for 2 targets"),
        (("--backend", "nonesuch"), "no backend 'nonesuch' is registered"),
        (("--threads", "0"), "threads must be a whole number of at least 1"),
        (("--star-mass", "-1"), "mass must be positive"),
    ],
)
def test_what_cannot_work_is_refused_before_any_file_is_read(
    armillary, star, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "locked").mkdir()
    (tmp_path / "afile").write_text("")
    # The mode of a folder does not keep an administrator out.
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "locked" and may(path, mode))
    monkeypatch.setattr(jobs.Recipe, "search", lambda *_: pytest.fail("a file was searched"))
    result = armillary("search", "bls", star("1.csv")[0], star("2.csv")[0], *arguments)
    assert result.exit_code == 1
    assert sentence in " ".join(result.stderr.split())
    assert len(result.stderr.splitlines()) == 1


def test_quiet_says_nothing_but_errors(armillary, star, tmp_path):
    path, _ = star()
    result = armillary("search", "bls", path, tmp_path / "missing.csv", *FAST, "--quiet")
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")


# ------------------------------------------------------------------ Ctrl-C


def test_ctrl_c_leaves_no_file_behind(armillary, star, tmp_path, monkeypatch):
    paths = [star(f"s{i}.csv", seed=i)[0] for i in range(6)]
    (folder := tmp_path / "out").mkdir()
    check = Pool.check

    def interrupt(pool):
        if not pool._stopped.is_set():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            pool._stopped.wait(10)
        check(pool)

    monkeypatch.setattr(Pool, "check", interrupt)
    result = armillary("search", "bls", *paths, *FAST, "--threads", 2, "-o", folder / "c.ecsv")
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"
    assert list(folder.iterdir()) == []


def test_an_older_file_is_replaced_whole(armillary, star, tmp_path):
    path, _ = star()
    out = tmp_path / "out.csv"
    out.write_text("leftover\n" * 10_000)
    assert armillary("search", "bls", path, *FAST, "-o", out).exit_code == 0
    assert "leftover" not in out.read_text()
    assert {entry.name for entry in tmp_path.iterdir()} == {"star.csv", "out.csv"}


# ------------------------------------------------------------------ real light curves


def test_real_files_side_by_side(armillary, transit_data, tmp_path):
    pytest.importorskip("wotan", reason="detrending needs wotan")
    names = {
        "hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits": 3.28879,  # WASP-126
        "tess2018234235059-s0002-0000000402026209-0121-s_lc.fits": 1.33823,  # WASP-4
        "EPIC206154641.csv": 2.4845,
    }
    out = tmp_path / "out.ecsv"
    paths = [transit_data / name for name in names]
    result = armillary("search", "bls", *paths, "--detrend", 1, "-o", out)
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(read(out)["period"], list(names.values()), rtol=1e-3)
    assert list(read(out)["time_system"][:2]) == ["BTJD", "BTJD"]
