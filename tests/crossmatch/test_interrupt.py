"""Ctrl-C in a match that would take hours."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: Sources in a line along a meridian, finer than any zone: every row looks at every other.
ENDLESS = """
import sys
import numpy as np
import armillary as arm
n = 1_000_000
sky = np.append(np.full(n, 30.0), np.arange(360.0)), np.append(np.arange(n) / 1e9, np.zeros(360))

def told(done, total):
    print("matching", flush=True)

told(0, 1)
try:
    arm.crossmatch.nearest(sky, sky, 2.0, min_radius=1.5, threads=int(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_it_ends_in_the_middle_of_a_block(threads):
    command = [sys.executable, "-c", ENDLESS, str(threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "matching\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2.0)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=100)
        finally:
            process.kill()
    assert said == "interrupted\n"
