"""Progress: nothing, a callback, or a bar where somebody can see it."""

from __future__ import annotations

import sys

import pytest

from armillary.runtime.progress import reporting


@pytest.mark.parametrize("progress", [None, False])
def test_silence_is_no_callback(progress):
    with reporting(progress, "search") as report:
        assert report is None


def test_a_callable_is_used_as_it_is():
    with reporting(print, "search") as report:
        assert report is print


def test_a_bar_is_silent_where_nobody_looks(capfd):
    with reporting(True, "search") as report:
        assert report is None
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_drawn_in_a_terminal_on_standard_error(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with reporting(True, "box search") as report:
        report(1, 4)
        report(4, 4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "box search" in shown.err


@pytest.mark.parametrize("progress", [1, "yes", [], 0])
def test_anything_else_is_an_error_that_says_what_was_found(progress):
    with pytest.raises(TypeError, match="progress must be None"), reporting(progress, "search"):
        pass
