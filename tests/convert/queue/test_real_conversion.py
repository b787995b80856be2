"""The queue with files of visibilities and the real conversion."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from armillary.convert.queue.facts import describe
from armillary.convert.queue.status import queue_status
from armillary.convert.queue.watch import watch
from armillary.testing.observations import simulated_observation

KILLS = 8
PATIENCE = 60
WATCH = """
import sys
from armillary.convert.queue.watch import watch
print("begun", flush=True)
folder, out, format, n = sys.argv[1:]
watch(folder, out, format=format, phase="meridian", expected_subbands=int(n), settle=0.2, poll=0.05)
"""


@pytest.fixture(params=["uvh5", "ms"])
def format(request):
    if request.param == "ms":
        pytest.importorskip("casacore", reason="Measurement Sets need python-casacore")
    return request.param


@pytest.fixture
def folder(tmp_path):
    (folder := tmp_path / "raw").mkdir()
    return folder


def test_the_facts_of_a_file_are_those_of_the_observation(folder):
    observation = simulated_observation(folder)
    every = [describe(path) for path in observation.paths]
    half = observation.integration_time / 2 / 86_400
    for facts in every:
        assert facts.first_time == observation.time[0]
        assert facts.begin == pytest.approx(observation.time[0] - half, abs=1e-9)
        assert facts.end == pytest.approx(observation.time[-1] + half, abs=1e-9)
        assert facts.channel_width == observation.channel_width
    assert sum(facts.n_channels for facts in every) == len(observation.frequency)
    assert min(facts.lowest for facts in every) == observation.frequency[0]
    assert max(facts.highest for facts in every) == observation.frequency[-1]


def test_a_group_becomes_one_output_once_its_last_file_is_whole(folder, tmp_path, format):
    observation = simulated_observation(folder)
    options = {
        "format": format,
        "phase": "meridian",
        "expected_subbands": len(observation.paths),
        "settle": 0,
        "once": True,
    }
    last = observation.paths[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    assert watch(folder, out, **options).completed == ()
    (file,) = queue_status(out).files
    assert (file.name, file.state) == (last.name, "invalid")
    last.write_bytes(whole)
    (output,) = watch(folder, out, **options).completed
    (group,) = queue_status(out).groups
    assert group.n_channels == len(observation.frequency)
    assert group.n_rows == observation.n_times * len(observation.antenna1)
    assert_whole(output, observation)


def test_files_that_do_not_fit_fail_as_a_group_and_others_go_on(folder, tmp_path):
    observation = simulated_observation(folder)
    (other := tmp_path / "other").mkdir()
    strange = simulated_observation(other, n_antennas=7).paths[1]
    observation.paths[1].write_bytes(strange.read_bytes())
    simulated_observation(folder, start="2025-10-03T06:00:00")
    options = {"format": "uvh5", "expected_subbands": len(observation.paths), "settle": 0}
    report = watch(folder, tmp_path / "out", phase="meridian", once=True, **options)
    assert len(report.completed) == 1
    (failed,) = report.failed
    assert observation.paths[1].name in failed and "has other" in failed


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"format": "fits"}, "must be one of .ms, .uvh5"),
        ({"format": ""}, "format must be a suffix"),
        ({"phase": "zenith"}, "phase must be"),
        ({"spectral_windows": "both"}, "spectral_windows must be"),
        ({"columns": ["MODEL"]}, "columns must be"),
        ({"threads": 0}, "threads"),
        ({"memory": "much"}, "memory"),
    ],
)
def test_options_are_refused_before_anything_arrives(folder, tmp_path, option, sentence):
    with pytest.raises(ValueError, match=sentence):
        watch(folder, tmp_path / "out", once=True, **{"format": "uvh5", **option})
    assert not (tmp_path / "out").exists()


def test_killed_again_and_again_it_still_makes_one_whole_output_of_each_group(
    tmp_path, folder, format
):
    randomly = random.Random(3)
    observations = []
    for number in range(3):
        (source := tmp_path / f"source{number}").mkdir()
        start = f"2025-10-03T05:{10 + number}:00"
        observations.append(simulated_observation(source, start=start))
    out = tmp_path / "out"
    n_subbands = len(observations[0].paths)

    def begin():
        arguments = map(str, (folder, out, format, n_subbands))
        process = subprocess.Popen(
            [sys.executable, "-c", WATCH, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "begun\n"
        return process

    arriving = [path for observation in observations for path in observation.paths]
    seen = {}
    for kill in range(KILLS):
        process = begin()
        for path in arriving[2 * kill : 2 * kill + 2]:
            (folder / path.name).write_bytes(path.read_bytes())
        time.sleep(2.0 * randomly.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = {path.name: path.stat().st_ino for path in out.glob(f"*.{format}")}
        assert now.items() >= seen.items(), "an output was written again, or went"
        seen = now
    process = begin()
    deadline = time.monotonic() + PATIENCE
    while queue_status(out).counts["completed"] < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in (143, -signal.SIGTERM)
    made = sorted(path for path in out.glob("*") if "sqlite" not in path.name)
    assert [path.suffix for path in made] == [f".{format}"] * 3
    for path, observation in zip(made, observations, strict=True):
        assert_whole(path, observation)


def assert_whole(path, observation):
    """The output has every row and channel, and the visibilities are finite."""
    if path.suffix == ".uvh5":
        import h5py

        with h5py.File(path) as file:
            data = file["Data/visdata"][()]
            frequency = file["Header/freq_array"][()].reshape(-1)
    else:
        from casacore.tables import table

        with table(str(path), ack=False) as main:
            data = main.getcol("DATA")
        with table(f"{path}::SPECTRAL_WINDOW", ack=False) as windows:
            frequency = windows.getcol("CHAN_FREQ").reshape(-1)
    n_rows = observation.n_times * len(observation.antenna1)
    assert data.shape == (n_rows, len(observation.frequency), len(observation.polarization))
    assert np.isfinite(data).all() and np.abs(data).min() > 0
    np.testing.assert_array_equal(frequency, observation.frequency)
