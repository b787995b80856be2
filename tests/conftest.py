"""What tests of several parts share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def transit_data() -> Path:
    """The folder of real light curves; tests that need it are skipped where it is not."""
    root = Path(os.environ.get("ARMILLARY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = root / "transit"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ARMILLARY_TEST_DATA to where they are")
    return folder
