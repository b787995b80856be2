"""Ctrl-C in a search whose backend never looks up from its work."""

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

    def bls(time, **_):
        sys.stderr.write("asleep\\n")  # in one piece, whatever other threads say
        sleep(600)
"""

#: The command, with Ctrl-C as in a terminal, whatever started these tests.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from armillary.cli.main import main
main()
"""


@pytest.mark.parametrize(("n_files", "threads"), [(1, 2), (3, 1), (3, 2)])
def test_it_ends_the_process_and_leaves_no_file(
    distribution, environment, star, tmp_path, n_files, threads
):
    site = distribution("sleeper", SLEEPER)
    paths = [star(f"s{i}.csv", seed=i)[0] for i in range(n_files)]
    (folder := tmp_path / "out").mkdir()
    options = ["--backend", "sleeper", "--threads", threads, "-o", folder / "c.ecsv"]
    arguments = ["search", "bls", *paths, "--min-period", 2, *options]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
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
