"""Damages a file and converts it, again and again, in a process that may die of it.

    python fuzz_worker.py WHOLE FOLDER [--hdf5-alone]

reads the number of a case from each line of its input and answers with a line of JSON. With the
option, h5py alone reads the damaged file: what kills that is no fault of ours.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

DATA = ("visdata", "flags", "nsamples")
#: Most of a file is visibilities, in which a wrong byte is a wrong number and nothing else.
SHARE_OF_METADATA = 0.8
SHARE_OF_TRUNCATIONS = 0.2
MOST_BYTES = 16
BLOCK = 512
#: Beyond this (bytes), a size that a damaged file claims is refused by the system.
MOST_MEMORY = 6 << 30

CONVERTED, REFUSED, WRONG = "converted", "refused", "wrong"


class Damage:
    """Copies of a file with something wrong, the same ones for the same numbers.

    Parameters
    ----------
    whole : Path
        The file.
    """

    def __init__(self, whole: Path) -> None:
        self.content = np.fromfile(whole, dtype=np.uint8)
        self.metadata = np.flatnonzero(~_is_data(whole, len(self.content)))

    def damaged(self, number: int) -> tuple[str, bytes]:
        """What was done, and the result."""
        rng = np.random.default_rng(number)
        if rng.random() < SHARE_OF_TRUNCATIONS:
            n = int(rng.integers(len(self.content)))
            return f"cut after {n} bytes", self.content[:n].tobytes()
        content = self.content.copy()
        kind = ("bit", "bytes", "zeros", "noise")[rng.integers(4)]
        if kind == "bit":
            at = self._places(rng, 1)
            content[at] ^= np.uint8(1 << rng.integers(8))
        elif kind == "bytes":
            at = self._places(rng, int(rng.integers(1, MOST_BYTES)))
            content[at] = rng.integers(256, size=len(at))
        else:
            first = self._places(rng, 1)[0]
            at = np.arange(first, min(first + rng.integers(1, BLOCK), len(content)))
            content[at] = 0 if kind == "zeros" else rng.integers(256, size=len(at))
        return f"{kind} at {at[:4].tolist()}", content.tobytes()

    def _places(self, rng: np.random.Generator, n: int) -> np.ndarray:
        if rng.random() < SHARE_OF_METADATA:
            return rng.choice(self.metadata, n)
        return rng.integers(len(self.content), size=n)


def _is_data(whole: Path, size: int) -> np.ndarray:
    """Which bytes of a file hold visibilities, flags and numbers of samples."""
    import h5py

    is_data = np.zeros(size, dtype=bool)

    def mark(chunk: Any) -> None:
        is_data[chunk.byte_offset : chunk.byte_offset + chunk.size] = True

    with h5py.File(whole) as file:
        for name in DATA:
            file["Data"][name].id.chunk_iter(mark)
    return is_data


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Rows, channels and polarisations of what a file holds, whatever its version."""
    import h5py

    with h5py.File(path) as file:
        found = {name: file["Data"][name].shape for name in DATA}
        found = {name: (shape[0], *shape[-2:]) for name, shape in found.items()}
        header = file["Header"]
        for name in ("time_array", "ant_1_array", "ant_2_array"):
            found[name] = header[name].shape
        found["uvw_array"] = header["uvw_array"].shape
        found["freq_array"] = header["freq_array"].shape[-1:]
        found["polarization_array"] = header["polarization_array"].shape
    return found


def attempt(
    path: Path, out: Path, expected: dict[str, tuple[int, ...]], threads: int
) -> tuple[str, str]:
    """Validate and convert a file, and tell how that ended.

    Returns
    -------
    tuple of str
        One of CONVERTED, REFUSED and WRONG, and why.
    """
    import armillary as arm
    from armillary.convert.visibility.errors import VisibilityFileError
    from armillary.convert.visibility.validation import validate

    try:
        validation = validate(path)
    except Exception as error:
        return WRONG, f"validate raised {type(error).__name__}: {error}"
    try:
        arm.convert.visibilities(path, out, threads=threads)
    except (VisibilityFileError, OSError) as error:
        if path.name not in str(error):
            return WRONG, f"{type(error).__name__} names no file: {error}"
        left = sorted(one.name for one in path.parent.iterdir() if one != path)
        return (WRONG, f"leaves {left}") if left else (REFUSED, str(error))
    except Exception as error:
        return WRONG, f"{type(error).__name__}: {error}; {validation}"
    found = shapes(out)
    if found != expected:
        return WRONG, f"converted with shapes {found} instead of {expected}; {validation}"
    if not validate(out):
        return WRONG, f"wrote {validate(out)}; {validation}"
    return CONVERTED, "; ".join(validation.problems)


def read_alone(path: Path) -> tuple[str, str]:
    """Let h5py read all that there is, and pass over what it says; answers with REFUSED."""
    import h5py

    def look(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            for step in (lambda: item.id.chunk_iter(lambda chunk: None), lambda: item[()]):
                with contextlib.suppress(Exception):
                    step()

    with contextlib.suppress(Exception), h5py.File(path) as file:
        for group in ("Header", "Data"):
            with contextlib.suppress(Exception):
                file[group].visititems(look)
    return REFUSED, "HDF5 survives"


def main() -> None:
    faulthandler.enable()
    _limit_memory()
    whole, folder, alone = Path(sys.argv[1]), Path(sys.argv[2]), len(sys.argv) > 3
    damage, expected = Damage(whole), shapes(whole)
    path, out = folder / "damaged.uvh5", folder / "converted.uvh5"
    for line in sys.stdin:
        number = int(line)
        what, content = damage.damaged(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path.write_bytes(content)
        if alone:
            outcome, why = read_alone(path)
        else:
            outcome, why = attempt(path, out, expected, threads=1 + number % 2)
        print(json.dumps({"damage": what, "outcome": outcome, "why": why}), flush=True)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    main()
