"""Processes with threads that hammer one store, and are killed; run by test_hammer.py.

    python hammer.py FOLDER SEED SECONDS     many at once, killed at any moment
    python hammer.py FOLDER SEED LINES...    one after the other, each killed before a line

It prints what it did as JSON and ends with status 1 if a value was wrong. Workers are forked from
this process, which has no threads and no open store, so that hundreds can be started.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
import traceback
from contextlib import closing
from pathlib import Path

import numpy as np

import armillary as arm
from armillary.cache import MISSING, key_of
from armillary.cache.disk.folder import INDEX
from armillary.cache.disk.store import DiskStore

PROCESSES, THREADS = 4, 4
KEYS = 48
MAX_BYTES = 700_000
WRONG = 3
#: Where lines are counted: whatever is done between a look into the store and its folder.
SOURCE = str(Path(arm.__file__).parent / "cache")


def value_of(name):
    """What belongs to a key, and to no other: any size from nothing to some hundred kB."""
    rng = np.random.default_rng(name)
    n_bytes = int(10 ** rng.uniform(0.0, 5.5))
    return {"name": name, "data": np.frombuffer(rng.bytes(n_bytes), "u1"), "text": "x" * name}


VALUES = [value_of(name) for name in range(KEYS)]


def is_right(name, found):
    wanted = VALUES[name]
    return (
        found["name"] == name
        and found["text"] == wanted["text"]
        and np.array_equal(found["data"], wanted["data"])
    )


def turn(store, rng):
    """One call with a key that is drawn by lot."""
    name = rng.randrange(KEYS)
    what = rng.random()
    if what < 0.5:
        found = store.get(key_of(name), MISSING)
        if found is not MISSING and not is_right(name, found):
            print(f"the value of {name} is wrong: {found!r:.200}", file=sys.stderr, flush=True)
            os._exit(WRONG)
    elif what < 0.9:
        store.put(key_of(name), VALUES[name], cost=rng.random(), label=str(name))
    elif what < 0.995:
        store.delete(key_of(name))
    elif what < 0.997:
        store.clear()
    else:
        store.stats()


def work(path, seed, ready):
    """A process: several threads use one store until they are killed."""
    cache = DiskStore(path=path)

    def use(number):
        rng = random.Random(f"{seed} {number}")
        while True:
            turn(cache, rng)

    for number in range(THREADS - 1):
        threading.Thread(target=use, args=(number,), daemon=True).start()
    os.write(ready, b"x")
    use(THREADS)


def forked(function, *arguments):
    """Call a function in a child, which ends with it; the number of its process."""
    child = os.fork()
    if child:
        return child
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(2)
    os._exit(0)


def over_the_budget(path):
    """Whether what is stored and what is being written is more than there may be."""
    with closing(sqlite3.connect(path / INDEX, timeout=30)) as connection:
        row = connection.execute("SELECT stored_bytes + reserved_bytes - max_bytes FROM state")
        return row.fetchone()[0] > 0


def hammered(path, seed, seconds):
    """Keep so many processes at work, and kill one after the other."""
    rng = random.Random(seed)
    DiskStore(path=path, max_bytes=MAX_BYTES).close()
    read, ready = os.pipe()
    workers, started, kills, too_much = [], 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(workers) < PROCESSES:
            workers.append(forked(work, path, f"{seed} {started}", ready))
            started += 1
            os.read(read, 1)
        time.sleep(0.15 * rng.random())
        too_much += over_the_budget(path)
        kills += killed(workers.pop(rng.randrange(len(workers))))
    for worker in workers:
        kills += killed(worker)
    return {"kills": kills, "over the budget": too_much}


def killed(worker):
    """Kill a worker, which must have been at work."""
    os.kill(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        raise SystemExit(f"a worker ended by itself, with status {status}")
    return 1


# ------------------------------------------------------------------ line by line


def story(path, seed):
    """All that can be done with a store, in an order that depends on the seed alone."""
    rng = random.Random(seed)
    with DiskStore(path=path, max_bytes=600_000) as cache:
        for _ in range(12):
            turn(cache, rng)
        large, small = 40, 41
        for name in (large, small, large):
            cache.put(key_of(name), VALUES[name], cost=1.0)
            cache.get(key_of(name))
        cache.delete(key_of(large))
        cache.verify()


def story_until(path, seed, last):
    """The story, killed before the line of that number."""
    left = last

    def count(frame, event, argument):
        nonlocal left
        if not frame.f_code.co_filename.startswith(SOURCE):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    sys.settrace(count)
    story(path, seed)


def told(path, seed, lines):
    """One story after the other in one folder, each killed before its line."""
    kills = 0
    for number, line in enumerate(lines):
        worker = forked(story_until, path, seed + number, line)
        _, status = os.waitpid(worker, 0)
        kills += os.WIFSIGNALED(status)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit(f"a story ended with status {os.WEXITSTATUS(status)}")
        worker = forked(check, path)
        if os.waitpid(worker, 0)[1]:
            raise SystemExit(f"after a kill before line {line} of story {seed + number}")
    return {"kills": kills}


def check(path):
    """Whatever is there after a kill is right, and there is room for more."""
    with DiskStore(path=path) as cache:
        for name in range(KEYS):
            found = cache.get(key_of(name), MISSING)
            assert found is MISSING or is_right(name, found), name
        assert cache.put(key_of(7), VALUES[7])
        said = cache.stats()
        assert said.stored_bytes <= said.max_bytes, said
        assert said.evictions["corrupt"] <= said.stored


if __name__ == "__main__":
    where, seed = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) == 4:
        done = hammered(where, seed, float(sys.argv[3]))
    else:
        done = told(where, seed, list(map(int, sys.argv[3:])))
    print(json.dumps(done))
