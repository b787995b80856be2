"""``armillary demo convert``: a simulated observation, said to be one, and what becomes of it."""

from __future__ import annotations

import re
import sys

import h5py
import numpy as np
import pytest

from armillary.cli import simulated_array
from armillary.testing import simulated_observation

pytest.importorskip("matplotlib", reason="the demonstration draws")

PICTURE = "simulated.png"


@pytest.fixture
def small(monkeypatch):
    """An observation of fewer antennas and channels."""
    monkeypatch.setitem(simulated_array.SIZE, "n_antennas", 6)
    monkeypatch.setitem(simulated_array.SIZE, "n_channels", 8)
    monkeypatch.setattr(simulated_array, "NOISE", 0.01)


@pytest.fixture
def without_casacore(monkeypatch):
    """A machine on which python-casacore is not installed."""
    monkeypatch.setitem(sys.modules, "casacore.tables", None)


def test_the_list_names_it_and_says_that_it_is_simulated(armillary):
    assert re.search(r"armillary demo convert .*simulated", armillary("demo").stdout)


def test_a_measurement_set_is_made_in_which_the_source_is_where_it_was_put(
    armillary, small, tmp_path
):
    tables = pytest.importorskip("casacore.tables", reason="python-casacore is not installed")
    result = armillary("demo", "convert", "-o", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Simulated, not real:")
    assert "768" not in result.stdout and "128 channels ascending" in result.stdout
    with tables.table(str(tmp_path / "demo" / "simulated.ms"), ack=False) as table:
        seen = table.getcol("DATA")[~table.getcol("FLAG")]
    assert np.abs(np.angle(seen)).max() < 0.1
    assert (tmp_path / "demo" / PICTURE).stat().st_size > 10_000
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "simulated.ms",
        PICTURE,
    ]


def test_without_casacore_it_says_so_and_makes_a_uvh5_file(
    armillary, small, without_casacore, tmp_path
):
    result = armillary("demo", "convert", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert "pip install 'armillary[ms]'" in result.stdout
    assert "one UVH5 file is written instead" in result.stdout
    with h5py.File(tmp_path / "simulated.uvh5") as file:
        assert file["Header/Nfreqs"][()] == 128
    assert (tmp_path / PICTURE).is_file()


def test_it_can_be_shown_twice(armillary, small, without_casacore, tmp_path):
    assert armillary("demo", "convert", "-o", tmp_path).exit_code == 0
    assert armillary("demo", "convert", "-o", tmp_path).exit_code == 0


def test_a_source_elsewhere_is_told_and_no_success(
    armillary, small, without_casacore, monkeypatch, tmp_path
):
    monkeypatch.setattr(simulated_array, "FLAT", 1e-9)
    assert armillary("demo", "convert", "-o", tmp_path).exit_code == 1


def test_nothing_is_left_of_the_simulated_files(
    armillary, small, without_casacore, monkeypatch, tmp_path
):
    (place := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert armillary("demo", "convert", "-o", tmp_path / "demo").exit_code == 0
    assert list(place.iterdir()) == []


# ------------------------------------------------------------------ what is seen


def test_files_are_read_as_they_were_written(tmp_path):
    observation = simulated_observation(tmp_path)
    recorded = simulated_array.read_subbands(observation.paths)
    np.testing.assert_allclose(recorded.frequency[::-1], observation.frequency)
    np.testing.assert_allclose(
        recorded.visibilities[:, ::-1], observation.visibilities(), atol=1e-6
    )


def test_what_is_flagged_is_nowhere(tmp_path):
    observation = simulated_observation(tmp_path, flagged=0.3)
    recorded = simulated_array.read_subbands(observation.paths)
    assert np.isnan(recorded.visibilities).mean() == pytest.approx(0.3, abs=0.05)
    assert np.isfinite(simulated_array.coherence(recorded, observation))


def test_drawn_baselines_are_some_from_short_to_long(tmp_path):
    observation = simulated_observation(tmp_path)
    chosen = simulated_array.drawn_baselines(observation)
    length = np.linalg.norm(observation.baselines, axis=1)
    crossed = observation.antenna1 != observation.antenna2
    assert len(set(chosen)) == simulated_array.N_DRAWN
    assert np.all(np.diff(length[chosen]) > 0)
    assert (length[chosen[0]], length[chosen[-1]]) == (length[crossed].min(), length.max())
