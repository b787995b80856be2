"""What tests of several parts share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real data; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("ARMILLARY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ARMILLARY_TEST_DATA to where they are")
    return folder
