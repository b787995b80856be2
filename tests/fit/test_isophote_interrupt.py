"""Ctrl-C in fits that would never end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

ENDLESS = """
import itertools, sys
import armillary as arm
from armillary.testing import simulated_galaxy
image = simulated_galaxy((256, 256), effective_radius=20.0, snr=50.0).image
start = arm.fit.EllipseGeometry(128.0, 128.0, 10.0, 0.2, 0.5)

def told(done, total):
    if done == 1:
        print("fitting", flush=True)

try:
    arm.fit.isophotes(itertools.repeat(image), start, threads=int(sys.argv[1]), progress=told)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_many_galaxies_end_between_two(threads: int) -> None:
    command = [sys.executable, "-c", ENDLESS, str(threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "fitting\n"
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "interrupted\n"
