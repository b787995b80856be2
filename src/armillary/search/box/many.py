"""Many light curves in one call: all looked at first, then searched together or side by side.

A backend that has a batch function is given all light curves at once. Any other searches them one
by one, each on its own thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import accumulate
from numbers import Number
from typing import Any

from ...cache.axis import Answer, answered, answered_together
from ...cache.store import Store
from ...io.light_curves import LightCurves
from ...plugins.call import call_batch
from ...runtime.blocks import REPORT_INTERVAL, Progress
from ...runtime.pool import Pool
from ...runtime.progress import Callback, reporting
from ..inputs import as_light_curve, search_input
from .result import Periodogram
from .task import Settings, Task, task_of

_Answer = Answer[dict[str, Any]]


def are_light_curves(value: Any) -> bool:
    """Whether something is many light curves, and not the times of one."""
    if isinstance(value, LightCurves):
        return True
    return isinstance(value, (list, tuple)) and not any(isinstance(v, Number) for v in value)


def tasks_of(settings: Settings, light_curves: Any) -> list[Task]:
    """Every light curve, ready to be searched.

    Raises
    ------
    Exception
        What is wrong with one of them, told of which.
    """
    return [_task(settings, number, given) for number, given in enumerate(light_curves)]


def search_all(
    settings: Settings, tasks: Sequence[Task], store: Store | None, progress: Any
) -> list[Periodogram]:
    """The periodogram of every task, in their order."""
    if not tasks:
        return []
    search = _side_by_side if tasks[0].plan.backend.record.batch is None else _together
    with reporting(progress, "box search") as report:
        answers = search(settings, tasks, store, None if report is None else _Paced(report))
    return [task.periodogram(answer) for task, answer in zip(tasks, answers, strict=True)]


class _Paced(Callback):
    """A callback, told not more often than by a single search."""

    def __init__(self, report: Callable[[float, float], None]) -> None:
        super().__init__(report)
        self._last, self._told = time.monotonic(), -1.0

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if done > self._told and (done == total or now - self._last >= REPORT_INTERVAL):
            self._last, self._told = now, done
            super().__call__(done, total)


# ------------------------------------------------------------------ which one


def _task(settings: Settings, number: int, given: Any) -> Task:
    with _named(number, ""):
        light_curve = as_light_curve(given)
    with _named(number, light_curve.meta["target"]):
        return task_of(settings, search_input(light_curve))


@contextmanager
def _named(number: int, target: Any, report: _Paced | None = None) -> Iterator[None]:
    """Let what is wrong with a light curve begin with which one it is."""
    try:
        yield
    except Exception as error:
        if report is not None and error is report.raised:
            raise
        which = f"light curve {number} ({target})" if target else f"light curve {number}"
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (f"{which}: {error.args[0]}",)
        else:
            error.add_note(f"{which} of those given")
        raise


# ------------------------------------------------------------------ all at once


def _together(
    settings: Settings, tasks: Sequence[Task], store: Store | None, report: _Paced | None
) -> list[_Answer]:
    total = sum(task.n_periods for task in tasks)

    def compute(numbers: Sequence[int]) -> list[dict[str, Any]]:
        chosen = [tasks[number] for number in numbers]
        done = total - sum(task.n_periods for task in chosen)
        results = call_batch(
            chosen[0].plan,
            [task.arguments for task in chosen],
            settings.options,
            {"threads": settings.threads, "progress": _after(done, total, report)},
        )
        checked = []
        for number, result in zip(numbers, results, strict=True):
            with _named(number, tasks[number].light_curve.target):
                checked.append(tasks[number].checked(result))
        return checked

    identities = (task.identity for task in tasks)
    answers = answered_together([task.plan for task in tasks], identities, compute, store)
    if report is not None:
        report(total, total)
    return answers


def _after(done: int, total: int, report: _Paced | None) -> Progress | None:
    """Progress of what is left, as progress of everything."""
    if report is None:
        return None
    return lambda part, _: report(done + part, total)


# ------------------------------------------------------------------ side by side


def _side_by_side(
    settings: Settings, tasks: Sequence[Task], store: Store | None, report: _Paced | None
) -> list[_Answer]:
    *begins, total = accumulate((task.n_periods for task in tasks), initial=0)
    pool = Pool(min(settings.threads, len(tasks)))

    def check(done: float, total: float) -> None:
        pool.check()

    def work(number: int) -> _Answer:
        pool.check()
        task, threads = tasks[number], settings.threads // pool.workers
        # A callback may rely on its own thread, which only waits if there are several workers.
        inner = _after(begins[number], total, report) if pool.workers == 1 else check
        with _named(number, task.light_curve.target, report):
            return answered(task.plan, task.identity, lambda: task.computed(threads, inner), store)

    def answers() -> Generator[_Answer, None, None]:
        for task, begin, answer in zip(
            tasks, begins, pool.run(work, range(len(tasks))), strict=True
        ):
            if report is not None:
                report(begin + task.n_periods, total)
            yield answer

    # Closed, so that the workers stop at once if this thread is interrupted or the callback raises.
    with closing(answers()) as found:
        return list(found)
