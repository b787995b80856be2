"""Which picture goes into which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from armillary.cli.pictures import PicturePaths


def test_a_folder_is_made_and_names_are_made_safe(tmp_path):
    paths = PicturePaths(tmp_path / "plots", 2)
    assert paths.path("TIC 1/2: b") == tmp_path / "plots" / "TIC_1_2_b.png"
    assert (tmp_path / "plots").is_dir()


def test_targets_of_one_name_get_files_of_their_own(tmp_path):
    paths = PicturePaths(tmp_path / "{target}.pdf", 3)
    names = [paths.path("TIC 1").name for _ in range(3)]
    assert names == ["TIC_1.pdf", "TIC_1-2.pdf", "TIC_1-3.pdf"]


@pytest.mark.parametrize("name", ["", "..", "/", ". ."])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    path = PicturePaths(tmp_path, 2).path(name)
    assert path.parent == tmp_path
    assert path.name not in (".png", "..png")


def test_one_target_needs_no_pattern(tmp_path):
    assert PicturePaths(tmp_path / "one.svg", 1).path("any") == tmp_path / "one.svg"


def test_a_folder_above_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        PicturePaths(Path(tmp_path, "nowhere", "one.png"), 1)
