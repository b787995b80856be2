"""Blocks on threads: each once, errors and interrupts at once, progress from the caller."""

from __future__ import annotations

import _thread
import contextvars
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.runtime import blocks as module
from armillary.runtime.blocks import Rest, run_blocks


def armillary_threads():
    return [t for t in threading.enumerate() if t.name.startswith("armillary-")]


@settings(max_examples=50)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 6))
def test_every_block_is_done_once_for_any_number_of_threads(blocks, threads):
    done = []
    run_blocks(blocks, done.append, threads=threads)
    assert sorted(done) == sorted(blocks)
    assert not armillary_threads()


def test_one_thread_is_the_callers_and_keeps_the_order():
    done = []
    run_blocks(range(20), lambda block: done.append((block, threading.get_ident())))
    assert done == [(n, threading.get_ident()) for n in range(20)]


def test_no_more_threads_are_used_than_there_are_blocks():
    meeting = threading.Barrier(2, timeout=10)
    used = set()

    def work(block):
        meeting.wait()
        used.add(threading.get_ident())
        assert len(armillary_threads()) == 1

    run_blocks([0, 1], work, threads=16)
    assert len(used) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_ends_the_run_and_blocks_not_begun_are_not_begun(threads):
    begun = []
    failing = threading.Event()

    def work(block):
        begun.append(block)
        if block == 5:
            failing.set()
            raise ZeroDivisionError("in block 5")
        if block > 5:
            failing.wait(10)
            time.sleep(1e-4)

    with pytest.raises(ZeroDivisionError, match="in block 5"):
        run_blocks(range(10_000), work, threads=threads)
    assert len(begun) < 10_000
    assert not armillary_threads()


def test_an_error_in_a_helper_thread_reaches_the_caller():
    caller = threading.get_ident()
    failed = threading.Event()

    def work(block):
        if threading.get_ident() == caller:
            failed.wait(10)
        else:
            failed.set()
            raise KeyError(block)

    with pytest.raises(KeyError):
        run_blocks(range(100), work, threads=2)


def test_an_interrupt_stops_the_helpers_too():
    caller = threading.get_ident()
    begun = []

    def work(block):
        begun.append(block)
        if threading.get_ident() == caller:
            raise KeyboardInterrupt
        time.sleep(1e-4)

    with pytest.raises(KeyboardInterrupt):
        run_blocks(range(100_000), work, threads=3)
    assert len(begun) < 100_000
    assert not armillary_threads()


def test_a_real_interrupt_is_honoured_between_two_blocks():
    begun = []

    def work(block):
        begun.append(block)
        if block == 50:
            _thread.interrupt_main()
        time.sleep(1e-5)

    with pytest.raises(KeyboardInterrupt):
        run_blocks(range(1_000_000), work, threads=2)
    assert 50 < len(begun) < 1_000_000
    assert not armillary_threads()


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_grows_ends_with_the_whole_and_comes_from_the_caller(monkeypatch, threads):
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.0)
    reports = []

    def progress(done, total):
        assert threading.current_thread() is threading.main_thread()
        reports.append((done, total))

    blocks = [range(n) for n in range(1, 30)]
    whole = sum(map(len, blocks))
    run_blocks(blocks, list, threads=threads, size=len, progress=progress)
    assert reports == sorted(reports)
    assert reports[-1] == (whole, whole)
    assert {total for _, total in reports} == {whole}


def test_no_blocks_are_no_work_and_a_finished_report():
    reports = []
    run_blocks([], print, threads=4, progress=lambda *report: reports.append(report))
    assert reports == [(0, 0)]


def test_short_work_reports_only_its_end():
    reports = []
    run_blocks(range(5), str, progress=lambda *report: reports.append(report))
    assert reports[-1] == (5, 5)
    assert len(reports) <= 2


def test_an_error_of_the_callback_ends_the_run(monkeypatch):
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.0)
    begun = []

    def work(block):
        begun.append(block)
        time.sleep(1e-4)

    def progress(done, total):
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        run_blocks(range(10_000), work, threads=2, progress=progress)
    assert len(begun) < 10_000


def test_the_context_of_the_caller_is_seen_in_every_thread():
    mark = contextvars.ContextVar("mark", default="none")
    meeting = threading.Barrier(3, timeout=10)
    seen = []

    def work(_):
        meeting.wait()
        seen.append(mark.get())

    mark.set("the caller's")
    run_blocks(range(3), work, threads=3)
    assert seen == ["the caller's"] * 3


@pytest.mark.parametrize("threads", [1, 3])
def test_work_may_do_a_block_piece_by_piece(threads):
    done = []

    def work(block):
        first, last = block
        done.append(first)
        return Rest((first + 1, last)) if first + 1 < last else None

    counts = []
    run_blocks(
        [(0, 5), (5, 6), (6, 20)],
        work,
        threads=threads,
        size=lambda block: block[1] - block[0],
        progress=lambda *count: counts.append(count),
    )
    assert sorted(done) == list(range(20))
    assert counts[-1] == (20, 20)


def test_an_error_stops_what_remains_of_blocks_elsewhere():
    done = []
    begun = threading.Event()

    def work(block):
        if block == "bad":
            begun.wait(10)
            raise ValueError("bad")
        begun.set()
        done.append(block)
        time.sleep(0.001)
        return Rest(block)  # without end

    with pytest.raises(ValueError, match="bad"):
        run_blocks(["endless", "bad"], work, threads=2)
    assert done
