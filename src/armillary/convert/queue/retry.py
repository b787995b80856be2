"""What is tried again, and when."""

from __future__ import annotations

from collections.abc import Callable

#: Seconds before the first new try, by how much each next one is later, and the most.
FIRST_DELAY, GROWTH, LONGEST_DELAY = 5.0, 3.0, 600.0
#: Part by which a delay is made longer or shorter, so that many machines do not try at once.
JITTER = 0.2

#: OSErrors that say the same next time.
_LASTING = (FileExistsError, IsADirectoryError, NotADirectoryError)


def may_pass(error: BaseException) -> bool:
    """Whether an error is one of input or output that may not come again."""
    return isinstance(error, OSError) and not isinstance(error, _LASTING)


def delay(attempts: int, random: Callable[[], float]) -> float:
    """Seconds to wait after so many tries.

    Parameters
    ----------
    attempts : int
        Tries so far, at least 1.
    random : callable
        Gives numbers in [0, 1).
    """
    plain = min(FIRST_DELAY * GROWTH ** (attempts - 1), LONGEST_DELAY)
    return plain * (1.0 + JITTER * (2.0 * random() - 1.0))
