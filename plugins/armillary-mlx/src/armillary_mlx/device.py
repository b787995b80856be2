"""Whether MLX is there, and the one thread in which this plugin uses it.

A stream of MLX belongs to the thread that made it, every thread that evaluates gets one, and none
is given back when its thread ends (seen with 0.32.4); on a CPU each is a thread of its own.
armillary calls backends from threads that come and go, so all of them hand their work to one that
stays. That also keeps the memory of the device to that of one block. A process that is forked has
no threads but its own, and begins another.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

from armillary.plugins import Request

Answer = TypeVar("Answer")

#: How to get MLX with something to run on.
INSTALL = 'pip install mlx on a Mac with an Apple chip, pip install "armillary-mlx[cpu]" on Linux'


def can_run(request: Request) -> Literal[True] | str:
    """True, or what is missing; any light curve will do."""
    if find_spec("mlx") is None:
        return f"mlx is not installed; {INSTALL}"
    try:
        import mlx.core  # noqa: F401
    except ImportError as error:
        return f"mlx cannot be loaded ({error}); {INSTALL}"
    return True


def on_device(work: Callable[..., Answer], *arguments: Any) -> Answer:
    """What ``work`` gives for the arguments, computed in the thread that uses MLX."""
    return _thread.submit(work, *arguments).result()


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="armillary-mlx")


def _begin_another() -> None:
    global _thread
    _thread = _one_thread()


_thread = _one_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_another)
