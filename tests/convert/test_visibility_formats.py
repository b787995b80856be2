"""Visibilities in formats of plugins: read like our own, written like our own."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import armillary as arm
from armillary.convert import VisibilityFileError
from armillary.convert.visibility.header import read_header
from armillary.convert.visibility.writer import Output
from armillary.plugins import ContractError, Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry
from armillary.testing import simulated_observation

OPERATION = "convert.visibilities"
MAGIC = b"LETTER "


class Letters:
    """A format: a letter that says where a UVH5 file is."""

    def sniff(self, name: str, first_bytes: bytes) -> float:
        return 1.0 if first_bytes.startswith(MAGIC) else 0.5 * name.endswith(".letter")

    def read(self, path: Path) -> Any:
        return Source(path)

    def write(self, output: Output) -> Any:
        return Sink(output)


class Source:
    chunk_rows = 1

    def __init__(self, path: Path) -> None:
        import h5py

        self.file = h5py.File(path.read_bytes()[len(MAGIC) :].decode())
        self.header = read_header(Path(self.file.filename))

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        visibilities, flags, weights = (
            self.file["Data"][name][start:stop][:, 0] for name in ("visdata", "flags", "nsamples")
        )
        pairs = np.ascontiguousarray(visibilities).view(np.float32)
        return pairs.reshape(*visibilities.shape, 2), flags.astype(np.uint8), weights

    def close(self) -> None:
        self.file.close()


class Sink:
    def __init__(self, output: Output) -> None:
        self.path, self.sum = output.path, 0.0

    def write(
        self, window: int, first_row: int, visibilities: Any, flags: Any, weights: Any
    ) -> None:
        self.sum += float(weights.sum())

    def close(self) -> None:
        self.path.write_text(f"samples: {self.sum:.0f}")

    def abandon(self) -> None:
        pass


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register a converter, and no plugin but that."""
    registry = load_registry(found=[])
    home = types.ModuleType("letters_package")
    home.Converter = Letters  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, home.__name__, home)
    record = Implementation(
        operation=OPERATION, name="letters", target="letters_package:Converter", api=1
    )
    registry.implementations[OPERATION]["letters"] = Registered(record, "letters-dist", "1.0")
    before = set_registry(registry)
    yield home
    set_registry(before)


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """An observation, and letters that say where its files are."""
    observation = simulated_observation(tmp_path, noise=0.1, flagged=0.1)
    paths = []
    for path in observation.paths:
        letter = path.with_suffix(".letter")
        letter.write_bytes(MAGIC + str(path).encode())
        paths.append(letter)
    return observation, paths


def test_files_of_a_plugin_are_converted_like_ours(letters, written, tmp_path):
    observation, paths = written
    arm.convert.visibilities(paths, tmp_path / "theirs.uvh5", phase=observation.source)
    arm.convert.visibilities(observation.paths, tmp_path / "ours.uvh5", phase=observation.source)
    theirs, ours = (read_header(tmp_path / name) for name in ("theirs.uvh5", "ours.uvh5"))
    np.testing.assert_array_equal(theirs.uvw, ours.uvw)
    import h5py

    with h5py.File(theirs.path) as one, h5py.File(ours.path) as other:
        for name in ("visdata", "flags", "nsamples"):
            np.testing.assert_array_equal(one["Data"][name][()], other["Data"][name][()])


def test_a_plugin_writes_files_of_its_own(letters, written, tmp_path):
    observation, _ = written
    report = arm.convert.visibilities(observation.paths, tmp_path / "out.letter")
    (one,) = report.observations
    # What the simulation flags has no samples.
    n = round((1.0 - one.flagged_fraction) * one.n_rows * one.n_channels * one.n_polarizations)
    assert (tmp_path / "out.letter").read_text() == f"samples: {n}"


def test_a_converter_that_is_asked_for_reads_every_file(letters, written, tmp_path):
    observation, paths = written
    report = arm.convert.visibilities(paths, tmp_path / "x.uvh5", backend="letters")
    assert report.observations[0].provenance.backend == "cpu"
    with pytest.raises(UnicodeDecodeError) as error:
        arm.convert.visibilities(observation.paths, tmp_path / "y.uvh5", backend="letters")
    assert any("letters" in note for note in getattr(error.value, "__notes__", []))


def test_without_a_plugin_a_strange_file_is_an_error(written, tmp_path):
    _, paths = written
    with pytest.raises(VisibilityFileError, match="is no HDF5 file"):
        arm.convert.visibilities(paths, tmp_path / "x.uvh5")


def test_a_source_without_a_header_breaks_the_contract(letters, written, tmp_path, monkeypatch):
    _, paths = written
    monkeypatch.setattr(Letters, "read", lambda self, path: types.SimpleNamespace(close=int))
    with pytest.raises(ContractError, match="into no Header"):
        arm.convert.visibilities(paths, tmp_path / "x.uvh5")
