"""What the examples of the guides need: a folder of their own, with two simulated TESS files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from armillary.cache.choice import close_named
from armillary.plugins.registry import set_registry

# Examples of the plugin author guide that have tests want to be installed for them.
TESTED = ("bincount", "strips")
collect_ignore = [
    f"examples/armillary-{name}" for name in TESTED if not find_spec(f"armillary_{name}")
]

PERIOD, T0, DURATION, DEPTH = 4.2567, 1326.9, 0.125, 1.5e-3
FLAGGED, UNREADABLE = slice(1200, 1240), slice(300, 310)


@pytest.fixture(autouse=True)
def folder_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder with ``sector_1.fits`` and ``sector_2.fits``, and no settings in force.

    The cache of whoever runs this is left alone: there is another one for each page.
    """
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ARMILLARY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("armillary.cache.disk.folder.default_path", lambda: tmp_path / "cache")
    for sector, first in ((1, 1325.0), (2, 1354.0)):
        write_sector(tmp_path / f"sector_{sector}.fits", sector, first)
    close_named()
    yield
    close_named()


def write_sector(path: Path, sector: int, first: float) -> None:
    """A light curve laid out like those of TESS: a turning star, transits, flags and NaN."""
    from astropy.io import fits

    rng = np.random.default_rng(sector)
    time = first + np.arange(0.0, 27.0, 1.0 / 144.0)
    relative = 1.0 + 5e-3 * np.sin(2.0 * np.pi * time / 6.1) + 4e-4 * rng.standard_normal(len(time))
    cycle = (time - T0) / PERIOD
    relative[np.abs(cycle - np.rint(cycle)) * PERIOD < 0.5 * DURATION] -= DEPTH
    flux = 1000.0 * sector * relative
    flux[UNREADABLE] = np.nan
    quality = np.zeros(len(time), np.int32)
    quality[FLAGGED] = 128
    error = np.full(len(time), 0.4 * sector)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", unit="BJD - 2457000, days", array=time),
            fits.Column("PDCSAP_FLUX", "E", unit="e-/s", array=flux),
            fits.Column("PDCSAP_FLUX_ERR", "E", unit="e-/s", array=error),
            fits.Column("QUALITY", "J", array=quality),
        ]
    )
    for header in (primary := fits.PrimaryHDU()).header, table.header:
        header["TELESCOP"] = "TESS"
        header["OBJECT"] = "TIC 123456789"
        header["SECTOR"] = sector
        header["BJDREFI"], header["BJDREFF"], header["TIMESYS"] = 2457000, 0.0, "TDB"
    fits.HDUList([primary, table]).writeto(path)


@pytest.fixture
def strips_of_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The tutorial's backend, as if it were installed; its registry ends with the page."""
    yield from installed_example("armillary-strips", monkeypatch, tmp_path)


@pytest.fixture
def converter_of_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same for the example of a converter."""
    yield from installed_example("armillary-npy", monkeypatch, tmp_path)


@pytest.fixture
def store_of_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same for the example of a store."""
    yield from installed_example("armillary-lru", monkeypatch, tmp_path)


def installed_example(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make an example one that is found, for as long as the generator is held."""
    example = Path(__file__).parent / "examples" / name
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    module, version = name.replace("-", "_"), project["version"]
    info = tmp_path / "site" / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    points = project["entry-points"]["armillary"].items()
    lines = [f"{point} = {target}" for point, target in points]
    (info / "entry_points.txt").write_text("\n".join(["[armillary]", *lines, ""]))
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.syspath_prepend(example / "src")
    before = set_registry(None)
    yield
    set_registry(before)
