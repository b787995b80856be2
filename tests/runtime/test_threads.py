"""How many threads a call uses, and who may say so."""

from __future__ import annotations

import os

import numpy as np
import pytest

from armillary.plugins import SettingError
from armillary.runtime.threads import default_threads, thread_count


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("ARMILLARY_THREADS", raising=False)


def test_none_means_the_processors_of_this_process():
    assert thread_count(None) == default_threads()
    assert 1 <= default_threads() <= (os.cpu_count() or 1)


def test_a_platform_without_affinity_counts_processors(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert default_threads() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads() == 1


def test_the_environment_decides_where_the_call_does_not(monkeypatch):
    monkeypatch.setenv("ARMILLARY_THREADS", " 3 ")
    assert thread_count(None) == 3
    assert thread_count(5) == 5


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("ARMILLARY_THREADS", "")
    assert default_threads() >= 1


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_a_nonsense_variable_is_an_error_that_names_it(monkeypatch, value):
    monkeypatch.setenv("ARMILLARY_THREADS", value)
    with pytest.raises(SettingError, match=f"ARMILLARY_THREADS='{value}'"):
        thread_count(None)


@pytest.mark.parametrize("threads", [1, 7, np.int32(2)])
def test_any_kind_of_whole_number_will_do(threads):
    assert thread_count(threads) == int(threads)
    assert type(thread_count(threads)) is int


@pytest.mark.parametrize("threads", [0, -1, True, 2.0, "2", np.float64(2)])
def test_anything_else_is_an_error_that_says_what_was_found(threads):
    with pytest.raises(ValueError, match=r"threads must be a whole number .* not"):
        thread_count(threads)
