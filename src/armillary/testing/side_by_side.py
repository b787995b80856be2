"""Work that many threads do at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .kit import require


def require_in_threads(n: int, work: Callable[[int], None]) -> None:
    """Do some work in n threads that begin together, each told its number.

    Raises
    ------
    CheckFailed
        If any of them raises something.
    """
    problems: list[str] = []
    start = threading.Barrier(n)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except Exception as error:
            problems.append(str(error) or type(error).__name__)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    require(not problems, f"in {len(problems)} of {n} threads: {problems[:1]}")
