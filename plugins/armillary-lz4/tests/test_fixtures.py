"""Stored forms of earlier versions: they decode for ever.

``python tests/test_fixtures.py NAME`` writes those of this version to the folder fixtures/NAME,
for a version that changes the stored form; what is there is never written again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from armillary_lz4.codec import Codec
from armillary_lz4.layout import Plan

FIXTURES = Path(__file__).parent / "fixtures"


def arrays() -> dict[str, tuple[np.ndarray, Plan]]:
    """What was stored and how, of whole numbers alone: the same on every machine."""
    i = np.arange(2000)
    y, x = np.mgrid[:30, :40]
    image = (x - 20) ** 2 // 9 + (y - 15) ** 2 // 5 + x * y * 7919 % 5
    times = 2_457_000_000 + 2 * i + i % 7 % 2
    times[-1] = -1
    return {
        "plain": (np.tile(i[:200].astype(np.uint32) * 2_654_435_761, 9), Plan()),
        "lanes": (i[:1100] * 1_000_003, Plan(8, modes=bytes(8), raw_masks=b"\xff" + bytes(7))),
        "planes": (
            (1_000_000 + i[:1100] ** 2 * 7919 % 61).astype(np.float32),
            Plan(4, modes=bytes([1, 1, 0, 1]), raw_masks=bytes([0b110000, 1, 0, 0])),
        ),
        "three": (i[:1800].astype(np.uint8), Plan(3, modes=bytes([1, 0, 1]), raw_masks=bytes(3))),
        "delta": (times, Plan(8, True, 0, bytes([1, *[0] * 7]), bytes([3, *[0] * 7]))),
        "delta-of-bytes": (image.astype(np.uint8), Plan(1, True, 0, b"\1", b"\0")),
        "rows": (image.astype(np.int16), Plan(2, True, 40, b"\1\0", b"\7\0")),
        "rows-of-floats": (image.astype(np.float32), Plan(4, True, 40, b"\0\1\1\0", bytes(4))),
        "raw": ((i[:600] ** 2 * 7919 % 257).astype(np.uint8), Plan()),
    }


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("*/*.lz4")), ids=lambda path: f"{path.parent.name}, {path.stem}"
)
def test_fixture_decodes(path: Path) -> None:
    array, _ = arrays()[path.stem]
    again = np.zeros_like(array)
    Codec().decode(memoryview(path.read_bytes()), memoryview(again.reshape(-1).view(np.uint8)))
    np.testing.assert_array_equal(again, array)


def test_there_are_fixtures_of_each_kind() -> None:
    assert {path.stem for path in (FIXTURES / "version-1").glob("*.lz4")} == set(arrays())


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, (array, plan) in arrays().items():
        stored = Codec(threads=1).encode_as(memoryview(array.reshape(-1).view(np.uint8)), plan)
        (folder / f"{name}.lz4").write_bytes(stored)


if __name__ == "__main__":
    write(FIXTURES / sys.argv[1])
