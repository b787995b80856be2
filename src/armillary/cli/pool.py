"""Many searches side by side, their results in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Jobs begun before the result of the first is taken, per worker; bounds the memory.
AHEAD = 2


class Cancelled(Exception):
    """Raised inside a job whose pool is going down."""


class Pool:
    """A few threads that work on jobs, and stop soon after the caller does.

    Parameters
    ----------
    workers : int
        Jobs at a time.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._stopped = threading.Event()

    def check(self) -> None:
        """Called now and then by a job: raises :class:`Cancelled` once the caller has stopped."""
        if self._stopped.is_set():
            raise Cancelled

    def run(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Results in the order of the jobs; the choice of a backend holds in every thread.

        An exception in the caller, Ctrl-C included, stops the jobs.
        """
        pending: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="armillary") as executor:
            try:
                for job in jobs:
                    pending.append(executor.submit(copy_context().run, work, job))
                    if len(pending) > AHEAD * self.workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            except BaseException:
                self._stopped.set()
                executor.shutdown(wait=False, cancel_futures=True)
                raise
