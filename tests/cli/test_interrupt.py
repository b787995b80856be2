"""Ctrl-C in a command whose backend never looks up from its work."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SLEEPER = """
    import sys
    from time import sleep

    from armillary.plugins import Implementation, hookimpl

    @hookimpl
    def armillary_search():
        yield Implementation(operation="search.bls", name="sleeper", target="sleeper:bls", api=1)

    @hookimpl
    def armillary_fit():
        yield Implementation(operation="fit.isophotes", name="sleeper", target="sleeper:fit", api=1)

    def bls(time, **_):
        nod_off()

    def fit(image, x0, **_):
        nod_off()

    def nod_off():
        sys.stderr.write("asleep\\n")  # in one piece, whatever other threads say
        sleep(600)
"""


@pytest.fixture
def commands(star, galaxy):
    """A search and a fit of so many files."""
    return {
        "search": lambda n: [
            *("search", "bls", "--min-period", 2),
            *(star(f"s{i}.csv", seed=i)[0] for i in range(n)),
        ],
        "fit": lambda n: ["fit", "isophotes", *(galaxy(f"g{i}.fits")[0] for i in range(n))],
    }


@pytest.mark.parametrize(("n_files", "threads"), [(1, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("command", ["search", "fit"])
def test_it_ends_the_process_and_leaves_no_file(
    distribution, environment, commands, tmp_path, command, n_files, threads
):
    site = distribution("sleeper", SLEEPER)
    (folder := tmp_path / "out").mkdir()
    output = folder / "c.ecsv" if command == "search" or n_files == 1 else folder
    options = ["--backend", "sleeper", "--threads", threads, "-o", output]
    with subprocess.Popen(
        [sys.executable, "-m", "armillary", *map(str, commands[command](n_files) + options)],
        env=environment([site]),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr.readline() == "asleep\n"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted"
    assert list(folder.iterdir()) == []
