"""A result that grows is stopped while there is memory left, with a sentence."""

from __future__ import annotations

import threading

import psutil
import pytest

from armillary.runtime import memory
from armillary.runtime.memory import FRACTION, MemoryGuard, available_memory


@pytest.fixture
def free(monkeypatch):
    """Set how many bytes are free."""
    return lambda n: monkeypatch.setattr(memory, "available_memory", lambda: n)


def test_the_memory_that_is_free_is_part_of_the_machines():
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_a_guard_lets_through_what_fits(free):
    free(1000)
    guard = MemoryGuard(n_rows=100, bytes_per_item=10)
    for _ in range(8):
        guard.add(rows=1, items=10)  # 80 items of 10 bytes: the fraction of 1000


def test_a_guard_stops_at_the_first_item_that_does_not_fit(free):
    free(1000)
    guard = MemoryGuard(n_rows=100, bytes_per_item=10)
    guard.add(rows=10, items=int(FRACTION * 100))
    with pytest.raises(MemoryError):
        guard.add(rows=0, items=1)


def test_the_sentence_tells_how_large_the_whole_would_be_and_what_there_is(free):
    free(10 * 2**30)
    guard = MemoryGuard(n_rows=1000, bytes_per_item=48)
    with pytest.raises(MemoryError) as caught:
        guard.add(rows=100, items=2 * 2**30)
    whole = 10 * 2 * 2**30  # a tenth of the rows brought that many
    assert f"about {whole:.2g} pairs" in str(caught.value)
    assert f"{whole * 48 / 2**30:,.1f} GiB" in str(caught.value)
    assert f"{FRACTION * 10:.1f} GiB of memory can be used" in str(caught.value)
    assert "lower the radius" in str(caught.value)


def test_one_row_may_be_too_much(free):
    free(100)
    with pytest.raises(MemoryError, match="about 1e"):
        MemoryGuard(n_rows=10, bytes_per_item=10).add(rows=0, items=100)


def test_nothing_found_needs_no_memory(free):
    free(0)
    MemoryGuard(n_rows=10, bytes_per_item=48).add(rows=10, items=0)


def test_a_guard_counts_for_all_threads(free):
    free(10**6)
    guard = MemoryGuard(n_rows=4000, bytes_per_item=1)

    def work():
        for _ in range(1000):
            guard.add(rows=1, items=200)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(MemoryError, match=r"about 8e\+05 pairs"):
        guard.add(rows=0, items=1)
