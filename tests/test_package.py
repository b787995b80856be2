"""What `import armillary` costs and offers."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import armillary

REPOSITORY = Path(__file__).parents[1]

#: What is heavy, and imported only by what needs it.
HEAVY = {"astropy", "scipy", "h5py", "pyarrow", "pandas", "matplotlib", "rich", "typer", "wotan"}


def imported_by(code):
    """The top-level modules that a fresh process has imported after running the code."""
    home = Path(armillary.__file__).parents[1]
    report = (
        "\nimport json, sys\nprint(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        env=os.environ | {"PYTHONPATH": str(home), "ARMILLARY_NO_PLUGINS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "code",
    [
        "import armillary",
        "import armillary as arm; arm.search",
        "import armillary as arm; arm.search.bls",
        "import armillary as arm; arm.explain('search.bls'); arm.list_backends('search.bls')",
        "import armillary as arm; arm.Star(); dir(arm); dir(arm.search)",
        "import armillary as arm\n"
        "arm.search.bls([0., 1, 2, 3, 4, 5], [1., 2, 1, 2, 1, 1], 1.0, period=[2.], duration=.5)",
    ],
    ids=["package", "family", "operation", "selection", "names", "a search of plain arrays"],
)
def test_nothing_heavy_is_imported_for(code):
    assert imported_by(code) & HEAVY == set()


def test_importing_the_package_alone_does_not_even_import_numpy_or_pluggy():
    assert imported_by("import armillary") & {"numpy", "pluggy"} == set()


def test_the_kernels_leave_denormal_numbers_alone():
    code = (
        "import armillary.search.box.kernel as kernel\n"
        "import numpy as np\n"
        "assert 5e-324 != 0.0 and float(np.float64(1e-310) / 2) != 0.0\n"
        "assert (np.full(64, 1e-310) * 0.5 != 0.0).all()\n"
    )
    assert "armillary" in imported_by(code)


def test_a_search_leaves_denormal_numbers_alone():
    code = (
        "import armillary as arm\n"
        "arm.search.bls([0., 1, 2, 3, 4, 5], [1., 2, 1, 2, 1, 1], 1.0, period=[2.], duration=.5)\n"
        "import numpy as np\n"
        "assert 5e-324 != 0.0 and (np.full(64, 1e-310) * 0.5 != 0.0).all()\n"
    )
    assert "armillary" in imported_by(code)


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    source = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    module, _, name = source.rpartition(".")
    assert getattr(importlib.import_module(module), name) == armillary.__version__


def test_the_version_is_that_of_the_distribution():
    try:
        installed = importlib.metadata.version("armillary")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("armillary runs from its source tree here and is not installed")
    assert installed == armillary.__version__


@pytest.mark.parametrize(
    "name", ["armillary", "armillary.search", "armillary.io", "armillary.plugins"]
)
def test_every_public_name_is_there_and_listed(name):
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(set(module.__all__), key=module.__all__.index)
    for public in module.__all__:
        assert getattr(module, public) is not None
        assert public in dir(module)


@pytest.mark.parametrize("name", ["armillary", "armillary.search"])
def test_every_name_that_a_package_lists_can_be_had(name):
    module = importlib.import_module(name)
    for listed in dir(module):
        getattr(module, listed)


@pytest.mark.parametrize("name", ["armillary", "armillary.search"])
def test_a_name_that_is_not_there_is_an_attribute_error_that_names_both(name):
    module = importlib.import_module(name)
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'orrery'"):
        module.orrery  # noqa: B018


def test_a_public_name_is_the_same_object_each_time():
    assert armillary.search.bls is armillary.search.bls
    assert armillary.plugins is importlib.import_module("armillary.plugins")


def test_the_log_is_silent_until_its_user_asks():
    code = "import armillary, logging\nlogging.getLogger('armillary.anything').error('to nobody')\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(armillary.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
