"""Many processes and threads at one store on disk, killed without warning at any moment."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

HAMMER = Path(__file__).parent / "hammer.py"
SECONDS = 5.0
#: Kills before a line, and about as many lines of the cache as one story executes.
STORIES, LINES = 60, 6000

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def hammer(*arguments):
    """What it says it did; no answer may have been wrong."""
    done = subprocess.run(
        [sys.executable, str(HAMMER), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "CacheWarning" not in done.stderr, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_no_answer_is_wrong_and_nothing_is_left_however_many_are_killed(folder, disk, inside):
    done = hammer(folder, 1, SECONDS)
    assert done["kills"] > 10 and done["over the budget"] == 0
    store = disk()
    store.stats()  # clears away what the dead have left
    store.verify()  # and what was half removed
    assert store.verify() == []
    said = store.stats()
    assert min(said.hits, said.stored, said.evictions["budget"]) > 100
    assert said.stored_bytes == inside.bytes_in(folder)
    inside.require_tidy(folder)


def test_whichever_line_is_the_last_the_next_one_finds_nothing_wrong(folder, disk, inside):
    # The same folder for all: what one leaves, the next must live with.
    lots = random.Random(2)
    lines = [lots.randrange(1, LINES) for _ in range(STORIES)]
    assert hammer(folder, 100, *lines)["kills"] > STORIES // 2
    store = disk()
    store.stats()
    store.verify()
    inside.require_tidy(folder)
    assert store.put(bytes(16), bytes(500_000)) and store.get(bytes(16)) == bytes(500_000)
