"""``armillary crossmatch``: from two catalogues on disk to one of their matches."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from io import StringIO
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from rich.console import Console

import armillary as arm
from armillary.cli.crossmatch import histogram, summary
from armillary.crossmatch.statistics import PairStatistics

FILES = ("left.csv", "right.csv")


def statistics(n=1_000, largest=2.0, n_far=0):
    """Pairs nearly all within a tenth of the radius, and some anywhere."""
    random = np.random.default_rng(4)
    separation = np.append(0.1 * largest * random.random(n), largest * random.random(n_far))
    angle = 2 * np.pi * random.random(len(separation))
    found = PairStatistics(largest)
    found.add(separation, separation * np.sin(angle), separation * np.cos(angle))
    return found


def report(**more):
    return SimpleNamespace(
        **{
            "out": None,
            "n_left": 1_500,
            "n_right": 123_456_789,
            "n_dropped_left": 3,
            "n_dropped_right": 0,
            "n_matched_left": 1_000,
            "n_matched_right": 990,
            "n_unmatched_left": 500,
            "n_unmatched_right": 123_455_799,
            "n_pairs": 1_000,
            "statistics": statistics(),
            "n_written": 0,
            **more,
        }
    )


@pytest.fixture
def asked(monkeypatch):
    """What reaches the library; nothing is read."""
    seen = {}

    def catalogs(left, right, radius, out, **options):
        seen.update(options, left=left, right=right, radius=radius, out=out)
        return report(out=out, n_written=1_000)

    monkeypatch.setattr(arm.crossmatch, "catalogs", catalogs, raising=False)
    return seen


# ------------------------------------------------------------------ what is asked of the library


def test_without_options_the_nearest_are_counted(armillary, asked):
    assert armillary("crossmatch", *FILES, "-r", 2).exit_code == 0
    assert (asked["left"], asked["right"]) == tuple(map(Path, FILES))
    assert (asked["radius"], asked["out"], asked["k"], asked["join"]) == (2.0, None, 1, "inner")
    given = {
        name for name, value in asked.items() if value not in (None, False, 0.0)
    }  # all else is the default
    assert given == {"left", "right", "radius", "k", "join", "progress"}


def test_every_option_reaches_the_library(armillary, asked):
    result = armillary(
        "crossmatch", *FILES, "--sigma", 3, "--epoch", 2016, "-k", 4, "--min-radius", 0.1,
        "--left-columns", "ra=RA, dec=DEC,error=0.1,epoch=", "--right-columns", "epoch=when",
        "--keep-left", "id, mag", "--join", "outer", "-o", "out.parquet", "--overwrite",
        "--memory", "4GB", "--threads", 2, "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert asked == {
        "left": Path("left.csv"),
        "right": Path("right.csv"),
        "radius": arm.crossmatch.n_sigma(3),
        "out": Path("out.parquet"),
        "columns": {"left": ["id", "mag"]},
        "join": "outer",
        "k": 4,
        "mutual": False,
        "min_radius": 0.1,
        "epoch": 2016.0,
        "left_columns": {"ra": "RA", "dec": "DEC", "error": 0.1, "epoch": None},
        "right_columns": {"epoch": "when"},
        "memory": "4GB",
        "threads": 2,
        "progress": False,
        "overwrite": True,
    }


def test_all_means_no_limit_to_the_matches_of_a_row(armillary, asked):
    armillary("crossmatch", *FILES, "-r", 2, "--all")
    assert asked["k"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "must be given by --radius or --sigma, by one of them"),
        (("-r", 2, "--sigma", 3), "must be given by --radius or --sigma, by one of them"),
        (("--sigma", -1), "n must be positive and finite"),
        (("-r", 2, "-k", 3, "--all"), "-k 3 and --all exclude each other"),
        (("-r", 2, "--mutual", "--all"), "--mutual and --all exclude each other"),
        (("-r", 2, "--left-columns", "RA"), "--left-columns must be ROLE=NAME,... with a role of"),
        (("-r", 2, "--right-columns", "mass=m"), "--right-columns must be ROLE=NAME,..."),
        (("-r", 2, "--left-columns", "ra=a,ra=b"), "--left-columns names ra twice"),
        (("-r", 2, "--join", "left"), "--join is about the file that is written"),
        (("-r", 2, "--keep-right", "id"), "--keep-right is about the file that is written"),
        (("-r", 2, "--overwrite"), "--overwrite is about the file that is written"),
        (("-r", 2, "-o", "older.parquet"), "'older.parquet' exists; --overwrite replaces it"),
        (("-r", 2, "--plot", "sky.doc"), "a picture cannot be written as 'sky.doc'"),
        (("-r", 2, "--plot", "nowhere/sky.png"), "there is no folder 'nowhere'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_file_is_read(
    armillary, asked, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    Path("older.parquet").write_text("older")
    result = armillary("crossmatch", *FILES, *arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert asked == {}


@pytest.mark.parametrize(("option", "name"), [("--output", "sky.parquet"), ("--plot", "sky.png")])
def test_an_output_never_replaces_a_catalogue_that_is_read(
    armillary, asked, tmp_path, monkeypatch, option, name
):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("precious")
    overwrite = ["--overwrite"] if option == "--output" else []
    result = armillary("crossmatch", name, "other.csv", "-r", 2, option, name, *overwrite)
    assert result.exit_code == 1
    assert f"{option} would replace '{name}', which is read" in result.stderr
    assert asked == {}


# ------------------------------------------------------------------ what is told


def shown(told, width=80):
    """The summary as a terminal without colours shows it."""
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None)
    console.print(*summary(console, told, *map(Path, FILES)), sep="\n")
    return console.file.getvalue()


def test_every_count_is_told_and_fits_a_terminal():
    told = shown(report())
    for name, left, right in (
        ("rows read", "1,500", "123,456,789"),
        ("for want of a position", "3", "0"),
        ("matched", "1,000", "990"),
        ("without a match", "500", "123,455,799"),
    ):
        assert re.search(rf"^\s*{name} +{left} +{right} *$", told, re.MULTILINE), name
    assert "1,000 pairs, median separation 0.1" in told
    assert re.search(r"median offset, right minus left: [+-]0[.]\d+ east, ", told)
    assert max(map(len, told.splitlines())) <= 80
    assert "\x1b" not in told


def test_long_names_of_files_are_broken_and_no_number_is_cut():
    console = Console(width=80, file=StringIO())
    for part in summary(console, report(), Path("a" * 70), Path("b" * 70)):
        console.print(part)
    told = console.file.getvalue()
    assert "…" not in told
    assert "123,456,789" in told
    assert told.count("a" * 10) >= 3
    assert max(map(len, told.splitlines())) <= 80


def test_no_pairs_are_told_without_a_histogram():
    told = shown(report(statistics=PairStatistics(2.0)))
    assert "0 pairs\n" in told
    assert "median" not in told
    assert "arcsec" not in told


def parsed(line):
    """Lower edge, upper edge, count and bar of a line of the histogram."""
    pattern = r" *([\d.]+) - +([\d.]+) +([\d,]+)(?:  (\S+))?"
    low, high, count, bar = re.fullmatch(pattern, line).groups(default="")
    return float(low), float(high), int(count.replace(",", "")), bar


@pytest.mark.parametrize("largest", [1e-6, 0.3, 1.0, 2.0, 7.5, 3600.0, 648_000.0])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_histogram_is_true_to_the_counts_and_fits(largest, ascii_only):
    found = statistics(3_000_000 if largest == 2.0 else 1_000, largest, n_far=200)
    heading, *lines = histogram(found, 80, ascii_only=ascii_only)
    assert heading.split() == ["arcsec", "pairs"]
    assert max(map(len, lines)) <= 80
    counts = np.array([parsed(line)[2] for line in lines])
    assert counts.sum() == found.n_pairs
    lengths = np.array([len(parsed(line)[3]) for line in lines])
    assert lengths[counts.argmax()] == lengths.max()
    assert np.all((lengths > 0) == (counts > 0))
    room = lengths.max()
    assert np.all(np.abs(lengths - room * counts / counts.max()) <= 1)
    assert not ascii_only or "".join(lines).isascii()


@pytest.mark.parametrize("largest", [1e-6, 0.3, 1.5, 7.5, 100.0, 648_000.0])
def test_the_ranges_of_the_histogram_follow_each_other(largest):
    _, *lines = histogram(statistics(largest=largest), 80)
    edges = [parsed(line)[:2] for line in lines]
    assert edges[0][0] == 0.0
    assert edges[-1][1] == pytest.approx(largest)
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    assert len(set(edges)) == len(lines) == 20


def test_the_summary_says_where_things_went(armillary, asked, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    monkeypatch.chdir(tmp_path)
    told = armillary("crossmatch", *FILES, "-r", 2).stdout
    assert "--output PATH writes the matched rows" in told
    told = armillary("crossmatch", *FILES, "-r", 2, "-o", "m.parquet", "--plot", "m.png").stdout
    assert "written: m.parquet (1,000 rows)" in told
    assert "picture: m.png" in told
    assert Path("m.png").stat().st_size > 10_000


def test_quiet_says_nothing_but_errors(armillary, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = armillary("crossmatch", *FILES, "-r", 2, "--plot", "m.png", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert Path("m.png").is_file()


def test_different_epochs_are_warned_of_in_a_sentence(armillary, asked, monkeypatch):
    def catalogs(*_, **__):
        warnings.warn(
            "left is of 1991.25 and right of 2016", arm.crossmatch.EpochWarning, stacklevel=1
        )
        return report()

    monkeypatch.setattr(arm.crossmatch, "catalogs", catalogs)
    result = armillary("crossmatch", *FILES, "-r", 2)
    assert result.stderr == "warning: left is of 1991.25 and right of 2016\n"


# ------------------------------------------------------------------ files


@pytest.fixture
def catalogues(tmp_path):
    """Two catalogues with 200 of 300 sources in common, 0.5 arcsec to the north; their paths."""

    def write(suffix):
        random = np.random.default_rng(6)
        ra, dec = 360 * random.random(400), random.uniform(-80, 80, 400)
        left = Table({"ra": ra[:300], "dec": dec[:300], "id": np.arange(300)})
        right = Table({"RAJ2000": ra[100:], "DEJ2000": dec[100:] + 0.5 / 3600, "mag": ra[100:]})
        paths = tmp_path / f"left.{suffix}", tmp_path / f"right.{suffix}"
        for table, path in zip((left, right), paths, strict=True):
            table.write(path, **{"vot": {"format": "votable"}}.get(suffix, {}))
        return paths

    return write


@pytest.mark.parametrize("suffix", ["csv", "fits", "parquet", "vot"])
def test_catalogues_of_every_format_are_matched(armillary, catalogues, tmp_path, suffix):
    out, picture = tmp_path / "out.parquet", tmp_path / "sky.png"
    result = armillary("crossmatch", *catalogues(suffix), "-r", 1, "-o", out, "--plot", picture)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"rows read +300 +300", result.stdout)
    assert re.search(r"matched +200 +200", result.stdout)
    assert "200 pairs, median separation 0.5 arcsec" in result.stdout
    found = Table.read(out)
    assert sorted(found["id"]) == list(range(100, 300))
    np.testing.assert_allclose(found["separation"], 0.5, atol=1e-6)
    assert picture.is_file()


def test_a_result_in_hats_is_matched_again(armillary, catalogues, tmp_path):
    left, right = catalogues("parquet")
    hats = tmp_path / "matched"
    result = armillary("crossmatch", left, right, "-r", 1, "-o", hats)
    assert result.exit_code == 0, result.stderr
    assert (hats / "hats.properties").is_file()
    again = armillary("crossmatch", hats, left, "-r", 0.1)
    assert again.exit_code == 0, again.stderr
    assert re.search(r"rows read +200 +300", again.stdout)
    assert "200 pairs, median separation below 1e-05 arcsec" in again.stdout


def test_counting_writes_nothing(armillary, catalogues, tmp_path):
    paths = catalogues("csv")
    result = armillary("crossmatch", *paths, "-r", 1)
    assert result.exit_code == 0, result.stderr
    assert "200 pairs" in result.stdout
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_rows_without_a_match_alone(armillary, catalogues, tmp_path):
    out = tmp_path / "out.parquet"
    result = armillary(
        "crossmatch", *catalogues("csv"), "-r", 1, "--join", "anti", "--keep-left", "id", "-o", out
    )
    assert result.exit_code == 0, result.stderr
    assert sorted(Table.read(out)["id"]) == list(range(100))


def test_an_older_file_is_replaced_only_if_that_is_asked_for(armillary, catalogues, tmp_path):
    paths, out = catalogues("csv"), tmp_path / "out.parquet"
    out.write_text("older")
    result = armillary("crossmatch", *paths, "-r", 1, "-o", out)
    assert result.exit_code == 1
    assert "overwrite" in result.stderr
    assert out.read_text() == "older"
    assert armillary("crossmatch", *paths, "-r", 1, "-o", out, "--overwrite").exit_code == 0
    assert len(Table.read(out)) == 200


def test_pairs_are_each_others_nearest_or_all_there_are(armillary, tmp_path):
    paths = tmp_path / "left.csv", tmp_path / "right.csv"
    for path, positions in zip(paths, ([10.0, 10.0001], [10.0, 50.0]), strict=True):
        Table({"ra": positions, "dec": [0.0, 0.0]}).write(path)
    for options, n_pairs in ((("--mutual",), 1), ((), 2), (("--min-radius", 0.1), 1)):
        told = armillary("crossmatch", *paths, "-r", 1, *options).stdout
        assert f"\n{n_pairs} pair" in told
    assert "\n2 pairs" in armillary("crossmatch", *paths[::-1], "-r", 1, "--all").stdout


def test_a_file_that_is_not_there_is_a_sentence(armillary, catalogues, tmp_path):
    left, _ = catalogues("csv")
    result = armillary("crossmatch", left, tmp_path / "nothing.csv", "-r", 1)
    assert result.exit_code == 1
    assert "nothing.csv" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_epoch_of_a_catalogue_may_be_a_number(armillary, tmp_path):
    left, right = tmp_path / "left.csv", tmp_path / "right.csv"
    Table({"ra": [10.0], "dec": [0.0], "pmra": [0.0], "pmdec": [1000.0]}).write(left)
    Table({"ra": [10.0], "dec": [24.75 / 3600]}).write(right)
    result = armillary(
        "crossmatch", left, right, "-r", 0.1, "--epoch", 2016, "--left-columns", "epoch=1991.25"
    )
    assert result.exit_code == 0, result.stderr
    assert "\n1 pair" in result.stdout


def test_no_column_of_a_side_may_be_kept(armillary, catalogues, tmp_path):
    out = tmp_path / "out.parquet"
    options = ("-r", 1, "--keep-left", "", "--keep-right", "mag", "-o", out)
    result = armillary("crossmatch", *catalogues("csv"), *options)
    assert result.exit_code == 0, result.stderr
    assert Table.read(out).colnames == ["mag", "separation"]


@pytest.mark.parametrize("name", ["", ".parquet"])
def test_an_output_without_a_name_is_a_sentence(armillary, catalogues, name):
    result = armillary("crossmatch", *catalogues("csv"), "-r", 1, "-o", name)
    assert result.exit_code == 1
    assert "out must have a name" in result.stderr


SLOW = """
import sys, time
from armillary.cli.main import main
from armillary.crossmatch.disk import job

def match_patch(*arguments, check, **options):
    print("in the middle", flush=True)
    while True:
        check()
        time.sleep(0.02)

job.match_patch = match_patch
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_a_terminated_command_tidies_up(catalogues, tmp_path, environment):
    (folder := tmp_path / "results").mkdir()
    options = ["-r", "1", "-o", str(folder / "out.parquet"), "-q"]
    command = [sys.executable, "-c", SLOW, "crossmatch", *map(str, catalogues("csv")), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout.readline() == "in the middle\n"
            assert len(list(folder.iterdir())) == 1
            process.terminate()
            assert process.wait(timeout=60) == 143
        finally:
            process.kill()
    assert list(folder.iterdir()) == []
