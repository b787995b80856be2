"""Run the blocks of a kernel on a few threads, so that Ctrl-C, progress and errors work.

A block is some milliseconds of compiled work without the GIL. The calling thread
takes blocks like every other and sees signals between its own, so an interrupt is
honoured within one block, with no OpenMP runtime and nothing to poll. How the work
is cut is decided by the caller from the problem alone: the blocks, and so the
result, are the same for any number of threads.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Block = TypeVar("Block")
Progress = Callable[[int, int], None]

#: Seconds between two reports of progress.
REPORT_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Rest(Generic[Block]):
    """What remains of a block after a piece of it."""

    block: Block


def run_blocks(
    blocks: Sequence[Block],
    work: Callable[[Block], object],
    *,
    threads: int = 1,
    size: Callable[[Block], int] = lambda block: 1,
    progress: Progress | None = None,
) -> None:
    """Call ``work`` with every block.

    Parameters
    ----------
    blocks : sequence
        The pieces; they are begun in order.
    work : callable
        Does one block; it should release the GIL for most of a few milliseconds. One that takes
        longer may do a piece and give the :class:`Rest`.
    threads : int
        Threads to use, the calling one included.
    size : callable
        Units of progress in a block.
    progress : callable, optional
        Called with (units done, units in all) from the calling thread, at most
        ten times a second, and once at the end.

    Raises
    ------
    Exception
        The first error of any block or of ``progress``; blocks not begun by then
        are not begun.
    """
    run = _Run(blocks, work, size, progress)
    # New threads begin with an empty context: a choice made by use_backend would be lost.
    helpers = [
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(run.take_blocks,),
            name=f"armillary-{i}",
            daemon=True,
        )
        for i in range(min(threads, len(blocks)) - 1)
    ]
    try:
        for helper in helpers:
            helper.start()
        run.take_blocks(reporting=True)
    except BaseException:
        run.stopped = True
        raise
    finally:
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if run.error is not None:
        raise run.error
    run.report(final=True)


class _Run:
    """The state that the threads of one call share."""

    def __init__(self, blocks, work, size, progress):  # type: ignore[no-untyped-def]
        self.blocks = blocks
        self.work = work
        self.size = size
        self.progress = progress
        self.total = sum(size(block) for block in blocks) if progress else 0
        self.done = 0
        self.last_report = time.monotonic()
        self.next_index = itertools.count()
        self.lock = threading.Lock()
        self.stopped = False
        self.error: BaseException | None = None

    def take_blocks(self, reporting: bool = False) -> None:
        while not self.stopped:
            with self.lock:
                index = next(self.next_index)
            if index >= len(self.blocks):
                return
            try:
                result = self.work(self.blocks[index])
                while isinstance(result, Rest) and not self.stopped:
                    result = self.work(result.block)
            except BaseException as error:
                self.stopped = True
                if reporting:
                    raise
                self.error = self.error or error
                return
            if self.progress is not None:
                with self.lock:
                    self.done += self.size(self.blocks[index])
            if reporting:
                self.report()

    def report(self, final: bool = False) -> None:
        if self.progress is None:
            return
        now = time.monotonic()
        if final or now - self.last_report >= REPORT_INTERVAL:
            self.last_report = now
            self.progress(self.done, self.total)
