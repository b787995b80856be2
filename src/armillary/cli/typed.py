"""What people type."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def this_command() -> str:
    """What to type for this command: its name, or its path where a shell would not find it."""
    started = Path(sys.argv[0])
    if shutil.which("armillary") or started.name != "armillary":
        return "armillary"
    return os.path.relpath(started)
