"""``armillary convert watch`` and ``status``: what is asked, what is told, when it fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from armillary.cli.convert_queue import STATUS_EXAMPLES, WATCH_EXAMPLES, status, watch
from armillary.cli.main import Commands
from armillary.convert.queue.status import queue_status
from armillary.testing.observations import simulated_observation

#: The command as the process of a person runs it, watching until it is ended.
PROGRAM = """
import sys, typer
from armillary.cli import main
from armillary.cli.convert_queue import watch
main.app.command("watch")(watch)
main.main()
"""


@pytest.fixture
def convert():
    """Run a command in this process."""
    app = typer.Typer(cls=Commands)
    app.command(epilog=WATCH_EXAMPLES, no_args_is_help=True)(watch)
    app.command(epilog=STATUS_EXAMPLES)(status)

    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    return run


@pytest.fixture
def raw(tmp_path):
    """A folder with the four files of an observation."""
    (folder := tmp_path / "raw").mkdir()
    simulated_observation(folder)
    return folder


@pytest.fixture
def options(tmp_path):
    """Everything that a short watch of that folder needs."""
    names = {"--out": tmp_path / "out", "--format": "uvh5", "--phase": "meridian"}
    numbers = {"--expected-subbands": 4, "--settle": 0, "--poll": 0.05}
    return [part for pair in {**names, **numbers}.items() for part in pair]


def test_a_line_tells_of_each_output(convert, raw, options, tmp_path):
    result = convert("watch", raw, *options, "--once")
    assert result.exit_code == 0, result.output
    line, summary = result.stdout.splitlines()
    assert line.startswith("2025-10-03T05:12:36.uvh5: 4 subbands, 108 rows, 24 channels, 0.0% fl")
    assert "MB/s" in line and summary == "1 group completed"
    assert (tmp_path / "out" / "2025-10-03T05:12:36.uvh5").is_file()


def test_quiet_says_nothing(convert, raw, options):
    result = convert("watch", raw, *options, "--once", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_a_failed_group_is_an_exit_status_of_1(convert, raw, options, tmp_path):
    # Nothing but flagged channels is known of the first of 5, and nothing says where it is.
    for number, path in enumerate(sorted(raw.iterdir())):
        path.rename(raw / f"file{number}.hdf5")
    more = ["--once", "--on-incomplete", "fill", "--timeout", "1e-9", "--expected-subbands", "5"]
    result = convert("watch", raw, *options, *more)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "0 groups completed, 1 failed"
    result = convert("status", tmp_path / "out", "--strict")
    assert result.exit_code == 1 and "it cannot be told which are missing" in result.stdout


@pytest.mark.parametrize("place", ["202.78,30.51", "13h31m08s,+30d30m33s"])
def test_a_phase_centre_may_be_given_in_degrees_or_hours(convert, raw, options, place):
    result = convert("watch", raw, *options, "--phase", place, "--once")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--phase", "zenith"], "--phase must be meridian or RA,DEC"),
        (["--on-incomplete", "skip"], "on_incomplete must be one of 'error', 'fill'"),
        (["--expected-subbands", "0"], "expected_subbands must be a whole number of at least 1"),
        (["--format", "fits"], "must be one of .ms, .uvh5"),
        (["--pattern", "*.none", "--settle", "-1"], "settle must be a number of seconds, 0 or"),
    ],
)
def test_what_cannot_be_is_one_sentence(convert, raw, options, more, sentence):
    result = convert("watch", raw, *options, "--once", *more)
    assert result.exit_code == 1
    assert sentence in " ".join(result.stderr.split()) and "Traceback" not in result.output


def test_status_shows_what_waits_for_what(convert, raw, options, tmp_path):
    (raw / "2025-10-03T05:12:30_sb02.hdf5").unlink()
    convert("watch", raw, *options, "--once")
    (raw / "broken.hdf5").write_text("nothing")
    convert("watch", raw, *options, "--once")
    result = convert("status", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for part in (
        "1 collecting, 0 pending, 0 in_progress, 0 completed, 0 failed",
        "journal: wal",
        "watcher: none",
        "3/4",
        "missing sb02",
        "broken.hdf5",
        "is no HDF5 file",
        "0 groups in the last hour",
    ):
        assert part in result.stdout


def test_status_shows_the_last_few_completed_groups_unless_all_are_wanted(
    convert, raw, options, tmp_path
):
    for hour in range(6, 12):
        simulated_observation(raw, start=f"2025-10-03T{hour:02d}:00:00")
    convert("watch", raw, *options, "--once")
    result = convert("status", tmp_path / "out")
    assert "7 completed" in result.stdout and "2 more completed groups; --all" in result.stdout
    assert result.stdout.count("converted in") == 5
    assert convert("status", tmp_path / "out", "--all").stdout.count("converted in") == 7


def test_status_as_json_is_all_of_it(convert, raw, options, tmp_path):
    convert("watch", raw, *options, "--once")
    result = convert("status", tmp_path / "out" / "armillary-queue.sqlite", "--json")
    told = json.loads(result.stdout)
    assert told["counts"]["completed"] == 1
    assert told["groups"][0]["subbands"] == ["sb03", "sb02", "sb01", "sb00"]
    assert told["throughput"]["last_hour"] == 1


def test_status_of_nothing_is_a_sentence(convert, tmp_path):
    result = convert("status", tmp_path)
    assert result.exit_code == 1 and "there is no state of a queue" in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_the_state_is_free(raw, options, tmp_path, environment, number, code):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "watch", str(raw), *map(str, options)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline().startswith("2025-10-03T05:12:36.uvh5")
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code, said
    found = queue_status(tmp_path / "out")
    assert found.watcher is None and found.counts["completed"] == 1
