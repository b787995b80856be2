"""A result that grows is stopped while there is memory left, with a sentence."""

from __future__ import annotations

import threading

import psutil
import pytest

from armillary.runtime import memory
from armillary.runtime.memory import (
    FRACTION,
    MemoryGuard,
    ResultTooLarge,
    available_memory,
    memory_for_results,
    memory_limit,
    total_memory,
)


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


def test_what_is_too_large_tells_in_how_many_parts_it_would_fit(free):
    free(1000)
    with pytest.raises(ResultTooLarge) as caught:
        MemoryGuard(n_rows=100, bytes_per_item=10).add(rows=10, items=100)
    assert caught.value.parts == 13  # a thousand items in all, eighty at a time


def test_a_block_may_set_what_results_may_take(free):
    free(10**9)
    with memory_for_results(500):
        guard = MemoryGuard(n_rows=10, bytes_per_item=10)
    assert guard.most == 50
    assert MemoryGuard(n_rows=10, bytes_per_item=10).most > 50


@pytest.fixture
def control_group(tmp_path, monkeypatch):
    """A control group of 1000 bytes of which 700 are used, 200 of them pages of files."""
    group = tmp_path / "job"
    group.mkdir()
    (group / "memory.max").write_text("1000\n")
    (group / "memory.current").write_text("700\n")
    (group / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    (tmp_path / "memory.max").write_text("max\n")
    own = tmp_path / "cgroup"
    own.write_text("0::/job\n")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_CONTROL_GROUPS", own)


@pytest.mark.usefixtures("control_group")
def test_the_limit_of_a_control_group_counts():
    assert available_memory() == 500
    assert memory_limit(None) == 250


def test_a_system_without_control_groups_has_all_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "OWN_CONTROL_GROUPS", tmp_path / "none")
    assert total_memory() == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("given", "n_bytes"),
    [(5e9, 5 * 10**9), ("4GB", 4 * 10**9), ("512 MiB", 2**29), ("1.5g", 1_500_000_000), (1, 1)],
)
def test_a_limit_is_a_number_of_bytes_or_a_text(given, n_bytes):
    assert memory_limit(given) == n_bytes


@pytest.mark.parametrize("given", [0, -1, True, "lots", "4 XB", "", float("nan"), "1.2.3GB"])
def test_anything_else_is_no_limit(given):
    with pytest.raises(ValueError, match="memory must be a number of bytes or a text"):
        memory_limit(given)
