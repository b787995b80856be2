"""What tests of several parts share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Ctrl-C as in a terminal: a shell has processes in the background ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is computed, whatever the environment of who tests asks for."""
    monkeypatch.delenv("ARMILLARY_CACHE", raising=False)


@pytest.fixture(scope="session")
def transit_data() -> Path:
    """The folder of real light curves; tests that need it are skipped where it is not."""
    return _real_data("transit")


@pytest.fixture(scope="session")
def crossmatch_data() -> Path:
    """The folder of real catalogues; the same."""
    return _real_data("crossmatch")


@pytest.fixture(scope="session")
def image_data() -> Path:
    """The folder of real images; the same."""
    return _real_data("images")


@pytest.fixture(scope="session")
def visibility_data() -> Path:
    """The folder of real visibilities; the same."""
    return _real_data("visibilities")


def _real_data(name: str) -> Path:
    root = Path(os.environ.get("ARMILLARY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ARMILLARY_TEST_DATA to where they are")
    return folder
