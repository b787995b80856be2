"""The compiled merge and the reading of chunks, against NumPy and HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.convert.visibility import kernel, reference
from armillary.convert.visibility.chunk_map import raw_dataset
from armillary.convert.visibility.chunks import RawDataset

pytestmark = pytest.mark.kernel


@settings(max_examples=200)
@given(
    n_rows=st.integers(1, 7),
    n_channels=st.integers(1, 300),
    n_polarizations=st.integers(1, 4),
    descending=st.booleans(),
    even=st.booleans(),
    turns=st.booleans(),
    conjugate=st.booleans(),
    wide=st.booleans(),
    before=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_merge_is_that_of_the_reference(
    n_rows: int,
    n_channels: int,
    n_polarizations: int,
    descending: bool,
    even: bool,
    turns: bool,
    conjugate: bool,
    wide: bool,
    before: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    shape = n_rows, n_channels, n_polarizations
    dtype = np.float64 if wide else np.float32
    visibilities = rng.normal(size=(*shape, 2)).astype(dtype)
    flags = rng.integers(0, 2, shape, np.uint8)
    weights = rng.random(shape, np.float32)
    frequency = 1.3e9 + (
        244_140.625 * np.arange(n_channels) if even else np.sort(rng.uniform(0.0, 1e8, n_channels))
    )
    frequency = np.ascontiguousarray(frequency[::-1] if descending else frequency)
    order = np.stack([rng.permutation(n_polarizations) for _ in range(2)]).astype(np.intp)
    arguments = (
        visibilities,
        flags,
        weights,
        frequency,
        even,
        rng.normal(0.0, 1e4, n_rows) if turns else None,
        rng.integers(0, 2, n_rows, np.uint8),
        conjugate,
        order,
        before,
    )
    whole = n_rows, before + n_channels + 3, n_polarizations
    results = []
    for module in (kernel, reference):
        out = (
            np.full((*whole, 2), 7.0, np.float32),
            np.full(whole, 7, np.uint8),
            np.full(whole, 7.0, np.float32),
        )
        module.merge(*arguments, *out)
        results.append(out)
    found, expected = results
    # Turns of 1e4 metres at 1.3 GHz are 4e4: known to 1e-11 of one in double precision.
    allowed = 3e-7 * np.abs(visibilities).max() if turns else 0.0
    np.testing.assert_allclose(found[0], expected[0], rtol=0.0, atol=allowed)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[2], expected[2])


@given(
    n_rows=st.integers(1, 5),
    n_channels=st.integers(1, 40),
    n_polarizations=st.integers(1, 4),
    values=st.sampled_from(["one", "few", "any", "with NaN"]),
    seed=st.integers(0, 1000),
)
def test_medians_are_those_of_numpy(
    n_rows: int, n_channels: int, n_polarizations: int, values: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, n_channels, n_polarizations)).astype(np.float32)
    if values == "one":
        weights[:] = 3.0
    elif values == "few":
        weights = np.rint(weights)
    elif values == "with NaN":
        weights[0, 0, 0] = np.nan
    np.testing.assert_array_equal(kernel.medians(weights), np.median(weights, axis=1))


@settings(max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 13), st.integers(1, 4)),
    chunk=st.tuples(st.integers(1, 17), st.integers(1, 13), st.integers(1, 4)),
    old=st.booleans(),
    dtype=st.sampled_from(["c8", "c16", "f4", "?", "i4 pairs"]),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_rows_read_past_hdf5_are_those_of_hdf5(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    chunk: tuple[int, int, int],
    old: bool,
    dtype: str,
    ends: tuple[int, int],
) -> None:
    path = tmp_path_factory.mktemp("chunks") / "file.h5"
    chunk = tuple(min(c, n) for c, n in zip(chunk, shape, strict=True))  # type: ignore[assignment]
    start, stop = sorted(min(end, shape[0]) for end in ends)
    rng = np.random.default_rng(1)
    values = _values(rng, shape, dtype)
    if old:
        values, chunk = values[:, None], (chunk[0], 1, *chunk[1:])  # type: ignore[assignment]
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values, chunks=chunk)
    with h5py.File(path) as file, open(path, "rb", buffering=0) as raw:
        dataset = raw_dataset(file["data"], raw.fileno())
        assert dataset is not None
        found = dataset.rows(start, stop)
        np.testing.assert_array_equal(found, file["data"][start:stop].reshape(found.shape))


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    numbers = rng.integers(-100, 100, (*shape, 2))
    if dtype == "i4 pairs":
        pairs = np.zeros(shape, [("r", "<i4"), ("i", "<i4")])
        pairs["r"], pairs["i"] = numbers[..., 0], numbers[..., 1]
        return pairs
    return (numbers[..., 0] + (1j * numbers[..., 1] if dtype[0] == "c" else 0)).astype(dtype)


@pytest.mark.parametrize(
    "options",
    [{"compression": "lzf"}, {"dtype": ">f4"}, {"data": None}],
    ids=["compressed", "of another byte order", "never written"],
)
def test_what_only_hdf5_can_read_is_left_to_it(tmp_path: Path, options: dict) -> None:
    usual = {"data": np.ones((8, 4, 2), "f4"), "chunks": (4, 2, 1)}
    chosen = {**usual, **options}
    if chosen["data"] is None:
        chosen = {"shape": (8, 4, 2), "chunks": (4, 2, 1), "dtype": "f4"}
    with h5py.File(tmp_path / "file.h5", "w") as file:
        assert raw_dataset(file.create_dataset("data", **chosen), -1) is None


@pytest.mark.parametrize("chunks", [(2, 1, 3, 2), None])
def test_a_file_with_a_block_of_its_user_is_left_to_hdf5(tmp_path: Path, chunks: Any) -> None:
    with h5py.File(tmp_path / "file.h5", "w", userblock_size=1024) as file:
        data = file.create_dataset("data", data=np.ones((8, 1, 3, 2), "f4"), chunks=chunks)
        assert raw_dataset(data, -1) is None


def test_a_dataset_without_chunks_is_one(tmp_path: Path) -> None:
    values = np.arange(48.0, dtype="f4").reshape(8, 1, 3, 2)
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["data"] = values
    with h5py.File(tmp_path / "file.h5") as file, open(tmp_path / "file.h5", "rb") as raw:
        dataset = raw_dataset(file["data"], raw.fileno())
        np.testing.assert_array_equal(dataset.rows(3, 7), values[3:7, 0])


def raw(file: int, places: list[int], corners: list[tuple[int, int, int]]) -> RawDataset:
    return RawDataset(
        file, np.dtype("f4"), (4, 3, 2), (2, 3, 2), np.array(places), np.array(corners)
    )


@pytest.mark.parametrize("corner", [(0, 9, 0), (0, 0, -1), (4, 0, 0)])
def test_a_chunk_outside_of_its_dataset_is_an_error(corner: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="outside of its dataset"):
        raw(0, [0], [corner])


def test_a_file_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x" * 90)
    with open(tmp_path / "short", "rb") as file:
        dataset = raw(file.fileno(), [0, 48], [(0, 0, 0), (2, 0, 0)])
        assert dataset.rows(0, 2).shape == (2, 3, 2)
        with pytest.raises(OSError, match="ends before"):
            dataset.rows(1, 4)
