"""``armillary search attribute``: which points and which transits carry a candidate."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.table import QTable

import armillary as arm

pytestmark = pytest.mark.kernel


def candidate(truth, **other):
    """The options for the injected transits."""
    values = {"period": truth.period, "t0": truth.t0, "duration": truth.duration, **other}
    return [word for name, value in values.items() for word in (f"--{name}", value)]


# ------------------------------------------------------------------ what is told


def test_the_points_are_those_of_the_same_call(armillary, star, tmp_path):
    path, truth = star()
    out = tmp_path / "points.ecsv"
    result = armillary("search", "attribute", path, *candidate(truth), "-o", out)
    assert result.exit_code == 0, result.stderr
    points = QTable.read(out)
    expected = arm.search.attribute(
        arm.io.read_light_curve(path), period=truth.period, t0=truth.t0, duration=truth.duration
    )
    np.testing.assert_array_equal(points["contribution"], expected.contribution)
    assert points.meta["score"] == pytest.approx(expected.score)
    assert points["contribution"].sum() == pytest.approx(expected.score)
    assert points["time"].unit == "d"


def test_the_page_has_the_score_and_a_line_for_each_transit(armillary, star):
    path, truth = star()
    lines = armillary("search", "attribute", path, *candidate(truth)).stdout.splitlines()
    assert re.match(r"star: score \d\d\.\d\d, depth [\d,]+ ppm, 8 transits, ", lines[0])
    assert "contribution" in lines[1]
    transits = [line for line in lines if line.endswith("%")]
    assert len(transits) == 8
    numbers = [float(line.split()[3]) for line in transits]
    score = float(re.search(r"score ([\d.]+)", lines[0]).group(1))
    # The rest comes from points out of transit, near transits that nobody saw.
    assert sum(numbers) == pytest.approx(score, abs=0.5)


def test_only_the_strongest_transits_are_listed_in_the_order_of_time(armillary, star):
    path, truth = star()
    result = armillary("search", "attribute", path, *candidate(truth), "--transits", 3)
    lines = result.stdout.splitlines()
    first = [int(line.split()[0]) for line in lines if line.endswith("%")]
    assert len(first) == 3
    assert first == sorted(first)
    assert lines[-1] == "and 5 transits that contribute less"


def test_a_scan_of_t0_comes_back_to_the_transits(armillary, star):
    path, truth = star()
    late = candidate(truth, t0=truth.t0 + 0.03)
    plain = armillary("search", "attribute", path, *late)
    scanned = armillary("search", "attribute", path, *late, "--scan-t0")
    t0, minutes = re.match(r"t0 (\d+\.\d+), (.\d+\.\d) min", scanned.stdout).groups()
    assert float(t0) == pytest.approx(truth.t0, abs=0.01)
    assert float(minutes) == pytest.approx(-43, abs=15)
    scores = [
        float(re.search(r": score ([\d.]+),", run.stdout).group(1)) for run in (plain, scanned)
    ]
    assert scores[1] > scores[0]


def test_a_scan_that_ends_too_early_is_pointed_out_and_can_go_further(armillary, star):
    path, truth = star()
    scan = ("search", "attribute", path, *candidate(truth, t0=truth.t0 + 0.1), "--scan-t0")
    short = armillary(*scan)
    assert short.exit_code == 0
    assert short.stderr.startswith("warning: the score is highest where the scan ends; ")
    wide = armillary(*scan, "--half-span", 0.2)
    assert wide.stderr == ""
    t0 = float(re.match(r"t0 (\d+\.\d+),", wide.stdout).group(1))
    assert t0 == pytest.approx(truth.t0, abs=0.01)


def test_quiet_says_nothing(armillary, star):
    path, truth = star()
    result = armillary("search", "attribute", path, *candidate(truth), "--scan-t0", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_several_files_are_parts_of_one_light_curve(armillary, star, tmp_path):
    one, truth = star("one.csv")
    two, _ = star("two.csv", seed=2, start=100.0, t0=1.3)
    out = tmp_path / "points.csv"
    armillary("search", "attribute", one, two, *candidate(truth), "--detrend", 1, "-o", out)
    time = QTable.read(out)["time"]
    assert time.min() < 10 < 100 < time.max()


def test_a_picture_is_drawn(armillary, star, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    path, truth = star()
    picture = tmp_path / "star.png"
    result = armillary("search", "attribute", path, *candidate(truth), "--plot", picture)
    assert result.exit_code == 0, result.stderr
    assert picture.stat().st_size > 5_000


def test_the_second_time_it_comes_from_the_cache(armillary, star, monkeypatch, tmp_path):
    monkeypatch.setenv("ARMILLARY_CACHE_PATH", str(tmp_path / "cache"))
    path, truth = star()
    runs = [
        armillary("search", "attribute", path, *candidate(truth), "--cache", "disk").stdout
        for _ in range(2)
    ]
    assert "from the cache" not in runs[0]
    assert runs[1].endswith("from the cache: 1 of 1 attribution\n")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("missing", ["period", "t0", "duration"])
def test_a_candidate_has_period_t0_and_duration(armillary, star, missing):
    path, truth = star()
    words = candidate(truth)
    at = words.index(f"--{missing}")
    result = armillary("search", "attribute", path, *words[:at], *words[at + 2 :])
    assert result.exit_code == 2
    assert f"--{missing}" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--output", "points.fits"), "points cannot be written as 'points.fits'"),
        (("--output", "nowhere/points.csv"), "there is no folder 'nowhere'"),
        (("--plot", "picture.doc"), "a picture cannot be written as 'picture.doc'"),
        (("--backend", "nobody"), "'nobody'"),
        (("--sharpness", "-1"), "sharpness must be a positive finite number"),
        (("--duration", "9"), "duration must be shorter than the period"),
        (("--t0", "nan"), "t0 must be finite"),
        (("--t0", "inf"), "t0 must be finite"),
        (("--half-span", "0.1"), "--half-span is of the scan that --scan-t0 asks for"),
        (("--scan-t0", "--half-span", "-1"), "half_span must be a positive number"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(armillary, star, options, sentence):
    path, truth = star()
    result = armillary("search", "attribute", path, *candidate(truth), *options)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "warning" not in result.stderr.lower()
    assert result.stdout == ""


def test_a_file_that_cannot_be_read_is_named(armillary, star, tmp_path):
    _, truth = star()
    bad = tmp_path / "bad.csv"
    bad.write_text("time,flux\n")
    result = armillary("search", "attribute", bad, *candidate(truth))
    assert result.exit_code == 1
    assert "bad.csv" in result.stderr


def test_a_t0_of_another_time_system_is_pointed_out(armillary, star):
    path, truth = star()
    result = armillary("search", "attribute", path, *candidate(truth, t0=truth.t0 + 2457000.0))
    assert "2,456,97" in result.stderr
    assert "is it in its time system" in result.stderr


def test_a_constant_flux_scores_nothing_and_has_no_shares(armillary, tmp_path):
    path = tmp_path / "constant.csv"
    path.write_text("time,flux,flux_err\n" + "".join(f"{i / 20},1.0,0.01\n" for i in range(200)))
    result = armillary(
        "search", "attribute", path, "--period", 3, "--t0", 1, "--duration", 0.3, "--plot",
        tmp_path / "constant.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert ", 0 effective points of 200" in lines[0]
    assert [line.split()[-1] for line in lines[3:]] == ["-"] * 4


def test_one_point_is_one_point(armillary, tmp_path):
    path = tmp_path / "dip.csv"
    path.write_text("time,flux,flux_err\n1,1,0.1\n2,0.5,0.1\n3,1,0.1\n")
    result = armillary("search", "attribute", path, "--period", 5, "--t0", 2, "--duration", 0.5)
    assert ", 1 transit, 1 effective point of 3" in result.stdout
