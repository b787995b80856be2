"""Light curves on disk, and the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from armillary.cli.main import app
from armillary.io import write_image
from armillary.testing import simulated_galaxy, simulated_light_curve

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def armillary():
    """Run the command in this process."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def environment():
    """The variables of a process that sees armillary and some folders, and no settings."""

    def variables(path=(), **more):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ARMILLARY_")}
        search_path = [*map(str, path), str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]
        return {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, search_path)), **more}

    return variables


@pytest.fixture
def distribution(tmp_path):
    """Install a distribution with a plugin of one module; give the folder it is in."""

    def install(name, source):
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-0.3.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
        (info / "entry_points.txt").write_text(f"[armillary]\n{name} = {name}\n")
        (site / f"{name}.py").write_text(textwrap.dedent(source))
        return site

    return install


@pytest.fixture
def shell(tmp_path, environment):
    """Run Python in a process of its own, in an empty folder."""

    def run(*arguments, path=(), **variables):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment(path, **variables),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def star(tmp_path):
    """Write a light curve with transits; give the path and the truth."""

    def write(name="star.csv", *, seed=1, header="time,flux,flux_err", scale=1.0, **options):
        options = {"period": 3.4, "t0": 1.3, "snr": 30.0, "cadence": 1 / 48, **options}
        truth = simulated_light_curve(seed, **options)
        path = tmp_path / name
        columns = np.column_stack([truth.time, scale * truth.flux, scale * truth.flux_err])
        np.savetxt(path, columns, delimiter=",", header=header, comments="", fmt="%.9f")
        return path, truth

    return write


@pytest.fixture
def galaxy(tmp_path):
    """Write the image of a galaxy; give the path and the truth."""

    def write(name="galaxy.fits", *, shape=(70, 90), **options):
        options = {"effective_radius": 8.0, "sersic_index": 1.0, "snr": 50.0, **options}
        truth = simulated_galaxy(shape, **options)
        path = tmp_path / name
        write_image(path, truth.image, header={"OBJECT": "simulated", "CRVAL1": 12.5})
        return path, truth

    return write
