"""Items side by side: order, context, and an end when the caller ends."""

from __future__ import annotations

import threading
import time

import pytest

import armillary as arm
from armillary.runtime import pool as pool_module
from armillary.runtime.pool import AHEAD, Cancelled, Pool


def test_results_come_in_the_order_of_the_items():
    def work(number):
        time.sleep(0.002 * (5 - number % 5))
        return number

    assert list(Pool(3).run(work, range(20))) == list(range(20))


def test_the_choice_of_a_backend_holds_in_every_thread():
    def work(_):
        return threading.current_thread().name, arm.explain("search.bls").backend

    with arm.use_backend("reference", "search.bls"):
        told = list(Pool(2).run(work, range(8)))
    assert {backend for _, backend in told} == {"reference"}
    assert threading.current_thread().name not in {name for name, _ in told}


def test_a_single_worker_is_the_calling_thread():
    threads = set(Pool(1).run(lambda _: threading.current_thread(), range(3)))
    assert threads == {threading.current_thread()}


def test_work_that_does_not_stop_is_left_behind(monkeypatch):
    monkeypatch.setattr(pool_module, "GRACE", 0.01)
    deaf = threading.Event()
    workers = []

    def work(number):
        if number:
            workers.append(threading.current_thread())
            deaf.wait()

    results = Pool(2).run(work, range(8))
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert all(thread.daemon and thread.is_alive() for thread in workers)
    n_begun = len(workers)
    deaf.set()
    for thread in workers:
        thread.join()
    assert len(workers) == n_begun


def test_items_are_begun_only_a_little_ahead():
    begun = []
    results = Pool(2).run(begun.append, range(100))
    next(results)
    results.close()
    assert len(begun) <= AHEAD * 2 + 1


def test_work_stops_when_the_caller_does():
    pool = Pool(2)
    running = threading.Event()
    ends = []

    def work(number):
        if number == 0:
            return
        running.set()
        try:
            while True:
                pool.check()
                time.sleep(0.001)
        except Cancelled:
            ends.append(number)
            raise

    results = pool.run(work, range(3))
    next(results)
    running.wait()
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert ends


def test_an_error_of_the_work_is_the_callers():
    def work(number):
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError, match="0"):
        list(Pool(2).run(work, range(3)))
