"""No command of searches replaces what it reads."""

from __future__ import annotations

import os

import pytest

from armillary.cli import jobs
from armillary.cli.overwriting import refuse_inputs

SEARCHES = {
    "attribute": ("--period", 3.4, "--t0", 1.3, "--duration", 0.1),
    "bls": ("--min-period", 2, "--max-period", 5, "--duration", 0.1),
}


@pytest.mark.parametrize("command", SEARCHES)
@pytest.mark.parametrize(("option", "name"), [("--output", "star.csv"), ("--plot", "star.svg")])
def test_an_output_that_is_an_input_is_refused_before_anything_is_read(
    armillary, star, tmp_path, monkeypatch, command, option, name
):
    monkeypatch.setattr(jobs.Recipe, "light_curve", lambda *_: pytest.fail("a file was read"))
    files = [star("other.csv")[0], star(name)[0]]
    before = files[1].read_bytes()
    join = ["--join"] if command == "bls" else []
    result = armillary(
        "search", command, *files, *SEARCHES[command], *join, option, tmp_path / "." / name
    )
    assert result.exit_code == 1
    assert f"{option} would replace" in result.stderr
    assert "which is read" in " ".join(result.stderr.split())
    assert files[1].read_bytes() == before


@pytest.mark.kernel
def test_a_picture_that_would_get_the_name_of_an_input_is_not_written(armillary, star, tmp_path):
    path, _ = star("star.svg")
    before = path.read_bytes()
    pattern = tmp_path / "{target}.svg"
    result = armillary("search", "bls", path, *SEARCHES["bls"], "--plot", pattern)
    assert result.exit_code == 1
    assert "--plot would replace" in result.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_is_the_same_by_whatever_name(tmp_path, link):
    (read := tmp_path / "read.csv").write_text("time,flux\n")
    link(read, other := tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"--output would replace .*other\.csv', which is read"):
        refuse_inputs([("--plot", None), ("--output", other)], [tmp_path / "missing.csv", read])


def test_what_is_not_there_yet_replaces_nothing(tmp_path):
    missing = tmp_path / "out.csv"
    refuse_inputs([("--output", missing), ("--plot", tmp_path)], [missing, tmp_path / "star.csv"])
