"""What is wrong with a file of visibilities is a sentence; one that was cut short is found."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from armillary.convert.visibility.validation import validate  # noqa: E402
from armillary.testing.observations import simulated_observation  # noqa: E402

LAYOUTS = ("dsa110", "memo")
#: Where the first version of HDF5's superblock has the length of the file.
END_OF_FILE = 40


@pytest.fixture(scope="module", params=LAYOUTS)
def whole(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each layout."""
    folder = tmp_path_factory.mktemp(request.param)
    return simulated_observation(folder, layout=request.param, n_subbands=1, noise=1.0).paths[0]


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A file that a test may break."""
    return Path(shutil.copy(whole, tmp_path / "copy.uvh5"))


def replaced(file: Any, name: str, value: Any) -> None:
    del file[name]
    file[name] = value


def problems(path: Path) -> str:
    return "; ".join(validate(path).problems)


# ------------------------------------------------------------------ whole files


def test_a_whole_file_is_valid(whole: Path) -> None:
    validation = validate(whole)
    assert validation.ok and validation and validation.problems == ()
    assert repr(validation) == f"<Validation: {str(whole)!r} is valid>"


def test_real_files_are_valid(visibility_data: Path) -> None:
    files = sorted(visibility_data.glob("*.uvh5"))
    assert files and all(map(validate, files))


@pytest.mark.parametrize("visibility_type", ["complex64", "complex128", "int32"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_every_type_and_compression_is_valid(
    visibility_type: str, compression: str | None, tmp_path: Path
) -> None:
    observation = simulated_observation(
        tmp_path, n_subbands=1, visibility_type=visibility_type, compression=compression, flux=1e5
    )
    assert validate(str(observation.paths[0]))


def test_flags_that_were_never_written_are_none_set(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        shape = file["Data/flags"].shape
        del file["Data/flags"]
        file["Data"].create_dataset("flags", shape, dtype=bool, chunks=True)
    assert validate(copy)


def test_a_file_of_thousands_of_chunks_takes_milliseconds(tmp_path: Path) -> None:
    path = simulated_observation(tmp_path, n_subbands=1, n_antennas=32, n_times=4).paths[0]
    with h5py.File(path, "r+") as file:
        for name in ("visdata", "flags", "nsamples"):
            data = file["Data"][name][()]
            del file["Data"][name]
            file["Data"].create_dataset(name, data=data, chunks=(4, 1, 2, 1))
        assert file["Data/visdata"].id.get_num_chunks() == 3168
    validate(path)
    begin = time.perf_counter()
    assert validate(path)
    # A few of them here, and a busy machine may need ten times as long.
    assert time.perf_counter() - begin < 0.25


# ------------------------------------------------------------------ files that are cut short


def test_every_truncation_is_found(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    n = len(content)
    lengths = {*range(0, 4096, 61), *range(0, n, max(1, n // 150)), *range(n - 100, n)}
    path = tmp_path / "short.uvh5"
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        assert not validate(path), f"{length} of {n} bytes pass for a whole file"


def test_every_truncation_of_real_files_is_found(visibility_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.uvh5"
    for whole in sorted(visibility_data.glob("*.uvh5")):
        content = whole.read_bytes()
        for length in np.linspace(1, len(content) - 1, 25).astype(int).tolist():
            path.write_bytes(content[:length])
            assert not validate(path), f"{length} of {len(content)} bytes of {whole.name} pass"


def test_a_truncation_is_told_in_bytes(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    path = tmp_path / "short.uvh5"
    path.write_bytes(content[:-1000])
    assert problems(path) == (
        f"is cut short: it has {len(content) - 1000:,} of {len(content):,} bytes"
    )


def test_chunks_beyond_the_end_are_found_where_hdf5_does_not_look(copy: Path) -> None:
    """A writer that died leaves a length in the superblock that is not that of its data."""
    with h5py.File(copy) as file:
        data = file["Data/visdata"].id
        first = min(data.get_chunk_info(i).byte_offset for i in range(data.get_num_chunks()))
    content = bytearray(copy.read_bytes()[: first + 10])
    assert struct.unpack_from("<Q", content, END_OF_FILE)[0] > len(content)
    struct.pack_into("<Q", content, END_OF_FILE, len(content))
    copy.write_bytes(content)
    assert not validate(copy)


def test_chunks_that_lie_outside_of_their_dataset_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data = file["Data/visdata"][()]
        del file["Data/visdata"]
        file["Data"].create_dataset("visdata", data=data, chunks=(54, *data.shape[1:]))
    # The tree of the chunks has the size of each, a mask of filters, and where it begins.
    content = copy.read_bytes()
    size, rank = data.nbytes // 2, data.ndim + 1
    first = struct.pack(f"<II{rank}Q", size, 0, *[0] * rank)
    second = struct.pack(f"<II{rank}Q", size, 0, 54, *[0] * (rank - 1))
    assert content.count(second) == 1 and first in content
    strayed = struct.pack(f"<II{rank}Q", size, 0, 162, *[0] * (rank - 1))
    copy.write_bytes(content.replace(second, strayed))
    assert "chunks of '/Data/visdata' lie outside of it" in problems(copy)


def test_contiguous_data_beyond_the_end_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data = file["Data/visdata"][()]
        del file["Data/visdata"]
        file["Data"].create_dataset("visdata", data=data)
    with h5py.File(copy) as file:
        end = file["Data/visdata"].id.get_offset() + data.nbytes
    content = bytearray(copy.read_bytes()[: end - 1])
    struct.pack_into("<Q", content, END_OF_FILE, len(content))
    copy.write_bytes(content)
    assert not validate(copy)


def test_data_that_were_never_written_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data = file["Data/visdata"]
        shape, dtype = data.shape, data.dtype
        del file["Data/visdata"]
        data = file["Data"].create_dataset("visdata", shape, dtype=dtype, chunks=(10, *shape[1:]))
        data[:1] = 0.0
    assert problems(copy) == "has 10 of 11 chunks of '/Data/visdata' that were never written"


# ------------------------------------------------------------------ files that are something else


def test_a_missing_file_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        validate(tmp_path / "absent.uvh5")


def test_other_things_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.uvh5").touch()
    (tmp_path / "text.uvh5").write_text("UVH5, or is it?")
    (tmp_path / "folder").mkdir()
    (tmp_path / "set.ms").mkdir()
    (tmp_path / "set.ms" / "table.dat").touch()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert problems(tmp_path / "empty.uvh5") == "is empty"
    assert problems(tmp_path / "text.uvh5") == "is no HDF5 file"
    assert problems(tmp_path / "folder") == "is a folder, not a UVH5 file"
    assert "only UVH5 can be validated" in problems(tmp_path / "set.ms")
    assert problems(tmp_path / "other.h5") == "has no group 'Header'; has no group 'Data'"


def test_a_file_that_may_not_be_read_says_so_by_permission_error(copy: Path) -> None:
    copy.chmod(0)
    try:
        with open(copy, "rb"):
            pytest.skip("this user may read everything")
    except PermissionError:
        pass
    with pytest.raises(PermissionError):
        validate(copy)


def test_a_file_that_another_process_writes_is_no_wrong_file(copy: Path) -> None:
    write = (
        f"import h5py; file = h5py.File({str(copy)!r}, 'r+'); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", write]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as writer:
        assert writer.stdout.readline().strip() == b"open"
        try:
            with pytest.raises(BlockingIOError, match=re.escape(copy.name)):
                validate(copy)
        finally:
            writer.communicate(b"\n")
    assert validate(copy)


# ------------------------------------------------------------------ files that do not fit together


def without(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


def with_value(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: replaced(file, name, value)


def altered(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], None]:
    return lambda file: replaced(file, name, change(file[name][()]))


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flat[1] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("Header/time_array"), "has no dataset 'Header/time_array'"),
        (without("Header/antenna_positions"), "has no dataset 'Header/antenna_positions'"),
        (without("Data/flags"), "has no dataset 'Data/flags'"),
        (without("Data"), "has no group 'Data'"),
        (with_value("Header", 1.0), "has no group 'Header'"),
        (with_value("Header/Nblts", 7), "'/Header/time_array' of shape (108,); Nblts"),
        (with_value("Header/Nblts", "many"), "'/Header/Nblts' that is no positive integer"),
        (with_value("Header/Nfreqs", 5), "Nfreqs"),
        (with_value("Header/Npols", 0), "'/Header/Npols' that is no positive integer"),
        (altered("Header/ant_2_array", lambda a: a[:-1]), "'/Header/ant_2_array' of shape (107,)"),
        (altered("Header/uvw_array", lambda a: a[:, :2]), "'/Header/uvw_array' of shape (108, 2)"),
        (altered("Data/visdata", lambda a: a[:-3]), "'/Data/visdata' of shape (105,"),
        (altered("Data/flags", lambda a: a[..., :1]), "'/Data/flags' of shape"),
        (altered("Data/nsamples", lambda a: a[..., None]), "'/Data/nsamples' of shape"),
        (altered("Data/visdata", np.abs), "has visibilities of type float32"),
        (altered("Data/flags", lambda a: a.astype(float)), "has flags of type float64"),
        (altered("Header/time_array", with_nan), "has 1 of 108 times that are not finite"),
        (altered("Header/time_array", lambda t: t - 2_400_000.5), "which are no Julian dates"),
        (altered("Header/freq_array", with_nan), "frequencies that are not finite"),
        (altered("Header/freq_array", np.zeros_like), "frequencies that are not finite and pos"),
        (altered("Header/freq_array", np.ones_like), "frequencies that neither rise nor fall"),
        (with_value("Header/freq_array", np.bytes_("L band")), "'/Header/freq_array' of shape ()"),
        (with_value("Header/polarization_array", [-5, 17]), "polarizations of unknown codes: 17"),
        (with_value("Header/polarization_array", [-5, -5]), "has a polarization twice"),
        (with_value("Header/antenna_numbers", np.arange(100, 109)), "has visibilities of antenna"),
    ],
)
def test_what_does_not_fit_is_named(copy: Path, change: Callable[[Any], None], said: str) -> None:
    with h5py.File(copy, "r+") as file:
        change(file)
    assert said in problems(copy)


def test_all_that_is_missing_is_named_at_once(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        del file["Header/Npols"], file["Header/latitude"], file["Data/nsamples"]
    assert len(validate(copy).problems) == 3


def test_data_of_both_shapes_in_one_file_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        flags = file["Data/flags"][()]
        flags = flags[:, 0] if flags.ndim == 4 else flags[:, np.newaxis]
        replaced(file, "Data/flags", flags)
    assert "has data of different shapes" in problems(copy)
