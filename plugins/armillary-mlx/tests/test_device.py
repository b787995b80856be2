"""All work for MLX is done by one thread, which is there when it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest


def test_work_of_all_threads_is_done_by_one(device: ModuleType) -> None:
    with ThreadPoolExecutor(4) as pool:
        names = set(pool.map(lambda _: device.on_device(_name_of_thread), range(40)))
    assert len(names) == 1
    assert names != {_name_of_thread()}


def _name_of_thread() -> str:
    return threading.current_thread().name


def test_an_error_of_the_device_reaches_the_caller(device: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError):
        device.on_device(divmod, 1, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_does_not_have(
    device: ModuleType,
) -> None:
    lines = (
        "import os, sys",
        "from armillary_mlx.device import on_device",
        "on_device(abs, -1)",
        "child = os.fork()",
        "if child == 0:",
        "    os._exit(on_device(abs, -7))",
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join(lines)], timeout=60)
    assert run.returncode == 7
