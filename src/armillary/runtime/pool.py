"""Work on many items side by side, the results in the order of the items."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Items begun before the result of the first is taken, per worker; bounds the memory.
AHEAD = 2
#: Seconds that the work of a stopped pool has to end by itself before it is left behind.
GRACE = 1.0


class Cancelled(Exception):
    """Raised inside the work of a pool that is going down."""


class Pool:
    """A few threads that work on items, and never outlast their caller.

    Parameters
    ----------
    workers : int
        Items at a time. A single one is worked on in the calling thread, where Ctrl-C
        reaches the work itself.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._stopped = threading.Event()

    def check(self) -> None:
        """Called now and then by the work: raises :class:`Cancelled` once the caller stopped."""
        if self._stopped.is_set():
            raise Cancelled

    def run(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items; the choice of a backend holds in every thread.

        An exception in the caller, Ctrl-C included, stops the work. What has not stopped a
        moment later is left behind in a daemon thread, which cannot keep the process alive.
        """
        if self.workers == 1:
            return map(work, items)
        return self._run_in_threads(work, items)

    def _run_in_threads(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        pending: deque[Future[Result]] = deque()
        # Those of a ThreadPoolExecutor are joined when Python ends, however long that takes.
        threads = [
            threading.Thread(
                target=self._serve, args=(tasks,), name=f"armillary-pool-{i}", daemon=True
            )
            for i in range(self.workers)
        ]
        try:
            for thread in threads:
                thread.start()
            for item in items:
                pending.append(Future())
                call = partial(copy_context().run, work, item)
                tasks.put(partial(_settle, pending[-1], call))
                if len(pending) > AHEAD * self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BaseException:
            self._stopped.set()
            raise
        finally:
            for _ in threads:
                tasks.put(None)
            _join(threads, GRACE)

    def _serve(self, tasks: SimpleQueue[Callable[[], None] | None]) -> None:
        while self._served_one(tasks):
            pass

    def _served_one(self, tasks: SimpleQueue[Callable[[], None] | None]) -> bool:
        # A function of its own, so that a thread that waits keeps no result alive.
        task = tasks.get()
        if task is None or self._stopped.is_set():
            return False
        task()
        return True


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    """Give a future the result or the error of a call."""
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for all of them together, and no longer than that."""
    end = time.monotonic() + seconds
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, end - time.monotonic()))
