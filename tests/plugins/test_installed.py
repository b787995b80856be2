"""A plugin that is really built and installed, and found by a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import armillary

PROJECT = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "armillary-orrery"
        version = "0.4.2"

        [project.entry-points.armillary]
        orrery = "armillary_orrery.plugin"
        sundial = "armillary_orrery.not_there"

        [tool.setuptools]
        packages = ["armillary_orrery"]
    """,
    "armillary_orrery/__init__.py": "",
    "armillary_orrery/plugin.py": """
        from armillary.plugins import Implementation, hookimpl

        @hookimpl
        def armillary_search():
            yield Implementation(
                operation="search.bls", name="orrery", target="armillary_orrery.bls:bls", api=1
            )
    """,
    "armillary_orrery/bls.py": """
        from armillary.search.box.reference import bls
    """,
}

#: Searches a small light curve; prints what was chosen, found, imported and warned of.
SEARCH = """
import json, sys, warnings
import numpy as np
import armillary as arm
rng = np.random.default_rng(5)
time = np.linspace(0.0, 9.0, 300)
flux = 1 + 1e-3 * rng.standard_normal(300)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = arm.search.bls(time, flux, 1e-3, period=[1.5, 2.5, 4.0], duration=0.2)
    names = [backend.name for backend in arm.list_backends("search.bls")]
print(json.dumps({
    "provenance": found.provenance.to_dict(),
    "delta_chi2": [value.hex() for value in found.delta_chi2],
    "backends": names,
    "target imported": "armillary_orrery.bls" in sys.modules,
    "warnings": [str(w.message) for w in caught],
}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip installed the project."""
    for needed in ("pip", "setuptools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is needed to install a distribution and is not here")
    source = tmp_path_factory.mktemp("orrery")
    for name, text in PROJECT.items():
        path = source / name
        path.parent.mkdir(exist_ok=True)
        lines = text.strip("\n").splitlines()
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True
    )
    return target


def run(*path, **settings):
    """The search in a fresh process that sees armillary and these folders."""
    home = Path(armillary.__file__).parents[1]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ARMILLARY_")}
    environment = clean | {"PYTHONPATH": os.pathsep.join(map(str, (home, *path)))} | settings
    done = subprocess.run(
        [sys.executable, "-c", SEARCH], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_it_is_found_and_changes_no_result_until_it_is_named(site):
    without, beside = run(), run(site)
    assert "orrery" not in without["backends"]
    assert "orrery" in beside["backends"]
    assert beside["provenance"] == without["provenance"]
    assert beside["delta_chi2"] == without["delta_chi2"]
    assert beside["target imported"] is False


def test_it_runs_when_it_is_named(site):
    found = run(site, ARMILLARY_BACKEND_SEARCH="orrery")
    provenance = found["provenance"]
    assert (provenance["backend"], provenance["distribution"], provenance["version"]) == (
        "orrery",
        "armillary-orrery",
        "0.4.2",
    )
    assert provenance["chosen_by"] == "environment ARMILLARY_BACKEND_SEARCH=orrery"
    assert found["target imported"] is True


def test_its_broken_half_is_warned_of_once_and_does_not_touch_the_other(site):
    (warning,) = [w for w in run(site)["warnings"] if "armillary-orrery" in w]
    assert "'sundial' of armillary-orrery 0.4.2 is off (import)" in warning


def test_it_can_be_kept_out(site):
    assert "orrery" not in run(site, ARMILLARY_BLOCK="armillary_orrery")["backends"]
