"""What earlier versions have written can be read for ever, and is found under its key."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from armillary.cache import decode, encode, key_of
from armillary.testing.cache_values import arrays_in, difference

HERE = Path(__file__).parent / "fixtures"
KNOWN = runpy.run_path(str(HERE / "values.py"))
VALUES, ONLY_READ = KNOWN["VALUES"], KNOWN["ONLY_READ"]


def written(name):
    return (HERE / f"{name}.armc").read_bytes()


def test_every_file_is_listed():
    assert {path.stem for path in HERE.glob("*.armc")} == VALUES.keys() | ONLY_READ.keys()


@pytest.mark.parametrize("name", [*VALUES, *ONLY_READ])
def test_what_was_written_is_read_bit_for_bit(name):
    assert difference((VALUES | ONLY_READ)[name], decode(written(name))) == ""


@pytest.mark.parametrize("name", VALUES)
def test_the_same_bytes_are_written_today(name):
    assert encode(VALUES[name]) == written(name)


@pytest.mark.parametrize("name", VALUES)
def test_keys_are_the_same_today(name):
    assert key_of(VALUES[name]).hex() == json.loads((HERE / "keys.json").read_text())[name]


def test_arrays_of_a_page_are_aligned():
    found = decode(np.frombuffer(written("page"), "u1"))
    assert all(array.flags.aligned for array in arrays_in(found))


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in HERE.glob("*.armc")) < 30_000
