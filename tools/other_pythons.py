"""Build and test armillary on every other interpreter from 3.11 on that is at hand.

Each gets an environment of its own (``.venv-3.12`` and so on), kept for the next
time, a wheel built from the sources, and the tests marked ``kernel``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent


def interpreters() -> dict[tuple[int, int], Path]:
    """Minor version -> interpreter, the running version left out."""
    candidates = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30)]
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(managed.glob("3.*/bin/python3"))
    found: dict[tuple[int, int], Path] = {}
    for candidate in filter(None, candidates):
        version = version_of(candidate)
        if version and version >= OLDEST and version != sys.version_info[:2]:
            found.setdefault(version, Path(candidate))
    return dict(sorted(found.items()))


def version_of(interpreter: str | Path) -> tuple[int, int] | None:
    """Its version, or None if it does not run (a shim without a version behind it)."""
    run = subprocess.run([interpreter, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"Python (\d+)\.(\d+)", run.stdout)
    return (int(match[1]), int(match[2])) if run.returncode == 0 and match else None


def test_on(version: tuple[int, int], interpreter: Path) -> None:
    """Install the sources as a wheel and run the tests of the kernels."""
    environment = ROOT / f".venv-{version[0]}.{version[1]}"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([interpreter, "-m", "venv", environment], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Uninstalled first: the version number does not change between two edits.
    subprocess.run([*pip, "uninstall", "--yes", "armillary"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([*pip, "install", ".", "pytest", "hypothesis"], cwd=ROOT, check=True)
    print(f"Python {version[0]}.{version[1]}:", flush=True)
    subprocess.run(
        [python, "-m", "pytest", "-q", "-m", "kernel", "-p", "no:cacheprovider", "tests"],
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    for version, interpreter in interpreters().items():
        test_on(version, interpreter)
