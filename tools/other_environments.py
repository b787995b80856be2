"""Test armillary on other interpreters, and with the oldest dependencies it allows.

Every interpreter from 3.11 on that is at hand gets an environment of its own
(``.venv-3.12`` and so on), kept for the next time. The first of them (the running one
where there is no other) gets the lower bounds of pyproject.toml and more of the tests;
the others get the newest dependencies. Environments are made side by side, and what
one has to say is printed when it is done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
#: What shows that core works on an interpreter: kernels, selection, package.
PORTABLE = [
    "tests/search/test_box_kernel.py",
    "tests/search/test_periodogram.py",
    "tests/plugins/test_selection.py",
    "tests/test_package.py",
    "tests/crossmatch/test_front_door.py",
    "tests/fit/test_isophotes.py",
]
#: What meets dependencies in all their variety; it needs the extra ``test`` and no other.
THOROUGH = [
    "tests/plugins",
    "tests/runtime",
    "tests/cache",
    "tests/io",
    "tests/search/test_bls_batch.py",
    "tests/search/test_bls_input.py",
    "tests/search/test_device_arrays.py",
    "tests/search/test_grid.py",
    "tests/search/test_template.py",
    "tests/search/test_template_kernel.py",
    "tests/convert/test_catalog.py",
    "tests/convert/test_validation.py",
    "tests/convert/test_visibilities.py",
    "tests/crossmatch/test_catalog.py",
    "tests/crossmatch/test_catalogs.py",
    "tests/crossmatch/test_epochs.py",
    "tests/crossmatch/test_matches.py",
    "tests/crossmatch/test_sky_kernel.py",
    "tests/fit/test_isophote_kernel.py",
    "tests/fit/test_isophote_tables.py",
    "tests/fit/test_model_image.py",
    *PORTABLE,
]


def other_interpreters() -> dict[tuple[int, int], Path]:
    """Minor version -> interpreter, the running version left out."""
    candidates = [shutil.which(f"python3.{minor}") for minor in range(OLDEST_PYTHON[1], 30)]
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(managed.glob("3.*/bin/python3"))
    found: dict[tuple[int, int], Path] = {}
    for candidate in filter(None, candidates):
        version = version_of(candidate)
        if version and version >= OLDEST_PYTHON and version != sys.version_info[:2]:
            found.setdefault(version, Path(candidate))
    return dict(sorted(found.items()))


def version_of(interpreter: str | Path) -> tuple[int, int] | None:
    """Its version, or None if it does not run (a shim without a version behind it)."""
    run = subprocess.run([interpreter, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"Python (\d+)\.(\d+)", run.stdout)
    return (int(match[1]), int(match[2])) if run.returncode == 0 and match else None


def lower_bounds() -> list[str]:
    """The dependencies of core and of its tests, each pinned to its lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] + project["optional-dependencies"]["test"]
    return [requirement.replace(">=", "==") for requirement in requirements]


def source_distribution() -> Path:
    """The sources as they would be published: what is missing there is missing in the tests."""
    folder = ROOT / "build" / "sdist"
    build = f"import setuptools.build_meta as backend; print(backend.build_sdist({str(folder)!r}))"
    return folder / run([sys.executable, "-c", build]).splitlines()[-1]


def test_in(
    name: str, interpreter: Path, sources: Path, requirements: list[str], tests: list[str]
) -> None:
    """Install the sources and their requirements into ``.venv-NAME`` and test them."""
    environment = ROOT / f".venv-{name}"
    python = environment / "bin" / "python"
    if not python.exists():
        run([interpreter, "-m", "venv", environment])
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Compiling every module of every dependency would take longer than the tests.
    install = [*pip, "install", "--no-compile"]
    run([*install, "setuptools>=77", "wheel", "cython", *requirements])
    # Uninstalled first: the version number does not change between two edits.
    run([*pip, "uninstall", "--yes", "armillary"])
    run([*install, "--no-build-isolation", sources])
    tested = run([python, "-m", "pytest", "-q", "-r", "fE", "-p", "no:cacheprovider", *tests])
    print(f"{name}: {tested.splitlines()[-1]}", flush=True)


def run(command: list[str | Path]) -> str:
    """The output of a command; if it fails, its output and an error."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, flush=True)
        raise RuntimeError(f"{' '.join(map(str, command))} failed with status {done.returncode}")
    return done.stdout


def main() -> None:
    """Make and test every environment, two at a time."""
    others = other_interpreters() or {sys.version_info[:2]: Path(sys.executable)}
    oldest, *newer = others.items()
    sources = source_distribution()
    name = f"{oldest[0][0]}.{oldest[0][1]}-oldest"
    # Side by side: the other environments are done in a fraction of the time.
    jobs = [(name, oldest[1], sources, lower_bounds(), ["-n", "2", *THOROUGH])]
    for version, interpreter in newer:
        name = f"{version[0]}.{version[1]}"
        jobs.append((name, interpreter, sources, ["pytest", "hypothesis"], PORTABLE))
    with ThreadPoolExecutor(2) as pool:
        for finished in [pool.submit(test_in, *job) for job in jobs]:
            finished.result()


if __name__ == "__main__":
    main()
